/* ledger.c - the first law: every frame offered has exactly one fate, or is in flight
 *
 * The CPU (or the card) that decides a fate counts it, where it happens; this file only adds up. fate.c has the texts.
 */
#include "prelude.h"

u64 host_offered(struct host *h)
{
	return READ_ONCE(h->nic.offered);
}

void host_fates(struct host *h, u64 *fates)
{
	for (u32 f = 0; f < FATE_MAX; f++) {
		fates[f] = READ_ONCE(h->nic.fates[f]) + READ_ONCE(h->outside_fates[f]);
		for (u32 c = 0; c < h->ncpus; c++)
			fates[f] += READ_ONCE(h->cpu[c]->fates[f]);
	}
}

static u64 in_python(struct host *h)
{
	struct upcall_queue *q = &h->upcalls;
	u64 frames = 0;

	spin_lock(&q->lock);
	for (u32 i = q->tail; i != q->head; i++)
		frames += q->slot[i % UPCALLS_MAX].skb->segs;
	spin_unlock(&q->lock);
	return frames;
}

void host_in_flight(struct host *h, u64 *where)
{
	memset(where, 0, IN_FLIGHT_MAX * sizeof(*where));
	where[IN_FIFO] = READ_ONCE(h->nic.fifo.head) - READ_ONCE(h->nic.fifo.tail);
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		struct driver_queue *dq = h->dq[i];

		if (!dq)
			continue;
		where[IN_RING] += READ_ONCE(h->nic.queue[i].frames) - READ_ONCE(dq->rx_packets) -
				  READ_ONCE(dq->lost_to_faults);
		where[IN_GRO] += READ_ONCE(dq->napi.gro_held) + READ_ONCE(dq->napi.rx_count);
	}
	where[IN_FRAG] = READ_ONCE(h->ip_frags.frames) + READ_ONCE(h->ip6_frags.frames);
	where[IN_TCP_OFO] = h->outside_ofo_frames;
	for (u32 c = 0; c < h->ncpus; c++) {
		struct softnet_data *sd = h->cpu[c];

		where[IN_BACKLOG] += READ_ONCE(sd->backlog_frames) + READ_ONCE(sd->process_frames) +
				     READ_ONCE(sd->enqueue_frames);
		where[IN_TCP_OFO] += READ_ONCE(sd->ofo_frames);
		where[IN_CPU] += READ_ONCE(sd->in_hand);
	}
	where[IN_PYTHON] = in_python(h);
}

static u32 pieces_of(const struct sk_buff *skb, const struct rx_pool *p)
{
	u32 n = 0;

	for (; skb; skb = skb->next) {
		n += skb->pool == p;
		for (const struct sk_buff *piece = skb->frag_list; piece; piece = piece->next)
			n += piece->pool == p;
	}
	return n;
}

/* Return: buffers of this pool that wait in sockets for a reader */
static u32 in_sockets(const struct host *h, const struct rx_pool *p)
{
	u32 n = 0;

	for (u32 i = 1; i < h->socks.used; i++)
		n += pieces_of(h->socks.socks[i].head, p) + pieces_of(h->socks.socks[i].ofo, p);
	return n;
}

static u32 in_runs(const struct sk_buff *run, const struct rx_pool *p)
{
	u32 n = 0;

	for (; run; run = run->frag_right) {
		n += run->pool == p;
		for (const struct sk_buff *piece = run->frag_list; piece; piece = piece->next)
			n += piece->pool == p;
		n += in_runs(run->next, p); /* recursion depth: the tree's height, about 2 log n */
	}
	return n;
}

/* Return: buffers of this pool that wait for the rest of their datagram */
static u32 in_fragments(const struct inet_frags *f, const struct rx_pool *p)
{
	u32 n = 0;

	for (u32 i = 0; i < f->used; i++)
		n += in_runs(f->queues[i].runs, p);
	return n;
}

/* Return: buffers of this pool that are neither free nor posted */
static u32 waiting(const struct host *h, const struct rx_pool *p)
{
	return in_sockets(h, p) + in_fragments(&h->ip_frags, p) + in_fragments(&h->ip6_frags, p);
}

int host_laws(struct host *h)
{
	u64 fates[FATE_MAX], where[IN_FLIGHT_MAX], sum = 0;
	int broken = 0;

	host_fates(h, fates);
	host_in_flight(h, where);
	for (u32 f = 0; f < FATE_MAX; f++)
		sum += fates[f];
	for (u32 w = 0; w < IN_FLIGHT_MAX; w++)
		sum += where[w];
	if (sum != host_offered(h))
		broken |= LAW_LEDGER;
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		struct driver_queue *dq = h->dq[i];

		if (dq &&
		    rx_pool_free_count(&dq->pool) + dq->vq.num - dq->vq.nfree + waiting(h, &dq->pool) != dq->pool.size)
			broken |= LAW_POOLS;
	}
	for (u32 c = 0; c < h->ncpus; c++) {
		struct rx_pool *copies = &h->cpu[c]->copies;

		if (copies->size && rx_pool_free_count(copies) + in_sockets(h, copies) != copies->size)
			broken |= LAW_POOLS;
	}
	return broken;
}
