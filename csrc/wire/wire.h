/* wire.h - where frames come from and go to: memory, a capture file, a TAP device */

struct virtio_net_hdr_v1;
struct virtio_net_hdr_v1_hash;

/* ---- wire.c: where frames come from ---- */

#define WIRE_OVERHEAD 24           /* bytes a frame: preamble 8, FCS 4, gap 12 */

#define FRAME_CUT 1                /* the capture holds less than was on the wire (snap length) */
#define FRAME_L4 2                 /* l4_off, l4_len and ip_proto are good: an unfragmented TCP or UDP packet */
#define FRAME_PLAIN 4              /* FRAME_L4 in IPv4 without options: the addresses are right before the ports */
#define FRAME_NO_PYTHON 8          /* @nic.filter said: not this one */
#define FRAME_HASHED 64            /* parsed and hashed ahead of its arrival, see nic_run() */
#define FRAME_TAGGED 32            /* vlan_tci is good */
#define FRAME_SENT 128             /* at a tap: the card sends it */
#define FRAME_WAITED 16            /* it stood at the head of the FIFO without a buffer: counted once */

/**
 * struct frame - a frame on the device's side, by reference: the bytes stay where the wire has them
 * @t_ns:  when its last bit arrived
 * @id:    1, 2, 3, ... in the order of arrival; with several files it goes on counting
 * @l3:    4, 6 or 0
 */
struct frame {
	const u8 *data;
	u64 t_ns, id;
	u32 len, wire_len, hash, l4_len;
	u16 l3_off, l4_off;
	u16 queue;
	u8 l3, ip_proto, hash_report, flags;
	u16 vlan_tci;              /* of the outer tag */
	u32 slot;                  /* tap.c */
	u32 rest;                  /* tap_vnet.c: where in wire.rests its payload is, behind head bytes at data */
	u16 head;                  /* 0: all of it is at data */
	u16 spare;                 /* one cache line */
};

/**
 * struct wire - one source of frames, and the pace at which they come
 * @read_burst:  fill up to max frames (data, len, wire_len, t_ns = the source's own stamp, flags).
 *               Return: how many; 0 = none now; -ENODATA = there will be no more; other -errno: the source broke
 * @release:     this frame's bytes are not needed any more (sources that want their memory back); may be NULL
 * @own:         this frame's bytes, to be written to from now on; NULL: no memory. Virtual time only
 * @write:       a frame leaves (12 bytes in front of it may be used). Return: 0; -ENOBUFS: no room; other -errno: it is lost.
 *               NULL: this wire only receives
 *
 *               Frames in two parts (frame.head), only of a wire that makes some:
 * @gather:      write all of it to these len bytes, with the checksum that its sender left to a card
 * @whole:       the same where its first part is: from now on it is a frame as any other
 *
 *               Live, of a wire that is made of file descriptors, else NULL:
 * @poll_set:    fill in what to sleep on, at most WIRE_FDS_MAX. Return: how many
 * @polled:      what poll() said of those
 * @files:       the descriptors that it reads and writes
 * @can_go_on:   frames that were read before can be handed out now, and no descriptor will say so
 * @close_reading: nothing is read any more. Return: frames that were read before are still to come
 * @take_back:   the card is its own thread's again: what was released meanwhile (lent) may be used
 * @fit:         the card's memory (bytes) or the MTU changes, and nobody runs. Return: 0, -ENOMEM: all is as it was
 * @ahead:       WIRE_AHEAD bursts of frames that may be read before the card has seen the one before, and how many are in each
 *
 *               Of the card that it is plugged into:
 * @held:        the i-th of its frames that the card still refers to, the oldest first; NULL: there is none
 * @speed_ppm:   1000000 = the recorded pace, 2000000 twice as fast, 0 = as fast as the wire takes them
 * @ps_per_byte: 800 = 10 Gbit/s; 0 = infinitely fast. Both 0: frames are pulled whenever the host is idle
 * @base_ns:     the source's stamp of its first frame: virtual time 0
 * @capture_mtu: a GSO frame in a capture is cut into packets of so many bytes; 0: it is offered whole
 */
struct pollfd;
#define WIRE_FDS_MAX 16
#define WIRE_AHEAD 32              /* 1 ms of reading */
struct wire_burst { struct frame frame[BURST]; int n; };
#define WIRE_ASK_DRY 1             /* there are no more frames to read */
#define WIRE_ASK_SENT 2            /* the card sent something */
struct wire {
	int (*read_burst)(struct wire *w, struct frame *f, int max);
	void (*release)(struct wire *w, const struct frame *f);
	u8 *(*own)(struct wire *w, struct frame *f);
	int (*write)(struct wire *w, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns);
	void (*gather)(const struct wire *w, const struct frame *f, u8 *to);
	void (*whole)(struct wire *w, struct frame *f);
	u32 (*poll_set)(const struct wire *w, struct pollfd *fds);
	void (*polled)(struct wire *w, const struct pollfd *fds);
	void (*files)(const struct wire *w, struct file_set *files);
	int (*can_go_on)(const struct wire *w);
	int (*close_reading)(struct wire *w);
	void (*take_back)(struct wire *w);
	int (*fit)(struct wire *w, u32 fifo_bytes, u32 mtu);
	struct wire_burst *ahead;
	struct frame *(*held)(void *card, u32 i);
	void *card;
	u32 speed_ppm, ps_per_byte, capture_mtu;
	const u8 *rests;               /* see frame.rest */
	u8 started, eof, strict_csum, live;
	u8 ask, hungry;            /* when to ask Python before time goes on, WIRE_ASK_*; it is to be asked now */
	u8 vnet;                   /* takes and gives virtio headers: partial checksums, and frames longer than the MTU (GSO) */
	u8 lent;                   /* the card is, see nic_lend.c: what is released waits until it is back */
	u8 rebase;                 /* the next frame begins another file: if that is older, it follows on from the last */
	u64 base_ns, last_ts, shift_ns, busy_ns;
	u32 busy_ps;
	int error;                 /* -errno that ended it, 0 when it ended as it should */
	/* counters, written by the device */
	u64 frames, bytes, cut, csum_completed, ip_csum_completed, length_completed, backwards, oversize, skipped;
	u64 tx_frames, tx_bytes;
};
int wire_next(struct wire *w, struct frame *f, int max, u64 now_ns);
int wire_pulled(const struct wire *w);

/* a wire in memory: Python feeds it, benchmarks loop over it */
#define MEM_OUT_MAX 1024           /* frames sent that nobody fetched */
#define MEM_OUT_BYTES 4194304
struct mem_frame { u64 t_ns; u64 off; u32 len; u32 wire_len; };
struct mem_wire {
	struct wire wire;
	u8 *arena;
	u64 arena_size, arena_used;
	struct mem_frame *frames;
	u32 nframes, frames_size, pos;
	u64 loops;                 /* how often to start over */
	u8 closed;                 /* nobody will feed any more: running dry is the end */
	u8 *out;                   /* what was sent, until Python fetches it; NULL: this wire only receives */
	u64 out_used;
	struct mem_frame out_frames[MEM_OUT_MAX];
	u32 nout, out_lock;
};
struct mem_wire *mem_wire_new(u64 arena_bytes, u32 frames);
void mem_wire_free(struct mem_wire *w);
int mem_wire_sends(struct mem_wire *w);        /* from now on it takes what the card sends. 0, or -ENOMEM */
u32 mem_wire_fetch(struct mem_wire *w, u8 *buf, struct mem_frame *frames); /* MEM_OUT_BYTES, MEM_OUT_MAX of room */
int mem_wire_feed(struct mem_wire *w, const void *data, u32 len, u32 wire_len, u64 t_ns);

/* ---- frame_parse.c: where the headers are ---- */

int frame_parse(struct frame *f);
u32 frame_ipv6_transport(const u8 *ip, u32 end, u8 *next); /* offset behind extension headers, and what is there; 0: beyond end */

/* ---- sender_offload.c: what a sender had left to its card, in a frame that a capture shows before that card had it ---- */

void sender_complete(struct wire *w, struct frame *f); /* fill in an IPv4 header checksum, or an IP length */

/* ---- gso.c: one frame for many, cut as a sender's card cuts it. Offsets from the Ethernet header ---- */

/* IP and transport header, payload, its next byte that is not cut yet; bytes a segment; segments there were */
struct gso { u32 len, ip, l4, head, at, size, nth; u8 tcp, plain; };
int gso_fits(const struct gso *g, u32 room);
void gso_put_head(struct gso *g, const u8 *head, u8 *to, u32 len);
u32 gso_next(struct gso *g, const u8 *head, const u8 *frame, u8 *to);
u32 gso_ip_offset(const u8 *frame, u32 len);

/* ---- pcap.c, pcapng_read.c: a capture file as a wire, mapped, never loaded; pcap_gso.c: what is not handed out as it is there ---- */

#define LINKTYPE_ETHERNET 1
#define PCAP_FRAME_MAX 262144      /* libpcap's MAXIMUM_SNAPLEN */
#define PCAP_HEAD_MAX 512          /* of a frame that is cut: more is no head */
struct pcap_interface { u16 linktype; u8 fcs_len; u32 snaplen; u64 ticks_per_s; u64 offset_s; };
/* memory for frames that are not handed out where they lie in the file; as many as the FIFO and a burst hold at once */
struct pcap_slots { u8 **at; u32 *room, *free, n, nfree; };
struct pcap_wire {
	struct wire wire;
	const u8 *map;
	u64 size, pos;
	u32 format;                /* 1 pcap, 2 pcapng */
	u32 swapped, nanoseconds, linktype;
	u32 record_len;            /* of the header in front of each frame */
	u8 lengths_swapped, fcs_len; /* see pcap.c; FCS bytes at the end of each frame */
	u32 ninterfaces, interfaces_room;
	struct pcap_interface *interfaces;
	u64 nframe;                /* in this file */
	u64 stamp_ns;              /* the latest: a simple packet block has none of its own */
	u32 skipped_linktype;      /* of the frames counted in wire.skipped */
	u8 more;                   /* another file follows */
	struct pcap_slots slots;
	struct gso gso;            /* at 0: no frame is being cut */
	const u8 *gso_frame;       /* its payload is behind here, at gso.at */
	u8 gso_head[PCAP_HEAD_MAX];
	u64 gso_frames, gso_segments, gso_bytes, gso_segment_bytes; /* cut, and what they were cut into */
	u64 fcs_stripped, fcs_bytes; /* frames that had a check sequence; bytes of it that the file has */
	u64 link_errors;           /* frames that the file says had arrived damaged */
	char error_text[160];
};
int pcap_fail(struct pcap_wire *p, const char *fmt, ...);   /* -EINVAL, and error_text */
int pcap_truncated(struct pcap_wire *p);
int pcap_end_of_file(struct pcap_wire *p);
void pcap_hand_out(struct pcap_wire *p, struct frame *f, u64 at, u32 caplen, u32 len, u64 t_ns);
void pcap_strip_fcs(struct pcap_wire *p, struct frame *f, u32 bytes);
int pcapng_open(struct pcap_wire *p);
int pcapng_block(struct pcap_wire *p, struct frame *f);
int pcap_gso_begin(struct pcap_wire *p, const struct frame *f);
int pcap_gso_next(struct pcap_wire *p, struct frame *f);
u8 *pcap_own(struct wire *w, struct frame *f);
void pcap_slots_free(struct pcap_wire *p);
struct pcap_wire *pcap_wire_new(void);
void pcap_wire_free(struct pcap_wire *p);
int pcap_wire_open(struct pcap_wire *p, const void *map, u64 size);  /* -EINVAL: error_text says why */

/* ---- send.c: a capture's frames onto a wire, by an absolute schedule: vnic send ---- */

#define SEND_SPIN_NS 50000         /* so long before a frame is due the waiting is done awake */
#define SEND_LATE_NS 100000        /* a frame that leaves later than this is counted */
enum pace { PACE_RECORDED, PACE_PPS, PACE_BPS, PACE_TOPSPEED };
enum send_to { SEND_TAP, SEND_DEV };

/**
 * struct schedule - when a frame is due, ns after the start: from what came before it, never from when the last one left
 * @rate:     PACE_RECORDED: ppm of the recorded pace; PACE_PPS: frames in 1000 s; PACE_BPS: bits a second
 * @frames:   that were due, and their bits
 * @loops_ns: recorded time of the passes through the file that are over
 * @nth:      frames in this pass; @first_ns, @last_ns: their stamps
 * @max_gap_ns: between two frames that are sent; 0: whatever it is. Longer ones are @shortened, by @saved_ns in all
 * @sent_due_ns: when the last one of those was due
 */
struct schedule {
	u64 rate, frames, bits, loops_ns, nth, first_ns, last_ns, backwards;
	u64 max_gap_ns, sent_due_ns, shortened, saved_ns;
	u32 pace;
};
u64 schedule_next(struct schedule *s, u64 t_ns, u32 len); /* of a frame with this stamp; len 0: it is not going to be sent */
void schedule_loop(struct schedule *s);                   /* the next frame is the file's first again */

/**
 * struct sender - a run of vnic send. Zeroed, then set by Python up to schedule.rate
 * @frame_max: longest frame, bytes without a VLAN tag; @drop: what finds the kernel's queue full is lost, and never waited for
 * @passes:    times to go through the file, @limit: frames, @end_ns: ns after the start; ~0: without end
 * @next_ns:   when the next frame is due, by the clock; ~0: there is none
 */
struct sender {
	struct pcap_wire *pcap;
	const void *map;
	u64 map_size;
	int fd;
	u32 to, frame_max;
	u8 drop;
	u64 passes, limit, start_ns, end_ns;
	struct schedule schedule;
	u64 next_ns;
	struct frame burst[BURST];
	u64 due_ns[BURST];
	u32 at, n;
	u8 ended, full;                /* nothing more is read; the frame at the front has found the queue full */
	int error;                     /* -errno: the file broke off */
	u64 first_sent_ns, last_sent_ns, first_due_ns, last_due_ns;
	u64 taken, taken_before, frames, bytes, last_bytes; /* to be sent, before this pass; sent; the last one's */
	u64 passes_done, cut, too_long, too_short, dropped, queue_full, late, late_max_ns;
	struct histogram gap_error;    /* ns between the gap that was asked for and the one there was */
};
int send_step(struct sender *s, u64 now);      /* frames sent; 0: none is due; -EAGAIN: no room; -ENODATA: all done; -errno */
int send_run(struct sender *s, u64 until_ns);  /* 1: go on; 0: all is sent; -errno */

/* ---- tap.c: a TAP device's fds as a wire; frames are read straight into slots, which are the FIFO's memory ---- */

#define TAP_LANES_MAX 16           /* WIRE_FDS_MAX */
#define TAP_AHEAD 16               /* reads of a lane in one system call at most */
/* one queue of the device; system calls, what they brought, and how many reads the next one is to be for */
struct tap_lane {
	int fd;
	u32 expect;                /* frames at the next look */
	u32 batches, ns[2];        /* several reads in a row; what a frame takes in one call, and by read() after read() */
	u64 began_ns;              /* this batch is measured */
	u8 way;                    /* it is read in one call (0), or by read() (1) */
	u64 reads, frames;         /* system calls that read */
};
struct tap_uring;
struct tap_wire {
	struct wire wire;
	struct tap_lane lane[TAP_LANES_MAX];
	u32 nlanes, turn;
	u8 hung_up;                /* poll() says that the device is gone: what is left is read, then the wire ends */
	u32 slot_size, nslots;
	u32 nfree, *free;          /* LIFO: a slot that was used just now is still in the cache */
	u32 nback, *back;          /* given back while the card was lent, as big_back[] */
	struct wire_burst ahead[WIRE_AHEAD]; /* read, and waiting for the card while it is lent */
	u8 *slots;
	u8 *bigs, *big;            /* vnet headers: room for TAP_AHEAD of what was read, and the one that is being cut */
	u32 big_at, big_n, big_len[TAP_AHEAD], big_no[TAP_AHEAD]; /* those that wait for slots, in order */
	u32 big_refs[TAP_AHEAD];   /* by number: it is cut or waits, and segments that refer to it */
	u32 big_back[TAP_AHEAD];
	struct tap_lane *from;     /* where what waits in bigs was read */
	struct tap_uring *uring;   /* NULL: one read() after the other */
	u8 no_uring;               /* it was tried, and the kernel refused */
	u8 closing;                /* only what was read already */
	struct gso gso;             /* the GSO frame that is being cut */
	u64 over;                  /* frames longer than a slot */
	u64 gso_frames, gso_segments, csum_filled, bad_vnet;
};
struct tap_wire *tap_wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots, int vnet);
int tap_vnet_begin(struct tap_wire *t, const struct virtio_net_hdr_v1 *h, u8 *frame, u32 len);
u32 tap_vnet_next(struct tap_wire *t, u8 *to);
u32 tap_vnet_head(struct tap_wire *t, u8 *to, struct frame *f);
void tap_vnet_gather(const struct wire *wire, const struct frame *f, u8 *to);
void tap_vnet_whole(struct wire *wire, struct frame *f);
int tap_vnet_unpack(struct tap_wire *t, struct frame *f, int max);
void tap_wire_free(struct tap_wire *t);
struct tap_uring *tap_uring_new(void *buffers, u64 size);
int tap_uring_read(struct tap_uring *u, int fd, u8 *const *buf, u32 len, int *res, u32 n);
void tap_uring_free(struct tap_uring *u);
int tap_uring_fd(const struct tap_uring *u);
int tap_way_begin(const struct tap_wire *t, struct tap_lane *lane, u32 want);
void tap_way_end(struct tap_lane *lane, u32 want, int full);

/* ---- tap_slots.c: the memory of a TAP's frames ---- */

u8 *tap_nth_slot(const struct tap_wire *t, u32 n);
void tap_fill(struct tap_wire *t, struct frame *f, u32 slot, u32 len);
void tap_fill_next(struct tap_wire *t, struct frame *f, u32 len);
u32 tap_bigs_free(const struct tap_wire *t);
void tap_put_big(struct tap_wire *t, const struct frame *f);
void tap_release(struct wire *wire, const struct frame *f);
void tap_take_back(struct wire *wire);
u32 tap_nslots(u32 fifo_bytes);
u32 tap_slot_size(u32 mtu);
int tap_slots_init(struct tap_wire *t, u32 slot_size, u32 nslots); /* Return: 0 = no memory */
int tap_slots_fit(struct wire *wire, u32 fifo_bytes, u32 mtu);
