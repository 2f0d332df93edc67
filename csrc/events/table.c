/* table.c - what the columns of rows are to others: name, type, which value is none, words for numbers
 *
 *   vnic/events/columns.py describes them -> here -> table_text.c, arrow.c
 */
#include "prelude.h"

struct table *table_copy(const struct table *t)
{
	struct table *copy = malloc(sizeof(*copy));
	char *metadata = malloc(max_u32(t->metadata_len, 1));

	if (!copy || !metadata) {
		free(copy);
		free(metadata);
		return NULL;
	}
	*copy = *t;
	copy->metadata = t->metadata ? memcpy(metadata, t->metadata, t->metadata_len) : NULL;
	if (!t->metadata)
		free(metadata);
	shared_hold(copy->rows);
	for (u32 i = 0; i < copy->ncolumns; i++)
		if (copy->column[i].words)
			shared_hold(copy->column[i].words);
	return copy;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	shared_drop(t->rows);
	for (u32 i = 0; i < t->ncolumns; i++)
		shared_drop(t->column[i].words);
	free((void *)t->metadata);
	free(t);
}
