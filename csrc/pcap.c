/* pcap.c - a capture file as a wire: pcap (microseconds, nanoseconds, both byte orders) and pcapng, mapped, never loaded
 *
 * The frames handed out point into the mapping. Nothing in the file is trusted: every length is checked against what is
 * left of it, and a file that ends in the middle of a frame ends the wire with an error that says in which. A cut frame
 * (snap length) is handed out as captured. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Frames that are
 * not Ethernet among others that are (pcapng has a link type per interface) are skipped and counted.
 */
#include "prelude.h"

#include <stdio.h>

#define LINKTYPE_ETHERNET 1
#define FRAME_MAX (1u << 18) /* libpcap's MAXIMUM_SNAPLEN */
#define PCAP 1
#define PCAPNG 2

static u16 get16(const struct pcap_wire *p, u64 at)
{
	u16 v = load16(p->map + at);

	return p->swapped ? __builtin_bswap16(v) : v;
}

static u32 get32(const struct pcap_wire *p, u64 at)
{
	u32 v = load32(p->map + at);

	return p->swapped ? __builtin_bswap32(v) : v;
}

__attribute__((format(printf, 2, 3))) static int fail(struct pcap_wire *p, const char *fmt, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, fmt);
	vsnprintf(p->error_text, sizeof(p->error_text), fmt, args);
	__builtin_va_end(args);
	return -EINVAL;
}

static int truncated(struct pcap_wire *p)
{
	return fail(p, "truncated in frame %llu", (unsigned long long)p->nframe + 1);
}

static int end_of_file(struct pcap_wire *p)
{
	if (!p->more)
		return -ENODATA;
	p->wire.hungry = 1;
	return -EAGAIN;
}

static void hand_out(struct pcap_wire *p, struct frame *f, u64 at, u32 caplen, u32 len, u64 t_ns)
{
	f->data = p->map + at;
	f->len = caplen;
	f->wire_len = max_u32(len, caplen);
	f->flags = len > caplen ? FRAME_CUT : 0;
	f->head = 0;
	f->t_ns = p->stamp_ns = t_ns;
	p->nframe++;
}

/* ---- pcap ---- */

static int pcap_record(struct pcap_wire *p, struct frame *f)
{
	u64 left = p->size - p->pos, t;
	u32 caplen;

	if (!left)
		return end_of_file(p);
	if (left < 16)
		return truncated(p);
	caplen = get32(p, p->pos + 8);
	if (caplen > FRAME_MAX)
		return fail(p, "frame %llu claims %u bytes: the file is damaged", (unsigned long long)p->nframe + 1,
			    caplen);
	if (left - 16 < caplen)
		return truncated(p);
	t = get32(p, p->pos) * 1000000000ull + get32(p, p->pos + 4) * (p->nanoseconds ? 1ull : 1000ull);
	hand_out(p, f, p->pos + 16, caplen, get32(p, p->pos + 12), t);
	p->pos += 16 + caplen;
	return 1;
}

static int pcap_open(struct pcap_wire *p)
{
	if (p->size < 24)
		return fail(p, "the file ends inside its header");
	if (get16(p, 4) != 2)
		return fail(p, "pcap version %u is not supported", get16(p, 4));
	p->linktype = get32(p, 20) & 0xffff;
	if (p->linktype != LINKTYPE_ETHERNET)
		return fail(p, "link type %u is not supported (only Ethernet, 1)", p->linktype);
	p->format = PCAP;
	p->pos = 24;
	return 0;
}

/* ---- pcapng ---- */

/* Options from at to end: what claims to be longer than its block is not what it says. */
static int options_fit(struct pcap_wire *p, u64 at, u64 end)
{
	while (at + 4 <= end && get16(p, at) != 0) {
		u32 len = get16(p, at + 2);

		if (at + 4 + len > end)
			return fail(p, "an option of %u bytes in a smaller block: the file is damaged", len);
		at += 4 + align_up(len, 4);
	}
	return 0;
}

static int section(struct pcap_wire *p, u64 left)
{
	u32 order, total, major, minor;

	if (left < 28)
		return truncated(p);
	order = load32(p->map + p->pos + 8);
	if (order != 0x1a2b3c4d && order != 0x4d3c2b1a)
		return fail(p, "a section header with an unknown byte order: the file is damaged");
	p->swapped = order == 0x4d3c2b1a;
	major = get16(p, p->pos + 12);
	minor = get16(p, p->pos + 14);
	if (major != 1 || (minor != 0 && minor != 2)) /* 1.2 was written once by mistake, and is the same */
		return fail(p, "pcapng version %u.%u is not supported", major, minor);
	p->ninterfaces = 0;
	total = get32(p, p->pos + 4);
	return total >= 28 && total <= left ? options_fit(p, p->pos + 24, p->pos + total - 4) : 0;
}

static int resolution(struct pcap_wire *p, struct pcap_interface *i, u8 tsresol)
{
	u64 ticks = 1;

	if ((tsresol & 0x80) ? (tsresol & 0x7f) > 63 : tsresol > 19)
		return fail(p, "an interface with time resolution %u: not supported", tsresol);
	if (tsresol & 0x80)
		ticks <<= tsresol & 0x7f;
	else
		for (u8 n = 0; n < tsresol; n++)
			ticks *= 10;
	i->ticks_per_s = ticks;
	return 0;
}

static int interface(struct pcap_wire *p, u64 at, u64 end)
{
	struct pcap_interface *i = &p->interfaces[p->ninterfaces];
	int rc = 0;

	if (p->ninterfaces == PCAP_INTERFACES_MAX)
		return fail(p, "more than %u interfaces in one section", PCAP_INTERFACES_MAX);
	if (end - at < 8)
		return fail(p, "an interface description too short: the file is damaged");
	*i = (struct pcap_interface){ get16(p, at), get32(p, at + 4), 1000000, 0 };
	for (at += 8; at + 4 <= end && rc == 0;) {
		u32 code = get16(p, at), len = get16(p, at + 2);

		if (code == 0 || at + 4 + len > end)
			break;
		if (code == 9 && len >= 1)
			rc = resolution(p, i, p->map[at + 4]);
		if (code == 14 && len >= 8)
			i->offset_s = p->swapped ? __builtin_bswap64(load64(p->map + at + 4)) : load64(p->map + at + 4);
		at += 4 + align_up(len, 4);
	}
	p->ninterfaces++;
	return rc;
}

static u64 stamp_ns(const struct pcap_interface *i, u32 high, u32 low)
{
	u64 ticks = (u64)high << 32 | low;

	if (i->ticks_per_s == 1000000000)
		return ticks + i->offset_s * 1000000000;
	if (i->ticks_per_s == 1000000)
		return ticks * 1000 + i->offset_s * 1000000000;
	return (u64)((unsigned __int128)ticks * 1000000000 / i->ticks_per_s) + i->offset_s * 1000000000;
}

/* Enhanced (6), obsolete (2) and simple (3) packet blocks. Return: 1 = handed out, 0 = skipped */
static int packet(struct pcap_wire *p, struct frame *f, u32 type, u64 at, u64 end)
{
	u32 fixed = type == 3 ? 4 : 20, ifindex = 0, caplen, len;
	const struct pcap_interface *i;
	u64 t;

	if (end - at < fixed)
		return truncated(p);
	if (type != 3)
		ifindex = type == 6 ? get32(p, at) : get16(p, at);
	if (ifindex >= p->ninterfaces)
		return fail(p, "frame %llu names interface %u of %u: the file is damaged",
			    (unsigned long long)p->nframe + 1, ifindex, p->ninterfaces);
	i = &p->interfaces[ifindex];
	len = get32(p, at + (type == 3 ? 0 : 16));
	caplen = type == 3 ? (i->snaplen && i->snaplen < len ? i->snaplen : len) : get32(p, at + 12);
	if (caplen > FRAME_MAX || caplen > end - at - fixed)
		return fail(p, "frame %llu claims %u bytes: the file is damaged", (unsigned long long)p->nframe + 1,
			    caplen);
	if (i->linktype != LINKTYPE_ETHERNET) {
		p->nframe++;
		p->wire.skipped++;
		p->skipped_linktype = i->linktype;
		return 0;
	}
	t = type == 3 ? p->stamp_ns : stamp_ns(i, get32(p, at + 4), get32(p, at + 8));
	hand_out(p, f, at + fixed, caplen, len, t);
	return 1;
}

/* One block. Return: 1 = a frame, 0 = none in it, -ENODATA = end */
static int block(struct pcap_wire *p, struct frame *f)
{
	u64 left = p->size - p->pos, at = p->pos + 8;
	u32 type, total;
	int rc = 0;

	if (!left)
		return end_of_file(p);
	if (left < 12)
		return truncated(p);
	type = get32(p, p->pos);
	if (type == 0x0a0d0d0a && (rc = section(p, left)) < 0)
		return rc;
	total = get32(p, p->pos + 4);
	if (total < 12 || total & 3)
		return fail(p, "a block of %u bytes behind frame %llu: the file is damaged", total,
			    (unsigned long long)p->nframe);
	if (total > left)
		return truncated(p);
	if (type == 1)
		rc = interface(p, at, p->pos + total - 4);
	else if (type == 6 || type == 2 || type == 3)
		rc = packet(p, f, type, at, p->pos + total - 4);
	if (rc >= 0)
		p->pos += total;
	return rc;
}

/* Up to the first packet: the interfaces. One of them has to be Ethernet. */
static int pcapng_open(struct pcap_wire *p)
{
	p->format = PCAPNG;
	for (;;) {
		u32 type = p->size - p->pos >= 12 ? get32(p, p->pos) : 0;
		struct frame f;
		int rc;

		if (p->pos && (type == 6 || type == 2 || type == 3 || type == 0))
			break;
		rc = block(p, &f);
		if (rc == -ENODATA || rc == -EAGAIN)
			break;
		if (rc < 0)
			return rc;
	}
	p->wire.hungry = 0;
	for (u32 i = 0; i < p->ninterfaces; i++)
		if (p->interfaces[i].linktype == LINKTYPE_ETHERNET)
			return 0;
	if (p->ninterfaces)
		return fail(p, "link type %u is not supported (only Ethernet, 1)", p->interfaces[0].linktype);
	return 0;
}

/* ---- the wire ---- */

static int pcap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct pcap_wire *p = container_of(wire, struct pcap_wire, wire);
	int n = 0, rc = 0;

	while (n < max && rc >= 0) {
		rc = p->format == PCAP ? pcap_record(p, &f[n]) : block(p, &f[n]);
		if (rc > 0)
			n++;
	}
	return n ? n : rc;
}

struct pcap_wire *pcap_wire_new(void)
{
	struct pcap_wire *p = calloc(1, sizeof(*p));

	if (p) {
		p->wire.read_burst = pcap_read_burst;
		p->wire.kind = WIRE_CAPTURE;
	}
	return p;
}

void pcap_wire_free(struct pcap_wire *p)
{
	free(p);
}

/* pcap_wire_open() - go on with this file; the mapping stays the caller's, and must outlive the frames */
int pcap_wire_open(struct pcap_wire *p, const void *map, u64 size)
{
	u32 magic;

	p->map = map;
	p->size = size;
	p->pos = p->nframe = 0;
	p->ninterfaces = 0;
	p->swapped = 0;
	p->stamp_ns = p->wire.last_ts - p->wire.shift_ns;
	p->wire.rebase = p->wire.started;
	p->wire.hungry = 0;
	if (!size)
		return fail(p, "an empty file");
	if (size < 4)
		return fail(p, "not a capture file");
	magic = load32(map);
	p->nanoseconds = magic == 0xa1b23c4d || magic == 0x4d3cb2a1;
	p->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
	if (magic == 0xa1b2c3d4 || p->nanoseconds || p->swapped)
		return pcap_open(p);
	if (magic == 0x0a0d0d0a)
		return pcapng_open(p);
	if ((magic & 0xffff) == 0x8b1f)
		return fail(p, "gzip-compressed: unpack it first");
	if (magic == 0xfd2fb528)
		return fail(p, "zstd-compressed: unpack it first");
	return fail(p, "not a capture file (pcap or pcapng)");
}
