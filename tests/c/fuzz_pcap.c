/* fuzz_pcap.c - any bytes as a capture file: every frame that is handed out lies inside the file or in a slot, and reading ends
 *
 * Each byte of each frame is read, so AddressSanitizer sees a pointer that is wrong by one. A frame is completed, and given
 * back, as the card does. The bytes are read where they are, and once more from a file in pieces, the shortest ones that can
 * be: both readings give the same. Last byte: the MTU that GSO frames are cut to, in 16 bytes; 0: they are not.
 */
#include "path.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct reading {
	u64 frames, stamps;
	u32 sum;
	char error_text[160];
};

static bool is_inside(const struct pcap_wire *p, const struct frame *f)
{
	u32 i = 0;

	if (f->slot)
		return f->slot <= p->slots.n;
	if (p->fd < 0)
		return f->data >= p->piece_data && f->len <= p->size - (u64)(f->data - p->piece_data);
	while (i < p->npieces &&
	       (f->data < p->pieces[i].data || f->data + f->len > p->pieces[i].data + p->pieces[i].room))
		i++;
	return i < p->npieces;
}

static void look_at(struct pcap_wire *p, struct frame *f)
{
	require(is_inside(p, f), "a frame outside the file");
	require(f->wire_len >= f->len, "a frame with a length that cannot be");
	if (f->len >= ETH_HLEN && frame_parse(f))
		sender_complete(&p->wire, f);
}

static void read_all(struct pcap_wire *p, struct reading *r)
{
	struct frame f[BURST];
	int n;

	while ((n = wire_next(&p->wire, f, BURST, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			require(f[i].id == ++r->frames, "a frame with a number that cannot be");
			look_at(p, &f[i]);
			r->sum = csum_partial(f[i].data, f[i].len, r->sum);
			r->stamps += f[i].t_ns * r->frames;
		}
		for (int i = 0; i < n && p->wire.release; i++)
			p->wire.release(&p->wire, &f[i]);
		require(r->frames <= p->size, "more frames than bytes");
	}
	require(n == -ENODATA || (n == -EINVAL && p->error_text[0] != 0), "ended early without a word");
	require(p->slots.nfree == p->slots.n && p->slots.n <= 2 * BURST, "a slot is missing, or there are too many");
	require(r->frames - p->gso_segments + p->gso_frames == p->nframe, "frames of the file got lost");
}

static struct reading read_file(const u8 *data, size_t size, int fd)
{
	struct pcap_wire *p = pcap_wire_new();
	struct reading r = { 0 };

	require(p != NULL, "no memory");
	p->wire.capture_mtu = size ? data[size - 1] * 16u : 0;
	p->piece_bytes = 1;
	if ((fd < 0 ? pcap_wire_open_memory(p, data, size) : pcap_wire_open(p, fd, size)) < 0)
		require(p->error_text[0] != 0, "refused without a word");
	else
		read_all(p, &r);
	memcpy(r.error_text, p->error_text, sizeof(r.error_text));
	pcap_wire_free(p);
	return r;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct reading memory, file;

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file");
	memory = read_file(data, size, -1);
	file = read_file(data, size, fd);
	require(memory.frames == file.frames && memory.sum == file.sum && memory.stamps == file.stamps &&
			strcmp(memory.error_text, file.error_text) == 0,
		"a file and its bytes in memory are read differently");
	return 0;
}
