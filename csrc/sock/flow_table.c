/* flow_table.c - sockets by 4-tuple: TCP streams and connected UDP. Called by udp.c, tcp.c, sock_table.c
 *
 * Open addressing over {signature, index}, at most an eighth full, with a hash of its own. The socket holds the full key.
 * flow_remove() shifts later entries back, so a look-up that finds nothing stays short. Live, other CPUs add and remove
 * flows: the table's lock guards the walk.
 */
#include "prelude.h"

#define EMPTY 0

static u64 mix(u64 a, u64 b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);

	return (u64)m ^ (u64)(m >> 64);
}

static u64 flow_hash(u8 type, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport)
{
	u64 ports = (u64)type << 32 | (u32)lport << 16 | rport;

	return mix(mix(l->lo ^ (l->hi << 1), r->lo ^ ports << 16), (r->hi ^ ports) + 0x2545f4914f6cdd1d);
}

static bool is_flow(const struct sock *sk, u8 type, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
		    u16 rport)
{
	return sk->lport == lport && sk->rport == rport && sk->type == type && addr_equal(&sk->laddr, l) &&
	       addr_equal(&sk->raddr, r);
}

struct sock *flow_find(struct sock_table *t, u8 type, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
		       u16 rport)
{
	u64 hash = flow_hash(type, l, lport, r, rport);
	u32 sig = (u32)(hash >> 32) | 1, i = (u32)hash & t->flow_mask;

	for (; t->flow_sig[i] != EMPTY; i = (i + 1) & t->flow_mask) {
		struct sock *sk = &t->socks[t->flow_idx[i]];

		if (t->flow_sig[i] == sig && is_flow(sk, type, l, lport, r, rport))
			return sk;
	}
	return NULL;
}

struct sock *sock_lookup_flow(struct sock_table *t, u8 type, const struct inet_addr *l, u16 lport,
			      const struct inet_addr *r, u16 rport)
{
	struct sock *sk;

	if (likely(!sock_table_live(t)))
		return flow_find(t, type, l, lport, r, rport);
	spin_lock(&t->lock);
	sk = flow_find(t, type, l, lport, r, rport);
	spin_unlock(&t->lock);
	return sk;
}

void flow_insert(struct sock_table *t, struct sock *sk)
{
	u64 hash = flow_hash(sk->type, &sk->laddr, sk->lport, &sk->raddr, sk->rport);
	u32 i = (u32)hash & t->flow_mask;

	while (t->flow_sig[i] != EMPTY)
		i = (i + 1) & t->flow_mask;
	t->flow_sig[i] = (u32)(hash >> 32) | 1;
	t->flow_idx[i] = sk->index;
	COUNT(t->flows, 1);
}

static u32 home_of(const struct sock_table *t, u32 slot)
{
	const struct sock *sk = &t->socks[t->flow_idx[slot]];

	return (u32)flow_hash(sk->type, &sk->laddr, sk->lport, &sk->raddr, sk->rport) & t->flow_mask;
}

void flow_remove(struct sock_table *t, const struct sock *sk)
{
	u64 hash = flow_hash(sk->type, &sk->laddr, sk->lport, &sk->raddr, sk->rport);
	u32 hole = (u32)hash & t->flow_mask, i;

	while (t->flow_sig[hole] != EMPTY && t->flow_idx[hole] != sk->index)
		hole = (hole + 1) & t->flow_mask;
	if (t->flow_sig[hole] == EMPTY)
		return;
	for (i = (hole + 1) & t->flow_mask; t->flow_sig[i] != EMPTY; i = (i + 1) & t->flow_mask) {
		if (((i - home_of(t, i)) & t->flow_mask) < ((i - hole) & t->flow_mask))
			continue; /* it would move before its home slot */
		t->flow_sig[hole] = t->flow_sig[i];
		t->flow_idx[hole] = t->flow_idx[i];
		hole = i;
	}
	t->flow_sig[hole] = EMPTY;
	COUNT(t->flows, -1);
}
