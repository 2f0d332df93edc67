/* validate.c - a load for the running kernel, written and read with exact times: vnic validate. Not on the path of vnic's frames
 *
 *   due_ns --spin--> write() --> the kernel's TAP --> softirq, GRO, RPS, UDP --> recv() --> work --> recv() ...
 *
 * vnic replays the same writes at the times at which they began. Frames are numbered, so each one's way is known: its latency, or
 * that it was lost. The reader's work is a loop, not a wait for the clock: an interrupt prolongs it, as real work.
 */
#include "device.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX 2048
#define WORK_SAMPLES 101
#define SETTLE_NS 30000000 /* after the last write: the reader reads what is queued */

struct reader {
	struct validation *v;
	u32 ready, stop;
};

static void work(u64 loops)
{
	u64 x = loops;

	while (loops--) {
		x = x * 3 + 1;
		__asm__ volatile("" : "+r"(x));
	}
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

u64 validate_work_ns(u64 loops)
{
	u64 took[WORK_SAMPLES];

	for (u32 i = 0; i < WORK_SAMPLES; i++) {
		u64 start = clock_ns();

		work(loops);
		took[i] = clock_ns() - start;
	}
	qsort(took, WORK_SAMPLES, sizeof(*took), by_value);
	return took[WORK_SAMPLES / 2];
}

static u64 cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 sleeps(void)
{
	struct rusage used;

	getrusage(RUSAGE_THREAD, &used);
	return (u64)used.ru_nvcsw;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct validation *v = r->v;
	_Alignas(64) u8 to[READ_MAX];
	u64 cpu, slept, number;

	calibrate_pin(v->reader);
	v->work_ns = validate_work_ns(v->work_loops);
	cpu = cpu_ns();
	slept = sleeps();
	smp_store_release(&r->ready, 1);
	while (!READ_ONCE(r->stop)) {
		if (recv(v->sock, to, sizeof(to), 0) < (ssize_t)sizeof(number))
			continue;
		number = load64(to);
		if (number < v->n)
			v->read_ns[number] = clock_ns();
		work(v->work_loops);
	}
	v->reader_ns = cpu_ns() - cpu;
	v->sleeps = sleeps() - slept;
	v->sleeps -= v->sleeps > 0; /* the last sleep is ended by us */
	return NULL;
}

static int write_all(struct validation *v)
{
	u64 start = clock_ns() + 1000000;

	for (u64 i = 0; i < v->n; i++) {
		memcpy(v->frame + VALIDATE_NUMBER_AT, &i, sizeof(i));
		calibrate_spin_until(start + v->due_ns[i]);
		v->begun_ns[i] = clock_ns();
		if (write(v->fd, v->frame, v->len) < 0)
			return -errno;
	}
	return 0;
}

int validate_load(struct validation *v)
{
	const struct timespec a_moment = { .tv_nsec = 2000000 }, settle = { .tv_nsec = SETTLE_NS };
	struct reader r = { .v = v };
	void *thread;
	int rc = -calibrate_pin(v->writer);

	rc = rc ? rc : calibrate_start(&thread, read_all, &r);
	if (rc)
		return rc;
	while (!smp_load_acquire(&r.ready))
		nanosleep(&a_moment, NULL);
	nanosleep(&a_moment, NULL); /* the reader goes to sleep */
	rc = write_all(v);
	nanosleep(&settle, NULL);
	WRITE_ONCE(r.stop, 1);
	shutdown(v->sock, SHUT_RD); /* wakes the reader for good */
	calibrate_join(thread);
	return rc;
}
