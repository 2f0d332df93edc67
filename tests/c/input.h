/* input.h - a fuzzer's input, taken byte by byte: behind its end are zeros */
#ifndef VNIC_TESTS_INPUT_H
#define VNIC_TESTS_INPUT_H

#include "prelude.h"

struct input {
	const u8 *at, *end;
};

static inline u64 take(struct input *in, u32 bytes)
{
	u64 v = 0;

	for (u32 i = 0; i < bytes; i++)
		v |= (in->at < in->end ? (u64)*in->at++ : 0) << 8 * i;
	return v;
}

#endif
