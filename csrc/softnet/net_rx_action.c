/* net_rx_action.c - the NET_RX softirq: round robin over this CPU's poll list. Linux: net/core/dev.c
 *
 * A run is bounded by netdev_budget packets and netdev_budget_usecs, compared in jiffies. Both are checked after each
 * poll, so a poll can overshoot the budget, and time_squeeze counts even if nothing is left. A run polls a NAPI at most
 * once; a NAPI that used its whole weight goes to the end of the list. NAPIs that are left re-raise the softirq. The
 * end of the run sends the IPIs to CPUs whose backlogs were fed.
 */
#include "prelude.h"

static void list_append(struct napi_struct **head, struct napi_struct **tail, struct napi_struct *n)
{
	n->next = NULL;
	if (*head)
		(*tail)->next = n;
	else
		*head = n;
	*tail = n;
}

static struct napi_struct *list_pop(struct napi_struct **head)
{
	struct napi_struct *n = *head;

	*head = n->next;
	n->next = NULL;
	return n;
}

/* The poll lists of a run: what it still has to poll, and what has used its weight. */
struct run {
	struct napi_struct *list, *list_tail;
	struct napi_struct *repoll, *repoll_tail;
};

static void take_poll_list(struct softnet_data *sd, struct run *run)
{
	sd->in_net_rx_action = 1;
	run->list = sd->poll_list;
	run->list_tail = sd->poll_tail;
	sd->poll_list = NULL;
}

static void end(struct softnet_data *sd, struct run *run)
{
	/* in this order: the rest of this run, NAPIs scheduled meanwhile, NAPIs that used their weight */
	while (sd->poll_list)
		list_append(&run->list, &run->list_tail, list_pop(&sd->poll_list));
	while (run->repoll)
		list_append(&run->list, &run->list_tail, list_pop(&run->repoll));
	sd->poll_list = run->list;
	sd->poll_tail = run->list_tail;
	sd->in_net_rx_action = 0;
	if (sd->poll_list)
		sd->softirq_pending = 1;
	skb_flush_returns(sd);
	net_rps_send_ipi(sd);
}

void net_rx_action(struct softnet_data *sd)
{
	u64 usecs = sd->host->netdev_budget_usecs;
	u64 deadline = jiffies(sd) + (usecs * 1000 + sd->host->jiffy_ns - 1) / sd->host->jiffy_ns;
	int budget = (int)sd->host->netdev_budget;
	const u64 began = sd->now;
	struct run run = { 0 };
	bool squeezed = false;

	sd->softirq_pending = 0;
	COUNT(sd->net_rx_runs, 1);
	take_poll_list(sd, &run);
	for (;;) {
		struct napi_struct *n;
		int repoll = 0;

		if (!run.list && !run.repoll && sd->poll_list)
			take_poll_list(sd, &run);
		if (!run.list)
			break;
		n = list_pop(&run.list);
		budget -= napi_poll(n, &repoll);
		if (repoll)
			list_append(&run.repoll, &run.repoll_tail, n);
		if (sd->live)
			sd->now = clock_ns();
		if (budget <= 0 || jiffies(sd) >= deadline) {
			COUNT(sd->time_squeeze, 1);
			COUNT(sd->time_squeeze_usecs, budget > 0);
			squeezed = true;
			break;
		}
	}
	end(sd, &run);
	cpu_event(sd, EVENT_NET_RX, began, EVENT_NO_QUEUE,
		  (u64)squeezed << 32 | (u32)((int)sd->host->netdev_budget - budget));
}
