/* net_rx_action.c - the NET_RX softirq: round robin over this CPU's poll list. Linux: net/core/dev.c
 *
 * A run is bounded by netdev_budget packets and netdev_budget_usecs, compared in jiffies. Both are checked after each
 * poll, so a poll can overshoot the budget, and time_squeeze counts even if nothing is left. A run polls a NAPI at most
 * once; a NAPI that used its whole weight goes to the end of the list. NAPIs that are left re-raise the softirq. The
 * end of the run sends the IPIs to CPUs whose backlogs were fed.
 *
 * Virtual time: a poll may stop in the middle (-EAGAIN) so that the other clocks catch up. The run then returns 0, and
 * the next call goes on from there.
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

static void begin(struct softnet_data *sd)
{
	u64 usecs = sd->host->netdev_budget_usecs;

	sd->softirq_pending = 0;
	sd->budget = (int)sd->host->netdev_budget;
	sd->deadline = jiffies(sd) + (usecs * 1000 + sd->host->jiffy_ns - 1) / sd->host->jiffy_ns;
	sd->list = NULL;
	COUNT(sd->net_rx_runs, 1);
}

static void take_poll_list(struct softnet_data *sd)
{
	sd->in_net_rx_action = 1;
	sd->list = sd->poll_list;
	sd->list_tail = sd->poll_tail;
	sd->poll_list = NULL;
}

static void end(struct softnet_data *sd)
{
	struct napi_struct *n;

	/* in this order: the rest of this run, NAPIs scheduled meanwhile, NAPIs that used their weight */
	while (sd->poll_list) {
		n = list_pop(&sd->poll_list);
		list_append(&sd->list, &sd->list_tail, n);
	}
	while (sd->repoll) {
		n = list_pop(&sd->repoll);
		list_append(&sd->list, &sd->list_tail, n);
	}
	sd->poll_list = sd->list;
	sd->poll_tail = sd->list_tail;
	sd->list = NULL;
	sd->in_net_rx_action = 0;
	if (sd->poll_list)
		sd->softirq_pending = 1;
	skb_flush_returns(sd);
	net_rps_send_ipi(sd);
}

int net_rx_action(struct softnet_data *sd)
{
	if (!sd->in_net_rx_action) {
		begin(sd);
		take_poll_list(sd);
	}
	for (;;) {
		struct napi_struct *n = sd->current;
		int work, repoll = 0;

		if (!n) {
			if (!sd->list && !sd->repoll && sd->poll_list)
				take_poll_list(sd);
			if (!sd->list)
				break;
			n = list_pop(&sd->list);
		}
		work = napi_poll(n, &repoll);
		if (work < 0) {
			sd->current = n;
			return 0;
		}
		sd->current = NULL;
		if (repoll)
			list_append(&sd->repoll, &sd->repoll_tail, n);
		sd->budget -= work;
		if (sd->live)
			sd->now = clock_ns();
		if (sd->budget <= 0 || jiffies(sd) >= sd->deadline) {
			COUNT(sd->time_squeeze, 1);
			COUNT(sd->time_squeeze_usecs, sd->budget > 0);
			break;
		}
	}
	end(sd);
	return 1;
}
