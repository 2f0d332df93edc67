/* reassembly.c - reassembly of IPv6. RFC 8200 section 4.5, 5722, 6946, 7112; Linux: net/ipv6/reassembly.c
 *
 *   exthdrs.c: at a fragment header -> ipv6_frag_rcv(): queue by (id, addresses) -> inet_fragment.c
 *                                   -> whole: the walk goes on after the place of the fragment header
 *
 * The datagram keeps the first fragment's headers, without the fragment header. ipv6_frag_rcv() removes it only if all headers
 * lie in one buffer; otherwise it stays, and only errors about the datagram show it. An atomic fragment (offset 0, no more) does
 * not wait. The first fragment must hold all headers up to the transport's. Fragments of fragments are refused.
 */
#include "prelude.h"

/* Drop skb and report a parameter problem. at: offset of the fault in the packet. Return: NULL */
static noinline struct sk_buff *drop(struct softnet_data *sd, struct sk_buff *skb, enum fate fate, u8 code, u32 at)
{
	COUNT(sd->mib[Ip6_InHdrErrors], 1);
	icmpv6_send(sd, skb, ICMPV6_PARAMPROB, code, at);
	kfree_skb_reason(sd, skb, fate);
	return NULL;
}

/* Return: bytes of the transport header that the first fragment must hold */
static u32 transport_len(u8 proto)
{
	if (proto == IPPROTO_TCP)
		return TCP_HLEN;
	return proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6 ? UDP_HLEN : 1;
}

/* Linux: ipv6frag_thdr_truncated(). A truncated chain of extension headers passes here; as in Linux, the walk through the whole
 * datagram finds it. */
static bool first_too_short(const struct sk_buff *skb, const struct exthdrs *x)
{
	u8 next = IPPROTO_FRAGMENT;
	u32 frag_off;
	int off = ipv6_skip_exthdr(skb, (int)x->at, &next, &frag_off);

	return off >= 0 && !(frag_off & IP6_OFFSET) && (u32)off + transport_len(next) > skb->len;
}

/* The walk goes on in the whole datagram, at the headers behind the fragment header. */
static struct sk_buff *ip6_frag_reasm(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q,
				      struct exthdrs *x)
{
	u32 hdr = q->hdr, nhoff = q->nhoff, payload = hdr - FRAG_HLEN - IPV6_HLEN + q->len;
	int ecn = inet_frag_ecn(q->ecn);
	u8 *ip, *end, proto = q->proto;
	struct sk_buff *skb;

	if (unlikely(ecn < 0 || payload > IP_LEN_MAX)) {
		inet_frag_fail(sd, f, q, ecn < 0 ? FRAG_ECN : PKT_TOO_BIG);
		return NULL;
	}
	skb = inet_frag_join(sd, f, q);
	skb->flags |= SKB_FRAGMENTED;
	ip = skb_network_header(skb);
	store16(ip + IPV6H_PAYLOAD_LEN, htons((u16)payload));
	ip[IPV6H_TCLASS_LOW] |= (u8)(ecn << 4);
	end = ip + hdr;
	if (likely(skb->data == end)) { /* all in one buffer */
		ip[nhoff] = proto;
		memmove(skb_mac_header(skb) + FRAG_HLEN, skb_mac_header(skb),
			(u32)(end - skb_mac_header(skb)) - FRAG_HLEN);
		skb->mac_header += FRAG_HLEN;
		skb->network_header += FRAG_HLEN;
		hdr -= FRAG_HLEN;
		skb_push(skb, hdr);
		*x = (struct exthdrs){ .at = hdr, .nhoff = nhoff };
	} else {
		*x = (struct exthdrs){ .before = hdr, .nhoff = nhoff };
	}
	x->next = proto;
	return skb;
}

/* *problem: offset of the field with an impossible length, 0: none */
static struct sk_buff *ip6_frag_queue(struct softnet_data *sd, struct inet_frags *f, struct sk_buff *skb, const u8 *fh,
				      struct exthdrs *x, u32 *problem)
{
	const u8 *ip = skb->data;
	u32 frag_off = be16(fh + FRAGH_FRAG_OFF), at = frag_off & IP6_OFFSET;
	const struct inet_frag frag = {
		.offset = at,
		.end = at + skb->len - x->at - FRAG_HLEN,
		.hdr = x->at + FRAG_HLEN,
		.nhoff = (u16)x->nhoff,
		.proto = fh[FRAGH_NEXTHDR],
		.more = frag_off & IP6_MF,
		.ecn = (u8)(1 << (ip[IPV6H_TCLASS_LOW] >> 4 & INET_ECN_MASK)),
	};
	const struct inet_frag_key key = {
		.src = inet_addr6(ip + IPV6H_SADDR),
		.dst = inet_addr6(ip + IPV6H_DADDR),
		.id = be32(fh + FRAGH_ID),
	};
	struct inet_frag_queue *q = inet_frag_find(sd, f, &key);

	if (unlikely(!q)) {
		inet_frag_count(sd, f, FRAG_FAILS);
		kfree_skb_reason(sd, skb, FRAG_HIGH_THRESH);
		return NULL;
	}
	*problem = frag.end > IP_LEN_MAX ? x->at + FRAGH_FRAG_OFF : frag.more && frag.end & 7 ? IPV6H_PAYLOAD_LEN : 0;
	if (unlikely(*problem))
		return skb; /* drop this one only: the datagram may still become whole, as in Linux 6.18 */
	return inet_frag_add(sd, f, q, skb, &frag) ? ip6_frag_reasm(sd, f, q, x) : NULL;
}

/* ipv6_frag_rcv() - take a fragment; the walk is at its fragment header. Return: the datagram, the walk behind the place of the
 * fragment header; NULL: skb waits, or is dropped */
struct sk_buff *ipv6_frag_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x)
{
	struct inet_frags *f = &sd->host->ip6_frags;
	u32 problem = 0;
	u8 copy[FRAG_HLEN];
	const u8 *fh = skb_header_pointer(skb, x->at, FRAG_HLEN, copy);

	if (unlikely(skb->flags & SKB_FRAGMENTED)) /* a second one */
		return drop(sd, skb, IPV6_BAD_EXTHDR, ICMPV6_HDR_FIELD, x->before + x->at);
	inet_frag_count(sd, f, FRAG_REQDS);
	if (unlikely(!fh || !be16(skb->data + IPV6H_PAYLOAD_LEN))) /* none in a jumbogram */
		return drop(sd, skb, IPV6_BAD_EXTHDR, ICMPV6_HDR_FIELD, x->at);
	if (!(be16(fh + FRAGH_FRAG_OFF) & (IP6_OFFSET | IP6_MF))) {
		inet_frag_count(sd, f, FRAG_OKS);
		skb->flags |= SKB_FRAGMENTED;
		*x = (struct exthdrs){ .at = x->at + FRAG_HLEN, .nhoff = x->at, .next = fh[FRAGH_NEXTHDR] };
		return skb;
	}
	if (unlikely(first_too_short(skb, x)))
		return drop(sd, skb, IPV6_BAD_EXTHDR, ICMPV6_HDR_INCOMP, 0);
	lock_if(sd->live, &f->lock);
	skb = ip6_frag_queue(sd, f, skb, fh, x, &problem);
	unlock_if(sd->live, &f->lock);
	if (unlikely(problem))
		return drop(sd, skb, problem == IPV6H_PAYLOAD_LEN ? FRAG_LENGTH : PKT_TOO_BIG, ICMPV6_HDR_FIELD,
			    problem);
	return skb;
}
