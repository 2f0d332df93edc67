/* fuzz_vhost.c - a hostile driver with its own memory: tables, rings, files and bytes in any order
 *
 * Input: what the driver and the wire do, an operation of one byte and its operands each. The messages are Python's
 * (tests/vhost/test_session_fuzz.py); here are the calls that they end in, and the memory that no message goes through.
 * After each operation the ledger is closed. A ring that is stopped, disabled or broken is not written. AddressSanitizer
 * sees whatever the card does outside, libFuzzer's clock a turn that does not end.
 */
#include "device.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "packets.h"

#define OPERATIONS_MAX 256u
#define PAIRS 2u
#define FILES 2u
#define FILE_BYTES (256u << 10)
#define RING_BYTES 0x4000u /* a ring's place: descriptors, at 0x1000 available, at 0x2000 used */
#define BUFFERS 0x20000u
#define SIZE 32u /* of a ring that means well */
#define FRAME_BYTES 2048u

static struct nic nic;
static struct vhost *vhost;
static int file[FILES], event, sock[2], pipe_fd[2];
static u8 *memory[FILES];

static u64 bus(u32 f, u64 at)
{
	return ((u64)f + 1) * 0x10000000 + at;
}

static u64 user(u32 f, u64 at)
{
	return ((u64)f + 1) * 0x700000000000 + at;
}

static void set_up(void)
{
	static const u8 key[RSS_KEY_SIZE] = { 1, 2, 3 };

	nic_init(&nic);
	require(fifo_init(&nic.fifo, 65536) == 0, "no memory");
	nic.offers = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MRG_RXBUF |
		     1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_HASH_REPORT;
	nic.filter.any = 1;
	rss_set_key(&nic.rss, key, sizeof(key));
	vhost = vhost_new(&nic, PAIRS);
	require(vhost != NULL, "no memory");
	for (u32 f = 0; f < FILES; f++) {
		file[f] = memfd_create("driver", MFD_CLOEXEC);
		require(file[f] >= 0 && ftruncate(file[f], FILE_BYTES) == 0, "no file");
		memory[f] = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file[f], 0);
		require(memory[f] != MAP_FAILED, "no memory");
	}
	event = eventfd(0, EFD_NONBLOCK);
	require(event >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0 && pipe(pipe_fd) == 0, "no files");
}

/* ---- what the driver asks ---- */

static void set_memory(struct input *in, u32 n)
{
	struct vhost_region region[DMA_REGIONS_MAX + 1];
	int fd[DMA_REGIONS_MAX + 1];
	u32 had = vhost_regions(vhost);
	int rc;

	for (u32 i = 0; i < n; i++) {
		u32 f = i % FILES, odd = (u32)take(in, 1);

		fd[i] = odd & 64 ? pipe_fd[0] : odd & 32 ? -1 : file[f];
		region[i] = (struct vhost_region){ bus(f, 0), FILE_BYTES, user(f, 0), 0 };
		if (odd & 1)
			region[i].bus = take(in, 8);
		if (odd & 2)
			region[i].size = take(in, 4);
		if (odd & 4)
			region[i].offset = take(in, 3);
		if (odd & 8)
			region[i].user = take(in, 8);
		if (odd & 16)
			region[i].size = ~take(in, 2);
	}
	rc = vhost_set_memory(vhost, region, fd, n);
	require(rc < 0 ? vhost_regions(vhost) == had : vhost_regions(vhost) == n, "half a table");
}

static int some_file(struct input *in)
{
	const int files[] = { event, sock[0], pipe_fd[1], file[0], event, event };
	u32 which = (u32)take(in, 1) % 7;

	return which < ARRAY_SIZE(files) ? dup(files[which]) : -1;
}

static void set_file(struct input *in, int (*set)(struct vhost *, u32, int), u32 ring)
{
	int fd = some_file(in);

	if (set(vhost, ring, fd) < 0 && fd >= 0)
		close(fd);
}

static void set_addr(struct input *in, u32 ring)
{
	u32 odd = (u32)take(in, 1), f = odd & 1;
	u64 at = user(f, ring % 4 * RING_BYTES), desc = at, avail = at + 0x1000, used = at + 0x2000;

	if (odd & 2)
		desc += take(in, 3);
	if (odd & 4)
		avail += take(in, 3);
	if (odd & 8)
		used += take(in, 3);
	if (odd & 16)
		desc = take(in, 8);
	vhost_set_addr(vhost, ring, desc, avail, used);
}

/* As a driver comes up that means well. */
static void come_up(u32 ring, u64 features, u32 size)
{
	const struct vhost_region both[FILES] = { { bus(0, 0), FILE_BYTES, user(0, 0), 0 },
						  { bus(1, 0), FILE_BYTES, user(1, 0), 0 } };

	vhost_stop(vhost, ring);
	vhost_set_features(vhost, features);
	if (!vhost_regions(vhost))
		vhost_set_memory(vhost, both, file, FILES);
	vhost_set_num(vhost, ring, size);
	vhost_set_addr(vhost, ring, user(0, ring % 4 * RING_BYTES), user(0, ring % 4 * RING_BYTES + 0x1000),
		       user(0, ring % 4 * RING_BYTES + 0x2000));
	vhost_start(vhost, ring);
	vhost_enable(vhost, ring, 1);
}

/* ---- what it writes ---- */

static u64 address(struct input *in)
{
	u32 kind = (u32)take(in, 1);
	u64 small = take(in, 2);

	switch (kind & 3) {
	case 0:
		return bus(kind >> 2 & 1, BUFFERS + small);
	case 1:
		return bus(kind >> 2 & 1, FILE_BYTES - small);
	case 2:
		return bus(kind >> 2 & 1, small);
	default:
		return kind & 4 ? ~small : take(in, 8);
	}
}

static void write_desc(struct input *in, u32 ring)
{
	u32 id = (u32)take(in, 1) % 64;
	const struct virtq_desc d = {
		.addr = address(in), .len = (u32)take(in, 4), .flags = (u16)take(in, 2), .next = (u16)take(in, 2)
	};

	memcpy(memory[0] + ring % 4 * RING_BYTES + 16 * id, &d, sizeof(d));
}

static void post(struct input *in, u32 ring)
{
	u8 *at = memory[0] + ring % 4 * RING_BYTES;
	struct virtq_avail *avail = (void *)(at + 0x1000);
	u32 n = (u32)take(in, 1) % (SIZE + 1), odd = (u32)take(in, 1);

	for (u32 i = 0; i < n; i++) {
		u16 id = (u16)(avail->idx % SIZE);
		const struct virtq_desc d = { .addr = bus(odd & 1, BUFFERS + id * 2048u),
					      .len = ring & 1 ? 112u : 2048u >> (odd & 6),
					      .flags = ring & 1 ? 0 : VIRTQ_DESC_F_WRITE };

		if (!(odd & 8))
			memcpy(at + 16 * id, &d, sizeof(d));
		avail->ring[id] = id;
		avail->idx++;
	}
}

static void feed(struct input *in, struct mem_wire *w)
{
	u8 bytes[FRAME_BYTES];
	u32 n = 1 + (u32)take(in, 1) % 64, len = (u32)take(in, 2) % FRAME_BYTES;

	memset(bytes, (int)n, sizeof(bytes));
	while (n--) {
		if (len >= HEADERS_UDP)
			put_udp(bytes, n, len);
		require(mem_wire_feed(w, bytes, len, len, 0) == 0, "no memory");
	}
}

/* ---- the card ---- */

static bool is_used(u32 ring)
{
	struct vhost_state s = vhost_state(vhost, ring);

	return s.started && s.enabled && !s.broken;
}

static void turn(void)
{
	static u8 out[MEM_OUT_BYTES];
	static struct mem_frame frames[MEM_OUT_MAX];
	u16 used[2 * PAIRS];
	struct frame f[BURST];
	int n;

	for (u32 i = 0; i < 2 * PAIRS; i++)
		used[i] = vhost_state(vhost, i).used_idx;
	nic.now += 1000;
	n = wire_next(nic.wire, f, BURST, nic.now);
	for (u32 i = 0; i < 2 * PAIRS; i++)
		require(is_used(i) || vhost_state(vhost, i).used_idx == used[i], "a ring that is not in use has moved");
	if (n > 0)
		nic_receive(&nic, f, n);
	nic_drain(&nic, nic.now);
	nic_transmit(&nic);
	irq_timers(&nic, nic.now);
	nic.foreign->rang(&nic);
	mem_wire_fetch((struct mem_wire *)nic.wire, out, frames);
	require(!vhost_cut(vhost) || (!is_used(0) && !is_used(1) && !is_used(2) && !is_used(3)),
		"memory is gone, and a ring is in use");
}

static void require_ledger(void)
{
	u64 sum = nic.fifo.head - nic.fifo.tail;

	for (u32 i = 0; i < FATE_MAX; i++)
		sum += nic.fates[i];
	require(sum == nic.offered, "the ledger is open");
	require(nic.up == (is_used(0) || is_used(2)), "up without a ring, or down with one");
	require(!(nic.features & ~nic.offers), "the card took what it had not offered");
}

static void operate(struct input *in, struct mem_wire *w)
{
	u32 what = (u32)take(in, 1), ring = (u32)take(in, 1), n;
	u64 v;

	ring = ring & 0x80 ? ring : ring % (2 * PAIRS);
	switch (what % 20) {
	case 0:
		set_memory(in, (u32)take(in, 1) % (DMA_REGIONS_MAX + 2));
		break;
	case 1:
		vhost_set_features(vhost, take(in, 8));
		break;
	case 2:
		n = (u32)take(in, 4);
		vhost_set_num(vhost, ring, n & 1 ? n : 1u << n % 17);
		break;
	case 3:
		vhost_set_base(vhost, ring, (u32)take(in, 3));
		break;
	case 4:
		set_addr(in, ring);
		break;
	case 5:
		vhost_start(vhost, ring);
		break;
	case 6:
		vhost_stop(vhost, ring);
		break;
	case 7:
		vhost_enable(vhost, ring, (int)take(in, 1) & 1);
		break;
	case 8:
		set_file(in, vhost_set_kick, ring);
		break;
	case 9:
		set_file(in, vhost_set_call, ring);
		break;
	case 10:
		set_file(in, vhost_set_err, ring);
		break;
	case 11:
		write_desc(in, ring);
		break;
	case 12: /* anywhere in a ring: indices, flags, entries */
		v = take(in, 2);
		memcpy(memory[0] + ring % 4 * RING_BYTES + 0x1000 * (1 + take(in, 1) % 2) + take(in, 1) * 2, &v, 2);
		break;
	case 13:
		post(in, ring);
		break;
	case 14:
		feed(in, w);
		break;
	case 15:
		v = take(in, 1);
		come_up(ring, v & 1 ? nic.offers : nic.offers & ~take(in, 8), v & 2 ? 1u << v % 16 : SIZE);
		break;
	case 16:
		if (take(in, 1) & 1)
			vhost_reset(vhost);
		else
			vhost_hang_up(vhost);
		break;
	case 17: /* the file is cut short, and a turn later it is long again */
		n = (u32)take(in, 1) % FILES;
		require(ftruncate(file[n], (off_t)take(in, 2) * 4) == 0, "no file");
		turn();
		require(ftruncate(file[n], FILE_BYTES) == 0, "no file");
		break;
	case 18:
		require(eventfd_write(event, 1) == 0 || errno == EAGAIN, "no doorbell");
		break;
	default:
		turn();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };
	struct mem_wire *w = mem_wire_new(1 << 16, 64);
	eventfd_t rang;

	if (!vhost)
		set_up();
	require(w != NULL && mem_wire_sends(w) == 0, "no memory");
	w->wire.started = 1;
	nic_plug(&nic, &w->wire);
	for (u32 f = 0; f < FILES; f++)
		memset(memory[f], 0, FILE_BYTES);
	for (u32 n = 0; n < OPERATIONS_MAX && in.at < in.end; n++) {
		operate(&in, w);
		require_ledger();
	}
	for (u32 n = 0; n < 8; n++)
		turn();
	vhost_hang_up(vhost);
	require_ledger();
	require(!nic.up && !fifo_peek(&nic.fifo) && !vhost_regions(vhost),
		"something is left of a driver that is gone");
	mem_wire_free(w);
	eventfd_read(event, &rang);
	while (recv(sock[1], &rang, sizeof(rang), MSG_DONTWAIT) > 0)
		;
	return 0;
}
