/* inet_fragment.c - where fragments wait for the rest of their datagram, for IPv4 and IPv6. Linux: net/ipv4/inet_fragment.c
 *
 *   ip_fragment.c, reassembly.c -> inet_frag_find(): the datagram's queue -> inet_frag_add(): waits | dropped | complete
 *                               -> inet_frag_join(): one packet, its pieces on frag_list
 *   a timer of each CPU -> inet_frag_expire(): datagrams that did not become whole in time
 *
 * Fragments wait in their receive buffers; frag_runs.c orders those of a datagram. high_thresh bounds a family's memory.
 * While more than that waits, no fragment is accepted, as in Linux; not even one that would complete a datagram. Timers
 * and completed datagrams make room again. All queues that fit under the limit are allocated at start; unused pages are
 * never touched. Waiting fragments hold buffers of the receive pool: with the defaults at most 1480 of 32768.
 */
#include "prelude.h"

_Static_assert(Ip_ReasmTimeout + FRAG_OVERLAPS == IpExt_ReasmOverlaps, "enum frag_mib follows enum mib");
_Static_assert(Ip6_ReasmTimeout + FRAG_OVERLAPS == Ip6_ReasmOverlaps, "enum frag_mib follows enum mib");
_Static_assert(sizeof(struct inet_frag_key) == 40, "it is hashed: no holes");

void inet_frag_count(struct softnet_data *sd, const struct inet_frags *f, enum frag_mib what)
{
	COUNT(sd->mib[f->mib + what], 1);
}

/* inet_frag_ecn() - Return: what to OR into the datagram's ECN field (RFC 3168 section 5.3); <0: Not-ECT among others */
int inet_frag_ecn(u8 seen)
{
	if (seen & 1 << INET_ECN_NOT_ECT)
		return seen == 1 << INET_ECN_NOT_ECT ? 0 : -EINVAL;
	return seen & 1 << INET_ECN_CE ? INET_ECN_CE : 0;
}

u32 inet_frags_in_use(struct host *h, struct inet_frags *f)
{
	u32 n;

	lock_if(h->live, &f->lock);
	n = f->used;
	for (const struct inet_frag_queue *q = f->free; q; q = q->next)
		n--;
	unlock_if(h->live, &f->lock);
	return n;
}

/* ---- the table ---- */

void inet_frags_defaults(struct host *h)
{
	h->ip_frags = (struct inet_frags){
		.mib = Ip_ReasmTimeout,
		.queue_size = 200, /* sizeof(struct ipq) on x86-64 */
		.high_thresh = INET_FRAG_MEM,
		.timeout_ns = 30000000000,
		.max_dist = 64,
	};
	h->ip6_frags = (struct inet_frags){
		.mib = Ip6_ReasmTimeout,
		.queue_size = 184, /* sizeof(struct frag_queue) */
		.high_thresh = INET_FRAG_MEM,
		.timeout_ns = 60000000000,
	};
}

int inet_frags_init(struct inet_frags *f, u32 ncpus)
{
	f->size = (u32)(f->high_thresh / f->queue_size) + 2;
	f->mask = round_up_pow2(f->size) - 1;
	f->queues = malloc(f->size * sizeof(*f->queues)); /* inet_frag_find() sets one up when it is first used */
	f->hash = calloc(f->mask + 1ul, sizeof(*f->hash));
	f->oldest = calloc(ncpus, sizeof(*f->oldest));
	f->newest = calloc(ncpus, sizeof(*f->newest));
	if (!f->queues || !f->hash || !f->oldest || !f->newest)
		return -ENOMEM;
	if (!f->max_dist)
		return 0;
	f->peers = malloc(f->size * sizeof(*f->peers)); /* each has a queue; inet_getpeer() sets one up */
	f->peers_hash = calloc(f->mask + 1ul, sizeof(*f->peers_hash));
	return f->peers && f->peers_hash ? 0 : -ENOMEM;
}

void inet_frags_exit(struct inet_frags *f)
{
	free(f->queues);
	free(f->hash);
	free(f->peers);
	free(f->peers_hash);
	free(f->oldest);
	free(f->newest);
}

static struct inet_frag_queue **bucket(const struct host *h, const struct inet_frags *f,
				       const struct inet_frag_key *key)
{
	return &f->hash[siphash(key, sizeof(*key), h->hash_key[0], h->hash_key[1]) & f->mask];
}

static bool key_equal(const struct inet_frag_key *a, const struct inet_frag_key *b)
{
	return a->id == b->id && a->proto == b->proto && addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst);
}

/* ---- time: each CPU expires the queues that it made, oldest first ---- */

static u64 next_expiry(const struct inet_frags *f, u32 cpu)
{
	return f->oldest[cpu] ? f->oldest[cpu]->expires : NEVER;
}

/* Virtual time: set the CPU's timer to its next expiry. Live, expire_oldest() does that. */
static void plan(struct host *h, u32 cpu)
{
	u64 at = min_u64(next_expiry(&h->ip_frags, cpu), next_expiry(&h->ip6_frags, cpu));

	if (h->cpu[cpu]->timer_ns[TIMER_IPFRAG] != at)
		mod_timer(h->cpu[cpu], TIMER_IPFRAG, at);
}

static void age_list_add(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	q->cpu = (u16)sd->cpu;
	q->expires = sd->now + f->timeout_ns;
	q->newer = NULL;
	q->older = f->newest[sd->cpu];
	if (q->older)
		q->older->newer = q;
	else
		f->oldest[sd->cpu] = q;
	f->newest[sd->cpu] = q;
	if (q->expires < sd->timer_ns[TIMER_IPFRAG])
		mod_timer(sd, TIMER_IPFRAG, q->expires);
}

static void age_list_del(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	*(q->older ? &q->older->newer : &f->oldest[q->cpu]) = q->newer;
	*(q->newer ? &q->newer->older : &f->newest[q->cpu]) = q->older;
	if (!sd->live)
		plan(sd->host, q->cpu);
}

/* ---- making and freeing a queue ---- */

/* inet_frag_find() - find the datagram's queue, or make one. Return: NULL: no room for any fragment */
struct inet_frag_queue *inet_frag_find(struct softnet_data *sd, struct inet_frags *f, const struct inet_frag_key *key)
{
	struct inet_frag_queue **head = bucket(sd->host, f, key), *q;

	if (!f->high_thresh || f->mem > f->high_thresh) {
		COUNT(f->refused, 1);
		f->max_mem = max_u64(f->max_mem, f->mem);
		return NULL;
	}
	for (q = *head; q; q = q->next)
		if (key_equal(&q->key, key))
			return q;
	q = f->free;
	if (q)
		f->free = q->next;
	else
		q = &f->queues[f->used++];
	*q = (struct inet_frag_queue){ .key = *key, .next = *head };
	*head = q;
	f->mem += f->queue_size;
	age_list_add(sd, f, q);
	return q;
}

/* Empty a queue. Return: its runs in order, linked by next */
static struct sk_buff *take_runs(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	struct sk_buff *list = frag_runs_take(q);

	for (const struct sk_buff *run = list; run; run = run->next) {
		COUNT(f->frames, -(u64)run->segs);
		frames_taken(sd, run->segs);
		f->mem -= run->truesize;
	}
	return list;
}

static void free_runs(struct softnet_data *sd, struct sk_buff *run, enum fate why)
{
	for (struct sk_buff *next; run; run = next) {
		next = run->next;
		kfree_skb_reason(sd, run, why);
	}
}

static void queue_free(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	struct inet_frag_queue **link = bucket(sd->host, f, &q->key);

	while (*link != q)
		link = &(*link)->next;
	*link = q->next;
	age_list_del(sd, f, q);
	if (q->peer)
		inet_putpeer(sd->host, f, q->peer);
	f->mem -= f->queue_size;
	q->next = f->free;
	f->free = q;
}

/* inet_frag_fail() - drop a datagram that cannot become whole, and free its queue */
void inet_frag_fail(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why)
{
	inet_frag_count(sd, f, FRAG_FAILS);
	free_runs(sd, take_runs(sd, f, q), why);
	queue_free(sd, f, q);
}

/* inet_frag_restart() - drop the waiting fragments; the one that arrives now begins the datagram anew */
void inet_frag_restart(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why)
{
	inet_frag_count(sd, f, FRAG_FAILS);
	free_runs(sd, take_runs(sd, f, q), why);
	q->len = q->meat = 0;
	q->flags = q->ecn = 0;
	age_list_del(sd, f, q);
	age_list_add(sd, f, q);
}

/* Send ICMP Time Exceeded, quoting the first fragment: the head of the first run, alone. */
static void icmp_frag_timeout(struct softnet_data *sd, const struct sk_buff *run)
{
	struct sk_buff first = *run;

	first.frag_list = NULL;
	if (first.protocol == htons(ETH_P_IPV6))
		icmpv6_send(sd, &first, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
	else
		icmp_send(sd, &first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
}

/* Drop the oldest datagram if it is overdue. Return: 1: it was */
static int expire_oldest(struct softnet_data *sd, struct inet_frags *f)
{
	struct sk_buff *runs = NULL;
	struct inet_frag_queue *q;
	bool due, first = false;

	lock_if(sd->live, &f->lock);
	q = f->oldest[sd->cpu];
	due = q && q->expires <= sd->now;
	if (due) {
		first = q->flags & INET_FRAG_FIRST_IN;
		runs = take_runs(sd, f, q);
		queue_free(sd, f, q);
	} else if (q && q->expires < sd->timer_ns[TIMER_IPFRAG]) {
		mod_timer(sd, TIMER_IPFRAG, q->expires);
	}
	unlock_if(sd->live, &f->lock);
	if (!due)
		return 0;
	inet_frag_count(sd, f, FRAG_TIMEOUT);
	inet_frag_count(sd, f, FRAG_FAILS);
	if (first)
		icmp_frag_timeout(sd, runs);
	free_runs(sd, runs, FRAG_REASM_TIMEOUT);
	return 1;
}

void inet_frag_expire(struct softnet_data *sd)
{
	while (expire_oldest(sd, &sd->host->ip_frags) || expire_oldest(sd, &sd->host->ip6_frags))
		;
}

/* snmp does not count these, as when a network namespace of Linux ends. */
void inet_frags_flush(struct host *h)
{
	struct inet_frags *families[] = { &h->ip_frags, &h->ip6_frags };

	for (u32 i = 0; i < ARRAY_SIZE(families); i++) {
		for (u32 cpu = 0; cpu < h->ncpus; cpu++) {
			struct inet_frag_queue *q;

			while ((q = families[i]->oldest[cpu])) {
				free_runs(h->cpu[cpu], take_runs(h->cpu[cpu], families[i], q), FRAG_REASM_TIMEOUT);
				queue_free(h->cpu[cpu], families[i], q);
			}
			plan(h, cpu);
		}
	}
}

/* ---- placing a fragment ---- */

/* Update the datagram's length from this fragment. Return: false: it contradicts an earlier one, or carries no data */
static bool length_good(struct inet_frag_queue *q, const struct inet_frag *frag)
{
	bool known = q->flags & INET_FRAG_LAST_IN;

	if (frag->more ? known && frag->end > q->len : frag->end < q->len || (known && frag->end != q->len))
		return false;
	if (!frag->more)
		q->flags |= INET_FRAG_LAST_IN;
	if (frag->end > q->len)
		q->len = frag->end;
	return frag->end > frag->offset;
}

/* Return: FATE_MAX: skb waits; else why it cannot */
static enum fate place(struct softnet_data *sd, struct inet_frag_queue *q, struct sk_buff *skb,
		       const struct inet_frag *frag)
{
	if (!length_good(q, frag))
		return FRAG_LENGTH;
	skb_advance(skb, frag->hdr);
	skb_trim(sd, skb, frag->end - frag->offset);
	skb->frag_offset = frag->offset;
	return frag_runs_insert(q, skb, frag->end);
}

/* The packet's way up ends here. If it has joined a run, that run's first fragment names it: they are freed together. */
static void waits(struct softnet_data *sd, const struct sk_buff *skb, u64 began, const struct sk_buff *run)
{
	if (unlikely(sd->events != NULL))
		skb_event_in(sd, EVENT_REORDER, began, skb, run, 0);
}

int inet_frag_add(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, struct sk_buff *skb,
		  const struct inet_frag *frag)
{
	u32 len = frag->end - frag->offset, truesize = skb->truesize;
	bool in_page_frag = skb_in_page_frag(skb);
	struct sk_buff *last = q->last;
	u32 segs = last ? last->segs : 0;
	u64 began = skb->t_stage;
	enum fate why;

	if (sd->lat)
		latency(sd, LAT_STACK, began, sd->now, skb->segs);
	skb->t_stage = sd->now;
	why = place(sd, q, skb, frag);
	waits(sd, skb, began, last && last->segs != segs ? last : skb);
	if (why == DUP_FRAG) {
		kfree_skb_reason(sd, skb, DUP_FRAG);
		return 0;
	}
	if (why != FATE_MAX) {
		if (why == FRAG_OVERLAP)
			inet_frag_count(sd, f, FRAG_OVERLAPS);
		kfree_skb_reason(sd, skb, why);
		inet_frag_fail(sd, f, q, why);
		return 0;
	}
	COUNT(f->frames, 1);
	frames_placed(sd, 1);
	f->mem += truesize;
	q->meat += len;
	q->ecn |= frag->ecn;
	if (frag->offset == 0) {
		q->flags |= INET_FRAG_FIRST_IN;
		q->hdr = frag->hdr;
		q->nhoff = frag->nhoff;
		q->proto = frag->proto;
	}
	if (unlikely(!in_page_frag))
		q->flags |= INET_FRAG_PAGES;
	return (q->flags & INET_FRAG_COMPLETE) == INET_FRAG_COMPLETE && q->meat == q->len;
}

/* ---- the whole datagram ---- */

/* inet_frag_join() - make one packet of a complete datagram, with the first fragment's headers; free its queue */
struct sk_buff *inet_frag_join(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q)
{
	struct sk_buff *skb = take_runs(sd, f, q), *run = skb->next, *next;

	for (; run; run = next) {
		next = run->next;
		frag_runs_join(skb, run);
	}
	if (likely(!(q->flags &
		     INET_FRAG_PAGES))) /* skb_try_coalesce() frees their sk_buffs, until all slots are used */
		skb->truesize -= min_u32(skb->segs - 1u, MAX_SKB_FRAGS) * SKB_HEAD_TRUESIZE;
	skb->next = NULL;
	skb->gso_size = 0; /* never segment it again: fragment boundaries mean nothing */
	skb->ip_summed = CHECKSUM_NONE; /* no card has summed all of it */
	stage_done_each(sd, LAT_REORDER, EVENT_ORDERED, skb);
	queue_free(sd, f, q);
	inet_frag_count(sd, f, FRAG_OKS);
	return skb;
}
