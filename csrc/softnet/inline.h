/* inline.h - what is too short to be called: an emulated CPU's time and counters, an sk_buff's headers */
#ifndef VNIC_SOFTNET_INLINE_H
#define VNIC_SOFTNET_INLINE_H

/* Work takes time: the CPU that does it pays. Live, the costs are all 0 and the real clock does the charging. */
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

/* Virtual time: has somebody else's turn come? Live the horizon is infinitely far. */
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

static inline void skb_pull(struct sk_buff *skb, u32 n)
{
	skb->data += n;
	skb->len -= n;
	skb->head_len -= n;
}

/* The Ethernet header (ETH_HLEN + VLAN_HLEN bytes) with the tag that was taken off put back, as libpcap does. */
static inline void skb_tagged_header(const struct sk_buff *skb, u8 *to)
{
	const u8 *mac = skb_mac_header(skb);

	memcpy(to, mac, ETHH_PROTO);
	store16(to + ETHH_PROTO, skb->vlan_proto);
	store16(to + ETH_HLEN + VLANH_TCI, htobe16_(skb->vlan_tci));
	memcpy(to + ETH_HLEN + VLANH_PROTO, mac + ETHH_PROTO, 2);
}

/* While GRO has it, and has not completed it, data is the end of the Ethernet header: no need to ask for the buffer. */
static inline u8 *gro_mac_header(const struct sk_buff *skb)
{
	return skb->data - ETH_HLEN;
}

/* While GRO has it, offsets are from the MAC header. Bytes of the packet from off on; does its first buffer reach end? */
static inline u32 gro_len(const struct sk_buff *skb, u32 off)
{
	return skb->len + ETH_HLEN - off;
}

static inline bool gro_has(const struct sk_buff *skb, u32 end)
{
	return end <= skb->head_len + ETH_HLEN;
}

static inline void count_fate(struct softnet_data *sd, enum fate fate, u32 frames)
{
	COUNT(sd->fates[fate], frames);
}

/* A packet has its fate, and is still whole. */
static inline void packet_tap_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate)
{
	if (unlikely(READ_ONCE(sd->host->taps[POINT_STACK]) != NULL))
		packet_taps_fate(sd, skb, fate);
}

#endif
