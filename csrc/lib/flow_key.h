/* flow_key.h - making, comparing and hashing flow keys */
#ifndef VNIC_LIB_FLOW_KEY_H
#define VNIC_LIB_FLOW_KEY_H

static inline bool addr_equal(const struct inet_addr *a, const struct inet_addr *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

/* flow_key_of() - the flow of the packet with this IP header and these ports (the first bytes of its UDP or TCP header) */
static inline struct flow_key flow_key_of(const u8 *ip, const u8 *ports, u8 proto)
{
	bool v6 = ip_version(ip) == 6;

	return (struct flow_key){
		.src = v6 ? inet_addr6(ip + IPV6H_SADDR) : inet_addr4(ip + IPH_SADDR),
		.dst = v6 ? inet_addr6(ip + IPV6H_DADDR) : inet_addr4(ip + IPH_DADDR),
		.sport = be16(ports + UDPH_SOURCE),
		.dport = be16(ports + UDPH_DEST),
		.proto = proto,
	};
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->proto == b->proto && addr_equal(&a->src, &b->src) &&
	       addr_equal(&a->dst, &b->dst);
}

static inline u32 flow_key_hash(const struct flow_key *k)
{
	u64 x = k->src.hi ^ k->src.lo * 3 ^ k->dst.hi * 5 ^ k->dst.lo * 7 ^
		((u64)k->sport << 32 | (u64)k->dport << 8 | k->proto);

	return (u32)(x * 0x9e3779b97f4a7c15u >> 32);
}

#endif
