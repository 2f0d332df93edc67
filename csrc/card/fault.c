/* fault.c - faults on purpose: what no card gives on demand, by rule, and counted
 *
 *   irq.c, nic_drain.c, dma.c, nic_tx.c, driver.c: "if (nic->faults)" -> a rule hits -> the fault, a count, a record in the log
 *
 * A rule says what goes wrong and when: the n-th chance, each n-th, with a probability (by a seed), in a time; and how often.
 * While there is a rule, frames go to the ring one by one; without one, a burst pays one branch.
 *
 * A frame that is damaged here keeps its fate: it is delivered, and the driver or the host has to find out. The event log has
 * a record for it (EVENT_FAULT), and a capture behind the FIFO has the fault's name in the frame's comment. A fault that is not
 * possible with this frame, or in this driver's header, does not happen, and is no chance.
 */
#include "device.h"

#define MILLION 1000000u

struct nic_faults *nic_faults_new(void)
{
	struct nic_faults *faults = calloc(1, sizeof(*faults));

	if (!faults)
		return NULL;
	faults->frame = malloc(TX_FRAME_MAX);
	faults->wake_fd = -1;
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++)
		faults->held[i].id = UINT32_MAX;
	if (!faults->frame) {
		free(faults);
		return NULL;
	}
	return faults;
}

void nic_faults_free(struct nic_faults *faults)
{
	if (!faults)
		return;
	free(faults->frame);
	free(faults);
}

/* splitmix64 */
static u64 next_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static bool is_for(const struct nic_fault *r, enum fault kind, u32 queue, u64 now)
{
	return r->kind == (u32)kind && r->left && now >= r->from_ns && now < r->until_ns &&
	       (r->queue == FAULT_ANY_QUEUE || queue == FAULT_ANY_QUEUE || r->queue == queue);
}

/* Live, a CPU decides these, and the card's log has the card for its writer. */
static bool is_logged(const struct nic *nic, u32 kind)
{
	return !nic->live || nic->foreign || (kind != FAULT_KICK_IGNORED && kind != FAULT_ALLOC_FAIL);
}

static void hit(struct nic *nic, struct nic_fault *r, u32 queue, u64 now, u64 frame)
{
	COUNT(r->hits, 1);
	COUNT(nic->faults->hits[r->kind], 1);
	if (r->left != NEVER)
		r->left--;
	if (unlikely(nic->events != NULL) && is_logged(nic, r->kind))
		nic_event(&nic->queue[queue < NIC_QUEUES_MAX ? queue : 0], EVENT_FAULT, now, now, frame, r->kind);
}

static bool by_chance(struct nic_fault *r)
{
	COUNT(r->chances, 1);
	if (r->nth && r->chances != r->nth)
		return false;
	if (r->every && r->chances % r->every)
		return false;
	return r->ppm >= MILLION || next_random(&r->random) % MILLION < r->ppm;
}

int nic_fault_hits(struct nic *nic, enum fault kind, u32 queue, u64 now, u64 frame, u64 *arg)
{
	for (u32 i = 0; i < nic->faults->n; i++) {
		struct nic_fault *r = &nic->faults->rule[i];

		if (!is_for(r, kind, queue, now) || !by_chance(r))
			continue;
		hit(nic, r, queue, now, frame);
		if (arg)
			*arg = r->arg;
		return 1;
	}
	return 0;
}

/* Such a rule hits once, when its time begins to matter: that is its only chance. */
u64 nic_fault_until(struct nic *nic, enum fault kind, u32 queue, u64 now)
{
	for (u32 i = 0; i < nic->faults->n; i++) {
		struct nic_fault *r = &nic->faults->rule[i];

		if (!is_for(r, kind, queue, now))
			continue;
		if (!r->hits) {
			COUNT(r->chances, 1);
			hit(nic, r, queue, now, 0);
		}
		return r->until_ns;
	}
	return 0;
}

void nic_faults_forget(struct nic *nic, u32 queue)
{
	if (unlikely(nic->faults != NULL))
		nic->faults->held[queue].id = UINT32_MAX;
}

/* ---- a frame on its way into a buffer ---- */

static bool hits(struct nic_queue *q, enum fault kind, const struct frame *f, u64 *arg)
{
	if (!nic_fault_hits(q->nic, kind, q->index, q->nic->now, f->id, arg))
		return false;
	q->nic->faults->on_frame |= 1u << kind;
	return true;
}

/* Damage a copy. Return: true: the header shall say that the checksum is right */
static bool damage(struct nic_queue *q, struct frame *f)
{
	bool fits = f->len && f->len <= TX_FRAME_MAX, lie = false, flip = false;
	u8 *copy = q->nic->faults->frame;

	if (fits) {
		flip = hits(q, FAULT_DMA_FLIP, f, NULL);
		lie = hits(q, FAULT_CSUM_LIE, f, NULL);
	}
	if (flip || lie) {
		memcpy(copy, f->data, f->len);
		copy[f->len - 1] ^= 1;
		f->data = copy;
	}
	if (q->nic->hdr_len == HDR_HASH && hits(q, FAULT_HASH_WRONG, f, NULL))
		f->hash = ~f->hash;
	return lie;
}

/* The n bytes from an offset on, of the first buffer of the chain that a used entry names. Return: NULL: it is shorter */
static u8 *within(struct nic_queue *q, u32 id, u32 from, u32 n)
{
	struct virtq_desc d;

	if (id >= q->vq.size)
		return NULL;
	d = dma_desc_once(&q->vq.desc[id]);
	return d.len >= from + n ? dma_map(&q->nic->dma, d.addr + from, n) : NULL;
}

/* The descriptor with the frame's header; used entries from before on are new, those of bad chains come first. */
static u32 first_buffer(const struct nic_queue *q, const struct frame *f, u16 before)
{
	const struct virtqueue *vq = &q->vq;

	for (; before != vq->used_idx; before++) {
		u32 id = READ_ONCE(vq->used->ring[before & (vq->size - 1)].id);

		if (id < vq->size && q->shadow[id].id == f->id)
			return id;
	}
	return UINT32_MAX;
}

/* The buffer that is posted next, if it holds n bytes. Return: NULL: no such buffer */
static u8 *next_buffer(struct nic_queue *q, u32 n)
{
	if (virtqueue_avail(&q->vq, 1) < 1)
		return NULL;
	return within(q, READ_ONCE(q->vq.avail->ring[q->vq.last_avail & (q->vq.size - 1)]), 0, n);
}

/* What is wrong in the buffers of the frame that was written last: the used ring names them truly. */
static void misplace(struct nic_queue *q, const struct frame *f, u32 id, bool lie)
{
	const u32 hdr = q->nic->hdr_len, n = hdr + f->len;
	u8 *header = within(q, id, 0, hdr), *half = within(q, id, hdr + f->len / 2, f->len - f->len / 2);
	u8 *right = within(q, id, 0, n), *wrong = next_buffer(q, n);

	if (lie && header)
		header[0] |= VIRTIO_NET_HDR_F_DATA_VALID;
	if (header && hits(q, FAULT_NUM_BUFFERS, f, NULL))
		store16(header + offsetof(struct virtio_net_hdr_v1, num_buffers), 64);
	if (half && hits(q, FAULT_DMA_SHORT, f, NULL)) /* the rest of the buffer is as if never written */
		memset(half, 0, f->len - f->len / 2);
	if (right && wrong && hits(q, FAULT_DMA_WRONG_BUFFER, f, NULL)) {
		memcpy(wrong, right, n);
		memset(right, 0, n);
	}
}

/* What the used ring says of the frame that was written last. */
static void misreport(struct nic_queue *q, const struct frame *f)
{
	struct virtqueue *vq = &q->vq;
	struct virtq_used_elem *e = &vq->used->ring[(u16)(vq->used_idx - 1) & (vq->size - 1)], was = *e;
	struct virtq_used_elem *held = &q->nic->faults->held[q->index];
	u64 arg;

	if (hits(q, FAULT_USED_ID, f, NULL))
		e->id = 60000;
	if (hits(q, FAULT_USED_LEN, f, &arg))
		e->len = (u32)arg;
	if (held->id != UINT32_MAX) {
		virtqueue_fill_used(vq, held->id, held->len);
		held->id = UINT32_MAX;
	} else if (was.len == f->len + q->nic->hdr_len &&
		   hits(q, FAULT_USED_REORDER, f, NULL)) { /* it is in one buffer */
		*held = *e;
		vq->used_idx--;
		return;
	}
	if (hits(q, FAULT_USED_TWICE, f, NULL))
		virtqueue_fill_used(vq, was.id, was.len);
}

int dma_faulty(struct nic_queue *q, struct frame *f)
{
	struct nic_faults *faults = q->nic->faults;
	struct virtqueue *vq = &q->vq;
	struct frame damaged = *f;
	int rc = virtqueue_avail(vq, 1);
	u16 before = vq->used_idx;
	bool lie;

	if (rc <= 0) /* no chance for a fault yet: the frame waits */
		return rc;
	faults->on_frame = 0;
	lie = damage(q, &damaged);
	rc = dma_write(q, &damaged);
	if (rc == 1) {
		misplace(q, f, first_buffer(q, f, before), lie);
		misreport(q, f);
		if (faults->wake_fd >= 0 && hits(q, FAULT_HANG_UP, f, NULL))
			event_signal(faults->wake_fd);
		nic_watch_dma(q->nic, &damaged);
	}
	faults->on_frame = 0;
	return rc;
}
