/* ntuple.c - rules in the card that send a frame to a queue, or drop it (ethtool -N flow-type)
 *
 *   nic_steer.c, a frame for us -> ntuple_lookup(): the first rule that matches, by location -> its queue, or NTUPLE_FILTER
 *   no rule matches: accelerated RFS (arfs.c), then the indirection table (rss.c)
 *
 * A TCAM of NTUPLE_RULES rules: each is a value and a mask over 64 bytes of a frame's fields, searched from the beginning.
 * Without a rule this costs one branch. Rules change only while the machine is stopped. Linux defines the words (struct
 * ethtool_rx_flow_spec) and leaves the rest to the card. A field means what net/ethtool/ioctl.c
 * ethtool_rx_flow_rule_create() makes of it: the EtherType is the one after the tags, the VLAN is the outer tag's.
 */
#include "device.h"

_Static_assert(sizeof(struct ntuple_key) == 64, "eight words are compared");
_Static_assert(NTUPLE_DROP >= NIC_QUEUES_MAX, "NTUPLE_DROP is not a queue");

/* Collect a frame's fields. A missing field is 0; a rule that has a field also requires its presence. */
static void key_of(const struct frame *f, struct ntuple_key *k)
{
	const u8 *ip = f->data + f->l3_off;

	memset(k, 0, sizeof(*k));
	memcpy(k->dst_mac, f->data + ETHH_DEST, ETH_ALEN);
	memcpy(k->src_mac, f->data + ETHH_SOURCE, ETH_ALEN);
	memcpy(k->proto, ip - 2, 2); /* the EtherType right before the IP header */
	if (f->flags & FRAME_TAGGED) {
		k->tagged = 1;
		memcpy(k->vlan_etype, f->data + ETHH_PROTO, 2);
		memcpy(k->vlan_tci, f->data + ETH_HLEN, 2);
	}
	if (!f->l3)
		return;
	k->l3 = f->l3;
	k->l4_proto = f->ip_proto;
	if (f->l3 == 4) {
		k->tos = ip[IPH_TOS];
		memcpy(k->src, ip + IPH_SADDR, 4);
		memcpy(k->dst, ip + IPH_DADDR, 4);
	} else {
		k->tos = (u8)(be16(ip + IPV6H_VERSION) >> 4); /* the traffic class */
		memcpy(k->src, ip + IPV6H_SADDR, 16);
		memcpy(k->dst, ip + IPV6H_DADDR, 16);
	}
	if (f->l4_len >= 4) {
		k->has_l4 = 1;
		memcpy(k->l4, f->data + f->l4_off, 4);
	}
}

static bool matches(const struct ntuple_rule *r, const u64 *word)
{
	u64 wrong = 0;

	for (u32 i = 0; i < 8; i++)
		wrong |= (word[i] ^ r->value[i]) & r->mask[i];
	return !wrong;
}

const struct ntuple_rule *ntuple_lookup(struct ntuple *t, const struct frame *f)
{
	struct ntuple_key key;
	u64 word[8];

	if (!t->count)
		return NULL;
	key_of(f, &key);
	memcpy(word, &key, sizeof(word));
	for (u32 i = 0; i < t->count; i++) {
		struct ntuple_rule *r = &t->rule[i];

		if (!matches(r, word))
			continue;
		COUNT(r->hits, 1);
		return r;
	}
	return NULL;
}

/* Return the index of the rule at this location, or where it would go. */
static u32 place(const struct ntuple *t, u32 location)
{
	u32 i = 0;

	while (i < t->count && t->rule[i].location < location)
		i++;
	return i;
}

int ntuple_insert(struct nic *nic, const struct ntuple_key *value, const struct ntuple_key *mask, u32 type,
		  u32 location, u32 queue)
{
	struct ntuple *t = &nic->rules;
	struct ntuple_rule *r;
	u32 at;

	if (location >= NTUPLE_RULES || (queue != NTUPLE_DROP && queue >= nic->nqueues))
		return -EINVAL;
	if (!t->rule && !(t->rule = calloc(NTUPLE_RULES, sizeof(*t->rule))))
		return -ENOMEM;
	at = place(t, location);
	r = &t->rule[at];
	if (at == t->count || r->location != location) {
		memmove(r + 1, r, (t->count - at) * sizeof(*r));
		WRITE_ONCE(t->count, t->count + 1);
	}
	*r = (struct ntuple_rule){ .type = type, .location = location, .queue = queue };
	memcpy(r->mask, mask, sizeof(r->mask));
	memcpy(r->value, value, sizeof(r->value));
	return 0;
}

int ntuple_delete(struct nic *nic, u32 location)
{
	struct ntuple *t = &nic->rules;
	u32 at = place(t, location);

	if (at == t->count || t->rule[at].location != location)
		return -ENOENT;
	WRITE_ONCE(t->count, t->count - 1);
	memmove(&t->rule[at], &t->rule[at + 1], (t->count - at) * sizeof(*t->rule));
	return 0;
}
