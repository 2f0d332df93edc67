/* room.h - what the files of this room share, and no other room and no Python sees */
#ifndef VNIC_TCP_ROOM_H
#define VNIC_TCP_ROOM_H

#define TCP_NOTHING_TO_UNDO ~0u     /* of tcp_sock.undo_retrans */
#define TCP_NO_LIMIT 0x7fffffffu    /* of tcp_host.challenge_ack_limit */
#define TCP_RING_PAUSE_NS 50000ull /* the card's ring is full: when to look again */

/* bits of tcp_host.recovery; the first has no effect: losses are found no other way */
#define TCP_RACK_LOSS_DETECTION 1u
#define TCP_RACK_STATIC_REO_WND 2u
#define TCP_RACK_NO_DUPTHRESH 4u

/* Requests and answers take turns: an acknowledgement waits for the answer. Linux: inet_csk_in_pingpong_mode() */
static inline bool tcp_in_pingpong(const struct host *h, const struct tcp_sock *tp)
{
	return tp->ack_pingpong >= h->tcp.pingpong_thresh;
}

/**
 * struct tcp_in - a segment's numbers. @end: after its data, SYN and FIN; @len: bytes of data; @window: not scaled
 */
struct tcp_in {
	u32 seq, end, ack, len, window, hlen;
	u8 flags;
};

/** struct tcp_out - a segment that is sent: @len bytes of the ring from @seq on; @gso_size: the wire cuts it, 0: it is one */
struct tcp_out {
	u32 seq, len;
	u16 gso_size;
	u8 flags;
};

/**
 * struct tcp_acked - what one acknowledgement tells
 * @delivered:  segments that it says arrived, by number or SACK
 * @acked:      of them, segments that left the queue
 * @advanced:   it acknowledges new bytes; @data: it carries some itself; @updates: it changes the window
 * @sacked:     it SACKs something new; @dsack: something arrived twice
 * @orig:       something arrived that was sent once only, before the latest timeout or recovery
 * @lost_retrans: a retransmission is lost again
 * @set_timer:  the timer starts anew
 * @ece:        the peer has got marked packets
 * @late:       something arrived, sent once only, that was sent before what earlier ones told of; @low: the first of it
 */
struct tcp_acked {
	u64 now;
	const struct tcp_options *o;
	u64 prior_lost;
	u32 prior_una, prior_high, delivered, acked, low;
	bool advanced, data, updates, sacked, dsack, orig, lost_retrans, set_timer;
	bool retransmit, late, ece;
	u64 first_sent, last_sent, sack_sent, sack_last;
};

/* tcp_ack.c. Return: -1: drop the segment; *why: its fate */
int tcp_ack(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, const struct tcp_options *o, enum fate *why);

/* tcp_cong.c */
void tcp_handshake_cwnd(struct tcp_sock *tp, const struct tcp_options *o, u32 tsval_first);

/* tcp_delack.c */
void tcp_enter_quickack(struct tcp_sock *tp, u32 max);
void tcp_data_arrived(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, u32 bytes);

/* tcp_ecn.c */
bool tcp_ecn_of_syn(const struct host *h, const struct sk_buff *skb, u8 flags);
u8 tcp_ecn_syn_flags(const struct host *h, struct tcp_sock *tp, bool ack);
void tcp_ecn_rcv_syn(struct tcp_sock *tp, u8 flags);
void tcp_ecn_check(struct tcp_sock *tp, const struct sk_buff *skb);
void tcp_ecn_accept_cwr(struct tcp_sock *tp, const struct tcp_in *s);
void tcp_ecn_send(struct tcp_sock *tp, struct tcp_out *s, u8 *tos);
void tcp_ecn_queue_cwr(struct tcp_sock *tp);

/* tcp_fastretrans.c */
void tcp_alert(struct softnet_data *sd, struct sock *sk, struct tcp_acked *a, bool dupack);
void tcp_tlp_ack(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a, u32 ack);
void tcp_reduce(struct tcp_sock *tp, const struct tcp_acked *a);

/* tcp_input.c */
struct sock *tcp_lock_flow(struct softnet_data *sd, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport);

/* tcp_listen.c */
bool tcp_accept_queue_is_full(const struct host *h, const struct sock *listener);
enum fate tcp_listen_overflow(struct softnet_data *sd);

/* tcp_output.c */
u32 tcp_path_mss(struct host *h, const struct inet_addr *peer);
u32 tcp_advmss(struct host *h, const struct tcp_sock *tp, const struct inet_addr *peer);
u64 tcp_secret(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport, u64 salt);
int tcp_transmit(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_out *s, u64 now);

/* tcp_request.c */
u32 tcp_request_find(struct host *h, const struct flow_key *k);
u32 tcp_request_add(struct host *h, const struct tcp_request *r);
void tcp_request_arm(struct host *h, u32 i, u64 now);
enum fate tcp_become_connection(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, const u8 *th,
				struct tcp_options *o, const struct tcp_request *r, bool *consumed);

/* tcp_rtt.c */
void tcp_handshake_rtt(struct host *h, struct tcp_sock *tp, const struct tcp_options *o, u64 now, u64 sent);
u64 tcp_rto_backed_off(const struct tcp_sock *tp);

/* tcp_sacktag.c */
void tcp_clear_lost(struct tcp_sock *tp, struct tcp_seg *s);
void tcp_note_late(struct tcp_acked *a, u32 high, u32 seq);
void tcp_saw_reordering(struct softnet_data *sd, struct tcp_sock *tp, u32 high, u32 seq);
void tcp_sack_tag(struct softnet_data *sd, struct tcp_sock *tp, struct tcp_acked *a, u32 ack);

/* tcp_syncookies.c */
u32 tcp_cookie_seq(const struct host *h, const struct flow_key *k, u32 irs, u16 *mss, u64 now);
u32 tcp_cookie_tsval(const struct tcp_request *r, u64 now);
bool tcp_cookie_check(struct softnet_data *sd, const struct sock *listener, const struct flow_key *k, const u8 *th,
		      const struct tcp_options *ack, struct tcp_options *o);

/* tcp_undo.c */
bool tcp_echo_is_old(const struct tcp_sock *tp, const struct tcp_acked *a);
bool tcp_may_undo(const struct tcp_sock *tp, const struct tcp_acked *a);
void tcp_undo(struct tcp_sock *tp, bool unmark);
void tcp_to_open(struct tcp_sock *tp);
void tcp_undo_recovery(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a);
bool tcp_undo_loss(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a, bool spurious);

/* tcp_validate.c */
bool tcp_validate(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, const struct tcp_options *o, enum fate *why);

/* tcp_window.c */
u32 tcp_rmem_charged(const struct sock *sk);
void tcp_grow_window(const struct host *h, struct tcp_sock *tp, const struct sock *sk, const struct sk_buff *skb);
void tcp_measure_rcv_mss(struct tcp_sock *tp, const struct sock *sk, const struct sk_buff *skb, u32 bytes);

#endif
