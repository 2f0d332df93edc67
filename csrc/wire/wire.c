/* wire.c - when frames arrive: every source hands over bytes and its own stamp, this file turns them into arrivals
 *
 *   memory (here) | capture file (pcap.c) | TAP (tap.c)  --read_burst-->  wire_next()  -->  nic.c
 *
 * A frame has arrived when its last bit has: t = max(its time, the wire free again) + (max(len, 60) + 24) * 8 / rate.
 * Time that goes backwards in a capture is clamped to the latest stamp, and counted. A wire that is infinitely fast and
 * has no recorded pace has no times: the card "pulls" a burst whenever the host is idle. That measures what the host
 * can do, and loses nothing. Live, frames arrive when they are read; those of a capture, at its pace, counted from the first.
 */
#include "device.h"

#define REWIND_FRAMES 1024 /* a link is never empty: forget so many frames at once */
#define TIME_MAX (1ull << 62) /* ns, 146 years: keeps a damaged stamp away from NEVER */

int wire_pulled(const struct wire *w)
{
	return !w->live && !w->speed_ppm && !w->ps_per_byte;
}

/* The first frame of a file, or of a pass over all files, has the time t: find its place behind the last frame. */
static u64 rebased(struct wire *w, u64 t)
{
	u64 at = w->rebase == REBASE_PASS ? w->last_ts + w->gap_ns : max_u64(t, w->last_ts);

	if (w->rebase != REBASE_FILE)
		w->pass_ns = at;
	w->rebase = 0;
	w->shift_ns += at - t;
	return at;
}

static u64 wire_time(struct wire *w, const struct frame *f)
{
	unsigned __int128 scaled;
	u64 t = f->t_ns, ps;

	if (!w->started) {
		w->started = 1;
		w->base_ns = w->last_ts = w->pass_ns = t;
	}
	t += w->shift_ns;
	if (unlikely(w->rebase))
		t = rebased(w, t);
	if (t < w->last_ts) {
		w->backwards++;
		t = w->last_ts;
	}
	w->last_ts = t;
	t -= w->base_ns;
	if (unlikely(w->schedule))
		t = w->paced_ns = schedule_next(w->schedule, t, f->len);
	scaled = t;
	if (w->speed_ppm == 0)
		scaled = 0;
	else if (w->speed_ppm != 1000000)
		scaled = scaled * 1000000 / w->speed_ppm;
	t = scaled < TIME_MAX ? (u64)scaled : TIME_MAX;

	if (t > w->busy_ns) {
		w->busy_ns = t;
		w->busy_ps = 0;
	}
	ps = ((u64)max_u32(f->wire_len, ETH_ZLEN) + WIRE_OVERHEAD) * w->ps_per_byte + w->busy_ps;
	w->busy_ns += ps / 1000;
	w->busy_ps = (u32)(ps % 1000);
	return w->busy_ns;
}

int wire_next(struct wire *w, struct frame *f, int max, u64 now)
{
	bool paced = (!w->live || w->paced) && !wire_pulled(w);
	u64 id = w->frames + 1, bytes = 0;
	u32 cut = 0, oversize = 0;
	int n;

	if (w->eof)
		return -ENODATA;
	n = w->read_burst(w, f, max);
	if (unlikely(paced && w->live && !w->started && n > 0))
		w->live_ns = now;
	if (unlikely(n < 0)) {
		if (n != -EAGAIN)
			w->eof = 1;
		if (n != -ENODATA && n != -EAGAIN)
			w->error = n;
		return n;
	}
	if (unlikely(!w->started) && !paced && n) {
		w->started = 1;
		w->base_ns = w->live ? now : f[0].t_ns;
	}
	for (int i = 0; i < n; i++) {
		f[i].t_ns = unlikely(paced) ? w->live_ns + wire_time(w, &f[i]) : now;
		f[i].id = id + (u64)i;
		bytes += f[i].len;
		cut += !!(f[i].flags & FRAME_CUT);
		oversize += f[i].wire_len > ETH_FRAME_LEN + VLAN_HLEN;
	}
	COUNT(w->cut, cut);
	COUNT(w->oversize, oversize);
	w->bytes += bytes;
	COUNT(w->frames, (u64)n);
	return n;
}

/* ---- the wire in memory ---- */

static int mem_read_burst(struct wire *wire, struct frame *f, int max)
{
	struct mem_wire *w = container_of(wire, struct mem_wire, wire);
	int n = 0;

	while (n < max) {
		const struct mem_frame *m = &w->frames[w->pos], *end;
		u8 *arena = w->arena;

		if (w->pos == w->nframes) {
			if (w->loops == 0 || w->nframes == 0)
				break;
			w->loops--;
			w->pos = 0;
			continue;
		}
		end = m + min_u32(w->nframes - w->pos, (u32)(max - n));
		w->pos += (u32)(end - m);
		for (; m < end; m++, n++) {
			f[n].data = arena + m->off;
			f[n].len = m->len;
			f[n].wire_len = m->wire_len;
			f[n].flags = m->len < m->wire_len ? FRAME_CUT : 0;
			f[n].head = f[n].gso = 0;
			f[n].t_ns = m->t_ns;
		}
	}
	if (n)
		return n;
	if (w->closed)
		return -ENODATA;
	if (wire->ask & WIRE_ASK_DRY)
		wire->hungry = 1;
	return -EAGAIN;
}

/* The arena is private to this wire, so its bytes are writable. */
static u8 *mem_own(struct wire *wire, struct frame *f)
{
	(void)wire;
	return (u8 *)(uintptr_t)f->data;
}

struct mem_wire *mem_wire_new(u64 arena_bytes, u32 frames)
{
	struct mem_wire *w = frames ? calloc(1, sizeof(*w)) : NULL; /* 0 could not double */

	if (!w)
		return NULL;
	w->wire.read_burst = mem_read_burst;
	w->wire.own = mem_own;
	w->arena = malloc(arena_bytes);
	w->frames = malloc(frames * sizeof(*w->frames));
	w->arena_size = arena_bytes;
	w->frames_size = frames;
	if (!w->arena || !w->frames) {
		mem_wire_free(w);
		return NULL;
	}
	return w;
}

void mem_wire_free(struct mem_wire *w)
{
	if (!w)
		return;
	free(w->arena);
	free(w->frames);
	free(w->out);
	free(w);
}

/* Keep a frame that the card sends until Python fetches it. */
static int mem_write(struct wire *wire, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	struct mem_wire *w = container_of(wire, struct mem_wire, wire);
	bool room;

	(void)hdr; /* the card has left nothing to this wire */
	spin_lock(&w->out_lock);
	room = w->nout < MEM_OUT_MAX && len <= MEM_OUT_BYTES - w->out_used;
	if (room) {
		w->out_frames[w->nout++] = (struct mem_frame){ t_ns, w->out_used, len, len };
		memcpy(w->out + w->out_used, frame, len);
		w->out_used += len;
		if (wire->ask & WIRE_ASK_SENT) /* let the other end answer before time goes on */
			wire->hungry = 1;
	}
	spin_unlock(&w->out_lock);
	return room ? 0 : -ENOBUFS;
}

int mem_wire_sends(struct mem_wire *w)
{
	if (!w->out)
		w->out = malloc(MEM_OUT_BYTES);
	if (!w->out)
		return -ENOMEM;
	w->wire.write = mem_write;
	return 0;
}

u32 mem_wire_fetch(struct mem_wire *w, u8 *buf, struct mem_frame *frames)
{
	u32 n;

	spin_lock(&w->out_lock);
	n = w->nout;
	memcpy(buf, w->out, w->out_used);
	memcpy(frames, w->out_frames, n * sizeof(*frames));
	w->nout = 0;
	w->out_used = 0;
	spin_unlock(&w->out_lock);
	return n;
}

static struct frame *held(const struct mem_wire *w, u32 i)
{
	return w->wire.held ? w->wire.held(w->wire.card, i) : NULL;
}

/* Forget the frames that are handed out. The bytes that the card still refers to, and the others, move to the front. */
static void rewind_arena(struct mem_wire *w)
{
	struct frame *f;
	u64 used = 0;
	u32 n = 0;

	for (u32 i = 0; (f = held(w, i)); i++) { /* oldest first: bytes only move towards the front */
		memmove(w->arena + used, f->data, f->len);
		f->data = w->arena + used;
		used += f->len;
	}
	for (u32 i = w->pos; i < w->nframes; i++) {
		struct mem_frame m = w->frames[i];

		memmove(w->arena + used, w->arena + m.off, m.len);
		m.off = used;
		used += m.len;
		w->frames[n++] = m;
	}
	w->arena_used = used;
	w->nframes = n;
	w->pos = 0;
}

static int grow(struct mem_wire *w, u64 bytes)
{
	u8 *old = w->arena, *arena = malloc(bytes);
	struct frame *f;

	if (!arena)
		return -ENOMEM;
	memcpy(arena, old, w->arena_used);
	for (u32 i = 0; (f = held(w, i)); i++)
		f->data = arena + (f->data - old);
	free(old);
	w->arena = arena;
	w->arena_size = bytes;
	return 0;
}

int mem_wire_feed(struct mem_wire *w, const void *data, u32 len, u32 wire_len, u64 t_ns)
{
	struct mem_frame *m;

	if (w->pos && (w->pos == w->nframes || (w->way && w->pos > w->nframes / 2 && w->pos >= REWIND_FRAMES)))
		rewind_arena(w);
	if (w->arena_size - w->arena_used < len && grow(w, 2 * w->arena_size + len) < 0)
		return -ENOMEM;
	if (w->nframes == w->frames_size) {
		if (w->frames_size > UINT32_MAX / 2)
			return -ENOMEM;
		m = realloc(w->frames, 2ull * w->frames_size * sizeof(*m));
		if (!m)
			return -ENOMEM;
		w->frames = m;
		w->frames_size *= 2;
	}
	m = &w->frames[w->nframes++];
	m->off = w->arena_used;
	m->len = len;
	m->wire_len = wire_len;
	m->t_ns = t_ns;
	memcpy(w->arena + w->arena_used, data, len);
	w->arena_used += len;
	w->wire.hungry = w->nout && w->wire.ask & WIRE_ASK_SENT;
	return 0;
}
