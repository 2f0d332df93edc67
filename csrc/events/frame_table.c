/* frame_table.c - a row for each frame, from the log's records
 *
 *   records -> rows of the frames that arrived -> a merged frame takes what happened later from its packet's first frame
 *
 * Frame numbers ascend, so a row is found by its number. A frame that GRO or reassembly has put into a packet has the
 * packet's first frame as its skb: from there on the packet's records, which name that frame, are its own.
 */
#include "prelude.h"

#define NO_ROW UINT32_MAX

struct found {
	struct frame_row *rows;
	u32 *row_of; /* by id - first; NO_ROW. NULL: the ids are too far apart */
	u64 *id; /* then this has them, [n], ascending */
	u64 first, ids, n;
};

static struct frame_row *row_of(const struct found *t, u64 id)
{
	u64 at = id - t->first, low = 0, high = t->n;

	if (likely(t->row_of != NULL))
		return at < t->ids && t->row_of[at] != NO_ROW ? &t->rows[t->row_of[at]] : NULL;
	while (low < high) {
		u64 mid = (low + high) / 2;

		if (t->id[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && t->id[low] == id ? &t->rows[low] : NULL;
}

static void note(struct frame_row *r, const struct event_record *e)
{
	u64 end = e->t_ns + e->dur_ns;

	switch ((enum event_kind)e->kind) {
	case EVENT_WIRE:
		r->t_wire = end;
		r->len = (u32)e->arg;
		r->flow = (u32)(e->arg >> 32);
		r->queue = e->queue;
		break;
	case EVENT_DMA:
		r->t_ring = end;
		r->queue = e->queue;
		break;
	case EVENT_RING:
		r->t_irq = e->arg;
		r->t_poll = end;
		r->cpu = e->cpu;
		break;
	case EVENT_GRO_MERGE:
		r->skb = e->skb;
		break;
	case EVENT_GRO_OUT:
		r->t_gro = end;
		r->segs = (u16)e->arg;
		if (e->skb)
			r->skb = e->skb;
		break;
	case EVENT_REORDER:
	case EVENT_ORDERED:
		if (e->skb)
			r->skb = e->skb;
		break;
	case EVENT_BACKLOG:
		r->t_backlog = end;
		break;
	case EVENT_RECEIVE:
		r->t_stack = end;
		r->stack_cpu = e->cpu;
		break;
	case EVENT_SOCKET:
		r->t_socket = end;
		break;
	case EVENT_READ:
		r->t_read = end;
		r->read_cpu = e->cpu;
		break;
	case EVENT_FATE:
		r->t_fate = end;
		r->fate = (u8)e->arg;
		break;
	default:
		break;
	}
}

static void inherit_time(u64 *own, u64 packets)
{
	if (*own == NEVER)
		*own = packets;
}

static void inherit_cpu(u16 *own, u16 packets)
{
	if (*own == EVENT_NO_CPU)
		*own = packets;
}

/* Let a frame take from its packet what it has no record of itself. */
static void inherit(const struct found *t, struct frame_row *r)
{
	const struct frame_row *head = row_of(t, r->skb);
	u32 steps = 0;

	while (head && head->skb != head->id && row_of(t, head->skb) &&
	       steps++ < 64) /* a fragment in a merged packet */
		head = row_of(t, head->skb);
	if (!head || head == r)
		return;
	r->skb = head->id;
	inherit_time(&r->t_backlog, head->t_backlog);
	inherit_time(&r->t_stack, head->t_stack);
	inherit_time(&r->t_socket, head->t_socket);
	inherit_time(&r->t_read, head->t_read);
	inherit_cpu(&r->stack_cpu, head->stack_cpu);
	inherit_cpu(&r->read_cpu, head->read_cpu);
	if (r->fate == FRAME_NO_FATE) {
		r->fate = head->fate;
		r->t_fate = head->t_fate;
	}
}

static int by_id(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Find the ids by sorting them: a filter has chosen few of many frames, or a file has made them up. */
static int lay_out_sparse(struct found *t, const struct event_record *e, u64 n)
{
	u64 all = 0;

	t->id = malloc(n * sizeof(*t->id));
	if (!t->id)
		return -ENOMEM;
	for (u64 i = 0; i < n; i++)
		if (e[i].kind == EVENT_WIRE)
			t->id[all++] = e[i].frame;
	qsort(t->id, all, sizeof(*t->id), by_id);
	for (u64 i = 0; i < all; i++)
		if (!i || t->id[i] != t->id[t->n - 1])
			t->id[t->n++] = t->id[i];
	return 0;
}

static int lay_out_dense(struct found *t, const struct event_record *e, u64 n)
{
	t->row_of = malloc(t->ids * sizeof(*t->row_of));
	if (!t->row_of)
		return -ENOMEM;
	memset(t->row_of, 0xff, t->ids * sizeof(*t->row_of));
	for (u64 i = 0; i < n; i++)
		if (e[i].kind == EVENT_WIRE)
			t->row_of[e[i].frame - t->first] = 0;
	for (u64 i = 0; i < t->ids; i++)
		if (t->row_of[i] != NO_ROW)
			t->row_of[i] = (u32)t->n++;
	return 0;
}

/* Number the rows in the order of their ids. Return: 0 or -ENOMEM */
static int lay_out(struct found *t, const struct event_record *e, u64 n)
{
	u64 first = NEVER, last = 0;

	for (u64 i = 0; i < n; i++) {
		if (e[i].kind != EVENT_WIRE)
			continue;
		first = min_u64(first, e[i].frame);
		last = max_u64(last, e[i].frame);
	}
	if (first == NEVER)
		return 0;
	t->first = first;
	t->ids = last - first + 1;
	return t->ids / 16 > n || t->ids > UINT32_MAX ? lay_out_sparse(t, e, n) : lay_out_dense(t, e, n);
}

static void begin(struct frame_row *r, u64 id)
{
	memset(&r->t_wire, 0xff, offsetof(struct frame_row, len) - offsetof(struct frame_row, t_wire));
	r->id = r->skb = id;
	r->len = r->flow = 0;
	r->queue = r->cpu = r->stack_cpu = r->read_cpu = EVENT_NO_CPU;
	r->segs = 1;
	r->fate = FRAME_NO_FATE;
	memset(r->spare, 0, sizeof(r->spare));
}

static void fill_in(const struct found *t, const struct event_record *e, u64 n)
{
	for (u64 i = 0; t->row_of && i < t->ids; i++)
		if (t->row_of[i] != NO_ROW)
			begin(&t->rows[t->row_of[i]], t->first + i);
	for (u64 i = 0; !t->row_of && i < t->n; i++)
		begin(&t->rows[i], t->id[i]);
	for (u64 i = 0; i < n; i++) {
		struct frame_row *r = row_of(t, e[i].frame);

		if (r)
			note(r, &e[i]);
	}
	for (u64 i = 0; i < t->n; i++)
		inherit(t, &t->rows[i]);
}

long frame_table(const struct event_record *e, u64 n, struct frame_row *rows, u64 max)
{
	struct found t = { .rows = rows };
	int rc = lay_out(&t, e, n);

	if (!rc && t.n && rows && t.n <= max)
		fill_in(&t, e, n);
	free(t.row_of);
	free(t.id);
	return rc < 0 ? rc : (long)t.n;
}
