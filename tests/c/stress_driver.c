/* stress_driver.c - a driver that is not the host's, beside the card's thread: it works, starts anew, and then turns hostile
 *
 * First it means well: takes frames, gives buffers back, sleeps on its eventfd, and every so often stops the machine and says
 * DRIVER_OK once more, while another thread passes its doorbell on all the time. No interrupt may get lost, every frame it is
 * given is whole. Then its eventfd blocks and is full, and it posts chains that are no good as fast as it can: the card comes
 * home each time it is asked to, starts anew each time it had to stop, and the ledger is closed.
 */
#include "machine.h"

#include <fcntl.h>

#define FRAME 60u
#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))
#define ROUNDS 40u
#define FRAMES_A_ROUND 2000u
#define HOSTILE_STOPS 100u

static struct host *host;
static u32 over;

static struct mem_wire *make_wire(void)
{
	struct mem_wire *w = mem_wire_new(BURST * FRAME, BURST);

	require(w != NULL, "no memory");
	for (u32 i = 0; i < BURST; i++) {
		w->frames[w->nframes++] = (struct mem_frame){ .off = (u64)i * FRAME, .len = FRAME, .wire_len = FRAME };
		put_udp(w->arena + (u64)i * FRAME, i, FRAME);
	}
	w->loops = UINT64_MAX;
	return w;
}

static void *ring_doorbell(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		require(nic_doorbell(&host->nic, 0) == 0, "the doorbell is not there");
		require(nic_doorbell(&host->nic, host->nic.nqueues) == -EINVAL, "a doorbell that is not there rings");
		usleep(100);
	}
	return NULL;
}

/* ---- the driver ---- */

static struct virtqueue_driver vq;

/* Empty rings, then DRIVER_OK; the machine stands still. */
static void begin(void)
{
	struct vnic_config *c = host->nic.config;
	const struct vnic_queue_config q = c->queue[0];
	u8 *base = host->nic.dma.base;

	virtqueue_driver_free(&vq);
	memset(&vq, 0, sizeof(vq));
	require(virtqueue_driver_init(&vq, q.size) == 0, "no memory");
	vq.desc = (void *)(base + q.desc);
	vq.avail = (void *)(base + q.avail);
	vq.used = (void *)(base + q.used);
	vq.event_idx = 1;
	memset(vq.avail, 0, virtq_avail_bytes(q.size));
	memset(vq.used, 0, virtq_used_bytes(q.size));
	for (u32 i = 0; i < q.size; i++)
		virtqueue_add_inbuf(&vq, q.buffers + (u64)i * q.buf_stride, q.buf_stride, i);
	virtqueue_kick_prepare(&vq);
	c->driver_features = c->device_features;
	c->device_status = VIRTIO_S_DRIVER_OK;
	require(nic_up(&host->nic) == 0, "the card does not take the driver");
}

static void start_anew(void)
{
	machine_stop(host);
	begin();
	machine_go_on(host);
}

static void take_frames(int call_fd)
{
	const struct vnic_queue_config q = host->nic.config->queue[0];
	u32 frames = 0;

	while (frames < FRAMES_A_ROUND) {
		u32 id, len;
		int buffer;

		while ((buffer = virtqueue_get_buf(&vq, &id, &len)) >= 0) {
			const u8 *at = host->nic.dma.base + q.buffers + (u64)buffer * q.buf_stride;

			require(len == HDR_LEN + FRAME && at[HDR_LEN + 12] == 8, "a frame is not whole");
			virtqueue_add_inbuf(&vq, q.buffers + (u64)buffer * q.buf_stride, q.buf_stride, (u32)buffer);
			frames++;
		}
		require(buffer != -EIO, "the card named a buffer it did not have");
		if (virtqueue_kick_prepare(&vq))
			nic_doorbell(&host->nic, 0);
		if (!virtqueue_enable_cb(&vq))
			event_wait(call_fd, "the driver was not woken: an interrupt got lost");
	}
}

/* All the ring at once, again and again; chains that lead nowhere or into page 0, loops, now and then a number that is no
 * descriptor's. */
static void *be_hostile(void *arg)
{
	u32 seed = 3, size = vq.size;
	u64 turns = 0;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		u32 r = random32(&seed);

		WRITE_ONCE(vq.desc[r % size].addr, r & 7 ? 0 : ~0ull);
		__atomic_store_n((u64 *)&vq.desc[r % size].len,
				 2048ull | (u64)(r >> 8 & 3) << 32 | (u64)(r % size) << 48, __ATOMIC_RELAXED);
		WRITE_ONCE(vq.avail->ring[r % size], (u16)(r >> 16) % (turns % 9973 ? size : 65536));
		__atomic_store_n(&vq.avail->idx, (u16)(smp_load_acquire(&vq.used->idx) + size), __ATOMIC_SEQ_CST);
		turns++;
	}
	return NULL;
}

int main(void)
{
	struct mem_wire *w = make_wire();
	int call_fd = event_fd();
	pthread_t nic, cpu, bell, hostile;
	u64 filled = UINT64_MAX - 1;
	struct vnic_config good;
	u32 restarts = 0;

	alarm(110);
	host = path_host(1, &w->wire);
	host->nic.external_driver = 1;
	host->live = w->wire.live = 1;
	host->rx_pool_size = 256;
	require(host_start(host) == 0, "the host does not start");
	live_fds(host);
	require(nic_set_call_fd(&host->nic, 1, call_fd) == -EINVAL, "an interrupt of a queue that is not there");
	require(nic_set_call_fd(&host->nic, 0, call_fd) == 0, "the kernel refuses asynchronous I/O");
	nic = thread(run_nic_parking, &host->nic);
	cpu = thread(run_cpu_parking, host->cpu[0]);
	bell = thread(ring_doorbell, NULL);
	for (u32 i = 0; i < ROUNDS; i++) {
		start_anew();
		take_frames(call_fd);
	}
	machine_stop(host); /* the driver's half is hostile's from here on */
	begin();
	good = *host->nic.config;
	require(fcntl(call_fd, F_SETFL, 0) == 0 && write(call_fd, &filled, sizeof(filled)) > 0, "it is not full");
	hostile = thread(be_hostile, NULL);
	machine_go_on(host);
	for (u32 i = 0; i < HOSTILE_STOPS; i++) {
		usleep(1000);
		machine_stop(host);
		if (!host->nic.up) {
			*host->nic.config = good; /* the card was sent there with frames */
			require(nic_up(&host->nic) == 0, "the card does not start anew");
			restarts++;
		}
		require(!(host_laws(host) & 1), "the ledger is open");
		machine_go_on(host);
	}
	__atomic_store_n(&host->nic.stop, 1, __ATOMIC_SEQ_CST);
	event_set(host->nic.kick_fd);
	pthread_join(nic, NULL);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	pthread_join(hostile, NULL);
	pthread_join(bell, NULL);
	stop_cpu(host->cpu[0], cpu);
	live_stop(host);
	path_run(host);
	host_finish(host);
	require_laws(host);
	require(restarts && host->nic.queue[0].dma_failed, "the driver was not hostile");
	printf("%u times DRIVER_OK, then %u restarts in %u stops, %llu bad chains, %llu frames given\n", ROUNDS,
	       restarts, HOSTILE_STOPS, (unsigned long long)host->nic.queue[0].dma_failed,
	       (unsigned long long)host->nic.queue[0].frames);
	close_fds(host);
	host_free(host);
	virtqueue_driver_free(&vq);
	close(call_fd);
	mem_wire_free(w);
	return 0;
}
