/* nic_receive.c - frames arrive at the card: is it for us, which queue, is there room?
 *
 *   wire.c -> nic_receive(): the usual frames of a burst: receive_burst.c
 *                      else: filter.c -> rss.c, nic_steer.c -> fifo.c, or a fate -> nic_drain.c takes them from the FIFO
 *
 * A tap on the wire (af_packet.c) sees a frame here, before any later one, so a capture is in the order of arrival. Most
 * frames that the card loses are lost here, and already have their fate. If a frame is lost behind the FIFO, nic_drain.c
 * reports it to the tap once more.
 */
#include "device.h"

#define TWICE static inline __attribute__((always_inline)) /* once for a burst, once for tapped frames */

/* Return the bytes that the MTU does not count: the Ethernet header and an outer tag. */
static u32 header_len(const struct frame *f)
{
	return ETH_HLEN + (f->flags & FRAME_TAGGED ? VLAN_HLEN : 0u);
}

static noinline int too_long(struct nic *nic, const struct frame *f)
{
	COUNT(nic->rx_length_errors, 1);
	COUNT(nic->too_long, 1);
	nic->longest = max_u32(nic->longest, f->wire_len - header_len(f));
	return RX_LENGTH;
}

/* Return: -1: accepted; else its fate */
static inline int nic_accept(struct nic *nic, struct frame *f, bool parsed)
{
	int fate;

	if (unlikely(!nic->up ||
		     (nic->faults && nic_fault_hits(nic, FAULT_LINK_DOWN, FAULT_ANY_QUEUE, f->t_ns, f->id, NULL))))
		return DEV_READY;
	if (unlikely(f->len < ETH_HLEN)) {
		if (f->flags & FRAME_ALIEN)
			return LINK_TYPE;
		COUNT(nic->rx_length_errors, 1);
		return RX_LENGTH;
	}
	if (!parsed)
		nic_parse(nic, f);
	if (unlikely(nic->mtu && f->wire_len > nic->mtu + header_len(f)) && !f->gso)
		return too_long(nic, f);
	fate = filter_frame(&nic->filter, f);
	if (unlikely(fate >= 0 || f->flags & FRAME_NO_PYTHON)) {
		COUNT(nic->filtered, 1);
		return fate >= 0 ? fate : PYTHON_FILTER;
	}
	if (unlikely(f->data[0] & 1))
		COUNT(nic->multicast, 1);
	return -1;
}

int nic_store(struct nic *nic, struct frame *f, u32 n)
{
	for (bool all = true;; all = false) {
		u32 done = fifo_push_burst(&nic->fifo, f, n);

		if (likely(done == n))
			return all;
		fifo_overrun(nic, &f[done]);
		nic_fate(nic, &f[done], FIFO_OVERRUN);
		f += done + 1;
		n -= done + 1;
	}
}

/* Take a burst through each stage in turn: a stage's data stays in registers, and many frames are hashed at once.
 * Return: -1: all are in the FIFO; else the fate of one that is not */
TWICE int receive(struct nic *nic, struct frame *f, int n)
{
	bool hashed = n && f->flags & FRAME_HASHED && nic->burst_key == rss_key_id(&nic->rss); /* all frames or none */
	u32 good = 0;
	int lost = -1;

	COUNT(nic->offered, (u64)n);
	for (int i = 0; i < n; i++) {
		int fate = nic_accept(nic, &f[i], hashed);

		if (unlikely(fate >= 0)) {
			nic_fate(nic, &f[i], (enum fate)fate);
			lost = fate;
			continue;
		}
		if (unlikely(good != (u32)i))
			f[good] = f[i];
		good++;
	}
	if (hashed)
		for (u32 i = 0; i < good; i++)
			f[i].queue = rss_queue(&nic->rss, f[i].hash);
	else
		rss_burst(&nic->rss, f, good);
	if (unlikely(READ_ONCE(nic->arfs.count) | nic->rules.count)) {
		u32 left = nic_steer(nic, f, good);

		if (left < good)
			lost = NTUPLE_FILTER;
		good = left;
	}
	return nic_store(nic, f, good) ? lost : FIFO_OVERRUN;
}

/* A tap is on the wire: process one frame after the other, and show each with its fate. */
static noinline void receive_tapped(struct nic *nic, struct frame *f, int n)
{
	for (int i = 0; i < n; i++) {
		int fate;

		if (f[i].head)
			nic->wire->whole(nic->wire, &f[i]);
		fate = receive(nic, &f[i], 1);
		nic->watch(nic, POINT_WIRE, &f[i], f[i].t_ns, fate, 0); /* released bytes are still there */
	}
}

void nic_receive(struct nic *nic, struct frame *f, int n)
{
	int done = 0;

	if (unlikely(nic_watched(nic, POINT_WIRE))) {
		receive_tapped(nic, f, n);
		return;
	}
	if (n && !(f->flags & FRAME_HASHED))
		done = (int)receive_burst(nic, f, (u32)n);
	if (done < n)
		receive(nic, f + done, n - done);
}
