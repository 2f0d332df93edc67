/* nic_pull.c - the card on a wire without a pace: take the next burst when the host is idle, so that nothing is ever lost
 *
 *   vtime.c, all CPUs are idle -> nic_pull(): wire.c -> nic_receive.c, nic_drain()
 *
 * The wire writes its frames straight into the FIFO's free slots, which saves a copy.
 */
#include "device.h"

/* Read a burst into the FIFO's slots. Return: how many. If they do not all fit (*fits), they are in nic->burst */
static int pull_into_fifo(struct nic *nic, u64 now, bool *fits)
{
	struct frame *f = nic->python_filter ? NULL : fifo_room(&nic->fifo, BURST);
	u64 bytes = nic->wire->bytes;
	int n;

	*fits = false;
	if (unlikely(!f))
		return wire_next(nic->wire, nic->burst, BURST, now);
	n = wire_next(nic->wire, f, BURST, now);
	if (n <= 0)
		return n;
	bytes = nic->wire->bytes - bytes + (u64)n * ETH_ZLEN; /* an upper bound */
	*fits = bytes <= nic->fifo.size - nic->fifo.bytes;
	if (*fits)
		nic_receive(nic, f, n);
	else
		memcpy(nic->burst, f, (u32)n * sizeof(*f));
	return n;
}

int nic_pull(struct nic *nic, u64 now)
{
	u64 bytes = nic->fifo.bytes;
	struct frame *f;
	int n = 0;

	now = max_u64(nic->now, now);
	if (nic->burst_pos == nic->burst_len) {
		bool fits;

		nic->burst_pos = nic->burst_len = 0;
		n = pull_into_fifo(nic, now, &fits);
		if (n <= 0)
			return n;
		if (likely(fits)) {
			nic->now = now;
			nic_drain(nic, now);
			return n;
		}
		nic->burst_len = n;
		nic->burst_asked = 0;
	}
	if (unlikely(nic->python_filter && !nic->burst_asked))
		return nic->burst_len - nic->burst_pos;
	nic->now = now;
	f = &nic->burst[nic->burst_pos];
	for (n = 0; nic->burst_pos + n < nic->burst_len; n++) {
		bytes += max_u64(f[n].len, ETH_ZLEN);
		if (bytes > nic->fifo.size && (n || nic->fifo.bytes))
			break;
		f[n].t_ns = nic->now;
	}
	nic->burst_pos += n;
	nic_receive(nic, f, n);
	nic_drain(nic, nic->now);
	return n;
}
