/* udp_list.c - UDP's part of a list: length, port, the socket's queue. Linux: net/ipv4/udp.c
 *
 *   ip_list_rcv() -> udp_list_rcv() -> sock/inline.h sock_enqueue()
 *
 * Usual: one socket has the port, for any address, and the lengths agree; and no other agent acts before the datagram is
 * queued. The first one that is not ends the list's way here. So does a reader that has to be woken: that takes time.
 *
 * Live, the socket's lock is kept, and its reader woken once, for datagrams in a row.
 */
#include "prelude.h"
#include "sock/inline.h"

/* All stages from here to the socket: no other agent acts, so their time may pass at once. */
static inline u64 stages_ns(const struct softnet_data *sd)
{
	const u32 *cost = sd->host->cost;

	return (u64)cost[COST_RECEIVE] + cost[COST_IP] + cost[COST_UDP] + cost[COST_SOCK];
}

int udp_list_may(const struct softnet_data *sd)
{
	return sd->now + stages_ns(sd) < sd->horizon;
}

/* Return: the socket of this datagram; NULL: udp_rcv() has to look */
static inline struct sock *usual_sock(struct sock_table *t, const u8 *uh, u32 len)
{
	struct sock *sk =
		&t->socks[smp_load_acquire(&t->port[0][be16(uh + UDPH_DEST)])]; /* Pairs with bind_locked(). */

	return likely(be16(uh + UDPH_LEN) == len && sk->any && !sk->port_next) ? sk : NULL;
}

/* What a list has under way: datagrams that were not counted yet, and live, the socket whose lock is held. */
struct under_way {
	u32 done, queued;
	struct sock *locked;
	bool fed; /* it was given something */
};

/* Count those that went to IP and UDP, and how many of them to a socket. */
static inline void count_all(struct softnet_data *sd, struct under_way *w)
{
	COUNT(sd->processed, w->done);
	COUNT(sd->mib[Ip_InReceives], w->done);
	COUNT(sd->mib[Ip_InDelivers], w->done);
	count_fate(sd, DELIVERED_UDP, w->queued);
	w->done = w->queued = 0;
}

TWICE void leave(struct softnet_data *sd, struct under_way *w)
{
	if (!w->locked)
		return;
	if (w->fed)
		data_ready(sd, w->locked, true); /* under the lock: sock_close() takes it before the eventfd goes */
	spin_unlock(&w->locked->lock);
	w->locked = NULL;
	w->fed = false;
}

TWICE void enter(struct softnet_data *sd, struct under_way *w, struct sock *sk)
{
	if (w->locked == sk)
		return;
	leave(sd, w);
	spin_lock(&sk->lock);
	w->locked = sk;
}

/* Virtual time: tell the reader of a datagram. Return: whether time may have passed */
TWICE bool told(struct softnet_data *sd, struct under_way *w, struct sock *sk)
{
	struct softnet_data *sleeps = NULL;

	if (likely(sk->sink))
		sleeps = tell_reader(sd, sk, false);
	else
		sock_wake_python(sk);
	if (likely(!sleeps))
		return false;
	count_all(sd, w);
	sock_wake_task(sd, sleeps);
	return true;
}

TWICE u32 list_rcv(struct softnet_data *sd, const struct ip_usual *usual, u32 n, bool live)
{
	const u64 stages = stages_ns(sd);
	struct sock_table *t = &sd->host->socks;
	struct under_way w = { 0 };
	bool waited = false;
	u32 i;

	for (i = 0; i < n && !waited; i++) {
		struct sk_buff *skb = usual[i].skb;
		const u8 *uh = skb->data + IP_HLEN;
		struct sock *sk = usual_sock(t, uh, usual[i].total - IP_HLEN);
		int rc;

		if (unlikely(!sk || sd->now + stages >= sd->horizon))
			break;
		skb_list_del(sd, skb);
		if (live)
			enter(sd, &w, sk);
		else
			sd->now += stages;
		skb->seq = be16(uh + UDPH_SOURCE);
		skb->data += IP_HLEN + UDP_HLEN;
		skb->len = skb->head_len = usual[i].total - (IP_HLEN + UDP_HLEN); /* without Ethernet's padding */
		w.done++;
		rc = sock_enqueue(sd, sk, skb, false);
		if (unlikely(rc < 0)) {
			if (live)
				leave(sd, &w);
			udp_refused(sd, sk, skb, rc);
			continue;
		}
		if (live)
			w.fed = true;
		else
			waited = told(sd, &w, sk);
		w.queued++;
	}
	if (live)
		leave(sd, &w);
	count_all(sd, &w);
	return i;
}

static noinline u32 list_rcv_live(struct softnet_data *sd, const struct ip_usual *usual, u32 n)
{
	return list_rcv(sd, usual, n, true);
}

u32 udp_list_rcv(struct softnet_data *sd, const struct ip_usual *usual, u32 n)
{
	return unlikely(sd->live) ? list_rcv_live(sd, usual, n) : list_rcv(sd, usual, n, false);
}
