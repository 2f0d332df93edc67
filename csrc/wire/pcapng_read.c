/* pcapng_read.c - capture files in pcapng's format, block by block. Called by pcap.c, which is the wire
 *
 * It reads sections, each with its own byte order; interfaces (link type, snap length, clock: if_tsresol and if_tsoffset,
 * length of the frame check sequence); and enhanced, simple and obsolete packet blocks. It skips all other blocks.
 * A section may have any number of interfaces: each takes at least 20 bytes in the file, and 24 here.
 *
 * Odd files are read as Wireshark reads them (tests/wire/test_odd_captures.py): an option counts only with its own length, the
 * first of a kind; a length that is no multiple of 4 is rounded up; a block with two different lengths, or with an option that
 * is longer than it, ends the file. Times before 1970 become 1970, those after 2262 the last one.
 *
 * if_fcslen is in bits, but earlier drafts did not say so. No check sequence is shorter than a byte, so a value below 8 is
 * in bytes. A packet's own length (epb_flags, bytes) overrides it; 0 there means unknown.
 * Format: draft-ietf-opsawg-pcapng.
 */
#include "device.h"

#define FCS_LEN 0x1e0u
#define STAMP_MAX_NS INT64_MAX
#define LINK_ERRORS 0xff000000u /* symbol, preamble, start delimiter, alignment, gap, too short, too long, CRC */

enum { BLOCK_HEAD = 8, BLOCK_TAIL = 4, OPTION_HEAD = 4 };
enum { IF_TSRESOL = 9, IF_FCSLEN = 13, IF_TSOFFSET = 14, EPB_FLAGS = 2 };

/* Read the head of the option at this offset. Return: false: the file has shrunk */
static bool option_head(struct pcap_wire *p, u64 at, u32 *code, u32 *len)
{
	const u8 *head = pcap_bytes(p, at, OPTION_HEAD);

	if (!head)
		return false;
	*code = pcap_u16(p, head);
	*len = pcap_u16(p, head + 2);
	return true;
}

static int option_too_long(struct pcap_wire *p, u32 len)
{
	return pcap_fail(p, "an option of %u bytes in a smaller block: the file is damaged", len);
}

/* Check the options from at to end: none may be longer than its block. */
static int options_fit(struct pcap_wire *p, u64 at, u64 end)
{
	u32 code, len;

	for (; at + OPTION_HEAD <= end; at += OPTION_HEAD + align_up(len, 4)) {
		if (!option_head(p, at, &code, &len))
			return -EINVAL;
		if (code == 0)
			break;
		if (at + OPTION_HEAD + len > end)
			return option_too_long(p, len);
	}
	return 0;
}

static int section(struct pcap_wire *p, u64 left)
{
	u32 order, total, major, minor;
	const u8 *block;

	if (left < 28)
		return pcap_truncated(p);
	block = pcap_bytes(p, p->pos, 28);
	if (!block)
		return -EINVAL;
	order = load32(block + 8);
	if (order != PCAPNG_BYTE_ORDER && order != __builtin_bswap32(PCAPNG_BYTE_ORDER))
		return pcap_fail(p, "a section header with an unknown byte order: the file is damaged");
	p->swapped = order != PCAPNG_BYTE_ORDER;
	major = pcap_u16(p, block + 12);
	minor = pcap_u16(p, block + 14);
	if (major != 1 || (minor != 0 && minor != 2)) /* 1.2 was once written by mistake, and means 1.0 */
		return pcap_fail(p, "pcapng version %u.%u is not supported", major, minor);
	p->ninterfaces = 0;
	total = pcap_u32(p, block + 4);
	return total >= 28 && total <= left ? options_fit(p, p->pos + 24, p->pos + total - 4) : 0;
}

/* Set the clock's ticks. A finer clock than 64 bits can count cannot say more than a second: its times are 0. */
static void resolution(struct pcap_interface *i, u8 tsresol)
{
	u64 ticks = 1;
	u8 power = tsresol & 0x7f;

	if ((tsresol & 0x80) ? power > 63 : power > 19)
		ticks = 0;
	else if (tsresol & 0x80)
		ticks <<= power;
	else
		for (u8 n = 0; n < power; n++)
			ticks *= 10;
	i->ticks_per_s = ticks;
}

/* Return room for the next interface; NULL: no memory */
static struct pcap_interface *next_interface(struct pcap_wire *p)
{
	u32 room = p->interfaces_room ? 2 * p->interfaces_room : 8;
	struct pcap_interface *more;

	if (p->ninterfaces < p->interfaces_room)
		return &p->interfaces[p->ninterfaces];
	more = room > p->interfaces_room ? realloc(p->interfaces, room * sizeof(*more)) : NULL;
	if (!more)
		return NULL;
	p->interfaces = more;
	p->interfaces_room = room;
	return &more[p->ninterfaces];
}

/* Apply an option of len bytes at this offset of the file. */
static int interface_option(struct pcap_wire *p, struct pcap_interface *i, u32 code, u64 at, u32 len)
{
	const u8 *value = pcap_bytes(p, at, min_u32(len, sizeof(u64)));

	if (!value)
		return -EINVAL;
	if (code == IF_TSRESOL && len == 1)
		resolution(i, value[0]);
	if (code == IF_TSOFFSET && len == 8)
		i->offset_s = p->swapped ? __builtin_bswap64(load64(value)) : load64(value);
	if (code == IF_FCSLEN && len == 1)
		i->fcs_len = value[0] >= 8 ? value[0] / 8 : value[0];
	return 0;
}

static int interface_options(struct pcap_wire *p, struct pcap_interface *i, u64 at, u64 end)
{
	u32 code, len, seen = 0;
	int rc = options_fit(p, at, end);

	for (; rc == 0 && at + OPTION_HEAD <= end; at += OPTION_HEAD + align_up(len, 4)) {
		if (!option_head(p, at, &code, &len))
			return -EINVAL;
		if (code == 0)
			break;
		if (code > IF_TSOFFSET || seen & 1u << code)
			continue;
		seen |= 1u << code;
		rc = interface_option(p, i, code, at + OPTION_HEAD, len);
	}
	return rc;
}

static int interface(struct pcap_wire *p, u64 at, u64 end)
{
	struct pcap_interface *i;
	const u8 *fixed;

	if (end - at < 8)
		return pcap_fail(p, "an interface description too short: the file is damaged");
	i = next_interface(p);
	if (!i) {
		pcap_fail(p, "no memory for interface %u of a section", p->ninterfaces);
		return -ENOMEM;
	}
	fixed = pcap_bytes(p, at, 8);
	if (!fixed)
		return -EINVAL;
	*i = (struct pcap_interface){ .linktype = pcap_u16(p, fixed), .snaplen = pcap_u32(p, fixed + 4) };
	i->ticks_per_s = 1000000;
	p->ninterfaces++;
	return interface_options(p, i, at + 8, end);
}

static u64 stamp_ns(const struct pcap_interface *i, u32 high, u32 low)
{
	__int128 ns = (__int128)(long long)i->offset_s * 1000000000;
	u64 ticks = (u64)high << 32 | low;

	if (i->ticks_per_s == 1000000000)
		ns += ticks;
	else if (i->ticks_per_s == 1000000)
		ns += (__int128)ticks * 1000;
	else if (i->ticks_per_s)
		ns += (__int128)((unsigned __int128)ticks * 1000000000 / i->ticks_per_s);
	return ns < 0 ? 0 : ns > STAMP_MAX_NS ? STAMP_MAX_NS : (u64)ns;
}

/* Read a packet's options from at to end: its flags (epb_flags, pack_flags), 0: it has none. Return: 0, or -EINVAL */
static int packet_flags(struct pcap_wire *p, u64 at, u64 end, u32 *flags)
{
	const u8 *value;
	u32 code, len;

	*flags = 0;
	for (; at + OPTION_HEAD <= end; at += OPTION_HEAD + align_up(len, 4)) {
		if (!option_head(p, at, &code, &len))
			return -EINVAL;
		if (code == 0)
			break;
		if (at + OPTION_HEAD + len > end)
			return option_too_long(p, len);
		if (code == EPB_FLAGS && len == 4 && !*flags) {
			value = pcap_bytes(p, at + OPTION_HEAD, 4);
			if (!value)
				return -EINVAL;
			*flags = pcap_u32(p, value);
		}
	}
	return 0;
}

/* Strip the check sequence of a frame that was handed out, and count it if it arrived damaged. */
static void apply_flags(struct pcap_wire *p, struct frame *f, u32 fcs_len, u32 flags)
{
	u32 own = flags >> 5 & 15;

	if (own || fcs_len)
		pcap_strip_fcs(p, f, own ? own : fcs_len);
	p->link_errors += (flags & LINK_ERRORS) != 0;
}

static bool is_packet(u32 type)
{
	return type == PCAPNG_PACKET || type == PCAPNG_OBSOLETE_PACKET || type == PCAPNG_SIMPLE_PACKET;
}

/* Read a packet block of any kind and of total bytes. Return: 1: handed out; 0: skipped */
static int packet(struct pcap_wire *p, struct frame *f, u32 type, u32 total)
{
	bool simple = type == PCAPNG_SIMPLE_PACKET;
	u32 fixed = simple ? 4 : 20, ifindex = 0, caplen, len, flags = 0;
	const struct pcap_interface *i;
	const u8 *at, *data;
	u64 t;

	if (total < BLOCK_HEAD + fixed + BLOCK_TAIL)
		return pcap_truncated(p);
	at = pcap_bytes(p, p->pos,
			min_u32(total, PCAP_RECORD_MAX)); /* mostly the whole block, so the calls below find it */
	if (unlikely(!at))
		return -EINVAL;
	at += BLOCK_HEAD;
	if (!simple)
		ifindex = type == PCAPNG_PACKET ? pcap_u32(p, at) : pcap_u16(p, at);
	if (ifindex >= p->ninterfaces)
		return pcap_fail(p, "frame %llu names interface %u of %u: the file is damaged",
				 (unsigned long long)p->nframe + 1, ifindex, p->ninterfaces);
	i = &p->interfaces[ifindex];
	len = pcap_u32(p, at + (simple ? 0 : 16));
	if (simple)
		caplen = i->snaplen && i->snaplen < len ? i->snaplen : len;
	else
		caplen = pcap_u32(p, at + 12);
	if (caplen > PCAP_FRAME_MAX || caplen > total - BLOCK_HEAD - fixed - BLOCK_TAIL ||
	    (simple && align_up(caplen, 4) != total - BLOCK_HEAD - fixed - BLOCK_TAIL))
		return pcap_fail(p, "frame %llu claims %u bytes: the file is damaged",
				 (unsigned long long)p->nframe + 1, caplen);
	t = simple ? p->stamp_ns : stamp_ns(i, pcap_u32(p, at + 4), pcap_u32(p, at + 8));
	if (!simple &&
	    packet_flags(p, p->pos + BLOCK_HEAD + fixed + align_up(caplen, 4), p->pos + total - BLOCK_TAIL, &flags) < 0)
		return -EINVAL;
	data = pcap_bytes(p, p->pos + BLOCK_HEAD + fixed, caplen);
	if (unlikely(!data))
		return -EINVAL;
	pcap_hand_out(p, f, data, caplen, len, t);
	if (unlikely(i->fcs_len || flags & (FCS_LEN | LINK_ERRORS)))
		apply_flags(p, f, i->fcs_len, flags);
	if (unlikely(i->linktype != LINKTYPE_ETHERNET) && link_to_ethernet(p, f, i->linktype) < 0)
		return -ENOMEM;
	return 1;
}

/* Compare the length that a block claims with the one at its end. Both are rounded up. */
static int same_length(struct pcap_wire *p, u32 claimed)
{
	u32 total = align_up(claimed, 4);
	const u8 *tail = pcap_bytes(p, p->pos + total - BLOCK_TAIL, BLOCK_TAIL);

	if (unlikely(!tail))
		return -EINVAL;
	if (unlikely(align_up(pcap_u32(p, tail), 4) != total))
		return pcap_fail(p,
				 "a block of %u bytes behind frame %llu ends with another length: the file is damaged",
				 claimed, (unsigned long long)p->nframe);
	return 0;
}

int pcapng_block(struct pcap_wire *p, struct frame *f)
{
	u64 left = p->size - p->pos;
	const u8 *head;
	u32 type, claimed, total;
	int rc = 0;

	if (!left)
		return pcap_end_of_file(p);
	if (left < BLOCK_HEAD + BLOCK_TAIL)
		return pcap_truncated(p);
	head = pcap_bytes(p, p->pos, BLOCK_HEAD + BLOCK_TAIL);
	if (unlikely(!head))
		return -EINVAL;
	type = pcap_u32(p, head);
	claimed = load32(head + 4);
	if (type == PCAPNG_SECTION && (rc = section(p, left)) < 0)
		return rc;
	claimed = p->swapped ? __builtin_bswap32(claimed) : claimed; /* only now: a section says its own order */
	total = align_up(claimed, 4);
	if (total < BLOCK_HEAD + BLOCK_TAIL)
		return pcap_fail(p, "a block of %u bytes behind frame %llu: the file is damaged", claimed,
				 (unsigned long long)p->nframe);
	if (total > left)
		return pcap_truncated(p);
	rc = same_length(p, claimed);
	if (rc < 0)
		return rc;
	if (type == PCAPNG_INTERFACE)
		rc = interface(p, p->pos + BLOCK_HEAD, p->pos + total - BLOCK_TAIL);
	else if (is_packet(type))
		rc = packet(p, f, type, total);
	if (rc >= 0)
		p->pos += total;
	return rc;
}

/* Return the type of the next block; 0: the file ends before it */
static u32 next_type(struct pcap_wire *p)
{
	const u8 *head;

	if (p->size - p->pos < BLOCK_HEAD + BLOCK_TAIL)
		return 0;
	head = pcap_bytes(p, p->pos, BLOCK_HEAD + BLOCK_TAIL);
	return head ? pcap_u32(p, head) : 0;
}

static int to_packets(struct pcap_wire *p, bool *found)
{
	for (;;) {
		u32 type = next_type(p);
		struct frame f;
		int rc;

		if (p->pos && (type == 0 || is_packet(type)))
			return 0;
		rc = pcapng_block(p, &f);
		if (rc < 0)
			return rc;
		if (type == PCAPNG_INTERFACE)
			*found |= link_is_known(p->interfaces[p->ninterfaces - 1].linktype);
	}
}

static void to_begin(struct pcap_wire *p)
{
	p->pos = p->ninterfaces = p->swapped = 0;
}

/* Is there an interface of a known link behind the first packets? Ends anywhere in the file. */
static bool known_later(struct pcap_wire *p)
{
	bool found = false;
	struct frame f;
	u32 type;

	while (!found && (type = next_type(p))) {
		if (is_packet(type)) {
			const u8 *head = pcap_bytes(p, p->pos, BLOCK_HEAD);
			u32 total = head ? align_up(pcap_u32(p, head + 4), 4) : 0;

			if (total < BLOCK_HEAD + BLOCK_TAIL || total > p->size - p->pos)
				break;
			p->pos += total;
			continue;
		}
		if (pcapng_block(p, &f) < 0)
			break;
		found = type == PCAPNG_INTERFACE && link_is_known(p->interfaces[p->ninterfaces - 1].linktype);
	}
	return found;
}

/* Read up to the first packet. One of the file's interfaces has to be of a known link; mostly it stands before that packet. */
int pcapng_open(struct pcap_wire *p)
{
	bool found = false;
	int rc = to_packets(p, &found);
	u32 linktype;

	if (rc < 0 || found || !p->ninterfaces)
		return rc;
	linktype = p->interfaces[0].linktype;
	found = known_later(p);
	to_begin(p);
	if (!found)
		return pcap_fail(p, "link type %u: holds no packets that vnic knows how to find", linktype);
	return to_packets(p, &found);
}
