/* stress_enomem.c - each allocation of all that allocates fails once: then it says so, all is as it was, both laws hold, the
 * next time it works, and in the end nothing is left behind. After driver_set_channels() the card uses the queues that it
 * used, all with their buffers.
 */
#include "threads.h"

#include <sys/mman.h>
#include <unistd.h>

#define QUEUES 4u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *addr, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_munmap(void *addr, size_t len);

static u32 fails_in; /* 0: none */
static long there; /* blocks and mappings */
static struct {
	void *at;
	size_t len;
} mapped[4096]; /* at NULL: none */

/* Find a mapping; at NULL: a row without one */
static u32 mapping(const void *at)
{
	u32 i = 0;

	while (i < ARRAY_SIZE(mapped) && mapped[i].at != at)
		i++;
	require(i < ARRAY_SIZE(mapped), at ? "what was never mapped is unmapped" : "too many mappings");
	return i;
}

static bool fails(void)
{
	if (!fails_in || --fails_in)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	void *p = fails() ? NULL : __real_malloc(size);

	there += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_calloc(n, size);

	there += p != NULL;
	return p;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	void *p = fails() ? NULL : __real_aligned_alloc(align, size);

	there += p != NULL;
	return p;
}

void *__wrap_realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : __real_realloc(old, size);

	there += p && !old;
	return p;
}

void __wrap_free(void *p)
{
	there -= p != NULL;
	__real_free(p);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *p = fails() ? MAP_FAILED : __real_mmap(addr, len, prot, flags, fd, off);

	if (p != MAP_FAILED) {
		u32 i = mapping(NULL);

		there++;
		mapped[i].at = p;
		mapped[i].len = len;
	}
	return p;
}

int __wrap_munmap(void *addr, size_t len)
{
	if (addr != MAP_FAILED) {
		u32 i = mapping(addr);

		there--;
		require(mapped[i].len == len, "a mapping is unmapped in part, or with its neighbour");
		mapped[i].at = NULL;
	}
	return __real_munmap(addr, len);
}

/* bare: or with all that a queue can have. */
static struct host *make_host(struct wire *wire, u32 queues, bool bare)
{
	struct host *h = path_host(QUEUES, wire);

	h->nic.nqueues = queues;
	h->rps_flow_cnt = bare ? 0 : 16;
	h->nic.adaptive_rx = !bare;
	require(host_start(h) == 0, "no memory");
	for (u32 i = 0; i < queues && !bare; i++)
		require(rx_pool_keep_ids(&h->dq[i]->pool) == 0, "no memory"); /* a capture is there */
	return h;
}

static u32 napis(const struct host *h)
{
	u32 n = 0;

	for (u32 i = 0; i < h->ncpus; i++)
		n += h->cpu[i]->nnapis;
	return n;
}

static void require_whole(struct host *h, u32 queues)
{
	require(h->nic.nqueues == queues && h->nic.config->nqueues == queues, "the number of queues is another");
	for (u32 i = 0; i < QUEUES; i++) {
		require(!h->dq[i] == (i >= h->nic.nqueues_open), "a queue is half open");
		require(i >= queues || !h->dq[i]->vq.nfree, "a ring is not full");
	}
	require(host_laws(h) == 0, "a law is broken");
}

/* Return: did one fail? */
static bool run(u32 nth, u32 from, u32 to)
{
	long before = there;
	struct mem_wire *w = mem_wire_new(64, 1);
	struct host *h;
	u32 others;
	int rc;

	require(w != NULL, "no memory");
	h = make_host(&w->wire, from, false);
	others = napis(h) - from;
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		h->nic.rss.indir[i] = 0;
	fails_in = nth;
	rc = driver_set_channels(h, to);
	require(rc == (fails_in ? 0 : -ENOMEM), "the answer is wrong");
	fails_in = 0;
	require_whole(h, rc ? from : to);
	require(driver_set_channels(h, to) == 0, "the next time does not work");
	require_whole(h, to);
	require(napis(h) == others + h->nic.nqueues_open, "a NAPI too many");
	host_free(h);
	mem_wire_free(w);
	require(there == before, "something is left behind");
	return rc != 0;
}

/* ---- what else allocates ---- */

static struct mem_wire *wire;

static int start_all(struct host *unused)
{
	struct host *h = host_new(QUEUES);
	int rc;

	(void)unused;
	if (!h)
		return -ENOMEM;
	nic_plug(&h->nic, &wire->wire);
	h->auto_sink = 1;
	h->answers = 1;
	h->nic.nqueues = 2;
	h->nic.adaptive_rx = 1;
	h->nic.ntuple = 1;
	h->rps_flow_cnt = h->rps_sock_flow_entries = 16;
	h->flow_limit_cpus.bits[0] = 3;
	h->gro_flows = 64;
	rc = host_start(h);
	host_free(h);
	return rc;
}

/* ---- TCP ---- */

/* A host that speaks TCP. NULL: no memory */
static struct host *tcp_host(void)
{
	struct host *h = host_new(QUEUES);

	if (!h)
		return NULL;
	nic_plug(&h->nic, &wire->wire);
	h->ip[0] = (struct inet_net){ .addr = { 0, 0xffff0a000002 }, .prefix = 24 };
	h->nips = h->answers = 1;
	h->tcp.mode = TCP_MODE_ENDPOINT;
	if (host_start(h) == 0)
		return h;
	host_free(h);
	return NULL;
}

static int start_tcp(struct host *unused)
{
	struct host *h = tcp_host();

	(void)unused;
	if (!h)
		return -ENOMEM;
	host_free(h);
	return 0;
}

/* Bytes for a peer that never answers; the connection counts as established. They are refused, or they go later. */
static int tcp_data(struct host *unused)
{
	static const u8 data[100000];
	const struct inet_addr to = { 0, 0xffff0a000001 };
	u32 nth = fails_in;
	struct tcp_sock *tp;
	struct sock *sk;
	struct host *h;
	long n;

	(void)unused;
	fails_in = 0;
	h = tcp_host();
	require(h && tcp_connect(h, NULL, 0, &to, 80, &sk) == 0, "no memory");
	tp = tcp_sk(h, sk);
	tp->snd_una = tp->iss + 1;
	tp->snd_wnd = 1 << 20;
	tp->cwnd = 100;
	tcp_established(h, sk, 0);
	tp->cwnd = 100;
	tp->sndbuf = 1 << 20;
	fails_in = nth;
	n = tcp_sendmsg(h, sk, data, sizeof(data));
	require(n == sizeof(data) || (nth && !fails_in), "not all was taken, and nothing failed");
	require(n > 0 || n == -ENOMEM, "refused, and not for want of memory");
	require(n < 0 || tp->rtx_at != NEVER, "bytes wait, and no deadline is set");
	tp->linger_on = 1;
	tcp_close(h, sk);
	require(h->tcp.orphans == 0 && !h->socks.flows, "the connection is still there");
	path_run(h);
	require_laws(h);
	host_free(h);
	return n < (long)sizeof(data) ? -ENOMEM : 0;
}

static int ring(struct host *h)
{
	return driver_set_ringparam(h, h->nic.ring_size == 64 ? 128 : 64);
}

static int adaptive(struct host *h)
{
	return driver_set_adaptive(h, 1);
}

static int filters(struct host *h)
{
	return arfs_set(h, 1);
}

static int flow_limit(struct host *h)
{
	return flow_limit_set(h, &(struct cpumask){ { 15 } });
}

static int sock_entries(struct host *h)
{
	u32 was = h->rps_sock_flow_entries;
	int rc = rfs_set_sock_entries(h, 64);

	require(h->rps_sock_flow_entries == (rc ? was : 64), "the number of entries is another");
	return rc;
}

static int flow_cnt(struct host *h)
{
	return rfs_set_flow_cnt(h, 0, 64);
}

static int fifo(struct host *h)
{
	u32 was = h->nic.fifo.size;
	int rc = fifo_resize(&h->nic.fifo, 131072);

	require(h->nic.fifo.size == (rc ? was : 131072), "the FIFO has another size");
	return rc;
}

static int packet_socket(struct host *h)
{
	static const struct bpf_insn all = { .code = 6, .k = 65535 };
	struct bpf_prog *filter = bpf_prog_new(&all, 1, 0);
	struct packet_sock *ps = filter ? packet_sock_new(h, filter, 4096) : NULL;

	if (ps)
		packet_sock_free(h, ps);
	else
		bpf_prog_free(filter);
	return ps ? 0 : -ENOMEM;
}

static int capture(struct host *h)
{
	static const struct bpf_insn all = { .code = 6, .k = 65535 };
	struct bpf_prog *filter = bpf_prog_new(&all, 1, 0);
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct capture *c = filter ? capture_new(h, fd, 0, "stress", 1, NULL, filter, 1 << 20, 0) : NULL;

	if (c) {
		capture_detach(h, c);
		capture_free(c);
	}
	close(fd);
	return c ? 0 : -ENOMEM;
}

/* From one frame of one byte to many, and what the card sends is kept. */
static int memory_wire(struct host *h)
{
	static const u8 frame[1000];
	struct mem_wire *w = mem_wire_new(1, 1);
	int rc = w ? mem_wire_sends(w) : -ENOMEM;

	(void)h; /* it needs no card */
	for (u32 i = 0; i < 9 && rc == 0; i++) {
		rc = mem_wire_feed(w, frame, sizeof(frame), sizeof(frame), i);
		require(w->nframes == i + (rc == 0), "the wire has another number of frames");
	}
	mem_wire_free(w);
	return rc;
}

/* Longer and more slots; without io_uring it reads one frame at a time, and nothing fails for want of that. */
static int tap_wire(struct host *h)
{
	struct wire *was = h->nic.wire;
	int fd = event_fd(), rc = -ENOMEM;
	struct tap_wire *t = tap_wire_new(&fd, 1, 2048, 64, 0);

	if (t) {
		u32 nslots = t->nslots, slot_size = t->slot_size;

		nic_plug(&h->nic, &t->wire);
		rc = nic_fit(&h->nic, 1 << 20, 9000);
		require(rc ? t->nslots == nslots && t->slot_size == slot_size
			   : t->nslots > nslots && t->slot_size > slot_size && t->nfree == t->nslots,
			"the wire has other slots");
		h->nic.wire = was;
	}
	tap_wire_free(t);
	close(fd);
	return rc;
}

static int tap_wire_vnet(struct host *h)
{
	int fd = event_fd();
	struct tap_wire *t = tap_wire_new(&fd, 1, 2048, 64, 1);

	(void)h;
	tap_wire_free(t);
	close(fd);
	return t ? 0 : -ENOMEM;
}

/* ---- the rooms that look at records ---- */

static const struct event_record records[] = {
	{ .t_ns = 1, .kind = EVENT_DMA, .frame = 1 },
	{ .t_ns = 2, .kind = EVENT_SKB, .frame = 1, .skb = 1 },
	{ .t_ns = 3, .kind = EVENT_READ, .frame = 1, .skb = 1 },
};

static int choosing_records(struct host *h)
{
	static const struct event_range frames = { 1, 2 };
	const struct event_wanted wanted = {
		.until_ns = NEVER,
		.kinds = ~0ull,
		.cpu = EVENT_ANY,
		.queue = EVENT_ANY,
		.frames = &frames,
		.nframes = 1,
	};
	long n = events_select(records, ARRAY_SIZE(records), &wanted, NULL);

	(void)h;
	require(n == -ENOMEM || n == ARRAY_SIZE(records), "records are missing");
	return n < 0 ? (int)n : 0;
}

static int traces(struct host *h)
{
	struct trace_source *s = trace_source_new(records, ARRAY_SIZE(records), NULL, 0, 1);
	struct pftrace *p = s ? pftrace_new(s, -1, NULL) : NULL;
	struct ftrace *f = p ? ftrace_new(s, -1) : NULL;
	int rc = f ? 0 : -ENOMEM;

	(void)h;
	if (f)
		ftrace_free(f);
	if (p)
		pftrace_free(p);
	trace_source_free(s);
	return rc;
}

/* One frame is logged. Without memory for its flow it has none, and the log says so. */
static int event_log(struct host *h)
{
	static struct histogram split[QUEUES][LAT_MAX];
	struct event_log *log = event_log_new(256);
	struct event_taps *taps;
	u8 frame[64];

	put_udp(frame, 0, sizeof(frame));
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->lat = split[i];
	taps = log ? event_taps_new(h, &log, 1, NULL) : NULL;
	if (taps && mem_wire_feed(wire, frame, sizeof(frame), sizeof(frame), 1) == 0)
		path_run(h);
	if (taps)
		event_taps_off(taps);
	event_taps_free(taps);
	event_log_free(log);
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->lat = NULL;
	return taps ? 0 : -ENOMEM;
}

static const struct {
	const char *name;
	int (*call)(struct host *h);
	bool does_without; /* some of it */
} calls[] = {
	{ "a host with all it can have", start_all, false },
	{ "a host that speaks TCP", start_tcp, false },
	{ "bytes for TCP", tcp_data, .does_without = true },
	{ "the ring's size", ring, false },
	{ "adaptive moderation", adaptive, false },
	{ "the card's filters", filters, false },
	{ "the flow limit", flow_limit, false },
	{ "the table of RFS", sock_entries, false },
	{ "a queue's table of RFS", flow_cnt, false },
	{ "the FIFO's size", fifo, false },
	{ "a packet socket", packet_socket, false },
	{ "a capture", capture, false },
	{ "a wire in memory", memory_wire, false },
	{ "a TAP and its slots", tap_wire, .does_without = true },
	{ "a TAP with offloads", tap_wire_vnet, .does_without = true },
	{ "a choice of records", choosing_records, false },
	{ "a trace of both kinds", traces, false },
	{ "the event log of a frame", event_log, .does_without = true },
};

/* Return: did one fail? */
static bool run_call(u32 call, u32 nth)
{
	long before = there;
	struct host *h;
	bool failed;
	int rc;

	wire = mem_wire_new(64, 1);
	require(wire != NULL, "no memory");
	h = make_host(&wire->wire, 2, true);
	fails_in = nth;
	rc = calls[call].call(h);
	failed = !fails_in;
	fails_in = 0;
	require(failed ? rc == -ENOMEM || (rc == 0 && calls[call].does_without) : rc == 0, calls[call].name);
	require(host_laws(h) == 0, "a law is broken");
	require(calls[call].call(h) == 0, "the next time does not work");
	require(host_laws(h) == 0, "a law is broken");
	host_free(h);
	mem_wire_free(wire);
	require(there == before, "something is left behind");
	return failed;
}

int main(void)
{
	for (u32 i = 0; i < 2; i++) {
		u32 nth = 1;

		while (run(nth, i ? QUEUES : 1, i ? 1 : QUEUES))
			nth++;
		require(nth > QUEUES, "nothing failed");
		printf("from %u queues to %u: %u allocations, each failed once\n", i ? QUEUES : 1, i ? 1 : QUEUES,
		       nth - 1);
	}
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		u32 nth = 1;

		while (run_call(i, nth))
			nth++;
		require(nth > 1, "nothing failed");
		printf("%s: %u allocations, each failed once\n", calls[i].name, nth - 1);
	}
	return 0;
}
