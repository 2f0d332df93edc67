/* stress_taps.c - taps that come and go, put there and taken off by three threads at once, while a CPU and a thread that is
 * none walk the same list: who took one off frees it, so nobody may be in it any more. Each walk sees each tap that stayed
 * all the time exactly once.
 */
#include "threads.h"

#define CHANGERS 3u
#define TURNS 3000u

struct counting_tap {
	struct packet_tap tap;
	u64 seen; /* by CPU 0, and by who is no CPU: each has its own */
	u64 seen_outside;
};

static struct host *host;
static struct sk_buff packet;
static u32 done;

static void count(struct packet_tap *t, const struct packet_seen *p)
{
	struct counting_tap *c = container_of(t, struct counting_tap, tap);

	if (p->t_ns == 1)
		c->seen++;
	else
		c->seen_outside++;
}

static void *change(void *unused)
{
	for (u32 i = 0; i < TURNS; i++) {
		struct counting_tap *c = calloc(1, sizeof(*c));

		require(c != NULL, "no memory");
		c->tap.func = count;
		packet_tap_add(host, &c->tap, POINT_STACK);
		if (i % 8 == 0)
			sched_yield();
		packet_tap_del(host, &c->tap, POINT_STACK);
		free(c);
	}
	return unused;
}

/* As CPU 0 does it. */
static void *walk(void *walks)
{
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		packet_taps_skb(host->cpu[0], POINT_STACK, &packet, 1, 0);
		++*(u64 *)walks;
	}
	return NULL;
}

/* As a Python thread does it: it has no counter, but the list's lock. */
static void *walk_outside(void *walks)
{
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		packet_taps_outside(host, &packet, 0);
		++*(u64 *)walks;
	}
	return NULL;
}

int main(void)
{
	struct counting_tap *stays = calloc(1, sizeof(*stays));
	pthread_t changer[CHANGERS], inside, outside;
	u64 walks = 0, walks_outside = 0;

	alarm(PATIENCE_MS / 1000);
	host = host_new(2);
	require(host && stays, "no memory");
	stays->tap.func = count;
	packet_tap_add(host, &stays->tap, POINT_STACK);
	inside = thread(walk, &walks);
	outside = thread(walk_outside, &walks_outside);
	for (u32 i = 0; i < CHANGERS; i++)
		changer[i] = thread(change, NULL);
	for (u32 i = 0; i < CHANGERS; i++)
		pthread_join(changer[i], NULL);
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	pthread_join(inside, NULL);
	pthread_join(outside, NULL);
	require(stays->seen == walks && stays->seen_outside == walks_outside, "a walk missed a tap, or saw it twice");
	require(host->taps[POINT_STACK] == &stays->tap && !stays->tap.next, "a tap is still on the list");
	packet_tap_del(host, &stays->tap, POINT_STACK);
	require(!host->taps[POINT_STACK] && !host->nic.watched, "the point still counts as tapped");
	printf("%u taps came and went, %llu and %llu walks\n", CHANGERS * TURNS, (unsigned long long)walks,
	       (unsigned long long)walks_outside);
	free(stays);
	host_free(host);
	return 0;
}
