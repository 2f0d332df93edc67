/* formats.h - what is where in a header, and what its numbers mean, in the standards' words */
#ifndef VNIC_LIB_FORMATS_H
#define VNIC_LIB_FORMATS_H

/* An EtherType of VLAN tags (802.1Q, 802.1ad), network byte order. */
static inline bool is_vlan(u16 protocol)
{
	return protocol == 0x0081 || protocol == 0xa888;
}

#endif
