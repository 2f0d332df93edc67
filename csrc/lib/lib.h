/* lib.h - the ground: any room may call these, and they call none. Context: any thread */

/* ---- checksum.c: RFC 1071. A partial sum is 32 bits of one's complement arithmetic, in memory's byte order ---- */

/** csum_partial() - Return: @sum plus the partial sum over @len bytes. An odd @len only in the last piece of several */
u32 csum_partial(const void *data, u32 len, u32 sum);

/** csum_and_copy() - copy @len bytes. Return: as csum_partial() */
u32 csum_and_copy(void *to, const void *from, u32 len, u32 sum);

/** csum_fold() - Return: the 16-bit checksum, complemented, as a header stores it */
u16 csum_fold(u32 sum);

/** ip_fast_csum() - Return: the checksum over @bytes of an IPv4 header; 0 if the one in it is right */
u16 ip_fast_csum(const void *iph, u32 bytes);

/** csum_pseudo() - Return: the partial sum of the pseudo-header. @len: of the transport header and its data */
u32 csum_pseudo(const u8 *iph, int version, u32 len, u8 proto);

/** csum_is_pseudo() - is @have the sum of the pseudo-header alone, left to the sender's card to complete? */
int csum_is_pseudo(u16 have, const u8 *iph, int version, u32 len, u8 proto);

/* ---- isa.c: what the run-time dispatch chose. VNIC_ISA=generic forces portable code, avx2 no AVX-512 ---- */

/** vnic_isa() - Return: the choice in words, such as "avx2+pclmul"; static text */
const char *vnic_isa(void);
int isa_has_avx2(void);
int isa_has_pclmul(void);
int isa_has_avx512(void);
int isa_has_gfni(void);

/* ---- lat.c: log-linear histograms ---- */

/** struct histogram - values in ns, by frames. One writer */
struct histogram {
	u64 count, sum, min, max;
	u64 bucket[LAT_BUCKETS];
};

/** lat_record() - add @value_ns for each of @frames frames */
void lat_record(struct histogram *h, u64 value_ns, u32 frames);

/** lat_percentile() - Return: the upper edge of the bucket that quantile @q (0 to 1) falls into, ns; 0: no values */
u64 lat_percentile(const struct histogram *h, double q);

/* ---- event_log.c: what happens to frames, as records of one size. The stages write, and none reads ---- */

#define EVENT_NO_CPU 65535         /* the card */
#define EVENT_NO_QUEUE 65535       /* of a poll: the CPU's backlog */

/**
 * struct event_record - one thing that happened
 * @t_ns:   when it began; @dur_ns: how long it took, 0: an instant
 * @frame:  the frame's number (struct frame's id), of a packet its first frame's; 0: it is about no frame
 * @skb:    the first frame of the packet that @frame is in from now on; 0: its own
 * @arg:    by kind
 * @kind:   enum event_kind
 * @more:   of a fate: further frames of the packet, which meet it too
 */
struct event_record {
	u64 t_ns, dur_ns;
	u64 frame, skb;
	u64 arg;
	u16 cpu, queue;
	u8 kind, spare;
	u16 more;
};

/**
 * struct event_log - a ring of records: one thread writes at @head, another may read from @tail on
 * @size:    slots, a power of two; 0: nothing is kept, only @observe is called
 * @room:    records that it holds at most
 * @missed:  records that found no room
 * @from_ns, @until_ns: keep only records that overlap these times
 * @chosen:  bit per frame: keep only records of these, and of packets that they are in. NULL: all, also those about no
 *           frame. @nchosen: bits; later frames are not kept
 * @observe: called with each record before it is judged; NULL: off
 */
struct event_log {
	struct event_record *slot;
	u64 size, room, head, tail, missed;
	u64 from_ns, until_ns;
	u64 *chosen;
	u64 nchosen;
	void (*observe)(void *observer, const struct event_record *e);
	void *observer;
};

/**
 * event_log_new() - make an empty log; free it by event_log_free(). Pages that are never written take no memory
 * @records: it holds at most so many; 0: none are kept
 * Return: NULL: no memory
 */
struct event_log *event_log_new(u64 records);
void event_log_free(struct event_log *log);

/** event_memory() - map memory for records, which takes none until they are written. Return: NULL: no memory */
struct event_record *event_memory(u64 records);
void event_memory_free(struct event_record *at, u64 records);

/** event_write() - append a record, unless it is not wanted. A full log counts it. Context: the log's writer */
void event_write(struct event_log *log, const struct event_record *e);

/* ---- clock.c, own_files.c: time, waking, and a thread's own table of file descriptors ---- */

/** clock_ns() - Return: CLOCK_MONOTONIC, ns: the time of a live host */
u64 clock_ns(void);

/** event_signal() - wake the thread that waits for this eventfd */
void event_signal(int fd);

/** event_drain() - take back all signals of this eventfd, which is not blocking */
void event_drain(int fd);

#define FILES_MAX 768              /* CPUs, queues, lanes, and a few */
/** struct file_set - file descriptors, ascending */
struct file_set { u32 n; int fd[FILES_MAX]; };

/** file_set_add() - insert @fd in order; -1, or a full set: no effect */
void file_set_add(struct file_set *s, int fd);

/**
 * run_with_own_files() - call @run(@arg) in a thread whose table has only @files open; wait for its end
 * @files: this function adds to it
 * Calls @run in place if the kernel does not allow that. Return: what @run returns
 */
int run_with_own_files(int (*run)(void *), void *arg, struct file_set *files);

/** own_files_fetch() - open a file of the process that this thread's table lacks. Return: a descriptor; <0: none */
int own_files_fetch(int fd);

/* ---- siphash.c ---- */

/** siphash() - Return: SipHash-2-4 of @data under the key @k0, @k1 */
u64 siphash(const void *data, u32 len, u64 k0, u64 k1);

/* ---- map_zeroed.c ---- */

/** map_zeroed() - map zeroed memory, which takes none until it is written. Return: NULL: no memory */
void *map_zeroed(u64 bytes);
/** unmap_zeroed() - give it back. @p: NULL: nothing */
void unmap_zeroed(void *p, u64 bytes);

/* ---- inet_addr.c: addresses of both families in one form, from and to bytes on the wire ---- */

struct inet_addr inet_addr4(const u8 *addr);
struct inet_addr inet_addr6(const u8 *addr);
int inet_addr_is4(const struct inet_addr *a);
/** inet_addr_is_any() - Return: whether this is 0.0.0.0 or :: */
bool inet_addr_is_any(const struct inet_addr *a);
bool inet_addr_is_multicast(const struct inet_addr *a);
/** inet_addr_put() - store @a as 4 or 16 bytes, by its family */
void inet_addr_put(const struct inet_addr *a, u8 *to);
/** inet_group_mac() - the Ethernet address of a group (RFC 1112 section 6.4, RFC 2464 section 7). @mac: 6 bytes, filled in */
void inet_group_mac(const struct inet_addr *group, u8 *mac);
