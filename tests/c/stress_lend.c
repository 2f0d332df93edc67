/* stress_lend.c - a TAP's wire live: the card is lent to CPUs that idle, and its thread has files of its own
 *
 * Packet-keeping sockets stand for a TAP of two lanes; senders fill them as fast as they can. Plainly; with virtio headers
 * and frames that are to be cut; with packet sockets and captures that come and go, whose eventfds the card's thread does
 * not have; and with a machine that is stopped again and again, in the middle of a burst that is lent. At rest both laws
 * hold, every frame has a fate, and every slot and reference has come back to the wire.
 */
#include "machine.h"

#include <fcntl.h>
#include <sys/socket.h>

#define CPUS 2u
#define LANES 2u
#define FRAMES 20000u /* a lane */
#define ALL (LANES * FRAMES)
#define SEGMENTS 5u
#define SHORT_MSS 300u

enum variant { PLAIN, VNET, TAPS, STOPS, VARIANTS };

static const char *const names[VARIANTS] = { "plain", "virtio headers", "taps", "stops" };
static enum variant variant;
static u32 looking;

static void send_message(int fd, const void *message, u32 len)
{
	require(send(fd, message, len, MSG_NOSIGNAL) == (ssize_t)len, "the lane takes no more");
}

/* Every fifth message is one that becomes SEGMENTS frames. */
static u32 put_message(u8 *at, u32 lane, u32 nth)
{
	struct virtio_net_hdr_v1 h = { 0 };
	u32 payload = SEGMENTS * SHORT_MSS;
	u8 *frame = at + sizeof(h);

	if (nth % 5) {
		memcpy(at, &h, sizeof(h));
		put_udp(frame, lane, 60 + nth % 400);
		return (u32)sizeof(h) + 60 + nth % 400;
	}
	h = (struct virtio_net_hdr_v1){ .flags = 1,
					.gso_type = 1,
					.hdr_len = HEADERS_TCP,
					.gso_size = SHORT_MSS,
					.csum_start = 34,
					.csum_offset = 16 };
	memcpy(at, &h, sizeof(h));
	put_tcp_len(frame, 2 + lane, 1 + nth / 5 * payload, payload);
	store16(frame + 50, (u16)~csum_fold(csum_pseudo(frame + 14, 4, HEADERS_TCP - 34 + payload, 6)));
	return (u32)sizeof(h) + HEADERS_TCP + payload;
}

static u32 messages(void)
{
	return variant == VNET ? FRAMES / (4 + SEGMENTS) * 5 : FRAMES;
}

static u64 frames(void)
{
	return variant == VNET ? LANES * (u64)(FRAMES / (4 + SEGMENTS) * (4 + SEGMENTS)) : ALL;
}

static int lane_in[LANES], lane_out[LANES];

static void *run_sender(void *arg)
{
	static u8 buf[LANES][2048];
	u32 lane = (u32)(uintptr_t)arg;

	for (u32 i = 0; i < messages(); i++) {
		u32 len = 60 + i % 400;

		if (variant == VNET)
			len = put_message(buf[lane], lane, i);
		else
			put_udp(buf[lane], lane, len);
		send_message(lane_in[lane], buf[lane], len);
	}
	return NULL;
}

static void *run_meddler(void *arg)
{
	struct host *h = arg;

	while (__atomic_load_n(&looking, __ATOMIC_RELAXED)) {
		if (variant == TAPS)
			come_and_go(h);
		if (variant == STOPS && !__atomic_load_n(&ended, __ATOMIC_SEQ_CST)) {
			machine_stop(h);
			require(!h->nic.wire->lent, "the card is lent while the machine stands still");
			require(fifo_resize(&h->nic.fifo, 1 << 24) == 0, "no memory");
			machine_go_on(h);
		}
		usleep(200);
	}
	return NULL;
}

static void open_lanes(void)
{
	for (u32 i = 0; i < LANES; i++) {
		int ends[2];

		require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "no sockets");
		require(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0, "it would wait");
		lane_in[i] = ends[0];
		lane_out[i] = ends[1];
	}
}

static void close_lanes(void)
{
	for (u32 i = 0; i < LANES; i++) {
		close(lane_in[i]);
		close(lane_out[i]);
	}
}

static void require_whole(const struct tap_wire *w)
{
	require(w->nfree == w->nslots && !w->nback, "a slot did not come back");
	for (u32 i = 0; i < TAP_AHEAD; i++)
		require(!w->big_refs[i] && !w->big_back[i], "a segment's payload is still referred to");
}

/* Return: bursts that were lent */
static u64 run(void)
{
	struct tap_wire *w;
	struct host *h;
	pthread_t nic, cpu[CPUS], sender[LANES], meddler;
	u64 lent;

	open_lanes();
	w = tap_wire_new(lane_out, LANES, 512, ALL + (WIRE_AHEAD + 2) * BURST, variant == VNET);
	require(w != NULL, "no memory");
	h = path_host(CPUS, &w->wire);
	h->live = 1;
	h->rcvbuf = 1 << 28;
	h->nic.fifo.size = 1 << 24; /* nothing is lost, however late the CPUs are */
	looking = 1;
	ended = 0;
	require(host_start(h) == 0, "the host does not start");
	h->spin_max_ns = 50000000; /* they look for work even if there are fewer cores than threads */
	live_fds(h);
	alarm(PATIENCE_MS / 1000);
	for (u32 i = 0; i < CPUS; i++)
		cpu[i] = thread(run_cpu_parking, h->cpu[i]);
	nic = thread(run_nic_parking, &h->nic);
	meddler = thread(run_meddler, h);
	for (u32 i = 0; i < LANES; i++)
		sender[i] = thread(run_sender, (void *)(uintptr_t)i);
	for (u32 i = 0; i < LANES; i++)
		pthread_join(sender[i], NULL);
	while (with_fate(h) < frames())
		usleep(1000);
	__atomic_store_n(&looking, 0, __ATOMIC_RELAXED);
	pthread_join(meddler, NULL);
	__atomic_store_n(&h->nic.stop, 1, __ATOMIC_SEQ_CST);
	event_set(h->nic.kick_fd);
	pthread_join(nic, NULL);
	for (u32 i = 0; i < CPUS; i++)
		stop_cpu(h->cpu[i], cpu[i]);
	live_stop(h);
	path_run(h);
	host_finish(h);
	path_run(h);
	require_laws(h);
	require_whole(w);
	require(host_offered(h) == frames() && with_fate(h) == frames(), "a frame got lost");
	lent = h->nic.lend.bursts;
	printf("%s: %llu frames, %llu bursts of them worked off by CPUs that idled\n", names[variant],
	       (unsigned long long)frames(), (unsigned long long)lent);
	close_fds(h);
	host_free(h);
	tap_wire_free(w);
	close_lanes();
	return lent;
}

int main(void)
{
	for (variant = PLAIN; variant < VARIANTS; variant++) {
		u32 tries = 0;

		while (!run()) /* a machine that has no time for a CPU that idles */
			require(++tries < 10, "the card is never lent");
	}
	return 0;
}
