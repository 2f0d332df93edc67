/* stress_card.c - the card alone: linked with lib, wire, ring and card, and nothing of a host
 *
 * A wire in memory feeds it, this file is its driver: it lays out page 0 as a driver does, posts buffers, takes frames
 * off the ring, checks each byte, and gets the card's interrupts through the function pointer. In virtual time, with
 * and without moderation, with rings that run empty and frames that take several buffers.
 */
#include "device.h"

#include <unistd.h>

#include "packets.h"

#define RING 64u
#define BUFFERS 256u
#define FRAMES 20000u

static struct nic nic;
static struct virtqueue_driver vq;
static u64 interrupts, pool_asked, taken, watched;
static u8 posted[BUFFERS];
static u32 nposted;

static void on_interrupt(struct nic_queue *q, u64 now)
{
	require(q == &nic.queue[0] && now == nic.now, "an interrupt of another queue, or at another time");
	interrupts++;
	virtqueue_disable_cb(&vq);
}

static void on_published(struct nic_queue *q, u64 now)
{
	(void)q;
	(void)now;
	require(false, "nobody looks at the ring without an interrupt");
}

static int on_pool_dry(struct nic_queue *q)
{
	(void)q;
	pool_asked++;
	return 1;
}

static u64 on_taken(const struct nic_queue *q)
{
	(void)q;
	return taken;
}

static const struct nic_driver here = { on_interrupt, on_published, on_pool_dry, on_taken };

static void on_watch(struct nic *n, enum packet_point point, const struct frame *f, u64 t_ns, int fate, int again)
{
	require(n == &nic && (point == POINT_WIRE || point == POINT_NIC) && f->len && t_ns <= n->now && !again,
		"a frame that cannot be");
	watched += point == POINT_NIC;
	require(fate < FATE_MAX, "a fate that is none");
}

static u8 *buffer(u32 i)
{
	return nic.dma.base + nic.layout[0].buffers + (u64)i * nic.layout[0].buf_stride;
}

/* Some of those that are free. Return: did the card ask to be told? */
static int post(u32 most)
{
	for (u32 i = 0; i < BUFFERS && most && vq.nfree; i++) {
		if (posted[i])
			continue;
		posted[i] = 1;
		nposted++;
		most--;
		virtqueue_add_inbuf(&vq, nic.layout[0].buffers + (u64)i * nic.layout[0].buf_stride, nic.buf_len, i);
	}
	return virtqueue_kick_prepare(&vq);
}

static int take_buffer(u32 *len)
{
	u32 desc;
	int i = virtqueue_get_buf(&vq, &desc, len);

	require(i != -EIO, "the card gave back what was not posted");
	if (i >= 0) {
		posted[i] = 0;
		nposted--;
	}
	return i;
}

/* One frame off the ring, piece by piece. Return: its bytes; 0: there is none */
static u32 take(u8 *to)
{
	struct virtio_net_hdr_v1_hash hdr;
	u32 len, total;
	int i = take_buffer(&len);

	if (i < 0)
		return 0;
	memcpy(&hdr, buffer((u32)i), sizeof(hdr));
	require(len >= sizeof(hdr) && hdr.num_buffers, "no header");
	total = len - (u32)sizeof(hdr);
	memcpy(to, buffer((u32)i) + sizeof(hdr), total);
	for (u32 n = 1; n < hdr.num_buffers; n++, total += len) {
		i = take_buffer(&len);
		require(i >= 0, "a piece is missing");
		memcpy(to + total, buffer((u32)i), len);
	}
	return total;
}

static void poll_ring(u32 seed)
{
	static u8 got[65536], want[65536];
	u32 len;

	do {
		while ((len = take(got))) {
			u32 flow = got[29];

			put_udp(want, flow, len);
			require(!memcmp(got, want, len), "other bytes than were sent");
			taken++;
		}
		if (post(1 + seed % RING))
			nic_kick(&nic, 0, nic.now);
	} while (virtqueue_enable_cb(&vq));
}

static void come_up(struct wire *w, u32 usecs, u32 buf_len)
{
	struct vnic_config *c;

	memset(&nic, 0, sizeof(nic));
	nic_init(&nic);
	nic_plug(&nic, w);
	nic.ring_size = RING;
	nic.buf_len = buf_len;
	nic.mtu = 1500;
	nic.queue[0].irq.rx_usecs = usecs;
	nic.queue[0].irq.rx_frames = usecs ? 0 : 1;
	nic.queue[0].driver = &here;
	nic.watch = on_watch;
	nic.watched = 1 << POINT_WIRE | 1 << POINT_NIC;
	require(fifo_init(&nic.fifo, nic.fifo.size) == 0 && nic_memory_init(&nic, 1, BUFFERS) == 0, "no memory");
	c = nic.config;
	c->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK;
	c->driver_features = c->device_features;
	memset(&vq, 0, sizeof(vq));
	require(virtqueue_driver_init(&vq, RING) == 0, "no memory");
	vq.desc = (void *)(nic.dma.base + c->queue[0].desc);
	vq.avail = (void *)(nic.dma.base + c->queue[0].avail);
	vq.used = (void *)(nic.dma.base + c->queue[0].used);
	vq.event_idx = 1;
	c->queue[0].enabled = 1;
	virtqueue_enable_cb(&vq);
	post(RING);
	c->device_status |= VIRTIO_S_DRIVER_OK;
	require(nic_up(&nic) == 0, "the card does not come up");
}

static u64 in_ring_and_fifo(void)
{
	return nic.queue[0].frames - taken + (nic.fifo.head - nic.fifo.tail);
}

static void run(u32 usecs, u32 buf_len, u32 frame_len)
{
	struct mem_wire *w = mem_wire_new(1 << 16, 64);
	static u8 frame[65536];
	u64 fates = 0, idle = 0;
	u32 seed = 1;

	require(w != NULL, "no memory");
	w->wire.started = 1;
	w->wire.ps_per_byte = 800; /* 10 Gbit/s */
	come_up(&w->wire, usecs, buf_len);
	interrupts = pool_asked = taken = watched = 0;
	for (u32 i = 0; i < FRAMES; i++) {
		u32 len = HEADERS_UDP + 18 + (i * 7919u) % (frame_len - 60);

		put_udp(frame, i & 127, len);
		require(mem_wire_feed(w, frame, len, len, 0) == 0, "no memory");
	}
	w->closed = 1;
	while (idle < 3) {
		u64 before = nic.offered + nic.queue[0].frames + interrupts, was = interrupts;

		nic_run(&nic, nic.now + 20000);
		seed = seed * 1664525u + 1013904223u;
		if (interrupts != was ||
		    seed >> 30 == 0) /* now and then it looks by itself, as after a lost time slice */
			poll_ring(seed >> 8);
		fates = nic.fates[FIFO_OVERRUN];
		require(nic.offered == fates + taken + in_ring_and_fifo(), "the ledger is open");
		if (nic_next(&nic) == NEVER || before == nic.offered + nic.queue[0].frames + interrupts) {
			poll_ring(RING - 1);
			nic_run(&nic, nic.now + 1000000);
			idle += nic_next(&nic) == NEVER;
		} else {
			idle = 0;
		}
	}
	poll_ring(RING - 1);
	require(nic.offered == FRAMES, "not all came");
	require(taken + fates == FRAMES && !in_ring_and_fifo(), "some are left");
	require(watched == taken && interrupts, "who looks on saw others; or there was no interrupt");
	require(usecs == 0 || interrupts * 2 < FRAMES, "moderation moderates nothing");
	printf("rx-usecs %u, buffers of %u, frames up to %u: %llu taken, %llu lost, %llu interrupts\n", usecs, buf_len,
	       frame_len, (unsigned long long)taken, (unsigned long long)fates, (unsigned long long)interrupts);
	nic_purge(&nic);
	free(nic.queue[0].shadow);
	nic_exit(&nic);
	virtqueue_driver_free(&vq);
	memset(posted, 0, sizeof(posted));
	nposted = 0;
	mem_wire_free(w);
}

int main(void)
{
	alarm(110);
	run(0, 2048, 1514);
	run(50, 2048, 1514);
	run(20, 256, 1514);
	return 0;
}
