/* af_packet.c - packet sockets, and the taps they hang on. Linux: net/packet/af_packet.c, ptype_all in net/core/dev.c
 *
 *   netif_receive_skb.c -> packet_taps_skb(): each tap of the point -> packet_rcv(): bpf.c wants it? -> the socket's ring
 *   packet_recv(): from the ring to Python
 *
 * A packet socket sees what Linux's does: packets after GRO and RPS, before the protocols; merged ones with the first
 * segment's headers, those for other hosts too, nothing the card dropped, a VLAN's packets once and without the tag,
 * which is told beside. The stamp is the moment the packet left GRO (netdev_tstamp_prequeue=1).
 *
 * The ring is bounded and the socket's own. What does not fit is counted (tp_drops), and that is all: the packet goes on,
 * its fate and its time are the same with and without. CPUs take the ring's lock to put something in, readers take one
 * of their own. Two more points to tap are in the card and where a packet ends; a file (pcapng.c) can hang on all of them.
 *
 * Taps come and go while CPUs run: whoever walks a list has an odd number in a counter of its own, and who takes a tap
 * off the list waits until he saw each counter even, or moved. When nobody taps a point this costs one branch.
 */
#include "prelude.h"

#include <unistd.h>

/* ---- the lists ---- */

static void walk(struct host *h, u32 *walking, const struct packet_seen *p)
{
	__atomic_store_n(walking, *walking + 1, __ATOMIC_SEQ_CST); /* Pairs with wait_for(). */
	for (struct packet_tap *t = __atomic_load_n(&h->taps[p->point], __ATOMIC_SEQ_CST); t;
	     t = smp_load_acquire(&t->next))
		t->func(t, p);
	smp_store_release(walking, *walking + 1);
}

/* A frame at the card. */
static void watch(struct nic *nic, enum packet_point point, const struct frame *f, u64 t_ns, int fate, int again)
{
	walk(container_of(nic, struct host, nic), &nic->in_taps,
	     &(struct packet_seen){ .point = point, .frame = f, .t_ns = t_ns, .fate = fate, .again = (u32)again });
}

static void watch_card(struct host *h)
{
	h->nic.watch = watch;
	smp_store_release(&h->nic.watched, h->tapped & (1u << POINT_WIRE | 1u << POINT_NIC));
}

void packet_tap_add(struct host *h, struct packet_tap *t, enum packet_point point)
{
	spin_lock(&h->taps_lock);
	t->next = h->taps[point];
	__atomic_store_n(&h->taps[point], t, __ATOMIC_SEQ_CST); /* Pairs with walk(). */
	WRITE_ONCE(h->tapped, h->tapped | 1u << point);
	watch_card(h);
	spin_unlock(&h->taps_lock);
}

static void wait_for(const u32 *walking)
{
	u32 was = __atomic_load_n(walking, __ATOMIC_SEQ_CST);

	while (was & 1 && smp_load_acquire(walking) == was)
		sched_yield();
}

/* packet_tap_del() - when it returns, nobody is in it or can come in */
void packet_tap_del(struct host *h, struct packet_tap *t, enum packet_point point)
{
	struct packet_tap **link = &h->taps[point];

	spin_lock(&h->taps_lock);
	while (*link && *link != t)
		link = &(*link)->next;
	if (*link)
		__atomic_store_n(link, t->next, __ATOMIC_SEQ_CST);
	if (!h->taps[point])
		WRITE_ONCE(h->tapped, h->tapped & ~(1u << point));
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
	packet_taps_skb(sd, POINT_STACK, skb, sd->now, fate);
}

/* packet_taps_outside() - a Python thread has no counter: it holds the lock that packet_tap_del() takes */
void packet_taps_outside(struct host *h, const struct sk_buff *skb, enum fate fate)
{
	struct packet_seen p = { .point = POINT_STACK, .skb = skb, .t_ns = h->live ? clock_ns() : 0, .fate = fate };

	if (likely(!READ_ONCE(h->taps[POINT_STACK])))
		return;
	for (u32 i = 0; i < h->ncpus && !h->live; i++)
		p.t_ns = max_u64(p.t_ns, h->cpu[i]->now);
	spin_lock(&h->taps_lock);
	for (struct packet_tap *t = h->taps[POINT_STACK]; t; t = t->next)
		t->func(t, &p);
	spin_unlock(&h->taps_lock);
}

/* ---- a packet socket ---- */

struct entry {
	struct packet_info info;
	u8 data[];
};
_Static_assert(sizeof(struct entry) % 8 == 0, "entries are on multiples of 8");

#define SKIP NEVER /* for info.t_ns: the rest of the ring's end is not used */

static u64 entry_size(u32 snaplen)
{
	return (sizeof(struct entry) + snaplen + 7) & ~7ull;
}

/* Room for an entry in one piece, past the ring's end if need be. Return: NULL = it is full. *next: behind it */
static struct entry *ring_room(struct packet_sock *ps, u64 size, u64 *next)
{
	u64 tail = smp_load_acquire(&ps->tail), head = ps->head, end; /* Pairs with packet_recv(). */

	end = ps->size - head % ps->size;
	if (size > end) {
		if (head + end + size - tail > ps->size)
			return NULL;
		memcpy(ps->ring + head % ps->size, &(u64){ SKIP }, sizeof(u64));
		head += end;
	}
	if (head + size - tail > ps->size)
		return NULL;
	*next = head + size;
	return (struct entry *)(ps->ring + head % ps->size);
}

static void wake(struct packet_sock *ps)
{
	if (ps->wake_fd >= 0)
		event_signal(ps->wake_fd);
}

static void put(struct packet_sock *ps, const struct packet_seen *p, u32 snaplen)
{
	const struct sk_buff *skb = p->skb;
	bool tagged = skb->flags & SKB_TAGGED;
	struct entry *e;
	u64 next;

	COUNT(ps->packets, 1);
	e = ring_room(ps, entry_size(snaplen), &next);
	if (!e) {
		COUNT(ps->drops, 1);
		return;
	}
	e->info = (struct packet_info){
		.t_ns = p->t_ns,
		.len = skb->len + ETH_HLEN,
		.snaplen = snaplen,
		.hash = skb->hash,
		.queue = skb->queue,
		.pkt_type = skb->pkt_type,
		.tagged = tagged,
		.vlan_tci = tagged ? skb->vlan_tci : 0,
		.vlan_tpid = tagged ? be16(&skb->vlan_proto) : 0,
	};
	memcpy(e->data, skb_mac_header(skb), min_u32(snaplen, ETH_HLEN));
	if (snaplen > ETH_HLEN)
		skb_copy_bits(skb, 0, e->data + ETH_HLEN, snaplen - ETH_HLEN);
	__atomic_store_n(&ps->head, next, __ATOMIC_SEQ_CST); /* Pairs with packet_recv(). */
	if (__atomic_load_n(&ps->waiting, __ATOMIC_SEQ_CST)) {
		WRITE_ONCE(ps->waiting, 0);
		wake(ps);
	}
}

static void packet_rcv(struct packet_tap *t, const struct packet_seen *p)
{
	struct packet_sock *ps = container_of(t, struct packet_sock, tap);
	u32 snaplen = p->skb->len + ETH_HLEN;

	if (ps->filter)
		snaplen = min_u32(snaplen, bpf_run(ps->filter, p->skb, p->cpu));
	if (!snaplen)
		return;
	spin_lock(&ps->lock);
	put(ps, p, snaplen);
	spin_unlock(&ps->lock);
}

/* packet_sock_new() - filter (NULL: all packets) is its own from now on, if it is made. ring: bytes, a multiple of 8 */
struct packet_sock *packet_sock_new(struct host *h, struct bpf_prog *filter, u32 ring)
{
	struct packet_sock *ps = calloc(1, sizeof(*ps));

	if (!ps || !(ps->ring = malloc(ring))) {
		free(ps);
		return NULL;
	}
	ps->size = ring;
	ps->filter = filter;
	ps->wake_fd = -1;
	ps->waiting = 1;
	ps->tap.func = packet_rcv;
	packet_tap_add(h, &ps->tap, POINT_GRO);
	return ps;
}

void packet_sock_free(struct host *h, struct packet_sock *ps)
{
	packet_tap_del(h, &ps->tap, POINT_GRO);
	bpf_prog_free(ps->filter);
	free(ps->ring);
	free(ps);
}

/* Is there nothing to read? Then the next packet wakes whoever waits. */
static bool ring_empty(struct packet_sock *ps)
{
	u64 n;
	ssize_t rc;

	if (smp_load_acquire(&ps->head) != ps->tail) /* Pairs with put(). */
		return false;
	rc = ps->wake_fd >= 0 ? read(ps->wake_fd, &n, sizeof(n)) : 0;
	(void)rc;
	__atomic_store_n(&ps->waiting, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&ps->head, __ATOMIC_SEQ_CST) == ps->tail;
}

/* packet_recv() - up to max packets, one behind the other in buf (info[i].snaplen bytes each), as many as fit whole.
 * Return: how many, 0 = none is there; -EMSGSIZE: not even the first fits */
static int take(struct packet_sock *ps, u8 *buf, u64 size, struct packet_info *info, int max)
{
	u64 used = 0;
	int n = 0;

	while (n < max && !ring_empty(ps)) {
		const struct entry *e = (const struct entry *)(ps->ring + ps->tail % ps->size);

		if (e->info.t_ns == SKIP) {
			smp_store_release(&ps->tail, ps->tail + ps->size - ps->tail % ps->size);
			continue;
		}
		if (e->info.snaplen > size - used)
			return n ? n : -EMSGSIZE;
		info[n] = e->info;
		memcpy(buf + used, e->data, e->info.snaplen);
		used += e->info.snaplen;
		n++;
		smp_store_release(&ps->tail, ps->tail + entry_size(info[n - 1].snaplen)); /* Pairs with ring_room(). */
	}
	return n;
}

int packet_recv(struct packet_sock *ps, u8 *buf, u64 size, struct packet_info *info, int max)
{
	int n;

	spin_lock(&ps->reading);
	n = take(ps, buf, size, info, max);
	spin_unlock(&ps->reading);
	return n;
}
