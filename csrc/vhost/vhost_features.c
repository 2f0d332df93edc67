/* vhost_features.c - the features that a foreign driver has chosen, and what follows from them
 *
 *   SET_FEATURES -> vhost_set_features(): the length of the virtio header, and which GSO frames the wire leaves whole
 */
#include "device.h"

/* Which GSO frames the driver takes uncut: wire.gso_whole. They need several buffers, and hold partial checksums. */
static u8 gso_whole(u64 features)
{
	static const struct {
		u8 feature, type;
	} kinds[] = { { VIRTIO_NET_F_GUEST_TSO4, 1 << VIRTIO_NET_HDR_GSO_TCPV4 },
		      { VIRTIO_NET_F_GUEST_TSO6, 1 << VIRTIO_NET_HDR_GSO_TCPV6 },
		      { VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_HDR_GSO_ECN } };
	const u64 need = 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_GUEST_CSUM;
	const u64 uso = 1ull << VIRTIO_NET_F_GUEST_USO4 | 1ull << VIRTIO_NET_F_GUEST_USO6;
	u8 types = (features & uso) == uso ? 1 << VIRTIO_NET_HDR_GSO_UDP_L4
					   : 0; /* a header does not say which IP it is */

	if ((features & need) != need)
		return 0;
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
		if (features >> kinds[i].feature & 1)
			types |= kinds[i].type;
	return types;
}

int vhost_set_features(struct vhost *v, u64 features)
{
	struct nic *nic = v->nic;

	if (features & ~nic->offers || !(features >> VIRTIO_F_VERSION_1 & 1))
		return -EINVAL;
	for (u32 i = 0; i < 2 * v->pairs; i++)
		if (v->ring[i].started && features != v->features)
			return -EBUSY;
	v->features = nic->features = features;
	nic->wire->gso_whole = gso_whole(features);
	nic->hdr_len = features >> VIRTIO_NET_F_HASH_REPORT & 1 ? HDR_HASH : HDR_SHORT;
	return 0;
}
