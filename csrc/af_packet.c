/* af_packet.c - the tap: what an AF_PACKET socket sees of a packet, as a pcapng file. Linux: net/packet/af_packet.c
 *
 * After GRO and RPS, before the protocols: merged packets with the first segment's headers, packets for other hosts
 * too, nothing the card dropped, a VLAN's packets once. The stamp is the moment the packet left GRO (netdev_tstamp_prequeue=1). One section,
 * one interface, an enhanced packet block each; the VLAN tag is put back as libpcap does. When nobody captures this
 * costs one branch. Format: draft-ietf-opsawg-pcapng. The buffer is written to the file whenever it is full; after an
 * error nothing more is kept, and what is lost is counted.
 */
#include "prelude.h"

#include <unistd.h>

#define CAPTURE_BUF (1u << 20)
#define PACKET_MAX (1u << 18)

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

struct capture *capture_new(int fd, u64 base_ns, const char *ifname)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->base_ns = base_ns;
	c->size = CAPTURE_BUF;
	c->buf = malloc(CAPTURE_BUF);
	if (!c->buf || strlen(ifname) > 64) {
		capture_free(c);
		return NULL;
	}
	put_headers(c, ifname);
	return c;
}

/* Of what is in the buffer, the file took the first done bytes: how many packets did it not get whole? */
static u64 packets_lost(const struct capture *c, u64 done)
{
	u64 lost = 0;

	for (u64 at = 0; at < c->used; at += load32(c->buf + at + 4))
		lost += load32(c->buf + at) == 6 && at + load32(c->buf + at + 4) > done;
	return lost;
}

/* Return: 0, or -errno of the write that failed */
int capture_flush(struct capture *c)
{
	u64 done = 0;

	while (!c->error && done < c->used) {
		ssize_t n = write(c->fd, c->buf + done, c->used - done);

		if (n < 0 && errno != EINTR)
			c->error = -errno;
		if (n > 0)
			done += (u64)n;
		if (unlikely(c->error)) {
			u64 lost = packets_lost(c, done);

			COUNT(c->packets, -lost);
			COUNT(c->drops, lost);
		}
	}
	c->used = 0;
	return c->error;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	free(c->buf);
	free(c);
}

/* Return: 0, or -errno of the file */
static int put_packet(struct capture *c, const struct sk_buff *skb, u64 t)
{
	bool tagged = skb->flags & SKB_TAGGED;
	u32 len = skb->len + ETH_HLEN + (tagged ? 4 : 0), kept = min_u32(len, PACKET_MAX);
	u32 block = 32 + align_up(kept, 4);
	const u8 *mac = skb_mac_header(skb);
	u64 start;

	if (c->used + block > c->size)
		capture_flush(c);
	if (unlikely(c->error))
		return c->error;
	put32(c, 6); /* enhanced packet block */
	put32(c, block);
	put32(c, 0);
	put32(c, (u32)(t >> 32));
	put32(c, (u32)t);
	put32(c, kept);
	put32(c, len);
	start = c->used;
	if (tagged) {
		memcpy(c->buf + c->used, mac, 12);
		memcpy(c->buf + c->used + 12, &skb->vlan_proto, 2);
		c->buf[c->used + 14] = (u8)(skb->vlan_tci >> 8);
		c->buf[c->used + 15] = (u8)skb->vlan_tci;
		memcpy(c->buf + c->used + 16, &skb->protocol, 2);
		c->used += ETH_HLEN + 4;
	} else {
		memcpy(c->buf + c->used, mac, ETH_HLEN);
		c->used += ETH_HLEN;
	}
	c->used += skb_copy_bits(skb, 0, c->buf + c->used, kept - (u32)(c->used - start));
	pad4(c);
	put32(c, block);
	return 0;
}

void capture_skb(struct capture *c, const struct sk_buff *skb, u64 now)
{
	spin_lock(&c->lock);
	if (likely(put_packet(c, skb, c->base_ns + now) == 0)) {
		COUNT(c->packets, 1);
		COUNT(c->bytes, skb->len + ETH_HLEN);
	} else {
		COUNT(c->drops, 1);
	}
	spin_unlock(&c->lock);
}
