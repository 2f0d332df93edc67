/* pftrace.c - a run as a Perfetto trace: slices of the card and of each CPU, waits, losses, counters, and arrows
 *
 *   trace_source.c -> pftrace_write(): trace_points.c puts begins and ends in order -> here -> pftrace_packet.c
 *
 * A CPU has a track for hardirqs, one for softirqs and one for tasks: an interrupt splits nothing. Waits overlap without
 * nesting, so each kind has lanes: a wait takes the first lane that is free. An arrow's number is its frame's; arrows of
 * interrupts and wake-ups have numbers above.
 */
#include "prelude.h"

#include <stdio.h>

enum what { AT_BEGIN = PFT_CLOSE + 1, AT_END };

static bool has_cpu(const struct pftrace *p, const struct event_record *e)
{
	return e->cpu < p->s->ncpus;
}

/* ---- counters ---- */

static void socket_memory(struct pftrace *p, const struct event_record *e, u64 t)
{
	u32 sock = (u32)e->arg;
	char name[40];

	if (sock >= PFT_SOCKETS_MAX)
		return;
	if (!p->socket_named[sock]) {
		p->socket_named[sock] = 1;
		snprintf(name, sizeof(name), "socket %u: memory", sock);
		pf_track(&p->out, PFT_SOCKET_TRACKS + sock, PFT_SOCKETS, name, sock, true);
	}
	if (e->kind == EVENT_SOCKET)
		p->queued[sock]++;
	else
		p->queued[sock] -= p->queued[sock] > 0;
	if (e->kind == EVENT_SOCKET)
		pf_counter(p, PFT_SOCKET_TRACKS + sock, t, e->arg >> 32);
	else if (!p->queued[sock]) /* a read does not say what is left, but behind the last one nothing is */
		pf_counter(p, PFT_SOCKET_TRACKS + sock, t, 0);
}

static void backlog(struct pftrace *p, u32 cpu, u64 t, bool more)
{
	if (cpu >= p->s->ncpus)
		return;
	p->backlog[cpu] = more ? p->backlog[cpu] + 1 : p->backlog[cpu] - (p->backlog[cpu] > 0);
	pf_counter(p, PFT_CPU_TRACKS + 8u * cpu + PFT_BACKLOG, t, p->backlog[cpu]);
}

static void left_fifo(struct pftrace *p, const struct event_record *e, u64 t)
{
	u64 row = trace_row(p->s, e->frame);
	u64 bytes = row == NEVER ? 0 : max_u32(p->s->rows[row].len, ETH_ZLEN);

	p->fifo -= min_u64(p->fifo, bytes);
	pf_counter(p, PFT_FIFO, t, p->fifo);
}

/* ---- points ---- */

/* The CPU's work on a packet: from the handler of its EtherType to a socket, a wait, or its fate. */
static u64 stack_end(const struct pftrace *p, const struct event_record *e)
{
	u64 row = trace_row(p->s, e->frame), end = row == NEVER ? 0 : p->s->stack_end[row];

	return end == NEVER ? e->t_ns : max_u64(end, e->t_ns);
}

/* How long its slice or wait is; and does something happen at its end? */
static u64 duration(const struct pftrace *p, const struct event_record *e)
{
	return e->kind == EVENT_RECEIVE ? stack_end(p, e) - e->t_ns : e->dur_ns;
}

static bool has_end(const struct event_record *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_DMA:
	case EVENT_IRQ:
	case EVENT_RING:
	case EVENT_RPS:
	case EVENT_BACKLOG_OUT:
	case EVENT_SOCKET:
	case EVENT_READ:
		return true;
	default:
		return false;
	}
}

static void at_end(struct pftrace *p, const struct event_record *e)
{
	u64 t = e->t_ns + e->dur_ns, row;

	switch ((enum event_kind)e->kind) {
	case EVENT_DMA:
		left_fifo(p, e, t);
		if (pf_has_queue(p, e))
			pf_counter(p, pf_queue_track(e, PFT_RING), t, p->ring[e->queue] = e->arg);
		break;
	case EVENT_IRQ:
		if (pf_has_queue(p, e))
			pf_instant(p, e, pf_queue_track(e, PFT_IRQ), PFT_NAME_KIND + EVENT_IRQ, t);
		break;
	case EVENT_RING:
		if (pf_has_queue(p, e))
			pf_counter(p, pf_queue_track(e, PFT_RING), t, p->ring[e->queue] -= p->ring[e->queue] > 0);
		break;
	case EVENT_RPS:
		if (has_cpu(p, e))
			pf_instant(p, e, pf_cpu_track(e, PFT_SOFTIRQ), PFT_NAME_KIND + EVENT_RPS, t);
		break;
	case EVENT_BACKLOG_OUT:
		backlog(p, e->cpu, t, false);
		break;
	case EVENT_SOCKET:
		socket_memory(p, e, t);
		row = trace_row(p->s, e->frame);
		if (row != NEVER && p->s->rows[row].t_socket == t)
			pf_open_wait(p, PFT_WAIT_SOCKET, t, p->s->rows[row].t_read, e);
		break;
	case EVENT_READ:
		socket_memory(p, e, t);
		break;
	default:
		break;
	}
}

static void waited(struct pftrace *p, enum pf_wait wait, const struct event_record *e)
{
	if (e->dur_ns)
		pf_open_wait(p, wait, e->t_ns, e->t_ns + e->dur_ns, e);
}

static void into_fifo(struct pftrace *p, const struct event_record *e)
{
	u64 row = trace_row(p->s, e->frame), left = row == NEVER ? e->t_ns : p->s->left_fifo[row];

	pf_counter(p, PFT_FIFO, e->t_ns, p->fifo = e->arg);
	if (left > e->t_ns)
		pf_open_wait(p, PFT_WAIT_FIFO, e->t_ns, left, e);
}

static void card_begin(struct pftrace *p, const struct event_record *e)
{
	u32 name = PFT_NAME_KIND + e->kind;

	switch ((enum event_kind)e->kind) {
	case EVENT_WIRE:
		pf_instant(p, e, PFT_WIRE, name, e->t_ns);
		break;
	case EVENT_SENT:
		pf_instant(p, e, PFT_SENT, name, e->t_ns);
		break;
	case EVENT_NO_BUFFER:
		pf_instant(p, e, PFT_NO_BUFFER, name, e->t_ns);
		break;
	case EVENT_FIFO:
		into_fifo(p, e);
		break;
	case EVENT_DMA:
		if (pf_has_queue(p, e))
			pf_on_queue(p, e, PFT_DMA);
		break;
	case EVENT_IRQ_ASKED:
		if (pf_has_queue(p, e) && e->arg != NEVER)
			pf_instant(p, e, pf_queue_track(e, PFT_IRQ), name, e->t_ns);
		break;
	case EVENT_IRQ:
		if (pf_has_queue(p, e) && e->dur_ns)
			pf_on_queue(p, e, PFT_IRQ);
		break;
	default:
		break;
	}
}

static void cpu_begin(struct pftrace *p, const struct event_record *e)
{
	u64 end = e->t_ns + e->dur_ns;
	u32 name = PFT_NAME_KIND + e->kind;

	switch ((enum event_kind)e->kind) {
	case EVENT_HARDIRQ:
		pf_on_cpu(p, e, PFT_HARDIRQ, PFT_NAME_HARDIRQ + (u32)e->arg, end);
		break;
	case EVENT_SOFTIRQ:
	case EVENT_NET_RX:
	case EVENT_POLL:
	case EVENT_WAKE:
	case EVENT_SKB:
		pf_on_cpu(p, e, PFT_SOFTIRQ, name, end);
		break;
	case EVENT_RECEIVE:
		pf_on_cpu(p, e, PFT_SOFTIRQ, name, stack_end(p, e));
		break;
	case EVENT_SWITCH:
		pf_on_cpu(p, e, PFT_TASKS, PFT_NAME_SWITCH + (u32)e->arg, end);
		break;
	case EVENT_TASK:
		pf_on_cpu(p, e, PFT_TASKS, PFT_NAME_TASK + (u32)e->arg, end);
		break;
	case EVENT_READ:
		pf_on_cpu(p, e, PFT_TASKS, name, end);
		break;
	case EVENT_IPI:
	case EVENT_GRO_HOLD:
	case EVENT_GRO_MERGE:
		pf_instant(p, e, pf_cpu_track(e, PFT_SOFTIRQ), name, e->t_ns);
		break;
	default:
		break;
	}
}

static void at_begin(struct pftrace *p, const struct event_record *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_RING:
		waited(p, PFT_WAIT_RING, e);
		break;
	case EVENT_GRO_RELEASE:
		waited(p, PFT_WAIT_GRO, e);
		break;
	case EVENT_BACKLOG_OUT:
		waited(p, PFT_WAIT_BACKLOG, e);
		break;
	case EVENT_ORDERED:
		waited(p, PFT_WAIT_REORDER, e);
		break;
	case EVENT_BACKLOG:
		backlog(p, (u32)e->arg, e->t_ns, true);
		break;
	case EVENT_FATE:
		if (e->arg > DELIVERED_DRIVER && e->arg < FATE_MAX)
			pf_instant(p, e, PFT_LOSSES, PFT_NAME_FATE + (u32)e->arg, e->t_ns);
		break;
	default:
		if (has_cpu(p, e))
			cpu_begin(p, e);
		else
			card_begin(p, e);
		break;
	}
}

/* ---- all records ---- */

static void write_until(struct pftrace *p, u64 t)
{
	struct trace_point point;

	while (!p->error && !p->out.error && trace_pop(&p->points, t, &point)) {
		if (point.what == PFT_CLOSE)
			pf_close(p, (u32)point.at, point.t);
		else if (point.what == AT_BEGIN)
			at_begin(p, &p->s->e[point.at]);
		else
			at_end(p, &p->s->e[point.at]);
	}
}

int pftrace_write(struct pftrace *p, u64 records)
{
	u64 end = p->at + min_u64(records, p->s->n - p->at);

	for (; p->at < end && !p->error && !p->out.error; p->at++) {
		const struct event_record *e = &p->s->e[p->at];
		int rc;

		write_until(p, e->t_ns);
		rc = trace_push_begin(&p->points, e->t_ns, duration(p, e), trace_rank(e), AT_BEGIN, p->at);
		if (!rc && has_end(e))
			rc = trace_push_instant(&p->points, e->t_ns + e->dur_ns, AT_END, p->at);
		if (rc)
			p->error = rc;
	}
	if (p->at == p->s->n)
		write_until(p, NEVER);
	if (p->at == p->s->n || p->error)
		trace_flush(&p->out);
	if (p->error || p->out.error)
		return p->error ? p->error : -p->out.error;
	return p->at < p->s->n;
}

void pftrace_free(struct pftrace *p)
{
	if (!p)
		return;
	for (u32 wait = 0; wait < PFT_WAIT_COUNT; wait++)
		free(p->lanes[wait].free);
	trace_points_free(&p->points);
	free(p->stack);
	trace_out_free(&p->out);
	free(p);
}

struct pftrace *pftrace_new(const struct trace_source *s, int fd, const char *const *wait_names)
{
	struct pftrace *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->s = s;
	p->wait_names = wait_names;
	p->stack = calloc(s->ncpus * 3 + s->nqueues * 2 + 1, sizeof(*p->stack));
	if (trace_out_init(&p->out, fd) < 0 || !p->stack) {
		pftrace_free(p);
		return NULL;
	}
	return p;
}
