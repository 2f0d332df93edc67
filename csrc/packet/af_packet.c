/* af_packet.c - packet sockets. Linux: net/packet/af_packet.c
 *
 *   packet_taps.c: each tap of the point -> packet_rcv(): does bpf.c want it? -> the socket's ring
 *   packet_recv(): from the ring to Python
 *
 * A packet socket sees what Linux's does: packets after GRO and RPS, before the protocols. Merged packets have the
 * first segment's headers. It sees packets for other hosts too, and none that the card dropped. It sees a VLAN's packet
 * once, with the tag beside the bytes. The stamp is the moment when the packet left GRO (netdev_tstamp_prequeue=1).
 *
 * Each socket has its own bounded ring. A packet that does not fit is counted (tp_drops); its fate and its time are the
 * same with and without the socket. CPUs put packets in under one lock, readers take them out under another.
 */
#include "prelude.h"

#include <unistd.h>

/* ---- a packet socket ---- */

struct entry {
	struct packet_info info;
	u8 data[];
};
_Static_assert(sizeof(struct entry) % 8 == 0, "entries begin at multiples of 8");

#define SKIP NEVER /* as info.t_ns: unused bytes up to the ring's end */

static u64 entry_size(u32 snaplen)
{
	return (sizeof(struct entry) + snaplen + 7) & ~7ull;
}

/* Find room for an entry in one piece, at the ring's start if its end is too short. *next: the head behind it.
 * Return: NULL = the ring is full */
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

/* Is the ring empty? Then the next packet wakes the reader. */
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

/* packet_recv() with ps->reading held. */
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
