/* tap.c - a TAP device's file descriptors as a wire. Python opens and configures them (tap.py)
 *
 * A frame is read straight into a slot, and the slot is the FIFO's memory: it is given back when the frame has left the
 * FIFO. There are more slots than the FIFO can hold frames, plus a burst, so the wire is read whether or not there is
 * room behind it: what is lost is lost by the card and counted there, never hidden in the kernel's queue.
 *
 * With virtio headers (tap_vnet.c) a read may bring 64 KB of one flow, which is cut into frames of the MTU here, at the wire.
 *
 * A TAP with several queues (multi_queue) has a file descriptor for each. They are lanes of one wire, read in turn; which
 * of the card's queues a frame goes to is RSS's to say, whatever lane it came on.
 */
#include "prelude.h"

#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "virtio 1.2 section 5.1.6");

#define TAP_BIG (sizeof(struct virtio_net_hdr_v1) + TX_FRAME_MAX)
#define LANE_BURST 16 /* a quarter of a burst: a busy lane keeps none waiting for long */

static void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	t->free[t->nfree++] = f->slot;
}

static u8 *next_slot(const struct tap_wire *t)
{
	return t->slots + (u64)t->free[t->nfree - 1] * t->slot_size;
}

static void fill(struct tap_wire *t, struct frame *f, u32 len)
{
	f->data = next_slot(t);
	f->slot = t->free[--t->nfree];
	f->len = f->wire_len = len;
	f->flags = 0;
	f->t_ns = t->now;
}

/* Segments of the GSO frame that was read last, as far as there is room. Return: how many */
static int cut(struct tap_wire *t, struct frame *f, int max)
{
	int n = 0;
	u32 len;

	while (n < max && t->nfree && (len = tap_vnet_next(t, next_slot(t))) > 0)
		fill(t, &f[n++], len);
	return n;
}

/* A virtio header and a frame, in t->big: what is not cut is copied to its slot, which costs less than readv() does. */
static int take_vnet(struct tap_wire *t, struct frame *f, int max, u32 len)
{
	u8 *frame = t->big + sizeof(struct virtio_net_hdr_v1);
	u32 kept;
	int rc;

	if (len <= sizeof(struct virtio_net_hdr_v1))
		return 0;
	len -= (u32)sizeof(struct virtio_net_hdr_v1);
	rc = tap_vnet_begin(t, (const void *)t->big, frame, len);
	if (rc == 1)
		return cut(t, f, max);
	COUNT(t->bad_vnet, rc < 0); /* the card sees it as it is */
	kept = min_u32(len, t->slot_size);
	COUNT(t->over, len > kept);
	memcpy(next_slot(t), frame, kept);
	fill(t, f, kept);
	return 1;
}

/* A read of this lane. Return: frames (a GSO frame becomes several), 0: it is dry, -errno */
static int lane_read(struct tap_wire *t, struct tap_lane *lane, struct frame *f, int max)
{
	bool vnet = t->wire.vnet;
	ssize_t len;

	do { /* read() is a point where threads can be cancelled: 20 ns more */
		len = syscall(SYS_read, lane->fd, vnet ? t->big : next_slot(t), vnet ? TAP_BIG : t->slot_size);
		COUNT(lane->reads, 1);
	} while (len < 0 && errno == EINTR);
	if (len <= 0)
		return len < 0 && errno != EAGAIN ? -errno : 0;
	if (vnet)
		return take_vnet(t, f, max, (u32)len);
	COUNT(t->over, (u32)len == t->slot_size); /* longer than a slot: cut */
	fill(t, f, (u32)len);
	return 1;
}

/* From lane to lane, at most LANE_BURST frames from each, until the burst is full or all lanes in a row are dry. */
static int tap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	u32 dry = 0;
	int n;

	t->now = clock_ns();
	n = cut(t, f, max);

	while (n < max && t->nfree && dry < t->nlanes) {
		struct tap_lane *lane = &t->lane[t->turn];
		int got = 0, rc = 1;

		while (got < LANE_BURST && n + got < max && t->nfree &&
		       (rc = lane_read(t, lane, &f[n + got], max - n - got)) > 0)
			got += rc;
		COUNT(lane->frames, (u64)got);
		n += got;
		if (unlikely(rc < 0))
			return n ? n : rc; /* after the frames, this lane's error comes again */
		dry = rc ? 0 : dry + 1;
		if (++t->turn == t->nlanes)
			t->turn = 0;
	}
	return n ? n : t->hung_up ? -EBADFD : -EAGAIN;
}

/* The kernel remembers on which queue it last saw a flow, and sends its other direction there: so a flow has a lane. */
static const struct tap_lane *lane_of(const struct tap_wire *t, const u8 *frame)
{
	u32 flow = load32(frame + 26) ^ load32(frame + 30) ^
		   load32(frame + 34); /* IPv4 addresses and ports; IPv6's, parts */

	return &t->lane[t->nlanes > 1 ? hash_32(flow, 16) % t->nlanes : 0];
}

static int tap_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	int fd = lane_of(t, frame)->fd;
	ssize_t n;

	(void)t_ns;
	if (wire->vnet) { /* the same header, without what is said about a hash */
		frame -= sizeof(struct virtio_net_hdr_v1);
		len += (u32)sizeof(struct virtio_net_hdr_v1);
		memcpy(frame, hdr, sizeof(struct virtio_net_hdr_v1));
	}
	do {
		n = write(fd, frame, len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOMEM ? -ENOBUFS : -errno;
}

struct tap_wire *tap_wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots, int vnet)
{
	struct tap_wire *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->wire.read_burst = tap_read_burst;
	t->wire.release = tap_release;
	t->wire.write = tap_write;
	t->wire.kind = WIRE_TAP;
	t->wire.live = 1;
	t->wire.vnet = vnet != 0;
	t->nlanes = min_u32(nlanes, TAP_LANES_MAX);
	for (u32 i = 0; i < t->nlanes; i++)
		t->lane[i].fd = fds[i];
	t->slot_size = align_up(slot_size, 64);
	t->nslots = nslots;
	t->slots = malloc((u64)t->slot_size * nslots);
	t->free = malloc(nslots * sizeof(*t->free));
	t->big = vnet ? malloc(TAP_BIG) : NULL;
	if (!t->slots || !t->free || (vnet && !t->big)) {
		tap_wire_free(t);
		return NULL;
	}
	for (u32 i = 0; i < nslots; i++)
		t->free[i] = nslots - 1 - i;
	t->nfree = nslots;
	return t;
}

void tap_wire_free(struct tap_wire *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t->free);
	free(t->big);
	free(t);
}
