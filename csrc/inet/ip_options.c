/* ip_options.c - options of an IPv4 header. RFC 791, 781, 2113; Linux: net/ipv4/ip_options.c
 *
 *   ip_rcv() -> ip_options_compile(): check each; record route, timestamp: write our address and the time into the header
 *   icmp.c -> ip_options_echo(): the options of an answer, made of a header that was compiled -> ip_output.c
 *
 * A compiled header says all that an answer needs: where the pointer of an option still is inside it, there is room for us.
 */
#include "prelude.h"

#include <time.h>

#define MS_PER_DAY 86400000u

/* inet_current_timestamp() - Return: ms since midnight UT. In virtual time the day begins with the host */
u32 inet_current_timestamp(const struct softnet_data *sd)
{
	struct timespec ts;

	if (!sd->live)
		return (u32)(sd->now / 1000000 % MS_PER_DAY);
	clock_gettime(CLOCK_REALTIME, &ts);
	return (u32)((u64)ts.tv_sec * 1000 % MS_PER_DAY + (u64)ts.tv_nsec / 1000000);
}

static void put32(u8 *to, u32 v)
{
	v = htonl(v);
	memcpy(to, &v, 4);
}

/* ---- checking, and filling in what is ours. ip + at: the option; len: its length, inside the header ---- */

struct compile {
	const struct softnet_data *sd;
	u8 *ip;
	u32 srr, rr, ts, cipso; /* where such an option is; 0: none yet */
	bool fill; /* a host without addresses leaves packets as they are */
};

/* Write our address: opt[ptr - 1] is its first byte. */
static void put_spec_dst(const struct compile *c, u8 *to)
{
	struct inet_addr ours;

	if (!c->fill)
		return;
	ours = ip_spec_dst(c->sd->host, c->ip);
	inet_addr_put(&ours, to);
}

static void put_time(const struct compile *c, u8 *to)
{
	if (c->fill)
		put32(to, inet_current_timestamp(c->sd));
}

static void advance(const struct compile *c, u8 *field, u32 by)
{
	if (c->fill)
		*field = (u8)(*field + by);
}

static u32 source_route(struct compile *c, u32 at, u32 len)
{
	if (len < 3)
		return at + IPOPT_OLEN;
	if (c->ip[at + IPOPT_OFFSET] < IPOPT_MINOFF)
		return at + IPOPT_OFFSET;
	if (c->srr)
		return at;
	c->srr = at;
	return 0;
}

static u32 record_route(struct compile *c, u32 at, u32 len)
{
	u8 *opt = c->ip + at;

	if (c->rr)
		return at;
	if (len < 3)
		return at + IPOPT_OLEN;
	if (opt[IPOPT_OFFSET] < IPOPT_MINOFF)
		return at + IPOPT_OFFSET;
	if (opt[IPOPT_OFFSET] <= len) {
		if (opt[IPOPT_OFFSET] + 3u > len)
			return at + IPOPT_OFFSET;
		put_spec_dst(c, opt + opt[IPOPT_OFFSET] - 1);
		advance(c, opt + IPOPT_OFFSET, 4);
	}
	c->rr = at;
	return 0;
}

/* There is room for a stamp. */
static u32 stamp(const struct compile *c, u32 at, u32 len)
{
	u8 *opt = c->ip + at, *entry = opt + opt[IPOPT_OFFSET] - 1;
	u32 flag = opt[IPOPT_FLAGS] & 15;

	if (opt[IPOPT_OFFSET] + 3u > len)
		return at + IPOPT_OFFSET;
	if (flag == IPOPT_TS_TSONLY) {
		put_time(c, entry);
		advance(c, opt + IPOPT_OFFSET, 4);
	} else if (flag == IPOPT_TS_TSANDADDR || flag == IPOPT_TS_PRESPEC) {
		if (opt[IPOPT_OFFSET] + 7u > len)
			return at + IPOPT_OFFSET;
		if (flag == IPOPT_TS_PRESPEC && inet_addr_type(c->sd->host, be32(entry)) == RTN_UNICAST)
			return 0; /* another host's turn */
		if (flag == IPOPT_TS_TSANDADDR)
			put_spec_dst(c, entry);
		put_time(c, entry + 4);
		advance(c, opt + IPOPT_OFFSET, 8);
	}
	return 0;
}

static u32 timestamp(struct compile *c, u32 at, u32 len)
{
	u8 *opt = c->ip + at;
	u32 fault = 0;

	if (c->ts)
		return at;
	if (len < 4)
		return at + IPOPT_OLEN;
	if (opt[IPOPT_OFFSET] < IPOPT_TS_MINOFF)
		return at + IPOPT_OFFSET;
	if (opt[IPOPT_OFFSET] <= len) {
		fault = stamp(c, at, len);
	} else if ((opt[IPOPT_FLAGS] & 15) != IPOPT_TS_PRESPEC) { /* count that we had no room */
		if (opt[IPOPT_FLAGS] >> 4 == 15)
			return at + IPOPT_FLAGS;
		advance(c, opt + IPOPT_FLAGS, 0x10);
	}
	c->ts = at;
	return fault;
}

/* Security labels: no domain of interpretation is known here, as on a Linux without NetLabel rules. */
static u32 cipso(struct compile *c, u32 at, u32 len)
{
	if (c->cipso)
		return at;
	c->cipso = at;
	return at + (len < CIPSO_HLEN ? IPOPT_OLEN : IPOPT_OFFSET);
}

static u32 one(struct compile *c, u32 at, u32 len)
{
	switch (c->ip[at]) {
	case IPOPT_SSRR:
	case IPOPT_LSRR:
		return source_route(c, at, len);
	case IPOPT_RR:
		return record_route(c, at, len);
	case IPOPT_TIMESTAMP:
		return timestamp(c, at, len);
	case IPOPT_RA:
		return len < 4 ? at + IPOPT_OLEN : 0;
	case IPOPT_CIPSO:
		return cipso(c, at, len);
	}
	return 0;
}

/* ip_options_compile() - check the options of a header, and write into them what a host has to. ip: the whole header
 * Return: 0; <0: they are good, but there is a source route; else the offset of the fault from the begin of the header */
int ip_options_compile(struct softnet_data *sd, u8 *ip)
{
	struct compile c = { .sd = sd, .ip = ip, .fill = !sd->host->ip_any };
	u32 at = IP_HLEN, end = ip_hdrlen(ip), fault;

	for (; at < end && ip[at] != IPOPT_END; at += ip[at + IPOPT_OLEN]) {
		while (at < end && ip[at] == IPOPT_NOOP)
			at++;
		if (at == end || ip[at] == IPOPT_END)
			break;
		if (at + IPOPT_OLEN == end || ip[at + IPOPT_OLEN] < 2 || at + ip[at + IPOPT_OLEN] > end)
			return (int)at;
		fault = one(&c, at, ip[at + IPOPT_OLEN]);
		if (fault)
			return (int)fault;
	}
	if (at < end && c.fill)
		memset(ip + at, IPOPT_END, end - at);
	return c.srr ? -EINVAL : 0;
}

/* ---- an answer's options ---- */

/* Where the options are in a compiled header, up to the first bad one. 0: not there */
struct found {
	u32 srr, rr, ts, cipso;
};

static struct found find(const u8 *ip, u32 fault)
{
	struct found f = { 0 };
	u32 at = IP_HLEN, end = ip_hdrlen(ip);

	while (at < end && ip[at] != IPOPT_END) {
		u32 len = ip[at] == IPOPT_NOOP ? 1 : at + IPOPT_OLEN < end ? ip[at + IPOPT_OLEN] : 0;
		bool bad = !len || (fault && fault < at + len);

		if (bad && (ip[at] != IPOPT_CIPSO || fault == at)) /* a label was found before it was looked into */
			break;
		if (ip[at] == IPOPT_SSRR || ip[at] == IPOPT_LSRR)
			f.srr = at;
		else if (ip[at] == IPOPT_RR)
			f.rr = at;
		else if (ip[at] == IPOPT_TIMESTAMP)
			f.ts = at;
		else if (ip[at] == IPOPT_CIPSO)
			f.cipso = at;
		if (bad)
			break;
		at += len;
	}
	return f;
}

/* Each of these writes an option to @to. Return: its length; <0: no answer can be made */
static int echo_record_route(u8 *to, const u8 *opt, const struct inet_addr *src)
{
	u32 len = opt[IPOPT_OLEN], ptr = opt[IPOPT_OFFSET];

	memcpy(to, opt, len);
	if (ptr > len)
		return (int)len;
	if (ptr + 3 > len)
		return -EINVAL;
	inet_addr_put(src, to + ptr - 1);
	to[IPOPT_OFFSET] = (u8)(ptr + 4);
	return (int)len;
}

static int echo_timestamp(const struct softnet_data *sd, u8 *to, const u8 *opt, const struct inet_addr *src)
{
	u32 len = opt[IPOPT_OLEN], ptr = opt[IPOPT_OFFSET], flag = opt[IPOPT_FLAGS] & 15;
	u32 need = flag == IPOPT_TS_TSONLY ? 4 : 8;

	memcpy(to, opt, len);
	if (ptr > len || (flag != IPOPT_TS_TSONLY && flag != IPOPT_TS_TSANDADDR && flag != IPOPT_TS_PRESPEC))
		return (int)len;
	if (ptr + 3 > len || (flag == IPOPT_TS_TSANDADDR && ptr + 7 > len))
		return -EINVAL;
	if (flag == IPOPT_TS_PRESPEC &&
	    (ptr + 7 > len || inet_addr_type(sd->host, be32(to + ptr - 1)) == RTN_UNICAST)) /* another host's turn */
		return (int)len;
	if (flag == IPOPT_TS_TSANDADDR)
		inet_addr_put(src, to + ptr - 1);
	put32(to + ptr - 1 + need - 4, inet_current_timestamp(sd));
	to[IPOPT_OFFSET] = (u8)(ptr + need);
	return (int)len;
}

/* Reverse a source route: the way back leads over the same hosts, first over @first. */
static int echo_source_route(u8 *to, const u8 *opt, const u8 *ip, struct inet_addr *first)
{
	u32 from = min_u32(opt[IPOPT_OFFSET], opt[IPOPT_OLEN] + 1u), n = 4;
	const u8 *last = opt + from - 5;

	if (from < 8)
		return 0;
	for (from -= 8; from > 3; from -= 4, n += 4)
		memcpy(to + n - 1, opt + from - 1, 4);
	if (memcmp(ip + IPH_SADDR, opt + from + 3, 4) == 0) /* RFC 1812 section 4.2.2.3: the route names its sender */
		n -= 4;
	if (!n)
		return 0;
	*first = inet_addr4(last);
	to[IPOPT_OPTVAL] = opt[IPOPT_OPTVAL];
	to[IPOPT_OLEN] = (u8)(n + 3);
	to[IPOPT_OFFSET] = IPOPT_MINOFF;
	memcpy(to + n - 1, ip + IPH_SADDR, 4);
	return (int)n + 3;
}

/* ip_options_echo() - make the options of an answer to a packet
 * ip: its header, compiled up to the fault, if not 0; src: the answer's source; to: room for MAX_IPOPTLEN bytes
 * first: changed if the answer's first hop is not its destination
 * Return: bytes, a multiple of 4; <0: no answer can be made */
int ip_options_echo(const struct softnet_data *sd, const u8 *ip, u32 fault, const struct inet_addr *src, u8 *to,
		    struct inet_addr *first)
{
	struct found f = find(ip, fault);
	int len = 0, n;

	if (f.rr) {
		len = echo_record_route(to, ip + f.rr, src);
		if (len < 0)
			return len;
	}
	if (f.ts) {
		n = echo_timestamp(sd, to + len, ip + f.ts, src);
		if (n < 0)
			return n;
		len += n;
	}
	if (f.srr)
		len += echo_source_route(to + len, ip + f.srr, ip, first);
	if (f.cipso) {
		n = ip[f.cipso + IPOPT_OLEN];
		memcpy(to + len, ip + f.cipso, (u32)n);
		len += n;
	}
	for (; len & 3; len++)
		to[len] = IPOPT_END;
	return len;
}

/* ip_options_fragment() - blank the options that only the first fragment of a packet has */
void ip_options_fragment(u8 *opt, u32 len)
{
	u32 n;

	for (u32 at = 0; at + IPOPT_OLEN < len && opt[at] != IPOPT_END; at += n) {
		n = opt[at] == IPOPT_NOOP ? 1 : opt[at + IPOPT_OLEN];
		if (n == 0 || at + n > len)
			return;
		if (!(opt[at] & IPOPT_COPY))
			memset(opt + at, IPOPT_NOOP, n);
	}
}
