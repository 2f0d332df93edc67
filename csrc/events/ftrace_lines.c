/* ftrace_lines.c - the lines of a run as the kernel's tracer prints it: one for each tracepoint that the same work passes
 *
 *   ftrace.c -> ftrace_begin(), ftrace_end() of a record -> here -> trace_out.c
 *
 * The lines are those of `cat /sys/kernel/tracing/trace` and of trace-cmd report, with nanoseconds. Formats: the files
 * events/.../format of Linux 6.18; the columns: kernel/trace/trace_output.c. What Linux has no tracepoint for, the card's
 * work and GRO's holds, is not here. What the records do not have is 0: the offsets of symbols, an skb's hash and size.
 *
 * The time of a softirq is counted from its begin: its first run of NET_RX has it, as calibrate's figures softirq + poll.
 * If work takes no time (cost zero), lines of one instant are not nested: each pair stands alone.
 */
#include "prelude.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#define PID_KSOFTIRQD 100 /* + CPU */
#define PID_READER 1000 /* + CPU */
#define PID_NAPI 4000 /* + 256 * CPU + slot */
#define SKB_BASE 0xffff888000000000ull
#define SKB_BYTES 256 /* of the slab that Linux keeps an sk_buff in */
#define NAPI_BASE 0xffff888100000000ull
#define IRQ_BASE 24 /* vnic/linux/irq_affinity.py */
#define CALL_FUNCTION_SINGLE 251 /* vectors of x86 */
#define LOCAL_TIMER 236

/* ---- a line ---- */

static u32 task_pid(u32 cpu, u32 task)
{
	if (task == TASK_NONE)
		return 0;
	if (task == TASK_KSOFTIRQD)
		return PID_KSOFTIRQD + cpu;
	return task == TASK_READER ? PID_READER + cpu : PID_NAPI + 256 * cpu + task - TASK_NAPI;
}

static void name_napi(const char *dev, u32 number, char name[16])
{
	char whole[64];

	snprintf(whole, sizeof(whole), "napi/%.15s-%u", dev, number);
	memcpy(name, whole, 15);
	name[15] = 0;
}

/* A task's name, as the kernel's: at most 15 characters. */
static const char *task_comm(const struct ftrace *f, u32 cpu, u32 task, char name[16])
{
	if (task == TASK_NONE)
		snprintf(name, 16, "swapper/%u", cpu);
	else if (task == TASK_KSOFTIRQD)
		snprintf(name, 16, "ksoftirqd/%u", cpu);
	else if (task == TASK_READER)
		snprintf(name, 16, "reader/%u", cpu);
	else
		name_napi(f->dev, 256 * cpu + task - TASK_NAPI, name);
	return name;
}

static char *digits(char *to, u64 value, u32 n, char fill)
{
	for (u32 i = n; i-- > 0; value /= 10)
		to[i] = value || i == n - 1 ? (char)('0' + value % 10) : fill;
	return to + n;
}

/* Write the seconds, at least five characters wide, and nine digits behind the point. */
static char *put_time(char *to, u64 t)
{
	u64 seconds = t / 1000000000;
	u32 width = 5;

	for (u64 more = seconds / 100000; more; more /= 10)
		width++;
	to = digits(to, seconds, width, ' ');
	*to++ = '.';
	return digits(to, t % 1000000000, 9, '0');
}

/* The columns of a task on its CPU stay until the next switch. */
static void name_task(const struct ftrace *f, u32 cpu, u32 task)
{
	struct ftrace_cpu *c = &f->cpu[cpu];
	char comm[16];
	int n = snprintf(c->columns, sizeof(c->columns), "%16s-%-7u [%03u] ",
			 task ? task_comm(f, cpu, task, comm) : "<idle>", task_pid(cpu, task), cpu);

	c->columns_n = (u8)min_u32((u32)n, sizeof(c->columns) - 1);
	c->task = task;
}

__attribute__((format(printf, 5, 6))) static void line(struct ftrace *f, u32 cpu, u64 t, bool irqs_off,
						       const char *format, ...)
{
	struct ftrace_cpu *c = &f->cpu[cpu];
	char *room, *to;
	va_list args;
	int n;

	f->lines++;
	if (f->out.fd < 0)
		return;
	if (!c->columns_n)
		name_task(f, cpu, c->task);
	to = room = (char *)trace_room(&f->out);
	memcpy(to, c->columns, c->columns_n);
	to += c->columns_n;
	*to++ = irqs_off || c->hardirqs ? 'd' : '.';
	*to++ = '.';
	*to++ = c->hardirqs && c->softirqs ? 'H' : c->hardirqs ? 'h' : c->softirqs ? 's' : '.';
	memcpy(to, "..  ", 4);
	to = put_time(to + 3, t);
	*to++ = ':';
	*to++ = ' ';
	va_start(args, format);
	n = vsnprintf(to, TRACE_ROOM - 200, format, args);
	va_end(args);
	to += min_u32((u32)n, TRACE_ROOM - 201);
	*to++ = '\n';
	trace_took(&f->out, (u32)(to - room));
}

static unsigned long long skb_address(u64 frame)
{
	return SKB_BASE + frame * SKB_BYTES;
}

static const struct frame_row *row_of(const struct ftrace *f, u64 frame)
{
	u64 at = trace_row(f->s, frame);

	return at == NEVER ? NULL : &f->s->rows[at];
}

static u32 proto_of(const struct ftrace *f, u64 frame)
{
	const struct frame_row *r = row_of(f, frame);

	return r && r->flow < f->s->nflows ? f->flow_proto[r->flow] : 0;
}

/* ---- interrupts ---- */

static void raise_net_rx(struct ftrace *f, u32 cpu, u64 t)
{
	line(f, cpu, t, true, "softirq_raise: vec=3 [action=NET_RX]");
}

static void hardirq(struct ftrace *f, const struct event_record *e, u64 t, bool begin)
{
	struct ftrace_cpu *c = &f->cpu[e->cpu];
	const char *edge = begin ? "entry" : "exit";

	c->hardirqs += begin;
	if (!begin && (e->arg == HARDIRQ_IPI || (e->arg != HARDIRQ_TICK && !f->threaded)))
		raise_net_rx(f, e->cpu, t);
	if (e->arg == HARDIRQ_QUEUE && begin)
		line(f, e->cpu, t, true, "irq_handler_entry: irq=%u name=%s-rx-%u", IRQ_BASE + e->queue, f->dev,
		     e->queue);
	else if (e->arg == HARDIRQ_QUEUE)
		line(f, e->cpu, t, true, "irq_handler_exit: irq=%u ret=handled", IRQ_BASE + e->queue);
	else if (e->arg == HARDIRQ_IPI)
		line(f, e->cpu, t, true, "call_function_single_%s: vector=%u", edge, CALL_FUNCTION_SINGLE);
	else
		line(f, e->cpu, t, true, "local_timer_%s: vector=%u", edge, LOCAL_TIMER);
	c->hardirqs -= !begin && c->hardirqs;
}

static void softirq(struct ftrace *f, u64 at, const struct event_record *e, u64 t, bool begin)
{
	struct ftrace_cpu *c = &f->cpu[e->cpu];
	bool net_rx = f->s->note[at] & TRACE_HAS_NET_RX;

	c->softirqs += begin;
	if (net_rx && begin && e->dur_ns) {
		line(f, e->cpu, t, false, "softirq_entry: vec=3 [action=NET_RX]");
		c->entered = 1;
	} else if (!net_rx) {
		line(f, e->cpu, t, false, "softirq_%s: vec=1 [action=TIMER]", begin ? "entry" : "exit");
	}
	c->softirqs -= !begin && c->softirqs;
}

static void net_rx(struct ftrace *f, const struct event_record *e, u64 t, bool begin)
{
	struct ftrace_cpu *c = &f->cpu[e->cpu];

	if (!begin || !c->entered)
		line(f, e->cpu, t, false, "softirq_%s: vec=3 [action=NET_RX]", begin ? "entry" : "exit");
	c->entered = 0;
}

static void poll(struct ftrace *f, const struct event_record *e, u64 t)
{
	bool backlog = e->queue == EVENT_NO_QUEUE;
	u64 napi = NAPI_BASE + (backlog ? 4096ull * (NIC_QUEUES_MAX + e->cpu) : 4096ull * e->queue);

	line(f, e->cpu, t, false, "napi_poll: napi poll on napi struct %016llx for device %s work %u budget %u",
	     (unsigned long long)napi, backlog ? "(no_device)" : f->dev, (u32)e->arg, (u32)(e->arg >> 32));
}

static void ipi(struct ftrace *f, const struct event_record *e)
{
	line(f, e->cpu, e->t_ns, true,
	     "ipi_send_cpu: cpu=%u callsite=__smp_call_single_queue+0x0/0x0 "
	     "callback=generic_smp_call_function_single_interrupt+0x0/0x0",
	     (u32)e->arg);
}

/* ---- tasks ---- */

static void wake(struct ftrace *f, const struct event_record *e, u64 t, bool begin)
{
	char comm[16];

	line(f, e->cpu, t, true, "sched_wak%s: comm=%s pid=%u prio=120 target_cpu=%03u", begin ? "ing" : "eup",
	     task_comm(f, (u32)e->arg, TASK_READER, comm), task_pid((u32)e->arg, TASK_READER), (u32)e->arg);
}

static void switch_to(struct ftrace *f, u32 cpu, u64 t, u32 from, char state, u32 to)
{
	char prev[16], next[16];

	line(f, cpu, t, true,
	     "sched_switch: prev_comm=%s prev_pid=%u prev_prio=120 prev_state=%c ==> next_comm=%s next_pid=%u "
	     "next_prio=120",
	     task_comm(f, cpu, from, prev), task_pid(cpu, from), state, task_comm(f, cpu, to, next), task_pid(cpu, to));
	name_task(f, cpu, to);
	f->cpu[cpu].sleeps = 0;
}

static void recv_enter(struct ftrace *f, u32 cpu, u64 t, u32 sock)
{
	line(f, cpu, t, false, "sys_recvmsg(fd: %x, msg: 0, flags: 0)", sock == UINT32_MAX ? 3 : 3 + sock);
	f->cpu[cpu].in_recv = 1;
}

/* A reader that has read all calls recv() once more, and sleeps in it. */
static void task_ends(struct ftrace *f, u64 at, const struct event_record *e, u64 t)
{
	u8 note = f->s->note[at];
	u32 task = (u32)e->arg;
	bool sleeps = task == TASK_READER ? note & TRACE_THEN_SLEEPS : note & TRACE_THEN_IDLE;

	if (task == TASK_READER && sleeps && !f->cpu[e->cpu].in_recv)
		recv_enter(f, e->cpu, t, f->s->next_sock[at]);
	f->cpu[e->cpu].sleeps = sleeps;
	if (note & TRACE_THEN_IDLE)
		switch_to(f, e->cpu, t, task, sleeps ? 'S' : 'R', TASK_NONE);
}

static void switched(struct ftrace *f, const struct event_record *e, u64 t)
{
	u32 from = (u32)(e->arg >> 32);

	switch_to(f, e->cpu, t, from, from && f->cpu[e->cpu].sleeps ? 'S' : 'R', (u32)e->arg);
}

/* Of chosen frames only, the records do not say which task runs; but a reader reads. */
static void read_begins(struct ftrace *f, const struct event_record *e)
{
	struct ftrace_cpu *c = &f->cpu[e->cpu];

	c->guessed = c->task != TASK_READER;
	if (c->guessed)
		name_task(f, e->cpu, TASK_READER);
	if (!c->in_recv)
		recv_enter(f, e->cpu, e->t_ns, (u32)e->arg);
}

static void read_ends(struct ftrace *f, const struct event_record *e, u64 t)
{
	line(f, e->cpu, t, false, "skb_copy_datagram_iovec: skbaddr=%016llx len=%u", skb_address(e->frame),
	     (u32)(e->arg >> 32));
	if (proto_of(f, e->frame) != IPPROTO_TCP)
		line(f, e->cpu, t, false, "consume_skb: skbaddr=%016llx location=skb_consume_udp+0x0/0x0",
		     skb_address(e->frame));
	line(f, e->cpu, t, false, "sys_recvmsg -> 0x%x", (u32)(e->arg >> 32));
	f->cpu[e->cpu].in_recv = 0;
	if (f->cpu[e->cpu].guessed)
		name_task(f, e->cpu, TASK_NONE);
}

/* ---- packets ---- */

static void built(struct ftrace *f, const struct event_record *e, u64 t)
{
	u32 len = (u32)e->arg > ETH_HLEN ? (u32)e->arg - ETH_HLEN : 0;

	line(f, e->cpu, t, false,
	     "napi_gro_receive_entry: dev=%s napi_id=%#x queue_mapping=%u skbaddr=%016llx vlan_tagged=0 "
	     "vlan_proto=0x0000 "
	     "vlan_tci=0x0000 protocol=0x0000 ip_summed=0 hash=0x00000000 l4_hash=0 len=%u data_len=0 truesize=0 "
	     "mac_header_valid=1 mac_header=-14 nr_frags=0 gso_size=0 gso_type=0",
	     f->dev, 0x2001u + e->queue, e->queue + 1u, skb_address(e->frame), len);
}

static void received(struct ftrace *f, const struct event_record *e)
{
	f->cpu[e->cpu].received = e->frame;
	f->cpu[e->cpu].ethertype = (u16)e->arg;
	line(f, e->cpu, e->t_ns, false, "netif_receive_skb: dev=%s skbaddr=%016llx len=%u", f->dev,
	     skb_address(e->frame), (u32)(e->arg >> 32));
}

static void fate(struct ftrace *f, const struct event_record *e)
{
	const struct ftrace_cpu *c = &f->cpu[e->cpu];

	if (e->arg >= FATE_MAX || e->arg == DELIVERED_UDP || e->arg == DELIVERED_TCP)
		return;
	if (e->arg <= DELIVERED_DRIVER)
		line(f, e->cpu, e->t_ns, false, "consume_skb: skbaddr=%016llx location=%s", skb_address(e->frame),
		     f->locations[e->arg]);
	else
		line(f, e->cpu, e->t_ns, false,
		     "kfree_skb: skbaddr=%016llx rx_sk=0000000000000000 protocol=%u location=%s "
		     "reason: %s",
		     skb_address(e->frame), c->received == e->frame ? c->ethertype : 0, f->locations[e->arg],
		     f->reasons[e->arg]);
}

/* ---- points ---- */

void ftrace_begin(struct ftrace *f, u64 at, const struct event_record *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_HARDIRQ:
		hardirq(f, e, e->t_ns, true);
		break;
	case EVENT_SOFTIRQ:
		softirq(f, at, e, e->t_ns, true);
		break;
	case EVENT_NET_RX:
		net_rx(f, e, e->t_ns, true);
		break;
	case EVENT_WAKE:
		wake(f, e, e->t_ns, true);
		break;
	case EVENT_TASK:
		name_task(f, e->cpu, (u32)e->arg);
		break;
	case EVENT_READ:
		read_begins(f, e);
		break;
	case EVENT_IPI:
		ipi(f, e);
		break;
	case EVENT_RECEIVE:
		received(f, e);
		break;
	case EVENT_FATE:
		fate(f, e);
		break;
	default:
		break;
	}
}

void ftrace_end(struct ftrace *f, u64 at, const struct event_record *e)
{
	u64 t = e->t_ns + e->dur_ns;

	switch ((enum event_kind)e->kind) {
	case EVENT_HARDIRQ:
		hardirq(f, e, t, false);
		break;
	case EVENT_SOFTIRQ:
		softirq(f, at, e, t, false);
		break;
	case EVENT_NET_RX:
		net_rx(f, e, t, false);
		break;
	case EVENT_POLL:
		poll(f, e, t);
		break;
	case EVENT_WAKE:
		wake(f, e, t, false);
		break;
	case EVENT_SWITCH:
		switched(f, e, t);
		break;
	case EVENT_TASK:
		task_ends(f, at, e, t);
		break;
	case EVENT_READ:
		read_ends(f, e, t);
		break;
	case EVENT_SKB:
		built(f, e, t);
		break;
	default:
		break;
	}
}
