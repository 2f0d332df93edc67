/* pcap_gso.c - frames of a capture that are not handed out as they lie in the file: cut, or completed
 *
 *   pcap.c reads a long frame -> pcap_gso_begin(): was it ever on a wire? -> pcap_gso_next(): hand it out in segments (gso.c)
 *   sender_offload.c -> pcap_own(): make a writable copy
 *
 * A capture taken at a sender with TSO shows up to 64 KB (BIG TCP: more) where the wire had packets of the MTU. So does one
 * taken at a receiver with GRO or LRO. Offered whole, such a frame would fill the FIFO alone, raise one interrupt and leave
 * GRO nothing to merge, as no real card does. So it is cut again, into packets of wire.capture_mtu. The file does not say
 * how the sender's card cut it: 1500 is the Internet's MTU, and the knob capture-mtu sets another.
 *
 * Only TCP is cut: not a fragment, wholly captured, longer than the MTU, and recognisably no jumbo frame. Its IP length is 0
 * or stands in a hop-by-hop header, or it is longer than any jumbo frame, or its checksum is just the pseudo header's sum,
 * which Linux writes in frames that it sends by TSO or has merged by GRO. Long UDP stays whole: only its sender knows where
 * a datagram ends.
 *
 * Cut and completed frames lie in slots. wire.release() returns a slot, so there are as many as the FIFO and a burst hold at
 * once. Each is as long as the longest frame it has held.
 */
#include "device.h"

#define JUMBO_MAX 9216u /* the longest MTU that Ethernet cards and switches have */
#define SLOT_MIN 2048u
#define TAGS_MAX 2u

/* ---- slots ---- */

static int more_slots(struct pcap_slots *s)
{
	u32 n = s->n + 64;
	u8 **at = realloc(s->at, n * sizeof(*at));
	u32 *room = realloc(s->room, n * sizeof(*room)), *free_ones = realloc(s->free, n * sizeof(*free_ones));

	s->at = at ? at : s->at;
	s->room = room ? room : s->room;
	s->free = free_ones ? free_ones : s->free;
	if (!at || !room || !free_ones)
		return -ENOMEM;
	for (; s->n < n; s->n++) {
		s->at[s->n] = NULL;
		s->room[s->n] = 0;
		s->free[s->nfree++] = s->n;
	}
	return 0;
}

static void release(struct wire *wire, const struct frame *f)
{
	struct pcap_slots *s = &container_of(wire, struct pcap_wire, wire)->slots;

	if (unlikely(f->slot))
		s->free[s->nfree++] = f->slot - 1;
}

u8 *pcap_slot(struct pcap_wire *p, struct frame *f, u32 len)
{
	struct pcap_slots *s = &p->slots;
	u32 i;

	if (!s->nfree && more_slots(s) < 0)
		return NULL;
	i = s->free[s->nfree - 1];
	if (s->room[i] < len) {
		u32 room = round_up_pow2(max_u32(len, SLOT_MIN));

		free(s->at[i]);
		s->at[i] = malloc(room);
		s->room[i] = s->at[i] ? room : 0;
		if (!s->at[i])
			return NULL;
	}
	s->nfree--;
	f->slot = i + 1;
	f->data = s->at[i];
	p->wire.release = release; /* set with the first slot: until then frames need no release */
	return s->at[i];
}

void pcap_slots_free(struct pcap_wire *p)
{
	for (u32 i = 0; i < p->slots.n; i++)
		free(p->slots.at[i]);
	free(p->slots.at);
	free(p->slots.room);
	free(p->slots.free);
}

u8 *pcap_own(struct wire *w, struct frame *f)
{
	const u8 *data = f->data;
	u8 *own;

	if (f->slot)
		return (u8 *)(uintptr_t)data;
	own = pcap_slot(container_of(w, struct pcap_wire, wire), f, f->len);
	return own ? memcpy(own, data, f->len) : NULL;
}

/* ---- GSO frames ---- */

/* Find BIG TCP's hop-by-hop header, which holds the length and which a card removes. Return: its bytes; 0: it has none */
static u32 jumbo_header(const u8 *ip, u32 left)
{
	static const u8 header[JUMBOH_PAYLOAD] = { IPPROTO_TCP, 0, IPV6_TLV_JUMBO, 4 };

	if (ip_version(ip) != 6 || left < IPV6_HLEN + JUMBO_HLEN || load16(ip + IPV6H_PAYLOAD_LEN) ||
	    ip[IPV6H_NEXTHDR] != IPPROTO_HOPOPTS || memcmp(ip + IPV6_HLEN, header, sizeof(header)) != 0)
		return 0;
	return be32(ip + IPV6_HLEN + JUMBOH_PAYLOAD) == left - IPV6_HLEN ? JUMBO_HLEN : 0;
}

/* Copy the frame's headers to p->gso_head, without a jumbo header. Return: bytes there */
static u32 take_head(struct pcap_wire *p, const u8 *data, u32 len, u32 ip, u32 jumbo)
{
	u32 n = min_u32(len - jumbo, PCAP_HEAD_MAX), front = jumbo ? ip + IPV6_HLEN : n;

	memcpy(p->gso_head, data, front);
	if (jumbo) {
		p->gso_head[ip + IPV6H_NEXTHDR] = data[ip + IPV6_HLEN + EXTH_NEXTHDR];
		memcpy(p->gso_head + front, data + front + jumbo, n - front);
	}
	return n;
}

/* Find the TCP header in the have bytes of headers. The IP length must be right, or 0.
 * Return: false: this is not a TCP packet that can be cut */
static bool find_tcp(struct gso *g, const u8 *head, u32 have)
{
	const u8 *ip = head + g->ip;
	u32 said, left = have - g->ip, off, next_off;
	u8 next = ip[IPH_PROTOCOL];

	if (ip_version(ip) == 4) {
		said = be16(ip + IPH_TOT_LEN);
		off = ip_hdrlen(ip);
		if (off < IP_HLEN || load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET))
			return false;
	} else {
		if (ip_version(ip) != 6 || left < IPV6_HLEN)
			return false;
		said = be16(ip + IPV6H_PAYLOAD_LEN);
		said += said ? IPV6_HLEN : 0;
		off = frame_ipv6_transport(ip, left, &next);
	}
	next_off = off + TCP_HLEN;
	if (!off || next != IPPROTO_TCP || next_off > left || (said && said != g->len - g->ip))
		return false;
	g->l4 = g->ip + off;
	g->head = g->l4 + tcp_hdrlen(head + g->l4);
	return g->head <= have && !(head[g->l4 + TCPH_FLAGS] & (TCPHDR_SYN | TCPHDR_RST));
}

/* Was this frame left to a card, or merged by a receiver? Then its checksum is the pseudo header's sum, with the length or
 * (LSO) without; or the frame is longer than any wire carries. */
static bool was_never_on_a_wire(const struct gso *g, const u8 *head)
{
	const u8 *ip = head + g->ip;
	u32 version = ip_version(ip);
	u16 have = load16(head + g->l4 + TCPH_CHECK);

	if (g->len - g->ip > JUMBO_MAX || !load16(version == 4 ? ip + IPH_TOT_LEN : ip + IPV6H_PAYLOAD_LEN))
		return true;
	return csum_is_pseudo(have, ip, (int)version, g->len - g->l4, IPPROTO_TCP);
}

int pcap_gso_begin(struct pcap_wire *p, const struct frame *f)
{
	u32 mtu = p->wire.capture_mtu, ip = gso_ip_offset(f->data, f->len), jumbo, have;
	struct gso g = { .ip = ip, .tcp = 1 };

	if (p->wire.strict_csum || f->flags & FRAME_CUT || !ip || ip > ETH_HLEN + VLAN_HLEN * TAGS_MAX ||
	    f->len - ip <= mtu)
		return 0;
	jumbo = jumbo_header(f->data + ip, f->len - ip);
	g.len = f->len - jumbo;
	have = take_head(p, f->data, f->len, ip, jumbo);
	if (!find_tcp(&g, p->gso_head, have) || !was_never_on_a_wire(&g, p->gso_head))
		return 0;
	if (g.head - ip >= mtu)
		return 0;
	g.size = mtu - (g.head - ip);
	g.at = g.head;
	if (!gso_fits(&g, UINT32_MAX) || g.len - g.head <= g.size)
		return 0;
	p->gso = g;
	p->gso_frame = f->data + jumbo;
	p->gso_slot = f->slot;
	p->gso_bytes += f->len;
	p->gso_frames++;
	return 1;
}

void pcap_gso_end(struct pcap_wire *p)
{
	p->gso.at = 0;
	if (p->gso_slot)
		p->slots.free[p->slots.nfree++] = p->gso_slot - 1;
	p->gso_slot = 0;
}

int pcap_gso_next(struct pcap_wire *p, struct frame *f)
{
	struct gso *g = &p->gso;
	u8 *to = pcap_slot(p, f, g->head + g->size);

	if (!to) {
		pcap_fail(p, "no memory for a segment of frame %llu", (unsigned long long)p->nframe);
		return -ENOMEM;
	}
	f->len = f->wire_len = gso_next(g, p->gso_head, p->gso_frame, to);
	f->flags = 0;
	f->head = f->gso = 0;
	f->t_ns = p->stamp_ns;
	p->gso_segments++;
	p->gso_segment_bytes += f->len;
	if (g->at == g->len)
		pcap_gso_end(p);
	return 1;
}
