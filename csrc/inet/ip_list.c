/* ip_list.c - the usual datagrams of a list: what is the same for all is asked once. Linux: net/ipv4/ip_input.c (ip_list_rcv())
 *
 *   netif_receive_skb_list_internal() -> ip_list_rcv(): the header of each -> udp_list_rcv() (udp_list.c): its socket
 *
 * Usual: UDP for us in one frame, without options, not a fragment, and the card has verified it. Whatever is not goes through
 * ip_rcv(), in its place in the list, with nothing done to it yet. So does a packet in whose time another agent acts. So each
 * fate, counter, and instant is the same as without lists. Here are the checks of ip_rcv() once more, as questions.
 */
#include "prelude.h"

/* May an address that begins with this byte be a host's? Not in 0, 127, and from 224 on */
static inline bool is_hosts(u8 first)
{
	return (u8)(first - 1) < 223 && first != 127;
}

/* Are the addresses those of a packet that is for us? last: header of an earlier one that is; NULL: none is known */
static inline bool is_for_us(const struct host *h, const u8 *ip, const u8 **last)
{
	enum rtn type;

	if (h->ip_any && is_hosts(ip[IPH_SADDR]) && is_hosts(ip[IPH_DADDR]))
		return true;
	if (*last && load64(ip + IPH_SADDR) == load64(*last + IPH_SADDR)) /* both addresses */
		return true;
	if (ip_route_input(h, ip, &type) != FATE_MAX || type != RTN_LOCAL)
		return false;
	*last = ip;
	return true;
}

/* Return: the packet's total length; 0: it is not usual */
static inline u32 usual_len(const struct host *h, const struct sk_buff *skb, const u8 **last)
{
	const u64 kind = skb_kind(0, htons(ETH_P_IP)), any_report = skb_kind(0xff, 0) ^ skb_kind(0, 0);
	const u8 *ip = skb->data;
	u32 total;

	if ((skb->kind & ~any_report) != kind || skb->head_len < IP_HLEN + UDP_HLEN || skb->head_len != skb->len)
		return 0;
	total = be16(ip + IPH_TOT_LEN);
	return ip[IPH_VERSION_IHL] == IP_VERSION_IHL && ip[IPH_PROTOCOL] == IPPROTO_UDP &&
			       !(load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET)) && total <= skb->len &&
			       total >= IP_HLEN + UDP_HLEN && ip_header_is_right(ip) && is_for_us(h, ip, last)
		       ? total
		       : 0;
}

struct sk_buff *ip_list_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	struct ip_usual usual[BURST];
	const u8 *last = NULL;
	u32 n = 0, done, total;

	if (unlikely(sd->host->protocol_python[IPPROTO_UDP] || !udp_list_may(sd)))
		return skb;
	for (; skb && n < BURST && (total = usual_len(sd->host, skb, &last)); skb = skb->next)
		usual[n++] = (struct ip_usual){ skb, total };
	done = n ? udp_list_rcv(sd, usual, n) : 0;
	return done < n ? usual[done].skb : skb;
}
