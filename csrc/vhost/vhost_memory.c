/* vhost_memory.c - the driver's memory: a table of regions, each a file that it sent
 *
 *   SET_MEM_TABLE -> vhost_set_memory(): check all, map all, then swap the tables and unmap the old one
 *
 * A message that fails leaves the old table in place, so rings that run go on. A range that the card touches lies in one
 * region: dma.c checks each, and adds nothing that could wrap.
 *
 * A driver can cut a file short while the card has it mapped; few can be sealed against that. The kernel then sends SIGBUS to
 * the thread that touches a page which is gone. A handler maps zeros over the rest of that region and notes it, so the copy
 * under way ends, and the card stops its rings after that (vhost_cut()). The handler is there while some back-end has memory
 * mapped; a fault elsewhere goes to the handler before. If some other part of the process has put its own handler on top
 * meanwhile, ours stays below it.
 */
#include "device.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <pthread.h>
#include <signal.h>

/* ---- files cut short ---- */

#define MAPPED_MAX 1024

/* What the handler looks at: pages of all back-ends. A slot is in use while end is not 0; begin is written before it. */
static struct {
	u64 begin, end;
	u32 *cut;
} mapped[MAPPED_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static u32 in_use;
static bool installed;

/* Only calls that a signal handler may make: mmap(2) is a plain system call here. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	u64 at = (u64)info->si_addr;

	for (u32 i = 0; i < MAPPED_MAX; i++) {
		u64 end = smp_load_acquire(&mapped[i].end), begin = mapped[i].begin;

		if (at < begin || at >= end)
			continue;
		at &= ~4095ull;
		if (mmap((void *)at, end - at, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != MAP_FAILED) {
			__atomic_store_n(mapped[i].cut, 1, __ATOMIC_SEQ_CST);
			return;
		}
	}
	if (before.sa_flags & SA_SIGINFO && before.sa_sigaction)
		before.sa_sigaction(sig, info, context);
	else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
		before.sa_handler(sig);
	else
		signal(SIGBUS, SIG_DFL); /* the instruction is tried again, and ends the process */
}

static int install(void)
{
	const struct sigaction ours = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	if (!installed && sigaction(SIGBUS, &ours, &before) < 0)
		return -errno;
	installed = true;
	return 0;
}

static void uninstall(void)
{
	struct sigaction now;

	if (in_use || !installed || sigaction(SIGBUS, NULL, &now) < 0 || now.sa_sigaction != on_sigbus)
		return;
	sigaction(SIGBUS, &before, NULL);
	installed = false;
}

static int watch(const struct dma_region *r, u32 *cut)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = install();
	if (rc)
		goto out;
	rc = -ENOMEM;
	for (u32 i = 0; i < MAPPED_MAX; i++) {
		if (mapped[i].end)
			continue;
		mapped[i].begin = (u64)r->base;
		mapped[i].cut = cut;
		smp_store_release(&mapped[i].end, (u64)r->base + r->size);
		in_use++;
		rc = 0;
		break;
	}
	uninstall();
out:
	pthread_mutex_unlock(&lock);
	return rc;
}

static void unwatch(const struct dma_region *r)
{
	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < MAPPED_MAX; i++) {
		if (!mapped[i].end || mapped[i].begin != (u64)r->base)
			continue;
		smp_store_release(&mapped[i].end, 0);
		in_use--;
		uninstall();
		break;
	}
	pthread_mutex_unlock(&lock);
}

int vhost_cut(const struct vhost *v)
{
	return (int)__atomic_load_n(&v->cut, __ATOMIC_SEQ_CST);
}

/* ---- the table ---- */

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check(const struct vhost_region *r, u32 n)
{
	if (n > DMA_REGIONS_MAX)
		return -EINVAL;
	for (u32 i = 0; i < n; i++) {
		if (!r[i].size || r[i].bus + r[i].size < r[i].size || r[i].user + r[i].size < r[i].size ||
		    r[i].offset + r[i].size < r[i].size || r[i].offset + r[i].size > INT64_MAX)
			return -EINVAL;
		for (u32 j = 0; j < i; j++)
			if (overlap(r[i].bus, r[i].size, r[j].bus, r[j].size) ||
			    overlap(r[i].user, r[i].size, r[j].user, r[j].size))
				return -EINVAL;
	}
	return 0;
}

/* Map the pages that hold the region. A file of huge pages wants its own page size for the offset. */
static int map(const struct vhost_region *r, int fd, struct dma_region *pages, struct dma_region *region)
{
	struct stat st;
	u64 page, from;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((u64)st.st_size < r->offset + r->size)
		return -EFBIG;
	page = st.st_blksize > 4096 && !(st.st_blksize & (st.st_blksize - 1)) ? (u64)st.st_blksize : 4096;
	from = r->offset & ~(page - 1);
	pages->size = r->offset + r->size - from;
	pages->base = mmap(NULL, pages->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)from);
	if (pages->base == MAP_FAILED) {
		pages->base = NULL;
		return -errno;
	}
	madvise(pages->base, pages->size, MADV_DONTFORK);
	madvise(pages->base, pages->size, MADV_DONTDUMP);
	*region = (struct dma_region){ r->bus, r->size, pages->base + (r->offset - from) };
	return 0;
}

static void unmap(struct dma_region *pages, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		unwatch(&pages[i]);
		munmap(pages[i].base, pages[i].size);
	}
}

void vhost_unmap(struct vhost *v)
{
	unmap(v->mapped, v->nregions);
	v->nregions = v->nic->dma.nregions = 0;
	memset(v->nic->dma.region, 0, sizeof(v->nic->dma.region));
	v->cut = 0;
}

/* The largest region first: nearly all buffers are in it. */
static void by_size(struct dma_region *r, u32 n)
{
	for (u32 i = 1; i < n; i++)
		for (u32 j = i; j > 0 && r[j].size > r[j - 1].size; j--) {
			struct dma_region swap = r[j];

			r[j] = r[j - 1];
			r[j - 1] = swap;
		}
}

/* The rings are in the new table, or they are broken. */
static void find_rings(struct vhost *v)
{
	for (u32 i = 0; i < 2 * v->pairs; i++) {
		struct vhost_ring *r = &v->ring[i];

		if (r->started && vhost_place(v, r, vhost_vq(v, i)) < 0)
			vhost_break(v, r);
	}
	vhost_rings_changed(v);
}

int vhost_set_memory(struct vhost *v, const struct vhost_region *region, const int *fd, u32 n)
{
	struct dma_region pages[DMA_REGIONS_MAX], mine[DMA_REGIONS_MAX];
	struct dma *dma = &v->nic->dma;
	int rc = check(region, n);
	u32 done = 0;

	for (; rc == 0 && done < n; done++) {
		rc = map(&region[done], fd[done], &pages[done], &mine[done]);
		if (rc)
			break;
		rc = watch(&pages[done], &v->cut);
		if (rc) {
			munmap(pages[done].base, pages[done].size);
			break;
		}
	}
	if (rc) {
		unmap(pages, done);
		return rc;
	}
	unmap(v->mapped, v->nregions);
	memcpy(v->region, region, n * sizeof(*region));
	memcpy(v->mapped, pages, n * sizeof(*pages));
	by_size(mine, n);
	memset(dma->region, 0, sizeof(dma->region)); /* the first is used unasked */
	memcpy(dma->region, mine, n * sizeof(*mine));
	v->nregions = dma->nregions = n;
	v->cut = 0;
	find_rings(v);
	return 0;
}

u32 vhost_regions(const struct vhost *v)
{
	return v->nregions;
}

/* Turn one of the driver's own addresses into a pointer. Return: NULL: not inside one region */
void *vhost_user_map(const struct vhost *v, u64 addr, u64 len)
{
	for (u32 i = 0; i < v->nregions; i++) {
		const struct vhost_region *r = &v->region[i];
		u64 off = addr - r->user;

		if (off <= r->size && len <= r->size - off)
			return dma_map(&v->nic->dma, r->bus + off, len);
	}
	return NULL;
}
