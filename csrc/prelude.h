/* prelude.h - what every .c of the data plane includes first: the system, vnic.h, and the few words the code is
 * written in (branch hints, ordered loads and stores, network byte order, the clock's charge). Inline only.
 */
#ifndef VNIC_PRELUDE_H
#define VNIC_PRELUDE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vnic.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline)) /* a rare case: its registers and stack are not the usual one's burden */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NEVER UINT64_MAX

/* Loads and stores that another thread, or another process over the memfd, pairs with. Volatile, as in Linux, and not
 * the __atomic builtins: those make gcc forget everything it has loaded, at each of a dozen counters a frame. For
 * ThreadSanitizer they are the builtins, so that it sees what is meant. */
#if defined(__SANITIZE_THREAD__)
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#else
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Counters have one writer: a plain add, but a store that a reader on another thread may race with. gcc makes three
 * instructions of a volatile add, x86 has one that is not torn either: 25 counters a frame, 50 instructions less. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define COUNT(x, n) __asm__("add%z0 %1, %0" : "+m"(x) : "er"((__typeof__(x))(n)) : "cc")
#else
#define COUNT(x, n) WRITE_ONCE(x, (__typeof__(x))((x) + (n)))
#endif

static inline u32 min_u32(u32 a, u32 b)
{
	return a < b ? a : b;
}

static inline u32 max_u32(u32 a, u32 b)
{
	return a > b ? a : b;
}

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline u16 load16(const void *p)
{
	u16 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u32 load32(const void *p)
{
	u32 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 load64(const void *p)
{
	u64 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store16(void *p, u16 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline u16 be16(const void *p)
{
	return __builtin_bswap16(load16(p));
}

static inline u32 be32(const void *p)
{
	return __builtin_bswap32(load32(p));
}

static inline u16 htobe16_(u16 v)
{
	return __builtin_bswap16(v);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vnic runs on little-endian machines: virtio rings and byte order helpers rely on it"
#endif

static inline u32 align_up(u32 v, u32 to)
{
	return (v + to - 1) & ~(to - 1);
}

/* Fields of a capture file, in its byte order. */
static inline u16 pcap_get16(const struct pcap_wire *p, u64 at)
{
	u16 v = load16(p->map + at);

	return p->swapped ? __builtin_bswap16(v) : v;
}

static inline u32 pcap_get32(const struct pcap_wire *p, u64 at)
{
	u32 v = load32(p->map + at);

	return p->swapped ? __builtin_bswap32(v) : v;
}

/* In a loop that waits for another core. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* A lock held for a few dozen ns by threads that may outnumber the cores: spin a little, then let the holder run. */
static inline void spin_lock(u32 *lock)
{
	for (u32 tries = 0; __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE); tries++)
		if (tries > 32)
			sched_yield();
}

static inline void spin_unlock(u32 *lock)
{
	smp_store_release(lock, 0); /* Pairs with the exchange in spin_lock(). */
}

/* In virtual time there is one thread, and no lock. */
static inline void lock_if(bool live, u32 *lock)
{
	if (live)
		spin_lock(lock);
}

static inline void unlock_if(bool live, u32 *lock)
{
	if (live)
		spin_unlock(lock);
}

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

/* An EtherType of VLAN tags (802.1Q, 802.1ad), network byte order. */
static inline bool is_vlan(u16 protocol)
{
	return protocol == 0x0081 || protocol == 0xa888;
}

/* The Ethernet header (18 bytes) with the tag that was taken off put back, as libpcap does. */
static inline void skb_tagged_header(const struct sk_buff *skb, u8 *to)
{
	const u8 *mac = skb_mac_header(skb);

	memcpy(to, mac, 12);
	memcpy(to + 12, &skb->vlan_proto, 2);
	store16(to + 14, htobe16_(skb->vlan_tci));
	memcpy(to + 16, mac + 12, 2);
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
static inline void tap_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate)
{
	if (unlikely(READ_ONCE(sd->host->taps[TAP_STACK]) != NULL))
		packet_taps_fate(sd, skb, fate);
}

#define TAP_BIG ((u32)sizeof(struct virtio_net_hdr_v1) + TX_FRAME_MAX)

/* A frame went from the FIFO into the ring. */
static inline void tap_dma(struct nic *nic, const struct frame *f)
{
	if (unlikely(READ_ONCE(nic->host->taps[TAP_NIC]) != NULL))
		packet_taps_frame(nic, TAP_NIC, f, nic->now, -1);
}

/* Find its headers, and fill in what a capture shows as its sender had left it to a card. */
static inline void nic_parse(struct nic *nic, struct frame *f)
{
	if (unlikely(frame_parse(f)))
		sender_complete(nic->wire, f);
}

static inline bool addr_equal(const struct inet_addr *a, const struct inet_addr *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

/* The flow of a packet whose IP header is at ip and whose ports are at ports. */
static inline struct flow_key flow_key_of(const u8 *ip, const u8 *ports, u8 proto)
{
	bool v6 = ip[0] >> 4 == 6;

	return (struct flow_key){
		.src = v6 ? inet_addr6(ip + 8) : inet_addr4(ip + 12),
		.dst = v6 ? inet_addr6(ip + 24) : inet_addr4(ip + 16),
		.sport = be16(ports),
		.dport = be16(ports + 2),
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

/* One's complement addition of two partial checksums. */
static inline u32 csum_add(u32 a, u32 b)
{
	a += b;
	return a + (a < b);
}

/* hash_32() - the upper bits of a product: a table of 1 << bits rows that is not hit alike by the same low bits */
static inline u32 hash_32(u32 v, u32 bits)
{
	return bits ? v * 0x61c88647u >> (32 - bits) : 0;
}

static inline u32 round_up_pow2(u32 v)
{
	return v <= 1 ? 1 : 1u << (32 - __builtin_clz(v - 1));
}

#endif
