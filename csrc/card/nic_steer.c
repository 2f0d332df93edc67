/* nic_steer.c - whose queue a frame is before the indirection table is asked. Called by nic_receive.c when there is a filter at all
 *
 *   a rule by hand (ntuple.c), its queue or away with it -> a filter of the driver's (arfs.c) -> what RSS chose stays
 */
#include "device.h"

/* Return: a queue, NTUPLE_DROP, or -1: nobody says so */
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

/* nic_steer() - a burst that RSS has been through. Return: how many frames are left, at the front */
u32 nic_steer(struct nic *nic, struct frame *f, u32 n)
{
	u32 good = 0;

	for (u32 i = 0; i < n; i++) {
		int queue = steer_one(nic, &f[i]);

		if (queue == NTUPLE_DROP) {
			nic_fate(nic, &f[i], NTUPLE_FILTER);
			continue;
		}
		if (queue >= 0)
			f[i].queue = (u16)queue;
		f[good++] = f[i];
	}
	return good;
}
