/* peer_pcap.c - how fast libpcap reads a capture, beside vnic's reader on the same warm file, alternately in one run
 *
 *   peer_pcap FILE [--runs N]     a JSON line for each
 */
#include "path.h"
#include "timing.h"

#include <fcntl.h>
#define bpf_insn libpcap_insn /* two structures of one name */
#include <pcap/pcap.h>
#undef bpf_insn
#include <sys/stat.h>
#include <unistd.h>

static const char *file;

static u64 by_libpcap(u32 which)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(file, error);
	struct pcap_pkthdr *head;
	const u_char *data;
	u64 n = 0;

	(void)which;
	require(p != NULL, error);
	while (pcap_next_ex(p, &head, &data) == 1)
		n += head->caplen != 0;
	pcap_close(p);
	return n;
}

/* Opened anew each time, as libpcap does. */
static u64 by_vnic(u32 which)
{
	struct pcap_wire *w = pcap_wire_new();
	int fd = open(file, O_RDONLY), got;
	struct frame f[BURST];
	struct stat st;
	u64 n = 0, sum = 0;

	(void)which;
	require(w && fd >= 0 && fstat(fd, &st) == 0, "the file cannot be opened");
	require(pcap_wire_open(w, fd, (u64)st.st_size) == 0, "it is no capture");
	while ((got = wire_next(&w->wire, f, BURST, 0)) > 0) {
		for (int i = 0; i < got; i++)
			sum += f[i].data[0];
		n += (u64)got;
	}
	__asm__ volatile("" : : "r"(sum));
	pcap_wire_free(w);
	return n;
}

int main(int argc, char **argv)
{
	static const struct way ways[2] = { { "pcap_vnic", "capture, 64-byte frames, warm file: vnic", by_vnic },
					    { "pcap_libpcap", "the same: libpcap", by_libpcap } };

	require(argc >= 2, "usage: peer_pcap FILE [--runs N]");
	file = argv[1];
	if (argc == 4)
		nruns = min_u32((u32)atoi(argv[3]), RUNS_MAX);
	side_by_side(ways, 2, 1);
	return 0;
}
