/* ip_output.c - what IP sends. RFC 791, RFC 8200; Linux: net/ipv4/ip_output.c, route.c, net/ipv6/ip6_output.c
 *
 *   udp_output.c tcp_output.c icmp.c ndisc.c -> ip_output(): route (ip_route_output.c), source address, header, checksum,
 *   fragments or segments -> neigh.c
 *
 * The payload is copied once, into the driver's buffers, and summed on the way unless the card sums. A packet longer than
 * the MTU is sent in fragments. With gso_size it is sent in segments: the wire segments it if it takes GSO, else this file
 * does.
 */
#include "prelude.h"

#define NO_CSUM 0xffff
#define ICMP_CSUM_START ~0u /* the other 0 of one's complement: a message of zeros has checksum 0, as Linux's */

/* ---- one frame ---- */

struct cut { /* the part of head and data that a frame carries */
	u32 off, len;
	bool more, fragment;
	u16 id4;
	u32 id6, gso_size;
};

/* Where put() copies to in the packet's chain of buffers. A sum goes on over pieces of any length. */
struct writer {
	struct driver_tx *tx;
	u32 buf, at;
	bool no_sum, odd; /* odd: an odd number of bytes lies before: the next piece's bytes are swapped in the sum */
};

/* Copy data. Return: sum and that of data; with no_sum the wire makes it */
static u32 put(struct writer *w, const u8 *data, u32 len, u32 sum)
{
	while (len) {
		u32 n = min_u32(len, TX_BUF_LEN - w->at);
		u8 *to = w->tx->base + (u64)w->buf * TX_BUF_LEN + w->at;

		if (w->no_sum) {
			memcpy(to, data, n);
		} else if (likely(!w->odd)) {
			sum = csum_and_copy(to, data, n, sum);
		} else {
			u32 more = csum_and_copy(to, data, n, 0);
			u64 both = (u64)sum + (more << 8 | more >> 24);

			sum = (u32)(both + (both >> 32));
		}
		w->odd ^= n & 1;
		data += n;
		len -= n;
		w->at += n;
		if (w->at == TX_BUF_LEN && len) {
			w->buf = w->tx->buf[w->buf].next;
			w->at = 0;
		}
	}
	return sum;
}

static u32 put_ip4(u8 *ip, const struct outgoing *o, const struct cut *c)
{
	u16 frag = (u16)(c->off / 8 | (c->more ? IP_MF : 0) | (o->df && !c->fragment ? IP_DF : 0));

	u32 ihl = IP_HLEN + o->opt_len;

	ip[IPH_VERSION_IHL] = (u8)(IP_VERSION_IHL + o->opt_len / 4);
	ip[IPH_TOS] = o->tos;
	store16(ip + IPH_TOT_LEN, htons((u16)(ihl + c->len)));
	store16(ip + IPH_ID, htons(c->id4));
	store16(ip + IPH_FRAG_OFF, htons(frag));
	ip[IPH_TTL] = o->ttl;
	ip[IPH_PROTOCOL] = o->proto;
	store16(ip + IPH_CHECK, 0);
	inet_addr_put(&o->src, ip + IPH_SADDR);
	inet_addr_put(&o->dst, ip + IPH_DADDR);
	if (unlikely(o->opt_len)) {
		memcpy(ip + IP_HLEN, o->opt, o->opt_len);
		if (c->off)
			ip_options_fragment(ip + IP_HLEN, o->opt_len);
	}
	store16(ip + IPH_CHECK, ip_fast_csum(ip, ihl));
	return ihl;
}

static u32 put_ip6(u8 *ip, const struct outgoing *o, const struct cut *c)
{
	u32 extra = c->fragment ? FRAG_HLEN : 0;
	u32 first = htonl(6u << 28 | (u32)o->tos << 20), id = htonl(c->id6);
	u8 *fh = ip + IPV6_HLEN;

	memcpy(ip + IPV6H_VERSION, &first, 4);
	store16(ip + IPV6H_PAYLOAD_LEN, htons((u16)(extra + c->len)));
	ip[IPV6H_NEXTHDR] = c->fragment ? IPPROTO_FRAGMENT : o->proto;
	ip[IPV6H_HOP_LIMIT] = o->ttl;
	inet_addr_put(&o->src, ip + IPV6H_SADDR);
	inet_addr_put(&o->dst, ip + IPV6H_DADDR);
	if (c->fragment) {
		fh[FRAGH_NEXTHDR] = o->proto;
		fh[FRAGH_RESERVED] = 0;
		store16(fh + FRAGH_FRAG_OFF, htons((u16)(c->off | (c->more ? IP6_MF : 0))));
		memcpy(fh + FRAGH_ID, &id, 4);
	}
	return IPV6_HLEN + extra;
}

/* Copy the part of head and data that lies in the cut. Return: the sum over it */
static u32 put_transport(struct writer *w, const struct outgoing *o, const struct cut *c, u32 sum)
{
	u32 from_head = c->off < o->head_len ? min_u32(o->head_len - c->off, c->len) : 0;
	u32 data_off = c->off > o->head_len ? c->off - o->head_len : 0;
	u32 len = c->len - from_head;

	sum = put(w, o->head + min_u32(c->off, o->head_len), from_head, sum);
	if (unlikely(o->data2 != NULL) && data_off + len > o->data2_at) { /* TCP's */
		u32 first = o->data2_at - data_off;

		if (data_off >= o->data2_at) /* a later fragment */
			return put(w, o->data2 + (data_off - o->data2_at), len, sum);

		sum = put(w, o->data + data_off, first, sum);
		return put(w, o->data2, len - first, sum);
	}
	return len ? put(w, o->data + data_off, len, sum) : sum; /* data may be NULL */
}

/* Is the checksum left to the card? Of TCP only if the wire takes it as it is: a card without such a wire reads the bytes again. */
static bool leaves_sum(const struct driver_tx *tx, const struct outgoing *o)
{
	return o->proto == IPPROTO_UDP ? tx->offload & NETIF_F_HW_CSUM
				       : o->proto == IPPROTO_TCP && tx->offload & NETIF_F_TSO;
}

static int frame_out(struct host *h, struct softnet_data *sd, const struct outgoing *o, const struct cut *c,
		     const struct inet_addr *nexthop)
{
	struct driver_tx *tx = &h->tx;
	bool v4 = inet_addr_is4(&o->dst), sum_it = !c->fragment && o->csum_offset != NO_CSUM;
	u32 ip_len = v4 ? IP_HLEN + o->opt_len : IPV6_HLEN + (c->fragment ? FRAG_HLEN : 0), sum, pseudo = 0;
	u32 packet = tx_alloc(tx, ETH_HLEN + ip_len + c->len);
	struct virtio_net_hdr_v1_hash *hdr;
	struct writer w;
	u8 *eth, *field;
	bool partial;

	if (unlikely(packet == TX_NONE)) {
		COUNT(tx->fates[TX_FULL_RING], 1);
		return -ENOBUFS;
	}
	eth = tx_header(tx, packet);
	store16(eth + ETHH_PROTO, v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6));
	if (v4)
		put_ip4(eth + ETH_HLEN, o, c);
	else
		put_ip6(eth + ETH_HLEN, o, c);
	partial = sum_it && leaves_sum(tx, o);
	w = (struct writer){ tx, packet, sizeof(*hdr) + ETH_HLEN + ip_len, partial, false };
	if (sum_it && o->proto == IPPROTO_ICMP)
		pseudo = ICMP_CSUM_START;
	else if (sum_it)
		pseudo = csum_pseudo(eth + ETH_HLEN, v4 ? 4 : 6, c->len, o->proto);
	sum = put_transport(&w, o, c, pseudo);
	field = eth + ETH_HLEN + ip_len + o->csum_offset;
	if (partial) {
		hdr = (void *)(eth - sizeof(*hdr));
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = (u16)(ETH_HLEN + ip_len);
		hdr->csum_offset = o->csum_offset;
		if (c->gso_size) {
			hdr->gso_type = o->proto == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
					: v4			? VIRTIO_NET_HDR_GSO_TCPV4
								: VIRTIO_NET_HDR_GSO_TCPV6;
			hdr->gso_size = (u16)c->gso_size;
			hdr->hdr_len = (u16)(ETH_HLEN + ip_len + o->head_len);
		}
		store16(field, (u16)~csum_fold(pseudo));
	} else if (sum_it) {
		u16 folded = csum_fold(sum);

		store16(field, folded || o->proto != IPPROTO_UDP ? folded : 0xffff);
	}
	if (inet_addr_is_multicast(nexthop) || ip_is_broadcast(h, nexthop)) {
		u8 mac[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

		if (inet_addr_is_multicast(nexthop))
			inet_group_mac(nexthop, mac);
		if (v4) {
			bool group = inet_addr_is_multicast(nexthop);

			COUNT(h->out_mib[group ? IpExt_OutMcastPkts : IpExt_OutBcastPkts], 1);
			COUNT(h->out_mib[group ? IpExt_OutMcastOctets : IpExt_OutBcastOctets], ip_len + c->len);
		} else {
			COUNT(h->out_mib[Ip6_OutMcastPkts], 1);
			COUNT(h->out_mib[Ip6_OutMcastOctets], ip_len + c->len);
		}
		memcpy(eth + ETHH_DEST, mac, ETH_ALEN);
		memcpy(eth + ETHH_SOURCE, h->dev.dev_addr, ETH_ALEN);
		return dev_queue_xmit(h, sd, packet);
	}
	return neigh_output(h, sd, nexthop, packet);
}

/* ---- one packet, in one or more frames ---- */

/* Return: sum plus that over the data, which may lie in two pieces */
static u32 sum_data(const struct outgoing *o, u32 sum)
{
	u32 first = o->data2 ? min_u32(o->data2_at, o->len) : o->len, rest;

	sum = csum_partial(o->data, first, sum);
	if (first == o->len)
		return sum;
	rest = (u16)~csum_fold(csum_partial(o->data2, o->len - first, 0));
	if (first & 1)
		rest = (rest << 8 | rest >> 8) & 0xffff;
	return sum + rest < sum ? sum + rest + 1 : sum + rest;
}

/* Store the checksum over the whole packet in head, for the first fragment to carry. */
static void sum_whole(struct outgoing *o, u32 total)
{
	u8 ip[IPV6_HLEN] = { 0 }; /* only the addresses matter */
	bool v4 = inet_addr_is4(&o->dst);
	u16 folded;
	u32 sum = ICMP_CSUM_START;

	if (o->csum_offset == NO_CSUM)
		return;
	inet_addr_put(&o->src, ip + (v4 ? IPH_SADDR : IPV6H_SADDR));
	inet_addr_put(&o->dst, ip + (v4 ? IPH_DADDR : IPV6H_DADDR));
	if (o->proto != IPPROTO_ICMP)
		sum = csum_pseudo(ip, v4 ? 4 : 6, total, o->proto);
	store16(o->head + o->csum_offset, 0);
	sum = csum_partial(o->head, o->head_len, sum);
	folded = csum_fold(sum_data(o, sum));
	store16(o->head + o->csum_offset, folded || o->proto != IPPROTO_UDP ? folded : 0xffff);
}

static int fragments_out(struct host *h, struct softnet_data *sd, struct outgoing *o, u32 room,
			 const struct inet_addr *nexthop)
{
	bool v4 = inet_addr_is4(&o->dst);
	u32 total = o->head_len + o->len, each = (room - (v4 ? 0 : FRAG_HLEN)) & ~7u;
	struct cut c = { .fragment = true, .id4 = h->tx.ip_id++, .id6 = ++h->tx.frag_id };
	int rc = 0;

	sum_whole(o, total);
	for (; c.off < total && rc == 0; c.off += c.len) {
		c.len = min_u32(each, total - c.off);
		c.more = c.off + c.len < total;
		rc = frame_out(h, sd, o, &c, nexthop);
		COUNT(h->out_mib[v4 ? Ip_FragCreates : Ip6_FragCreates], 1);
	}
	if (rc == 0)
		COUNT(h->out_mib[v4 ? Ip_FragOKs : Ip6_FragOKs], 1);
	return rc;
}

/* Send datagram by datagram, because the wire takes no GSO. head is a UDP header. */
static int segments_out(struct host *h, struct softnet_data *sd, const struct outgoing *o,
			const struct inet_addr *nexthop)
{
	struct outgoing one = *o;
	int rc = 0;

	for (u32 off = 0; off < o->len && rc == 0; off += one.len) {
		struct cut c = { .id4 = o->df ? 0 : h->tx.ip_id++ };

		one.data = o->data + off;
		one.len = min_u32(o->gso_size, o->len - off);
		store16(one.head + UDPH_LEN, htons((u16)(UDP_HLEN + one.len)));
		c.len = one.head_len + one.len;
		rc = frame_out(h, sd, &one, &c, nexthop);
	}
	return rc;
}

/* Would a loopback device take the packet? vnic has no such device: what a host sends to itself is lost. */
static bool ip_is_own(const struct host *h, const struct inet_addr *dst)
{
	return ip_local_net(h, dst) || (inet_addr_is4(dst) && inet_addr_is_any(dst));
}

/* ip_reachable() - is there a way to this destination? */
int ip_reachable(const struct host *h, const struct inet_addr *dst)
{
	struct inet_addr nexthop;

	return ip_is_own(h, dst) || ip_route(h, dst, &nexthop);
}

int ip_output_locked(struct host *h, struct softnet_data *sd, struct outgoing *o)
{
	bool v4 = inet_addr_is4(&o->dst);
	u32 ip_len = v4 ? IP_HLEN + o->opt_len : IPV6_HLEN, mtu = ip_mtu(h), total = o->head_len + o->len;
	const struct inet_net *from;
	struct inet_addr nexthop;

	if (!h->answers)
		return -ENETDOWN;
	if (unlikely(inet_addr_is4(&o->src) != v4) && !inet_addr_is_any(&o->src)) {
		COUNT(h->out_mib[Ip6_OutNoRoutes], 1); /* from IPv6 to ::ffff:a.b.c.d: no wire has it */
		return -ENETUNREACH;
	}
	if (unlikely(ip_is_own(h, &o->dst)) && !o->onlink) {
		COUNT(h->out_mib[v4 ? Ip_OutRequests : Ip6_OutRequests], 1);
		return 0;
	}
	from = ip_route(h, &o->dst, &nexthop);
	if (o->onlink) {
		nexthop = o->dst;
	} else if (!from) {
		COUNT(h->out_mib[Ip6_OutNoRoutes], !v4); /* of IPv4, Linux counts what sockets send */
		return -ENETUNREACH;
	}
	if (unlikely(h->routes.used) && !o->onlink)
		mtu = ip_except(h, sd, o, &nexthop);
	if (inet_addr_is_any(&o->src) && !o->unspecified)
		o->src = v4 ? from->addr : ipv6_dev_get_saddr(h, &o->dst)->addr;
	if (unlikely(!v4 && h->addrconf.learnt)) {
		if (h->addrconf.mtu)
			mtu = min_u32(mtu, h->addrconf.mtu);
		if (o->ttl == IPDEFTTL && addrconf_hop_limit(h, &nexthop))
			o->ttl = addrconf_hop_limit(h, &nexthop);
	}
	COUNT(h->out_mib[v4 ? Ip_OutRequests : Ip6_OutRequests], 1);
	if (total + ip_len > (v4 ? IP_LEN_MAX : IP_LEN_MAX + IPV6_HLEN))
		return -EMSGSIZE;
	if (o->gso_size && o->len > o->gso_size) {
		struct cut c = { .len = total, .gso_size = o->gso_size };

		if (o->proto == IPPROTO_TCP || h->tx.offload & NETIF_F_GSO_UDP_L4)
			return frame_out(h, sd, o, &c, &nexthop);
		return segments_out(h, sd, o, &nexthop);
	}
	if (total + ip_len > mtu)
		return fragments_out(h, sd, o, mtu - ip_len, &nexthop);
	return frame_out(h, sd, o, &(struct cut){ .len = total, .id4 = o->df ? 0 : h->tx.ip_id++ }, &nexthop);
}

bool ip_tx_lock(struct host *h, struct softnet_data *sd)
{
	if (sd)
		return cpu_lock_within(sd, &h->tx.lock); /* TCP holds a connection's lock */
	lock_if(h->live, &h->tx.lock);
	return false;
}

void ip_tx_unlock(struct host *h, struct softnet_data *sd, bool first)
{
	if (sd)
		cpu_unlock_within(sd, &h->tx.lock, first);
	else
		unlock_if(h->live, &h->tx.lock);
}

int ip_output(struct host *h, struct softnet_data *sd, struct outgoing *o)
{
	bool first = ip_tx_lock(h, sd);
	int rc = ip_output_locked(h, sd, o);

	ip_tx_unlock(h, sd, first);
	return rc;
}
