/* joint.c - a wire that joins two cards, each on a thread of its own: what one sends arrives at the other
 *
 *   card A nic_tx.c -> joint_write() --slots--> joint_read() -> card B nic_receive.c; and the other way, with slots of its own
 *
 * Each direction is a ring of slots. The writer fills the next slot if it is free, else the frame is lost (TX_WIRE_FULL). A
 * slot is free again when the reader's card gives its frame back, in any order. The writer wakes a reader that has found the
 * ring empty; both sides store, then load (seq_cst), so at least one side sees the store of the other.
 */
#include "device.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <poll.h>
#include <unistd.h>

#define SLOTS 1024u

struct slot {
	u32 len, busy;
};

/* One direction. @head: frames written; @tail: frames read. Both run free. */
struct joint_way {
	u8 *memory;
	struct slot slot[SLOTS];
	u32 head;
	u32 tail;
	int wake_fd;
};

static u8 *bytes_of(const struct joint_way *way, u32 i)
{
	return way->memory + (u64)(i % SLOTS) * TX_FRAME_MAX;
}

static int joint_read(struct wire *wire, struct frame *f, int max)
{
	struct joint_wire *w = container_of(wire, struct joint_wire, wire);
	struct joint_way *way = w->in;
	u32 head = __atomic_load_n(&way->head, __ATOMIC_SEQ_CST); /* Pairs with joint_write(). */
	int n = 0;

	for (; n < max && way->tail != head; n++) {
		u32 i = way->tail % SLOTS;

		f[n] = (struct frame){
			.data = bytes_of(way, i), .len = way->slot[i].len, .wire_len = way->slot[i].len, .slot = i
		};
		__atomic_store_n(&way->tail, way->tail + 1, __ATOMIC_SEQ_CST);
	}
	if (n)
		return n;
	return __atomic_load_n(&w->shut, __ATOMIC_ACQUIRE) ? -ENODATA : -EAGAIN;
}

static void joint_release(struct wire *wire, const struct frame *f)
{
	struct joint_wire *w = container_of(wire, struct joint_wire, wire);

	smp_store_release(&w->in->slot[f->slot].busy, 0);
}

/* The sender has padded it, and completed its checksum: this wire takes no virtio headers. */
static int joint_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct joint_wire *w = container_of(wire, struct joint_wire, wire);
	struct joint_way *way = w->out;
	u32 head = way->head;
	struct slot *slot = &way->slot[head % SLOTS];

	(void)hdr;
	(void)t_ns;
	if (smp_load_acquire(&slot->busy) || len > TX_FRAME_MAX)
		return -ENOBUFS;
	memcpy(bytes_of(way, head), frame, len);
	slot->len = len;
	slot->busy = 1;
	__atomic_store_n(&way->head, head + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&way->tail, __ATOMIC_SEQ_CST) == head) /* it may have found the ring empty */
		event_signal(way->wake_fd);
	return 0;
}

static u32 joint_poll_set(const struct wire *wire, struct pollfd *fds)
{
	const struct joint_wire *w = container_of(wire, struct joint_wire, wire);

	fds[0] = (struct pollfd){ .fd = w->in->wake_fd, .events = POLLIN };
	return 1;
}

static void joint_polled(struct wire *wire, const struct pollfd *fds)
{
	if (fds[0].revents)
		event_drain(container_of(wire, struct joint_wire, wire)->in->wake_fd);
}

static void way_free(struct joint_way *way)
{
	if (!way)
		return;
	if (way->memory)
		munmap(way->memory, (u64)SLOTS * TX_FRAME_MAX);
	if (way->wake_fd >= 0)
		close(way->wake_fd);
	free(way);
}

static struct joint_way *way_new(void)
{
	struct joint_way *way = calloc(1, sizeof(*way));

	if (!way)
		return NULL;
	way->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	way->memory = mmap(NULL, (u64)SLOTS * TX_FRAME_MAX, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (way->memory == MAP_FAILED)
		way->memory = NULL;
	if (way->wake_fd < 0 || !way->memory) {
		way_free(way);
		return NULL;
	}
	return way;
}

static struct joint_wire *end_new(struct joint_way *in, struct joint_way *out, u32 *ends)
{
	struct joint_wire *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->wire.read_burst = joint_read;
	w->wire.release = joint_release;
	w->wire.write = joint_write;
	w->wire.poll_set = joint_poll_set;
	w->wire.polled = joint_polled;
	w->in = in;
	w->out = out;
	w->ends = ends;
	return w;
}

int joint_wires_new(struct joint_wire **a, struct joint_wire **b)
{
	struct joint_way *one = way_new(), *other = way_new();
	u32 *ends = malloc(sizeof(*ends));

	*a = one && other && ends ? end_new(one, other, ends) : NULL;
	*b = *a ? end_new(other, one, ends) : NULL;
	if (*b) {
		*ends = 2;
		return 0;
	}
	free(*a);
	*a = NULL;
	way_free(one);
	way_free(other);
	free(ends);
	return -ENOMEM;
}

void joint_wire_shut(struct joint_wire *w)
{
	__atomic_store_n(&w->shut, 1, __ATOMIC_RELEASE);
	event_signal(w->in->wake_fd);
}

/* The last end frees the slots: until then the other may write to them. */
void joint_wire_free(struct joint_wire *w)
{
	if (!w)
		return;
	if (__atomic_fetch_sub(w->ends, 1, __ATOMIC_ACQ_REL) == 1) {
		way_free(w->in);
		way_free(w->out);
		free(w->ends);
	}
	free(w);
}
