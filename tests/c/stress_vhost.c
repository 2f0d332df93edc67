/* stress_vhost.c - a card between two drivers with their own memory: one works, one changes its rings while the card reads them
 *
 *   the card's thread: frames in, a turn, frames out; now and then another memory table, a ring that stops and starts
 *   the driver's thread (main): pair 0, frames both ways, each once and in order
 *   a hostile thread: pair 1, descriptors, indices and flags, anything at any time
 *
 * ThreadSanitizer does not see the hostile thread's writes: they race with the card by intent.
 */
#include "device.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packets.h"

#define PAIRS 2u
#define SIZE 64u
#define RING_BYTES 0x4000u
#define FILE_BYTES (1u << 20)
#define BUFFERS 0x20000u
#define FRAMES 30000u
#define BUS 0x10000000ull
#define USER 0x700000000000ull

static struct nic nic;
static struct vhost *vhost;
static struct mem_wire *mem;
static u8 *memory;
static int file;
static u32 stop;
static u64 taken, sent_back, turns;

static u8 *ring_at(u32 ring, u32 part)
{
	return memory + ring * RING_BYTES + part;
}

static void set_memory(u64 more)
{
	const struct vhost_region whole = { BUS, FILE_BYTES, USER, 0 };
	const struct vhost_region two[2] = { { BUS, FILE_BYTES, USER, 0 }, { more, 4096, more, 0 } };
	const int fd[2] = { file, file };

	require(vhost_set_memory(vhost, more ? two : &whole, fd, more ? 2 : 1) == 0, "the table is refused");
}

static void start(u32 ring, u32 base)
{
	vhost_set_num(vhost, ring, SIZE);
	vhost_set_base(vhost, ring, base);
	require(vhost_set_addr(vhost, ring, USER + ring * RING_BYTES, USER + ring * RING_BYTES + 0x1000,
			       USER + ring * RING_BYTES + 0x2000) == 0,
		"the ring is refused");
	require(vhost_start(vhost, ring) == 0 && vhost_enable(vhost, ring, 1) == 0, "the ring does not start");
}

static void set_up(void)
{
	static const u8 key[RSS_KEY_SIZE] = { 1 };

	nic_init(&nic);
	mem = mem_wire_new(1 << 16, 256);
	require(mem && mem_wire_sends(mem) == 0 && fifo_init(&nic.fifo, 1 << 18) == 0, "no memory");
	mem->wire.started = 1;
	nic_plug(&nic, &mem->wire);
	nic.filter.any = 1;
	nic.drop_en = 1; /* a frame that waits for the hostile driver's buffers would hold up all */
	nic.offers = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MRG_RXBUF;
	rss_set_key(&nic.rss, key, sizeof(key));
	file = memfd_create("driver", MFD_CLOEXEC);
	require(file >= 0 && ftruncate(file, FILE_BYTES) == 0, "no file");
	memory = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	vhost = vhost_new(&nic, PAIRS);
	require(memory != MAP_FAILED && vhost && vhost_set_features(vhost, nic.offers) == 0, "no card");
	set_memory(0);
	for (u32 i = 0; i < 2 * PAIRS; i++) {
		require(vhost_set_call(vhost, i, eventfd(0, 0)) == 0 && vhost_set_kick(vhost, i, eventfd(0, 0)) == 0 &&
				vhost_set_err(vhost, i, eventfd(0, 0)) == 0,
			"a file is refused");
		start(i, 0);
	}
}

/* ---- the card's thread ---- */

/* A ring that the hostile thread has broken starts anew. */
static void mend(u32 ring)
{
	struct vhost_state s = vhost_state(vhost, ring);

	if (s.broken)
		start(ring, (u32)vhost_stop(vhost, ring));
}

static void *card(void *unused)
{
	static u8 out[MEM_OUT_BYTES], bytes[200];
	static struct mem_frame frames[MEM_OUT_MAX];
	u64 fed = 0;

	(void)unused;
	for (; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); turns++) {
		struct frame f[BURST];
		int n;

		for (u32 i = 0; i < 16 && fed < __atomic_load_n(&taken, __ATOMIC_SEQ_CST) + 128; i++) {
			put_udp(bytes, (u32)(fed % 64), sizeof(bytes));
			require(mem_wire_feed(mem, bytes, sizeof(bytes), sizeof(bytes), 0) == 0, "no memory");
			fed++;
		}
		nic.now += 1000;
		n = wire_next(nic.wire, f, BURST, nic.now);
		if (n > 0)
			nic_receive(&nic, f, n);
		nic_drain(&nic, nic.now);
		nic_transmit(&nic);
		nic.foreign->rang(&nic);
		n = (int)mem_wire_fetch(mem, out, frames);
		for (int i = 0; i < n; i++)
			sent_back += out[frames[i].off] == 0x42;
		for (u32 i = 2; i < 4; i++)
			mend(i);
		if (turns % 50 == 0)
			set_memory(turns % 100 ? 0 : 1ull << 40);
		if (turns % 64 == 1)
			start(1, (u32)vhost_stop(vhost, 1));
		if (turns % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- the hostile thread ---- */

__attribute__((no_sanitize("thread"))) static void *hostile(void *unused)
{
	u64 seed = 88172645463325252ull;

	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		u32 ring, what;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		ring = 2 + (seed & 1);
		what = (u32)(seed >> 8) & 7;
		if (what < 4) {
			volatile struct virtq_desc *d = (void *)ring_at(ring, (u32)(seed >> 16) % SIZE * 16);

			d->addr = what ? BUS + BUFFERS + (seed >> 20) % 0x80000 : seed;
			d->len = what > 1 ? 2048 : (u32)(seed >> 24);
			d->flags = (u16)(ring == 2 ? VIRTQ_DESC_F_WRITE : 0) | (what == 3 ? (u16)(seed >> 40) : 0);
			d->next = (u16)(seed >> 30);
		} else if (what < 6) {
			volatile struct virtq_avail *avail = (void *)ring_at(ring, 0x1000);

			avail->ring[(seed >> 16) % SIZE] = (u16)((seed >> 24) % (SIZE + (what == 5)));
			avail->idx = (u16)(avail->idx + (seed >> 32) % 3);
		} else {
			volatile u16 *any = (void *)ring_at(ring, 0x1000 + (u32)(seed >> 16) % 0x1100 * 2);

			*any = (u16)(seed >> 40);
		}
	}
	return NULL;
}

/* ---- the driver ---- */

struct driver {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u16 posted, last;
};

static struct driver driver_of(u32 ring)
{
	return (struct driver){ (void *)ring_at(ring, 0), (void *)ring_at(ring, 0x1000), (void *)ring_at(ring, 0x2000),
				0, 0 };
}

static u64 buffer(u32 ring, u16 id)
{
	return BUFFERS + (ring * SIZE + id) * 2048ull;
}

static void post(struct driver *d, u32 ring, u16 id, u32 len, u16 flags)
{
	d->desc[id] = (struct virtq_desc){ BUS + buffer(ring, id), len, flags, 0 };
	d->avail->ring[d->posted++ % SIZE] = id;
	__atomic_store_n(&d->avail->idx, d->posted, __ATOMIC_SEQ_CST);
}

static u64 receive(struct driver *d)
{
	u64 n = 0;

	while (d->last != __atomic_load_n(&d->used->idx, __ATOMIC_SEQ_CST)) {
		const struct virtq_used_elem e = d->used->ring[d->last++ % SIZE];
		static u8 want[200];
		const u8 *got = memory + buffer(0, (u16)e.id) + HDR_SHORT;

		require(e.id < SIZE && e.len == HDR_SHORT + sizeof(want), "another length than was sent");
		put_udp(want, got[29], sizeof(want));
		require(!memcmp(got, want, sizeof(want)), "other bytes than were sent");
		post(d, 0, (u16)e.id, 2048, VIRTQ_DESC_F_WRITE);
		n++;
	}
	return n;
}

int main(void)
{
	struct driver rx, tx;
	u64 got = 0, posted = 0, back = 0, sum;
	pthread_t threads[2];

	set_up();
	rx = driver_of(0);
	tx = driver_of(1);
	for (u16 i = 0; i < SIZE; i++)
		post(&rx, 0, i, 2048, VIRTQ_DESC_F_WRITE);
	require(pthread_create(&threads[0], NULL, card, NULL) == 0 &&
			pthread_create(&threads[1], NULL, hostile, NULL) == 0,
		"no threads");
	while (got < FRAMES || back < FRAMES) {
		u64 n = receive(&rx);

		got += n;
		__atomic_fetch_add(&taken, n + 1,
				   __ATOMIC_SEQ_CST); /* frames for pair 1 may never come out: one more each time */
		while (posted < FRAMES && posted - back < SIZE) {
			u16 id = (u16)(posted++ % SIZE);

			memset(memory + buffer(1, id), 0, HDR_SHORT);
			memset(memory + buffer(1, id) + HDR_SHORT, 0x42, 100);
			post(&tx, 1, id, HDR_SHORT + 100, 0);
		}
		while (tx.last != __atomic_load_n(&tx.used->idx, __ATOMIC_SEQ_CST)) {
			tx.last++;
			back++;
		}
		if (!n)
			sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	require(sent_back >= FRAMES && nic.tx.fates[TX_SENT] >= FRAMES, "a frame was not sent");
	vhost_hang_up(vhost);
	sum = 0;
	for (u32 i = 0; i < FATE_MAX; i++)
		sum += nic.fates[i];
	require(sum == nic.offered && nic.fates[DELIVERED_DRIVER] >= got, "the ledger is open");
	printf("stress_vhost: %llu frames received, %llu sent, %llu turns, %llu bad chains\n", (unsigned long long)got,
	       (unsigned long long)back, (unsigned long long)turns, (unsigned long long)nic.tx.fates[TX_BAD_CHAIN]);
	vhost_free(vhost);
	nic_exit(&nic);
	mem_wire_free(mem);
	return 0;
}
