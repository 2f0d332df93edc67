/* link.c - one direction of a link in virtual time: a queue, a serialiser, losses and a delay
 *
 *   card A nic_tx.c -> link_write(): queue | serialiser | lost? | delay --mem_wire_feed()--> card B nic_receive.c
 *
 * A frame that finds the queue full is dropped. The frame in the serialiser is not in the queue. A lost frame has taken the
 * serialiser's time. The last bit arrives at start + (max(len, 60) + 24) * 8 / rate + delay, rounded down to a ns.
 */
#include "device.h"

#define PS_A_NS 1000u
#define RANDOM_BITS 53

u64 link_serial_ps(const struct link_way *way, u32 len)
{
	u64 bytes = (u64)max_u32(len, ETH_ZLEN) + WIRE_OVERHEAD;

	return way->bps ? bytes * 8000000000000ull / way->bps : 0;
}

/* SplitMix64 */
static u64 next_random(struct link_way *way)
{
	u64 z = way->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Let the frames go whose first bit has left. */
static void advance(struct link_way *way, u64 now_ps)
{
	while (way->waits && way->wait[way->head].start_ps <= now_ps) {
		way->waiting_bytes -= way->wait[way->head].len;
		way->head = (way->head + 1) & (way->room - 1);
		way->waits--;
	}
}

static int grow(struct link_way *way)
{
	u32 room = way->room ? 2 * way->room : 64;
	struct link_wait *wait = malloc(room * sizeof(*wait));

	if (!wait)
		return -ENOMEM;
	for (u32 i = 0; i < way->waits; i++)
		wait[i] = way->wait[(way->head + i) & (way->room - 1)];
	free(way->wait);
	way->wait = wait;
	way->room = room;
	way->head = 0;
	return 0;
}

/* Return: is there room before the serialiser? */
static bool has_room(const struct link_way *way, u32 len)
{
	if (way->queue_frames && way->waits >= way->queue_frames)
		return false;
	return !way->queue_bytes || way->waiting_bytes + len <= way->queue_bytes;
}

/* Put a frame before the serialiser. Return: 0, -ENOBUFS: the queue is full, or -ENOMEM */
static int enqueue(struct link_way *way, u32 len, u64 now_ps)
{
	advance(way, now_ps);
	if (way->free_ps <= now_ps) {
		way->free_ps = now_ps;
		return 0;
	}
	if (!has_room(way, len))
		return -ENOBUFS;
	if (way->waits == way->room && grow(way) < 0)
		return -ENOMEM;
	way->wait[(way->head + way->waits++) & (way->room - 1)] = (struct link_wait){ way->free_ps, len };
	way->waiting_bytes += len;
	way->waits_max = max_u64(way->waits_max, way->waits);
	way->waiting_bytes_max = max_u64(way->waiting_bytes_max, way->waiting_bytes);
	return 0;
}

/* The card has sent the frame in any case: what the link drops is the link's. */
static int link_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct link_way *way = container_of(wire, struct mem_wire, wire)->way;
	u64 takes = link_serial_ps(way, len);
	int err;

	(void)hdr; /* the card has left nothing to this wire */
	way->frames++;
	way->bytes += len;
	err = enqueue(way, len, t_ns * PS_A_NS);
	if (err) {
		way->dropped += err == -ENOBUFS;
		way->no_memory += err == -ENOMEM;
		return 0;
	}
	way->free_ps += takes;
	way->busy_ps += takes;
	if (next_random(way) >> (64 - RANDOM_BITS) < way->loss) {
		way->lost++;
		return 0;
	}
	err = mem_wire_feed(way->to, frame, len, len, way->free_ps / PS_A_NS + way->delay_ns);
	way->carried += !err;
	way->no_memory += !!err;
	return 0;
}

void link_way_open(struct link_way *way, struct wire *from, struct wire *to)
{
	way->to = container_of(to, struct mem_wire, wire);
	container_of(from, struct mem_wire, wire)->way = way;
	from->write = link_write;
}

void link_way_shut(struct link_way *way, struct wire *from)
{
	if (from) {
		struct mem_wire *w = container_of(from, struct mem_wire, wire);

		w->way = NULL;
		mem_wire_sends(w);
	}
	free(way->wait);
	way->wait = NULL;
	way->room = way->waits = 0;
}
