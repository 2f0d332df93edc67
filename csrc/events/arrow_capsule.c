/* arrow_capsule.c - what the interpreter calls when the capsule of a stream is gone
 *
 *   vnic/events/arrow.py: PyCapsule_New(stream, name, arrow_capsule_drop) -> a consumer, or none -> here
 *
 * A function of Python's could be gone before the capsule, at the end of the interpreter. C has no Python.h here, so
 * the function that looks into a capsule comes as a pointer.
 */
#include "prelude.h"

static void *(*capsule_pointer)(void *capsule, const char *name);

const char *arrow_capsule_name(void)
{
	return "arrow_array_stream";
}

void arrow_capsule_by(void *(*pointer)(void *capsule, const char *name))
{
	capsule_pointer = pointer;
}

void arrow_capsule_drop(void *capsule)
{
	arrow_stream_free(capsule_pointer(capsule, arrow_capsule_name()));
}
