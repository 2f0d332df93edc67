/* sum64.h - sums in one's complement arithmetic over 64 bits, which become an Internet checksum (checksum.c) */
#ifndef VNIC_LIB_SUM64_H
#define VNIC_LIB_SUM64_H

/* Add 64 bits in one's complement arithmetic, with end-around carry. In assembly, because gcc does not find the add with carry
 * in C: 2 instructions for 8 bytes instead of 4, and every frame is summed twice. */
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

/* Return: a partial sum of 32 bits */
static inline u32 fold64(u64 sum)
{
	u32 low = (u32)sum, high = (u32)(sum >> 32), both = low + high;

	return both + (both < low);
}

/* Sum an IPv4 header without options. */
static inline u64 ip_header_sum(const void *iph)
{
	const u8 *p = iph;

	return add64(add64(load64(p), load64(p + 8)), load32(p + 16));
}

/* Is its checksum right? A header has bytes that are not 0, so its words add up to 0xffff, not to 0. */
static inline bool ip_header_is_right(const u8 *ip)
{
	u32 sum = fold64(ip_header_sum(ip));

	return (sum + (sum << 16 | sum >> 16)) >> 16 == 0xffff;
}

#endif
