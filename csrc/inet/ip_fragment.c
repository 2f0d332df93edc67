/* ip_fragment.c - reassembly of IPv4. RFC 791, 815, 3168; Linux: net/ipv4/ip_fragment.c
 *
 *   ip_rcv() -> ip_defrag(): queue by (id, addresses, protocol) -> inet_fragment.c -> whole: ip_deliver()
 *
 * A fragment that is not the last is trimmed to a multiple of 8 bytes. The datagram gets the first fragment's header with
 * a new length and checksum. If more than ipfrag_max_dist fragments of the same sender's other datagrams arrived between
 * two fragments of this one, its IP ids may have wrapped: the fragments that wait are dropped.
 */
#include "prelude.h"

/* ---- senders of datagrams that wait: how many fragments came from each ---- */

static struct inet_frag_peer **peer_bucket(const struct host *h, const struct inet_frags *f, u32 addr)
{
	return &f->peers_hash[siphash(&addr, sizeof(addr), h->hash_key[0], h->hash_key[1]) & f->mask];
}

static struct inet_frag_peer *inet_getpeer(const struct host *h, struct inet_frags *f, u32 addr)
{
	struct inet_frag_peer **head = peer_bucket(h, f, addr), *peer;

	for (peer = *head; peer && peer->addr != addr; peer = peer->next)
		;
	if (!peer) {
		peer = f->peers_free;
		if (peer)
			f->peers_free = peer->next;
		else
			peer = &f->peers[f->peers_used++]; /* as many peers as queues exist */
		*peer = (struct inet_frag_peer){ .addr = addr, .next = *head };
		*head = peer;
	}
	peer->refs++;
	return peer;
}

void inet_putpeer(const struct host *h, struct inet_frags *f, struct inet_frag_peer *peer)
{
	struct inet_frag_peer **link = peer_bucket(h, f, peer->addr);

	if (--peer->refs)
		return;
	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	peer->next = f->peers_free;
	f->peers_free = peer;
}

static bool ip_frag_too_far(const struct host *h, struct inet_frags *f, struct inet_frag_queue *q)
{
	u32 before = q->rid;

	if (!f->max_dist)
		return false;
	if (!q->peer)
		q->peer = inet_getpeer(h, f, (u32)q->key.src.lo);
	q->rid = ++q->peer->rid;
	return q->last && q->rid - before > f->max_dist;
}

/* ---- the datagram ---- */

static struct sk_buff *ip_frag_reasm(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	u32 ihl = q->hdr, total = ihl + q->len;
	int ecn = inet_frag_ecn(q->ecn);
	struct sk_buff *skb;
	u8 *ip;

	if (unlikely(ecn < 0 || total > IP_LEN_MAX)) {
		inet_frag_fail(sd, f, q, ecn < 0 ? FRAG_ECN : PKT_TOO_BIG);
		return NULL;
	}
	skb = inet_frag_join(sd, f, q);
	ip = skb_network_header(skb);
	ip[IPH_TOS] |= (u8)ecn;
	store16(ip + IPH_TOT_LEN, htons((u16)total));
	store16(ip + IPH_FRAG_OFF, 0);
	store16(ip + IPH_CHECK, 0);
	store16(ip + IPH_CHECK, ip_fast_csum(ip, ihl));
	return skb;
}

static struct sk_buff *ip_frag_queue(struct softnet_data *sd, struct inet_frags *f, struct sk_buff *skb)
{
	const u8 *ip = skb->data;
	u32 ihl = ip_hdrlen(ip), frag_off = be16(ip + IPH_FRAG_OFF);
	u32 offset = (frag_off & IP_OFFSET) * 8, end = offset + skb->len - ihl;
	bool more = frag_off & IP_MF;
	const struct inet_frag frag = {
		.offset = offset,
		.end = more ? end & ~7u : end,
		.hdr = ihl,
		.more = more,
		.ecn = (u8)(1 << (ip[IPH_TOS] & INET_ECN_MASK)),
	};
	const struct inet_frag_key key = {
		.src = inet_addr4(ip + IPH_SADDR),
		.dst = inet_addr4(ip + IPH_DADDR),
		.id = be16(ip + IPH_ID),
		.proto = ip[IPH_PROTOCOL],
	};
	struct inet_frag_queue *q = inet_frag_find(sd, f, &key);

	if (unlikely(!q)) {
		inet_frag_count(sd, f, FRAG_FAILS);
		kfree_skb_reason(sd, skb, FRAG_HIGH_THRESH);
		return NULL;
	}
	if (unlikely(ip_frag_too_far(sd->host, f, q)))
		inet_frag_restart(sd, f, q, FRAG_TOO_FAR);
	return inet_frag_add(sd, f, q, skb, &frag) ? ip_frag_reasm(sd, f, q) : NULL;
}

/* ip_defrag() - take a fragment, data at its IP header. Return: the datagram, data after the header; NULL: not whole yet */
struct sk_buff *ip_defrag(struct softnet_data *sd, struct sk_buff *skb)
{
	struct inet_frags *f = &sd->host->ip_frags;

	inet_frag_count(sd, f, FRAG_REQDS);
	lock_if(sd->live, &f->lock);
	skb = ip_frag_queue(sd, f, skb);
	unlock_if(sd->live, &f->lock);
	return skb;
}
