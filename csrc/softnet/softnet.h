/* softnet.h - the receive side of an emulated CPU: from its interrupt to the protocol handler */

struct sock;

/* ---- skbuff.c: buffers and the sk_buffs that describe them. Owner: the CPU that polls the queue ---- */

#define CHECKSUM_NONE 0
#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_PARTIAL 3
#define PACKET_HOST 0
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_OTHERHOST 3
#define SKB_TRUESIZE_OVERHEAD 576  /* sizeof(struct sk_buff) + sizeof(struct skb_shared_info), as Linux aligns them */

struct rx_pool;

/**
 * struct sk_buff - one received packet, or a further piece of one. 128 bytes: the first cache line is per packet,
 *                  the second is GRO's and what is cold
 * @data, @head_len:  what is left of it in its first buffer
 * @len:              bytes over all pieces
 * @frag_list:        further pieces, linked by next: rest of a frame that spans buffers, segments GRO merged, fragments
 * @segs:             frames in it (gso_segs); 0 marks a piece that only continues a frame
 */
struct sk_buff {
	u8 *data;
	u32 len, hash;
	u16 mac_header, network_header; /* offsets from the buffer's start */
	u16 segs;
	u8 ip_summed, pkt_type, hash_report, flags;
	u16 protocol;              /* EtherType, network byte order */
	u16 queue;
	u32 id, truesize;
	struct sk_buff *next, *frag_list;
	struct rx_pool *pool;
	/* line 1 */
	struct sk_buff *frag_tail;
	u32 head_len;
	union {
		u32 gso_size;      /* of several segs; 0: nothing to take apart by, they are fragments that became one packet */
		u32 frag_offset;   /* while it waits in inet_fragment.c: of its first byte in the datagram */
	};
	union {
		struct { u32 seq, end_seq; }; /* TCP, host byte order. UDP: seq is the sender's port */
		struct sk_buff *frag_right;   /* while it waits: runs behind it in the tree; next: those before it */
	};
	union {
		u32 gro_age;       /* jiffies of the first segment */
		u32 rflow;         /* behind GRO: 1 + the flow's row in rfs.c's tables, 0: none */
	};
	u16 gro_l4, gro_inner;     /* transport header, inner IP header (0: none); offsets from the MAC header */
	u8 gro_outer;              /* the IP header, or the outer one */
	u8 gro_flush, gro_same_flow;
	u8 gro_fixed_id;           /* bit 0 outer, 1 inner: all segments have the same IP id */
	u16 vlan_tci, vlan_proto;  /* of a tag that was taken off; its TPID, network byte order */
	u64 t_wire, t_stage;       /* last bit on the wire; when its stage began */
	u64 tstamp;                /* when it left GRO: what a tap stamps it with (netdev_tstamp_prequeue=1) */
};
#define SKB_TAGGED 1               /* vlan_tci and vlan_proto are good: the tag is not in the bytes any more */
#define SKB_FLIST 2                /* merged by GRO as a list: each segment keeps its header (SKB_GSO_FRAGLIST) */
#define SKB_UDP 4                  /* what GRO holds is UDP */
#define SKB_SW_HASH 8              /* hash is the flow dissector's */

struct rx_pool {
	u8 *base;                  /* buffer i at base + i * stride */
	u64 bus;                   /* the same as a bus address */
	u32 stride, buf_len, size;
	u32 nfree, fresh;          /* LIFO stack; buffers never used yet start at fresh */
	u32 *free;
	struct sk_buff *skbs;      /* skb i describes buffer i */
	struct softnet_data *owner;
	u32 queue;                 /* whose ring it fills */
	struct sk_buff *returned;  /* what other CPUs gave back: a chain pushed by compare-and-swap, taken whole */
	u32 starved;               /* the ring could not be refilled: wake the driver when a buffer comes back */
	u64 *frame_id;             /* of the first frame in skb i; NULL: nobody has asked */
};
int rx_pool_init(struct rx_pool *p, u8 *base, u64 bus, u32 size, u32 buf_len, u32 stride);
int rx_pool_keep_ids(struct rx_pool *p);
void rx_pool_exit(struct rx_pool *p);
int rx_pool_get(struct rx_pool *p);          /* a buffer, or -ENOBUFS */
u32 rx_pool_free_count(struct rx_pool *p);   /* at rest */
void rx_pool_reclaim(struct rx_pool *p);     /* owner: take what others returned */
void kfree_skb_list(struct softnet_data *sd, struct sk_buff *skb);    /* free skb and its pieces; no fate */
void kfree_skb_reason(struct softnet_data *sd, struct sk_buff *skb, enum fate fate); /* count the fate of its frames, free */
void skb_flush_returns(struct softnet_data *sd);
const u8 *skb_header_pointer(const struct sk_buff *skb, u32 off, u32 len, u8 *copy); /* NULL: not that long */
u32 skb_copy_bits(const struct sk_buff *skb, u32 off, u8 *to, u32 len); /* bytes copied */
int skb_trim(struct softnet_data *sd, struct sk_buff *skb, u32 len);    /* drop padding behind len */
struct sk_buff *skb_segment_list(struct sk_buff *skb, u32 own);         /* take apart what GRO merged */
void skb_pull_headers(struct sk_buff *skb, u32 n);                      /* headers that cross the first buffer's end */
void skb_advance(struct sk_buff *skb, u32 n);                           /* eat n bytes at the front, over pieces too */
u32 skb_checksum(const struct sk_buff *skb, u32 off, u32 len, u32 sum);

/* ---- net_rx_action.c, napi.c, busy_poll.c: who polls, and when he stops ---- */

#define NAPI_STATE_SCHED 1         /* somebody owns the poll, or it is in a line for it */
#define NAPI_STATE_MISSED 2        /* asked for meanwhile: once more */
#define NAPI_STATE_DISABLE 4       /* napi_disable() waits for the poll to end */
#define NAPI_STATE_NPSVC 8         /* not enabled */
#define NAPI_STATE_IN_BUSY_POLL 16 /* the owner is a reader */
#define NAPI_STATE_PREFER_BUSY_POLL 32
#define NAPI_STATE_THREADED 64     /* polled by a task of its own */
#define NAPI_STATE_SCHED_THREADED 128 /* which has the poll */

enum task_kind { TASK_NONE, TASK_KSOFTIRQD, TASK_READER, TASK_NAPI }; /* and those of further NAPIs behind it */
struct task { u64 wakeups, runs, busy_ns; u8 runnable; };

struct gro_list { struct sk_buff *skb[MAX_GRO_SKBS]; u32 count; };  /* [0] is the oldest */

struct napi_struct {
	int (*poll)(struct napi_struct *napi, int budget);  /* work, or -EAGAIN: time passed, call again to go on */
	struct napi_struct *next;
	struct softnet_data *sd;       /* the CPU it runs on */
	struct host *host;
	u32 state, weight;
	u32 work;                      /* of the poll under way */
	u32 defer_hard_irqs_count;
	u64 timer_ns;                  /* watchdog, ~0: off */
	u32 gro_bitmask;
	u8 udp_passes;                 /* nobody asked for merged UDP, as of the beginning of the poll */
	struct gro_list gro_hash[GRO_HASH_BUCKETS];
	struct sk_buff *rx_list, *rx_list_tail;
	u32 rx_count;                  /* frames on it */
	u32 gro_held;                  /* frames held */
	u8 in_poll;
	u8 slot;                       /* its place in sd->napis */
	struct task thread;
	u8 gro_why;                    /* enum gro_end of the hold that a protocol names to be completed */
	/* counters */
	u64 polls, packets, full_polls, completes;
};
int napi_schedule_prep(struct napi_struct *n);
void __napi_schedule(struct napi_struct *n);
void napi_poll_list_add(struct napi_struct *n);
int napi_schedule(struct napi_struct *n);
int napi_complete_done(struct napi_struct *n, int work_done);
void napi_watchdog(struct napi_struct *n);
void napi_full_poll_flush(struct napi_struct *n);
void napi_timer_start(struct napi_struct *n, u64 timeout_ns);
void napi_list_add(struct softnet_data *sd, struct napi_struct *n);
void napi_list_del(struct napi_struct *n);
void netif_napi_add(struct softnet_data *sd, struct napi_struct *n, int (*poll)(struct napi_struct *, int), u32 weight);
void napi_enable(struct napi_struct *n);
int napi_disable(struct napi_struct *n);     /* 1: nobody polls it, and nobody can; 0: somebody does, ask again */
int napi_poll(struct napi_struct *n, int *repoll);  /* work, or -EAGAIN: time passed in the middle, call again */
int napi_threaded_poll(struct napi_struct *n);      /* 1: the poll is over, 0: time passed in the middle */

/* a reader that polls its queue itself instead of sleeping */
struct busy_poll {
	struct napi_struct *napi;      /* NULL: it does not */
	u64 end;
	u32 queue;                     /* 1 + where the last packet read came from; 0: none since the last time */
	u8 owned, stopping, skip_schedule, in_poll;
	u8 idle;                       /* virtual time: it spins, and nothing can have changed */
};
int busy_poll_begin(struct softnet_data *sd); /* 1: there is a queue to poll */
void busy_poll_resume(struct softnet_data *sd);       /* the CPU looks up: the reader spins on */
int napi_busy_loop(struct softnet_data *sd);  /* 1: still at it, 0: something to read, or the time is over */
int net_rx_action(struct softnet_data *sd);  /* 1: the run ended, 0: time passed in the middle, call again */

/* ---- softirq.c: one emulated CPU. hardirq over softirq over tasks ---- */

/* timer.c */
enum timer { TIMER_IPFRAG, TIMER_NEIGH, TIMERS_MAX }; /* functions: host.timer */

/**
 * struct softnet_data - what one CPU owns; written only by that CPU unless a field says otherwise
 * @now:      its clock. Work moves it by cpu_charge() in virtual time; live it is re-read after every poll
 * @horizon:  virtual time: when @now reaches it, somebody else's turn has come
 */
struct softnet_data {
	struct host *host;
	u32 cpu;
	u64 now, horizon;
	u64 wake_ns;                   /* idle: when something came up; NEVER: nothing yet */
	u64 timer_next;                /* earliest NAPI watchdog, or of these: */
	u64 timer_ns[TIMERS_MAX];
	u8 runnable, live;
	/* written by others, atomically */
	u32 irq_pending;               /* bit per NIC queue */
	u32 ipi_pending;
	u64 irq_ns, ipi_ns, reader_ns; /* virtual time: when they were raised; when the reader was woken */
	u32 sleeping, stop, pause;
	int wake_fd;
	u32 spin_ns;                   /* live: how long it looks for work before it sleeps */
	u32 in_taps;                   /* odd: walks the taps, see af_packet.c */
	/* softirq */
	u8 softirq_pending, softirq_active, in_net_rx_action, inline_softirq;
	u8 ksoftirqd;                  /* the softirq under way runs in the task */
	u8 in_napi_threaded_poll;
	u8 bh_task;                    /* this task is in the middle of a poll, softirqs are off; 0: none */
	u32 softirq_restarts;
	u64 softirq_end;               /* jiffies */
	int budget;
	u64 deadline;                  /* jiffies */
	struct napi_struct *poll_list, *poll_tail;     /* scheduled */
	struct napi_struct *list, *list_tail;          /* of this run */
	struct napi_struct *repoll, *repoll_tail;
	struct napi_struct *current;                   /* its poll is under way, time passed in the middle */
	struct napi_struct *napis[NIC_QUEUES_MAX + 1]; /* that live on this CPU, for the watchdogs */
	u32 nnapis;
	/* backlog.c */
	struct napi_struct backlog;
	u32 lock;                      /* guards input_pkt_queue */
	struct sk_buff *input_head, *input_tail;
	u32 input_qlen;
	struct sk_buff *process_head;
	u32 process_qlen;
	u32 input_queue_head, input_queue_tail;
	struct sd_flow_limit *flow_limit; /* of this CPU as the one that enqueues; NULL: off */
	u64 rps_ipi_mask;              /* CPUs to send an IPI to at the end of net_rx_action */
	struct sk_buff *enqueue[CPUS_MAX]; /* live: skbs on their way to other CPUs' backlogs, a burst each */
	struct sk_buff *enqueue_tail[CPUS_MAX];
	u32 enqueue_len[CPUS_MAX];
	/* tasks */
	struct task ksoftirqd_task, reader;
	u32 napi_threads;              /* by napi->slot: those that can run */
	struct busy_poll busy;
	u64 slice_start;
	u8 last_task;
	u32 ready_lock;
	struct sock *ready, *ready_tail; /* sockets with data for this CPU's reader */
	/* buffers that belong to other CPUs' pools, on their way back */
	struct rx_pool *give_back_pool;
	struct sk_buff *give_back, *give_back_tail;
	u32 give_back_len;
	/* counters: softnet_stat's, then vnic's own */
	u64 processed, time_squeeze, received_rps, flow_limit_count;
	u64 time_squeeze_usecs;        /* of them: budget was left, the time was not */
	u64 flow_limit_frames;
	u64 rfs_steered, rfs_moved, rfs_waited;
	u64 dropped;                   /* backlog drops, charged here as the target: written under lock */
	u32 input_qlen_max;            /* high-water mark of input_pkt_queue: written under lock, once a splice */
	u64 hardirqs, softirqs, ksoftirqd_runs, net_rx_runs, idle_ns, yields;
	u64 ksoftirqd_by_time, ksoftirqd_by_restarts, ksoftirqd_by_resched; /* why softirqs were left to it */
	u64 rcvbuf_max;                /* what a socket of those that refused would hold if it had refused nothing, truesize */
	u64 idle_since;                /* live: it sleeps since then, 0: it does not */
	u64 rx_dropped, rx_otherhost_dropped;
	u64 gro_merged, gro_held_total, gro_normal, gro_flushed_skbs, gro_flushed_segs;
	u64 gro_ended[GRO_END_MAX];
	u64 gro_lost_ids, gro_lost_psh;
	struct gro_flows *gro_flows;   /* NULL: off */
	u64 mib[MIB_MAX];
	u64 backlog_frames;            /* target: frames in input_pkt_queue, under lock */
	u64 process_frames, enqueue_frames;
	u64 ofo_frames;                /* may wrap below 0 on one CPU: the sum over all is the gauge */
	u64 fates[FATE_MAX];
	struct histogram *lat;         /* [LAT_MAX], NULL: off */
	u8 *scratch;                   /* room for one datagram; NULL: the host does not answer */
};

void raise_hardirq(struct softnet_data *sd, u32 queue, u64 now);  /* from the device */
void raise_ipi(struct softnet_data *from, struct softnet_data *to);
void cpu_wake(struct softnet_data *sd, u64 now);
void do_hardirqs(struct softnet_data *sd);
int do_softirq(struct softnet_data *sd);
int cpu_run(struct softnet_data *sd);        /* until it is idle (0) or somebody else's turn has come (1) */
void local_bh_enable(struct softnet_data *sd);
void timer_plan(struct softnet_data *sd);
void mod_timer(struct softnet_data *sd, enum timer which, u64 at_ns);
void run_timers(struct softnet_data *sd);
u64 host_now(struct host *h, struct softnet_data *sd);     /* sd NULL: a Python thread */
u64 vtime_latest(const struct host *h);
u64 cpu_next(struct softnet_data *sd);       /* when it has something to do; ~0: not known */
int reader_run(struct softnet_data *sd);     /* one wake-up's worth of reading. Return: 1 = more to read */
int need_resched(struct softnet_data *sd);   /* is the slice of the task that runs over, and somebody else waits? */

/* ---- stop_machine.c: knobs change while nobody moves ---- */

#define TURNS_MAX 1048576          /* of a CPU: a poll ends after so many for sure */
int machine_mid_poll(const struct softnet_data *sd);
u64 machine_clock(const struct softnet_data *sd);
void machine_turn(struct softnet_data *sd);
void machine_settle(struct host *h);

/* ---- gro.c: hold and merge. gro_inet.c: VLAN, IP, one tunnel; gro_tcp.c, gro_udp.c: may it join?  ---- */

const char *gro_end_text(enum gro_end why);
void gro_poll_begin(struct napi_struct *n);
void napi_gro_receive(struct napi_struct *n, struct sk_buff *skb);
void napi_gro_flush(struct napi_struct *n, int flush_old, enum gro_end why);
void gro_normal_list(struct napi_struct *n);
/* off: of the header to look at, from the MAC header. Return: the held skb to complete now (n->gro_why says why), or NULL */
struct sk_buff **gro_receive_by_type(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off,
				     u16 protocol);
struct sk_buff **tcp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **udp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **gro_refuse(struct sk_buff *skb);
struct sk_buff **gro_lookup(struct gro_list *l, const struct sk_buff *skb, u32 off);
int gro_csum_bad(struct napi_struct *n, struct sk_buff *skb, u32 off, u8 proto);
enum gro_end gro_network_flush(struct sk_buff *p, const struct sk_buff *skb);
enum gro_end skb_gro_receive(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr);
enum gro_end skb_gro_receive_list(struct sk_buff *p, struct sk_buff *skb, u32 hdr);
void inet_gro_complete(struct sk_buff *skb);
void tcp_gro_complete(struct sk_buff *skb);
void udp_gro_complete(struct sk_buff *skb);
const u8 *gro_ip(const struct sk_buff *skb);
u32 gro_pseudo(const struct sk_buff *skb, u32 l4_len, u8 proto);

/* gro_flows.c: what merging lost and why, per flow; a table per CPU, bounded, only if asked for (gro-flows) */
struct gro_flow {
	struct flow_key key;
	u32 used;
	u32 spread_max_ns;             /* first to last arrival in one merged packet */
	u64 frames, skbs;              /* what left GRO; frames - skbs boundaries are gone */
	u64 lost_ids, lost_psh, spread_ns;
	u64 ended[GRO_END_MAX];
};
struct gro_flows {
	u32 mask;
	u64 missed;                    /* skbs of flows that found no room */
	struct gro_flow flow[];
};
struct gro_flows *gro_flows_new(u32 flows);
u32 gro_lost_ids(const struct sk_buff *skb); /* of a merged skb */
u32 gro_lost_psh(const struct sk_buff *skb);
void gro_account(struct softnet_data *sd, const struct sk_buff *skb, enum gro_end why);

/* ---- the card as the stack sees it ---- */

/**
 * struct net_device - what the stack knows of the card; its driver fills it in. Linux: include/linux/netdevice.h
 * @dev_addr:           6 bytes, where the card has them
 * @mtu:                bytes of payload, 0: as a TAP that was not asked
 * @real_num_rx_queues: receive queues in use
 * @ntuple:             1: the card takes filters for flows
 * @napi:               of each receive queue, NULL: there is none
 * @irq_handler:        runs on the CPU that took the interrupt of that NAPI's queue
 * @ndo_rx_flow_steer:  have the card bring the skb's flow to a queue. Return: the filter's number, -errno: it stays where it is
 * @rx_cpu_rmap:        Return: the queue that interrupts this CPU
 */
struct net_device {
	const u8 *dev_addr, *ntuple;
	const u32 *mtu, *real_num_rx_queues;
	struct napi_struct *napi[NIC_QUEUES_MAX];
	void (*irq_handler)(struct napi_struct *n);
	int (*ndo_rx_flow_steer)(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow);
	u32 (*rx_cpu_rmap)(const struct host *h, u32 cpu);
};

/* ---- flow_dissector.c, rps.c, rfs.c, flow_limit.c, backlog.c: another CPU ---- */

u32 skb_get_hash(const struct host *h, struct sk_buff *skb);   /* siphash over sorted addresses and ports; never 0 for IP */
int get_rps_cpu(struct softnet_data *sd, struct sk_buff *skb);      /* -1: stay here */

#define RPS_NO_FILTER 65535
struct rps_dev_flow { u16 cpu, filter; u32 last_qtail, hash; };
struct rps_sock_flow_table {           /* row by hash: the hash's upper bits, and the CPU of the flow's reader */
	u32 mask, size;
	struct rps_sock_flow_table *older; /* no longer used, but perhaps still written to */
	u32 ents[];
};
int rfs_init(struct host *h, u32 flow_cnt, u32 sock_entries);
int rfs_set_sock_entries(struct host *h, u32 entries);
int rfs_set_flow_cnt(struct host *h, u32 queue, u32 flow_cnt);
void rfs_forget_filters(struct host *h);
void rfs_exit(struct host *h);
int rfs_get_cpu(struct softnet_data *sd, struct sk_buff *skb, u32 hash);
void rps_record_sock_flow(struct host *h, u32 hash, u32 cpu);       /* a flow's reader runs there */
void rfs_queued(struct host *h, u32 rflow, u32 tail);               /* under the target's lock */
u32 rfs_head(struct host *h, u32 cpu);
int rps_may_expire_flow(struct host *h, u32 queue, u32 slot, u32 filter);

struct sd_flow_limit;
struct sd_flow_limit *flow_limit_new(u32 table_len);
int flow_limit_set(struct host *h, u64 cpus);
int skb_flow_limit(struct softnet_data *sd, struct sk_buff *skb, u32 qlen);

int enqueue_to_backlog(struct softnet_data *sd, struct sk_buff *skb, u32 cpu);
void enqueue_flush(struct softnet_data *sd);
int process_backlog(struct napi_struct *napi, int quota);
void net_rps_send_ipi(struct softnet_data *sd);

/* ---- packet_taps.c: who looks on ---- */

struct packet_seen {
	enum packet_point point;
	u32 cpu;
	const struct sk_buff *skb;     /* one of these two is NULL */
	const struct frame *frame;
	u64 t_ns;
	int fate;                      /* -1: none yet */
	u32 again;                     /* this point has seen the frame before: only the fate is new */
};
struct packet_tap {
	struct packet_tap *next;
	void (*func)(struct packet_tap *t, const struct packet_seen *p);
};
void packet_taps_setup(struct host *h);
void packet_tap_add(struct host *h, struct packet_tap *t, enum packet_point point);
void packet_tap_del(struct host *h, struct packet_tap *t, enum packet_point point);
void packet_taps_skb(struct softnet_data *sd, enum packet_point point, const struct sk_buff *skb, u64 t_ns, int fate);
void packet_taps_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate);
void packet_taps_outside(struct host *h, const struct sk_buff *skb, enum fate fate);  /* of a Python thread */

/* ---- netif_receive_skb.c: taps, then the protocol handler by EtherType ---- */

struct packet_type {
	u16 type;                      /* network byte order */
	u16 python;                    /* 0, or the handler's number: the packet goes up to Python */
	void (*func)(struct softnet_data *sd, struct sk_buff *skb);
};
#define PTYPES_MAX 32
void netif_receive_skb_internal(struct softnet_data *sd, struct sk_buff *skb);
void netif_receive_skb_core(struct softnet_data *sd, struct sk_buff *skb);
