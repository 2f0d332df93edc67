/* peer_dpdk.c - what DPDK's libraries need for the pieces of this path, on the same frames; a JSON line per measurement
 *
 *   peer_dpdk [--runs N] [--cpu N]
 *
 * mbuf alloc + copy, + packet type and checksum check, + librte_gro, then free: a burst of 64 at a time, as a driver and
 * an application would. rte_thash and rte_raw_cksum beside vnic's own, alternately in one run. Built with -march=native,
 * which vnic is not. No hugepages, no card, one core.
 */
#define __NETINET_IP_H 1 /* rte_ip.h includes it and needs none of it; its names are formats.h's */
#include <rte_config.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_gro.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_thash.h>
#include <rte_udp.h>
#undef container_of
#undef likely
#undef unlikely
#include "path.h"
#include "timing.h"

#define PASS 4096u
#define STRIDE 1536u

static struct rte_mempool *pool;
static u8 *arena;
static u32 len, flows;

static void fill(u32 nflows, bool tcp)
{
	flows = nflows;
	len = tcp ? HEADERS_TCP + MSS : 64;
	for (u32 i = 0; i < PASS; i++) {
		u8 *at = arena + (u64)i * STRIDE;

		if (tcp)
			put_tcp(at, i / 16 % flows, 1 + (i / 16 / flows * 16 + i % 16) * MSS);
		else
			put_udp(at, i % flows, 64);
	}
}

enum { COPY, PTYPE, CSUM, GRO }; /* GRO: without CSUM; CSUM | 4: both */

static u64 left; /* packets after GRO */

static u32 reassemble(struct rte_mbuf **m, u32 n)
{
	struct rte_gro_param param = { .gro_types = RTE_GRO_TCP_IPV4, .max_flow_num = 64, .max_item_per_flow = 32 };

	return rte_gro_reassemble_burst(m, (u16)n, &param);
}

static void burst(u32 at, int depth)
{
	struct rte_mbuf *m[BURST];
	u32 n = BURST;

	require(rte_pktmbuf_alloc_bulk(pool, m, BURST) == 0, "no mbufs");
	for (u32 i = 0; i < BURST; i++) {
		rte_memcpy(rte_pktmbuf_mtod(m[i], void *), arena + (u64)(at + i) * STRIDE, len);
		m[i]->data_len = (u16)len;
		m[i]->pkt_len = len;
		if (depth >= PTYPE) {
			struct rte_net_hdr_lens h;

			m[i]->packet_type = rte_net_get_ptype(m[i], &h, RTE_PTYPE_ALL_MASK);
			m[i]->l2_len = h.l2_len;
			m[i]->l3_len = h.l3_len;
			m[i]->l4_len = h.l4_len;
		}
		if ((depth & 3) == CSUM) {
			const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m[i], void *, 14);

			require(rte_ipv4_udptcp_cksum_verify(ip, ip + 1) == 0, "a bad checksum");
		}
	}
	if (depth >= GRO) /* also CSUM | 4 */
		n = reassemble(m, n);
	left += n;
	for (u32 i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]);
}

static void path(const char *name, const char *what, int depth)
{
	timing_begin();
	left = 0;
	for (u32 run = 0; run < nruns; run++) {
		start();
		for (u32 pass = 0; pass < 4; pass++)
			for (u32 i = 0; i < PASS; i += BURST)
				burst(i, depth);
		stop();
		sample(run, 4 * PASS);
	}
	report("dpdk", name, what, 4 * PASS);
	printf(", \"frames_per_packet\": %.2f, \"flows\": %u, \"bytes\": %u}\n",
	       (double)nruns * 4 * PASS / (double)left, flows, len);
}

/* librte_gro alone: packet types known, all in the cache. */
static void gro_alone(u32 nflows)
{
	struct rte_mbuf *m[BURST];
	u8 frame[HEADERS_TCP + MSS];
	char name[32];

	timing_begin();
	flows = nflows;
	len = sizeof(frame);
	left = 0;
	for (u32 run = 0; run < nruns; run++) {
		for (u32 b = 0; b < 64; b++) {
			u32 n;

			require(rte_pktmbuf_alloc_bulk(pool, m, BURST) == 0, "no mbufs");
			for (u32 i = 0; i < BURST; i++) {
				u32 each = BURST / min_u32(nflows, BURST);

				put_tcp(frame, (b * BURST + i) / each % nflows, 1 + i % each * MSS);
				rte_memcpy(rte_pktmbuf_mtod(m[i], void *), frame, len);
				m[i]->data_len = (u16)len;
				m[i]->pkt_len = len;
				m[i]->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
				m[i]->l2_len = 14;
				m[i]->l3_len = 20;
				m[i]->l4_len = 32;
			}
			start();
			n = reassemble(m, BURST);
			stop();
			left += n;
			for (u32 i = 0; i < n; i++)
				rte_pktmbuf_free(m[i]);
		}
		sample(run, 64 * BURST);
	}
	snprintf(name, sizeof(name), "dpdk_gro_%u", nflows);
	report("dpdk", name, "librte_gro alone, lightweight, bursts of 64", 64 * BURST);
	printf(", \"frames_per_packet\": %.2f, \"flows\": %u, \"bytes\": %u}\n",
	       (double)nruns * 64 * BURST / (double)left, flows, len);
}

static struct rss rss;
static u8 tuple[BURST][16];
static u64 matrix[40];

static u64 hash_vnic(u32 which)
{
	u32 hash[BURST];

	(void)which;
	rss_hash4(&rss, (const u8(*)[16])tuple, hash, BURST);
	__asm__ volatile("" : : "r"(hash) : "memory");
	return BURST;
}

static u64 hash_dpdk(u32 which)
{
	u32 hash[BURST];

	(void)which;
#ifdef RTE_THASH_GFNI_DEFINED
	u8 *at[BURST];

	for (u32 i = 0; i < BURST; i++)
		at[i] = tuple[i];
	rte_thash_gfni_bulk(matrix, 12, at, hash, BURST);
#else
	for (u32 i = 0; i < BURST; i++) {
		u32 words[3] = { be32(tuple[i]), be32(tuple[i] + 4), be32(tuple[i] + 8) };

		hash[i] = rte_softrss(words, 3, rss.key);
	}
#endif
	__asm__ volatile("" : : "r"(hash) : "memory");
	return BURST;
}

#define COPY_STRIDE 1536u

static u8 *from, *to; /* two areas of copy_n strides */
static u32 copy_n;

static u64 copy_memcpy(u32 which)
{
	u32 at = which % copy_n * COPY_STRIDE;

	memcpy(to + at, from + at, 1460);
	return 1;
}

static u64 copy_vnic(u32 which)
{
	u32 at = which % copy_n * COPY_STRIDE, sum = csum_and_copy(to + at, from + at, 1460, 0);

	__asm__ volatile("" : : "r"(sum));
	return 1;
}

static u64 copy_dpdk(u32 which)
{
	u32 at = which % copy_n * COPY_STRIDE;
	u16 sum;

	rte_memcpy(to + at, from + at, 1460);
	sum = rte_raw_cksum(to + at, 1460);
	__asm__ volatile("" : : "r"(sum));
	return 1;
}

static void copies(const char *where, u32 n)
{
	char name[3][32], what[3][64];
	static const char *const who[3] = { "memcpy", "vnic", "dpdk" };
	static const char *const how[3] = { "memcpy", "csum_and_copy", "rte_memcpy + rte_raw_cksum" };
	struct way ways[3] = { { .run = copy_memcpy }, { .run = copy_vnic }, { .run = copy_dpdk } };

	for (u32 w = 0; w < 3; w++) {
		snprintf(name[w], sizeof(name[w]), "copy_%s_%s", where, who[w]);
		snprintf(what[w], sizeof(what[w]), "%s, 1460 bytes, in %s", how[w], where);
		ways[w].name = name[w];
		ways[w].what = what[w];
	}
	copy_n = n;
	side_by_side(ways, 3, 4096);
}

int main(int argc, char **argv)
{
	static const u8 key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
				    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
				    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };
	static const struct way hashes[2] = { { "hash_vnic", "Toeplitz, IPv4 4-tuple, bursts of 64: vnic", hash_vnic },
					      { "hash_dpdk", "Toeplitz, IPv4 4-tuple, bursts of 64: DPDK",
						hash_dpdk } };
	const char *cpu = "0";
	char *eal[] = { argv[0],	  "--no-huge",	 "-m", "256", "--no-pci",
			"--no-telemetry", "--no-shconf", "-l", NULL,  "--log-level=error" };

	for (int opt = 1; opt + 1 < argc; opt += 2) {
		if (strcmp(argv[opt], "--runs") == 0)
			nruns = min_u32((u32)atoi(argv[opt + 1]), RUNS_MAX);
		else if (strcmp(argv[opt], "--cpu") == 0)
			cpu = argv[opt + 1];
	}
	eal[8] = (char *)(uintptr_t)cpu;
	require(rte_eal_init(ARRAY_SIZE(eal), eal) >= 0, "EAL does not start");
	pool = rte_pktmbuf_pool_create("peer", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	arena = aligned_alloc(64, (u64)PASS * STRIDE);
	require(pool && arena, "no memory");

	fill(1024, false);
	path("dpdk_udp64_copy", "64-byte UDP, 1024 flows: alloc, copy, free", COPY);
	path("dpdk_udp64_csum", "64-byte UDP, 1024 flows: alloc, copy, ptype, checksum, free", CSUM);
	fill(64, true);
	path("dpdk_tcp1448_copy", "1448-byte TCP, 64 flows: alloc, copy, free", COPY);
	path("dpdk_tcp1448_ptype", "1448-byte TCP, 64 flows: alloc, copy, ptype, free", PTYPE);
	path("dpdk_tcp1448_gro", "1448-byte TCP, 64 flows: alloc, copy, ptype, librte_gro, free", GRO);
	path("dpdk_tcp1448_csum_gro", "1448-byte TCP, 64 flows: alloc, copy, ptype, checksum, librte_gro, free",
	     CSUM | 4);
	for (u32 n = 1; n <= 64; n *= 4)
		gro_alone(n);

	rss_set_key(&rss, key, sizeof(key));
#ifdef RTE_THASH_GFNI_DEFINED
	rte_thash_complete_matrix(matrix, key, sizeof(key));
#endif
	for (u32 i = 0; i < BURST; i++)
		for (u32 b = 0; b < 12; b++)
			tuple[i][b] = (u8)(i * 37 + b * 101);
	copy_n = 1;
	side_by_side(hashes, 2, 512);
	from = aligned_alloc(64, 256ul * COPY_STRIDE);
	to = aligned_alloc(64, 256ul * COPY_STRIDE);
	require(from && to, "no memory");
	memset(from, 1, 256ul * COPY_STRIDE);
	memset(to, 2, 256ul * COPY_STRIDE);
	copies("L1", 4);
	copies("L2", 128);
	return 0;
}
