/* gro_udp.c - GRO's UDP half: only on request. Linux: net/ipv4/udp_offload.c
 *
 * Datagrams merge if the socket has UDP_GRO; if no socket is found and rx-udp-gro-forwarding is on; or, as a list, if
 * rx-gro-list is on and the socket, if any, has no UDP_GRO. Sockets are looked up only if one with UDP_GRO exists.
 * Datagrams of one length merge, 64 at most; a shorter one is the last. A checksum of 0 means "none": never merged.
 */
#include "prelude.h"

#define UDP_GRO_CNT_MAX 64

enum kind { NORMAL, SEGMENTS, LIST };

static enum kind kind_of(struct host *h, const struct sk_buff *skb, const u8 *uh)
{
	struct sock *sk = NULL;

	if (READ_ONCE(h->udp_gro_socks)) {
		struct flow_key k = flow_key_of(gro_ip(skb), uh, IPPROTO_UDP);

		sk = sock_lookup_flow(&h->socks, SOCK_UDP, &k.dst, k.dport, &k.src, k.sport);
		if (!sk)
			sk = sock_find_bound(&h->socks, SOCK_UDP, &k.dst, k.dport);
	}
	if (sk && sk->udp_gro)
		return SEGMENTS;
	if (h->gro_list)
		return LIST;
	return !sk && h->gro_udp_fwd ? SEGMENTS : NORMAL;
}

static enum gro_end udp_refusal(struct sk_buff *p, const struct sk_buff *skb)
{
	enum gro_end why = gro_network_flush(p, skb);

	return why ? why : skb->gso_size > p->gso_size ? GRO_LONGER : GRO_HOLDS;
}

static struct sk_buff **udp_gro_segment(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off)
{
	const u8 *uh = gro_mac_header(skb) + off;
	u32 ulen = be16(uh + UDPH_LEN);
	struct sk_buff **pp, *p;
	enum gro_end why;

	if (load16(uh + UDPH_CHECK) == 0 || ulen <= UDP_HLEN || ulen != gro_len(skb, off))
		return gro_refuse(skb);
	skb->gro_l4 = (u16)off;
	skb->gso_size = ulen - UDP_HLEN;
	skb->flags |= SKB_UDP;
	pp = gro_lookup(l, skb, off);
	if (!pp)
		return NULL;
	p = *pp;
	if ((skb->flags ^ p->flags) & SKB_FLIST) {
		n->gro_why = GRO_OTHER_KIND;
		skb->gro_flush = 1;
		return pp;
	}
	why = udp_refusal(p, skb);
	if (!why && skb->flags & SKB_FLIST) {
		if (skb->ip_summed != p->ip_summed)
			return gro_refuse(skb); /* and overtakes, as in Linux */
		why = skb_gro_receive_list(n, p, skb, off + UDP_HLEN - ETH_HLEN);
	} else if (!why) {
		why = skb_gro_receive(n, p, skb, off + UDP_HLEN - ETH_HLEN);
	}
	if (!why && skb->gso_size == p->gso_size && p->segs < UDP_GRO_CNT_MAX)
		return NULL;
	n->gro_why = (u8)(why ? why : skb->gso_size < p->gso_size ? GRO_SHORTER : GRO_COUNT);
	return pp;
}

struct sk_buff **udp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off)
{
	const u8 *uh = gro_mac_header(skb) + off;
	enum kind kind;

	if (!gro_has(skb, off + UDP_HLEN))
		return gro_refuse(skb);
	if (!skb->gro_flush) {
		if (load16(uh + UDPH_CHECK) == 0)
			skb->ip_summed = CHECKSUM_UNNECESSARY; /* no checksum, so none is wrong */
		else if (gro_csum_bad(n, skb, off, IPPROTO_UDP))
			return gro_refuse(skb);
	}
	kind = kind_of(n->host, skb, uh);
	if (kind == NORMAL)
		return gro_refuse(skb);
	skb->flags |= kind == LIST ? SKB_FLIST : 0;
	return udp_gro_segment(n, l, skb, off);
}

void udp_gro_complete(struct sk_buff *skb)
{
	u8 *uh = skb_mac_header(skb) + skb->gro_l4;
	u32 len = gro_len(skb, skb->gro_l4);

	store16(uh + UDPH_LEN, htobe16_((u16)len));
	if (skb->flags & SKB_FLIST && !skb->gro_inner) { /* in a tunnel Linux completes a list as if it were none */
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		return;
	}
	store16(uh + UDPH_CHECK, (u16)~csum_fold(gro_pseudo(skb, len, IPPROTO_UDP)));
	skb->ip_summed = CHECKSUM_PARTIAL;
}
