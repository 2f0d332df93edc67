/* event_taps.c - switch the event log on and off; records of arrivals, DMA, protocols and fates, by packet taps
 *
 *   packet_taps.c: POINT_WIRE, POINT_NIC, POINT_GRO, POINT_STACK -> here -> event_write()
 *
 * The other records are written where things happen (card/inline.h, softnet/inline.h), while nic.events and
 * softnet_data.events are set. In virtual time all of those are one log. Live, the card and each CPU have one, and so have
 * Python's threads, which take turns by the lock of the packet taps.
 *
 * A frame's flow is found once, when it arrives: its number is in the record of the arrival.
 */
#include "prelude.h"

/* ---- flows ---- */

static bool flows_grow(struct event_flows *f)
{
	u32 rows = f->slot ? (f->mask + 1) * 2 : 1024, mask = rows - 1;
	u32 *slot = rows <= EVENT_FLOWS_MAX * 2 ? calloc(rows, sizeof(*slot)) : NULL;
	struct flow_key *key = slot ? realloc(f->key, rows / 2 * sizeof(*key)) : NULL;

	if (!key) {
		free(slot);
		return false;
	}
	if (!f->key)
		key[0] = (struct flow_key){ 0 };
	for (u32 i = 1; i <= f->used; i++) {
		u32 at = flow_key_hash(&key[i]) & mask;

		while (slot[at])
			at = (at + 1) & mask;
		slot[at] = i;
	}
	free(f->slot);
	f->slot = slot;
	f->key = key;
	f->mask = mask;
	return true;
}

/* Return: the flow's number; 0: there is no room for it */
static u32 flow_number(struct event_flows *f, const struct flow_key *key)
{
	u32 at;

	if (!f->slot && !flows_grow(f))
		return 0;
	for (at = flow_key_hash(key) & f->mask; f->slot[at]; at = (at + 1) & f->mask)
		if (flow_key_equal(&f->key[f->slot[at]], key))
			return f->slot[at];
	if (f->used + 1 >= (f->mask + 1) / 2) {
		if (!flows_grow(f)) {
			COUNT(f->missed, 1);
			return 0;
		}
		return flow_number(f, key);
	}
	f->key[++f->used] = *key;
	return f->slot[at] = f->used;
}

static u32 flow_of(struct event_flows *f, const struct frame *frame)
{
	struct flow_key key;

	if (!(frame->flags & FRAME_L4))
		return 0;
	key = flow_key_of(frame->data + frame->l3_off, frame->data + frame->l4_off, frame->ip_proto);
	return flow_number(f, &key);
}

/* ---- the card's points ---- */

static void card_event(const struct packet_seen *p, struct event_log *log, enum event_kind kind, u64 t, u64 dur,
		       u64 arg)
{
	const struct frame *f = p->frame;

	event_write(log, &(struct event_record){ .t_ns = t,
						 .dur_ns = dur,
						 .frame = f->id,
						 .arg = arg,
						 .cpu = EVENT_NO_CPU,
						 .queue = f->l3 || p->fate < 0 ? f->queue : EVENT_NO_QUEUE,
						 .kind = (u8)kind });
}

static void choose(struct event_taps *taps, struct event_log *log, const struct frame *f)
{
	if (!taps->filter || !log->chosen || f->id >= log->nchosen ||
	    !bpf_run_frame(taps->filter, f->data, f->len, f->wire_len))
		return;
	for (u32 i = 0; i < taps->nlogs; i++) /* the bits are shared */
		__atomic_fetch_or(&log->chosen[f->id / 64], 1ull << f->id % 64, __ATOMIC_RELAXED);
}

static void arrived(struct event_taps *taps, const struct packet_seen *p, struct event_log *log)
{
	const struct frame *f = p->frame;

	if (f->flags & FRAME_SENT) {
		card_event(p, log, EVENT_SENT, p->t_ns, 0, f->wire_len);
		return;
	}
	if (!p->again) {
		choose(taps, log, f);
		card_event(p, log, EVENT_WIRE, p->t_ns, 0, (u64)flow_of(&taps->flows, f) << 32 | f->wire_len);
	}
	if (p->fate >= 0)
		card_event(p, log, EVENT_FATE, p->again ? taps->host->nic.now : p->t_ns, 0, (u64)p->fate);
	else
		card_event(p, log, EVENT_FIFO, p->t_ns, 0, taps->host->nic.fifo.bytes);
}

/* In virtual time the DMA has just taken this long; live, its time is not measured. */
static u64 dma_time(const struct nic *nic, const struct frame *f)
{
	return nic->live ? 0 : nic->cost[COST_DMA] + (u64)f->len * nic->cost[COST_DMA_PS] / 1000;
}

static void into_ring(struct event_taps *taps, const struct packet_seen *p, struct event_log *log)
{
	const struct nic_queue *q = &taps->host->nic.queue[p->frame->queue];
	u64 took = dma_time(&taps->host->nic, p->frame), fill = ++taps->done[q->index];

	if (q->driver)
		fill -= q->driver->taken(q);
	card_event(p, log, EVENT_DMA, p->t_ns - min_u64(took, p->t_ns), took, fill);
}

static void at_card(struct packet_tap *t, const struct packet_seen *p)
{
	struct event_taps *taps = container_of(t - p->point, struct event_taps, tap[0]);
	struct event_log *log = taps->log[taps->nlogs > 1 ? taps->host->ncpus : 0];

	if (p->point == POINT_NIC)
		into_ring(taps, p, log);
	else
		arrived(taps, p, log);
}

/* ---- the host's points ---- */

static void at_host(struct packet_tap *t, const struct packet_seen *p)
{
	struct event_taps *taps = container_of(t - p->point, struct event_taps, tap[0]);
	const struct host *h = taps->host;
	bool python = p->cpu == CPUS_MAX;
	u64 frame = skb_frame(p->skb);

	if (!frame)
		return;
	event_write(taps->log[taps->nlogs == 1 ? 0
			      : python	       ? h->ncpus + 1
					       : p->cpu],
		    &(struct event_record){
			    .t_ns = p->point == POINT_GRO ? h->cpu[p->cpu]->now : p->t_ns,
			    .frame = frame,
			    .arg = p->point == POINT_GRO ? (u64)p->skb->len << 32 | be16((const u8 *)&p->skb->protocol)
							 : (u64)p->fate,
			    .cpu = python ? EVENT_NO_CPU : (u16)p->cpu,
			    .queue = p->skb->queue,
			    .kind = p->point == POINT_GRO ? EVENT_RECEIVE : EVENT_FATE,
			    .more = p->point == POINT_GRO ? 0 : (u16)(p->skb->segs - 1),
		    });
}

/* ---- on and off ---- */

struct event_taps *event_taps_new(struct host *h, struct event_log **log, u32 nlogs, struct bpf_prog *filter)
{
	struct event_taps *taps;

	if (h->nic.events || !h->cpu[0]->lat)
		return NULL;
	for (u32 i = 0; i < h->nic.nqueues_open; i++)
		if (h->dq[i] && rx_pool_keep_ids(&h->dq[i]->pool) < 0)
			return NULL;
	taps = calloc(1, sizeof(*taps));
	if (!taps)
		return NULL;
	taps->host = h;
	taps->log = log;
	taps->nlogs = nlogs;
	taps->filter = filter;
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++)
		taps->done[i] = h->nic.queue[i].frames;
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->events = log[nlogs > 1 ? i : 0];
	h->nic.events = log[nlogs > 1 ? h->ncpus : 0];
	for (u32 point = 0; point < POINTS; point++) {
		taps->tap[point].func = point == POINT_WIRE || point == POINT_NIC ? at_card : at_host;
		packet_tap_add(h, &taps->tap[point], (enum packet_point)point);
	}
	return taps;
}

void event_taps_off(struct event_taps *taps)
{
	struct host *h = taps->host;

	for (u32 point = 0; point < POINTS; point++)
		packet_tap_del(h, &taps->tap[point], (enum packet_point)point);
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->events = NULL;
	h->nic.events = NULL;
}

void event_taps_free(struct event_taps *taps)
{
	if (!taps)
		return;
	bpf_prog_free(taps->filter);
	free(taps->flows.key);
	free(taps->flows.slot);
	free(taps);
}
