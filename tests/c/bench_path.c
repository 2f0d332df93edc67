/* bench_path.c - ns and cycles per frame: the whole path, and each stage in a loop by itself
 *
 *   bench_path [--runs N] [--only NAME]   a JSON line per measurement: minimum and median of N runs, after a warm-up
 *   bench_path --grow N                   the path as flows, queues, ring, burst, frames, CPUs grow; N runs of each
 *   bench_path --count CASE N             CASE (udp64, tcp1448, replay) for N passes, nothing timed: for callgrind
 *
 * The whole path runs in virtual time on one emulated CPU with one queue: frames lie in memory, the wire is pulled, so
 * a burst is offered whenever the host is idle; every port has a socket and a reader. A pass offers all frames once.
 * A stage is timed around a burst of 64 calls; what has to be set up for the burst is not in the figure. "replay" is
 * the path as `vnic replay` has it by default: a capture at its recorded pace, four CPUs, costs, and the latency split.
 */
#include "path.h"
#include "timing.h"

#include <sys/mman.h>
#include <unistd.h>

#define UDP64 64u
#define PASS 4096u /* frames a pass */

/* ---- the whole path ---- */

struct path {
	const char *name, *what;
	u32 flows, cpus;
	void (*tune)(struct path *p); /* knobs, before the host starts */
	u32 pass, len; /* frames a pass, 0: PASS; bytes of the longest frame, 0: 64 */
	u32 gap_ns; /* between two frames of a capture, 0: 2000 */
	u32 value; /* on a growth axis */
	void (*fill)(struct path *p);
	void (*again)(struct path *p);
	struct mem_wire *w;
	struct pcap_wire *pcap;
	struct host *h;
	int capture; /* a memfd */
	u64 capture_size;
	struct capture *file;
};

static u8 *next_frame(struct path *p, u32 len)
{
	struct mem_wire *w = p->w;
	u8 *at = w->arena + w->arena_used;

	w->frames[w->nframes++] = (struct mem_frame){ .off = w->arena_used, .len = len, .wire_len = len };
	w->arena_used += len;
	return at;
}

static void fill_udp64(struct path *p)
{
	for (u32 i = 0; i < p->pass; i++)
		put_udp(next_frame(p, p->len), i % p->flows, p->len);
}

/* One small segment of each flow in turn. */
static void fill_tcp_small(struct path *p)
{
	for (u32 i = 0; i < p->pass; i++)
		put_tcp_len(next_frame(p, p->len), i % p->flows, 1 + i / p->flows * (p->len - HEADERS_TCP),
			    p->len - HEADERS_TCP);
}

static void fill_imix(struct path *p)
{
	static const u32 len[12] = { 64, 594, 64, 64, 594, 64, 1514, 64, 594, 64, 594, 64 }; /* 7 : 4 : 1 */

	for (u32 i = 0; i < p->pass; i++)
		put_udp(next_frame(p, len[i % 12]), i % p->flows, len[i % 12]);
}

/* Flow after flow, 16 segments each: what a sender's TSO makes of a busy link. */
static void fill_tcp1448(struct path *p)
{
	for (u32 i = 0; i < p->pass; i++) {
		u32 flow = i / 16 % p->flows, round = i / 16 / p->flows;

		put_tcp(next_frame(p, HEADERS_TCP + MSS), flow, 1 + (round * 16 + i % 16) * MSS);
	}
}

static void rewind_wire(struct path *p)
{
	p->w->pos = 0;
}

/* The streams go on: every sequence number moves up by what a pass carries, and the checksum with it (RFC 1624). */
static void advance_streams(struct path *p)
{
	u32 step = p->pass / p->flows * (p->w->frames[0].len - HEADERS_TCP);

	for (u32 i = 0; i < p->pass; i++) {
		u8 *frame = p->w->arena + p->w->frames[i].off;
		u32 sum = (u16)~load16(frame + 50);

		sum = csum_add(sum, ~load32(frame + 38));
		store_be32(frame + 38, be32(frame + 38) + step);
		store16(frame + 50, csum_fold(csum_add(sum, load32(frame + 38))));
	}
	rewind_wire(p);
}

/* A capture, a frame every gap_ns, nanosecond stamps. */
static void fill_capture(struct path *p)
{
	const u32 head[6] = { 0xa1b23c4d, 0x00040002, 0, 0, 65535, 1 };
	u8 *bytes, *at;

	p->capture_size = sizeof(head) + (u64)p->pass * (16 + UDP64);
	at = bytes = malloc(p->capture_size);
	require(at != NULL, "no memory");
	memcpy(at, head, sizeof(head));
	at += sizeof(head);
	for (u32 i = 0; i < p->pass; i++, at += 16 + UDP64) {
		const u32 record[4] = { 1, i * (p->gap_ns ? p->gap_ns : 2000), UDP64, UDP64 };

		memcpy(at, record, sizeof(record));
		put_udp(at + 16, i % p->flows, UDP64);
	}
	p->capture = memfd_create("capture", MFD_CLOEXEC);
	require(write(p->capture, bytes, p->capture_size) == (ssize_t)p->capture_size, "no capture");
	free(bytes);
	require(pcap_wire_open(p->pcap, dup(p->capture), p->capture_size) == 0, p->pcap->error_text);
}

static void reopen_capture(struct path *p)
{
	p->pcap->wire.eof = 0;
	require(pcap_wire_rewind(p->pcap) == 0, p->pcap->error_text);
}

/* About what vnic/cost.py charges; the exact figures decide how long rings are, not how long the code runs. */
static void set_costs(struct host *h)
{
	static const u32 cost[COST_MAX] = {
		[COST_DMA] = 20,  [COST_DMA_PS] = 140, [COST_HARDIRQ] = 800, [COST_SOFTIRQ] = 150, [COST_POLL] = 200,
		[COST_RX] = 120,  [COST_GRO] = 35,     [COST_RECEIVE] = 50,  [COST_IP] = 60,	   [COST_UDP] = 90,
		[COST_SOCK] = 70, [COST_WAKE] = 700,   [COST_SWITCH] = 1200, [COST_RECV] = 350,	   [COST_COPY_PS] = 120,
	};

	memcpy(h->cost, cost, sizeof(cost));
}

static void path_begin(struct path *p)
{
	struct wire *wire;

	p->pass = p->pass ? p->pass : PASS;
	p->len = p->len ? p->len : UDP64;
	if (p->fill == fill_capture) {
		p->pcap = pcap_wire_new();
		require(p->pcap != NULL, "no memory");
		wire = &p->pcap->wire;
		wire->speed_ppm = 1000000;
		wire->ps_per_byte = 800;
	} else {
		p->w = mem_wire_new((u64)p->pass * p->len, p->pass);
		require(p->w != NULL, "no memory");
		wire = &p->w->wire;
	}
	p->h = path_host(p->cpus, wire);
	if (p->pcap) {
		set_costs(p->h);
		for (u32 i = 0; i < p->cpus; i++)
			p->h->cpu[i]->lat = calloc(LAT_MAX, sizeof(struct histogram));
	}
	if (p->tune)
		p->tune(p);
	require(host_start(p->h) == 0, "the host does not start");
	p->fill(p);
	path_run(p->h); /* sockets are made, memory is touched */
	p->again(p);
}

static void path_end(struct path *p)
{
	for (u32 i = 0; i < p->cpus; i++)
		free(p->h->cpu[i]->lat);
	host_free(p->h);
	mem_wire_free(p->w);
	pcap_wire_free(p->pcap);
	if (p->fill == fill_capture)
		close(p->capture);
}

static void path_passes(struct path *p, u32 n)
{
	for (; n; n--) {
		start();
		path_run(p->h);
		stop();
		p->again(p);
	}
}

/* All frames arrive at once: the ring is never empty, every poll uses its weight, and at hz 1000
 * nothing that is held gets old: GRO holds as Linux does when it is saturated. */
static void hold(struct path *p)
{
	p->h->hz = 1000;
	p->h->nic.fifo.size = 8u << 20;
	p->h->nic.ring_size = 1024;
	p->w->wire.speed_ppm = 1000000;
}

/* Fifty frames or so to an interrupt. */
static void moderate(struct path *p)
{
	p->h->nic.queue[0].irq.rx_usecs = 100;
	p->h->nic.queue[0].irq.rx_frames = 64;
}

/* Everything goes to a pcapng file in memory too. */
static void capture_all(struct path *p)
{
	p->file = capture_new(p->h, memfd_create("capture", MFD_CLOEXEC), 0, "bench", 1 << POINT_GRO, NULL, NULL,
			      1 << 21, 0);
	require(p->file != NULL, "no capture");
}

static void split_latency(struct path *p)
{
	p->h->cpu[0]->lat = calloc(LAT_MAX, sizeof(struct histogram));
	require(p->h->cpu[0]->lat != NULL, "no memory");
}

static void rewind_capture(struct path *p)
{
	require(capture_flush(p->file) == 0 && lseek(p->file->fd, 0, SEEK_SET) == 0, "the capture broke");
	rewind_wire(p);
}

static struct path paths[] = {
#define CASE(n, w, f, c, put, next, ...)                                                                               \
	{ .name = n, .what = w, .flows = f, .cpus = c, .fill = put, .again = next, ##__VA_ARGS__ }
	CASE("udp64", "64-byte UDP, 1024 flows", 1024, 1, fill_udp64, rewind_wire),
	CASE("udp64_1", "64-byte UDP, 1 flow", 1, 1, fill_udp64, rewind_wire),
	CASE("tcp1448", "1448-byte TCP, 64 flows in bursts of 16, GRO", 64, 1, fill_tcp1448, advance_streams,
	     .len = HEADERS_TCP + MSS),
	CASE("imix", "IMIX 7:4:1 UDP, 1024 flows", 1024, 1, fill_imix, rewind_wire, .len = 1514),
	CASE("replay", "64-byte UDP capture, 1024 flows, as vnic replay", 1024, 4, fill_capture, reopen_capture),
	CASE("cpus512", "the same on 512 CPUs", 1024, 512, fill_capture, reopen_capture),
	CASE("sparse", "the same, a frame every 20 us: an interrupt each", 1024, 4, fill_capture, reopen_capture,
	     .gap_ns = 20000),
	CASE("dense", "the same, every 2 us, rx-usecs 100, rx-frames 64", 1024, 4, fill_capture, reopen_capture,
	     .tune = moderate),
	CASE("tcp1448_hold", "1448-byte TCP, 64 flows in bursts of 16, held over full polls", 64, 1, fill_tcp1448,
	     advance_streams, .len = HEADERS_TCP + MSS, .tune = hold),
	CASE("udp64_lat", "64-byte UDP, 1024 flows, with the latency split", 1024, 1, fill_udp64, rewind_wire,
	     .tune = split_latency),
	CASE("udp64_pcapng", "64-byte UDP, 1024 flows, every frame to a pcapng file in memory", 1024, 1, fill_udp64,
	     rewind_capture, .tune = capture_all),
};

/* ---- stages ---- */

static struct {
	struct host *h;
	struct mem_wire *w;
	struct frame frame[BURST], big, other;
	struct sk_buff *skb[BURST];
	u32 seq;
	struct pcap_wire *pcap;
	u8 *copy;
} on;

static void hide(const void *p) /* the compiler must not know what happens to it */
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void stage_filter_parse(void)
{
	start();
	for (u32 i = 0; i < BURST; i++) {
		frame_parse(&on.frame[i]);
		hide((void *)(intptr_t)filter_frame(&on.h->nic.filter, &on.frame[i]));
	}
	stop();
}

static void stage_toeplitz(void)
{
	start();
	for (u32 i = 0; i < BURST; i++)
		hide((void *)(uintptr_t)rss_toeplitz(&on.h->nic.rss, on.frame[i].data + 26, 12));
	stop();
}

static void stage_rss(void)
{
	start();
	for (u32 i = 0; i < BURST; i++)
		rss_frame(&on.h->nic.rss, &on.frame[i]);
	stop();
}

static void stage_fifo(void)
{
	struct fifo *q = &on.h->nic.fifo;

	start();
	for (u32 i = 0; i < BURST; i++)
		hide((void *)(intptr_t)fifo_push(q, &on.frame[i]));
	for (u32 i = 0; i < BURST; i++) {
		hide(fifo_peek(q));
		fifo_pop(q);
	}
	stop();
}

/* The driver's half of a burst: take what was used, post it again. */
static void ring_turn(u32 n)
{
	struct driver_queue *dq = on.h->dq[0];
	u32 id, len, buffers[BURST];

	for (u32 i = 0; i < n; i++) {
		int buf = virtqueue_get_buf(&dq->vq, &id, &len);

		require(buf >= 0, "the ring lost a buffer");
		buffers[i] = (u32)buf;
	}
	virtqueue_add_inbufs(&dq->vq, dq->pool.bus, dq->pool.stride, dq->pool.buf_len, buffers + n, n);
	virtqueue_kick_prepare(&dq->vq);
}

static void stage_virtqueue(void)
{
	struct virtqueue *vq = &on.h->nic.queue[0].vq;

	start();
	for (u32 i = 0; i < BURST; i++) {
		require(virtqueue_avail(vq, 1) > 0, "the ring is empty");
		virtqueue_fill_used(vq, vq->avail->ring[vq->last_avail++ & (vq->size - 1)], UDP64);
	}
	virtqueue_publish(vq);
	ring_turn(BURST);
	stop();
}

static void dma(struct frame *f, bool same)
{
	struct nic_queue *q = &on.h->nic.queue[0];

	start();
	for (u32 i = 0; i < BURST; i++)
		dma_frame(q, same ? f : f + i);
	stop();
	q->batch = 0;
	virtqueue_publish(&q->vq);
	ring_turn(BURST);
}

/* 64 bytes by DMA, published, taken, posted again: the ring and nothing else. */
static void stage_ring(void)
{
	struct nic_queue *q = &on.h->nic.queue[0];

	fifo_push_burst(&on.h->nic.fifo, on.frame, BURST);
	start();
	require(dma_burst(q, BURST) == BURST, "the ring is full");
	q->batch = 0;
	virtqueue_publish(&q->vq);
	ring_turn(BURST);
	stop();
}

static void stage_dma64(void)
{
	dma(on.frame, false);
}

static void stage_dma1514(void)
{
	dma(&on.big, true);
}

static void stage_csum_copy(void)
{
	start();
	for (u32 i = 0; i < BURST; i++)
		hide((void *)(uintptr_t)csum_and_copy(on.copy + 2048, on.big.data + 34, 1460, 0));
	stop();
}

static struct sk_buff *make_skb(const u8 *frame, u32 len, u32 pull)
{
	struct driver_queue *dq = on.h->dq[0];
	int buf = rx_pool_get(&dq->pool);
	struct sk_buff *skb;
	u8 *data;

	require(buf >= 0, "the pool is empty");
	data = dq->pool.base + (u64)buf * dq->pool.stride + 20;
	memcpy(data, frame, len);
	skb = &dq->pool.skbs[buf];
	*skb = (struct sk_buff){
		.data = data + pull,
		.len = len - pull,
		.head_len = len - pull,
		.mac_header = 20,
		.network_header = 34,
		.segs = 1,
		.ip_summed = CHECKSUM_UNNECESSARY,
		.protocol = load16(frame + 12),
		.id = (u32)buf,
		.pool = &dq->pool,
		.truesize = skb_frame_truesize(len),
		.vlan_tci = 0xffff,
	};
	return skb;
}

/* A burst of flows in turn, each with its run of segments: one of each is held, the others merge. They are let go without
 * going up. 64 flows fill all buckets, and nothing merges. */
static void gro_burst(u32 flows)
{
	u32 each = BURST / flows;
	struct napi_struct *n = &on.h->dq[0]->napi;
	u8 frame[HEADERS_TCP + MSS];

	for (u32 i = 0; i < BURST; i++) {
		put_tcp(frame, i / each, 1 + i % each * MSS);
		on.skb[i] = make_skb(frame, sizeof(frame), ETH_HLEN);
		on.skb[i]->hash = i / each * 0x9e3779b9u;
	}
	start();
	for (u32 i = 0; i < BURST; i++)
		napi_gro_receive(n, on.skb[i]);
	stop();
	require(n->gro_held == BURST, "GRO did not hold them all");
	for (u32 b = 0; b < GRO_HASH_BUCKETS; b++)
		n->gro_hash[b].count = 0;
	n->gro_bitmask = n->gro_held = 0;
	for (u32 i = 0; i < BURST; i++) {
		on.skb[i]->frag_list = NULL;
		kfree_skb_list(on.h->cpu[0], on.skb[i]);
	}
}

static void stage_gro_2(void)
{
	gro_burst(2);
}

static void stage_gro(void)
{
	gro_burst(4);
}

static void stage_gro_16(void)
{
	gro_burst(16);
}

static void stage_gro_64(void)
{
	gro_burst(64);
}

/* An interrupt that finds an empty ring: raised, served, softirq, net_rx_action, a poll, complete, unmask. */
static void stage_irq(void)
{
	struct softnet_data *sd = on.h->cpu[0];

	sd->horizon = NEVER;
	start();
	for (u32 i = 0; i < BURST; i++) {
		raise_hardirq(sd, 0, sd->now);
		do_hardirqs(sd); /* and its softirq */
	}
	stop();
}

/* A full poll: buffers become skbs, pass GRO, go up to a handler that frees them; the ring is filled again. */
static void stage_driver_poll(void)
{
	struct nic_queue *q = &on.h->nic.queue[0];

	for (u32 i = 0; i < BURST; i++)
		require(dma_frame(q, &on.other) == 1, "the ring is full");
	q->batch = 0;
	virtqueue_publish(&q->vq);
	on.h->cpu[0]->horizon = NEVER; /* nobody else's turn comes */
	start();
	require(driver_poll(&on.h->dq[0]->napi, BURST) == BURST, "the poll is not a full one");
	gro_normal_list(&on.h->dq[0]->napi);
	stop();
}

/* Find buffers of a driver's memory, whose regions are mapped one behind the other; all are in the last one. */
static void look_up(u32 regions)
{
	struct dma d = { .nregions = regions };
	const u64 size = 1 << 20;

	for (u32 i = 0; i < regions; i++)
		d.region[i] = (struct dma_region){ i * size, size, (u8 *)on.copy };
	hide(&d);
	start();
	for (u32 i = 0; i < BURST; i++)
		hide(dma_find(&d, (regions - 1) * size + i * 2048u, 2048));
	stop();
}

static void stage_dma_map(void)
{
	look_up(1);
}

static void stage_dma_map_8(void)
{
	look_up(DMA_REGIONS_MAX);
}

static void stage_rps(void)
{
	struct sk_buff *skb = make_skb(on.frame[0].data, UDP64, ETH_HLEN);

	require(rps_set_cpus(on.h, 0, &(struct cpumask){ { 3 } }) == 0, "no memory");
	start();
	for (u32 i = 0; i < BURST; i++, skb->flags = 0)
		hide((void *)(intptr_t)get_rps_cpu(on.h->cpu[0], skb));
	stop();
	on.h->rps_len[0] = 0;
	kfree_skb_list(on.h->cpu[0], skb);
}

/* All checks pass, but nobody takes protocol 253: freed under a name. */
static void stage_ip(void)
{
	u8 frame[UDP64];

	memcpy(frame, on.frame[0].data, UDP64);
	frame[23] = 253;
	store16(frame + 24, 0);
	store16(frame + 24, ip_fast_csum(frame + 14, 20));
	for (u32 i = 0; i < BURST; i++)
		on.skb[i] = make_skb(frame, UDP64, ETH_HLEN);
	start();
	for (u32 i = 0; i < BURST; i++)
		ip_rcv(on.h->cpu[0], on.skb[i]);
	stop();
}

static void stage_ipv6(void)
{
	static const u8 frame[74] = { 2, 0,    0,    0,	   0,	      1,   2,  0,    0,	       0,    0,
				      2, 0x86, 0xdd, 0x60, [19] = 20, 253, 64, 0xfd, [37] = 1, 0xfd, [53] = 2 };

	for (u32 i = 0; i < BURST; i++)
		on.skb[i] = make_skb(frame, sizeof(frame), ETH_HLEN);
	start();
	for (u32 i = 0; i < BURST; i++)
		ipv6_rcv(on.h->cpu[0], on.skb[i]);
	stop();
}

static void stage_tcp_sock(void)
{
	struct softnet_data *sd = on.h->cpu[0];
	u8 frame[HEADERS_TCP + MSS];

	for (u32 i = 0; i < BURST; i++, on.seq += MSS) {
		put_tcp(frame, 0, on.seq);
		on.skb[i] = make_skb(frame, sizeof(frame), 34);
	}
	start();
	for (u32 i = 0; i < BURST; i++)
		tcp_rcv(sd, on.skb[i]);
	while (sd->reader.runnable)
		reader_run(sd);
	stop();
}

static void stage_udp_sock(void)
{
	struct softnet_data *sd = on.h->cpu[0];

	for (u32 i = 0; i < BURST; i++)
		on.skb[i] = make_skb(on.frame[i].data, UDP64, 34);
	start();
	for (u32 i = 0; i < BURST; i++)
		udp_rcv(sd, on.skb[i]);
	while (sd->reader.runnable)
		reader_run(sd);
	stop();
}

static void swallow(struct softnet_data *sd, struct sk_buff *skb)
{
	kfree_skb_list(sd, skb);
}

static void stage_backlog(void)
{
	struct softnet_data *sd = on.h->cpu[0], *target = on.h->cpu[1];

	for (u32 i = 0; i < BURST; i++) {
		on.skb[i] = make_skb(on.frame[i].data, UDP64, ETH_HLEN);
		on.skb[i]->protocol = 0xb588; /* swallow() takes it */
	}
	start();
	for (u32 i = 0; i < BURST; i++)
		enqueue_to_backlog(sd, on.skb[i], 1);
	sd->rps_ipi_list = NULL;
	process_backlog(&target->backlog, BURST + 1);
	stop();
}

static void stage_pcap(void)
{
	struct frame f[BURST];

	if (on.pcap->pos == on.pcap->size)
		on.pcap->pos = 24;
	start();
	require(on.pcap->wire.read_burst(&on.pcap->wire, f, BURST) == BURST, "the capture ended");
	stop();
}

static const struct stage {
	const char *name, *what;
	void (*run)(void);
} stages[] = {
	{ "pcap", "capture reader, 64 bytes", stage_pcap },
	{ "filter_parse", "frame_parse, filter_frame", stage_filter_parse },
	{ "toeplitz", "rss_toeplitz, 12 bytes", stage_toeplitz },
	{ "rss", "rss_frame", stage_rss },
	{ "fifo", "fifo push, peek, pop", stage_fifo },
	{ "virtqueue", "ring alone: fill, publish, get, add, no bytes", stage_virtqueue },
	{ "ring", "ring alone: DMA of 64 bytes, publish, get, add", stage_ring },
	{ "dma64", "dma_frame, 64 bytes", stage_dma64 },
	{ "dma1514", "dma_frame, 1514 bytes", stage_dma1514 },
	{ "dma_map", "dma_find: look a buffer up, one region", stage_dma_map },
	{ "dma_map_8", "dma_find: in the last of eight regions", stage_dma_map_8 },
	{ "csum_and_copy", "csum_and_copy, 1460 bytes", stage_csum_copy },
	{ "irq", "interrupt, softirq, a poll that finds nothing (each)", stage_irq },
	{ "driver_poll", "driver_poll: 64 skbs up to a handler, refill", stage_driver_poll },
	{ "gro_2", "napi_gro_receive, 1448 bytes, 2 flows of 32", stage_gro_2 },
	{ "gro", "napi_gro_receive, 1448 bytes, 4 flows of 16", stage_gro },
	{ "gro_16", "napi_gro_receive, 1448 bytes, 16 flows of 4", stage_gro_16 },
	{ "gro_64", "napi_gro_receive, 1448 bytes, 64 flows of 1", stage_gro_64 },
	{ "rps", "get_rps_cpu: flow dissector, siphash", stage_rps },
	{ "backlog", "backlog: enqueue, dequeue, handler", stage_backlog },
	{ "ip", "ip_rcv, freed for want of a handler", stage_ip },
	{ "ipv6", "ipv6_rcv, freed for want of a handler", stage_ipv6 },
	{ "tcp_sock", "tcp_rcv, 1448 bytes in order, reader", stage_tcp_sock },
	{ "udp_sock", "udp_rcv, socket queue, reader", stage_udp_sock },
};

static void stages_begin(struct path *udp, struct path *tcp, struct path *capture)
{
	on.w = mem_wire_new(64, 1);
	on.copy = malloc(2 * 2048);
	require(on.w && on.copy, "no memory");
	on.h = path_host(2, &on.w->wire);
	on.h->reader_cpu = 0;
	on.seq = 1;
	require(host_start(on.h) == 0, "the host does not start");
	on.h->ptype[on.h->nptypes++] = (struct packet_type){ .type = 0xb588, .func = swallow };
	for (u32 i = 0; i < BURST; i++) {
		on.frame[i] = (struct frame){ .data = udp->w->arena + udp->w->frames[i].off,
					      .len = UDP64,
					      .wire_len = UDP64 };
		frame_parse(&on.frame[i]);
	}
	on.big = (struct frame){ .data = tcp->w->arena, .len = HEADERS_TCP + MSS, .wire_len = HEADERS_TCP + MSS };
	frame_parse(&on.big);
	on.other = on.frame[0];
	memcpy(on.copy, on.frame[0].data, UDP64);
	store16(on.copy + 12, 0xb588);
	on.other.data = on.copy;
	frame_parse(&on.other);
	on.pcap = pcap_wire_new();
	require(on.pcap && pcap_wire_open(on.pcap, dup(capture->capture), capture->capture_size) == 0, "no capture");
}

static void stages_end(void)
{
	host_free(on.h);
	mem_wire_free(on.w);
	pcap_wire_free(on.pcap);
	free(on.copy);
}

/* ---- reports ---- */

static void bench_path(struct path *p)
{
	u64 before[FATE_MAX], fates[FATE_MAX], where[IN_FLIGHT_MAX], delivered = 0, dropped = 0, in_flight = 0;
	struct driver_queue *dq = p->h->dq[0];
	struct irq *irq = &p->h->nic.queue[0].irq;
	u64 offered, raised, polls, merged;
	const u32 passes = 4; /* short runs: on a shared machine some of them are left alone */

	path_passes(p, passes); /* warm up */
	timing_begin();
	host_fates(p->h, before);
	offered = host_offered(p->h);
	raised = irq->raised;
	polls = dq->napi.polls;
	merged = p->h->cpu[0]->gro_merged;
	for (u32 run = 0; run < nruns; run++) {
		path_passes(p, passes);
		sample(run, (u64)passes * p->pass);
	}
	require_laws(p->h);
	host_fates(p->h, fates);
	host_in_flight(p->h, where);
	for (u32 f = 0; f < FATE_MAX; f++)
		*(f <= DELIVERED_DRIVER ? &delivered : &dropped) += fates[f] - before[f];
	for (u32 w = 0; w < IN_FLIGHT_MAX; w++)
		in_flight += where[w];
	require(delivered == host_offered(p->h) - offered, "frames got lost: what was timed is not the path");
	report("path", p->name, p->what, (u64)passes * p->pass);
	printf(", \"offered\": %llu, \"delivered\": %llu, \"dropped\": %llu, \"in_flight\": %llu, \"interrupts\": "
	       "%llu, "
	       "\"polls\": %llu, \"gro_merged\": %llu}\n",
	       (unsigned long long)(host_offered(p->h) - offered), (unsigned long long)delivered,
	       (unsigned long long)dropped, (unsigned long long)in_flight, (unsigned long long)(irq->raised - raised),
	       (unsigned long long)(dq->napi.polls - polls), (unsigned long long)(p->h->cpu[0]->gro_merged - merged));
	fflush(stdout);
}

static void bench_stage(const struct stage *s)
{
	const u32 bursts = 512;

	for (u32 i = 0; i < bursts; i++)
		s->run();
	timing_begin();
	for (u32 run = 0; run < nruns; run++) {
		for (u32 i = 0; i < bursts; i++)
			s->run();
		sample(run, (u64)bursts * BURST);
	}
	report("stage", s->name, s->what, (u64)bursts * BURST);
	printf("}\n");
	fflush(stdout);
}

/* ---- growth: one thing is varied, the rest is udp64 ---- */

static void grow_queues(struct path *p)
{
	p->h->nic.nqueues = p->value;
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		p->h->nic.rss.indir[i] = (u16)(i % p->value);
}

static void grow_ring(struct path *p)
{
	p->h->nic.ring_size = p->value;
}

/* A pulled wire gives no more at once than the FIFO has room for. */
static void grow_burst(struct path *p)
{
	p->h->nic.fifo.size = p->value * UDP64;
}

static void grow_sockets(struct path *p)
{
	p->h->sock_max = p->flows + min_u32(p->flows, 65536) + 16; /* a listener for each port */
}

static void bench_growth(const char *axis, struct path p)
{
	u64 memory;

	if (p.flows > PASS)
		p.pass = p.flows;
	path_begin(&p);
	path_passes(&p, 2);
	timing_begin();
	for (u32 run = 0; run < nruns; run++) {
		path_passes(&p, max_u64(1, 4 * PASS / p.pass));
		sample(run, max_u64(1, 4 * PASS / p.pass) * p.pass);
	}
	require_laws(p.h);
	memory = sizeof(struct sock) + 8 * (p.h->socks.flow_mask + 1ull) / p.h->sock_max;
	report("growth", axis, axis, p.pass);
	printf(", \"value\": %u, \"memory_per_flow\": %llu}\n", p.value, (unsigned long long)memory);
	fflush(stdout);
	path_end(&p);
}

/* A wire of 10 Gbit/s that never pauses, work that costs, RPS to all CPUs. */
static void grow_cpus(struct path *p)
{
	p->w->wire.ps_per_byte = 800;
	set_costs(p->h);
	p->h->cost[COST_RPS] = 60;
	p->h->cost[COST_IPI] = 500;
	p->h->cost[COST_BACKLOG] = 40;
	require(rps_set_cpus(p->h, 0, &(struct cpumask){ { (1ull << p->cpus) - 1 } }) == 0, "no memory");
	p->h->netdev_max_backlog = 1000;
}

/* Emulated CPUs: not how long it takes, but what is delivered in a second of virtual time. */
static void growth_of_cpus(u32 cpus)
{
	struct path p = { .name = "cpus",
			  .flows = 1024,
			  .cpus = cpus,
			  .fill = fill_udp64,
			  .again = rewind_wire,
			  .tune = grow_cpus,
			  .pass = 65536 };
	u64 fates[FATE_MAX], to = 0;

	path_begin(&p); /* runs them all once */
	for (u32 i = 0; i < cpus; i++)
		to = max_u64(to, p.h->cpu[i]->now);
	require_laws(p.h);
	host_fates(p.h, fates);
	printf("{\"kind\": \"growth\", \"name\": \"cpus\", \"what\": \"cpus\", \"value\": %u, \"offered\": %llu, "
	       "\"delivered\": %llu, \"delivered_per_s\": %.0f, \"fifo_overrun\": %llu, \"backlog_full\": %llu}\n",
	       cpus, (unsigned long long)host_offered(p.h), (unsigned long long)fates[DELIVERED_UDP],
	       (double)fates[DELIVERED_UDP] * 1e9 / (double)to, (unsigned long long)fates[FIFO_OVERRUN],
	       (unsigned long long)fates[CPU_BACKLOG]);
	fflush(stdout);
	path_end(&p);
}

static void growth(void)
{
	static const u32 lens[] = { 64, 128, 256, 512, 1024, 1514, 4014, 9014 };
	struct path udp = { .flows = 1024, .cpus = 1, .fill = fill_udp64, .again = rewind_wire };

	for (u32 n = 1; n <= 65536; n *= 4) {
		struct path p = udp;

		p.flows = p.value = n;
		bench_growth("udp_flows", p);
	}
	for (u32 n = 1; n <= 1u << 20; n *= 4) {
		struct path p = { .flows = n,
				  .cpus = 1,
				  .fill = fill_tcp_small,
				  .again = advance_streams,
				  .tune = grow_sockets,
				  .len = HEADERS_TCP + 10,
				  .value = n };

		bench_growth("tcp_flows", p);
	}
	for (u32 n = 1; n <= NIC_QUEUES_MAX; n *= 2) {
		struct path p = udp;

		p.value = p.cpus = n;
		p.tune = grow_queues;
		bench_growth("queues", p);
	}
	for (u32 n = 64; n <= 8192; n *= 2) {
		struct path p = udp;

		p.value = n;
		p.tune = grow_ring;
		bench_growth("ring", p);
	}
	for (u32 n = 1; n <= BURST; n *= 2) {
		struct path p = udp;

		p.value = n;
		p.tune = grow_burst;
		bench_growth("burst", p);
	}
	for (u32 i = 0; i < ARRAY_SIZE(lens); i++) {
		struct path p = udp;

		p.value = p.len = lens[i];
		bench_growth("bytes", p);
	}
	for (u32 n = 1; n <= 8; n++)
		growth_of_cpus(n);
}

static int count(const char *name, u32 passes)
{
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		if (strcmp(paths[i].name, name) != 0)
			continue;
		path_begin(&paths[i]);
		path_passes(&paths[i], passes);
		require_laws(paths[i].h);
		printf("{\"frames_a_pass\": %u, \"isa\": \"%s\", \"compiler\": \"%s\"}\n", PASS, vnic_isa(),
		       __VERSION__);
		path_end(&paths[i]);
		return 0;
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	int opt = 1;

	if (argc == 4 && strcmp(argv[1], "--count") == 0)
		return count(argv[2], (u32)atoi(argv[3]));
	for (; opt + 1 < argc; opt += 2) {
		if (strcmp(argv[opt], "--grow") == 0) {
			nruns = min_u32((u32)atoi(argv[opt + 1]), RUNS_MAX);
			growth();
			return 0;
		}
		if (strcmp(argv[opt], "--runs") == 0)
			nruns = (u32)atoi(argv[opt + 1]);
		else if (strcmp(argv[opt], "--only") == 0)
			only = argv[opt + 1];
		else
			break;
	}
	if (opt != argc || nruns < 1 || nruns > RUNS_MAX) {
		fprintf(stderr, "usage: bench_path [--runs N] [--only NAME] | --grow RUNS | --count CASE PASSES\n");
		return 2;
	}
	printf("{\"kind\": \"machine\", \"isa\": \"%s\", \"compiler\": \"%s\"}\n", vnic_isa(), __VERSION__);
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
		path_begin(&paths[i]);
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
		if (!only || strcmp(only, paths[i].name) == 0)
			bench_path(&paths[i]);
	stages_begin(&paths[0], &paths[2], &paths[4]);
	for (u32 i = 0; i < ARRAY_SIZE(stages); i++)
		if (!only || strcmp(only, stages[i].name) == 0)
			bench_stage(&stages[i]);
	stages_end();
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
		path_end(&paths[i]);
	return 0;
}
