/* tap.c - a TAP device's file descriptor as a wire. Python opens and configures it (tap.py)
 *
 * A frame is read straight into a slot, and the slot is the FIFO's memory: it is given back when the frame has left the
 * FIFO. There are more slots than the FIFO can hold frames, plus a burst, so the wire is read whether or not there is
 * room behind it: what is lost is lost by the card and counted there, never hidden in the kernel's queue.
 */
#include "prelude.h"

#include <unistd.h>

static void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	t->free[t->nfree++] = f->slot;
}

static int tap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	int n = 0;

	while (n < max && t->nfree) {
		u32 slot = t->free[t->nfree - 1];
		u8 *at = t->slots + (u64)slot * t->slot_size;
		ssize_t len = read(t->fd, at, t->slot_size);

		COUNT(t->reads, 1);
		if (len < 0) {
			if (errno == EINTR)
				continue;
			if (n)
				break; /* the error, if it is one, comes again */
			return errno == EAGAIN ? -EAGAIN : -errno;
		}
		if (len == 0)
			break;
		if ((u32)len == t->slot_size)
			COUNT(t->over, 1); /* longer than a slot: cut */
		t->nfree--;
		f[n].data = at;
		f[n].slot = slot;
		f[n].len = f[n].wire_len = (u32)len;
		f[n].flags = 0;
		f[n].t_ns = clock_ns();
		n++;
	}
	return n ? n : -EAGAIN;
}

static int tap_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	ssize_t n;

	(void)hdr;
	(void)t_ns;
	do {
		n = write(t->fd, frame, len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOMEM ? -ENOBUFS : -errno;
}

struct tap_wire *tap_wire_new(int fd, u32 slot_size, u32 nslots)
{
	struct tap_wire *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->wire.read_burst = tap_read_burst;
	t->wire.release = tap_release;
	t->wire.write = tap_write;
	t->wire.kind = WIRE_TAP;
	t->wire.live = 1;
	t->fd = fd;
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
