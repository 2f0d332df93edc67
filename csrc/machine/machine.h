/* machine.h - the host that holds all the rooms' parts, and what drives them: virtual time, or threads
 *
 * Context, where a comment names none: a Python thread, while no other thread is inside the host.
 */

/* ---- upcall.c: packets for handlers written in Python ---- */

/** struct upcall - a packet that waits for a Python handler. @cpu: the CPU it came from */
struct upcall { struct sk_buff *skb; u32 handler; u32 cpu; };
#define UPCALLS_MAX 2048
/**
 * struct upcall_queue - CPUs add at @head, Python removes at @tail; both run free
 * @lock:    of the producers
 * @wake_fd: live: eventfd that wakes Python
 */
struct upcall_queue {
	struct upcall slot[UPCALLS_MAX];
	u32 head, tail, lock;
	int wake_fd;
};

enum verdict { VERDICT_DROP, VERDICT_TAKE };  /* what a handler decides: PYTHON_DROP, DELIVERED_PYTHON */

/**
 * upcall_peek() - copy the oldest packets of one handler to @buf; they stay queued until upcall_done()
 * @offsets: [BURST + 1]; packet i is @buf[@offsets[i]] to @offsets[i + 1]. A packet longer than @size is cut
 * @handler: filled in: whose they are
 * @t_ns:    [BURST]; filled in: when each left GRO
 * Return: how many. Context: Python's thread, the only one that removes
 */
int upcall_peek(struct host *h, u8 *buf, u64 size, u32 *offsets, u32 *handler, u64 *t_ns);

/** upcall_done() - give the first @n packets their fate: enum verdict each. Context: as upcall_peek() */
void upcall_done(struct host *h, const u8 *verdicts, int n);

/* ---- host.c: the machine ---- */

#define READER_CPU_BY_PORT 4294967295u

#define CPU_GROUP 16               /* CPUS_MAX of them are 32 groups, a bit each of host.next_stale */
/**
 * struct first_cpu - the CPU that acts first, of some
 * @at:   when; NEVER: none has anything to do
 * @then: before which instant no other one acts
 */
struct first_cpu { u64 at, then; u32 cpu; };

/**
 * struct host - the machine: a card, its driver's queues, the emulated CPUs, and what they share
 *
 * The knobs among the members have Linux's names; docs/linux.md lists them. Changes to them are made between two polls.
 */
struct host {
	u32 ncpus, hz;
	u64 jiffy_ns;
	struct softnet_data *cpu[CPUS_MAX];
	struct nic nic;
	struct net_device dev;
	struct driver_queue *dq[NIC_QUEUES_MAX];
	void (*timer[TIMERS_MAX])(struct softnet_data *sd);
	void (*upcall)(struct softnet_data *sd, struct sk_buff *skb, u32 handler); /* Python's */
	u32 spinners;                  /* virtual time: who busy-polls a ring, and needs a wake-up when a frame comes: enum spins */
	u32 rx_pool_size;
	u8 live, gro, auto_sink, ip_any, vlan_any;
	u8 card_only;                  /* no driver of ours, no CPUs that run, no sockets: a foreign driver's card */
	u32 spin_max_ns;               /* live: longest time that a CPU spins before it sleeps */
	u8 gro_list, gro_udp_fwd;      /* rx-gro-list, rx-udp-gro-forwarding */
	u8 gro_cwr;                    /* 1: merge CWR with CWR, as Linux does since 7.0 */
	u8 no_lists;                   /* 1: each packet goes up alone. For a test that compares the two ways */
	u32 udp_gro_socks;             /* sockets with UDP_GRO */
	u32 gro_flows;                 /* flows whose GRO holds are counted; 0: none */
	u32 cost[COST_MAX];
	u32 weight, netdev_budget, netdev_budget_usecs, dev_weight, dev_weight_rx_bias, netdev_max_backlog;
	u32 gro_max_size, gro_ipv4_max_size, gro_normal_batch;
	struct napi_config napi_config[NIC_QUEUES_MAX];
	u8 prefer_busy_poll;
	u32 busy_read, busy_poll_budget;    /* us; packets */
	struct cpumask irq_affinity[NIC_QUEUES_MAX]; /* CPUs that may take a queue's interrupt; none: any */
	u32 rps_len[NIC_QUEUES_MAX];
	u16 *rps_map[NIC_QUEUES_MAX];
	u32 rps_flow_cnt, rps_sock_flow_entries, flow_limit_table_len;
	struct cpumask flow_limit_cpus;
	u8 rps_flow_log[NIC_QUEUES_MAX];    /* 1 + log2 of a queue's table, 0: none */
	struct rps_dev_flow *rps_flow[NIC_QUEUES_MAX];
	struct rps_sock_flow_table *rps_sock_flow, *rps_sock_tables; /* NULL: off; all tables so far, largest first */
	u32 rps_cpu_mask;
	u64 hash_key[2];
	u32 rcvbuf, rmem_max, sock_max, reader_cpu;   /* reader_cpu: READER_CPU_BY_PORT = local port mod cpus */
	u32 udp_mem, udp_mem_rest[2];  /* pages: the three numbers of Linux's udp_mem. UDP is bounded by the first */
	u32 udp_rmem_min;              /* bytes that each socket may be charged although udp_mem is used up */
	u64 udp_mem_allocated;         /* pages */
	struct packet_type ptype[PTYPES_MAX];
	u32 nptypes;
	u16 protocol_python[256];      /* IP protocol -> Python handler */
	struct inet_net ip[34];
	u32 nips;
	u8 answers;                    /* the host sends: it has addresses, and a wire that takes frames */
	struct inet_addr gateway[2];   /* IPv4, IPv6; all zero: no gateway */
	struct driver_tx tx;
	struct neigh_table neigh;
	struct route_cache routes;
	struct addrconf addrconf;
	struct icmp_limits icmp;
	u64 out_mib[MIB_MAX];          /* counted by the sender, under the lock of tx; Udp_InDatagrams by threads that read */
	struct sock_table socks;
	struct tcp_host tcp;
	struct upcall_queue upcalls;
	u64 outside_fates[FATE_MAX];   /* counted by threads that are no CPU */
	u64 outside_ofo_frames;
	struct packet_tap *taps[POINTS];
	u32 taps_lock;
	/* virtual time, vtime.c */
	struct softnet_data *running;  /* the CPU that acts; NULL: the card, or code outside a run */
	struct softnet_data *acts;     /* the CPU that acted last */
	u64 others_ns;                 /* before which instant no other CPU acts */
	u64 next[CPUS_MAX];            /* when each CPU acts next: cpu_next_set(). Others make it earlier: cpu_plan() */
	u32 next_stale;                /* groups of CPUs that cpu_first() has to look through, and what it knows of each */
	struct first_cpu next_of_group[32];
	void (*await_turn)(struct softnet_data *sd);
	void (*settle)(struct softnet_data *sd);
	struct fiber *caller;          /* the stack of Python's thread */
	u64 until, world_ns;           /* how far this run may go; the instant of the latest turn */
	u64 steps;                     /* turns taken */
	u32 turns, event;              /* turns left in this slice; enum event: why it ended */
	u8 settling;                   /* machine_settle() */
	u8 planned;                    /* cpu_plan() was called */
	struct inet_frags ip_frags, ip6_frags;
	struct mc_state mc;
};

/** host_new() - make a host with Linux's defaults; free it by host_free(). Return: NULL: no memory, or bad @ncpus */
struct host *host_new(u32 ncpus);

/**
 * host_start() - allocate all there will ever be, probe the card, open its driver. After the knobs are set.
 * Return: 0, or -errno; then only host_free() may follow
 */
int host_start(struct host *h);

/** host_free() - free a host; NULL is allowed */
void host_free(struct host *h);

/** memory_give_back() - return memory that was freed to the system */
void memory_give_back(void);

/**
 * host_finish() - the end of a replay, when nothing moves any more
 * The first call gives up holes in TCP streams. If it found one, readers have work again: run on, then call once more.
 * A call that finds none ends the frames still in the card and the ring as DEV_READY.
 */
void host_finish(struct host *h);

/* ---- ledger.c: the two laws. Exact at rest; any thread may read a host that runs ---- */

/** host_offered() - Return: frames that arrived on the wire */
u64 host_offered(struct host *h);

/** host_fates() - add up how many frames met each fate. @fates: [FATE_MAX] */
void host_fates(struct host *h, u64 *fates);

/** host_in_flight() - count the frames that have no fate yet, by where they are. @where: [IN_FLIGHT_MAX] */
void host_in_flight(struct host *h, u64 *where);

enum law {
	LAW_LEDGER = 1,                /* offered == fates + in flight */
	LAW_POOLS = 2                  /* each buffer is free, posted, or waits in a known place */
};

/** host_laws() - Return: the laws that are broken, bits of enum law; 0: both hold. Context: at rest, or one thread */
int host_laws(struct host *h);

/* ---- fate.c: what a fate means ---- */

/** fate_text() - describe a fate. Return: a line of text, static; NULL: no such fate */
const char *fate_text(enum fate fate);

/** tx_fate_text() - describe a fate of sending. Return: a line of text, static; NULL: no such fate */
const char *tx_fate_text(enum tx_fate fate);

/* ---- vtime.c: virtual time ---- */

/** vtime_init() - make the CPUs' fibers; vtime_exit() frees them. Return: 0 or -ENOMEM */
int vtime_init(struct host *h);
void vtime_exit(struct host *h);

/* These run, and return why they stopped. The CPUs may be in the middle of anything then. */

/** vtime_run() - run until @frames more have arrived, or an event comes */
enum event vtime_run(struct host *h, u64 frames);

/** vtime_run_until() - run all that is due up to @until_ns. EV_DONE: that is done */
enum event vtime_run_until(struct host *h, u64 until_ns);

/** vtime_step() - let one agent take its turn. EV_SLICE: it has */
enum event vtime_step(struct host *h);

/** vtime_next() - the instant before which nothing happens in this host; NEVER: nothing will */
u64 vtime_next(struct host *h);

/* ---- link_run.c: two hosts in lock step. link_task.c: the programs at their ends ---- */

enum link_event { LINK_DONE, LINK_SLICE, LINK_WOKE, LINK_HOST };
enum link_task_kind { LINK_TASK_PYTHON, LINK_TASK_SOURCE, LINK_TASK_SINK, LINK_TASK_CLIENT, LINK_TASK_SERVER };
struct link_end;
/**
 * struct link_task - a program at a socket: it acts when the kernel would wake it
 * @kind:    PYTHON: link_run() returns; SOURCE: send @left bytes; SINK: read all; SERVER: answer each @request bytes with
 *           @response bytes; CLIENT: ask @left times, one at a time
 * @got:     bytes read; @sent: bytes that the socket took
 * @owed:    bytes to be sent of this question or these answers
 * @read:    bytes read of this question or answer
 * @asked_ns: when the client asked
 * @rtt_ns:  [@rtts_room], @rtts of them filled in: how long each answer took, NULL: do not keep
 * @end_ns:  when the last byte came or the last answer did; @first_ns: when the first byte came
 * @error:   -errno of the socket; @eof: the peer sends no more
 * @shut:    SOURCE: shut the sending side down after the last byte
 */
struct link_task {
	struct sock_waker waker;
	struct link_end *end;
	struct sock *sk;
	struct link_task *next, *ready_next;
	u64 left, got, sent, owed, read, asked_ns, first_ns, end_ns;
	u64 *rtt_ns;
	u64 rtts, rtts_room;
	u32 kind, request, response;
	int error;
	u8 ready, eof, done, shut;
};
/** struct link_end - one host. @ready: tasks that have news; @tasks: all of them; @cut: turns that a wake cut from a slice */
struct link_end {
	struct host *h;
	struct link_task *tasks, *ready, *ready_tail;
	u64 wakes;
	u32 cut;
};
/**
 * struct link - two hosts and what joins them
 * @now:     all before this instant has happened in both
 * @end:     the last instant of this window, @open: it is not over, @side: who has to finish it
 * @buf:     what sinks read and sources send
 */
#define LINK_BUF 262144
struct link {
	struct link_end end_of[2];
	struct link_way way[2];
	u64 now, end, windows;
	u32 open, side, event;
	u8 *buf;
};
/** link_new() - join two hosts whose wires are in memory. The ways' numbers are the caller's. Return: NULL: no memory */
struct link *link_new(struct host *a, struct host *b, struct wire *wire_a, struct wire *wire_b);
/** link_free() - take the hosts apart; NULL for a host that is gone. Context: neither runs */
void link_free(struct link *l, struct wire *wire_a, struct wire *wire_b);
/**
 * link_run() - let both hosts act up to @until_ns, in windows in which neither can hear of the other
 * Return: LINK_DONE; LINK_SLICE: call again; LINK_WOKE: Python's tasks of @l->side wait, see link_woken(); LINK_HOST: the
 * host of @l->side wants @l->event handled
 */
enum link_event link_run(struct link *l, u64 until_ns);
/** link_task_new() - let a program act at a socket of one end, now and whenever it has news. Return: NULL: no memory */
struct link_task *link_task_new(struct link *l, u32 side, struct sock *sk, u32 kind);
/** link_task_free() - let it go. The socket may be closed already, but not its host */
void link_task_free(struct link_task *t);
/** link_task_wake() - let it act at the next link_run() */
void link_task_wake(struct link_task *t);
/** link_woken() - take one of Python's tasks that has news. Return: NULL: none has */
struct link_task *link_woken(struct link *l, u32 side);
/** link_act() - let the tasks with news act. Return: does one of Python's wait? */
int link_act(struct link *l, struct link_end *end);

/* ---- threads.c: a thread for each CPU, beside the card's (nic_thread()). Python makes them and parks them here ---- */

/** cpu_thread() - run a CPU. Return: EV_STOPPED, EV_PAUSED */
int cpu_thread(struct softnet_data *sd);

/** machine_pause() - 1: let all threads return EV_PAUSED; 0: let them run. The caller wakes those that sleep. */
void machine_pause(struct host *h, u32 pause);

/** live_stop() - continue in virtual time, after all threads have ended. The caller then runs the rest out. */
void live_stop(struct host *h);

/* ---- inside the room ---- */

struct first_cpu cpu_first(struct host *h); /* which CPU acts next */

void upcall_push(struct softnet_data *sd, struct sk_buff *skb, u32 handler); /* host.upcall; consumes skb */
u32 live_spin_max(u32 ncpus);
void host_files(const struct nic *nic, struct file_set *files);
