/* threads.h - what the stress programs share: threads, wake-ups that must come, and a limit on the time it all may take */
#ifndef VNIC_TESTS_THREADS_H
#define VNIC_TESTS_THREADS_H

#include "path.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PATIENCE_MS 30000 /* nothing here takes a second: who still sleeps then was not woken */

static inline pthread_t thread(void *(*run)(void *), void *arg)
{
	pthread_t t;

	require(pthread_create(&t, NULL, run, arg) == 0, "no thread");
	return t;
}

static inline int event_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	require(fd >= 0, "no eventfd");
	return fd;
}

static inline void event_set(int fd)
{
	u64 one = 1;

	require(write(fd, &one, sizeof(one)) == sizeof(one), "an eventfd cannot be written");
}

static inline void event_wait(int fd, const char *lost)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 n;

	require(poll(&p, 1, PATIENCE_MS) == 1, lost);
	require(read(fd, &n, sizeof(n)) == sizeof(n), "an eventfd cannot be read");
}

/* A random number for each thread: xorshift, seeded by hand so that runs look alike. */
static inline u32 random32(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Give a live host the eventfds that vnic/live.py would. */
static inline void live_fds(struct host *h)
{
	h->nic.kick_fd = event_fd();
	h->upcalls.wake_fd = event_fd();
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->wake_fd = event_fd();
}

static inline void close_fds(struct host *h)
{
	close(h->nic.kick_fd);
	close(h->upcalls.wake_fd);
	for (u32 i = 0; i < h->ncpus; i++)
		close(h->cpu[i]->wake_fd);
}

static inline void *run_cpu(void *sd)
{
	require(cpu_thread(sd) == EV_STOPPED, "a CPU's thread ended by itself");
	return NULL;
}

static inline void stop_cpu(struct softnet_data *sd, pthread_t t)
{
	__atomic_store_n(&sd->stop, 1, __ATOMIC_SEQ_CST);
	event_set(sd->wake_fd);
	pthread_join(t, NULL);
}

/* Wait until a count is reached by what other threads do. */
static inline void wait_for(u64 (*count)(struct host *), struct host *h, u64 want, const char *lost)
{
	for (u32 ms = 0; count(h) < want; ms++) {
		require(ms < PATIENCE_MS, lost);
		usleep(1000);
	}
}

#endif
