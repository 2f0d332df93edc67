/* packet_taps.c - lists of observers, one per point of the path. Linux: ptype_all in net/core/dev.c
 *
 *   the card, netif_receive_skb.c, kfree_skb_reason() -> packet_taps_skb(), watch(): each tap of the point
 *   -> af_packet.c, capture.c
 *
 * Taps may be added and deleted while CPUs run. A CPU makes its own counter odd while it walks a list. packet_tap_del()
 * unlinks the tap, then waits until each counter is even or has changed. A point without taps costs one branch.
 */
#include "prelude.h"

static void walk(struct host *h, u32 *walking, const struct packet_seen *p)
{
	__atomic_store_n(walking, *walking + 1, __ATOMIC_SEQ_CST); /* Pairs with wait_for(). */
	for (struct packet_tap *t = __atomic_load_n(&h->taps[p->point], __ATOMIC_SEQ_CST); t;
	     t = smp_load_acquire(&t->next))
		t->func(t, p);
	smp_store_release(walking, *walking + 1);
}

/* Show the taps a frame at the card: struct nic's watch. */
static void watch(struct nic *nic, enum packet_point point, const struct frame *f, u64 t_ns, int fate, int again)
{
	walk(container_of(nic, struct host, nic), &nic->in_taps,
	     &(struct packet_seen){ .point = point,
				    .frame = f,
				    .t_ns = t_ns,
				    .fate = fate,
				    .again = (u32)again,
				    .faults = point == POINT_NIC && nic->faults ? nic->faults->on_frame : 0 });
}

/* packet_taps_setup() - before the card runs: it calls this when a point of its own has a tap */
void packet_taps_setup(struct host *h)
{
	h->nic.watch = watch;
}

static void watch_card(struct host *h)
{
	u32 wire = h->taps[POINT_WIRE] != NULL, nic = h->taps[POINT_NIC] != NULL;

	smp_store_release(&h->nic.watched, wire << POINT_WIRE | nic << POINT_NIC);
}

void packet_tap_add(struct host *h, struct packet_tap *t, enum packet_point point)
{
	spin_lock(&h->taps_lock);
	t->next = h->taps[point];
	__atomic_store_n(&h->taps[point], t, __ATOMIC_SEQ_CST); /* Pairs with walk(). */
	watch_card(h);
	spin_unlock(&h->taps_lock);
}

static void wait_for(const u32 *walking)
{
	u32 was = __atomic_load_n(walking, __ATOMIC_SEQ_CST);

	while (was & 1 && smp_load_acquire(walking) == was)
		sched_yield();
}

void packet_tap_del(struct host *h, struct packet_tap *t, enum packet_point point)
{
	struct packet_tap **link = &h->taps[point];

	spin_lock(&h->taps_lock);
	while (*link && *link != t)
		link = &(*link)->next;
	if (*link)
		__atomic_store_n(link, t->next, __ATOMIC_SEQ_CST);
	watch_card(h);
	spin_unlock(&h->taps_lock);
	wait_for(&h->nic.in_taps);
	for (u32 i = 0; i < h->ncpus; i++)
		wait_for(&h->cpu[i]->in_taps);
}

noinline void packet_taps_skb(struct softnet_data *sd, enum packet_point point, const struct sk_buff *skb, u64 t_ns,
			      int fate)
{
	walk(sd->host, &sd->in_taps,
	     &(struct packet_seen){ .point = point, .skb = skb, .t_ns = t_ns, .cpu = sd->cpu, .fate = fate });
}

noinline void packet_taps_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate)
{
	if (skb->segs) /* a copy is no packet of its own */
		packet_taps_skb(sd, POINT_STACK, skb, sd->now, fate);
}

/* A Python thread has no counter: it holds the lock that packet_tap_del() takes. */
void packet_taps_outside(struct host *h, const struct sk_buff *skb, enum fate fate)
{
	struct packet_seen p = {
		.point = POINT_STACK, .cpu = CPUS_MAX, .skb = skb, .t_ns = h->live ? clock_ns() : 0, .fate = fate
	};

	if (likely(!READ_ONCE(h->taps[POINT_STACK])))
		return;
	for (u32 i = 0; i < h->ncpus && !h->live; i++)
		p.t_ns = max_u64(p.t_ns, h->cpu[i]->now);
	spin_lock(&h->taps_lock);
	for (struct packet_tap *t = h->taps[POINT_STACK]; t; t = t->next)
		t->func(t, &p);
	spin_unlock(&h->taps_lock);
}
