/* fuzz_pcap.c - any bytes as a capture file: every frame that is handed out lies inside the file, and reading ends
 *
 * Each byte of each frame is read, so AddressSanitizer sees a pointer that is wrong by one.
 */
#include "path.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct pcap_wire *p = pcap_wire_new();
	struct frame f[BURST];
	u64 frames = 0;
	u32 sum = 0;
	int n;

	require(p != NULL, "no memory");
	if (pcap_wire_open(p, data, size) < 0) {
		require(p->error_text[0] != 0, "refused without a word");
		pcap_wire_free(p);
		return 0;
	}
	while ((n = wire_next(&p->wire, f, BURST, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			require(f[i].data >= data && f[i].len <= size - (size_t)(f[i].data - data),
				"a frame outside the file");
			require(f[i].wire_len >= f[i].len && f[i].id == ++frames,
				"a frame with a length or number that cannot be");
			sum = csum_partial(f[i].data, f[i].len, sum);
		}
		require(frames <= size, "more frames than bytes");
	}
	require(n == -ENODATA || (n == -EINVAL && p->error_text[0] != 0), "ended early without a word");
	__asm__ volatile("" : : "r"(sum));
	pcap_wire_free(p);
	return 0;
}
