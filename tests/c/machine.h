/* machine.h - what vnic/live.py does, for the stress programs: threads that come home when somebody stops the machine; and a
 * packet socket and a capture that come and go meanwhile
 */
#ifndef VNIC_TESTS_MACHINE_H
#define VNIC_TESTS_MACHINE_H

#include "threads.h"

#include <sys/mman.h>

/* ---- stop_machine ---- */

static u32 paused, at_rest, ended;

static inline void park(void)
{
	__atomic_fetch_add(&at_rest, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&paused, __ATOMIC_SEQ_CST))
		usleep(10);
	__atomic_fetch_sub(&at_rest, 1, __ATOMIC_SEQ_CST);
}

static inline void *run_nic_parking(void *arg)
{
	struct nic *nic = arg;
	int event;

	while ((event = nic_thread(nic)) == EV_PAUSED)
		park();
	require(event == EV_DONE || event == EV_STOPPED, "the wire did not end as it should");
	__atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static inline void *run_cpu_parking(void *arg)
{
	struct softnet_data *sd = arg;
	int event;

	while ((event = cpu_thread(sd)) == EV_PAUSED)
		park();
	require(event == EV_STOPPED, "a CPU's thread ended by itself");
	return NULL;
}

/* Everybody is at rest, between two polls. */
static inline void machine_stop(struct host *h)
{
	__atomic_store_n(&paused, 1, __ATOMIC_SEQ_CST);
	machine_pause(h, 1);
	event_set(h->nic.kick_fd);
	for (u32 i = 0; i < h->ncpus; i++)
		event_set(h->cpu[i]->wake_fd);
	while (__atomic_load_n(&at_rest, __ATOMIC_SEQ_CST) + __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < h->ncpus + 1)
		usleep(10);
}

static inline void machine_go_on(struct host *h)
{
	machine_pause(h, 0);
	__atomic_store_n(&paused, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&at_rest, __ATOMIC_SEQ_CST))
		usleep(10);
}

/* ---- taps ---- */

static inline void *run_writer(void *arg)
{
	require(capture_thread(arg) == 0, "the capture broke");
	return NULL;
}

/* A packet socket and a capture of everything, for a moment. */
static inline void come_and_go(struct host *h)
{
	static u8 buf[1 << 20];
	struct packet_info info[BURST];
	struct packet_sock *ps = packet_sock_new(h, NULL, 1 << 16);
	struct capture *c = capture_new(h, memfd_create("capture", MFD_CLOEXEC), 0, "stress", (1 << POINTS) - 1,
					NULL, NULL, 1 << 21, 1);
	pthread_t writer;

	require(ps && c, "no memory");
	writer = thread(run_writer, c);
	for (u32 i = 0; i < 10; i++) {
		require(packet_recv(ps, buf, sizeof(buf), info, BURST) >= 0, "a packet is larger than the buffer");
		usleep(100);
	}
	packet_sock_free(h, ps);
	capture_detach(h, c);
	capture_stop(c);
	pthread_join(writer, NULL);
	require(capture_flush(c) == 0 && !c->lost, "the file did not take all");
	close(c->fd);
	capture_free(c);
}

#endif
