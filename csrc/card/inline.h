/* inline.h - what is too short to be called: of the card */
#ifndef VNIC_CARD_INLINE_H
#define VNIC_CARD_INLINE_H

/* Find its headers, and fill in what a capture shows as its sender had left it to a card. */
static inline void nic_parse(struct nic *nic, struct frame *f)
{
	if (unlikely(frame_parse(f)))
		sender_complete(nic->wire, f);
}

/* Does somebody look on there? */
static inline bool nic_watched(const struct nic *nic, enum packet_point point)
{
	return READ_ONCE(nic->watched) >> point & 1;
}

/* A frame went from the FIFO into the ring. */
static inline void nic_watch_dma(struct nic *nic, const struct frame *f)
{
	if (unlikely(nic_watched(nic, POINT_NIC)))
		nic->watch(nic, POINT_NIC, f, nic->now, -1, 0);
}

#endif
