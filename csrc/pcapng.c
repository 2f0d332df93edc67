/* pcapng.c - what a tap saw, as a pcapng file
 *
 *   netif_receive_skb.c -> af_packet.c packet_taps_skb() -> capture_packet(): a block in memory -> the file
 *
 * One section, one interface, an enhanced packet block each; the VLAN tag is put back as libpcap does. Format:
 * draft-ietf-opsawg-pcapng.
 *
 * The file is in the order of stamps, though CPUs come here in turns and a backlog may hold a packet for a while: blocks
 * are sorted in the buffer, and of a full one only the older half is written. What comes later than that is counted
 * (late). After an error of the file nothing more is kept, and what is lost is counted.
 */
#include "prelude.h"

#include <unistd.h>

#define CAPTURE_BUF (1u << 21)
#define PACKET_MAX (1u << 18)
#define BLOCK_MIN 48 /* 32 bytes around an Ethernet header */

static void put32(struct capture *c, u32 v)
{
	memcpy(c->buf + c->used, &v, 4);
	c->used += 4;
}

static void put16(struct capture *c, u16 v)
{
	memcpy(c->buf + c->used, &v, 2);
	c->used += 2;
}

static void pad4(struct capture *c)
{
	while (c->used & 3)
		c->buf[c->used++] = 0;
}

static void put_option(struct capture *c, u16 code, const void *value, u32 len)
{
	put16(c, code);
	put16(c, (u16)len);
	memcpy(c->buf + c->used, value, len);
	c->used += len;
	pad4(c);
}

static void put_headers(struct capture *c, const char *ifname)
{
	u32 name = (u32)strlen(ifname), idb;
	u8 nanoseconds = 9;

	put32(c, 0x0a0d0d0a); /* section header block */
	put32(c, 28);
	put32(c, 0x1a2b3c4d);
	put16(c, 1);
	put16(c, 0);
	put32(c, 0xffffffff);
	put32(c, 0xffffffff);
	put32(c, 28);
	idb = 16 + (4 + align_up(name, 4)) + 8 + 4 + 4; /* fixed part, name, tsresol, end of options, length */
	put32(c, 1); /* interface description block */
	put32(c, idb);
	put16(c, 1); /* LINKTYPE_ETHERNET */
	put16(c, 0);
	put32(c, PACKET_MAX);
	put_option(c, 2, ifname, name);
	put_option(c, 9, &nanoseconds, 1);
	put32(c, 0);
	put32(c, idb);
}

static void add_slot(struct capture *c, u64 t, u64 off)
{
	u32 i = c->nslots++;

	for (; i > 0 && c->slot[i - 1].t > t; i--) /* mostly none: CPUs are hardly ever apart by much */
		c->slot[i] = c->slot[i - 1];
	c->slot[i] = (struct capture_slot){ .t = t, .off = (u32)off, .len = (u32)(c->used - off) };
}

/* Of the first n blocks, in order, the file took so many bytes: how many packets did it not get whole? */
static u64 packets_lost(const struct capture *c, u32 n, u64 done)
{
	u64 lost = 0, at = 0;

	for (u32 i = 0; i < n; i++) {
		at += c->slot[i].len;
		lost += load32(c->buf + c->slot[i].off) == 6 && at > done;
	}
	return lost;
}

/* Put the blocks from .. to - 1 into spare, one behind the other. Return: bytes */
static u64 gather(struct capture *c, u32 from, u32 to)
{
	u64 at = 0;

	for (u32 i = from; i < to; i++) {
		memcpy(c->spare + at, c->buf + c->slot[i].off, c->slot[i].len);
		at += c->slot[i].len;
	}
	return at;
}

/* Write the n oldest blocks; the rest moves to the buffer's start. Return: 0, or -errno of the write that failed */
static int write_oldest(struct capture *c, u32 n)
{
	u64 size = gather(c, 0, n), done = 0, at = 0;
	u8 *old = c->buf;

	while (!c->error && done < size) {
		ssize_t rc = write(c->fd, c->spare + done, size - done);

		if (rc < 0 && errno != EINTR)
			c->error = -errno;
		if (rc > 0)
			done += (u64)rc;
	}
	if (unlikely(c->error)) {
		u64 lost = packets_lost(c, c->nslots, done); /* those behind them are lost too */

		COUNT(c->packets, -lost);
		COUNT(c->drops, lost);
		n = c->nslots;
	}
	c->used = gather(c, n, c->nslots);
	for (u32 i = n; i < c->nslots; i++) {
		c->slot[i - n] = (struct capture_slot){ c->slot[i].t, (u32)at, c->slot[i].len };
		at += c->slot[i].len;
	}
	c->nslots -= n;
	c->buf = c->spare;
	c->spare = old;
	return c->error;
}

/* The buffer is full: the older half goes. What came up late from another CPU still finds its place in the other. */
static void write_half(struct capture *c)
{
	u64 size = 0;
	u32 n = 0;

	while (n < c->nslots && size < c->used / 2)
		size += c->slot[n++].len;
	if (n)
		c->written = c->slot[n - 1].t;
	write_oldest(c, n);
}

int capture_flush(struct capture *c)
{
	return write_oldest(c, c->nslots);
}

static void free_all(struct capture *c)
{
	free(c->buf);
	free(c->spare);
	free(c->slot);
	free(c);
}

/* Return: 0, or -errno of the file */
static int put_packet(struct capture *c, const struct sk_buff *skb, u64 t)
{
	bool tagged = skb->flags & SKB_TAGGED;
	u32 len = skb->len + ETH_HLEN + (tagged ? 4 : 0), kept = min_u32(len, PACKET_MAX);
	u32 block = 32 + align_up(kept, 4);
	const u8 *mac = skb_mac_header(skb);
	u64 start, begin;

	if (c->used + block > c->size)
		write_half(c);
	if (unlikely(c->error))
		return c->error;
	begin = c->used;
	c->late += t < c->written;
	put32(c, 6); /* enhanced packet block */
	put32(c, block);
	put32(c, 0);
	put32(c, (u32)(t >> 32));
	put32(c, (u32)t);
	put32(c, kept);
	put32(c, len);
	start = c->used;
	if (tagged) {
		skb_tagged_header(skb, c->buf + c->used);
		c->used += ETH_HLEN + 4;
	} else {
		memcpy(c->buf + c->used, mac, ETH_HLEN);
		c->used += ETH_HLEN;
	}
	c->used += skb_copy_bits(skb, 0, c->buf + c->used, kept - (u32)(c->used - start));
	pad4(c);
	put32(c, block);
	add_slot(c, t, begin);
	return 0;
}

static void capture_packet(struct packet_tap *t, const struct tap_packet *p)
{
	struct capture *c = container_of(t, struct capture, tap);

	spin_lock(&c->lock);
	if (likely(put_packet(c, p->skb, c->base_ns + p->t_ns) == 0)) {
		COUNT(c->packets, 1);
		COUNT(c->bytes, p->skb->len + ETH_HLEN);
	} else {
		COUNT(c->drops, 1);
	}
	spin_unlock(&c->lock);
}

struct capture *capture_new(struct host *h, int fd, u64 base_ns, const char *ifname)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->base_ns = base_ns;
	c->size = CAPTURE_BUF;
	c->buf = malloc(CAPTURE_BUF);
	c->spare = malloc(CAPTURE_BUF);
	c->slot = malloc((CAPTURE_BUF / BLOCK_MIN + 1) * sizeof(*c->slot));
	if (!c->buf || !c->spare || !c->slot || strlen(ifname) > 64) {
		free_all(c);
		return NULL;
	}
	put_headers(c, ifname);
	add_slot(c, 0, 0);
	c->tap.func = capture_packet;
	packet_tap_add(h, &c->tap, TAP_GRO);
	return c;
}

void capture_free(struct host *h, struct capture *c)
{
	packet_tap_del(h, &c->tap, TAP_GRO);
	free_all(c);
}
