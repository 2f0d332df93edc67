/* card.h - the card: filter, hash, packet memory, DMA into the driver's buffers, interrupts */

struct nic;
struct nic_queue;

/* ---- filter.c: is it for us? ---- */

struct mac_filter {
	u8 addr[6];
	u8 any;                    /* replay: every unicast address counts as ours */
	u8 promisc, allmulti;
	u8 vlan_filter;            /* rx-vlan-filter: only the ids in vlans[] pass */
	u32 nuc, nmc;
	u8 uc[16][6];              /* further unicast addresses */
	u8 mc[64][6];              /* multicast list */
	u32 vlans[128];            /* bitmap of ids */
};
int filter_frame(const struct mac_filter *mf, const struct frame *f);  /* -1: pass, else the fate */

/* ---- rss.c: Toeplitz hash, indirection table ---- */

#define RSS_IP_SRC 1               /* what of a flow is hashed, in ethtool's letters: s d f n */
#define RSS_IP_DST 2
#define RSS_L4_SRC 4
#define RSS_L4_DST 8

struct rss {
	u8 key[RSS_KEY_SIZE];
	u8 left_out[HASH_TYPES];   /* by flow type, HASH_TCPV4 ..: RSS_IP_SRC .. that are not hashed (rx-flow-hash) */
	u8 symmetric;              /* xfrm symmetric-xor: source ^ destination in both places */
	u8 shaped;                 /* any of those: the input is not just the tuple */
	u8 enabled;                /* rxhash */
	u8 configured;             /* indir[] was set by somebody; else it follows the number of queues */
	u32 changes;               /* of key, fields and transformation */
	u16 indir[RSS_INDIR_SIZE];
	u64 window[9];             /* key bits 32 i .. 32 i + 63, the first one lowest: for carry-less multiplication */
	u64 matrix[16];            /* row j: key bits 8 i + j .. 8 i + j + 7: for gf2p8affineqb */
	u32 table[36][256];        /* key, laid out: one look-up per input byte */
};
void rss_set_key(struct rss *r, const u8 *key, u32 len);
void rss_set_fields(struct rss *r, u32 hash_type, u32 fields);
void rss_set_symmetric(struct rss *r, int on);
u32 rss_toeplitz(const struct rss *r, const u8 *input, u32 len);
void rss_frame(const struct rss *r, struct frame *f);
u16 rss_queue(const struct rss *r, u32 hash);
u32 rss_key_id(const struct rss *r);   /* another one when anything that a hash depends on was changed */
void rss_burst(const struct rss *r, struct frame *f, u32 n);
void rss_hash4(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n); /* IPv4 4-tuples, 12 bytes of each 16 */

/* ---- fifo.c: the card's packet memory, accounted in bytes, in order, by reference ---- */

struct fifo {
	struct frame *slot;
	u32 mask, head, tail;      /* free-running: head - tail frames inside */
	u32 size, bytes;           /* limit and use, bytes; a frame counts at least ETH_ZLEN */
	u32 max_bytes;             /* high-water mark */
	u64 lost_bytes;            /* of frames that did not fit, as they would have counted */
};
int fifo_init(struct fifo *q, u32 bytes);
int fifo_resize(struct fifo *q, u32 bytes);
int fifo_push(struct fifo *q, const struct frame *f);   /* 0, or -ENOBUFS */
struct frame *fifo_room(struct fifo *q, u32 n);
u32 fifo_push_burst(struct fifo *q, const struct frame *f, u32 n);
struct frame *fifo_peek(struct fifo *q);
void fifo_pop(struct fifo *q);
void fifo_pop_burst(struct fifo *q, u32 n);
void fifo_overrun(struct nic *nic, const struct frame *f); /* count a frame that does not fit, and who held the others up */

/* ---- dma.c: the only code that turns a bus address into a pointer ---- */

struct dma {
	u8 *base;                  /* of the memfd's mapping */
	u64 size;
	int memfd;
};
int dma_init(struct dma *d, u64 size);
void dma_exit(struct dma *d);
void *dma_map(const struct dma *d, u64 addr, u64 len);    /* NULL: not inside the region */
void count_no_buffer(struct nic_queue *q);
int dma_frame(struct nic_queue *q, struct frame *f);      /* 1 done, 0 no buffer, -EMSGSIZE too big, -EIO queue broken */
u32 dma_burst(struct nic_queue *q, u32 max);              /* the usual ones at the head of the FIFO: how many are done */

/* dma_chains.c: a frame that takes several buffers. What it shares with dma.c: */
enum dma_csum {
	DMA_CSUM_UNKNOWN,          /* wrong, or it cannot be said: the host looks */
	DMA_CSUM_GOOD,
	DMA_CSUM_COMPLETED         /* there was just the pseudo header's sum: it is completed, as the sender's card would have */
};
struct dma_tally { u32 frames, bytes, l4, good; };
int dma_chains(struct nic_queue *q, struct frame *f, int avail);
struct virtq_desc dma_read_desc(const struct virtqueue *vq, u16 id);
enum dma_csum dma_csum(const struct nic *nic, const struct frame *f, u32 sum, u16 *whole);
int dma_offload(const struct nic *nic);
void dma_header(const struct frame *f, u8 *at, u32 num_buffers, int data_valid);
void dma_count(struct nic_queue *q, const struct dma_tally *t);

/* ---- irq.c: raise, moderation, and the one mask there is (the virtqueue's notification suppression) ---- */

struct irq {
	u32 rx_usecs, rx_frames;
	u32 rx_usecs_irq, rx_frames_irq; /* for what completes while an interrupt is serviced; no usecs: it starts nothing */
	u32 frames;                /* completed since the interrupt was asked for */
	u8 pending;
	u8 serviced;               /* what is pending was started while one was serviced: the -irq pair counts */
	u8 wanted;                 /* and the driver wants to hear of something since */
	u16 since;                 /* what was published before the entries that the driver wanted to hear of */
	u64 first_ns, deadline_ns; /* of the pending one; first: that the driver wants to hear of */
	int call_fd;               /* >= 0: the driver is another process, this eventfd is its interrupt: call_fd.c */
	/* counters */
	u64 raised, by_usecs, by_frames, suppressed;
	u64 delay_sum_ns, delay_max_ns; /* first completion to interrupt: the effective moderation */
};
void irq_complete(struct nic_queue *q, u32 frames, int wanted, u64 now);
void irq_timers(struct nic *nic, u64 now);
void irq_replan(struct nic_queue *q);
void irq_starved(struct nic_queue *q, u64 now);
u32 irq_standing(const struct nic_queue *q);
void irq_forget(struct nic *nic);

/* ---- call_fd.c: the interrupt of a driver in another process ---- */

int nic_set_call_fd(struct nic *nic, u32 queue, int fd);
void call_signal(const struct nic *nic, int fd);
void call_exit(struct nic *nic);

/* ---- ntuple.c: rules that say which queue a frame goes to, or that it is dropped ---- */

#define NTUPLE_RULES 128
#define NTUPLE_DROP 65535          /* in place of a queue */
/* what a frame says, and a rule asks for; network byte order. Of an IPv4 address the first 4 bytes */
struct ntuple_key {
	u8 src[16], dst[16];
	u8 l4[4];                      /* ports, or what is in their place */
	u8 vlan_tci[2], vlan_etype[2], proto[2];
	u8 dst_mac[6], src_mac[6];
	u8 l3, l4_proto, tos;          /* l3: 4, 6 or 0 */
	u8 tagged, has_l4;             /* are those fields there? */
	u8 spare[5];
};
struct ntuple_rule { u64 value[8], mask[8], hits; u32 type, location, queue, spare; }; /* type: TCP_V4_FLOW .., only kept */
struct ntuple {
	struct ntuple_rule *rule;      /* NTUPLE_RULES of them, those in use first, by location; NULL: there never was one */
	u32 count;
};
const struct ntuple_rule *ntuple_lookup(struct ntuple *t, const struct frame *f);  /* the card */
int ntuple_insert(struct nic *nic, const struct ntuple_key *value, const struct ntuple_key *mask, u32 type, u32 location,
		  u32 queue);
int ntuple_delete(struct nic *nic, u32 location);

/* ---- arfs.c: filters in the card that bring a flow to a queue ---- */

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
int arfs_init(struct arfs *a, u32 size);
void arfs_forget(struct arfs *a);
int arfs_add(struct arfs *a, const struct flow_key *key, u32 queue, u32 flow); /* the filter's number, or -ENOSPC */
int arfs_lookup(struct arfs *a, const struct frame *f);     /* a queue, or -1 */

/* ---- nic.c: the card ---- */

/* one receive queue, the device's side. What the standard's ring has no room for is in the shadow */
struct frame_shadow { u64 id, t_wire, t_dma; };

/**
 * struct nic_driver - what the card asks of a driver in its own process, beside the ring. One in another process has none
 * @interrupt: its interrupt
 * @published: frames are in the ring. Only while nic.spinners says that somebody looks at it without an interrupt
 * @pool_dry:  had it too few buffers to fill the ring, now or since it was last asked? For the report: no loss depends on it
 * @taken:     frames that it has taken off the ring. From any thread
 */
struct nic_driver {
	void (*interrupt)(struct nic_queue *q, u64 now);
	void (*published)(struct nic_queue *q, u64 now);
	int (*pool_dry)(struct nic_queue *q);
	u64 (*taken)(const struct nic_queue *q);
};
struct nic_queue {
	struct nic *nic;
	const struct nic_driver *driver; /* NULL: the queue has none, or a foreign one */
	u32 index;
	struct virtqueue vq;
	struct irq irq;
	struct frame_shadow *shadow;   /* by descriptor; nothing decides on it */
	u32 batch;                     /* frames written and not published */
	/* counters of the device */
	u64 frames, bytes, no_buffer, dma_failed, csum_ok, csum_bad, kicks;
	/* of no_buffer: while the interrupt was still held back; while the driver's pool was empty */
	u64 no_buffer_moderated, no_buffer_pool;
	u64 refills_failed;            /* the driver's, as last seen */
	u64 stood;                     /* frames that stood in the ring to the end, see irq_standing() */
	/* frames lost to a full FIFO while its head had to wait for this queue's buffers; the same two of them */
	u64 overruns, overruns_moderated, overruns_pool;
	u8 starved;                    /* the frame at the head of the FIFO waits for this queue's buffers */
	u8 pool_dry;                   /* and the driver had too few to fill the ring */
	u16 starved_at;                /* avail index when it was found so */
};

/* nic_tx.c: the card's sending half. One frame at a time is under way */
#define TX_FRAME_MAX 65574         /* 65535 of IP behind an Ethernet header, a VLAN tag and room */
#define TX_MEMORY 65606            /* 12 bytes for the wire's header, 20 of virtio's, a frame */
struct nic_tx {
	struct virtqueue vq;
	u8 *memory;                    /* of the card: room for 12 bytes, a header, and a frame */
	u32 len;                       /* of the frame in it, 0: none */
	u16 head;                      /* and of its chain */
	u64 done_ns;                   /* virtual time: when its last bit leaves; NEVER: none is under way */
	u64 kicks, fates[TX_FATE_MAX];
};

/* nic_lend.c: a burst, and with it the card, in the hands of a CPU that idles */
struct nic_lend {
	u8 pad[64];                    /* others look at it all the time */
	u32 state;                     /* whose the card is */
	u32 idlers;                    /* CPUs that look for work */
	u32 head, tail;                /* tap_wire.bursts: read, and worked off */
	u64 bursts;                    /* that CPUs have worked off */
	u8 pad2[64];
};

struct nic {
	struct wire *wire;
	/* what the machine that it is in tells it */
	const u32 *cost;               /* enum cost: ns, ps a byte */
	u8 live, external_driver;      /* its thread reads the clock; its driver is in another process */
	const u32 *spinners;           /* virtual time: how many look at its rings, and sleep until something is there */
	u64 limit;                     /* it stops when so many frames were offered */
	/* who looks on: bit per point, and what is called then. again: it was seen at this point before */
	u32 watched;
	void (*watch)(struct nic *nic, enum packet_point point, const struct frame *f, u64 t_ns, int fate, int again);
	struct nic_tx tx;
	struct mac_filter filter;
	struct rss rss;
	struct fifo fifo;
	struct dma dma;
	struct vnic_config *config;    /* page 0 of the region: the driver's to write, see nic_up.c */
	u64 offers, features;          /* feature bits; those the driver took, as of nic_up() */
	u64 call_ctx;                  /* call_fd.c; 0: no driver has asked for an eventfd */
	struct nic_queue queue[NIC_QUEUES_MAX];
	u32 nqueues, ring_size, buf_len, mtu;
	u32 nqueues_open, queues_max;  /* that have, or had, a driver's queue; that there is room for */
	u8 rx_csum, tx_csum, drop_en, python_filter, up, ntuple, adaptive_rx;
	struct arfs arfs;
	struct ntuple rules;
	/* the device's clock and its plans */
	u64 now, dma_done;
	u8 dma_busy;
	u64 irq_next, kick_ns;         /* earliest moderation deadline; a doorbell rang; NEVER: none */
	u64 horizon;                   /* virtual time: past this it is a CPU's turn */
	u32 refused;                   /* bad chains in this turn */
	struct frame burst[BURST];     /* read from the wire, still to arrive */
	int burst_pos, burst_len;
	u8 burst_asked;                /* Python's filter has seen this burst */
	u32 burst_key;                 /* rss_key_id() it was hashed with */
	/* counters; names are rtnl_link_stats64's where it has one */
	u64 offered;                   /* frames that arrived: the ledger's left side */
	u64 rx_length_errors, rx_over_errors, rx_fifo_errors, multicast, filtered, rx_no_buffer_count;
	u64 too_long;                  /* of rx_length_errors: longer than the MTU */
	u32 longest;                   /* payload of the longest of them */
	u64 fates[FATE_MAX];
	int kick_fd;                   /* live: the doorbell */
	u32 in_taps;                   /* as a CPU's */
	u32 stop, pause;               /* written by others, atomically */
	struct nic_lend lend;
	struct vnic_queue_config layout[NIC_QUEUES_MAX]; /* as page 0 had them before anybody else could write there */
};
void nic_init(struct nic *nic);
void nic_plug(struct nic *nic, struct wire *w);
int nic_memory_init(struct nic *nic, u32 queues_max, u32 buffers);
int nic_fit(struct nic *nic, u32 fifo_bytes, u32 mtu);
void nic_exit(struct nic *nic);
int nic_queue_up(struct nic *nic, u32 i);
int nic_up(struct nic *nic);                 /* after the driver wrote DRIVER_OK */
void nic_run(struct nic *nic, u64 until);    /* all device events up to and including until; a foreign driver's to a doorbell */
u64 nic_next(struct nic *nic);               /* when the next one is; ~0: none planned */
void nic_receive(struct nic *nic, struct frame *f, int n);  /* frames that arrived: filter, rss, fifo */
void nic_fate(struct nic *nic, const struct frame *f, enum fate fate); /* lost by the card */
u32 nic_steer(struct nic *nic, struct frame *f, u32 n);
void nic_drain(struct nic *nic, u64 now);    /* FIFO -> ring, as far as there are buffers */
void nic_kick(struct nic *nic, u32 queue, u64 now);         /* doorbell */
int nic_doorbell(struct nic *nic, u32 queue);               /* of a driver in another process. Return: 0, -EINVAL */
void nic_again(struct nic *nic, u64 now);                   /* look at the rings once more */
int nic_pull(struct nic *nic, u64 now);      /* a pulled wire: offer the next burst. Return: frames */
void nic_purge(struct nic *nic);             /* what the card still holds ends as DEV_READY */
void nic_needs_reset(struct nic *nic);       /* the driver broke a ring: the card has stopped */
void nic_tx_kick(struct nic *nic, u64 now);  /* the doorbell of the sending ring */
int nic_transmit(struct nic *nic);           /* live: what is in the ring, a burst at most. Return: frames */
void nic_tx_run(struct nic *nic, u64 now);   /* virtual time */
void nic_tx_purge(struct nic *nic);
struct frame *nic_lend_room(struct nic *nic);
void nic_lend_append(struct nic *nic, int n);
int nic_may_lend(const struct nic *nic, int n);
void nic_lend(struct nic *nic);
int nic_try_back(struct nic *nic);           /* Return: 0: a CPU has it */
void nic_take_back(struct nic *nic);
void nic_borrow(struct nic *nic);            /* by a CPU that idles */
