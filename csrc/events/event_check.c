/* event_check.c - records that come from a file: each number that an index or a name is made from
 *
 *   vnic/events/file.py -> here -> Events
 *
 * A file may be edited, and its checksum made to fit. What passes here may be a run that never was, but nothing that reads
 * the records leaves its tables.
 */
#include "prelude.h"

#define TIME_MAX ((1ull << 62) - 1) /* vnic/knobs/parse.py: TIME_MAX_NS */

static bool cpu_is_good(u64 cpu)
{
	return cpu < CPUS_MAX || cpu == EVENT_NO_CPU;
}

static bool is_task(u64 number)
{
	return number < TASKS_MAX;
}

static bool arg_is_good(const struct event_record *e, const struct event_limits *limits)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_WIRE:
		return e->frame && e->arg >> 32 <= limits->flows;
	case EVENT_HARDIRQ:
		return e->arg < limits->hardirqs;
	case EVENT_GRO_RELEASE:
		return (u32)e->arg < limits->gro_ends;
	case EVENT_FATE:
		return e->arg < FATE_MAX;
	case EVENT_FAULT:
		return e->arg < FAULTS;
	case EVENT_IPI:
	case EVENT_WAKE:
	case EVENT_RPS:
		return cpu_is_good(e->arg);
	case EVENT_BACKLOG:
		return cpu_is_good((u32)e->arg);
	case EVENT_SWITCH:
		return is_task(e->arg >> 32) && is_task((u32)e->arg);
	case EVENT_TASK:
		return is_task(e->arg);
	case EVENT_RING:
	case EVENT_IRQ_ASKED:
		return e->arg <= TIME_MAX || e->arg == NEVER;
	default:
		return true;
	}
}

u64 events_check(const struct event_record *e, u64 n, const struct event_limits *limits)
{
	u64 before = 0;

	for (u64 i = 0; i < n; i++) {
		bool good = e[i].kind < EVENT_KINDS && e[i].t_ns >= before && e[i].t_ns <= TIME_MAX &&
			    e[i].dur_ns <= TIME_MAX - e[i].t_ns && cpu_is_good(e[i].cpu) &&
			    (e[i].queue < NIC_QUEUES_MAX || e[i].queue == EVENT_NO_QUEUE) && e[i].frame <= TIME_MAX &&
			    e[i].skb <= TIME_MAX && arg_is_good(&e[i], limits);

		if (!good)
			return i;
		before = e[i].t_ns;
	}
	return n;
}
