/* vhost_signal.c - a foreign driver's doorbells, interrupts and error reports: files that it sent, and may abuse
 *
 *   its kick eventfds -> one epoll, edge-triggered: the card's thread sleeps on it (card/nic_thread.c), and reads none of them
 *   the card's interrupt -> vhost_call(): an eventfd by call_fd.c, which never blocks; a socket by send(MSG_DONTWAIT)
 *
 * A doorbell that is never read can neither block the card nor spin it: an edge is one write. The count of such an eventfd
 * grows to its maximum only after 2^64 doorbells. An interrupt's eventfd may be full or blocking: the kernel's own signal does
 * not mind. User Mode Linux sends a Unix socket in its place. Other files are refused: a pipe would block, or end the process
 * by SIGPIPE, and a TCP socket can make close(2) wait (SO_LINGER).
 */
#include "device.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <stdio.h>
#include <unistd.h>

static bool is_socket(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static bool is_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[32], got[sizeof(want) + 1];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, got, sizeof(got));
	return n == (ssize_t)strlen(want) && memcmp(got, want, (size_t)n) == 0;
}

static void replace(int *file, int fd)
{
	if (*file >= 0)
		close(*file);
	*file = fd;
}

/* Take it out of the epoll first: the driver has the same file open, so closing this copy would leave it there. */
static void forget_kick(struct vhost *v, struct vhost_ring *r)
{
	if (r->kick >= 0)
		epoll_ctl(v->foreign.doorbells, EPOLL_CTL_DEL, r->kick, NULL);
	replace(&r->kick, -1);
}

int vhost_set_kick(struct vhost *v, u32 ring, int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u32 = ring };
	struct vhost_ring *r;

	if (ring >= 2 * v->pairs)
		return -EINVAL;
	r = &v->ring[ring];
	if (fd >= 0 && !is_eventfd(fd))
		return -EINVAL;
	forget_kick(v, r);
	if (fd >= 0 && epoll_ctl(v->foreign.doorbells, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	r->kick = fd;
	vhost_rings_changed(v);
	return 0;
}

static int set_signal(int *file, u8 *socket, int fd)
{
	bool sock = fd >= 0 && is_socket(fd);

	if (fd >= 0 && !sock && !is_eventfd(fd))
		return -EINVAL;
	replace(file, fd);
	*socket = sock;
	return 0;
}

int vhost_set_call(struct vhost *v, u32 ring, int fd)
{
	return ring < 2 * v->pairs ? set_signal(&v->ring[ring].call, &v->ring[ring].call_is_socket, fd) : -EINVAL;
}

int vhost_set_err(struct vhost *v, u32 ring, int fd)
{
	return ring < 2 * v->pairs ? set_signal(&v->ring[ring].err, &v->ring[ring].err_is_socket, fd) : -EINVAL;
}

static void signal_file(const struct nic *nic, int fd, bool socket)
{
	u64 one = 1;

	if (fd < 0)
		return;
	if (socket)
		send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		call_signal(nic, fd);
}

void vhost_call(struct vhost *v, struct vhost_ring *r)
{
	COUNT(r->calls, r->call >= 0);
	signal_file(v->nic, r->call, r->call_is_socket);
}

void vhost_error(struct vhost *v, struct vhost_ring *r)
{
	signal_file(v->nic, r->err, r->err_is_socket);
}

/* nic_foreign.rang: some doorbells rang. The card looks at all rings anyway; this forgets the edges, and counts them. */
int vhost_rang(struct nic *nic)
{
	struct vhost *v = container_of(nic->foreign, struct vhost, foreign);
	struct epoll_event e[BURST];
	int n = epoll_wait(v->foreign.doorbells, e, BURST, 0), heard = n;

	for (int i = 0; i < n; i++) {
		struct vhost_ring *r = &v->ring[e[i].data.u32];

		COUNT(r->kicks, 1);
		if (!(r->index & 1))
			COUNT(nic->queue[r->index / 2].kicks, 1);
		else
			COUNT(nic->tx.kicks, 1);
		if (unlikely(nic->faults != NULL) &&
		    nic_fault_hits(nic, FAULT_KICK_IGNORED, r->index / 2, clock_ns(), 0, NULL))
			heard--;
	}
	return heard;
}

void vhost_close_files(struct vhost *v, struct vhost_ring *r)
{
	forget_kick(v, r);
	replace(&r->call, -1);
	replace(&r->err, -1);
}
