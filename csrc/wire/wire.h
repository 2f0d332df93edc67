/* wire.h - where frames come from and go to: memory, a capture file, a TAP device
 *
 * A wire hands out frames by reference (struct frame). The bytes belong to the wire until the card gives the frame back
 * with wire.release(). One thread uses a wire at a time: the card's thread live, the only thread in virtual time.
 */

struct virtio_net_hdr_v1;
struct virtio_net_hdr_v1_hash;
struct schedule;
struct bpf_prog;

/* ---- wire.c: frames, and when they arrive ---- */

#define WIRE_OVERHEAD 24           /* bytes a frame: preamble 8, FCS 4, gap 12 */

#define FRAME_CUT 1                /* the capture holds less than was on the wire (snap length) */
#define FRAME_L4 2                 /* l4_off, l4_len and ip_proto are valid: an unfragmented TCP or UDP packet */
#define FRAME_PLAIN 4              /* FRAME_L4 in IPv4 without options: the addresses lie right before the ports */
#define FRAME_NO_PYTHON 8          /* @nic.filter rejected it */
#define FRAME_HASHED 64            /* parsed and hashed ahead of its arrival, see nic_run() */
#define FRAME_TAGGED 32            /* vlan_tci is valid */
#define FRAME_SENT 128             /* at a tap: the card sends it */
#define FRAME_WAITED 16            /* it stood at the head of the FIFO without a buffer: counted once */
#define FRAME_ALIEN 16             /* from the wire, without bytes: no Ethernet frame, and no packet that Ethernet carries. Its bit is that of
                                      FRAME_WAITED: such a frame never gets into the FIFO */

/**
 * struct frame - a frame on the device's side, by reference: the bytes stay where the wire has them
 * @t_ns:  when its last bit arrived
 * @id:    1, 2, 3, ... in the order of arrival; counting continues over several files
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
	u32 slot;                  /* the wire's own: which piece of its memory this is */
	u32 rest;                  /* if head > 0: offset in wire.rests of the bytes after the first head ones */
	u16 head;                  /* bytes at data; 0: all bytes are at data */
	u16 gso;                   /* 0, but for a frame of many segments that the card takes whole: its virtio header is the
				      first part of read buffer gso - 1, see frame_gso_header() */
};

/**
 * struct wire - a source of frames, the pace at which they arrive, and a sink for what the card sends
 * @read_burst:  fill in up to max frames (data, len, wire_len, t_ns = the source's own stamp, flags).
 *               Return: how many; -EAGAIN: none now; -ENODATA: the source has ended; other -errno: the source broke
 * @release:     take this frame's bytes back. NULL: the wire does not reuse its memory
 * @own:         make this frame's bytes writable. Return: where they are now; NULL: no memory. Virtual time only
 * @write:       send a frame; the wire may use the 12 bytes before it. Return: 0; -ENOBUFS: no room; other -errno: the frame
 *               is lost. NULL: this wire only receives
 *
 *               Frames in two parts (frame.head), only for a wire that makes some:
 * @gather:      write both parts to these len bytes, and complete the checksum that the sender left to its card
 * @whole:       the same, in the frame's own slot: afterwards it is an ordinary frame
 *
 *               Live, for a wire made of file descriptors, else NULL:
 * @poll_set:    fill in what to sleep on, at most WIRE_FDS_MAX. Return: how many
 * @polled:      take what poll() returned for those
 * @files:       add the descriptors that the wire reads and writes
 * @can_go_on:   can frames that were read before be handed out now? No descriptor becomes readable for them
 * @close_reading: stop reading. Return: 1 if frames that were read before are still to be handed out
 * @take_back:   the card's thread has the card again: reuse the memory that was released while the card was lent
 * @fit:         prepare for another FIFO size (bytes) or MTU, while no thread runs. Return: 0; -ENOMEM: nothing has changed
 * @ahead:       WIRE_AHEAD bursts for frames that are read before the card has taken earlier ones
 *
 *               Filled in by the card that the wire is plugged into:
 * @mac:         the card's address; NULL: no card
 * @held:        the i-th frame that the card still refers to, oldest first; NULL: the card holds at most i
 *
 *               Pace, and what to do with captured frames:
 * @speed_ppm:   1000000 = the recorded pace, 2000000 twice as fast, 0 = as fast as the link allows
 * @ps_per_byte: 800 = 10 Gbit/s; 0 = infinitely fast. If both are 0, the card pulls frames whenever the host is idle
 * @schedule:    a rate instead of the recorded times, for PACE_PPS or PACE_BPS; speed_ppm multiplies it. NULL: as recorded
 * @paced_ns:    when the last frame was due by the schedule
 * @base_ns:     the source's stamp of its first frame: virtual time 0
 * @paced:       live: frames arrive at the source's own pace, counted from @live_ns on, when the first was read
 * @rebase:      the next frame begins another file, REBASE_FILE: if its stamp is older, it follows the last frame; the same
 *               for all files once more, REBASE_TIME; or another pass over all files, REBASE_PASS: it follows by @gap_ns
 * @pass_ns:     the stamp of this pass's first frame, as last_ts
 * @capture_mtu: cut a captured GSO frame into packets of so many bytes; 0: offer it whole
 */
struct pollfd;
#define WIRE_FDS_MAX 16
#define WIRE_AHEAD 32              /* 1 ms of reading */
struct wire_burst { struct frame frame[BURST]; int n; };
#define REBASE_FILE 1
#define REBASE_TIME 2
#define REBASE_PASS 3
#define WIRE_ASK_DRY 1             /* wire.ask: return to Python when no frame is left to read */
#define WIRE_ASK_SENT 2            /* wire.ask: return to Python when the card sent a frame */
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
	const u8 *mac;
	u32 speed_ppm, ps_per_byte, capture_mtu;
	const u8 *rests;           /* see frame.rest */
	u8 started, eof, strict_csum, live;
	u8 ask, hungry;            /* when to return to Python before time goes on, WIRE_ASK_*; 1: return now */
	u8 gso_whole;              /* of the GSO frames that it reads: those of VIRTIO_NET_HDR_GSO_* type t are not cut, if bit t is
				      set. The card's driver takes them so (VIRTIO_NET_F_GUEST_TSO4, ...) */
	u8 vnet;                   /* takes and gives virtio headers: partial checksums, and frames longer than the MTU (GSO) */
	u8 lent;                   /* the card is lent (nic_lend.c): released memory waits for take_back() */
	u8 rebase;
	u8 paced;
	struct schedule *schedule;
	u64 base_ns, last_ts, shift_ns, busy_ns, pass_ns, gap_ns, paced_ns, live_ns;
	u32 busy_ps;
	int error;                 /* -errno that ended the wire; 0: it ended in order */
	/* counters, written by the device */
	u64 frames, bytes, cut, csum_completed, ip_csum_completed, length_completed, backwards, oversize;
	u64 tx_bytes;
};
/**
 * wire_next() - read the next frames, number them and set t_ns to the time at which they have arrived
 * @now_ns: live: the time that all of them get
 * Return: as wire.read_burst(). The caller gives each frame back with wire.release(), if that is set.
 */
int wire_next(struct wire *w, struct frame *f, int max, u64 now_ns);
/** wire_pulled() - does this wire have no pace, so that the card pulls frames when the host is idle? */
int wire_pulled(const struct wire *w);

#define TX_FRAME_MAX 65574         /* 65535 of IP behind an Ethernet header, a VLAN tag and room */

/* ---- joint.c: a wire that joins two cards, live ---- */

struct joint_way;
/** struct joint_wire - one end. @in, @out: the two directions, shared with the other end; @ends: how many there are */
struct joint_wire {
	struct wire wire;
	struct joint_way *in, *out;
	u32 *ends;
	u32 shut;
};
/** joint_wires_new() - make both ends; free each by joint_wire_free(). Return: 0 or -ENOMEM */
int joint_wires_new(struct joint_wire **a, struct joint_wire **b);
/** joint_wire_shut() - let the reading of this end come to its end. Context: any thread */
void joint_wire_shut(struct joint_wire *w);
/** joint_wire_free() - free one end; the other may go on sending, and nothing takes it. Context: its card is gone */
void joint_wire_free(struct joint_wire *w);

/* ---- wire.c: a wire in memory. Python feeds it, benchmarks loop over it ---- */

#define MEM_OUT_MAX 1024           /* sent frames that wait to be fetched */
#define MEM_OUT_BYTES 4194304
struct link_way;
struct mem_frame { u64 t_ns; u64 off; u32 len; u32 wire_len; };
/**
 * struct mem_wire - frames in an arena that grows by doubling
 * @loops:  how often to start over
 * @closed: no more frames will be fed: an empty wire has ended
 * @out:    sent frames until Python fetches them; NULL: this wire only receives
 * @way:    where sent frames go instead, see link.c; NULL: to @out
 */
struct mem_wire {
	struct wire wire;
	u8 *arena;
	u64 arena_size, arena_used;
	struct mem_frame *frames;
	u32 nframes, frames_size, pos;
	u64 loops;
	u8 closed;
	u8 *out;
	u64 out_used;
	struct mem_frame out_frames[MEM_OUT_MAX];
	u32 nout, out_lock;
	struct link_way *way;
};
/** mem_wire_new() - allocate an empty wire. Return: NULL: no memory. The caller frees it with mem_wire_free(). */
struct mem_wire *mem_wire_new(u64 arena_bytes, u32 frames);
void mem_wire_free(struct mem_wire *w);
/** mem_wire_sends() - keep what the card sends from now on, for mem_wire_fetch(). Return: 0, or -ENOMEM */
int mem_wire_sends(struct mem_wire *w);
/**
 * mem_wire_fetch() - take the frames sent since the last call, back to back
 * @buf:    room for MEM_OUT_BYTES
 * @frames: room for MEM_OUT_MAX
 * Return: how many frames. Context: any thread; takes out_lock.
 */
u32 mem_wire_fetch(struct mem_wire *w, u8 *buf, struct mem_frame *frames);
/** mem_wire_feed() - append a copy of one frame. Return: 0, or -ENOMEM. Context: while no thread reads the wire. */
int mem_wire_feed(struct mem_wire *w, const void *data, u32 len, u32 wire_len, u64 t_ns);

/* ---- link.c: one direction of a link between two wires in memory ---- */

/** struct link_wait - a frame before the serialiser. @start_ps: when its first bit leaves */
struct link_wait { u64 start_ps; u32 len; };
/**
 * struct link_way - a queue, a serialiser, a delay and losses: what one card sends arrives at the other
 * @to:           the wire that the other card reads
 * @bps:          bits per second; 0: infinitely fast
 * @loss:         a frame is lost if 53 random bits are less
 * @queue_frames, @queue_bytes: most that wait before the serialiser; 0: no limit
 * @random:       state of SplitMix64; each frame that leaves the serialiser takes one number
 * @free_ps:      when the serialiser has sent all it has
 * @wait:         a ring of frames before the serialiser: @waits from @head on, @room slots
 * @busy_ps:      how long the serialiser has sent, with preamble, FCS and gap
 * @no_memory:    frames that the receiving wire had no memory for
 */
struct link_way {
	struct mem_wire *to;
	u64 bps, delay_ns, loss, queue_bytes, random, free_ps;
	struct link_wait *wait;
	u32 queue_frames, head, waits, room;
	u64 waiting_bytes;
	u64 frames, bytes, lost, dropped, carried, busy_ps, no_memory;
	u64 waits_max, waiting_bytes_max;
};
/** link_way_open() - let @from send into @way, and @to read from it; both are in memory. Context: neither card runs */
void link_way_open(struct link_way *way, struct wire *from, struct wire *to);
/** link_way_shut() - let @from keep its frames again; NULL: it is gone. Context: its card does not run */
void link_way_shut(struct link_way *way, struct wire *from);
/** link_serial_ps() - how long the serialiser takes for a frame of @len bytes */
u64 link_serial_ps(const struct link_way *way, u32 len);

/* ---- frame_parse.c: where the headers are ---- */

/**
 * frame_parse() - find the network and transport headers, and what can be hashed (hash_report)
 * @f: at least an Ethernet header long
 * Return: 1 if the IPv4 checksum or the IP length is 0, so that sender_complete() may have work; else 0.
 */
int frame_parse(struct frame *f);

/* ---- sender_offload.c: what a sender left to its card, in a frame captured before that card ---- */

/**
 * sender_complete() - fill in an IPv4 header checksum or an IP length that the sender left to its card, then parse f again
 *
 * The bytes are the wire's own copy afterwards (wire.own). Live, and with strict_csum, f stays as it is.
 */
void sender_complete(struct wire *w, struct frame *f);

/* ---- pcap.c: a capture file as a wire, read piece by piece ---- */

#define LINKTYPE_ETHERNET 1
#define PCAP_FRAME_MAX 262144      /* libpcap's MAXIMUM_SNAPLEN */
#define PCAP_RECORD_MAX 266240     /* a frame with what stands around it in a file */
#define PCAP_HEAD_MAX 512          /* longest headers of a frame that is cut */
struct gso { u32 len, ip, l4, head, at, size, nth; u8 tcp, plain; }; /* see gso.c below */
struct pcap_interface { u16 linktype; u8 fcs_len; u32 snaplen; u64 ticks_per_s; u64 offset_s; };
/* frames of a link that is not Ethernet: those that got an Ethernet header, those that hold no packet for one */
struct pcap_link { u32 linktype; u64 carried, aliens; };
#define PCAP_LINKS_MAX 16
/* memory for frames that are not handed out where they lie in the file: as many as the FIFO and a burst hold at once */
struct pcap_slots { u8 **at; u32 *room, *free, n, nfree; };
/* some bytes of the file; the last frame in there, by struct frame.id */
struct pcap_piece { u8 *data; u64 room, last_frame; };
#define PCAP_PIECE 131072
#define SELECT_SKIP_MAX 65536      /* skip so many frames in a row without a look at signals */
/**
 * struct pcap_select - which frames of the files a wire hands out
 * @wants:    the filter's function, with @filter; NULL: no filter
 * @from_ns:  the first stamp that is handed out; @until_ns: the first one that is not
 * @relative: SELECT_FROM, SELECT_UNTIL: these are times after the first frame until that frame is read
 * @limit:    most frames
 * @again:    at the limit the wire is hungry instead of ended: Python starts over
 * @paused:   the wire is hungry because of SELECT_SKIP_MAX
 * @taken:    frames that count towards the limit; @picked: all that were handed out
 * @filtered: frames that the filter does not want; @outside: frames before @from_ns, or from @until_ns on
 */
#define SELECT_FROM 1
#define SELECT_UNTIL 2
struct pcap_select {
	u32 (*wants)(const struct bpf_prog *filter, const u8 *frame, u32 len, u32 wire_len);
	struct bpf_prog *filter;
	u64 from_ns, until_ns, limit;
	u32 in_a_row;
	u8 relative, again, paused;
	u64 taken, picked, filtered, outside;
};
struct pcap_wire {
	struct wire wire;
	int fd;                    /* -1: the bytes are in memory */
	u32 piece;                 /* the current one, from 1; 0: none */
	const u8 *piece_data;      /* piece_len bytes of the file, from piece_at on */
	u64 piece_at, piece_len;
	u64 size, pos;
	u32 format;                /* 1 pcap, 2 pcapng */
	u32 swapped, nanoseconds, linktype;
	u32 record_len;            /* of the header before each frame */
	u8 lengths_swapped, fcs_len; /* see pcap.c; FCS bytes at the end of each frame */
	u32 ninterfaces, interfaces_room;
	struct pcap_interface *interfaces;
	u64 nframe;                /* in this file */
	u64 stamp_ns;              /* the latest one: a simple packet block has no stamp */
	struct pcap_link links[PCAP_LINKS_MAX]; /* of all files */
	u32 nlinks;
	u8 more, broken;           /* another file follows; this one broke off, and error_text says why */
	struct pcap_piece *pieces;
	u32 npieces;
	u32 piece_bytes;           /* PCAP_PIECE, but for tests */
	u64 handed, before_burst;  /* frames handed out, of all files; before the current burst */
	struct pcap_slots slots;
	struct gso gso;            /* at 0: no frame is being cut */
	const u8 *gso_frame;       /* its payload is behind here, at gso.at */
	u32 gso_slot;              /* the slot that it lies in, 0: none */
	u8 gso_head[PCAP_HEAD_MAX];
	u64 gso_frames, gso_segments, gso_bytes, gso_segment_bytes; /* frames cut, and what they were cut into */
	u64 fcs_stripped, fcs_bytes; /* frames that had a check sequence; bytes of it that the file holds */
	u64 link_errors;           /* frames that arrived damaged, says the file */
	struct pcap_select *select; /* NULL: hand out all frames */
	char error_text[160], damage[128];
};
/** pcap_wire_new() - allocate a wire without a file. Return: NULL: no memory. The caller frees it with pcap_wire_free(). */
struct pcap_wire *pcap_wire_new(void);
void pcap_wire_free(struct pcap_wire *p);
/**
 * pcap_wire_open() - continue with this file. Frames of earlier files stay as they are
 * @fd:   a regular file, or a memfd; the wire closes it, at once if it refuses it
 * @size: bytes to read, from offset 0
 * Return: 0; -EINVAL: error_text says why.
 */
int pcap_wire_open(struct pcap_wire *p, int fd, u64 size);
/** pcap_wire_damaged() - the file that is opened next ends too early, for this reason; "": it does not */
void pcap_wire_damaged(struct pcap_wire *p, const char *why);
/** pcap_wire_open_memory() - the same with bytes in memory; they stay the caller's, and must outlive the frames */
int pcap_wire_open_memory(struct pcap_wire *p, const void *bytes, u64 size);
/** pcap_wire_rewind() - read the current file once more. Return: as pcap_wire_open() */
int pcap_wire_rewind(struct pcap_wire *p);

/* ---- send.c: a capture's frames onto a wire, by an absolute schedule: vnic send ---- */

#define SEND_SPIN_NS 50000         /* spin for the last so many ns before a frame is due */
#define SEND_LATE_NS 100000        /* a frame that leaves later than this is counted */
enum pace { PACE_RECORDED, PACE_PPS, PACE_BPS, PACE_TOPSPEED };
enum send_to { SEND_TAP, SEND_DEV };
enum send_asks { ASKS_NOTHING, ASKS_NEXT_FILE, ASKS_FIRST_FILE };

/**
 * struct schedule - when a frame is due, ns after the start: from the frames before it, never from when they left
 * @rate:     PACE_RECORDED: ppm of the recorded pace; PACE_PPS: frames in 1000 s; PACE_BPS: bits a second
 * @frames:   that were due, and their @bits
 * @loops_ns: recorded time of the passes through the file that are over
 * @nth:      frames in this pass; @first_ns, @last_ns: their stamps
 * @rebase:   the next frame is another file's first: if it is older, it follows at once
 * @max_gap_ns: longest gap between two sent frames; 0: no limit. Longer ones are @shortened, by @saved_ns in all
 * @sent_due_ns: when the last sent frame was due
 */
struct schedule {
	u64 rate, frames, bits, loops_ns, nth, first_ns, last_ns, backwards;
	u64 max_gap_ns, sent_due_ns, shortened, saved_ns;
	u32 pace, rebase;
};
/**
 * schedule_next() - plan the next frame
 * @t_ns: its recorded stamp
 * @len:  its bytes; 0: it will not be sent
 * Return: when it is due, ns after the start.
 */
u64 schedule_next(struct schedule *s, u64 t_ns, u32 len);
/** schedule_loop() - start another pass: the next frame is the first file's first again */
void schedule_loop(struct schedule *s);

/**
 * struct sender - a run of vnic send. Zeroed, then set by Python up to schedule.rate
 * @frame_max: longest frame, bytes without a VLAN tag
 * @drop:      drop a frame that finds the kernel's queue full, instead of waiting
 * @passes:    times to go through the file
 * @limit:     frames to send
 * @end_ns:    ns after the start; ~0: no end
 * @next_ns:   when the next frame is due, by the clock; ~0: no frame is left
 */
struct sender {
	struct pcap_wire *pcap;
	int fd;
	u32 to, frame_max;
	u8 drop;
	u64 passes, limit, start_ns, end_ns;
	struct schedule schedule;
	u64 next_ns;
	struct frame burst[BURST];
	u64 due_ns[BURST];
	u32 at, n;
	u8 ended, full;                /* reading has ended; the frame at the front has found the queue full */
	u8 several, asks;              /* there are more files; enum send_asks: Python opens the next one */
	int error;                     /* -errno: the file broke off */
	u64 first_sent_ns, last_sent_ns, first_due_ns, last_due_ns;
	u64 taken, taken_before, frames, bytes, last_bytes; /* to be sent, before this pass; sent; the last one's */
	u64 passes_done, cut, too_long, too_short, aliens, dropped, queue_full, late, late_max_ns;
	struct histogram gap_error;    /* ns between the planned gap and the actual one */
};
/**
 * send_step() - send the frames that are due at now, at most a burst
 * Return: frames sent; 0: none is due; -EAGAIN: the queue is full; -ENODATA: all are sent; other -errno: sending failed.
 */
int send_step(struct sender *s, u64 now);
/**
 * send_run() - send until until_ns (by the clock), sleeping and spinning in between
 * Return: 1: call again (the time is over, or a signal came); 2: as 1, once s->asks is done and 0; 0: all are sent; -errno.
 */
int send_run(struct sender *s, u64 until_ns);

/* ---- calibrate.c: what the running kernel's receive path costs: vnic calibrate. Arrays are the caller's ---- */

#define FIRST_PAUSE_NS 300000      /* the writer sleeps so long before a first write */
#define STEAL_MIN_NS 300           /* a spinning thread that misses more was interrupted */
enum rung_kind { RUNG_WRITE, RUNG_QUEUED, RUNG_REFUSED, RUNG_EMPTY, RUNG_SYSCALL, RUNG_CLOCK };
enum reader_how { READER_NONE, READER_SPINS, READER_SLEEPS };

/**
 * struct rung - one step of the ladder: a frame that the kernel drops at a certain stage, or a call to compare with
 * @kind:     RUNG_QUEUED: the frames reach @sock; RUNG_REFUSED: the TAP refuses them; RUNG_EMPTY: recv() of nothing
 * @fd:       the TAP
 * @write_ns: of a batch, for each repetition; @read_ns: likewise, RUNG_QUEUED only
 */
struct rung { const u8 *frame; u64 *write_ns, *read_ns; u32 kind, len; int fd, sock; };
/**
 * calibrate_ladder() - time all rungs in turn, reps times, on this CPU
 * @warm: frames before each batch, which are not timed
 * Return: 0; -ENODATA: the kernel lost datagrams that a socket has room for; other -errno.
 * Context: the calling thread stays on this CPU.
 */
int calibrate_ladder(struct rung *rungs, u32 n, u32 cpu, u32 reps, u32 batch, u32 warm);
/**
 * calibrate_remote() - write batches on a CPU, and read each on another one afterwards
 * @first_ns: time of the first write after a pause, for each repetition
 * Return: as calibrate_ladder(); -ETIMEDOUT: the reader has no CPU.
 */
int calibrate_remote(struct rung *r, u32 writer, u32 reader, u32 reps, u32 batch, u64 *first_ns);

/**
 * struct wakes - n single writes, and a thread that reads them
 * @gap_ns:   between a read and the next write, for each
 * @write_ns: time of each write; @read_ns: from its end to the reader's return; 0: that came first
 */
struct wakes {
	const u8 *frame;
	const u64 *gap_ns;
	u64 *write_ns, *read_ns;
	u32 len, n, how, writer, reader;
	int fd, sock;
};
/**
 * calibrate_wakes() - time single writes, and the reads of another thread
 * Return: 0; -ETIMEDOUT: the reader has no CPU; other -errno. A reader that sleeps leaves @sock shut down.
 */
int calibrate_wakes(struct wakes *w);

/**
 * struct steals - the time that a spinning thread misses while another CPU writes n bursts
 * @burst:    frames of each; 0: nothing is written
 * @gap_ns:   before each burst
 * @begun_ns: the start of each burst; @written_ns: its end
 * @from_ns:  when a gap began; @until_ns: when it ended. There are @ngaps, at most @room.
 */
struct steals {
	const u8 *frame;
	u64 *begun_ns, *written_ns, *from_ns, *until_ns, gap_ns;
	u32 len, n, burst, writer, spinner, room, ngaps;
	int fd;
};
/** calibrate_steals() - time the gaps of a spinning thread. Return: 0, or -errno. */
int calibrate_steals(struct steals *s);

/* ---- validate.c: a load for the running kernel, to be replayed by vnic afterwards: vnic validate ---- */

#define VALIDATE_NUMBER_AT 42      /* each frame carries its number here: a UDP payload's first 8 bytes */
/**
 * struct validation - n frames written to a TAP at their times, and a thread that sleeps in recv() and reads them
 * @due_ns:     when each is due, after the first; one that is late is written at once
 * @begun_ns:   when each write began
 * @read_ns:    when the reader had it; 0: it never came
 * @work_loops: the reader's work after each datagram; a loop of so many multiplications, so interrupts prolong it
 * @work_ns:    what this work took, median, before the load
 * @sleeps:     times that the reader was woken by a datagram; @reader_ns: its CPU time
 */
struct validation {
	const u64 *due_ns;
	u64 *begun_ns, *read_ns;
	u8 *frame;
	u64 work_loops, work_ns, sleeps, reader_ns;
	u32 len, n, writer, reader;
	int fd, sock;
};
/** validate_load() - write and read all. It leaves @sock shut down. Return: 0, or -errno. Context: stays on CPU writer. */
int validate_load(struct validation *v);

/** validate_work_ns() - time the reader's work of so many turns here and now: the median of a hundred */
u64 validate_work_ns(u64 loops);

/* ---- tap.c: a TAP device's fds as a wire; frames are read straight into slots, which are the FIFO's memory ---- */

#define TAP_LANES_MAX 16           /* WIRE_FDS_MAX */
#define TAP_AHEAD 16               /* reads of a lane in one system call at most */
/**
 * struct tap_lane - one queue of the device
 * @expect:   frames that the next read is for
 * @batches:  times that it was read more than once in a row
 * @ns:       cost of a frame: by io_uring, by read() after read()
 * @began_ns: when the batch that is being measured began; 0: not measured
 * @way:      index into ns: how this batch is read
 * @reads:    system calls that read, and the @frames that they brought
 */
struct tap_lane {
	int fd;
	u32 expect;
	u32 batches, ns[2];
	u64 began_ns;
	u8 way;
	u64 reads, frames;
};
struct tap_uring;
/**
 * struct tap_port - where a virtio header and a frame come and go by a call in place of a TAP's read(2) and write(2):
 *                   vhost/vhost_port.c. A lane's file becomes readable when there is something to read again
 * @read:  fill in the lane's next one, at most len bytes. Return: its length; 0: the lane is dry
 * @write: send one. Return: as wire.write()
 * @more:  call this when all lanes were dry. Return: 1: one has more now; 0: its file will become readable
 * @woken: the lane's file became readable
 * @files: add the descriptors that it writes
 */
struct tap_port {
	int (*read)(struct tap_port *p, u32 lane, u8 *buf, u32 len);
	int (*write)(struct tap_port *p, u32 lane, const u8 *frame, u32 len);
	int (*more)(struct tap_port *p);
	void (*woken)(struct tap_port *p, u32 lane);
	void (*files)(const struct tap_port *p, struct file_set *files);
};
struct tap_wire {
	struct wire wire;
	struct tap_lane lane[TAP_LANES_MAX];
	u32 nlanes, turn;
	u8 hung_up;                /* poll() reported that the device is gone: the wire ends when the read frames are handed out */
	u32 slot_size, nslots;
	u32 nfree, *free;          /* LIFO: the slot used last is still in the cache */
	u32 nback, *back;          /* slots released while the card was lent, as big_back[] */
	struct wire_burst ahead[WIRE_AHEAD]; /* bursts read while the card is lent */
	u8 *slots;
	u8 *bigs, *big;            /* vnet headers: TAP_AHEAD read buffers, and the one that is being cut */
	u32 big_at, big_n, big_len[TAP_AHEAD], big_no[TAP_AHEAD]; /* read buffers that wait for slots, in order */
	u32 big_refs[TAP_AHEAD];   /* by number: 1 while it is cut or waits, plus 1 for each segment that refers to it */
	u32 big_back[TAP_AHEAD];
	struct tap_lane *from;     /* the lane that filled the waiting read buffers */
	struct tap_uring *uring;   /* NULL: one read() after the other */
	struct tap_port *port;     /* NULL: the lanes are a TAP's queues */
	u8 no_uring;               /* the kernel refused a read by io_uring */
	u8 closing;                /* hand out frames that were read before, and read no more */
	struct gso gso;            /* the GSO frame that is being cut */
	u64 over;                  /* frames longer than a slot */
	u64 gso_frames, gso_segments, gso_taken, csum_filled, bad_vnet;
};
/**
 * tap_wire_new() - make a wire of a TAP's file descriptors
 * @fds:  non-blocking, one a queue; they stay the caller's
 * @vnet: the device was opened with IFF_VNET_HDR
 * Return: NULL: no memory. The caller frees it with tap_wire_free().
 */
struct tap_wire *tap_wire_new(const int *fds, u32 nlanes, u32 slot_size, u32 nslots, int vnet);
void tap_wire_free(struct tap_wire *t);
/** tap_wire_of_port() - as tap_wire_new(), of a port; the caller keeps the port, and frees it after the wire */
struct tap_wire *tap_wire_of_port(struct tap_port *port, const int *fds, u32 nlanes, u32 slot_size, u32 nslots);
/** tap_nslots() - slots for a FIFO of so many bytes, plus the bursts read while the card is lent */
u32 tap_nslots(u32 fifo_bytes);
/** tap_slot_size() - bytes of a slot for frames of this MTU */
u32 tap_slot_size(u32 mtu);
/** tap_uring_fd() - the io_uring's descriptor; -1: the wire has no io_uring */
int tap_uring_fd(const struct tap_uring *u);

/* ---- inside the room ---- */

/* frame_parse.c */

/**
 * frame_ipv6_transport() - skip hop-by-hop, routing and destination options
 * @end:  bytes of the packet
 * @next: set to the protocol of the header that follows
 * Return: offset of that header from ip; 0: it lies beyond end.
 */
u32 frame_ipv6_transport(const u8 *ip, u32 end, u8 *next);

/* gso.c: one frame for many, cut as a sender's card cuts it.
 * struct gso: length of the frame; offsets from the Ethernet header (IP and transport header, payload, next byte to cut);
 * payload bytes a segment; segments so far */

/** gso_ip_offset() - find the IP header, after any VLAN tags. Return: its offset; 0: not an IP frame */
u32 gso_ip_offset(const u8 *frame, u32 len);
/** gso_fits() - does g have a whole transport header, a payload, and segments of at most room bytes? */
int gso_fits(const struct gso *g, u32 room);
/** gso_put_head() - write the headers of the next segment of len bytes, checksum field 0, and advance g */
void gso_put_head(struct gso *g, const u8 *head, u8 *to, u32 len);
/**
 * gso_next() - write the next segment
 * @head:  g->head bytes of headers, which are patched
 * @frame: the payload is at frame + g->at
 * Return: length of the segment; 0: all is cut.
 */
u32 gso_next(struct gso *g, const u8 *head, const u8 *frame, u8 *to);

/* pcap.c */

/** pcap_fail() - set error_text. Return: -EINVAL */
int pcap_fail(struct pcap_wire *p, const char *fmt, ...);
/** pcap_truncated() - the file ends inside a frame. Return: -EINVAL */
int pcap_truncated(struct pcap_wire *p);
/** pcap_end_of_file() - Return: -ENODATA; -EAGAIN if another file follows: Python opens it */
int pcap_end_of_file(struct pcap_wire *p);
/** pcap_hand_out() - make f the frame of these caplen bytes */
void pcap_hand_out(struct pcap_wire *p, struct frame *f, const u8 *data, u32 caplen, u32 len, u64 t_ns);
/** pcap_strip_fcs() - remove a frame check sequence of so many bytes; a cut frame may lack some of them */
void pcap_strip_fcs(struct pcap_wire *p, struct frame *f, u32 bytes);

/* pcap_pieces.c: the file's bytes */

/**
 * pcap_next_piece() - pcap_bytes() for bytes that are not in the current piece
 * Return: NULL: the file has shrunk, cannot be read, or no memory; error_text says which.
 */
const u8 *pcap_next_piece(struct pcap_wire *p, u64 at, u32 len);
/** pcap_pieces_of() - read from this file from now on, or, with fd -1, from p->size bytes of memory; close the one before */
void pcap_pieces_of(struct pcap_wire *p, int fd, const u8 *memory);
void pcap_pieces_free(struct pcap_wire *p);

/* pcap_select.c */

/** pcap_selects() - is f, which was just read, to be handed out? If not, its slot is free again */
bool pcap_selects(struct pcap_wire *p, const struct frame *f);
/** pcap_select_ends() - stop before the next frame? Return: 0: no; -ENODATA: at the limit; -EAGAIN: the wire is hungry */
int pcap_select_ends(struct pcap_wire *p);

/* pcapng_read.c */

/** pcapng_open() - skip to the first packet that may be an Ethernet frame. Return: 0, or -errno */
int pcapng_open(struct pcap_wire *p);
/** pcapng_block() - read one block. Return: 1: f is a frame; 0: the block holds none; -ENODATA: end; other -errno */
int pcapng_block(struct pcap_wire *p, struct frame *f);

/* pcap_gso.c: frames that are not handed out as they lie in the file */

/** pcap_gso_begin() - look at f, longer than the MTU. Return: 1: pcap_gso_next() cuts it; 0: it is offered as it is */
int pcap_gso_begin(struct pcap_wire *p, const struct frame *f);
/** pcap_gso_next() - make f the next segment. Return: 1, or -ENOMEM */
int pcap_gso_next(struct pcap_wire *p, struct frame *f);
/** pcap_gso_end() - no more segments: the last one is out, or the file is left */
void pcap_gso_end(struct pcap_wire *p);
/** pcap_own() - wire.own: copy f's bytes to a slot */
u8 *pcap_own(struct wire *w, struct frame *f);
/** pcap_slot() - give f a slot of len bytes. Return: where it is; NULL: no memory */
u8 *pcap_slot(struct pcap_wire *p, struct frame *f, u32 len);
void pcap_slots_free(struct pcap_wire *p);

/* linktype.c */

/** link_is_known() - may frames of this link type hold a packet that Ethernet carries? */
int link_is_known(u32 linktype);
/** link_to_ethernet() - give the packet in f an Ethernet header, in a slot; or make f FRAME_ALIEN. Return: 0, or -ENOMEM */
int link_to_ethernet(struct pcap_wire *p, struct frame *f, u32 linktype);

/* calibrate.c: for validate.c too */

/** calibrate_pin() - stay on this CPU. Return: 0, or the error's number */
int calibrate_pin(u32 cpu);
void calibrate_spin_until(u64 ns);
/** calibrate_start() - start a thread that no signal interrupts; calibrate_join() ends it. Return: 0, or -errno */
int calibrate_start(void **thread, void *(*run)(void *), void *arg);
void calibrate_join(void *thread);

/* tap_slots.c: the memory of a TAP's frames. Context: the thread that reads, but for tap_release() */

/** tap_slots_init() - allocate a new wire's slots. Return: 0: no memory */
int tap_slots_init(struct tap_wire *t, u32 slot_size, u32 nslots);
/** tap_slots_fit() - wire.fit: allocate more or longer slots, and move the held frames there */
int tap_slots_fit(struct wire *wire, u32 fifo_bytes, u32 mtu);
/** tap_nth_slot() - the slot that is taken after n others */
u8 *tap_nth_slot(const struct tap_wire *t, u32 n);
/** tap_fill() - make f a frame of len bytes in this slot, which the caller has taken */
void tap_fill(struct tap_wire *t, struct frame *f, u32 slot, u32 len);
/** tap_fill_next() - take the next slot, and make f a frame of len bytes in it */
void tap_fill_next(struct tap_wire *t, struct frame *f, u32 len);
/** tap_bigs_free() - how many read buffers no segment refers to */
u32 tap_bigs_free(const struct tap_wire *t);
/** tap_put_big() - drop this segment's reference to its read buffer */
void tap_put_big(struct tap_wire *t, const struct frame *f);
/** tap_release() - wire.release. Context: the card's owner: its thread, or the CPU that borrowed it */
void tap_release(struct wire *wire, const struct frame *f);
/** tap_take_back() - wire.take_back */
void tap_take_back(struct wire *wire);

/* tap_uring.c: several reads in one system call */

/** tap_uring_new() - set up reads into these buffers only. Return: NULL: the kernel has no io_uring for us */
struct tap_uring *tap_uring_new(void *buffers, u64 size);
/**
 * tap_uring_read() - read fd n times (at most TAP_AHEAD), the i-th time into buf[i], in order
 * @res: set for each read: length; 0: nothing to read; -errno
 * Return: 0; -errno: no read took place.
 */
int tap_uring_read(struct tap_uring *u, int fd, u8 *const *buf, u32 len, int *res, u32 n);
void tap_uring_free(struct tap_uring *u);
/** tap_way_begin() - choose how to read this batch. Return: 1: in one call */
int tap_way_begin(const struct tap_wire *t, struct tap_lane *lane, u32 want);
/** tap_way_end() - learn what the batch cost, if all want reads brought a frame (full) */
void tap_way_end(struct tap_lane *lane, u32 want, int full);

/* tap_vnet.c: virtio headers */

/**
 * tap_vnet_begin() - take a frame that was read into t->big
 * Return: 0: it is complete; 1: tap_vnet_next() or tap_vnet_head() cuts it; -EINVAL: its header is invalid.
 */
int tap_vnet_begin(struct tap_wire *t, const struct virtio_net_hdr_v1 *h, u8 *frame, u32 len);
/** tap_vnet_next() - write the next segment. Return: its length; 0: all is cut */
u32 tap_vnet_next(struct tap_wire *t, u8 *to);
/** tap_vnet_head() - write the next segment's headers only; f refers to the payload in t->big. Return: as tap_vnet_next() */
u32 tap_vnet_head(struct tap_wire *t, u8 *to, struct frame *f);
/** tap_vnet_gather() - wire.gather */
void tap_vnet_gather(const struct wire *wire, const struct frame *f, u8 *to);
/** tap_vnet_whole() - wire.whole */
void tap_vnet_whole(struct wire *wire, struct frame *f);
/** tap_vnet_unpack() - hand out the frames read, at most max, one per slot. Return: frames handed out */
int tap_vnet_unpack(struct tap_wire *t, struct frame *f, int max);
