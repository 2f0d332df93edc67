"""What has to hold of every connection of a host between two events: counters, timers, heaps, queues."""

from vnic._core import ffi, lib

NEVER = (1 << 64) - 1
_MASK = 0xFFFFFFFF


def _segments(tp):
    return [tp.seg[(tp.seg_head + i) & (tp.seg_size - 1)] for i in range(tp.seg_n)]


def _queue(skb):
    while skb:
        yield skb
        skb = skb.next


def check_sending(tp, sk):
    segs = _segments(tp)
    flags = [s.flags for s in segs]
    assert tp.packets_out == tp.seg_n
    assert tp.lost_out == sum(bool(f & lib.TCP_SEG_LOST) for f in flags)
    assert tp.retrans_out == sum(bool(f & lib.TCP_SEG_RETRANS) for f in flags)
    assert tp.sacked_out == sum(bool(f & lib.TCP_SEG_SACKED) for f in flags) or not tp.sack_ok
    assert not any(f & lib.TCP_SEG_SACKED and f & lib.TCP_SEG_LOST for f in flags)
    assert tp.sacked_out + tp.lost_out <= tp.packets_out, (tp.sacked_out, tp.lost_out, tp.packets_out)
    assert 0 <= tp.cwnd < 1 << 24, tp.cwnd
    assert 8 <= lib.tcp_current_mss(ffi.addressof(tp)) <= 65535
    if tp.state in (lib.TCPS_SYN_SENT, lib.TCPS_SYN_RECV):
        return
    at = tp.snd_una
    if segs and tp.state == lib.TCPS_FIN_WAIT1 and at == tp.iss:  # closed in SYN_RECV: our SYN is not acknowledged yet
        at = (at + 1) & _MASK
    for s in segs:
        assert s.seq == at
        assert 0 < (s.end_seq - s.seq) & _MASK < 1 << 17, (at, s.end_seq)
        at = s.end_seq
    assert at == tp.snd_nxt
    if tp.ring_size:
        assert (tp.write_seq - tp.snd_una) & _MASK <= tp.ring_size or (tp.write_seq + 1) & _MASK == tp.snd_una


def check_receiving(tp, sk):
    tail, size, last = None, 0, None
    for skb in _queue(sk.ofo):
        assert last is None or 0 < (skb.seq - last) & _MASK < 1 << 31
        last, tail, size = skb.seq, skb, size + skb.truesize
    if sk.ofo and not tp.orphan:
        assert tp.ofo_tail == tail
        assert sk.ofo_truesize == size
    queued = sum(s.len for s in _queue(sk.head))
    if tp.state not in (lib.TCPS_CLOSE, lib.TCPS_SYN_SENT) and not tp.orphan:
        fin = (sk.rcv_nxt - tp.copied_seq - queued) & _MASK
        assert fin in (0, 1), fin
        assert fin == 0 or sk.fin_seen
    for i in range(tp.nsacks):
        assert 0 < (tp.sacks[i].end - tp.sacks[i].start) & _MASK < 1 << 31


def check_timers(h, i, tp):
    t = h.tcp
    at = min(tp.rtx_at, tp.delack_at, tp.comp_at, tp.keep_at)
    waits = tp.packets_out or tp.state in (lib.TCPS_SYN_SENT, lib.TCPS_SYN_RECV)
    if tp.state in (lib.TCPS_ESTABLISHED, lib.TCPS_CLOSE_WAIT, lib.TCPS_FIN_WAIT1, lib.TCPS_LAST_ACK, lib.TCPS_CLOSING):
        fin = tp.state not in (lib.TCPS_ESTABLISHED, lib.TCPS_CLOSE_WAIT)
        waits = waits or (tp.write_seq + fin - tp.snd_nxt) & _MASK
    if waits:
        assert min(tp.rtx_at, tp.comp_at) != NEVER, ("no timer", tp.state, tp.packets_out, tp.pending)
        assert tp.packets_out == 0 or tp.rtx_at != NEVER, "no retransmission timer"
    if tp.orphan and tp.state != lib.TCPS_CLOSE:
        assert at != NEVER, ("an orphan for ever", tp.state)
    if at != NEVER:
        place = t.heap_at[i]
        assert place, "armed, and not in the heap"
        e = t.heap[tp.home].entry[place]
        assert e.id == i
        assert e.at <= at


def check_host(host):
    h = host.machine.c
    t, live = h.tcp, 0
    for i in range(1, h.socks.used):
        sk, tp = h.socks.socks[i], t.socks[i]
        if sk.type != lib.SOCK_TCP:
            continue
        assert not (tp.state == lib.TCPS_CLOSE and tp.orphan), "over, and not freed"
        live += tp.state != lib.TCPS_CLOSE
        check_sending(tp, sk)
        check_receiving(tp, sk)
        check_timers(h, i, tp)
    assert h.socks.flows == live, (h.socks.flows, live)
    for cpu in range(h.ncpus):
        heap = t.heap[cpu]
        for i in range(1, heap.n + 1):
            assert i == 1 or heap.entry[i // 2].at <= heap.entry[i].at
            assert t.heap_at[heap.entry[i].id] == i
