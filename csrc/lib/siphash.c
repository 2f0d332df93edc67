/* siphash.c - SipHash-2-4 (Aumasson and Bernstein 2012): without the key, a sender cannot aim for collisions */
#include "device.h"

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
