# The data plane as cffi makes it from the headers of csrc/. Made by scripts/generate; do not edit.
#
# A struct, and a pointer to one, has the struct's class; an enum is an int. A pointer may be ffi.NULL. Members that are
# arrays or other pointers are Any.
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

class CData:
    def __getitem__(self, at: Any, /) -> Any: ...
    def __setitem__(self, at: Any, value: Any, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __add__(self, n: int, /) -> CData: ...
    def __sub__(self, other: Any, /) -> Any: ...

_CData = CData

class CType:
    elements: dict[int, str]
    fields: list[tuple[str, Any]]
    item: CType
    length: int | None

class FFI:
    CData: type[_CData]
    NULL: Any
    def addressof(self, c: _T, /) -> _T: ...
    def buffer(self, c: _CData, size: int = -1, /) -> Any: ...
    def cast(self, to: str | CType, value: Any, /) -> Any: ...
    def from_buffer(self, *args: Any, require_writable: bool = ...) -> Any: ...
    def gc(self, c: _T, destructor: Callable[[_T], object], size: int = ...) -> _T: ...
    def memmove(self, to: Any, source: Any, n: int) -> None: ...
    def new(self, what: str | CType, init: Any = ...) -> Any: ...
    def sizeof(self, what: str | CType | _CData, /) -> int: ...
    def string(self, c: _CData, maxlen: int = -1) -> bytes: ...
    def typeof(self, what: str | _CData, /) -> CType: ...
    def unpack(self, c: _CData, n: int) -> Any: ...

class Addrconf(CData):
    accept_ra: int
    dad_transmits: int
    learnt: int
    hop_limit: int
    mtu: int
    dad_left: int
    rs_left: int
    nrouters: int
    dad_at: int
    rs_at: int
    router: Any
    prefix: Any

class Arfs(CData):
    filter: ArfsFilter
    mask: int
    count: int
    expire_next: int
    lock: int
    added: int
    expired: int
    hits: int
    full: int

class ArfsFilter(CData):
    key: FlowKey
    queue: int
    used: int
    flow: int

class ArrowArray(CData):
    length: int
    null_count: int
    offset: int
    n_buffers: int
    n_children: int
    buffers: Any
    children: Any
    dictionary: ArrowArray
    release: Any
    private_data: Any

class ArrowSchema(CData):
    format: Any
    name: Any
    metadata: Any
    flags: int
    n_children: int
    children: Any
    dictionary: ArrowSchema
    release: Any
    private_data: Any

class ArrowStream(CData):
    get_schema: Any
    get_next: Any
    get_last_error: Any
    release: Any
    private_data: Any

class BpfInsn(CData):
    code: int
    jt: int
    jf: int
    k: int

class BpfProg(CData):
    len: int
    tag_in_bytes: int
    insn: Any

class BusyPoll(CData):
    napi: NapiStruct
    end: int
    queue: int
    owned: int
    spins: int

class Capture(CData):
    tap: Any
    points: int
    interface: Any
    verdicts: Any
    filter: BpfProg
    batch: Any
    filling: CaptureBatch
    held: CaptureBatch
    spare: CaptureBatch
    out: Any
    size: int
    out_used: int
    fd: int
    wake_fd: int
    threaded: int
    regular: int
    woken: int
    lock: int
    stop: int
    base_ns: int
    written: int
    first_id: int
    last_id: int
    packets: int
    bytes: int
    late: int
    drops: int
    lost: int
    error: int

class CaptureBatch(CData):
    buf: Any
    used: int
    slot: CaptureSlot
    nslots: int
    next: int

class CaptureSlot(CData):
    t: int
    id: int
    off: int
    len: int
    fate: int
    spare: int

class ChangeBin(CData):
    worse: int
    better: int
    other: int

class CpuTimes(CData):
    hardirq_ns: int
    softirq_ns: int
    ksoftirqd_ns: int
    switch_ns: int
    task_ns: int

class Cpumask(CData):
    bits: Any

class Dim(CData):
    profile: int
    tune: int
    measuring: int
    steps_right: int
    steps_left: int
    tired: int
    start: DimSample
    before: DimStats
    decisions: int
    log: Any

class DimDecision(CData):
    t_ns: int
    stats: DimStats
    profile: int
    tune: int
    spare: int

class DimProfile(CData):
    usecs: int
    frames: int

class DimSample(CData):
    t_ns: int
    packets: int
    bytes: int
    events: int
    spare: Any

class DimStats(CData):
    ppms: int
    bpms: int
    epms: int

class Dma(CData):
    region: Any
    nregions: int
    base: Any
    size: int
    memfd: int

class DmaChannel(CData):
    hot: DmaRegion
    now: int
    offload: int
    sums: int

class DmaRegion(CData):
    bus: int
    size: int
    base: Any

class DmaTally(CData):
    frames: int
    bytes: int
    l4: int
    good: int

class DriverQueue(CData):
    napi: NapiStruct
    vq: VirtqueueDriver
    pool: RxPool
    nic: Nic
    nicq: NicQueue
    irq_ns: int
    dim: Dim
    dim_memory: Dim
    masked: int
    bursts: int
    refill_tries: int
    rx_packets: int
    rx_bytes: int
    lost_to_faults: int
    alloc_rx_buff_failed: int
    csum_good: int
    bad_used: int
    irqs: int
    irqs_counted: int
    irqs_by: Any

class DriverTx(CData):
    vq: VirtqueueDriver
    base: Any
    bus: int
    size: int
    nfree: int
    free: Any
    buf: TxBuf
    lock: int
    offload: int
    tso: int
    spare: Any
    ip_id: int
    frag_id: int
    posted: int
    queued: int
    packets: int
    bytes: int
    fates: Any

class EventFlows(CData):
    key: FlowKey
    slot: Any
    mask: int
    used: int
    missed: int

class EventLimits(CData):
    flows: int
    hardirqs: int
    gro_ends: int

class EventLog(CData):
    slot: EventRecord
    size: int
    room: int
    head: int
    tail: int
    missed: int
    from_ns: int
    until_ns: int
    chosen: Any
    nchosen: int
    observe: Any
    observer: Any

class EventRange(CData):
    first: int
    last: int

class EventRecord(CData):
    t_ns: int
    dur_ns: int
    frame: int
    skb: int
    arg: int
    cpu: int
    queue: int
    kind: int
    spare: int
    more: int

class EventSearch(CData):
    kinds: int
    first_frame: int
    last_frame: int
    from_ns: int
    until_ns: int
    cpu: int
    queue: int
    joined: int

class EventTaps(CData):
    tap: Any
    host: Host
    log: Any
    nlogs: int
    filter: BpfProg
    flows: EventFlows
    done: Any

class EventWanted(CData):
    from_ns: int
    until_ns: int
    kinds: int
    cpu: int
    queue: int
    frames: EventRange
    nframes: int

class Exthdrs(CData):
    at: int
    nhoff: int
    before: int
    next: int

class Fiber(CData): ...

class Fifo(CData):
    slot: Frame
    mask: int
    head: int
    tail: int
    size: int
    bytes: int
    max_bytes: int
    lost_bytes: int

class FileSet(CData):
    n: int
    fd: Any

class FirstCpu(CData):
    at: int
    then: int
    cpu: int

class FlowChange(CData):
    frames: int
    changed: int
    lost_a: int
    lost_b: int

class FlowKey(CData):
    src: InetAddr
    dst: InetAddr
    sport: int
    dport: int
    proto: int
    spare: Any

class Frame(CData):
    data: Any
    t_ns: int
    id: int
    len: int
    wire_len: int
    hash: int
    l4_len: int
    l3_off: int
    l4_off: int
    queue: int
    l3: int
    ip_proto: int
    hash_report: int
    flags: int
    vlan_tci: int
    slot: int
    rest: int
    head: int
    gso: int

class FrameChange(CData):
    a: int
    b: int

class FrameDiff(CData):
    both: int
    only_a: int
    only_b: int
    unlike: int
    changed: int
    unfinished: int
    partial: int
    spare: int
    first: FrameChange
    last: FrameChange
    changes: FrameChange
    changes_max: int
    matrix: Any
    flows: FlowChange
    nflows: int
    bins: ChangeBin
    nbins: int
    bins_from: int
    bin_ns: int
    a: Any
    b: Any
    slower: Any
    faster: Any

class FrameRow(CData):
    id: int
    skb: int
    t_wire: int
    t_ring: int
    t_irq: int
    t_poll: int
    t_gro: int
    t_backlog: int
    t_stack: int
    t_socket: int
    t_read: int
    t_fate: int
    len: int
    flow: int
    queue: int
    cpu: int
    stack_cpu: int
    read_cpu: int
    segs: int
    fate: int
    spare: Any

class FrameShadow(CData):
    t_wire: int
    id: int
    t_dma: int

class FrameSpans(CData):
    ns: Any
    seen: int
    spare: int

class FrameTableOf(CData):
    rows: FrameRow
    spans: FrameSpans
    n: int

class Ftrace(CData):
    s: TraceSource
    out: TraceOut
    points: TracePoints
    cpu: FtraceCpu
    at: int
    lines: int
    dev: Any
    flow_proto: Any
    reasons: Any
    locations: Any
    threaded: int
    error: int

class FtraceCpu(CData):
    received: int
    task: int
    hardirqs: int
    softirqs: int
    ethertype: int
    entered: int
    sleeps: int
    in_recv: int
    guessed: int
    columns_n: int
    columns: Any

class GroFlow(CData):
    key: FlowKey
    used: int
    spread_max_ns: int
    frames: int
    skbs: int
    lost_ids: int
    lost_psh: int
    spread_ns: int
    ended: Any

class GroFlows(CData):
    mask: int
    missed: int
    flow: Any

class GroList(CData):
    skb: Any
    count: int

class Gso(CData):
    len: int
    ip: int
    l4: int
    head: int
    at: int
    size: int
    nth: int
    tcp: int
    plain: int

class Histogram(CData):
    count: int
    sum: int
    min: int
    max: int
    bucket: Any

class Host(CData):
    ncpus: int
    hz: int
    jiffy_ns: int
    cpu: Any
    nic: Nic
    dev: NetDevice
    dq: Any
    timer: Any
    upcall: Any
    spinners: int
    rx_pool_size: int
    live: int
    gro: int
    auto_sink: int
    ip_any: int
    vlan_any: int
    card_only: int
    spin_max_ns: int
    gro_list: int
    gro_udp_fwd: int
    gro_cwr: int
    no_lists: int
    udp_gro_socks: int
    gro_flows: int
    cost: Any
    weight: int
    netdev_budget: int
    netdev_budget_usecs: int
    dev_weight: int
    dev_weight_rx_bias: int
    netdev_max_backlog: int
    gro_max_size: int
    gro_ipv4_max_size: int
    gro_normal_batch: int
    napi_config: Any
    prefer_busy_poll: int
    busy_read: int
    busy_poll_budget: int
    irq_affinity: Any
    rps_len: Any
    rps_map: Any
    rps_flow_cnt: int
    rps_sock_flow_entries: int
    flow_limit_table_len: int
    flow_limit_cpus: Cpumask
    rps_flow_log: Any
    rps_flow: Any
    rps_sock_flow: RpsSockFlowTable
    rps_sock_tables: RpsSockFlowTable
    rps_cpu_mask: int
    hash_key: Any
    rcvbuf: int
    rmem_max: int
    sock_max: int
    reader_cpu: int
    udp_mem: int
    udp_mem_rest: Any
    udp_rmem_min: int
    udp_mem_allocated: int
    ptype: Any
    nptypes: int
    protocol_python: Any
    ip: Any
    nips: int
    answers: int
    gateway: Any
    tx: DriverTx
    neigh: NeighTable
    routes: RouteCache
    addrconf: Addrconf
    icmp: IcmpLimits
    out_mib: Any
    socks: SockTable
    tcp: TcpHost
    upcalls: UpcallQueue
    outside_fates: Any
    outside_ofo_frames: int
    taps: Any
    taps_lock: int
    running: SoftnetData
    acts: SoftnetData
    others_ns: int
    next: Any
    next_stale: int
    next_of_group: Any
    await_turn: Any
    settle: Any
    caller: Fiber
    until: int
    world_ns: int
    steps: int
    turns: int
    event: int
    settling: int
    planned: int
    ip_frags: InetFrags
    ip6_frags: InetFrags
    mc: McState

class IcmpLimits(CData):
    lock: int
    ratelimit_ms: int
    ratelimit6_ms: int
    msgs_per_sec: int
    msgs_burst: int
    credit: int
    stamp_ns: int
    peer: Any

class IcmpPeer(CData):
    addr: InetAddr
    tokens: int
    last: int

class InetAddr(CData):
    hi: int
    lo: int

class InetFrag(CData):
    offset: int
    end: int
    hdr: int
    nhoff: int
    proto: int
    more: int
    ecn: int

class InetFragKey(CData):
    src: InetAddr
    dst: InetAddr
    id: int
    proto: int

class InetFragPeer(CData):
    next: InetFragPeer
    addr: int
    rid: int
    refs: int
    spare: int

class InetFragQueue(CData):
    key: InetFragKey
    next: InetFragQueue
    older: InetFragQueue
    newer: InetFragQueue
    runs: SkBuff
    last: SkBuff
    peer: InetFragPeer
    expires: int
    len: int
    meat: int
    rid: int
    hdr: int
    nhoff: int
    proto: int
    flags: int
    ecn: int
    spare: int
    cpu: int

class InetFrags(CData):
    lock: int
    max_dist: int
    mib: int
    queue_size: int
    high_thresh: int
    timeout_ns: int
    mem: int
    frames: int
    refused: int
    max_mem: int
    size: int
    used: int
    mask: int
    peers_used: int
    queues: InetFragQueue
    free: InetFragQueue
    hash: Any
    peers: InetFragPeer
    peers_free: InetFragPeer
    peers_hash: Any
    oldest: Any
    newest: Any

class InetNet(CData):
    addr: InetAddr
    prefix: int
    flags: int
    valid: int
    preferred: int

class InetSock(CData):
    uc_ttl: int
    mc_ttl: int
    hop_limit: int
    mcast_hops: int
    tos: int
    tclass: int
    pmtudisc: int
    pmtudisc6: int
    dontfrag: int
    recverr: int
    recverr6: int
    broadcast: int
    reuse: int
    reuseport: int
    send_cscov: int
    recv_cscov: int
    pcslen: int
    pcrlen: int
    cmsgs: int
    errors: SockErrors

class IpUsual(CData):
    skb: SkBuff
    total: int

class Irq(CData):
    rx_usecs: int
    rx_frames: int
    rx_usecs_irq: int
    rx_frames_irq: int
    frames: int
    pending: int
    serviced: int
    wanted: int
    late: int
    since: int
    first_ns: int
    deadline_ns: int
    call_fd: int
    raised: int
    by_usecs: int
    by_frames: int
    suppressed: int
    delay_sum_ns: int
    delay_max_ns: int

class JointWay(CData): ...

class JointWire(CData):
    wire: Wire
    out: JointWay
    ends: Any
    shut: int

class Link(CData):
    end_of: Any
    way: Any
    now: int
    end: int
    windows: int
    open: int
    side: int
    event: int
    buf: Any

class LinkEnd(CData):
    h: Host
    tasks: LinkTask
    ready: LinkTask
    ready_tail: LinkTask
    wakes: int
    cut: int

class LinkTask(CData):
    waker: SockWaker
    end: LinkEnd
    sk: Sock
    next: LinkTask
    ready_next: LinkTask
    left: int
    got: int
    sent: int
    owed: int
    read: int
    asked_ns: int
    first_ns: int
    end_ns: int
    rtt_ns: Any
    rtts: int
    rtts_room: int
    kind: int
    request: int
    response: int
    error: int
    ready: int
    eof: int
    done: int
    shut: int

class LinkWait(CData):
    start_ps: int
    len: int

class LinkWay(CData):
    to: MemWire
    bps: int
    delay_ns: int
    loss: int
    queue_bytes: int
    random: int
    free_ps: int
    wait: LinkWait
    queue_frames: int
    head: int
    waits: int
    room: int
    waiting_bytes: int
    frames: int
    bytes: int
    lost: int
    dropped: int
    carried: int
    busy_ps: int
    no_memory: int
    waits_max: int
    waiting_bytes_max: int

class MacFilter(CData):
    addr: Any
    any: int
    promisc: int
    allmulti: int
    vlan_filter: int
    mc_overflow: int
    nuc: int
    nmc: int
    mc_seq: int
    uc: Any
    mc: Any
    vlans: Any

class McFamily(CData):
    group: McGroup
    used: int
    free: int
    hash: Any
    newest: int
    qrv: int
    ifc_count: int
    ngone: int
    v1_seen: int
    v2_seen: int
    gq_ns: int
    ifc_ns: int
    qi_ns: int
    qri_ns: int
    gone: Any

class McGone(CData):
    addr: InetAddr
    reports: int

class McGroup(CData):
    addr: InetAddr
    timer_ns: int
    users: int
    older: int
    newer: int
    hash_next: int
    crcount: int
    unsolicited: int
    reporter: int
    silent: int

class McMember(CData):
    group: InetAddr
    next: int
    spare: int

class McState(CData):
    seq: int
    members_used: int
    members_free: int
    member: McMember
    drawn: int
    family: Any

class MemFrame(CData):
    t_ns: int
    off: int
    len: int
    wire_len: int

class MemWire(CData):
    wire: Wire
    arena: Any
    arena_size: int
    arena_used: int
    frames: MemFrame
    nframes: int
    frames_size: int
    pos: int
    loops: int
    closed: int
    out: Any
    out_used: int
    out_frames: Any
    nout: int
    out_lock: int
    way: LinkWay

class NapiConfig(CData):
    gro_flush_timeout: int
    irq_suspend_timeout: int
    defer_hard_irqs: int
    threaded: int

class NapiStruct(CData):
    poll: Any
    next: NapiStruct
    sd: SoftnetData
    host: Host
    state: int
    weight: int
    defer_hard_irqs_count: int
    timer_ns: int
    gro_bitmask: int
    udp_passes: int
    gro_hash: Any
    rx_list: SkBuff
    rx_list_tail: SkBuff
    rx_count: int
    gro_held: int
    slot: int
    thread: Task
    gro_why: int
    queue: int
    config: NapiConfig
    polled_ns: int
    idle_ns: int
    polls: int
    packets: int
    full_polls: int
    completes: int

class NeighGc(CData):
    count: int
    oldest: int
    newest: int
    spare: int
    flushed: int
    swept: int
    futile: int

class NeighTable(CData):
    entry: Neighbour
    hash: Any
    used: int
    entries: int
    free: int
    spare: int
    gc: Any
    times: Any
    allocs: int
    destroys: int
    res_failed: int
    lookups: int
    hits: int
    rcv_probes_mcast: int
    rcv_probes_ucast: int
    periodic_gc_runs: int
    forced_gc_runs: int
    unresolved_discards: int
    table_fulls: int

class NeighTimes(CData):
    reachable_ns: int
    retrans_ns: int
    stale_ns: int

class Neighbour(CData):
    addr: InetAddr
    mac: Any
    state: int
    probes: int
    flags: int
    in_use: int
    spare: Any
    hash_next: int
    older: int
    newer: int
    queue: int
    queue_tail: int
    queue_bytes: int
    confirmed: int
    used: int
    updated: int
    timer_ns: int

class NetDevice(CData):
    dev_addr: Any
    ntuple: Any
    mtu: Any
    real_num_rx_queues: Any
    napi: Any
    irq_handler: Any
    rx_pending: Any
    ndo_rx_flow_steer: Any
    rx_cpu_rmap: Any

class Nic(CData):
    wire: Wire
    cost: Any
    live: int
    external_driver: int
    spinners: Any
    limit: int
    watched: int
    watch: Any
    tx: NicTx
    filter: MacFilter
    rss: Rss
    fifo: Fifo
    dma: Dma
    config: VnicConfig
    offers: int
    features: int
    hdr_len: int
    call_ctx: int
    foreign: NicForeign
    add_files: Any
    queue: Any
    nqueues: int
    ring_size: int
    tx_ring_size: int
    buf_len: int
    mtu: int
    nqueues_open: int
    queues_max: int
    rx_csum: int
    tx_csum: int
    drop_en: int
    python_filter: int
    up: int
    ntuple: int
    adaptive_rx: int
    arfs: Arfs
    rules: Ntuple
    now: int
    dma_done: int
    dma_busy: int
    irq_next: int
    kick_ns: int
    horizon: int
    refused: int
    burst: Any
    burst_pos: int
    burst_len: int
    burst_asked: int
    burst_key: int
    offered: int
    rx_length_errors: int
    rx_over_errors: int
    rx_fifo_errors: int
    multicast: int
    filtered: int
    rx_no_buffer_count: int
    too_long: int
    longest: int
    fates: Any
    kick_fd: int
    in_taps: int
    lat: Histogram
    events: EventLog
    faults: NicFaults
    may_spin: int
    polls: int
    moved: int
    flow_control: int
    spin_ns: int
    quiet_ns: int
    stop: int
    pause: int
    lend: NicLend
    layout: Any

class NicDriver(CData):
    interrupt: Any
    published: Any
    pool_dry: Any
    taken: Any

class NicFault(CData):
    kind: int
    queue: int
    spare: int
    ppm: int
    spare2: int
    nth: int
    every: int
    from_ns: int
    until_ns: int
    left: int
    arg: int
    random: int
    chances: int
    hits: int

class NicFaults(CData):
    rule: Any
    n: int
    on_frame: int
    hits: Any
    held: Any
    frame: Any
    wake_fd: int

class NicForeign(CData):
    transmit: Any
    broken: Any
    interrupt: Any
    rang: Any
    doorbells: int
    silent: int

class NicLend(CData):
    pad: Any
    state: int
    idlers: int
    head: int
    tail: int
    bursts: int
    pad2: Any

class NicQueue(CData):
    nic: Nic
    driver: NicDriver
    index: int
    vq: Virtqueue
    irq: Irq
    shadow: FrameShadow
    batch: int
    chains_max: int
    frames: int
    bytes: int
    no_buffer: int
    dma_failed: int
    csum_ok: int
    csum_bad: int
    kicks: int
    no_buffer_moderated: int
    no_buffer_pool: int
    refills_failed: int
    stood: int
    overruns: int
    overruns_moderated: int
    overruns_pool: int
    starved: int
    pool_dry: int
    starved_at: int

class NicTx(CData):
    vq: Virtqueue
    memory: Any
    len: int
    head: int
    done_ns: int
    kicks: int
    fates: Any

class Ntuple(CData):
    rule: NtupleRule
    count: int

class NtupleKey(CData):
    src: Any
    dst: Any
    l4: Any
    vlan_tci: Any
    vlan_etype: Any
    proto: Any
    dst_mac: Any
    src_mac: Any
    l3: int
    l4_proto: int
    tos: int
    tagged: int
    has_l4: int
    spare: Any

class NtupleRule(CData):
    value: Any
    mask: Any
    hits: int
    type: int
    location: int
    queue: int
    spare: int

class Outgoing(CData):
    src: InetAddr
    dst: InetAddr
    proto: int
    ttl: int
    tos: int
    df: int
    probe: int
    onlink: int
    unspecified: int
    spare: int
    gso_size: int
    csum_offset: int
    head_len: int
    len: int
    head: Any
    opt_len: int
    opt: Any
    data: Any
    data2: Any
    data2_at: int

class PacketInfo(CData):
    t_ns: int
    len: int
    snaplen: int
    hash: int
    queue: int
    vlan_tci: int
    vlan_tpid: int
    pkt_type: int
    tagged: int
    spare: int

class PacketSeen(CData):
    point: int
    cpu: int
    skb: SkBuff
    frame: Frame
    t_ns: int
    fate: int
    again: int
    faults: int

class PacketSock(CData):
    tap: PacketTap
    filter: BpfProg
    ring: Any
    size: int
    lock: int
    reading: int
    head: int
    tail: int
    waiting: int
    wake_fd: int
    packets: int
    drops: int

class PacketTap(CData):
    next: PacketTap
    func: Any

class PacketType(CData):
    type: int
    python: int
    func: Any
    list: Any

class PcapInterface(CData):
    linktype: int
    fcs_len: int
    snaplen: int
    ticks_per_s: int
    offset_s: int

class PcapLink(CData):
    linktype: int
    carried: int
    aliens: int

class PcapPiece(CData):
    data: Any
    room: int
    last_frame: int

class PcapSelect(CData):
    wants: Any
    filter: BpfProg
    from_ns: int
    until_ns: int
    limit: int
    in_a_row: int
    relative: int
    again: int
    paused: int
    taken: int
    picked: int
    filtered: int
    outside: int

class PcapSlots(CData):
    at: Any
    room: Any
    free: Any
    n: int
    nfree: int

class PcapWire(CData):
    wire: Wire
    fd: int
    piece: int
    piece_data: Any
    piece_at: int
    piece_len: int
    size: int
    pos: int
    format: int
    swapped: int
    nanoseconds: int
    linktype: int
    record_len: int
    lengths_swapped: int
    fcs_len: int
    ninterfaces: int
    interfaces_room: int
    interfaces: PcapInterface
    nframe: int
    stamp_ns: int
    links: Any
    nlinks: int
    more: int
    broken: int
    pieces: PcapPiece
    npieces: int
    piece_bytes: int
    handed: int
    before_burst: int
    slots: PcapSlots
    gso: Gso
    gso_frame: Any
    gso_slot: int
    gso_head: Any
    gso_frames: int
    gso_segments: int
    gso_bytes: int
    gso_segment_bytes: int
    fcs_stripped: int
    fcs_bytes: int
    link_errors: int
    select: PcapSelect
    error_text: Any
    damage: Any

class PfEvent(CData):
    bytes: Any
    used: int

class PfLanes(CData):
    free: Any
    nfree: int
    room: int
    made: int

class PfStack(CData):
    end: Any
    depth: int

class Pftrace(CData):
    s: TraceSource
    wait_names: Any
    out: TraceOut
    points: TracePoints
    lanes: Any
    stack: PfStack
    at: int
    ring: Any
    backlog: Any
    fifo: int
    irqs: Any
    ipis: Any
    wakes: Any
    arrows: int
    queued: Any
    socket_named: Any
    error: int

class Pollfd(CData): ...

class PortLane(CData):
    rx: VirtqueueDriver
    tx: VirtqueueDriver
    call: int
    kick: Any
    armed: int
    posted: int
    tx_nfree: int
    tx_free: Any
    taken: int
    sent: int
    kicks: int
    calls: int

class PortRing(CData):
    desc: int
    avail: int
    used: int

class RaPrefix(CData):
    addr: InetAddr
    valid: int
    len: int
    in_use: int

class RaRouter(CData):
    addr: InetAddr
    until: int
    pref: int
    mtu: int
    away: int
    hop_limit: int
    spare: Any

class RouteCache(CData):
    entry: RouteException
    used: int
    spare: int

class RouteException(CData):
    dst: InetAddr
    gateway: InetAddr
    expires: int
    stamp: int
    mtu: int
    locked: int
    spare: Any

class RpsBurst(CData):
    head: SkBuff
    tail: SkBuff
    len: int

class RpsDevFlow(CData):
    cpu: int
    filter: int
    last_qtail: int
    hash: int

class RpsSockFlowTable(CData):
    mask: int
    size: int
    older: RpsSockFlowTable
    ents: Any

class Rss(CData):
    key: Any
    left_out: Any
    symmetric: int
    shaped: int
    enabled: int
    configured: int
    changes: int
    indir_mask: int
    indir: Any
    window: Any
    matrix: Any
    table: Any

class Rung(CData):
    frame: Any
    write_ns: Any
    read_ns: Any
    kind: int
    len: int
    fd: int
    sock: int

class RxPool(CData):
    base: Any
    bus: int
    stride: int
    buf_len: int
    size: int
    nfree: int
    fresh: int
    free: Any
    skbs: SkBuff
    owner: SoftnetData
    queue: int
    returned: SkBuff
    starved: int
    frame_id: Any

class Schedule(CData):
    rate: int
    frames: int
    bits: int
    loops_ns: int
    nth: int
    first_ns: int
    last_ns: int
    backwards: int
    max_gap_ns: int
    sent_due_ns: int
    shortened: int
    saved_ns: int
    pace: int
    rebase: int

class SdFlowLimit(CData): ...

class Sender(CData):
    pcap: PcapWire
    fd: int
    to: int
    frame_max: int
    drop: int
    passes: int
    limit: int
    start_ns: int
    end_ns: int
    schedule: Schedule
    next_ns: int
    burst: Any
    due_ns: Any
    at: int
    n: int
    ended: int
    full: int
    several: int
    asks: int
    error: int
    first_sent_ns: int
    last_sent_ns: int
    first_due_ns: int
    last_due_ns: int
    taken: int
    taken_before: int
    frames: int
    bytes: int
    last_bytes: int
    passes_done: int
    cut: int
    too_long: int
    too_short: int
    aliens: int
    dropped: int
    queue_full: int
    late: int
    late_max_ns: int
    gap_error: Histogram

class Shared(CData):
    at: Any
    bytes: int
    holders: int

class SkBuff(CData):
    data: Any
    len: int
    hash: int
    segs: int
    ip_summed: int
    pkt_type: int
    hash_report: int
    flags: int
    protocol: int
    kind: int
    mac_header: int
    network_header: int
    queue: int
    cpu: int
    id: int
    truesize: int
    next: SkBuff
    frag_list: SkBuff
    pool: RxPool
    frag_tail: SkBuff
    head_len: int
    gso_size: int
    frag_offset: int
    seq: int
    end_seq: int
    frag_right: SkBuff
    gro_age: int
    rflow: int
    gro_l4: int
    gro_inner: int
    gro_outer: int
    gro_flush: int
    gro_same_flow: int
    gro_fixed_id: int
    vlan_tci: int
    vlan_proto: int
    t_wire: int
    t_stage: int
    tstamp: int

class Sock(CData):
    head: SkBuff
    tail: SkBuff
    rmem_alloc: int
    reader_qlen: int
    rcvbuf: int
    qlen: int
    lport: int
    rport: int
    type: int
    state: int
    on_ready: int
    closed: int
    any: int
    sink: int
    reader_cpu: int
    lock: int
    ready_next: Sock
    index: int
    port_next: int
    packets: int
    bytes: int
    reads: int
    mem: int
    forward_deficit: int
    laddr: InetAddr
    raddr: InetAddr
    wake_fd: int
    rcv_nxt: int
    ofo: SkBuff
    ofo_truesize: int
    fin_seq: int
    listener: int
    accepted: int
    fin_seen: int
    udp_gro: int
    spare: int
    accept_next: Sock
    accept_tail: Sock
    segments: int
    duplicates: int
    ofo_segments: int
    gaps: int
    gap_bytes: int
    rxhash: int
    err: int
    refused: int
    drops: int
    mc_list: int
    mc_only: int
    spare2: Any
    waker: SockWaker

class SockErrors(CData): ...

class SockExterr(CData):
    err: int
    origin: int
    type: int
    code: int
    spare: int
    info: int
    port: int
    spare2: int
    dst: InetAddr
    header: SockFrom
    len: int
    truesize: int

class SockFrom(CData):
    addr: InetAddr
    port: int
    ttl: int
    tos: int
    truncated: int
    gso_size: int
    spare: int
    dst: InetAddr
    spec_dst: InetAddr

class SockTable(CData):
    socks: Sock
    inet: InetSock
    size: int
    used: int
    free_head: int
    clock: int
    lock: int
    port: Any
    flow_sig: Any
    flow_idx: Any
    flow_mask: int
    flows: int
    evicted: int

class SockWaker(CData):
    wake: Any

class SoftnetData(CData):
    host: Host
    cpu: int
    now: int
    horizon: int
    end: int
    irq_next: int
    watchdog_next: int
    tick_next: int
    idled_ns: int
    cold: int
    timer_next: int
    timer_ns: Any
    timer_asked: Any
    timers_asked: int
    live: int
    idle: int
    in_hardirq: int
    in_softirq: int
    bh_off: int
    atomic: int
    irq_pending: int
    irq_more: Any
    irq_ns: Any
    reader_ns: int
    sleeping: int
    stop: int
    pause: int
    wake_fd: int
    spin_ns: int
    in_taps: int
    fiber: Fiber
    parked: int
    account: Any
    since: int
    owed: int
    free_horizon: int
    owed_wake: SoftnetData
    softirq_pending: int
    in_net_rx_action: int
    ksoftirqd: int
    in_napi_threaded_poll: int
    poll_list: NapiStruct
    poll_tail: NapiStruct
    napis: Any
    nnapis: int
    backlog: NapiStruct
    lock: int
    input_head: SkBuff
    input_tail: SkBuff
    input_qlen: int
    process_head: SkBuff
    process_qlen: int
    input_queue_head: int
    input_queue_tail: int
    flow_limit: SdFlowLimit
    rps_ipi_list: SoftnetData
    rps_ipi_next: SoftnetData
    ksoftirqd_task: Task
    reader: Task
    napi_threads: int
    runqueue: Any
    nr_waiting: int
    on_rq: int
    busy: BusyPoll
    slice_start: int
    last_task: int
    switching: int
    ready_lock: int
    ready: Sock
    ready_tail: Sock
    give_back_pool: RxPool
    give_back: SkBuff
    give_back_tail: SkBuff
    give_back_len: int
    processed: int
    time_squeeze: int
    received_rps: int
    flow_limit_count: int
    time_squeeze_usecs: int
    flow_limit_frames: int
    rfs_steered: int
    rfs_moved: int
    rfs_waited: int
    dropped: int
    input_qlen_max: int
    hardirqs: int
    softirqs: int
    ksoftirqd_runs: int
    net_rx_runs: int
    idle_ns: int
    hardirq_ns: int
    softirq_ns: int
    switch_ns: int
    in_hand: int
    ksoftirqd_by_time: int
    ksoftirqd_by_restarts: int
    ksoftirqd_by_resched: int
    rcvbuf_max: int
    idle_since: int
    rx_dropped: int
    rx_otherhost_dropped: int
    gro_merged: int
    gro_held_total: int
    gro_normal: int
    gro_flushed_skbs: int
    gro_flushed_segs: int
    gro_ended: Any
    gro_lost_ids: int
    gro_lost_psh: int
    gro_flows: GroFlows
    mib: Any
    backlog_frames: int
    process_frames: int
    enqueue_frames: int
    ofo_frames: int
    fates: Any
    icmpmsg: Any
    icmp6msg: Any
    lat: Histogram
    events: EventLog
    scratch: Any
    copies: RxPool
    enqueue: Any

class Steals(CData):
    frame: Any
    begun_ns: Any
    written_ns: Any
    from_ns: Any
    until_ns: Any
    gap_ns: int
    len: int
    n: int
    burst: int
    writer: int
    spinner: int
    room: int
    ngaps: int
    fd: int

class Table(CData):
    rows: Shared
    at: Any
    n: int
    batch: int
    row_size: int
    ncolumns: int
    column: Any
    metadata: Any
    metadata_len: int
    spare: int

class TableColumn(CData):
    name: Any
    format: Any
    null: int
    words: Shared
    nwords: int
    first: int
    offset: int
    width: int
    nullable: int
    spare: Any

class TapLane(CData):
    fd: int
    expect: int
    batches: int
    ns: Any
    began_ns: int
    way: int
    reads: int
    frames: int

class TapPort(CData):
    read: Any
    write: Any
    more: Any
    woken: Any
    files: Any

class TapUring(CData): ...

class TapWire(CData):
    wire: Wire
    lane: Any
    nlanes: int
    turn: int
    hung_up: int
    slot_size: int
    nslots: int
    nfree: int
    free: Any
    nback: int
    back: Any
    ahead: Any
    slots: Any
    bigs: Any
    big: Any
    big_at: int
    big_n: int
    big_len: Any
    big_no: Any
    big_refs: Any
    big_back: Any
    uring: TapUring
    port: TapPort
    no_uring: int
    closing: int
    gso: Gso
    over: int
    gso_frames: int
    gso_segments: int
    gso_taken: int
    csum_filled: int
    bad_vnet: int

class Task(CData):
    wakeups: int
    runs: int
    busy_ns: int
    runnable: int
    awake: int
    queued: int

class TcpHost(CData):
    socks: TcpSock
    req: TcpRequest
    tw: TcpTimewait
    req_hash: Any
    tw_hash: Any
    heap_at: Any
    heap: TcpTimerHeap
    req_used: int
    req_free: int
    req_mask: int
    reqs: int
    tw_used: int
    tw_free: int
    tw_mask: int
    tws: int
    tw_oldest: int
    tw_newest: int
    port_next: int
    somaxconn: int
    mode: int
    syn_retries: int
    synack_retries: int
    rmem: Any
    wmem: Any
    retries2: int
    orphan_retries: int
    fin_timeout: int
    max_tw_buckets: int
    keepalive_time: int
    keepalive_intvl: int
    keepalive_probes: int
    window_scaling: int
    timestamps: int
    sack: int
    dsack: int
    early_retrans: int
    slow_start_after_idle: int
    moderate_rcvbuf: int
    abort_on_overflow: int
    congestion: int
    rto_min_us: int
    rto_max_ms: int
    invalid_ratelimit_ms: int
    comp_sack_delay_ns: int
    comp_sack_nr: int
    rfc1337: int
    syncookies: int
    max_syn_backlog: int
    ecn: int
    ecn_fallback: int
    orphans: int
    syn_linear_timeouts: int
    min_snd_mss: int
    reordering: int
    max_reordering: int
    frto: int
    recovery: int
    min_rtt_wlen: int
    tw_reuse: int
    tw_reuse_delay: int
    max_orphans: int
    challenge_ack_limit: int
    pingpong_thresh: int
    app_win: int
    workaround_signed_windows: int
    thin_linear_timeouts: int
    retrans_collapse: int
    wmem_max: int
    local_ports: Any
    challenge_second: int
    challenges: int
    notsent_lowat: int
    shrink_window: int
    spare: int

class TcpOptions(CData):
    tsval: int
    tsecr: int
    mss: int
    saw_tstamp: int
    wscale_ok: int
    wscale: int
    sack_ok: int
    nsacks: int
    ecn_ok: int
    sack: Any

class TcpRequest(CData):
    laddr: InetAddr
    raddr: InetAddr
    lport: int
    rport: int
    mss: int
    window: int
    next: int
    listener: int
    irs: int
    iss: int
    ts_recent: int
    ts_offset: int
    rcv_wnd: int
    home: int
    tsval_first: int
    tsval_last: int
    born: int
    at: int
    armed_at: int
    oow_at: int
    in_use: int
    tstamp_ok: int
    sack_ok: int
    wscale_ok: int
    snd_wscale: int
    rcv_wscale: int
    ecn_ok: int
    timeouts: int
    retrans: int
    cookie: int
    spare: Any

class TcpSack(CData):
    start: int
    end: int

class TcpSeg(CData):
    seq: int
    end_seq: int
    sent_ns: int
    flags: int
    spare: Any

class TcpSock(CData):
    copied_seq: int
    rcv_wnd: int
    rcv_wup: int
    rcv_ssthresh: int
    window_clamp: int
    rcv_mss: int
    advmss: int
    scaling_ratio: int
    ts_recent: int
    ts_offset: int
    tsecr_last: int
    last_ack_sent: int
    ts_recent_ns: int
    state: int
    tstamp_ok: int
    sack_ok: int
    wscale_ok: int
    snd_wscale: int
    rcv_wscale: int
    nsacks: int
    comp_sack: int
    ack_pending: int
    ack_quick: int
    ack_pingpong: int
    ack_pushed: int
    ack_now: int
    orphan: int
    shutdown: int
    nodelay: int
    rcv_psh: int
    ecn: int
    spare9: Any
    ato_ns: int
    lrcvtime: int
    lsndtime: int
    rcv_tstamp: int
    dsack: TcpSack
    sacks: Any
    rcvq_space: int
    rcvq_seq: int
    rcvq_at: int
    rcv_rtt_us: int
    ofo_tail: SkBuff
    comp_rcv_nxt: int
    dup_acks_sent: int
    coalesced: int
    spare8: int
    snd_una: int
    snd_nxt: int
    write_seq: int
    snd_wnd: int
    snd_wl1: int
    max_window: int
    snd_sml: int
    iss: int
    ring: Any
    ring_size: int
    sndbuf: int
    seg: TcpSeg
    seg_size: int
    seg_head: int
    seg_n: int
    mss_cache: int
    packets_out: int
    sacked_out: int
    lost_out: int
    retrans_out: int
    peer_mss: int
    high_sacked: int
    psh_seq: int
    spare11: int
    cwnd: int
    ssthresh: int
    cwnd_cnt: int
    cwnd_clamp: int
    prior_ssthresh: int
    prior_cwnd: int
    high_seq: int
    undo_marker: int
    undo_retrans: int
    prr_delivered: int
    prr_out: int
    reordering: int
    max_packets_out: int
    max_packets_seq: int
    tlp_high_seq: int
    retrans_stamp_ts: int
    retrans_stamp: int
    delivered: int
    delivered_ce: int
    lost: int
    ca_state: int
    cwnd_limited: int
    backoff: int
    retransmits: int
    probes_out: int
    tlp_retrans: int
    pending: int
    cong: int
    srtt_us: int
    mdev_us: int
    mdev_max_us: int
    rttvar_us: int
    rtt_seq: int
    rtt_min_us: int
    rtt_min_at: int
    rto_ns: int
    rack_ns: int
    rack_end_seq: int
    rack_rtt_us: int
    rack_steps: int
    rack_persist: int
    rack_advanced: int
    rack_dsack_seen: int
    reord_seen: int
    frto: int
    spare4: Any
    bic_cnt: int
    bic_last_max: int
    bic_last_cwnd: int
    bic_origin: int
    bic_k: int
    bic_delay_min_us: int
    bic_ack_cnt: int
    bic_tcp_cwnd: int
    bic_epoch: int
    bic_last_time: int
    hy_end_seq: int
    hy_sample_cnt: int
    hy_curr_rtt: int
    spare5: int
    hy_round: int
    hy_last_ack: int
    hy_found: int
    keepalive: int
    cork: int
    linger_on: int
    connecting: int
    linger_s: int
    keepidle_s: int
    keepintvl_s: int
    keepcnt: int
    user_timeout_ms: int
    user_mss: int
    rto_min_us: int
    rto_max_ms: int
    soft_error: int
    rcvbuf_locked: int
    sndbuf_locked: int
    rtx_at: int
    delack_at: int
    comp_at: int
    keep_at: int
    armed_at: int
    probe_began: int
    oow_at: int
    born: int
    home: int
    keep_probes: int
    syn_retries: int
    want_write: int
    writer_waits: int
    msg_more: int
    cong_set: int
    backlog: int
    accept_qlen: int
    reqs: int
    spare10: int
    reqs_full_at: int
    bytes_acked: int
    bytes_received: int
    bytes_sent: int
    bytes_retrans: int
    segs_in: int
    segs_out: int
    data_segs_in: int
    data_segs_out: int
    total_retrans: int
    dsack_dups: int
    reord_events: int
    spare6: int

class TcpTimerEntry(CData):
    at: int
    id: int
    spare: int

class TcpTimerHeap(CData):
    lock: int
    n: int
    entry: TcpTimerEntry

class TcpTimewait(CData):
    laddr: InetAddr
    raddr: InetAddr
    lport: int
    rport: int
    in_use: int
    tstamp_ok: int
    rcv_wscale: int
    spare: int
    next: int
    older: int
    newer: int
    rcv_nxt: int
    snd_nxt: int
    rcv_wnd: int
    ts_recent: int
    ts_offset: int
    spare2: int
    ts_recent_ns: int
    expires: int
    oow_at: int
    entered: int

class Timeline(CData):
    begin_ns: int
    bin_ns: int
    bins: int
    nqueues: int
    ncpus: int
    offered: Any
    delivered: Any
    interrupts: Any
    polls: Any
    lost: Any
    fifo_max: Any
    socket_max: Any
    ring_max: Any
    backlog_max: Any

class TraceOut(CData):
    buf: Any
    bytes: int
    used: int
    fd: int
    error: int

class TracePoint(CData):
    t: int
    tie: int
    seq: int
    at: int
    what: int

class TracePoints(CData):
    heap: TracePoint
    used: int
    room: int
    pushed: int

class TraceSource(CData):
    e: EventRecord
    n: int
    rows: FrameRow
    nrows: int
    stack_end: Any
    left_fifo: Any
    note: Any
    next_sock: Any
    flow_used: Any
    last_ns: int
    frames: Any
    nflows: int
    ncpus: int
    nqueues: int
    max_task: int

class TxBuf(CData):
    next: int
    queue_next: int
    len: int
    frame_len: int

class Upcall(CData):
    skb: SkBuff
    handler: int
    cpu: int

class UpcallQueue(CData):
    slot: Any
    head: int
    tail: int
    lock: int
    wake_fd: int

class Validation(CData):
    due_ns: Any
    begun_ns: Any
    read_ns: Any
    frame: Any
    work_loops: int
    work_ns: int
    sleeps: int
    reader_ns: int
    len: int
    n: int
    writer: int
    reader: int
    fd: int
    sock: int

class Vhost(CData):
    nic: Nic
    foreign: NicForeign
    pairs: int
    features: int
    ring: Any
    region: Any
    mapped: Any
    nregions: int
    cut: int
    indir_asked: Any
    indir: Any

class VhostPort(CData):
    port: TapPort
    memory: Dma
    nlanes: int
    tx_len: int
    attached: int
    ring_at: int
    rx_at: int
    tx_at: int
    hang_fd: int
    bad_used: int
    too_long: int
    unsent: int
    lane: Any

class VhostRegion(CData):
    bus: int
    size: int
    user: int
    offset: int

class VhostRing(CData):
    vq: Virtqueue
    index: int
    num: int
    base: int
    started: int
    enabled: int
    broken: int
    quiet: int
    placed: int
    desc: int
    avail: int
    used: int
    kick: int
    call: int
    err: int
    call_is_socket: int
    err_is_socket: int
    kicks: int
    calls: int

class VhostState(CData):
    started: int
    enabled: int
    broken: int
    polls: int
    num: int
    last_avail: int
    used_idx: int
    kicks: int
    calls: int

class VirtioNetHdrV1(CData):
    flags: int
    gso_type: int
    hdr_len: int
    gso_size: int
    csum_start: int
    csum_offset: int
    num_buffers: int

class VirtioNetHdrV1Hash(CData):
    flags: int
    gso_type: int
    hdr_len: int
    gso_size: int
    csum_start: int
    csum_offset: int
    num_buffers: int
    hash_value: int
    hash_report: int
    padding: int

class VirtqAvail(CData):
    flags: int
    idx: int
    ring: Any

class VirtqDesc(CData):
    addr: int
    len: int
    flags: int
    next: int

class VirtqUsed(CData):
    flags: int
    idx: int
    ring: Any

class VirtqUsedElem(CData):
    id: int
    len: int

class Virtqueue(CData):
    desc: VirtqDesc
    avail: VirtqAvail
    used: VirtqUsed
    size: int
    last_avail: int
    avail_idx: int
    used_idx: int
    published: int
    was_published: int
    event_idx: int
    broken: int

class VirtqueueDriver(CData):
    desc: VirtqDesc
    avail: VirtqAvail
    used: VirtqUsed
    size: int
    num: int
    last_used: int
    avail_idx: int
    kicked: int
    nfree: int
    used_seen: int
    free_desc: Any
    chain: Any
    desc_buf: Any
    event_idx: int
    broken: int

class VnicConfig(CData):
    magic: int
    abi: int
    region_size: int
    nqueues: int
    device_status: int
    device_features: int
    driver_features: int
    mac: Any
    mtu: int
    spare: int
    queue: Any
    tx: VnicQueueConfig
    queue_more: Any

class VnicQueueConfig(CData):
    size: int
    enabled: int
    desc: int
    avail: int
    used: int
    buffers: int
    buf_stride: int
    buf_count: int

class Wakes(CData):
    frame: Any
    gap_ns: Any
    write_ns: Any
    read_ns: Any
    len: int
    n: int
    how: int
    writer: int
    reader: int
    fd: int
    sock: int

class Wire(CData):
    read_burst: Any
    release: Any
    own: Any
    write: Any
    gather: Any
    whole: Any
    poll_set: Any
    polled: Any
    files: Any
    can_go_on: Any
    close_reading: Any
    take_back: Any
    fit: Any
    ahead: WireBurst
    held: Any
    card: Any
    mac: Any
    speed_ppm: int
    ps_per_byte: int
    capture_mtu: int
    rests: Any
    started: int
    eof: int
    strict_csum: int
    live: int
    ask: int
    hungry: int
    gso_whole: int
    vnet: int
    lent: int
    rebase: int
    paced: int
    schedule: Schedule
    base_ns: int
    last_ts: int
    shift_ns: int
    busy_ns: int
    pass_ns: int
    gap_ns: int
    paced_ns: int
    live_ns: int
    busy_ps: int
    error: int
    frames: int
    bytes: int
    cut: int
    csum_completed: int
    ip_csum_completed: int
    length_completed: int
    backwards: int
    oversize: int
    tx_bytes: int

class WireBurst(CData):
    frame: Any
    n: int

class Lib:
    NIC_QUEUES_MAX: Final[int]
    RX_RING_MIN: Final[int]
    RX_RING_MAX: Final[int]
    TX_RING_MIN: Final[int]
    TX_RING_MAX: Final[int]
    CPUS_MAX: Final[int]
    CPU_WORDS: Final[int]
    BURST: Final[int]
    RSS_INDIR_SIZE: Final[int]
    RSS_INDIR_MAX: Final[int]
    RSS_KEY_SIZE: Final[int]
    GRO_HASH_BUCKETS: Final[int]
    MAX_GRO_SKBS: Final[int]
    NAPI_POLL_WEIGHT: Final[int]
    LAT_BUCKETS: Final[int]
    ETH_HLEN: Final[int]
    ETH_FRAME_LEN: Final[int]
    ETH_ZLEN: Final[int]
    EVENT_NO_CPU: Final[int]
    EVENT_NO_QUEUE: Final[int]
    FILES_MAX: Final[int]
    WIRE_OVERHEAD: Final[int]
    FRAME_CUT: Final[int]
    FRAME_L4: Final[int]
    FRAME_PLAIN: Final[int]
    FRAME_NO_PYTHON: Final[int]
    FRAME_HASHED: Final[int]
    FRAME_TAGGED: Final[int]
    FRAME_SENT: Final[int]
    FRAME_WAITED: Final[int]
    FRAME_ALIEN: Final[int]
    WIRE_FDS_MAX: Final[int]
    WIRE_AHEAD: Final[int]
    REBASE_FILE: Final[int]
    REBASE_TIME: Final[int]
    REBASE_PASS: Final[int]
    WIRE_ASK_DRY: Final[int]
    WIRE_ASK_SENT: Final[int]
    TX_FRAME_MAX: Final[int]
    MEM_OUT_MAX: Final[int]
    MEM_OUT_BYTES: Final[int]
    LINKTYPE_ETHERNET: Final[int]
    PCAP_FRAME_MAX: Final[int]
    PCAP_RECORD_MAX: Final[int]
    PCAP_HEAD_MAX: Final[int]
    PCAP_LINKS_MAX: Final[int]
    PCAP_PIECE: Final[int]
    SELECT_SKIP_MAX: Final[int]
    SELECT_FROM: Final[int]
    SELECT_UNTIL: Final[int]
    SEND_SPIN_NS: Final[int]
    SEND_LATE_NS: Final[int]
    FIRST_PAUSE_NS: Final[int]
    STEAL_MIN_NS: Final[int]
    VALIDATE_NUMBER_AT: Final[int]
    TAP_LANES_MAX: Final[int]
    TAP_AHEAD: Final[int]
    VIRTQ_DESC_F_NEXT: Final[int]
    VIRTQ_DESC_F_WRITE: Final[int]
    VIRTQ_DESC_F_INDIRECT: Final[int]
    VIRTQ_AVAIL_F_NO_INTERRUPT: Final[int]
    VIRTQ_USED_F_NO_NOTIFY: Final[int]
    VIRTIO_NET_HDR_F_NEEDS_CSUM: Final[int]
    VIRTIO_NET_HDR_F_DATA_VALID: Final[int]
    VIRTIO_NET_HDR_GSO_TCPV4: Final[int]
    VIRTIO_NET_HDR_GSO_TCPV6: Final[int]
    VIRTIO_NET_HDR_GSO_UDP_L4: Final[int]
    VIRTIO_NET_HDR_GSO_ECN: Final[int]
    HASH_NONE: Final[int]
    HASH_IPV4: Final[int]
    HASH_TCPV4: Final[int]
    HASH_UDPV4: Final[int]
    HASH_IPV6: Final[int]
    HASH_TCPV6: Final[int]
    HASH_UDPV6: Final[int]
    HASH_TYPES: Final[int]
    VIRTIO_F_VERSION_1: Final[int]
    VIRTIO_F_EVENT_IDX: Final[int]
    VIRTIO_NET_F_CSUM: Final[int]
    VIRTIO_NET_F_GUEST_CSUM: Final[int]
    VIRTIO_NET_F_GUEST_TSO4: Final[int]
    VIRTIO_NET_F_GUEST_TSO6: Final[int]
    VIRTIO_NET_F_GUEST_ECN: Final[int]
    VIRTIO_NET_F_HOST_TSO4: Final[int]
    VIRTIO_NET_F_HOST_TSO6: Final[int]
    VIRTIO_NET_F_GUEST_USO4: Final[int]
    VIRTIO_NET_F_GUEST_USO6: Final[int]
    VIRTIO_NET_F_HOST_USO: Final[int]
    VIRTIO_NET_F_MRG_RXBUF: Final[int]
    VIRTIO_NET_F_HASH_REPORT: Final[int]
    VIRTIO_S_ACKNOWLEDGE: Final[int]
    VIRTIO_S_DRIVER: Final[int]
    VIRTIO_S_DRIVER_OK: Final[int]
    VIRTIO_S_FEATURES_OK: Final[int]
    VIRTIO_S_NEEDS_RESET: Final[int]
    VIRTIO_S_FAILED: Final[int]
    VNIC_MAGIC: Final[int]
    VNIC_ABI: Final[int]
    CONFIG_BYTES: Final[int]
    CONFIG_QUEUES: Final[int]
    TX_BUF_LEN: Final[int]
    TX_RING_SIZE: Final[int]
    TX_POOL_SIZE: Final[int]
    TX_POOL_SPARE: Final[int]
    RSS_IP_SRC: Final[int]
    RSS_IP_DST: Final[int]
    RSS_L4_SRC: Final[int]
    RSS_L4_DST: Final[int]
    HDR_SHORT: Final[int]
    HDR_HASH: Final[int]
    DMA_REGIONS_MAX: Final[int]
    NIC_FAULTS_MAX: Final[int]
    FAULT_ANY_QUEUE: Final[int]
    NTUPLE_RULES: Final[int]
    NTUPLE_DROP: Final[int]
    TX_MEMORY: Final[int]
    VHOST_RINGS_MAX: Final[int]
    VHOST_RING_SIZE_MAX: Final[int]
    PORT_LANES_MAX: Final[int]
    PORT_RING: Final[int]
    PORT_RX_BUF: Final[int]
    PORT_BUS: Final[int]
    CHECKSUM_NONE: Final[int]
    CHECKSUM_UNNECESSARY: Final[int]
    CHECKSUM_PARTIAL: Final[int]
    PACKET_HOST: Final[int]
    PACKET_BROADCAST: Final[int]
    PACKET_MULTICAST: Final[int]
    PACKET_OTHERHOST: Final[int]
    SKB_HEAD_TRUESIZE: Final[int]
    SKB_TRUESIZE_OVERHEAD: Final[int]
    NET_SKB_PAD: Final[int]
    PAGE_FRAG_MAX: Final[int]
    SKB_MAX_HEAD: Final[int]
    MAX_SKB_FRAGS: Final[int]
    SKB_TAGGED: Final[int]
    SKB_FLIST: Final[int]
    SKB_UDP: Final[int]
    SKB_SW_HASH: Final[int]
    SKB_FRAGMENTED: Final[int]
    SKB_ROUTERALERT_MLD: Final[int]
    SKB_GROUP: Final[int]
    NAPI_STATE_SCHED: Final[int]
    NAPI_STATE_MISSED: Final[int]
    NAPI_STATE_DISABLE: Final[int]
    NAPI_STATE_NPSVC: Final[int]
    NAPI_STATE_IN_BUSY_POLL: Final[int]
    NAPI_STATE_PREFER_BUSY_POLL: Final[int]
    NAPI_STATE_THREADED: Final[int]
    NAPI_STATE_SCHED_THREADED: Final[int]
    NAPI_STATE_THREADED_BUSY_POLL: Final[int]
    TASKS_MAX: Final[int]
    IRQ_MORE: Final[int]
    IRQ_IPI: Final[int]
    IRQS_MAX: Final[int]
    IRQ_MORE_WORDS: Final[int]
    TURNS_MAX: Final[int]
    RPS_NO_FILTER: Final[int]
    PTYPES_MAX: Final[int]
    DIM_PROFILES: Final[int]
    DIM_LOG: Final[int]
    TX_NONE: Final[int]
    BPF_MAXINSNS: Final[int]
    BPF_MEMWORDS: Final[int]
    VNIC_IFINDEX: Final[int]
    PCAPNG_SNAPLEN: Final[int]
    PCAPNG_OPTIONS_MAX: Final[int]
    EVENT_FLOWS_MAX: Final[int]
    TIMELINE_BINS: Final[int]
    FRAME_NO_FATE: Final[int]
    TABLE_COLUMNS_MAX: Final[int]
    TABLE_NAME_MAX: Final[int]
    EVENT_ANY: Final[int]
    TRACE_HAS_NET_RX: Final[int]
    TRACE_THEN_IDLE: Final[int]
    TRACE_THEN_SLEEPS: Final[int]
    TRACE_FATES: Final[int]
    TRACE_ROOM: Final[int]
    PFT_NAME_KIND: Final[int]
    PFT_NAME_HARDIRQ: Final[int]
    PFT_NAME_WAIT: Final[int]
    PFT_NAME_MODERATION: Final[int]
    PFT_NAME_FATE: Final[int]
    PFT_NAME_TASK: Final[int]
    PFT_NAME_SWITCH: Final[int]
    PFT_TEXT_FATE: Final[int]
    PFT_TEXT_WHY: Final[int]
    PFT_TEXT_BY: Final[int]
    PFT_TEXT_FLOW: Final[int]
    PFT_QUEUE_TRACKS: Final[int]
    PFT_CPU_TRACKS: Final[int]
    PFT_SOCKET_TRACKS: Final[int]
    PFT_SOCKETS_MAX: Final[int]
    PFT_LANES: Final[int]
    PFT_LANE_BITS: Final[int]
    PFT_DEEP: Final[int]
    PFT_CLOSE: Final[int]
    INET_FRAG_MEM: Final[int]
    NEIGH_TABLE_SIZE: Final[int]
    RA_ROUTERS: Final[int]
    RA_PREFIXES: Final[int]
    ROUTE_ROWS: Final[int]
    ROUTE_DEPTH: Final[int]
    MC_GROUPS_MAX: Final[int]
    MC_MEMBERS_MAX: Final[int]
    MC_GONE_MAX: Final[int]
    IGMP_MAX_MEMBERSHIPS: Final[int]
    MC_QRV: Final[int]
    MC_QUERY_INTERVAL_NS: Final[int]
    MC_QUERY_RESPONSE_NS: Final[int]
    ICMP_PEER_ROWS: Final[int]
    ICMP_PEER_DEPTH: Final[int]
    ICMP_ERR_HARD: Final[int]
    CHECKSUM_BREAK: Final[int]
    TCP_SACKS_MAX: Final[int]
    TCP_REQS_MAX: Final[int]
    TCP_TW_MAX: Final[int]
    UPCALLS_MAX: Final[int]
    READER_CPU_BY_PORT: Final[int]
    CPU_GROUP: Final[int]
    LINK_BUF: Final[int]
    DELIVERED_UDP: Final[int]
    DELIVERED_TCP: Final[int]
    DELIVERED_ICMP: Final[int]
    DELIVERED_ICMPV6: Final[int]
    DELIVERED_IGMP: Final[int]
    DELIVERED_ARP: Final[int]
    DELIVERED_PYTHON: Final[int]
    DELIVERED_DRIVER: Final[int]
    DEV_READY: Final[int]
    LINK_TYPE: Final[int]
    RX_LENGTH: Final[int]
    MAC_FILTER: Final[int]
    VLAN_FILTER: Final[int]
    PYTHON_FILTER: Final[int]
    NTUPLE_FILTER: Final[int]
    FIFO_OVERRUN: Final[int]
    RX_OVER: Final[int]
    RX_NO_BUFFER: Final[int]
    FAULT: Final[int]
    CPU_BACKLOG: Final[int]
    UNHANDLED_PROTO: Final[int]
    OTHERHOST: Final[int]
    PYTHON_DROP: Final[int]
    PYTHON_QUEUE_FULL: Final[int]
    PKT_TOO_SMALL: Final[int]
    IP_INHDR: Final[int]
    IP_CSUM: Final[int]
    IP_INVALID_SOURCE: Final[int]
    IP_LOCAL_SOURCE: Final[int]
    IP_LOCALNET: Final[int]
    IP_INVALID_DEST: Final[int]
    IP_INADDRERRORS: Final[int]
    IP_NOT_JOINED: Final[int]
    IP_SOURCE_ROUTE: Final[int]
    IP_NOPROTO: Final[int]
    IPV6_BAD_EXTHDR: Final[int]
    IP_INNOROUTES: Final[int]
    IP_OUTNOROUTES: Final[int]
    GROUPS_IGNORED: Final[int]
    DUP_FRAG: Final[int]
    FRAG_REASM_TIMEOUT: Final[int]
    FRAG_TOO_FAR: Final[int]
    PKT_TOO_BIG: Final[int]
    FRAG_OVERLAP: Final[int]
    FRAG_LENGTH: Final[int]
    FRAG_ECN: Final[int]
    FRAG_HIGH_THRESH: Final[int]
    ARP_TARGET: Final[int]
    NDISC_NO_NEWS: Final[int]
    IPV6_NDISC_FRAG: Final[int]
    IPV6_NDISC_HOP_LIMIT: Final[int]
    IPV6_NDISC_BAD_CODE: Final[int]
    IPV6_NDISC_BAD_OPTIONS: Final[int]
    IPV6_NDISC_NS_OTHERHOST: Final[int]
    ICMP_CSUM: Final[int]
    INVALID_PROTO: Final[int]
    UDP_CSUM: Final[int]
    TCP_CSUM: Final[int]
    TCP_FLAGS: Final[int]
    TCP_RESET: Final[int]
    NO_SOCKET: Final[int]
    SOCKET_TABLE_FULL: Final[int]
    SOCKET_RCVBUFF: Final[int]
    PROTO_MEM: Final[int]
    TCP_OLD_DATA: Final[int]
    TCP_OVERWINDOW: Final[int]
    TCP_OFOMERGE: Final[int]
    TCP_OFO_DROP: Final[int]
    TCP_CLOSE: Final[int]
    TCP_RFC7323_PAWS: Final[int]
    TCP_RFC7323_TSECR: Final[int]
    TCP_OLD_SEQUENCE: Final[int]
    TCP_INVALID_SEQUENCE: Final[int]
    TCP_INVALID_END_SEQUENCE: Final[int]
    TCP_INVALID_ACK_SEQUENCE: Final[int]
    TCP_INVALID_SYN: Final[int]
    TCP_TOO_OLD_ACK: Final[int]
    TCP_ACK_UNSENT_DATA: Final[int]
    TCP_ABORT_ON_DATA: Final[int]
    TCP_ZEROWINDOW: Final[int]
    TCP_OFO_QUEUE_PRUNE: Final[int]
    TCP_LISTEN_OVERFLOW: Final[int]
    TCP_REQQFULLDROP: Final[int]
    FATE_MAX: Final[int]
    EV_DONE: Final[int]
    EV_SLICE: Final[int]
    EV_UPCALL: Final[int]
    EV_FILTER: Final[int]
    EV_WIRE: Final[int]
    EV_STOPPED: Final[int]
    EV_PAUSED: Final[int]
    TX_SENT: Final[int]
    TX_NEIGH_FAILED: Final[int]
    TX_NEIGH_QUEUEFULL: Final[int]
    TX_NEIGH_CREATEFAIL: Final[int]
    TX_FULL_RING: Final[int]
    TX_DEV_READY: Final[int]
    TX_BAD_CHAIN: Final[int]
    TX_WIRE_FULL: Final[int]
    TX_WIRE_ERROR: Final[int]
    TX_FATE_MAX: Final[int]
    IN_FIFO: Final[int]
    IN_RING: Final[int]
    IN_GRO: Final[int]
    IN_BACKLOG: Final[int]
    IN_FRAG: Final[int]
    IN_PYTHON: Final[int]
    IN_TCP_OFO: Final[int]
    IN_CPU: Final[int]
    IN_FLIGHT_MAX: Final[int]
    GRO_HOLDS: Final[int]
    GRO_COMPLETE: Final[int]
    GRO_FULL_POLL: Final[int]
    GRO_AGED: Final[int]
    GRO_EVICTED: Final[int]
    GRO_PSH: Final[int]
    GRO_FIN: Final[int]
    GRO_SHORTER: Final[int]
    GRO_COUNT: Final[int]
    GRO_FLAGS: Final[int]
    GRO_CWR: Final[int]
    GRO_WINDOW: Final[int]
    GRO_ACK: Final[int]
    GRO_OPTIONS: Final[int]
    GRO_TTL_TOS: Final[int]
    GRO_IP_ID: Final[int]
    GRO_EMPTY: Final[int]
    GRO_LONGER: Final[int]
    GRO_SEQ: Final[int]
    GRO_SIZE: Final[int]
    GRO_PADDED: Final[int]
    GRO_CSUM_STATE: Final[int]
    GRO_OTHER_KIND: Final[int]
    GRO_END_MAX: Final[int]
    COST_DMA: Final[int]
    COST_DMA_PS: Final[int]
    COST_HARDIRQ: Final[int]
    COST_SOFTIRQ: Final[int]
    COST_POLL: Final[int]
    COST_RX: Final[int]
    COST_RX_BUF: Final[int]
    COST_GRO: Final[int]
    COST_RPS: Final[int]
    COST_IPI: Final[int]
    COST_BACKLOG: Final[int]
    COST_RECEIVE: Final[int]
    COST_IP: Final[int]
    COST_UDP: Final[int]
    COST_TCP: Final[int]
    COST_CSUM_PS: Final[int]
    COST_SOCK: Final[int]
    COST_WAKE: Final[int]
    COST_SWITCH: Final[int]
    COST_RECV: Final[int]
    COST_COPY_PS: Final[int]
    COST_OUTPUT: Final[int]
    COST_HARDIRQ_IPI: Final[int]
    COST_IPI_DELIVERY: Final[int]
    COST_WAKE_REMOTE: Final[int]
    COST_SWITCH_IDLE: Final[int]
    COST_SWITCH_IDLE_100US: Final[int]
    COST_SWITCH_IDLE_1MS: Final[int]
    COST_RECV_REMOTE: Final[int]
    COST_COPY_REMOTE_PS: Final[int]
    COST_FIRST_PACKET: Final[int]
    COST_TICK: Final[int]
    COST_MAX: Final[int]
    LAT_RING: Final[int]
    LAT_MODERATION: Final[int]
    LAT_POLL: Final[int]
    LAT_GRO: Final[int]
    LAT_BACKLOG: Final[int]
    LAT_REORDER: Final[int]
    LAT_STACK: Final[int]
    LAT_SOCKET: Final[int]
    LAT_TOTAL: Final[int]
    LAT_MAX: Final[int]
    EVENT_WIRE: Final[int]
    EVENT_FIFO: Final[int]
    EVENT_NO_BUFFER: Final[int]
    EVENT_DMA: Final[int]
    EVENT_IRQ_ASKED: Final[int]
    EVENT_IRQ: Final[int]
    EVENT_SENT: Final[int]
    EVENT_FAULT: Final[int]
    EVENT_HARDIRQ: Final[int]
    EVENT_SOFTIRQ: Final[int]
    EVENT_NET_RX: Final[int]
    EVENT_POLL: Final[int]
    EVENT_IPI: Final[int]
    EVENT_WAKE: Final[int]
    EVENT_SWITCH: Final[int]
    EVENT_TASK: Final[int]
    EVENT_RING: Final[int]
    EVENT_SKB: Final[int]
    EVENT_GRO_HOLD: Final[int]
    EVENT_GRO_MERGE: Final[int]
    EVENT_GRO_RELEASE: Final[int]
    EVENT_GRO_OUT: Final[int]
    EVENT_RPS: Final[int]
    EVENT_BACKLOG: Final[int]
    EVENT_BACKLOG_OUT: Final[int]
    EVENT_RECEIVE: Final[int]
    EVENT_REORDER: Final[int]
    EVENT_ORDERED: Final[int]
    EVENT_SOCKET: Final[int]
    EVENT_READ: Final[int]
    EVENT_FATE: Final[int]
    EVENT_KINDS: Final[int]
    FAULT_IRQ_LOST: Final[int]
    FAULT_IRQ_LATE: Final[int]
    FAULT_IRQ_SPURIOUS: Final[int]
    FAULT_KICK_IGNORED: Final[int]
    FAULT_STALL: Final[int]
    FAULT_TX_STALL: Final[int]
    FAULT_LINK_DOWN: Final[int]
    FAULT_NO_BUFFER: Final[int]
    FAULT_DMA_FLIP: Final[int]
    FAULT_DMA_SHORT: Final[int]
    FAULT_DMA_WRONG_BUFFER: Final[int]
    FAULT_CSUM_LIE: Final[int]
    FAULT_HASH_WRONG: Final[int]
    FAULT_NUM_BUFFERS: Final[int]
    FAULT_USED_ID: Final[int]
    FAULT_USED_LEN: Final[int]
    FAULT_USED_TWICE: Final[int]
    FAULT_USED_REORDER: Final[int]
    FAULT_ALLOC_FAIL: Final[int]
    FAULT_HANG_UP: Final[int]
    FAULTS: Final[int]
    Ip_InReceives: Final[int]
    Ip_InHdrErrors: Final[int]
    Ip_InAddrErrors: Final[int]
    Ip_InUnknownProtos: Final[int]
    Ip_InDelivers: Final[int]
    Ip_InCsumErrors: Final[int]
    IpExt_InTruncatedPkts: Final[int]
    Ip_ReasmTimeout: Final[int]
    Ip_ReasmReqds: Final[int]
    Ip_ReasmOKs: Final[int]
    Ip_ReasmFails: Final[int]
    IpExt_ReasmOverlaps: Final[int]
    Ip6_InReceives: Final[int]
    Ip6_InHdrErrors: Final[int]
    Ip6_InNoRoutes: Final[int]
    Ip6_InAddrErrors: Final[int]
    Ip6_InUnknownProtos: Final[int]
    Ip6_InDelivers: Final[int]
    Ip6_InTruncatedPkts: Final[int]
    Ip6_ReasmTimeout: Final[int]
    Ip6_ReasmReqds: Final[int]
    Ip6_ReasmOKs: Final[int]
    Ip6_ReasmFails: Final[int]
    Ip6_ReasmOverlaps: Final[int]
    Ip6_InMcastPkts: Final[int]
    Ip6_InMcastOctets: Final[int]
    Ip6_OutMcastPkts: Final[int]
    Ip6_OutMcastOctets: Final[int]
    Icmp_InMsgs: Final[int]
    Icmp_InErrors: Final[int]
    Icmp_InCsumErrors: Final[int]
    Icmp6_InMsgs: Final[int]
    Icmp6_InErrors: Final[int]
    Icmp6_InCsumErrors: Final[int]
    Icmp_InDestUnreachs: Final[int]
    Icmp_InTimeExcds: Final[int]
    Icmp_InParmProbs: Final[int]
    Icmp_InSrcQuenchs: Final[int]
    Icmp_InRedirects: Final[int]
    Icmp_InEchos: Final[int]
    Icmp_InEchoReps: Final[int]
    Icmp_InTimestamps: Final[int]
    Icmp_InTimestampReps: Final[int]
    Icmp_InAddrMasks: Final[int]
    Icmp_InAddrMaskReps: Final[int]
    Icmp_OutMsgs: Final[int]
    Icmp_OutErrors: Final[int]
    Icmp_OutRateLimitGlobal: Final[int]
    Icmp_OutRateLimitHost: Final[int]
    Icmp_OutDestUnreachs: Final[int]
    Icmp_OutTimeExcds: Final[int]
    Icmp_OutParmProbs: Final[int]
    Icmp_OutEchoReps: Final[int]
    Icmp6_OutMsgs: Final[int]
    Icmp6_OutEchoReplies: Final[int]
    Icmp6_OutDestUnreachs: Final[int]
    Icmp6_OutTimeExcds: Final[int]
    Icmp6_OutParmProblems: Final[int]
    Icmp6_OutRateLimitHost: Final[int]
    Icmp6_OutErrors: Final[int]
    Icmp6_InDestUnreachs: Final[int]
    Icmp6_InPktTooBigs: Final[int]
    Icmp6_InTimeExcds: Final[int]
    Icmp6_InParmProblems: Final[int]
    Icmp6_InEchos: Final[int]
    Icmp6_InEchoReplies: Final[int]
    Icmp6_InGroupMembQueries: Final[int]
    Icmp6_InGroupMembResponses: Final[int]
    Icmp6_InGroupMembReductions: Final[int]
    Icmp6_InRouterSolicits: Final[int]
    Icmp6_InRouterAdvertisements: Final[int]
    Icmp6_InNeighborSolicits: Final[int]
    Icmp6_InNeighborAdvertisements: Final[int]
    Icmp6_InRedirects: Final[int]
    Icmp6_InMLDv2Reports: Final[int]
    IpExt_InMcastPkts: Final[int]
    IpExt_InMcastOctets: Final[int]
    IpExt_InBcastPkts: Final[int]
    IpExt_InBcastOctets: Final[int]
    IpExt_OutMcastPkts: Final[int]
    IpExt_OutMcastOctets: Final[int]
    IpExt_OutBcastPkts: Final[int]
    IpExt_OutBcastOctets: Final[int]
    Icmp6_OutGroupMembResponses: Final[int]
    Icmp6_OutGroupMembReductions: Final[int]
    Icmp6_OutMLDv2Reports: Final[int]
    Icmp6_OutRouterSolicits: Final[int]
    Icmp6_OutNeighborSolicits: Final[int]
    Icmp6_OutNeighborAdvertisements: Final[int]
    Ip_OutRequests: Final[int]
    Ip_OutNoRoutes: Final[int]
    Ip_FragOKs: Final[int]
    Ip_FragCreates: Final[int]
    Ip6_OutRequests: Final[int]
    Ip6_OutNoRoutes: Final[int]
    Ip6_FragOKs: Final[int]
    Ip6_FragCreates: Final[int]
    Udp_InDatagrams: Final[int]
    Udp_NoPorts: Final[int]
    Udp_InErrors: Final[int]
    Udp_OutDatagrams: Final[int]
    Udp_RcvbufErrors: Final[int]
    Udp_SndbufErrors: Final[int]
    Udp_InCsumErrors: Final[int]
    Udp_IgnoredMulti: Final[int]
    Udp_MemErrors: Final[int]
    Udp6_InDatagrams: Final[int]
    Udp6_NoPorts: Final[int]
    Udp6_InErrors: Final[int]
    Udp6_OutDatagrams: Final[int]
    Udp6_RcvbufErrors: Final[int]
    Udp6_SndbufErrors: Final[int]
    Udp6_InCsumErrors: Final[int]
    Udp6_IgnoredMulti: Final[int]
    Udp6_MemErrors: Final[int]
    UdpLite_InDatagrams: Final[int]
    UdpLite_NoPorts: Final[int]
    UdpLite_InErrors: Final[int]
    UdpLite_OutDatagrams: Final[int]
    UdpLite_RcvbufErrors: Final[int]
    UdpLite_SndbufErrors: Final[int]
    UdpLite_InCsumErrors: Final[int]
    UdpLite_IgnoredMulti: Final[int]
    UdpLite_MemErrors: Final[int]
    UdpLite6_InDatagrams: Final[int]
    UdpLite6_NoPorts: Final[int]
    UdpLite6_InErrors: Final[int]
    UdpLite6_OutDatagrams: Final[int]
    UdpLite6_RcvbufErrors: Final[int]
    UdpLite6_SndbufErrors: Final[int]
    UdpLite6_InCsumErrors: Final[int]
    UdpLite6_IgnoredMulti: Final[int]
    UdpLite6_MemErrors: Final[int]
    Tcp_InSegs: Final[int]
    Tcp_InErrs: Final[int]
    Tcp_InCsumErrors: Final[int]
    Tcp_OutSegs: Final[int]
    Tcp_OutRsts: Final[int]
    TcpExt_TCPOFOQueue: Final[int]
    TcpExt_TCPOFODrop: Final[int]
    TcpExt_TCPRcvQDrop: Final[int]
    TcpExt_TCPHoles: Final[int]
    TcpExt_BusyPollRxPackets: Final[int]
    TcpExt_BeyondWindow: Final[int]
    TcpExt_DelayedACKLost: Final[int]
    TcpExt_DelayedACKs: Final[int]
    TcpExt_ListenDrops: Final[int]
    TcpExt_ListenOverflows: Final[int]
    TcpExt_OfoPruned: Final[int]
    TcpExt_OutOfWindowIcmps: Final[int]
    TcpExt_PAWSActive: Final[int]
    TcpExt_PAWSEstab: Final[int]
    TcpExt_TCPACKSkippedChallenge: Final[int]
    TcpExt_TCPACKSkippedPAWS: Final[int]
    TcpExt_TCPACKSkippedSeq: Final[int]
    TcpExt_TCPACKSkippedTimeWait: Final[int]
    TcpExt_TCPAbortOnClose: Final[int]
    TcpExt_TCPAbortOnData: Final[int]
    TcpExt_TCPAbortOnMemory: Final[int]
    TcpExt_TCPAbortOnTimeout: Final[int]
    TcpExt_TCPChallengeACK: Final[int]
    TcpExt_TCPDSACKOfoSent: Final[int]
    TcpExt_TCPDSACKOldSent: Final[int]
    TcpExt_TCPDSACKRecv: Final[int]
    TcpExt_TCPDSACKUndo: Final[int]
    TcpExt_TCPFastRetrans: Final[int]
    TcpExt_TCPFromZeroWindowAdv: Final[int]
    TcpExt_TCPFullUndo: Final[int]
    TcpExt_TCPKeepAlive: Final[int]
    TcpExt_TCPLossProbeRecovery: Final[int]
    TcpExt_TCPLossProbes: Final[int]
    TcpExt_TCPLossUndo: Final[int]
    TcpExt_TCPOrigDataSent: Final[int]
    TcpExt_TCPPartialUndo: Final[int]
    TcpExt_TCPRenoRecovery: Final[int]
    TcpExt_TSEcrRejected: Final[int]
    TcpExt_TCPRcvCoalesce: Final[int]
    TcpExt_TCPACKSkippedSynRecv: Final[int]
    TcpExt_TCPReqQFullDrop: Final[int]
    TcpExt_TCPSACKDiscard: Final[int]
    TcpExt_TCPSACKReorder: Final[int]
    TcpExt_TCPSYNChallenge: Final[int]
    TcpExt_TCPSackRecovery: Final[int]
    TcpExt_TCPSlowStartRetrans: Final[int]
    TcpExt_TCPSpuriousRTOs: Final[int]
    TcpExt_TCPSynRetrans: Final[int]
    TcpExt_SyncookiesFailed: Final[int]
    TcpExt_SyncookiesRecv: Final[int]
    TcpExt_SyncookiesSent: Final[int]
    TcpExt_TCPReqQFullDoCookies: Final[int]
    TcpExt_TCPTimeWaitOverflow: Final[int]
    TcpExt_TCPTimeouts: Final[int]
    TcpExt_TCPToZeroWindowAdv: Final[int]
    TcpExt_TCPWantZeroWindowAdv: Final[int]
    TcpExt_TCPWinProbe: Final[int]
    TcpExt_TCPZeroWindowDrop: Final[int]
    TcpExt_TW: Final[int]
    Tcp_ActiveOpens: Final[int]
    Tcp_AttemptFails: Final[int]
    Tcp_EstabResets: Final[int]
    Tcp_PassiveOpens: Final[int]
    Tcp_RetransSegs: Final[int]
    MIB_MAX: Final[int]
    UDP_MIB_INDATAGRAMS: Final[int]
    UDP_MIB_NOPORTS: Final[int]
    UDP_MIB_INERRORS: Final[int]
    UDP_MIB_OUTDATAGRAMS: Final[int]
    UDP_MIB_RCVBUFERRORS: Final[int]
    UDP_MIB_SNDBUFERRORS: Final[int]
    UDP_MIB_CSUMERRORS: Final[int]
    UDP_MIB_IGNOREDMULTI: Final[int]
    UDP_MIB_MEMERRORS: Final[int]
    UDP_MIB_MAX: Final[int]
    POINT_WIRE: Final[int]
    POINT_NIC: Final[int]
    POINT_GRO: Final[int]
    POINT_STACK: Final[int]
    POINTS: Final[int]
    def csum_partial(self, data: CData | bytes, len: int, sum: int, /) -> int: ...
    def csum_and_copy(self, to: CData | bytes, from_: CData | bytes, len: int, sum: int, /) -> int: ...
    def csum_fold(self, sum: int, /) -> int: ...
    def ip_fast_csum(self, iph: CData | bytes, bytes: int, /) -> int: ...
    def csum_pseudo(self, iph: CData | bytes, version: int, len: int, proto: int, /) -> int: ...
    def csum_is_pseudo(self, have: int, iph: CData | bytes, version: int, len: int, proto: int, /) -> int: ...
    def vnic_isa(self) -> CData: ...
    def isa_has_avx2(self) -> int: ...
    def isa_has_pclmul(self) -> int: ...
    def isa_has_avx512(self) -> int: ...
    def isa_has_gfni(self) -> int: ...
    def lat_record(self, h: Histogram, value_ns: int, frames: int, /) -> None: ...
    def lat_percentile(self, h: Histogram, q: float, /) -> int: ...
    def event_log_new(self, records: int, /) -> EventLog: ...
    def event_log_free(self, log: EventLog, /) -> None: ...
    def event_memory(self, records: int, /) -> EventRecord: ...
    def event_memory_free(self, at: EventRecord, records: int, /) -> None: ...
    def event_write(self, log: EventLog, e: EventRecord, /) -> None: ...
    def clock_ns(self) -> int: ...
    def event_signal(self, fd: int, /) -> None: ...
    def event_drain(self, fd: int, /) -> None: ...
    def file_set_add(self, s: FileSet, fd: int, /) -> None: ...
    def run_with_own_files(self, run: CData, arg: CData | bytes, files: FileSet, /) -> int: ...
    def own_files_fetch(self, fd: int, /) -> int: ...
    def siphash(self, data: CData | bytes, len: int, k0: int, k1: int, /) -> int: ...
    def map_zeroed(self, bytes: int, /) -> CData: ...
    def unmap_zeroed(self, p: CData | bytes, bytes: int, /) -> None: ...
    def inet_addr4(self, addr: CData | bytes, /) -> InetAddr: ...
    def inet_addr6(self, addr: CData | bytes, /) -> InetAddr: ...
    def inet_addr_is4(self, a: InetAddr, /) -> int: ...
    def inet_addr_is_any(self, a: InetAddr, /) -> bool: ...
    def inet_addr_is_multicast(self, a: InetAddr, /) -> bool: ...
    def inet_addr_put(self, a: InetAddr, to: CData | bytes, /) -> None: ...
    def inet_group_mac(self, group: InetAddr, mac: CData | bytes, /) -> None: ...
    def wire_next(self, w: Wire, f: Frame, max: int, now_ns: int, /) -> int: ...
    def wire_pulled(self, w: Wire, /) -> int: ...
    def joint_wires_new(self, a: CData | bytes, b: CData | bytes, /) -> int: ...
    def joint_wire_shut(self, w: JointWire, /) -> None: ...
    def joint_wire_free(self, w: JointWire, /) -> None: ...
    def mem_wire_new(self, arena_bytes: int, frames: int, /) -> MemWire: ...
    def mem_wire_free(self, w: MemWire, /) -> None: ...
    def mem_wire_sends(self, w: MemWire, /) -> int: ...
    def mem_wire_fetch(self, w: MemWire, buf: CData | bytes, frames: MemFrame, /) -> int: ...
    def mem_wire_feed(self, w: MemWire, data: CData | bytes, len: int, wire_len: int, t_ns: int, /) -> int: ...
    def link_way_open(self, way: LinkWay, from_: Wire, to: Wire, /) -> None: ...
    def link_way_shut(self, way: LinkWay, from_: Wire, /) -> None: ...
    def link_serial_ps(self, way: LinkWay, len: int, /) -> int: ...
    def frame_parse(self, f: Frame, /) -> int: ...
    def sender_complete(self, w: Wire, f: Frame, /) -> None: ...
    def pcap_wire_new(self) -> PcapWire: ...
    def pcap_wire_free(self, p: PcapWire, /) -> None: ...
    def pcap_wire_open(self, p: PcapWire, fd: int, size: int, /) -> int: ...
    def pcap_wire_damaged(self, p: PcapWire, why: CData | bytes, /) -> None: ...
    def pcap_wire_open_memory(self, p: PcapWire, bytes: CData | bytes, size: int, /) -> int: ...
    def pcap_wire_rewind(self, p: PcapWire, /) -> int: ...
    PACE_RECORDED: Final[int]
    PACE_PPS: Final[int]
    PACE_BPS: Final[int]
    PACE_TOPSPEED: Final[int]
    SEND_TAP: Final[int]
    SEND_DEV: Final[int]
    ASKS_NOTHING: Final[int]
    ASKS_NEXT_FILE: Final[int]
    ASKS_FIRST_FILE: Final[int]
    def schedule_next(self, s: Schedule, t_ns: int, len: int, /) -> int: ...
    def schedule_loop(self, s: Schedule, /) -> None: ...
    def send_step(self, s: Sender, now: int, /) -> int: ...
    def send_run(self, s: Sender, until_ns: int, /) -> int: ...
    RUNG_WRITE: Final[int]
    RUNG_QUEUED: Final[int]
    RUNG_REFUSED: Final[int]
    RUNG_EMPTY: Final[int]
    RUNG_SYSCALL: Final[int]
    RUNG_CLOCK: Final[int]
    READER_NONE: Final[int]
    READER_SPINS: Final[int]
    READER_SLEEPS: Final[int]
    def calibrate_ladder(self, rungs: Rung, n: int, cpu: int, reps: int, batch: int, warm: int, /) -> int: ...
    def calibrate_remote(
        self, r: Rung, writer: int, reader: int, reps: int, batch: int, first_ns: CData | Sequence[int], /
    ) -> int: ...
    def calibrate_wakes(self, w: Wakes, /) -> int: ...
    def calibrate_steals(self, s: Steals, /) -> int: ...
    def validate_load(self, v: Validation, /) -> int: ...
    def validate_work_ns(self, loops: int, /) -> int: ...
    def tap_wire_new(
        self, fds: CData | Sequence[int], nlanes: int, slot_size: int, nslots: int, vnet: int, /
    ) -> TapWire: ...
    def tap_wire_free(self, t: TapWire, /) -> None: ...
    def tap_wire_of_port(
        self, port: TapPort, fds: CData | Sequence[int], nlanes: int, slot_size: int, nslots: int, /
    ) -> TapWire: ...
    def tap_nslots(self, fifo_bytes: int, /) -> int: ...
    def tap_slot_size(self, mtu: int, /) -> int: ...
    def tap_uring_fd(self, u: TapUring, /) -> int: ...
    def frame_ipv6_transport(self, ip: CData | bytes, end: int, next: CData | bytes, /) -> int: ...
    def gso_ip_offset(self, frame: CData | bytes, len: int, /) -> int: ...
    def gso_fits(self, g: Gso, room: int, /) -> int: ...
    def gso_put_head(self, g: Gso, head: CData | bytes, to: CData | bytes, len: int, /) -> None: ...
    def gso_next(self, g: Gso, head: CData | bytes, frame: CData | bytes, to: CData | bytes, /) -> int: ...
    def pcap_fail(self, p: PcapWire, fmt: CData | bytes, /, *more: Any) -> int: ...
    def pcap_truncated(self, p: PcapWire, /) -> int: ...
    def pcap_end_of_file(self, p: PcapWire, /) -> int: ...
    def pcap_hand_out(
        self, p: PcapWire, f: Frame, data: CData | bytes, caplen: int, len: int, t_ns: int, /
    ) -> None: ...
    def pcap_strip_fcs(self, p: PcapWire, f: Frame, bytes: int, /) -> None: ...
    def pcap_next_piece(self, p: PcapWire, at: int, len: int, /) -> CData: ...
    def pcap_pieces_of(self, p: PcapWire, fd: int, memory: CData | bytes, /) -> None: ...
    def pcap_pieces_free(self, p: PcapWire, /) -> None: ...
    def pcap_selects(self, p: PcapWire, f: Frame, /) -> bool: ...
    def pcap_select_ends(self, p: PcapWire, /) -> int: ...
    def pcapng_open(self, p: PcapWire, /) -> int: ...
    def pcapng_block(self, p: PcapWire, f: Frame, /) -> int: ...
    def pcap_gso_begin(self, p: PcapWire, f: Frame, /) -> int: ...
    def pcap_gso_next(self, p: PcapWire, f: Frame, /) -> int: ...
    def pcap_gso_end(self, p: PcapWire, /) -> None: ...
    def pcap_own(self, w: Wire, f: Frame, /) -> CData: ...
    def pcap_slot(self, p: PcapWire, f: Frame, len: int, /) -> CData: ...
    def pcap_slots_free(self, p: PcapWire, /) -> None: ...
    def link_is_known(self, linktype: int, /) -> int: ...
    def link_to_ethernet(self, p: PcapWire, f: Frame, linktype: int, /) -> int: ...
    def calibrate_pin(self, cpu: int, /) -> int: ...
    def calibrate_spin_until(self, ns: int, /) -> None: ...
    def calibrate_start(self, thread: CData | bytes, run: CData, arg: CData | bytes, /) -> int: ...
    def calibrate_join(self, thread: CData | bytes, /) -> None: ...
    def tap_slots_init(self, t: TapWire, slot_size: int, nslots: int, /) -> int: ...
    def tap_slots_fit(self, wire: Wire, fifo_bytes: int, mtu: int, /) -> int: ...
    def tap_nth_slot(self, t: TapWire, n: int, /) -> CData: ...
    def tap_fill(self, t: TapWire, f: Frame, slot: int, len: int, /) -> None: ...
    def tap_fill_next(self, t: TapWire, f: Frame, len: int, /) -> None: ...
    def tap_bigs_free(self, t: TapWire, /) -> int: ...
    def tap_put_big(self, t: TapWire, f: Frame, /) -> None: ...
    def tap_release(self, wire: Wire, f: Frame, /) -> None: ...
    def tap_take_back(self, wire: Wire, /) -> None: ...
    def tap_uring_new(self, buffers: CData | bytes, size: int, /) -> TapUring: ...
    def tap_uring_read(
        self, u: TapUring, fd: int, buf: CData | bytes, len: int, res: CData | Sequence[int], n: int, /
    ) -> int: ...
    def tap_uring_free(self, u: TapUring, /) -> None: ...
    def tap_way_begin(self, t: TapWire, lane: TapLane, want: int, /) -> int: ...
    def tap_way_end(self, lane: TapLane, want: int, full: int, /) -> None: ...
    def tap_vnet_begin(self, t: TapWire, h: VirtioNetHdrV1, frame: CData | bytes, len: int, /) -> int: ...
    def tap_vnet_next(self, t: TapWire, to: CData | bytes, /) -> int: ...
    def tap_vnet_head(self, t: TapWire, to: CData | bytes, f: Frame, /) -> int: ...
    def tap_vnet_gather(self, wire: Wire, f: Frame, to: CData | bytes, /) -> None: ...
    def tap_vnet_whole(self, wire: Wire, f: Frame, /) -> None: ...
    def tap_vnet_unpack(self, t: TapWire, f: Frame, max: int, /) -> int: ...
    def virtq_desc_bytes(self, size: int, /) -> int: ...
    def virtq_avail_bytes(self, size: int, /) -> int: ...
    def virtq_used_bytes(self, size: int, /) -> int: ...
    def config_queue(self, c: VnicConfig, i: int, /) -> VnicQueueConfig: ...
    def virtqueue_avail(self, vq: Virtqueue, want: int, /) -> int: ...
    def virtqueue_fill_used(self, vq: Virtqueue, id: int, len: int, /) -> None: ...
    def virtqueue_publish(self, vq: Virtqueue, /) -> int: ...
    def virtqueue_wants_irq(self, vq: Virtqueue, old: int, /) -> int: ...
    def virtqueue_want_kick(self, vq: Virtqueue, /) -> None: ...
    def virtqueue_driver_init(self, d: VirtqueueDriver, num: int, /) -> int: ...
    def virtqueue_size(self, num: int, /) -> int: ...
    def virtqueue_driver_free(self, d: VirtqueueDriver, /) -> None: ...
    def virtqueue_add_inbuf(self, d: VirtqueueDriver, addr: int, len: int, buf: int, /) -> int: ...
    def virtqueue_add_inbufs(
        self, d: VirtqueueDriver, bus: int, stride: int, len: int, top: CData | Sequence[int], n: int, /
    ) -> None: ...
    def virtqueue_add_outbuf(
        self, d: VirtqueueDriver, addr: CData | Sequence[int], len: CData | Sequence[int], n: int, buf: int, /
    ) -> None: ...
    def virtqueue_get_buf(
        self, d: VirtqueueDriver, desc: CData | Sequence[int], len: CData | Sequence[int], /
    ) -> int: ...
    def virtqueue_used(self, d: VirtqueueDriver, /) -> int: ...
    def virtqueue_free_chain(self, d: VirtqueueDriver, desc: int, n: int, /) -> None: ...
    def virtqueue_kick_prepare(self, d: VirtqueueDriver, /) -> int: ...
    def virtqueue_disable_cb(self, d: VirtqueueDriver, /) -> None: ...
    def virtqueue_enable_cb(self, d: VirtqueueDriver, /) -> int: ...
    def vring_need_event(self, event: int, new_idx: int, old_idx: int, /) -> int: ...
    def filter_frame(self, mf: MacFilter, f: Frame, /) -> int: ...
    def rss_set_key(self, r: Rss, key: CData | bytes, len: int, /) -> None: ...
    def rss_set_fields(self, r: Rss, hash_type: int, fields: int, /) -> None: ...
    def rss_set_symmetric(self, r: Rss, on: int, /) -> None: ...
    def rss_queue(self, r: Rss, hash: int, /) -> int: ...
    def rss_burst(self, r: Rss, f: Frame, n: int, /) -> None: ...
    def rss_frame(self, r: Rss, f: Frame, /) -> None: ...
    def rss_toeplitz(self, r: Rss, input: CData | bytes, len: int, /) -> int: ...
    def fifo_init(self, q: Fifo, bytes: int, /) -> int: ...
    def fifo_resize(self, q: Fifo, bytes: int, /) -> int: ...
    def fifo_push(self, q: Fifo, f: Frame, /) -> int: ...
    def fifo_peek(self, q: Fifo, /) -> Frame: ...
    def fifo_pop(self, q: Fifo, /) -> None: ...
    def dma_map(self, d: Dma, addr: int, len: int, /) -> CData: ...
    def dma_burst(self, q: NicQueue, max: int, /) -> int: ...
    def dma_frame(self, q: NicQueue, f: Frame, /) -> int: ...
    def irq_complete(self, q: NicQueue, frames: int, wanted: int, now: int, /) -> None: ...
    def irq_timers(self, nic: Nic, now: int, /) -> None: ...
    def irq_replan(self, q: NicQueue, /) -> None: ...
    def irq_starved(self, q: NicQueue, now: int, /) -> None: ...
    def irq_standing(self, q: NicQueue, /) -> int: ...
    def nic_set_call_fd(self, nic: Nic, queue: int, fd: int, /) -> int: ...
    def nic_faults_new(self) -> NicFaults: ...
    def nic_faults_free(self, faults: NicFaults, /) -> None: ...
    def nic_fault_hits(
        self, nic: Nic, kind: int, queue: int, now: int, frame: int, arg: CData | Sequence[int], /
    ) -> int: ...
    def nic_fault_until(self, nic: Nic, kind: int, queue: int, now: int, /) -> int: ...
    def nic_faults_forget(self, nic: Nic, queue: int, /) -> None: ...
    def ntuple_insert(
        self, nic: Nic, value: NtupleKey, mask: NtupleKey, type: int, location: int, queue: int, /
    ) -> int: ...
    def ntuple_delete(self, nic: Nic, location: int, /) -> int: ...
    def arfs_init(self, a: Arfs, size: int, /) -> int: ...
    def arfs_add(self, a: Arfs, key: FlowKey, queue: int, flow: int, /) -> int: ...
    def arfs_forget(self, a: Arfs, /) -> None: ...
    def nic_init(self, nic: Nic, /) -> None: ...
    def nic_plug(self, nic: Nic, w: Wire, /) -> None: ...
    def nic_memory_init(self, nic: Nic, queues_max: int, buffers_a_queue: int, /) -> int: ...
    def nic_fit(self, nic: Nic, fifo_bytes: int, mtu: int, /) -> int: ...
    def nic_exit(self, nic: Nic, /) -> None: ...
    def nic_up(self, nic: Nic, /) -> int: ...
    def nic_queue_up(self, nic: Nic, i: int, /) -> int: ...
    def nic_tx_ring_up(self, nic: Nic, /) -> int: ...
    def nic_purge(self, nic: Nic, /) -> None: ...
    def nic_kick(self, nic: Nic, queue: int, now: int, /) -> None: ...
    def nic_tx_kick(self, nic: Nic, now: int, /) -> None: ...
    def nic_doorbell(self, nic: Nic, queue: int, /) -> int: ...
    def nic_receive(self, nic: Nic, f: Frame, n: int, /) -> None: ...
    def nic_drain(self, nic: Nic, now: int, /) -> None: ...
    def nic_run(self, nic: Nic, until: int, /) -> None: ...
    def nic_next(self, nic: Nic, /) -> int: ...
    def nic_pull(self, nic: Nic, now: int, /) -> int: ...
    def nic_thread(self, nic: Nic, /) -> int: ...
    def nic_transmit(self, nic: Nic, /) -> int: ...
    def nic_transmit_ring(self, nic: Nic, vq: Virtqueue, rc: CData | Sequence[int], /) -> int: ...
    def nic_discard_ring(self, nic: Nic, vq: Virtqueue, /) -> int: ...
    def nic_lend_room(self, nic: Nic, /) -> Frame: ...
    def nic_lend_append(self, nic: Nic, n: int, /) -> None: ...
    def nic_may_lend(self, nic: Nic, n: int, /) -> int: ...
    def nic_lend(self, nic: Nic, /) -> None: ...
    def nic_try_back(self, nic: Nic, /) -> int: ...
    def nic_take_back(self, nic: Nic, /) -> None: ...
    def nic_borrow(self, nic: Nic, /) -> None: ...
    def rss_key_id(self, r: Rss, /) -> int: ...
    def rss_hash4(self, r: Rss, tuple: CData | bytes, hash: CData | Sequence[int], n: int, /) -> None: ...
    def fifo_room(self, q: Fifo, n: int, /) -> Frame: ...
    def fifo_push_burst(self, q: Fifo, f: Frame, n: int, /) -> int: ...
    def fifo_take(self, q: Fifo, f: Frame, n: int, bytes: int, /) -> int: ...
    def fifo_pop_burst(self, q: Fifo, n: int, /) -> None: ...
    def fifo_overrun(self, nic: Nic, f: Frame, /) -> None: ...
    def count_no_buffer(self, q: NicQueue, /) -> None: ...
    def nic_store(self, nic: Nic, f: Frame, n: int, /) -> int: ...
    def receive_burst(self, nic: Nic, f: Frame, n: int, /) -> int: ...
    DMA_CSUM_UNKNOWN: Final[int]
    DMA_CSUM_GOOD: Final[int]
    DMA_CSUM_COMPLETED: Final[int]
    def dma_init(self, d: Dma, size: int, /) -> int: ...
    def dma_exit(self, d: Dma, /) -> None: ...
    def dma_offload(self, nic: Nic, /) -> int: ...
    def dma_csum(self, nic: Nic, f: Frame, sum: int, whole: CData | Sequence[int], /) -> int: ...
    def dma_odd_sum(self, q: NicQueue, f: Frame, sum: int, at: CData | bytes, /) -> int: ...
    def dma_copy_and_sum(self, to: CData | bytes, f: Frame, /) -> int: ...
    def dma_write_one(self, q: NicQueue, f: Frame, ch: DmaChannel, t: DmaTally, /) -> int: ...
    def dma_write_two_parts(self, q: NicQueue, f: Frame, ch: DmaChannel, t: DmaTally, /) -> int: ...
    def dma_header(self, nic: Nic, f: Frame, at: CData | bytes, num_buffers: int, data_valid: int, /) -> None: ...
    def dma_count(self, q: NicQueue, t: DmaTally, /) -> None: ...
    def dma_write(self, q: NicQueue, f: Frame, /) -> int: ...
    def dma_faulty(self, q: NicQueue, f: Frame, /) -> int: ...
    def dma_chains(self, q: NicQueue, f: Frame, avail: int, /) -> int: ...
    def irq_forget(self, nic: Nic, /) -> None: ...
    def call_signal(self, nic: Nic, fd: int, /) -> None: ...
    def call_init(self, nic: Nic, /) -> int: ...
    def call_exit(self, nic: Nic, /) -> None: ...
    def ntuple_lookup(self, t: Ntuple, f: Frame, /) -> NtupleRule: ...
    def arfs_lookup(self, a: Arfs, f: Frame, /) -> int: ...
    def nic_steer(self, nic: Nic, f: Frame, n: int, /) -> int: ...
    def nic_fate(self, nic: Nic, f: Frame, fate: int, /) -> None: ...
    def nic_dma_end(self, nic: Nic, /) -> None: ...
    def nic_again(self, nic: Nic, now: int, /) -> None: ...
    def nic_needs_reset(self, nic: Nic, /) -> None: ...
    def nic_tx_run(self, nic: Nic, now: int, /) -> None: ...
    def nic_tx_purge(self, nic: Nic, /) -> None: ...
    def vhost_set_memory(self, v: Vhost, region: VhostRegion, fd: CData | Sequence[int], n: int, /) -> int: ...
    def vhost_regions(self, v: Vhost, /) -> int: ...
    def vhost_cut(self, v: Vhost, /) -> int: ...
    def vhost_new(self, nic: Nic, pairs: int, /) -> Vhost: ...
    def vhost_free(self, v: Vhost, /) -> None: ...
    def vhost_set_features(self, v: Vhost, features: int, /) -> int: ...
    def vhost_set_num(self, v: Vhost, ring: int, num: int, /) -> int: ...
    def vhost_set_base(self, v: Vhost, ring: int, base: int, /) -> int: ...
    def vhost_set_addr(self, v: Vhost, ring: int, desc: int, avail: int, used: int, /) -> int: ...
    def vhost_start(self, v: Vhost, ring: int, /) -> int: ...
    def vhost_stop(self, v: Vhost, ring: int, /) -> int: ...
    def vhost_enable(self, v: Vhost, ring: int, on: int, /) -> int: ...
    def vhost_reset(self, v: Vhost, /) -> None: ...
    def vhost_hang_up(self, v: Vhost, /) -> None: ...
    def vhost_state(self, v: Vhost, ring: int, /) -> VhostState: ...
    def vhost_set_kick(self, v: Vhost, ring: int, fd: int, /) -> int: ...
    def vhost_set_call(self, v: Vhost, ring: int, fd: int, /) -> int: ...
    def vhost_set_err(self, v: Vhost, ring: int, fd: int, /) -> int: ...
    def vhost_port_new(self, nlanes: int, mtu: int, /) -> VhostPort: ...
    def vhost_port_free(self, p: VhostPort, /) -> None: ...
    def vhost_port_ring(self, p: VhostPort, ring: int, /) -> PortRing: ...
    def vhost_port_attach(self, p: VhostPort, event_idx: int, /) -> None: ...
    def vhost_port_detach(self, p: VhostPort, /) -> None: ...
    def vhost_user_map(self, v: Vhost, addr: int, len: int, /) -> CData: ...
    def vhost_unmap(self, v: Vhost, /) -> None: ...
    def vhost_vq(self, v: Vhost, ring: int, /) -> Virtqueue: ...
    def vhost_place(self, v: Vhost, r: VhostRing, vq: Virtqueue, /) -> int: ...
    def vhost_rings_changed(self, v: Vhost, /) -> None: ...
    def vhost_break(self, v: Vhost, r: VhostRing, /) -> None: ...
    def vhost_call(self, v: Vhost, r: VhostRing, /) -> None: ...
    def vhost_error(self, v: Vhost, r: VhostRing, /) -> None: ...
    def vhost_rang(self, nic: Nic, /) -> int: ...
    def vhost_close_files(self, v: Vhost, r: VhostRing, /) -> None: ...
    def rx_pool_init(
        self, p: RxPool, base: CData | bytes, bus: int, size: int, buf_len: int, stride: int, /
    ) -> int: ...
    def rx_pool_exit(self, p: RxPool, /) -> None: ...
    def rx_pool_keep_ids(self, p: RxPool, /) -> int: ...
    def rx_pool_get(self, p: RxPool, /) -> int: ...
    def rx_pool_reclaim(self, p: RxPool, /) -> None: ...
    def rx_pool_free_count(self, p: RxPool, /) -> int: ...
    def kfree_skb_reason(self, sd: SoftnetData, skb: SkBuff, fate: int, /) -> None: ...
    def kfree_skb_list(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def skb_flush_returns(self, sd: SoftnetData, /) -> None: ...
    def skb_header_pointer(self, skb: SkBuff, off: int, len: int, copy: CData | bytes, /) -> CData: ...
    def skb_copy_bits(self, skb: SkBuff, off: int, to: CData | bytes, len: int, /) -> int: ...
    def skb_checksum(self, skb: SkBuff, off: int, len: int, sum: int, /) -> int: ...
    def skb_trim(self, sd: SoftnetData, skb: SkBuff, len: int, /) -> int: ...
    def skb_advance(self, skb: SkBuff, n: int, /) -> None: ...
    def skb_segment_list(self, skb: SkBuff, own: int, /) -> SkBuff: ...
    def skb_kmalloc_truesize(self, head: int, /) -> int: ...
    def skb_copy_init(self, h: Host, /) -> int: ...
    def skb_copy_exit(self, sd: SoftnetData, /) -> None: ...
    def skb_copy(self, sd: SoftnetData, skb: SkBuff, /) -> SkBuff: ...
    NAPI_THREADED_DISABLED: Final[int]
    NAPI_THREADED_ENABLED: Final[int]
    NAPI_THREADED_BUSY_POLL: Final[int]
    TASK_NONE: Final[int]
    TASK_KSOFTIRQD: Final[int]
    TASK_READER: Final[int]
    TASK_NAPI: Final[int]
    def netif_napi_add(self, sd: SoftnetData, n: NapiStruct, poll: CData, weight: int, /) -> None: ...
    def napi_enable(self, n: NapiStruct, /) -> None: ...
    def napi_set_threaded(self, n: NapiStruct, /) -> None: ...
    def napi_disable(self, n: NapiStruct, /) -> int: ...
    def napi_list_add(self, sd: SoftnetData, n: NapiStruct, /) -> None: ...
    def napi_list_del(self, n: NapiStruct, /) -> None: ...
    def napi_schedule_prep(self, n: NapiStruct, /) -> int: ...
    def __napi_schedule(self, n: NapiStruct, /) -> None: ...
    def napi_complete_done(self, n: NapiStruct, work_done: int, /) -> int: ...
    SPINS_NOT: Final[int]
    SPINS_READER: Final[int]
    SPINS_NAPI: Final[int]
    def busy_poll_begin(self, sd: SoftnetData, /) -> int: ...
    def napi_busy_loop(self, sd: SoftnetData, /) -> int: ...
    def napi_suspend_irqs(self, sd: SoftnetData, /) -> None: ...
    TIMER_IPFRAG: Final[int]
    TIMER_NEIGH: Final[int]
    TIMER_MC: Final[int]
    TIMER_ADDRCONF: Final[int]
    TIMER_REFILL: Final[int]
    TIMER_TCP: Final[int]
    TIMERS_MAX: Final[int]
    def cpu_run(self, sd: SoftnetData, /) -> int: ...
    def cpu_round(self, sd: SoftnetData, /) -> int: ...
    def cpu_idle_until(self, sd: SoftnetData, /) -> int: ...
    def cpu_wait(self, sd: SoftnetData, end: int, /) -> None: ...
    def cpu_pay(self, sd: SoftnetData, /) -> None: ...
    def reader_wake(self, sd: SoftnetData, target: SoftnetData, /) -> None: ...
    def cpu_woken(self, sd: SoftnetData, idled_ns: int, /) -> None: ...
    def cpu_plan(self, sd: SoftnetData, at: int, /) -> None: ...
    def cpu_account(self, sd: SoftnetData, to: CData | Sequence[int], /) -> CData: ...
    def cpu_wake(self, sd: SoftnetData, now: int, /) -> None: ...
    def raise_hardirq(self, sd: SoftnetData, queue: int, now: int, /) -> None: ...
    def cancel_hardirq(self, sd: SoftnetData, queue: int, /) -> int: ...
    def local_bh_disable(self, sd: SoftnetData, /) -> None: ...
    def local_bh_enable(self, sd: SoftnetData, /) -> None: ...
    def reader_run(self, sd: SoftnetData, /) -> None: ...
    def task_enqueue(self, sd: SoftnetData, task: int, /) -> None: ...
    def need_resched(self, sd: SoftnetData, /) -> int: ...
    def task_yield(self, sd: SoftnetData, /) -> None: ...
    def slice_end(self, sd: SoftnetData, /) -> int: ...
    def mod_timer(self, sd: SoftnetData, which: int, at_ns: int, /) -> None: ...
    def timer_ask(self, owner: SoftnetData, which: int, at_ns: int, /) -> None: ...
    def timer_answer(self, sd: SoftnetData, which: int, /) -> None: ...
    def timer_plan(self, sd: SoftnetData, /) -> None: ...
    def machine_clock(self, sd: SoftnetData, /) -> int: ...
    def host_now(self, h: Host, sd: SoftnetData, /) -> int: ...
    def vtime_latest(self, h: Host, /) -> int: ...
    def machine_settle(self, h: Host, /) -> None: ...
    def machine_turn(self, sd: SoftnetData, /) -> None: ...
    def gro_poll_begin(self, n: NapiStruct, /) -> None: ...
    def napi_gro_receive(self, n: NapiStruct, skb: SkBuff, /) -> None: ...
    def napi_gro_flush(self, n: NapiStruct, flush_old: int, why: int, /) -> None: ...
    def gro_normal_list(self, n: NapiStruct, /) -> None: ...
    def gro_normal_burst(self, n: NapiStruct, first: SkBuff, last: SkBuff, packets: int, /) -> None: ...
    def gro_normal_room(self, n: NapiStruct, /) -> int: ...
    def gro_end_text(self, why: int, /) -> CData: ...
    def gro_flows_new(self, flows: int, /) -> GroFlows: ...
    def rps_set_cpus(self, h: Host, queue: int, cpus: Cpumask, /) -> int: ...
    def rps_exit(self, h: Host, /) -> None: ...
    def rfs_init(self, h: Host, flow_cnt: int, sock_entries: int, /) -> int: ...
    def rfs_exit(self, h: Host, /) -> None: ...
    def rfs_set_sock_entries(self, h: Host, entries: int, /) -> int: ...
    def rfs_set_flow_cnt(self, h: Host, queue: int, flow_cnt: int, /) -> int: ...
    def rfs_forget_filters(self, h: Host, /) -> None: ...
    def rps_record_sock_flow(self, h: Host, hash: int, cpu: int, /) -> None: ...
    def rps_may_expire_flow(self, h: Host, queue: int, slot: int, filter: int, /) -> int: ...
    def flow_limit_set(self, h: Host, cpus: Cpumask, /) -> int: ...
    def enqueue_flush(self, sd: SoftnetData, /) -> None: ...
    def process_backlog(self, napi: NapiStruct, quota: int, /) -> int: ...
    def packet_taps_setup(self, h: Host, /) -> None: ...
    def packet_tap_add(self, h: Host, t: PacketTap, point: int, /) -> None: ...
    def packet_tap_del(self, h: Host, t: PacketTap, point: int, /) -> None: ...
    def packet_taps_outside(self, h: Host, skb: SkBuff, fate: int, /) -> None: ...
    def netif_receive_skb_core(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def skb_frame(self, skb: SkBuff, /) -> int: ...
    def cpu_event_write(self, sd: SoftnetData, kind: int, began: int, queue: int, arg: int, /) -> None: ...
    def skb_event_write(self, sd: SoftnetData, kind: int, began: int, skb: SkBuff, arg: int, /) -> None: ...
    def skb_event_each(self, sd: SoftnetData, kind: int, skb: SkBuff, /) -> None: ...
    def skb_event_in(self, sd: SoftnetData, kind: int, began: int, skb: SkBuff, head: SkBuff, arg: int, /) -> None: ...
    def skb_event_joins(self, sd: SoftnetData, skb: SkBuff, head: SkBuff, /) -> None: ...
    def skb_pull_headers(self, skb: SkBuff, n: int, /) -> None: ...
    def latency_each(self, sd: SoftnetData, which: int, skb: SkBuff, /) -> None: ...
    def napi_schedule(self, n: NapiStruct, /) -> int: ...
    def napi_poll_list_add(self, n: NapiStruct, /) -> None: ...
    def napi_watchdog(self, n: NapiStruct, /) -> None: ...
    def napi_full_poll_flush(self, n: NapiStruct, /) -> None: ...
    def napi_timer_start(self, n: NapiStruct, timeout_ns: int, /) -> None: ...
    def napi_poll(self, n: NapiStruct, repoll: CData | Sequence[int], /) -> int: ...
    def napi_thread_idles(self, n: NapiStruct, /) -> bool: ...
    def only_idle_polls(self, sd: SoftnetData, /) -> bool: ...
    def napi_threaded_poll(self, n: NapiStruct, /) -> None: ...
    def net_rx_action(self, sd: SoftnetData, /) -> None: ...
    def busy_poll_looks(self, sd: SoftnetData, /) -> None: ...
    HARDIRQ_QUEUE: Final[int]
    HARDIRQ_IPI: Final[int]
    HARDIRQ_WATCHDOG: Final[int]
    HARDIRQ_TICK: Final[int]
    def raise_ipi(self, from_: SoftnetData, to: SoftnetData, /) -> None: ...
    def do_hardirqs(self, sd: SoftnetData, /) -> None: ...
    def do_softirq(self, sd: SoftnetData, /) -> None: ...
    def run_timers(self, sd: SoftnetData, /) -> None: ...
    def timers_take(self, sd: SoftnetData, /) -> None: ...
    def cpu_next_hardirq(self, sd: SoftnetData, /) -> int: ...
    def cpu_next_interrupt(self, sd: SoftnetData, /) -> int: ...
    def gro_receive_by_type(self, n: NapiStruct, l: GroList, skb: SkBuff, off: int, protocol: int, /) -> CData: ...
    def tcp_gro_receive(self, n: NapiStruct, l: GroList, skb: SkBuff, off: int, /) -> CData: ...
    def udp_gro_receive(self, n: NapiStruct, l: GroList, skb: SkBuff, off: int, /) -> CData: ...
    def gro_refuse(self, skb: SkBuff, /) -> CData: ...
    def gro_lookup(self, l: GroList, skb: SkBuff, off: int, /) -> CData: ...
    def gro_csum_bad(self, n: NapiStruct, skb: SkBuff, off: int, proto: int, /) -> int: ...
    def gro_network_flush(self, p: SkBuff, skb: SkBuff, /) -> int: ...
    def skb_gro_receive(self, n: NapiStruct, p: SkBuff, skb: SkBuff, hdr: int, /) -> int: ...
    def skb_gro_receive_list(self, n: NapiStruct, p: SkBuff, skb: SkBuff, hdr: int, /) -> int: ...
    def inet_gro_complete(self, skb: SkBuff, /) -> None: ...
    def tcp_gro_complete(self, skb: SkBuff, /) -> None: ...
    def udp_gro_complete(self, skb: SkBuff, /) -> None: ...
    def gro_ip(self, skb: SkBuff, /) -> CData: ...
    def gro_pseudo(self, skb: SkBuff, l4_len: int, proto: int, /) -> int: ...
    def gro_lost_ids(self, skb: SkBuff, /) -> int: ...
    def gro_lost_psh(self, skb: SkBuff, /) -> int: ...
    def gro_account(self, sd: SoftnetData, skb: SkBuff, why: int, /) -> None: ...
    def skb_get_hash(self, h: Host, skb: SkBuff, /) -> int: ...
    def get_rps_cpu(self, sd: SoftnetData, skb: SkBuff, /) -> int: ...
    def rfs_get_cpu(self, sd: SoftnetData, skb: SkBuff, hash: int, /) -> int: ...
    def rfs_queued(self, h: Host, rflow: int, tail: int, /) -> None: ...
    def rfs_head(self, h: Host, cpu: int, /) -> int: ...
    def flow_limit_new(self, table_len: int, /) -> SdFlowLimit: ...
    def skb_flow_limit(self, sd: SoftnetData, skb: SkBuff, qlen: int, /) -> int: ...
    def enqueue_to_backlog(self, sd: SoftnetData, skb: SkBuff, cpu: int, /) -> int: ...
    def net_rps_send_ipi(self, sd: SoftnetData, /) -> None: ...
    def packet_taps_skb(self, sd: SoftnetData, point: int, skb: SkBuff, t_ns: int, fate: int, /) -> None: ...
    def packet_taps_fate(self, sd: SoftnetData, skb: SkBuff, fate: int, /) -> None: ...
    def netif_receive_skb_internal(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def netif_receive_skb_list_internal(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    DIM_PARKING_ON_TOP: Final[int]
    DIM_PARKING_TIRED: Final[int]
    DIM_GOING_RIGHT: Final[int]
    DIM_GOING_LEFT: Final[int]
    def dim_profile(self, d: Dim, /) -> DimProfile: ...
    def driver_setup(self, h: Host, /) -> None: ...
    def driver_open(self, h: Host, /) -> int: ...
    def driver_close(self, dq: DriverQueue, /) -> None: ...
    def driver_end_faults(self, dq: DriverQueue, /) -> None: ...
    def driver_free_queue(self, h: Host, i: int, /) -> None: ...
    def driver_coalesce(self, dq: DriverQueue, /) -> None: ...
    def driver_set_ringparam(self, h: Host, num: int, /) -> int: ...
    def driver_set_channels(self, h: Host, nqueues: int, /) -> int: ...
    def driver_set_adaptive(self, h: Host, on: int, /) -> int: ...
    def netif_set_weights(self, h: Host, /) -> None: ...
    def dev_set_threaded(self, h: Host, queue: int, mode: int, /) -> None: ...
    def arfs_set(self, h: Host, on: int, /) -> int: ...
    def irq_affinity(self, h: Host, queue: int, cpus: Cpumask, /) -> None: ...
    def irq_cpu(self, h: Host, queue: int, /) -> int: ...
    def irq_count(self, dq: DriverQueue, cpu: int, /) -> int: ...
    def irq_set_affinity(self, h: Host, queue: int, cpus: Cpumask, /) -> int: ...
    NETIF_F_HW_CSUM: Final[int]
    NETIF_F_GSO_UDP_L4: Final[int]
    NETIF_F_TSO: Final[int]
    NETIF_F_TSO6: Final[int]
    def tx_alloc(self, tx: DriverTx, len: int, /) -> int: ...
    def tx_header(self, tx: DriverTx, packet: int, /) -> CData: ...
    def tx_drop(self, h: Host, packet: int, fate: int, /) -> None: ...
    def dev_queue_xmit(self, h: Host, sd: SoftnetData, packet: int, /) -> int: ...
    def dev_xmit_frame(self, h: Host, sd: SoftnetData, frame: CData | bytes, len: int, /) -> int: ...
    def dev_direct_xmit(self, h: Host, frame: CData | bytes, len: int, /) -> int: ...
    def driver_tx_room(self, h: Host, frames: int, bytes: int, /) -> int: ...
    def driver_tx_set_ringparam(self, h: Host, num: int, /) -> int: ...
    def driver_tx_free(self, h: Host, /) -> None: ...
    def host_tx_fates(self, h: Host, fates: CData | Sequence[int], /) -> None: ...
    def host_tx_in_flight(self, h: Host, /) -> int: ...
    def dim_init(self, d: Dim, /) -> None: ...
    def net_dim(self, d: Dim, now: DimSample, /) -> int: ...
    def driver_dim(self, dq: DriverQueue, /) -> int: ...
    def driver_open_queue(self, h: Host, i: int, /) -> int: ...
    def driver_poll(self, napi: NapiStruct, budget: int, /) -> int: ...
    def driver_may_burst(self, dq: DriverQueue, /) -> int: ...
    def driver_burst(self, dq: DriverQueue, max: int, /) -> int: ...
    def driver_irq(self, dq: DriverQueue, /) -> None: ...
    def driver_refill(self, dq: DriverQueue, /) -> int: ...
    def driver_refill_timer(self, sd: SoftnetData, /) -> None: ...
    def arfs_queue(self, h: Host, cpu: int, /) -> int: ...
    def rx_flow_steer(self, sd: SoftnetData, skb: SkBuff, queue: int, flow: int, /) -> int: ...
    def arfs_clear(self, h: Host, /) -> None: ...
    def arfs_expire(self, sd: SoftnetData, /) -> None: ...
    def driver_tx_open(self, h: Host, /) -> int: ...
    def tx_free(self, tx: DriverTx, packet: int, /) -> None: ...
    def driver_tx_reclaim(self, h: Host, /) -> None: ...
    def bpf_check(self, insn: BpfInsn, len: int, at: CData | Sequence[int], /) -> CData: ...
    def bpf_prog_new(self, insn: BpfInsn, len: int, tag_in_bytes: int, /) -> BpfProg: ...
    def bpf_prog_free(self, p: BpfProg, /) -> None: ...
    def bpf_run(self, prog: BpfProg, skb: SkBuff, cpu: int, /) -> int: ...
    def bpf_run_frame(self, prog: BpfProg, frame: CData | bytes, len: int, wire_len: int, /) -> int: ...
    def packet_sock_new(self, h: Host, filter: BpfProg, ring: int, /) -> PacketSock: ...
    def packet_sock_free(self, h: Host, ps: PacketSock, /) -> None: ...
    def packet_recv(self, ps: PacketSock, buf: CData | bytes, size: int, info: PacketInfo, max: int, /) -> int: ...
    def capture_new(
        self,
        h: Host,
        fd: int,
        base_ns: int,
        ifname: CData | bytes,
        points: int,
        verdicts: CData | bytes,
        filter: BpfProg,
        size: int,
        threaded: int,
        /,
    ) -> Capture: ...
    def capture_thread(self, c: Capture, /) -> int: ...
    def capture_stop(self, c: Capture, /) -> None: ...
    def capture_give_up(self, c: Capture, /) -> None: ...
    def capture_detach(self, h: Host, c: Capture, /) -> None: ...
    def capture_flush(self, c: Capture, /) -> int: ...
    def capture_free(self, c: Capture, /) -> None: ...
    def pcapng_headers(self, c: Capture, ifname: CData | bytes, /) -> None: ...
    def pcapng_room(self, p: PacketSeen, /) -> int: ...
    def pcapng_packet(self, c: Capture, p: PacketSeen, t: int, /) -> None: ...
    def pcapng_add_fate(self, c: Capture, block: CData | bytes, len: int, fate: int, /) -> int: ...
    def event_taps_new(self, h: Host, log: CData | bytes, nlogs: int, filter: BpfProg, /) -> EventTaps: ...
    def event_taps_off(self, taps: EventTaps, /) -> None: ...
    def event_taps_free(self, taps: EventTaps, /) -> None: ...
    def timeline_new(self, bin_ns: int, nqueues: int, ncpus: int, /) -> Timeline: ...
    def timeline_free(self, t: Timeline, /) -> None: ...
    def timeline_note(self, timeline: CData | bytes, e: EventRecord, /) -> None: ...
    def events_sort(self, e: EventRecord, n: int, to: EventRecord, /) -> int: ...
    def frame_table(self, e: EventRecord, n: int, rows: FrameRow, max: int, /) -> int: ...
    def frame_spans(self, e: EventRecord, n: int, rows: FrameRow, nrows: int, spans: FrameSpans, /) -> int: ...
    def frame_diff(self, d: FrameDiff, a: FrameTableOf, b: FrameTableOf, /) -> None: ...
    def cpu_times(self, e: EventRecord, n: int, times: CpuTimes, cpus: int, /) -> int: ...
    def shared_new(self, bytes: int, /) -> Shared: ...
    def shared_hold(self, s: Shared, /) -> Shared: ...
    def shared_drop(self, s: Shared, /) -> None: ...
    def shared_alive(self) -> int: ...
    def table_copy(self, t: Table, /) -> Table: ...
    def table_free(self, t: Table, /) -> None: ...
    TEXT_CSV: Final[int]
    TEXT_JSON: Final[int]
    def table_text(self, t: Table, form: int, from_: CData | Sequence[int], to: CData | bytes, room: int, /) -> int: ...
    def arrow_stream_new(self, t: Table, /) -> ArrowStream: ...
    def arrow_stream_free(self, s: ArrowStream, /) -> None: ...
    def arrow_alive(self) -> int: ...
    def arrow_capsule_name(self) -> CData: ...
    def arrow_capsule_by(self, pointer: CData, /) -> None: ...
    def arrow_capsule_drop(self, capsule: CData | bytes, /) -> None: ...
    def events_check(self, e: EventRecord, n: int, limits: EventLimits, /) -> int: ...
    def events_select(self, e: EventRecord, n: int, w: EventWanted, to: EventRecord, /) -> int: ...
    def events_find(self, e: EventRecord, n: int, w: EventSearch, at: CData | Sequence[int], max: int, /) -> int: ...
    def trace_source_new(self, e: EventRecord, n: int, rows: FrameRow, nrows: int, nflows: int, /) -> TraceSource: ...
    def trace_source_free(self, s: TraceSource, /) -> None: ...
    def trace_row(self, s: TraceSource, frame: int, /) -> int: ...
    def trace_push_instant(self, p: TracePoints, t: int, what: int, at: int, /) -> int: ...
    def trace_rank(self, e: EventRecord, /) -> int: ...
    def trace_push_begin(self, p: TracePoints, t: int, dur: int, rank: int, what: int, at: int, /) -> int: ...
    def trace_push_end(self, p: TracePoints, t: int, what: int, at: int, /) -> int: ...
    def trace_pop(self, p: TracePoints, until: int, point: TracePoint, /) -> bool: ...
    def trace_points_free(self, p: TracePoints, /) -> None: ...
    def trace_out_init(self, o: TraceOut, fd: int, /) -> int: ...
    def trace_out_free(self, o: TraceOut, /) -> None: ...
    def trace_room(self, o: TraceOut, /) -> CData: ...
    def trace_took(self, o: TraceOut, bytes: int, /) -> None: ...
    def trace_flush(self, o: TraceOut, /) -> None: ...
    PFT_BEGIN: Final[int]
    PFT_END: Final[int]
    PFT_INSTANT: Final[int]
    PFT_COUNTER: Final[int]
    PFT_FRAME: Final[int]
    PFT_FLOW: Final[int]
    PFT_LEN: Final[int]
    PFT_FATE: Final[int]
    PFT_PACKET: Final[int]
    PFT_SEGS: Final[int]
    PFT_QUEUE: Final[int]
    PFT_TARGET: Final[int]
    PFT_WORK: Final[int]
    PFT_WEIGHT: Final[int]
    PFT_SQUEEZED: Final[int]
    PFT_BY: Final[int]
    PFT_DEADLINE_NS: Final[int]
    PFT_WHY: Final[int]
    PFT_SOCK: Final[int]
    PFT_ETHERTYPE: Final[int]
    PFT_END_NS: Final[int]
    PFT_FIFO_BYTES: Final[int]
    PFT_KSOFTIRQD: Final[int]
    PFT_UNFINISHED: Final[int]
    PFT_ARGS: Final[int]
    def pf_start(self, ev: PfEvent, type: int, track: int, name: int, /) -> None: ...
    def pf_uint(self, ev: PfEvent, arg: int, value: int, /) -> None: ...
    def pf_text(self, ev: PfEvent, arg: int, number: int, /) -> None: ...
    def pf_flow(self, ev: PfEvent, id: int, ends: bool, /) -> None: ...
    def pf_value(self, ev: PfEvent, value: int, /) -> None: ...
    def pf_put(self, o: TraceOut, ev: PfEvent, t: int, /) -> None: ...
    def pf_track(
        self, o: TraceOut, track: int, parent: int, name: CData | bytes, rank: int, counter: bool, /
    ) -> None: ...
    PFT_LOSSES_GROUP: Final[int]
    PFT_LOSSES: Final[int]
    PFT_NOTES: Final[int]
    PFT_CARD: Final[int]
    PFT_WIRE: Final[int]
    PFT_SENT: Final[int]
    PFT_NO_BUFFER: Final[int]
    PFT_FIFO: Final[int]
    PFT_WAITS: Final[int]
    PFT_SOCKETS: Final[int]
    PFT_DMA: Final[int]
    PFT_IRQ: Final[int]
    PFT_RING: Final[int]
    PFT_CPU: Final[int]
    PFT_HARDIRQ: Final[int]
    PFT_SOFTIRQ: Final[int]
    PFT_TASKS: Final[int]
    PFT_BACKLOG: Final[int]
    PFT_WAIT_FIFO: Final[int]
    PFT_WAIT_RING: Final[int]
    PFT_WAIT_GRO: Final[int]
    PFT_WAIT_BACKLOG: Final[int]
    PFT_WAIT_REORDER: Final[int]
    PFT_WAIT_SOCKET: Final[int]
    PFT_WAIT_COUNT: Final[int]
    def pftrace_new(self, s: TraceSource, fd: int, wait_names: CData | bytes, /) -> Pftrace: ...
    def pftrace_write(self, p: Pftrace, records: int, /) -> int: ...
    def pftrace_free(self, p: Pftrace, /) -> None: ...
    def pf_frame(self, p: Pftrace, ev: PfEvent, frame: int, /) -> FrameRow: ...
    def pf_counter(self, p: Pftrace, track: int, t: int, value: int, /) -> None: ...
    def pf_slice(self, p: Pftrace, ev: PfEvent, track: int, t: int, end: int, /) -> None: ...
    def pf_close(self, p: Pftrace, track: int, t: int, /) -> None: ...
    def pf_open_wait(self, p: Pftrace, wait: int, t: int, end: int, e: EventRecord, /) -> None: ...
    def pf_cpu_track(self, e: EventRecord, which: int, /) -> int: ...
    def pf_queue_track(self, e: EventRecord, which: int, /) -> int: ...
    def pf_has_queue(self, p: Pftrace, e: EventRecord, /) -> bool: ...
    def pf_on_cpu(self, p: Pftrace, e: EventRecord, which: int, name: int, end: int, /) -> None: ...
    def pf_on_queue(self, p: Pftrace, e: EventRecord, which: int, /) -> None: ...
    def pf_instant(self, p: Pftrace, e: EventRecord, track: int, name: int, t: int, /) -> None: ...
    def ftrace_new(self, s: TraceSource, fd: int, /) -> Ftrace: ...
    def ftrace_write(self, f: Ftrace, records: int, /) -> int: ...
    def ftrace_free(self, f: Ftrace, /) -> None: ...
    def ftrace_begin(self, f: Ftrace, at: int, e: EventRecord, /) -> None: ...
    def ftrace_end(self, f: Ftrace, at: int, e: EventRecord, /) -> None: ...
    def arp_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def ip_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def ip_list_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> SkBuff: ...
    def ipv6_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    NET_AUTO: Final[int]
    NET_NOPREFIXROUTE: Final[int]
    NET_TENTATIVE: Final[int]
    NET_DADFAILED: Final[int]
    def inet_frag_expire(self, sd: SoftnetData, /) -> None: ...
    def inet_frags_defaults(self, h: Host, /) -> None: ...
    def inet_frags_init(self, f: InetFrags, ncpus: int, /) -> int: ...
    def inet_frags_exit(self, f: InetFrags, /) -> None: ...
    def inet_frags_in_use(self, h: Host, f: InetFrags, /) -> int: ...
    def inet_frags_flush(self, h: Host, /) -> None: ...
    def tcp_waits_for_fin(self, sk: Sock, /) -> int: ...
    def tcp_skip_hole(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    INET_FRAG_FIRST_IN: Final[int]
    INET_FRAG_LAST_IN: Final[int]
    INET_FRAG_COMPLETE: Final[int]
    INET_FRAG_PAGES: Final[int]
    FRAG_TIMEOUT: Final[int]
    FRAG_REQDS: Final[int]
    FRAG_OKS: Final[int]
    FRAG_FAILS: Final[int]
    FRAG_OVERLAPS: Final[int]
    NUD_NONE: Final[int]
    NUD_INCOMPLETE: Final[int]
    NUD_REACHABLE: Final[int]
    NUD_STALE: Final[int]
    NUD_DELAY: Final[int]
    NUD_PROBE: Final[int]
    NUD_FAILED: Final[int]
    NUD_VALID: Final[int]
    NTF_ROUTER: Final[int]
    def neigh_init(self, t: NeighTable, /) -> int: ...
    def neigh_exit(self, t: NeighTable, /) -> None: ...
    def neigh_timer(self, sd: SoftnetData, /) -> None: ...
    def neigh_flush(self, h: Host, /) -> None: ...
    def addrconf_start(self, h: Host, /) -> None: ...
    def addrconf_timer(self, sd: SoftnetData, /) -> None: ...
    def addrconf_expire(self, h: Host, now: int, /) -> None: ...
    def ip_output(self, h: Host, sd: SoftnetData, o: Outgoing, /) -> int: ...
    def ip_route(self, h: Host, dst: InetAddr, nexthop: InetAddr, /) -> InetNet: ...
    RTN_UNSPEC: Final[int]
    RTN_UNICAST: Final[int]
    RTN_LOCAL: Final[int]
    RTN_BROADCAST: Final[int]
    RTN_MULTICAST: Final[int]
    def route_init(self, c: RouteCache, /) -> int: ...
    def route_exit(self, c: RouteCache, /) -> None: ...
    def ip_route_mtu(self, h: Host, dst: InetAddr, /) -> int: ...
    def ip_route_learn_mtu(self, sd: SoftnetData, dst: InetAddr, mtu: int, /) -> None: ...
    def ip_route_redirect(self, sd: SoftnetData, from_: InetAddr, dst: InetAddr, gateway: InetAddr, /) -> None: ...
    def ip_local_net(self, h: Host, a: InetAddr, /) -> InetNet: ...
    def udp_sendmsg(
        self, h: Host, sk: Sock, data: CData | bytes, len: int, to: InetAddr, port: int, gso_size: int, /
    ) -> int: ...
    MC_ONLY_IP: Final[int]
    MC_ONLY_IPV6: Final[int]
    def mc_init(self, mc: McState, /) -> int: ...
    def mc_exit(self, mc: McState, /) -> None: ...
    def mc_start(self, h: Host, /) -> None: ...
    def mc_timer(self, sd: SoftnetData, /) -> None: ...
    def mc_flush(self, h: Host, /) -> None: ...
    def sock_mc_join(self, h: Host, sk: Sock, group: InetAddr, /) -> int: ...
    def sock_mc_leave(self, h: Host, sk: Sock, group: InetAddr, /) -> int: ...
    def sock_mc_close(self, h: Host, sk: Sock, /) -> None: ...
    def sock_mc_allows(self, h: Host, sk: Sock, group: InetAddr, /) -> int: ...
    def ip_check_mc(self, h: Host, group: int, /) -> int: ...
    def ipv6_chk_mcast_addr(self, h: Host, group: InetAddr, /) -> int: ...
    def ip_deliver(self, sd: SoftnetData, skb: SkBuff, proto: int, nhoff: int, /) -> None: ...
    def ip_has_protocol(self, h: Host, proto: int, v6: int, /) -> int: ...
    def ipv6_no_handler(self, sd: SoftnetData, skb: SkBuff, proto: int, nhoff: int, /) -> None: ...
    def icmp_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def icmpv6_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def igmp_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def udp_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def udplite_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def tcp_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def tcp_send_reset(self, sd: SoftnetData, skb: SkBuff, th: CData | bytes, /) -> None: ...
    def skb_csum_bad(self, sd: SoftnetData, skb: SkBuff, proto: int, len: int, /) -> int: ...
    def udp_mib(self, skb: SkBuff, type: int, /) -> int: ...
    def udp_error(self, sd: SoftnetData, skb: SkBuff, type: int, fate: int, /) -> None: ...
    def udp_rcv_best(self, sd: SoftnetData, skb: SkBuff, uh: CData | bytes, type: int, /) -> None: ...
    def udp_rcv_bad_sum(self, sd: SoftnetData, skb: SkBuff, uh: CData | bytes, type: int, summed: int, /) -> None: ...
    def udp_refused(self, sd: SoftnetData, sk: Sock, skb: SkBuff, rc: int, /) -> None: ...
    def udp_list_rcv(self, sd: SoftnetData, usual: IpUsual, n: int, /) -> int: ...
    def udp_list_may(self, sd: SoftnetData, /) -> int: ...
    def udp_lookup(self, h: Host, type: int, k: FlowKey, /) -> Sock: ...
    def udplite_covered(self, sd: SoftnetData, sk: Sock, skb: SkBuff, /) -> int: ...
    def skb_icmp_csum_bad(self, sd: SoftnetData, skb: SkBuff, pseudo: int, /) -> int: ...
    def ip_route_input(self, h: Host, ip: CData | bytes, type: CData, /) -> int: ...
    def inet_addr_type(self, h: Host, addr: int, /) -> int: ...
    def inet_addr_is_group(self, h: Host, a: InetAddr, /) -> bool: ...
    def ip_spec_dst(self, h: Host, ip: CData | bytes, /) -> InetAddr: ...
    def ip_except(self, h: Host, sd: SoftnetData, o: Outgoing, nexthop: InetAddr, /) -> int: ...
    def ip_route_exception(self, h: Host, dst: InetAddr, now: int, /) -> RouteException: ...
    def ip_options_compile(self, sd: SoftnetData, ip: CData | bytes, /) -> int: ...
    def ip_options_echo(
        self, sd: SoftnetData, ip: CData | bytes, fault: int, src: InetAddr, to: CData | bytes, first: InetAddr, /
    ) -> int: ...
    def ip_options_fragment(self, opt: CData | bytes, len: int, /) -> None: ...
    def inet_current_timestamp(self, sd: SoftnetData, /) -> int: ...
    def icmp_send(self, sd: SoftnetData, skb: SkBuff, type: int, code: int, info: int, /) -> None: ...
    def icmpv6_send(self, sd: SoftnetData, skb: SkBuff, type: int, code: int, info: int, /) -> None: ...
    def icmp_allow(self, sd: SoftnetData, to: InetAddr, /) -> int: ...
    def udp_err(self, sd: SoftnetData, skb: SkBuff, quote: int, uh: int, type: int, /) -> None: ...
    def icmp_errno(self, type: int, code: int, /) -> int: ...
    def icmpv6_errno(self, type: int, code: int, /) -> int: ...
    def icmpv6_notify(self, sd: SoftnetData, skb: SkBuff, quote: int, /) -> int: ...
    def ipv6_exthdr_rcv(self, sd: SoftnetData, skb: SkBuff, x: Exthdrs, /) -> SkBuff: ...
    def ipv6_parse_hopopts(self, sd: SoftnetData, skb: SkBuff, x: Exthdrs, /) -> int: ...
    def ipv6_skip_exthdr(
        self, skb: SkBuff, start: int, next: CData | bytes, frag_off: CData | Sequence[int], /
    ) -> int: ...
    def seg6_icmp_daddr(self, skb: SkBuff, quote: int, daddr: InetAddr, /) -> bool: ...
    def ipv6_dev_get_saddr(self, h: Host, dst: InetAddr, /) -> InetNet: ...
    def ip_defrag(self, sd: SoftnetData, skb: SkBuff, /) -> SkBuff: ...
    def ipv6_frag_rcv(self, sd: SoftnetData, skb: SkBuff, x: Exthdrs, /) -> SkBuff: ...
    def inet_frag_find(self, sd: SoftnetData, f: InetFrags, key: InetFragKey, /) -> InetFragQueue: ...
    def inet_frag_add(self, sd: SoftnetData, f: InetFrags, q: InetFragQueue, skb: SkBuff, frag: InetFrag, /) -> int: ...
    def inet_frag_fail(self, sd: SoftnetData, f: InetFrags, q: InetFragQueue, why: int, /) -> None: ...
    def inet_frag_restart(self, sd: SoftnetData, f: InetFrags, q: InetFragQueue, why: int, /) -> None: ...
    def inet_frag_join(self, sd: SoftnetData, f: InetFrags, q: InetFragQueue, /) -> SkBuff: ...
    def inet_frag_count(self, sd: SoftnetData, f: InetFrags, what: int, /) -> None: ...
    def inet_frag_ecn(self, seen: int, /) -> int: ...
    def inet_putpeer(self, h: Host, f: InetFrags, peer: InetFragPeer, /) -> None: ...
    def frag_runs_insert(self, q: InetFragQueue, skb: SkBuff, end: int, /) -> int: ...
    def frag_runs_join(self, run: SkBuff, skb: SkBuff, /) -> None: ...
    def frag_runs_take(self, q: InetFragQueue, /) -> SkBuff: ...
    def ip_mtu(self, h: Host, /) -> int: ...
    def ip_reachable(self, h: Host, dst: InetAddr, /) -> int: ...
    def ip6_route_redirect(self, h: Host, dst: InetAddr, gateway: InetAddr, now: int, /) -> None: ...
    def ra_route(self, h: Host, dst: InetAddr, gateway: CData | bytes, /) -> bool: ...
    def inet_net_usable(self, h: Host, net: InetNet, /) -> bool: ...
    def ndisc_rcv(self, sd: SoftnetData, skb: SkBuff, /) -> int: ...
    def ip_is_broadcast(self, h: Host, a: InetAddr, /) -> bool: ...
    def is_link_local6(self, a: InetAddr, /) -> bool: ...
    def ipv6_link_local(self, h: Host, /) -> InetAddr: ...
    def ip_output_locked(self, h: Host, sd: SoftnetData, o: Outgoing, /) -> int: ...
    def ip_tx_lock(self, h: Host, sd: SoftnetData, /) -> bool: ...
    def ip_tx_unlock(self, h: Host, sd: SoftnetData, first: bool, /) -> None: ...
    def neigh_lookup(self, h: Host, addr: InetAddr, /) -> Neighbour: ...
    def neigh_get(self, h: Host, addr: InetAddr, now: int, /) -> Neighbour: ...
    def neigh_expire_reachable(self, h: Host, n: Neighbour, now: int, /) -> None: ...
    def neigh_output(self, h: Host, sd: SoftnetData, nexthop: InetAddr, packet: int, /) -> int: ...
    def neigh_event_send(self, h: Host, sd: SoftnetData, n: Neighbour, now: int, /) -> None: ...
    NEIGH_OVERRIDE: Final[int]
    NEIGH_WEAK_OVERRIDE: Final[int]
    NEIGH_SAYS_ROUTER: Final[int]
    NEIGH_ROUTER: Final[int]
    def neigh_update(
        self, h: Host, sd: SoftnetData, n: Neighbour, mac: CData | bytes, state: int, flags: int, /
    ) -> None: ...
    def arp_send(
        self,
        h: Host,
        sd: SoftnetData,
        op: int,
        sip: InetAddr,
        tip: InetAddr,
        to: CData | bytes,
        target_mac: CData | bytes,
        /,
    ) -> None: ...
    def arp_solicit(self, h: Host, sd: SoftnetData, target: InetAddr, mac: CData | bytes, src: InetAddr, /) -> None: ...
    def ndisc_solicit(
        self, h: Host, sd: SoftnetData, target: InetAddr, mac: CData | bytes, src: InetAddr, /
    ) -> None: ...
    def ndisc_advertise(
        self, h: Host, sd: SoftnetData, target: InetAddr, asker: InetAddr, to_group: bool, /
    ) -> None: ...
    def ndisc_dad(self, h: Host, sd: SoftnetData, target: InetAddr, /) -> None: ...
    def ndisc_send_rs(self, h: Host, sd: SoftnetData, src: InetAddr, /) -> None: ...
    def addrconf_router(self, h: Host, src: InetAddr, m: CData | bytes, now: int, /) -> bool: ...
    def addrconf_options(self, h: Host, src: InetAddr, m: CData | bytes, len: int, now: int, /) -> None: ...
    def addrconf_no_router(self, h: Host, addr: InetAddr, /) -> None: ...
    def addrconf_away(self, h: Host, addr: InetAddr, away: int, /) -> None: ...
    def addrconf_hop_limit(self, h: Host, nexthop: InetAddr, /) -> int: ...
    def addrconf_route(self, h: Host, now: int, /) -> InetAddr: ...
    def addrconf_onlink(self, h: Host, a: InetAddr, now: int, /) -> bool: ...
    def ra_learn_prefix(self, h: Host, said: InetAddr, len: int, valid: bool, until: int, now: int, /) -> None: ...
    def ra_learn_router(
        self, c: Addrconf, addr: InetAddr, lifetime: int, pref: int, hops: int, now: int, /
    ) -> bool: ...
    def ra_is_router(self, h: Host, addr: InetAddr, now: int, /) -> bool: ...
    def ra_find_router(self, c: Addrconf, addr: InetAddr, /) -> RaRouter: ...
    def addrconf_nonce(self, h: Host, target: InetAddr, /) -> int: ...
    def mc_joined(self, h: Host, group: InetAddr, /) -> int: ...
    def mc_find(self, f: McFamily, a: InetAddr, /) -> McGroup: ...
    def mc_next(self, f: McFamily, g: McGroup, /) -> McGroup: ...
    def mc_scope6(self, group: InetAddr, /) -> int: ...
    def mc_reset(self, f: McFamily, /) -> None: ...
    def mc_code(self, code: int, mantissa_bits: int, /) -> int: ...
    def mc_draw(self, h: Host, below: int, /) -> int: ...
    def mc_later(self, h: Host, now: int, max_jiffies: int, /) -> int: ...
    def mc_jiffies(self, h: Host, ns: int, /) -> int: ...
    def mc_plan(self, h: Host, at: int, /) -> None: ...
    def mc_group_timer(self, h: Host, g: McGroup, at: int, /) -> None: ...
    def mc_gone_add(self, f: McFamily, a: InetAddr, /) -> None: ...
    def mc_gone_forget(self, f: McFamily, a: InetAddr, /) -> None: ...
    def mc_changed(self, h: Host, sd: SoftnetData, f: McFamily, /) -> None: ...
    def mc_older_querier(self, f: McFamily, /) -> None: ...
    def mc_send_state(self, h: Host, sd: SoftnetData, f: McFamily, only: McGroup, /) -> None: ...
    def mc_send_changes(self, h: Host, sd: SoftnetData, f: McFamily, /) -> None: ...
    def mc_xmit(
        self,
        h: Host,
        sd: SoftnetData,
        group: InetAddr,
        ip: CData | bytes,
        ip_len: int,
        message: CData | bytes,
        len: int,
        /,
    ) -> None: ...
    def igmp_group_added(self, h: Host, sd: SoftnetData, g: McGroup, /) -> None: ...
    def igmp_group_dropped(self, h: Host, sd: SoftnetData, g: McGroup, /) -> None: ...
    def igmp_expire(self, h: Host, sd: SoftnetData, /) -> None: ...
    def igmp_send(self, h: Host, sd: SoftnetData, group: int, message: CData | bytes, len: int, /) -> None: ...
    def igmp6_group_added(self, h: Host, sd: SoftnetData, g: McGroup, /) -> None: ...
    def igmp6_group_dropped(self, h: Host, sd: SoftnetData, g: McGroup, /) -> None: ...
    def mld_expire(self, h: Host, sd: SoftnetData, /) -> None: ...
    def mld_send(self, h: Host, sd: SoftnetData, group: InetAddr, message: CData | bytes, len: int, /) -> None: ...
    def mld_query(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    def mld_report(self, sd: SoftnetData, skb: SkBuff, /) -> None: ...
    SOCK_UDP: Final[int]
    SOCK_TCP_LISTEN: Final[int]
    SOCK_TCP: Final[int]
    SOCK_UDPLITE: Final[int]
    TCP_OPEN: Final[int]
    TCP_FINISHED: Final[int]
    TCP_WAS_RESET: Final[int]
    SOCK_NOT_ACCEPTED: Final[int]
    SOCK_ACCEPTED: Final[int]
    SOCK_GIVEN_UP: Final[int]
    def sock_table_init(self, t: SockTable, size: int, /) -> int: ...
    def sock_table_exit(self, t: SockTable, /) -> None: ...
    def sock_sweep(self, h: Host, /) -> None: ...
    def sock_lookup_flow(
        self, t: SockTable, type: int, laddr: InetAddr, lport: int, raddr: InetAddr, rport: int, /
    ) -> Sock: ...
    def sock_lookup_port(self, h: Host, type: int, laddr: InetAddr, lport: int, /) -> Sock: ...
    def sock_find_bound(self, t: SockTable, type: int, laddr: InetAddr, lport: int, /) -> Sock: ...
    def sock_new_flow(
        self, sd: SoftnetData, listener: Sock, laddr: InetAddr, lport: int, raddr: InetAddr, rport: int, rcv_nxt: int, /
    ) -> Sock: ...
    def sock_errors_init(self, h: Host, sk: Sock, /) -> int: ...
    def sock_errors_purge(self, h: Host, sk: Sock, /) -> None: ...
    def sock_errors_exit(self, inet: InetSock, /) -> None: ...
    def sock_queue_err(self, sd: SoftnetData, sk: Sock, e: SockExterr, skb: SkBuff, off: int, /) -> None: ...
    def sock_local_error(self, h: Host, sk: Sock, e: SockExterr, /) -> None: ...
    def sock_recv_err(self, h: Host, sk: Sock, buf: CData | bytes, len: int, e: SockExterr, /) -> int: ...
    def sock_queue_rcv_skb(self, sd: SoftnetData, sk: Sock, skb: SkBuff, /) -> int: ...
    def sock_data_ready(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    def sock_report_error(self, sd: SoftnetData, sk: Sock, err: int, /) -> None: ...
    def sock_bind(self, h: Host, type: int, laddr: InetAddr, lport: int, /) -> Sock: ...
    def sock_connect(self, h: Host, sk: Sock, raddr: InetAddr, rport: int, /) -> int: ...
    def sock_close(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def sock_set_udp_gro(self, h: Host, sk: Sock, on: int, /) -> None: ...
    def sock_accept(self, h: Host, listener: Sock, /) -> Sock: ...
    def sock_error(self, sk: Sock, /) -> int: ...
    def sock_recv(self, h: Host, sk: Sock, buf: CData | bytes, len: int, f: SockFrom, /) -> int: ...
    def sock_recvmmsg(
        self, h: Host, sk: Sock, buf: CData | bytes, size: int, ends: CData | Sequence[int], f: SockFrom, max: int, /
    ) -> int: ...
    def sock_read(self, h: Host, sk: Sock, buf: CData | bytes, len: int, /) -> int: ...
    def sock_pool_bytes(self, h: Host, sk: Sock, /) -> int: ...
    def sock_take_place(self, t: SockTable, /) -> Sock: ...
    def sock_put_place(self, t: SockTable, sk: Sock, /) -> None: ...
    def sock_accept_add(self, listener: Sock, sk: Sock, /) -> None: ...
    def sock_accept_take(self, listener: Sock, /) -> Sock: ...
    def sock_drop_queues(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def sock_table_live(self, t: SockTable, /) -> int: ...
    def sock_from_header(self, f: SockFrom, ip: CData | bytes, /) -> None: ...
    def sock_dequeue(self, h: Host, sk: Sock, /) -> SkBuff: ...
    def udp_rmem_schedule(self, h: Host, sk: Sock, size: int, /) -> int: ...
    def sock_rps_record_flow(self, h: Host, sk: Sock, cpu: int, /) -> None: ...
    def sock_wake_task(self, sd: SoftnetData, target: SoftnetData, /) -> None: ...
    def sock_wake_python(self, sk: Sock, /) -> None: ...
    def sock_stage_ends(self, sd: SoftnetData, sk: Sock, skb: SkBuff, /) -> None: ...
    def sock_count_refused(self, sd: SoftnetData, sk: Sock, skb: SkBuff, rc: int, /) -> None: ...
    def sock_rmem_release(self, h: Host, sk: Sock, skb: SkBuff, /) -> None: ...
    def udp_rmem_destruct(self, h: Host, sk: Sock, /) -> None: ...
    def flow_find(
        self, t: SockTable, type: int, laddr: InetAddr, lport: int, raddr: InetAddr, rport: int, /
    ) -> Sock: ...
    def flow_insert(self, t: SockTable, sk: Sock, /) -> None: ...
    def flow_remove(self, t: SockTable, sk: Sock, /) -> None: ...
    TCP_MODE_PASSIVE: Final[int]
    TCP_MODE_ENDPOINT: Final[int]
    TCPS_ESTABLISHED: Final[int]
    TCPS_SYN_SENT: Final[int]
    TCPS_SYN_RECV: Final[int]
    TCPS_FIN_WAIT1: Final[int]
    TCPS_FIN_WAIT2: Final[int]
    TCPS_TIME_WAIT: Final[int]
    TCPS_CLOSE: Final[int]
    TCPS_CLOSE_WAIT: Final[int]
    TCPS_LAST_ACK: Final[int]
    TCPS_LISTEN: Final[int]
    TCPS_CLOSING: Final[int]
    TCP_CONG_CUBIC: Final[int]
    TCP_CONG_RENO: Final[int]
    TCP_CA_Open: Final[int]
    TCP_CA_Disorder: Final[int]
    TCP_CA_CWR: Final[int]
    TCP_CA_Recovery: Final[int]
    TCP_CA_Loss: Final[int]
    TCP_SEG_SACKED: Final[int]
    TCP_SEG_LOST: Final[int]
    TCP_SEG_RETRANS: Final[int]
    TCP_SEG_EVER_RETRANS: Final[int]
    TCP_SEG_FIN: Final[int]
    TCP_ECN_OK: Final[int]
    TCP_ECN_QUEUE_CWR: Final[int]
    TCP_ECN_DEMAND_CWR: Final[int]
    TCP_ECN_SEEN: Final[int]
    TCP_PENDING_NONE: Final[int]
    TCP_PENDING_RTO: Final[int]
    TCP_PENDING_LOSS_PROBE: Final[int]
    TCP_PENDING_REO: Final[int]
    TCP_PENDING_PROBE0: Final[int]
    def tcp_defaults(self, h: Host, /) -> None: ...
    def tcp_init(self, h: Host, /) -> int: ...
    def tcp_exit(self, h: Host, /) -> None: ...
    def tcp_flush(self, h: Host, /) -> None: ...
    def tcp_timer(self, sd: SoftnetData, /) -> None: ...
    def tcp_endpoint_rcv(self, sd: SoftnetData, skb: SkBuff, t: FlowKey, /) -> None: ...
    def tcp_err(self, sd: SoftnetData, skb: SkBuff, quote: int, th: int, /) -> None: ...
    def tcp_listen(self, h: Host, laddr: InetAddr, lport: int, backlog: int, /) -> Sock: ...
    def tcp_accept(self, h: Host, listener: Sock, /) -> Sock: ...
    def tcp_socket(self, h: Host, /) -> Sock: ...
    def tcp_connect_sock(
        self, h: Host, sk: Sock, laddr: InetAddr, lport: int, raddr: InetAddr, rport: int, /
    ) -> int: ...
    def tcp_connect(
        self, h: Host, laddr: InetAddr, lport: int, raddr: InetAddr, rport: int, made: CData | bytes, /
    ) -> int: ...
    def tcp_connected(self, h: Host, sk: Sock, /) -> int: ...
    def tcp_sendmsg(self, h: Host, sk: Sock, data: CData | bytes, len: int, /) -> int: ...
    def tcp_recvmsg(self, h: Host, sk: Sock, buf: CData | bytes, len: int, peek: int, /) -> int: ...
    def tcp_shutdown(self, h: Host, sk: Sock, how: int, /) -> int: ...
    def tcp_close(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_push(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_options_changed(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_lock_sock(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_release_sock(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_sk(self, h: Host, sk: Sock, /) -> TcpSock: ...
    def tcp_count(self, h: Host, sd: SoftnetData, mib: int, n: int, /) -> None: ...
    def tcp_rto_min(self, h: Host, /) -> int: ...
    def tcp_fin_time(self, h: Host, tp: TcpSock, /) -> int: ...
    def tcp_jiffies_later(self, h: Host, now: int, ns: int, /) -> int: ...
    def tcp_done(self, h: Host, sd: SoftnetData, sk: Sock, err: int, /) -> None: ...
    def tcp_time_wait(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_state(self, h: Host, sk: Sock, state: int, /) -> None: ...
    def tcp_sock_alloc(self, h: Host, /) -> Sock: ...
    def tcp_sock_init(self, h: Host, sk: Sock, now: int, home: int, /) -> None: ...
    def tcp_wake_writer(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_inherit(self, tp: TcpSock, listener: TcpSock, /) -> None: ...
    def tcp_established(self, h: Host, sk: Sock, now: int, /) -> None: ...
    def tcp_secure_seq(self, h: Host, l: InetAddr, lport: int, r: InetAddr, rport: int, now: int, /) -> int: ...
    def tcp_ts_offset(self, h: Host, l: InetAddr, r: InetAddr, /) -> int: ...
    def tcp_ts_now(self, now: int, offset: int, /) -> int: ...
    def tcp_parse_options(self, opt: CData | bytes, len: int, syn: bool, o: TcpOptions, /) -> bool: ...
    def tcp_syn_options(self, h: Host, to: CData | bytes, mss: int, o: TcpOptions, /) -> int: ...
    def tcp_current_mss(self, tp: TcpSock, /) -> int: ...
    def tcp_put_options(self, tp: TcpSock, to: CData | bytes, tsval: int, room: int, /) -> int: ...
    def tcp_rcv_state_process(
        self, sd: SoftnetData, sk: Sock, skb: SkBuff, th: CData | bytes, o: TcpOptions, /
    ) -> None: ...
    def tcp_reset_sock(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_challenge_ack(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_data_queue(self, sd: SoftnetData, sk: Sock, skb: SkBuff, fin: bool, /) -> None: ...
    def tcp_ack_snd_check(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_receive_window(self, tp: TcpSock, rcv_nxt: int, /) -> int: ...
    def tcp_select_window(self, h: Host, sd: SoftnetData, sk: Sock, /) -> int: ...
    def tcp_next_window(self, h: Host, sk: Sock, /) -> int: ...
    def tcp_initial_window(
        self,
        h: Host,
        space: int,
        locked: bool,
        mss: int,
        rcv_wnd: CData | Sequence[int],
        wscale: CData | bytes,
        wscale_ok: bool,
        /,
    ) -> None: ...
    def tcp_win_from_space(self, tp: TcpSock, space: int, /) -> int: ...
    def tcp_rcv_space_adjust(self, h: Host, sk: Sock, now: int, /) -> None: ...
    def tcp_cleanup_rbuf(self, h: Host, sk: Sock, copied: int, /) -> None: ...
    def tcp_init_buffer(self, h: Host, sk: Sock, now: int, /) -> None: ...
    def tcp_rcv_rtt(self, tp: TcpSock, o: TcpOptions, len: int, now: int, /) -> None: ...
    def tcp_quickack(self, tp: TcpSock, max: int, /) -> None: ...
    def tcp_ofo_take(self, sd: SoftnetData, sk: Sock, /) -> SkBuff: ...
    def tcp_ofo_purge(self, sd: SoftnetData, sk: Sock, fate: int, /) -> None: ...
    def tcp_ofo_insert(self, sd: SoftnetData, sk: Sock, skb: SkBuff, tail: CData | bytes, /) -> bool: ...
    def tcp_rtt_sample(self, h: Host, tp: TcpSock, now: int, rtt_us: int, /) -> None: ...
    def tcp_enter_loss(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_reo_lost(self, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_rearm_rto(self, h: Host, tp: TcpSock, now: int, /) -> None: ...
    def tcp_limit_reno_sacked(self, tp: TcpSock, /) -> None: ...
    def tcp_rack_advance(self, tp: TcpSock, s: TcpSeg, now: int, /) -> None: ...
    def tcp_rack_mark_lost(self, h: Host, sk: Sock, now: int, /) -> None: ...
    def tcp_mark_lost(self, tp: TcpSock, s: TcpSeg, /) -> None: ...
    def tcp_rack_dsack(self, h: Host, tp: TcpSock, /) -> None: ...
    def tcp_schedule_loss_probe(self, h: Host, tp: TcpSock, now: int, /) -> bool: ...
    def tcp_in_flight(self, tp: TcpSock, /) -> int: ...
    def tcp_cong_ssthresh(self, tp: TcpSock, /) -> int: ...
    def tcp_cong_avoid(self, tp: TcpSock, acked: int, now: int, /) -> None: ...
    def tcp_cong_acked(self, tp: TcpSock, rtt_us: int, now: int, /) -> None: ...
    def tcp_cong_init(self, tp: TcpSock, /) -> None: ...
    def tcp_slow_start(self, tp: TcpSock, acked: int, /) -> int: ...
    def tcp_ai(self, tp: TcpSock, w: int, acked: int, /) -> None: ...
    def cubic_ssthresh(self, tp: TcpSock, /) -> int: ...
    def cubic_avoid(self, tp: TcpSock, acked: int, now: int, /) -> None: ...
    def cubic_acked(self, tp: TcpSock, rtt_us: int, now: int, /) -> None: ...
    def cubic_idle_end(self, tp: TcpSock, now: int, /) -> None: ...
    def cubic_reset(self, tp: TcpSock, /) -> None: ...
    def tcp_write_xmit(self, h: Host, sd: SoftnetData, sk: Sock, now: int, /) -> None: ...
    def tcp_send_new(self, h: Host, sd: SoftnetData, sk: Sock, now: int, /) -> None: ...
    def tcp_retransmit_lost(self, h: Host, sd: SoftnetData, sk: Sock, now: int, /) -> None: ...
    def tcp_resend(self, h: Host, sd: SoftnetData, sk: Sock, s: TcpSeg, now: int, /) -> int: ...
    def tcp_retransmit_seg(self, h: Host, sd: SoftnetData, sk: Sock, s: TcpSeg, now: int, /) -> int: ...
    def tcp_send_probe(self, h: Host, sd: SoftnetData, sk: Sock, now: int, /) -> int: ...
    def tcp_send_ack(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_send_syn(self, h: Host, sd: SoftnetData, sk: Sock, flags: int, /) -> None: ...
    def tcp_send_active_reset(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_send_keepalive(self, h: Host, sd: SoftnetData, sk: Sock, /) -> None: ...
    def tcp_end_of_all(self, tp: TcpSock, /) -> int: ...
    def tcp_sync_mss(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_seg_at(self, tp: TcpSock, i: int, /) -> TcpSeg: ...
    def tcp_send_synack(self, h: Host, sd: SoftnetData, r: TcpRequest, /) -> int: ...
    def tcp_send_bare(
        self,
        h: Host,
        sd: SoftnetData,
        l: InetAddr,
        lport: int,
        r: InetAddr,
        rport: int,
        seq: int,
        ack: int,
        window: int,
        flags: int,
        opt: CData | bytes,
        opt_len: int,
        /,
    ) -> None: ...
    def tcp_take_due(self, sd: SoftnetData, next: CData | Sequence[int], /) -> int: ...
    def tcp_timer_set(self, h: Host, home: int, id: int, at: int, armed: CData | Sequence[int], /) -> None: ...
    def tcp_timers_sync(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_request_id(self, h: Host, req: int, /) -> int: ...
    def tcp_timer_del(self, h: Host, sk: Sock, /) -> None: ...
    def tcp_request_timer_del(self, h: Host, home: int, req: int, /) -> None: ...
    def tcp_reset_keepalive(self, h: Host, tp: TcpSock, now: int, /) -> None: ...
    def tcp_listen_rcv(
        self, sd: SoftnetData, listener: Sock, skb: SkBuff, t: FlowKey, th: CData | bytes, o: TcpOptions, isn: int, /
    ) -> None: ...
    def tcp_request_rcv(
        self, sd: SoftnetData, skb: SkBuff, t: FlowKey, th: CData | bytes, o: TcpOptions, /
    ) -> bool: ...
    def tcp_request_timer(self, sd: SoftnetData, req: int, /) -> None: ...
    def tcp_forget_requests(self, h: Host, listener: int, /) -> None: ...
    def tcp_timewait_rcv(
        self, sd: SoftnetData, skb: SkBuff, t: FlowKey, th: CData | bytes, o: TcpOptions, isn: CData | Sequence[int], /
    ) -> bool: ...
    def tcp_timewait_new(self, h: Host, sk: Sock, now: int, /) -> None: ...
    def tcp_timewait_expire(self, sd: SoftnetData, /) -> int: ...
    def tcp_timewait_find(self, h: Host, l: InetAddr, lport: int, r: InetAddr, rport: int, /) -> TcpTimewait: ...
    def tcp_timewait_reuse(self, h: Host, tw: TcpTimewait, now: int, /) -> int: ...
    def tcp_bucket(self, h: Host, l: InetAddr, lport: int, r: InetAddr, rport: int, /) -> int: ...
    VERDICT_DROP: Final[int]
    VERDICT_TAKE: Final[int]
    def upcall_peek(
        self,
        h: Host,
        buf: CData | bytes,
        size: int,
        offsets: CData | Sequence[int],
        handler: CData | Sequence[int],
        t_ns: CData | Sequence[int],
        /,
    ) -> int: ...
    def upcall_done(self, h: Host, verdicts: CData | bytes, n: int, /) -> None: ...
    def host_new(self, ncpus: int, /) -> Host: ...
    def host_start(self, h: Host, /) -> int: ...
    def host_free(self, h: Host, /) -> None: ...
    def memory_give_back(self) -> None: ...
    def host_finish(self, h: Host, /) -> None: ...
    def host_offered(self, h: Host, /) -> int: ...
    def host_fates(self, h: Host, fates: CData | Sequence[int], /) -> None: ...
    def host_in_flight(self, h: Host, where: CData | Sequence[int], /) -> None: ...
    LAW_LEDGER: Final[int]
    LAW_POOLS: Final[int]
    def host_laws(self, h: Host, /) -> int: ...
    def fate_text(self, fate: int, /) -> CData: ...
    def tx_fate_text(self, fate: int, /) -> CData: ...
    def vtime_init(self, h: Host, /) -> int: ...
    def vtime_exit(self, h: Host, /) -> None: ...
    def vtime_run(self, h: Host, frames: int, /) -> int: ...
    def vtime_run_until(self, h: Host, until_ns: int, /) -> int: ...
    def vtime_step(self, h: Host, /) -> int: ...
    def vtime_next(self, h: Host, /) -> int: ...
    LINK_DONE: Final[int]
    LINK_SLICE: Final[int]
    LINK_WOKE: Final[int]
    LINK_HOST: Final[int]
    LINK_TASK_PYTHON: Final[int]
    LINK_TASK_SOURCE: Final[int]
    LINK_TASK_SINK: Final[int]
    LINK_TASK_CLIENT: Final[int]
    LINK_TASK_SERVER: Final[int]
    def link_new(self, a: Host, b: Host, wire_a: Wire, wire_b: Wire, /) -> Link: ...
    def link_free(self, l: Link, wire_a: Wire, wire_b: Wire, /) -> None: ...
    def link_run(self, l: Link, until_ns: int, /) -> int: ...
    def link_task_new(self, l: Link, side: int, sk: Sock, kind: int, /) -> LinkTask: ...
    def link_task_free(self, t: LinkTask, /) -> None: ...
    def link_task_wake(self, t: LinkTask, /) -> None: ...
    def link_woken(self, l: Link, side: int, /) -> LinkTask: ...
    def link_act(self, l: Link, end: LinkEnd, /) -> int: ...
    def cpu_thread(self, sd: SoftnetData, /) -> int: ...
    def machine_pause(self, h: Host, pause: int, /) -> None: ...
    def live_stop(self, h: Host, /) -> None: ...
    def cpu_first(self, h: Host, /) -> FirstCpu: ...
    def upcall_push(self, sd: SoftnetData, skb: SkBuff, handler: int, /) -> None: ...
    def live_spin_max(self, ncpus: int, /) -> int: ...
    def host_files(self, nic: Nic, files: FileSet, /) -> None: ...

ffi: FFI
lib: Lib
