/* receive_burst.c - the usual frames that arrive: one pass from the header to the FIFO. Nothing rare is in it
 *
 *   nic_receive.c -> receive_burst(): headers, filter, length -> rss.c: hashes -> the queues, and the FIFO's account
 *               -> the first frame that is not usual, and all behind it: receive()
 *
 * Usual: TCP or UDP in IPv4, whole, without options and tags, unicast for us. Nothing of another frame has been counted or
 * changed. The fields that are filled in are those of frame_parse().
 */
#include "device.h"

/* What every frame of a burst is compared with: it stays in registers. */
struct usual {
	u64 addr; /* the card's, as load64() << 16 */
	u32 longest; /* bytes of a frame at most */
	bool any;
};

static struct usual usual_begin(const struct nic *nic)
{
	const struct mac_filter *mf = &nic->filter;
	u8 addr[8] = { 0 };

	memcpy(addr, mf->addr, ETH_ALEN);
	return (struct usual){
		.addr = load64(addr) << 16,
		.longest = nic->mtu ? nic->mtu + ETH_HLEN : UINT32_MAX,
		.any = mf->any || mf->promisc,
	};
}

/* Is there anything that has to look at each frame? */
static inline bool burst_is_plain(const struct nic *nic)
{
	return likely(nic->up && !nic->faults && nic->rss.enabled && !nic->rss.shaped &&
		      !(READ_ONCE(nic->arfs.count) | nic->rules.count));
}

/* Fill in f as frame_parse() does. Return: false: it is not usual, and nothing of it has changed */
static inline bool parse_usual(struct frame *f, const struct usual *u)
{
	static const u8 first[4] = { ETH_P_IP >> 8, ETH_P_IP & 0xff, IP_VERSION_IHL, 0 };
	const u8 *data = f->data;
	const u64 fragment = (u64)(u32)htons(IP_MF | IP_OFFSET) << 16;
	u64 dst, middle;
	u32 total, len, least;
	bool tcp;

	if (unlikely(f->len < ETH_HLEN + IP_HLEN + UDP_HLEN || f->wire_len > u->longest || f->gso ||
		     f->flags & FRAME_NO_PYTHON))
		return false;
	dst = load64(data);
	if (unlikely(dst & 1 || !(u->any || dst << 16 == u->addr)))
		return false;
	middle = load64(data + ETH_HLEN + IPH_ID); /* id, fragment, TTL, protocol, checksum */
	if (unlikely((load32(data + ETHH_PROTO) ^ load32(first)) & load32((const u8[4]){ 0xff, 0xff, 0xff, 0 }) ||
		     middle & fragment || !(middle >> 48)))
		return false;
	total = be16(data + ETH_HLEN + IPH_TOT_LEN);
	len = total - IP_HLEN;
	tcp = (u8)(middle >> 40) == IPPROTO_TCP;
	least = tcp ? TCP_HLEN : UDP_HLEN;
	if (unlikely((!tcp && (u8)(middle >> 40) != IPPROTO_UDP) || total < IP_HLEN + least ||
		     total > f->len - ETH_HLEN))
		return false;
	f->l4_len = len;
	f->l3_off = ETH_HLEN;
	f->l4_off = ETH_HLEN + IP_HLEN;
	f->l3 = 4;
	f->ip_proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	f->hash_report = tcp ? HASH_TCPV4 : HASH_UDPV4;
	f->flags |= FRAME_L4 | FRAME_PLAIN;
	f->vlan_tci = 0;
	return true;
}

u32 receive_burst(struct nic *nic, struct frame *f, u32 n)
{
	u64 tuple[BURST][2];
	u32 hash[BURST], bytes = 0, done;
	struct usual u;

	if (!burst_is_plain(nic))
		return 0;
	u = usual_begin(nic);
	for (done = 0; done < n && parse_usual(&f[done], &u); done++) {
		const u8 *ip = f[done].data + ETH_HLEN;

		tuple[done][0] = load64(ip + IPH_SADDR);
		tuple[done][1] = load32(ip + IP_HLEN); /* the ports; zeros add nothing to the hash */
		bytes += max_u32(f[done].len, ETH_ZLEN);
	}
	if (!done)
		return 0;
	rss_hash4(&nic->rss, (const u8(*)[16])tuple, hash, done);
	for (u32 i = 0; i < done; i++) {
		f[i].hash = hash[i];
		f[i].queue = rss_queue(&nic->rss, hash[i]);
	}
	COUNT(nic->offered, done);
	if (unlikely(!fifo_take(&nic->fifo, f, done, bytes)))
		nic_store(nic, f, done);
	return done;
}
