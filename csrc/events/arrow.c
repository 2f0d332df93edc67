/* arrow.c - rows as an Arrow C stream: batches of columns, with bitmaps of what is there
 *
 *   vnic/events/arrow.py makes a PyCapsule of it -> pandas, polars, pyarrow, duckdb: get_schema(), get_next(), release()
 *
 * The layout is Arrow's C data and C stream interface. A batch has copies of the rows, so it outlives the stream; the words of
 * its columns are shared. The consumer releases what it got in any thread, when it wants to; Python is not asked.
 *
 * A row is 48 or 136 bytes and a column takes 1 to 8 of them. So the copy goes in blocks of rows that stay in the cache while
 * all columns are taken from them.
 */
#include "prelude.h"

#define BLOCK 1024u

static u64 alive;

static void born(void)
{
	__atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
}

static void gone(void)
{
	__atomic_fetch_sub(&alive, 1, __ATOMIC_RELAXED);
}

u64 arrow_alive(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}

/* ---- schema ---- */

static void schema_release(struct arrow_schema *s)
{
	for (int64_t i = 0; i < s->n_children; i++) {
		if (s->children[i]->release)
			s->children[i]->release(s->children[i]);
		free(s->children[i]);
	}
	if (s->dictionary) {
		if (s->dictionary->release)
			s->dictionary->release(s->dictionary);
		free(s->dictionary);
	}
	free(s->children);
	free(s->private_data);
	s->release = NULL;
	gone();
}

/* Fill in a schema with room for @children. Its strings are its own. */
static int schema_fill(struct arrow_schema *s, const char *format, const char *name, u32 children)
{
	char *own = malloc(TABLE_NAME_MAX + 16);

	*s = (struct arrow_schema){ .private_data = own };
	if (children)
		s->children = calloc(children, sizeof(struct arrow_schema *));
	if (!own || (children && !s->children)) {
		free(own);
		free(s->children);
		return ENOMEM;
	}
	strncpy(own, name, TABLE_NAME_MAX - 1);
	own[TABLE_NAME_MAX - 1] = 0;
	strncpy(own + TABLE_NAME_MAX, format, 15);
	own[TABLE_NAME_MAX + 15] = 0;
	s->name = own;
	s->format = own + TABLE_NAME_MAX;
	s->release = schema_release;
	born();
	return 0;
}

#define ARROW_NULLABLE 2

static int schema_of_column(struct arrow_schema *s, const struct table_column *c)
{
	int rc = schema_fill(s, c->format, c->name, 0);

	if (rc)
		return rc;
	s->flags = c->nullable ? ARROW_NULLABLE : 0;
	if (!c->words)
		return 0;
	s->dictionary = calloc(1, sizeof(*s));
	if (s->dictionary)
		rc = schema_fill(s->dictionary, "u", "", 0);
	if (s->dictionary && !rc)
		return 0;
	free(s->dictionary);
	s->dictionary = NULL;
	schema_release(s);
	return ENOMEM;
}

static int schema_add_metadata(struct arrow_schema *s, const struct table *t)
{
	char *own = t->metadata ? realloc(s->private_data, TABLE_NAME_MAX + 16 + t->metadata_len) : NULL;

	if (!t->metadata)
		return 0;
	if (!own)
		return ENOMEM;
	memcpy(own + TABLE_NAME_MAX + 16, t->metadata, t->metadata_len);
	s->private_data = own;
	s->name = own;
	s->format = own + TABLE_NAME_MAX;
	s->metadata = own + TABLE_NAME_MAX + 16;
	return 0;
}

static int schema_of(struct arrow_schema *s, const struct table *t)
{
	int rc = schema_fill(s, "+s", "", t->ncolumns);

	if (rc)
		return rc;
	rc = schema_add_metadata(s, t);
	for (u32 i = 0; i < t->ncolumns && !rc; i++) {
		struct arrow_schema *child = calloc(1, sizeof(*child));

		rc = child ? schema_of_column(child, &t->column[i]) : ENOMEM;
		if (rc)
			free(child);
		else
			s->children[s->n_children++] = child;
	}
	if (rc)
		schema_release(s);
	return rc;
}

/* ---- arrays ---- */

struct array_memory {
	const void *buffers[3];
	void *valid, *values;
	struct shared *words;
};

static void array_release(struct arrow_array *a)
{
	struct array_memory *m = a->private_data;

	for (int64_t i = 0; i < a->n_children; i++) {
		if (a->children[i]->release)
			a->children[i]->release(a->children[i]);
		free(a->children[i]);
	}
	if (a->dictionary) {
		if (a->dictionary->release)
			a->dictionary->release(a->dictionary);
		free(a->dictionary);
	}
	free(a->children);
	free(m->valid);
	free(m->values);
	shared_drop(m->words);
	free(m);
	a->release = NULL;
	gone();
}

static int array_fill(struct arrow_array *a, u64 n, u32 buffers, u32 children)
{
	struct array_memory *m = calloc(1, sizeof(*m));

	*a = (struct arrow_array){ .length = (int64_t)n, .n_buffers = buffers, .private_data = m };
	if (children)
		a->children = calloc(children, sizeof(struct arrow_array *));
	if (!m || (children && !a->children)) {
		free(m);
		free(a->children);
		return ENOMEM;
	}
	a->buffers = m->buffers;
	a->release = array_release;
	born();
	return 0;
}

static void *aligned(u64 bytes)
{
	return aligned_alloc(64, (max_u64(bytes, 1) + 63) / 64 * 64); /* Arrow's advice: whole lines */
}

static int array_of_words(struct arrow_array *a, const struct table_column *c)
{
	int rc = array_fill(a, c->nwords, 3, 0);
	struct array_memory *m = a->private_data;

	if (rc)
		return rc;
	m->words = shared_hold(c->words);
	a->buffers[1] = c->words->at;
	a->buffers[2] = (const u32 *)c->words->at + c->nwords + 1;
	return 0;
}

static int array_of_column(struct arrow_array *a, const struct table_column *c, u64 n)
{
	int rc = array_fill(a, n, 2, 0);
	struct array_memory *m = a->private_data;

	if (rc)
		return rc;
	m->values = aligned(n * c->width);
	m->valid = c->nullable ? aligned((n + 63) / 64 * 8) : NULL;
	a->dictionary = c->words ? calloc(1, sizeof(*a)) : NULL;
	a->buffers[0] = m->valid;
	a->buffers[1] = m->values;
	rc = !m->values || (c->nullable && !m->valid) || (c->words && !a->dictionary) ? ENOMEM : 0;
	if (a->dictionary && (rc || array_of_words(a->dictionary, c))) {
		free(a->dictionary);
		a->dictionary = NULL;
		rc = ENOMEM;
	}
	if (rc)
		array_release(a);
	return rc;
}

/* Copy @n values of a column, and note which are there. @at: row of the batch, a multiple of 64 */
#define TAKE(type)                                                                                                     \
	static void take_##type(const u8 *row, u32 row_size, const struct table_column *c, u64 at, u32 n,              \
				struct arrow_array *a)                                                                 \
	{                                                                                                              \
		struct array_memory *m = a->private_data;                                                              \
		type *to = (type *)m->values + at, null = (type)c->null, first = (type)c->first;                       \
		u64 *valid = m->valid ? (u64 *)m->valid + at / 64 : NULL, bits = 0;                                    \
                                                                                                                       \
		row += c->offset;                                                                                      \
		for (u32 i = 0; i < n; i++, row += row_size) {                                                         \
			type v;                                                                                        \
			bool none;                                                                                     \
                                                                                                                       \
			memcpy(&v, row, sizeof(v));                                                                    \
			none = valid && v == null;                                                                     \
			to[i] = none ? 0 : (type)(v - first);                                                          \
			bits |= (u64)!none << i % 64;                                                                  \
			a->null_count += none;                                                                         \
			if (valid && (i % 64 == 63 || i + 1 == n)) {                                                   \
				*valid++ = bits;                                                                       \
				bits = 0;                                                                              \
			}                                                                                              \
		}                                                                                                      \
	}
TAKE(u8)
TAKE(u16)
TAKE(u32)
TAKE(u64)

static void take(const u8 *row, u32 row_size, const struct table_column *c, u64 at, u32 n, struct arrow_array *a)
{
	(c->width == 8	 ? take_u64
	 : c->width == 4 ? take_u32
	 : c->width == 2 ? take_u16
			 : take_u8)(row, row_size, c, at, n, a);
}

static int batch_of(struct arrow_array *a, const struct table *t, u64 first, u64 n)
{
	int rc = array_fill(a, n, 1, t->ncolumns);

	for (u32 i = 0; i < t->ncolumns && !rc; i++) {
		struct arrow_array *child = calloc(1, sizeof(*child));

		rc = child ? array_of_column(child, &t->column[i], n) : ENOMEM;
		if (!rc) {
			a->children[a->n_children++] = child;
			continue;
		}
		free(child);
		array_release(a);
	}
	for (u64 at = 0; at < n && !rc; at += BLOCK)
		for (u32 i = 0; i < t->ncolumns; i++)
			take((const u8 *)t->at + (first + at) * t->row_size, t->row_size, &t->column[i], at,
			     (u32)min_u64(BLOCK, n - at), a->children[i]);
	return rc;
}

/* ---- the stream ---- */

struct reading {
	struct table *table;
	u64 next;
	const char *error;
};

static int told(struct reading *r, int rc)
{
	r->error = rc ? "no memory" : NULL;
	return rc;
}

static int get_schema(struct arrow_stream *s, struct arrow_schema *to)
{
	struct reading *r = s->private_data;

	return told(r, schema_of(to, r->table));
}

static int get_next(struct arrow_stream *s, struct arrow_array *to)
{
	struct reading *r = s->private_data;
	u64 n = min_u64(r->table->batch, r->table->n - r->next);
	int rc;

	*to = (struct arrow_array){ 0 };
	if (!n) /* the end: nothing to release */
		return told(r, 0);
	rc = batch_of(to, r->table, r->next, n);
	if (!rc)
		r->next += n;
	return told(r, rc);
}

static const char *get_last_error(struct arrow_stream *s)
{
	return ((struct reading *)s->private_data)->error;
}

static void stream_release(struct arrow_stream *s)
{
	struct reading *r = s->private_data;

	table_free(r->table);
	free(r);
	s->release = NULL;
	gone();
}

struct arrow_stream *arrow_stream_new(const struct table *t)
{
	struct arrow_stream *s = malloc(sizeof(*s));
	struct reading *r = calloc(1, sizeof(*r));

	if (r)
		r->table = table_copy(t);
	if (!s || !r || !r->table) {
		if (r)
			table_free(r->table);
		free(r);
		free(s);
		return NULL;
	}
	*s = (struct arrow_stream){ .get_schema = get_schema,
				    .get_next = get_next,
				    .get_last_error = get_last_error,
				    .release = stream_release,
				    .private_data = r };
	born();
	return s;
}

void arrow_stream_free(struct arrow_stream *s)
{
	if (!s)
		return;
	if (s->release)
		s->release(s);
	free(s);
}
