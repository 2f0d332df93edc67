/* rss.c - parse the frame, hash its addresses and ports, choose the receive queue
 *
 * Toeplitz as Microsoft defined it for RSS, by carry-less multiplication where the CPU has it, else by a table per input
 * byte, so that a hash is one look-up and one exclusive-or a byte. Input: source address,
 * destination address, source port, destination port, in network order. Fragments and other protocols hash the
 * addresses only; what is not IP has hash 0 and goes where entry 0 points. queue = indir[hash & 127].
 */
#include "prelude.h"

void rss_set_key(struct rss *r, const u8 *key, u32 len)
{
	u8 padded[RSS_KEY_SIZE + 4] = { 0 };

	memcpy(padded, key, min_u32(len, RSS_KEY_SIZE));
	memcpy(r->key, padded, RSS_KEY_SIZE);
	for (u32 word = 0; word < ARRAY_SIZE(r->window); word++) {
		r->window[word] = 0;
		for (u32 bit = 0; bit < 64; bit++)
			r->window[word] |= (u64)(padded[word * 4 + bit / 8] >> (7 - bit % 8) & 1) << bit;
	}
	for (u32 byte = 0; byte < ARRAY_SIZE(r->table); byte++) {
		u64 window = (u64)be32(padded + byte) << 8 | padded[byte + 4]; /* 40 bits of key */

		for (u32 value = 0; value < 256; value++) {
			u32 hash = 0;

			for (u32 bit = 0; bit < 8; bit++)
				if (value & (0x80u >> bit))
					hash ^= (u32)(window >> (8 - bit));
			r->table[byte][value] = hash;
		}
	}
}

u32 rss_toeplitz(const struct rss *r, const u8 *input, u32 len)
{
	u32 hash = 0;

	for (u32 i = 0; i < len && i < ARRAY_SIZE(r->table); i++)
		hash ^= r->table[i][input[i]];
	return hash;
}

static u32 hash_table(const struct rss *r, const u8 *addrs, u32 len, const u8 *ports)
{
	u32 hash = 0;

	for (u32 i = 0; i < len; i++)
		hash ^= r->table[i][addrs[i]];
	for (u32 i = 0; ports && i < 4; i++)
		hash ^= r->table[len + i][ports[i]];
	return hash;
}

#if defined(__x86_64__)
#include <immintrin.h>

static u32 reverse_bits(u32 v)
{
	v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
	v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(v);
}

__attribute__((target("pclmul"))) static __m128i times(const struct rss *r, u32 i, const u8 *word)
{
	return _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)be32(word)), _mm_cvtsi64_si128((long long)r->window[i]), 0);
}

/* Toeplitz is a product of polynomials over GF(2): bit j of an input word (from the left) adds key bits j .. j + 31. With
 * the key's bits reversed that sum is one carry-less multiplication a word, and the hash, reversed too, lies in bits
 * 31 .. 62 of the product. By itself no faster than a table that is hot (7 ns against 5), but it
 * leaves 12 KiB of L1 to the packets: 1 to 4 ns a frame less on the whole path. */
__attribute__((target("pclmul"))) static u32 hash_pclmul(const struct rss *r, const u8 *addrs, u32 len, const u8 *ports)
{
	__m128i sum = _mm_xor_si128(times(r, 0, addrs), times(r, 1, addrs + 4));

	for (u32 i = 2; i < len / 4; i++)
		sum = _mm_xor_si128(sum, times(r, i, addrs + 4 * i));
	if (ports)
		sum = _mm_xor_si128(sum, times(r, len / 4, ports));
	return reverse_bits((u32)((u64)_mm_cvtsi128_si64(sum) >> 31));
}
#endif

/* addrs: source and destination, len bytes in all; ports: both, or NULL */
static u32 (*hash_impl)(const struct rss *r, const u8 *addrs, u32 len, const u8 *ports) = hash_table;

__attribute__((constructor)) static void rss_dispatch(void)
{
#if defined(__x86_64__)
	if (isa_has_pclmul())
		hash_impl = hash_pclmul;
#endif
}

static void parse_ipv4(struct frame *f, const u8 *ip, u32 left)
{
	u32 ihl = (ip[0] & 15u) * 4, total = be16(ip + 2);

	f->l3 = 4;
	f->ip_proto = ip[9];
	if (ihl < 20 || total < ihl || total > left || (be16(ip + 6) & 0x3fff))
		return; /* bad lengths: the host says what it thinks of them; or a fragment */
	f->l4_off = (u16)(f->l3_off + ihl);
	f->l4_len = total - ihl;
	if ((f->ip_proto == 6 && f->l4_len >= 20) || (f->ip_proto == 17 && f->l4_len >= 8))
		f->flags |= FRAME_L4;
}

static void parse_ipv6(struct frame *f, const u8 *ip, u32 left)
{
	u32 off = 40, end = 40 + be16(ip + 4);
	u8 next = ip[6];

	f->l3 = 6;
	if (end > left)
		return;
	for (u32 headers = 0; headers < 8; headers++) { /* hop-by-hop, routing, destination options */
		if (next != 0 && next != 43 && next != 60)
			break;
		if (off + 8 > end)
			return;
		next = ip[off];
		off += (ip[off + 1] + 1u) * 8;
		if (off > end)
			return;
	}
	f->ip_proto = next;
	f->l4_off = (u16)(f->l3_off + off);
	f->l4_len = end - off;
	if ((next == 6 && f->l4_len >= 20) || (next == 17 && f->l4_len >= 8))
		f->flags |= FRAME_L4;
}

/* frame_parse() - find the network and transport headers. The frame has at least an Ethernet header. */
void frame_parse(struct frame *f)
{
	u16 type = be16(f->data + 12);
	u32 off = ETH_HLEN;

	f->vlan_tci = 0;
	f->l3 = 0;
	for (u32 tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8) && off + 4 <= f->len; tags++) {
		if (!tags) {
			f->vlan_tci = be16(f->data + off);
			f->flags |= FRAME_TAGGED;
		}
		type = be16(f->data + off + 2);
		off += 4;
	}
	f->l3_off = (u16)off;
	if (type == 0x0800 && f->len >= off + 20 && f->data[off] >> 4 == 4)
		parse_ipv4(f, f->data + off, f->len - off);
	else if (type == 0x86dd && f->len >= off + 40 && f->data[off] >> 4 == 6)
		parse_ipv6(f, f->data + off, f->len - off);
}

/* rss_frame() - after frame_parse(): hash, hash type, queue */
void rss_frame(const struct rss *r, struct frame *f)
{
	const u8 *ip = f->data + f->l3_off, *ports = NULL;
	bool l4 = f->flags & FRAME_L4 && (f->ip_proto == 6 || r->udp_ports);

	f->hash = 0;
	f->hash_report = HASH_NONE;
	if (f->l3 && r->enabled) {
		if (l4)
			ports = f->data + f->l4_off;
		if (f->l3 == 4) {
			f->hash = hash_impl(r, ip + 12, 8, ports);
			f->hash_report = !l4 ? HASH_IPV4 : f->ip_proto == 6 ? HASH_TCPV4 : HASH_UDPV4;
		} else {
			f->hash = hash_impl(r, ip + 8, 32, ports);
			f->hash_report = !l4 ? HASH_IPV6 : f->ip_proto == 6 ? HASH_TCPV6 : HASH_UDPV6;
		}
	}
	f->queue = r->indir[f->hash & (RSS_INDIR_SIZE - 1)];
}
