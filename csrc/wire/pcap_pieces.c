/* pcap_pieces.c - the bytes of a capture file, read piece by piece into memory of their own
 *
 *   pcap.c, pcapng_read.c -> pcap_bytes(): in the current piece? else pcap_next_piece(): pread() from there on
 *
 * The file is not mapped: a process dies of SIGBUS if another one shortens a file that it has mapped. A read only says that
 * the file has ended. It costs one copy, sequential and into memory that is already there, in place of a page fault.
 *
 * A piece begins where the reader stands, so no record straddles two pieces, and frames point into their piece. A piece is
 * filled anew when the card has given back its last frame. Frames leave the card in the order of arrival, so the oldest one that
 * the card still holds (wire.held) decides. If the card holds a few frames for long while others pass, they move to slots
 * (pcap_own()): a stalled driver does not keep the file in memory.
 */
#include "device.h"

#include <stdio.h>
#include <unistd.h>

#define PIECES 4 /* more only if a single burst reaches further */

/* Return the number of the oldest frame that is in use: at the card, or read in this burst. */
static u64 oldest_in_use(const struct pcap_wire *p)
{
	const struct frame *f = p->wire.held ? p->wire.held(p->wire.card, 0) : NULL;

	return f ? f->id : p->before_burst + 1;
}

static struct pcap_piece *another_piece(struct pcap_wire *p)
{
	struct pcap_piece *more = realloc(p->pieces, (p->npieces + 1) * sizeof(*more));

	if (!more)
		return NULL;
	p->pieces = more;
	more[p->npieces] = (struct pcap_piece){ 0 };
	return &more[p->npieces++];
}

/* Move the frames that the card holds in the piece left longest ago. Return: that piece; NULL: no memory, or it is in use */
static struct pcap_piece *vacate_piece(struct pcap_wire *p)
{
	struct pcap_piece *oldest = p->pieces;
	struct frame *f;

	for (u32 i = 1; i < p->npieces; i++)
		if (p->pieces[i].last_frame < oldest->last_frame)
			oldest = &p->pieces[i];
	if (oldest->last_frame > p->before_burst)
		return NULL;
	for (u32 i = 0; (f = p->wire.held(p->wire.card, i)) && f->id <= oldest->last_frame; i++)
		if (!pcap_own(&p->wire, f))
			return NULL;
	return oldest;
}

/* Return a piece that no frame in use lies in, with room for len bytes; NULL: no memory */
static struct pcap_piece *free_piece(struct pcap_wire *p, u64 len)
{
	u64 oldest = oldest_in_use(p);
	struct pcap_piece *piece = NULL;

	for (u32 i = 0; i < p->npieces && !piece; i++)
		if (p->pieces[i].last_frame < oldest)
			piece = &p->pieces[i];
	if (!piece && p->npieces >= PIECES)
		piece = vacate_piece(p);
	if (!piece && !(piece = another_piece(p)))
		return NULL;
	if (piece->room < len) {
		free(piece->data);
		piece->data = malloc(len);
		piece->room = piece->data ? len : 0;
	}
	return piece->data ? piece : NULL;
}

/* Read up to room bytes at this offset. Return: how many; or -errno */
static long long read_at(int fd, u8 *to, u64 room, u64 at)
{
	u64 have = 0;

	while (have < room) {
		ssize_t got = pread(fd, to + have, room - have, (off_t)(at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (u64)got;
	}
	return (long long)have;
}

/* The reader leaves its piece: the last frame handed out so far is the last one in there. */
static void leave_piece(struct pcap_wire *p)
{
	if (p->piece)
		p->pieces[p->piece - 1].last_frame = p->handed;
	p->piece = 0;
	p->piece_len = 0;
}

const u8 *pcap_next_piece(struct pcap_wire *p, u64 at, u32 len)
{
	u64 room = max_u64(len, p->piece_bytes);
	struct pcap_piece *piece;
	long long have;

	leave_piece(p);
	piece = free_piece(p, room);
	if (!piece) {
		pcap_fail(p, "no memory for %llu bytes of the file", (unsigned long long)room);
		return NULL;
	}
	have = read_at(p->fd, piece->data, min_u64(room, p->size - at), at);
	if (have < 0) {
		pcap_fail(p, "cannot be read behind frame %llu: %s", (unsigned long long)p->nframe,
			  strerror((int)-have));
		return NULL;
	}
	if ((u64)have < len) {
		pcap_fail(p, "shrank while it was read: it ends behind frame %llu", (unsigned long long)p->nframe);
		return NULL;
	}
	p->piece = (u32)(piece - p->pieces) + 1;
	p->piece_data = piece->data;
	p->piece_at = at;
	p->piece_len = (u64)have;
	return piece->data;
}

void pcap_pieces_of(struct pcap_wire *p, int fd, const u8 *memory)
{
	leave_piece(p);
	if (p->fd >= 0 && p->fd != fd)
		close(p->fd);
	p->fd = fd;
	p->piece_at = 0;
	p->piece_data = memory;
	p->piece_len = memory ? p->size : 0;
}

void pcap_pieces_free(struct pcap_wire *p)
{
	pcap_pieces_of(p, -1, NULL);
	for (u32 i = 0; i < p->npieces; i++)
		free(p->pieces[i].data);
	free(p->pieces);
}
