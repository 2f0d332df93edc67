/* ledger.c - the first law: every frame offered has exactly one fate, or is in flight. Also a line of text for each fate
 *
 * The CPU (or the card) that decides a fate counts it, where it happens; this file only adds up.
 */
#include "prelude.h"

const char *fate_text(enum fate fate)
{
	static const char *const text[FATE_MAX] = {
		[DELIVERED_UDP] = "in a UDP socket's queue",
		[DELIVERED_TCP] = "taken by a TCP stream: data queued in order, or a segment without data",
		[DELIVERED_ICMP] = "taken by ICMP",
		[DELIVERED_ICMPV6] = "taken by ICMPv6",
		[DELIVERED_IGMP] = "taken by IGMP",
		[DELIVERED_ARP] = "taken by ARP",
		[DELIVERED_PYTHON] = "taken by a handler written in Python",
		[DELIVERED_DRIVER] = "given to a driver outside this process",
		[DEV_READY] = "the card had no driver, or had stopped",
		[RX_LENGTH] = "shorter than an Ethernet header, or longer than the MTU allows (rx_length_errors)",
		[MAC_FILTER] = "not for us: the address filter",
		[VLAN_FILTER] = "not for us: the VLAN filter",
		[PYTHON_FILTER] = "not for us: a filter written in Python",
		[NTUPLE_FILTER] = "dropped by a rule in the card (ethtool -N ... action -1)",
		[FIFO_OVERRUN] = "the card's FIFO was full (rx_fifo_errors)",
		[RX_OVER] = "longer than all buffers the ring can hold (rx_over_errors)",
		[RX_NO_BUFFER] = "no buffer posted, and drop_en is on (rx_fifo_errors)",
		[CPU_BACKLOG] = "the target CPU's backlog was full (netdev_max_backlog)",
		[UNHANDLED_PROTO] = "no protocol handler for it",
		[OTHERHOST] = "for another host: promisc let it in, IP does not take it",
		[PYTHON_DROP] = "dropped by a handler written in Python",
		[PYTHON_QUEUE_FULL] = "the queue to Python was full",
		[PKT_TOO_SMALL] = "shorter than its headers say (snapped captures end here)",
		[IP_INHDR] = "bad IP header",
		[IP_CSUM] = "bad IPv4 header checksum",
		[IP_INVALID_SOURCE] = "a source address that cannot be",
		[IP_INADDRERRORS] = "not our IP address",
		[IP_NOPROTO] = "no handler for its IP protocol",
		[IPV6_BAD_EXTHDR] = "bad IPv6 extension header",
		[DUP_FRAG] = "a fragment of what was there already",
		[FRAG_REASM_TIMEOUT] = "the rest of its datagram did not come in time (ipfrag_time, ip6frag_time)",
		[FRAG_TOO_FAR] = "its sender sent too many others before the next fragment (ipfrag_max_dist)",
		[PKT_TOO_BIG] = "fragments of more than 65535 bytes",
		[FRAG_OVERLAP] = "fragments of one datagram overlap: all of them are dropped",
		[FRAG_LENGTH] = "a fragment without data, of a length that cannot be, or beyond the datagram's end",
		[FRAG_ECN] = "fragments of one datagram contradict each other in ECN",
		[FRAG_HIGH_THRESH] = "the memory for fragments was full (ipfrag_high_thresh, ip6frag_high_thresh)",
		[ICMP_CSUM] = "bad ICMP checksum",
		[UDP_CSUM] = "bad UDP checksum",
		[TCP_CSUM] = "bad TCP checksum",
		[TCP_FLAGS] = "TCP flags that cannot be",
		[NO_SOCKET] = "no socket",
		[SOCKET_TABLE_FULL] = "no room for another socket",
		[SOCKET_RCVBUFF] = "the socket's receive buffer was full (rcvbuf)",
		[PROTO_MEM] = "all UDP sockets together held more pages than udp_mem",
		[TCP_OLD_DATA] = "TCP data that was there already",
		[TCP_OVERWINDOW] = "TCP data far outside any window",
		[TCP_OFOMERGE] = "TCP data that waited out of order already",
		[TCP_OFO_DROP] = "the out-of-order queue was full",
		[TCP_CLOSE] = "for a TCP stream that had ended",
	};

	return (u32)fate < FATE_MAX ? text[fate] : NULL;
}

u64 host_offered(struct host *h)
{
	return READ_ONCE(h->nic.offered);
}

void host_fates(struct host *h, u64 *fates)
{
	for (u32 f = 0; f < FATE_MAX; f++) {
		fates[f] = READ_ONCE(h->nic.fates[f]) + READ_ONCE(h->outside_fates[f]);
		for (u32 c = 0; c < h->ncpus; c++)
			fates[f] += READ_ONCE(h->cpu[c]->fates[f]);
	}
}

static u64 in_python(struct host *h)
{
	struct upcall_queue *q = &h->upcalls;
	u64 frames = 0;

	spin_lock(&q->lock);
	for (u32 i = q->tail; i != q->head; i++)
		frames += q->slot[i % UPCALLS_MAX].skb->segs;
	spin_unlock(&q->lock);
	return frames;
}

void host_in_flight(struct host *h, u64 *where)
{
	memset(where, 0, IN_FLIGHT_MAX * sizeof(*where));
	where[IN_FIFO] = READ_ONCE(h->nic.fifo.head) - READ_ONCE(h->nic.fifo.tail);
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		struct driver_queue *dq = h->dq[i];

		if (!dq)
			continue;
		where[IN_RING] += READ_ONCE(h->nic.queue[i].frames) - READ_ONCE(dq->rx_packets);
		where[IN_GRO] += READ_ONCE(dq->napi.gro_held) + READ_ONCE(dq->napi.rx_count);
	}
	where[IN_FRAG] = READ_ONCE(h->ip_frags.frames) + READ_ONCE(h->ip6_frags.frames);
	where[IN_TCP_OFO] = h->outside_ofo_frames;
	for (u32 c = 0; c < h->ncpus; c++) {
		struct softnet_data *sd = h->cpu[c];

		where[IN_BACKLOG] += READ_ONCE(sd->backlog_frames) + READ_ONCE(sd->process_frames) +
				     READ_ONCE(sd->enqueue_frames);
		where[IN_TCP_OFO] += READ_ONCE(sd->ofo_frames);
	}
	where[IN_PYTHON] = in_python(h);
}

static u32 pieces_of(const struct sk_buff *skb, const struct rx_pool *p)
{
	u32 n = 0;

	for (; skb; skb = skb->next) {
		n += skb->pool == p;
		for (const struct sk_buff *piece = skb->frag_list; piece; piece = piece->next)
			n += piece->pool == p;
	}
	return n;
}

/* Return: buffers of this pool that wait in sockets for a reader */
static u32 in_sockets(const struct host *h, const struct rx_pool *p)
{
	u32 n = 0;

	for (u32 i = 1; i < h->socks.used; i++)
		n += pieces_of(h->socks.socks[i].head, p) + pieces_of(h->socks.socks[i].ofo, p);
	return n;
}

static u32 in_runs(const struct sk_buff *run, const struct rx_pool *p)
{
	u32 n = 0;

	for (; run; run = run->frag_right) {
		n += run->pool == p;
		for (const struct sk_buff *piece = run->frag_list; piece; piece = piece->next)
			n += piece->pool == p;
		n += in_runs(run->next, p); /* recursion depth: the tree's height, about 2 log n */
	}
	return n;
}

/* Return: buffers of this pool that wait for the rest of their datagram */
static u32 in_fragments(const struct inet_frags *f, const struct rx_pool *p)
{
	u32 n = 0;

	for (u32 i = 0; i < f->used; i++)
		n += in_runs(f->queues[i].runs, p);
	return n;
}

/* Return: buffers of this pool that are neither free nor posted */
static u32 waiting(const struct host *h, const struct rx_pool *p)
{
	return in_sockets(h, p) + in_fragments(&h->ip_frags, p) + in_fragments(&h->ip6_frags, p);
}

int host_laws(struct host *h)
{
	u64 fates[FATE_MAX], where[IN_FLIGHT_MAX], sum = 0;
	int broken = 0;

	host_fates(h, fates);
	host_in_flight(h, where);
	for (u32 f = 0; f < FATE_MAX; f++)
		sum += fates[f];
	for (u32 w = 0; w < IN_FLIGHT_MAX; w++)
		sum += where[w];
	if (sum != host_offered(h))
		broken |= LAW_LEDGER;
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		struct driver_queue *dq = h->dq[i];

		if (dq &&
		    rx_pool_free_count(&dq->pool) + dq->vq.size - dq->vq.nfree + waiting(h, &dq->pool) != dq->pool.size)
			broken |= LAW_POOLS;
	}
	return broken;
}
