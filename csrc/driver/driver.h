/* driver.h - the driver of the card: polls its rings, refills them, sends */

/* ---- dim.c: which moderation? ---- */

#define DIM_PROFILES 5
#define DIM_LOG 256                /* decisions that are kept */
enum dim_tune { DIM_PARKING_ON_TOP, DIM_PARKING_TIRED, DIM_GOING_RIGHT, DIM_GOING_LEFT };
struct dim_profile { u16 usecs, frames; };
struct dim_sample { u64 t_ns; u32 packets, bytes; u16 events, spare[3]; }; /* of a queue, as counted by now */
struct dim_stats { u32 ppms, bpms, epms; };                             /* packets, bytes, interrupts a millisecond */
struct dim_decision { u64 t_ns; struct dim_stats stats; u8 profile, tune; u16 spare; };
struct dim {
	u8 profile, tune, measuring, steps_right, steps_left, tired;
	struct dim_sample start;
	struct dim_stats before;
	u64 decisions;
	struct dim_decision log[DIM_LOG];
};
void dim_init(struct dim *d);
const struct dim_profile *dim_profile(const struct dim *d);
int net_dim(struct dim *d, const struct dim_sample *now);

/* ---- driver.c: the driver of the card ---- */

struct driver_queue {
	struct napi_struct napi;
	struct virtqueue_driver vq;
	struct rx_pool pool;
	struct nic *nic;
	struct nic_queue *nicq;
	u64 irq_ns;                    /* of the interrupt that began this round of polling */
	struct dim *dim, *dim_memory;  /* dim NULL: adaptive-rx is off. Who looks at decisions may still do so then */
	u8 unmask;                     /* napi_complete_done() said so; done when the device has caught up */
	/* counters */
	u64 rx_packets, rx_bytes, alloc_rx_buff_failed, csum_good, bad_used, irqs;
	u64 irqs_by[CPUS_MAX], irqs_counted; /* by CPUs that took its interrupts before, and how many those are */
};
void driver_setup(struct host *h);           /* what the stack is to know of the card */
int driver_open_queue(struct host *h, u32 i); /* 0, or -errno; then driver_free_queue() */
void driver_free_queue(struct host *h, u32 i);
int driver_dim(struct driver_queue *dq);
void driver_coalesce(struct driver_queue *dq);  /* rx-usecs and rx-frames are those of its profile */
int driver_open(struct host *h);             /* probe, handshake, netif_napi_add, request_irq, post the buffers */
int driver_poll(struct napi_struct *napi, int budget);
void driver_irq(struct driver_queue *dq);    /* the interrupt handler */
int driver_refill(struct driver_queue *dq);  /* buffers posted */
void driver_close(struct driver_queue *dq);  /* frames left in the ring end as DEV_READY */

/* ---- driver_ethtool.c, irq_affinity.c: knobs change while nobody moves ---- */

int driver_set_ringparam(struct host *h, u32 size);
int driver_set_channels(struct host *h, u32 nqueues);
int driver_set_adaptive(struct host *h, u32 on);
void netif_set_weights(struct host *h);
void dev_set_threaded(struct host *h, u32 on);
u32 arfs_queue(const struct host *h, u32 cpu);                      /* rx_cpu_rmap */
int arfs_set(struct host *h, u32 on);
void arfs_clear(struct host *h);
int rx_flow_steer(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow);
void arfs_expire(struct softnet_data *sd);
u64 irq_affinity(const struct host *h, u32 queue);
u32 irq_cpu(const struct host *h, u32 queue);
u64 irq_count(const struct driver_queue *dq, u32 cpu);
int irq_set_affinity(struct host *h, u32 queue, u64 cpus);

/* ---- driver_tx.c: what is sent, from a protocol to the ring ---- */

#define TX_NONE 4294967295u
/* a buffer of a packet that is sent: the first begins with the virtio header, then Ethernet */
struct tx_buf { u32 next, queue_next, len, frame_len; };  /* next: of the packet; queue_next: packet that waits behind it */
struct driver_tx {
	struct virtqueue_driver vq;
	u8 *base;                      /* buffer i at base + i * TX_BUF_LEN */
	u64 bus;
	u32 nfree, *free;
	struct tx_buf *buf;
	u32 lock;                      /* guards all of sending: pool, ring, neighbours, ids */
	u8 offload;                    /* bit 0 checksums, bit 1 UDP segmentation: the card does it */
	u16 ip_id;
	u32 frag_id;
	u64 posted, queued;            /* frames given to the ring; frames that wait for a neighbour */
	u64 packets, bytes, fates[TX_FATE_MAX];
};
int driver_tx_open(struct host *h);
int driver_tx_room(struct host *h, u32 frames, u32 bytes); /* is there room for them? Under the lock */
void driver_tx_free(struct host *h);
u32 tx_alloc(struct driver_tx *tx, u32 len);              /* a packet of len bytes from Ethernet on; TX_NONE */
void tx_free(struct driver_tx *tx, u32 packet);
u8 *tx_header(struct driver_tx *tx, u32 packet);          /* its Ethernet header */
void tx_drop(struct host *h, u32 packet, enum tx_fate fate);
int dev_queue_xmit(struct host *h, struct softnet_data *sd, u32 packet); /* 0, -ENOBUFS: the ring is full; it is gone */
void driver_tx_reclaim(struct host *h);
void host_tx_fates(struct host *h, u64 *fates);           /* [TX_FATE_MAX] */
u64 host_tx_in_flight(struct host *h);
const char *tx_fate_text(enum tx_fate fate);
