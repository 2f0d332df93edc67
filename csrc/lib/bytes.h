/* bytes.h - unaligned loads and stores, byte order, minimum and maximum, powers of two */
#ifndef VNIC_LIB_BYTES_H
#define VNIC_LIB_BYTES_H

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vnic runs on little-endian machines: virtio rings and byte order helpers rely on it"
#endif

static inline u32 min_u32(u32 a, u32 b)
{
	return a < b ? a : b;
}

static inline u32 max_u32(u32 a, u32 b)
{
	return a > b ? a : b;
}

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline u16 load16(const void *p)
{
	u16 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u32 load32(const void *p)
{
	u32 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 load64(const void *p)
{
	u64 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store16(void *p, u16 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store32(void *p, u32 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store64(void *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline u16 be16(const void *p)
{
	return __builtin_bswap16(load16(p));
}

static inline u32 be32(const void *p)
{
	return __builtin_bswap32(load32(p));
}

static inline u16 htobe16_(u16 v)
{
	return __builtin_bswap16(v);
}

static inline u32 align_up(u32 v, u32 to)
{
	return (v + to - 1) & ~(to - 1);
}

/* csum_add() - add two partial checksums, in one's complement */
static inline u32 csum_add(u32 a, u32 b)
{
	a += b;
	return a + (a < b);
}

/* hash_32() - the upper bits of a product, as index into 1 << bits rows: keys with equal low bits spread */
static inline u32 hash_32(u32 v, u32 bits)
{
	return bits ? v * 0x61c88647u >> (32 - bits) : 0;
}

static inline u32 round_up_pow2(u32 v)
{
	return v <= 1 ? 1 : 1u << (32 - __builtin_clz(v - 1));
}

/* copy_small() - copy 32 bytes at a time. The last 32 overlap the step before, so no byte outside is touched. */
static inline void copy_small(u8 *to, const u8 *from, u32 len)
{
	u32 i = 0;

	if (unlikely(len < 32)) {
		memcpy(to, from, len);
		return;
	}
	do {
		memcpy(to + i, from + i, 16);
		memcpy(to + i + 16, from + i + 16, 16);
		i += 32;
	} while (unlikely(i + 32 < len)); /* up to 64 bytes: once, and the last 32 */
	memcpy(to + len - 32, from + len - 32, 16);
	memcpy(to + len - 16, from + len - 16, 16);
}

#endif
