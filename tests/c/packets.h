/* packets.h - what the C programs here share: frames with right checksums, and a way to give up
 *
 * They link the data plane without Python, so they run under ThreadSanitizer, libFuzzer and callgrind.
 */
#ifndef VNIC_TESTS_PACKETS_H
#define VNIC_TESTS_PACKETS_H

#include "prelude.h"

#include <stdio.h>

#define HEADERS_UDP 42u /* Ethernet 14, IPv4 20, UDP 8 */
#define HEADERS_TCP 66u /* Ethernet 14, IPv4 20, TCP 20 and the timestamp option 12 */
#define MSS 1448u

static inline void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static inline void store_be32(u8 *at, u32 v)
{
	v = __builtin_bswap32(v);
	memcpy(at, &v, 4);
}

/* Flow n: 10.1.0.0 + n, port 1000 -> 10.0.0.2, port 1024 + n */
static inline void put_ipv4(u8 *at, u32 flow, u8 proto, u32 total)
{
	static const u8 head[34] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, [20] = 0x40, [22] = 64 };

	memcpy(at, head, sizeof(head));
	store16(at + 16, htobe16_((u16)total));
	at[23] = proto;
	store_be32(at + 26, 0x0a010000 + flow);
	store_be32(at + 30, 0x0a000002);
	store16(at + 24, csum_fold(csum_partial(at + 14, 20, 0)));
	store16(at + 34, htobe16_(1000));
	store16(at + 36, htobe16_((u16)(1024 + flow)));
}

static inline void put_csum(u8 *frame, u32 len, u8 proto, u32 field)
{
	store16(frame + field, 0);
	store16(frame + field,
		csum_fold(csum_partial(frame + 34, len - 34, csum_pseudo(frame + 14, 4, len - 34, proto))));
}

/* A frame of len bytes, 42 or more. */
static inline void put_udp(u8 *at, u32 flow, u32 len)
{
	put_ipv4(at, flow, 17, len - 14);
	store16(at + 38, htobe16_((u16)(len - 34)));
	for (u32 i = HEADERS_UDP; i < len; i++)
		at[i] = (u8)i;
	put_csum(at, len, 17, 40);
}

/* A segment: HEADERS_TCP + payload bytes. */
static inline void put_tcp_len(u8 *at, u32 flow, u32 seq, u32 payload)
{
	static const u8 options[12] = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1 };

	put_ipv4(at, flow, 6, HEADERS_TCP - 14 + payload);
	store_be32(at + 38, seq);
	store_be32(at + 42, 1);
	at[46] = 0x80; /* 32 bytes of header */
	at[47] = 0x10; /* ACK */
	store16(at + 48, 0xffff);
	store_be32(at + 50, 0);
	memcpy(at + 54, options, sizeof(options));
	for (u32 i = 0; i < payload; i++)
		at[HEADERS_TCP + i] = (u8)i;
	put_csum(at, HEADERS_TCP + payload, 6, 50);
}

static inline void put_tcp(u8 *at, u32 flow, u32 seq)
{
	put_tcp_len(at, flow, seq, MSS);
}

#endif
