/* udplite.c - UDP-Lite input: UDP with a checksum over a part only. RFC 3828; Linux: net/ipv4/udplite.c, include/net/udplite.h
 *
 *   ip_deliver() -> udplite_rcv(): length, coverage, checksum -> udp.c: udp_rcv_best()
 *
 * The field that is UDP's length says how many bytes the checksum covers; 0: all. A socket may ask for a least coverage
 * (UDPLITE_RECV_CSCOV). A checksum of 0 is none, and forbidden.
 */
#include "prelude.h"

/* udplite_covered() - is enough of the datagram covered for this socket? skb behind its header. Else counts InErrors */
int udplite_covered(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb)
{
	const struct inet_sock *inet = &sd->host->socks.inet[sk->index];

	if (likely(!inet->recv_cscov) || skb->end_seq == 0 || (inet->pcrlen && skb->end_seq >= inet->pcrlen))
		return 1;
	COUNT(sd->mib[udp_mib(skb, SOCK_UDPLITE) + UDP_MIB_INERRORS], 1);
	return 0;
}

void udplite_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	u8 copy[UDP_HLEN];
	const u8 *uh = skb_header_pointer(skb, 0, UDP_HLEN, copy);
	u32 cover, whole = skb->len;
	bool partial;

	cpu_charge(sd, COST_UDP);
	cover = uh ? be16(uh + UDPH_LEN) : 0;
	if (!uh || cover > whole) {
		udp_error(sd, skb, SOCK_UDPLITE, PKT_TOO_SMALL);
		return;
	}
	if (load16(uh + UDPH_CHECK) == 0 || (cover && cover < UDP_HLEN)) {
		udp_rcv_bad_sum(sd, skb, uh, SOCK_UDPLITE, 1);
		return;
	}
	partial = cover && cover < whole;
	cover = partial ? cover : whole;
	cpu_charge_bytes(sd, COST_CSUM_PS, cover);
	if (csum_fold(skb_checksum(skb, 0, cover, csum_pseudo(ip, (int)ip_version(ip), whole, IPPROTO_UDPLITE))) != 0) {
		udp_rcv_bad_sum(sd, skb, uh, SOCK_UDPLITE, !partial && whole <= CHECKSUM_BREAK);
		return;
	}
	skb->end_seq = partial ? cover : 0; /* for udplite_covered() */
	udp_rcv_best(sd, skb, uh, SOCK_UDPLITE);
}
