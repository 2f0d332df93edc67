/* mcast.c - IPv6 groups. RFC 4291 section 2.7.1; Linux: net/ipv6/mcast.c
 *
 *   ipv6_rcv() -> ipv6_chk_mcast_addr(): is the packet's group one of ours?
 */
#include "prelude.h"

#define SOLICITED_NODE 0x1ff000000ull /* ff02::1:ff00:0, the address's last 24 bits in the last ones */

int ipv6_chk_mcast_addr(const struct host *h, const struct inet_addr *group)
{
	if (group->hi != 0xff02ull << 48 && group->hi != 0xff01ull << 48)
		return false;
	if (group->lo == 1) /* all nodes */
		return true;
	for (u32 i = 0; i < h->nips; i++)
		if (!inet_addr_is4(&h->ip[i].addr) && group->hi == 0xff02ull << 48 &&
		    group->lo == (SOLICITED_NODE | (h->ip[i].addr.lo & 0xffffff)))
			return true;
	return false;
}
