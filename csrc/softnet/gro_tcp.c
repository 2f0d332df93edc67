/* gro_tcp.c - GRO's TCP half: may this segment join the held one? Linux: net/ipv4/tcp_offload.c
 *
 * A segment of the same ports joins if it is the next piece of the stream and nothing else differs: flags (FIN and PSH
 * aside), window, ack, options, TTL, TOS and DF are equal, IP ids count up or are fixed, and it is not longer than the
 * first. A shorter segment, PSH or FIN joins and ends the merge. These are the rules of Linux 6.18, where CWR never
 * joins; since 7.0 (gro-cwr) CWR is a flag like ECE. With rx-gro-list, segments of no local stream are merged as a
 * list, for forwarding: each keeps its header, so FIN and PSH must be equal too.
 */
#include "prelude.h"

#define LIST_MAX 64
#define TIMESTAMPS_LEN 12u /* the option with its padding */

/* Mostly timestamps: compare them without a call. */
static inline bool options_differ(const u8 *a, const u8 *b, u32 len)
{
	if (likely(len == TIMESTAMPS_LEN))
		return (load64(a) ^ load64(b)) | (load32(a + 8) ^ load32(b + 8));
	return memcmp(a, b, len) != 0;
}

/* Find what in the TCP headers forbids the merge. The whole 32-bit word from TCPH_DOFF counts (offset, reserved bits,
 * flags, window), the flags in except aside. */
static enum gro_end header_refusal(const struct host *h, const u8 *th, const u8 *th2, u32 thlen, u8 except)
{
	u32 word = load32(th + TCPH_DOFF) ^ load32(th2 + TCPH_DOFF); /* little-endian: doff lowest, flags above it */

	word &= ~((u32)except << 8);
	if (unlikely(word || (th[TCPH_FLAGS] & TCPHDR_CWR && !h->gro_cwr)))
		return th[TCPH_FLAGS] & TCPHDR_CWR ? GRO_CWR
		       : word & 0xf0		   ? GRO_OPTIONS
		       : word & 0xffff		   ? GRO_FLAGS
						   : GRO_WINDOW;
	if (load32(th + TCPH_ACK_SEQ) != load32(th2 + TCPH_ACK_SEQ))
		return GRO_ACK;
	return options_differ(th + TCP_HLEN, th2 + TCP_HLEN, thlen - TCP_HLEN) ? GRO_OPTIONS : GRO_HOLDS;
}

static enum gro_end tcp_refusal(const struct host *h, struct sk_buff *p, const struct sk_buff *skb, u32 off, u32 thlen,
				u32 len)
{
	const u8 *th = gro_mac_header(skb) + off, *th2 = gro_mac_header(p) + off;
	enum gro_end why = header_refusal(h, th, th2, thlen, TCPHDR_FIN | TCPHDR_PSH);

	if (unlikely(why) || unlikely(why = gro_network_flush(p, skb)))
		return why;
	if (unlikely(len - 1 >= p->gso_size))
		return len ? GRO_LONGER : GRO_EMPTY;
	return unlikely(skb->seq != p->end_seq) ? GRO_SEQ : GRO_HOLDS;
}

static enum gro_end list_refusal(const struct sk_buff *p, const struct sk_buff *skb, const u8 *th, const u8 *th2)
{
	if (th[TCPH_FLAGS] != th2[TCPH_FLAGS])
		return GRO_FLAGS;
	if (skb->ip_summed != p->ip_summed)
		return GRO_CSUM_STATE;
	return p->segs >= LIST_MAX ? GRO_COUNT : GRO_HOLDS;
}

/* Return: GRO_HOLDS = the segment joined p, else why not */
static enum gro_end tcp_join(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 off, u32 thlen, u32 len)
{
	const u8 *th = gro_mac_header(skb) + off;
	u8 *th2 = gro_mac_header(p) + off;
	u32 hdr = off + thlen - ETH_HLEN;
	enum gro_end why = tcp_refusal(n->host, p, skb, off, thlen, len);

	if (unlikely(why))
		return why;
	if (unlikely(p->flags & SKB_FLIST)) {
		why = list_refusal(p, skb, th, th2);
		return why ? why : skb_gro_receive_list(n, p, skb, hdr);
	}
	why = skb_gro_receive(n, p, skb, hdr);
	if (likely(!why))
		th2[TCPH_FLAGS] |= th[TCPH_FLAGS] & (TCPHDR_FIN | TCPHDR_PSH);
	return why;
}

/* rx-gro-list: has no local socket this stream? Called if GRO holds nothing of the flow. */
static noinline bool is_forwarded(struct host *h, const struct sk_buff *skb, const u8 *th)
{
	struct flow_key k = flow_key_of(gro_ip(skb), th, IPPROTO_TCP);

	return !sock_lookup_flow(&h->socks, SOCK_TCP, &k.dst, k.dport, &k.src, k.sport);
}

static enum gro_end last_because(u8 flags)
{
	return flags & TCPHDR_FIN				? GRO_FIN
	       : flags & TCPHDR_PSH				? GRO_PSH
	       : flags & (TCPHDR_URG | TCPHDR_RST | TCPHDR_SYN) ? GRO_FLAGS
								: GRO_SHORTER;
}

struct sk_buff **tcp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off)
{
	const u8 *th = gro_mac_header(skb) + off;
	u32 thlen, len, mss = 1;
	enum gro_end why = GRO_HOLDS;
	struct sk_buff **pp;
	u8 flags;
	bool force;

	if ((!skb->gro_flush && gro_csum_bad(n, skb, off, IPPROTO_TCP)) || !gro_has(skb, off + TCP_HLEN) ||
	    (thlen = tcp_hdrlen(th)) < TCP_HLEN || !gro_has(skb, off + thlen))
		return gro_refuse(skb);
	flags = th[TCPH_FLAGS];
	len = gro_len(skb, off) - thlen;
	skb->gro_l4 = (u16)off;
	skb->seq = be32(th + TCPH_SEQ);
	skb->end_seq = skb->seq + len;
	skb->gso_size = len;

	pp = gro_lookup(l, skb, off);
	if (unlikely(n->host->gro_list))
		skb->flags |= pp ? (*pp)->flags & SKB_FLIST : is_forwarded(n->host, skb, th) ? SKB_FLIST : 0;
	if (pp) {
		why = tcp_join(n, *pp, skb, off, thlen, len);
		if (!why)
			mss = (*pp)->gso_size;
	}
	force = len < mss || flags & (TCPHDR_URG | TCPHDR_PSH | TCPHDR_RST | TCPHDR_SYN | TCPHDR_FIN);
	skb->gro_flush |= force;
	if (!pp || (!why && !force))
		return NULL;
	n->gro_why = (u8)(why ? why : last_because(flags));
	return pp;
}

/* Make the checksum the pseudo-header's sum (CHECKSUM_PARTIAL); captures therefore call it incorrect. A list's segments
 * were all verified, and keep their checksums in their headers. */
void tcp_gro_complete(struct sk_buff *skb)
{
	u8 *th = skb_mac_header(skb) + skb->gro_l4;

	if (unlikely(skb->flags & SKB_FLIST)) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		return;
	}
	store16(th + TCPH_CHECK, (u16)~csum_fold(gro_pseudo(skb, gro_len(skb, skb->gro_l4), IPPROTO_TCP)));
	skb->ip_summed = CHECKSUM_PARTIAL;
}
