/* frag_runs.c - the fragments that are there of one datagram. Linux: the lower half of net/ipv4/inet_fragment.c
 *
 *   inet_fragment.c -> frag_runs_insert(): at the end of the last run | a new run | DUP_FRAG | FRAG_OVERLAP
 *
 * Those that come in order are joined at once into a run: one skb, the others on its frag_list. The runs are a treap by
 * offset, priorities from the buffers' numbers, so that a sender who chooses the order of 8000 tiny fragments does not
 * make it slow (Linux: a red-black tree, since CVE-2018-5391). What is inside a run is a duplicate; what overlaps
 * otherwise, two runs together even, costs the datagram (RFC 5722; Linux since 4.20 for IPv4 too).
 */
#include "prelude.h"

/* Of a run in the tree: those above have a higher one. */
static u32 priority(const struct sk_buff *run)
{
	return hash_32(run->id, 32);
}

/* skb's bytes behind those of run */
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
	while (run) { /* what was below that place is split in two */
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

/* frag_runs_insert() - skb is frag_offset to end of its datagram. Return: FATE_MAX = it waits; DUP_FRAG, FRAG_OVERLAP */
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

/* frag_runs_take() - all runs in order, linked by next; the tree is gone. */
struct sk_buff *frag_runs_take(struct inet_frag_queue *q)
{
	struct sk_buff *root = q->runs, *list = NULL, **link = &list, *left;

	while (root) {
		left = root->next;
		if (left) { /* the smallest is to be on top */
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
