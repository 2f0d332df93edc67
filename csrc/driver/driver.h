/* driver.h - the driver of the card: polls and refills its rings, sends, and carries out what ethtool asks for
 *
 * "Machine stopped" in a Context: line means that no CPU and no card runs (stop_machine.c, machine_pause()); in virtual
 * time it means between two turns. "Under tx->lock" means struct driver_tx's lock, which virtual time does not need.
 */

/* ---- dim.c: dynamic interrupt moderation ---- */

#define DIM_PROFILES 5
#define DIM_LOG 256                /* decisions that struct dim keeps */
enum dim_tune { DIM_PARKING_ON_TOP, DIM_PARKING_TIRED, DIM_GOING_RIGHT, DIM_GOING_LEFT };
struct dim_profile { u16 usecs, frames; };                              /* rx-usecs, rx-frames */
struct dim_sample { u64 t_ns; u32 packets, bytes; u16 events, spare[3]; }; /* counters at t_ns; they wrap */
struct dim_stats { u32 ppms, bpms, epms; };                             /* packets, bytes, interrupts per millisecond */
struct dim_decision { u64 t_ns; struct dim_stats stats; u8 profile, tune; u16 spare; };

/**
 * struct dim - one queue's walk along the profiles
 * @profile, @tune:   where it stands, and enum dim_tune: where it goes
 * @measuring:        1: @start begins a measurement
 * @steps_right, @steps_left: since the last turn into that direction
 * @tired:            steps since it parked last; at 10 it rests
 * @before:           the rates that the next measurement is compared with
 * @decisions, @log:  how many so far, and the last DIM_LOG of them
 */
struct dim {
	u8 profile, tune, measuring, steps_right, steps_left, tired;
	struct dim_sample start;
	struct dim_stats before;
	u64 decisions;
	struct dim_decision log[DIM_LOG];
};

/**
 * dim_profile() - look up the moderation that @d has chosen
 * Return: a constant of dim.c; the caller does not free it
 */
const struct dim_profile *dim_profile(const struct dim *d);

/* ---- driver.c, driver_open.c: a receive queue ---- */

/**
 * struct driver_queue - the driver's half of a receive queue; written by the CPU that polls it
 * @napi:      polls the queue on napi.sd, the CPU that takes its interrupt
 * @vq, @pool: its ring and the buffers in it
 * @nicq:      the card's half
 * @irq_ns:    when the interrupt fired that began this round of polling
 * @dim:       NULL: adaptive-rx is off
 * @dim_memory: what @dim points to when on; kept when off, for readers of its log
 * @masked:    the interrupt is off: from when it fired until the driver has polled the queue empty
 */
struct driver_queue {
	struct napi_struct napi;
	struct virtqueue_driver vq;
	struct rx_pool pool;
	struct nic *nic;
	struct nic_queue *nicq;
	u64 irq_ns;
	struct dim *dim, *dim_memory;
	u8 masked;
	u8 bursts;                     /* the last poll found usual frames: driver_burst.c */
	u8 refill_tries;               /* how often in a row there was no memory for an empty ring */
	/* counters */
	u64 rx_packets, rx_bytes, lost_to_faults, alloc_rx_buff_failed, csum_good, bad_used, irqs;
	u64 irqs_counted;              /* the sum of irqs_by[] */
	u64 irqs_by[];                 /* by CPUs that took its interrupts earlier */
};

/**
 * driver_setup() - fill in @h->dev, all that the stack knows of the card
 * Context: before driver_open(); also for a host whose card has a driver in another process
 */
void driver_setup(struct host *h);

/**
 * driver_open() - probe the card, negotiate features, open its queues, post the buffers, and set DRIVER_OK
 * Return: 0, or -errno (-ENODEV: no such card, -EPROTO: a feature is missing, -ENOMEM); the card's status then says
 * FAILED
 */
int driver_open(struct host *h);

/**
 * driver_close() - free the frames left in the queue's ring, with the fate DEV_READY
 * Context: machine stopped, at the end of a replay
 */
void driver_close(struct driver_queue *dq);

/**
 * driver_end_faults() - end the frames that the card wrote, and the driver can never find in its ring, as FAULT
 * Context: machine stopped; the ring is empty, or broken
 */
void driver_end_faults(struct driver_queue *dq);

/**
 * driver_free_queue() - free queue @i, opened or half opened; nothing if it was never opened
 * Context: machine stopped, and none of its buffers in use
 */
void driver_free_queue(struct host *h, u32 i);

/**
 * driver_coalesce() - write the chosen profile of @dq->dim into the card's rx-usecs and rx-frames
 */
void driver_coalesce(struct driver_queue *dq);

/* ---- driver_ethtool.c, driver_arfs.c, irq_affinity.c: knobs. Context of all that change one: machine stopped ---- */

/**
 * driver_set_ringparam() - give every open queue a ring of @num descriptors (ethtool -G rx); no accepted frame is lost
 * Return: 0, or -errno: -EINVAL, -EOPNOTSUPP (another process drives the card, or it is down), -EBUSY, -ENOMEM.
 *         After -EBUSY or -ENOMEM some queues may have the new size: call again.
 */
int driver_set_ringparam(struct host *h, u32 num);

/**
 * driver_set_channels() - use @nqueues receive queues (ethtool -L rx); no accepted frame is lost
 *
 * The caller has already taken the queues that go away out of the indirection table.
 *
 * Return: 0, or -errno as driver_set_ringparam(); the card then uses the queues it used before, and new ones stay open
 *         for the next call
 */
int driver_set_channels(struct host *h, u32 nqueues);

/**
 * driver_set_adaptive() - switch adaptive-rx (ethtool -C). Off keeps the rx-usecs and rx-frames of the last profile
 * Return: 0, -EOPNOTSUPP, or -ENOMEM
 */
int driver_set_adaptive(struct host *h, u32 on);

/**
 * netif_set_weights() - hand @h->weight to the queues' NAPIs and @h->dev_weight times its bias to the backlogs'
 *
 * A poll that has begun ends with the old weight.
 */
void netif_set_weights(struct host *h);

/**
 * dev_set_threaded() - poll a queue in a task of its own, or in softirqs again; a poll under way ends as it began
 * @mode: enum napi_threaded
 */
void dev_set_threaded(struct host *h, u32 queue, u32 mode);

/**
 * arfs_set() - switch accelerated RFS and ntuple rules (ethtool -K ntuple). Off deletes all filters and rules
 * Return: 0 or -ENOMEM
 */
int arfs_set(struct host *h, u32 on);

/**
 * irq_affinity() - list the CPUs that may take the queue's interrupt: the configured ones, else CPU (queue mod cpus)
 * @cpus: written: at least one of the host's CPUs
 */
void irq_affinity(const struct host *h, u32 queue, struct cpumask *cpus);

/**
 * irq_cpu() - name the CPU that takes the queue's interrupt: the first in its mask (effective_affinity)
 */
u32 irq_cpu(const struct host *h, u32 queue);

/**
 * irq_count() - count the interrupts of this queue that @cpu took (/proc/interrupts)
 */
u64 irq_count(const struct driver_queue *dq, u32 cpu);

/**
 * irq_set_affinity() - move the queue's interrupt, and its NAPI with it, to the first of @cpus (smp_affinity)
 * Return: 0, or -errno: -EINVAL (none of these CPUs exists), -EIO (the interrupt is another process's eventfd), -EBUSY
 */
int irq_set_affinity(struct host *h, u32 queue, const struct cpumask *cpus);

/* ---- driver_tx.c: sending, from a protocol to the ring ---- */

#define TX_NONE 4294967295u        /* no packet */

/**
 * struct tx_buf - one buffer of a packet to send; the first one begins with the virtio header, then Ethernet
 * @next:       the packet's next buffer, or TX_NONE
 * @queue_next: first buffer of the packet behind it in a neighbour's queue, or TX_NONE
 * @len:        bytes in this buffer
 * @frame_len:  of the first buffer: bytes of the frame, from its Ethernet header on
 */
struct tx_buf { u32 next, queue_next, len, frame_len; };

enum netdev_features {
	NETIF_F_HW_CSUM = 1,           /* the card completes checksums */
	NETIF_F_GSO_UDP_L4 = 2,        /* the wire cuts a long UDP packet into datagrams */
	NETIF_F_TSO = 4,               /* the same of TCP over IPv4 */
	NETIF_F_TSO6 = 8               /* and over IPv6 */
};

/**
 * struct driver_tx - the sending half. A packet is the index of its first buffer
 * @base, @bus: buffer i is at base + i * TX_BUF_LEN; the same as a bus address
 * @size:       number of buffers: those that fill the ring, and TX_POOL_SPARE
 * @free:       stack of @nfree unused buffers
 * @lock:       guards all of sending: pool, ring, neighbour table, IP ids
 * @offload:    what the card does for the sender, bits of enum netdev_features
 * @tso:        ethtool -K tso: TCP uses what @offload says of it
 * @posted:     frames given to the ring
 * @queued:     frames that wait for a neighbour's address
 * @fates:      frames that never got to the ring, by enum tx_fate
 */
struct driver_tx {
	struct virtqueue_driver vq;
	u8 *base;
	u64 bus;
	u32 size, nfree, *free;
	struct tx_buf *buf;
	u32 lock;
	u8 offload, tso, spare[4];
	u16 ip_id;
	u32 frag_id;
	u64 posted, queued;
	u64 packets, bytes, fates[TX_FATE_MAX];
};

/**
 * tx_alloc() - take the buffers for a packet, its virtio header all zero: no offload
 * @len: bytes of the frame, from its Ethernet header on
 * Return: the packet, which dev_queue_xmit() or tx_drop() takes back; or TX_NONE
 * Context: under tx->lock
 */
u32 tx_alloc(struct driver_tx *tx, u32 len);

/**
 * tx_header() - point to the packet's Ethernet header
 */
u8 *tx_header(struct driver_tx *tx, u32 packet);

/**
 * tx_drop() - count the packet's fate and free its buffers. Consumes @packet.
 * Context: under tx->lock
 */
void tx_drop(struct host *h, u32 packet, enum tx_fate fate);

/**
 * dev_queue_xmit() - post the packet on the ring and ring the doorbell. Consumes @packet, also on error.
 * @sd: the CPU that sends and pays for it; NULL: a Python thread
 * Return: 0, -ENOBUFS (the ring is full), or -ENETDOWN (the card has stopped); the fate is counted
 * Context: under tx->lock
 */
int dev_queue_xmit(struct host *h, struct softnet_data *sd, u32 packet);

/**
 * dev_xmit_frame() - send a frame that is complete, Ethernet header and checksums included
 * Return: as dev_queue_xmit(); the fate is counted
 * Context: under tx->lock
 */
int dev_xmit_frame(struct host *h, struct softnet_data *sd, const u8 *frame, u32 len);

/**
 * dev_direct_xmit() - send a frame as it is: a packet socket's, with the Ethernet header that its sender wrote
 * @len: bytes, without checksum
 * Return: 0; -EAGAIN: no room now, try again; -EINVAL: shorter than an Ethernet header; -EMSGSIZE: longer than the MTU
 *         allows; -ENETDOWN: this host does not send, or the card has stopped
 * Context: a Python thread. Takes tx->lock.
 */
int dev_direct_xmit(struct host *h, const u8 *frame, u32 len);

/**
 * driver_tx_room() - reclaim sent buffers, then check that ring and pool can hold so much
 * Return: 1 or 0
 * Context: under tx->lock
 */
int driver_tx_room(struct host *h, u32 frames, u32 bytes);

/**
 * driver_tx_set_ringparam() - give the sending ring @num descriptors (ethtool -G tx). A live card first sends what is in it
 * Return: 0, or -errno: -EINVAL; -EOPNOTSUPP, as driver_set_ringparam(); -ENOMEM; -EBUSY: frames wait, in the ring or
 *         for a neighbour
 * Context: machine stopped. Takes tx->lock.
 */
int driver_tx_set_ringparam(struct host *h, u32 num);

/**
 * driver_tx_free() - free what driver_open() allocated for sending
 */
void driver_tx_free(struct host *h);

/**
 * host_tx_fates() - read the ledger of sending: the driver's fates plus the card's
 * @fates: [TX_FATE_MAX], written
 * Context: any thread; exact at rest
 */
void host_tx_fates(struct host *h, u64 *fates);

/**
 * host_tx_in_flight() - count the frames that are in the ring or wait for a neighbour
 * Context: any thread; exact at rest
 */
u64 host_tx_in_flight(struct host *h);

/* ---- inside the room, and for its tests ---- */

void dim_init(struct dim *d);
int net_dim(struct dim *d, const struct dim_sample *now);
int driver_dim(struct driver_queue *dq);
int driver_open_queue(struct host *h, u32 i);
int driver_poll(struct napi_struct *napi, int budget);  /* napi->poll */
int driver_may_burst(const struct driver_queue *dq);    /* are there usual frames for driver_burst() in this poll? */
u32 driver_burst(struct driver_queue *dq, u32 max);     /* the usual frames at the front of the used ring. Return: taken */
void driver_irq(struct driver_queue *dq);               /* net_device.irq_handler */
int driver_refill(struct driver_queue *dq);
void driver_refill_timer(struct softnet_data *sd);      /* polls the driver of a ring that is empty for want of memory */
u32 arfs_queue(const struct host *h, u32 cpu);          /* net_device.rx_cpu_rmap */
int rx_flow_steer(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow); /* ndo_rx_flow_steer */
void arfs_clear(struct host *h);
void arfs_expire(struct softnet_data *sd);
int driver_tx_open(struct host *h);
void tx_free(struct driver_tx *tx, u32 packet);
void driver_tx_reclaim(struct host *h);
