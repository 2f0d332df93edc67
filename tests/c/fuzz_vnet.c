/* fuzz_vnet.c - any virtio header in front of any frame: what is cut fits its slot, and comes to an end
 *
 * Input: 12 bytes of header, then a frame, as one read of a TAP brings them.
 */
#include "path.h"

#define SLOT 1664u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u32 head = sizeof(struct virtio_net_hdr_v1);
	struct tap_wire t = { .slot_size = SLOT };
	u8 *slot = malloc(SLOT); /* exactly so much: AddressSanitizer sees a byte more */
	u64 payload = 0;
	u32 len, n = 0;

	if (size <= head || size > head + TX_FRAME_MAX) {
		free(slot);
		return 0;
	}
	t.big = malloc(size);
	require(slot && t.big, "no memory");
	memcpy(t.big, data, size);
	if (tap_vnet_begin(&t, (const void *)t.big, t.big + head, (u32)size - head) == 1) {
		while ((len = tap_vnet_next(&t, slot)) > 0) {
			require(len <= SLOT, "a segment is longer than its slot");
			payload += len - t.gso.head;
			n++;
		}
		require(n == t.gso_segments && payload == size - head - t.gso.head, "a byte got lost");
	}
	free(t.big);
	free(slot);
	return 0;
}
