/* vhost.h - a driver in another process that brings its own memory, rings and doorbells: the back-end's half of vhost-user;
 *           and the front-end's half, vhost_port.c, which is a wire to a foreign back-end
 *
 * Python speaks the protocol (vnic/vhost): a session is some forty messages. This room has what touches memory and rings.
 * Nothing that the driver says is trusted: addresses, sizes, indices and files are checked here, whatever Python has checked.
 *
 * Ring 2k is the k-th receive queue, ring 2k + 1 the k-th sending ring. A ring is started or stopped, and enabled or disabled:
 * two things that do not depend on each other. The card touches a ring only while it is both: User Mode Linux resets its
 * device by disabling the rings, and then uses their memory for other things.
 *
 * Context, where a comment names none: the card's thread does not run, or is parked.
 */

struct vhost;

#define VHOST_RINGS_MAX 256        /* 2 * NIC_QUEUES_MAX */
#define VHOST_RING_SIZE_MAX 32768

/* ---- vhost_memory.c: the memory table ---- */

/**
 * struct vhost_region - a piece of the driver's memory, as it describes it
 * @bus:    guest physical address; descriptors have these
 * @user:   the same place as the driver's process sees it; SET_VRING_ADDR has these
 * @offset: in the file
 */
struct vhost_region { u64 bus, size, user, offset; };

/**
 * vhost_set_memory() - map a new table, and find the rings in it again; a ring that is not there any more is broken
 * @fd: [@n], of each region; they stay the caller's, and may be closed afterwards
 * Return: 0; -errno: the old table stays. -EINVAL: overlapping, empty or wrapping regions; -EFBIG: more than the file has;
 *         -ENOMEM; others of mmap(2)
 */
int vhost_set_memory(struct vhost *v, const struct vhost_region *region, const int *fd, u32 n);

/** vhost_regions() - Return: regions in use */
u32 vhost_regions(const struct vhost *v);

/** vhost_cut() - Return: 1: a file of the driver's became shorter than its region; the card has zeros there, and must stop */
int vhost_cut(const struct vhost *v);

/* ---- vhost_ring.c, vhost_features.c: rings start, stop, break ---- */

/** vhost_new() - make a back-end for a card of @pairs pairs of rings. Return: NULL: no memory, or no files. vhost_free() */
struct vhost *vhost_new(struct nic *nic, u32 pairs);
void vhost_free(struct vhost *v);

/** vhost_set_features() - the driver's choice; the caller has checked that it was offered. Return: 0; -EINVAL; -EBUSY: rings run */
int vhost_set_features(struct vhost *v, u64 features);

/** vhost_set_num(), vhost_set_base() - a ring's size, a power of two, and its next entry. Return: 0; -EINVAL; -EBUSY: it runs */
int vhost_set_num(struct vhost *v, u32 ring, u32 num);
int vhost_set_base(struct vhost *v, u32 ring, u32 base);

/** vhost_set_addr() - where a ring is, by the driver's own addresses. Return: 0; -EINVAL: not there, or not aligned; the ring is as it was */
int vhost_set_addr(struct vhost *v, u32 ring, u64 desc, u64 avail, u64 used);

/** vhost_start() - start a ring. Return: 0; -EINVAL: no features, size or place; -ENOMEM */
int vhost_start(struct vhost *v, u32 ring);

/** vhost_stop() - stop a ring: no write to it and no interrupt follow. Return: its next entry */
u32 vhost_stop(struct vhost *v, u32 ring);

/** vhost_enable() - let frames into a ring, or out of it */
int vhost_enable(struct vhost *v, u32 ring, int on);

/** vhost_reset() - stop and disable all rings, forget sizes, places and features; memory stays */
void vhost_reset(struct vhost *v);

/** vhost_hang_up() - the driver is gone: as vhost_reset(), and give back its memory and files */
void vhost_hang_up(struct vhost *v);

/** struct vhost_state - what a ring does, for reports */
struct vhost_state {
	u8 started, enabled, broken, polls;
	u32 num;
	u16 last_avail, used_idx;
	u64 kicks, calls;
};
/** vhost_state() - look at a ring. Context: any thread */
struct vhost_state vhost_state(const struct vhost *v, u32 ring);

/* ---- vhost_signal.c: doorbells, interrupts, errors ---- */

/** vhost_set_kick() - the ring's doorbell: an eventfd, taken over; -1: the driver rings none. Return: 0, -EINVAL: no such file */
int vhost_set_kick(struct vhost *v, u32 ring, int fd);
/** vhost_set_call() - the ring's interrupt: an eventfd or a socket, taken over; -1: the driver polls. Return: as vhost_set_kick() */
int vhost_set_call(struct vhost *v, u32 ring, int fd);
/** vhost_set_err() - where to report that the ring is broken; as vhost_set_call() */
int vhost_set_err(struct vhost *v, u32 ring, int fd);

/* ---- vhost_port.c: the front-end's half: a port of a foreign back-end, as a wire ---- */

#define PORT_LANES_MAX 16          /* TAP_LANES_MAX */
#define PORT_RING 1024             /* entries of each ring */
#define PORT_RX_BUF 2048           /* bytes of a receive buffer; a longer frame takes several */
#define PORT_BUS 4294967296        /* where the memory begins by the addresses that the back-end is told, of both kinds */

/**
 * struct port_lane - a pair of rings: the back-end fills the one, and empties the other
 * @call:    eventfd that the back-end signals
 * @kick:    eventfds of ours: buffers were posted for it to fill, frames to empty
 * @armed:   the back-end was asked to signal
 * @posted:  receive buffers that the back-end does not see yet
 * @tx_free: a stack of buffers for sending; @tx_len: of a buffer in the ring, its bytes
 */
struct port_lane {
	struct virtqueue_driver rx, tx;
	int call, kick[2];
	u8 armed;
	u32 posted;
	u32 tx_nfree, tx_free[PORT_RING];
	u64 taken, sent, kicks, calls;
};

/**
 * struct vhost_port - the memory that a back-end gets, and the rings in it
 * @port:     what the wire calls (wire/tap.c)
 * @tx_len:   bytes of a sending buffer
 * @attached: a back-end has the rings
 * @ring_at, @rx_at, @tx_at: offsets of the first lane's rings, receive and sending buffers
 * @hang_fd:  eventfd: the back-end broke a ring
 * @bad_used: entries of the used ring that cannot be; @too_long: frames that no read has room for
 * @unsent:   frames that were in the sending rings when a back-end went away
 */
struct vhost_port {
	struct tap_port port;
	struct dma memory;
	u32 nlanes, tx_len;
	u8 attached;
	u64 ring_at, rx_at, tx_at;
	int hang_fd;
	u64 bad_used, too_long, unsent;
	struct port_lane lane[PORT_LANES_MAX];
};

/** vhost_port_new() - make the memory and the files. Return: NULL: no memory, or no files. vhost_port_free() */
struct vhost_port *vhost_port_new(u32 nlanes, u32 mtu);
void vhost_port_free(struct vhost_port *p);

/** struct port_ring - where a ring is, by the addresses that the back-end is told */
struct port_ring { u64 desc, avail, used; };
/** vhost_port_ring() - ring 2k is lane k's for receiving, 2k + 1 the one for sending */
struct port_ring vhost_port_ring(const struct vhost_port *p, u32 ring);

/** vhost_port_attach() - begin with empty rings, all receive buffers posted. @event_idx: the back-end has taken EVENT_IDX */
void vhost_port_attach(struct vhost_port *p, int event_idx);
/** vhost_port_detach() - the back-end is gone: touch the rings no more */
void vhost_port_detach(struct vhost_port *p);

/* ---- inside the room ---- */

/**
 * struct vhost_ring - one ring
 * @vq:      of a sending ring. A receive queue's is nic_queue.vq
 * @desc, @avail, @used: the driver's addresses; 0: none yet
 * @quiet:   without EVENT_IDX: the driver was told to ring no doorbell
 */
struct vhost_ring {
	struct virtqueue vq;
	u32 index, num;
	u16 base;
	u8 started, enabled, broken, quiet, placed;
	u64 desc, avail, used;
	int kick, call, err;
	u8 call_is_socket, err_is_socket;
	u64 kicks, calls;
};

struct vhost {
	struct nic *nic;
	struct nic_foreign foreign;
	u32 pairs;
	u64 features;
	struct vhost_ring ring[VHOST_RINGS_MAX];
	struct vhost_region region[DMA_REGIONS_MAX];
	struct dma_region mapped[DMA_REGIONS_MAX]; /* whole pages, to be unmapped */
	u32 nregions;
	u32 cut;
	u16 indir_asked[RSS_INDIR_MAX]; /* the user's indirection table; indir: the card's, as of the last change of rings */
	u16 indir[RSS_INDIR_MAX];
};

/* vhost_memory.c */
void *vhost_user_map(const struct vhost *v, u64 addr, u64 len);
void vhost_unmap(struct vhost *v);

/* vhost_ring.c */
struct virtqueue *vhost_vq(struct vhost *v, u32 ring);
int vhost_place(struct vhost *v, struct vhost_ring *r, struct virtqueue *vq);
void vhost_rings_changed(struct vhost *v);
void vhost_break(struct vhost *v, struct vhost_ring *r);

/* vhost_signal.c */
void vhost_call(struct vhost *v, struct vhost_ring *r);
void vhost_error(struct vhost *v, struct vhost_ring *r);
int vhost_rang(struct nic *nic);
void vhost_close_files(struct vhost *v, struct vhost_ring *r);
