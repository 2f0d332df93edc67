/* tap_uring.c - several reads of a TAP in one system call
 *
 *   tap.c: a busy lane -> tap_uring_read(): n reads into the next buffers -> the length of each
 *
 * With RWF_NOWAIT, io_uring executes each read in order during submission: nothing is asynchronous, and no read stays
 * pending (with O_NONBLOCK alone io_uring would wait for a dry TAP). It saves a system call and the mapping of the buffer for
 * each frame, because the buffers are registered once. The file is not registered: a ring outlives its close(), and would
 * keep the TAP busy. Without io_uring (an old kernel, kernel.io_uring_disabled, a container's seccomp, no memory to lock)
 * tap.c reads one by one. The same goes for a build with the headers of a kernel before 5.17. io_uring_enter(2).
 */
#include "device.h"

#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define TRY_FIRST 8u
#define TRY_EVERY 256u

enum { BY_URING, BY_READ };

#ifdef IORING_FEAT_CQE_SKIP /* it came with Linux 5.17, as did a TAP's NOWAIT */
#define NEEDS (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_CQE_SKIP)

struct tap_uring {
	int fd;
	u8 *rings;
	u64 rings_size, sqes_size;
	struct io_uring_sqe *sqe;
	const struct io_uring_cqe *cqe;
	u32 *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask;
};

static u32 *at(const struct tap_uring *u, u32 offset)
{
	return (void *)(u->rings + offset);
}

static int map(struct tap_uring *u, const struct io_uring_params *p)
{
	u64 sq = p->sq_off.array + (u64)p->sq_entries * sizeof(u32),
	    cq = p->cq_off.cqes + (u64)p->cq_entries * sizeof(struct io_uring_cqe);
	void *rings, *sqes;

	u->rings_size = max_u64(sq, cq);
	u->sqes_size = (u64)p->sq_entries * sizeof(*u->sqe);
	rings = mmap(NULL, u->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -1;
	u->rings = rings;
	sqes = mmap(NULL, u->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
	if (sqes == MAP_FAILED)
		return -1;
	u->sqe = sqes;
	u->sq_tail = at(u, p->sq_off.tail);
	u->sq_mask = *at(u, p->sq_off.ring_mask);
	u->cq_head = at(u, p->cq_off.head);
	u->cq_tail = at(u, p->cq_off.tail);
	u->cq_mask = *at(u, p->cq_off.ring_mask);
	u->cqe = (const void *)(u->rings + p->cq_off.cqes);
	for (u32 i = 0; i < p->sq_entries; i++)
		at(u, p->sq_off.array)[i] = i; /* entry i is always sqe[i] */
	return 0;
}

struct tap_uring *tap_uring_new(void *buffers, u64 size)
{
	const struct iovec memory = { buffers, size };
	struct io_uring_params p = { 0 };
	struct tap_uring *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->fd = (int)syscall(SYS_io_uring_setup, TAP_AHEAD, &p);
	if (u->fd < 0 || (p.features & NEEDS) != NEEDS || map(u, &p) < 0 ||
	    syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_BUFFERS, &memory, 1) < 0) {
		tap_uring_free(u);
		return NULL;
	}
	return u;
}

int tap_uring_fd(const struct tap_uring *u)
{
	return u ? u->fd : -1;
}

void tap_uring_free(struct tap_uring *u)
{
	if (!u)
		return;
	if (u->sqe)
		munmap(u->sqe, u->sqes_size);
	if (u->rings)
		munmap(u->rings, u->rings_size);
	if (u->fd >= 0)
		close(u->fd);
	free(u);
}

int tap_uring_read(struct tap_uring *u, int fd, u8 *const *buf, u32 len, int *res, u32 n)
{
	u32 tail = *u->sq_tail, head = *u->cq_head, left = n;
	int rc = 0;

	for (u32 i = 0; i < n; i++) {
		res[i] = 0;
		u->sqe[(tail + i) & u->sq_mask] = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED,
									 .fd = fd,
									 .off = (u64)-1, /* a TAP has no position */
									 .addr = (u64)(uintptr_t)buf[i],
									 .len = len,
									 .rw_flags = RWF_NOWAIT,
									 .user_data = i };
	}
	__atomic_store_n(u->sq_tail, tail + n, __ATOMIC_RELEASE);
	while (!rc && __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE) - head < n) {
		long done = syscall(SYS_io_uring_enter, u->fd, left, n, IORING_ENTER_GETEVENTS, NULL, 0);

		if (done >= 0)
			left -= (u32)done;
		else if (errno != EINTR)
			rc = -errno;
	}
	__atomic_store_n(u->sq_tail, tail + n - left, __ATOMIC_RELEASE); /* withdraw what the kernel did not take */
	for (; head != __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE); head++) {
		const struct io_uring_cqe *c = &u->cqe[head & u->cq_mask];

		res[c->user_data] = c->res == -EAGAIN ? 0 : c->res;
	}
	__atomic_store_n(u->cq_head, head, __ATOMIC_RELEASE);
	return left == n ? rc : 0;
}
#else
struct tap_uring *tap_uring_new(void *buffers, u64 size)
{
	return NULL;
}

int tap_uring_fd(const struct tap_uring *u)
{
	return -1;
}

void tap_uring_free(struct tap_uring *u)
{
}

int tap_uring_read(struct tap_uring *u, int fd, u8 *const *buf, u32 len, int *res, u32 n)
{
	return -ENOSYS;
}
#endif

/* ---- does it pay? ---- */

/* Which way is cheaper depends on the machine: io_uring saves system calls, but costs more than a fast one. Try both in turn
 * at first, and again now and then. */
int tap_way_begin(const struct tap_wire *t, struct tap_lane *lane, u32 want)
{
	u32 nth;
	bool try;

	lane->began_ns = 0;
	if (want < 2 || !t->uring || t->no_uring)
		return false;
	nth = lane->batches++;
	try = nth < 2 * TRY_FIRST || nth % TRY_EVERY < 2;
	lane->way = try ? (u8)(nth & 1) : lane->ns[BY_READ] < lane->ns[BY_URING];
	if (try)
		lane->began_ns = clock_ns();
	return lane->way == BY_URING;
}

/* A preempted batch says nothing about its way. So believe a lower cost at once, and a higher one only slowly. */
void tap_way_end(struct tap_lane *lane, u32 want, int full)
{
	u32 *ns = &lane->ns[lane->way], each;

	if (!lane->began_ns || !full)
		return;
	each = (u32)min_u64((clock_ns() - lane->began_ns) / want, 1 << 20);
	*ns = !*ns || each < *ns ? max_u32(each, 1) : *ns + (each - *ns) / 8;
}
