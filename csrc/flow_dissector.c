/* flow_dissector.c - a flow's hash when the card gave none. Called by rps.c. Linux: net/core/flow_dissector.c
 *
 * SipHash-2-4 (Aumasson and Bernstein 2012) over EtherType, protocol, ports and addresses. Addresses and ports are
 * sorted, each by themselves, so both directions of a conversation get the same hash. 0 means "none", so 0 becomes 1.
 * The key comes from the seed: runs repeat, which the kernel's do not.
 */
#include "prelude.h"

static u64 rotl(u64 v, u32 n)
{
	return v << n | v >> (64 - n);
}

struct sip {
	u64 v0, v1, v2, v3;
};

static void sip_rounds(struct sip *s, u32 rounds)
{
	while (rounds--) {
		s->v0 += s->v1;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v2 = rotl(s->v2, 32);
	}
}

u64 siphash(const void *data, u32 len, u64 k0, u64 k1)
{
	struct sip s = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			 k1 ^ 0x7465646279746573 };
	const u8 *p = data;
	u64 last = (u64)len << 56;

	for (; len >= 8; len -= 8, p += 8) {
		u64 m = load64(p);

		s.v3 ^= m;
		sip_rounds(&s, 2);
		s.v0 ^= m;
	}
	for (u32 i = 0; i < len; i++)
		last |= (u64)p[i] << (8 * i);
	s.v3 ^= last;
	sip_rounds(&s, 2);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct flow_keys {
	u16 n_proto;
	u8 ip_proto, pad;
	u16 port[2];
	u8 addr[2][16];
};

/* Where the transport header is, or 0 when the packet has none that can be read (fragments, other protocols). */
static u32 dissect_ip(const struct sk_buff *skb, struct flow_keys *k, bool v6)
{
	u8 copy[40];
	const u8 *ip = skb_header_pointer(skb, 0, v6 ? 40 : 20, copy);
	u32 alen = v6 ? 16 : 4, src = v6 ? 8 : 12;

	if (!ip || ip[0] >> 4 != (v6 ? 6 : 4))
		return 0;
	k->n_proto = skb->protocol;
	k->ip_proto = ip[v6 ? 6 : 9];
	memcpy(k->addr[0], ip + src, alen);
	memcpy(k->addr[1], ip + src + alen, alen);
	if (memcmp(k->addr[0], k->addr[1], alen) > 0) {
		memcpy(k->addr[0], ip + src + alen, alen);
		memcpy(k->addr[1], ip + src, alen);
	}
	if (!v6)
		return be16(ip + 6) & 0x3fff ? 0 : (ip[0] & 15u) * 4;
	return 40;
}

u32 skb_get_hash(const struct host *h, struct sk_buff *skb)
{
	struct flow_keys k = { 0 };
	u8 copy[4];
	const u8 *ports;
	bool v6 = skb->protocol == 0xdd86;
	u32 l4;

	if (skb->hash_report != HASH_NONE)
		return skb->hash;
	if (skb->protocol != 0x0008 && !v6)
		return 0;
	l4 = dissect_ip(skb, &k, v6);
	if (!k.n_proto)
		return 0;
	if (l4 && (k.ip_proto == 6 || k.ip_proto == 17) && (ports = skb_header_pointer(skb, l4, 4, copy))) {
		u16 a = be16(ports), b = be16(ports + 2);

		k.port[0] = a < b ? a : b;
		k.port[1] = a < b ? b : a;
	}
	skb->hash = (u32)siphash(&k, sizeof(k), h->hash_key[0], h->hash_key[1]);
	if (!skb->hash)
		skb->hash = 1;
	return skb->hash;
}
