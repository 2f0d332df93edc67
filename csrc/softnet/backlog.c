/* backlog.c - per-CPU input queues, fed by the CPUs that steer packets there. Linux: net/core/dev.c
 *
 *   rps.c -> enqueue_to_backlog(): input_pkt_queue of the target   (many producers, under the target's lock)
 *         -> for the first packet an IPI, sent once per target at the end of net_rx_action
 *   target: process_backlog(): splice to process_queue, then one by one to netif_receive_skb_core()
 *
 * A producer may enqueue while the length is <= netdev_max_backlog, so limit + 1 packets fit, besides process_queue. A
 * drop is charged to the target (softnet_stat's dropped). Live, a producer collects packets for another CPU and
 * enqueues them in bursts, with the lock taken once per burst. The same lock guards the backlog NAPI's SCHED bit.
 */
#include "prelude.h"

/* napi_schedule_rps(): the poll under way sends the IPI at its end. A busy reader is no softirq, so it raises one. */
static void schedule_rps(struct softnet_data *sd, struct softnet_data *target)
{
	target->rps_ipi_next = sd->rps_ipi_list; /* it is on no other list: SCHED has one setter */
	sd->rps_ipi_list = target;
	if (unlikely(!sd->in_net_rx_action && !sd->in_napi_threaded_poll))
		sd->softirq_pending = 1;
}

/* Under target->lock. Return: 1 = queued */
static int queue_one(struct softnet_data *sd, struct softnet_data *target, struct sk_buff *skb)
{
	if (unlikely(target->input_qlen > sd->host->netdev_max_backlog ||
		     skb_flow_limit(sd, skb, target->input_qlen))) {
		COUNT(target->dropped, 1);
		return 0;
	}
	if (!target->input_qlen && !(target->backlog.state & NAPI_STATE_SCHED)) {
		target->backlog.state |= NAPI_STATE_SCHED;
		if (target == sd)
			napi_poll_list_add(&sd->backlog);
		else
			schedule_rps(sd, target);
	}
	skb->next = NULL;
	if (target->input_head)
		target->input_tail->next = skb;
	else
		target->input_head = skb;
	target->input_tail = skb;
	WRITE_ONCE(target->input_qlen, target->input_qlen + 1);
	target->input_queue_tail++;
	if (unlikely(skb->rflow))
		rfs_queued(sd->host, skb->rflow, target->input_queue_tail);
	COUNT(target->backlog_frames, skb->segs);
	skb_event(sd, EVENT_BACKLOG, sd->now, skb, (u64)target->input_qlen << 32 | target->cpu);
	frames_placed(sd, skb->segs);
	return 1;
}

static void queue_dropped(struct softnet_data *sd, struct sk_buff *skb)
{
	COUNT(sd->rx_dropped, 1);
	kfree_skb_reason(sd, skb, CPU_BACKLOG);
}

static void flush_target(struct softnet_data *sd, u32 cpu)
{
	struct softnet_data *target = sd->host->cpu[cpu];
	struct sk_buff *skb = sd->enqueue[cpu].head, *next, *dropped = NULL;
	u64 frames = 0;

	sd->enqueue[cpu].head = NULL;
	sd->enqueue[cpu].len = 0;
	spin_lock(&target->lock);
	for (; skb; skb = next) {
		next = skb->next;
		frames += skb->segs;
		if (!queue_one(sd, target, skb)) {
			skb->next = dropped;
			dropped = skb;
		}
	}
	spin_unlock(&target->lock);
	COUNT(sd->enqueue_frames, -frames);
	frames_taken(sd, (u32)frames);
	for (; dropped; dropped = next) {
		next = dropped->next;
		queue_dropped(sd, dropped);
	}
}

/* Before the IPIs go out. */
void enqueue_flush(struct softnet_data *sd)
{
	if (!sd->enqueue_frames)
		return;
	for (u32 cpu = 0; cpu < sd->host->ncpus; cpu++)
		if (sd->enqueue[cpu].head)
			flush_target(sd, cpu);
}

/* Put the packet into a CPU's backlog. Consumes @skb. Return: 0, or -ENOBUFS: dropped (live, 0: perhaps dropped
 * later) */
int enqueue_to_backlog(struct softnet_data *sd, struct sk_buff *skb, u32 cpu)
{
	struct softnet_data *target = sd->host->cpu[cpu];
	struct rps_burst *burst = &sd->enqueue[cpu];

	cpu_charge(sd, COST_RPS);
	if (!sd->live) {
		stage_done(sd, LAT_STACK, EVENT_RPS, skb, cpu);
		if (queue_one(sd, target, skb))
			return 0;
		queue_dropped(sd, skb);
		return -ENOBUFS;
	}
	skb_event(sd, EVENT_RPS, skb->t_stage, skb, cpu);
	skb->next = NULL;
	if (burst->head)
		burst->tail->next = skb;
	else
		burst->head = skb;
	burst->tail = skb;
	COUNT(sd->enqueue_frames, skb->segs);
	frames_placed(sd, skb->segs);
	if (++burst->len == BURST)
		flush_target(sd, cpu);
	return 0;
}

/* Hand over the collected packets, and send an IPI to each CPU that needs one: the CPU fed last comes first, as in Linux. */
void net_rps_send_ipi(struct softnet_data *sd)
{
	if (sd->live)
		enqueue_flush(sd);
	while (sd->rps_ipi_list) {
		struct softnet_data *target = sd->rps_ipi_list;

		sd->rps_ipi_list = target->rps_ipi_next;
		raise_ipi(sd, target);
		cpu_charge(sd, COST_IPI);
	}
}

/* Move input_pkt_queue to process_queue. Return: 1, or 0 = it was empty: the backlog's NAPI is complete */
static int splice(struct softnet_data *sd)
{
	int any;

	spin_lock(&sd->lock);
	any = sd->input_head != NULL;
	if (any) {
		sd->input_qlen_max = max_u32(sd->input_qlen_max, sd->input_qlen);
		sd->process_head = sd->input_head;
		WRITE_ONCE(sd->process_qlen, sd->input_qlen);
		COUNT(sd->process_frames, sd->backlog_frames);
		sd->input_head = NULL;
		WRITE_ONCE(sd->input_qlen, 0);
		WRITE_ONCE(sd->backlog_frames, 0);
	} else {
		sd->backlog.state &= ~(u32)NAPI_STATE_SCHED;
	}
	spin_unlock(&sd->lock);
	return any;
}

static void dequeue_one(struct softnet_data *sd)
{
	struct sk_buff *skb = sd->process_head;

	sd->process_head = skb->next;
	skb->next = NULL;
	WRITE_ONCE(sd->process_qlen, sd->process_qlen - 1);
	COUNT(sd->process_frames, -(u64)skb->segs);
	frames_taken(sd, skb->segs);
	if (sd->live) /* the producer's clock may be ahead */
		sd->now = max_u64(sd->now, skb->t_stage);
	if (unlikely(sd->cold))
		cpu_first_packet(sd);
	cpu_charge(sd, COST_BACKLOG);
	stage_done(sd, LAT_BACKLOG, EVENT_BACKLOG_OUT, skb, sd->process_qlen);
	netif_receive_skb_core(sd, skb);
}

int process_backlog(struct napi_struct *napi, int quota)
{
	struct softnet_data *sd = napi->sd;
	int work = 0;

	net_rps_send_ipi(sd);
	while (work < quota) {
		if (!sd->process_head && !splice(sd))
			break;
		dequeue_one(sd);
		work++;
	}
	WRITE_ONCE(sd->input_queue_head,
		   sd->input_queue_head + (u32)work); /* RFS reads it, so not before the poll is over */
	return work;
}
