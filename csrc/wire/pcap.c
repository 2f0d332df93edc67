/* pcap.c - a capture file as a wire: pcap in all its kinds, and pcapng (pcapng_read.c), read piece by piece (pcap_pieces.c)
 *
 * Frames point into their piece, except those that no wire has carried in that form (pcap_gso.c). Nothing in the file is
 * trusted: every length is checked against the bytes that are left. A file that ends inside a frame ends the wire with an
 * error that names the frame. A cut frame (snap length) is handed out as captured. A file of another link than Ethernet, and
 * pcapng's interfaces of other links: linktype.c.
 *
 * A frame check sequence (LinkType's f bit, if_fcslen, epb_flags) is removed, because a card gives its driver none. Kinds of
 * pcap, all in both byte orders: microseconds; nanoseconds; Kuznetzov's "modified" one, with 8 more bytes before each frame;
 * IXIA's, with the length of all records after the header. Before version 2.3, and in DG/UX's 543.0, both lengths of a frame
 * are swapped; in 2.3 only if they are impossible as they stand. All this follows libpcap (sf-pcap.c). IXIA, and versions
 * after 2.4, which libpcap refuses, follow Wireshark (wiretap/libpcap.c). Format: draft-ietf-opsawg-pcap.
 */
#include "device.h"

#include <stdio.h>

#define PCAP 1
#define PCAPNG 2

enum { LENGTHS_SWAPPED = 1, LENGTHS_PERHAPS = 2 };

__attribute__((format(printf, 2, 3))) int pcap_fail(struct pcap_wire *p, const char *fmt, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, fmt);
	vsnprintf(p->error_text, sizeof(p->error_text), fmt, args);
	__builtin_va_end(args);
	return -EINVAL;
}

int pcap_truncated(struct pcap_wire *p)
{
	if (p->damage[0])
		return pcap_fail(p, "%s", p->damage);
	return pcap_fail(p, "truncated in frame %llu", (unsigned long long)p->nframe + 1);
}

int pcap_end_of_file(struct pcap_wire *p)
{
	if (p->damage[0])
		return pcap_fail(p, "%s", p->damage);
	if (!p->more)
		return -ENODATA;
	p->wire.hungry = 1;
	return -EAGAIN;
}

void pcap_hand_out(struct pcap_wire *p, struct frame *f, const u8 *data, u32 caplen, u32 len, u64 t_ns)
{
	f->data = data;
	f->len = caplen;
	f->wire_len = max_u32(min_u32(len, INT32_MAX), caplen);
	f->flags = len > caplen ? FRAME_CUT : 0;
	f->head = f->gso = 0;
	f->slot = 0;
	f->t_ns = p->stamp_ns = t_ns;
	p->nframe++;
}

void pcap_strip_fcs(struct pcap_wire *p, struct frame *f, u32 bytes)
{
	u32 captured = f->len;

	f->wire_len -= min_u32(bytes, f->wire_len);
	f->len = min_u32(f->len, f->wire_len);
	p->fcs_bytes += captured - f->len;
	f->flags = f->wire_len > f->len ? FRAME_CUT : 0;
	p->fcs_stripped++;
}

/* ---- pcap ---- */

static int pcap_record(struct pcap_wire *p, struct frame *f)
{
	u64 left = p->size - p->pos, t;
	u32 head = p->record_len, caplen, len;
	const u8 *at;

	if (!left)
		return pcap_end_of_file(p);
	if (left < head)
		return pcap_truncated(p);
	at = pcap_bytes(p, p->pos, head);
	if (unlikely(!at))
		return -EINVAL;
	caplen = pcap_u32(p, at + 8);
	len = pcap_u32(p, at + 12);
	if (unlikely(p->lengths_swapped) && (p->lengths_swapped == LENGTHS_SWAPPED || caplen > len)) {
		u32 both = caplen;

		caplen = len;
		len = both;
	}
	if (caplen > PCAP_FRAME_MAX)
		return pcap_fail(p, "frame %llu claims %u bytes: the file is damaged",
				 (unsigned long long)p->nframe + 1, caplen);
	if (left - head < caplen)
		return pcap_truncated(p);
	at = pcap_bytes(p, p->pos, head + caplen);
	if (unlikely(!at))
		return -EINVAL;
	t = pcap_u32(p, at) * 1000000000ull + pcap_u32(p, at + 4) * (p->nanoseconds ? 1ull : 1000ull);
	pcap_hand_out(p, f, at + head, caplen, len, t);
	if (unlikely(p->fcs_len))
		pcap_strip_fcs(p, f, p->fcs_len);
	p->pos += head + caplen;
	if (unlikely(p->linktype != LINKTYPE_ETHERNET) && link_to_ethernet(p, f, p->linktype) < 0)
		return -ENOMEM;
	return 1;
}

static int version(struct pcap_wire *p, const u8 *header)
{
	u32 major = pcap_u16(p, header + 4), minor = pcap_u16(p, header + 6);

	p->lengths_swapped = 0;
	if (major == 543 && minor == 0) {
		p->lengths_swapped = LENGTHS_SWAPPED;
		return 0;
	}
	if (major < 2)
		return pcap_fail(p, "pcap version %u is not supported", major);
	if (major == 2 && minor <= 3) /* later versions do not exist; Wireshark reads them as 2.4 */
		p->lengths_swapped = minor == 3 ? LENGTHS_PERHAPS : LENGTHS_SWAPPED;
	return 0;
}

static int pcap_open(struct pcap_wire *p, u32 head)
{
	const u8 *header;
	u32 link;
	int rc;

	if (p->size < head)
		return pcap_fail(p, "the file ends inside its header");
	header = pcap_bytes(p, 0, head);
	rc = header ? version(p, header) : -EINVAL;
	if (rc < 0)
		return rc;
	link = pcap_u32(p, header + 20);
	p->linktype = link & 0xffff;
	if (!link_is_known(p->linktype))
		return pcap_fail(p, "link type %u: holds no packets that vnic knows how to find", p->linktype);
	p->fcs_len = (u8)(link & 1u << 26 ? (link >> 28) * 2 : 0); /* in units of 16 bits */
	p->format = PCAP;
	p->pos = head;
	return 0;
}

/* Recognise a kind of pcap by its first four bytes. Return: length of the file's header; 0: not a pcap */
static u32 pcap_kind(struct pcap_wire *p, u32 magic)
{
	static const struct {
		u32 magic;
		u8 nanoseconds, head, record_len;
	} kinds[] = {
		{ 0xa1b2c3d4, 0, 24, 16 }, { 0xa1b23c4d, 1, 24, 16 }, { 0xa1b2cd34, 0, 24, 24 },
		{ 0x1c0001ac, 1, 28, 16 }, { 0x1c0001ab, 0, 28, 16 }, /* IXIA: hardware, software */
	};

	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (magic != kinds[i].magic && magic != __builtin_bswap32(kinds[i].magic))
			continue;
		p->swapped = magic != kinds[i].magic;
		p->nanoseconds = kinds[i].nanoseconds;
		p->record_len = kinds[i].record_len;
		return kinds[i].head;
	}
	return 0;
}

/* ---- the wire ---- */

static int pcap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct pcap_wire *p = container_of(wire, struct pcap_wire, wire);
	u32 longest = wire->capture_mtu ? wire->capture_mtu + ETH_HLEN : UINT32_MAX;
	int n = 0, rc = 0;

	p->before_burst = p->handed;
	while (n < max && rc >= 0) {
		bool segment = p->gso.at;

		if (unlikely(p->select) && !segment) {
			rc = pcap_select_ends(p);
			if (rc < 0)
				break;
		}
		if (unlikely(segment))
			rc = pcap_gso_next(p, &f[n]);
		else
			rc = p->format == PCAP ? pcap_record(p, &f[n]) : pcapng_block(p, &f[n]);
		if (rc > 0 && unlikely(p->select) && !segment && !pcap_selects(p, &f[n]))
			continue;
		if (rc > 0 && (likely(f[n].len <= longest) || segment || !pcap_gso_begin(p, &f[n])))
			p->handed = p->before_burst + (u64)++n;
	}
	if (unlikely(!n && rc == -EINVAL && p->more)) { /* this file breaks off; Python opens the next one */
		p->broken = p->wire.hungry = 1;
		return -EAGAIN;
	}
	return n ? n : rc;
}

struct pcap_wire *pcap_wire_new(void)
{
	struct pcap_wire *p = calloc(1, sizeof(*p));

	if (p) {
		p->fd = -1;
		p->piece_bytes = PCAP_PIECE;
		p->wire.read_burst = pcap_read_burst;
		p->wire.own = pcap_own;
	}
	return p;
}

void pcap_wire_free(struct pcap_wire *p)
{
	if (!p)
		return;
	pcap_slots_free(p);
	pcap_pieces_free(p);
	free(p->interfaces);
	free(p);
}

int pcap_wire_rewind(struct pcap_wire *p)
{
	const u8 *first;
	u32 magic, head;

	p->pos = p->nframe = 0;
	p->ninterfaces = 0;
	p->swapped = 0;
	pcap_gso_end(p);
	p->stamp_ns = p->wire.last_ts - p->wire.shift_ns;
	if (p->wire.started && !p->wire.rebase)
		p->wire.rebase = REBASE_FILE;
	p->wire.hungry = 0;
	if (!p->size)
		return pcap_fail(p, "an empty file");
	if (p->size < sizeof(magic))
		return pcap_fail(p, "not a capture file");
	first = pcap_bytes(p, 0, sizeof(magic));
	if (!first)
		return -EINVAL;
	magic = load32(first);
	head = pcap_kind(p, magic);
	if (head)
		return pcap_open(p, head);
	if (magic == PCAPNG_SECTION) {
		p->format = PCAPNG;
		return pcapng_open(p);
	}
	return pcap_fail(p, "not a capture file (pcap or pcapng)");
}

int pcap_wire_open(struct pcap_wire *p, int fd, u64 size)
{
	int rc;

	p->size = size;
	pcap_pieces_of(p, fd, NULL);
	rc = pcap_wire_rewind(p);
	if (rc < 0)
		pcap_pieces_of(p, -1, NULL);
	return rc;
}

void pcap_wire_damaged(struct pcap_wire *p, const char *why)
{
	snprintf(p->damage, sizeof(p->damage), "%s", why);
}

int pcap_wire_open_memory(struct pcap_wire *p, const void *bytes, u64 size)
{
	p->size = size;
	pcap_pieces_of(p, -1, bytes);
	return pcap_wire_rewind(p);
}
