/* inline.h - functions too short to be called: an emulated CPU's time and counters, an sk_buff's headers */
#ifndef VNIC_SOFTNET_INLINE_H
#define VNIC_SOFTNET_INLINE_H

static inline bool cpumask_has(const struct cpumask *m, u32 cpu)
{
	return m->bits[cpu / 64] >> cpu % 64 & 1;
}

/* Let work of @ns pass on the CPU that does it. In virtual time, other agents act meanwhile, and interrupts preempt the
 * work. Live, all costs are 0, the horizon is infinitely far, and the real clock charges. */
static inline void cpu_work(struct softnet_data *sd, u64 ns)
{
	u64 end = sd->now + ns;

	if (unlikely(end >= sd->horizon))
		cpu_wait(sd, end);
	else
		sd->now = end;
}

static inline void cpu_charge(struct softnet_data *sd, enum cost what)
{
	cpu_work(sd, sd->host->cost[what]);
}

static inline void cpu_charge_bytes(struct softnet_data *sd, enum cost ps_per_byte, u32 bytes)
{
	u32 ps = sd->host->cost[ps_per_byte];

	if (ps)
		cpu_work(sd, (u64)bytes * ps / 1000);
}

/* Let those agents act first whose turn comes before this CPU's at the same instant. */
static inline void cpu_sync(struct softnet_data *sd)
{
	cpu_work(sd, 0);
}

/* The CPU takes its first packet after a long time of idleness. */
static inline void cpu_first_packet(struct softnet_data *sd)
{
	sd->cold = 0;
	cpu_charge(sd, COST_FIRST_PACKET);
}

/* The CPU acts next at @at. */
static inline void cpu_next_set(struct softnet_data *sd, u64 at)
{
	struct host *h = sd->host;

	h->next[sd->cpu] = at;
	h->next_stale |= 1u << sd->cpu / CPU_GROUP;
}

/* Another agent has its turn at @at, or this CPU an interrupt. */
static inline void cpu_lower_horizon(struct softnet_data *sd, u64 at)
{
	u64 *horizon = sd->atomic ? &sd->free_horizon : &sd->horizon;

	*horizon = min_u64(*horizon, at);
}

/* What follows happens at one instant, as if under a lock: cpu_atomic_end() pays for it. In virtual time no CPU takes a
 * lock, because its holder may be stopped at a charge. Live, the caller holds the lock. Not nested. */
static inline void cpu_atomic_begin(struct softnet_data *sd)
{
	if (sd->live)
		return;
	sd->atomic = 1;
	sd->free_horizon = sd->horizon;
	sd->horizon = 0; /* each charge calls cpu_wait(), which adds it to sd->owed */
}

static inline void cpu_atomic_end(struct softnet_data *sd)
{
	if (!sd->live)
		cpu_pay(sd);
}

/* Live, take the lock; in virtual time, begin what cpu_unlock() ends. */
static inline void cpu_lock(struct softnet_data *sd, u32 *lock)
{
	lock_if(sd->live, lock);
	cpu_atomic_begin(sd);
}

static inline void cpu_unlock(struct softnet_data *sd, u32 *lock)
{
	unlock_if(sd->live, lock);
	cpu_atomic_end(sd);
}

/* As cpu_lock(), and also where the caller may hold another lock already. Return: what cpu_unlock_within() wants to know */
static inline bool cpu_lock_within(struct softnet_data *sd, u32 *lock)
{
	bool first = !sd->atomic;

	lock_if(sd->live, lock);
	if (first)
		cpu_atomic_begin(sd);
	return first;
}

static inline void cpu_unlock_within(struct softnet_data *sd, u32 *lock, bool first)
{
	unlock_if(sd->live, lock);
	if (first)
		cpu_atomic_end(sd);
}

/* Frames leave one queue: they are in this CPU's hands until they are in the next, or have their fate. */
static inline void frames_taken(struct softnet_data *sd, u32 frames)
{
	COUNT(sd->in_hand, frames);
}

static inline void frames_placed(struct softnet_data *sd, u32 frames)
{
	COUNT(sd->in_hand, -(u64)frames);
}

static inline u64 jiffies(const struct softnet_data *sd)
{
	return sd->now / sd->host->jiffy_ns;
}

static inline void latency(struct softnet_data *sd, enum latency which, u64 from, u64 to, u32 frames)
{
	if (sd->lat)
		lat_record(&sd->lat[which], to > from ? to - from : 0, frames);
}

/* The CPU's own work, begun at began, ends now. */
static inline void cpu_event(struct softnet_data *sd, enum event_kind kind, u64 began, u32 queue, u64 arg)
{
	if (unlikely(sd->events != NULL))
		cpu_event_write(sd, kind, began, queue, arg);
}

static inline void skb_event(struct softnet_data *sd, enum event_kind kind, u64 began, const struct sk_buff *skb,
			     u64 arg)
{
	if (unlikely(sd->events != NULL))
		skb_event_write(sd, kind, began, skb, arg);
}

/* A stage of the packet's way ends now. Behind GRO it is the same for all its segments. The event log needs no branch of
 * its own: it is on only while the latency split is. */
static inline void stage_done(struct softnet_data *sd, enum latency which, enum event_kind kind, struct sk_buff *skb,
			      u64 arg)
{
	if (sd->lat) {
		latency(sd, which, skb->t_stage, sd->now, skb->segs);
		skb_event(sd, kind, skb->t_stage, skb, arg);
	}
	skb->t_stage = sd->now;
}

/* The same where each segment has been in the stage since an instant of its own: in GRO, in a queue of fragments. */
static inline void stage_done_each(struct softnet_data *sd, enum latency which, enum event_kind kind,
				   struct sk_buff *skb)
{
	if (sd->lat) {
		if (likely(skb->segs == 1))
			latency(sd, which, skb->t_stage, sd->now, 1);
		else
			latency_each(sd, which, skb);
		if (unlikely(sd->events != NULL))
			skb_event_each(sd, kind, skb);
	}
	skb->t_stage = sd->now;
}

/* sk_buff.kind of a packet in one frame that the card has verified, sent to this host, with these other fields */
static inline u64 skb_kind(u8 hash_report, u16 protocol)
{
	return ((struct sk_buff){ .segs = 1,
				  .ip_summed = CHECKSUM_UNNECESSARY,
				  .pkt_type = PACKET_HOST,
				  .hash_report = hash_report,
				  .protocol = protocol })
		.kind;
}

/* The packet leaves GRO's list. From now on its segments go the same way. */
static inline void skb_list_del(struct softnet_data *sd, struct sk_buff *skb)
{
	skb->next = NULL;
	stage_done_each(sd, LAT_GRO, EVENT_GRO_OUT, skb);
}

static inline u8 *skb_buffer(const struct sk_buff *skb)
{
	return skb->pool->base + (u64)skb->id * skb->pool->stride;
}

static inline u8 *skb_mac_header(const struct sk_buff *skb)
{
	return skb_buffer(skb) + skb->mac_header;
}

static inline u8 *skb_network_header(const struct sk_buff *skb)
{
	return skb_buffer(skb) + skb->network_header;
}

/* What a socket is charged for a frame of len bytes: the fragment of a page that holds it, or pages. As tun_build_skb() and
 * tun_alloc_skb(); the bytes that a receive buffer really takes are the pool's stride. */
static inline u32 skb_frame_truesize(u32 len)
{
	if (likely(len <= PAGE_FRAG_MAX))
		return align_up(len + NET_SKB_PAD + SKB_TRUESIZE_OVERHEAD, 64); /* the overhead is a multiple of 64 */
	return 4096 + SKB_HEAD_TRUESIZE + (len > SKB_MAX_HEAD ? align_up(len - SKB_MAX_HEAD, 4096) : 0);
}

/* Is the frame, not merged yet, in a fragment of a page? */
static inline bool skb_in_page_frag(const struct sk_buff *skb)
{
	return skb->truesize <= 4096;
}

static inline void skb_pull(struct sk_buff *skb, u32 n)
{
	skb->data += n;
	skb->len -= n;
	skb->head_len -= n;
}

/* Take back n bytes that were skipped in the packet's first buffer. */
static inline void skb_push(struct sk_buff *skb, u32 n)
{
	skb->data -= n;
	skb->len += n;
	skb->head_len += n;
}

/* The Ethernet header (ETH_HLEN + VLAN_HLEN bytes) with the tag put back that was taken off, as libpcap does. */
static inline void skb_tagged_header(const struct sk_buff *skb, u8 *to)
{
	const u8 *mac = skb_mac_header(skb);

	memcpy(to, mac, ETHH_PROTO);
	store16(to + ETHH_PROTO, skb->vlan_proto);
	store16(to + ETH_HLEN + VLANH_TCI, htobe16_(skb->vlan_tci));
	memcpy(to + ETH_HLEN + VLANH_PROTO, mac + ETHH_PROTO, 2);
}

/* Until GRO has completed a packet, its data is the end of the Ethernet header: no need to compute the buffer. */
static inline u8 *gro_mac_header(const struct sk_buff *skb)
{
	return skb->data - ETH_HLEN;
}

/* In GRO, offsets are from the MAC header. Return: bytes of the packet from off on */
static inline u32 gro_len(const struct sk_buff *skb, u32 off)
{
	return skb->len + ETH_HLEN - off;
}

/* Does the packet's first buffer reach the offset end? */
static inline bool gro_has(const struct sk_buff *skb, u32 end)
{
	return end <= skb->head_len + ETH_HLEN;
}

static inline void count_fate(struct softnet_data *sd, enum fate fate, u32 frames)
{
	COUNT(sd->fates[fate], frames);
	frames_placed(sd, frames);
}

/* Free a packet that was read. Linux: net/core/skbuff.c */
static inline void consume_skb(struct softnet_data *sd, struct sk_buff *skb)
{
	struct rx_pool *p = skb->pool;

	if (unlikely(p->owner != sd || skb->frag_list || READ_ONCE(p->starved)))
		kfree_skb_list(sd, skb);
	else
		p->free[p->nfree++] = skb->id;
}

/* Show the taps a packet that has its fate and is still whole. */
static inline void packet_tap_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate)
{
	if (unlikely(READ_ONCE(sd->host->taps[POINT_STACK]) != NULL))
		packet_taps_fate(sd, skb, fate);
}

#endif
