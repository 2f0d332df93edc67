/* prelude.h - every .c of the host's rooms includes this first: system headers, the map, inline functions */
#ifndef VNIC_PRELUDE_H
#define VNIC_PRELUDE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/compiler.h"

#include "vnic.h"

#include "lib/bytes.h"
#include "lib/sum64.h"
#include "lib/formats.h"
#include "lib/flow_key.h"
#include "lib/spin_lock.h"
#include "wire/inline.h"
#include "card/inline.h"
#ifndef VNIC_DEVICE
#include "softnet/inline.h"
#endif

#endif
