/* frag_runs.c - the fragments received so far of one datagram. Linux: the lower half of net/ipv4/inet_fragment.c
 *
 *   inet_fragment.c -> frag_runs_insert(): at the end of the last run | a new run | DUP_FRAG | FRAG_OVERLAP
 *
 * Fragments that arrive in order are joined at once into a run: one skb, the others on its frag_list. The runs form a treap
 * by offset. Priorities come from buffer numbers, so a sender cannot slow it down by the order of 8000 tiny fragments
 * (Linux: a red-black tree, since CVE-2018-5391). A fragment inside one run is a duplicate. Any other overlap, also with
 * two adjacent runs, drops the datagram (RFC 5722; Linux since 4.20 for IPv4 too).
 */
#include "prelude.h"

/* Return a run's priority in the treap: a parent's is higher than its children's. */
static u32 priority(const struct sk_buff *run)
{
	return hash_32(run->id, 32);
}

/* Append skb's bytes to run's. */
void frag_runs_join(struct sk_buff *run, struct sk_buff *skb)
{
	if (run->frag_list)
		run->frag_tail->next = skb;
	else
		run->frag_list = skb;
	run->frag_tail = skb->frag_list ? skb->frag_tail : skb;
	skb->next = skb->frag_list;
	skb->frag_list = NULL;
	run->len += skb->len;
	run->truesize += skb->truesize;
	run->segs += skb->segs;
	skb->segs = 1;
}

static void new_run(struct inet_frag_queue *q, struct sk_buff *skb)
{
	struct sk_buff **link = &q->runs, **before, **behind, *run;
	u32 mine = priority(skb);

	while ((run = *link) && priority(run) > mine)
		link = skb->frag_offset < run->frag_offset ? &run->next : &run->frag_right;
	*link = skb;
	before = &skb->next;
	behind = &skb->frag_right;
	while (run) { /* split the subtree below that place in two */
		if (run->frag_offset < skb->frag_offset) {
			*before = run;
			before = &run->frag_right;
			run = run->frag_right;
		} else {
			*behind = run;
			behind = &run->next;
			run = run->next;
		}
	}
	*before = *behind = NULL;
}

/* frag_runs_insert() - add skb, bytes frag_offset to end. Return: FATE_MAX: skb waits; DUP_FRAG, FRAG_OVERLAP: it does not */
enum fate frag_runs_insert(struct inet_frag_queue *q, struct sk_buff *skb, u32 end)
{
	u32 offset = skb->frag_offset, tail = q->last ? q->last->frag_offset + q->last->len : 0;
	struct sk_buff *run = q->runs;

	if (end > tail) {
		if (offset < tail)
			return FRAG_OVERLAP;
		if (offset == tail && q->last) {
			frag_runs_join(q->last, skb);
			return FATE_MAX;
		}
		q->last = skb;
	} else {
		while (run && (end <= run->frag_offset || offset >= run->frag_offset + run->len))
			run = end <= run->frag_offset ? run->next : run->frag_right;
		if (run)
			return offset >= run->frag_offset && end <= run->frag_offset + run->len ? DUP_FRAG
												: FRAG_OVERLAP;
	}
	new_run(q, skb);
	return FATE_MAX;
}

/* frag_runs_take() - dissolve the treap. Return: all runs in order, linked by next */
struct sk_buff *frag_runs_take(struct inet_frag_queue *q)
{
	struct sk_buff *root = q->runs, *list = NULL, **link = &list, *left;

	while (root) {
		left = root->next;
		if (left) { /* rotate until the smallest is on top */
			root->next = left->frag_right;
			left->frag_right = root;
			root = left;
			continue;
		}
		*link = root;
		link = &root->next;
		root = root->frag_right;
	}
	q->runs = q->last = NULL;
	return list;
}
