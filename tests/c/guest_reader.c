/* guest_reader.c - a program of a guest's: UDP sockets that are read when a line of stdin says so, and from which CPU
 *
 *   guest_reader PORT PEER-PORT     two sockets: PORT of any peer, PORT + 1 of 10.0.0.1:PEER-PORT only
 *   "CPU PORT"                      read on that CPU all that the socket has; the answer: how many datagrams
 *
 * Linux records the reader's CPU for RFS at each recv(), also at one that finds nothing. Between two reads the program is on
 * CPU 0: it could not leave a CPU that stands still.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int opened(int port, int peer)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 1 << 28;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons((unsigned short)peer) };

	inet_aton("10.0.0.1", &there.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) ||
	    (peer && connect(fd, (struct sockaddr *)&there, sizeof(there)))) {
		perror("guest_reader");
		exit(1);
	}
	return fd;
}

static void move_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("guest_reader");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int port = argc == 3 ? atoi(argv[1]) : 0, fd[2], cpu, of;

	if (!port) {
		fprintf(stderr, "usage: guest_reader PORT PEER-PORT\n");
		return 2;
	}
	fd[0] = opened(port, 0);
	fd[1] = opened(port + 1, atoi(argv[2]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%d %d", &cpu, &of) == 2) {
		char data[2048];
		int n = 0;

		if (of < port || of > port + 1) {
			fprintf(stderr, "guest_reader: port %d\n", of);
			return 1;
		}
		move_to(cpu);
		while (recv(fd[of - port], data, sizeof(data), MSG_DONTWAIT) >= 0)
			n++;
		move_to(0);
		printf("%d\n", n);
	}
	return 0;
}
