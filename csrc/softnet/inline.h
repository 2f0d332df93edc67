/* inline.h - functions too short to be called: an emulated CPU's time and counters, an sk_buff's headers */
#ifndef VNIC_SOFTNET_INLINE_H
#define VNIC_SOFTNET_INLINE_H

/* Charge work to the CPU that does it. Live, all costs are 0, and the real clock charges. */
static inline void cpu_charge(struct softnet_data *sd, enum cost what)
{
	sd->now += sd->host->cost[what];
}

static inline void cpu_charge_bytes(struct softnet_data *sd, enum cost ps_per_byte, u32 bytes)
{
	u32 ps = sd->host->cost[ps_per_byte];

	if (ps)
		sd->now += (u64)bytes * ps / 1000;
}

/* Virtual time: does another agent have its turn? Live, the horizon is infinitely far. */
static inline bool cpu_yields(const struct softnet_data *sd)
{
	return sd->now >= sd->horizon;
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
}

/* Show the taps a packet that has its fate and is still whole. */
static inline void packet_tap_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate)
{
	if (unlikely(READ_ONCE(sd->host->taps[POINT_STACK]) != NULL))
		packet_taps_fate(sd, skb, fate);
}

#endif
