/* peer_pcap.c - how fast libpcap reads a capture, beside vnic's reader on the same warm file, alternately in one run
 *
 *   peer_pcap FILE [--runs N]     a JSON line for each
 */
#include "path.h"
#include "timing.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static double ns[2][RUNS_MAX], cycles[2][RUNS_MAX];

static u64 by_libpcap(const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(file, error);
	struct pcap_pkthdr *head;
	const u_char *data;
	u64 n = 0;

	require(p != NULL, error);
	while (pcap_next_ex(p, &head, &data) == 1)
		n += head->caplen != 0;
	pcap_close(p);
	return n;
}

/* Mapped anew each time, as libpcap opens anew; a byte of each frame is looked at, or the pages would not be there. */
static u64 by_vnic(const char *file)
{
	struct pcap_wire *w = pcap_wire_new();
	int fd = open(file, O_RDONLY), got;
	struct frame f[BURST];
	struct stat st;
	u64 n = 0, sum = 0;
	void *map;

	require(w && fd >= 0 && fstat(fd, &st) == 0, "the file cannot be opened");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	require(map != MAP_FAILED && pcap_wire_open(w, map, (u64)st.st_size) == 0, "it is no capture");
	while ((got = wire_next(&w->wire, f, BURST, 0)) > 0) {
		for (int i = 0; i < got; i++)
			sum += f[i].data[0];
		n += (u64)got;
	}
	__asm__ volatile("" : : "r"(sum));
	munmap(map, (size_t)st.st_size);
	close(fd);
	pcap_wire_free(w);
	return n;
}

int main(int argc, char **argv)
{
	static u64 (*const who[2])(const char *) = { by_vnic, by_libpcap };
	static const char *const name[2] = { "pcap_vnic", "pcap_libpcap" };
	static const char *const what[2] = { "capture, 64-byte frames, warm file: vnic", "the same: libpcap" };
	u64 frames[2] = { 0 };

	require(argc >= 2, "usage: peer_pcap FILE [--runs N]");
	if (argc == 4)
		nruns = min_u32((u32)atoi(argv[3]), RUNS_MAX);
	for (u32 run = 0; run < nruns; run++)
		for (u32 w = 0; w < 2; w++) {
			timing_begin();
			start();
			frames[w] = who[w](argv[1]);
			stop();
			sample(0, frames[w]);
			ns[w][run] = timing.ns[0];
			cycles[w][run] = timing.cycles[0];
		}
	require(frames[0] == frames[1], "they disagree about how many frames there are");
	for (u32 w = 0; w < 2; w++) {
		memcpy(timing.ns, ns[w], sizeof(ns[w]));
		memcpy(timing.cycles, cycles[w], sizeof(cycles[w]));
		report("pair", name[w], what[w], frames[w]);
		printf("}\n");
	}
	return 0;
}
