/* tap.c - a TAP device's file descriptors as a wire. Python opens and configures them (tap.py)
 *
 * A frame is read straight into a slot, and the slot is the FIFO's memory: it is given back when the frame has left the
 * FIFO. There are more slots than the FIFO can hold frames, plus a burst, so the wire is read whether or not there is
 * room behind it: what is lost is lost by the card and counted there, never hidden in the kernel's queue.
 *
 * A TAP with several queues (multi_queue) has a file descriptor for each. They are lanes of one wire, read in turn; which
 * of the card's queues a frame goes to is RSS's to say, whatever lane it came on.
 */
#include "prelude.h"

#include <unistd.h>

#define LANE_BURST 16 /* a quarter of a burst: a busy lane keeps none waiting for long */

static void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	t->free[t->nfree++] = f->slot;
}

/* A frame of this lane, into the slot that is next. Return: 1, 0: the lane is dry, -errno */
static int lane_read(struct tap_wire *t, struct tap_lane *lane, struct frame *f)
{
	u32 slot = t->free[t->nfree - 1];
	u8 *at = t->slots + (u64)slot * t->slot_size;
	ssize_t len;

	do {
		len = read(lane->fd, at, t->slot_size);
		COUNT(lane->reads, 1);
	} while (len < 0 && errno == EINTR);
	if (len <= 0)
		return len < 0 && errno != EAGAIN ? -errno : 0;
	if ((u32)len == t->slot_size)
		COUNT(t->over, 1); /* longer than a slot: cut */
	t->nfree--;
	f->data = at;
	f->slot = slot;
	f->len = f->wire_len = (u32)len;
	f->flags = 0;
	f->t_ns = clock_ns();
	return 1;
}

/* From lane to lane, at most LANE_BURST frames from each, until the burst is full or all lanes in a row are dry. */
static int tap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	u32 dry = 0;
	int n = 0;

	while (n < max && t->nfree && dry < t->nlanes) {
		struct tap_lane *lane = &t->lane[t->turn];
		int got = 0, rc = 1;

		while (got < LANE_BURST && n + got < max && t->nfree && (rc = lane_read(t, lane, &f[n + got])) > 0)
			got++;
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

	(void)hdr;
	(void)t_ns;
	do {
		n = write(fd, frame, len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOMEM ? -ENOBUFS : -errno;
}

struct tap_wire *tap_wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots)
{
	struct tap_wire *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->wire.read_burst = tap_read_burst;
	t->wire.release = tap_release;
	t->wire.write = tap_write;
	t->wire.kind = WIRE_TAP;
	t->wire.live = 1;
	t->nlanes = min_u32(nlanes, TAP_LANES_MAX);
	for (u32 i = 0; i < t->nlanes; i++)
		t->lane[i].fd = fds[i];
	t->slot_size = align_up(slot_size, 64);
	t->nslots = nslots;
	t->slots = malloc((u64)t->slot_size * nslots);
	t->free = malloc(nslots * sizeof(*t->free));
	if (!t->slots || !t->free) {
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
	free(t);
}
