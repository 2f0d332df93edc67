/* device.h - what a .c of lib, wire, ring and card includes first: the prelude without a word of the host
 *
 * So the compiler holds the wall: a card that reaches for an emulated CPU, or for the driver's skbs, does not compile.
 */
#define VNIC_DEVICE
#include "prelude.h"
