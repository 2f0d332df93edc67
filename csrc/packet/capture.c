/* capture.c - a tap that writes a file, and never slows the path
 *
 *   packet_taps.c -> capture_packet(): pcapng.c makes a block in memory
 *   virtual time: the tap writes a full batch at once. Live: capture_thread() writes, every TICK_MS or when half full
 *
 * Time never goes back in the file, although CPUs capture in turns and a backlog may delay a packet. Blocks are sorted
 * by stamp as they arrive; equal stamps keep the order of arrival. A batch is held until the next one is closed,
 * then written together with the next one's blocks that are not younger. A packet that arrives still later gets the
 * stamp up to which the file is written; a comment says by how much, and it is counted (late). At the wire, frames
 * arrive in the order of their ids and stamps, which is the file's order too.
 *
 * Most frames that the card loses have their fate when the tap sees them. A frame lost behind the FIFO gets its fate
 * later, if its block is still in memory; else the file does not say it, and it is counted (late).
 *
 * Live, the path copies into a batch of bounded size. If the file is slower than the path and the batch is full, the
 * packet is not captured but counted (drops). After a file error nothing more is kept, and captured packets that the
 * file did not take whole are counted (lost). The file may be a pipe whose reader sleeps: the writer writes as much as
 * it takes.
 */
#include "prelude.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_BYTES (1u << 19) /* more than any block needs */
#define BLOCK_MIN 48 /* 32 bytes around an Ethernet header */
#define TICK_MS 80 /* a packet is in the file after two ticks */
#define STOPPED 1u
#define GIVEN_UP 2u
#define PATIENCE_MS 2000 /* for a reader that does not read, at the end */
#define FATE_OPEN (-1) /* of a block: the frame's fate may still come */
#define FATE_SHUT (-2)

/* ---- blocks in memory ---- */

static void add_slot(struct capture *c, u64 t, u64 off, int fate)
{
	struct capture_batch *b = c->filling;
	u32 i = b->nslots++;

	for (; i > 0 && b->slot[i - 1].t > t; i--) /* mostly no step: CPUs' clocks are close */
		b->slot[i] = b->slot[i - 1];
	b->slot[i] = (struct capture_slot){
		.t = t, .id = c->last_id, .off = (u32)off, .len = (u32)(b->used - off), .fate = fate
	};
}

/* Find the block of this frame at the wire. Of blocks with its stamp, it is the first one made after the frame arrived.
 * Return: NULL = not in the batch */
static struct capture_slot *find_slot(struct capture_batch *b, u64 t, u64 id)
{
	u32 from = 0, to = b->nslots;

	while (from < to) {
		u32 mid = (from + to) / 2;
		const struct capture_slot *s = &b->slot[mid];

		if (s->t < t || (s->t == t && s->id < id))
			from = mid + 1;
		else
			to = mid;
	}
	return from < b->nslots && b->slot[from].t == t && b->slot[from].id == id ? &b->slot[from] : NULL;
}

static void write_batches(struct capture *c, bool all);

/* Under the lock; releases it to write, in virtual time. Return: false = no room */
static bool make_room(struct capture *c, u32 bytes)
{
	if (likely(c->filling->used + bytes <= c->size))
		return true;
	if (c->threaded)
		return false;
	spin_unlock(&c->lock); /* virtual time: one thread */
	write_batches(c, false);
	spin_lock(&c->lock);
	return true;
}

/* Run the filter on a block, so that it sees the bytes that go into the file. */
static bool is_wanted(struct capture *c, u64 begin)
{
	u8 *block = c->filling->buf + begin, *frame = block + EPB_DATA;

	return bpf_run_frame(c->filter, frame, load32(block + EPB_CAPTURED_LEN), load32(block + EPB_ORIGINAL_LEN));
}

/* Append a block for p to the batch. Return: false = the filter does not want it, and no block was appended */
static bool make_block(struct capture *c, const struct packet_seen *p, u64 stamp)
{
	u64 begin = c->filling->used;

	pcapng_packet(c, p, stamp);
	if (!c->filter || is_wanted(c, begin))
		return true;
	c->filling->used = begin;
	return false;
}

static void add_packet(struct capture *c, const struct packet_seen *p)
{
	u64 began = c->base_ns + p->t_ns, stamp = max_u64(began, c->written), begin = c->filling->used;
	bool arrived = p->point == POINT_WIRE && p->frame->id;

	if (!make_block(c, p, stamp))
		return;
	if (arrived)
		c->last_id = p->frame->id;
	add_slot(c, stamp, begin, arrived && p->fate < 0 ? FATE_OPEN : FATE_SHUT);
	COUNT(c->late, stamp > began);
	COUNT(c->packets, 1);
	COUNT(c->bytes, p->skb ? p->skb->len + ETH_HLEN : p->frame->len);
}

/* Write the fate of a frame that was captured before into its block. */
static void add_fate(struct capture *c, const struct packet_seen *p)
{
	u64 begin = c->filling->used;

	if (!c->first_id || p->frame->id < c->first_id || READ_ONCE(c->error))
		return;
	for (u32 i = 0; i < ARRAY_SIZE(c->batch); i++) {
		struct capture_slot *s = find_slot(&c->batch[i], c->base_ns + p->t_ns, p->frame->id);
		int open = FATE_OPEN;

		if (s && __atomic_compare_exchange_n(&s->fate, &open, p->fate, false, __ATOMIC_RELAXED,
						     __ATOMIC_RELAXED)) /* Pairs with write_block(). */
			return;
	}
	if (c->filter && begin + pcapng_room(p) <= c->size && !make_block(c, p, c->written))
		return;
	c->filling->used = begin;
	COUNT(c->late, 1);
}

static void capture_packet(struct packet_tap *t, const struct packet_seen *p)
{
	struct capture *c = container_of(t - p->point, struct capture, tap[0]);

	spin_lock(&c->lock);
	if (unlikely(!c->first_id) && p->point == POINT_WIRE && !p->again)
		c->first_id = p->frame->id;
	if (unlikely(p->again))
		add_fate(c, p);
	else if (unlikely(!make_room(c, pcapng_room(p)) || READ_ONCE(c->error)))
		COUNT(c->drops, 1);
	else
		add_packet(c, p);
	if (c->threaded && !c->woken && c->filling->used > c->size / 2) {
		c->woken = 1;
		event_signal(c->wake_fd);
	}
	spin_unlock(&c->lock);
}

/* ---- to the file ---- */

static u64 now_ms(void)
{
	return clock_ns() / 1000000;
}

/* Wait until a pipe takes a page. In virtual time a signal ends the wait, so that Ctrl-C works. After capture_stop() a
 * thread without signals writes the rest, and waits until capture_give_up(). Return: 0, or -errno */
static int wait_for_reader(const struct capture *c)
{
	u64 began = now_ms();

	for (;;) {
		struct pollfd fd = { .fd = c->fd, .events = POLLOUT };
		u32 stop = READ_ONCE(c->stop);
		int rc = stop & GIVEN_UP ? 0 : poll(&fd, 1, c->threaded || stop ? TICK_MS : -1);

		if (rc > 0)
			return 0;
		if (rc < 0 && (errno != EINTR || !c->threaded))
			return -errno;
		if (!READ_ONCE(c->stop))
			began = now_ms();
		else if (READ_ONCE(c->stop) & GIVEN_UP || (c->threaded && now_ms() - began > PATIENCE_MS))
			return -EAGAIN;
	}
}

static void write_out(struct capture *c)
{
	u64 done = 0, at = 0;

	while (!c->error && done < c->out_used) {
		u64 n = c->regular ? c->out_used - done : min_u64(c->out_used - done, PIPE_BUF);
		int rc = c->regular ? 0 : wait_for_reader(c);
		ssize_t written = rc < 0 ? 0 : write(c->fd, c->out + done, n);

		if (rc < 0)
			WRITE_ONCE(c->error, rc);
		else if (written < 0 && errno != EINTR)
			WRITE_ONCE(c->error, -errno);
		if (written > 0)
			done += (u64)written;
	}
	while (unlikely(c->error) && at < c->out_used) { /* count the packets that the file did not take whole */
		const u8 *block = c->out + at;

		at += load32(block + PCAPNG_LENGTH);
		if (load32(block + PCAPNG_TYPE) == PCAPNG_PACKET && at > done)
			COUNT(c->lost, 1);
	}
	c->out_used = 0;
}

static void write_block(struct capture *c, struct capture_batch *b)
{
	struct capture_slot *s = &b->slot[b->next++];
	int fate = __atomic_exchange_n(&s->fate, FATE_SHUT, __ATOMIC_RELAXED); /* Pairs with add_fate(). */
	u8 *to;

	if (c->out_used + s->len + PCAPNG_OPTIONS_MAX > OUT_BYTES)
		write_out(c);
	to = c->out + c->out_used;
	memcpy(to, b->buf + s->off, s->len);
	c->out_used += fate >= 0 ? pcapng_add_fate(c, to, s->len, fate) : s->len;
}

static u64 last_stamp(const struct capture_batch *b)
{
	return b->nslots ? b->slot[b->nslots - 1].t : 0;
}

/* Write the held batch, and the filled one's blocks that are not younger; then hold the filled one. If nothing was
 * filled since the last time, all is old enough. */
static void write_batches(struct capture *c, bool all)
{
	struct capture_batch *old = c->held, *new = c->filling;
	u64 until;

	spin_lock(&c->lock);
	until = all || !new->nslots ? NEVER : last_stamp(old);
	c->written = max_u64(c->written, until == NEVER ? max_u64(last_stamp(old), last_stamp(new)) : until);
	c->filling = c->spare;
	c->woken = 0;
	spin_unlock(&c->lock);
	while (old->next < old->nslots || (new->next < new->nslots && new->slot[new->next].t <= until)) {
		bool from_new = old->next == old->nslots ||
				(new->next < new->nslots && new->slot[new->next].t < old->slot[old->next].t);

		write_block(c, from_new ? new : old);
	}
	write_out(c);
	spin_lock(&c->lock);
	old->used = old->nslots = old->next = 0;
	c->spare = old;
	c->held = new;
	spin_unlock(&c->lock);
}

int capture_thread(struct capture *c)
{
	while (!__atomic_load_n(&c->stop, __ATOMIC_SEQ_CST) && !c->error) {
		struct pollfd fd = { .fd = c->wake_fd, .events = POLLIN };
		u64 n;

		if (poll(&fd, 1, TICK_MS) > 0 && read(c->wake_fd, &n, sizeof(n)) < 0)
			continue;
		write_batches(c, false);
	}
	return c->error;
}

void capture_stop(struct capture *c)
{
	__atomic_fetch_or(&c->stop, STOPPED, __ATOMIC_SEQ_CST);
	event_signal(c->wake_fd);
}

void capture_give_up(struct capture *c)
{
	__atomic_fetch_or(&c->stop, GIVEN_UP, __ATOMIC_SEQ_CST);
	event_signal(c->wake_fd);
}

int capture_flush(struct capture *c)
{
	write_batches(c, true);
	return c->error;
}

/* ---- making one ---- */

/* Remember each skb's first frame from now on. Queues opened later do as the first one (driver_open_queue()). */
static int keep_frame_ids(struct host *h)
{
	int rc = 0;

	for (u32 i = 0; i < NIC_QUEUES_MAX && rc == 0; i++)
		rc = h->dq[i] ? rx_pool_keep_ids(&h->dq[i]->pool) : 0;
	return rc;
}

static int allocate(struct capture *c)
{
	c->out = malloc(OUT_BYTES);
	if (!c->out)
		return -ENOMEM;
	for (u32 i = 0; i < ARRAY_SIZE(c->batch); i++) {
		c->batch[i].buf = malloc(c->size);
		c->batch[i].slot = malloc((c->size / BLOCK_MIN + 1) * sizeof(struct capture_slot));
		if (!c->batch[i].buf || !c->batch[i].slot)
			return -ENOMEM;
	}
	c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return c->wake_fd < 0 ? -errno : 0;
}

struct capture *capture_new(struct host *h, int fd, u64 base_ns, const char *ifname, u32 points,
			    const char *const *verdicts, struct bpf_prog *filter, u64 size, int threaded)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct stat st;

	if (!c) {
		bpf_prog_free(filter);
		return NULL;
	}
	*c = (struct capture){ .fd = fd, .wake_fd = -1, .base_ns = base_ns, .points = points, .size = size };
	c->verdicts = verdicts;
	c->filter = filter;
	c->threaded = (u8) !!threaded;
	c->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	c->filling = &c->batch[0];
	c->held = &c->batch[1];
	c->spare = &c->batch[2];
	if (allocate(c) < 0 || keep_frame_ids(h) < 0 || strlen(ifname) > 64 || size < 2 * OUT_BYTES) {
		capture_free(c);
		return NULL;
	}
	pcapng_headers(c, ifname);
	add_slot(c, 0, 0, FATE_SHUT);
	for (u32 point = 0; point < POINTS; point++) {
		c->tap[point].func = capture_packet;
		if (points >> point & 1)
			packet_tap_add(h, &c->tap[point], (enum packet_point)point);
	}
	return c;
}

void capture_detach(struct host *h, struct capture *c)
{
	for (u32 point = 0; point < POINTS; point++)
		if (c->points >> point & 1)
			packet_tap_del(h, &c->tap[point], (enum packet_point)point);
}

void capture_free(struct capture *c)
{
	for (u32 i = 0; i < ARRAY_SIZE(c->batch); i++) {
		free(c->batch[i].buf);
		free(c->batch[i].slot);
	}
	free(c->out);
	bpf_prog_free(c->filter);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	free(c);
}
