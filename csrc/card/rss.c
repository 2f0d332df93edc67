/* rss.c - hash the addresses and ports that frame_parse() found, and choose the receive queue
 *
 * The Toeplitz hash that Microsoft defined for RSS, for a burst of IPv4 tuples at once: by matrices over GF(2) if the CPU has
 * GFNI, else by carry-less multiplication if it has that, else (and for IPv6) by a table per input byte. Input: source
 * address, destination address, source port, destination port, in network order. Fragments and other protocols hash the
 * addresses only; frames that are not IP have hash 0 and go where entry 0 points. queue = indir[hash & 127].
 *
 * A flow type can leave fields out: they are zero, which adds nothing to the hash, and the others stay in place. With
 * symmetric-xor (RXH_XFRM_SYM_XOR, Linux 6.8) source ^ destination stands in both places, so both directions of a flow hash
 * alike. Both change only the input, so the three ways to multiply do not depend on them.
 */
#include "device.h"

void rss_set_key(struct rss *r, const u8 *key, u32 len)
{
	u8 padded[RSS_KEY_SIZE + 4] = { 0 };

	if (!r->indir_mask)
		r->indir_mask = RSS_INDIR_SIZE - 1;
	r->changes++;
	memcpy(padded, key, min_u32(len, RSS_KEY_SIZE));
	memcpy(r->key, padded, RSS_KEY_SIZE);
	for (u32 word = 0; word < ARRAY_SIZE(r->window); word++) {
		r->window[word] = 0;
		for (u32 bit = 0; bit < 64; bit++)
			r->window[word] |= (u64)(padded[word * 4 + bit / 8] >> (7 - bit % 8) & 1) << bit;
	}
	for (u32 k = 0; k < ARRAY_SIZE(r->matrix); k++) {
		u64 window = (u64)be32(padded + k);

		r->matrix[k] = 0;
		for (u32 row = 0; row < 8; row++) /* lane 15 adds nothing: it has no bytes */
			r->matrix[k] |= (window >> (24 - row) & 0xff) << 8 * row;
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

static void rss_changed(struct rss *r)
{
	r->changes++;
	r->shaped = r->symmetric;
	for (u32 type = 0; type < HASH_TYPES; type++)
		r->shaped |= r->left_out[type] != 0;
}

void rss_set_fields(struct rss *r, u32 hash_type, u32 fields)
{
	r->left_out[hash_type] = (u8)(~fields & (RSS_IP_SRC | RSS_IP_DST | RSS_L4_SRC | RSS_L4_DST));
	rss_changed(r);
}

void rss_set_symmetric(struct rss *r, int on)
{
	r->symmetric = on != 0;
	rss_changed(r);
}

u32 rss_toeplitz(const struct rss *r, const u8 *input, u32 len)
{
	u32 hash = 0;

	for (u32 i = 0; i < len && i < ARRAY_SIZE(r->table); i++)
		hash ^= r->table[i][input[i]];
	return hash;
}

/* ---- many IPv4 tuples at once: addresses and ports (0: none; they add nothing to the hash), 12 of 16 bytes each ---- */

static void hash4_table(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n)
{
	for (u32 i = 0; i < n; i++)
		hash[i] = rss_toeplitz(r, tuple[i], 12);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define PCLMUL __attribute__((target("pclmul")))
#define GFNI __attribute__((target("gfni,avx512f,avx512bw,avx512vbmi")))

static __m128i reverse_bits(__m128i v) /* of each 32-bit word */
{
	const __m128i low = _mm_set1_epi8(15);
	const __m128i nibble = _mm_setr_epi8(0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15);
	const __m128i bytes = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
	__m128i a = _mm_slli_epi16(_mm_shuffle_epi8(nibble, _mm_and_si128(v, low)), 4);
	__m128i b = _mm_shuffle_epi8(nibble, _mm_and_si128(_mm_srli_epi16(v, 4), low));

	return _mm_shuffle_epi8(_mm_or_si128(a, b), bytes);
}

PCLMUL static __m128i times(const struct rss *r, u32 i, const u8 *word)
{
	return _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)be32(word)), _mm_cvtsi64_si128((long long)r->window[i]), 0);
}

/* Toeplitz is a product of polynomials over GF(2): bit j of an input word (from the left) adds key bits j .. j + 31. With
 * the key's bits reversed that sum is one carry-less multiplication a word, and the hash, reversed too, lies in bits
 * 31 .. 62 of the product. Alone it is no faster than a hot table, but it leaves 12 KiB of L1 to the packets: 1 to
 * 4 ns a frame less on the whole path. */
PCLMUL static void hash4_pclmul(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		__m128i sum = _mm_xor_si128(times(r, 0, tuple[i]), times(r, 1, tuple[i] + 4));

		sum = _mm_xor_si128(sum, times(r, 2, tuple[i] + 8));
		hash[i] = (u32)_mm_cvtsi128_si32(reverse_bits(_mm_srli_epi64(sum, 31)));
	}
}

static signed char window_bytes[2][64]; /* lane, tuple 0 and 1, byte q: tuple byte lane - 3 + q; -1: no such byte */

static void gfni_init(void)
{
	for (u32 i = 0; i < 128; i++) {
		int byte = (int)(i / 8) - 3 + (int)(i % 4);

		window_bytes[i / 64][i % 64] = (signed char)(byte < 0 || byte > 11 ? -1 : byte + (int)(i % 8 / 4) * 16);
	}
}

/* Input byte i adds to byte o of the hash by a matrix of 8 x 8 key bits that depends on i + o only, and one instruction
 * multiplies eight bytes by such a matrix. So lane k of 64 bits has matrix k and the bytes k - 3 .. k of two tuples. The
 * exclusive-or of the lanes 0 .. 14 is the two hashes. Four tuples a turn, from one load. */
GFNI static void hash4_gfni(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n)
{
	const __m512i low = _mm512_loadu_si512(r->matrix), high = _mm512_loadu_si512(r->matrix + 8);
	__m512i at[2][2]; /* sources of the bytes of lanes 0 .. 7 and 8 .. 15; tuples 0 and 1, tuples 2 and 3 */
	__mmask64 in[2];

	for (u32 half = 0; half < 2; half++) {
		at[0][half] = _mm512_loadu_si512(window_bytes[half]);
		at[1][half] = _mm512_add_epi8(at[0][half], _mm512_set1_epi8(32));
		in[half] = _mm512_cmpge_epi8_mask(at[0][half], _mm512_setzero_si512());
	}
	for (u32 i = 0; i < n; i += 4) {
		u32 k = min_u32(n - i, 4);
		__m512i t = _mm512_maskz_loadu_epi8(~0ull >> (64 - 16 * k), tuple[i]), sum[2], s;
		__m256i s4;
		__m128i s2;

		for (u32 pair = 0; pair < 2; pair++)
			sum[pair] = _mm512_xor_si512(
				_mm512_gf2p8affine_epi64_epi8(_mm512_maskz_permutexvar_epi8(in[0], at[pair][0], t), low,
							      0),
				_mm512_gf2p8affine_epi64_epi8(_mm512_maskz_permutexvar_epi8(in[1], at[pair][1], t),
							      high, 0));
		s = _mm512_xor_si512(_mm512_unpacklo_epi64(sum[0], sum[1]), _mm512_unpackhi_epi64(sum[0], sum[1]));
		s4 = _mm256_xor_si256(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
		s2 = _mm_xor_si128(_mm256_castsi256_si128(s4), _mm256_extracti128_si256(s4, 1));
		if (likely(k == 4))
			_mm_storeu_si128((__m128i *)&hash[i], s2);
		else
			memcpy(&hash[i], &s2, 4 * k);
	}
	_mm256_zeroupper();
}
#endif

static void (*hash4_impl)(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n) = hash4_table;
static void (*hash4_few)(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n) = hash4_table;

__attribute__((constructor)) static void rss_dispatch(void)
{
#if defined(__x86_64__)
	if (isa_has_pclmul())
		hash4_impl = hash4_few = hash4_pclmul;
	if (isa_has_gfni()) {
		gfni_init();
		hash4_impl = hash4_gfni;
	}
#endif
}

/* Loading the matrices does not pay for a few tuples. */
void rss_hash4(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n)
{
	if (n < 4)
		hash4_few(r, tuple, hash, n);
	else
		hash4_impl(r, tuple, hash, n);
}

/* Set both x and y, len bytes each, to x ^ y. */
static void xor_both(u8 *x, u8 *y, u32 len)
{
	for (u32 i = 0; i < len; i++)
		x[i] = y[i] = x[i] ^ y[i];
}

/* Change the input for a flow type that leaves fields out, and for a symmetric hash; set hash_report to what is left. */
static void shape(const struct rss *r, struct frame *f, u8 *input, u32 addr_len)
{
	u8 *ports = input + 2 * (size_t)addr_len;
	u8 out = r->left_out[f->hash_report];

	if (out & RSS_IP_SRC)
		memset(input, 0, addr_len);
	if (out & RSS_IP_DST)
		memset(input + addr_len, 0, addr_len);
	if (out & RSS_L4_SRC)
		memset(ports, 0, 2);
	if (out & RSS_L4_DST)
		memset(ports + 2, 0, 2);
	if (r->symmetric) {
		xor_both(input, input + addr_len, addr_len);
		xor_both(ports, ports + 2, 2);
	}
	if ((out & (RSS_L4_SRC | RSS_L4_DST)) == (RSS_L4_SRC | RSS_L4_DST))
		f->hash_report = addr_len == 4 ? HASH_IPV4 : HASH_IPV6;
}

static noinline void shape4(const struct rss *r, struct frame *f, u8 (*tuple)[16], u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (f[i].hash_report != HASH_NONE && f[i].hash_report < HASH_IPV6)
			shape(r, &f[i], tuple[i], 4);
}

static noinline u32 hash6(const struct rss *r, struct frame *f)
{
	u8 input[36] = { 0 }; /* no ports: they add nothing to the hash */

	memcpy(input, f->data + f->l3_off + IPV6H_SADDR, 32); /* both addresses */
	if (f->hash_report != HASH_IPV6)
		memcpy(input + 32, f->data + f->l4_off, 4);
	if (r->shaped)
		shape(r, f, input, 16);
	return rss_toeplitz(r, input, f->hash_report == HASH_IPV6 ? 32 : 36);
}

u16 rss_queue(const struct rss *r, u32 hash)
{
	return r->indir[hash & r->indir_mask];
}

static noinline void no_hash(struct frame *f, u32 n)
{
	for (u32 i = 0; i < n; i++)
		f[i].hash_report = HASH_NONE;
}

void rss_burst(const struct rss *r, struct frame *f, u32 n)
{
	u8 tuple[BURST][16];
	u32 hash[BURST];

	if (unlikely(!r->enabled))
		no_hash(f, n);
	for (u32 i = 0; i < n; i++) {
		const u8 *data = f[i].data;
		u32 report = f[i].hash_report;

		memset(tuple[i], 0, 16);
		if (unlikely(report - HASH_IPV4 > HASH_UDPV4 - HASH_IPV4))
			continue;
		memcpy(tuple[i], data + f[i].l3_off + IPH_SADDR, 8);
		if (likely(report != HASH_IPV4))
			memcpy(tuple[i] + 8, data + f[i].l4_off, 4);
	}
	if (unlikely(r->shaped))
		shape4(r, f, tuple, n);
	rss_hash4(r, (const u8(*)[16])tuple, hash, n);
	for (u32 i = 0; i < n; i++) {
		u32 h = likely(f[i].hash_report < HASH_IPV6) ? hash[i] : hash6(r, &f[i]);

		f[i].hash = h;
		f[i].queue = rss_queue(r, h);
	}
}

u32 rss_key_id(const struct rss *r)
{
	return r->changes << 1 | (r->enabled != 0);
}

void rss_frame(const struct rss *r, struct frame *f)
{
	rss_burst(r, f, 1);
}
