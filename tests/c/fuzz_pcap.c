/* fuzz_pcap.c - any bytes as a capture file: every frame that is handed out lies inside the file or in a slot, and reading ends
 *
 * Each byte of each frame is read, so AddressSanitizer sees a pointer that is wrong by one. A frame is completed, and given
 * back, as the card does. Last byte: the MTU that GSO frames are cut to, in 16 bytes; 0: they are not.
 */
#include "path.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void look_at(struct pcap_wire *p, struct frame *f)
{
	require(f->slot ? f->slot <= p->slots.n : f->data >= p->map && f->len <= p->size - (u64)(f->data - p->map),
		"a frame outside the file");
	require(f->wire_len >= f->len, "a frame with a length that cannot be");
	if (f->len >= ETH_HLEN && frame_parse(f))
		sender_complete(&p->wire, f);
}

static u64 read_all(struct pcap_wire *p)
{
	struct frame f[BURST];
	u64 frames = 0;
	u32 sum = 0;
	int n;

	while ((n = wire_next(&p->wire, f, BURST, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			require(f[i].id == ++frames, "a frame with a number that cannot be");
			look_at(p, &f[i]);
			sum = csum_partial(f[i].data, f[i].len, sum);
		}
		for (int i = 0; i < n && p->wire.release; i++)
			p->wire.release(&p->wire, &f[i]);
		require(frames <= p->size, "more frames than bytes");
	}
	require(n == -ENODATA || (n == -EINVAL && p->error_text[0] != 0), "ended early without a word");
	require(p->slots.nfree == p->slots.n && p->slots.n <= BURST, "a slot is missing, or there are too many");
	__asm__ volatile("" : : "r"(sum));
	return frames;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct pcap_wire *p = pcap_wire_new();

	require(p != NULL, "no memory");
	p->wire.capture_mtu = size ? data[size - 1] * 16u : 0;
	if (pcap_wire_open(p, data, size) < 0)
		require(p->error_text[0] != 0, "refused without a word");
	else
		require(read_all(p) - p->gso_segments + p->gso_frames == p->nframe - p->wire.skipped,
			"frames of the file got lost");
	pcap_wire_free(p);
	return 0;
}
