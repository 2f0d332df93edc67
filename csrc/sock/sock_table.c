/* sock_table.c - all sockets, and the table of bound ports. Called by udp.c, tcp.c and Python's bind
 *
 * An array leads from a port to a chain of sockets. A given address beats any address, as in compute_score(). Flows are in
 * flow_table.c. All memory is allocated at start. If no socket is free, sock_evict() reuses the next sink stream (clockwise)
 * with empty queues.
 */
#include "prelude.h"

_Static_assert(sizeof(struct sock) == 256, "four cache lines");
_Static_assert(offsetof(struct sock, packets) == 64, "line 1 begins here");

int sock_table_init(struct sock_table *t, u32 size)
{
	u32 slots = round_up_pow2(size) * 8;

	t->size = size;
	t->used = 1;
	t->flow_mask = slots - 1;
	t->socks = map_zeroed(((u64)size + 1) * sizeof(*t->socks));
	t->inet = map_zeroed(((u64)size + 1) * sizeof(*t->inet));
	t->flow_sig = map_zeroed(slots * 4ull);
	t->flow_idx = map_zeroed(slots * 4ull);
	for (u32 i = 0; i < ARRAY_SIZE(t->port); i++) {
		t->port[i] = map_zeroed(65536 * 4);
		if (!t->port[i])
			return -ENOMEM;
	}
	return t->socks && t->inet && t->flow_sig && t->flow_idx ? 0 : -ENOMEM;
}

void sock_table_exit(struct sock_table *t)
{
	u64 slots = t->flow_mask + 1ull;

	for (u32 i = 1; t->socks && t->inet && i < t->used; i++)
		if (t->socks[i].type == SOCK_UDP || t->socks[i].type == SOCK_UDPLITE)
			sock_errors_exit(&t->inet[i]);
	unmap_zeroed(t->socks, (t->size + 1ull) * sizeof(*t->socks));
	unmap_zeroed(t->inet, (t->size + 1ull) * sizeof(*t->inet));
	unmap_zeroed(t->flow_sig, slots * 4);
	unmap_zeroed(t->flow_idx, slots * 4);
	for (u32 i = 0; i < ARRAY_SIZE(t->port); i++)
		unmap_zeroed(t->port[i], 65536 * 4);
	*t = (struct sock_table){ 0 };
}

int sock_table_live(const struct sock_table *t)
{
	return container_of(t, struct host, socks)->live;
}

/* ---- making and closing ---- */

void sock_set_udp_gro(struct host *h, struct sock *sk, int on)
{
	spin_lock(&h->socks.lock);
	if (sk->udp_gro != !!on) {
		sk->udp_gro = !!on;
		WRITE_ONCE(h->udp_gro_socks, h->udp_gro_socks + (on ? 1 : -1u));
	}
	spin_unlock(&h->socks.lock);
}

/* Empty a place. Its lock stays as it is: another CPU may wait for it. */
static void clear(struct sock *sk)
{
	u8 *p = (u8 *)sk;
	const u32 at = offsetof(struct sock, lock), behind = at + sizeof(sk->lock);

	memset(p, 0, at);
	memset(p + behind, 0, sizeof(*sk) - behind);
	sk->wake_fd = -1;
}

struct sock *sock_take_place(struct sock_table *t)
{
	struct sock *sk;
	u32 i = t->free_head;

	if (i) {
		sk = &t->socks[i];
		t->free_head = sk->port_next;
	} else if (t->used <= t->size) {
		i = t->used++;
		sk = &t->socks[i];
	} else {
		return NULL;
	}
	lock_if(sock_table_live(t), &sk->lock); /* a CPU may look whether it is still the connection that it found */
	clear(sk);
	sk->index = i;
	unlock_if(sock_table_live(t), &sk->lock);
	return sk;
}

void sock_put_place(struct sock_table *t, struct sock *sk)
{
	clear(sk);
	sk->port_next = t->free_head;
	t->free_head = sk->index = (u32)(sk - t->socks);
}

static void sock_release(struct sock_table *t, struct sock *sk)
{
	if (sk->type == SOCK_UDP || sk->type == SOCK_UDPLITE)
		sock_errors_exit(&t->inet[sk - t->socks]);
	sock_put_place(t, sk);
}

/* Evict the next sink stream, clockwise, with empty queues. */
static struct sock *sock_evict(struct sock_table *t)
{
	for (u32 tries = 0; tries < 256 && !sock_table_live(t); tries++) { /* live: a CPU may just have found it */
		struct sock *sk = &t->socks[1 + t->clock++ % t->size];

		if (sk->type == SOCK_TCP && sk->sink && !sk->head && !sk->ofo && !sk->on_ready) {
			if (!sk->closed)
				flow_remove(t, sk);
			t->evicted++;
			*sk = (struct sock){ .index = (u32)(sk - t->socks), .wake_fd = -1 };
			return sk;
		}
	}
	return NULL;
}

static struct sock *bind_locked(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport, bool sink)
{
	struct sock_table *t = &h->socks;
	struct sock *sk = sock_take_place(t);
	u32 *head = &t->port[type / 2][lport];

	if (!sk)
		sk = sock_evict(t);
	if (!sk)
		return NULL;
	if (*head && skb_copy_init(h) < 0) { /* broadcasts reach all sockets of a port */
		sock_release(t, sk);
		return NULL;
	}
	sk->type = type;
	sk->lport = lport;
	sk->any = !laddr;
	sk->sink = sink;
	if (laddr)
		sk->laddr = *laddr;
	if (!sink && !h->ip_any && !(laddr && inet_addr_is4(laddr)))
		sk->mc_only = MC_ONLY_IP; /* as of Linux's sockets of AF_INET6, also those of both families */
	sk->rcvbuf = h->rcvbuf;
	t->inet[sk->index] = (struct inet_sock){
		.uc_ttl = -1,
		.mc_ttl = -1,
		.hop_limit = -1,
		.mcast_hops = -1,
		.pmtudisc = IP_PMTUDISC_WANT,
		.pmtudisc6 = IP_PMTUDISC_WANT,
	};
	sk->reader_cpu = (u16)(h->reader_cpu == READER_CPU_BY_PORT ? lport % h->ncpus : h->reader_cpu);
	sk->port_next = *head;
	smp_store_release(head, sk->index); /* Pairs with sock_lookup_port(). */
	return sk;
}

struct sock *sock_bind(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport)
{
	struct sock *sk;

	spin_lock(&h->socks.lock);
	sk = bind_locked(h, type, laddr, lport, false);
	spin_unlock(&h->socks.lock);
	return sk;
}

int sock_connect(struct host *h, struct sock *sk, const struct inet_addr *raddr, u16 rport)
{
	const struct inet_net *net;
	struct inet_addr via;

	if (sk->rport)
		return -EISCONN;
	if (!rport)
		return -EINVAL;
	if (inet_addr_is4(raddr) && inet_addr_type(h, (u32)raddr->lo) == RTN_BROADCAST &&
	    !h->socks.inet[sk->index].broadcast)
		return -EACCES;
	net = sk->any ? ip_route(h, raddr, &via) : NULL;
	if (sk->any && !net)
		return -ENETUNREACH;
	spin_lock(&h->socks.lock);
	if (net)
		sk->laddr = net->addr;
	sk->raddr = *raddr;
	sk->rport = rport;
	WRITE_ONCE(sk->any, 0);
	flow_insert(&h->socks, sk);
	spin_unlock(&h->socks.lock);
	return 0;
}

struct sock *sock_find_bound(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport)
{
	u32 i = smp_load_acquire(&t->port[type / 2][lport]);
	struct sock *any = NULL;

	for (; i; i = t->socks[i].port_next) {
		struct sock *sk = &t->socks[i];

		if (sk->rport)
			continue; /* connected: found by its 4-tuple only */
		if (sk->any)
			any = any ? any : sk;
		else if (addr_equal(&sk->laddr, laddr))
			return sk;
	}
	return any;
}

struct sock *sock_lookup_port(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport)
{
	struct sock *sk = sock_find_bound(&h->socks, type, laddr, lport);

	if (likely(sk || !h->auto_sink))
		return sk;
	spin_lock(&h->socks.lock);
	sk = sock_find_bound(&h->socks, type, laddr, lport); /* another CPU may have just made it */
	if (!sk)
		sk = bind_locked(h, type, NULL, lport, true);
	spin_unlock(&h->socks.lock);
	return sk;
}

struct sock *sock_new_flow(struct softnet_data *sd, struct sock *listener, const struct inet_addr *laddr, u16 lport,
			   const struct inet_addr *raddr, u16 rport, u32 rcv_nxt)
{
	struct host *h = sd->host;
	struct sock_table *t = &h->socks;
	struct sock *sk;

	spin_lock(&t->lock);
	sk = flow_find(t, SOCK_TCP, laddr, lport, raddr, rport); /* another CPU may have just made it */
	if (sk) {
		spin_unlock(&t->lock);
		return sk;
	}
	if (!listener->closed)
		sk = sock_take_place(t);
	if (!sk && !listener->closed)
		sk = sock_evict(t);
	if (sk) {
		sk->state = TCP_OPEN;
		sk->rcv_nxt = rcv_nxt;
		sk->type = SOCK_TCP;
		sk->laddr = *laddr;
		sk->raddr = *raddr;
		sk->lport = lport;
		sk->rport = rport;
		sk->rcvbuf = listener->rcvbuf;
		sk->reader_cpu = listener->reader_cpu;
		sk->sink = listener->sink;
		sk->listener = listener->index;
		flow_insert(t, sk);
		if (!sk->sink)
			sock_accept_add(listener, sk);
	}
	spin_unlock(&t->lock);
	if (sk && !sk->sink) {
		cpu_lock(sd, &listener->lock); /* sock_close() takes it before the eventfd goes */
		sock_data_ready(sd, listener);
		cpu_unlock(sd, &listener->lock);
	}
	return sk;
}

/* ---- connections that wait for accept(), the oldest first. Under the table's lock ---- */

void sock_accept_add(struct sock *listener, struct sock *sk)
{
	if (listener->accept_next)
		listener->accept_tail->accept_next = sk;
	else
		listener->accept_next = sk;
	listener->accept_tail = sk;
}

struct sock *sock_accept_take(struct sock *listener)
{
	struct sock *sk = listener->accept_next;

	if (!sk)
		return NULL;
	listener->accept_next = sk->accept_next;
	sk->accept_next = NULL;
	sk->accepted = SOCK_ACCEPTED;
	return sk;
}

struct sock *sock_accept(struct host *h, struct sock *listener)
{
	struct sock *sk;

	spin_lock(&h->socks.lock);
	sk = sock_accept_take(listener);
	spin_unlock(&h->socks.lock);
	return sk;
}

static void port_remove(struct sock_table *t, struct sock *sk)
{
	u32 *link = &t->port[sk->type / 2][sk->lport];

	while (*link && *link != sk->index)
		link = &t->socks[*link].port_next;
	if (*link)
		*link = sk->port_next;
}

void sock_drop_queues(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct sk_buff *skb;

	while ((skb = sock_dequeue(h, sk)))
		kfree_skb_list(sd, skb);
	if (sk->type == SOCK_UDP || sk->type == SOCK_UDPLITE)
		udp_rmem_destruct(h, sk);
	while ((skb = sk->ofo)) {
		sk->ofo = skb->next;
		COUNT(*(sd ? &sd->ofo_frames : &h->outside_ofo_frames), -(u64)skb->segs);
		COUNT(*(sd ? &sd->fates[TCP_CLOSE] : &h->outside_fates[TCP_CLOSE]), skb->segs);
		if (sd)
			packet_tap_fate(sd, skb, TCP_CLOSE);
		else
			packet_taps_outside(h, skb, TCP_CLOSE);
		kfree_skb_list(sd, skb);
	}
}

static bool is_held(const struct sock *sk)
{
	return sk->on_ready || (!sk->sink && sk->type == SOCK_TCP && sk->accepted != SOCK_GIVEN_UP);
}

/* Close the streams that wait for sock_accept(): their listener closes. */
static void forget_streams(struct host *h, struct softnet_data *sd, struct sock *listener)
{
	struct sock *sk;

	while ((sk = sock_accept(h, listener))) {
		sk->accepted = SOCK_GIVEN_UP;
		sock_close(h, sd, sk);
	}
}

/* Live, another CPU may have just found the socket. So closing empties its queues and sets closed, which refuses further
 * packets; only sock_sweep() frees it, after the threads have ended. The table is large enough for that, and it saves a
 * reference count per packet. Order of locks: table, socket, ready list. */
void sock_close(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct sock_table *t = &h->socks;

	if (!sd && !h->live)
		machine_settle(h); /* a CPU may be stopped with a packet for this socket */
	if (sk->type == SOCK_TCP_LISTEN)
		forget_streams(h, sd, sk);
	if (sk->mc_list)
		sock_mc_close(h, sk);
	spin_lock(&t->lock);
	spin_lock(&sk->lock);
	if (!sk->closed) {
		if (sk->udp_gro)
			WRITE_ONCE(h->udp_gro_socks, h->udp_gro_socks - 1);
		if (sk->rport || sk->type == SOCK_TCP) /* a segment may come from port 0 */
			flow_remove(t, sk);
		if (sk->type != SOCK_TCP)
			port_remove(t, sk);
		sk->closed = 1;
	}
	if (!is_held(sk))
		sock_drop_queues(h, sd, sk);
	if (!sk->sink)
		sk->wake_fd = sk->accepted == SOCK_ACCEPTED ? sk->wake_fd : -1;
	spin_unlock(&sk->lock);
	if (!h->live && !is_held(sk))
		sock_release(t, sk);
	spin_unlock(&t->lock);
}

void sock_sweep(struct host *h)
{
	struct sock_table *t = &h->socks;

	for (u32 i = 1; i < t->used; i++) {
		struct sock *sk = &t->socks[i];

		if (sk->type && sk->closed && !is_held(sk)) {
			sock_drop_queues(h, h->cpu[0], sk);
			sock_release(t, sk);
		}
	}
}
