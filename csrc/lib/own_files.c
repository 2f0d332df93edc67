/* own_files.c - live: the card's thread has a table of file descriptors of its own
 *
 *   threads.c nic_thread() -> run_with_own_files(): a thread of the same name leaves the process's table, and
 *   keeps a few files
 *   irq.c, sock.c, ... -> event_signal(): write() to an eventfd, also to one that this thread's table lacks
 *
 * In each system call the kernel counts a reference to the file, unless the caller's table has no other user (fdget(),
 * include/linux/file.h). The two atomic operations take 25 to 30 ns of a read(): 5 % of the cost of a 60-byte frame from a
 * TAP.
 *
 * Python's code never runs in that thread, because a file it opened would be open there only. Every number in that table is
 * open in the process too and means the same file (except stderr's, kept for last words). So a number that the process
 * opens later is EBADF there, never another file, and pidfd_getfd(2) fetches it. If the kernel forbids that (before 5.9, or
 * by a container's seccomp), the work runs in the calling thread.
 */
#include "device.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open /* the numbers are the same on all architectures */
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
	int pidfd, rc; /* pidfd: of the thread that waits, which has the process's table */
	bool done; /* run() was called */
};

static __thread int process_fd = -1; /* pidfd of a thread with the process's table; -1: this thread has it */

static int fetch(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int own_files_fetch(int fd)
{
	return process_fd < 0 ? -1 : fetch(process_fd, fd);
}

static noinline void signal_elsewhere(int fd)
{
	u64 one = 1;
	int copy = own_files_fetch(fd);
	ssize_t n;

	if (copy < 0) /* closed there too: no thread waits */
		return;
	n = write(copy, &one, sizeof(one));
	(void)n;
	close(copy);
}

/* A full eventfd is no error: it is set already. The process may have closed stderr and reused its number for an eventfd, so
 * in a table of its own this thread never writes to that number. */
void event_signal(int fd)
{
	bool own = process_fd >= 0;
	u64 one = 1;

	if (unlikely(own && fd == STDERR_FILENO) || unlikely(write(fd, &one, sizeof(one)) < 0 && errno == EBADF && own))
		signal_elsewhere(fd);
}

void event_drain(int fd)
{
	u64 n;
	ssize_t rc = read(fd, &n, sizeof(n));

	(void)rc; /* empty: another wake-up drained it */
}

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

/* last -1: close all from first on */
static int close_from_to(int first, int last, u32 flags)
{
	return (int)syscall(SYS_close_range, (u32)first, (u32)last, flags);
}

/* Leave the table that all threads share, and close files that are not in the set. Return: 0; <0: still in the shared one */
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
	close_from_to(0, -1, 0); /* now: after the join, another thread may want the TAP at once */
	return NULL;
}

static bool run_elsewhere(struct own *own)
{
	char name[COMM_LEN] = "";
	pthread_t t;

	prctl(PR_GET_NAME, name);
	if (pthread_create(&t, NULL, run_own, own)) /* it inherits name, affinity and signal mask */
		return false;
	prctl(PR_SET_NAME, "waits for nic");
	pthread_join(t, NULL);
	prctl(PR_SET_NAME, name);
	return own->done;
}

/* Open a pidfd of the calling thread, because the main thread may end earlier. Before Linux 6.9 only the main one works. */
static int open_process(void)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)syscall(SYS_gettid), PIDFD_THREAD);

	return fd < 0 && errno == EINVAL ? (int)syscall(SYS_pidfd_open, getpid(), 0) : fd;
}

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
