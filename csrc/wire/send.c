/* send.c - send a capture's frames to a wire, each at its time: vnic send. Not on the path: this feeds the path
 *
 *   pcap.c --fill()--> burst[], and when each is due (schedule_next()) --send_step()--> a TAP's fd, or a packet socket
 *
 * The schedule is absolute: the file, or a rate, says how long after the start frame i is due. It never depends on when an
 * earlier frame left, so errors do not add up: a late sender sends in bursts until it has caught up. send_run() sleeps until
 * shortly before a frame is due and spins for the rest, because a sleeper wakes some 50 us late. Time is an argument
 * of send_step(); only send_run() reads the clock. The pace continues from pass to pass: the mean gap separates a file's
 * last frame from its first. A longest gap (--maxsleep) makes all later frames due earlier.
 */
#include "device.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIME_MAX (1ull << 62)
#define FULL_WAIT_NS 50000u /* retry a full queue after this time */

/* ---- when ---- */

static u64 scaled(u64 n, u64 by, u64 per)
{
	unsigned __int128 t = (unsigned __int128)n * by / per;

	return t < TIME_MAX ? (u64)t : TIME_MAX;
}

static u64 recorded(struct schedule *s, u64 t)
{
	if (s->rebase && t < s->last_ns) {
		s->loops_ns += s->last_ns - s->first_ns;
		s->nth = 0;
	}
	s->rebase = 0;
	if (!s->nth++)
		s->first_ns = s->last_ns = t;
	s->backwards += t < s->last_ns;
	s->last_ns = max_u64(s->last_ns, t);
	return s->loops_ns + (s->last_ns - s->first_ns);
}

/* Shorten a gap that is too long, and make all later frames due earlier. Only frames that are sent have gaps. */
static u64 bounded(struct schedule *s, u64 due, bool sent)
{
	u64 most = s->sent_due_ns + s->max_gap_ns;

	if (!s->max_gap_ns)
		return due;
	due -= s->saved_ns;
	if (!sent)
		return min_u64(due, most);
	if (due > most) {
		s->shortened++;
		s->saved_ns += due - most;
		due = most;
	}
	return s->sent_due_ns = due;
}

u64 schedule_next(struct schedule *s, u64 t_ns, u32 len)
{
	u64 at = recorded(s, t_ns), due = 0;

	if (s->pace == PACE_RECORDED)
		due = scaled(at, 1000000, s->rate);
	else if (s->pace == PACE_PPS)
		due = scaled(s->frames, 1000000000000, s->rate);
	else if (s->pace == PACE_BPS)
		due = scaled(s->bits, 1000000000, s->rate);
	s->frames += len > 0;
	s->bits += 8ull * len;
	return bounded(s, due, len > 0);
}

void schedule_loop(struct schedule *s)
{
	u64 span = s->last_ns - s->first_ns;

	s->loops_ns += span + (s->nth > 1 ? span / (s->nth - 1) : 0);
	s->nth = s->rebase = 0;
}

/* ---- what ---- */

static bool fits(struct sender *s, const struct frame *f)
{
	u32 tag = f->len >= ETH_HLEN && is_vlan(load16(f->data + ETHH_PROTO)) ? VLAN_HLEN : 0;

	s->aliens += f->len < ETH_HLEN && f->flags & FRAME_ALIEN;
	s->too_short += f->len < ETH_HLEN && !(f->flags & FRAME_ALIEN);
	s->too_long += f->len > s->frame_max + tag;
	return f->len >= ETH_HLEN && f->len <= s->frame_max + tag;
}

/* The file has ended: start the next pass, if any. */
static void end_of_pass(struct sender *s)
{
	bool nothing = s->taken == s->taken_before; /* another pass would send nothing either */

	s->passes_done++;
	s->taken_before = s->taken;
	if (!nothing && s->passes_done < s->passes && s->several)
		s->asks = ASKS_FIRST_FILE;
	else if (nothing || s->passes_done >= s->passes || pcap_wire_rewind(s->pcap) < 0)
		s->ended = 1;
	if (!s->ended)
		schedule_loop(&s->schedule);
}

/* Read the next frames that can be sent, and plan them. */
static void fill(struct sender *s)
{
	s->at = s->n = 0;
	while (!s->n && !s->ended && !s->asks) {
		int got = s->pcap->wire.read_burst(&s->pcap->wire, s->burst, BURST);

		if (got == -EAGAIN && s->pcap->select && s->pcap->select->paused)
			return; /* after many frames that are left out: look at the clock and at signals */
		if (got == -EAGAIN) {
			s->asks = ASKS_NEXT_FILE;
			s->schedule.rebase = 1;
			continue;
		}
		if (got == -ENODATA) {
			end_of_pass(s);
			continue;
		}
		if (got < 0) {
			s->error = got;
			s->ended = 1;
		}
		for (int i = 0; i < got && !s->ended; i++) {
			const struct frame *f = &s->burst[i];
			bool good = fits(s, f);
			u64 due = schedule_next(&s->schedule, f->t_ns, good ? f->len : 0);

			s->ended = due >= s->end_ns || s->taken >= s->limit;
			if (!good || s->ended)
				continue;
			s->cut += !!(f->flags & FRAME_CUT);
			s->taken++;
			s->due_ns[s->n] = due;
			s->burst[s->n++] = *f;
		}
	}
}

/* ---- where to ---- */

static int put_tap(struct sender *s, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		const struct frame *f = &s->burst[s->at + i];
		ssize_t rc;

		do {
			rc = write(s->fd, f->data, f->len);
		} while (rc < 0 && errno == EINTR);
		if (rc < 0)
			return i ? (int)i : -errno;
	}
	return (int)n;
}

static int put_dev(struct sender *s, u32 n)
{
	struct mmsghdr msg[BURST];
	struct iovec iov[BURST];
	int rc;

	memset(msg, 0, n * sizeof(msg[0]));
	for (u32 i = 0; i < n; i++) {
		const struct frame *f = &s->burst[s->at + i];

		iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)f->data, .iov_len = f->len };
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		rc = sendmmsg(s->fd, msg, n, MSG_DONTWAIT);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

/* ---- one turn ---- */

static void account(struct sender *s, u64 now)
{
	u64 due = s->due_ns[s->at], late = now - s->start_ns - due;
	u32 len = s->burst[s->at].len;

	if (!s->frames) {
		s->first_sent_ns = now;
		s->first_due_ns = due;
	} else if (s->schedule.pace != PACE_TOPSPEED) {
		u64 asked = due - s->last_due_ns, was = now - s->last_sent_ns;

		lat_record(&s->gap_error, asked > was ? asked - was : was - asked, 1);
	}
	if (s->schedule.pace != PACE_TOPSPEED) {
		s->late += late > SEND_LATE_NS;
		s->late_max_ns = max_u64(s->late_max_ns, late);
	}
	s->last_sent_ns = now;
	s->last_due_ns = due;
	s->frames++;
	s->bytes += s->last_bytes = len;
	s->full = 0;
	s->at++;
}

/* The kernel refused the frame at the front: drop it, or keep it for another try. */
static int refused(struct sender *s, int why)
{
	if (why == -EMSGSIZE) { /* the MTU has shrunk meanwhile */
		s->too_long++;
		s->at++;
		return 0;
	}
	if (why != -EAGAIN && why != -ENOBUFS && why != -ENOMEM)
		return why;
	s->queue_full += !s->full;
	s->full = !s->drop;
	if (!s->drop)
		return -EAGAIN;
	s->dropped++;
	s->at++;
	return 0;
}

/* Count the frames that are due. A TAP gets paced frames one by one, each after a look at the clock. */
static u32 due_now(const struct sender *s, u64 now)
{
	u32 n = 0, most = s->to == SEND_TAP && s->schedule.pace != PACE_TOPSPEED ? 1 : BURST;

	while (n < most && s->at + n < s->n && s->start_ns + s->due_ns[s->at + n] <= now)
		n++;
	return n;
}

int send_step(struct sender *s, u64 now)
{
	int rc = 0;
	u32 n;

	if (s->schedule.pace == PACE_TOPSPEED && now >= s->start_ns && now - s->start_ns >= s->end_ns) {
		s->ended = 1;
		s->at = s->n; /* drop what was read ahead */
	}
	if (s->at == s->n)
		fill(s);
	n = due_now(s, now);
	if (n) {
		rc = s->to == SEND_TAP ? put_tap(s, n) : put_dev(s, n);
		if (rc < 0)
			rc = refused(s, rc);
		for (int i = 0; i < rc; i++)
			account(s, now);
		if (s->at == s->n)
			fill(s);
	}
	s->next_ns = s->at < s->n ? s->start_ns + s->due_ns[s->at] : s->ended || s->asks ? NEVER : now;
	return rc == 0 && s->next_ns == NEVER ? -ENODATA : rc;
}

/* ---- the clock ---- */

static struct timespec timespec_of(u64 ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
}

/* Return: false: a signal came, and Python has to handle it */
static bool wait_until(u64 now, u64 at_ns, u64 spin_ns)
{
	if (at_ns > now + spin_ns) {
		struct timespec ts = timespec_of(at_ns - spin_ns);

		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
			return false;
	}
	while (spin_ns && clock_ns() < at_ns)
		cpu_relax();
	return true;
}

static int run(struct sender *s, u64 until_ns)
{
	for (;;) {
		u64 now = clock_ns();
		int rc = send_step(s, now);

		if (rc == -ENODATA)
			return s->asks ? 2 : 0;
		if (rc < 0 && rc != -EAGAIN)
			return rc;
		if (now >= until_ns)
			return 1;
		if (rc == -EAGAIN) {
			if (!wait_until(now, min_u64(now + FULL_WAIT_NS, until_ns), 0))
				return 1;
		} else if (s->next_ns > now) {
			bool due = s->next_ns <= until_ns;

			if (!wait_until(now, due ? s->next_ns : until_ns, due ? SEND_SPIN_NS : 0))
				return 1;
		}
	}
}

int send_run(struct sender *s, u64 until_ns)
{
	int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), rc;

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* the default adds up to 50 us to every sleep */
	rc = run(s, until_ns);
	if (slack > 0)
		prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);
	return rc;
}
