/* pcapng.c - make pcapng blocks of what a tap sees. Called by capture.c. Format: draft-ietf-opsawg-pcapng
 *
 * One section, an interface per tapped point, an enhanced packet block per packet. A block has the VLAN tag put back as
 * libpcap does, the receive queue (epb_queue), and the id of the packet's first frame (epb_packetid, the same at all
 * points). One comment tells the packet's fate and the frames that GRO merged into it; another the faults on purpose that hit
 * it; another by how much its stamp is late. The bytes of a packet that has its fate are those still in its buffers: from the Ethernet header on, without
 * padding.
 */
#include "prelude.h"

#include <stdio.h>

#define FRAMES_SHOWN 16 /* of a merged packet, in its comment */

enum { IF_NAME = 2, IF_TSRESOL = 9, OPT_COMMENT = 1, EPB_FLAGS = 2, EPB_PACKETID = 5, EPB_QUEUE = 6 };

static void put(struct capture_batch *b, const void *from, u32 len)
{
	memcpy(b->buf + b->used, from, len);
	b->used += len;
}

static void put32(struct capture_batch *b, u32 v)
{
	put(b, &v, 4);
}

static void pad4(struct capture_batch *b)
{
	while (b->used & 3)
		b->buf[b->used++] = 0;
}

static void put_option(struct capture_batch *b, u16 code, const void *value, u32 len)
{
	put32(b, code | len << 16);
	put(b, value, len);
	pad4(b);
}

/* A block begins with its type and length, and ends with the length again. */
static u64 block_begin(struct capture_batch *b, u32 type)
{
	u64 at = b->used;

	put32(b, type);
	put32(b, 0);
	return at;
}

static void block_end(struct capture_batch *b, u64 at)
{
	u32 len = (u32)(b->used - at) + 4;

	memcpy(b->buf + at + PCAPNG_LENGTH, &len, 4);
	put32(b, len);
}

static void interface(struct capture_batch *b, const char *ifname, const char *point)
{
	u64 at = block_begin(b, PCAPNG_INTERFACE);
	u8 nanoseconds = 9;
	char name[128];

	put32(b, LINKTYPE_ETHERNET); /* and 16 reserved bits */
	put32(b, PCAPNG_SNAPLEN);
	snprintf(name, sizeof(name), "%s %s", ifname, point);
	put_option(b, IF_NAME, name, (u32)strlen(name));
	put_option(b, IF_TSRESOL, &nanoseconds, 1);
	put32(b, 0);
	block_end(b, at);
}

/* Append the section header and an interface block for each tapped point. */
void pcapng_headers(struct capture *c, const char *ifname)
{
	static const char *const name[POINTS] = { "wire", "nic", "gro", "stack" };
	struct capture_batch *b = c->filling;
	u64 at = block_begin(b, PCAPNG_SECTION);
	u32 n = 0;

	put32(b, PCAPNG_BYTE_ORDER);
	put32(b, 1); /* version 1.0 */
	put32(b, UINT32_MAX); /* the section's length is not known */
	put32(b, UINT32_MAX);
	block_end(b, at);
	for (u32 point = 0; point < POINTS; point++) {
		if (!(c->points >> point & 1))
			continue;
		c->interface[point] = n++;
		interface(b, ifname, name[point]);
	}
}

/* ---- an skb ---- */

/* Return: bytes in the first buffer from the Ethernet header on. The protocols move data on, but leave the bytes
 * there. */
static u32 head_bytes(const struct sk_buff *skb)
{
	return (u32)(skb->data + skb->head_len - skb_mac_header(skb));
}

static u32 skb_bytes(const struct sk_buff *skb)
{
	u32 len = head_bytes(skb) + (skb->flags & SKB_TAGGED ? VLAN_HLEN : 0);

	for (const struct sk_buff *piece = skb->frag_list; piece; piece = piece->next)
		len += piece->head_len;
	return len;
}

static void put_skb(struct capture_batch *b, const struct sk_buff *skb, u32 kept)
{
	const u8 *mac = skb_mac_header(skb);
	u32 left = kept, head = head_bytes(skb), n;

	if (skb->flags & SKB_TAGGED) {
		skb_tagged_header(skb, b->buf + b->used);
		b->used += ETH_HLEN + VLAN_HLEN;
		left -= ETH_HLEN + VLAN_HLEN;
		mac += ETH_HLEN;
		head -= ETH_HLEN;
	}
	n = min_u32(left, head);
	put(b, mac, n);
	left -= n;
	for (const struct sk_buff *piece = skb->frag_list; piece && left; piece = piece->next, left -= n) {
		n = min_u32(left, piece->head_len);
		put(b, piece->data, n);
	}
}

/* Print "3 frames: 1448 1448 900", the payload of each frame. Return: characters */
static u32 put_frames(char *to, u32 room, const struct sk_buff *skb)
{
	u32 n = (u32)snprintf(to, room, "%u frames:", skb->segs), shown = 0, len = skb->gso_size;

	for (const struct sk_buff *piece = skb->frag_list; shown < FRAMES_SHOWN; piece = piece->next) {
		if (piece && !piece->segs) { /* of a frame that spans buffers; gso_size has the first frame's length */
			len += shown ? piece->head_len : 0;
			continue;
		}
		n += (u32)snprintf(to + n, room - n, " %u", len);
		shown++;
		if (!piece)
			return n;
		len = piece->head_len;
	}
	return n + (u32)snprintf(to + n, room - n, " ...");
}

/* ---- a packet ---- */

static u32 comment(const struct capture *c, const struct packet_seen *p, char *to, u32 room)
{
	bool merged = p->skb && p->skb->segs > 1 && p->skb->frag_list;
	u32 n = 0;

	if (p->fate >= 0 && c->verdicts)
		n = (u32)snprintf(to, room, "%s%s", c->verdicts[p->fate], merged ? "; " : "");
	if (merged)
		n += put_frames(to + n, room - n, p->skb);
	return n;
}

/* Print "fault: dma-flip, used-len". Return: characters */
static u32 put_faults(const struct capture *c, u32 faults, char *to, u32 room)
{
	u32 n = 0;

	for (u32 i = 0; i < FAULTS && n < room; i++)
		if (faults >> i & 1)
			n += (u32)snprintf(to + n, room - n, "%s%s", n ? ", " : "fault: ", c->verdicts[FATE_MAX + i]);
	return min_u32(n, room - 1);
}

/* Is the queue known? Not if the card dropped the frame before RSS. */
static bool has_queue(const struct packet_seen *p)
{
	return p->skb || p->fate < 0 || p->fate == FIFO_OVERRUN || p->fate == RX_OVER || p->fate == RX_NO_BUFFER;
}

static u32 packet_bytes(const struct packet_seen *p)
{
	return p->skb ? skb_bytes(p->skb) : p->frame->len;
}

/* Return: bytes that the block for p takes at most */
u32 pcapng_room(const struct packet_seen *p)
{
	return 32 + min_u32(packet_bytes(p), PCAPNG_SNAPLEN) + 3 + PCAPNG_OPTIONS_MAX;
}

/* Append the fate to a block of len bytes, as its last option. The caller has PCAPNG_OPTIONS_MAX bytes of room behind
 * it.
 * Return: the block's new length */
u32 pcapng_add_fate(const struct capture *c, u8 *block, u32 len, int fate)
{
	struct capture_batch b = { .buf = block, .used = len - 8 }; /* without the end-of-options mark and the length */

	if (!c->verdicts)
		return len;
	put_option(&b, OPT_COMMENT, c->verdicts[fate], (u32)strlen(c->verdicts[fate]));
	put32(&b, 0);
	block_end(&b, 0);
	return (u32)b.used;
}

/* Tell by how much the stamp is late. */
static void put_delay(struct capture_batch *b, u64 ns)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "stamped %llu ns late", (unsigned long long)ns);

	put_option(b, OPT_COMMENT, text, (u32)n);
}

/* Append a block for p, stamped t (ns since the epoch). The caller has checked pcapng_room(). */
void pcapng_packet(struct capture *c, const struct packet_seen *p, u64 t)
{
	struct capture_batch *b = c->filling;
	u32 len = packet_bytes(p), kept = min_u32(len, PCAPNG_SNAPLEN), queue, n;
	char text[PCAPNG_OPTIONS_MAX - 112]; /* all names of faults together have 250 characters */
	const u32 outbound = 2;
	u64 at = block_begin(b, PCAPNG_PACKET), id;

	put32(b, c->interface[p->point]);
	put32(b, (u32)(t >> 32));
	put32(b, (u32)t);
	put32(b, kept);
	put32(b, p->skb ? len : p->frame->wire_len);
	if (p->skb) {
		const u64 *ids = smp_load_acquire(&p->skb->pool->frame_id); /* Pairs with rx_pool_keep_ids(). */

		put_skb(b, p->skb, kept);
		queue = p->skb->queue;
		id = ids ? ids[p->skb->id] : 0;
	} else {
		put(b, p->frame->data, kept);
		queue = p->frame->queue;
		id = p->frame->id;
	}
	pad4(b);
	if (unlikely(t > c->base_ns + p->t_ns))
		put_delay(b, t - c->base_ns - p->t_ns);
	n = comment(c, p, text, sizeof(text));
	if (unlikely(p->faults && c->verdicts)) /* such a frame is at POINT_NIC, and has no other comment */
		n = put_faults(c, p->faults, text, sizeof(text));
	if (n)
		put_option(b, OPT_COMMENT, text, n);
	if (id)
		put_option(b, EPB_PACKETID, &id, sizeof(id));
	if (p->frame && p->frame->flags & FRAME_SENT)
		put_option(b, EPB_FLAGS, &outbound, sizeof(outbound));
	else if (has_queue(p))
		put_option(b, EPB_QUEUE, &queue, sizeof(queue));
	put32(b, 0);
	block_end(b, at);
}
