/* ip_output.c - what IP sends. RFC 791, RFC 8200; Linux: net/ipv4/ip_output.c, route.c, net/ipv6/ip6_output.c
 *
 *   udp.c icmp.c ndisc.c -> ip_output(): route, source address, header, checksum, fragments or segments -> neigh.c
 *
 * A host with one card has these routes: its own networks, and a gateway for the rest. The payload is copied once, into
 * the driver's buffers, and summed on the way unless the card sums. A packet longer than the MTU is sent in fragments.
 * With gso_size it is sent in segments: the wire segments it if it takes GSO, else this file does.
 */
#include "prelude.h"

#define NO_CSUM 0xffff
#define LINK_LOCAL_NET (0xfe80ull << 48) /* fe80::/64, on every link */
#define ICMP_CSUM_START ~0u /* the other 0 of one's complement: a message of zeros has checksum 0, as Linux's */

/* ---- routing ---- */

static bool is_zero(const struct inet_addr *a)
{
	return (a->hi | a->lo) == 0 || (inet_addr_is4(a) && (u32)a->lo == 0);
}

static bool same_net(const struct inet_net *net, const struct inet_addr *a)
{
	bool v4 = inet_addr_is4(a);
	u32 bits = net->prefix + (v4 ? 96 : 0);
	u64 hi = bits >= 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;
	u64 lo = bits >= 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;

	return inet_addr_is4(&net->addr) == v4 && !((net->addr.hi ^ a->hi) & hi) && !((net->addr.lo ^ a->lo) & lo);
}

const struct inet_net *ip_local_net(const struct host *h, const struct inet_addr *a)
{
	for (u32 i = 0; i < h->nips; i++)
		if (addr_equal(&h->ip[i].addr, a))
			return unlikely(h->ip[i].valid) && h->ip[i].valid < host_now((struct host *)h, NULL)
				       ? NULL
				       : &h->ip[i];
	return NULL;
}

static bool is_multicast(const struct inet_addr *a)
{
	return inet_addr_is4(a) ? IN_MULTICAST((u32)a->lo) : a->hi >> 56 == 0xff;
}

bool is_link_local6(const struct inet_addr *a)
{
	return !inet_addr_is4(a) && a->hi >> 54 == 0xfe80 >> 6;
}

/* Return: whether this is the broadcast address, of one of our networks or of all */
bool ip_is_broadcast(const struct host *h, const struct inet_addr *a)
{
	if (!inet_addr_is4(a))
		return false;
	if ((u32)a->lo == INADDR_BROADCAST)
		return true;
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];

		if (inet_addr_is4(&net->addr) && net->prefix < 31 && same_net(net, a) &&
		    ((u32)a->lo | ~0u << (31 - net->prefix) << 1) == ~0u)
			return true;
	}
	return false;
}

/* ip_route() - longest prefix among our networks, else the gateway from the first network of the family */
const struct inet_net *ip_route(const struct host *h, const struct inet_addr *dst, struct inet_addr *nexthop)
{
	const struct inet_net *best = NULL, *first = NULL;
	bool v4 = inet_addr_is4(dst), scoped = is_multicast(dst) || ip_is_broadcast(h, dst);
	const struct inet_addr *gateway = &h->gateway[!v4];

	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];

		if (inet_addr_is4(&net->addr) != v4 || unlikely(net->flags && !inet_net_usable(h, net)))
			continue;
		if (unlikely(addr_equal(&net->addr, dst))) { /* our own */
			*nexthop = *dst;
			return net;
		}
		if (same_net(net, dst) && !(net->flags & NET_NOPREFIXROUTE) && (!best || net->prefix > best->prefix))
			best = net;
		if (!first || (is_link_local6(&first->addr) && !is_link_local6(&net->addr)))
			first = net;
	}
	*nexthop = *dst;
	if (best || (scoped && first) || (first && dst->hi == LINK_LOCAL_NET))
		return best ? best : first;
	if (!first || (is_zero(gateway) && (v4 || !h->addrconf.learnt)))
		return NULL;
	if (unlikely(!v4 && h->addrconf.learnt) && !ra_route(h, dst, &gateway))
		return first;
	*nexthop = *gateway;
	return is_zero(gateway) ? NULL : first;
}

/* ---- one frame ---- */

struct cut { /* the part of head and data that a frame carries */
	u32 off, len;
	bool more, fragment;
	u16 id4;
	u32 id6, gso_size;
};

/* Where put() copies to in the packet's chain of buffers. Each piece but the last has an even length, so sums add up. */
struct writer {
	struct driver_tx *tx;
	u32 buf, at;
};

static u32 put(struct writer *w, const u8 *data, u32 len, u32 sum)
{
	while (len) {
		u32 n = min_u32(len, TX_BUF_LEN - w->at);

		sum = csum_and_copy(w->tx->base + (u64)w->buf * TX_BUF_LEN + w->at, data, n, sum);
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

	sum = put(w, o->head + min_u32(c->off, o->head_len), from_head, sum);
	return c->len > from_head ? put(w, o->data + data_off, c->len - from_head, sum) : sum; /* data may be NULL */
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
	w = (struct writer){ tx, packet, sizeof(*hdr) + ETH_HLEN + ip_len };
	if (sum_it && o->proto == IPPROTO_ICMP)
		pseudo = ICMP_CSUM_START;
	else if (sum_it)
		pseudo = csum_pseudo(eth + ETH_HLEN, v4 ? 4 : 6, c->len, o->proto);
	sum = put_transport(&w, o, c, pseudo);
	field = eth + ETH_HLEN + ip_len + o->csum_offset;
	if (sum_it && o->proto == IPPROTO_UDP && tx->offload & NETIF_F_HW_CSUM) {
		hdr = (void *)(eth - sizeof(*hdr));
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = (u16)(ETH_HLEN + ip_len);
		hdr->csum_offset = o->csum_offset;
		if (c->gso_size) {
			hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
			hdr->gso_size = (u16)c->gso_size;
			hdr->hdr_len = (u16)(ETH_HLEN + ip_len + o->head_len);
		}
		store16(field, (u16)~csum_fold(pseudo));
	} else if (sum_it) {
		u16 folded = csum_fold(sum);

		store16(field, folded || o->proto != IPPROTO_UDP ? folded : 0xffff);
	}
	if (is_multicast(nexthop) || ip_is_broadcast(h, nexthop)) {
		u8 mac[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

		if (is_multicast(nexthop))
			inet_group_mac(nexthop, mac);
		if (v4) {
			bool group = is_multicast(nexthop);

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
	folded = csum_fold(csum_partial(o->data, o->len, sum));
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
	return ip_local_net(h, dst) || (inet_addr_is4(dst) && is_zero(dst));
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
	if (unlikely(inet_addr_is4(&o->src) != v4) && !is_zero(&o->src)) {
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
	if (is_zero(&o->src) && !o->unspecified)
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

		if (h->tx.offload & NETIF_F_GSO_UDP_L4)
			return frame_out(h, sd, o, &c, &nexthop);
		return segments_out(h, sd, o, &nexthop);
	}
	if (total + ip_len > mtu)
		return fragments_out(h, sd, o, mtu - ip_len, &nexthop);
	return frame_out(h, sd, o, &(struct cut){ .len = total, .id4 = o->df ? 0 : h->tx.ip_id++ }, &nexthop);
}

int ip_output(struct host *h, struct softnet_data *sd, struct outgoing *o)
{
	int rc;

	if (!sd) {
		lock_if(h->live, &h->tx.lock);
		rc = ip_output_locked(h, sd, o);
		unlock_if(h->live, &h->tx.lock);
		return rc;
	}
	cpu_lock(sd, &h->tx.lock);
	rc = ip_output_locked(h, sd, o);
	cpu_unlock(sd, &h->tx.lock);
	return rc;
}
