/* ring.h - what a card and its driver share: the virtqueue, page 0 of the memory, and nothing else
 *
 * Each side has its own half. Neither trusts an index, an address or a length that it reads from the shared memory.
 */

/* ---- virtqueue.c: the split virtqueue of virtio 1.2 section 2.7, in one sealed memfd ---- */

#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2
#define VIRTQ_DESC_F_INDIRECT 4
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
#define VIRTQ_USED_F_NO_NOTIFY 1
struct virtq_desc { u64 addr; u32 len; u16 flags; u16 next; };
struct virtq_avail { u16 flags; u16 idx; u16 ring[]; };       /* used_event follows the ring */
struct virtq_used_elem { u32 id; u32 len; };
struct virtq_used { u16 flags; u16 idx; struct virtq_used_elem ring[]; };  /* avail_event follows the ring */
/** virtq_desc_bytes() - Return: the length of the descriptor table of a queue of this size */
u64 virtq_desc_bytes(u32 size);
/** virtq_avail_bytes() - Return: the length of the available ring, with used_event */
u64 virtq_avail_bytes(u32 size);
/** virtq_used_bytes() - Return: the length of the used ring, with avail_event */
u64 virtq_used_bytes(u32 size);

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_TCPV4 1
#define VIRTIO_NET_HDR_GSO_TCPV6 4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#define VIRTIO_NET_HDR_GSO_ECN 128
struct virtio_net_hdr_v1 { u8 flags, gso_type; u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers; };
struct virtio_net_hdr_v1_hash {
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
	u32 hash_value;
	u16 hash_report, padding;
};

#define HASH_NONE 0                /* virtio_net_hdr_v1_hash.hash_report, virtio 1.2 section 5.1.6.4.5 */
#define HASH_IPV4 1
#define HASH_TCPV4 2
#define HASH_UDPV4 3
#define HASH_IPV6 4
#define HASH_TCPV6 5
#define HASH_UDPV6 6
#define HASH_TYPES 7

#define VIRTIO_F_VERSION_1 32              /* bit numbers */
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_GUEST_TSO4 7
#define VIRTIO_NET_F_GUEST_TSO6 8
#define VIRTIO_NET_F_GUEST_ECN 9
#define VIRTIO_NET_F_HOST_TSO4 11
#define VIRTIO_NET_F_HOST_TSO6 12
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_HASH_REPORT 57
#define VIRTIO_S_ACKNOWLEDGE 1             /* device_status bits, virtio 1.2 section 2.1 */
#define VIRTIO_S_DRIVER 2
#define VIRTIO_S_DRIVER_OK 4
#define VIRTIO_S_FEATURES_OK 8
#define VIRTIO_S_NEEDS_RESET 64
#define VIRTIO_S_FAILED 128

/* The memfd begins with this page of two: a driver in another process reads and writes it. Little-endian; offsets from the
 * memfd's start */
#define VNIC_MAGIC 1667853942              /* "vnic" */
#define VNIC_ABI 1
#define CONFIG_BYTES 8192
#define CONFIG_QUEUES 16                   /* that the first drivers knew of; the others' rows are behind tx */
#define TX_BUF_LEN 2048                    /* the sending ring and its buffers */
#define TX_RING_SIZE 256                   /* descriptors, unless tx-ring says otherwise */
#define TX_POOL_SIZE 1024                  /* buffers then */
#define TX_POOL_SPARE 768                  /* buffers besides those that fill the ring: for packets that wait for a neighbour */
struct vnic_queue_config { u32 size; u32 enabled; u64 desc, avail, used; u64 buffers; u32 buf_stride, buf_count; };
/**
 * struct vnic_config - the first bytes of the memfd
 * @queue, @queue_more: the receive queues: CONFIG_QUEUES, and those behind; see config_queue()
 */
struct vnic_config {
	u32 magic, abi;
	u64 region_size;
	u32 nqueues, device_status;
	u64 device_features, driver_features;
	u8 mac[6];
	u16 mtu;
	u32 spare;
	struct vnic_queue_config queue[CONFIG_QUEUES];
	struct vnic_queue_config tx;
	struct vnic_queue_config queue_more[112];
};

/**
 * struct virtqueue - the device's half: the shared rings, and the indices that the device keeps to itself
 * @size:          a power of two
 * @last_avail:    next entry to take; @avail_idx: the driver's index as last read
 * @used_idx:      next entry to write; @published: how far the driver can see
 * @was_published: published before the last virtqueue_publish()
 * @broken:        the driver wrote an impossible index: NEEDS_RESET
 */
struct virtqueue {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;
	u16 last_avail, avail_idx;
	u16 used_idx, published;
	u16 was_published;
	u8 event_idx;
	u8 broken;
};
/**
 * struct virtqueue_driver - the driver's half
 * @num:       descriptors that the driver uses, at most @size: the ring that it was asked for
 * @nfree:     of those, the ones that are not posted
 * @used_seen: the device's index as last read
 * @free_desc: a stack; its first nfree entries are free
 * @chain:     descriptor of an outgoing chain -> the next one
 * @desc_buf:  descriptor -> buffer: kept here, never read back from the shared memory
 */
struct virtqueue_driver {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size, num;
	u16 last_used, avail_idx, kicked;
	u16 nfree;
	u16 used_seen;
	u16 *free_desc;
	u16 *chain;
	u32 *desc_buf;
	u8 event_idx, broken;
};

/** config_queue() - the row of a receive queue */
struct vnic_queue_config *config_queue(struct vnic_config *c, u32 i);

/* The device's half. Context: the card's owner, one thread at a time. */

/**
 * virtqueue_avail() - count the chains that the driver posted and the device has not taken
 * @want: read the driver's index anew only if fewer than this are known
 * Return: how many; -EIO: the driver's index is impossible, the queue is broken.
 */
int virtqueue_avail(struct virtqueue *vq, u32 want);
/** virtqueue_fill_used() - write one used entry; the driver sees it after virtqueue_publish() */
void virtqueue_fill_used(struct virtqueue *vq, u32 id, u32 len);
/** virtqueue_publish() - make used entries visible. Return: 1: the driver asked for an interrupt */
int virtqueue_publish(struct virtqueue *vq);
/** virtqueue_wants_irq() - is what was published since the index old worth an interrupt, as the driver asks now? */
int virtqueue_wants_irq(const struct virtqueue *vq, u16 old);
/** virtqueue_want_kick() - ask for a doorbell at the next posted buffer; the caller then looks at the ring once more */
void virtqueue_want_kick(struct virtqueue *vq);

/* The driver's half. Context: the CPU that polls the queue, or a driver that is alone with it. */

/**
 * virtqueue_driver_init() - allocate the private state of an empty queue of @num descriptors
 *
 * The shared ring has virtqueue_size(@num) entries.
 *
 * Return: 0; -ENOMEM: free it all the same
 */
int virtqueue_driver_init(struct virtqueue_driver *d, u32 num);
/** virtqueue_size() - the ring that holds so many descriptors: a power of two */
u32 virtqueue_size(u32 num);
void virtqueue_driver_free(struct virtqueue_driver *d);
/** virtqueue_add_inbuf() - post buffer number buf for the device to write. Return: 0; -ENOSPC: no free descriptor */
int virtqueue_add_inbuf(struct virtqueue_driver *d, u64 addr, u32 len, u32 buf);
/**
 * virtqueue_add_inbufs() - post n buffers, at most nfree
 * @bus: buffer i is at bus + i * stride
 * @top: end of a stack of buffer numbers; the last ones are posted, the topmost first
 */
void virtqueue_add_inbufs(struct virtqueue_driver *d, u64 bus, u32 stride, u32 len, const u32 *top, u32 n);
/** virtqueue_add_outbuf() - post a chain of n pieces, at most nfree, for the device to read */
void virtqueue_add_outbuf(struct virtqueue_driver *d, const u64 *addr, const u32 *len, u32 n, u32 buf);
/**
 * virtqueue_get_buf() - take one used buffer
 * @desc: set to its first descriptor, which is free again
 * @len:  set to the bytes that the device wrote, unchecked
 * Return: the buffer's number, the caller's again; -EAGAIN: none; -EIO: the device named a descriptor that is not posted, or
 *         moved its index by more than the ring holds
 */
int virtqueue_get_buf(struct virtqueue_driver *d, u32 *desc, u32 *len);
/** virtqueue_used() - Return: used buffers that can be taken; 0: none; -EIO: the device moved its index too far */
int virtqueue_used(struct virtqueue_driver *d);
/** virtqueue_free_chain() - free the n - 1 descriptors after the one that virtqueue_get_buf() just returned */
void virtqueue_free_chain(struct virtqueue_driver *d, u32 desc, u32 n);
/** virtqueue_kick_prepare() - publish what was posted. Return: 1: the device asked for a doorbell */
int virtqueue_kick_prepare(struct virtqueue_driver *d);
/** virtqueue_disable_cb() - mask the queue's interrupt */
void virtqueue_disable_cb(struct virtqueue_driver *d);
/** virtqueue_enable_cb() - unmask the interrupt, then look again. Return: 1: entries came meanwhile, poll them */
int virtqueue_enable_cb(struct virtqueue_driver *d);

/* ---- inside the room ---- */

/** vring_need_event() - did the index pass event on its way from old_idx to new_idx? (section 2.7.7.2) */
int vring_need_event(u16 event, u16 new_idx, u16 old_idx);
