/* own_files.c - live: the card's thread has a table of file descriptors of its own
 *
 *   live.c nic_thread() -> run_with_own_files(): a thread of the same name, which leaves the process's table and keeps a few
 *   whoever wakes somebody -> event_signal(): write() to an eventfd, also to one that this thread's table does not have
 *
 * The kernel counts a reference to the file in each system call, unless nobody else uses the caller's table (fdget(),
 * include/linux/file.h). Two atomic operations are 25 to 30 ns of a read(): 5 % of what a frame of 60 bytes from a TAP costs.
 *
 * Python's code never runs in that thread: what it opened would be open there only. Every number in that table is open in
 * the process too and means the same (but stderr's, kept for last words). So one that was opened later is EBADF there, never
 * another file, and is fetched then: pidfd_getfd(2). Where the kernel does not let us (before 5.9, or a container's
 * seccomp), all is done in place.
 */
#include "device.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open /* these have one number on all machines */
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

#define COMM_LEN 16
#define UNSHARE 2u /* CLOSE_RANGE_UNSHARE */

struct own {
	int (*run)(void *);
	void *arg;
	const struct file_set *files;
	int pidfd, rc; /* pidfd: of whoever waits, with the process's table */
	bool done; /* it was run */
};

static __thread int process_fd = -1; /* the process's table, if this thread has one of its own */

static int fetch(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

/* own_files_fetch() - a copy of a file that the process has and this thread's table has not. Return: <0: there is none */
int own_files_fetch(int fd)
{
	return process_fd < 0 ? -1 : fetch(process_fd, fd);
}

static noinline void signal_elsewhere(int fd)
{
	u64 one = 1;
	int copy = own_files_fetch(fd);
	ssize_t n;

	if (copy < 0) /* closed there too: nobody waits */
		return;
	n = write(copy, &one, sizeof(one));
	(void)n;
	close(copy);
}

/* event_signal() - whoever waits for this eventfd wakes up. That it is full is no error: then it is set already. The process
 * may have closed stderr since, and its number is an eventfd's now: what is here under that one is never what is meant. */
void event_signal(int fd)
{
	bool own = process_fd >= 0;
	u64 one = 1;

	if (unlikely(own && fd == STDERR_FILENO) || unlikely(write(fd, &one, sizeof(one)) < 0 && errno == EBADF && own))
		signal_elsewhere(fd);
}

/* file_set_add() - in order; -1 is none */
void file_set_add(struct file_set *s, int fd)
{
	u32 i = s->n;

	if (fd < 0 || i == ARRAY_SIZE(s->fd))
		return;
	for (; i && s->fd[i - 1] > fd; i--)
		s->fd[i] = s->fd[i - 1];
	s->fd[i] = fd;
	s->n++;
}

/* last -1: to the end */
static int close_from_to(int first, int last, u32 flags)
{
	return (int)syscall(SYS_close_range, (u32)first, (u32)last, flags);
}

/* Leave the table that all threads share, and close what is not in the set. Return: 0, <0: it is still the shared one */
static int leave(const struct file_set *s)
{
	int next = 0;

	if (close_from_to(s->fd[s->n - 1] + 1, -1, UNSHARE) < 0)
		return -1;
	for (u32 i = 0; i < s->n; next = s->fd[i++] + 1)
		if (s->fd[i] > next)
			close_from_to(next, s->fd[i] - 1, 0);
	return 0;
}

static void *run_own(void *arg)
{
	struct own *own = arg;

	if (leave(own->files) < 0)
		return NULL;
	process_fd = own->pidfd;
	own->rc = own->run(own->arg);
	own->done = true;
	process_fd = -1;
	close_from_to(0, -1, 0); /* now, not some time after whoever joins us goes on and may want to have the TAP */
	return NULL;
}

static bool run_elsewhere(struct own *own)
{
	char name[COMM_LEN] = "";
	pthread_t t;

	prctl(PR_GET_NAME, name);
	if (pthread_create(&t, NULL, run_own, own)) /* it has our name, cores and blocked signals */
		return false;
	prctl(PR_SET_NAME, "waits for nic");
	pthread_join(t, NULL);
	prctl(PR_SET_NAME, name);
	return own->done;
}

/* By the thread that waits: the main one may end before it. Before Linux 6.9 only that one will do. */
static int open_process(void)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)syscall(SYS_gettid), PIDFD_THREAD);

	return fd < 0 && errno == EINVAL ? (int)syscall(SYS_pidfd_open, getpid(), 0) : fd;
}

/* run_with_own_files() - run(arg) where these files, and no others, are open. Return: what it returns */
int run_with_own_files(int (*run)(void *), void *arg, struct file_set *files)
{
	struct own own = { .run = run, .arg = arg, .files = files };
	int copy;
	bool done = false;

	own.pidfd = open_process();
	copy = own.pidfd < 0 ? -1 : fetch(own.pidfd, own.pidfd);
	if (copy >= 0) {
		close(copy);
		file_set_add(files, own.pidfd);
		file_set_add(files, STDERR_FILENO);
		done = run_elsewhere(&own);
	}
	if (own.pidfd >= 0)
		close(own.pidfd);
	return done ? own.rc : run(arg);
}
