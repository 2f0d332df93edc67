/* link_task.c - programs at the ends of a link: they send and read when Linux would wake them
 *
 *   sock_wake_python() -> woken(): the host's slice ends -> link_run() -> link_act(): tcp_recvmsg(), tcp_sendmsg()
 *
 * A program takes no time of a CPU. SOURCE and SINK move bytes one way; CLIENT and SERVER ask and answer on one connection.
 */
#include "prelude.h"

static void make_ready(struct link_task *t)
{
	struct link_end *end = t->end;

	if (t->ready)
		return;
	t->ready = 1;
	t->ready_next = NULL;
	if (end->ready)
		end->ready_tail->ready_next = t;
	else
		end->ready = t;
	end->ready_tail = t;
}

/* sock_waker.wake: stop the host before its next turn, so that the program acts at this instant. */
static void woken(struct sock_waker *w)
{
	struct link_task *t = container_of(w, struct link_task, waker);
	struct link_end *end = t->end;

	make_ready(t);
	end->wakes++;
	end->cut += end->h->turns;
	end->h->turns = 0;
}

static void fail(struct link_task *t, long err)
{
	t->error = (int)err;
	t->done = 1;
}

/* Read all there is. Return: bytes */
static u64 read_all(struct link *l, struct link_task *t)
{
	struct host *h = t->end->h;
	u64 got = 0;
	long n;

	while ((n = tcp_recvmsg(h, t->sk, l->buf, LINK_BUF, 0)) > 0)
		got += (u64)n;
	if (n == 0)
		t->eof = 1;
	else if (n != -EAGAIN)
		fail(t, n);
	if (got) {
		t->end_ns = host_now(h, NULL);
		t->first_ns = t->got ? t->first_ns : t->end_ns;
		t->got += got;
	}
	return got;
}

/* Send up to *left bytes, as long as the socket takes them. */
static void send_some(struct link *l, struct link_task *t, u64 *left)
{
	while (*left) {
		long n = tcp_sendmsg(t->end->h, t->sk, l->buf, min_u64(*left, LINK_BUF));

		if (n < 0) {
			if (n != -EAGAIN)
				fail(t, n);
			return;
		}
		*left -= (u64)n;
		t->sent += (u64)n;
	}
}

static void source(struct link *l, struct link_task *t)
{
	send_some(l, t, &t->left);
	if (!t->left && !t->done) {
		t->done = 1;
		if (t->shut)
			tcp_shutdown(t->end->h, t->sk, 1);
	}
}

static void server(struct link *l, struct link_task *t)
{
	t->read += read_all(l, t);
	t->owed += t->read / t->request * t->response;
	t->read %= t->request;
	send_some(l, t, &t->owed);
}

static void answered(struct link_task *t, u64 now)
{
	if (t->rtts == t->rtts_room) {
		u64 room = t->rtts_room ? 2 * t->rtts_room : 256;
		u64 *more = realloc(t->rtt_ns, room * sizeof(*more));

		if (!more) {
			fail(t, -ENOMEM);
			return;
		}
		t->rtt_ns = more;
		t->rtts_room = room;
	}
	t->rtt_ns[t->rtts++] = now - t->asked_ns;
}

static void ask(struct link *l, struct link_task *t, u64 now)
{
	t->asked_ns = now;
	t->owed = t->request;
	t->left--;
	send_some(l, t, &t->owed);
}

static void client(struct link *l, struct link_task *t)
{
	u64 now = host_now(t->end->h, NULL);

	t->read += read_all(l, t);
	send_some(l, t, &t->owed);
	if (t->done)
		return;
	if (t->asked_ns != NEVER) {
		if (t->owed || t->read < t->response)
			return;
		t->read = 0;
		answered(t, now);
		t->asked_ns = NEVER;
	}
	if (t->left && !t->done)
		ask(l, t, now);
	else
		t->done = 1;
}

static void act(struct link *l, struct link_task *t)
{
	if (t->sk->waker != &t->waker) { /* it was closed */
		t->done = 1;
		return;
	}
	switch (t->kind) {
	case LINK_TASK_SOURCE:
		source(l, t);
		break;
	case LINK_TASK_SINK:
		read_all(l, t);
		break;
	case LINK_TASK_SERVER:
		server(l, t);
		break;
	case LINK_TASK_CLIENT:
		client(l, t);
		break;
	}
}

static struct link_task *take(struct link_end *end)
{
	struct link_task *t = end->ready;

	end->ready = t->ready_next;
	t->ready = 0;
	return t;
}

int link_act(struct link *l, struct link_end *end)
{
	while (end->ready) {
		if (end->ready->kind == LINK_TASK_PYTHON)
			return 1;
		act(l, take(end));
	}
	return 0;
}

struct link_task *link_woken(struct link *l, u32 side)
{
	struct link_end *end = &l->end_of[side];

	return end->ready && end->ready->kind == LINK_TASK_PYTHON ? take(end) : NULL;
}

void link_task_wake(struct link_task *t)
{
	make_ready(t);
}

struct link_task *link_task_new(struct link *l, u32 side, struct sock *sk, u32 kind)
{
	struct link_task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->waker.wake = woken;
	t->end = &l->end_of[side];
	t->sk = sk;
	t->kind = kind;
	t->asked_ns = NEVER;
	t->next = t->end->tasks;
	t->end->tasks = t;
	sk->waker = &t->waker;
	make_ready(t);
	return t;
}

void link_task_free(struct link_task *t)
{
	struct link_end *end = t->end;
	struct link_task **at = &end->tasks, *last = NULL;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	for (at = &end->ready; *at;) {
		if (*at == t) {
			*at = t->ready_next;
			continue;
		}
		last = *at;
		at = &(*at)->ready_next;
	}
	end->ready_tail = last;
	if (end->h && t->sk->waker == &t->waker)
		t->sk->waker = NULL;
	free(t->rtt_ns);
	free(t);
}
