/* vnic.h - the map of the data plane, in the order in which a frame meets it
 *
 *   wire.c pcap.c pcapng_read.c pcap_gso.c tap.c tap_uring.c tap_vnet.c gso.c
 *             -> nic.c nic_up.c nic_pull.c: nic_receive.c sender_offload.c filter.c rss.c nic_steer.c ntuple.c arfs.c fifo.c
 *             -> virtqueue.c dma.c dma_chains.c -> irq.c call_fd.c dim.c                       the device
 *   softirq.c timer.c -> net_rx_action.c -> driver.c -> gro.c gro_inet.c gro_tcp.c gro_udp.c -> rps.c rfs.c -> backlog.c
 *             -> netif_receive_skb.c (taps: af_packet.c bpf.c capture.c pcapng.c)
 *             -> arp.c ip.c ipv6.c: ip_fragment.c reassembly.c inet_fragment.c frag_runs.c
 *             -> icmp.c ndisc.c udp.c tcp.c -> sock.c                                          the host
 *   udp.c icmp.c arp.c ndisc.c -> ip_output.c -> neigh.c -> driver_tx.c -> nic_tx.c -> wire        and back
 *
 * The three nouns: a frame is bytes on the wire (device side); a virtqueue is the ring that device and driver
 * share; an skb is what the host works on after the driver took a frame off the ring.
 *
 * This file is also what cffi reads, so it has no preprocessor lines but plain "#define NAME number", no inline
 * functions and no attributes; every .c includes prelude.h, which includes this file. Enums are the schema: Python
 * takes the names of fates, counters and costs from here. All times are nanoseconds (u64) of one clock: the virtual
 * one, or CLOCK_MONOTONIC when live. Functions return a count or 0, or -errno.
 */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define NIC_QUEUES_MAX 16
#define RX_RING_MIN 16
#define RX_RING_MAX 4096
#define CPUS_MAX 64
#define BURST 64                   /* frames handed on at once where a queue or a thread border is crossed */
#define RSS_INDIR_SIZE 128
#define RSS_KEY_SIZE 52
#define GRO_HASH_BUCKETS 8
#define MAX_GRO_SKBS 8             /* per bucket */
#define NAPI_POLL_WEIGHT 64
#define LAT_BUCKETS 3712           /* 64 + 58 * 64 would be more: values above 2^63 ns share the last one */
#define ETH_HLEN 14
#define ETH_FRAME_LEN 1514
#define ETH_ZLEN 60                /* a frame is padded to this on a wire, FCS not counted */

struct inet_addr { u64 hi, lo; };  /* IPv4 is kept as ::ffff:a.b.c.d, so one table serves both */
struct flow_key { struct inet_addr src, dst; u16 sport, dport; u8 proto, spare[3]; }; /* ports: host byte order */

/* ---- fates: every frame offered on the wire ends in exactly one. ledger.c has a line of text for each ---- */

enum fate {
	DELIVERED_UDP, DELIVERED_TCP, DELIVERED_ICMP, DELIVERED_ICMPV6, DELIVERED_IGMP, DELIVERED_ARP,
	DELIVERED_PYTHON, DELIVERED_DRIVER,
	/* the card */
	DEV_READY, RX_LENGTH, MAC_FILTER, VLAN_FILTER, PYTHON_FILTER, NTUPLE_FILTER, FIFO_OVERRUN, RX_OVER, RX_NO_BUFFER,
	/* the host, up to the protocols: names are Linux's SKB_DROP_REASON_* where it has one */
	CPU_BACKLOG, UNHANDLED_PROTO, OTHERHOST, PYTHON_DROP, PYTHON_QUEUE_FULL,
	/* IP */
	PKT_TOO_SMALL, IP_INHDR, IP_CSUM, IP_INVALID_SOURCE, IP_INADDRERRORS, IP_NOPROTO, IPV6_BAD_EXTHDR,
	/* fragments; for those with FRAG_ of our own Linux counts ReasmFails and gives no reason */
	DUP_FRAG, FRAG_REASM_TIMEOUT, FRAG_TOO_FAR, PKT_TOO_BIG, FRAG_OVERLAP, FRAG_LENGTH, FRAG_ECN, FRAG_HIGH_THRESH,
	/* above IP */
	ICMP_CSUM, UDP_CSUM, TCP_CSUM, TCP_FLAGS, NO_SOCKET, SOCKET_TABLE_FULL, SOCKET_RCVBUFF,
	TCP_OLD_DATA, TCP_OVERWINDOW, TCP_OFOMERGE, TCP_OFO_DROP, TCP_CLOSE,
	FATE_MAX
};

/* what is sent has a ledger of its own: every frame that IP or ARP makes ends in one of these */
enum tx_fate {
	TX_SENT,
	TX_NEIGH_FAILED, TX_NEIGH_QUEUEFULL, TX_NEIGH_CREATEFAIL, /* SKB_DROP_REASON_NEIGH_* */
	TX_FULL_RING, TX_DEV_READY, TX_BAD_CHAIN, TX_WIRE_FULL, TX_WIRE_ERROR,
	TX_FATE_MAX
};

/* where a frame that has no fate yet can be */
enum in_flight {
	IN_FIFO, IN_RING, IN_GRO, IN_BACKLOG, IN_FRAG, IN_PYTHON, IN_TCP_OFO,
	IN_FLIGHT_MAX
};

/* ---- GRO: why a hold ended; gro_flows.c has a line of text for each ---- */
enum gro_end {
	GRO_HOLDS,                     /* it did not */
	GRO_COMPLETE, GRO_FULL_POLL, GRO_AGED, GRO_EVICTED,
	/* a segment joined, and was the last to */
	GRO_PSH, GRO_FIN, GRO_SHORTER, GRO_COUNT,
	/* a segment of the flow came that could not join */
	GRO_FLAGS, GRO_CWR, GRO_WINDOW, GRO_ACK, GRO_OPTIONS, GRO_TTL_TOS, GRO_IP_ID, GRO_EMPTY, GRO_LONGER, GRO_SEQ,
	GRO_SIZE, GRO_PADDED, GRO_CSUM_STATE, GRO_OTHER_KIND,
	GRO_END_MAX
};

/* ---- costs: what a piece of work takes from the CPU that does it, ns (the _PS ones: picoseconds a byte) ---- */

enum cost {
	COST_DMA, COST_DMA_PS,             /* the card: per frame, per byte */
	COST_HARDIRQ, COST_SOFTIRQ, COST_POLL,
	COST_RX, COST_RX_BUF,              /* driver: per frame, per further buffer */
	COST_GRO, COST_RPS, COST_IPI, COST_BACKLOG, COST_RECEIVE, COST_IP, COST_UDP, COST_TCP, COST_CSUM_PS,
	COST_SOCK, COST_WAKE,              /* queue to the socket; wake its reader */
	COST_SWITCH, COST_RECV, COST_COPY_PS, /* reader: context switch, system call per datagram, copy per byte */
	COST_OUTPUT,                       /* IP output, neighbour, the driver's start_xmit, per frame */
	COST_MAX
};

/* ---- latency split: lat.c. Log-linear histograms, 64 buckets an octave (under 1.6 % wide) ---- */

enum latency { LAT_RING, LAT_MODERATION, LAT_POLL, LAT_GRO, LAT_BACKLOG, LAT_REORDER, LAT_SOCKET, LAT_TOTAL, LAT_MAX };

struct histogram {
	u64 count, sum, min, max;
	u64 bucket[LAT_BUCKETS];
};
void lat_record(struct histogram *h, u64 value_ns, u32 frames);
u64 lat_percentile(const struct histogram *h, double q);   /* 0 <= q <= 1; ns, the bucket's upper edge */

/* ---- wire.c: where frames come from ---- */

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

enum wire_kind { WIRE_MEMORY, WIRE_CAPTURE, WIRE_TAP };

/**
 * struct wire - one source of frames, and the pace at which they come
 * @read_burst:  fill up to max frames (data, len, wire_len, t_ns = the source's own stamp, flags).
 *               Return: how many; 0 = none now; -ENODATA = there will be no more; other -errno: the source broke
 * @release:     this frame's bytes are not needed any more (sources that want their memory back); may be NULL
 * @own:         this frame's bytes, to be written to from now on; NULL: no memory. Virtual time only
 * @write:       a frame leaves (12 bytes in front of it may be used). Return: 0; -ENOBUFS: no room; other -errno: it is lost.
 *               NULL: this wire only receives
 * @speed_ppm:   1000000 = the recorded pace, 2000000 twice as fast, 0 = as fast as the wire takes them
 * @ps_per_byte: 800 = 10 Gbit/s; 0 = infinitely fast. Both 0: frames are pulled whenever the host is idle
 * @base_ns:     the source's stamp of its first frame: virtual time 0
 * @capture_mtu: a GSO frame in a capture is cut into packets of so many bytes; 0: it is offered whole
 */
struct virtio_net_hdr_v1_hash;
#define WIRE_ASK_DRY 1             /* there are no more frames to read */
#define WIRE_ASK_SENT 2            /* the card sent something */
struct wire {
	int (*read_burst)(struct wire *w, struct frame *f, int max);
	void (*release)(struct wire *w, const struct frame *f);
	u8 *(*own)(struct wire *w, struct frame *f);
	int (*write)(struct wire *w, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns);
	u32 kind, speed_ppm, ps_per_byte, capture_mtu;
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
struct nic;
struct mem_wire *mem_wire_new(u64 arena_bytes, u32 frames);
void mem_wire_free(struct mem_wire *w);
int mem_wire_sends(struct mem_wire *w);        /* from now on it takes what the card sends. 0, or -ENOMEM */
u32 mem_wire_fetch(struct mem_wire *w, u8 *buf, struct mem_frame *frames); /* MEM_OUT_BYTES, MEM_OUT_MAX of room */
int mem_wire_feed(struct mem_wire *w, struct nic *nic, const void *data, u32 len, u32 wire_len, u64 t_ns);

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

struct file_set;               /* own_files.c */

/* ---- tap.c: a TAP device's fds as a wire; frames are read straight into slots, which are the FIFO's memory ---- */

#define TAP_LANES_MAX 16
#define LEND_BURSTS 32             /* what may wait for a CPU that has borrowed the card: 1 ms of reading */
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
struct virtio_net_hdr_v1 { u8 flags, gso_type; u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers; };
struct tap_wire {
	struct wire wire;
	struct tap_lane lane[TAP_LANES_MAX];
	u32 nlanes, turn;
	u8 hung_up;                /* poll() says that the device is gone: what is left is read, then the wire ends */
	u32 slot_size, nslots;
	u32 nfree, *free;          /* LIFO: a slot that was used just now is still in the cache */
	u32 nback, *back;          /* given back while the card was lent, as big_back[] */
	struct frame bursts[LEND_BURSTS][BURST]; /* read, and waiting for the card while it is lent */
	int burst_n[LEND_BURSTS];
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
void tap_vnet_whole(struct wire *wire, struct frame *f);
int tap_vnet_unpack(struct tap_wire *t, struct frame *f, int max);
void tap_files(const struct wire *wire, struct file_set *files);
int tap_can_go_on(const struct wire *wire);
int tap_close_reading(struct wire *wire);      /* true: frames that were read before are still to come */
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
int tap_slots_fit(struct nic *nic, u32 fifo_bytes, u32 mtu);

/* ---- filter.c: is it for us? ---- */

struct mac_filter {
	u8 addr[6];
	u8 any;                    /* replay: every unicast address counts as ours */
	u8 promisc, allmulti;
	u8 vlan_filter;            /* rx-vlan-filter: only the ids in vlans[] pass */
	u32 nuc, nmc;
	u8 uc[16][6];              /* further unicast addresses */
	u8 mc[64][6];              /* multicast list */
	u32 vlans[128];            /* bitmap of ids */
};
int filter_frame(const struct mac_filter *mf, const struct frame *f);  /* -1: pass, else the fate */

/* ---- rss.c: parse, Toeplitz hash, indirection table ---- */

#define HASH_NONE 0                /* virtio_net_hdr_v1_hash.hash_report, virtio 1.2 section 5.1.6.4.5 */
#define HASH_IPV4 1
#define HASH_TCPV4 2
#define HASH_UDPV4 3
#define HASH_IPV6 4
#define HASH_TCPV6 5
#define HASH_UDPV6 6
#define HASH_TYPES 7

#define RSS_IP_SRC 1               /* what of a flow is hashed, in ethtool's letters: s d f n */
#define RSS_IP_DST 2
#define RSS_L4_SRC 4
#define RSS_L4_DST 8

struct rss {
	u8 key[RSS_KEY_SIZE];
	u8 left_out[HASH_TYPES];   /* by flow type, HASH_TCPV4 ..: RSS_IP_SRC .. that are not hashed (rx-flow-hash) */
	u8 symmetric;              /* xfrm symmetric-xor: source ^ destination in both places */
	u8 shaped;                 /* any of those: the input is not just the tuple */
	u8 enabled;                /* rxhash */
	u8 configured;             /* indir[] was set by somebody; else it follows the number of queues */
	u32 changes;               /* of key, fields and transformation */
	u16 indir[RSS_INDIR_SIZE];
	u64 window[9];             /* key bits 32 i .. 32 i + 63, the first one lowest: for carry-less multiplication */
	u64 matrix[16];            /* row j: key bits 8 i + j .. 8 i + j + 7: for gf2p8affineqb */
	u32 table[36][256];        /* key, laid out: one look-up per input byte */
};
void rss_set_key(struct rss *r, const u8 *key, u32 len);
void rss_set_fields(struct rss *r, u32 hash_type, u32 fields);
void rss_set_symmetric(struct rss *r, int on);
u32 rss_toeplitz(const struct rss *r, const u8 *input, u32 len);
int frame_parse(struct frame *f);
u32 frame_ipv6_transport(const u8 *ip, u32 end, u8 *next); /* offset behind extension headers, and what is there; 0: beyond end */
void rss_frame(const struct rss *r, struct frame *f);
u16 rss_queue(const struct rss *r, u32 hash);
u32 rss_key_id(const struct rss *r);   /* another one when anything that a hash depends on was changed */
void rss_burst(const struct rss *r, struct frame *f, u32 n);
void rss_hash4(const struct rss *r, const u8 (*tuple)[16], u32 *hash, u32 n); /* IPv4 4-tuples, 12 bytes of each 16 */

/* ---- fifo.c: the card's packet memory, accounted in bytes, in order, by reference ---- */

struct fifo {
	struct frame *slot;
	u32 mask, head, tail;      /* free-running: head - tail frames inside */
	u32 size, bytes;           /* limit and use, bytes; a frame counts at least ETH_ZLEN */
	u32 max_bytes;             /* high-water mark */
	u64 lost_bytes;            /* of frames that did not fit, as they would have counted */
};
int fifo_init(struct fifo *q, u32 bytes);
int fifo_resize(struct fifo *q, u32 bytes);
int fifo_push(struct fifo *q, const struct frame *f);   /* 0, or -ENOBUFS */
struct frame *fifo_room(struct fifo *q, u32 n);
u32 fifo_push_burst(struct fifo *q, const struct frame *f, u32 n);
struct frame *fifo_peek(struct fifo *q);
void fifo_pop(struct fifo *q);
void fifo_pop_burst(struct fifo *q, u32 n);
struct nic;
void fifo_overrun(struct nic *nic, const struct frame *f); /* count a frame that does not fit, and who held the others up */

/* ---- virtqueue.c: the split virtqueue of virtio 1.2 section 2.7, in one sealed memfd ---- */

#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2
#define VIRTQ_DESC_F_INDIRECT 4
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
#define VIRTQ_USED_F_NO_NOTIFY 1
struct virtq_desc { u64 addr; u32 len; u16 flags; u16 next; };
struct virtq_avail { u16 flags; u16 idx; u16 ring[]; };       /* and used_event behind the ring */
struct virtq_used_elem { u32 id; u32 len; };
struct virtq_used { u16 flags; u16 idx; struct virtq_used_elem ring[]; };  /* and avail_event behind the ring */

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_TCPV4 1
#define VIRTIO_NET_HDR_GSO_TCPV6 4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#define VIRTIO_NET_HDR_GSO_ECN 128
struct virtio_net_hdr_v1_hash {
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
	u32 hash_value;
	u16 hash_report, padding;
};

#define VIRTIO_F_VERSION_1 32              /* bit numbers */
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_NET_F_CSUM 0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_HOST_USO 56
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_HASH_REPORT 57
#define VIRTIO_S_ACKNOWLEDGE 1             /* device_status bits, virtio 1.2 section 2.1 */
#define VIRTIO_S_DRIVER 2
#define VIRTIO_S_DRIVER_OK 4
#define VIRTIO_S_FEATURES_OK 8
#define VIRTIO_S_NEEDS_RESET 64
#define VIRTIO_S_FAILED 128

/* page 0 of the memfd: what a driver in another process reads and writes. Little-endian, offsets from the memfd's start */
#define VNIC_MAGIC 1667853942              /* "vnic" */
#define VNIC_ABI 1
struct vnic_queue_config { u32 size; u32 enabled; u64 desc, avail, used; u64 buffers; u32 buf_stride, buf_count; };
struct vnic_config {
	u32 magic, abi;
	u64 region_size;
	u32 nqueues, device_status;
	u64 device_features, driver_features;
	u8 mac[6];
	u16 mtu;
	u32 spare;
	struct vnic_queue_config queue[NIC_QUEUES_MAX];
	struct vnic_queue_config tx;
};

/* the device's half: what it shares with the driver, and what it keeps to itself */
struct virtqueue {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;                  /* a power of two */
	u16 last_avail, avail_idx; /* next to take; the driver's index as last read */
	u16 used_idx, published;   /* next to write; what the driver can see */
	u16 was_published;         /* the same before the last virtqueue_publish() */
	u8 event_idx;
	u8 broken;                 /* the driver wrote an index that cannot be: NEEDS_RESET */
};
/* the driver's half */
struct virtqueue_driver {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;
	u16 last_used, avail_idx, kicked;
	u16 nfree;                 /* descriptors not posted */
	u16 used_seen;             /* the device's index as last read */
	u16 *free_desc;            /* the last nfree of a stack */
	u16 *chain;                /* of one that is sent: the descriptor behind it */
	u32 *desc_buf;             /* descriptor -> buffer: kept here, never read back from the shared memory */
	u8 event_idx, broken;
};
int virtqueue_avail(struct virtqueue *vq, u32 want);  /* chains posted and not taken, read anew if fewer than want; < 0: broken */
void virtqueue_fill_used(struct virtqueue *vq, u32 id, u32 len);
int virtqueue_wants_irq(const struct virtqueue *vq, u16 old);  /* is what was published since old worth an interrupt? */
int virtqueue_publish(struct virtqueue *vq);          /* make used entries visible. Return: 1 = the driver asked to be told */
void virtqueue_want_kick(struct virtqueue *vq);
int vring_need_event(u16 event, u16 new_idx, u16 old_idx);
int virtqueue_driver_init(struct virtqueue_driver *d, u32 size);
void virtqueue_driver_free(struct virtqueue_driver *d);
int virtqueue_add_inbuf(struct virtqueue_driver *d, u64 addr, u32 len, u32 buf);
int virtqueue_get_buf(struct virtqueue_driver *d, u32 *id, u32 *len); /* the buffer; -EAGAIN: none; -EIO: the device lied */
void virtqueue_add_inbufs(struct virtqueue_driver *d, u64 bus, u32 stride, u32 len, const u32 *top, u32 n);
void virtqueue_add_outbuf(struct virtqueue_driver *d, const u64 *addr, const u32 *len, u32 n, u32 buf);
void virtqueue_free_chain(struct virtqueue_driver *d, u32 desc, u32 n);
int virtqueue_kick_prepare(struct virtqueue_driver *d); /* publish avail->idx. Return: 1 = the device wants a kick */
void virtqueue_disable_cb(struct virtqueue_driver *d);
int virtqueue_enable_cb(struct virtqueue_driver *d);  /* unmask, then look again. Return: 1 = more came meanwhile */

/* ---- dma.c: the only code that turns a bus address into a pointer ---- */

struct dma {
	u8 *base;                  /* of the memfd's mapping */
	u64 size;
	int memfd;
};
int dma_init(struct dma *d, u64 size);
void dma_exit(struct dma *d);
void dma_gather(const struct wire *w, const struct frame *f, u8 *to);   /* a frame in two parts, and its checksum */
void *dma_map(const struct dma *d, u64 addr, u64 len);    /* NULL: not inside the region */
struct nic_queue;
void count_no_buffer(struct nic_queue *q);
int dma_frame(struct nic_queue *q, struct frame *f);      /* 1 done, 0 no buffer, -EMSGSIZE too big, -EIO queue broken */
u32 dma_burst(struct nic_queue *q, u32 max);              /* the usual ones at the head of the FIFO: how many are done */

/* dma_chains.c: a frame that takes several buffers. What it shares with dma.c: */
enum dma_csum {
	DMA_CSUM_UNKNOWN,          /* wrong, or it cannot be said: the host looks */
	DMA_CSUM_GOOD,
	DMA_CSUM_COMPLETED         /* there was just the pseudo header's sum: it is completed, as the sender's card would have */
};
struct dma_tally { u32 frames, bytes, l4, good; };
int dma_chains(struct nic_queue *q, struct frame *f, int avail);
struct virtq_desc dma_read_desc(const struct virtqueue *vq, u16 id);
u32 dma_csum_at(const struct frame *f);
enum dma_csum dma_csum(const struct nic *nic, const struct frame *f, u32 sum, u16 *whole);
int dma_offload(const struct nic *nic);
void dma_header(const struct frame *f, u8 *at, u32 num_buffers, int data_valid);
void dma_count(struct nic_queue *q, const struct dma_tally *t);

/* checksum.c: RFC 1071, called by dma.c, gro.c and the protocols */
u32 csum_partial(const void *data, u32 len, u32 sum);     /* 32-bit partial sum, folded by csum_fold() */
u32 csum_and_copy(void *to, const void *from, u32 len, u32 sum);
u16 csum_fold(u32 sum);                                   /* complemented */
u16 ip_fast_csum(const void *iph, u32 bytes);
u32 csum_pseudo(const u8 *iph, int version, u32 len, u8 proto);
int csum_is_pseudo(u16 have, const u8 *iph, int version, u32 len, u8 proto);

/* isa.c: what the run-time dispatch chose; VNIC_ISA=generic forces the portable code, avx2 that without AVX-512 */
const char *vnic_isa(void);
int isa_has_avx2(void);
int isa_has_pclmul(void);
int isa_has_avx512(void);
int isa_has_gfni(void);

/* ---- irq.c: raise, moderation, and the one mask there is (the virtqueue's notification suppression) ---- */

struct irq {
	u32 rx_usecs, rx_frames;
	u32 rx_usecs_irq, rx_frames_irq; /* for what completes while an interrupt is serviced; no usecs: it starts nothing */
	u32 frames;                /* completed since the interrupt was asked for */
	u8 pending;
	u8 serviced;               /* what is pending was started while one was serviced: the -irq pair counts */
	u8 wanted;                 /* and the driver wants to hear of something since */
	u16 since;                 /* what was published before the entries that the driver wanted to hear of */
	u64 first_ns, deadline_ns; /* of the pending one; first: that the driver wants to hear of */
	int call_fd;               /* >= 0: the driver is another process, this eventfd is its interrupt: call_fd.c */
	/* counters */
	u64 raised, by_usecs, by_frames, suppressed;
	u64 delay_sum_ns, delay_max_ns; /* first completion to interrupt: the effective moderation */
};
void irq_complete(struct nic_queue *q, u32 frames, int wanted, u64 now);
void irq_timers(struct nic *nic, u64 now);
void irq_replan(struct nic_queue *q);
void irq_starved(struct nic_queue *q, u64 now);
u32 irq_standing(const struct nic_queue *q);
void irq_forget(struct nic *nic);

/* ---- call_fd.c: the interrupt of a driver in another process ---- */

int nic_set_call_fd(struct nic *nic, u32 queue, int fd);
void call_signal(const struct nic *nic, int fd);
void call_exit(struct nic *nic);

/* ---- dim.c: which moderation? ---- */

#define DIM_PROFILES 5
#define DIM_LOG 256                /* decisions that are kept */
enum dim_tune { DIM_PARKING_ON_TOP, DIM_PARKING_TIRED, DIM_GOING_RIGHT, DIM_GOING_LEFT };
struct dim_profile { u16 usecs, frames; };
struct dim_sample { u64 t_ns; u32 packets, bytes; u16 events, spare[3]; }; /* of a queue, as counted by now */
struct dim_stats { u32 ppms, bpms, epms; };                             /* packets, bytes, interrupts a millisecond */
struct dim_decision { u64 t_ns; struct dim_stats stats; u8 profile, tune; u16 spare; };
struct dim {
	u8 profile, tune, measuring, steps_right, steps_left, tired;
	struct dim_sample start;
	struct dim_stats before;
	u64 decisions;
	struct dim_decision log[DIM_LOG];
};
void dim_init(struct dim *d);
const struct dim_profile *dim_profile(const struct dim *d);
int net_dim(struct dim *d, const struct dim_sample *now);

/* ---- ntuple.c: rules that say which queue a frame goes to, or that it is dropped ---- */

#define NTUPLE_RULES 128
#define NTUPLE_DROP 65535          /* in place of a queue */
/* what a frame says, and a rule asks for; network byte order. Of an IPv4 address the first 4 bytes */
struct ntuple_key {
	u8 src[16], dst[16];
	u8 l4[4];                      /* ports, or what is in their place */
	u8 vlan_tci[2], vlan_etype[2], proto[2];
	u8 dst_mac[6], src_mac[6];
	u8 l3, l4_proto, tos;          /* l3: 4, 6 or 0 */
	u8 tagged, has_l4;             /* are those fields there? */
	u8 spare[5];
};
struct ntuple_rule { u64 value[8], mask[8], hits; u32 type, location, queue, spare; }; /* type: TCP_V4_FLOW .., only kept */
struct ntuple {
	struct ntuple_rule *rule;      /* NTUPLE_RULES of them, those in use first, by location; NULL: there never was one */
	u32 count;
};
struct nic;
const struct ntuple_rule *ntuple_lookup(struct ntuple *t, const struct frame *f);  /* the card */
int ntuple_insert(struct nic *nic, const struct ntuple_key *value, const struct ntuple_key *mask, u32 type, u32 location,
		  u32 queue);
int ntuple_delete(struct nic *nic, u32 location);

/* ---- arfs.c: filters in the card that bring a flow to a queue ---- */

struct arfs_filter {
	struct flow_key key;
	u16 queue, used;
	u32 flow;                      /* row in the queue's table, rfs.c */
};
struct arfs {
	struct arfs_filter *filter;
	u32 mask, count, expire_next;
	u32 lock;
	u64 added, expired, hits, full;
};
int arfs_init(struct arfs *a, u32 size);
int arfs_lookup(struct arfs *a, const struct frame *f);     /* the card; a queue, or -1 */

/* ---- nic.c: the card ---- */

struct softnet_data;
struct host;
struct nic;

/* one receive queue, the device's side. What the standard's ring has no room for is in the shadow */
struct frame_shadow { u64 id, t_wire, t_dma; };
struct nic_queue {
	struct nic *nic;
	u32 index;
	struct virtqueue vq;
	struct irq irq;
	struct frame_shadow *shadow;   /* by descriptor; nothing decides on it */
	u32 batch;                     /* frames written and not published */
	/* counters of the device */
	u64 frames, bytes, no_buffer, dma_failed, csum_ok, csum_bad, kicks;
	/* of no_buffer: while the interrupt was still held back; while the driver's pool was empty */
	u64 no_buffer_moderated, no_buffer_pool;
	u64 refills_failed;            /* the driver's, as last seen */
	u64 stood;                     /* frames that stood in the ring to the end, see irq_standing() */
	/* frames lost to a full FIFO while its head had to wait for this queue's buffers; the same two of them */
	u64 overruns, overruns_moderated, overruns_pool;
	u8 starved;                    /* the frame at the head of the FIFO waits for this queue's buffers */
	u8 pool_dry;                   /* and the driver had too few to fill the ring */
	u16 starved_at;                /* avail index when it was found so */
};

/* nic_tx.c: the card's sending half. One frame at a time is under way */
#define TX_FRAME_MAX 65574         /* 65535 of IP behind an Ethernet header, a VLAN tag and room */
#define TX_MEMORY 65606            /* 12 bytes for the wire's header, 20 of virtio's, a frame */
struct nic_tx {
	struct virtqueue vq;
	u8 *memory;                    /* of the card: room for 12 bytes, a header, and a frame */
	u32 len;                       /* of the frame in it, 0: none */
	u16 head;                      /* and of its chain */
	u64 done_ns;                   /* virtual time: when its last bit leaves; NEVER: none is under way */
	u64 kicks, fates[TX_FATE_MAX];
};

/* nic_lend.c: a burst, and with it the card, in the hands of a CPU that idles */
struct nic_lend {
	u8 pad[64];                    /* others look at it all the time */
	u32 state;                     /* whose the card is */
	u32 idlers;                    /* CPUs that look for work */
	u32 head, tail;                /* tap_wire.bursts: read, and worked off */
	u64 bursts;                    /* that CPUs have worked off */
	u8 pad2[64];
};

struct nic {
	struct host *host;
	struct wire *wire;
	struct nic_tx tx;
	struct mac_filter filter;
	struct rss rss;
	struct fifo fifo;
	struct dma dma;
	struct vnic_config *config;    /* page 0 of the region: the driver's to write, see nic_up.c */
	u64 offers, features;          /* feature bits; those the driver took, as of nic_up() */
	u64 call_ctx;                  /* call_fd.c; 0: no driver has asked for an eventfd */
	struct nic_queue queue[NIC_QUEUES_MAX];
	u32 nqueues, ring_size, buf_len, mtu;
	u32 nqueues_open, queues_max;  /* that have, or had, a driver's queue; that there is room for */
	u8 rx_csum, tx_csum, drop_en, python_filter, up, ntuple, adaptive_rx;
	struct arfs arfs;
	struct ntuple rules;
	/* the device's clock and its plans */
	u64 now, dma_done;
	u8 dma_busy;
	u64 irq_next, kick_ns;         /* earliest moderation deadline; a doorbell rang; NEVER: none */
	u64 horizon;                   /* virtual time: past this it is a CPU's turn */
	u32 refused;                   /* bad chains in this turn */
	struct frame burst[BURST];     /* read from the wire, still to arrive */
	int burst_pos, burst_len;
	u8 burst_asked;                /* Python's filter has seen this burst */
	u32 burst_key;                 /* rss_key_id() it was hashed with */
	/* counters; names are rtnl_link_stats64's where it has one */
	u64 offered;                   /* frames that arrived: the ledger's left side */
	u64 rx_length_errors, rx_over_errors, rx_fifo_errors, multicast, filtered, rx_no_buffer_count;
	u64 too_long;                  /* of rx_length_errors: longer than the MTU */
	u32 longest;                   /* payload of the longest of them */
	u64 fates[FATE_MAX];
	int kick_fd;                   /* live: the doorbell */
	u32 in_taps;                   /* as a CPU's */
	u32 stop, pause;               /* written by others, atomically */
	struct nic_lend lend;
	struct vnic_queue_config layout[NIC_QUEUES_MAX]; /* as page 0 had them before anybody else could write there */
};
int nic_queue_up(struct nic *nic, u32 i);
int nic_up(struct nic *nic);                 /* after the driver wrote DRIVER_OK */
void nic_run(struct nic *nic, u64 until);    /* all device events up to and including until; a foreign driver's to a doorbell */
u64 nic_next(struct nic *nic);               /* when the next one is; ~0: none planned */
void nic_receive(struct nic *nic, struct frame *f, int n);  /* frames that arrived: filter, rss, fifo */
void nic_fate(struct nic *nic, const struct frame *f, enum fate fate); /* lost by the card */
u32 nic_steer(struct nic *nic, struct frame *f, u32 n);
void nic_drain(struct nic *nic, u64 now);    /* FIFO -> ring, as far as there are buffers */
void nic_kick(struct nic *nic, u32 queue, u64 now);         /* doorbell */
int nic_doorbell(struct nic *nic, u32 queue);               /* of a driver in another process. Return: 0, -EINVAL */
void nic_again(struct nic *nic, u64 now);                   /* look at the rings once more */
int nic_pull(struct nic *nic, u64 now);      /* a pulled wire: offer the next burst. Return: frames */
void nic_purge(struct nic *nic);             /* what the card still holds ends as DEV_READY */
void nic_needs_reset(struct nic *nic);       /* the driver broke a ring: the card has stopped */
void nic_tx_kick(struct nic *nic, u64 now);  /* the doorbell of the sending ring */
int nic_transmit(struct nic *nic);           /* live: what is in the ring, a burst at most. Return: frames */
void nic_tx_run(struct nic *nic, u64 now);   /* virtual time */
void nic_tx_purge(struct nic *nic);
struct frame *nic_lend_room(struct nic *nic);
void nic_lend_append(struct nic *nic, int n);
int nic_may_lend(const struct nic *nic, int n);
void nic_lend(struct nic *nic);
int nic_try_back(struct nic *nic);           /* Return: 0: a CPU has it */
void nic_take_back(struct nic *nic);
void nic_borrow(struct nic *nic);            /* by a CPU that idles */

/* ---- skbuff.c: buffers and the sk_buffs that describe them. Owner: the CPU that polls the queue ---- */

#define CHECKSUM_NONE 0
#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_PARTIAL 3
#define PACKET_HOST 0
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_OTHERHOST 3
#define SKB_TRUESIZE_OVERHEAD 576  /* sizeof(struct sk_buff) + sizeof(struct skb_shared_info), as Linux aligns them */

struct rx_pool;

/**
 * struct sk_buff - one received packet, or a further piece of one. 128 bytes: the first cache line is per packet,
 *                  the second is GRO's and what is cold
 * @data, @head_len:  what is left of it in its first buffer
 * @len:              bytes over all pieces
 * @frag_list:        further pieces, linked by next: rest of a frame that spans buffers, segments GRO merged, fragments
 * @segs:             frames in it (gso_segs); 0 marks a piece that only continues a frame
 */
struct sk_buff {
	u8 *data;
	u32 len, hash;
	u16 mac_header, network_header; /* offsets from the buffer's start */
	u16 segs;
	u8 ip_summed, pkt_type, hash_report, flags;
	u16 protocol;              /* EtherType, network byte order */
	u16 queue;
	u32 id, truesize;
	struct sk_buff *next, *frag_list;
	struct rx_pool *pool;
	/* line 1 */
	struct sk_buff *frag_tail;
	u32 head_len;
	union {
		u32 gso_size;      /* of several segs; 0: nothing to take apart by, they are fragments that became one packet */
		u32 frag_offset;   /* while it waits in inet_fragment.c: of its first byte in the datagram */
	};
	union {
		struct { u32 seq, end_seq; }; /* TCP, host byte order. UDP: seq is the sender's port */
		struct sk_buff *frag_right;   /* while it waits: runs behind it in the tree; next: those before it */
	};
	union {
		u32 gro_age;       /* jiffies of the first segment */
		u32 rflow;         /* behind GRO: 1 + the flow's row in rfs.c's tables, 0: none */
	};
	u16 gro_l4, gro_inner;     /* transport header, inner IP header (0: none); offsets from the MAC header */
	u8 gro_outer;              /* the IP header, or the outer one */
	u8 gro_flush, gro_same_flow;
	u8 gro_fixed_id;           /* bit 0 outer, 1 inner: all segments have the same IP id */
	u16 vlan_tci, vlan_proto;  /* of a tag that was taken off; its TPID, network byte order */
	u64 t_wire, t_stage;       /* last bit on the wire; when its stage began */
	u64 tstamp;                /* when it left GRO: what a tap stamps it with (netdev_tstamp_prequeue=1) */
};
#define SKB_TAGGED 1               /* vlan_tci and vlan_proto are good: the tag is not in the bytes any more */
#define SKB_FLIST 2                /* merged by GRO as a list: each segment keeps its header (SKB_GSO_FRAGLIST) */
#define SKB_UDP 4                  /* what GRO holds is UDP */
#define SKB_SW_HASH 8              /* hash is the flow dissector's */

struct rx_pool {
	u8 *base;                  /* buffer i at base + i * stride */
	u64 bus;                   /* the same as a bus address */
	u32 stride, buf_len, size;
	u32 nfree, fresh;          /* LIFO stack; buffers never used yet start at fresh */
	u32 *free;
	struct sk_buff *skbs;      /* skb i describes buffer i */
	struct softnet_data *owner;
	struct nic_queue *nicq;
	struct sk_buff *returned;  /* what other CPUs gave back: a chain pushed by compare-and-swap, taken whole */
	u32 starved;               /* the ring could not be refilled: wake the driver when a buffer comes back */
	u64 *frame_id;             /* of the first frame in skb i; NULL: nobody has asked */
};
int rx_pool_init(struct rx_pool *p, u8 *base, u64 bus, u32 size, u32 buf_len, u32 stride);
int rx_pool_keep_ids(struct rx_pool *p);
void rx_pool_exit(struct rx_pool *p);
int rx_pool_get(struct rx_pool *p);          /* a buffer, or -ENOBUFS */
u32 rx_pool_free_count(struct rx_pool *p);   /* at rest */
void rx_pool_reclaim(struct rx_pool *p);     /* owner: take what others returned */
void kfree_skb_list(struct softnet_data *sd, struct sk_buff *skb);    /* free skb and its pieces; no fate */
void kfree_skb_reason(struct softnet_data *sd, struct sk_buff *skb, enum fate fate); /* count the fate of its frames, free */
void skb_flush_returns(struct softnet_data *sd);
const u8 *skb_header_pointer(const struct sk_buff *skb, u32 off, u32 len, u8 *copy); /* NULL: not that long */
u32 skb_copy_bits(const struct sk_buff *skb, u32 off, u8 *to, u32 len); /* bytes copied */
int skb_trim(struct softnet_data *sd, struct sk_buff *skb, u32 len);    /* drop padding behind len */
struct sk_buff *skb_segment_list(struct sk_buff *skb, u32 own);         /* take apart what GRO merged */
void skb_pull_headers(struct sk_buff *skb, u32 n);                      /* headers that cross the first buffer's end */
void skb_advance(struct sk_buff *skb, u32 n);                           /* eat n bytes at the front, over pieces too */
u32 skb_checksum(const struct sk_buff *skb, u32 off, u32 len, u32 sum);

/* ---- net_rx_action.c, napi.c, busy_poll.c: who polls, and when he stops ---- */

#define NAPI_STATE_SCHED 1         /* somebody owns the poll, or it is in a line for it */
#define NAPI_STATE_MISSED 2        /* asked for meanwhile: once more */
#define NAPI_STATE_DISABLE 4       /* napi_disable() waits for the poll to end */
#define NAPI_STATE_NPSVC 8         /* not enabled */
#define NAPI_STATE_IN_BUSY_POLL 16 /* the owner is a reader */
#define NAPI_STATE_PREFER_BUSY_POLL 32
#define NAPI_STATE_THREADED 64     /* polled by a task of its own */
#define NAPI_STATE_SCHED_THREADED 128 /* which has the poll */

enum task_kind { TASK_NONE, TASK_KSOFTIRQD, TASK_READER, TASK_NAPI }; /* and those of further NAPIs behind it */
struct task { u64 wakeups, runs, busy_ns; u8 runnable; };

struct gro_list { struct sk_buff *skb[MAX_GRO_SKBS]; u32 count; };  /* [0] is the oldest */

struct napi_struct {
	int (*poll)(struct napi_struct *napi, int budget);  /* work, or -EAGAIN: time passed, call again to go on */
	struct napi_struct *next;
	struct softnet_data *sd;       /* the CPU it runs on */
	struct host *host;
	u32 state, weight;
	u32 work;                      /* of the poll under way */
	u32 defer_hard_irqs_count;
	u64 timer_ns;                  /* watchdog, ~0: off */
	u32 gro_bitmask;
	u8 udp_passes;                 /* nobody asked for merged UDP, as of the beginning of the poll */
	struct gro_list gro_hash[GRO_HASH_BUCKETS];
	struct sk_buff *rx_list, *rx_list_tail;
	u32 rx_count;                  /* frames on it */
	u32 gro_held;                  /* frames held */
	u8 in_poll;
	u8 slot;                       /* its place in sd->napis */
	struct task thread;
	u8 gro_why;                    /* enum gro_end of the hold that a protocol names to be completed */
	/* counters */
	u64 polls, packets, full_polls, completes;
};
int napi_schedule_prep(struct napi_struct *n);
void __napi_schedule(struct napi_struct *n);
void napi_poll_list_add(struct napi_struct *n);
int napi_schedule(struct napi_struct *n);
int napi_complete_done(struct napi_struct *n, int work_done);
void napi_watchdog(struct napi_struct *n);
void napi_full_poll_flush(struct napi_struct *n);
void napi_timer_start(struct napi_struct *n, u64 timeout_ns);
void napi_list_add(struct softnet_data *sd, struct napi_struct *n);
void napi_list_del(struct napi_struct *n);
void netif_napi_add(struct softnet_data *sd, struct napi_struct *n, int (*poll)(struct napi_struct *, int), u32 weight);
void napi_enable(struct napi_struct *n);
int napi_disable(struct napi_struct *n);     /* 1: nobody polls it, and nobody can; 0: somebody does, ask again */
int napi_poll(struct napi_struct *n, int *repoll);  /* work, or -EAGAIN: time passed in the middle, call again */
int napi_threaded_poll(struct napi_struct *n);      /* 1: the poll is over, 0: time passed in the middle */

/* a reader that polls its queue itself instead of sleeping */
struct busy_poll {
	struct napi_struct *napi;      /* NULL: it does not */
	u64 end;
	u32 queue;                     /* 1 + where the last packet read came from; 0: none since the last time */
	u8 owned, stopping, skip_schedule, in_poll;
	u8 idle;                       /* virtual time: it spins, and nothing can have changed */
};
int busy_poll_begin(struct softnet_data *sd); /* 1: there is a queue to poll */
void busy_poll_resume(struct softnet_data *sd);       /* the CPU looks up: the reader spins on */
int napi_busy_loop(struct softnet_data *sd);  /* 1: still at it, 0: something to read, or the time is over */
int net_rx_action(struct softnet_data *sd);  /* 1: the run ended, 0: time passed in the middle, call again */

/* ---- softirq.c: one emulated CPU. hardirq over softirq over tasks ---- */

struct sock;

enum mib {
	Ip_InReceives, Ip_InHdrErrors, Ip_InAddrErrors, Ip_InUnknownProtos, Ip_InDelivers, Ip_InCsumErrors, IpExt_InTruncatedPkts,
	Ip_ReasmTimeout, Ip_ReasmReqds, Ip_ReasmOKs, Ip_ReasmFails, IpExt_ReasmOverlaps,
	Ip6_InReceives, Ip6_InHdrErrors, Ip6_InAddrErrors, Ip6_InUnknownProtos, Ip6_InDelivers, Ip6_InTruncatedPkts,
	Ip6_ReasmTimeout, Ip6_ReasmReqds, Ip6_ReasmOKs, Ip6_ReasmFails, Ip6_ReasmOverlaps,
	Icmp_InMsgs, Icmp_InErrors, Icmp_InCsumErrors, Icmp6_InMsgs, Icmp6_InErrors, Icmp6_InCsumErrors,
	Icmp_InEchos, Icmp_OutMsgs, Icmp_OutEchoReps, Icmp_OutDestUnreachs, Icmp_OutTimeExcds, Icmp_OutRateLimitGlobal, Icmp_OutRateLimitHost,
	Icmp6_InEchos, Icmp6_OutMsgs, Icmp6_OutEchoReplies, Icmp6_OutDestUnreachs, Icmp6_OutTimeExcds, Icmp6_OutParmProblems,
	Icmp6_OutRateLimitHost, Icmp6_InNeighborSolicits, Icmp6_InNeighborAdvertisements,
	Ip_OutRequests, Ip_OutNoRoutes, Ip_FragOKs, Ip_FragCreates, Ip6_OutRequests, Ip6_OutNoRoutes, Ip6_FragOKs, Ip6_FragCreates,
	Udp_OutDatagrams, Udp_SndbufErrors,
	Udp_InDatagrams, Udp_NoPorts, Udp_InErrors, Udp_RcvbufErrors, Udp_InCsumErrors,
	Tcp_InSegs, Tcp_InErrs, Tcp_InCsumErrors, TcpExt_TCPOFOQueue, TcpExt_TCPOFODrop, TcpExt_TCPRcvQDrop, TcpExt_TCPHoles,
	TcpExt_BusyPollRxPackets,
	MIB_MAX
};

/* timer.c */
enum timer { TIMER_IPFRAG, TIMER_NEIGH, TIMERS_MAX };

/**
 * struct softnet_data - what one CPU owns; written only by that CPU unless a field says otherwise
 * @now:      its clock. Work moves it by cpu_charge() in virtual time; live it is re-read after every poll
 * @horizon:  virtual time: when @now reaches it, somebody else's turn has come
 */
struct softnet_data {
	struct host *host;
	u32 cpu;
	u64 now, horizon;
	u64 wake_ns;                   /* idle: when something came up; NEVER: nothing yet */
	u64 timer_next;                /* earliest NAPI watchdog, or of these: */
	u64 timer_ns[TIMERS_MAX];
	u8 runnable, live;
	/* written by others, atomically */
	u32 irq_pending;               /* bit per NIC queue */
	u32 ipi_pending;
	u64 irq_ns, ipi_ns, reader_ns; /* virtual time: when they were raised; when the reader was woken */
	u32 sleeping, stop, pause;
	int wake_fd;
	u32 spin_ns;                   /* live: how long it looks for work before it sleeps */
	u32 in_taps;                   /* odd: walks the taps, see af_packet.c */
	/* softirq */
	u8 softirq_pending, softirq_active, in_net_rx_action, inline_softirq;
	u8 ksoftirqd;                  /* the softirq under way runs in the task */
	u8 in_napi_threaded_poll;
	u8 bh_task;                    /* this task is in the middle of a poll, softirqs are off; 0: none */
	u32 softirq_restarts;
	u64 softirq_end;               /* jiffies */
	int budget;
	u64 deadline;                  /* jiffies */
	struct napi_struct *poll_list, *poll_tail;     /* scheduled */
	struct napi_struct *list, *list_tail;          /* of this run */
	struct napi_struct *repoll, *repoll_tail;
	struct napi_struct *current;                   /* its poll is under way, time passed in the middle */
	struct napi_struct *napis[NIC_QUEUES_MAX + 1]; /* that live on this CPU, for the watchdogs */
	u32 nnapis;
	/* backlog.c */
	struct napi_struct backlog;
	u32 lock;                      /* guards input_pkt_queue */
	struct sk_buff *input_head, *input_tail;
	u32 input_qlen;
	struct sk_buff *process_head;
	u32 process_qlen;
	u32 input_queue_head, input_queue_tail;
	struct sd_flow_limit *flow_limit; /* of this CPU as the one that enqueues; NULL: off */
	u64 rps_ipi_mask;              /* CPUs to send an IPI to at the end of net_rx_action */
	struct sk_buff *enqueue[CPUS_MAX]; /* live: skbs on their way to other CPUs' backlogs, a burst each */
	struct sk_buff *enqueue_tail[CPUS_MAX];
	u32 enqueue_len[CPUS_MAX];
	/* tasks */
	struct task ksoftirqd_task, reader;
	u32 napi_threads;              /* by napi->slot: those that can run */
	struct busy_poll busy;
	u64 slice_start;
	u8 last_task;
	u32 ready_lock;
	struct sock *ready, *ready_tail; /* sockets with data for this CPU's reader */
	/* buffers that belong to other CPUs' pools, on their way back */
	struct rx_pool *give_back_pool;
	struct sk_buff *give_back, *give_back_tail;
	u32 give_back_len;
	/* counters: softnet_stat's, then vnic's own */
	u64 processed, time_squeeze, received_rps, flow_limit_count;
	u64 time_squeeze_usecs;        /* of them: budget was left, the time was not */
	u64 flow_limit_frames;
	u64 rfs_steered, rfs_moved, rfs_waited;
	u64 dropped;                   /* backlog drops, charged here as the target: written under lock */
	u32 input_qlen_max;            /* high-water mark of input_pkt_queue: written under lock, once a splice */
	u64 hardirqs, softirqs, ksoftirqd_runs, net_rx_runs, idle_ns, yields;
	u64 ksoftirqd_by_time, ksoftirqd_by_restarts, ksoftirqd_by_resched; /* why softirqs were left to it */
	u64 rcvbuf_max;                /* what a socket of those that refused would hold if it had refused nothing, truesize */
	u64 idle_since;                /* live: it sleeps since then, 0: it does not */
	u64 rx_dropped, rx_otherhost_dropped;
	u64 gro_merged, gro_held_total, gro_normal, gro_flushed_skbs, gro_flushed_segs;
	u64 gro_ended[GRO_END_MAX];
	u64 gro_lost_ids, gro_lost_psh;
	struct gro_flows *gro_flows;   /* NULL: off */
	u64 mib[MIB_MAX];
	u64 backlog_frames;            /* target: frames in input_pkt_queue, under lock */
	u64 process_frames, enqueue_frames;
	u64 ofo_frames;                /* may wrap below 0 on one CPU: the sum over all is the gauge */
	u64 fates[FATE_MAX];
	struct histogram *lat;         /* [LAT_MAX], NULL: off */
	u8 *scratch;                   /* room for one datagram; NULL: the host does not answer */
};

void raise_hardirq(struct softnet_data *sd, u32 queue, u64 now);  /* from the device */
void raise_ipi(struct softnet_data *from, struct softnet_data *to);
void cpu_wake(struct softnet_data *sd, u64 now);
void do_hardirqs(struct softnet_data *sd);
int do_softirq(struct softnet_data *sd);
int cpu_run(struct softnet_data *sd);        /* until it is idle (0) or somebody else's turn has come (1) */
void local_bh_enable(struct softnet_data *sd);
void timer_plan(struct softnet_data *sd);
void mod_timer(struct softnet_data *sd, enum timer which, u64 at_ns);
void run_timers(struct softnet_data *sd);
u64 cpu_next(struct softnet_data *sd);       /* when it has something to do; ~0: not known */
int reader_run(struct softnet_data *sd);     /* one wake-up's worth of reading. Return: 1 = more to read */
int need_resched(struct softnet_data *sd);   /* is the slice of the task that runs over, and somebody else waits? */

/* ---- driver.c: the driver of the card ---- */

struct driver_queue {
	struct napi_struct napi;
	struct virtqueue_driver vq;
	struct rx_pool pool;
	struct nic *nic;
	struct nic_queue *nicq;
	u64 irq_ns;                    /* of the interrupt that began this round of polling */
	struct dim *dim, *dim_memory;  /* dim NULL: adaptive-rx is off. Who looks at decisions may still do so then */
	u8 unmask;                     /* napi_complete_done() said so; done when the device has caught up */
	/* counters */
	u64 rx_packets, rx_bytes, alloc_rx_buff_failed, csum_good, bad_used, irqs;
	u64 irqs_by[CPUS_MAX], irqs_counted; /* by CPUs that took its interrupts before, and how many those are */
};
int driver_open_queue(struct host *h, u32 i); /* 0, or -errno; then driver_free_queue() */
void driver_free_queue(struct host *h, u32 i);
int driver_dim(struct driver_queue *dq);
void driver_coalesce(struct driver_queue *dq);  /* rx-usecs and rx-frames are those of its profile */
int driver_open(struct host *h);             /* probe, handshake, netif_napi_add, request_irq, post the buffers */
int driver_poll(struct napi_struct *napi, int budget);
void driver_irq(struct driver_queue *dq);    /* the interrupt handler */
int driver_refill(struct driver_queue *dq);  /* buffers posted */
void driver_close(struct driver_queue *dq);  /* frames left in the ring end as DEV_READY */

/* ---- stop_machine.c, driver_ethtool.c, irq_affinity.c: knobs change while nobody moves ---- */

void machine_pause(struct host *h, u32 pause);
u64 machine_clock(const struct softnet_data *sd);
void machine_turn(struct softnet_data *sd);
void machine_settle(struct host *h);
int ring_settle(struct driver_queue *dq);
int driver_set_ringparam(struct host *h, u32 size);
int driver_set_channels(struct host *h, u32 nqueues);
int driver_set_adaptive(struct host *h, u32 on);
void netif_set_weights(struct host *h);
void dev_set_threaded(struct host *h, u32 on);
u64 irq_affinity(const struct host *h, u32 queue);
u32 irq_cpu(const struct host *h, u32 queue);
u64 irq_count(const struct driver_queue *dq, u32 cpu);
int irq_set_affinity(struct host *h, u32 queue, u64 cpus);

/* ---- gro.c: hold and merge. gro_inet.c: VLAN, IP, one tunnel; gro_tcp.c, gro_udp.c: may it join?  ---- */

const char *gro_end_text(enum gro_end why);
void gro_poll_begin(struct napi_struct *n);
void napi_gro_receive(struct napi_struct *n, struct sk_buff *skb);
void napi_gro_flush(struct napi_struct *n, int flush_old, enum gro_end why);
void gro_normal_list(struct napi_struct *n);
/* off: of the header to look at, from the MAC header. Return: the held skb to complete now (n->gro_why says why), or NULL */
struct sk_buff **gro_receive_by_type(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off,
				     u16 protocol);
struct sk_buff **tcp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **udp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off);
struct sk_buff **gro_refuse(struct sk_buff *skb);
struct sk_buff **gro_lookup(struct gro_list *l, const struct sk_buff *skb, u32 off);
int gro_csum_bad(struct napi_struct *n, struct sk_buff *skb, u32 off, u8 proto);
enum gro_end gro_network_flush(struct sk_buff *p, const struct sk_buff *skb);
enum gro_end skb_gro_receive(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr);
enum gro_end skb_gro_receive_list(struct sk_buff *p, struct sk_buff *skb, u32 hdr);
void inet_gro_complete(struct sk_buff *skb);
void tcp_gro_complete(struct sk_buff *skb);
void udp_gro_complete(struct sk_buff *skb);
const u8 *gro_ip(const struct sk_buff *skb);
u32 gro_pseudo(const struct sk_buff *skb, u32 l4_len, u8 proto);

/* gro_flows.c: what merging lost and why, per flow; a table per CPU, bounded, only if asked for (gro-flows) */
struct gro_flow {
	struct flow_key key;
	u32 used;
	u32 spread_max_ns;             /* first to last arrival in one merged packet */
	u64 frames, skbs;              /* what left GRO; frames - skbs boundaries are gone */
	u64 lost_ids, lost_psh, spread_ns;
	u64 ended[GRO_END_MAX];
};
struct gro_flows {
	u32 mask;
	u64 missed;                    /* skbs of flows that found no room */
	struct gro_flow flow[];
};
struct gro_flows *gro_flows_new(u32 flows);
u32 gro_lost_ids(const struct sk_buff *skb); /* of a merged skb */
u32 gro_lost_psh(const struct sk_buff *skb);
void gro_account(struct softnet_data *sd, const struct sk_buff *skb, enum gro_end why);

/* ---- flow_dissector.c, rps.c, rfs.c, flow_limit.c, backlog.c: another CPU ---- */

u32 skb_get_hash(const struct host *h, struct sk_buff *skb);   /* siphash over sorted addresses and ports; never 0 for IP */
u64 siphash(const void *data, u32 len, u64 k0, u64 k1);
int get_rps_cpu(struct softnet_data *sd, struct sk_buff *skb);      /* -1: stay here */

#define RPS_NO_FILTER 65535
struct rps_dev_flow { u16 cpu, filter; u32 last_qtail, hash; };
struct rps_sock_flow_table {           /* row by hash: the hash's upper bits, and the CPU of the flow's reader */
	u32 mask, size;
	struct rps_sock_flow_table *older; /* no longer used, but perhaps still written to */
	u32 ents[];
};
int rfs_init(struct host *h, u32 flow_cnt, u32 sock_entries);
int rfs_set_sock_entries(struct host *h, u32 entries);
int rfs_set_flow_cnt(struct host *h, u32 queue, u32 flow_cnt);
void rfs_forget_filters(struct host *h);
void rfs_exit(struct host *h);
int rfs_get_cpu(struct softnet_data *sd, struct sk_buff *skb, u32 hash);
void rps_record_sock_flow(struct host *h, u32 hash, u32 cpu);       /* a flow's reader runs there */
void rfs_queued(struct host *h, u32 rflow, u32 tail);               /* under the target's lock */
u32 rfs_head(struct host *h, u32 cpu);
int rps_may_expire_flow(struct host *h, u32 queue, u32 slot, u32 filter);
u32 arfs_queue(const struct host *h, u32 cpu);                      /* rx_cpu_rmap */
int arfs_set(struct host *h, u32 on);
void arfs_clear(struct host *h);
int rx_flow_steer(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow);
void arfs_expire(struct softnet_data *sd);

struct sd_flow_limit;
struct sd_flow_limit *flow_limit_new(u32 table_len);
int flow_limit_set(struct host *h, u64 cpus);
int skb_flow_limit(struct softnet_data *sd, struct sk_buff *skb, u32 qlen);

int enqueue_to_backlog(struct softnet_data *sd, struct sk_buff *skb, u32 cpu);
void enqueue_flush(struct softnet_data *sd);
int process_backlog(struct napi_struct *napi, int quota);
void net_rps_send_ipi(struct softnet_data *sd);

/* ---- netif_receive_skb.c: taps, then the protocol handler by EtherType ---- */

struct packet_type {
	u16 type;                      /* network byte order */
	u16 python;                    /* 0, or the handler's number: the packet goes up to Python */
	void (*func)(struct softnet_data *sd, struct sk_buff *skb);
};
#define PTYPES_MAX 32
void netif_receive_skb_internal(struct softnet_data *sd, struct sk_buff *skb);
void netif_receive_skb_core(struct softnet_data *sd, struct sk_buff *skb);

/* ---- bpf.c: a packet socket's filter, classic BPF ---- */

#define BPF_MAXINSNS 4096
#define BPF_MEMWORDS 16
#define VNIC_IFINDEX 1             /* there is one interface */
struct bpf_insn { u16 code; u8 jt, jf; u32 k; };
struct bpf_prog {
	u32 len;
	u8 tag_in_bytes;               /* made for frames whose VLAN tag is in them */
	struct bpf_insn insn[];
};
const char *bpf_check(const struct bpf_insn *insn, u32 len, u32 *at);
struct bpf_prog *bpf_prog_new(const struct bpf_insn *insn, u32 len, int tag_in_bytes);
void bpf_prog_free(struct bpf_prog *p);
u32 bpf_run(const struct bpf_prog *prog, const struct sk_buff *skb, u32 cpu);

/* ---- af_packet.c: taps, and the packet sockets that hang on them ---- */

enum tap_point {
	TAP_WIRE,                      /* a frame as it arrives, before any that came later; or as the card sends it */
	TAP_NIC,                       /* a frame the card put into the ring */
	TAP_GRO,                       /* behind GRO and RPS, before the protocols: where packet sockets are */
	TAP_STACK,                     /* a packet that has its fate */
	TAP_POINTS
};

struct tap_packet {
	enum tap_point point;
	u32 cpu;
	const struct sk_buff *skb;     /* one of these two is NULL */
	const struct frame *frame;
	u64 t_ns;
	int fate;                      /* -1: none yet */
	u32 again;                     /* this point has seen the frame before: only the fate is new */
};
struct packet_tap {
	struct packet_tap *next;
	void (*func)(struct packet_tap *t, const struct tap_packet *p);
};
void packet_tap_add(struct host *h, struct packet_tap *t, enum tap_point point);
void packet_tap_del(struct host *h, struct packet_tap *t, enum tap_point point);
void packet_taps_skb(struct softnet_data *sd, enum tap_point point, const struct sk_buff *skb, u64 t_ns, int fate);
void packet_taps_fate(struct softnet_data *sd, const struct sk_buff *skb, enum fate fate);
void packet_taps_outside(struct host *h, const struct sk_buff *skb, enum fate fate);  /* of a Python thread */
void packet_taps_frame(struct nic *nic, enum tap_point point, const struct frame *f, u64 t_ns, int fate);
void packet_taps_lost(struct nic *nic, const struct frame *f, enum fate fate);  /* it was at TAP_WIRE, and is lost now */

/* what recvmsg(2) tells beside the bytes: sockaddr_ll, tpacket_auxdata, SO_TIMESTAMPNS */
struct packet_info {
	u64 t_ns;
	u32 len, snaplen, hash;        /* len: of the packet, without the tag; snaplen: bytes of it that are here */
	u16 queue, vlan_tci, vlan_tpid;
	u8 pkt_type, tagged;
	u32 spare;
};
struct packet_sock {
	struct packet_tap tap;
	struct bpf_prog *filter;       /* NULL: all */
	u8 *ring;
	u32 size, lock, reading;       /* lock: of CPUs; reading: of readers, one at a time */
	u64 head, tail;                /* free-running, bytes */
	u32 waiting;                   /* wake the reader when something comes */
	int wake_fd;
	u64 packets, drops;            /* tp_packets (drops among them), tp_drops */
};
struct packet_sock *packet_sock_new(struct host *h, struct bpf_prog *filter, u32 ring);
void packet_sock_free(struct host *h, struct packet_sock *ps);
int packet_recv(struct packet_sock *ps, u8 *buf, u64 size, struct packet_info *info, int max);

/* ---- capture.c, pcapng.c: taps that write a file ---- */

/* a block: where it is, its stamp, the latest frame at the wire when it was made, and its fate if that came later */
struct capture_slot { u64 t, id; u32 off, len; int fate; u32 spare; };
struct capture_batch {                 /* blocks in memory */
	u8 *buf;
	u64 used;
	struct capture_slot *slot;     /* by stamp, then as they came; next: the first that is not written */
	u32 nslots, next;
};
struct capture {
	struct packet_tap tap[TAP_POINTS];
	u32 points;                    /* bit per point */
	u32 interface[TAP_POINTS];     /* its number in the file */
	const char *const *verdicts;   /* a line of text for each fate, or NULL */
	struct bpf_prog *filter;       /* NULL: all */
	struct capture_batch batch[3], *filling, *held, *spare;
	u8 *out;
	u64 size, out_used;            /* of a batch; bytes */
	int fd, wake_fd;
	u8 threaded, regular, woken;
	u32 lock, stop;
	u64 base_ns, written;          /* stamp up to which the file is written: nothing behind it has a lower one */
	u64 first_id, last_id;         /* frames at the wire */
	u64 packets, bytes;
	u64 late;                      /* packets stamped later than they were, and fates that came when their frame was written */
	u64 drops;                     /* packets that found the buffer full, or the file broken */
	u64 lost;                      /* of those captured: the file did not take them. Counted by who writes */
	int error;
};
struct capture *capture_new(struct host *h, int fd, u64 base_ns, const char *ifname, u32 points,
			    const char *const *verdicts, struct bpf_prog *filter, u64 size, int threaded);
int capture_thread(struct capture *c);  /* writes until stopped, or the file breaks: 0, or -errno of it */
void capture_stop(struct capture *c);   /* ends it, from another thread */
void capture_give_up(struct capture *c); /* and a reader that is slow gets no more */
void capture_detach(struct host *h, struct capture *c);
int capture_flush(struct capture *c);   /* nobody else writes. -EAGAIN: whoever should read it does not */
void capture_free(struct capture *c);
/* pcapng.c: blocks at the end of the batch that is filled, where there is room for them */
#define PCAPNG_SNAPLEN 262144
#define PCAPNG_OPTIONS_MAX 512
void pcapng_headers(struct capture *c, const char *ifname);
u32 pcapng_room(const struct tap_packet *p);  /* bytes its block takes at most */
void pcapng_packet(struct capture *c, const struct tap_packet *p, u64 t);
u32 pcapng_add_fate(const struct capture *c, u8 *block, u32 len, int fate); /* to a block, behind which is room. Its length */

/* ---- arp.c ip.c ipv6.c icmp.c udp.c tcp.c. All consume skb ---- */

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ip_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ip_deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto);  /* the protocol table */
void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb);
void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void udp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void tcp_rcv(struct softnet_data *sd, struct sk_buff *skb);
int skb_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len);

struct inet_net { struct inet_addr addr; u32 prefix; };

/* ---- inet_fragment.c, ip_fragment.c (IPv4), reassembly.c (IPv6): fragments wait here for the rest of their datagram ---- */

struct inet_frag_key { struct inet_addr src, dst; u32 id, proto; };   /* proto: IPv4's, else 0 */
struct inet_frag_peer { struct inet_frag_peer *next; u32 addr, rid, refs, spare; };  /* rid: fragments that came from it */

#define INET_FRAG_FIRST_IN 1       /* flags of a queue */
#define INET_FRAG_LAST_IN 2
#define INET_FRAG_MEM 4194304      /* default of the limit, bytes of truesize for each family */

/**
 * struct inet_frag_queue - a datagram that is not whole yet
 * @runs: what is there, a treap by offset. A run is one skb: a fragment, and those that came right behind it in order
 * @last: the run with the highest offset
 * @len:  of the datagram, as far as it is known; @meat: bytes that are there
 * @hdr:  bytes before the data in the first fragment
 * @nhoff, @proto: IPv6: which of those announces the fragment header; what that announces
 * @ecn:  1 << the ECN field of each fragment's IP header
 */
struct inet_frag_queue {
	struct inet_frag_key key;
	struct inet_frag_queue *next;  /* in its bucket, or free */
	struct inet_frag_queue *older, *newer; /* of those that its CPU's timer looks after */
	struct sk_buff *runs, *last;
	struct inet_frag_peer *peer;   /* IPv4, if there is a maximal distance */
	u64 expires;
	u32 len, meat, rid, hdr;
	u16 nhoff;
	u8 proto, flags, ecn, cpu, spare[2];
};

/* where a fragment belongs in its datagram: bytes offset to end; hdr bytes are before them; ecn as in the queue */
struct inet_frag { u32 offset, end, hdr; u16 nhoff; u8 proto, more, ecn; };

/* one family's (struct fqdir) */
struct inet_frags {
	u32 lock;                      /* live: of all that is below, and of the queues */
	u32 max_dist;                  /* IPv4: fragments of one sender between two of a datagram; 0: any number */
	u32 mib;                       /* its first counter */
	u32 queue_size;                /* what a queue counts for in mem */
	u64 high_thresh, timeout_ns;
	u64 mem;                       /* truesize of what waits, and queues */
	u64 frames;                    /* that wait */
	u64 refused, max_mem;          /* fragments that high_thresh kept out; mem when it did, at most */
	u32 size, used, mask;
	u32 peers_used;
	struct inet_frag_queue *queues, *free, **hash;
	struct inet_frag_peer *peers, *peers_free, **peers_hash;
	struct inet_frag_queue *oldest[CPUS_MAX], *newest[CPUS_MAX];
};
enum frag_mib { FRAG_TIMEOUT, FRAG_REQDS, FRAG_OKS, FRAG_FAILS, FRAG_OVERLAPS }; /* from inet_frags.mib on */
void inet_frags_defaults(struct host *h);
int inet_frags_init(struct inet_frags *f);
void inet_frags_exit(struct inet_frags *f);
u32 inet_frags_in_use(struct host *h, struct inet_frags *f);
void inet_frags_flush(struct host *h);       /* what waits ends as FRAG_REASM_TIMEOUT */
void inet_frag_expire(struct softnet_data *sd);
struct inet_frag_queue *inet_frag_find(struct softnet_data *sd, struct inet_frags *f, const struct inet_frag_key *key);
int inet_frag_add(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, struct sk_buff *skb,
		  const struct inet_frag *frag); /* consumes skb. Return: 1 = the datagram is whole */
void inet_frag_fail(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
struct sk_buff *inet_frag_join(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q);
void inet_frag_count(struct softnet_data *sd, const struct inet_frags *f, enum frag_mib what);
void inet_frag_restart(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
enum fate frag_runs_insert(struct inet_frag_queue *q, struct sk_buff *skb, u32 end);
void frag_runs_join(struct sk_buff *run, struct sk_buff *skb);
struct sk_buff *frag_runs_take(struct inet_frag_queue *q);
void inet_putpeer(const struct host *h, struct inet_frags *f, struct inet_frag_peer *peer);
int inet_frag_ecn(u8 seen);                  /* what to OR into the whole's ECN field; < 0: they contradict each other */
struct sk_buff *ip_defrag(struct softnet_data *sd, struct sk_buff *skb);    /* the whole, or NULL: skb waits, or has a fate */
struct sk_buff *ipv6_frag_rcv(struct softnet_data *sd, struct sk_buff *skb, u32 off, u32 nhoff, u8 *next);

/* ---- sock.c, sock_table.c, flow_table.c: the receive queue, and the tables that find a socket ---- */

#define SOCK_UDP 1
#define SOCK_TCP_LISTEN 2
#define SOCK_TCP 3

/**
 * struct sock - four cache lines: 0 is what a packet and its reader touch, 1 counters and addresses
 * @rmem: truesize queued by the softirq side; @rfree: taken off by the reader. Two single-writer counters
 */
struct sock {
	struct sk_buff *head, *tail;   /* receive queue, under lock when live */
	u32 rmem, rfree, rcvbuf;
	u32 qlen;
	u16 lport, rport;              /* host byte order */
	u8 type, state, on_ready, closed;
	u8 any, sink;
	u16 reader_cpu;
	u32 lock;
	struct sock *ready_next;
	u32 index, port_next;          /* next socket bound to the same port */
	/* line 1 */
	u64 packets, bytes, reads, drops;
	struct inet_addr laddr, raddr;
	/* line 2: TCP, and what Python waits on */
	int wake_fd;                   /* eventfd for a Python reader, -1: none */
	u32 rcv_nxt;
	struct sk_buff *ofo;           /* out of order, sorted by seq */
	u32 ofo_truesize;
	u32 fin_seq;
	u32 listener;                  /* index of the listening socket, 0: none */
	u8 accepted;                   /* 0 waits, 1 Python holds it, 2 Python gave it up */
	u8 fin_seen;
	u8 udp_gro;                    /* UDP_GRO: takes merged datagrams as they are */
	u8 spare;
	struct sock *accept_next;      /* listener: queue of new streams */
	struct sock *accept_tail;
	u64 segments, duplicates;
	/* line 3 */
	u64 ofo_segments, gaps, gap_bytes;
	u32 rxhash;                    /* of its flow, for rfs.c */
	u32 err;                       /* errno that its next call returns */
	u64 refused;                   /* truesize that rcvbuf had no room for */
	u64 unused[3];
};

#define TCP_OPEN 1
#define TCP_FINISHED 2
#define TCP_RESET 3

struct sock_table {
	struct sock *socks;            /* [0] is not used: index 0 means none */
	u32 size, used, free_head, clock;
	u32 lock;                      /* live: guards changes */
	u32 *port[2];                  /* UDP, TCP: first socket bound to a port */
	u32 *flow_sig, *flow_idx;      /* open addressing over the 4-tuple */
	u32 flow_mask, flows;
	u64 evicted;
};
int sock_table_init(struct sock_table *t, u32 size);
void sock_table_exit(struct sock_table *t);
struct sock *sock_bind(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);
int sock_connect(struct host *h, struct sock *sk, const struct inet_addr *raddr, u16 rport);
void sock_close(struct host *h, struct softnet_data *sd, struct sock *sk); /* sd NULL: a Python thread */
void sock_sweep(struct host *h);
int sock_table_live(const struct sock_table *t);
struct sock *flow_find(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
		       const struct inet_addr *raddr, u16 rport); /* under the table's lock */
void flow_insert(struct sock_table *t, struct sock *sk);
void flow_remove(struct sock_table *t, const struct sock *sk);
struct sock *sock_lookup_flow(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
			      const struct inet_addr *raddr, u16 rport);
struct sock *sock_lookup_port(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);
struct sock *sock_find_bound(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport);
void sock_set_udp_gro(struct host *h, struct sock *sk, int on);
struct sock *sock_new_flow(struct softnet_data *sd, struct sock *listener, const struct inet_addr *laddr, u16 lport,
			   const struct inet_addr *raddr, u16 rport, u32 rcv_nxt);
int sock_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb); /* 0, or -ENOBUFS: not queued */
void sock_data_ready(struct softnet_data *sd, struct sock *sk);
struct sk_buff *sock_dequeue(struct sock *sk);
struct sock_from { struct inet_addr addr; u16 port; u16 spare; u32 truncated; u32 gso_size; };
int sock_error(struct sock *sk);       /* -errno of what the network said of it, once; 0: nothing */
void sock_report_error(struct softnet_data *sd, struct sock *sk, u32 err);
long sock_recv(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_from *f); /* a datagram; -EAGAIN */
int sock_recvmmsg(struct host *h, struct sock *sk, void *buf, u32 size, u32 *ends, struct sock_from *f, int max);
long sock_read(struct host *h, struct sock *sk, void *buf, u64 len);  /* stream bytes; 0: ended; -EAGAIN; -ECONNRESET */
struct sock *sock_accept(struct host *h, struct sock *listener);

struct inet_addr inet_addr4(const u8 *addr);
struct inet_addr inet_addr6(const u8 *addr);
int tcp_waits_for_fin(const struct sock *sk);  /* an end that is announced, and not reached yet */
void tcp_skip_hole(struct softnet_data *sd, struct sock *sk);  /* deliver what waits behind a hole that never fills */

/* ---- transmit: udp.c icmp.c arp.c ndisc.c -> ip_output.c -> neigh.c -> driver_tx.c -> the ring -> nic_tx.c -> the wire ---- */

#define TX_NONE 4294967295u
#define TX_BUF_LEN 2048
#define TX_RING_SIZE 256
#define TX_POOL_SIZE 1024
/* a buffer of a packet that is sent: the first begins with the virtio header, then Ethernet */
struct tx_buf { u32 next, queue_next, len, frame_len; };  /* next: of the packet; queue_next: packet that waits behind it */
struct driver_tx {
	struct virtqueue_driver vq;
	u8 *base;                      /* buffer i at base + i * TX_BUF_LEN */
	u64 bus;
	u32 nfree, *free;
	struct tx_buf *buf;
	u32 lock;                      /* guards all of sending: pool, ring, neighbours, ids */
	u8 offload;                    /* bit 0 checksums, bit 1 UDP segmentation: the card does it */
	u16 ip_id;
	u32 frag_id;
	u64 posted, queued;            /* frames given to the ring; frames that wait for a neighbour */
	u64 packets, bytes, fates[TX_FATE_MAX];
};
int driver_tx_open(struct host *h);
int driver_tx_room(struct host *h, u32 frames, u32 bytes); /* is there room for them? Under the lock */
void driver_tx_free(struct host *h);
u32 tx_alloc(struct driver_tx *tx, u32 len);              /* a packet of len bytes from Ethernet on; TX_NONE */
void tx_free(struct driver_tx *tx, u32 packet);
u8 *tx_header(struct driver_tx *tx, u32 packet);          /* its Ethernet header */
void tx_drop(struct host *h, u32 packet, enum tx_fate fate);
int dev_queue_xmit(struct host *h, struct softnet_data *sd, u32 packet); /* 0, -ENOBUFS: the ring is full; it is gone */
void driver_tx_reclaim(struct host *h);
void host_tx_fates(struct host *h, u64 *fates);           /* [TX_FATE_MAX] */
u64 host_tx_in_flight(struct host *h);
const char *tx_fate_text(enum tx_fate fate);

#define NEIGH_TABLE_SIZE 1024      /* gc_thresh3 */
#define NUD_NONE 0
#define NUD_INCOMPLETE 1
#define NUD_REACHABLE 2
#define NUD_STALE 4
#define NUD_DELAY 8
#define NUD_PROBE 16
#define NUD_FAILED 32
struct neighbour {
	struct inet_addr addr;
	u8 mac[6];
	u8 state, probes;
	u32 hash_next;                 /* 1 + index */
	u32 queue, queue_tail, queue_bytes; /* packets that wait for the address */
	u64 confirmed, used, updated, timer_ns;
};
struct neigh_table {
	struct neighbour *entry;
	u32 hash[256], used, entries;
	u64 timer_ask;                 /* live: CPU 0 is to look at this moment; NEVER: as it knows */
	/* counters, as /proc/net/stat/arp_cache */
	u64 allocs, destroys, res_failed, lookups, hits, rcv_probes_mcast, rcv_probes_ucast, forced_gc_runs, unresolved_discards,
		table_fulls;
};
int neigh_init(struct neigh_table *t);
void neigh_exit(struct neigh_table *t);
/* all under the lock of driver_tx */
struct neighbour *neigh_lookup(struct host *h, const struct inet_addr *addr);
int neigh_output(struct host *h, struct softnet_data *sd, const struct inet_addr *nexthop, u32 packet);
void neigh_update(struct host *h, struct softnet_data *sd, const struct inet_addr *addr, const u8 *mac, u8 state, int create,
		  int override);
void neigh_timer(struct softnet_data *sd);
void neigh_flush(struct host *h);
u64 host_now(struct host *h, struct softnet_data *sd);     /* sd NULL: a Python thread */
u64 vtime_latest(const struct host *h);

void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to_mac);      /* to_mac NULL: broadcast, a request */
void ndisc_send_ns(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac);
void ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb);
int ndisc_good(const struct sk_buff *skb);

/**
 * struct outgoing - a packet to be sent: what is in front of the payload, and the payload where it lies
 * @src:         all zero: the best of ours
 * @gso_size:    UDP_SEGMENT: bytes of payload in a segment, 0: one packet, in fragments if need be
 * @csum_offset: of the 16-bit field in head to put the checksum into; 0xffff: there is none to fill
 */
struct outgoing {
	struct inet_addr src, dst;
	u8 proto, ttl, tos, df;
	u16 gso_size, csum_offset;
	u32 head_len, len;
	u8 head[64];
	const u8 *data;
};
int ip_output(struct host *h, struct softnet_data *sd, struct outgoing *o);        /* 0 or -errno; takes the lock */
int ip_output_locked(struct host *h, struct softnet_data *sd, struct outgoing *o);
u32 ip_mtu(const struct host *h);
int inet_addr_is4(const struct inet_addr *a);
void inet_addr_put(const struct inet_addr *a, u8 *to);                             /* 4 or 16 bytes, as on the wire */
const struct inet_net *ip_route(const struct host *h, const struct inet_addr *dst, struct inet_addr *nexthop);
const struct inet_net *ip_local_net(const struct host *h, const struct inet_addr *a); /* ours: the network, else NULL */
void icmp_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info);   /* the packet's family decides */
void udp_err(struct softnet_data *sd, const u8 *ip, u32 len, u32 err); /* ip: of the packet that an ICMP error quotes */
int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port, u32 gso_size);

/* icmp.c: how many errors a destination, and the world, may get */
#define ICMP_PEERS 256
struct icmp_peer { struct inet_addr addr; u64 tokens, last; };
struct icmp_limits {
	u32 lock, ratelimit_ms, msgs_per_sec, msgs_burst;
	u64 credit, stamp_ns;
	struct icmp_peer peer[ICMP_PEERS];
};

/* ---- upcall.c: the seam for Python people ---- */

struct upcall { struct sk_buff *skb; u32 handler; u32 cpu; };
#define UPCALLS_MAX 2048
struct upcall_queue {
	struct upcall slot[UPCALLS_MAX];
	u32 head, tail, lock;
	int wake_fd;
};
void upcall_push(struct softnet_data *sd, struct sk_buff *skb, u32 handler);
int upcall_peek(struct host *h, u8 *buf, u64 size, u32 *offsets, u32 *handler, u64 *t_ns); /* a burst for one handler */
void upcall_done(struct host *h, const u8 *verdicts, int n);  /* for the burst last peeked: 1 delivered, 0 dropped */

/* ---- host.c, vtime.c, live.c: the machine, and the two drivers of its stages ---- */

enum event { EV_DONE, EV_SLICE, EV_UPCALL, EV_FILTER, EV_WIRE, EV_STOPPED, EV_PAUSED };

struct host {
	u32 ncpus, hz;
	u64 jiffy_ns;
	struct softnet_data *cpu[CPUS_MAX];
	struct nic nic;
	struct driver_queue *dq[NIC_QUEUES_MAX];
	u32 rx_pool_size;
	u8 external_driver, live, gro, auto_sink, ip_any, vlan_any;
	u32 spin_max_ns;               /* live: CPUs look for work before they sleep, so long at most */
	u8 gro_list, gro_udp_fwd;      /* rx-gro-list, rx-udp-gro-forwarding */
	u8 gro_cwr;                    /* 1: CWR joins CWR, as since Linux 7.0 */
	u32 udp_gro_socks;             /* sockets with UDP_GRO */
	u32 gro_flows;                 /* flows to keep account of; 0: none */
	u32 catch_up;                  /* virtual time: packets between two looks at the others' clocks */
	u32 cost[COST_MAX];
	u32 weight, netdev_budget, netdev_budget_usecs, dev_weight, netdev_max_backlog;
	u32 gro_max_size, gro_ipv4_max_size, gro_normal_batch, napi_defer_hard_irqs;
	u64 gro_flush_timeout;
	u8 threaded, prefer_busy_poll;
	u32 busy_read, busy_poll_budget;    /* us; packets */
	u64 irq_affinity[NIC_QUEUES_MAX];   /* CPUs that may take a queue's interrupt; 0: nobody said */
	u32 rps_len[NIC_QUEUES_MAX];
	u16 rps_map[NIC_QUEUES_MAX][CPUS_MAX];
	u32 rps_flow_cnt, rps_sock_flow_entries, flow_limit_table_len;
	u64 flow_limit_cpus;
	u8 rps_flow_log[NIC_QUEUES_MAX];    /* 1 + log2 of a queue's table, 0: none */
	struct rps_dev_flow *rps_flow[NIC_QUEUES_MAX];
	struct rps_sock_flow_table *rps_sock_flow, *rps_sock_tables; /* NULL: off; all there were, the largest first */
	u32 rps_cpu_mask;
	u64 hash_key[2];
	u32 rcvbuf, rmem_max, sock_max, reader_cpu;   /* reader_cpu: ~0 = local port mod cpus */
	struct packet_type ptype[PTYPES_MAX];
	u32 nptypes;
	u16 protocol_python[256];      /* IP protocol -> Python handler */
	struct inet_net ip[18];
	u32 nips;
	u8 answers;                    /* it has addresses, and a wire that takes what it sends */
	struct inet_addr gateway[2];   /* IPv4, IPv6; all zero: none */
	struct driver_tx tx;
	struct neigh_table neigh;
	struct icmp_limits icmp;
	u64 out_mib[MIB_MAX];          /* counted by whoever sends, under the lock of tx */
	struct sock_table socks;
	struct upcall_queue upcalls;
	u64 outside_fates[FATE_MAX];   /* counted by Python's thread */
	u64 outside_ofo_frames;
	struct packet_tap *taps[TAP_POINTS];
	u32 taps_lock, tapped;         /* tapped: bit per point */
	u64 steps;                     /* scheduler's, virtual time */
	u64 limit;                     /* virtual time: stop when so many frames were offered */
	struct inet_frags ip_frags, ip6_frags;
};
struct host *host_new(u32 ncpus);
int host_start(struct host *h);                /* allocate, probe, open: after the knobs are set */
void host_free(struct host *h);
void memory_give_back(void);
void host_finish(struct host *h);              /* a replay's end: run timers out, close what waits, purge the card */
u64 host_offered(struct host *h);
void host_fates(struct host *h, u64 *fates);       /* [FATE_MAX] */
void host_in_flight(struct host *h, u64 *where);   /* [IN_FLIGHT_MAX] */
int host_laws(struct host *h);                 /* 0: both laws hold; bit 0: ledger open, bit 1: a pool is short */
const char *fate_text(enum fate fate);
enum event vtime_run(struct host *h, u64 frames);  /* until so many more frames arrived, or an event */
enum event vtime_run_until(struct host *h, u64 until_ns);
enum event vtime_step(struct host *h);              /* one agent's turn: EV_SLICE */
int nic_thread(struct nic *nic);               /* live: the device's thread; returns an event */
int cpu_thread(struct softnet_data *sd);       /* live: a CPU's thread; returns when stopped */
void live_stop(struct host *h);
u32 live_spin_max(u32 ncpus);

/* ---- own_files.c: the card's thread has a table of file descriptors of its own ---- */

#define FILES_MAX 128              /* lanes, CPUs, and a few */
struct file_set { u32 n; int fd[FILES_MAX]; }; /* in order */
void file_set_add(struct file_set *s, int fd);
int run_with_own_files(int (*run)(void *), void *arg, struct file_set *files);
void event_signal(int fd);
int own_files_fetch(int fd);
u64 clock_ns(void);
