/* bench_tap.c - a TAP at speed: how fast its queue is drained, by a bare read() loop and by vnic, alternately in one run
 *
 *   bench_tap [--runs N]     JSON lines; needs root, and works in a network namespace of its own
 *
 * The kernel's queue is filled first (AF_PACKET into the TAP), then drained, each time a little of it before the clock is
 * started, so that none pays for its first looks at code and memory: 60-byte frames, and a TCP stream of 64 KB
 * frames. For the latter the bare loop reads what the kernel has cut to 1514 bytes; vnic, with virtio headers, reads 64 KB
 * at once, cuts it at the wire, sends the frames through the card and merges them again. The forwarder is the simplest
 * peer: it reads a frame from one TAP and writes it to another.
 */
#include "threads.h"
#include "timing.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SMALL 60u
#define SMALL_FRAMES 8000u
#define SMALL_BEFORE 1024u /* not timed */
#define SEGMENTS 44u
#define BIG_FRAMES 160u
#define BIG_BEFORE 16u
#define PAYLOAD (SEGMENTS * MSS)
#define SLOT (1500u + 128u)
#define SLOTS 140000u

static u32 last_core;

struct tap {
	const char *name;
	int fd, index;
};

static void interface(const char *name, unsigned long request, struct ifreq *r)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(r->ifr_name, name, IFNAMSIZ - 1);
	require(s >= 0 && ioctl(s, request, r) == 0, "the interface cannot be set up");
	close(s);
}

/* No router solicitations and the like of the kernel's own among the frames. */
static void quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		require(write(fd, "1", 1) == 1, "IPv6 cannot be switched off");
		close(fd);
	}
}

static struct tap tap_new(const char *name, bool vnet)
{
	struct ifreq r = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0)) };
	struct tap t = { .name = name, .fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC) };
	int size = sizeof(struct virtio_net_hdr_v1);

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	require(t.fd >= 0 && ioctl(t.fd, TUNSETIFF, &r) == 0, "no TAP: root, and /dev/net/tun?");
	if (vnet)
		require(ioctl(t.fd, TUNSETVNETHDRSZ, &size) == 0 &&
				ioctl(t.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == 0,
			"no virtio headers");
	r = (struct ifreq){ .ifr_qlen = 20000 };
	interface(name, SIOCSIFTXQLEN, &r);
	r = (struct ifreq){ .ifr_flags = IFF_UP };
	interface(name, SIOCSIFFLAGS, &r);
	t.index = (int)if_nametoindex(name);
	return t;
}

/* ---- filling ---- */

static u8 message[10 + HEADERS_TCP + PAYLOAD];
static u32 message_len;

static void make_small(void)
{
	memset(message, 0, 10);
	put_udp(message + 10, 1, SMALL);
	message_len = 10 + SMALL;
}

/* The checksum field holds the pseudo header's sum: the rest is left to the card. */
static void make_big(u32 nth)
{
	const struct virtio_net_hdr_v1 h = { .flags = 1,
					     .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					     .hdr_len = HEADERS_TCP,
					     .gso_size = MSS,
					     .csum_start = 34,
					     .csum_offset = 16 };
	u8 *f = message + 10;

	memcpy(message, &h, 10);
	put_tcp_len(f, 1, 1 + nth * PAYLOAD, PAYLOAD);
	store16(f + 50, (u16)~csum_fold(csum_pseudo(f + 14, 4, HEADERS_TCP - 34 + PAYLOAD, 6)));
	message_len = 10 + HEADERS_TCP + PAYLOAD;
}

static int packet_socket(const struct tap *t)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = t->index };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, bytes = 1 << 28;

	require(s >= 0 && bind(s, (struct sockaddr *)&to, sizeof(to)) == 0 &&
			setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0 &&
			setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0,
		"no packet socket");
	return s;
}

static void fill(const struct tap *t, bool big)
{
	int s = packet_socket(t);

	for (u32 i = 0; i < (big ? BIG_BEFORE + BIG_FRAMES : SMALL_BEFORE + SMALL_FRAMES); i++) {
		if (big)
			make_big(i);
		else
			make_small();
		require(send(s, message, message_len, 0) == (ssize_t)message_len, "the kernel's queue takes no more");
	}
	close(s);
}

/* ---- draining ---- */

struct job {
	const struct tap *from, *to;
	u64 before, want, n, sum_ns, sum_cycles;
};

/* Who reads is always on the last core: the kernel frees what another one has filled the queue with. */
static void pin(u32 core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	require(sched_setaffinity(0, sizeof(set), &set) == 0, "no such core");
}

static void unpin(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	require(sched_setaffinity(0, sizeof(set), &set) == 0, "no cores");
}

/* In a process of its own, with one thread: the kernel's and libc's short cuts for those are the bare loop's due. */
static void bare(struct job *job)
{
	const struct tap *from = job->from, *to = job->to;
	u64 n = 0, before = job->before, want = before + job->want;
	u8 buf[2048];

	pin(last_core);
	while (n < want) {
		ssize_t len;

		if (n == before)
			start();
		len = read(from->fd, buf, sizeof(buf));
		if (len < 0)
			break;
		if (to)
			require(write(to->fd, buf, (size_t)len) == len, "the other TAP refuses");
		n++;
	}
	stop();
	job->n = n - before;
	job->sum_ns = timing.sum_ns;
	job->sum_cycles = timing.sum_cycles;
}

static u64 in_a_process(const struct tap *from, const struct tap *to, bool big, u64 before, u64 want)
{
	struct job *job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;
	u64 n;

	require(job != MAP_FAILED, "no memory");
	*job = (struct job){ .from = from, .to = to, .before = before, .want = want };
	fill(from, big);
	pid = fork();
	require(pid >= 0, "no process");
	if (pid == 0) {
		bare(job);
		_exit(0);
	}
	require(waitpid(pid, &status, 0) == pid && status == 0, "the bare loop broke");
	timing.sum_ns = job->sum_ns;
	timing.sum_cycles = job->sum_cycles;
	n = job->n;
	munmap(job, sizeof(*job));
	return n;
}

/* The wire, watched: when enough has come to start the clock, and when it is dry. */
static struct {
	int (*read)(struct wire *w, struct frame *f, int max);
	u64 before, seen; /* frames that came while no clock ran */
	bool timed;
	int dry_fd;
} watch;

static int read_watched(struct wire *w, struct frame *f, int max)
{
	int n;

	if (!watch.timed && watch.seen >= watch.before) {
		watch.timed = true;
		start();
	}
	n = watch.read(w, f, max);
	if (n > 0 && !watch.timed)
		watch.seen += (u64)n;
	if (n == -EAGAIN && watch.timed)
		event_signal(watch.dry_fd); /* opened later than its thread, or not */
	return n;
}

static void watch_wire(struct wire *w, u64 before)
{
	watch.read = w->read_burst;
	watch.before = before;
	watch.seen = 0;
	watch.timed = false;
	watch.dry_fd = event_fd();
	w->read_burst = read_watched;
}

static void *run_nic(void *arg)
{
	pin(last_core);
	nic_thread(arg);
	return NULL;
}

/* A card's thread and a CPU's, until the last frame's fate. Return: frames that were read while the clock ran */
static u64 by_vnic(const struct tap *t, bool vnet, bool big, u64 before, u64 want, double *merged)
{
	struct tap_wire *w = tap_wire_new(&t->fd, 1, SLOT, SLOTS, vnet);
	pthread_t nic, cpu;
	struct host *h;
	u64 n;

	require(w != NULL, "no memory");
	memset(w->slots, 0, (u64)w->slot_size * w->nslots); /* the pages are there, as they are after a while */
	h = path_host(1, &w->wire);
	h->live = w->wire.live = 1;
	h->rcvbuf = 1 << 30;
	h->nic.fifo.size = 1 << 24; /* all of it, if the host is slower */
	h->nic.ring_size = 256;
	h->rx_pool_size = 16384;
	unpin(); /* it counts the cores it has */
	require(host_start(h) == 0, "the host does not start");
	pin(0);
	memset(h->nic.dma.base + 4096 * 64, 0, h->nic.dma.size - 4096 * 64);
	live_fds(h);
	driver_refill(h->dq[0]);
	fill(t, big); /* last, as for the others: what a sender has just made is still in a cache */
	watch_wire(&w->wire, before);
	cpu = thread(run_cpu, h->cpu[0]);
	nic = thread(run_nic, &h->nic);
	event_wait(watch.dry_fd, "the wire is never dry");
	pin(last_core); /* nobody works there any more */
	while (with_fate(h) < before + want)
		sched_yield();
	stop();
	__atomic_store_n(&h->nic.stop, 1, __ATOMIC_SEQ_CST);
	event_set(h->nic.kick_fd);
	pthread_join(nic, NULL);
	stop_cpu(h->cpu[0], cpu);
	n = host_offered(h) - watch.seen;
	require(READ_ONCE(h->nic.fates[FIFO_OVERRUN]) == 0,
		"the card lost frames: what was timed is not all of the path");
	*merged = (double)h->cpu[0]->gro_flushed_segs / (double)max_u64(1, h->cpu[0]->gro_flushed_skbs);
	live_stop(h);
	path_run(h);
	host_finish(h);
	path_run(h);
	require_laws(h);
	close_fds(h);
	close(watch.dry_fd);
	host_free(h);
	tap_wire_free(w);
	return n;
}

/* What is compared, in this order in each run; beside: the way it is measured by. */
static const struct {
	const char *name, *what;
	bool vnet, big, vnic, forward;
	int beside;
} ways[] = {
	{ "tap_bare", "60-byte frames from a full TAP queue: a bare read() loop", .beside = -1 },
	{ "tap_vnic", "the same: vnic, two threads, to the socket", .vnic = true, .beside = 0 },
	{ "tap_forward", "the same: read() from one TAP, write() to another", .forward = true, .beside = 0 },
	{ "tap_vnet_bare", "60-byte frames with virtio headers: a bare read() loop", .vnet = true, .beside = -1 },
	{ "tap_vnet_vnic", "the same: vnic, two threads, to the socket", .vnet = true, .vnic = true, .beside = 3 },
	{ "tap_tso_bare", "1448-byte TCP payload in 64 KB frames, cut by the kernel: a bare read() loop", .big = true,
	  .beside = -1 },
	{ "tap_tso_vnic", "the same, read whole, cut at the wire, merged again: vnic, two threads, to the stream",
	  .vnet = true, .big = true, .vnic = true, .beside = 5 },
};
#define WAYS ARRAY_SIZE(ways)

static double ns[WAYS][RUNS_MAX], cycles[WAYS][RUNS_MAX], ratio[WAYS][RUNS_MAX], merged[WAYS];

static u64 frames_of(u32 w)
{
	return ways[w].big ? (u64)BIG_FRAMES * SEGMENTS : SMALL_FRAMES;
}

static void run_one(u32 w, u32 run, const struct tap *t, const struct tap *other)
{
	u64 want = frames_of(w), before = ways[w].big ? (u64)BIG_BEFORE * SEGMENTS : SMALL_BEFORE, n;
	bool all;

	timing_begin();
	if (ways[w].vnic)
		n = by_vnic(t, ways[w].vnet, ways[w].big, before, want, &merged[w]);
	else
		n = in_a_process(t, ways[w].forward ? other : NULL, ways[w].big, before, want);
	all = n <= want && n + BURST >= want; /* vnic's clock starts between two bursts */
	if (!all)
		fprintf(stderr, "%s: %llu of %llu\n", ways[w].name, (unsigned long long)n, (unsigned long long)want);
	require(all, "not all frames came");
	sample(0, n);
	ns[w][run] = timing.ns[0];
	cycles[w][run] = timing.cycles[0];
	ratio[w][run] = ways[w].beside < 0 ? 1 : ns[w][run] / ns[ways[w].beside][run];
}

static void say(u32 w)
{
	memcpy(timing.ns, ns[w], sizeof(ns[w]));
	memcpy(timing.cycles, cycles[w], sizeof(cycles[w]));
	qsort(ratio[w], nruns, sizeof(*ratio[w]), by_value);
	report("tap", ways[w].name, ways[w].what, frames_of(w));
	printf(", \"bytes_per_frame\": %u, \"frames_per_skb\": %.1f, \"beside_median\": %.3f}\n",
	       ways[w].big ? MSS : SMALL, merged[w], ratio[w][nruns / 2]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct tap plain, vnet, other;

	nruns = argc == 3 ? min_u32((u32)atoi(argv[2]), RUNS_MAX) : 9;
	alarm(280);
	require(unshare(CLONE_NEWNET) == 0, "no namespace of its own: root?");
	last_core = (u32)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pin(0);
	quiet();
	plain = tap_new("tap0", false);
	vnet = tap_new("tap1", true);
	other = tap_new("tap2", false);
	for (u32 run = 0; run < nruns; run++)
		for (u32 w = 0; w < WAYS; w++)
			run_one(w, run, ways[w].vnet ? &vnet : &plain, &other);
	for (u32 w = 0; w < WAYS; w++)
		say(w);
	return 0;
}
