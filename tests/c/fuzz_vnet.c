/* fuzz_vnet.c - any virtio header in front of any frame: what is cut fits its slot, and comes to an end
 *
 * Input: 12 bytes of header, then a frame, as one read of a TAP brings them.
 */
#include "path.h"

#define SLOT 1664u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The next segment with its payload left behind, and brought together later, is the same; and so does the parser see it. */
static void same_in_two_parts(struct tap_wire *t, const u8 *segment, u32 len)
{
	u8 *slot = malloc(SLOT), *to = malloc(len);
	struct frame f = { .data = slot, .len = len, .wire_len = len }, parsed = f;

	require(slot && to, "no memory");
	require(tap_vnet_head(t, slot, &f) == len, "the segments differ in length");
	tap_vnet_gather(&t->wire, &f, to);
	require(!memcmp(to, segment, len), "the segments differ");
	parsed.data = segment;
	frame_parse(&parsed);
	require(parsed.flags & FRAME_L4 && parsed.l3 == f.l3 && parsed.l3_off == f.l3_off &&
			parsed.l4_off == f.l4_off && parsed.l4_len == f.l4_len && parsed.ip_proto == f.ip_proto,
		"the parser sees something else");
	t->big_refs[0]--;
	free(slot);
	free(to);
}

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
	t.bigs = t.big;
	t.wire.rests = t.bigs;
	if (tap_vnet_begin(&t, (const void *)t.big, t.big + head, (u32)size - head) == 1) {
		struct tap_wire heads = t;

		while ((len = tap_vnet_next(&t, slot)) > 0) {
			require(len <= SLOT, "a segment is longer than its slot");
			payload += len - t.gso.head;
			n++;
			if (t.gso.plain)
				same_in_two_parts(&heads, slot, len);
		}
		require(n == t.gso_segments && payload == size - head - t.gso.head, "a byte got lost");
	}
	free(t.big);
	free(slot);
	return 0;
}
