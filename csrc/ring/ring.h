/* ring.h - what a card and its driver share: the virtqueue, page 0 of the memory, and nothing else */

/* ---- virtqueue.c: the split virtqueue of virtio 1.2 section 2.7, in one sealed memfd ---- */

#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2
#define VIRTQ_DESC_F_INDIRECT 4
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
#define VIRTQ_USED_F_NO_NOTIFY 1
struct virtq_desc { u64 addr; u32 len; u16 flags; u16 next; };
struct virtq_avail { u16 flags; u16 idx; u16 ring[]; };       /* and used_event behind the ring */
struct virtq_used_elem { u32 id; u32 len; };
struct virtq_used { u16 flags; u16 idx; struct virtq_used_elem ring[]; };  /* and avail_event behind the ring */

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
#define VIRTIO_NET_F_HOST_USO 56
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_HASH_REPORT 57
#define VIRTIO_S_ACKNOWLEDGE 1             /* device_status bits, virtio 1.2 section 2.1 */
#define VIRTIO_S_DRIVER 2
#define VIRTIO_S_DRIVER_OK 4
#define VIRTIO_S_FEATURES_OK 8
#define VIRTIO_S_NEEDS_RESET 64
#define VIRTIO_S_FAILED 128

/* page 0 of the memfd: what a driver in another process reads and writes. Little-endian, offsets from the memfd's start */
#define VNIC_MAGIC 1667853942              /* "vnic" */
#define VNIC_ABI 1
#define TX_BUF_LEN 2048                    /* the sending ring and its buffers */
#define TX_RING_SIZE 256
#define TX_POOL_SIZE 1024
struct vnic_queue_config { u32 size; u32 enabled; u64 desc, avail, used; u64 buffers; u32 buf_stride, buf_count; };
struct vnic_config {
	u32 magic, abi;
	u64 region_size;
	u32 nqueues, device_status;
	u64 device_features, driver_features;
	u8 mac[6];
	u16 mtu;
	u32 spare;
	struct vnic_queue_config queue[NIC_QUEUES_MAX];
	struct vnic_queue_config tx;
};

/* the device's half: what it shares with the driver, and what it keeps to itself */
struct virtqueue {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;                  /* a power of two */
	u16 last_avail, avail_idx; /* next to take; the driver's index as last read */
	u16 used_idx, published;   /* next to write; what the driver can see */
	u16 was_published;         /* the same before the last virtqueue_publish() */
	u8 event_idx;
	u8 broken;                 /* the driver wrote an index that cannot be: NEEDS_RESET */
};
/* the driver's half */
struct virtqueue_driver {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;
	u16 last_used, avail_idx, kicked;
	u16 nfree;                 /* descriptors not posted */
	u16 used_seen;             /* the device's index as last read */
	u16 *free_desc;            /* the last nfree of a stack */
	u16 *chain;                /* of one that is sent: the descriptor behind it */
	u32 *desc_buf;             /* descriptor -> buffer: kept here, never read back from the shared memory */
	u8 event_idx, broken;
};
int virtqueue_avail(struct virtqueue *vq, u32 want);  /* chains posted and not taken, read anew if fewer than want; < 0: broken */
void virtqueue_fill_used(struct virtqueue *vq, u32 id, u32 len);
int virtqueue_wants_irq(const struct virtqueue *vq, u16 old);  /* is what was published since old worth an interrupt? */
int virtqueue_publish(struct virtqueue *vq);          /* make used entries visible. Return: 1 = the driver asked to be told */
void virtqueue_want_kick(struct virtqueue *vq);
int vring_need_event(u16 event, u16 new_idx, u16 old_idx);
int virtqueue_driver_init(struct virtqueue_driver *d, u32 size);
void virtqueue_driver_free(struct virtqueue_driver *d);
int virtqueue_add_inbuf(struct virtqueue_driver *d, u64 addr, u32 len, u32 buf);
int virtqueue_get_buf(struct virtqueue_driver *d, u32 *desc, u32 *len); /* the buffer; -EAGAIN: none; -EIO: the device lied */
void virtqueue_add_inbufs(struct virtqueue_driver *d, u64 bus, u32 stride, u32 len, const u32 *top, u32 n);
void virtqueue_add_outbuf(struct virtqueue_driver *d, const u64 *addr, const u32 *len, u32 n, u32 buf);
void virtqueue_free_chain(struct virtqueue_driver *d, u32 desc, u32 n);
int virtqueue_kick_prepare(struct virtqueue_driver *d); /* publish avail->idx. Return: 1 = the device wants a kick */
void virtqueue_disable_cb(struct virtqueue_driver *d);
int virtqueue_enable_cb(struct virtqueue_driver *d);  /* unmask, then look again. Return: 1 = more came meanwhile */
