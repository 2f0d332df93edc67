/* tcp_syncookies.c - a handshake that takes no memory: its facts travel in the SYN-ACK and come back. RFC 4987 section 3.6;
 * Linux: net/ipv4/syncookies.c
 *
 *   tcp_listen.c -> tcp_cookie_seq(), tcp_cookie_tsval(): the queue of requests is full
 *                -> tcp_cookie_check(): an acknowledgement that no request waits for
 *
 * The number of the SYN-ACK holds the minute, and which of four MSS the peer can take, under two hashes. The low six bits of its
 * timestamp hold window scaling, SACK and ECN: a peer without timestamps gets none of them.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define COOKIE_BITS 24
#define COOKIE_MASK ((1u << COOKIE_BITS) - 1)
#define COOKIE_PERIOD_NS (60 * TCP_SECOND)
#define COOKIE_MINUTES 2u /* a number counts in its own minute and the next */
#define TS_BITS 6
#define TS_WSCALE 15u /* 15: no window scaling */
#define TS_SACK 16u
#define TS_ECN 32u

#define SALT_FIXED 0x736b31u
#define SALT_MINUTE 0x736b32u

/* What a peer's MSS is rounded down to: few values, so that the number can hold them */
static const u16 mss4[] = { 536, 1300, 1440, 1460 };
static const u16 mss6[] = { 1220, 1420, 1440, 8940 };

static const u16 *mss_table(const struct flow_key *k)
{
	return inet_addr_is4(&k->src) ? mss4 : mss6;
}

static u32 minute(u64 now)
{
	return (u32)(now / COOKIE_PERIOD_NS);
}

static u32 hash(const struct host *h, const struct flow_key *k, u64 salt)
{
	return (u32)tcp_secret(h, &k->dst, k->dport, &k->src, k->sport, salt);
}

static u32 minute_hash(const struct host *h, const struct flow_key *k, u32 count)
{
	return hash(h, k, (u64)count << 32 | SALT_MINUTE);
}

/* tcp_cookie_seq() - the number that our SYN-ACK begins with. *mss becomes what the peer's third segment will tell of it */
u32 tcp_cookie_seq(const struct host *h, const struct flow_key *k, u32 irs, u16 *mss, u64 now)
{
	const u16 *table = mss_table(k);
	u32 count = minute(now), i = ARRAY_SIZE(mss4) - 1;

	while (i && *mss < table[i])
		i--;
	*mss = table[i];
	return hash(h, k, SALT_FIXED) + irs + (count << COOKIE_BITS) + ((minute_hash(h, k, count) + i) & COOKIE_MASK);
}

/* Return: the peer's MSS; 0: we never sent this number, or too long ago */
static u16 cookie_mss(const struct host *h, const struct flow_key *k, u32 irs, u32 cookie, u64 now)
{
	u32 count = minute(now), age, i;

	cookie -= hash(h, k, SALT_FIXED) + irs;
	age = (count - (cookie >> COOKIE_BITS)) & (~0u >> COOKIE_BITS);
	if (age >= COOKIE_MINUTES)
		return 0;
	i = (cookie - minute_hash(h, k, count - age)) & COOKIE_MASK;
	return i < ARRAY_SIZE(mss4) ? mss_table(k)[i] : 0;
}

/* tcp_cookie_tsval() - the timestamp of our SYN-ACK: at most 64 ms old, for its low bits hold what the peer can do */
u32 tcp_cookie_tsval(const struct tcp_request *r, u64 now)
{
	u32 ms = tcp_ts_now(now, 0), bits = r->wscale_ok ? r->snd_wscale : TS_WSCALE, ts;

	bits |= (r->sack_ok ? TS_SACK : 0) | (r->ecn_ok ? TS_ECN : 0);
	ts = (ms >> TS_BITS << TS_BITS) | bits;
	if (ts > ms)
		ts -= 1u << TS_BITS;
	return ts + r->ts_offset;
}

/* Return: false: the timestamp allows what this host has been told to refuse */
static bool read_tsval(const struct host *h, const struct flow_key *k, const struct tcp_options *ack,
		       struct tcp_options *o)
{
	u32 bits = ack->tsecr ? ack->tsecr - tcp_ts_offset(h, &k->dst, &k->src) : 0;

	if (!ack->saw_tstamp)
		return true;
	if (!h->tcp.timestamps)
		return false;
	o->saw_tstamp = 1;
	o->tsval = ack->tsval;
	o->sack_ok = !!(bits & TS_SACK);
	o->wscale_ok = (bits & TS_WSCALE) != TS_WSCALE;
	o->wscale = o->wscale_ok ? bits & TS_WSCALE : 0;
	o->ecn_ok = bits & TS_ECN && h->tcp.ecn;
	return (!o->sack_ok || h->tcp.sack) && (!o->wscale_ok || h->tcp.window_scaling);
}

/* tcp_cookie_check() - does an acknowledgement answer a cookie? o: what the SYN had said */
bool tcp_cookie_check(struct softnet_data *sd, const struct sock *listener, const struct flow_key *k, const u8 *th,
		      const struct tcp_options *ack, struct tcp_options *o)
{
	struct host *h = sd->host;
	u64 full_at = READ_ONCE(tcp_sk(h, listener)->reqs_full_at);
	u16 mss;

	if (!h->tcp.syncookies || full_at == NEVER || sd->now > full_at + COOKIE_MINUTES * COOKIE_PERIOD_NS)
		return false;
	mss = cookie_mss(h, k, be32(th + TCPH_SEQ) - 1, be32(th + TCPH_ACK_SEQ) - 1, sd->now);
	if (!mss) {
		COUNT(sd->mib[TcpExt_SyncookiesFailed], 1);
		return false;
	}
	COUNT(sd->mib[TcpExt_SyncookiesRecv], 1);
	*o = (struct tcp_options){ .mss = mss };
	return read_tsval(h, k, ack, o);
}
