/* inline.h - what is too short to be called: of the card */
#ifndef VNIC_CARD_INLINE_H
#define VNIC_CARD_INLINE_H

/* Find its headers, and fill in what a capture shows as its sender had left it to a card. */
static inline void nic_parse(struct nic *nic, struct frame *f)
{
	if (unlikely(frame_parse(f)))
		sender_complete(nic->wire, f);
}

/* A frame went from the FIFO into the ring. */
static inline void tap_dma(struct nic *nic, const struct frame *f)
{
	if (unlikely(READ_ONCE(nic->host->taps[TAP_NIC]) != NULL))
		packet_taps_frame(nic, TAP_NIC, f, nic->now, -1);
}

#endif
