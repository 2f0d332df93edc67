/* calibrate.c - time the running kernel's receive path: vnic calibrate. Not on the path of vnic's frames
 *
 *   rung's frame --write()--> the kernel's TAP --> dropped at a stage of its own, or queued --recv()--> here
 *
 * A ladder: each kind of frame is dropped one stage later, so differences are stages (vnic/calibrate/ladder.py). All rungs are
 * timed in turn, in batches, so a slow drift of the machine shifts all of them alike. Single writes, spaced, show what a batch
 * hides: wake-ups, IPIs, cold caches. A spinning thread shows what interrupts steal from it.
 *
 * Why in C: a write takes about 2 us and a wake-up's difference is 0.1 us. Python between two writes costs as much as
 * the write, and evicts its caches; a reader that spins must not hold the interpreter's lock.
 */
#include "device.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_MAX 2048
#define GONE_NS 1000000000u /* a reader that has not read after this time has lost its CPU */
#define YIELDS 3

int calibrate_pin(u32 cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

void calibrate_spin_until(u64 ns)
{
	while (clock_ns() < ns)
		cpu_relax();
}

static int drain(int sock)
{
	_Alignas(64) u8 to[READ_MAX];
	int n = 0;

	while (sock >= 0 && recv(sock, to, sizeof(to), MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

int calibrate_start(void **thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	pthread_t t;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&t, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		*thread = (void *)t;
	return rc;
}

void calibrate_join(void *thread)
{
	pthread_join((pthread_t)thread, NULL);
}

/* ---- the ladder ---- */

/* Do once what the rung times. Return: 0, or -errno. */
static int once(const struct rung *r)
{
	_Alignas(64) u8 to[READ_MAX];

	switch (r->kind) {
	case RUNG_CLOCK:
		(void)clock_ns();
		return 0;
	case RUNG_SYSCALL:
		(void)syscall(SYS_getppid);
		return 0;
	case RUNG_EMPTY:
		(void)recv(r->sock, to, sizeof(to), MSG_DONTWAIT);
		return 0;
	case RUNG_REFUSED:
		return write(r->fd, r->frame, r->len) < 0 && errno == EINVAL ? 0 : -EIO;
	default:
		return write(r->fd, r->frame, r->len) < 0 ? -errno : 0;
	}
}

/* Read n datagrams. Return: the time, ns; or -ENODATA: the kernel lost some. */
static long long read_some(int sock, u32 n)
{
	_Alignas(64) u8 to[READ_MAX];
	u64 start = clock_ns();

	for (u32 i = 0; i < n; i++)
		if (recv(sock, to, sizeof(to), MSG_DONTWAIT) < 0)
			return -ENODATA;
	return (long long)(clock_ns() - start);
}

static int time_rung(struct rung *r, u32 rep, u32 batch, u32 warm)
{
	long long ns;
	u64 start;
	int rc = 0;

	for (u32 i = 0; i < warm && !rc; i++)
		rc = once(r);
	start = clock_ns();
	for (u32 i = 0; i < batch && !rc; i++)
		rc = once(r);
	r->write_ns[rep] = clock_ns() - start;
	if (rc || r->kind != RUNG_QUEUED)
		return rc;
	ns = read_some(r->sock, warm);
	if (ns >= 0)
		ns = read_some(r->sock, batch);
	r->read_ns[rep] = ns < 0 ? 0 : (u64)ns;
	return ns < 0 ? (int)ns : 0;
}

int calibrate_ladder(struct rung *rungs, u32 n, u32 cpu, u32 reps, u32 batch, u32 warm)
{
	int rc = -calibrate_pin(cpu);

	for (u32 rep = 0; rep < reps && !rc; rep++)
		for (u32 i = 0; i < n && !rc; i++)
			rc = time_rung(&rungs[i], rep, batch, warm);
	return rc;
}

/* ---- reads on the CPU that wrote, and on another one ---- */

/* A thread that stays on its CPU, so that its caches have all but the datagrams. */
struct remote {
	const struct rung *r;
	u32 cpu, batch, asked, done, stop;
	int rc;
};

static void *read_batches(void *arg)
{
	struct remote *m = arg;
	_Alignas(64) u8 to[READ_MAX];
	long long ns;

	calibrate_pin(m->cpu);
	for (;;) {
		while (smp_load_acquire(&m->asked) == m->done)
			if (READ_ONCE(m->stop))
				return NULL;
		(void)recv(m->r->sock, to, sizeof(to), MSG_DONTWAIT); /* the first: the call itself gets warm */
		ns = read_some(m->r->sock, m->batch);
		m->r->read_ns[m->done] = ns < 0 ? 0 : (u64)ns;
		m->rc = ns < 0 ? (int)ns : m->rc;
		smp_store_release(&m->done, m->done + 1);
	}
}

static int write_batches(struct rung *r, struct remote *m, u32 reps, u64 *first_ns)
{
	const struct timespec pause = { .tv_nsec = FIRST_PAUSE_NS };

	for (u32 rep = 0; rep < reps; rep++) {
		u64 start, first, until;
		int rc;

		nanosleep(&pause, NULL);
		start = clock_ns();
		rc = once(r);
		first = clock_ns();
		first_ns[rep] = first - start;
		for (u32 i = 0; i < m->batch && !rc; i++)
			rc = once(r);
		r->write_ns[rep] = clock_ns() - first;
		if (rc)
			return rc;
		smp_store_release(&m->asked, rep + 1);
		until = clock_ns() + GONE_NS;
		while (smp_load_acquire(&m->done) <= rep)
			if (clock_ns() > until)
				return -ETIMEDOUT;
	}
	return m->rc;
}

int calibrate_remote(struct rung *r, u32 writer, u32 reader, u32 reps, u32 batch, u64 *first_ns)
{
	struct remote m = { .r = r, .cpu = reader, .batch = batch };
	int rc = -calibrate_pin(writer);
	void *thread;

	drain(r->sock);
	rc = rc ? rc : calibrate_start(&thread, read_batches, &m);
	if (rc)
		return rc;
	rc = write_batches(r, &m, reps, first_ns);
	WRITE_ONCE(m.stop, 1);
	calibrate_join(thread);
	return rc;
}

/* ---- single writes with a reader ---- */

struct reader {
	struct wakes *w;
	sem_t read; /* posted after a read, if the writer sleeps meanwhile */
	u64 at_ns; /* of the last read */
	u32 count;
	u32 stop;
};

static void *read_singles(void *arg)
{
	struct reader *r = arg;
	const struct sched_param none = { 0 };
	int flags = r->w->how == READER_SPINS ? MSG_DONTWAIT : 0;
	_Alignas(64) u8 to[READ_MAX];

	calibrate_pin(r->w->reader);
	if (r->w->reader ==
	    r->w->writer) /* a batch task never preempts the waker, so the write's time is the wake-up alone */
		pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
	while (!READ_ONCE(r->stop)) {
		if (recv(r->w->sock, to, sizeof(to), flags) < 0)
			continue;
		WRITE_ONCE(r->at_ns, clock_ns());
		smp_store_release(&r->count, r->count + 1);
		if (r->w->reader == r->w->writer)
			sem_post(&r->read);
	}
	return NULL;
}

/* Pause as long as the next write wants. The writer of another CPU spins: its own caches and its clock stay as they are. */
static void pause_before(const struct wakes *w, u32 nth)
{
	if (w->writer == w->reader)
		for (int i = 0; i < YIELDS; i++)
			sched_yield(); /* the reader goes to sleep on this CPU, which stays warm */
	calibrate_spin_until(clock_ns() + w->gap_ns[nth]);
}

/* Wait until the reader has read @n datagrams. Return: 0, or -ETIMEDOUT: it has no CPU. */
static int await_reads(struct reader *r, u32 n)
{
	u64 until = clock_ns() + GONE_NS;

	if (r->w->writer == r->w->reader)
		while (sem_wait(&r->read) < 0 && errno == EINTR)
			;
	while (smp_load_acquire(&r->count) < n)
		if (clock_ns() > until)
			return -ETIMEDOUT;
	return 0;
}

static int write_singles(struct wakes *w, struct reader *r)
{
	for (u32 i = 0; i < w->n; i++) {
		u64 start, end, at;
		int rc;

		pause_before(w, i);
		start = clock_ns();
		if (write(w->fd, w->frame, w->len) < 0)
			return -errno;
		end = clock_ns();
		w->write_ns[i] = end - start;
		if (w->how == READER_NONE) {
			drain(w->sock);
			continue;
		}
		rc = await_reads(r, i + 1);
		if (rc)
			return rc;
		at = READ_ONCE(r->at_ns);
		w->read_ns[i] = at > end ? at - end : 0;
	}
	return 0;
}

int calibrate_wakes(struct wakes *w)
{
	const struct timespec settle = { .tv_nsec = 2000000 };
	struct reader r = { .w = w };
	void *t;
	int rc = -calibrate_pin(w->writer);

	drain(w->sock);
	if (rc || w->how == READER_NONE)
		return rc ? rc : write_singles(w, &r);
	sem_init(&r.read, 0, 0);
	rc = calibrate_start(&t, read_singles, &r);
	if (rc)
		return rc;
	nanosleep(&settle, NULL);
	rc = write_singles(w, &r);
	WRITE_ONCE(r.stop, 1);
	if (w->how == READER_SLEEPS)
		shutdown(w->sock, SHUT_RD); /* wakes the reader for good */
	calibrate_join(t);
	sem_destroy(&r.read);
	return rc;
}

/* ---- what interrupts steal ---- */

struct spinner {
	struct steals *s;
	u32 stop;
};

static void *spin(void *arg)
{
	struct spinner *p = arg;
	struct steals *s = p->s;
	u64 last, now;

	calibrate_pin(s->spinner);
	for (last = clock_ns(); !READ_ONCE(p->stop); last = now) {
		now = clock_ns();
		if (now - last > STEAL_MIN_NS && s->ngaps < s->room) {
			s->from_ns[s->ngaps] = last;
			s->until_ns[s->ngaps] = now;
			s->ngaps++;
		}
	}
	return NULL;
}

int calibrate_steals(struct steals *s)
{
	const struct timespec settle = { .tv_nsec = 1000000 };
	struct spinner p = { .s = s };
	void *t;
	int rc = -calibrate_pin(s->writer);

	s->ngaps = 0;
	rc = rc ? rc : calibrate_start(&t, spin, &p);
	if (rc)
		return rc;
	nanosleep(&settle, NULL);
	for (u32 i = 0; i < s->n && !rc; i++) {
		calibrate_spin_until(clock_ns() + s->gap_ns);
		s->begun_ns[i] = clock_ns();
		for (u32 k = 0; k < s->burst && !rc; k++)
			if (write(s->fd, s->frame, s->len) < 0)
				rc = -errno;
		s->written_ns[i] = clock_ns();
	}
	nanosleep(&settle, NULL);
	WRITE_ONCE(p.stop, 1);
	calibrate_join(t);
	return rc;
}
