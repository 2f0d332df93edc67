/* packet.h - observers: packet sockets, and captures to a file. Both are packet taps (softnet/packet_taps.c) */

/* ---- bpf.c: a packet socket's filter, classic BPF ---- */

#define BPF_MAXINSNS 4096
#define BPF_MEMWORDS 16
#define VNIC_IFINDEX 1             /* the only interface */
struct bpf_insn { u16 code; u8 jt, jf; u32 k; };

/**
 * struct bpf_prog - a checked program
 * @tag_in_bytes: it was compiled for frames that carry their VLAN tag in their bytes, as in a file
 */
struct bpf_prog {
	u32 len;
	u8 tag_in_bytes;
	struct bpf_insn insn[];
};

/**
 * bpf_check() - decide whether a program may run, by Linux's rules
 * @at: written: the instruction that is wrong
 * Return: NULL: it may; else a constant string that names the fault
 */
const char *bpf_check(const struct bpf_insn *insn, u32 len, u32 *at);

/**
 * bpf_prog_new() - check a program and copy it
 * Return: the copy, freed by bpf_prog_free() or by the socket or capture it is given to; NULL: it may not run, or no
 * memory
 */
struct bpf_prog *bpf_prog_new(const struct bpf_insn *insn, u32 len, int tag_in_bytes);
void bpf_prog_free(struct bpf_prog *p);

/**
 * bpf_run() - run the program on a packet whose skb->data is behind the Ethernet header
 * @cpu: what SKF_AD_CPU reads
 * Return: bytes of the packet to keep; 0: not wanted
 * Context: any thread; the program is not written to
 */
u32 bpf_run(const struct bpf_prog *prog, const struct sk_buff *skb, u32 cpu);
/**
 * bpf_run_frame() - run the program on a frame as it lies in a file
 * @len:      bytes there; @wire_len: bytes that the frame had
 * Return: as bpf_run(); 0 for less than an Ethernet header
 */
u32 bpf_run_frame(const struct bpf_prog *prog, const u8 *frame, u32 len, u32 wire_len);

/* ---- af_packet.c: packet sockets ---- */

/**
 * struct packet_info - what recvmsg(2) tells beside the bytes: sockaddr_ll, tpacket_auxdata, SO_TIMESTAMPNS
 * @len:     of the packet, from the Ethernet header, without the VLAN tag
 * @snaplen: bytes of it that were kept
 * @tagged:  @vlan_tci and @vlan_tpid hold its tag
 */
struct packet_info {
	u64 t_ns;
	u32 len, snaplen, hash;
	u16 queue, vlan_tci, vlan_tpid;
	u8 pkt_type, tagged;
	u32 spare;
};

/**
 * struct packet_sock - a packet socket: CPUs put packets into its ring, Python threads take them out
 * @filter:     NULL: it takes all packets
 * @ring, @size: entries, one behind the other; bytes
 * @lock:       held by the CPU that puts a packet in
 * @reading:    held by the thread that takes packets out
 * @head, @tail: where the next entry begins, and the oldest; free-running, bytes
 * @waiting:    signal @wake_fd when a packet comes
 * @wake_fd:    the reader's eventfd, -1: none
 * @packets, @drops: tp_packets, drops among them, and tp_drops
 */
struct packet_sock {
	struct packet_tap tap;
	struct bpf_prog *filter;
	u8 *ring;
	u32 size, lock, reading;
	u64 head, tail;
	u32 waiting;
	int wake_fd;
	u64 packets, drops;
};

/**
 * packet_sock_new() - open a packet socket; it sees packets from now on
 * @filter: NULL: all packets. Consumed, unless the call fails
 * @ring:   bytes, a multiple of 8
 * Return: the socket, or NULL: no memory
 * Context: any thread, while CPUs run
 */
struct packet_sock *packet_sock_new(struct host *h, struct bpf_prog *filter, u32 ring);

/**
 * packet_sock_free() - close it, and free its filter and ring
 * Context: any thread, while CPUs run, but not while packet_recv() runs
 */
void packet_sock_free(struct host *h, struct packet_sock *ps);

/**
 * packet_recv() - take up to @max packets, as many as fit whole into @buf, one behind the other
 * @info: [max], written: info[i].snaplen is the length of packet i
 * Return: how many; 0: none waits; -EMSGSIZE: the first does not fit
 * Context: any thread; takes ps->reading
 */
int packet_recv(struct packet_sock *ps, u8 *buf, u64 size, struct packet_info *info, int max);

/* ---- capture.c: taps that write a pcapng file ---- */

/**
 * struct capture_slot - one block in memory
 * @t:    its stamp, ns since the epoch
 * @id:   the latest frame at the wire when it was made
 * @off, @len: where it lies in the batch
 * @fate: the frame's, if that came after the block; < 0: capture.c's FATE_OPEN or FATE_SHUT
 */
struct capture_slot { u64 t, id; u32 off, len; int fate; u32 spare; };

/**
 * struct capture_batch - blocks in memory
 * @slot: sorted by stamp; blocks with the same stamp stay in the order of their arrival
 * @next: the first slot that is not written to the file yet
 */
struct capture_batch {
	u8 *buf;
	u64 used;
	struct capture_slot *slot;
	u32 nslots, next;
};

/**
 * struct capture - a capture: taps fill a batch, its writer sorts and writes the one before
 * @points, @interface: bit per point that it taps; the point's interface number in the file
 * @verdicts:  a line of text for each fate, then the name of each fault; NULL: neither is written
 * @filter:    NULL: all packets
 * @filling, @held, @spare: the batch that taps fill, the one that waits for late packets, and an empty one
 * @size:      bytes of a batch
 * @out, @out_used: bytes on their way to the file
 * @threaded:  capture_thread() writes; else the taps do, when a batch is full
 * @regular:   a file, which takes any write; else a pipe
 * @lock:      guards @filling and @spare; held by the CPU that captures, and by the writer when it swaps them
 * @stop:      capture.c's STOPPED and GIVEN_UP
 * @base_ns:   added to a packet's time to make its stamp
 * @written:   stamp up to which the file is written; no later block has a lower one
 * @first_id, @last_id: frames seen at the wire
 * @late:      packets stamped later than they were, and fates that came after their frame's block was written
 * @drops:     packets that found the batch full or the file broken
 * @lost:      captured packets that the file did not take; counted by the writer
 * @error:     of the file, -errno; nothing is captured after it
 */
struct capture {
	struct packet_tap tap[POINTS];
	u32 points;
	u32 interface[POINTS];
	const char *const *verdicts;
	struct bpf_prog *filter;
	struct capture_batch batch[3], *filling, *held, *spare;
	u8 *out;
	u64 size, out_used;
	int fd, wake_fd;
	u8 threaded, regular, woken;
	u32 lock, stop;
	u64 base_ns, written;
	u64 first_id, last_id;
	u64 packets, bytes;
	u64 late;
	u64 drops;
	u64 lost;
	int error;
};

/**
 * capture_new() - begin to capture
 * @fd:       the file; stays the caller's
 * @points:   bit per enum packet_point
 * @verdicts: see struct capture; must outlive the capture
 * @filter:   NULL: all packets. Consumed, also if the call fails
 * @size:     bytes of each of its three batches
 * @threaded: a thread will call capture_thread()
 * Return: the capture, or NULL: no memory, or @ifname or @size do not do
 * Context: any thread, while CPUs run
 */
struct capture *capture_new(struct host *h, int fd, u64 base_ns, const char *ifname, u32 points,
			    const char *const *verdicts, struct bpf_prog *filter, u64 size, int threaded);

/**
 * capture_thread() - write until capture_stop(), or until the file breaks
 * Return: 0, or the file's -errno
 * Context: a thread of its own
 */
int capture_thread(struct capture *c);

/**
 * capture_stop() - end capture_thread()
 * Context: any other thread
 */
void capture_stop(struct capture *c);

/**
 * capture_give_up() - end it, and do not wait for the reader of a pipe any longer
 * Context: any other thread
 */
void capture_give_up(struct capture *c);

/**
 * capture_detach() - take its taps off the path; when it returns, no CPU captures
 * Context: any thread, while CPUs run
 */
void capture_detach(struct host *h, struct capture *c);

/**
 * capture_flush() - write all that is in memory
 * Return: 0, or the file's -errno; -EAGAIN: the reader of the pipe does not read
 * Context: no other thread writes; capture_thread() has ended
 */
int capture_flush(struct capture *c);

/**
 * capture_free() - free it and its filter, not the file. After capture_detach()
 */
void capture_free(struct capture *c);

/* ---- inside the room: pcapng.c makes blocks at the end of c->filling ---- */

#define PCAPNG_SNAPLEN 262144
#define PCAPNG_OPTIONS_MAX 512     /* bytes */
void pcapng_headers(struct capture *c, const char *ifname);
u32 pcapng_room(const struct packet_seen *p);
void pcapng_packet(struct capture *c, const struct packet_seen *p, u64 t);
u32 pcapng_add_fate(const struct capture *c, u8 *block, u32 len, int fate);
