/* dim.c - dynamic interrupt moderation: choose rx-usecs and rx-frames by the present traffic. Linux: lib/dim
 *
 *   driver.c, when a queue is polled out -> net_dim(): after 64 more interrupts, is the rate better than before?
 *   go on, turn round, or stay -> another profile: irq.c's rx_usecs and rx_frames
 *
 * The walk leads along five profiles, from short delays to long ones. More bytes per millisecond are better; if they
 * are within 10 %, more packets are; then fewer interrupts. A walk that turns round next to a better profile has found
 * the top: it parks there until the rates change. A walk of ten steps without parking rests for as many measurements.
 */
#include "prelude.h"

#define NEVENTS 64u
#define TIRED_MAX (2 * DIM_PROFILES)

/* For a timer that starts at the first completion (EQE). */
static const struct dim_profile profiles[DIM_PROFILES] = {
	{ 1, 256 }, { 8, 256 }, { 64, 256 }, { 128, 256 }, { 256, 256 },
};

const struct dim_profile *dim_profile(const struct dim *d)
{
	return &profiles[d->profile];
}

void dim_init(struct dim *d)
{
	*d = (struct dim){ .profile = 1, .tune = DIM_GOING_RIGHT };
}

/* ---- better or worse? ---- */

enum compare { SAME, BETTER, WORSE };

static bool differs(u32 now, u32 before)
{
	u64 diff = now > before ? now - before : before - now;

	return before && 100 * diff / before > 10;
}

static enum compare compare(const struct dim_stats *now, const struct dim_stats *before)
{
	if (!before->bpms)
		return now->bpms ? BETTER : SAME;
	if (differs(now->bpms, before->bpms))
		return now->bpms > before->bpms ? BETTER : WORSE;
	if (!before->ppms)
		return now->ppms ? BETTER : SAME;
	if (differs(now->ppms, before->ppms))
		return now->ppms > before->ppms ? BETTER : WORSE;
	if (differs(now->epms, before->epms))
		return now->epms < before->epms ? BETTER : WORSE;
	return SAME;
}

static u32 a_millisecond(u64 n, u64 us)
{
	return (u32)min_u64((n * 1000 + us - 1) / us, UINT32_MAX);
}

/* ---- the walk ---- */

/* Return: 1 = one step done, 0 = too tired, -1 = no profile further on */
static int step(struct dim *d)
{
	if (d->tired == TIRED_MAX)
		return 0;
	if (d->tune == DIM_GOING_RIGHT) {
		if (d->profile == DIM_PROFILES - 1)
			return -1;
		d->profile++;
		d->steps_right++;
	} else {
		if (d->profile == 0)
			return -1;
		d->profile--;
		d->steps_left++;
	}
	d->tired++;
	return 1;
}

static void park(struct dim *d, enum dim_tune where)
{
	d->steps_right = d->steps_left = 0;
	if (where == DIM_PARKING_ON_TOP)
		d->tired = 0;
	d->tune = where;
}

static void exit_parking(struct dim *d)
{
	d->tune = d->profile ? DIM_GOING_LEFT : DIM_GOING_RIGHT;
	step(d);
}

static void turn(struct dim *d)
{
	if (d->tune == DIM_GOING_RIGHT) {
		d->tune = DIM_GOING_LEFT;
		d->steps_left = 0;
	} else {
		d->tune = DIM_GOING_RIGHT;
		d->steps_right = 0;
	}
}

/* One step back after several forth: the profile between them is the best. */
static bool on_top(const struct dim *d)
{
	return d->tune == DIM_GOING_RIGHT ? d->steps_left > 1 && d->steps_right == 1
					  : d->steps_right > 1 && d->steps_left == 1;
}

static void walk(struct dim *d, enum compare it_is)
{
	int stepped;

	if (it_is != BETTER)
		turn(d);
	if (on_top(d)) {
		park(d, DIM_PARKING_ON_TOP);
		return;
	}
	stepped = step(d);
	if (stepped < 0)
		park(d, DIM_PARKING_ON_TOP);
	else if (stepped == 0)
		park(d, DIM_PARKING_TIRED);
}

static void decide(struct dim *d, const struct dim_stats *now)
{
	enum dim_tune was = d->tune;
	enum compare it_is = compare(now, &d->before);

	if (was == DIM_PARKING_ON_TOP) {
		if (it_is != SAME)
			exit_parking(d);
	} else if (was == DIM_PARKING_TIRED) {
		if (--d->tired == 0)
			exit_parking(d);
	} else {
		walk(d, it_is);
	}
	if (was != DIM_PARKING_ON_TOP || d->tune != DIM_PARKING_ON_TOP)
		d->before = *now;
}

/* net_dim() - take the counters at now. Return: 1 = the profile has changed, and the next call begins a measurement */
int net_dim(struct dim *d, const struct dim_sample *now)
{
	struct dim_stats stats;
	u8 profile = d->profile;
	u64 us;

	if (!d->measuring) {
		d->start = *now;
		d->measuring = 1;
		return 0;
	}
	us = (now->t_ns - d->start.t_ns) / 1000;
	if ((u16)(now->events - d->start.events) < NEVENTS || !us)
		return 0;
	stats = (struct dim_stats){
		.ppms = a_millisecond((u32)(now->packets - d->start.packets), us),
		.bpms = a_millisecond((u32)(now->bytes - d->start.bytes), us),
		.epms = a_millisecond(NEVENTS, us),
	};
	decide(d, &stats);
	d->log[d->decisions++ % DIM_LOG] =
		(struct dim_decision){ .t_ns = now->t_ns, .stats = stats, .profile = d->profile, .tune = d->tune };
	d->start = *now;
	d->measuring = d->profile == profile;
	return d->profile != profile;
}
