/* nic_tx.c - the card's sending half: doorbell -> chain -> the card's memory -> the wire
 *
 *   driver_tx.c rings -> nic_tx_run(): DMA of the whole chain; when its time is over: wire->write(), the chain is used
 *
 * The card sends one frame after the other. In virtual time each takes COST_DMA and its time on the wire, so the ring really
 * fills behind it; live, the wire's system call takes that time. The card completes a partial checksum, unless the wire
 * takes virtio headers and so leaves it to the receiver. It pads to 60 bytes. It reads nothing outside the region: it reads
 * each descriptor once and checks it, and returns a bad chain unsent.
 */
#include "device.h"

#include <unistd.h>

#define ROOM 12u /* bytes before the frame, for the wire's own header */
#define AHEAD 8u /* frames, to be prefetched */

_Static_assert(TX_MEMORY == ROOM + HDR_HASH + TX_FRAME_MAX, "what nic_up.c allocates");

void nic_tx_kick(struct nic *nic, u64 now)
{
	COUNT(nic->tx.kicks, 1);
	if (unlikely(nic->faults != NULL) && nic_fault_hits(nic, FAULT_KICK_IGNORED, 0, now, 0, NULL))
		return;
	nic_again(nic, now);
}

/* ---- a chain into the card's memory ---- */

/* Copy a chain to the card's memory. Return: bytes of header and frame; 0: the chain is bad */
static u32 gather(struct nic *nic, const struct virtqueue *vq, u16 head)
{
	u8 *to = nic->tx.memory + ROOM;
	u32 used = 0;
	u16 id = head;

	for (u32 n = 0; n < vq->size; n++) {
		struct virtq_desc d = dma_desc_once(&vq->desc[id]);
		const u8 *from = dma_find(&nic->dma, d.addr, d.len);

		if (!from || d.flags & ~VIRTQ_DESC_F_NEXT || d.len > nic->hdr_len + TX_FRAME_MAX - used)
			return 0;
		memcpy(to + used, from, d.len);
		used += d.len;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return used;
		if (d.next >= vq->size)
			return 0;
		id = d.next;
	}
	return 0; /* a loop */
}

/* Do what the driver left to the card. Return: false: it asks for the impossible */
static bool offload(const struct nic *nic, struct virtio_net_hdr_v1_hash *hdr, u8 *frame, u32 len)
{
	u32 at = (u32)hdr->csum_start + hdr->csum_offset;

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && (hdr->csum_start >= len || at + 2 > len))
		return false;
	if (nic->wire->vnet)
		return true;
	if (hdr->gso_type)
		return false; /* the card did not offer GSO */
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		u16 sum = csum_fold(csum_partial(frame + hdr->csum_start, len - hdr->csum_start, 0));

		store16(frame + at,
			sum || hdr->csum_offset != UDPH_CHECK ? sum : 0xffff); /* in UDP 0 means: no checksum */
	}
	return true;
}

/* Take the next chain off the ring; an empty one asks for the next doorbell. Return: 1; 0: no chain is posted; -EIO: broken */
static inline int next_chain(const struct nic *nic, struct virtqueue *vq, u16 *head)
{
	int avail = virtqueue_avail(vq, 1);

	if (avail == 0 && !nic->polls) {
		virtqueue_want_kick(vq);
		avail = virtqueue_avail(vq, 1);
	}
	if (avail <= 0)
		return avail;
	*head = READ_ONCE(vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	if (*head >= vq->size)
		return -EIO;
	vq->last_avail++;
	return 1;
}

/* Take the next chain into memory. Return: as next_chain() */
static int take(struct nic *nic, struct virtqueue *vq)
{
	struct nic_tx *tx = &nic->tx;
	u16 head;
	int rc = next_chain(nic, vq, &head);
	u32 len;

	if (rc <= 0)
		return rc;
	tx->head = head;
	len = gather(nic, vq, head);
	tx->len = len >= nic->hdr_len + ETH_HLEN ? len - nic->hdr_len : 0;
	return 1;
}

/* Show a tap the frame as it leaves: on a wire with virtio headers a GSO frame whole, and partial checksums as they are. */
static noinline void tap_sent(struct nic *nic, const u8 *frame, u64 now)
{
	const struct frame f = { .data = frame, .len = nic->tx.len, .wire_len = nic->tx.len, .flags = FRAME_SENT };

	if (nic->live) /* nic->now may be older than the stamp of the frame that this one answers */
		now = clock_ns();
	nic->watch(nic, POINT_WIRE, &f, now, -1, 0);
}

/* Send the frame in memory, and return its chain. */
static void send_frame(struct nic *nic, struct virtqueue *vq, u64 now)
{
	struct nic_tx *tx = &nic->tx;
	struct virtio_net_hdr_v1_hash hdr = { 0 };
	u8 *frame = tx->memory + ROOM + nic->hdr_len;
	enum tx_fate fate = TX_BAD_CHAIN;
	int rc;

	memcpy(&hdr, tx->memory + ROOM, nic->hdr_len == HDR_HASH ? HDR_HASH : HDR_SHORT);
	if (tx->len && offload(nic, &hdr, frame, tx->len)) {
		if (tx->len < ETH_ZLEN) {
			memset(frame + tx->len, 0, ETH_ZLEN - tx->len);
			tx->len = ETH_ZLEN;
		}
		if (unlikely(nic_watched(nic, POINT_WIRE)))
			tap_sent(nic, frame, now);
		rc = nic->wire->write(nic->wire, frame, tx->len, &hdr, now);
		fate = rc == 0 ? TX_SENT : rc == -ENOBUFS ? TX_WIRE_FULL : TX_WIRE_ERROR;
		if (rc == 0)
			COUNT(nic->wire->tx_bytes, tx->len);
	}
	COUNT(tx->fates[fate], 1);
	virtqueue_fill_used(vq, tx->head, 0);
	tx->len = 0;
}

/* A stalled sending ring is looked at again when the rule's time is over. */
static noinline bool stalled(struct nic *nic)
{
	u64 until = nic_fault_until(nic, FAULT_TX_STALL, FAULT_ANY_QUEUE, nic->now);

	if (until && until != NEVER)
		nic->kick_ns = min_u64(nic->kick_ns, until);
	return until;
}

static bool can_send(struct nic *nic)
{
	if (unlikely(nic->faults != NULL) && stalled(nic))
		return false;
	return nic->up && nic->tx.vq.desc && nic->wire->write;
}

/* ---- live ---- */

/* Another core wrote the ring and the frames: fetch the lines of the frame that is so far ahead. What is read here is a hint;
 * gather() reads it anew, and checks it. */
static inline void prefetch_frame(const struct nic *nic, const struct virtqueue *vq, u32 ahead)
{
	const struct virtq_desc *d;
	const u8 *from;
	u16 head;

	if ((u16)(vq->avail_idx - vq->last_avail) <= ahead)
		return;
	head = READ_ONCE(vq->avail->ring[(vq->last_avail + ahead) & (vq->size - 1)]);
	if (head >= vq->size)
		return;
	d = &vq->desc[head];
	from = dma_find(&nic->dma, READ_ONCE(d->addr), 1);
	if (from) {
		__builtin_prefetch(from);
		__builtin_prefetch(from + 64);
	}
}

int nic_transmit_ring(struct nic *nic, struct virtqueue *vq, int *rc)
{
	int n = 0;

	virtqueue_avail(vq, BURST);
	for (u32 i = 0; i < AHEAD; i++)
		prefetch_frame(nic, vq, i);
	while (n < BURST && (*rc = take(nic, vq)) == 1) {
		prefetch_frame(nic, vq, AHEAD - 1);
		send_frame(nic, vq, nic->now);
		n++;
	}
	return n;
}

int nic_discard_ring(struct nic *nic, struct virtqueue *vq)
{
	int n, rc = 0;
	u16 head;

	for (n = 0; n < BURST && (rc = next_chain(nic, vq, &head)) == 1; n++) {
		COUNT(nic->tx.fates[TX_DEV_READY], 1);
		virtqueue_fill_used(vq, head, 0);
	}
	return rc < 0 ? rc : n;
}

int nic_transmit(struct nic *nic)
{
	int n, rc = 0;

	if (unlikely(nic->faults != NULL) && stalled(nic))
		return 0;
	if (unlikely(nic->foreign != NULL))
		return nic->foreign->transmit(nic);
	if (!can_send(nic))
		return 0;
	n = nic_transmit_ring(nic, &nic->tx.vq, &rc);
	if (n)
		virtqueue_publish(&nic->tx.vq); /* the driver waits for no interrupt of this ring */
	if (unlikely(rc < 0))
		nic_needs_reset(nic);
	return n;
}

/* ---- virtual time ---- */

static void start(struct nic *nic, u64 now)
{
	struct nic_tx *tx = &nic->tx;
	const u32 *cost = nic->cost;
	int rc = take(nic, &tx->vq);

	if (unlikely(rc < 0))
		nic_needs_reset(nic);
	if (rc == 1)
		tx->done_ns = now + cost[COST_DMA] + (u64)tx->len * cost[COST_DMA_PS] / 1000 +
			      ((u64)max_u32(tx->len, ETH_ZLEN) + WIRE_OVERHEAD) * nic->wire->ps_per_byte / 1000;
}

/* A frame's end is planned as a doorbell (kick_ns), so a card that sends nothing has no further event to check. */
void nic_tx_run(struct nic *nic, u64 now)
{
	struct nic_tx *tx = &nic->tx;

	if (!can_send(nic))
		return;
	if (tx->done_ns <= now) {
		tx->done_ns = NEVER;
		send_frame(nic, &tx->vq, now);
		virtqueue_publish(&tx->vq);
	}
	if (tx->done_ns == NEVER)
		start(nic, now);
	nic->kick_ns = min_u64(nic->kick_ns, tx->done_ns);
}

/* Count the ring's frames as of now: the driver may go on posting. */
void nic_tx_purge(struct nic *nic)
{
	struct nic_tx *tx = &nic->tx;
	int n;

	if (!tx->vq.desc)
		return;
	if (tx->done_ns != NEVER) {
		tx->done_ns = NEVER;
		COUNT(tx->fates[TX_DEV_READY], 1);
		virtqueue_fill_used(&tx->vq, tx->head, 0);
	}
	for (n = virtqueue_avail(&tx->vq, tx->vq.size + 1); n > 0; n--) {
		u16 head = READ_ONCE(tx->vq.avail->ring[tx->vq.last_avail++ & (tx->vq.size - 1)]);

		COUNT(tx->fates[TX_DEV_READY], 1);
		virtqueue_fill_used(&tx->vq, head, 0);
	}
	virtqueue_publish(&tx->vq);
}
