/* device.h - every .c of lib, wire, ring and card includes this first: the prelude without the host's rooms
 *
 * The compiler holds this wall: a card that reaches for an emulated CPU or for the driver's skbs does not compile.
 */
#define VNIC_DEVICE
#include "prelude.h"
