/* stress_virtqueue.c - device and driver on a thread each, over one virtqueue; both go to sleep whenever they can
 *
 * Frames are numbers, written into the buffer that the descriptor names. Each has to come out once and in order, no
 * wake-up may get lost, and ThreadSanitizer must not find an access that nothing orders. With and without EVENT_IDX.
 */
#include "threads.h"

#define FRAMES 200000u
#define RING 64u

static struct {
	struct virtqueue device;
	struct virtqueue_driver driver;
	u32 buffer[RING]; /* a bus address is an index into this */
	int call_fd, kick_fd;
	u64 calls, kicks;
} ring;

static void ring_init(u8 event_idx)
{
	struct virtq_desc *desc = aligned_alloc(16, RING * sizeof(*desc));
	struct virtq_avail *avail = calloc(1, virtq_avail_bytes(RING));
	struct virtq_used *used = calloc(1, virtq_used_bytes(RING));

	require(desc && avail && used, "no memory");
	memset(&ring, 0, sizeof(ring));
	require(virtqueue_driver_init(&ring.driver, RING) == 0, "no memory");
	ring.device =
		(struct virtqueue){ .desc = desc, .avail = avail, .used = used, .size = RING, .event_idx = event_idx };
	ring.driver.desc = desc;
	ring.driver.avail = avail;
	ring.driver.used = used;
	ring.driver.event_idx = event_idx;
	ring.call_fd = event_fd();
	ring.kick_fd = event_fd();
}

static void ring_free(void)
{
	free(ring.device.desc);
	free(ring.device.avail);
	free(ring.device.used);
	virtqueue_driver_free(&ring.driver);
	close(ring.call_fd);
	close(ring.kick_fd);
}

static void publish(void)
{
	if (virtqueue_publish(&ring.device)) {
		ring.calls++;
		event_set(ring.call_fd);
	}
}

/* Frames in bursts of 1 to 64, published once each. Without a buffer: ask for a doorbell, look once more, sleep. */
static void *run_device(void *arg)
{
	struct virtqueue *vq = &ring.device;
	u32 seed = 1, frame = 0;

	(void)arg;
	while (frame < FRAMES) {
		for (u32 burst = random32(&seed) % 64 + 1; burst && frame < FRAMES; burst--) {
			u16 head;

			if (virtqueue_avail(vq, 1) == 0) {
				publish();
				virtqueue_want_kick(vq);
				if (virtqueue_avail(vq, 1) == 0)
					event_wait(ring.kick_fd, "the device was not woken: a doorbell got lost");
				break;
			}
			head = READ_ONCE(vq->avail->ring[vq->last_avail++ & (vq->size - 1)]);
			ring.buffer[vq->desc[head].addr] = ++frame;
			virtqueue_fill_used(vq, head, sizeof(frame));
		}
		publish();
	}
	return NULL;
}

static void post(u32 buffer)
{
	require(virtqueue_add_inbuf(&ring.driver, buffer, sizeof(u32), buffer) == 0, "no descriptor for a free buffer");
}

static void kick(void)
{
	if (virtqueue_kick_prepare(&ring.driver)) {
		ring.kicks++;
		event_set(ring.kick_fd);
	}
}

/* As driver_poll() does: masked while it polls; polled out: unmask, look again, and only then sleep. */
static void *run_driver(void *arg)
{
	struct virtqueue_driver *vq = &ring.driver;
	u32 seed = 2, expected = 0;

	(void)arg;
	for (u32 i = 0; i < RING; i++)
		post(i);
	kick();
	while (expected < FRAMES) {
		u32 budget = random32(&seed) % 64 + 1, id, len, n;

		virtqueue_disable_cb(vq);
		for (n = 0; n < budget; n++) {
			int buffer = virtqueue_get_buf(vq, &id, &len);

			require(buffer != -EIO, "the device named a buffer it did not have");
			if (buffer < 0)
				break;
			require(len == sizeof(u32) && ring.buffer[buffer] == ++expected, "a frame out of order");
			post((u32)buffer);
		}
		kick();
		if (n < budget && expected < FRAMES && !virtqueue_enable_cb(vq))
			event_wait(ring.call_fd, "the driver was not woken: an interrupt got lost");
	}
	return NULL;
}

int main(void)
{
	for (u8 event_idx = 0; event_idx < 2; event_idx++) {
		pthread_t device, driver;

		ring_init(event_idx);
		device = thread(run_device, NULL);
		driver = thread(run_driver, NULL);
		pthread_join(device, NULL);
		pthread_join(driver, NULL);
		require(ring.calls < FRAMES && ring.kicks < FRAMES, "an interrupt or a doorbell for every frame");
		printf("event_idx %u: %u frames in order, %llu interrupts, %llu doorbells\n", event_idx, FRAMES,
		       (unsigned long long)ring.calls, (unsigned long long)ring.kicks);
		ring_free();
	}
	return 0;
}
