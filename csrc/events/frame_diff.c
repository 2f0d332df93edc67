/* frame_diff.c - two runs of the same frames: whose fate changed, and how the time of each part of the way shifted
 *
 *   rows and spans of both (frame_table.c, frame_spans.c) -> frame_diff() -> vnic/diff
 *
 * The rows of both are in the order of the frames' numbers, so one walk along both meets each pair. A pair of different
 * lengths is no pair: the runs had different input, and the caller says so. A part of the way counts for frames that were
 * there in both runs.
 */
#include "prelude.h"

static u32 fate_of(const struct frame_row *r)
{
	return r->fate < FATE_MAX ? r->fate : FATE_MAX;
}

static bool is_lost(u32 fate)
{
	return fate >= DEV_READY && fate < FATE_MAX;
}

static void compare_spans(struct frame_diff *d, const struct frame_spans *a, const struct frame_spans *b)
{
	u32 both = a->seen & b->seen;

	for (u32 part = 0; part < LAT_MAX; part++) {
		if (!(both >> part & 1))
			continue;
		lat_record(&d->a[part], a->ns[part], 1);
		lat_record(&d->b[part], b->ns[part], 1);
		d->slower[part] += b->ns[part] > a->ns[part];
		d->faster[part] += b->ns[part] < a->ns[part];
	}
}

static void into_bin(struct frame_diff *d, u64 t, bool was_lost, bool is_lost)
{
	struct change_bin *bin;

	if (!d->nbins || t == NEVER || t < d->bins_from)
		return;
	bin = &d->bins[min_u64((t - d->bins_from) / d->bin_ns, d->nbins - 1)];
	bin->worse += !was_lost && is_lost;
	bin->better += was_lost && !is_lost;
	bin->other += was_lost == is_lost;
}

static void changed(struct frame_diff *d, u64 a, u64 b)
{
	if (d->changed < d->changes_max)
		d->changes[d->changed] = (struct frame_change){ a, b };
	d->last = (struct frame_change){ a, b };
	if (!d->changed)
		d->first = d->last;
	d->changed++;
}

static void compare(struct frame_diff *d, const struct frame_table_of *ta, const struct frame_table_of *tb, u64 a,
		    u64 b)
{
	const struct frame_row *ra = &ta->rows[a], *rb = &tb->rows[b];
	u32 was = fate_of(ra), is = fate_of(rb);
	struct flow_change *flow = ra->flow < d->nflows ? &d->flows[ra->flow] : NULL;

	d->both++;
	if (ra->len != rb->len) {
		d->unlike++;
		return;
	}
	if (d->partial && (was == FATE_MAX || is == FATE_MAX)) {
		d->unfinished++;
		return;
	}
	d->matrix[was * (FATE_MAX + 1) + is]++;
	if (flow) {
		flow->frames++;
		flow->changed += was != is;
		flow->lost_a += is_lost(was);
		flow->lost_b += is_lost(is);
	}
	if (was != is) {
		changed(d, a, b);
		into_bin(d, ra->t_wire, is_lost(was), is_lost(is));
	}
	compare_spans(d, &ta->spans[a], &tb->spans[b]);
}

void frame_diff(struct frame_diff *d, const struct frame_table_of *a, const struct frame_table_of *b)
{
	u64 i = 0, k = 0;

	while (i < a->n && k < b->n) {
		if (a->rows[i].id < b->rows[k].id) {
			d->only_a++;
			i++;
		} else if (a->rows[i].id > b->rows[k].id) {
			d->only_b++;
			k++;
		} else {
			compare(d, a, b, i++, k++);
		}
	}
	d->only_a += a->n - i;
	d->only_b += b->n - k;
}
