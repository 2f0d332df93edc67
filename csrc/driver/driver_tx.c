/* driver_tx.c - the driver's sending half. Linux: dev_queue_xmit() and a driver's ndo_start_xmit()
 *
 *   neigh.c -> dev_queue_xmit(): reclaim what the card has sent, post the chain, ring the doorbell -> nic_tx.c
 *
 * One ring, one pool of buffers and one lock serve all senders: softirqs of several CPUs, and Python's threads. Making
 * and posting a frame takes a few hundred ns, less than the wire's system call behind it. No queueing discipline stands
 * in front of the ring: if it is full, the frame is lost as TX_FULL_RING, as on a device with "noqueue". The ring's
 * interrupt stays off; the next transmission reclaims sent buffers, as virtio-net does without a NAPI for sending.
 */
#include "prelude.h"

#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))

_Static_assert(TX_POOL_SIZE == TX_RING_SIZE + TX_POOL_SPARE, "the pool of the usual ring");
_Static_assert(TX_FRAME_MAX / TX_BUF_LEN + 2 <= TX_RING_MIN, "every ring can hold the longest frame");

/* Make the pool that goes with a ring of num descriptors. Return: 0 or -ENOMEM; then nothing has changed */
static int pool_init(struct driver_tx *tx, u32 num)
{
	u32 size = num + TX_POOL_SPARE, *free_bufs = malloc(size * sizeof(*free_bufs));
	struct tx_buf *buf = malloc(size * sizeof(*buf));

	if (!free_bufs || !buf) {
		free(free_bufs);
		free(buf);
		return -ENOMEM;
	}
	free(tx->free);
	free(tx->buf);
	tx->free = free_bufs;
	tx->buf = buf;
	tx->size = tx->nfree = size;
	for (u32 i = 0; i < size; i++)
		tx->free[i] = size - 1 - i;
	return 0;
}

/* Allocate the sending half, and enable its ring. Return: 0 or -ENOMEM */
int driver_tx_open(struct host *h)
{
	struct vnic_queue_config *qc = &h->nic.config->tx;
	u64 features = h->nic.config->driver_features;
	struct driver_tx *tx = &h->tx;
	int rc = pool_init(tx, h->nic.tx_ring_size);

	tx->base = h->nic.dma.base + qc->buffers;
	tx->bus = qc->buffers;
	if (rc == 0)
		rc = virtqueue_driver_init(&tx->vq, h->nic.tx_ring_size);
	if (rc < 0)
		return rc;
	tx->vq.desc = (void *)(h->nic.dma.base + qc->desc);
	tx->vq.avail = (void *)(h->nic.dma.base + qc->avail);
	tx->vq.used = (void *)(h->nic.dma.base + qc->used);
	tx->vq.event_idx = features >> VIRTIO_F_EVENT_IDX & 1;
	tx->offload = 0;
	if (features >> VIRTIO_NET_F_CSUM & 1)
		tx->offload |= NETIF_F_HW_CSUM;
	if (features >> VIRTIO_NET_F_HOST_USO & 1)
		tx->offload |= NETIF_F_GSO_UDP_L4;
	if (features >> VIRTIO_NET_F_HOST_TSO4 & 1)
		tx->offload |= NETIF_F_TSO;
	if (features >> VIRTIO_NET_F_HOST_TSO6 & 1)
		tx->offload |= NETIF_F_TSO6;
	virtqueue_disable_cb(&tx->vq);
	qc->enabled = 1;
	return 0;
}

void driver_tx_free(struct host *h)
{
	free(h->tx.free);
	free(h->tx.buf);
	virtqueue_driver_free(&h->tx.vq);
}

/* ---- buffers ---- */

u8 *tx_header(struct driver_tx *tx, u32 packet)
{
	return tx->base + (u64)packet * TX_BUF_LEN + HDR_LEN;
}

u32 tx_alloc(struct driver_tx *tx, u32 len)
{
	u32 buffers = (HDR_LEN + len + TX_BUF_LEN - 1) / TX_BUF_LEN, head, next = TX_NONE;

	if (unlikely(buffers > tx->nfree))
		return TX_NONE;
	for (u32 i = buffers; i-- > 0; next = head) { /* from the last to the first */
		u32 bytes = i + 1 < buffers ? TX_BUF_LEN : HDR_LEN + len - i * TX_BUF_LEN;

		head = tx->free[--tx->nfree];
		tx->buf[head] = (struct tx_buf){ .next = next, .queue_next = TX_NONE, .len = bytes };
	}
	tx->buf[next].frame_len = len;
	memset(tx->base + (u64)next * TX_BUF_LEN, 0, HDR_LEN);
	return next;
}

/* Free the packet's buffers, without a fate. */
void tx_free(struct driver_tx *tx, u32 packet)
{
	for (u32 next; packet != TX_NONE; packet = next) {
		next = tx->buf[packet].next;
		tx->free[tx->nfree++] = packet;
	}
}

void tx_drop(struct host *h, u32 packet, enum tx_fate fate)
{
	COUNT(h->tx.fates[fate], 1);
	tx_free(&h->tx, packet);
}

/* ---- the ring ---- */

/* Free what the card has sent. */
void driver_tx_reclaim(struct host *h)
{
	struct driver_tx *tx = &h->tx;
	struct virtqueue_driver *vq = &tx->vq;
	u32 desc, len;
	int packet;

	while ((packet = virtqueue_get_buf(vq, &desc, &len)) >= 0) {
		u32 n = 0;

		for (u32 b = (u32)packet; b != TX_NONE; b = tx->buf[b].next)
			n++;
		virtqueue_free_chain(vq, desc, n);
		tx_free(tx, (u32)packet);
	}
}

int driver_tx_room(struct host *h, u32 frames, u32 bytes)
{
	u32 buffers = frames + bytes / TX_BUF_LEN + 1;

	driver_tx_reclaim(h);
	return buffers <= h->tx.vq.nfree && buffers <= h->tx.nfree;
}

int dev_queue_xmit(struct host *h, struct softnet_data *sd, u32 packet)
{
	struct driver_tx *tx = &h->tx;
	u64 addr[TX_FRAME_MAX / TX_BUF_LEN + 2];
	u32 len[ARRAY_SIZE(addr)], n = 0;

	if (sd)
		cpu_charge(sd, COST_OUTPUT);
	driver_tx_reclaim(h);
	for (u32 b = packet; b != TX_NONE; b = tx->buf[b].next, n++) {
		addr[n] = tx->bus + (u64)b * TX_BUF_LEN;
		len[n] = tx->buf[b].len;
	}
	if (unlikely(!READ_ONCE(h->nic.up) || tx->vq.broken)) {
		tx_drop(h, packet, TX_DEV_READY);
		return -ENETDOWN;
	}
	if (unlikely(n > tx->vq.nfree)) {
		tx_drop(h, packet, TX_FULL_RING);
		return -ENOBUFS;
	}
	COUNT(tx->posted, 1);
	COUNT(tx->packets, 1);
	COUNT(tx->bytes, tx->buf[packet].frame_len);
	virtqueue_add_outbuf(&tx->vq, addr, len, n, packet);
	if (virtqueue_kick_prepare(&tx->vq)) {
		u64 now = host_now(h, sd) + (sd ? sd->owed : 0); /* when the CPU has paid for it */

		nic_tx_kick(&h->nic, now);
		if (sd && !sd->live)
			cpu_lower_horizon(sd, now);
	}
	return 0;
}

/* Linux's packet_snd(): a frame with a VLAN tag may be longer by the tag. */
static u32 longest_frame(const struct host *h, const u8 *frame)
{
	u32 mtu = *h->dev.mtu ? *h->dev.mtu : ETH_DATA_LEN;

	return mtu + ETH_HLEN + (is_vlan(load16(frame + ETHH_PROTO)) ? VLAN_HLEN : 0);
}

/* Copy a frame into buffers. Return: the packet, or TX_NONE */
static u32 tx_copy(struct driver_tx *tx, const u8 *frame, u32 len)
{
	u32 packet = tx_alloc(tx, len), at = HDR_LEN;

	for (u32 b = packet; b != TX_NONE; b = tx->buf[b].next, at = 0) {
		u32 n = tx->buf[b].len - at;

		memcpy(tx->base + (u64)b * TX_BUF_LEN + at, frame, n);
		frame += n;
	}
	return packet;
}

int dev_xmit_frame(struct host *h, struct softnet_data *sd, const u8 *frame, u32 len)
{
	u32 packet = tx_copy(&h->tx, frame, len);

	if (packet == TX_NONE) {
		COUNT(h->tx.fates[TX_FULL_RING], 1);
		return -ENOBUFS;
	}
	return dev_queue_xmit(h, sd, packet);
}

static int direct_xmit(struct host *h, const u8 *frame, u32 len)
{
	u32 packet;

	if (!driver_tx_room(h, 1, len + HDR_LEN))
		return -EAGAIN;
	packet = tx_copy(&h->tx, frame, len);
	return packet == TX_NONE ? -EAGAIN : dev_queue_xmit(h, NULL, packet);
}

int dev_direct_xmit(struct host *h, const u8 *frame, u32 len)
{
	int rc;

	if (!h->answers)
		return -ENETDOWN;
	if (len < ETH_HLEN)
		return -EINVAL;
	if (len > longest_frame(h, frame))
		return -EMSGSIZE;
	lock_if(h->live, &h->tx.lock);
	rc = direct_xmit(h, frame, len);
	unlock_if(h->live, &h->tx.lock);
	return rc;
}

/* ---- ethtool -G tx ---- */

/* Let a live card send what is in the ring. In virtual time sending takes time, which does not pass now. */
static int settle(struct host *h)
{
	while (h->live && nic_transmit(&h->nic))
		;
	driver_tx_reclaim(h);
	return h->tx.vq.nfree == h->tx.vq.num && h->tx.nfree == h->tx.size ? 0 : -EBUSY;
}

static int set_ring(struct host *h, u32 num)
{
	struct vnic_queue_config *qc = &h->nic.config->tx;
	struct driver_tx *tx = &h->tx;
	struct virtqueue_driver vq = tx->vq;
	int rc = settle(h);

	if (rc < 0)
		return rc;
	rc = virtqueue_driver_init(&vq, num);
	if (rc == 0)
		rc = pool_init(tx, num);
	if (rc < 0) {
		virtqueue_driver_free(&vq);
		return rc;
	}
	qc->size = vq.size;
	qc->buf_count = tx->size;
	vq.avail_idx = vq.kicked = vq.last_used = vq.used_seen = 0;
	virtqueue_driver_free(&tx->vq);
	tx->vq = vq;
	memset(vq.avail, 0, virtq_avail_bytes(vq.size));
	memset(vq.used, 0, virtq_used_bytes(vq.size));
	virtqueue_disable_cb(&tx->vq);
	return nic_tx_ring_up(&h->nic);
}

int driver_tx_set_ringparam(struct host *h, u32 num)
{
	int rc = 0;

	if (h->nic.external_driver || !h->nic.up)
		return -EOPNOTSUPP;
	if (num < TX_RING_MIN || num > TX_RING_MAX)
		return -EINVAL;
	if (h->answers) {
		machine_settle(h); /* a CPU may hold a packet that it is making */
		lock_if(h->live, &h->tx.lock);
		rc = set_ring(h, num);
		unlock_if(h->live, &h->tx.lock);
	}
	if (rc == 0)
		h->nic.tx_ring_size = num;
	return rc;
}

/* ---- the ledger of sending ---- */

void host_tx_fates(struct host *h, u64 *fates)
{
	for (u32 f = 0; f < TX_FATE_MAX; f++)
		fates[f] = READ_ONCE(h->tx.fates[f]) + READ_ONCE(h->nic.tx.fates[f]);
}

u64 host_tx_in_flight(struct host *h)
{
	u64 done = 0;

	if (h->nic.external_driver) /* what it has posted is its own count */
		return 0;
	for (u32 f = 0; f < TX_FATE_MAX; f++)
		done += READ_ONCE(h->nic.tx.fates[f]);
	return READ_ONCE(h->tx.posted) - done + READ_ONCE(h->tx.queued);
}
