/* filter.c - is this frame for us? The address filter of a NIC, before anything is stored
 *
 * These pass: unicast to our address or to one of the further unicast list; broadcast; multicast in its list, or any with
 * allmulti; everything with promisc. Then the VLAN ids, if rx-vlan-filter is on (untagged frames and priority tags pass).
 * A miss is counted (filtered), but is no error: the host did not ask for that frame.
 */
#include "device.h"

static bool is_listed(const u8 (*list)[ETH_ALEN], u32 n, const u8 *addr)
{
	for (u32 i = 0; i < n; i++)
		if (memcmp(list[i], addr, ETH_ALEN) == 0)
			return true;
	return false;
}

/* Groups are joined and left while the card runs. */
static bool is_joined(const struct mac_filter *mf, const u8 *dst)
{
	bool passes;
	u32 seq;

	do {
		seq = seq_read_begin(&mf->mc_seq);
		passes = mf->mc_overflow || is_listed(mf->mc, mf->nmc, dst);
	} while (seq_read_again(&mf->mc_seq, seq));
	return passes;
}

static bool mac_passes(const struct mac_filter *mf, const u8 *dst)
{
	static const u8 broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (mf->promisc)
		return true;
	if (!(dst[0] & 1))
		return mf->any || memcmp(dst, mf->addr, ETH_ALEN) == 0 || is_listed(mf->uc, mf->nuc, dst);
	return mf->allmulti || memcmp(dst, broadcast, ETH_ALEN) == 0 || is_joined(mf, dst);
}

int filter_frame(const struct mac_filter *mf, const struct frame *f)
{
	u32 vid = f->vlan_tci & VLAN_VID_MASK;

	if (unlikely(!mac_passes(mf, f->data + ETHH_DEST)))
		return MAC_FILTER;
	if (unlikely(mf->vlan_filter) && !mf->promisc && f->flags & FRAME_TAGGED && vid != 0 &&
	    !(mf->vlans[vid / 32] >> (vid % 32) & 1))
		return VLAN_FILTER;
	return -1;
}
