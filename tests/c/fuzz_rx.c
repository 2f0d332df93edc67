/* fuzz_rx.c - any bytes as frames through the whole path, in virtual time: nothing crashes and both laws hold
 *
 * Input: 5 bytes of configuration, then frames: a length of 2 bytes (little-endian, mod 2048), and so many bytes.
 */
#include "path.h"

#define FRAMES_MAX 512u

static void configure(struct host *h, const u8 *config)
{
	static const u32 buf_len[4] = { 2048, 256, 128, 64 }; /* small ones make frames span */
	struct nic *nic = &h->nic;

	h->auto_sink = config[0] & 1;
	h->gro = config[0] >> 1 & 1;
	nic->rx_csum = config[0] >> 2 & 1;
	nic->drop_en = config[0] >> 3 & 1;
	nic->wire->strict_csum = config[0] >> 4 & 1;
	h->ip_any = config[0] >> 5 & 1;
	h->vlan_any = config[0] >> 6 & 1;
	nic->filter.promisc = config[0] >> 7;
	nic->nqueues = 1u + (config[1] & 3);
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		nic->rss.indir[i] = (u16)(i % nic->nqueues);
	nic->buf_len = buf_len[config[1] >> 2 & 3];
	nic->ring_size = (16u << (config[1] >> 4 & 3)) - (config[2] >> 5) % 5 * (config[1] >> 4 & 3);
	nic->mtu = config[1] >> 6 == 3 ? 1500 : 0;
	h->rcvbuf = config[2] & 1 ? 4096 : 212992;
	h->netdev_max_backlog = config[2] & 2 ? 4 : 1000;
	for (u32 q = 0; config[2] & 4 && q < nic->nqueues; q++)
		require(rps_set_cpus(h, q, &(struct cpumask){ { (1ull << h->ncpus) - 1 } }) == 0, "no memory");
	for (u32 c = 0; config[2] & 8 && c < COST_MAX; c++)
		h->cost[c] = 100;
	if (config[2] & 16)
		nic->wire->ps_per_byte = 800;
	nic->queue[0].irq.rx_usecs = config[2] & 32 ? 20 : 0;
	for (u32 q = 0; q < nic->nqueues; q++)
		h->napi_config[q] = (struct napi_config){ .gro_flush_timeout = config[2] & 64 ? 20000 : 0,
							  .defer_hard_irqs = config[2] & 128 ? 2 : 0,
							  .irq_suspend_timeout = config[4] >> 7 ? 50000 : 0,
							  .threaded = (config[4] >> 4 & 1) << (config[3] >> 1 & 1) };
	h->netdev_budget = config[3] & 1 ? 5 : 300;
	nic->rss.enabled = !(config[3] & 4);
	nic->fifo.size = config[3] & 8 ? 2048 : 65536;
	h->gro_list = config[3] >> 4 & 1;
	h->gro_udp_fwd = config[3] >> 5 & 1;
	h->gro_cwr = config[3] >> 6 & 1;
	h->gro_flows = config[3] >> 6 & 1 ? 16 : 0;
	h->gro_max_size = h->gro_ipv4_max_size = config[3] & 128 ? 200000 : 65536;
	h->rps_flow_cnt = config[4] & 1 ? 4 : 0;
	h->rps_sock_flow_entries = config[4] & 2 ? 16 : 0;
	h->flow_limit_cpus.bits[0] = config[4] & 4 ? 3 : 0;
	nic->ntuple = config[4] >> 3 & 1;
	h->busy_read = config[4] & 32 ? 10 : 0;
	h->prefer_busy_poll = config[4] >> 6 & 1;
}

/* 10.0.0.2/24 and fd00::2/64: it answers, to the wire. */
static void give_addresses(struct host *h, struct mem_wire *w)
{
	h->ip[0] = (struct inet_net){ .addr = { 0, 0xffff0a000002 }, .prefix = 24 };
	h->ip[1] = (struct inet_net){ .addr = { 0xfdull << 56, 2 }, .prefix = 64 };
	h->nips = 2;
	h->ip_any = 0;
	h->answers = 1;
	h->icmp.ratelimit_ms = h->icmp.ratelimit6_ms = 0;
	require(mem_wire_sends(w) == 0, "no memory");
}

static void feed(struct mem_wire *w, const u8 *data, size_t size)
{
	for (u32 n = 0; n < FRAMES_MAX && size >= 2; n++) {
		u32 len = min_u32(load16(data) % 2048, (u32)size - 2);

		require(mem_wire_feed(w, data + 2, len, len, 0) == 0, "no memory");
		data += 2 + len;
		size -= 2 + len;
	}
	w->closed = 1;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u64 where[IN_FLIGHT_MAX];
	struct mem_wire *w;
	struct host *h;

	if (size < 5)
		return 0;
	w = mem_wire_new(size, 16);
	h = path_host(2, &w->wire);
	configure(h, data);
	if (data[4] >> 7)
		give_addresses(h, w);
	h->rx_pool_size = 512;
	h->sock_max = 64;
	require(host_start(h) == 0, "the host does not start");
	feed(w, data + 5, size - 5);
	path_run(h);
	require_laws(h);
	for (u32 round = 0; round < 3 && h->nic.up; round++) { /* as Host.finish() does */
		host_finish(h);
		path_run(h);
	}
	require_laws(h);
	host_in_flight(h, where);
	for (u32 i = 0; i < IN_FLIGHT_MAX; i++)
		require(where[i] == 0, "a frame is still in flight when all is over");
	require(host_tx_in_flight(h) == 0, "something is still to be sent when all is over");
	host_free(h);
	mem_wire_free(w);
	return 0;
}
