/* lib.h - the ground: what any room may call, and what calls none */

/* ---- checksum.c: RFC 1071 ---- */

u32 csum_partial(const void *data, u32 len, u32 sum);     /* 32-bit partial sum, folded by csum_fold() */
u32 csum_and_copy(void *to, const void *from, u32 len, u32 sum);
u16 csum_fold(u32 sum);                                   /* complemented */
u16 ip_fast_csum(const void *iph, u32 bytes);
u32 csum_pseudo(const u8 *iph, int version, u32 len, u8 proto);
int csum_is_pseudo(u16 have, const u8 *iph, int version, u32 len, u8 proto);

/* ---- isa.c: what the run-time dispatch chose; VNIC_ISA=generic forces the portable code, avx2 that without AVX-512 ---- */

const char *vnic_isa(void);
int isa_has_avx2(void);
int isa_has_pclmul(void);
int isa_has_avx512(void);
int isa_has_gfni(void);

/* ---- lat.c: log-linear histograms ---- */

struct histogram {
	u64 count, sum, min, max;
	u64 bucket[LAT_BUCKETS];
};
void lat_record(struct histogram *h, u64 value_ns, u32 frames);
u64 lat_percentile(const struct histogram *h, double q);   /* 0 <= q <= 1; ns, the bucket's upper edge */

/* ---- clock.c, own_files.c: time, waking, and a table of file descriptors of a thread's own ---- */

u64 clock_ns(void);
void event_signal(int fd);
#define FILES_MAX 128              /* lanes, CPUs, and a few */
struct file_set { u32 n; int fd[FILES_MAX]; }; /* in order */
void file_set_add(struct file_set *s, int fd);
int run_with_own_files(int (*run)(void *), void *arg, struct file_set *files);
int own_files_fetch(int fd);

/* ---- siphash.c ---- */

u64 siphash(const void *data, u32 len, u64 k0, u64 k1);

/* ---- inet_addr.c ---- */

struct inet_addr inet_addr4(const u8 *addr);
struct inet_addr inet_addr6(const u8 *addr);
int inet_addr_is4(const struct inet_addr *a);
void inet_addr_put(const struct inet_addr *a, u8 *to);                             /* 4 or 16 bytes, as on the wire */
