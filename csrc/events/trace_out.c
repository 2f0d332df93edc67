/* trace_out.c - bytes to a file that is open already, through a buffer
 *
 *   pftrace.c, ftrace.c -> here -> write()
 *
 * The first error stays, and what comes after it is thrown away: the caller looks once, at the end of a call.
 */
#include "prelude.h"

#include <unistd.h>

#define OUT_BYTES (1u << 18)

_Static_assert(OUT_BYTES >= 2 * TRACE_ROOM, "one piece fits, and mostly more than one");

int trace_out_init(struct trace_out *o, int fd)
{
	*o = (struct trace_out){ .fd = fd, .buf = malloc(OUT_BYTES) };
	return o->buf ? 0 : -ENOMEM;
}

void trace_flush(struct trace_out *o)
{
	for (u32 done = 0; done < o->used && !o->error;) {
		ssize_t n = write(o->fd, o->buf + done, o->used - done);

		if (n < 0 && errno != EINTR)
			o->error = errno;
		done += n > 0 ? (u32)n : 0;
	}
	o->used = 0;
}

u8 *trace_room(struct trace_out *o)
{
	if (o->used > OUT_BYTES - TRACE_ROOM)
		trace_flush(o);
	return o->buf + o->used;
}

void trace_took(struct trace_out *o, u32 bytes)
{
	o->used += bytes;
	o->bytes += bytes;
}

void trace_out_free(struct trace_out *o)
{
	free(o->buf);
	o->buf = NULL;
}
