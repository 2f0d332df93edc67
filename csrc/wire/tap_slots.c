/* tap_slots.c - the memory of a TAP's frames: its owner, and how it returns
 *
 *   tap.c reads into the next free slot -> fifo.c -> dma.c, or another fate -> tap_release(): free
 *   tap_vnet.c reads a virtio header and its frame into one of TAP_AHEAD "bigs"; segments refer to it until they are released
 *
 * The thread that reads allocates slots and references. While the card is lent (nic_lend.c), the borrowing CPU releases
 * frames at the same time: they wait in back[] and big_back[] until tap_take_back(). So no lock is needed here, and a
 * released frame is not overwritten while a packet tap may still look at it.
 */
#include "device.h"

void tap_put_big(struct tap_wire *t, const struct frame *f)
{
	u32 i = f->gso ? f->gso - 1u : f->rest / TAP_BIG;

	if (t->wire.lent)
		t->big_back[i]++;
	else
		t->big_refs[i]--;
}

void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	if (t->wire.lent)
		t->back[t->nback++] = f->slot;
	else
		t->free[t->nfree++] = f->slot;
	if (f->head || f->gso)
		tap_put_big(t, f);
}

void tap_take_back(struct wire *wire)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	memcpy(&t->free[t->nfree], t->back, t->nback * sizeof(*t->back));
	t->nfree += t->nback;
	t->nback = 0;
	for (u32 i = 0; t->bigs && i < TAP_AHEAD; i++) {
		t->big_refs[i] -= t->big_back[i];
		t->big_back[i] = 0;
	}
}

u8 *tap_nth_slot(const struct tap_wire *t, u32 n)
{
	return t->slots + (u64)t->free[t->nfree - 1 - n] * t->slot_size;
}

void tap_fill(struct tap_wire *t, struct frame *f, u32 slot, u32 len)
{
	f->data = t->slots + (u64)slot * t->slot_size;
	f->slot = slot;
	f->len = f->wire_len = len;
	f->flags = 0;
	f->head = f->gso = 0;
}

void tap_fill_next(struct tap_wire *t, struct frame *f, u32 len)
{
	tap_fill(t, f, t->free[--t->nfree], len);
}

u32 tap_bigs_free(const struct tap_wire *t)
{
	u32 n = 0;

	for (u32 i = 0; i < TAP_AHEAD; i++)
		n += !t->big_refs[i];
	return n;
}

/* ---- how many, and how long ---- */

u32 tap_nslots(u32 fifo_bytes)
{
	return fifo_bytes / ETH_ZLEN + 2 + (WIRE_AHEAD + 2) * BURST;
}

u32 tap_slot_size(u32 mtu)
{
	return align_up(mtu + 128, 64);
}

struct slots {
	u8 *at;
	u32 size, n, *free, *back;
};

static bool slots_alloc(struct slots *s)
{
	s->at = malloc((u64)s->size * s->n);
	s->free = malloc(s->n * sizeof(*s->free));
	s->back = malloc(s->n * sizeof(*s->back));
	if (s->at && s->free && s->back)
		return true;
	free(s->at);
	free(s->free);
	free(s->back);
	return false;
}

/* Copy a frame to its slot's new place. */
static void move_frame(const struct tap_wire *t, const struct slots *s, struct frame *f)
{
	const u8 *old = t->slots + (u64)f->slot * t->slot_size;
	u8 *slot = s->at + (u64)f->slot * s->size;

	if (f->gso) /* its bytes are in a read buffer */
		return;
	memcpy(slot, old, t->slot_size);
	f->data = slot + (f->data - old);
}

/* Replace the wire's slots. Free ones stay free; new ones lie below them in the stack, so they are used last. */
static void use_slots(struct tap_wire *t, const struct slots *s)
{
	u32 more = s->n - t->nslots;

	for (u32 i = 0; i < more; i++)
		s->free[i] = s->n - 1 - i;
	for (u32 i = 0; i < t->nfree; i++)
		s->free[more + i] = t->free[i];
	free(t->slots);
	free(t->free);
	free(t->back);
	t->slots = s->at;
	t->free = s->free;
	t->back = s->back;
	t->nfree += more;
	t->nslots = s->n;
	t->slot_size = s->size;
}

int tap_slots_init(struct tap_wire *t, u32 slot_size, u32 nslots)
{
	struct slots s = { .size = align_up(slot_size, 64), .n = nslots };

	if (!slots_alloc(&s))
		return 0;
	use_slots(t, &s);
	return 1;
}

int tap_slots_fit(struct wire *wire, u32 fifo_bytes, u32 mtu)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);
	struct frame *f;
	struct slots s;

	s.n = max_u32(t->nslots, tap_nslots(fifo_bytes));
	s.size = max_u32(t->slot_size, tap_slot_size(mtu));
	if (s.n == t->nslots && s.size == t->slot_size)
		return 0;
	if (!slots_alloc(&s))
		return -ENOMEM;
	for (u32 i = 0; wire->held && (f = wire->held(wire->card, i)); i++)
		move_frame(t, &s, f);
	use_slots(t, &s);
	if (t->uring && !t->bigs) { /* it reads into registered buffers: register the new ones */
		tap_uring_free(t->uring);
		t->uring = tap_uring_new(t->slots, (u64)t->slot_size * t->nslots);
	}
	return 0;
}
