/* ftrace.c - a run as the text of the kernel's tracer
 *
 *   trace_source.c -> ftrace_write(): trace_points.c puts begins and ends in order -> ftrace_lines.c -> trace_out.c
 *
 * The header has the number of lines, so there are two passes: one counts (fd -1), one writes.
 */
#include "prelude.h"

enum what { AT_BEGIN, AT_END };

static void write_until(struct ftrace *f, u64 t)
{
	struct trace_point point;

	while (!f->error && !f->out.error && trace_pop(&f->points, t, &point)) {
		const struct event_record *e = &f->s->e[point.at];

		if (point.what == AT_END) {
			ftrace_end(f, point.at, e);
			continue;
		}
		ftrace_begin(f, point.at, e);
		if (e->dur_ns)
			f->error = trace_push_end(&f->points, e->t_ns + e->dur_ns, AT_END, point.at);
		else
			ftrace_end(f, point.at, e);
	}
}

int ftrace_write(struct ftrace *f, u64 records)
{
	u64 end = f->at + min_u64(records, f->s->n - f->at);

	for (; f->at < end && !f->error && !f->out.error; f->at++) {
		const struct event_record *e = &f->s->e[f->at];

		write_until(f, e->t_ns);
		if (e->cpu < f->s->ncpus && !f->error)
			f->error = trace_push_begin(&f->points, e->t_ns, e->dur_ns, trace_rank(e), AT_BEGIN, f->at);
	}
	if (f->at == f->s->n)
		write_until(f, NEVER);
	if (f->out.fd >= 0 && (f->at == f->s->n || f->error))
		trace_flush(&f->out);
	if (f->error || f->out.error)
		return f->error ? f->error : -f->out.error;
	return f->at < f->s->n;
}

void ftrace_free(struct ftrace *f)
{
	if (!f)
		return;
	trace_points_free(&f->points);
	free(f->cpu);
	trace_out_free(&f->out);
	free(f);
}

struct ftrace *ftrace_new(const struct trace_source *s, int fd)
{
	struct ftrace *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->s = s;
	f->cpu = calloc(CPUS_MAX, sizeof(*f->cpu));
	if (trace_out_init(&f->out, fd) < 0 || !f->cpu) {
		ftrace_free(f);
		return NULL;
	}
	return f;
}
