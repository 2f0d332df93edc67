/* tap_slots.c - the memory of a TAP's frames: who has it, and how it comes back
 *
 *   tap.c reads into the next free slot -> fifo.c -> dma.c, or another fate -> tap_release(): free
 *   tap_vnet.c: what was read with a virtio header lies in one of TAP_AHEAD "bigs"; a segment may refer to it until it is released
 *
 * Slots and references are given out by the thread that reads. While the card is lent (nic_lend.c) somebody else releases
 * frames at the same time: what he gives back waits in back[] and big_back[] until tap_take_back(), so that nothing here
 * needs a lock, and what was released is not written over while a packet tap may still look at it.
 */
#include "prelude.h"

/* tap_put_big() - this segment's reference to what it was cut from */
void tap_put_big(struct tap_wire *t, const struct frame *f)
{
	u32 i = f->rest / TAP_BIG;

	if (t->wire.lent)
		t->big_back[i]++;
	else
		t->big_refs[i]--;
}

/* tap_release() - a frame has left the card */
void tap_release(struct wire *wire, const struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	if (t->wire.lent)
		t->back[t->nback++] = f->slot;
	else
		t->free[t->nfree++] = f->slot;
	if (f->head)
		tap_put_big(t, f);
}

/* tap_take_back() - the card is not lent any more */
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

/* tap_nth_slot() - the one that is used next but n */
u8 *tap_nth_slot(const struct tap_wire *t, u32 n)
{
	return t->slots + (u64)t->free[t->nfree - 1 - n] * t->slot_size;
}

/* tap_fill() - f is a frame of len bytes in this slot */
void tap_fill(struct tap_wire *t, struct frame *f, u32 slot, u32 len)
{
	f->data = t->slots + (u64)slot * t->slot_size;
	f->slot = slot;
	f->len = f->wire_len = len;
	f->flags = 0;
	f->head = 0;
}

/* tap_fill_next() - the same in the next slot */
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
