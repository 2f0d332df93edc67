/* inet_addr.c - addresses of both families in one form: IPv4 is ::ffff:a.b.c.d */
#include "device.h"

struct inet_addr inet_addr4(const u8 *addr)
{
	return (struct inet_addr){ 0, (u64)0xffff << 32 | be32(addr) };
}

struct inet_addr inet_addr6(const u8 *addr)
{
	return (struct inet_addr){ (u64)be32(addr) << 32 | be32(addr + 4),
				   (u64)be32(addr + 8) << 32 | be32(addr + 12) };
}

int inet_addr_is4(const struct inet_addr *a)
{
	return a->hi == 0 && a->lo >> 32 == 0xffff;
}

bool inet_addr_is_any(const struct inet_addr *a)
{
	return (a->hi | a->lo) == 0 || (inet_addr_is4(a) && (u32)a->lo == 0);
}

bool inet_addr_is_multicast(const struct inet_addr *a)
{
	return inet_addr_is4(a) ? (u32)a->lo >> 28 == 14 : a->hi >> 56 == 0xff;
}

void inet_group_mac(const struct inet_addr *group, u8 *mac)
{
	u32 low = htonl((u32)group->lo);

	if (inet_addr_is4(group)) {
		low &= htonl(0x7fffff);
		memcpy(mac + 2, &low, 4);
		memcpy(mac, "\x01\x00\x5e", 3);
	} else {
		memcpy(mac, "\x33\x33", 2);
		memcpy(mac + 2, &low, 4);
	}
}

void inet_addr_put(const struct inet_addr *a, u8 *to)
{
	u64 hi = __builtin_bswap64(a->hi), lo = __builtin_bswap64(a->lo);

	if (inet_addr_is4(a)) {
		memcpy(to, (u8 *)&lo + 4, 4);
	} else {
		memcpy(to, &hi, 8);
		memcpy(to + 8, &lo, 8);
	}
}
