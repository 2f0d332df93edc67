/* packet.h - those who look on: packet sockets, and captures to a file */

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

/* ---- af_packet.c: packet sockets ---- */

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
	struct packet_tap tap[POINTS];
	u32 points;                    /* bit per point */
	u32 interface[POINTS];     /* its number in the file */
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
u32 pcapng_room(const struct packet_seen *p);  /* bytes its block takes at most */
void pcapng_packet(struct capture *c, const struct packet_seen *p, u64 t);
u32 pcapng_add_fate(const struct capture *c, u8 *block, u32 len, int fate); /* to a block, behind which is room. Its length */
