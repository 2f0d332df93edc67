/* vhost_ring.c - a foreign driver's rings: they start, stop, are enabled, break; the sending ones take their turn
 *
 *   SET_VRING_NUM, _BASE, _ADDR, _KICK -> started; SET_VRING_ENABLE -> enabled; GET_VRING_BASE -> stopped
 *   the card's thread: nic_transmit() -> transmit(): each sending ring in turn, at most a burst; then its interrupt
 *
 * RSS chooses among the receive queues that are started and enabled, by the order of their numbers, unless ethtool -X says
 * otherwise. When a queue goes, frames that wait for it in the FIFO end as DEV_READY.
 *
 * A driver that writes an impossible index, or whose memory is cut short, breaks that ring: it is stopped, and its error file is
 * signalled. The other rings go on.
 */
#include "device.h"

#include <sys/epoll.h>
#include <unistd.h>

struct virtqueue *vhost_vq(struct vhost *v, u32 ring)
{
	return ring & 1 ? &v->ring[ring].vq : &v->nic->queue[ring / 2].vq;
}

static bool is_used(const struct vhost_ring *r)
{
	return r->started && r->enabled && !r->broken;
}

/* ---- what the card sees ---- */

/* Frames in the FIFO were sent to queues that may be gone. */
static void purge_fifo(struct nic *nic)
{
	u32 n = nic->fifo.head - nic->fifo.tail;

	for (u32 i = 0; i < n; i++) {
		struct frame f = *fifo_peek(&nic->fifo);

		fifo_pop(&nic->fifo);
		if (!nic->up || !nic->queue[f.queue].vq.desc ||
		    fifo_push(&nic->fifo, &f) < 0) /* it holds more than its size: fifo_resize() */
			nic_fate(nic, &f, DEV_READY);
	}
}

/* Spread the hashes over the queues in use. What the user asked for (ethtool -X) is kept, and holds again when its queues are
 * back. */
static void spread(struct vhost *v, const u16 *queues, u32 n)
{
	struct nic *nic = v->nic;
	struct rss *rss = &nic->rss;

	if (memcmp(rss->indir, v->indir, sizeof(rss->indir)) != 0) /* not as the last call left it: the user's */
		memcpy(v->indir_asked, rss->indir, sizeof(rss->indir));
	for (u32 i = 0; i <= rss->indir_mask; i++) {
		u16 asked = v->indir_asked[i];

		rss->indir[i] = rss->configured && nic->queue[asked].vq.desc ? asked : queues[i % n];
	}
	memcpy(v->indir, rss->indir, sizeof(rss->indir));
	if (!rss->configured)
		memcpy(v->indir_asked, rss->indir, sizeof(rss->indir));
}

void vhost_rings_changed(struct vhost *v)
{
	u16 queues[NIC_QUEUES_MAX];
	struct nic *nic = v->nic;
	bool silent = false;
	u32 n = 0;

	for (u32 i = 0; i < v->pairs; i++) {
		struct vhost_ring *r = &v->ring[2 * i], *tx = r + 1;
		struct nic_queue *q = &nic->queue[i];

		if (is_used(tx) && vhost_place(v, tx, &tx->vq) < 0) /* it may have moved while it was disabled */
			vhost_break(v, tx);
		if (is_used(r) && !q->vq.desc && vhost_place(v, r, &q->vq) < 0) /* it was disabled for a while */
			vhost_break(v, r);
		silent |= (is_used(r) && r->kick < 0) || (is_used(tx) && tx->kick < 0);
		if (is_used(r)) {
			queues[n++] = (u16)i;
			continue;
		}
		if (q->vq.desc && q->irq.pending &&
		    q->irq.wanted) /* moderation held it back; the frames are in the ring */
			vhost_call(v, r);
		q->vq.desc = NULL; /* the numbers stay, for GET_VRING_BASE */
		q->irq.pending = q->starved = 0;
	}
	v->foreign.silent = silent;
	nic->up = n > 0;
	if (n)
		spread(v, queues, n);
	purge_fifo(nic);
	nic_again(nic, nic->live ? 0 : nic->now); /* buffers may be there for which no doorbell rings again */
}

/* ---- one ring ---- */

/* Find the ring in memory. Its indices stay. Return: 0, or -EINVAL: it is not there */
int vhost_place(struct vhost *v, struct vhost_ring *r, struct virtqueue *vq)
{
	struct virtq_desc *desc = vhost_user_map(v, r->desc, virtq_desc_bytes(r->num));
	struct virtq_avail *avail = vhost_user_map(v, r->avail, virtq_avail_bytes(r->num));
	struct virtq_used *used = vhost_user_map(v, r->used, virtq_used_bytes(r->num));

	if (!desc || !avail || !used || (u64)desc & 15 || (u64)avail & 1 || (u64)used & 3)
		return -EINVAL;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->size = r->num;
	vq->event_idx = v->features >> VIRTIO_F_EVENT_IDX & 1;
	return 0;
}

int vhost_set_num(struct vhost *v, u32 ring, u32 num)
{
	if (ring >= 2 * v->pairs || !num || num > VHOST_RING_SIZE_MAX || num & (num - 1))
		return -EINVAL;
	if (v->ring[ring].started)
		return -EBUSY;
	v->ring[ring].num = num;
	v->ring[ring].placed = 0; /* it may be too long for its place now */
	return 0;
}

int vhost_set_base(struct vhost *v, u32 ring, u32 base)
{
	if (ring >= 2 * v->pairs || base > UINT16_MAX)
		return -EINVAL;
	if (v->ring[ring].started)
		return -EBUSY;
	v->ring[ring].base = (u16)base;
	return 0;
}

int vhost_set_addr(struct vhost *v, u32 ring, u64 desc, u64 avail, u64 used)
{
	struct virtqueue vq = { 0 };
	struct vhost_ring *r, moved;

	if (ring >= 2 * v->pairs)
		return -EINVAL;
	r = &v->ring[ring];
	moved = *r;
	moved.desc = desc;
	moved.avail = avail;
	moved.used = used;
	moved.placed = 1;
	if (!r->num || vhost_place(v, &moved, &vq) < 0)
		return -EINVAL;
	*r = moved;
	if (is_used(r))
		vhost_place(v, r, vhost_vq(v, ring)); /* a ring that is disabled is placed when it is enabled */
	return 0;
}

int vhost_start(struct vhost *v, u32 ring)
{
	struct frame_shadow *shadow = NULL;
	struct virtqueue vq = { 0 };
	struct vhost_ring *r;

	if (ring >= 2 * v->pairs)
		return -EINVAL;
	r = &v->ring[ring];
	if (r->started)
		return 0;
	if (!v->features || !r->num || !r->placed || vhost_place(v, r, &vq) < 0)
		return -EINVAL;
	if (!(ring & 1) && !(shadow = calloc(r->num, sizeof(*shadow))))
		return -ENOMEM;
	vq.last_avail = vq.avail_idx = r->base;
	vq.used_idx = vq.published = vq.was_published = READ_ONCE(
		vq.used->idx); /* a driver that is back goes on from there */
	if (!vq.event_idx)
		WRITE_ONCE(vq.used->flags, 0);
	if (shadow) {
		struct nic_queue *q = &v->nic->queue[ring / 2];

		free(q->shadow);
		q->shadow = shadow;
		q->vq = vq;
		q->starved = q->irq.pending = q->irq.wanted = 0;
		q->batch = q->irq.frames = 0;
		nic_faults_forget(v->nic, ring / 2);
	} else {
		r->vq = vq;
	}
	virtqueue_want_kick(vhost_vq(v, ring));
	r->started = 1;
	r->broken = r->quiet = 0;
	vhost_rings_changed(v);
	return 0;
}

u32 vhost_stop(struct vhost *v, u32 ring)
{
	struct vhost_ring *r;

	if (ring >= 2 * v->pairs)
		return 0;
	r = &v->ring[ring];
	if (r->started) {
		r->base = vhost_vq(v, ring)->last_avail;
		r->started = 0;
		vhost_rings_changed(v);
	}
	return r->base;
}

int vhost_enable(struct vhost *v, u32 ring, int on)
{
	if (ring >= 2 * v->pairs)
		return -EINVAL;
	v->ring[ring].enabled = on != 0;
	vhost_rings_changed(v);
	return 0;
}

void vhost_break(struct vhost *v, struct vhost_ring *r)
{
	if (r->broken)
		return;
	r->broken = 1;
	vhost_error(v, r);
}

/* ---- the card's thread calls these ---- */

static void broken(struct nic *nic, u32 queue)
{
	struct vhost *v = container_of(nic->foreign, struct vhost, foreign);

	vhost_break(v, &v->ring[2 * queue]);
	vhost_rings_changed(v);
}

static void interrupt(struct nic *nic, u32 queue)
{
	struct vhost *v = container_of(nic->foreign, struct vhost, foreign);

	vhost_call(v, &v->ring[2 * queue]);
}

/* While the card is busy it looks at the rings by itself. take() in nic_tx.c and nic_starved() ask for the next doorbell. */
static void no_doorbell(struct virtqueue *vq)
{
	if (!vq->event_idx && !(READ_ONCE(vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY))
		WRITE_ONCE(vq->used->flags, VIRTQ_USED_F_NO_NOTIFY);
}

static int ring_turn(struct vhost *v, struct vhost_ring *r)
{
	struct virtqueue *vq = &r->vq;
	int n, rc = 0;

	if (likely(v->nic->wire->write != NULL)) {
		n = nic_transmit_ring(v->nic, vq, &rc);
	} else {
		n = nic_discard_ring(v->nic, vq);
		rc = n < 0 ? n : 0;
	}
	if (unlikely(rc < 0)) {
		vhost_break(v, r);
		return 0;
	}
	if (n > 0 && virtqueue_publish(vq))
		vhost_call(v, r);
	if (v->nic->polls || (n == BURST && vq->avail_idx != vq->last_avail))
		no_doorbell(vq);
	return n;
}

static void all_cut(struct vhost *v)
{
	bool news = false;

	for (u32 i = 0; i < 2 * v->pairs; i++) {
		news |= v->ring[i].started && !v->ring[i].broken;
		if (v->ring[i].started)
			vhost_break(v, &v->ring[i]);
	}
	if (news)
		vhost_rings_changed(v);
}

static int transmit(struct nic *nic)
{
	struct vhost *v = container_of(nic->foreign, struct vhost, foreign);
	int most = 0;

	for (u32 i = 0; i < v->pairs; i++) {
		struct vhost_ring *r = &v->ring[2 * i + 1];
		struct nic_queue *q = &nic->queue[i];
		int n;

		if (nic->polls && q->vq.desc && !q->starved)
			no_doorbell(&q->vq);
		if (!is_used(r))
			continue;
		n = ring_turn(v, r);
		most = n > most ? n : most;
	}
	if (unlikely(vhost_cut(v))) /* in this turn: the card may sleep after it */
		all_cut(v);
	return most;
}

/* ---- making and ending ---- */

struct vhost *vhost_new(struct nic *nic, u32 pairs)
{
	struct vhost *v = pairs && pairs <= NIC_QUEUES_MAX ? calloc(1, sizeof(*v)) : NULL;

	if (!v)
		return NULL;
	v->nic = nic;
	v->pairs = pairs;
	for (u32 i = 0; i < VHOST_RINGS_MAX; i++) {
		v->ring[i].index = i;
		v->ring[i].kick = v->ring[i].call = v->ring[i].err = -1;
	}
	v->foreign = (struct nic_foreign){
		.transmit = transmit, .broken = broken, .interrupt = interrupt, .rang = vhost_rang
	};
	v->foreign.doorbells = epoll_create1(EPOLL_CLOEXEC);
	if (!nic->tx.memory)
		nic->tx.memory = malloc(TX_MEMORY);
	if (v->foreign.doorbells < 0 || !nic->tx.memory || call_init(nic) < 0) {
		vhost_free(v);
		return NULL;
	}
	nic->nqueues = nic->nqueues_open = pairs;
	nic->external_driver = 1;
	nic->foreign = &v->foreign;
	return v;
}

void vhost_reset(struct vhost *v)
{
	for (u32 i = 0; i < 2 * v->pairs; i++) {
		struct vhost_ring *r = &v->ring[i];

		r->started = r->enabled = r->broken = r->placed = 0;
		r->num = 0;
		r->base = 0;
	}
	vhost_rings_changed(v);
	v->features = 0;
	v->nic->wire->gso_whole = 0;
}

void vhost_hang_up(struct vhost *v)
{
	vhost_reset(v);
	for (u32 i = 0; i < VHOST_RINGS_MAX; i++)
		vhost_close_files(v, &v->ring[i]);
	vhost_unmap(v);
}

void vhost_free(struct vhost *v)
{
	if (!v)
		return;
	if (v->nic->foreign == &v->foreign) {
		vhost_hang_up(v);
		v->nic->foreign = NULL;
	}
	if (v->foreign.doorbells >= 0)
		close(v->foreign.doorbells);
	free(v);
}

struct vhost_state vhost_state(const struct vhost *v, u32 ring)
{
	const struct vhost_ring *r = &v->ring[ring % VHOST_RINGS_MAX];
	const struct virtqueue *vq = r->index & 1 ? &r->vq : &v->nic->queue[r->index / 2].vq;

	return (struct vhost_state){
		.started = READ_ONCE(r->started),
		.enabled = READ_ONCE(r->enabled),
		.broken = READ_ONCE(r->broken),
		.polls = READ_ONCE(r->call) < 0,
		.num = READ_ONCE(r->num),
		.last_avail = r->started ? READ_ONCE(vq->last_avail) : READ_ONCE(r->base),
		.used_idx = READ_ONCE(vq->used_idx),
		.kicks = READ_ONCE(r->kicks),
		.calls = READ_ONCE(r->calls),
	};
}
