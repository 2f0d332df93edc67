/* nic_init.c - set up the card, and the memory that it shares with its driver */
#include "device.h"

#define PAGE 4096u
_Static_assert(sizeof(struct vnic_config) <= CONFIG_BYTES, "the rings begin behind it");

static const u8 default_key[RSS_KEY_SIZE] = {
	/* Microsoft's RSS verification key: the published vectors apply */
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const u32 no_cost[COST_MAX];

/* Defaults that no knob overrides. */
void nic_init(struct nic *nic)
{
	nic->nqueues = 1;
	nic->hdr_len = HDR_HASH;
	nic->ring_size = 256;
	nic->tx_ring_size = TX_RING_SIZE;
	nic->buf_len = 2048;
	nic->fifo.size = 65536;
	nic->rx_csum = nic->tx_csum = 1;
	nic->tx.done_ns = NEVER;
	nic->rss.enabled = 1;
	nic->filter.any = nic->filter.allmulti = 1;
	nic->irq_next = nic->kick_ns = NEVER;
	nic->horizon = nic->limit = NEVER;
	nic->cost = no_cost;
	nic->spinners = no_cost;
	nic->dma.memfd = nic->kick_fd = -1;
	rss_set_key(&nic->rss, default_key, sizeof(default_key));
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++) {
		nic->queue[i].nic = nic;
		nic->queue[i].index = i;
		nic->queue[i].irq.rx_frames = 1;
		nic->queue[i].irq.deadline_ns = NEVER;
		nic->queue[i].irq.call_fd = -1;
	}
}

/* 2176 for 2048: with a power of two, every buffer's header would fall into the same cache sets (measured) */
static u32 buf_stride(const struct nic *nic)
{
	return align_up(nic->buf_len, 64) + 128;
}

static u32 page_up(u64 bytes)
{
	return align_up((u32)bytes, PAGE);
}

/* Where the parts of a ring of at most num descriptors begin, and where it ends: offsets from its begin */
struct ring_layout {
	u32 avail, used, end;
};

static struct ring_layout ring_layout(u32 num)
{
	const u32 avail = page_up(virtq_desc_bytes(num)), used = avail + page_up(virtq_avail_bytes(num));

	return (struct ring_layout){ avail, used, used + page_up(virtq_used_bytes(num)) };
}

static struct vnic_queue_config ring_at(u64 at, const struct ring_layout *l, u32 num)
{
	return (struct vnic_queue_config){
		.size = virtqueue_size(num), .desc = at, .avail = at + l->avail, .used = at + l->used
	};
}

/* One memfd: the config, which the driver reads and writes, then rings, then buffers for each queue. Laid out for the longest
 * rings and queues_max queues: unused pages take no memory. */
int nic_memory_init(struct nic *nic, u32 queues_max, u32 buffers_a_queue)
{
	const struct ring_layout ring = ring_layout(RX_RING_MAX), tx_ring = ring_layout(TX_RING_MAX);
	const u64 buffers = (u64)buffers_a_queue * buf_stride(nic);
	u64 at = CONFIG_BYTES, first_buffer, tx;
	struct vnic_config *c;
	int rc;

	nic->queues_max = max_u32(nic->nqueues, queues_max);
	nic->nqueues_open = nic->nqueues;
	first_buffer = align_up((u32)(at + (u64)ring.end * nic->queues_max), 65536);
	tx = (first_buffer + buffers * nic->queues_max + PAGE - 1) & ~(u64)(PAGE - 1);
	rc = dma_init(&nic->dma, tx + tx_ring.end + (u64)(TX_RING_MAX + TX_POOL_SPARE) * TX_BUF_LEN);
	if (rc < 0)
		return rc;
	nic->config = c = (void *)nic->dma.base;
	*c = (struct vnic_config){ .magic = VNIC_MAGIC,
				   .abi = VNIC_ABI,
				   .region_size = nic->dma.size,
				   .nqueues = nic->nqueues,
				   .mtu = (u16)min_u32(nic->mtu, UINT16_MAX) };
	c->device_features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_GUEST_CSUM |
			     1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_HASH_REPORT;
	if (nic->tx_csum)
		c->device_features |= 1ull << VIRTIO_NET_F_CSUM;
	if (nic->tx_csum && nic->wire && nic->wire->vnet)
		c->device_features |= 1ull << VIRTIO_NET_F_HOST_USO | 1ull << VIRTIO_NET_F_HOST_TSO4 |
				      1ull << VIRTIO_NET_F_HOST_TSO6;
	nic->offers = c->device_features;
	c->tx = ring_at(tx, &tx_ring, nic->tx_ring_size);
	c->tx.buffers = tx + tx_ring.end;
	c->tx.buf_stride = TX_BUF_LEN;
	c->tx.buf_count = nic->tx_ring_size + TX_POOL_SPARE;
	memcpy(c->mac, nic->filter.addr, ETH_ALEN);
	for (u32 i = 0; i < nic->queues_max; i++, at += ring.end) {
		struct vnic_queue_config *q = config_queue(c, i);

		*q = ring_at(at, &ring, nic->ring_size);
		q->buffers = first_buffer + i * buffers;
		q->buf_stride = buf_stride(nic);
		q->buf_count = buffers_a_queue;
		nic->layout[i] = *q;
	}
	return 0;
}

static struct frame *held(void *card, u32 i)
{
	struct nic *nic = card;
	u32 in_fifo = nic->fifo.head - nic->fifo.tail;

	if (i < in_fifo)
		return &nic->fifo.slot[(nic->fifo.tail + i) & nic->fifo.mask];
	i += (u32)nic->burst_pos - in_fifo;
	return i < (u32)nic->burst_len ? &nic->burst[i] : NULL;
}

void nic_plug(struct nic *nic, struct wire *w)
{
	nic->wire = w;
	w->held = held;
	w->card = nic;
	w->mac = nic->filter.addr;
}

int nic_fit(struct nic *nic, u32 fifo_bytes, u32 mtu)
{
	return nic->wire->fit ? nic->wire->fit(nic->wire, fifo_bytes, mtu) : 0;
}

void nic_exit(struct nic *nic)
{
	dma_exit(&nic->dma);
	call_exit(nic);
	free(nic->fifo.slot);
	free(nic->arfs.filter);
	free(nic->rules.rule);
	free(nic->tx.memory);
	nic_faults_free(nic->faults);
}
