/* events.c - what a CPU tells the event log about its work and about packets. lib/event_log.c
 *
 *   a stage: "if (sd->events)" -> here -> event_write()
 *
 * A packet is named by its first frame. A frame that joins another's packet says so once (EVENT_GRO_MERGE, or at the end of
 * its wait: EVENT_GRO_OUT, EVENT_ORDERED), and shares that packet's records from then on. A further socket's copy is no
 * packet of its own, and writes nothing.
 */
#include "prelude.h"

u64 skb_frame(const struct sk_buff *skb)
{
	const u64 *ids = smp_load_acquire(&skb->pool->frame_id); /* Pairs with rx_pool_keep_ids(). */

	return ids && skb->segs ? ids[skb->id] : 0;
}

noinline void cpu_event_write(struct softnet_data *sd, enum event_kind kind, u64 began, u32 queue, u64 arg)
{
	event_write(sd->events, &(struct event_record){ .t_ns = began,
							.dur_ns = sd->now - began,
							.arg = arg,
							.cpu = (u16)sd->cpu,
							.queue = (u16)queue,
							.kind = (u8)kind });
}

static void write(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb, u64 head,
		  u64 arg)
{
	u64 frame = skb_frame(skb);

	if (frame)
		event_write(sd->events, &(struct event_record){ .t_ns = min_u64(began, sd->now),
								.dur_ns = sd->now - min_u64(began, sd->now),
								.frame = frame,
								.skb = head == frame ? 0 : head,
								.arg = arg,
								.cpu = (u16)sd->cpu,
								.queue = skb->queue,
								.kind = (u8)kind });
}

noinline void skb_event_write(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb,
			      u64 arg)
{
	write(sd, kind, began, skb, 0, arg);
}

noinline void skb_event_each(struct softnet_data *sd, enum event_kind kind, const struct sk_buff *skb)
{
	u64 head = skb_frame(skb);

	write(sd, kind, skb->t_stage, skb, 0, skb->segs);
	if (skb->segs == 1)
		return;
	for (const struct sk_buff *s = skb->frag_list; s; s = s->next)
		if (s->segs)
			write(sd, kind, s->t_stage, s, head, skb->segs);
}

noinline void skb_event_in(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb,
			   const struct sk_buff *head, u64 arg)
{
	write(sd, kind, began, skb, skb_frame(head), arg);
}

noinline void skb_event_joins(struct softnet_data *sd, const struct sk_buff *skb, const struct sk_buff *head)
{
	write(sd, EVENT_GRO_MERGE, sd->now, skb, skb_frame(head), head->segs + 1u);
}
