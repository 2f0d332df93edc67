/* tap.c - a TAP device's file descriptors as a wire. Python opens and configures them (vnic/tap)
 *
 * A frame is read straight into a slot (tap_slots.c), and the slot is the FIFO's memory. There are more slots than the FIFO
 * and the bursts can hold, so the card can always read its wire, even with a full FIFO. A lost frame is therefore the card's
 * loss and is counted there, never hidden in the kernel's queue.
 *
 * With virtio headers (tap_vnet.c) a read may return 64 KB of one flow, which is cut into frames of the MTU here, at the wire.
 * A busy lane is read several times in a row: as many reads as it had frames the last time, and twice as many if all of them
 * found one. They go in one system call where that costs less (tap_uring.c). A lane that returned fewer frames than reads
 * is dry, and needs no further read.
 *
 * A TAP with several queues (multi_queue) has a file descriptor for each. They are lanes of one wire, read in turn. RSS
 * chooses the card's queue for a frame, regardless of its lane.
 */
#include "device.h"

#include <poll.h>

#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "virtio 1.2 section 5.1.6");

#define LANE_BURST 16u /* a quarter of a burst: a busy lane does not delay the others for long */

/* ---- reading: several frames in one call where that pays ---- */

/* Read once. Return: length; 0: nothing to read; -errno */
static int read_once(struct tap_wire *t, struct tap_lane *lane, u8 *buf, u32 len)
{
	ssize_t got;

	COUNT(lane->reads, 1);
	if (unlikely(t->port != NULL))
		return t->port->read(t->port, (u32)(lane - t->lane), buf, len);
	do { /* not read(): as a cancellation point it costs 20 ns more */
		got = syscall(SYS_read, lane->fd, buf, len);
	} while (got < 0 && errno == EINTR);
	return got >= 0 ? (int)got : errno == EAGAIN ? 0 : -errno;
}

/* Read a lane want times in one call, into buf[]. res[]: as read_once() returns. Return: false: the kernel cannot do that */
static bool read_at_once(struct tap_wire *t, struct tap_lane *lane, u8 *const *buf, u32 len, int *res, u32 want)
{
	COUNT(lane->reads, 1);
	if (tap_uring_read(t->uring, lane->fd, buf, len, res, want) == 0 && res[0] != -EOPNOTSUPP)
		return true;
	t->no_uring = 1;
	return false;
}

/* Decide how often to read next time. A GSO frame is enough for one call, and then stays in the cache until it is cut. */
static void learn(const struct tap_wire *t, struct tap_lane *lane, u32 want, u32 got, u32 longest)
{
	if (longest > t->slot_size)
		lane->expect = 1;
	else if (got == want) /* want may be less than expect if room was short */
		lane->expect = min_u32(max_u32(lane->expect, 2 * want), TAP_AHEAD);
	else
		lane->expect = max_u32(got, 1);
}

/* Count a frame that fills its slot: the rest of it was lost. */
static u32 count_over(struct tap_wire *t, u32 len)
{
	if (unlikely(len == t->slot_size))
		COUNT(t->over, 1);
	return len;
}

/* Read into one slot after the other. Return: frames; 0: the lane is dry; -errno */
static int read_slots(struct tap_wire *t, struct tap_lane *lane, struct frame *f, u32 want)
{
	u32 n = 0;
	int len = 0;

	while (n < want && (len = read_once(t, lane, tap_nth_slot(t, 0), t->slot_size)) > 0)
		tap_fill_next(t, &f[n++], count_over(t, (u32)len));
	return n ? (int)n : len; /* the next read returns the error again */
}

/* Do the same in one call. */
static int read_slots_at_once(struct tap_wire *t, struct tap_lane *lane, struct frame *f, u32 want)
{
	u32 slot[TAP_AHEAD], unused = 0;
	u8 *buf[TAP_AHEAD];
	int res[TAP_AHEAD], n = 0, rc = 0;

	for (u32 i = 0; i < want; i++)
		buf[i] = tap_nth_slot(t, i);
	if (!read_at_once(t, lane, buf, t->slot_size, res, want))
		return read_slots(t, lane, f, want);
	for (u32 i = 0; i < want; i++) {
		slot[unused] = t->free[--t->nfree];
		if (res[i] <= 0) {
			rc = res[i] ? res[i] : rc;
			unused++;
			continue;
		}
		tap_fill(t, &f[n++], slot[unused], count_over(t, (u32)res[i]));
	}
	while (unused)
		t->free[t->nfree++] = slot[--unused];
	return n ? n : rc;
}

static int read_plain(struct tap_wire *t, struct tap_lane *lane, struct frame *f, u32 want)
{
	bool at_once = tap_way_begin(t, lane, want);
	int n = at_once ? read_slots_at_once(t, lane, f, want) : read_slots(t, lane, f, want);

	if (n > 0)
		COUNT(lane->frames, (u32)n);
	tap_way_end(lane, want, n == (int)want);
	learn(t, lane, want, n > 0 ? (u32)n : 0, 0);
	return n;
}

/* Read headers and frames into t->bigs, and hand out as many as there is room for. Return: as read_plain() */
static int read_vnet(struct tap_wire *t, struct tap_lane *lane, struct frame *f, int max, u32 want)
{
	u8 *buf[TAP_AHEAD];
	int res[TAP_AHEAD], rc = 0;
	u32 longest = 0, got = 0, n = 0;

	for (u32 i = 0; i < TAP_AHEAD && n < want; i++) { /* the first free ones: they may still be in the cache */
		if (t->big_refs[i])
			continue;
		t->big_refs[i] = 1;
		t->big_no[n] = i;
		buf[n++] = t->bigs + i * TAP_BIG;
	}
	want = n;
	if (unlikely(!n)) /* impossible: cut() leaves one free */
		return 0;
	if (!tap_way_begin(t, lane, want) || !read_at_once(t, lane, buf, TAP_BIG, res, want)) {
		memset(res, 0, sizeof(res));
		for (u32 i = 0; i < want && (res[i] = read_once(t, lane, buf[i], TAP_BIG)) > 0; i++)
			;
	}
	t->from = lane;
	t->big_at = 0;
	t->big_n = want;
	for (u32 i = 0; i < want; i++) { /* a frame may follow a read that found none */
		t->big_len[i] = res[i] > 0 ? (u32)res[i] : 0;
		longest = max_u32(longest, t->big_len[i]);
		got += res[i] > 0;
		rc = res[i] < 0 ? res[i] : rc;
	}
	tap_way_end(lane, want, got == want);
	learn(t, lane, want, got, longest);
	if (got)
		return tap_vnet_unpack(t, f, max);
	while (t->big_n)
		t->big_refs[t->big_no[--t->big_n]]--;
	return rc;
}

/* Read at most LANE_BURST frames (more if a GSO frame is cut). Return: frames; *rc: > 0; 0: the lane is dry; -errno */
static int lane_burst(struct tap_wire *t, struct tap_lane *lane, struct frame *f, int max, int *rc)
{
	int n = 0;

	*rc = 1;
	while ((u32)n < LANE_BURST && n < max && t->nfree && *rc > 0) {
		u32 want = min_u32(min_u32(lane->expect, LANE_BURST - (u32)n), min_u32((u32)(max - n), t->nfree));
		int got = t->bigs ? read_vnet(t, lane, &f[n], max - n, want) : read_plain(t, lane, &f[n], want);

		*rc = got > 0 && got < (int)want && !t->bigs ? 0 : got;
		n += got > 0 ? got : 0;
	}
	return n;
}

/* Do frames that were read wait for a slot? */
static bool waits(const struct tap_wire *t)
{
	return t->big_at < t->big_n || t->gso.at < t->gso.len;
}

/* Go from lane to lane until the burst is full, the slots are used up, or all lanes in turn are dry. */
static int tap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	u32 dry = 0;
	int n;

	n = tap_vnet_unpack(t, f, max);
	if (unlikely(t->closing))
		return n ? n : -ENODATA;
	while (n < max && t->nfree && dry < t->nlanes) {
		int rc, got = lane_burst(t, &t->lane[t->turn], &f[n], max - n, &rc);

		n += got;
		if (unlikely(rc < 0))
			return n ? n : rc; /* the next call returns this lane's error again */
		dry = rc ? 0 : dry + 1;
		if (++t->turn == t->nlanes)
			t->turn = 0;
	}
	return n ? n : t->hung_up && !waits(t) ? -EBADFD : -EAGAIN;
}

static int tap_can_go_on(const struct wire *wire)
{
	const struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	return t->nfree && (waits(t) || (t->port && t->port->more(t->port)));
}

/* Frames that are still in the kernel stay there. */
static int tap_close_reading(struct wire *wire)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	t->closing = 1;
	return waits(t);
}

/* Give each flow a lane: the kernel sends the flow's other direction to the queue on which it last saw the flow. */
static u32 lane_of(const struct tap_wire *t, const u8 *frame)
{
	const u8 *ip = frame + ETH_HLEN;
	u32 flow = load32(ip + IPH_SADDR) ^ load32(ip + IPH_DADDR) ^
		   load32(ip + IP_HLEN); /* of IPv6: parts of addresses */

	return t->nlanes > 1 ? hash_32(flow, 16) % t->nlanes : 0;
}

static int tap_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	u32 lane = lane_of(t, frame);
	int fd = t->lane[lane].fd;
	ssize_t n;

	(void)t_ns;
	if (unlikely(t->port != NULL))
		return t->port->write(t->port, lane, frame, len);
	if (wire->vnet) { /* the same header without the hash fields */
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

static void tap_files(const struct wire *wire, struct file_set *files)
{
	const struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	for (u32 i = 0; i < t->nlanes; i++)
		file_set_add(files, t->lane[i].fd);
	if (t->port)
		t->port->files(t->port, files);
	file_set_add(files, tap_uring_fd(t->uring));
}

static u32 tap_poll_set(const struct wire *wire, struct pollfd *fds)
{
	const struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	for (u32 i = 0; i < t->nlanes; i++)
		fds[i] = (struct pollfd){ .fd = t->lane[i].fd, .events = POLLIN };
	return t->nlanes;
}

/* poll() reports a removed device each time, but read() perhaps never: end the wire, or the thread would not sleep again. */
static void tap_polled(struct wire *wire, const struct pollfd *fds)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	for (u32 i = 0; t->port && i < t->nlanes; i++)
		if (fds[i].revents)
			t->port->woken(t->port, i);
	for (u32 i = 0; !t->port && i < t->nlanes; i++)
		if (unlikely(fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)))
			t->hung_up = 1;
}

/* headers: a virtio header stands before each frame that is read */
static struct tap_wire *wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots, int headers)
{
	struct tap_wire *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->wire.read_burst = tap_read_burst;
	t->wire.release = tap_release;
	t->wire.write = tap_write;
	t->wire.poll_set = tap_poll_set;
	t->wire.polled = tap_polled;
	t->wire.files = tap_files;
	t->wire.can_go_on = tap_can_go_on;
	t->wire.close_reading = tap_close_reading;
	t->wire.take_back = tap_take_back;
	t->wire.fit = tap_slots_fit;
	t->wire.gather = tap_vnet_gather;
	t->wire.whole = tap_vnet_whole;
	t->wire.ahead = t->ahead;
	t->wire.live = 1;
	t->nlanes = min_u32(nlanes, TAP_LANES_MAX);
	for (u32 i = 0; i < t->nlanes; i++)
		t->lane[i] = (struct tap_lane){ .fd = fds[i], .expect = 1 };
	t->big = t->bigs = headers ? malloc(TAP_AHEAD * TAP_BIG) : NULL;
	if (!tap_slots_init(t, slot_size, nslots) || (headers && !t->bigs)) {
		tap_wire_free(t);
		return NULL;
	}
	t->from = t->lane;
	t->wire.rests = t->bigs;
	return t;
}

struct tap_wire *tap_wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots, int vnet)
{
	struct tap_wire *t = wire_new(fds, nlanes, slot_size, nslots, vnet);

	if (!t)
		return NULL;
	t->wire.vnet = vnet != 0;
	t->uring = vnet ? tap_uring_new(t->bigs, TAP_AHEAD * TAP_BIG)
			: tap_uring_new(t->slots, (u64)t->slot_size * nslots);
	return t;
}

struct tap_wire *tap_wire_of_port(struct tap_port *port, const int *fds, u32 nlanes, u32 slot_size, u32 nslots)
{
	struct tap_wire *t = wire_new(fds, nlanes, slot_size, nslots, 1);

	if (t)
		t->port = port;
	return t;
}

void tap_wire_free(struct tap_wire *t)
{
	if (!t)
		return;
	tap_uring_free(t->uring);
	free(t->slots);
	free(t->free);
	free(t->back);
	free(t->bigs);
	free(t);
}
