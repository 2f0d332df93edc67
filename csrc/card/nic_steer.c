/* nic_steer.c - filters that override the indirection table. nic_receive.c calls it if there is any
 *
 *   a rule of the user (ntuple.c): its queue, or drop -> else a filter of the driver (arfs.c) -> else RSS's choice stays
 */
#include "device.h"

/* Return: a queue; NTUPLE_DROP; -1: no rule and no filter matches */
static int steer_one(struct nic *nic, const struct frame *f)
{
	const struct ntuple_rule *rule = ntuple_lookup(&nic->rules, f);
	int queue = -1;

	if (rule)
		return (int)rule->queue;
	if (READ_ONCE(nic->arfs.count)) {
		lock_if(nic->live, &nic->arfs.lock);
		queue = arfs_lookup(&nic->arfs, f);
		unlock_if(nic->live, &nic->arfs.lock);
	}
	return queue;
}

u32 nic_steer(struct nic *nic, struct frame *f, u32 n)
{
	u32 good = 0;

	for (u32 i = 0; i < n; i++) {
		int queue = steer_one(nic, &f[i]);

		if (queue == NTUPLE_DROP) {
			nic_fate(nic, &f[i], NTUPLE_FILTER);
			continue;
		}
		if (queue >= 0 && nic->queue[queue].vq.desc) /* a foreign driver has stopped that ring */
			f[i].queue = (u16)queue;
		f[good++] = f[i];
	}
	return good;
}
