/* checksum.c - the Internet checksum (RFC 1071). Called by dma.c, gro_*.c and the protocols
 *
 * A partial sum is 32 bits of one's complement arithmetic over 16-bit words in memory's byte order; csum_fold() makes the
 * 16-bit complement of it. csum_and_copy() sums and copies in one pass: the copy is memory bound, so the sum is nearly free.
 * It uses AVX2 or AVX-512 if the CPU has them (isa.c).
 */
#include "device.h"

/* Add 32 bytes: one chain of carries, so an instruction for 8 bytes. */
static inline u64 add32_bytes(u64 a, const u8 *p)
{
#if defined(__x86_64__)
	__asm__("addq 0(%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\tadcq $0, %0"
		: "+r"(a)
		: "r"(p), "m"(*(const u8(*)[32])p)
		: "cc");
	return a;
#else
	return add64(add64(add64(add64(a, load64(p)), load64(p + 8)), load64(p + 16)), load64(p + 24));
#endif
}

u16 csum_fold(u32 sum)
{
	return (u16)(~(sum + (sum << 16 | sum >> 16)) >> 16); /* the upper half gets the lower half's carry */
}

/* Load fewer than 8 bytes, when the bytes before them may not be read. */
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

/* The last bytes are the upper part of the last 8, so they need no loop. */
u32 csum_partial(const void *data, u32 len, u32 sum)
{
	const u8 *p = data;
	u64 a = sum, b = 0;
	u32 i = 0;

	if (unlikely(len < 8))
		return fold64(a + load_tail(p, len));
	for (; i + 64 <= len; i += 64) { /* two chains, which do not wait for each other */
		a = add32_bytes(a, p + i);
		b = add32_bytes(b, p + i + 32);
	}
	if (len & 32) {
		a = add32_bytes(a, p + i);
		i += 32;
	}
	if (len & 16) {
		b = add64(add64(b, load64(p + i)), load64(p + i + 8));
		i += 16;
	}
	if (len & 8)
		a = add64(a, load64(p + i));
	b = add64(b, load64(p + len - 8) >> 8 >> (56 - 8 * (len & 7)));
	return fold64(add64(a, b));
}

u16 ip_fast_csum(const void *iph, u32 bytes)
{
	const u8 *p = iph;

	if (likely(bytes == IP_HLEN))
		return csum_fold(fold64(ip_header_sum(p)));
	return csum_fold(csum_partial(p, bytes, 0));
}

static u32 copy_generic(void *to, const void *from, u32 len, u32 sum)
{
	memcpy(to, from, len);
	return csum_partial(to, len, sum);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Sum each 64-bit lane with wrap-around (a), and its upper half alone (b), which cannot wrap. The lower halves then sum to
 * a - (b << 32). That is three instructions a register, and no carry is lost. */
__attribute__((target("avx2"))) static u32 copy_avx2(void *to, const void *from, u32 len, u32 sum)
{
	__m256i a0 = _mm256_setzero_si256(), a1 = a0, b0 = a0, b1 = a0;
	const u8 *p = from;
	u8 *q = to;
	u64 lane[4];

	for (; len >= 64; len -= 64, p += 64, q += 64) {
		__m256i x = _mm256_loadu_si256((const __m256i *)p);
		__m256i y = _mm256_loadu_si256((const __m256i *)(p + 32));

		_mm256_storeu_si256((__m256i *)q, x);
		_mm256_storeu_si256((__m256i *)(q + 32), y);
		a0 = _mm256_add_epi64(a0, x);
		b0 = _mm256_add_epi64(b0, _mm256_srli_epi64(x, 32));
		a1 = _mm256_add_epi64(a1, y);
		b1 = _mm256_add_epi64(b1, _mm256_srli_epi64(y, 32));
	}
	b0 = _mm256_add_epi64(b0, b1);
	a0 = _mm256_sub_epi64(_mm256_add_epi64(a0, a1), _mm256_slli_epi64(b0, 32));
	b0 = _mm256_add_epi64(b0, _mm256_and_si256(a0, _mm256_set1_epi64x(0xffffffff)));
	b0 = _mm256_add_epi64(b0, _mm256_srli_epi64(a0, 32));
	_mm256_storeu_si256((__m256i *)lane, b0); /* 40 bits each at most: no carry among them */
	_mm256_zeroupper();
	return copy_generic(q, p, len, fold64(lane[0] + lane[1] + lane[2] + lane[3] + sum));
}

/* The same in 64-byte registers. A mask covers the last one, so there is no tail. */
__attribute__((target("avx512f,avx512bw"))) static u32 copy_avx512(void *to, const void *from, u32 len, u32 sum)
{
	__m512i a0 = _mm512_setzero_si512(), a1 = a0, b0 = a0, b1 = a0, x, y;
	const u8 *p = from;
	__mmask64 tail;
	u8 *q = to;

	for (; len > 128; len -= 128, p += 128, q += 128) {
		x = _mm512_loadu_si512(p);
		y = _mm512_loadu_si512(p + 64);
		_mm512_storeu_si512(q, x);
		_mm512_storeu_si512(q + 64, y);
		a0 = _mm512_add_epi64(a0, x);
		b0 = _mm512_add_epi64(b0, _mm512_srli_epi64(x, 32));
		a1 = _mm512_add_epi64(a1, y);
		b1 = _mm512_add_epi64(b1, _mm512_srli_epi64(y, 32));
	}
	if (len > 64) {
		x = _mm512_loadu_si512(p);
		_mm512_storeu_si512(q, x);
		a0 = _mm512_add_epi64(a0, x);
		b0 = _mm512_add_epi64(b0, _mm512_srli_epi64(x, 32));
		len -= 64;
		p += 64;
		q += 64;
	}
	tail = len ? ~0ull >> (64 - len) : 0;
	y = _mm512_maskz_loadu_epi8(tail, p);
	_mm512_mask_storeu_epi8(q, tail, y);
	a1 = _mm512_add_epi64(a1, y);
	b1 = _mm512_add_epi64(b1, _mm512_srli_epi64(y, 32));
	b0 = _mm512_add_epi64(b0, b1);
	a0 = _mm512_sub_epi64(_mm512_add_epi64(a0, a1), _mm512_slli_epi64(b0, 32));
	b0 = _mm512_add_epi64(b0, _mm512_and_si512(a0, _mm512_set1_epi64(0xffffffff)));
	b0 = _mm512_add_epi64(b0, _mm512_srli_epi64(a0, 32));
	return fold64((u64)_mm512_reduce_add_epi64(b0) + sum);
}
#endif

static u32 (*copy_impl)(void *, const void *, u32, u32) = copy_generic;

__attribute__((constructor)) static void csum_dispatch(void)
{
#if defined(__x86_64__)
	if (isa_has_avx2())
		copy_impl = copy_avx2;
	if (isa_has_avx512())
		copy_impl = copy_avx512;
#endif
}

u32 csum_and_copy(void *to, const void *from, u32 len, u32 sum)
{
	return len < 64 ? copy_generic(to, from, len, sum) : copy_impl(to, from, len, sum); /* fewer than a register */
}

/* RFC 768 and 9293 for IPv4, RFC 8200 section 8.1 for IPv6. */
u32 csum_pseudo(const u8 *iph, int version, u32 len, u8 proto)
{
	u64 sum = (u64)__builtin_bswap32(len) + ((u32)proto << 24);

	if (version == 4)
		return fold64(sum + load32(iph + IPH_SADDR) + load32(iph + IPH_DADDR));
	for (u32 i = IPV6H_SADDR; i < IPV6_HLEN; i += 4)
		sum += load32(iph + i);
	return fold64(sum);
}

/* A sender that leaves the sum to its card stores the pseudo-header's: with the length, as Linux does, or without, as Windows
 * does for a large send, where each segment has its own length. */
noinline int csum_is_pseudo(u16 have, const u8 *iph, int version, u32 len, u8 proto)
{
	u16 left = (u16)~have;

	return left == csum_fold(csum_pseudo(iph, version, len, proto)) ||
	       left == csum_fold(csum_pseudo(iph, version, 0, proto));
}
