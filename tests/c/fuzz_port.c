/* fuzz_port.c - a hostile back-end behind a port: used rings, buffers and headers of any content, in any order
 *
 * Input: what the back-end and the card do, an operation of one byte and its operands each. Whatever the back-end writes,
 * each frame that the wire hands out lies in memory of the wire's own, fits there, and is given back; and no turn is endless.
 */
#include "device.h"

#include "input.h"
#include "packets.h"

#define LANES 2u
#define OPERATIONS_MAX 512u
#define SLOT_MTU 1500u
#define HELD 32u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct vhost_port *port;
static struct tap_wire *wire;
static struct frame held[HELD];
static u32 nheld;

static u8 *at_bus(u64 bus)
{
	return port->memory.base + (bus - PORT_BUS);
}

static struct virtq_used *used_ring(u32 ring)
{
	return (void *)at_bus(vhost_port_ring(port, ring).used);
}

/* ---- the back-end ---- */

static void use(struct input *in)
{
	u32 ring = (u32)take(in, 1) % (2 * LANES), what = (u32)take(in, 1), times = 1 + (what & 15);
	struct virtq_used *used = used_ring(ring);

	for (u32 i = 0; i < times; i++) {
		struct virtq_used_elem *e = &used->ring[used->idx % PORT_RING];
		struct virtq_avail *avail = (void *)at_bus(vhost_port_ring(port, ring).avail);

		e->id = what & 16 ? (u32)take(in, 4) : avail->ring[used->idx % PORT_RING];
		e->len = what & 32 ? (u32)take(in, 4) : (u32)take(in, 1) * 9;
		used->idx = (u16)(used->idx + 1);
	}
	if (what & 64)
		used->idx = (u16)take(in, 2);
}

/* Write a header and some bytes to a receive buffer. */
static void fill(struct input *in)
{
	u32 lane = (u32)take(in, 1) % LANES, buf = (u32)take(in, 2) % PORT_RING, n = (u32)take(in, 1);
	u8 *at = at_bus(PORT_BUS + port->rx_at + ((u64)lane * PORT_RING + buf) * PORT_RX_BUF);

	for (u32 i = 0; i < n; i++)
		at[i] = (u8)take(in, 1);
}

static void scribble(struct input *in)
{
	u64 at = take(in, 4) % (port->memory.size - 8);

	for (u32 i = 0; i < 8; i++)
		port->memory.base[at + i] = (u8)take(in, 1);
}

/* ---- the card ---- */

static void look_at(const struct frame *f)
{
	static u8 copy[TX_FRAME_MAX];
	u32 first = f->head ? f->head : f->len;

	require(f->len <= TX_FRAME_MAX && first <= f->len, "a frame is too long");
	require(f->gso || f->len <= wire->slot_size, "a frame is longer than its slot");
	memcpy(copy, f->data, first); /* AddressSanitizer looks */
	if (f->head)
		wire->wire.gather(&wire->wire, f, copy);
	if (f->gso)
		memcpy(copy, frame_gso_header(&wire->wire, f), sizeof(struct virtio_net_hdr_v1));
}

static void release(u32 n)
{
	for (; n && nheld; n--)
		wire->wire.release(&wire->wire, &held[--nheld]);
}

static void read_frames(struct input *in)
{
	u32 want = 1 + (u32)take(in, 1) % HELD;
	int n;

	if (want > HELD - nheld)
		want = HELD - nheld;
	n = want ? wire->wire.read_burst(&wire->wire, &held[nheld], (int)want) : 0;
	require(n == -EAGAIN || (n >= 0 && (u32)n <= want), "an error that no port has");
	for (int i = 0; i < n; i++)
		look_at(&held[nheld + (u32)i]);
	nheld += n > 0 ? (u32)n : 0;
}

static void write_frame(struct input *in)
{
	u8 room[12 + 2048] = { 0 };
	struct virtio_net_hdr_v1_hash hdr = { 0 };
	u32 len = 60 + (u32)take(in, 2) % 1900;
	int rc = wire->wire.write(&wire->wire, room + 12, len, &hdr, 0);

	require(rc == 0 || rc == -ENOBUFS || rc == -ENETDOWN || rc == -EMSGSIZE, "an error that no port has");
}

static void set_up(void)
{
	int calls[LANES];

	port = vhost_port_new(LANES, SLOT_MTU);
	require(port != NULL, "no memory");
	for (u32 i = 0; i < LANES; i++)
		calls[i] = port->lane[i].call;
	wire = tap_wire_of_port(&port->port, calls, LANES, tap_slot_size(SLOT_MTU), 2 * HELD);
	require(wire != NULL, "no memory");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };

	if (!port)
		set_up();
	vhost_port_attach(port, size & 1);
	for (u32 n = 0; n < OPERATIONS_MAX && in.at < in.end; n++) {
		switch (take(&in, 1) % 12) {
		case 0:
		case 1:
		case 2:
			use(&in);
			break;
		case 3:
		case 4:
			fill(&in);
			break;
		case 5:
			scribble(&in);
			break;
		case 6:
		case 7:
			read_frames(&in);
			break;
		case 8:
			release((u32)take(&in, 1) % HELD);
			break;
		case 9:
			write_frame(&in);
			break;
		case 10:
			if (take(&in, 1) & 1)
				vhost_port_detach(port);
			else
				vhost_port_attach(port, (int)take(&in, 1) & 1);
			break;
		case 11:
			wire->wire.gso_whole = (u8)take(&in, 1);
			wire->wire.can_go_on(&wire->wire);
		}
		require(wire->nfree + nheld == wire->nslots, "a slot got lost");
	}
	vhost_port_detach(port);
	do { /* what was read before */
		int got;

		release(HELD);
		got = wire->wire.read_burst(&wire->wire, held, HELD);
		nheld = got > 0 ? (u32)got : 0;
	} while (nheld);
	require(wire->nfree == wire->nslots && tap_bigs_free(wire) == TAP_AHEAD, "memory got lost");
	return 0;
}
