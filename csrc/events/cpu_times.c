/* cpu_times.c - how long each CPU was in interrupts, softirqs and tasks, from the log's records; no instant counts twice
 *
 *   records of EVENT_HARDIRQ, EVENT_SOFTIRQ, EVENT_SWITCH, EVENT_TASK -> cpu_times() -> vnic/diff: what a setting costs
 *
 * An interrupt preempts softirqs and tasks, and a softirq runs within a task that an interrupt stopped, or as ksoftirqd. So
 * a record's own time is its duration without the records within it. Records are in the order of their begins, and of one
 * instant in the order of their ends: there the outer one comes last, so such a group is taken from its end.
 */
#include "prelude.h"

/* Until when the CPU's present softirq and task last; a switch to a task is preempted as a task is. */
struct within {
	u64 softirq, ksoftirqd, task;
	u64 *task_ns;
};

static void outer(struct within *in, const struct event_record *e, u64 *ns)
{
	in->task = e->t_ns + e->dur_ns;
	in->task_ns = ns;
	*ns += e->dur_ns;
}

static void count(struct cpu_times *t, struct within *in, const struct event_record *e)
{
	u64 end = e->t_ns + e->dur_ns, dur = e->dur_ns;

	switch ((enum event_kind)e->kind) {
	case EVENT_HARDIRQ:
		t->hardirq_ns += dur;
		if (end <= in->softirq)
			*(end <= in->ksoftirqd ? &t->ksoftirqd_ns : &t->softirq_ns) -= dur;
		else if (in->task_ns && end <= in->task)
			*in->task_ns -= dur;
		break;
	case EVENT_SOFTIRQ:
		in->softirq = end;
		in->ksoftirqd = e->arg ? end : 0;
		*(e->arg ? &t->ksoftirqd_ns : &t->softirq_ns) += dur;
		if (in->task_ns && end <= in->task)
			*in->task_ns -= dur;
		break;
	case EVENT_SWITCH:
		outer(in, e, &t->switch_ns);
		break;
	case EVENT_TASK:
		outer(in, e, &t->task_ns);
		break;
	default:
		break;
	}
}

int cpu_times(const struct event_record *e, u64 n, struct cpu_times *times, u32 cpus)
{
	struct within *in = calloc(max_u64(cpus, 1), sizeof(*in));

	if (!in)
		return -ENOMEM;
	memset(times, 0, cpus * sizeof(*times));
	for (u64 i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && e[end].t_ns == e[i].t_ns;)
			end++;
		for (u64 k = end; k-- > i;)
			if (e[k].cpu < cpus)
				count(&times[e[k].cpu], &in[e[k].cpu], &e[k]);
	}
	free(in);
	return 0;
}
