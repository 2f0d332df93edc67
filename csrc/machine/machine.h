/* machine.h - what holds it all: the host, and the two drivers of its stages, virtual time and threads */

/* ---- upcall.c: the seam for Python people ---- */

struct upcall { struct sk_buff *skb; u32 handler; u32 cpu; };
#define UPCALLS_MAX 2048
struct upcall_queue {
	struct upcall slot[UPCALLS_MAX];
	u32 head, tail, lock;
	int wake_fd;
};
void upcall_push(struct softnet_data *sd, struct sk_buff *skb, u32 handler);
int upcall_peek(struct host *h, u8 *buf, u64 size, u32 *offsets, u32 *handler, u64 *t_ns); /* a burst for one handler */
void upcall_done(struct host *h, const u8 *verdicts, int n);  /* for the burst last peeked: 1 delivered, 0 dropped */

/* ---- host.c, vtime.c, live.c: the machine, and the two drivers of its stages ---- */

enum event { EV_DONE, EV_SLICE, EV_UPCALL, EV_FILTER, EV_WIRE, EV_STOPPED, EV_PAUSED };

struct host {
	u32 ncpus, hz;
	u64 jiffy_ns;
	struct softnet_data *cpu[CPUS_MAX];
	struct nic nic;
	struct net_device dev;
	struct driver_queue *dq[NIC_QUEUES_MAX];
	void (*timer[TIMERS_MAX])(struct softnet_data *sd);
	void (*upcall)(struct softnet_data *sd, struct sk_buff *skb, u32 handler); /* Python's */
	u32 spinners;                  /* virtual time: readers that look at a ring, and sleep until something is there */
	u32 rx_pool_size;
	u8 live, gro, auto_sink, ip_any, vlan_any;
	u32 spin_max_ns;               /* live: CPUs look for work before they sleep, so long at most */
	u8 gro_list, gro_udp_fwd;      /* rx-gro-list, rx-udp-gro-forwarding */
	u8 gro_cwr;                    /* 1: CWR joins CWR, as since Linux 7.0 */
	u32 udp_gro_socks;             /* sockets with UDP_GRO */
	u32 gro_flows;                 /* flows to keep account of; 0: none */
	u32 catch_up;                  /* virtual time: packets between two looks at the others' clocks */
	u32 cost[COST_MAX];
	u32 weight, netdev_budget, netdev_budget_usecs, dev_weight, netdev_max_backlog;
	u32 gro_max_size, gro_ipv4_max_size, gro_normal_batch, napi_defer_hard_irqs;
	u64 gro_flush_timeout;
	u8 threaded, prefer_busy_poll;
	u32 busy_read, busy_poll_budget;    /* us; packets */
	u64 irq_affinity[NIC_QUEUES_MAX];   /* CPUs that may take a queue's interrupt; 0: nobody said */
	u32 rps_len[NIC_QUEUES_MAX];
	u16 rps_map[NIC_QUEUES_MAX][CPUS_MAX];
	u32 rps_flow_cnt, rps_sock_flow_entries, flow_limit_table_len;
	u64 flow_limit_cpus;
	u8 rps_flow_log[NIC_QUEUES_MAX];    /* 1 + log2 of a queue's table, 0: none */
	struct rps_dev_flow *rps_flow[NIC_QUEUES_MAX];
	struct rps_sock_flow_table *rps_sock_flow, *rps_sock_tables; /* NULL: off; all there were, the largest first */
	u32 rps_cpu_mask;
	u64 hash_key[2];
	u32 rcvbuf, rmem_max, sock_max, reader_cpu;   /* reader_cpu: ~0 = local port mod cpus */
	struct packet_type ptype[PTYPES_MAX];
	u32 nptypes;
	u16 protocol_python[256];      /* IP protocol -> Python handler */
	struct inet_net ip[18];
	u32 nips;
	u8 answers;                    /* it has addresses, and a wire that takes what it sends */
	struct inet_addr gateway[2];   /* IPv4, IPv6; all zero: none */
	struct driver_tx tx;
	struct neigh_table neigh;
	struct icmp_limits icmp;
	u64 out_mib[MIB_MAX];          /* counted by whoever sends, under the lock of tx */
	struct sock_table socks;
	struct upcall_queue upcalls;
	u64 outside_fates[FATE_MAX];   /* counted by Python's thread */
	u64 outside_ofo_frames;
	struct packet_tap *taps[POINTS];
	u32 taps_lock, tapped;         /* tapped: bit per point */
	u64 steps;                     /* scheduler's, virtual time */
	struct inet_frags ip_frags, ip6_frags;
};
struct host *host_new(u32 ncpus);
int host_start(struct host *h);                /* allocate, probe, open: after the knobs are set */
void host_free(struct host *h);
void memory_give_back(void);
void host_finish(struct host *h);              /* a replay's end: run timers out, close what waits, purge the card */
u64 host_offered(struct host *h);
void host_fates(struct host *h, u64 *fates);       /* [FATE_MAX] */
void host_in_flight(struct host *h, u64 *where);   /* [IN_FLIGHT_MAX] */
int host_laws(struct host *h);                 /* 0: both laws hold; bit 0: ledger open, bit 1: a pool is short */
const char *fate_text(enum fate fate);
enum event vtime_run(struct host *h, u64 frames);  /* until so many more frames arrived, or an event */
enum event vtime_run_until(struct host *h, u64 until_ns);
enum event vtime_step(struct host *h);              /* one agent's turn: EV_SLICE */
int nic_thread(struct nic *nic);               /* live: the device's thread; returns an event */
int cpu_thread(struct softnet_data *sd);       /* live: a CPU's thread; returns when stopped */
void machine_pause(struct host *h, u32 pause);
void live_stop(struct host *h);
u32 live_spin_max(u32 ncpus);
