/* rfs.c - receive flow steering: send packets to the CPU of their reader. Linux: net/core/dev.c, sysctl rps_*
 *
 *   reader: rps_record_sock_flow() writes (hash, CPU) into the global table (rps_sock_flow_entries)
 *   rps.c:  rfs_get_cpu() compares it with the flow's present CPU, in the table of its queue (rps_flow_cnt)
 *
 * A flow moves only when its old CPU has taken all of the flow's packets: the backlog's head counter has reached the
 * tail counter of the flow's last packet. So no packet overtakes another. The hash alone selects a row. Two flows that
 * share one move together, or keep each other from moving, as in Linux. Only sockets with a peer record (TCP, connected
 * UDP). With ntuple on, the card steers too: arfs.c.
 */
#include "prelude.h"

#define NO_CPU 0xffff

int rfs_init(struct host *h, u32 flow_cnt, u32 sock_entries)
{
	int rc = rfs_set_sock_entries(h, sock_entries);

	h->rps_cpu_mask = round_up_pow2(h->ncpus) - 1;
	for (u32 q = 0; q < *h->dev.real_num_rx_queues && rc == 0; q++)
		rc = rfs_set_flow_cnt(h, q, flow_cnt);
	return rc;
}

/* Readers write into the table at any time, so an old one is kept, and used again if it is large enough. All tables
 * together take at most twice the memory of the largest. */
int rfs_set_sock_entries(struct host *h, u32 entries)
{
	struct rps_sock_flow_table *t = h->rps_sock_tables;
	u32 n = round_up_pow2(entries ? entries : 1);

	if (entries && (!t || t->size < n)) {
		t = malloc(sizeof(*t) + n * sizeof(u32));
		if (!t)
			return -ENOMEM;
		t->size = n;
		t->older = h->rps_sock_tables;
		h->rps_sock_tables = t;
	}
	if (entries) {
		WRITE_ONCE(t->mask, n - 1);
		for (u32 i = 0; i < n; i++)
			WRITE_ONCE(t->ents[i], NO_CPU);
	}
	smp_store_release(&h->rps_sock_flow, entries ? t : NULL);
	h->rps_sock_flow_entries = entries;
	return 0;
}

/* A packet on its way to a backlog names its row by number, so the caller ensures that no packet is on its way. */
int rfs_set_flow_cnt(struct host *h, u32 queue, u32 flow_cnt)
{
	u32 log = (u32)__builtin_ctz(round_up_pow2(flow_cnt ? flow_cnt : 1));
	struct rps_dev_flow *rows = flow_cnt ? malloc(sizeof(*rows) << log) : NULL;

	if (flow_cnt && !rows)
		return -ENOMEM;
	for (u32 i = 0; rows && i < 1u << log; i++)
		rows[i] = (struct rps_dev_flow){ .cpu = NO_CPU, .filter = RPS_NO_FILTER };
	free(h->rps_flow[queue]);
	h->rps_flow[queue] = rows;
	h->rps_flow_log[queue] = rows ? (u8)(log + 1) : 0;
	return 0;
}

void rfs_forget_filters(struct host *h)
{
	for (u32 q = 0; q < NIC_QUEUES_MAX; q++)
		for (u32 i = 0; h->rps_flow_log[q] && i < 1u << (h->rps_flow_log[q] - 1); i++)
			h->rps_flow[q][i].filter = RPS_NO_FILTER;
}

void rfs_exit(struct host *h)
{
	while (h->rps_sock_tables) {
		struct rps_sock_flow_table *t = h->rps_sock_tables;

		h->rps_sock_tables = t->older;
		free(t);
	}
	for (u32 q = 0; q < NIC_QUEUES_MAX; q++)
		free(h->rps_flow[q]);
}

static u32 rfs_slot(const struct host *h, u32 queue, u32 hash)
{
	return hash_32(hash, h->rps_flow_log[queue] - 1u);
}

static u32 ref(u32 queue, u32 slot)
{
	return 1 + (queue << 24 | slot);
}

static struct rps_dev_flow *deref(struct host *h, u32 rflow)
{
	return &h->rps_flow[(rflow - 1) >> 24][(rflow - 1) & 0xffffff];
}

void rps_record_sock_flow(struct host *h, u32 hash, u32 cpu)
{
	struct rps_sock_flow_table *t = smp_load_acquire(&h->rps_sock_flow); /* Pairs with rfs_set_sock_entries(). */
	u32 *entry, value;

	if (!t || !hash)
		return;
	entry = &t->ents[hash & READ_ONCE(t->mask)];
	value = (hash & ~h->rps_cpu_mask) | cpu;
	if (READ_ONCE(*entry) != value)
		WRITE_ONCE(*entry, value);
}

/* Note the tail counter behind the flow's latest packet. */
void rfs_queued(struct host *h, u32 rflow, u32 tail)
{
	WRITE_ONCE(deref(h, rflow)->last_qtail, tail);
}

u32 rfs_head(struct host *h, u32 cpu)
{
	return READ_ONCE(h->cpu[cpu]->input_queue_head);
}

/* Has the old CPU taken all of the flow's packets? Those that this CPU has not handed over yet count too. */
static bool is_drained(struct softnet_data *sd, const struct rps_dev_flow *f, u32 cpu)
{
	if (sd->enqueue[cpu].head)
		enqueue_flush(sd);
	return (int)(rfs_head(sd->host, cpu) - READ_ONCE(f->last_qtail)) >= 0;
}

/* Had the row's flow packets lately? The table has 1 << log rows. */
static bool is_active(struct host *h, const struct rps_dev_flow *f, u32 log)
{
	u32 cpu = READ_ONCE(f->cpu);

	return cpu < h->ncpus && (int)(rfs_head(h, cpu) - READ_ONCE(f->last_qtail)) < (int)(10u << log);
}

/* Let the card steer the flow to the CPU's queue, unless another active flow's filter has the row. Return: the flow's
 * row in that queue's table; 0 = it stays in its own */
static u32 steer_in_card(struct softnet_data *sd, const struct sk_buff *skb, u32 hash, u32 cpu)
{
	struct host *h = sd->host;
	u32 queue = h->dev.rx_cpu_rmap(h, cpu), slot;
	struct rps_dev_flow *f;
	int filter;

	if (queue == skb->queue || !h->rps_flow_log[queue])
		return 0;
	slot = rfs_slot(h, queue, hash);
	f = &h->rps_flow[queue][slot];
	if (READ_ONCE(f->filter) != RPS_NO_FILTER && READ_ONCE(f->hash) != hash &&
	    is_active(h, f, h->rps_flow_log[queue] - 1u))
		return 0;
	filter = h->dev.ndo_rx_flow_steer(sd, skb, queue, slot);
	if (filter < 0)
		return 0;
	WRITE_ONCE(f->filter, (u16)filter);
	WRITE_ONCE(f->hash, hash);
	return ref(queue, slot);
}

/* Point the flow to another CPU, and if possible the card to that CPU's queue. Return: the flow's row from now on */
static u32 set_rps_cpu(struct softnet_data *sd, const struct sk_buff *skb, u32 rflow, u32 hash, u32 cpu)
{
	struct host *h = sd->host;
	struct rps_dev_flow *old = deref(h, rflow), *f = old;
	u32 steered = unlikely(*h->dev.ntuple) ? steer_in_card(sd, skb, hash, cpu) : 0;

	COUNT(sd->rfs_moved, 1);
	if (steered) {
		rflow = steered;
		f = deref(h, rflow);
		if (old != f && READ_ONCE(old->filter) == READ_ONCE(f->filter))
			WRITE_ONCE(old->filter, RPS_NO_FILTER);
	}
	WRITE_ONCE(f->last_qtail, rfs_head(h, cpu));
	WRITE_ONCE(f->cpu, (u16)cpu);
	return rflow;
}

/* Return: the CPU of the flow's reader, or the old CPU until that has drained; -1 = not known */
int rfs_get_cpu(struct softnet_data *sd, struct sk_buff *skb, u32 hash)
{
	struct host *h = sd->host;
	const struct rps_sock_flow_table *t = h->rps_sock_flow;
	u32 ident, next, rflow, cpu;

	if (!t)
		return -1;
	ident = READ_ONCE(t->ents[hash & t->mask]);
	if ((ident ^ hash) & ~h->rps_cpu_mask)
		return -1; /* no flow, or another one */
	next = ident & h->rps_cpu_mask;
	if (unlikely(next >= h->ncpus))
		return -1; /* an empty entry whose upper bits match the hash */
	rflow = ref(skb->queue, rfs_slot(h, skb->queue, hash));
	cpu = READ_ONCE(deref(h, rflow)->cpu);
	if (cpu != next) {
		if (cpu >= h->ncpus || is_drained(sd, deref(h, rflow), cpu)) {
			cpu = next;
			rflow = set_rps_cpu(sd, skb, rflow, hash, next);
		} else {
			COUNT(sd->rfs_waited, 1);
		}
	}
	if (cpu >= h->ncpus)
		return -1;
	skb->rflow = rflow;
	COUNT(sd->rfs_steered, 1);
	return (int)cpu;
}

int rps_may_expire_flow(struct host *h, u32 queue, u32 slot, u32 filter)
{
	u32 log = h->rps_flow_log[queue] - 1u;
	const struct rps_dev_flow *f;

	if (!h->rps_flow_log[queue] || slot >> log)
		return 1;
	f = &h->rps_flow[queue][slot];
	return READ_ONCE(f->filter) != filter || !is_active(h, f, log);
}
