/* vhost_port.c - a port of a foreign back-end (DPDK's net_vhost, Open vSwitch) as a wire: the front-end's half of vhost-user
 *
 *   the back-end fills a receive buffer -> port_read(): a virtio header and a frame, as a TAP's read(2) returns them -> wire/tap.c
 *   the card sends -> port_write(): copied to a sending buffer -> the back-end empties it
 *
 * Rings and buffers lie in one sealed memfd, which the back-end maps. It is another process and may write there at any time, so
 * port_read() copies header and frame once, to memory of the wire's own, and all checks are made there. What the rings' driver
 * decides on it keeps in private memory (ring/virtqueue.c).
 *
 * A back-end that names a descriptor which is not posted has broken the ring. The card's thread then writes to hang_fd, and
 * Python ends the connection. Another back-end gets the same memory with empty rings.
 */
#include "device.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define HDR ((u32)sizeof(struct virtio_net_hdr_v1))
#define PUBLISH 32u /* receive buffers that go back to the back-end together */
#define PAGE 4096u

static struct vhost_port *of(struct tap_port *port)
{
	return container_of(port, struct vhost_port, port);
}

/* ---- where things are ---- */

static u32 page_up(u64 bytes)
{
	return align_up((u32)bytes, PAGE);
}

static u64 ring_bytes(void)
{
	return page_up(virtq_desc_bytes(PORT_RING)) + page_up(virtq_avail_bytes(PORT_RING)) +
	       page_up(virtq_used_bytes(PORT_RING));
}

struct port_ring vhost_port_ring(const struct vhost_port *p, u32 ring)
{
	u64 desc = PORT_BUS + p->ring_at + ring * ring_bytes(), avail = desc + page_up(virtq_desc_bytes(PORT_RING));

	return (struct port_ring){ desc, avail, avail + page_up(virtq_avail_bytes(PORT_RING)) };
}

static u64 rx_bus(const struct vhost_port *p, u32 lane)
{
	return PORT_BUS + p->rx_at + (u64)lane * PORT_RING * PORT_RX_BUF;
}

static u64 tx_bus(const struct vhost_port *p, u32 lane, u32 buf)
{
	return PORT_BUS + p->tx_at + ((u64)lane * PORT_RING + buf) * p->tx_len;
}

static u8 *mapped(const struct vhost_port *p, u64 bus)
{
	return p->memory.base + (bus - PORT_BUS);
}

/* ---- receiving ---- */

/* Show the back-end what was posted. */
static void publish(struct port_lane *lane)
{
	lane->posted = 0;
	if (!virtqueue_kick_prepare(&lane->rx))
		return;
	COUNT(lane->kicks, 1);
	event_signal(lane->kick[0]);
}

static void repost(const struct vhost_port *p, struct port_lane *lane, u32 buf)
{
	u64 bus = rx_bus(p, (u32)(lane - p->lane)) + (u64)buf * PORT_RX_BUF;

	virtqueue_add_inbuf(&lane->rx, bus, PORT_RX_BUF, buf);
	if (++lane->posted >= PUBLISH)
		publish(lane);
}

static noinline void broke(struct vhost_port *p)
{
	COUNT(p->bad_used, 1);
	event_signal(p->hang_fd);
}

/* Take one used buffer, and post it again. Return: false: the ring has none. *at: grows by the bytes that were copied */
static bool take_piece(struct vhost_port *p, struct port_lane *lane, u8 *to, u32 room, u32 *at)
{
	u32 desc, len, n;
	int buf = virtqueue_get_buf(&lane->rx, &desc, &len);

	if (buf < 0) {
		if (unlikely(buf == -EIO))
			broke(p);
		return false;
	}
	len = min_u32(len, PORT_RX_BUF);
	n = min_u32(len, room - *at);
	COUNT(p->too_long, n < len);
	memcpy(to + *at, mapped(p, rx_bus(p, (u32)(lane - p->lane)) + (u64)(u32)buf * PORT_RX_BUF), n);
	repost(p, lane, (u32)buf);
	*at += n;
	return true;
}

static void take_pieces(struct vhost_port *p, struct port_lane *lane, u32 pieces, u8 *buf, u32 *at, u32 len)
{
	while (--pieces)
		if (unlikely(!take_piece(p, lane, buf, len, at))) { /* it promised more buffers than it filled */
			COUNT(p->bad_used, 1);
			return;
		}
}

static int port_read(struct tap_port *port, u32 nth, u8 *buf, u32 len)
{
	struct vhost_port *p = of(port);
	struct port_lane *lane = &p->lane[nth];
	const struct virtio_net_hdr_v1 *h = (const void *)buf;
	u32 at;

	if (unlikely(!p->attached))
		return 0;
	for (;;) {
		at = 0;
		if (!take_piece(p, lane, buf, len, &at))
			return 0;
		if (likely(at >= HDR + ETH_HLEN))
			break;
		COUNT(p->bad_used, 1); /* no frame: the back-end gave the buffer back */
	}
	if (unlikely(lane->armed)) {
		lane->armed = 0;
		virtqueue_disable_cb(&lane->rx);
	}
	if (unlikely(h->num_buffers > 1))
		take_pieces(p, lane, min_u32(h->num_buffers, PORT_RING), buf, &at, len);
	COUNT(lane->taken, 1);
	return (int)at;
}

/* All lanes were dry: let the back-end signal from now on. It may have written since: look again. */
static int port_more(struct tap_port *port)
{
	struct vhost_port *p = of(port);
	int more = 0;

	if (!p->attached)
		return 0;
	for (u32 i = 0; i < p->nlanes; i++) {
		struct port_lane *lane = &p->lane[i];

		publish(lane);
		lane->armed = 1;
		more |= virtqueue_enable_cb(&lane->rx);
	}
	return more;
}

static void port_woken(struct tap_port *port, u32 nth)
{
	struct port_lane *lane = &of(port)->lane[nth];

	COUNT(lane->calls, 1);
	event_drain(lane->call);
}

/* ---- sending ---- */

static void reclaim(struct vhost_port *p, struct port_lane *lane)
{
	u32 desc, len;
	int buf;

	while ((buf = virtqueue_get_buf(&lane->tx, &desc, &len)) >= 0)
		lane->tx_free[lane->tx_nfree++] = (u32)buf;
	if (unlikely(buf == -EIO))
		broke(p);
}

/* The card has completed the checksum: the header asks for nothing. */
static int port_write(struct tap_port *port, u32 nth, const u8 *frame, u32 len)
{
	struct vhost_port *p = of(port);
	struct port_lane *lane = &p->lane[nth];
	u32 bytes = HDR + len, buf;
	u64 bus;

	if (!p->attached)
		return -ENETDOWN;
	if (bytes > p->tx_len)
		return -EMSGSIZE;
	reclaim(p, lane);
	if (!lane->tx_nfree)
		return -ENOBUFS;
	buf = lane->tx_free[--lane->tx_nfree];
	bus = tx_bus(p, nth, buf);
	memset(mapped(p, bus), 0, HDR);
	memcpy(mapped(p, bus) + HDR, frame, len);
	virtqueue_add_outbuf(&lane->tx, &bus, &bytes, 1, buf);
	COUNT(lane->sent, 1);
	if (virtqueue_kick_prepare(&lane->tx)) {
		COUNT(lane->kicks, 1);
		event_signal(lane->kick[1]);
	}
	return 0;
}

static void port_files(const struct tap_port *port, struct file_set *files)
{
	const struct vhost_port *p = container_of(port, struct vhost_port, port);

	for (u32 i = 0; i < p->nlanes; i++) {
		file_set_add(files, p->lane[i].kick[0]);
		file_set_add(files, p->lane[i].kick[1]);
	}
	file_set_add(files, p->hang_fd);
}

/* ---- a back-end comes and goes ---- */

/* Give the driver's half of a ring its first state, with all descriptors free. */
static void ring_empty(const struct vhost_port *p, struct virtqueue_driver *d, u32 ring, u8 event_idx)
{
	const struct port_ring at = vhost_port_ring(p, ring);

	d->desc = (void *)mapped(p, at.desc);
	d->avail = (void *)mapped(p, at.avail);
	d->used = (void *)mapped(p, at.used);
	memset(d->avail, 0, virtq_avail_bytes(PORT_RING));
	memset(d->used, 0, virtq_used_bytes(PORT_RING));
	d->last_used = d->avail_idx = d->kicked = d->used_seen = 0;
	d->broken = 0;
	d->event_idx = event_idx;
	d->nfree = PORT_RING;
	for (u32 i = 0; i < PORT_RING; i++) {
		d->free_desc[i] = (u16)(PORT_RING - 1 - i);
		d->desc_buf[i] = UINT32_MAX;
	}
}

void vhost_port_attach(struct vhost_port *p, int event_idx)
{
	event_drain(p->hang_fd);
	for (u32 i = 0; i < p->nlanes; i++) {
		struct port_lane *lane = &p->lane[i];

		ring_empty(p, &lane->rx, 2 * i, event_idx != 0);
		ring_empty(p, &lane->tx, 2 * i + 1, event_idx != 0);
		virtqueue_disable_cb(&lane->tx); /* port_write() reclaims */
		lane->tx_nfree = lane->posted = 0;
		for (u32 buf = PORT_RING; buf-- > 0;)
			lane->tx_free[lane->tx_nfree++] = buf;
		for (u32 buf = 0; buf < PORT_RING; buf++)
			repost(p, lane, buf);
		lane->armed = 1;
		virtqueue_enable_cb(&lane->rx);
	}
	p->attached = 1;
}

void vhost_port_detach(struct vhost_port *p)
{
	if (!p->attached)
		return;
	p->attached = 0;
	for (u32 i = 0; i < p->nlanes; i++) {
		reclaim(p, &p->lane[i]);
		COUNT(p->unsent, PORT_RING - p->lane[i].tx_nfree);
	}
}

void vhost_port_free(struct vhost_port *p)
{
	if (!p)
		return;
	for (u32 i = 0; i < p->nlanes; i++) {
		struct port_lane *lane = &p->lane[i];
		const int files[] = { lane->call, lane->kick[0], lane->kick[1] };

		for (u32 f = 0; f < ARRAY_SIZE(files); f++)
			if (files[f] >= 0)
				close(files[f]);
		virtqueue_driver_free(&lane->rx);
		virtqueue_driver_free(&lane->tx);
	}
	if (p->hang_fd >= 0)
		close(p->hang_fd);
	dma_exit(&p->memory);
	free(p);
}

static int lanes_init(struct vhost_port *p)
{
	int files = 0;

	for (u32 i = 0; i < p->nlanes; i++) {
		struct port_lane *lane = &p->lane[i];

		lane->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		lane->kick[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		lane->kick[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		files |= lane->call | lane->kick[0] | lane->kick[1]; /* of these only an error is negative */
		if (virtqueue_driver_init(&lane->rx, PORT_RING) < 0 || virtqueue_driver_init(&lane->tx, PORT_RING) < 0)
			return -ENOMEM;
	}
	p->hang_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return files < 0 || p->hang_fd < 0 ? -EMFILE : 0;
}

struct vhost_port *vhost_port_new(u32 nlanes, u32 mtu)
{
	struct vhost_port *p = nlanes <= PORT_LANES_MAX ? calloc(1, sizeof(*p)) : NULL;
	u64 rings = 2 * nlanes * ring_bytes(), rx = (u64)nlanes * PORT_RING * PORT_RX_BUF;

	if (!p)
		return NULL;
	p->port = (struct tap_port){ port_read, port_write, port_more, port_woken, port_files };
	p->nlanes = nlanes;
	p->tx_len = HDR + tap_slot_size(mtu);
	p->rx_at = rings;
	p->tx_at = rings + rx;
	p->hang_fd = p->memory.memfd = -1;
	for (u32 i = 0; i < nlanes; i++)
		p->lane[i].call = p->lane[i].kick[0] = p->lane[i].kick[1] = -1;
	if (lanes_init(p) < 0 || dma_init(&p->memory, page_up(p->tx_at + (u64)nlanes * PORT_RING * p->tx_len)) < 0) {
		vhost_port_free(p);
		return NULL;
	}
	return p;
}
