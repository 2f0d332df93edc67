/* tcp_window.c - the window that is offered, and how it grows. RFC 9293 section 3.8.6; Linux: __tcp_select_window() and others
 *
 *   tcp_output.c -> tcp_select_window(): what the buffer allows, but never less than was offered
 *   arrivals -> tcp_grow_window(), tcp_measure_rcv_mss();  reads -> tcp_rcv_space_adjust(): a buffer for twice what was read
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define MIN_CLAMP 1152u /* SOCK_MIN_RCVBUF / 2 */
#define WINDOW_UNSCALED 65535u
#define WINDOW_SIGNED 32767u /* for a peer that takes the field for a signed number */
#define RATIO_SHIFT 8

u32 tcp_win_from_space(const struct tcp_sock *tp, u32 space)
{
	return (u32)((u64)space * tp->scaling_ratio >> RATIO_SHIFT);
}

static u32 space_from_win(const struct tcp_sock *tp, u32 window)
{
	return (u32)min_u64(((u64)window << RATIO_SHIFT) / tp->scaling_ratio, 1u << 30);
}

u32 tcp_rmem_charged(const struct sock *sk)
{
	return sk->rmem_alloc + sk->ofo_truesize;
}

static u32 tcp_space(const struct tcp_sock *tp, const struct sock *sk)
{
	return tcp_rmem_charged(sk) < sk->rcvbuf ? tcp_win_from_space(tp, sk->rcvbuf - tcp_rmem_charged(sk)) : 0;
}

u32 tcp_receive_window(const struct tcp_sock *tp, u32 rcv_nxt)
{
	int32_t left = (int32_t)(tp->rcv_wup + tp->rcv_wnd - rcv_nxt);

	return left > 0 ? (u32)left : 0;
}

/* tcp_initial_window() - what a SYN offers of space bytes, and the scale that lets the window reach the largest buffer;
 * locked: the buffer stays as SO_RCVBUF set it */
void tcp_initial_window(const struct host *h, u32 space, bool locked, u32 mss, u32 *rcv_wnd, u8 *wscale, bool wscale_ok)
{
	u32 most = locked ? space : max_u32(space, max_u32(h->tcp.rmem[2], h->rmem_max)), log = 0;

	if (space > mss)
		space -= space % mss;
	*rcv_wnd = min_u32(space, h->tcp.workaround_signed_windows ? WINDOW_SIGNED : WINDOW_UNSCALED);
	while (most >> log > 1)
		log++;
	*wscale = wscale_ok && log > 15 ? (u8)min_u32(log - 15, 14) : 0;
}

static u32 round_up(u32 v, u32 unit)
{
	return (v + unit - 1) / unit * unit;
}

/* May the window's edge move back? Whether a buffer fills up sooner than the window said is the peer's loss then. */
static bool shrinks(const struct host *h, const struct tcp_sock *tp)
{
	return h->tcp.shrink_window && tp->rcv_wscale;
}

/* tcp_next_window() - the window that could be offered now. __tcp_select_window() */
u32 tcp_next_window(const struct host *h, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(h, sk);
	u32 unit = 1u << tp->rcv_wscale, space = tcp_space(tp, sk), allowed = space, mss = tp->rcv_mss;
	u32 full = min_u32(tp->window_clamp, tcp_win_from_space(tp, sk->rcvbuf));

	if (mss > full)
		mss = full;
	if (!mss)
		return 0;
	if (shrinks(h, tp))
		space -= space % unit;
	if (space < full >> 1) {
		space -= space % unit;
		if (space < allowed >> 4 || space < mss ||
		    (shrinks(h, tp) && space < unit)) /* the rest is less than the peer sends at once */
			return 0;
	}
	space = min_u32(space, tp->rcv_ssthresh);
	if (tp->rcv_wscale)
		return round_up(space, unit);
	if (tp->rcv_wnd <= space - min_u32(mss, space) || tp->rcv_wnd > space)
		return space - space % mss;
	return mss == full && space > tp->rcv_wnd + (full >> 1) ? space : tp->rcv_wnd;
}

/* tcp_select_window() - the window for the segment that is sent now */
u32 tcp_select_window(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 old = tp->rcv_wnd, left = tcp_receive_window(tp, sk->rcv_nxt), window = tcp_next_window(h, sk);

	if (window < left && !shrinks(h, tp)) { /* never take back what was offered */
		if (!window)
			tcp_count(h, sd, TcpExt_TCPWantZeroWindowAdv, 1);
		window = round_up(left, 1u << tp->rcv_wscale);
	}
	tp->rcv_wnd = window;
	tp->rcv_wup = sk->rcv_nxt;
	window = min_u32(window, !tp->rcv_wscale && h->tcp.workaround_signed_windows
					 ? WINDOW_SIGNED
					 : WINDOW_UNSCALED << tp->rcv_wscale);
	if (!(window >> tp->rcv_wscale)) {
		if (old)
			tcp_count(h, sd, TcpExt_TCPToZeroWindowAdv, 1);
	} else if (!old) {
		tcp_count(h, sd, TcpExt_TCPFromZeroWindowAdv, 1);
	}
	return window;
}

/* ---- it grows ---- */

/* A sender that fills its segments may have a wider window: tcp_grow_window() */
void tcp_grow_window(const struct host *h, struct tcp_sock *tp, const struct sock *sk, const struct sk_buff *skb)
{
	u32 most = min_u32(tp->window_clamp, tcp_space(tp, sk)), room, step = 2 * tp->advmss;

	if (most <= tp->rcv_ssthresh)
		return;
	room = most - tp->rcv_ssthresh;
	if (tcp_win_from_space(tp, skb->truesize) > skb->len) { /* much overhead: only while there is much room */
		u32 truesize = tcp_win_from_space(tp, skb->truesize) >> 1;
		u32 window = tcp_win_from_space(tp, h->tcp.rmem[2]) >> 1;

		for (step = 0; tp->rcv_ssthresh <= window; truesize >>= 1, window >>= 1) {
			if (truesize <= skb->len) {
				step = 2 * tp->rcv_mss;
				break;
			}
		}
	}
	if (step) {
		tp->rcv_ssthresh += min_u32(room, max_u32(step, 2 * skb->len));
		tp->ack_quick |= 1;
	}
}

/* tcp_set_window_clamp() */
static void set_window_clamp(struct tcp_sock *tp, u32 clamp)
{
	u32 old = tp->window_clamp;

	tp->window_clamp = clamp;
	if (clamp < old)
		tp->rcv_ssthresh = min_u32(tp->rcv_ssthresh, clamp);
	else if (clamp > old)
		tp->rcv_ssthresh = max_u32(tp->rcv_ssthresh, min_u32(tp->rcv_wnd, clamp));
}

/* tcp_init_buffer() - the connection is established: one segment of the window is kept back. tcp_init_buffer_space() */
void tcp_init_buffer(const struct host *h, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 most = tcp_win_from_space(tp, sk->rcvbuf), part = h->tcp.app_win ? most >> h->tcp.app_win : 0;

	if (tp->window_clamp >= most)
		tp->window_clamp = most > 4 * tp->advmss ? max_u32(most - part, 4 * tp->advmss) : most;
	if (tp->window_clamp > 2 * tp->advmss && tp->window_clamp + tp->advmss > most)
		tp->window_clamp = max_u32(2 * tp->advmss, most - min_u32(tp->advmss, most));
	tp->rcv_ssthresh = min_u32(tp->rcv_ssthresh, tp->window_clamp);
	tp->rcvq_space = min_u32(min_u32(tp->rcv_ssthresh, tp->rcv_wnd), TCP_INIT_CWND * tp->advmss);
	tp->rcvq_at = now;
}

void tcp_measure_rcv_mss(struct tcp_sock *tp, const struct sock *sk, const struct sk_buff *skb, u32 bytes)
{
	u32 len = skb->segs > 1 && skb->gso_size ? skb->gso_size : bytes;

	if (len >= tp->rcv_mss) {
		if (len != tp->rcv_mss) { /* how much of a packet's memory is payload */
			tp->scaling_ratio = max_u32(
				(u32)min_u64(((u64)bytes << RATIO_SHIFT) / max_u32(skb->truesize, 1), 255), 1);
			set_window_clamp(tp, max_u32(tcp_win_from_space(tp, sk->rcvbuf), MIN_CLAMP));
			tp->rcvq_space = min_u32(tp->rcvq_space, tp->window_clamp);
		}
		tp->rcv_mss = min_u32(len, tp->advmss);
		if (tp->rcv_psh && !tp->ack_pushed) /* the end of what the peer's program wrote */
			tp->ack_pushed = 1;
		return;
	}
	if (tp->ack_pushed < 2)
		tp->ack_pushed++;
}

/* tcp_rcv_space_adjust() - once per round trip: a buffer for twice what was read in it. Linux: dynamic right-sizing */
void tcp_rcv_space_adjust(struct host *h, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 copied = tp->copied_seq - tp->rcvq_seq;
	u64 window, grow;
	u32 buf;

	if (!tp->rcv_rtt_us || now - tp->rcvq_at < tp->rcv_rtt_us * 1000)
		return;
	if (copied > tp->rcvq_space) {
		if (h->tcp.moderate_rcvbuf && !tp->rcvbuf_locked) {
			window = ((u64)copied << 1) + 16ull * tp->advmss;
			grow = window * (copied - tp->rcvq_space) / max_u32(tp->rcvq_space, 1);
			window += grow << 1;
			buf = min_u32(space_from_win(tp, (u32)min_u64(window, 1u << 30)), h->tcp.rmem[2]);
			if (buf > sk->rcvbuf) {
				sk->rcvbuf = buf;
				tp->window_clamp = tcp_win_from_space(tp, buf);
			}
		}
		tp->rcvq_space = copied;
	}
	tp->rcvq_seq = tp->copied_seq;
	tp->rcvq_at = now;
}
