/* trace_source.c - what both traces are made of: the records, the frames' rows, and what only a look at all records tells
 *
 *   records + rows -> trace_source_new() -> pftrace.c, ftrace.c
 *
 * A record tells of its own stage. How long a CPU worked on a packet, when the DMA took a frame out of the FIFO, whether a
 * CPU is idle behind a task: that follows from later records. One pass forward and one pass back find it.
 */
#include "prelude.h"

#define NONE UINT32_MAX

_Static_assert(TRACE_FATES > FRAME_NO_FATE, "a row's fate is an index");

u64 trace_row(const struct trace_source *s, u64 frame)
{
	u64 low = 0, high;

	if (!s->nrows || frame < s->rows[0].id)
		return NEVER;
	high = min_u64(frame - s->rows[0].id + 1, s->nrows); /* numbers ascend by at least one a row */
	while (low < high) {
		u64 mid = s->rows[high - 1].id == frame ? high - 1 : (low + high) / 2;

		if (s->rows[mid].id == frame)
			return mid;
		if (s->rows[mid].id < frame)
			low = mid + 1;
		else
			high = mid;
	}
	return NEVER;
}

static void note_row(struct trace_source *s, const struct event_record *e)
{
	u64 row = e->frame ? trace_row(s, e->frame) : NEVER, end = e->t_ns + e->dur_ns;

	if (row == NEVER)
		return;
	switch ((enum event_kind)e->kind) {
	case EVENT_WIRE:
		if (s->rows[row].flow < s->nflows)
			s->flow_used[s->rows[row].flow] = 1;
		break;
	case EVENT_DMA:
		s->left_fifo[row] = e->t_ns;
		break;
	case EVENT_FATE:
		s->left_fifo[row] = min_u64(s->left_fifo[row], end);
		/* fallthrough */
	case EVENT_SOCKET:
	case EVENT_REORDER:
		s->stack_end[row] = min_u64(s->stack_end[row], end);
		break;
	default:
		break;
	}
}

/* Does a run of the poll list lie in the softirq that began last on its CPU? */
static void note_softirq(struct trace_source *s, u64 at, u64 *softirq, u64 *net_rx)
{
	const struct event_record *e = &s->e[at], *other;

	if (e->kind == EVENT_SOFTIRQ) {
		softirq[e->cpu] = at;
		other = net_rx[e->cpu] == NEVER ? NULL : &s->e[net_rx[e->cpu]];
		if (other && other->t_ns == e->t_ns && other->t_ns + other->dur_ns <= e->t_ns + e->dur_ns)
			s->note[at] |= TRACE_HAS_NET_RX;
	} else {
		net_rx[e->cpu] = at;
		other = softirq[e->cpu] == NEVER ? NULL : &s->e[softirq[e->cpu]];
		if (other && e->t_ns + e->dur_ns <= other->t_ns + other->dur_ns)
			s->note[softirq[e->cpu]] |= TRACE_HAS_NET_RX;
	}
}

static void look_forward(struct trace_source *s)
{
	u64 softirq[CPUS_MAX], net_rx[CPUS_MAX];

	memset(softirq, 0xff, sizeof(softirq));
	memset(net_rx, 0xff, sizeof(net_rx));
	for (u64 i = 0; i < s->n; i++) {
		const struct event_record *e = &s->e[i];

		s->last_ns = max_u64(s->last_ns, e->t_ns + e->dur_ns);
		if (e->cpu != EVENT_NO_CPU && e->cpu < CPUS_MAX)
			s->ncpus = max_u32(s->ncpus, e->cpu + 1u);
		if (e->queue != EVENT_NO_QUEUE && e->queue < NIC_QUEUES_MAX)
			s->nqueues = max_u32(s->nqueues, e->queue + 1u);
		if ((e->kind == EVENT_SOFTIRQ || e->kind == EVENT_NET_RX) && e->cpu < CPUS_MAX)
			note_softirq(s, i, softirq, net_rx);
		if (e->kind == EVENT_SWITCH || e->kind == EVENT_TASK)
			s->max_task = max_u32(s->max_task, (u32)e->arg);
		note_row(s, e);
	}
}

/* What comes next on a CPU? */
struct next {
	u32 sock; /* that its reader reads; NONE */
	u8 sched; /* 0: nothing, EVENT_TASK, EVENT_SWITCH; 255: a switch from the idle task */
	u8 reader; /* 0: nothing, EVENT_TASK: it runs, EVENT_WAKE: it is woken */
};

static void look_back(struct trace_source *s, struct next *next)
{
	for (u32 cpu = 0; cpu < CPUS_MAX; cpu++)
		next[cpu] = (struct next){ .sock = NONE };
	for (u64 i = s->n; i-- > 0;) {
		const struct event_record *e = &s->e[i];

		if (e->kind == EVENT_WAKE && e->arg < CPUS_MAX) {
			next[e->arg].reader = EVENT_WAKE;
		} else if (e->cpu >= CPUS_MAX) {
			continue;
		} else if (e->kind == EVENT_READ) {
			next[e->cpu].sock = (u32)e->arg;
		} else if (e->kind == EVENT_SWITCH) {
			next[e->cpu].sched = e->arg >> 32 ? EVENT_SWITCH : 255;
		} else if (e->kind == EVENT_TASK) {
			if (!next[e->cpu].sched || next[e->cpu].sched == 255)
				s->note[i] |= TRACE_THEN_IDLE;
			next[e->cpu].sched = EVENT_TASK;
			if (e->arg != TASK_READER)
				continue;
			if (next[e->cpu].reader != EVENT_TASK)
				s->note[i] |= TRACE_THEN_SLEEPS;
			next[e->cpu].reader = EVENT_TASK;
			s->next_sock[i] = next[e->cpu].sock;
		}
	}
}

void trace_source_free(struct trace_source *s)
{
	if (!s)
		return;
	free(s->stack_end);
	free(s->left_fifo);
	free(s->note);
	free(s->next_sock);
	free(s->flow_used);
	free(s);
}

struct trace_source *trace_source_new(const struct event_record *e, u64 n, const struct frame_row *rows, u64 nrows,
				      u32 nflows)
{
	struct trace_source *s = calloc(1, sizeof(*s));
	struct next *next = malloc(CPUS_MAX * sizeof(*next));

	if (!s || !next)
		goto fail;
	*s = (struct trace_source){ .e = e, .n = n, .rows = rows, .nrows = nrows, .nflows = nflows };
	s->stack_end = malloc(max_u64(nrows, 1) * sizeof(*s->stack_end));
	s->left_fifo = malloc(max_u64(nrows, 1) * sizeof(*s->left_fifo));
	s->note = calloc(max_u64(n, 1), sizeof(*s->note));
	s->next_sock = calloc(max_u64(n, 1), sizeof(*s->next_sock));
	s->flow_used = calloc(max_u64(nflows, 1), sizeof(*s->flow_used));
	if (!s->stack_end || !s->left_fifo || !s->note || !s->next_sock || !s->flow_used)
		goto fail;
	memset(s->stack_end, 0xff, nrows * sizeof(*s->stack_end));
	memset(s->left_fifo, 0xff, nrows * sizeof(*s->left_fifo));
	for (u64 i = 0; i < nrows; i++)
		s->frames[rows[i].fate]++;
	look_forward(s);
	look_back(s, next);
	free(next);
	return s;
fail:
	free(next);
	trace_source_free(s);
	return NULL;
}
