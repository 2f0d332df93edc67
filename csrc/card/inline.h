/* inline.h - steps of the card, too short for a call */
#ifndef VNIC_CARD_INLINE_H
#define VNIC_CARD_INLINE_H

/* Find the frame's headers, and complete those that its sender left to a card. */
static inline void nic_parse(struct nic *nic, struct frame *f)
{
	if (unlikely(frame_parse(f)))
		sender_complete(nic->wire, f);
}

/* Is there a tap at this point? */
static inline bool nic_watched(const struct nic *nic, enum packet_point point)
{
	return READ_ONCE(nic->watched) >> point & 1;
}

/* Show a tap the frame that went from the FIFO to the ring. */
static inline void nic_watch_dma(struct nic *nic, const struct frame *f)
{
	if (unlikely(nic_watched(nic, POINT_NIC)))
		nic->watch(nic, POINT_NIC, f, nic->now, -1, 0);
}

#endif
