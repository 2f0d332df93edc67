/* inline.h - arithmetic of sequence numbers: they wrap. RFC 9293 section 3.4 */
#ifndef VNIC_TCP_INLINE_H
#define VNIC_TCP_INLINE_H

#define TCP_DELACK_MIN_NS 40000000ull
#define TCP_DELACK_MAX_NS 200000000ull
#define TCP_ATO_MIN_NS 40000000ull
#define TCP_TIMEOUT_INIT_NS 1000000000ull
#define TCP_TIMEOUT_FALLBACK_NS 3000000000ull
#define TCP_TIMEWAIT_NS 60000000000ull
#define TCP_MSS_DEFAULT 536u
#define TCP_MIN_MSS 88u
#define TCP_MIN_SND_MSS 48u
#define TCP_MAX_QUICKACKS 16u
#define TCP_INIT_CWND 10u
#define TCP_PAWS_24DAYS_NS 2147000000000ull /* 2^31 ms, a little less */
#define TCP_INFINITE_SSTHRESH 0x7fffffffu
#define TCP_MS 1000000ull
#define TCP_SECOND 1000000000ull
#define TCP_OPTIONS_MAX 40u

static inline bool before(u32 a, u32 b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool after(u32 a, u32 b)
{
	return before(b, a);
}

/* Is s1 <= s2 <= s3? */
static inline bool between(u32 s1, u32 s2, u32 s3)
{
	return s3 - s2 >= s1 - s2;
}

#endif
