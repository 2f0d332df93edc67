/* card.h - the card: filter, hash, packet memory, DMA into the driver's buffers, interrupts, sending
 *
 * The card has one owner at a time: its thread live, the only thread in virtual time, or for one burst the CPU that borrowed
 * it (nic_lend.c). Only the owner calls these functions, unless a Context line says otherwise. "Machine stopped" means
 * that neither the card's thread nor a CPU runs.
 */

struct nic;
struct nic_queue;

/* ---- filter.c: is it for us? ---- */

/**
 * struct mac_filter - which addresses and VLAN ids the card accepts
 * @any:         every unicast address is ours (replay)
 * @vlan_filter: rx-vlan-filter: only the ids in vlans[] pass
 * @uc:          further unicast addresses; @mc: the multicast list; @vlans: bitmap of ids
 * @mc_overflow: the host has joined more groups than @mc holds: all pass. @mc_seq: odd while @mc changes
 */
struct mac_filter {
	u8 addr[6];
	u8 any;
	u8 promisc, allmulti;
	u8 vlan_filter, mc_overflow;
	u32 nuc, nmc, mc_seq;
	u8 uc[16][6];
	u8 mc[64][6];
	u32 vlans[128];
};
/** filter_frame() - judge a parsed frame. Return: -1: it passes; else its fate */
int filter_frame(const struct mac_filter *mf, const struct frame *f);

/* ---- rss.c: Toeplitz hash, indirection table ---- */

#define RSS_IP_SRC 1               /* fields that are hashed, ethtool's letters s d f n */
#define RSS_IP_DST 2
#define RSS_L4_SRC 4
#define RSS_L4_DST 8

/**
 * struct rss - the key in the shapes that the hash needs, and the indirection table
 * @left_out:   by flow type, HASH_TCPV4 ..: fields that are not hashed (rx-flow-hash)
 * @symmetric:  xfrm symmetric-xor: source ^ destination in both places
 * @shaped:     symmetric, or a flow type leaves fields out: the input is not just the tuple
 * @enabled:    rxhash
 * @configured: the user set indir[]; else it follows the number of queues
 * @indir_mask: entries in use - 1; a power of two of them
 * @changes:    of key, fields and transformation
 * @window:     key bits 32 i .. 32 i + 63, the first one lowest: for carry-less multiplication
 * @matrix:     row j: key bits 8 i + j .. 8 i + j + 7: for gf2p8affineqb
 * @table:      one look-up per input byte
 */
struct rss {
	u8 key[RSS_KEY_SIZE];
	u8 left_out[HASH_TYPES];
	u8 symmetric;
	u8 shaped;
	u8 enabled;
	u8 configured;
	u32 changes;
	u32 indir_mask;
	u16 indir[RSS_INDIR_MAX];
	u64 window[9];
	u64 matrix[16];
	u32 table[36][256];
};
/** rss_set_key() - set the hash key; a short one is padded with zeros. The first call sizes the table. Context: machine stopped */
void rss_set_key(struct rss *r, const u8 *key, u32 len);
/** rss_set_fields() - hash only these fields (RSS_IP_SRC ..) of a flow type. Context: machine stopped */
void rss_set_fields(struct rss *r, u32 hash_type, u32 fields);
/** rss_set_symmetric() - hash source ^ destination. Context: machine stopped */
void rss_set_symmetric(struct rss *r, int on);
/** rss_queue() - the receive queue that the indirection table has for this hash */
u16 rss_queue(const struct rss *r, u32 hash);
/** rss_burst() - set hash, hash_report and queue of n parsed frames, n <= BURST */
void rss_burst(const struct rss *r, struct frame *f, u32 n);
/** rss_frame() - the same for one frame */
void rss_frame(const struct rss *r, struct frame *f);
/** rss_toeplitz() - hash so many bytes by table, the portable way */
u32 rss_toeplitz(const struct rss *r, const u8 *input, u32 len);

/* ---- fifo.c: the card's packet memory, accounted in bytes, in order, by reference ---- */

/**
 * struct fifo - a ring of frames
 * @head, @tail: free-running: head - tail frames are inside
 * @size:        limit in bytes; @bytes: in use; a frame counts at least ETH_ZLEN
 * @max_bytes:   high-water mark
 * @lost_bytes:  of frames that did not fit, accounted alike
 */
struct fifo {
	struct frame *slot;
	u32 mask, head, tail;
	u32 size, bytes;
	u32 max_bytes;
	u64 lost_bytes;
};
/** fifo_init() - allocate an empty FIFO. Return: 0, or -ENOMEM. nic_exit() frees it. */
int fifo_init(struct fifo *q, u32 bytes);
/** fifo_resize() - change the limit; frames inside stay, even over it. Return: 0, or -ENOMEM. Context: machine stopped */
int fifo_resize(struct fifo *q, u32 bytes);
/** fifo_push() - append a copy of the reference; the FIFO has the frame's bytes then. Return: 0; -ENOBUFS: full */
int fifo_push(struct fifo *q, const struct frame *f);
/** fifo_peek() - the oldest frame, which stays inside. Return: NULL: empty */
struct frame *fifo_peek(struct fifo *q);
/** fifo_pop() - remove the oldest frame. The caller has released its bytes, or does so. */
void fifo_pop(struct fifo *q);

/* ---- dma.c: the only code that turns a bus address into a pointer ---- */

#define HDR_SHORT 12               /* struct virtio_net_hdr_v1 */
#define HDR_HASH 20                /* struct virtio_net_hdr_v1_hash: VIRTIO_NET_F_HASH_REPORT */
#define DMA_REGIONS_MAX 8
/** struct dma_region - driver's memory that is in one piece: bus addresses from @bus on are at @base, @size bytes */
struct dma_region { u64 bus, size; u8 *base; };
/**
 * struct dma - the driver's memory, what the card may touch of it
 * @region:  the most used one in front
 * @memfd, @base, @size: the card's own region, a sealed memfd that it made; -1, NULL, 0: the memory is the driver's
 */
struct dma {
	struct dma_region region[DMA_REGIONS_MAX];
	u32 nregions;
	u8 *base;
	u64 size;
	int memfd;
};
/** dma_map() - turn a bus address into a pointer. Return: NULL: [addr, addr + len) is not inside one region */
void *dma_map(const struct dma *d, u64 addr, u64 len);
/**
 * dma_burst() - write frames from the head of the FIFO to queue q's buffers, while each fits one good buffer
 *
 * Frames that are written leave the FIFO, and the wire has their bytes again. The caller publishes (virtqueue_publish()).
 * Return: how many; 0: see what dma_frame() returns for the first.
 */
u32 dma_burst(struct nic_queue *q, u32 max);
/**
 * dma_frame() - write one frame to as many buffers as it takes; the frame stays the caller's
 * Return: 1: written; 0: too few buffers; -EMSGSIZE: too long for the whole ring; -EIO: the driver broke the queue.
 */
int dma_frame(struct nic_queue *q, struct frame *f);

/* ---- irq.c: raise, moderation, and the only mask (the virtqueue's notification suppression) ---- */

/**
 * struct irq - a queue's interrupt
 * @rx_usecs_irq, @rx_frames_irq: the pair for frames that complete while an interrupt is serviced; usecs 0: they start nothing
 * @frames:      completed since the interrupt became pending
 * @serviced:    the pending interrupt was started while one was serviced: the -irq pair applies
 * @wanted:      the driver asked to be interrupted for an entry that completed since
 * @late:        it was due, and a fault has put it off (fault.c)
 * @since:       the index published before the entries that the driver asked for
 * @first_ns:    when the first of those entries completed; @deadline_ns: of the pending interrupt; NEVER: no timer
 * @call_fd:     >= 0: eventfd of a driver in another process (call_fd.c)
 * @delay_sum_ns: first completion to interrupt: the effective moderation
 */
struct irq {
	u32 rx_usecs, rx_frames;
	u32 rx_usecs_irq, rx_frames_irq;
	u32 frames;
	u8 pending;
	u8 serviced;
	u8 wanted;
	u8 late;
	u16 since;
	u64 first_ns, deadline_ns;
	int call_fd;
	/* counters */
	u64 raised, by_usecs, by_frames, suppressed;
	u64 delay_sum_ns, delay_max_ns;
};
/**
 * irq_complete() - frames were published: raise the interrupt, or start its timer
 * @wanted: what virtqueue_publish() returned
 */
void irq_complete(struct nic_queue *q, u32 frames, int wanted, u64 now);
/** irq_timers() - raise the interrupts whose moderation timer has expired */
void irq_timers(struct nic *nic, u64 now);
/** irq_replan() - apply changed rx-usecs and rx-frames to a pending interrupt. Context: machine stopped */
void irq_replan(struct nic_queue *q);
/** irq_starved() - the queue has no buffer left: raise a pending interrupt that has no timer */
void irq_starved(struct nic_queue *q, u64 now);
/** irq_standing() - count the frames in the ring whose interrupt has no timer and waits for more. Context: any thread */
u32 irq_standing(const struct nic_queue *q);

/* ---- call_fd.c: the interrupt of a driver in another process ---- */

/**
 * nic_set_call_fd() - signal this eventfd for the queue's interrupts; it stays the caller's. Context: machine stopped
 * Return: 0; -EINVAL: no such queue; other -errno: the kernel refuses asynchronous I/O.
 */
int nic_set_call_fd(struct nic *nic, u32 queue, int fd);

/* ---- fault.c: faults on purpose ---- */

#define NIC_FAULTS_MAX 32
#define FAULT_ANY_QUEUE 65535

/**
 * struct nic_fault - one rule: what goes wrong, and when
 * @kind:    enum fault; @queue: only this receive queue, or FAULT_ANY_QUEUE
 * @nth:     the n-th chance, counted from 1; 0: any
 * @every:   each chance whose number is a multiple; 0: any
 * @ppm:     in so many of a million chances, by @random; 1000000: always
 * @from_ns, @until_ns: only in this time
 * @left:    hits that are left; NEVER: no limit
 * @arg:     by kind: ns that an interrupt is late, the length that the used ring says
 * @chances, @hits: how often it could have happened, and did
 */
struct nic_fault {
	u32 kind;
	u16 queue, spare;
	u32 ppm, spare2;
	u64 nth, every, from_ns, until_ns, left, arg;
	u64 random;
	u64 chances, hits;
};

/**
 * struct nic_faults - the card's rules, tried in order
 * @on_frame: a bit for each fault that hit the frame which a tap is shown now
 * @held:  FAULT_USED_REORDER: a used entry that waits for the next one, by queue; id UINT32_MAX: none
 * @frame: room for a damaged copy of a frame
 * @wake_fd: eventfd to signal for FAULT_HANG_UP; -1: nothing to hang up
 */
struct nic_faults {
	struct nic_fault rule[NIC_FAULTS_MAX];
	u32 n, on_frame;
	u64 hits[FAULTS];
	struct virtq_used_elem held[NIC_QUEUES_MAX];
	u8 *frame;
	int wake_fd;
};

/** nic_faults_new() - make an empty set of rules. Return: NULL: no memory. nic_faults_free() */
struct nic_faults *nic_faults_new(void);
void nic_faults_free(struct nic_faults *faults);

/** nic_fault_hits() - does the fault happen, here and now? Count the chance. *arg: the rule's; NULL: of no interest */
int nic_fault_hits(struct nic *nic, enum fault kind, u32 queue, u64 now, u64 frame, u64 *arg);

/** nic_fault_until() - is there a rule whose time is now? Return: when it ends; 0: none */
u64 nic_fault_until(struct nic *nic, enum fault kind, u32 queue, u64 now);

/** nic_faults_forget() - the queue has a new ring: forget a used entry that was held back from the old one */
void nic_faults_forget(struct nic *nic, u32 queue);

/* ---- ntuple.c: rules that send a frame to a queue, or drop it ---- */

#define NTUPLE_RULES 128
#define NTUPLE_DROP 65535          /* in place of a queue */
/* fields of a frame, or of a rule; network byte order. An IPv4 address has the first 4 bytes */
struct ntuple_key {
	u8 src[16], dst[16];
	u8 l4[4];                      /* ports, or the 4 bytes in their place */
	u8 vlan_tci[2], vlan_etype[2], proto[2];
	u8 dst_mac[6], src_mac[6];
	u8 l3, l4_proto, tos;          /* l3: 4, 6 or 0 */
	u8 tagged, has_l4;             /* are those fields there? */
	u8 spare[5];
};
struct ntuple_rule { u64 value[8], mask[8], hits; u32 type, location, queue, spare; }; /* type: TCP_V4_FLOW .., only kept */
struct ntuple {
	struct ntuple_rule *rule;      /* NTUPLE_RULES of them, the used ones first, by location; NULL: no rule was ever set */
	u32 count;
};
/**
 * ntuple_insert() - set the rule at a location, replacing another. Context: machine stopped
 * Return: 0; -EINVAL: no such location or queue; -ENOMEM.
 */
int ntuple_insert(struct nic *nic, const struct ntuple_key *value, const struct ntuple_key *mask, u32 type, u32 location,
		  u32 queue);
/** ntuple_delete() - delete a location's rule. Return: 0; -ENOENT: it has none. Context: machine stopped */
int ntuple_delete(struct nic *nic, u32 location);

/* ---- arfs.c: filters that send a flow to a queue, for accelerated RFS ---- */

struct arfs_filter {
	struct flow_key key;
	u16 queue, used;
	u32 flow;                      /* row in the queue's table, rfs.c */
};
struct arfs {
	struct arfs_filter *filter;
	u32 mask, count, expire_next;
	u32 lock;
	u64 added, expired, hits, full;
};
/** arfs_init() - allocate the table, at least size filters. Return: 0, or -ENOMEM. nic_exit() frees it. */
int arfs_init(struct arfs *a, u32 size);
/** arfs_add() - send the flow to this queue. Return: the filter's number; -ENOSPC. Context: any CPU, a->lock held if live */
int arfs_add(struct arfs *a, const struct flow_key *key, u32 queue, u32 flow);
/** arfs_forget() - delete all filters. Context: a->lock held if live */
void arfs_forget(struct arfs *a);

/* ---- nic.c: the card ---- */

/* What the standard's ring has no room for, by descriptor. Nothing decides on it. */
struct frame_shadow { u64 t_wire, id, t_dma; };

/**
 * struct nic_driver - what the card calls in a driver of its own process, besides the ring
 * @interrupt: the queue's interrupt
 * @published: frames are in the ring. Called only while nic.spinners counts who polls without an interrupt
 * @pool_dry:  did the driver have too few buffers to fill the ring, now or since the last call? For the report only
 * @taken:     frames that the driver has taken off the ring. Context: any thread
 */
struct nic_driver {
	void (*interrupt)(struct nic_queue *q, u64 now);
	void (*published)(struct nic_queue *q, u64 now);
	int (*pool_dry)(struct nic_queue *q);
	u64 (*taken)(const struct nic_queue *q);
};
/**
 * struct nic_queue - one receive queue, the device's side
 * @driver:  NULL: the queue has no driver, or a foreign one
 * @batch:   frames written and not yet published
 * @refills_failed: the driver's count, as last seen
 * @stood:   frames that stood in the ring to the end, see irq_standing()
 * @chains_max: chains that the driver posts at most; 0: as many as the ring has
 * @starved: the frame at the head of the FIFO waits for this queue's buffers; @starved_at: the avail index at that time
 * @pool_dry: the driver had too few buffers to fill the ring then
 */
struct nic_queue {
	struct nic *nic;
	const struct nic_driver *driver;
	u32 index;
	struct virtqueue vq;
	struct irq irq;
	struct frame_shadow *shadow;
	u32 batch;
	u32 chains_max;
	/* counters of the device */
	u64 frames, bytes, no_buffer, dma_failed, csum_ok, csum_bad, kicks;
	/* parts of no_buffer: while the interrupt was deferred; while the driver's pool was empty */
	u64 no_buffer_moderated, no_buffer_pool;
	u64 refills_failed;
	u64 stood;
	/* frames lost to a full FIFO while its head waited for this queue's buffers; the same two parts */
	u64 overruns, overruns_moderated, overruns_pool;
	u8 starved;
	u8 pool_dry;
	u16 starved_at;
};

#define TX_MEMORY 65606            /* 12 bytes for the wire's header, 20 of virtio's, a frame */
/**
 * struct nic_tx - the sending half: one frame at a time
 * @memory:  TX_MEMORY bytes: room for the wire's header, virtio's header, the frame
 * @len:     of the frame in memory; 0: no frame. @head: its chain
 * @done_ns: virtual time: when its last bit leaves; NEVER: no frame is being sent
 */
struct nic_tx {
	struct virtqueue vq;
	u8 *memory;
	u32 len;
	u16 head;
	u64 done_ns;
	u64 kicks, fates[TX_FATE_MAX];
};

/**
 * struct nic_lend - a burst, and with it the card, lent to an idle CPU
 * @state:  the card's owner (nic_lend.c)
 * @idlers: CPUs that spin for work
 * @head, @tail: index into wire.ahead: bursts read, bursts processed
 * @bursts: processed by CPUs
 */
struct nic_lend {
	u8 pad[64];                    /* other CPUs poll this cache line */
	u32 state;
	u32 idlers;
	u32 head, tail;
	u64 bursts;
	u8 pad2[64];
};

/**
 * struct nic_foreign - the rings of a driver in another process, if it brings its own memory and doorbells (vhost/)
 * @transmit:  the sending rings' turn. Return: frames
 * @broken:    the driver broke a receive queue's ring
 * @interrupt: signal a receive queue's interrupt
 * @doorbells: a file to sleep on: one of its doorbells rang; @rang: it did. Return: how many the card hears
 * @silent:    a ring has no doorbell: the card looks at it again and again
 */
struct nic_foreign {
	int (*transmit)(struct nic *nic);
	void (*broken)(struct nic *nic, u32 queue);
	void (*interrupt)(struct nic *nic, u32 queue);
	int (*rang)(struct nic *nic);
	int doorbells;
	u8 silent;
};

/**
 * struct nic - the card, its clock, its counters
 *
 * From the machine around it:
 * @cost:     enum cost: ns, ps a byte
 * @live:     its thread reads the clock; @external_driver: its driver is in another process
 * @spinners: virtual time: how many readers and tasks poll its rings without an interrupt
 * @limit:    stop after so many frames
 * @watched:  a bit per packet_point with a tap; @watch: called there. again: this point has seen the frame before
 *
 * @config:   the region's begin: the driver may write there at any time (nic_up.c)
 * @layout:   the queues there as nic_memory_init() wrote them, before any driver could
 * @offers:   feature bits offered; @features: those the driver took, as of nic_up()
 * @hdr_len:  bytes of the virtio header that the driver took, both ways: HDR_SHORT or HDR_HASH
 * @foreign:  NULL: none
 * @add_files: live: files that its thread signals besides its own; NULL: none
 * @call_ctx: call_fd.c; 0: no driver has set an eventfd
 * @nqueues_open: queues that have, or had, a driver's queue; @queues_max: queues that fit into the region
 * @irq_next: earliest moderation deadline; @kick_ns: a doorbell rang; NEVER: none
 * @horizon:  virtual time: after this it is a CPU's turn
 * @refused:  bad chains in this turn
 * @burst:    read from the wire, not yet arrived; @burst_asked: Python's filter has seen it
 * @burst_key: rss_key_id() that it was hashed with
 * @offered:  frames that arrived: the ledger's left side
 * @too_long: of rx_length_errors: longer than the MTU; @longest: payload of the longest of them
 * @kick_fd:  live: the doorbell
 * @in_taps:  as softnet_data.in_taps of a CPU
 * @lat:      of a card without a host: from the wire to the used ring; NULL: off
 * @events:   NULL: off
 * @faults:   NULL: none. Changed while the machine is stopped
 * @may_spin: its process has several cores
 * @polls:    live, a foreign driver: rings are polled, and no doorbell is asked for; @moved: the last turn moved frames
 * @spin_ns:  how long it polls without a frame before it sleeps; 0: not at all. @quiet_ns: since when there was none
 * @flow_control: live, it reads no more from the wire than the FIFO has room for
 * @stop, @pause: other threads write them, atomically
 */
struct nic {
	struct wire *wire;
	const u32 *cost;
	u8 live, external_driver;
	const u32 *spinners;
	u64 limit;
	u32 watched;
	void (*watch)(struct nic *nic, enum packet_point point, const struct frame *f, u64 t_ns, int fate, int again);
	struct nic_tx tx;
	struct mac_filter filter;
	struct rss rss;
	struct fifo fifo;
	struct dma dma;
	struct vnic_config *config;
	u64 offers, features;
	u32 hdr_len;
	u64 call_ctx;
	const struct nic_foreign *foreign;
	void (*add_files)(const struct nic *nic, struct file_set *files);
	struct nic_queue queue[NIC_QUEUES_MAX];
	u32 nqueues, ring_size, tx_ring_size, buf_len, mtu;
	u32 nqueues_open, queues_max;
	u8 rx_csum, tx_csum, drop_en, python_filter, up, ntuple, adaptive_rx;
	struct arfs arfs;
	struct ntuple rules;
	u64 now, dma_done;
	u8 dma_busy;
	u64 irq_next, kick_ns;
	u64 horizon;
	u32 refused;
	struct frame burst[BURST];
	int burst_pos, burst_len;
	u8 burst_asked;
	u32 burst_key;
	/* counters; names are rtnl_link_stats64's where it has one */
	u64 offered;
	u64 rx_length_errors, rx_over_errors, rx_fifo_errors, multicast, filtered, rx_no_buffer_count;
	u64 too_long;
	u32 longest;
	u64 fates[FATE_MAX];
	int kick_fd;
	u32 in_taps;
	struct histogram *lat;
	struct event_log *events;
	struct nic_faults *faults;
	u8 may_spin, polls, moved, flow_control;
	u32 spin_ns;
	u64 quiet_ns;
	u32 stop, pause;
	struct nic_lend lend;
	struct vnic_queue_config layout[NIC_QUEUES_MAX];
};

/* nic_init.c: set up and take down. Context: machine stopped */

/** nic_init() - set a zeroed card's defaults */
void nic_init(struct nic *nic);
/** nic_plug() - read this wire from now on; the wire stays the caller's */
void nic_plug(struct nic *nic, struct wire *w);
/** nic_memory_init() - create and lay out the shared region: config, rings, buffers for each queue. Return: 0, or -errno */
int nic_memory_init(struct nic *nic, u32 queues_max, u32 buffers_a_queue);
/** nic_fit() - have the wire prepare for another FIFO size or MTU. Return: 0; -ENOMEM: nothing has changed */
int nic_fit(struct nic *nic, u32 fifo_bytes, u32 mtu);
/** nic_exit() - free what the card allocated; a foreign driver keeps its own mapping of the region */
void nic_exit(struct nic *nic);

/* nic_up.c: the driver comes and goes */

/** nic_up() - the driver wrote DRIVER_OK: check the config and take its rings. Return: 0; -errno: the card is down */
int nic_up(struct nic *nic);
/** nic_queue_up() - take one queue's ring anew, empty. Return: 0; -errno: the queue is as it was. Context: machine stopped */
int nic_queue_up(struct nic *nic, u32 i);
/** nic_tx_ring_up() - take the sending ring anew, empty. Return: 0; -errno: it is as it was. Context: machine stopped */
int nic_tx_ring_up(struct nic *nic);
/** nic_purge() - end all frames that the card holds, received or to be sent, as DEV_READY */
void nic_purge(struct nic *nic);

/* Doorbells */

/** nic_kick() - the driver rang a receive queue's doorbell. Context: the CPU that polls the queue */
void nic_kick(struct nic *nic, u32 queue, u64 now);
/** nic_tx_kick() - the driver rang the sending ring's doorbell. Context: the thread that posts there */
void nic_tx_kick(struct nic *nic, u64 now);
/** nic_doorbell() - pass on a receive queue's doorbell from another process. Return: 0; -EINVAL. Context: any thread */
int nic_doorbell(struct nic *nic, u32 queue);

/* Both clocks */

/** nic_receive() - n frames arrived: filter, rss, steering, FIFO. Each ends in the FIFO or has a fate; f[] is scratch then */
void nic_receive(struct nic *nic, struct frame *f, int n);
/** nic_drain() - move frames from the FIFO to the rings while there are buffers, and publish them */
void nic_drain(struct nic *nic, u64 now);

/* Virtual time */

/**
 * nic_run() - process all device events up to and including until
 *
 * Returns early if the wire is hungry, Python's filter has to see a burst, the limit is reached, or a foreign driver rang.
 */
void nic_run(struct nic *nic, u64 until);
/** nic_next() - the time of the next device event. Return: NEVER: none planned */
u64 nic_next(struct nic *nic);
/** nic_pull() - offer what fits of the next burst, on a wire without a pace. Return: frames; 0, -errno: as wire_next() */
int nic_pull(struct nic *nic, u64 now);

/* Live */

/* nic_thread.c */

/**
 * nic_thread() - run the card. Return: EV_FILTER, EV_WIRE, EV_STOPPED, EV_PAUSED; EV_DONE: the wire has ended,
 *                wire.error says why; or -errno
 */
int nic_thread(struct nic *nic);
/** nic_transmit() - send what is in the sending ring, at most a burst. Return: frames */
int nic_transmit(struct nic *nic);
/** nic_transmit_ring() - send what is in this ring, at most a burst; the caller publishes. *rc: 0, or -EIO: it is broken */
int nic_transmit_ring(struct nic *nic, struct virtqueue *vq, int *rc);
/** nic_discard_ring() - take what is in this ring, at most a burst, and send nothing: TX_DEV_READY. Return: chains, or -EIO */
int nic_discard_ring(struct nic *nic, struct virtqueue *vq);
/** nic_lend_room() - where to read the next burst. Takes the card back if all bursts are full. Context: the card's thread */
struct frame *nic_lend_room(struct nic *nic);
/** nic_lend_append() - n frames were read there; queue them behind earlier bursts. Context: the card's thread */
void nic_lend_append(struct nic *nic, int n);
/** nic_may_lend() - is a burst of n frames full, and does a CPU spin for work? Context: the card's thread */
int nic_may_lend(const struct nic *nic, int n);
/** nic_lend() - queue a full burst and offer the card to spinning CPUs. Context: the card's thread, which then only reads */
void nic_lend(struct nic *nic);
/** nic_try_back() - take the card back. Return: 0: a CPU is processing a burst. Context: the card's thread */
int nic_try_back(struct nic *nic);
/** nic_take_back() - wait until the card is back, then process the bursts that are left. Context: the card's thread */
void nic_take_back(struct nic *nic);
/** nic_borrow() - if the card is offered, process one burst. Context: a CPU that spins for work */
void nic_borrow(struct nic *nic);

/* ---- inside the room ---- */

/* rss.c */

/** rss_key_id() - a number that changes when anything a hash depends on changes */
u32 rss_key_id(const struct rss *r);
/** rss_hash4() - hash n IPv4 tuples, 12 of each 16 bytes */
void rss_hash4(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n);

/* fifo.c */

/** fifo_room() - n contiguous free slots after the last frame, for a wire to write into. Return: NULL: there are not so many */
struct frame *fifo_room(struct fifo *q, u32 n);
/** fifo_push_burst() - append frames in order, until one does not fit; f may be fifo_room(). Return: how many went in */
u32 fifo_push_burst(struct fifo *q, const struct frame *f, u32 n);
/** fifo_take() - append n frames of bytes in all, which lie in fifo_room() already. Return: 0: they do not, or not all fit */
int fifo_take(struct fifo *q, const struct frame *f, u32 n, u32 bytes);
/** fifo_pop_burst() - remove the n oldest frames */
void fifo_pop_burst(struct fifo *q, u32 n);
/** fifo_overrun() - count a frame that does not fit, and the queue that blocks the head of the FIFO */
void fifo_overrun(struct nic *nic, const struct frame *f);
/** count_no_buffer() - count a frame whose queue has no buffer */
void count_no_buffer(struct nic_queue *q);

/* nic_receive.c, receive_burst.c */

/** nic_store() - append frames to the FIFO. Return: 0: at least one did not fit, and has its fate */
int nic_store(struct nic *nic, struct frame *f, u32 n);
/** receive_burst() - the usual frames at the front of a burst arrived. Return: how many; nothing has happened to the others */
u32 receive_burst(struct nic *nic, struct frame *f, u32 n);

/* dma.c, dma_burst.c, dma_chains.c */

enum dma_csum {
	DMA_CSUM_UNKNOWN,          /* wrong, or undecided: the host checks it */
	DMA_CSUM_GOOD,
	DMA_CSUM_COMPLETED         /* it held only the pseudo header's sum: completed, as the sender's card would have */
};
struct dma_tally { u32 frames, bytes, l4, good; };
/** dma_init() - create the region. Return: 0, or -errno */
int dma_init(struct dma *d, u64 size);
void dma_exit(struct dma *d);
/** dma_offload() - did the driver ask for checksum offload, and is it on? */
int dma_offload(const struct nic *nic);
/**
 * dma_csum() - judge a transport checksum
 * @sum:   over the transport part and its pseudo header
 * @whole: set for DMA_CSUM_COMPLETED: the completed checksum
 */
enum dma_csum dma_csum(const struct nic *nic, const struct frame *f, u32 sum, u16 *whole);
/** dma_odd_sum() - dma_csum(), and complete the checksum of the frame that was written at. Return: is it right? */
int dma_odd_sum(const struct nic_queue *q, const struct frame *f, u32 sum, u8 *at);
/** dma_copy_and_sum() - copy a frame with FRAME_L4. Return: the sum over the transport part and its pseudo header */
u32 dma_copy_and_sum(u8 *to, const struct frame *f);
/** struct dma_channel - what a burst has in common. @hot: the region that nearly all buffers are in */
struct dma_channel { struct dma_region hot; u64 now; u8 offload, sums; };
/** dma_write_one() - write a frame to the next chain, if that is one good buffer that holds it. Return: 0: nothing happened */
int dma_write_one(struct nic_queue *q, const struct frame *f, const struct dma_channel *ch, struct dma_tally *t);
/** dma_write_two_parts() - the same for a frame in two parts, whose checksum wire.gather() computes */
int dma_write_two_parts(struct nic_queue *q, const struct frame *f, const struct dma_channel *ch, struct dma_tally *t);
/** dma_header() - write the virtio header of a frame that takes num_buffers buffers */
void dma_header(const struct nic *nic, const struct frame *f, u8 *at, u32 num_buffers, int data_valid);
/** dma_count() - count written frames: l4 have a checksum that the driver asked about, good of them are right */
void dma_count(struct nic_queue *q, const struct dma_tally *t);
/** dma_write() - dma_frame() without faults, and without showing the frame to taps */
int dma_write(struct nic_queue *q, struct frame *f);
/** dma_faulty() - write a frame as the rules have it. Return: as dma_frame() */
int dma_faulty(struct nic_queue *q, struct frame *f);
/** dma_chains() - write one frame to as many of the avail posted chains as it needs. Return: as dma_frame() */
int dma_chains(struct nic_queue *q, struct frame *f, int avail);

/* irq.c, call_fd.c */

/** irq_forget() - drop all pending interrupts: their driver is gone */
void irq_forget(struct nic *nic);
/** call_signal() - signal a foreign driver's eventfd, without ever blocking */
void call_signal(const struct nic *nic, int fd);
/** call_init() - make what call_signal() needs; once, later calls do nothing. Return: 0, or -errno */
int call_init(struct nic *nic);
void call_exit(struct nic *nic);

/* ntuple.c, arfs.c, nic_steer.c */

/** ntuple_lookup() - the first rule, by location, that matches. Return: NULL: none */
const struct ntuple_rule *ntuple_lookup(struct ntuple *t, const struct frame *f);
/** arfs_lookup() - the queue that a filter has for this frame. Return: -1: no filter. Context: a->lock held if live */
int arfs_lookup(struct arfs *a, const struct frame *f);
/** nic_steer() - apply rules and filters to a burst; dropped frames get their fate. Return: how many are left, at the front */
u32 nic_steer(struct nic *nic, struct frame *f, u32 n);

/* nic.c, nic_drain.c, nic_up.c, nic_tx.c */

/** nic_fate() - the card loses f: count its fate and give its bytes back to the wire */
void nic_fate(struct nic *nic, const struct frame *f, enum fate fate);
/** nic_dma_end() - virtual time: move the head of the FIFO, whose DMA is over, and start the next */
void nic_dma_end(struct nic *nic);
/** nic_again() - have the card look at its rings once more. Context: any thread */
void nic_again(struct nic *nic, u64 now);
/** nic_needs_reset() - the driver broke a ring: stop the card (virtio 1.2, section 2.1.2) */
void nic_needs_reset(struct nic *nic);
/** nic_tx_run() - virtual time: end the frame that is being sent, if it is time, and start the next */
void nic_tx_run(struct nic *nic, u64 now);
/** nic_tx_purge() - end the frame that is being sent, and those in the ring, as TX_DEV_READY */
void nic_tx_purge(struct nic *nic);
