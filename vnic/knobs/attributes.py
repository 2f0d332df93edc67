"""The knobs as typed attributes, for editors and type checkers. Made by scripts/generate; do not edit.

They come from the table of knobs. At run time Settings.__getattr__() has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vnic.linux.ntuple import Rules


class Attributes:
    """Every knob by its attribute's name; a name with its unit is a name too."""

    queues: int
    """receive queues (ethtool -L combined)"""
    rx_ring: int
    """descriptors per queue (ethtool -G rx)"""
    rx_ring_descriptors: int
    """descriptors per queue (ethtool -G rx)"""
    tx_ring: int
    """descriptors of the sending ring (ethtool -G tx)"""
    tx_ring_descriptors: int
    """descriptors of the sending ring (ethtool -G tx)"""
    rx_buf_len: int
    """bytes of a receive buffer; longer frames span several"""
    rx_buf_len_bytes: int
    """bytes of a receive buffer; longer frames span several"""
    rx_pool: int
    """the driver's buffers per queue"""
    fifo: int
    """bytes of the card's FIFO"""
    fifo_bytes: int
    """bytes of the card's FIFO"""
    flow_control: bool
    """live: the card reads no more from the wire than its FIFO has room for (pause frames)"""
    mtu: int
    """longest payload of a frame; 0: no limit"""
    mtu_bytes: int
    """longest payload of a frame; 0: no limit"""
    mac: bytes | None
    """the card's address; any: the card takes all unicast frames"""
    promisc: bool
    """the address filter passes all frames"""
    allmulti: bool
    """the address filter passes all multicast frames"""
    rx_vlan_filter: bool
    """the card passes only listed VLAN ids"""
    tx: bool
    """tx checksumming and segmentation in the card"""
    tso: bool
    """TCP sends frames of up to 64 KB, which a wire with virtio headers cuts"""
    icmp_ratelimit: int
    """shortest time between ICMP errors to one IPv4 host, ms; 0: no limit"""
    icmp_ratelimit_ms: int
    """shortest time between ICMP errors to one IPv4 host, ms; 0: no limit"""
    icmp6_ratelimit: int
    """shortest time between ICMP errors to one IPv6 host, ms; 0: no limit"""
    icmp6_ratelimit_ms: int
    """shortest time between ICMP errors to one IPv6 host, ms; 0: no limit"""
    icmp_msgs_per_sec: int
    """most ICMP errors per second"""
    icmp_msgs_burst: int
    """most ICMP errors in one burst"""
    rx: bool
    """rx checksumming: the card verifies TCP and UDP"""
    rxhash: bool
    """the card hashes flows, and spreads them by the hash"""
    rx_flow_hash_udp: str
    """fields of UDP flows that RSS hashes"""
    rx_flow_hash_tcp4: str
    """fields of tcp4 flows that RSS hashes (ethtool -N)"""
    rx_flow_hash_udp4: str
    """fields of udp4 flows that RSS hashes (ethtool -N)"""
    rx_flow_hash_tcp6: str
    """fields of tcp6 flows that RSS hashes (ethtool -N)"""
    rx_flow_hash_udp6: str
    """fields of udp6 flows that RSS hashes (ethtool -N)"""
    rss_key: bytes
    """Toeplitz key (ethtool -X hkey)"""
    rss_xfrm: str
    """symmetric-xor: both directions of a flow hash alike"""
    rss_indir: tuple[int, ...]
    """queues by the hash's low bits; a table has 128 entries or 256, 512, 1024, 2048, and fewer repeat (ethtool -X)"""
    drop_en: bool
    """drop a frame if its queue has no buffer, instead of blocking the FIFO"""
    rx_usecs: int
    """delay from the first frame to the interrupt, us; alone it sets rx-frames to 0"""
    rx_frames: int
    """frames that raise the interrupt"""
    rx_usecs_irq: int
    """rx-usecs for frames that come while an interrupt is serviced; they may delay the next interrupt"""
    rx_frames_irq: int
    """rx-frames likewise; both 0: no delay by such frames"""
    adaptive_rx: bool
    """rx-usecs and rx-frames follow the traffic (DIM); given values are ignored"""
    lro: bool
    """large receive offload, which merges in the card: off [fixed]"""
    rx_gro_hw: bool
    """GRO in the card: off [fixed]"""
    rx_vlan_offload: bool
    """the card removes VLAN tags: off [fixed]"""
    hz: int
    """jiffies per second"""
    weight: int
    """most packets per poll"""
    weight_packets: int
    """most packets per poll"""
    dev_weight: int
    """most packets per poll of the backlog"""
    dev_weight_packets: int
    """most packets per poll of the backlog"""
    dev_weight_rx_bias: int
    """factor of dev-weight for a poll of the backlog"""
    netdev_budget: int
    """most packets per run of net_rx_action"""
    netdev_budget_packets: int
    """most packets per run of net_rx_action"""
    netdev_budget_usecs: int
    """longest run of net_rx_action, us (default 2 jiffies)"""
    netdev_max_backlog: int
    """most packets in a CPU's backlog"""
    netdev_max_backlog_packets: int
    """most packets in a CPU's backlog"""
    gro: bool
    """generic receive offload"""
    gro_max_size: int
    """longest merged packet, bytes"""
    gro_max_size_bytes: int
    """longest merged packet, bytes"""
    gro_ipv4_max_size: int
    """longest merged IPv4 packet, bytes"""
    gro_ipv4_max_size_bytes: int
    """longest merged IPv4 packet, bytes"""
    rx_udp_gro_forwarding: bool
    """GRO merges UDP that no socket takes"""
    rx_gro_list: bool
    """GRO keeps the headers of forwarded packets (a list)"""
    gro_cwr: int
    """rule for TCP's CWR: Linux 6.18 (never merged) or 7.0 (as other flags)"""
    gro_flows: int
    """flows per CPU with an account of their merges"""
    gro_normal_batch: int
    """segments that GRO hands up in one batch"""
    gro_flush_timeout: int
    """time that GRO holds packets after a poll, ns"""
    gro_flush_timeout_ns: int
    """time that GRO holds packets after a poll, ns"""
    napi_defer_hard_irqs: int
    """empty polls by timer before the interrupt is enabled"""
    irq_suspend_timeout: int
    """with prefer-busy-poll: time that a packet read puts the NAPI's timer off, ns"""
    irq_suspend_timeout_ns: int
    """with prefer-busy-poll: time that a packet read puts the NAPI's timer off, ns"""
    threaded: bool | str
    """a task of its own polls each queue's NAPI; busy-poll: on and on, without interrupts"""
    busy_read: int
    """time that a reader polls its queue before it sleeps, us; 0: off"""
    busy_read_usecs: int
    """time that a reader polls its queue before it sleeps, us; 0: off"""
    busy_poll_budget: int
    """most packets per busy poll"""
    prefer_busy_poll: bool
    """softirqs leave a queue to its busy reader while its timer runs"""
    smp_affinity: int
    """CPUs for a queue's interrupt, mask: the lowest takes it; default for queue i: CPU i mod cpus"""
    rps_cpus: int
    """CPUs that RPS spreads packets to, hexadecimal mask; 0: off"""
    rps_flow_cnt: int
    """flows in a queue's RFS table, rounded up to 2^n; 0: off"""
    rps_sock_flow_entries: int
    """flows in the table of readers' CPUs (RFS); 0: off"""
    flow_limit_cpus: int
    """CPUs that limit flows when they enqueue, mask"""
    flow_limit_table_len: int
    """buckets of the flow limit"""
    ntuple: bool
    """the card steers flows to their readers' queues (accelerated RFS)"""
    ntuple_rules: Rules
    """rules in the card, separated by ; (ethtool -N): udp4 dst-port 53 action 1"""
    ipfrag_high_thresh: int
    """most bytes of truesize in incomplete datagrams"""
    ipfrag_high_thresh_bytes: int
    """most bytes of truesize in incomplete datagrams"""
    ipfrag_time: int
    """longest wait of an incomplete datagram, s"""
    ipfrag_time_s: int
    """longest wait of an incomplete datagram, s"""
    ipfrag_max_dist: int
    """most fragments of one sender between two of a datagram; 0: any number"""
    ip6frag_high_thresh: int
    """most bytes of truesize in incomplete datagrams"""
    ip6frag_high_thresh_bytes: int
    """most bytes of truesize in incomplete datagrams"""
    ip6frag_time: int
    """longest wait of an incomplete datagram, s"""
    ip6frag_time_s: int
    """longest wait of an incomplete datagram, s"""
    neigh_base_reachable_time_ms: int
    """time that an IPv4 neighbour stays reachable once confirmed, ms"""
    neigh_retrans_time_ms: int
    """time that an IPv4 neighbour gets to answer before the next question, ms"""
    neigh_gc_stale_time: int
    """time that an IPv4 neighbour is kept without use in a table that fills up, s"""
    neigh_gc_stale_time_s: int
    """time that an IPv4 neighbour is kept without use in a table that fills up, s"""
    neigh6_base_reachable_time_ms: int
    """time that an IPv6 neighbour stays reachable once confirmed, ms"""
    neigh6_retrans_time_ms: int
    """time that an IPv6 neighbour gets to answer before the next question, ms"""
    neigh6_gc_stale_time: int
    """time that an IPv6 neighbour is kept without use in a table that fills up, s"""
    neigh6_gc_stale_time_s: int
    """time that an IPv6 neighbour is kept without use in a table that fills up, s"""
    accept_ra: bool
    """ask routers at the start, and take addresses, prefixes and default routers from their advertisements"""
    dad_transmits: int
    """how often the host asks, at the start, whether another one has its IPv6 addresses"""
    rcvbuf: int
    """a socket's receive buffer, bytes of truesize"""
    rcvbuf_bytes: int
    """a socket's receive buffer, bytes of truesize"""
    rmem_max: int
    """largest value of setsockopt(SO_RCVBUF), bytes"""
    rmem_max_bytes: int
    """largest value of setsockopt(SO_RCVBUF), bytes"""
    udp_mem: int
    """most pages that all UDP sockets hold; the first number of Linux's"""
    udp_mem_pages: int
    """most pages that all UDP sockets hold; the first number of Linux's"""
    udp_rmem_min: int
    """bytes that each UDP socket may hold although udp-mem is used up"""
    udp_rmem_min_bytes: int
    """bytes that each UDP socket may hold although udp-mem is used up"""
    tcp: str
    """passive: read both sides of a talk, answer nothing; endpoint: answer, as Linux does"""
    ip_local_port_range: tuple[int, ...]
    """first and last port of connections that ask for none"""
    somaxconn: int
    """most connections that wait to be accepted, whatever backlog listen() asks for"""
    wmem_max: int
    """largest value of setsockopt(SO_SNDBUF) of TCP, bytes"""
    wmem_max_bytes: int
    """largest value of setsockopt(SO_SNDBUF) of TCP, bytes"""
    tcp_abort_on_overflow: int
    """reset a handshake that finds the accept queue full, instead of letting the peer retry"""
    tcp_app_win: int
    """of the receive buffer, one part in 2 to this power is not offered; 0: all is"""
    tcp_challenge_ack_limit: int
    """challenges (RFC 5961) per second, half to one and a half of it; 2147483647: any number"""
    tcp_comp_sack_delay_ns: int
    """longest time that SACKs are held back, ns; a twentieth of the round trip, if that is less"""
    tcp_comp_sack_nr: int
    """most SACKs that are held back; 0: none"""
    tcp_congestion_control: str
    """congestion control of new connections"""
    tcp_dsack: int
    """tell the peer by SACK what arrived twice"""
    tcp_early_retrans: int
    """3, 4: probe a tail without acknowledgements (TLP); 0 to 2: wait for the timeout"""
    tcp_ecn: int
    """ECN: 0: no; 1: ask for it and accept it; 2: accept it"""
    tcp_ecn_fallback: int
    """ask for no ECN in a SYN that is sent again"""
    tcp_fin_timeout: int
    """time that a closed connection waits for the peer's FIN, s"""
    tcp_fin_timeout_s: int
    """time that a closed connection waits for the peer's FIN, s"""
    tcp_frto: int
    """find out by new data whether a timeout was spurious (F-RTO)"""
    tcp_invalid_ratelimit: int
    """shortest time between two answers to segments that are not acceptable, ms"""
    tcp_invalid_ratelimit_ms: int
    """shortest time between two answers to segments that are not acceptable, ms"""
    tcp_keepalive_intvl: int
    """time between two probes of keepalive, s"""
    tcp_keepalive_intvl_s: int
    """time between two probes of keepalive, s"""
    tcp_keepalive_probes: int
    """probes of keepalive without an answer that end a connection"""
    tcp_keepalive_time: int
    """silence after which keepalive probes, s"""
    tcp_keepalive_time_s: int
    """silence after which keepalive probes, s"""
    tcp_max_orphans: int
    """most connections that the program has closed; one more is reset"""
    tcp_max_reordering: int
    """most segments by which a path is taken to reorder"""
    tcp_max_syn_backlog: int
    """without tcp-syncookies: a listener takes no more half-open connections than three quarters of this"""
    tcp_max_tw_buckets: int
    """most connections in TIME_WAIT; one more ends at once"""
    tcp_min_rtt_wlen: int
    """time for which the least round trip is remembered, s"""
    tcp_min_rtt_wlen_s: int
    """time for which the least round trip is remembered, s"""
    tcp_min_snd_mss: int
    """least MSS, options included, whatever the peer and the path say; bytes"""
    tcp_min_snd_mss_bytes: int
    """least MSS, options included, whatever the peer and the path say; bytes"""
    tcp_moderate_rcvbuf: int
    """let receive buffers grow with what is read"""
    tcp_notsent_lowat: int
    """bytes not sent yet at which a program's writes wait; a program that waits goes on at half of it"""
    tcp_notsent_lowat_bytes: int
    """bytes not sent yet at which a program's writes wait; a program that waits goes on at half of it"""
    tcp_orphan_retries: int
    """as tcp-retries2, for a connection that the program has closed; 0: 8"""
    tcp_pingpong_thresh: int
    """answers after which acknowledgements wait for the next answer"""
    tcp_recovery: int
    """bits of RACK: 2: never wait longer for reordering; 4: wait also after duplicates"""
    tcp_reordering: int
    """segments by which a path may reorder at first; of new sockets"""
    tcp_retrans_collapse: int
    """send short segments again as one"""
    tcp_retries2: int
    """doublings of 200 ms that data may stay unacknowledged; also probes of a closed window"""
    tcp_rfc1337: int
    """let no reset end TIME_WAIT"""
    tcp_rmem: tuple[int, ...]
    """receive buffer: the first number has no effect, the one it begins with, the one it grows to; bytes"""
    tcp_rmem_bytes: tuple[int, ...]
    """receive buffer: the first number has no effect, the one it begins with, the one it grows to; bytes"""
    tcp_rto_max_ms: int
    """longest retransmission timeout of new sockets, ms"""
    tcp_rto_min_us: int
    """least variation in the retransmission timeout of new sockets, us"""
    tcp_sack: int
    """offer and accept SACK"""
    tcp_shrink_window: int
    """take a scaled window back if memory fills up sooner than it said"""
    tcp_slow_start_after_idle: int
    """halve cwnd for each timeout that a connection was silent"""
    tcp_syn_linear_timeouts: int
    """SYNs that are sent again each second, before the wait doubles"""
    tcp_syn_retries: int
    """SYNs that are sent again after those; also the doublings of a second that it takes"""
    tcp_synack_retries: int
    """SYN-ACKs that are sent again"""
    tcp_syncookies: int
    """answer by cookies: 0: never; 1: while too many connections are half open; 2: always"""
    tcp_thin_linear_timeouts: int
    """do not double the first six timeouts of a stream with few segments out"""
    tcp_timestamps: int
    """offer and accept timestamps; 1: a clock for each pair of hosts"""
    tcp_tw_reuse: int
    """1: connect from a port that is in TIME_WAIT; 2: as 0, because there is no loopback"""
    tcp_tw_reuse_delay: int
    """time in TIME_WAIT before that, ms"""
    tcp_tw_reuse_delay_ms: int
    """time in TIME_WAIT before that, ms"""
    tcp_window_scaling: int
    """offer and accept a scaled window"""
    tcp_wmem: tuple[int, ...]
    """send buffer: the first number has no effect, the one it begins with, the one it grows to; bytes"""
    tcp_wmem_bytes: tuple[int, ...]
    """send buffer: the first number has no effect, the one it begins with, the one it grows to; bytes"""
    tcp_workaround_signed_windows: int
    """offer at most 32767 without scaling: a peer may read windows as signed"""
    reader_cpu: int
    """CPU of the readers; any: local port mod cpus"""
    sockets: int
    """most sockets"""
    link: int
    """rate of the wire; inf with --speed max waits for the card"""
    link_bps: int
    """rate of the wire; inf with --speed max waits for the card"""
    speed: float
    """pace of a recorded wire: a factor, or max"""
    strict_csum: bool
    """treat checksums left to the sender's card as they are in the capture; also IP length 0 and segmentation"""
    capture_mtu: int | str
    """longest IP packet on the captured wire: the card gets longer TCP frames cut (TSO); off: it gets them whole"""
    capture_mtu_bytes: int | str
    """longest IP packet on the captured wire: the card gets longer TCP frames cut (TSO); off: it gets them whole"""
    cost: str
    """costs of work in virtual time: a profile (vnic costs), or FILE.toml"""
