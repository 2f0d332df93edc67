/* call_fd.c - the interrupt of a driver in another process: its eventfd is signalled so that it can't stop the card
 *
 *   nic.py call_fd() -> nic_set_call_fd();   irq.c irq_fire() -> call_signal(): io_submit(2) -> eventfd_signal() in the kernel
 *
 * write(2) to an eventfd waits while the count is at its highest, unless O_NONBLOCK is set. That flag belongs to the open
 * file, which the other process has too: it may clear the flag, write 2^64 - 2, and the card would wait for ever. Looking
 * first (poll(2), fcntl(2)) leaves a gap in between, there is no second open file of an eventfd (open() of its /proc link:
 * ENXIO), and pwritev2(RWF_NOWAIT) knows none (EOPNOTSUPP, Linux 6.18). What never waits is the kernel's own
 * eventfd_signal(): at the highest count it leaves a count that is set already (fs/eventfd.c). Asynchronous I/O that ends
 * calls it for aio_resfd (fs/aio.c). So the card submits a poll that is over at once, since an eventfd is always readable
 * or writable, and the end of that is the interrupt.
 *
 * It takes five times what write(2) takes: only interrupts of foreign drivers go this way. An eventfd that is in this
 * process alone, as doorbells and CPUs have them, is event_signal()'s (own_files.c).
 */
#include "device.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS 64 /* that ended and were not reaped, at most */

static int submit(aio_context_t ctx, int fd)
{
	struct iocb poll = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (u32)fd,
		.aio_buf = POLLIN | POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (u32)fd,
	};
	struct iocb *one = &poll;

	return syscall(SYS_io_submit, ctx, 1l, &one) < 0 ? -errno : 0;
}

/* What has ended is of no interest. */
static void reap(aio_context_t ctx)
{
	struct io_event events[EVENTS];
	struct timespec now = { 0 };

	syscall(SYS_io_getevents, ctx, 0l, (long)EVENTS, events, &now);
}

static int signal_fd(aio_context_t ctx, int fd)
{
	int rc = submit(ctx, fd);

	if (rc == -EAGAIN) {
		reap(ctx);
		rc = submit(ctx, fd);
	}
	return rc;
}

/* call_signal() - raise it; one that the other process has filled, closed or broken is its own loss */
void call_signal(const struct nic *nic, int fd)
{
	int copy;

	if (signal_fd(nic->call_ctx, fd) != -EBADF || (copy = own_files_fetch(fd)) < 0)
		return;
	signal_fd(nic->call_ctx, copy);
	close(copy);
}

/* nic_set_call_fd() - from now on fd is the queue's interrupt. Nobody runs the card meanwhile. Return: 0, or -errno: there is no
 * such queue, or the kernel refuses asynchronous I/O */
int nic_set_call_fd(struct nic *nic, u32 queue, int fd)
{
	if (queue >= nic->nqueues)
		return -EINVAL;
	if (!nic->call_ctx && syscall(SYS_io_setup, EVENTS, &nic->call_ctx) < 0)
		return -errno;
	nic->queue[queue].irq.call_fd = fd;
	return 0;
}

void call_exit(struct nic *nic)
{
	if (nic->call_ctx)
		syscall(SYS_io_destroy, nic->call_ctx);
	nic->call_ctx = 0;
}
