/* table_text.c - rows as text: lines of CSV, or objects of JSON, one a line
 *
 *   vnic/events/written.py -> here, a piece of some megabytes at a time -> a file
 *
 * The words of a column are in the text as they are: Python has put them into quotes. Of CSV, a value that is none is an empty
 * field. What a line takes at most is known before it is written, so the loop has one check of the room.
 */
#include "prelude.h"

static u64 load(const u8 *at, u32 width)
{
	u64 v = 0;

	memcpy(&v, at, width); /* little-endian only */
	return v;
}

static char *put(char *to, const void *text, u64 n)
{
	memcpy(to, text, n);
	return to + n;
}

static char *put_number(char *to, u64 v)
{
	char digits[20];
	u32 n = 0;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
	while (v /= 10);
	return put(to, digits + sizeof(digits) - n, n);
}

static const char *word(const struct table_column *c, u64 number, u64 *len)
{
	const u32 *offset = c->words->at;
	u64 at = number - c->first;

	if (at >= c->nwords) {
		*len = 0;
		return "";
	}
	*len = offset[at + 1] - offset[at];
	return (const char *)(offset + c->nwords + 1) + offset[at];
}

static char *put_value(char *to, const struct table_column *c, const u8 *row, enum table_text form)
{
	u64 v = load(row + c->offset, c->width), len;

	if (c->nullable && v == c->null)
		return form == TEXT_JSON ? put(to, "null", 4) : to;
	if (!c->words)
		return put_number(to, v);
	const char *text = word(c, v, &len);

	return put(to, text, len);
}

/* What stands before each value. */
struct before {
	char text[TABLE_NAME_MAX + 8];
	u32 len;
};

static void before_value(struct before *b, const struct table_column *c, u32 i, enum table_text form)
{
	char *at = b->text;

	if (i || form == TEXT_JSON)
		*at++ = i ? ',' : '{';
	if (form == TEXT_JSON) {
		*at++ = '"';
		at = put(at, c->name, strnlen(c->name, TABLE_NAME_MAX));
		at = put(at, "\":", 2);
	}
	b->len = (u32)(at - b->text);
}

/* Return: the most bytes that a row can take */
static u64 longest(const struct table *t)
{
	u64 sum = 4;

	for (u32 i = 0; i < t->ncolumns; i++) {
		const struct table_column *c = &t->column[i];
		u64 most = 20;

		for (u32 w = 0; c->words && w < c->nwords; w++) {
			const u32 *offset = c->words->at;

			most = max_u64(most, offset[w + 1] - offset[w]);
		}
		sum += TABLE_NAME_MAX + 4 + most;
	}
	return sum;
}

u64 table_text(const struct table *t, enum table_text form, u64 *from, char *to, u64 room)
{
	struct before before[TABLE_COLUMNS_MAX];
	u64 most = longest(t);
	char *at = to;

	for (u32 i = 0; i < t->ncolumns; i++)
		before_value(&before[i], &t->column[i], i, form);
	for (; *from < t->n && (u64)(at - to) + most <= room; ++*from) {
		const u8 *row = (const u8 *)t->at + *from * t->row_size;

		for (u32 i = 0; i < t->ncolumns; i++) {
			at = put(at, before[i].text, before[i].len);
			at = put_value(at, &t->column[i], row, form);
		}
		if (form == TEXT_JSON)
			*at++ = '}';
		*at++ = '\n';
	}
	return (u64)(at - to);
}
