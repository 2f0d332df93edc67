/* reassembly.c - reassembly of IPv6. RFC 8200 section 4.5, 5722, 6946, 7112; Linux: net/ipv6/reassembly.c
 *
 *   ipv6_rcv(): at a fragment header -> ipv6_frag_rcv(): queue by (id, addresses) -> inet_fragment.c
 *                                    -> whole: ipv6_rcv() walks on behind where the fragment header was
 *
 * The headers before the fragment header are the first fragment's; its own is cut out of them, where they are in one
 * buffer (where they are not, nobody looks back at them). A fragment that is all there is (an atomic one) waits for
 * nothing. The first must have all headers up to the transport's.
 */
#include "prelude.h"

#define HDR 8u /* bytes of a fragment header */
#define FRAGMENT 44

/* Parameter problem: what is wrong, and where in the packet. */
static noinline struct sk_buff *drop(struct softnet_data *sd, struct sk_buff *skb, enum fate fate, u8 code, u32 at)
{
	COUNT(sd->mib[Ip6_InHdrErrors], 1);
	icmp_send(sd, skb, 4, code, at);
	kfree_skb_reason(sd, skb, fate);
	return NULL;
}

/* Bytes of the transport's header that the first fragment has to have. */
static u32 transport_len(u8 proto)
{
	return proto == 6 ? 20 : proto == 17 || proto == 58 ? 8 : 1;
}

/* ipv6frag_thdr_truncated() - from the fragment header at off on. A chain of headers that itself ends too early passes:
 * it is found when the datagram is whole, as in Linux. */
static bool first_too_short(const struct sk_buff *skb, u32 off)
{
	for (u8 next = FRAGMENT;;) {
		u8 copy[8];
		const u8 *h;

		if (next != 0 && next != 43 && next != FRAGMENT && next != 51 && next != 60)
			return next != 59 && off + transport_len(next) > skb->len;
		h = skb_header_pointer(skb, off, next == FRAGMENT ? 4 : 2, copy);
		if (!h || (next == FRAGMENT && be16(h + 2) & 0xfff8))
			return false;
		off += next == FRAGMENT ? HDR : next == 51 ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		next = h[0];
	}
}

static struct sk_buff *ip6_frag_reasm(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q,
				      u8 *next)
{
	u32 hdr = q->hdr, nhoff = q->nhoff, payload = hdr - HDR - 40 + q->len;
	int ecn = inet_frag_ecn(q->ecn);
	u8 *ip, *end, proto = q->proto;
	struct sk_buff *skb;

	if (unlikely(ecn < 0 || payload > 65535)) {
		inet_frag_fail(sd, f, q, ecn < 0 ? FRAG_ECN : PKT_TOO_BIG);
		return NULL;
	}
	skb = inet_frag_join(sd, f, q);
	ip = skb_network_header(skb);
	store16(ip + 4, htobe16_((u16)payload));
	ip[1] |= (u8)(ecn << 4);
	end = ip + hdr;
	if (likely(skb->data == end)) { /* all in one buffer */
		ip[nhoff] = proto;
		memmove(skb_mac_header(skb) + HDR, skb_mac_header(skb), (u32)(end - skb_mac_header(skb)) - HDR);
		skb->mac_header += HDR;
		skb->network_header += HDR;
	}
	*next = proto;
	return skb;
}

/* *problem: where the packet says a length that cannot be, 0: it does not */
static struct sk_buff *ip6_frag_queue(struct softnet_data *sd, struct inet_frags *f, struct sk_buff *skb, const u8 *fh,
				      u32 off, u32 nhoff, u8 *next, u32 *problem)
{
	const u8 *ip = skb->data;
	u32 at = be16(fh + 2) & 0xfff8u;
	const struct inet_frag frag = {
		.offset = at,
		.end = at + skb->len - off - HDR,
		.hdr = off + HDR,
		.nhoff = (u16)nhoff,
		.proto = fh[0],
		.more = fh[3] & 1,
		.ecn = (u8)(1 << (ip[1] >> 4 & 3)),
	};
	const struct inet_frag_key key = {
		.src = inet_addr6(ip + 8),
		.dst = inet_addr6(ip + 24),
		.id = be32(fh + 4),
	};
	struct inet_frag_queue *q = inet_frag_find(sd, f, &key);

	if (unlikely(!q)) {
		inet_frag_count(sd, f, FRAG_FAILS);
		kfree_skb_reason(sd, skb, FRAG_HIGH_THRESH);
		return NULL;
	}
	*problem = frag.end > 65535 ? off + 2 : frag.more && frag.end & 7 ? 4 : 0;
	if (unlikely(*problem))
		return skb; /* the others may still become whole, as in Linux 6.18 */
	return inet_frag_add(sd, f, q, skb, &frag) ? ip6_frag_reasm(sd, f, q, next) : NULL;
}

/* ipv6_frag_rcv() - data at the IPv6 header, the fragment header at off. Return: the datagram, data behind that, *next
 * says of what kind; NULL: skb waits, or is gone */
struct sk_buff *ipv6_frag_rcv(struct softnet_data *sd, struct sk_buff *skb, u32 off, u32 nhoff, u8 *next)
{
	struct inet_frags *f = &sd->host->ip6_frags;
	u32 problem = 0;
	u8 copy[HDR];
	const u8 *fh = skb_header_pointer(skb, off, HDR, copy);

	inet_frag_count(sd, f, FRAG_REQDS);
	if (unlikely(!fh || !be16(skb->data + 4))) /* none in a jumbogram */
		return drop(sd, skb, IPV6_BAD_EXTHDR, 0, off);
	if (!(be16(fh + 2) & 0xfff9)) {
		*next = fh[0];
		inet_frag_count(sd, f, FRAG_OKS);
		skb_advance(skb, off + HDR);
		return skb;
	}
	if (unlikely(first_too_short(skb, off)))
		return drop(sd, skb, IPV6_BAD_EXTHDR, 3, 0);
	lock_if(sd->live, &f->lock);
	skb = ip6_frag_queue(sd, f, skb, fh, off, nhoff, next, &problem);
	unlock_if(sd->live, &f->lock);
	if (unlikely(problem))
		return drop(sd, skb, problem == 4 ? FRAG_LENGTH : PKT_TOO_BIG, 0, problem);
	return skb;
}
