/* vnic.h - the map of the data plane: a room is a folder, with one header that says what it gives to the others
 *
 *        wire/          a TAP device, a capture file, memory
 *          |  frame
 *        card/          filter, RSS, FIFO, DMA, interrupt moderation, sending
 *          |  ring/     descriptors, buffers, a doorbell, an interrupt: all that a card and its driver share
 *        driver/        polls, refills, sends
 *          |  sk_buff
 *        softnet/       hardirq -> softirq -> NAPI -> GRO -> RPS, RFS -> backlog -> netif_receive_skb
 *          |            packet/, events/ look on: packet sockets, captures; the log of all that happens to frames
 *        inet/          ARP, IP, fragments, ICMP, UDP, TCP; and the way out: ip_output, neighbours
 *          |
 *        sock/          receive queues, and the tables that find one
 *
 *        machine/       holds it all, and drives it: in virtual time, or with a thread for the card and one for each CPU
 *        lib/           the ground: bytes, checksums, clocks, histograms
 *
 * The three nouns: a frame is bytes on the wire (the card's side); a virtqueue is the ring that card and driver share;
 * an sk_buff is what the host works on after the driver took a frame off the ring.
 *
 * The two laws: each frame that was offered ends in exactly one fate, or is still in flight (host_laws()); and when
 * nothing is in flight each buffer is back in its pool.
 *
 * The headers of the rooms are also what cffi reads, in this order: no preprocessor lines in them but plain
 * "#define NAME number", no inline functions, no attributes. The rooms and the calls allowed between them: docs/architecture.md.
 */
#include "schema.h"
#include "lib/lib.h"
#include "wire/wire.h"
#include "ring/ring.h"
#include "card/card.h"
#include "vhost/vhost.h"
#ifndef VNIC_DEVICE /* the card knows no host: device.h */
#include "softnet/softnet.h"
#include "driver/driver.h"
#include "packet/packet.h"
#include "events/events.h"
#include "inet/inet.h"
#include "sock/sock.h"
#include "tcp/tcp.h"
#include "machine/machine.h"
#endif
