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

/* ---- clock.c, own_files.c: time, waking, and a thread's own table of file descriptors ---- */

/** clock_ns() - Return: CLOCK_MONOTONIC, ns: the time of a live host */
u64 clock_ns(void);

/** event_signal() - wake the thread that waits for this eventfd */
void event_signal(int fd);

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

/* ---- inet_addr.c: addresses of both families in one form, from and to bytes on the wire ---- */

struct inet_addr inet_addr4(const u8 *addr);
struct inet_addr inet_addr6(const u8 *addr);
int inet_addr_is4(const struct inet_addr *a);
/** inet_addr_put() - store @a as 4 or 16 bytes, by its family */
void inet_addr_put(const struct inet_addr *a, u8 *to);
/** inet_group_mac() - the Ethernet address of a group (RFC 1112 section 6.4, RFC 2464 section 7). @mac: 6 bytes, filled in */
void inet_group_mac(const struct inet_addr *group, u8 *mac);
