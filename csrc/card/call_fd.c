/* call_fd.c - the interrupt of a driver in another process: signal its eventfd in a way that it cannot block
 *
 *   nic.py call_fd() -> nic_set_call_fd();   irq.c irq_fire() -> call_signal(): io_submit(2) -> eventfd_signal() in the kernel
 *
 * write(2) to an eventfd blocks while its count is at the maximum, unless O_NONBLOCK is set. That flag belongs to the open
 * file, which the other process shares: it may clear the flag and write 2^64 - 2, and the card would block forever. Checking
 * first (poll(2), fcntl(2)) is a race. An eventfd cannot be opened a second time (open() of its /proc link: ENXIO).
 * pwritev2(RWF_NOWAIT) does not support eventfds (EOPNOTSUPP, Linux 6.18).
 *
 * The kernel's own eventfd_signal() never blocks: at the maximum it leaves the count as it is (fs/eventfd.c). Asynchronous
 * I/O calls it for aio_resfd on completion (fs/aio.c). So the card submits a poll, which completes at once because an eventfd
 * is always readable or writable. That completion is the interrupt.
 *
 * It costs five times as much as write(2), so only interrupts of foreign drivers go this way. event_signal() (own_files.c)
 * signals the eventfds that stay inside this process: doorbells, and those of CPUs.
 */
#include "device.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS 64 /* completed and not reaped, at most */

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

/* Discard all completions. */
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

/* An eventfd that the other process has filled, closed or broken costs only that process its interrupts. */
void call_signal(const struct nic *nic, int fd)
{
	int copy;

	if (signal_fd(nic->call_ctx, fd) != -EBADF)
		return;
	copy = own_files_fetch(fd);
	if (copy < 0)
		return;
	signal_fd(nic->call_ctx, copy);
	close(copy);
}

int call_init(struct nic *nic)
{
	return !nic->call_ctx && syscall(SYS_io_setup, EVENTS, &nic->call_ctx) < 0 ? -errno : 0;
}

int nic_set_call_fd(struct nic *nic, u32 queue, int fd)
{
	int rc;

	if (queue >= nic->nqueues)
		return -EINVAL;
	rc = call_init(nic);
	if (rc < 0)
		return rc;
	nic->queue[queue].irq.call_fd = fd;
	return 0;
}

void call_exit(struct nic *nic)
{
	if (nic->call_ctx)
		syscall(SYS_io_destroy, nic->call_ctx);
	nic->call_ctx = 0;
}
