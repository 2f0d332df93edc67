/* softnet.h - the receive side of an emulated CPU: from its interrupt to the protocol handler
 *
 * @sd is the CPU that runs the call, and pays for it in virtual time. A function without a Context: line runs on that
 * CPU. "Machine stopped" means that no CPU and no card runs (stop_machine.c).
 *
 * A function that takes an sk_buff leaves it with the caller unless it says "Consumes @skb.". In virtual time a function
 * that charges a cost (inline.h) may stop there, and go on when other agents and this CPU's interrupts have acted.
 */

struct host;
struct sock;
struct fiber;
struct rx_pool;

/* ---- skbuff.c: receive buffers, and the sk_buffs that describe them ---- */

#define CHECKSUM_NONE 0
#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_PARTIAL 3
#define PACKET_HOST 0
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_OTHERHOST 3
#define SKB_HEAD_TRUESIZE 256      /* sizeof(struct sk_buff), as Linux aligns it */
#define SKB_TRUESIZE_OVERHEAD 576  /* the same, and sizeof(struct skb_shared_info) */
#define NET_SKB_PAD 64             /* bytes in front of a frame */
#define PAGE_FRAG_MAX 3456         /* longest frame that gets a fragment of a page; others get pages of their own */
#define SKB_MAX_HEAD 3712          /* bytes of a frame in the first of those */
#define MAX_SKB_FRAGS 17           /* GRO puts so many further segments into one sk_buff, without theirs */

/* sk_buff.flags */
#define SKB_TAGGED 1               /* vlan_tci and vlan_proto hold a tag that is no longer in the bytes */
#define SKB_FLIST 2                /* GRO merged it as a list: each segment keeps its header (SKB_GSO_FRAGLIST) */
#define SKB_UDP 4                  /* GRO holds it as UDP */
#define SKB_SW_HASH 8              /* hash is the flow dissector's */
#define SKB_FRAGMENTED 16          /* IPv6: had a fragment header (IP6SKB_FRAGMENTED) */
#define SKB_ROUTERALERT_MLD 32     /* IPv6: a hop-by-hop option says that it is a message about groups */
#define SKB_GROUP 64               /* to a group: a socket may not want it */

/**
 * struct sk_buff - one received packet, or a further piece of one. 128 bytes: the first cache line is used per packet,
 * the
 *                  second by GRO and rare cases
 * @data, @head_len:  the unread bytes in its first buffer
 * @len:              unread bytes over all pieces
 * @mac_header, @network_header: offsets from the buffer's start
 * @segs:             frames in it (gso_segs); 0 marks a piece that only continues a frame
 * @protocol:         EtherType, network byte order
 * @kind:             these and what lies between them, in one word: skb_kind()
 * @queue:            receive queue
 * @cpu:              that queued it to its socket
 * @id:               its buffer in @pool, for ever
 * @truesize:         bytes that a socket is charged for it, see skb_frame_truesize()
 * @frag_list:        further pieces, linked by next: the rest of a frame that spans buffers, merged segments, or fragments;
 *                    @frag_tail is the last
 * @gso_size:         payload per segment, if @segs is above 1; 0: nothing to split, @segs are fragments that became one packet
 * @frag_offset:      while it waits in inet_fragment.c: offset of its first byte in the datagram
 * @seq, @end_seq:    TCP, host byte order. For UDP @seq is the sender's port
 * @frag_right:       while it waits in inet_fragment.c: later runs in the tree; next: earlier ones
 * @gro_age:          while GRO holds it: jiffy of the first segment
 * @rflow:            behind GRO: 1 + the flow's row in rfs.c's tables; 0: none
 * @gro_l4, @gro_inner: offsets of the transport header and the inner IP header from the MAC header; 0: no tunnel
 * @gro_outer:        the same of the IP header, the outer one in a tunnel
 * @gro_fixed_id:     bit 0 outer, bit 1 inner: all segments have the same IP id
 * @vlan_tci, @vlan_proto: with SKB_TAGGED: the tag, and its TPID in network byte order
 * @t_wire, @t_stage: when its last bit was on the wire; when its present stage began
 * @tstamp:           when it left GRO; packet taps stamp it with this (netdev_tstamp_prequeue=1)
 */
struct sk_buff {
	u8 *data;
	u32 len, hash;
	union {
		struct { u16 segs; u8 ip_summed, pkt_type, hash_report, flags; u16 protocol; };
		u64 kind;
	};
	u16 mac_header, network_header;
	u16 queue;
	u16 cpu;
	u32 id, truesize;
	struct sk_buff *next, *frag_list;
	struct rx_pool *pool;
	/* line 1 */
	struct sk_buff *frag_tail;
	u32 head_len;
	union {
		u32 gso_size;
		u32 frag_offset;
	};
	union {
		struct { u32 seq, end_seq; };
		struct sk_buff *frag_right;
	};
	union {
		u32 gro_age;
		u32 rflow;
	};
	u16 gro_l4, gro_inner;
	u8 gro_outer;
	u8 gro_flush, gro_same_flow;
	u8 gro_fixed_id;
	u16 vlan_tci, vlan_proto;
	u64 t_wire, t_stage;
	u64 tstamp;
};

/**
 * struct rx_pool - a receive queue's buffers and their sk_buffs; skb i describes buffer i
 * @base, @bus:  buffer i is at base + i * stride; @bus is @base as a bus address
 * @stride, @buf_len, @size: bytes from buffer to buffer, bytes the card may write, number of buffers
 * @free:        LIFO stack of @nfree buffers; those from @fresh on were never used
 * @owner:       the CPU that polls the queue; only it touches the stack
 * @queue:       the receive queue whose ring it fills
 * @returned:    buffers that other CPUs gave back: a chain, pushed by compare-and-swap, taken whole
 * @starved:     the ring could not be refilled: wake the driver when a buffer comes back
 * @frame_id:    [size] id of the first frame in each skb; NULL until rx_pool_keep_ids()
 */
struct rx_pool {
	u8 *base;
	u64 bus;
	u32 stride, buf_len, size;
	u32 nfree, fresh;
	u32 *free;
	struct sk_buff *skbs;
	struct softnet_data *owner;
	u32 queue;
	struct sk_buff *returned;
	u32 starved;
	u64 *frame_id;
};

/**
 * rx_pool_init() - lay a pool over @size buffers at @base
 * Return: 0 or -ENOMEM; either way rx_pool_exit() frees it
 */
int rx_pool_init(struct rx_pool *p, u8 *base, u64 bus, u32 size, u32 buf_len, u32 stride);

/**
 * rx_pool_exit() - free the pool's tables; the buffers' memory stays the card's
 */
void rx_pool_exit(struct rx_pool *p);

/**
 * rx_pool_keep_ids() - from now on, remember which frame each skb began with
 * Return: 0 or -ENOMEM
 * Context: any thread, while CPUs run
 */
int rx_pool_keep_ids(struct rx_pool *p);

/**
 * rx_pool_get() - take a buffer
 * Return: its number, or -ENOBUFS
 * Context: the owner
 */
int rx_pool_get(struct rx_pool *p);

/**
 * rx_pool_reclaim() - move what other CPUs returned to the free stack
 * Context: the owner
 */
void rx_pool_reclaim(struct rx_pool *p);

/**
 * rx_pool_free_count() - count the free buffers. The second law: at rest all are free, in a ring, or wait at a socket
 * Context: the owner, or machine stopped
 */
u32 rx_pool_free_count(struct rx_pool *p);

/**
 * kfree_skb_reason() - count @fate for the packet's frames, show it to the taps, and free it. Consumes @skb.
 */
void kfree_skb_reason(struct softnet_data *sd, struct sk_buff *skb, enum fate fate);

/**
 * kfree_skb_list() - free the packet and its pieces without a fate. Consumes @skb.
 * @sd: the calling CPU; NULL: a Python thread
 */
void kfree_skb_list(struct softnet_data *sd, struct sk_buff *skb);

/**
 * skb_flush_returns() - return the collected buffers of other CPUs' pools
 */
void skb_flush_returns(struct softnet_data *sd);

/**
 * skb_header_pointer() - read bytes of a packet, wherever they lie: the one checked way
 * @off:  from skb->data
 * @copy: room for @len bytes, used if they cross a buffer's end
 * Return: the bytes, valid as long as @skb and @copy; NULL: the packet is not that long
 */
const u8 *skb_header_pointer(const struct sk_buff *skb, u32 off, u32 len, u8 *copy);

/**
 * skb_copy_bits() - copy up to @len bytes from @off on, over all pieces
 * Return: bytes copied
 */
u32 skb_copy_bits(const struct sk_buff *skb, u32 off, u8 *to, u32 len);

/**
 * skb_checksum() - add @len bytes from @off on, over all pieces, to the partial checksum @sum
 * Return: the new partial checksum, not folded
 */
u32 skb_checksum(const struct sk_buff *skb, u32 off, u32 len, u32 sum);

/**
 * skb_trim() - cut the packet to @len bytes, and free the pieces behind that
 * Return: 0, or -EINVAL: it is shorter
 */
int skb_trim(struct softnet_data *sd, struct sk_buff *skb, u32 len);

/**
 * skb_advance() - skip @n bytes at the front, over all pieces. The caller knows that they exist
 */
void skb_advance(struct sk_buff *skb, u32 n);

/**
 * skb_segment_list() - take apart what GRO merged. @skb stays, with its own @own bytes
 * Return: the further segments, linked by next; the caller owns them
 */
struct sk_buff *skb_segment_list(struct sk_buff *skb, u32 own);

/** skb_kmalloc_truesize() - Return: bytes that Linux takes for an skb with @head bytes of its own memory, headroom with them */
u32 skb_kmalloc_truesize(u32 head);

/* ---- skb_copy.c: packets that several sockets get ---- */

/**
 * skb_copy_init() - make the CPUs' pools of copies, if they are not there yet
 * Return: 0 or -ENOMEM
 * Context: under the lock of the socket table; CPUs may run
 */
int skb_copy_init(struct host *h);

/**
 * skb_copy_exit() - free a CPU's pool of copies
 */
void skb_copy_exit(struct softnet_data *sd);

/**
 * skb_copy() - copy a packet's IP header and unread bytes; skb stays the caller's, and so does the copy
 * Return: NULL: no room
 */
struct sk_buff *skb_copy(struct softnet_data *sd, const struct sk_buff *skb);

/* ---- napi.c, net_rx_action.c, busy_poll.c: polling, and when it stops ---- */

#define NAPI_STATE_SCHED 1         /* the poll has an owner, or waits in a poll list */
#define NAPI_STATE_MISSED 2        /* scheduled again meanwhile: poll once more */
#define NAPI_STATE_DISABLE 4       /* napi_disable() waits for the poll to end */
#define NAPI_STATE_NPSVC 8         /* not enabled */
#define NAPI_STATE_IN_BUSY_POLL 16 /* the owner polls on, and leaves the interrupt off: a reader, or its own task */
#define NAPI_STATE_PREFER_BUSY_POLL 32
#define NAPI_STATE_THREADED 64     /* polled by its own task */
#define NAPI_STATE_SCHED_THREADED 128 /* that task owns the poll */
#define NAPI_STATE_THREADED_BUSY_POLL 256 /* that task polls on when the queue is empty */

enum napi_threaded { NAPI_THREADED_DISABLED, NAPI_THREADED_ENABLED, NAPI_THREADED_BUSY_POLL };

/**
 * struct napi_config - settings of one queue's NAPI, which outlive it. Linux: struct napi_config, by netlink (napi-set)
 * @gro_flush_timeout, @irq_suspend_timeout: ns
 * @threaded:    enum napi_threaded
 */
struct napi_config {
	u64 gro_flush_timeout, irq_suspend_timeout;
	u32 defer_hard_irqs;
	u8 threaded;
};

enum task_kind { TASK_NONE, TASK_KSOFTIRQD, TASK_READER, TASK_NAPI }; /* TASK_NAPI + slot: the task of that NAPI */
#define TASKS_MAX 131              /* NIC_QUEUES_MAX + 3 */
/* @awake, @queued: of a NAPI's task: its wake-up is paid for; it waits in softnet_data.runqueue */
struct task { u64 wakeups, runs, busy_ns; u8 runnable, awake, queued; };

struct gro_list { struct sk_buff *skb[MAX_GRO_SKBS]; u32 count; };  /* [0] is the oldest */

/**
 * struct napi_struct - the right to poll a queue, and what GRO holds for it; written by @sd
 * @poll:        Return: packets
 * @next:        in a poll list
 * @sd:          the CPU it lives on
 * @state:       NAPI_STATE_ bits; a backlog's is guarded by softnet_data.lock
 * @defer_hard_irqs_count: polls left that keep the interrupt off
 * @timer_ns:    when its watchdog fires; NEVER: off
 * @gro_bitmask: buckets of @gro_hash that hold something
 * @udp_passes:  no receiver wanted merged UDP when the poll began
 * @rx_list, @rx_count: packets on their way up, and the frames in them
 * @gro_held:    frames that GRO holds
 * @slot:        its place in sd->napis
 * @thread:      its task, if threaded
 * @config:      its queue's settings
 * @polled_ns:   of the next poll's cost, already spent: napi_thread.c
 * @idle_ns:     live: since when its busy polls have found nothing; 0: the last one found something
 * @gro_why:     enum gro_end: why a protocol named a held packet to be completed
 * @queue:       of the card; EVENT_NO_QUEUE: a CPU's backlog
 */
struct napi_struct {
	int (*poll)(struct napi_struct *napi, int budget);
	struct napi_struct *next;
	struct softnet_data *sd;
	struct host *host;
	u32 state, weight;
	u32 defer_hard_irqs_count;
	u64 timer_ns;
	u32 gro_bitmask;
	u8 udp_passes;
	struct gro_list gro_hash[GRO_HASH_BUCKETS];
	struct sk_buff *rx_list, *rx_list_tail;
	u32 rx_count;
	u32 gro_held;
	u8 slot;
	struct task thread;
	u8 gro_why;
	u16 queue;
	const struct napi_config *config;
	u32 polled_ns;
	u64 idle_ns;
	/* counters */
	u64 polls, packets, full_polls, completes;
};

/**
 * netif_napi_add() - initialise @n and let it live on @sd; it cannot be scheduled until napi_enable()
 */
void netif_napi_add(struct softnet_data *sd, struct napi_struct *n, int (*poll)(struct napi_struct *, int), u32 weight);

/**
 * napi_enable() - let the NAPI be scheduled
 */
void napi_enable(struct napi_struct *n);

/**
 * napi_set_threaded() - take the mode "threaded" from the NAPI's settings, which have changed
 * Context: machine stopped
 */
void napi_set_threaded(struct napi_struct *n);

/**
 * napi_disable() - take a NAPI out of service: a state, not a wait
 * Return: 1: it is disabled; 0: a poll is under way, call again after it
 */
int napi_disable(struct napi_struct *n);

/**
 * napi_list_add(), napi_list_del() - put a NAPI among those that live on a CPU, and take it out again
 * Context: machine stopped; to delete it, its task must sleep
 */
void napi_list_add(struct softnet_data *sd, struct napi_struct *n);
void napi_list_del(struct napi_struct *n);

/**
 * napi_schedule_prep() - take the right to poll; if another owner has it, leave MISSED
 * Return: 1: taken, the caller must call __napi_schedule(); 0: not
 */
int napi_schedule_prep(struct napi_struct *n);

/**
 * __napi_schedule() - put an owned NAPI on its CPU's poll list, or wake its task
 */
void __napi_schedule(struct napi_struct *n);

/**
 * napi_complete_done() - end the polling of a queue that is empty; flush GRO, and start the timer if one is configured
 * Return: 1: the driver may unmask its interrupt; 0: it stays off
 */
int napi_complete_done(struct napi_struct *n, int work_done);

/**
 * struct busy_poll - a reader that polls its queue itself instead of sleeping
 * @napi:          NULL: it does not
 * @end:           when it gives up, ns
 * @queue:         1 + the queue that the last packet read came from; 0: none since the last time
 * @owned:         it owns the NAPI
 * @spins:         virtual time: the reader, or a NAPI's own task, looks on, and nothing has changed: enum spins
 */
enum spins { SPINS_NOT, SPINS_READER, SPINS_NAPI };
struct busy_poll {
	struct napi_struct *napi;
	u64 end;
	u32 queue;
	u8 owned;
	u8 spins;
};

/**
 * busy_poll_begin() - begin to poll instead of sleeping, if busy-read and the last packet's queue allow it
 * Return: 1: call napi_busy_loop(); 0: sleep
 */
int busy_poll_begin(struct softnet_data *sd);

/**
 * napi_busy_loop() - poll once
 * Return: 1: call again; 0: a packet can be read, or the time is over
 */
int napi_busy_loop(struct softnet_data *sd);

/**
 * napi_suspend_irqs() - the reader has a packet of busy_poll.queue, and will be back to poll, if it may: put off the timer
 * that lets softirqs poll
 */
void napi_suspend_irqs(struct softnet_data *sd);

/* ---- cpu_clock.c, softirq.c, sched.c: one emulated CPU. hardirq over softirq over tasks ---- */

enum timer { TIMER_IPFRAG, TIMER_NEIGH, TIMER_MC, TIMER_ADDRCONF, TIMER_REFILL, TIMER_TCP, TIMERS_MAX }; /* functions: host.timer */

/* bits of softnet_data.irq_pending: the card's first queues, the others, the IPI. Queue q of the others is IRQ_IPI + 1 + q - IRQ_MORE */
#define IRQ_MORE 62
#define IRQ_IPI 63
#define IRQS_MAX 130               /* NIC_QUEUES_MAX + 2 */
#define IRQ_MORE_WORDS 2
struct rps_burst { struct sk_buff *head, *tail; u32 len; }; /* live: packets for a CPU's backlog, not handed over yet */

/**
 * struct softnet_data - what one CPU owns; written only by that CPU unless a comment says otherwise
 * @now:      its clock, ns. Work moves it by cpu_charge() in virtual time; live it is re-read after every poll
 * @horizon:  virtual time: when @now reaches it, another agent may have its turn, or an interrupt is due: cpu_wait().
 *            It may be too early, but never too late
 * @end:      virtual time, while the CPU waits: when the work that it has begun ends, unless an interrupt preempts it
 * @fiber:    virtual time: its stack
 * @account:  where the time goes that passes: @idle_ns, @hardirq_ns, @softirq_ns, @switch_ns, or a task's busy_ns. Their sum
 *            is @now
 * @since:    when the time was last added to @account
 * @in_hand:  frames on their way between two queues: taken off one, not yet in the next, and without a fate
 */
struct softnet_data {
	struct host *host;
	u32 cpu;
	u64 now, horizon;
	u64 end;
	u64 irq_next;                  /* virtual time: the earliest of irq_ns[] that is pending; NEVER: none */
	u64 watchdog_next;             /* earliest of the NAPI watchdogs */
	u64 tick_next;                 /* virtual time, if ticks have a cost: the next one; NEVER: idle */
	u64 idled_ns;                  /* how long the CPU was idle before it woke; 0: it has run a task since */
	u8 cold;                       /* it was idle for long, and has taken no packet since */
	u64 timer_next;                /* earliest of the protocols' timer_ns[] */
	u64 timer_ns[TIMERS_MAX];
	u64 timer_asked[TIMERS_MAX];   /* live: the earliest that other threads asked for, under their lock; NEVER: none */
	u32 timers_asked;              /* live: a bit for each that is news */
	u8 live;
	u8 idle;                       /* virtual time: it waits for work */
	u8 in_hardirq, in_softirq, bh_off; /* bh_off: a task polls, and no softirq may run */
	u8 atomic;                     /* virtual time: cpu_atomic_begin() */
	/* written by other threads, atomically */
	u64 irq_pending;               /* bit per NIC queue below IRQ_MORE, IRQ_MORE, IRQ_IPI */
	u64 irq_more[IRQ_MORE_WORDS];  /* bit per NIC queue from IRQ_MORE on */
	u64 irq_ns[IRQS_MAX];          /* virtual time: when each was raised; IRQ_MORE: the earliest of irq_more */
	u64 reader_ns;                 /* virtual time: from when on the reader, woken, may run */
	u32 sleeping, stop, pause;
	int wake_fd;
	u32 spin_ns;                   /* live: how long it spins before it sleeps */
	u32 in_taps;                   /* odd: walks the taps, see packet_taps.c */
	struct fiber *fiber;
	u8 parked;                     /* virtual time: the machine was stopped, and it is in the middle of nothing */
	u64 *account, since;
	u64 owed, free_horizon;        /* of cpu_atomic_begin(): what cpu_pay() charges; the horizon meanwhile */
	struct softnet_data *owed_wake; /* whose reader it then wakes */
	/* softirq */
	u8 softirq_pending, in_net_rx_action;
	u8 ksoftirqd;                  /* the softirq under way runs in the task */
	u8 in_napi_threaded_poll;
	struct napi_struct *poll_list, *poll_tail;     /* scheduled */
	struct napi_struct *napis[NIC_QUEUES_MAX + 1]; /* that live on this CPU, for the watchdogs */
	u32 nnapis;
	/* backlog.c */
	struct napi_struct backlog;
	u32 lock;                      /* producers take it: guards input_*, backlog.state, dropped, backlog_frames */
	struct sk_buff *input_head, *input_tail;       /* input_pkt_queue */
	u32 input_qlen;                /* packets */
	struct sk_buff *process_head;  /* process_queue */
	u32 process_qlen;
	u32 input_queue_head, input_queue_tail; /* packets ever taken out and put in: RFS compares them */
	struct sd_flow_limit *flow_limit; /* of this CPU as the producer; NULL: off */
	struct softnet_data *rps_ipi_list; /* CPUs to send an IPI to at the end of net_rx_action */
	struct softnet_data *rps_ipi_next; /* on another CPU's list */
	/* tasks */
	struct task ksoftirqd_task, reader;
	u32 napi_threads;              /* NAPI tasks that are awake */
	u8 runqueue[TASKS_MAX], nr_waiting; /* tasks that wait for their turn, the first in front */
	u32 on_rq;                     /* ksoftirqd and the reader, if they are among those: bit i is task i + 1 */
	struct busy_poll busy;
	u64 slice_start;
	u8 last_task, switching;
	u32 ready_lock;                /* guards ready */
	struct sock *ready, *ready_tail; /* sockets with data for this CPU's reader */
	/* buffers of other CPUs' pools, collected to be returned */
	struct rx_pool *give_back_pool;
	struct sk_buff *give_back, *give_back_tail;
	u32 give_back_len;
	/* counters: softnet_stat's, then vnic's own */
	u64 processed, time_squeeze, received_rps, flow_limit_count;
	u64 time_squeeze_usecs;        /* of time_squeeze: budget was left, time was not */
	u64 flow_limit_frames;
	u64 rfs_steered, rfs_moved, rfs_waited;
	u64 dropped;                   /* packets this CPU's backlog refused; written under lock */
	u32 input_qlen_max;            /* high-water mark of input_pkt_queue, updated by process_backlog() */
	u64 hardirqs, softirqs, ksoftirqd_runs, net_rx_runs;
	u64 idle_ns, hardirq_ns, softirq_ns, switch_ns; /* see @account */
	u64 in_hand;
	u64 ksoftirqd_by_time, ksoftirqd_by_restarts, ksoftirqd_by_resched; /* why ksoftirqd took over */
	u64 rcvbuf_max;                /* truesize that a socket would have needed to refuse nothing: the largest */
	u64 idle_since;                /* live: asleep since then; 0: awake */
	u64 rx_dropped, rx_otherhost_dropped;
	u64 gro_merged, gro_held_total, gro_normal, gro_flushed_skbs, gro_flushed_segs;
	u64 gro_ended[GRO_END_MAX];
	u64 gro_lost_ids, gro_lost_psh;
	struct gro_flows *gro_flows;   /* NULL: off */
	u64 mib[MIB_MAX];
	u64 backlog_frames;            /* frames in input_pkt_queue; written under lock */
	u64 process_frames, enqueue_frames;
	u64 ofo_frames;                /* may wrap below 0 on one CPU: the sum over all is the gauge */
	u64 fates[FATE_MAX];
	u64 icmpmsg[512];              /* ICMP messages by type, of IPv4: received; from 256 on sent */
	u64 icmp6msg[256];             /* ICMPv6 messages received, by type */
	struct histogram *lat;         /* [LAT_MAX], NULL: off */
	struct event_log *events;      /* NULL: off; else lat is on too */
	u8 *scratch;                   /* room for one datagram; NULL: the host does not answer */
	struct rx_pool copies;         /* skb_copy.c; size 0: none yet */
	struct rps_burst enqueue[];    /* by CPU */
};

/**
 * cpu_run() - run the CPU until it has nothing to do
 * Return: 1: live: it was asked to pause; 0: idle
 * Context: live, the CPU's thread; virtual time, by hand: time passes, but no other agent acts
 */
int cpu_run(struct softnet_data *sd);

/**
 * cpu_round() - take the interrupts that are due, run their softirqs, then one task for a while
 * Return: 1: a task has run; 0: none can
 */
int cpu_round(struct softnet_data *sd);

/**
 * cpu_idle_until() - tell when an idle CPU has work, in virtual time
 * Return: ns; NEVER: it waits for another agent
 */
u64 cpu_idle_until(const struct softnet_data *sd);

/**
 * cpu_wait() - let time pass on the CPU until @end, in virtual time: other agents act, and interrupts preempt it
 * Called by hand, or with the machine stopped: the clock moves to @end, and nothing else happens
 */
void cpu_wait(struct softnet_data *sd, u64 end);

/**
 * cpu_pay() - charge what sd->owed says, then wake the reader of sd->owed_wake: the end of cpu_atomic_begin()
 */
void cpu_pay(struct softnet_data *sd);

/**
 * reader_wake() - let the reader of @target, whose wake-up @sd has paid for, run from now on
 * Context: virtual time
 */
void reader_wake(struct softnet_data *sd, struct softnet_data *target);

/**
 * cpu_woken() - end the CPU's idleness, in virtual time. Its clock shows when
 */
void cpu_woken(struct softnet_data *sd, u64 idled_ns);

/**
 * cpu_plan() - let the CPU, which waits, act at @at already
 * Context: virtual time
 */
void cpu_plan(struct softnet_data *sd, u64 at);

/**
 * cpu_account() - let the CPU's time go to the counter @to from now on
 * Return: the counter it went to
 */
u64 *cpu_account(struct softnet_data *sd, u64 *to);

/**
 * cpu_wake() - wake an idle CPU for work at @now; live, @now is ignored
 * Context: any thread. Live, the caller has published the work by a seq_cst store
 */
void cpu_wake(struct softnet_data *sd, u64 now);

/**
 * raise_hardirq() - raise the interrupt of a receive queue at @now
 * Context: the card's thread, or any CPU
 */
void raise_hardirq(struct softnet_data *sd, u32 queue, u64 now);

/**
 * cancel_hardirq() - take back a queue's interrupt that the CPU has not yet served
 * Return: when it was raised; NEVER: none was pending
 * Context: machine stopped
 */
u64 cancel_hardirq(struct softnet_data *sd, u32 queue);

/**
 * local_bh_disable() - let no softirq run on this CPU; local_bh_enable() runs those raised meanwhile
 */
void local_bh_disable(struct softnet_data *sd);
void local_bh_enable(struct softnet_data *sd);

/**
 * reader_run() - read for a while: until nothing can be read, or another task's turn comes; defined in sock/sock.c
 */
void reader_run(struct softnet_data *sd);

/**
 * task_enqueue() - let a task that was woken wait for its turn on this CPU, behind the others
 * @task: enum task_kind
 * Context: the CPU, or any in virtual time
 */
void task_enqueue(struct softnet_data *sd, u32 task);

/**
 * need_resched() - must the running task yield to another one?
 * The idle task yields at once, any other at the end of its slice.
 */
int need_resched(struct softnet_data *sd);

/**
 * task_yield() - let another task of this CPU run next, if one can
 */
void task_yield(struct softnet_data *sd);

/**
 * slice_end() - tell when the running task has to yield; NEVER: as things stand, to no other
 */
u64 slice_end(struct softnet_data *sd);

/* ---- timer.c ---- */

/**
 * mod_timer() - run the timer's function (host.timer) on this CPU at @at_ns; NEVER: stop it
 */
void mod_timer(struct softnet_data *sd, enum timer which, u64 at_ns);

/**
 * timer_ask() - run this CPU's timer at @at_ns, if it would not run before
 * Context: any thread; live, under the lock that all who ask for this timer take
 */
void timer_ask(struct softnet_data *owner, enum timer which, u64 at_ns);

/** timer_answer() - forget what was asked: the timer's function has looked at all. Context: under that lock, or at rest */
void timer_answer(struct softnet_data *sd, enum timer which);

/**
 * timer_plan() - find the CPU's earliest timer again, after one was changed
 */
void timer_plan(struct softnet_data *sd);

/**
 * machine_clock() - tell the CPU's time with the machine stopped; an idle CPU's own clock may be far behind the card's
 */
u64 machine_clock(const struct softnet_data *sd);

/**
 * host_now() - read the clock of CPU @sd; NULL: of a Python thread
 * Return: ns; live, the real monotonic clock
 */
u64 host_now(const struct host *h, struct softnet_data *sd);

/**
 * vtime_latest() - read the latest of all clocks, card and CPUs, in virtual time
 */
u64 vtime_latest(const struct host *h);

/* ---- stop_machine.c: knobs change while no CPU runs. Context of all: machine stopped ---- */

#define TURNS_MAX 1048576          /* of a CPU: more than any poll needs to end */

/**
 * machine_settle() - let every CPU end what it is in the middle of, and hand over all that it has collected for others
 */
void machine_settle(struct host *h);

/**
 * machine_turn() - run the CPU for one round: cpu_round(). It must have settled
 */
void machine_turn(struct softnet_data *sd);

/* ---- gro.c: hold and merge ---- */

/**
 * gro_poll_begin() - note, once a poll, whether UDP can skip GRO
 */
void gro_poll_begin(struct napi_struct *n);

/**
 * napi_gro_receive() - merge the packet, hold it, or pass it on. Consumes @skb.
 */
void napi_gro_receive(struct napi_struct *n, struct sk_buff *skb);

/**
 * napi_gro_flush() - complete held packets, bucket by bucket, the oldest first
 * @flush_old: only those held since an earlier jiffy
 * @why:       counted as the reason, unless they aged
 */
void napi_gro_flush(struct napi_struct *n, int flush_old, enum gro_end why);

/**
 * gro_normal_list() - pass on the packets that wait on n->rx_list
 */
void gro_normal_list(struct napi_struct *n);

/**
 * gro_normal_burst() - append linked packets, each one frame, to n->rx_list without looking at GRO's buckets
 * @packets: at most gro_normal_room() of them. Passes the list on when it is full
 */
void gro_normal_burst(struct napi_struct *n, struct sk_buff *first, struct sk_buff *last, u32 packets);
u32 gro_normal_room(const struct napi_struct *n);

/**
 * gro_end_text() - describe in a few words why a hold ended
 * Return: a constant string
 */
const char *gro_end_text(enum gro_end why);

/**
 * struct gro_flow - what merging lost of one flow, and why each hold ended
 * @used:            the row is taken
 * @spread_max_ns:   longest time from first to last arrival in one merged packet; @spread_ns: their sum
 * @frames, @skbs:   that left GRO; frames - skbs boundaries are lost
 * @lost_ids, @lost_psh: IP ids that are lost; merged packets whose PSH position is lost
 */
struct gro_flow {
	struct flow_key key;
	u32 used;
	u32 spread_max_ns;
	u64 frames, skbs;
	u64 lost_ids, lost_psh, spread_ns;
	u64 ended[GRO_END_MAX];
};

/* a CPU's table, bounded; only if gro-flows asks for it */
struct gro_flows {
	u32 mask;
	u64 missed;                    /* packets of flows that found no row */
	struct gro_flow flow[];
};

/**
 * gro_flows_new() - allocate a table of at least @flows rows
 * Return: the table, to be freed by free(); NULL: no memory
 */
struct gro_flows *gro_flows_new(u32 flows);

/* ---- the card as the stack sees it ---- */

/**
 * struct net_device - what the stack knows of the card; its driver fills it in. Linux: include/linux/netdevice.h
 * @dev_addr:           6 bytes, the card's own copy
 * @mtu:                bytes of payload; 0: not known
 * @real_num_rx_queues: receive queues in use
 * @ntuple:             1: the card takes filters for flows
 * @napi:               of each receive queue; NULL: that queue has none
 * @irq_handler:        handles the interrupt of the NAPI's queue, on the CPU that took it
 * @ndo_rx_flow_steer:  directs the skb's flow to a queue. Return: the filter's number; -errno: it stays where it is
 * @rx_cpu_rmap:        Return: the queue that interrupts this CPU
 */
struct net_device {
	const u8 *dev_addr, *ntuple;
	const u32 *mtu, *real_num_rx_queues;
	struct napi_struct *napi[NIC_QUEUES_MAX];
	void (*irq_handler)(struct napi_struct *n);
	bool (*rx_pending)(const struct napi_struct *n); /* has the card written frames that were not polled yet? */
	int (*ndo_rx_flow_steer)(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow);
	u32 (*rx_cpu_rmap)(const struct host *h, u32 cpu);
};

/* ---- rps.c, rfs.c, flow_limit.c, backlog.c: another CPU ---- */

/**
 * rps_set_cpus() - let RPS spread the packets of a receive queue over these CPUs (queues/rx-N/rps_cpus); none: off
 * Return: 0 or -ENOMEM; then all is as it was
 * Context: machine stopped
 */
int rps_set_cpus(struct host *h, u32 queue, const struct cpumask *cpus);
void rps_exit(struct host *h);

#define RPS_NO_FILTER 65535
struct rps_dev_flow { u16 cpu, filter; u32 last_qtail, hash; }; /* a flow's row in its queue's table */

/**
 * struct rps_sock_flow_table - rows by hash: the hash's upper bits, and the CPU of the flow's reader
 * @mask, @size: of the rows in use; rows allocated
 * @older:       tables no longer used, which a reader may still write to
 */
struct rps_sock_flow_table {
	u32 mask, size;
	struct rps_sock_flow_table *older;
	u32 ents[];
};

/**
 * rfs_init() - allocate the tables of all queues in use; rfs_exit() frees them
 * @flow_cnt, @sock_entries: rows, 0: off
 * Return: 0 or -ENOMEM
 */
int rfs_init(struct host *h, u32 flow_cnt, u32 sock_entries);
void rfs_exit(struct host *h);

/**
 * rfs_set_sock_entries() - resize the global table (net.core.rps_sock_flow_entries). 0: off
 * Return: 0 or -ENOMEM; then the old table stays in use
 * Context: one caller at a time; readers may record flows meanwhile
 */
int rfs_set_sock_entries(struct host *h, u32 entries);

/**
 * rfs_set_flow_cnt() - resize a queue's table (queues/rx-N/rps_flow_cnt). 0: off
 * Return: 0 or -ENOMEM; then the old table stays in use
 * Context: machine stopped, and no packet of the queue on its way to a backlog
 */
int rfs_set_flow_cnt(struct host *h, u32 queue, u32 flow_cnt);

/**
 * rfs_forget_filters() - note that the card has no filters any more
 * Context: machine stopped
 */
void rfs_forget_filters(struct host *h);

/**
 * rps_record_sock_flow() - record that the reader of the flow with this hash runs on @cpu
 * Context: any thread
 */
void rps_record_sock_flow(struct host *h, u32 hash, u32 cpu);

/**
 * rps_may_expire_flow() - check whether the card's filter is useless: its flow has moved on, or was quiet for long
 * @slot:   the flow's row in the table of @queue
 * @filter: its number in the card
 * Return: 1: delete it
 */
int rps_may_expire_flow(struct host *h, u32 queue, u32 slot, u32 filter);

struct sd_flow_limit;

/**
 * flow_limit_set() - give each CPU in the mask a flow limit, and no other (net.core.flow_limit_cpu_bitmap)
 * Return: 0 or -ENOMEM; then CPUs below the first without memory already have it
 * Context: machine stopped
 */
int flow_limit_set(struct host *h, const struct cpumask *cpus);

/**
 * enqueue_flush() - hand the collected packets over to the other CPUs' backlogs (live)
 * Context: takes each target's lock
 */
void enqueue_flush(struct softnet_data *sd);

/**
 * process_backlog() - poll the CPU's backlog: napi->poll of softnet_data.backlog
 * Return: packets
 */
int process_backlog(struct napi_struct *napi, int quota);

/* ---- packet_taps.c: observers at four points of the path ---- */

/**
 * struct packet_seen - what a tap is shown; valid during the call
 * @cpu:         CPUS_MAX: a Python thread; of a frame at the card, nothing
 * @skb, @frame: one of them is NULL
 * @fate:        -1: none yet
 * @again:       this point has seen the frame before; only @fate is new
 * @faults:      at POINT_NIC: a bit for each fault on purpose that hit the frame (enum fault)
 */
struct packet_seen {
	enum packet_point point;
	u32 cpu;
	const struct sk_buff *skb;
	const struct frame *frame;
	u64 t_ns;
	int fate;
	u32 again, faults;
};

/**
 * struct packet_tap - an observer; its owner embeds it
 * @func: must not keep @p, nor change the packet. Runs on any CPU or the card's thread, several at a time
 */
struct packet_tap {
	struct packet_tap *next;
	void (*func)(struct packet_tap *t, const struct packet_seen *p);
};

/**
 * packet_taps_setup() - let the card call the taps of its points
 * Context: once, before the card runs
 */
void packet_taps_setup(struct host *h);

/**
 * packet_tap_add() - put @t on the point's list. The caller keeps @t, and its memory, until packet_tap_del()
 * Context: any thread, while CPUs run
 */
void packet_tap_add(struct host *h, struct packet_tap *t, enum packet_point point);

/**
 * packet_tap_del() - take @t off the list. When it returns, no thread runs @t->func or will
 * Context: any thread but one inside a tap; waits for the walks under way
 */
void packet_tap_del(struct host *h, struct packet_tap *t, enum packet_point point);

/**
 * packet_taps_outside() - show the taps a packet that ends in a Python thread, with its fate
 * Context: a Python thread; takes host.taps_lock
 */
void packet_taps_outside(struct host *h, const struct sk_buff *skb, enum fate fate);

/* ---- netif_receive_skb.c: taps, then the protocol handler by EtherType ---- */

#define PTYPES_MAX 32

/**
 * struct packet_type - the handler of an EtherType
 * @type:   network byte order
 * @python: 0, or a handler's number: the packet goes up to Python
 * @func:   consumes its skb
 * @list:   consumes some usual packets at the front of a list, as @func would one by one. Return: the rest; the first: it
 *          is not usual; NULL: nothing is left
 */
struct packet_type {
	u16 type;
	u16 python;
	void (*func)(struct softnet_data *sd, struct sk_buff *skb);
	struct sk_buff *(*list)(struct softnet_data *sd, struct sk_buff *skb);
};

/**
 * netif_receive_skb_core() - take the VLAN tag off, show the packet to the taps, call its handler. Consumes @skb.
 */
void netif_receive_skb_core(struct softnet_data *sd, struct sk_buff *skb);

/* ---- events.c: what a CPU tells the event log, once sd->events is set. inline.h has the checks ---- */

/**
 * skb_frame() - Return: the number of the packet's first frame; 0: not known, or a copy for a further socket
 */
u64 skb_frame(const struct sk_buff *skb);

/**
 * cpu_event_write() - write a record about the CPU's own work, which began at @began and ends now
 */
void cpu_event_write(struct softnet_data *sd, enum event_kind kind, u64 began, u32 queue, u64 arg);

/**
 * skb_event_write() - write a record about a packet, for a stage that began at @began and ends now
 */
void skb_event_write(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb, u64 arg);

/**
 * skb_event_each() - the same for each of its frames, each since an instant of its own; they say which packet they are in
 */
void skb_event_each(struct softnet_data *sd, enum event_kind kind, const struct sk_buff *skb);

/** skb_event_in() - write what has happened to a frame since @began; from now on it is part of the packet @head, or its own */
void skb_event_in(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb,
		  const struct sk_buff *head, u64 arg);

/**
 * skb_event_joins() - write that the frame has become part of the packet @head
 */
void skb_event_joins(struct softnet_data *sd, const struct sk_buff *skb, const struct sk_buff *head);

/* ---- inside the room, and for its tests ---- */

void skb_pull_headers(struct sk_buff *skb, u32 n);
void latency_each(struct softnet_data *sd, enum latency which, const struct sk_buff *skb);

int napi_schedule(struct napi_struct *n);
void napi_poll_list_add(struct napi_struct *n);
void napi_watchdog(struct napi_struct *n);
void napi_full_poll_flush(struct napi_struct *n);
void napi_timer_start(struct napi_struct *n, u64 timeout_ns);
int napi_poll(struct napi_struct *n, int *repoll);
bool napi_thread_idles(const struct napi_struct *n);
bool only_idle_polls(struct softnet_data *sd);
void napi_threaded_poll(struct napi_struct *n);
void net_rx_action(struct softnet_data *sd);
void busy_poll_looks(struct softnet_data *sd);

enum hardirq { HARDIRQ_QUEUE, HARDIRQ_IPI, HARDIRQ_WATCHDOG, HARDIRQ_TICK }; /* what interrupted: EVENT_HARDIRQ */
void raise_ipi(struct softnet_data *from, struct softnet_data *to);
void do_hardirqs(struct softnet_data *sd);      /* take those that are due, then irq_exit() */
void do_softirq(struct softnet_data *sd);
void run_timers(struct softnet_data *sd);
void timers_take(struct softnet_data *sd);
u64 cpu_next_hardirq(const struct softnet_data *sd);
u64 cpu_next_interrupt(const struct softnet_data *sd);

/* GRO's layers. off: offset of the header to look at, from the MAC header. Return: the held packet that has to be
 * completed now (n->gro_why says why), or NULL. */
struct sk_buff **gro_receive_by_type(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off,
				     u16 protocol);
struct sk_buff **tcp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **udp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **gro_refuse(struct sk_buff *skb);
struct sk_buff **gro_lookup(struct gro_list *l, const struct sk_buff *skb, u32 off);
int gro_csum_bad(struct napi_struct *n, struct sk_buff *skb, u32 off, u8 proto);
enum gro_end gro_network_flush(struct sk_buff *p, const struct sk_buff *skb);
enum gro_end skb_gro_receive(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr);
enum gro_end skb_gro_receive_list(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr);
void inet_gro_complete(struct sk_buff *skb);
void tcp_gro_complete(struct sk_buff *skb);
void udp_gro_complete(struct sk_buff *skb);
const u8 *gro_ip(const struct sk_buff *skb);
u32 gro_pseudo(const struct sk_buff *skb, u32 l4_len, u8 proto);
u32 gro_lost_ids(const struct sk_buff *skb);
u32 gro_lost_psh(const struct sk_buff *skb);
void gro_account(struct softnet_data *sd, const struct sk_buff *skb, enum gro_end why);

u32 skb_get_hash(const struct host *h, struct sk_buff *skb);
int get_rps_cpu(struct softnet_data *sd, struct sk_buff *skb);       /* -1: this CPU goes on */
int rfs_get_cpu(struct softnet_data *sd, struct sk_buff *skb, u32 hash); /* -1: not known */
void rfs_queued(struct host *h, u32 rflow, u32 tail);                /* under the target's lock */
u32 rfs_head(struct host *h, u32 cpu);
struct sd_flow_limit *flow_limit_new(u32 table_len);
int skb_flow_limit(struct softnet_data *sd, struct sk_buff *skb, u32 qlen);
int enqueue_to_backlog(struct softnet_data *sd, struct sk_buff *skb, u32 cpu); /* consumes skb */
void net_rps_send_ipi(struct softnet_data *sd);

void packet_taps_skb(struct softnet_data *sd, enum packet_point point, const struct sk_buff *skb, u64 t_ns, int fate);
void packet_taps_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate);
void netif_receive_skb_internal(struct softnet_data *sd, struct sk_buff *skb); /* consumes skb */
/* skb: NULL, or the first of a list that GRO lets go. Consumes all */
void netif_receive_skb_list_internal(struct softnet_data *sd, struct sk_buff *skb);
