/* checksum.c - the Internet checksum (RFC 1071). Called by dma.c, gro_*.c and the protocols
 *
 * A partial sum is 32 bits of one's complement arithmetic over 16-bit words as they lie in memory; csum_fold() makes
 * the 16-bit complement of it. csum_and_copy() does the sum and the copy in one pass over the bytes: the copy is
 * memory bound, so the sum is nearly free. AVX2 where the CPU has it, chosen at start (isa.c).
 */
#include "prelude.h"

/* One's complement addition of 64 bits: the carry comes round. In assembly because gcc sees no way to an add with carry
 * in C: 2 instructions for 8 bytes, not 4, and every frame is summed twice. */
static inline u64 add64(u64 a, u64 b)
{
#if defined(__x86_64__)
	__asm__("addq %1, %0\n\tadcq $0, %0" : "+r"(a) : "rm"(b) : "cc");
	return a;
#else
	a += b;
	return a + (a < b);
#endif
}

static u32 fold64(u64 sum)
{
	return csum_add((u32)sum, (u32)(sum >> 32));
}

u16 csum_fold(u32 sum)
{
	return (u16)(~(sum + (sum << 16 | sum >> 16)) >> 16); /* the upper half has the carry of the lower */
}

/* Fewer than 8 bytes, behind none that could be looked at. */
static u64 load_tail(const u8 *p, u32 len)
{
	u64 v = 0;

	if (len & 4) {
		v = load32(p);
		p += 4;
	}
	if (len & 2) {
		v += load16(p);
		p += 2;
	}
	if (len & 1)
		v += *p;
	return v;
}

/* What is left at the end is the upper part of the last 8 bytes, so there is no loop for it. */
u32 csum_partial(const void *data, u32 len, u32 sum)
{
	const u8 *p = data;
	u64 a = sum, b = 0;
	u32 i = 0;

	if (unlikely(len < 8))
		return fold64(a + load_tail(p, len));
	for (; i + 16 <= len; i += 16) {
		a = add64(a, load64(p + i));
		b = add64(b, load64(p + i + 8));
	}
	if (len & 8)
		a = add64(a, load64(p + i));
	b = add64(b, load64(p + len - 8) >> 8 >> (56 - 8 * (len & 7)));
	return fold64(add64(a, b));
}

/* ip_fast_csum() - of an IPv4 header, which nearly always has 20 bytes; 0: the one in it is right */
u16 ip_fast_csum(const void *iph, u32 bytes)
{
	const u8 *p = iph;

	if (likely(bytes == 20))
		return csum_fold(fold64(add64(add64(load64(p), load64(p + 8)), load32(p + 16))));
	return csum_fold(csum_partial(p, bytes, 0));
}

static u32 copy_generic(void *to, const void *from, u32 len, u32 sum)
{
	memcpy(to, from, len);
	return csum_partial(to, len, sum);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* 64 bytes a turn: each 32-bit lane is widened to 64 bits before it is added, so no carry is ever lost. */
__attribute__((target("avx2"))) static u32 copy_avx2(void *to, const void *from, u32 len, u32 sum)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a;
	const u8 *p = from;
	u8 *q = to;
	u64 lane[4];

	for (; len >= 64; len -= 64, p += 64, q += 64) {
		__m256i x = _mm256_loadu_si256((const __m256i *)p);
		__m256i y = _mm256_loadu_si256((const __m256i *)(p + 32));

		_mm256_storeu_si256((__m256i *)q, x);
		_mm256_storeu_si256((__m256i *)(q + 32), y);
		a = _mm256_add_epi64(a, _mm256_and_si256(x, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(x, 32));
		a = _mm256_add_epi64(a, _mm256_and_si256(y, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(y, 32));
	}
	_mm256_storeu_si256((__m256i *)lane, _mm256_add_epi64(a, b));
	_mm256_zeroupper();
	sum = fold64((u64)fold64(lane[0] + lane[1]) + fold64(lane[2] + lane[3]) + sum);
	memcpy(q, p, len);
	return csum_partial(q, len, sum);
}
#endif

static u32 (*copy_impl)(void *, const void *, u32, u32) = copy_generic;

__attribute__((constructor)) static void csum_dispatch(void)
{
#if defined(__x86_64__)
	if (isa_has_avx2())
		copy_impl = copy_avx2;
#endif
}

u32 csum_and_copy(void *to, const void *from, u32 len, u32 sum)
{
	return len < 256 ? copy_generic(to, from, len, sum) : copy_impl(to, from, len, sum);
}

/* The pseudo-header: RFC 768/9293 for IPv4, RFC 8200 section 8.1 for IPv6. len: of the transport header and data. */
u32 csum_pseudo(const u8 *iph, int version, u32 len, u8 proto)
{
	u64 sum = (u64)__builtin_bswap32(len) + ((u32)proto << 24);

	if (version == 4)
		return fold64(sum + load32(iph + 12) + load32(iph + 16));
	for (int i = 8; i < 40; i += 4)
		sum += load32(iph + i);
	return fold64(sum);
}
