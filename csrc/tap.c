/* tap.c - a TAP device's file descriptors as a wire. Python opens and configures them (tap.py)
 *
 * A frame is read straight into a slot, and the slot is the FIFO's memory: it is given back when the frame has left the
 * FIFO. There are more slots than the FIFO can hold frames, plus a burst, so the wire is read whether or not there is
 * room behind it: what is lost is lost by the card and counted there, never hidden in the kernel's queue.
 *
 * With virtio headers (tap_vnet.c) a read may bring 64 KB of one flow, which is cut into frames of the MTU here, at the wire.
 * A lane that was busy is read several times in one system call (tap_uring.c): as often as it had frames last, twice that if
 * it had so many. So an idle wire costs one read(), a full one a sixteenth of one for each frame.
 *
 * A TAP with several queues (multi_queue) has a file descriptor for each. They are lanes of one wire, read in turn; which
 * of the card's queues a frame goes to is RSS's to say, whatever lane it came on.
 */
#include "prelude.h"

#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "virtio 1.2 section 5.1.6");

#define TRY_FIRST 32u
#define TRY_EVERY 256u
#define LANE_BURST 16u /* a quarter of a burst: a busy lane keeps none waiting for long */

enum { BY_URING, BY_READ };

static void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	t->free[t->nfree++] = f->slot;
	if (f->head)
		t->big_refs[f->rest / TAP_BIG]--;
}

static u8 *nth_slot(const struct tap_wire *t, u32 n)
{
	return t->slots + (u64)t->free[t->nfree - 1 - n] * t->slot_size;
}

static void fill(struct tap_wire *t, struct frame *f, u32 slot, u32 len)
{
	f->data = t->slots + (u64)slot * t->slot_size;
	f->slot = slot;
	f->len = f->wire_len = len;
	f->flags = 0;
	f->head = 0;
	f->t_ns = t->now;
	COUNT(t->from->frames, 1);
}

static void fill_next(struct tap_wire *t, struct frame *f, u32 len)
{
	fill(t, f, t->free[--t->nfree], len);
}

static u32 bigs_free(const struct tap_wire *t)
{
	u32 n = 0;

	for (u32 i = 0; i < TAP_AHEAD; i++)
		n += !t->big_refs[i];
	return n;
}

static void put_big(struct tap_wire *t)
{
	t->big_refs[(u32)(t->big - t->bigs) / TAP_BIG]--;
}

/* Segments of the GSO frame in t->big, as far as there is room: their heads in slots, or all of them if there would be no room to
 * read on. Return: how many */
static int cut(struct tap_wire *t, struct frame *f, int max)
{
	bool heads = t->gso.plain && bigs_free(t);
	int n = 0;

	while (n < max && t->nfree && t->gso.at < t->gso.len) {
		u8 *to = nth_slot(t, 0);
		struct frame *next = &f[n++];

		fill_next(t, next, 0);
		next->len = next->wire_len = heads ? tap_vnet_head(t, to, next) : tap_vnet_next(t, to);
		if (t->gso.at == t->gso.len)
			put_big(t);
	}
	return n;
}

/* A virtio header and a frame, in t->big: what is not cut is copied to its slot, which costs less than readv() does. */
static int take_vnet(struct tap_wire *t, struct frame *f, int max, u32 len)
{
	u8 *frame = t->big + sizeof(struct virtio_net_hdr_v1);
	u32 kept;
	int rc;

	if (len <= sizeof(struct virtio_net_hdr_v1)) {
		put_big(t);
		return 0;
	}
	len -= (u32)sizeof(struct virtio_net_hdr_v1);
	rc = tap_vnet_begin(t, (const void *)t->big, frame, len);
	if (rc == 1)
		return cut(t, f, max);
	COUNT(t->bad_vnet, rc < 0); /* the card sees it as it is */
	kept = min_u32(len, t->slot_size);
	COUNT(t->over, len > kept);
	memcpy(nth_slot(t, 0), frame, kept);
	fill_next(t, f, kept);
	put_big(t);
	return 1;
}

/* What was read with virtio headers, as far as there is room. Return: frames */
static int unpack(struct tap_wire *t, struct frame *f, int max)
{
	int n = cut(t, f, max);

	while (n < max && t->nfree && t->big_at < t->big_n) {
		t->big = t->bigs + t->big_no[t->big_at] * TAP_BIG;
		n += take_vnet(t, &f[n], max - n, t->big_len[t->big_at++]);
	}
	return n;
}

/* ---- reading: several times at once where it is worth while ---- */

/* One read. Return: length; 0: there was nothing; -errno */
static int read_once(struct tap_lane *lane, u8 *buf, u32 len)
{
	ssize_t got;

	COUNT(lane->reads, 1);
	do { /* read() is a point where threads can be cancelled: 20 ns more */
		got = syscall(SYS_read, lane->fd, buf, len);
	} while (got < 0 && errno == EINTR);
	return got >= 0 ? (int)got : errno == EAGAIN ? 0 : -errno;
}

/* Which is cheaper depends on the machine: io_uring saves system calls, and costs more than a fast one. Each is tried first,
 * and the one that is not used now and then. */
static bool is_for_uring(struct tap_lane *lane)
{
	u32 nth = lane->batches++;
	bool cheaper = lane->ns[BY_URING] <= lane->ns[BY_READ];

	if (nth < 2 * TRY_FIRST)
		return nth < TRY_FIRST;
	return nth % TRY_EVERY ? cheaper : !cheaper;
}

static void learn_cost(struct tap_lane *lane, u32 way, u64 ns, const int *res, u32 want)
{
	u32 each = (u32)(ns / want);

	if (res[want - 1] > 0) /* it was a full one */
		lane->ns[way] = lane->ns[way] ? (7 * lane->ns[way] + each) / 8 : each;
}

/* want reads of a lane, into buf[]. res[]: as of read_once(); 0 behind the first that found nothing */
static void read_lane(struct tap_wire *t, struct tap_lane *lane, u8 *const *buf, u32 len, int *res, u32 want)
{
	u32 way = want > 1 && is_for_uring(lane) ? BY_URING : BY_READ, n = 0;
	u64 began = want > 1 ? clock_ns() : 0;

	if (way == BY_URING) {
		COUNT(lane->reads, 1);
		if (tap_uring_read(t->uring, lane->fd, buf, len, res, want) == 0 && res[0] != -EOPNOTSUPP) {
			learn_cost(lane, BY_URING, clock_ns() - began, res, want);
			return;
		}
		tap_uring_free(t->uring); /* it cannot do this after all */
		t->uring = NULL;
	}
	while (n < want && (res[n] = read_once(lane, buf[n], len)) > 0)
		n++;
	for (u32 i = n + 1; i < want; i++)
		res[i] = 0;
	if (want > 1)
		learn_cost(lane, BY_READ, clock_ns() - began, res, want);
}

/* How often to read next time: a frame of GSO is work enough for one call, and stays in the cache until it is cut. */
static void learn(const struct tap_wire *t, struct tap_lane *lane, u32 want, u32 got, u32 longest)
{
	if (!t->uring || longest > t->slot_size)
		lane->expect = 1;
	else if (got == want) /* which may have been less than expected, for want of room */
		lane->expect = min_u32(max_u32(lane->expect, 2 * want), TAP_AHEAD);
	else
		lane->expect = max_u32(got, 1);
}

/* Into the next slots. Return: frames; 0: it is dry; -errno */
static int read_plain(struct tap_wire *t, struct tap_lane *lane, struct frame *f, u32 want)
{
	u32 slot[TAP_AHEAD], unused = 0;
	u8 *buf[TAP_AHEAD];
	int res[TAP_AHEAD], n = 0, rc = 0;

	for (u32 i = 0; i < want; i++)
		buf[i] = nth_slot(t, i);
	read_lane(t, lane, buf, t->slot_size, res, want);
	for (u32 i = 0; i < want; i++) {
		slot[unused] = t->free[--t->nfree];
		if (res[i] <= 0) {
			rc = res[i] ? res[i] : rc;
			unused++;
			continue;
		}
		COUNT(t->over, (u32)res[i] == t->slot_size); /* longer than a slot: cut */
		fill(t, &f[n++], slot[unused], (u32)res[i]);
	}
	while (unused)
		t->free[t->nfree++] = slot[--unused];
	learn(t, lane, want, (u32)n, 0);
	return n ? n : rc;
}

/* Header and frame, into t->bigs, and from there as far as there is room. Return: as read_plain() */
static int read_vnet(struct tap_wire *t, struct tap_lane *lane, struct frame *f, int max, u32 want)
{
	u8 *buf[TAP_AHEAD];
	int res[TAP_AHEAD], rc = 0;
	u32 longest = 0, got = 0, n = 0;

	for (u32 i = 0; i < TAP_AHEAD && n < want; i++) { /* the first that are free: they may still be in the cache */
		if (t->big_refs[i])
			continue;
		t->big_refs[i] = 1;
		t->big_no[n] = i;
		buf[n++] = t->bigs + i * TAP_BIG;
	}
	want = n;
	if (unlikely(!n)) /* cannot be: cut() leaves one */
		return 0;
	read_lane(t, lane, buf, TAP_BIG, res, want);
	t->big_at = 0;
	t->big_n = want;
	for (u32 i = 0; i < want; i++) { /* a frame may have come behind a read that found none */
		t->big_len[i] = res[i] > 0 ? (u32)res[i] : 0;
		longest = max_u32(longest, t->big_len[i]);
		got += res[i] > 0;
		rc = res[i] < 0 ? res[i] : rc;
	}
	learn(t, lane, want, got, longest);
	if (got)
		return unpack(t, f, max);
	while (t->big_n)
		t->big_refs[t->big_no[--t->big_n]]--;
	return rc;
}

/* At most LANE_BURST frames (more if a GSO frame is cut) of this lane. Return: frames; *rc: 0: it is dry; -errno */
static int lane_burst(struct tap_wire *t, struct tap_lane *lane, struct frame *f, int max, int *rc)
{
	int n = 0;

	*rc = 1;
	t->from = lane;
	while ((u32)n < LANE_BURST && n < max && t->nfree && *rc > 0) {
		u32 want = min_u32(min_u32(lane->expect, LANE_BURST - (u32)n), min_u32((u32)(max - n), t->nfree));

		*rc = t->wire.vnet ? read_vnet(t, lane, &f[n], max - n, want) : read_plain(t, lane, &f[n], want);
		n += *rc > 0 ? *rc : 0;
	}
	return n;
}

/* From lane to lane until the burst is full, there are no more slots, or all lanes in a row are dry. */
static int tap_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	u32 dry = 0;
	int n;

	t->now = clock_ns();
	n = unpack(t, f, max);
	if (unlikely(t->closing))
		return n ? n : -ENODATA;
	while (n < max && t->nfree && dry < t->nlanes) {
		int rc, got = lane_burst(t, &t->lane[t->turn], &f[n], max - n, &rc);

		n += got;
		if (unlikely(rc < 0))
			return n ? n : rc; /* after the frames, this lane's error comes again */
		dry = rc ? 0 : dry + 1;
		if (++t->turn == t->nlanes)
			t->turn = 0;
	}
	return n ? n : t->hung_up ? -EBADFD : -EAGAIN;
}

/* tap_close_reading() - the kernel keeps what it has. Return: frames that were read before are still to come */
int tap_close_reading(struct wire *wire)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	if (wire->kind != WIRE_TAP)
		return 0;
	t->closing = 1;
	return t->big_at < t->big_n || t->gso.at < t->gso.len;
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
		t->lane[i] = (struct tap_lane){ .fd = fds[i], .expect = 1 };
	t->slot_size = align_up(slot_size, 64);
	t->nslots = nslots;
	t->slots = malloc((u64)t->slot_size * nslots);
	t->free = malloc(nslots * sizeof(*t->free));
	t->big = t->bigs = vnet ? malloc(TAP_AHEAD * TAP_BIG) : NULL;
	if (!t->slots || !t->free || (vnet && !t->bigs)) {
		tap_wire_free(t);
		return NULL;
	}
	t->from = t->lane;
	t->wire.rests = t->bigs;
	t->uring = vnet ? tap_uring_new(t->bigs, TAP_AHEAD * TAP_BIG)
			: tap_uring_new(t->slots, (u64)t->slot_size * nslots);
	for (u32 i = 0; i < nslots; i++)
		t->free[i] = nslots - 1 - i;
	t->nfree = nslots;
	return t;
}

void tap_wire_free(struct tap_wire *t)
{
	if (!t)
		return;
	tap_uring_free(t->uring);
	free(t->slots);
	free(t->free);
	free(t->bigs);
	free(t);
}
