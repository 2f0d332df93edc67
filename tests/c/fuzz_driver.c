/* fuzz_driver.c - a hostile driver in another process: page 0, three rings, status and doorbells in any order
 *
 * Input: 2 bytes of configuration, then what the driver and the wire do, an operation of one byte and its operands each.
 * After each operation the ledger is closed, at the end nothing is in flight; AddressSanitizer sees whatever the card does
 * outside its memory, libFuzzer's clock a turn that does not end. What the card decides on is its own: it stays as it was.
 */
#include "input.h"
#include "path.h"

#define OPERATIONS_MAX 512u
#define FRAME_BYTES 2048u

static struct host *make(struct input *in, struct mem_wire *w)
{
	u32 config = (u32)take(in, 1), more = (u32)take(in, 1);
	struct host *h = path_host(1 + (config & 1), &w->wire);
	struct nic *nic = &h->nic;

	h->nic.external_driver = 1;
	h->auto_sink = 0;
	h->rx_pool_size = 64;
	h->sock_max = 64;
	nic->nqueues = 1u + (config >> 1 & 1);
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		nic->rss.indir[i] = (u16)(i % nic->nqueues);
	nic->ring_size = 16u << (config >> 2 & 1);
	nic->drop_en = config >> 3 & 1;
	nic->rx_csum = config >> 4 & 1;
	for (u32 c = 0; config & 32 && c < COST_MAX; c++)
		h->cost[c] = 100;
	if (config & 64)
		w->wire.ps_per_byte = 800;
	for (u32 q = 0; config & 128 && q < nic->nqueues; q++)
		nic->queue[q].irq.rx_usecs = 20;
	nic->fifo.size = more & 1 ? 2048 : 65536;
	if (more & 2)
		require(mem_wire_sends(w) == 0, "no memory");
	for (u32 q = 0; more & 4 && q < nic->nqueues; q++) /* what has no such file is signalled in vain */
		nic->queue[q].irq.call_fd = 1000000;
	require(host_start(h) == 0, "the host does not start");
	return h;
}

/* ---- what the driver's process can do ---- */

/* A place in the region that is worth an attempt, or any. */
static u64 address(struct input *in, const struct host *h)
{
	const struct vnic_config *c = h->nic.config;
	u32 kind = (u32)take(in, 1);
	u64 small = take(in, 2);

	switch (kind & 7) {
	case 0:
		return c->queue[0].buffers + small;
	case 1:
		return h->nic.dma.size - small;
	case 2:
		return small; /* page 0 */
	case 3:
		return c->queue[kind >> 3 & 1].desc + small;
	case 4:
		return c->queue[kind >> 3 & 1].used + small;
	case 5:
		return c->tx.buffers + small;
	case 6:
		return ~0ull - small;
	default:
		return take(in, 8);
	}
}

static void put(const struct host *h, u64 at, const void *bytes, u32 len)
{
	void *to = dma_map(&h->nic.dma, at, len);

	if (to)
		memcpy(to, bytes, len);
}

/* As the card laid it out at the start, and whatever the driver wrote since elsewhere. */
static void restore(const struct host *h, const struct vnic_config *good)
{
	*h->nic.config = *good;
	h->nic.config->driver_features = good->device_features;
	h->nic.config->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK |
				       VIRTIO_S_DRIVER_OK;
}

static const struct vnic_queue_config *ring_of(const struct host *h, const struct vnic_config *good, u32 which)
{
	return which % 3 == 2 ? &good->tx : &good->queue[which % 3 % h->nic.nqueues];
}

static void write_desc(struct input *in, const struct host *h, const struct vnic_config *good)
{
	const struct vnic_queue_config *q = ring_of(h, good, (u32)take(in, 1));
	u64 id = take(in, 1) % q->size;
	const struct virtq_desc d = {
		.addr = address(in, h), .len = (u32)take(in, 4), .flags = (u16)take(in, 2), .next = (u16)take(in, 2)
	};

	put(h, q->desc + 16 * id, &d, sizeof(d));
}

/* n chains of good buffers, as a driver does that means well. */
static void post(struct input *in, const struct host *h, const struct vnic_config *good)
{
	const struct vnic_queue_config *q = ring_of(h, good, (u32)take(in, 1));
	u32 n = (u32)take(in, 1) % (q->size + 1);
	struct virtq_avail *avail = (void *)(h->nic.dma.base + q->avail);

	for (u32 i = 0; i < n; i++) {
		u16 id = (u16)(avail->idx % q->size);
		const struct virtq_desc d = { .addr = q->buffers + (u64)id * q->buf_stride,
					      .len = q == &good->tx ? 100u : q->buf_stride,
					      .flags = q == &good->tx ? 0 : VIRTQ_DESC_F_WRITE };

		put(h, q->desc + 16ull * id, &d, sizeof(d));
		avail->ring[id] = id;
		avail->idx++;
	}
}

static void write_avail(struct input *in, const struct host *h, const struct vnic_config *good)
{
	const struct vnic_queue_config *q = ring_of(h, good, (u32)take(in, 1));
	u64 at = take(in, 1) % (q->size + 3);
	u16 v = (u16)take(in, 2);

	put(h, q->avail + 2 * at, &v, sizeof(v));
}

static void feed(struct input *in, struct mem_wire *w)
{
	u8 frame[FRAME_BYTES];
	u32 n = 1 + (u32)take(in, 1) % 64, len = (u32)take(in, 2) % FRAME_BYTES;

	memset(frame, (int)n, sizeof(frame));
	if (len >= HEADERS_UDP)
		put_udp(frame, n, len);
	while (n--)
		require(mem_wire_feed(w, frame, len, len, 0) == 0, "no memory");
}

static void run(struct host *h, u64 until)
{
	for (u32 slices = 0; vtime_run_until(h, until) == EV_SLICE; slices++)
		require(slices < 4, "the card does not come to an end of what its driver posted");
}

static void operate(struct input *in, struct host *h, struct mem_wire *w, const struct vnic_config *good)
{
	struct nic *nic = &h->nic;
	u64 v;

	switch (take(in, 1) % 14) {
	case 0: /* anywhere in page 0 */
		v = take(in, 8);
		put(h, take(in, 2) % sizeof(*nic->config), &v, 8);
		break;
	case 1: /* a queue's addresses */
		v = address(in, h);
		put(h, offsetof(struct vnic_config, queue) + take(in, 1) % 102 * 8, &v, 8);
		break;
	case 2:
		write_desc(in, h, good);
		break;
	case 3:
	case 4:
		write_avail(in, h, good);
		break;
	case 5: /* anywhere */
		v = take(in, 8);
		put(h, address(in, h), &v, 1 + take(in, 1) % 8);
		break;
	case 6:
		post(in, h, good);
		break;
	case 7:
		restore(h, good);
		nic->config->tx.enabled = (u32)take(in, 1) & 1;
		break;
	case 8:
		nic_up(nic);
		require(!nic->up || !(nic->config->device_status & VIRTIO_S_NEEDS_RESET), "up, and to be reset");
		break;
	case 9:
		v = take(in, 1) % 8;
		require((nic_doorbell(nic, (u32)v) == 0) == (v < nic->nqueues), "a doorbell that is not there");
		break;
	case 10:
		nic->config->device_status = (u32)take(in, 1);
		break;
	case 11:
		host_finish(h);
		break;
	case 12:
		feed(in, w);
		break;
	default:
		run(h, vtime_latest(h) + take(in, 2));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };
	struct mem_wire *w = mem_wire_new(1 << 16, 64);
	u64 where[IN_FLIGHT_MAX], fates[FATE_MAX];
	struct vnic_config good;
	struct host *h;
	u64 offers;

	require(w != NULL, "no memory");
	w->wire.started = 1; /* stamps are virtual time */
	h = make(&in, w);
	good = *h->nic.config;
	offers = h->nic.offers;
	for (u32 n = 0; n < OPERATIONS_MAX && in.at < in.end; n++) {
		operate(&in, h, w, &good);
		require(!(host_laws(h) & 1), "the ledger is open");
	}
	require(h->nic.offers == offers && !(h->nic.features & ~offers), "the card took what it had not offered");
	run(h, NEVER - 1);
	host_finish(h);
	run(h, NEVER - 1);
	require(host_laws(h) == 0 && !h->nic.up, "at the end");
	host_in_flight(h, where);
	for (u32 i = 0; i < IN_FLIGHT_MAX; i++)
		require(where[i] == 0, "a frame is still in flight when all is over");
	host_fates(h, fates);
	require(fates[DELIVERED_DRIVER] + fates[DEV_READY] + fates[RX_LENGTH] + fates[FIFO_OVERRUN] + fates[RX_OVER] +
				fates[RX_NO_BUFFER] ==
			host_offered(h),
		"a fate that a card has not");
	host_free(h);
	mem_wire_free(w);
	return 0;
}
