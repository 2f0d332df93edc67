/* tcp_options.c - options of a segment, read and written. RFC 9293 section 3.2, RFC 7323, RFC 2018
 *
 * The order of what is written is Linux's: MSS, SACK permitted and timestamps in four words, window scale; then timestamps,
 * then SACK, each behind two NOPs.
 */
#include "prelude.h"
#include "tcp/inline.h"

#define OPT_EOL 0
#define OPT_NOP 1
#define OPT_MSS 2
#define OPT_WINDOW 3
#define OPT_SACK_PERM 4
#define OPT_SACK 5
#define OPT_TIMESTAMP 8
#define WSCALE_MAX 14

static u32 get32(const u8 *p)
{
	return be32(p);
}

static void parse_one(const u8 *opt, u32 len, bool syn, struct tcp_options *o)
{
	switch (opt[0]) {
	case OPT_MSS:
		if (len == 4 && syn)
			o->mss = be16(opt + 2);
		break;
	case OPT_WINDOW:
		if (len == 3 && syn) {
			o->wscale_ok = 1;
			o->wscale = opt[2] > WSCALE_MAX ? WSCALE_MAX : opt[2];
		}
		break;
	case OPT_SACK_PERM:
		if (len == 2 && syn)
			o->sack_ok = 1;
		break;
	case OPT_SACK:
		if (len < 10 || (len - 2) % 8)
			break;
		o->nsacks = 0;
		for (u32 i = 2; i < len && o->nsacks < TCP_SACKS_MAX; i += 8)
			o->sack[o->nsacks++] = (struct tcp_sack){ get32(opt + i), get32(opt + i + 4) };
		break;
	case OPT_TIMESTAMP:
		if (len == 10) {
			o->saw_tstamp = 1;
			o->tsval = get32(opt + 2);
			o->tsecr = get32(opt + 6);
		}
		break;
	}
}

/* tcp_parse_options() - read the options; some count only in a SYN. An option with a bad length ends the list. */
bool tcp_parse_options(const u8 *opt, u32 len, bool syn, struct tcp_options *o)
{
	*o = (struct tcp_options){ 0 };
	for (u32 i = 0; i < len && opt[i] != OPT_EOL;) {
		if (opt[i] == OPT_NOP) {
			i++;
			continue;
		}
		if (i + 2 > len || opt[i + 1] < 2 || i + opt[i + 1] > len)
			return false;
		parse_one(opt + i, opt[i + 1], syn, o);
		i += opt[i + 1];
	}
	return true;
}

static u8 *put32(u8 *to, u32 v)
{
	v = htonl(v);
	memcpy(to, &v, 4);
	return to + 4;
}

static u8 *put_tstamp(u8 *to, u32 tsval, u32 tsecr)
{
	*to++ = OPT_TIMESTAMP;
	*to++ = 10;
	return put32(put32(to, tsval), tsecr);
}

/* tcp_syn_options() - write what a SYN offers, or a SYN-ACK agrees to. Return: bytes */
u32 tcp_syn_options(const struct host *h, u8 *to, u16 mss, const struct tcp_options *o)
{
	u8 *p = to;

	(void)h;
	*p++ = OPT_MSS;
	*p++ = 4;
	*p++ = (u8)(mss >> 8);
	*p++ = (u8)mss;
	if (o->saw_tstamp) {
		*p++ = o->sack_ok ? OPT_SACK_PERM : OPT_NOP;
		*p++ = o->sack_ok ? 2 : OPT_NOP;
		p = put_tstamp(p, o->tsval, o->tsecr);
	}
	if (o->sack_ok && !o->saw_tstamp) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
		*p++ = OPT_SACK_PERM;
		*p++ = 2;
	}
	if (o->wscale_ok) {
		*p++ = OPT_NOP;
		*p++ = OPT_WINDOW;
		*p++ = 3;
		*p++ = o->wscale;
	}
	return (u32)(p - to);
}

/* tcp_current_mss() - bytes of data that fit beside the options that a segment has now */
u32 tcp_current_mss(const struct tcp_sock *tp)
{
	u32 n = tp->nsacks + (tp->dsack.start != tp->dsack.end),
	    fit = (TCP_OPTIONS_MAX - (tp->tstamp_ok ? 12 : 0) - 4) / 8;

	return tp->mss_cache - (n ? 4 + 8 * min_u32(n, fit) : 0);
}

/* tcp_put_options() - write timestamps, and as many SACKs as fit into room bytes: the duplicate's first. Return: bytes */
u32 tcp_put_options(const struct tcp_sock *tp, u8 *to, u32 tsval, u32 room)
{
	u8 *p = to;
	u32 n = tp->nsacks + (tp->dsack.start != tp->dsack.end), fit;

	if (tp->tstamp_ok) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
		p = put_tstamp(p, tsval, tp->ts_recent);
	}
	fit = room - (u32)(p - to) < 12 ? 0 : (room - (u32)(p - to) - 4) / 8;
	n = n < fit ? n : fit;
	if (!n)
		return (u32)(p - to);
	*p++ = OPT_NOP;
	*p++ = OPT_NOP;
	*p++ = OPT_SACK;
	*p++ = (u8)(2 + n * 8);
	if (tp->dsack.start != tp->dsack.end) {
		p = put32(put32(p, tp->dsack.start), tp->dsack.end);
		n--;
	}
	for (u32 i = 0; i < n; i++)
		p = put32(put32(p, tp->sacks[i].start), tp->sacks[i].end);
	return (u32)(p - to);
}
