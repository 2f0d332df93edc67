"""Scripts for the two TCP sides of tcp_sides.py: one situation each, and what is asked of both.

Left out, because vnic differs there on purpose: ``zero``, the window of a queue of more than 17 unread packets (the
kernel's next sk_buff begins another charge); ``shrink``, a window that becomes smaller than what is out (the kernel
sends again in the units of TSO); ``urg``, urgent data.
"""

import contextlib
import queue
import threading

from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN
from tcp_sides import KernelSide, VnicSide

from vnic.tap.netns import own

LANES = 8
STEPS_MS = (90, 97, 84)
OPT = {"mss": 1460, "wscale": 7, "sack": True, "ts": True}
HELLO = [("syn", OPT), ("seg", {}), ("accept",)]
PLAIN = [("syn", {"mss": 1460}), ("seg", {}), ("accept",)]
_SENDING = ("info", "ca_state snd_cwnd snd_ssthresh unacked sacked lost retrans reordering snd_mss")
_RECEIVING = ("info", "advmss rcv_ssthresh rcv_mss rcv_space")


def data(seq, n, **fields):
    return ("seg", {"seq": seq, "len": n, "flags": ACK | PSH} | fields)


def _asked(script, what):
    """The script, and after each step of the open connection a question."""
    return [s for i, step in enumerate(script) for s in ([step] if i < 2 else [step, what])]


SCRIPTS = {
    "hello": HELLO,
    "plain": PLAIN,
    "noopt": [("syn", {}), ("seg", {}), ("accept",)],
    "recv": [
        *HELLO,
        data(1, 100),
        ("recv", 1000),
        data(101, 1448),
        data(1549, 1448),
        data(2997, 1448),
        data(4445, 1448),
        ("recv", 100000),
    ],
    "ooo": [
        *HELLO,
        data(101, 100),
        data(301, 100),
        data(501, 100),
        data(201, 100),
        data(1, 100),
        ("recv", 10000),
        data(401, 100),
        ("recv", 1000),
    ],
    "old": [*HELLO, data(1, 100), data(1, 100), data(51, 100), data(1, 50), ("recv", 1000)],
    "reset": [*HELLO, ("seg", {"flags": RST, "seq": 1}), ("recv", 10)],
    "reset_bad": [
        *HELLO,
        ("seg", {"flags": RST, "seq": 50}),
        ("recv", 10),
        ("seg", {"flags": RST, "seq": 100050}),
        ("seg", {"flags": RST, "seq": 0}),
        data(1, 10),
        ("recv", 10),
    ],
    "syn_again": [
        *HELLO,
        ("seg", {"flags": SYN, "seq": 1}),
        ("seg", {"flags": SYN, "seq": 500}),
        ("wait", 500),
        ("seg", {"flags": SYN, "seq": 500}),
    ],
    "fin": [
        *HELLO,
        ("seg", {"flags": FIN | ACK}),
        ("recv", 10),
        ("seg", {"flags": FIN | ACK}),
        ("close",),
        ("seg", {"seq": 2, "ack": 2}),
        ("seg", {"seq": 2, "ack": 2}),
    ],
    "close": [
        *HELLO,
        ("close",),
        ("seg", {"ack": 2}),
        ("seg", {"ack": 2, "flags": FIN | ACK}),
        ("seg", {"ack": 2, "flags": FIN | ACK}),
        ("seg", {"seq": 2, "ack": 2}),
    ],
    "close_sim": [
        *HELLO,
        ("close",),
        ("seg", {"ack": 1, "flags": FIN | ACK}),
        ("seg", {"seq": 2, "ack": 2}),
        ("seg", {"seq": 2, "ack": 2}),
    ],
    "close_unread": [*HELLO, data(1, 100), ("close",), data(101, 10)],
    "close_data": [*HELLO, ("close",), ("seg", {"ack": 2}), data(1, 10, ack=2)],
    "shut": [
        *HELLO,
        ("shutdown", 1),
        ("seg", {"ack": 2}),
        data(1, 10, ack=2),
        ("recv", 100),
        ("send", b"x"),
        ("seg", {"seq": 11, "ack": 2, "flags": FIN | ACK}),
        ("recv", 10),
        ("close",),
    ],
    "send": [
        *HELLO,
        ("send", b"a" * 100),
        ("seg", {"ack": 101}),
        ("send", b"b" * 5000),
        ("seg", {"ack": 1549}),
        ("seg", {"ack": 5101}),
        ("send", b"c" * 20000),
    ],
    "nagle": [
        *HELLO,
        ("send", b"a" * 10),
        ("send", b"b" * 10),
        ("send", b"c" * 10),
        ("seg", {"ack": 11}),
        ("seg", {"ack": 31}),
    ],
    "acks": [
        *HELLO,
        ("send", b"a" * 1000),
        ("seg", {"ack": 5000}),
        ("seg", {"ack": 500}),
        ("seg", {"ack": 1001}),
        ("seg", {"ack": 1}),
        ("seg", {"ack": 2**32 - 100000}),
    ],
    "noack": [*HELLO, ("seg", {"flags": 0, "len": 10}), ("seg", {"flags": PSH, "len": 10}), ("recv", 10)],
    "beyond": [*HELLO, data(100000, 10), data(65000, 1000), ("recv", 10)],
    "paws": [
        *HELLO,
        data(1, 10, ts=-500),
        data(1, 10, ts=-500),
        ("recv", 10),
        data(1, 10),
        ("recv", 10),
        ("seg", {"seq": 11, "ts": -1000}),
    ],
    "connect": [
        ("connect",),
        ("synack", OPT),
        ("send", b"abc"),
        ("seg", {"ack": 4}),
        data(1, 5, ack=4),
        ("recv", 10),
        ("close",),
        ("seg", {"seq": 6, "ack": 5, "flags": FIN | ACK}),
    ],
    "connect_rst": [("connect",), ("synack", {"flags": RST | ACK}), ("send", b"abc"), ("send", b"x")],
    "connect_badack": [("connect",), ("synack", OPT | {"ack": 5}), ("synack", OPT), ("send", b"abc")],
    "connect_sim": [("connect",), ("syn", OPT), ("seg", {"seq": 1}), ("send", b"abc"), ("seg", {"ack": 4})],
    "synack_twice": [("connect",), ("synack", OPT), ("synack", OPT), ("send", b"abc")],
    "listen_ack": [
        ("seg", {"ack": 77}),
        ("seg", {"flags": RST}),
        ("seg", {"flags": FIN}),
        ("seg", {"flags": 0}),
        ("syn", OPT | {"flags": SYN | FIN}),
        ("syn", OPT),
        ("seg", {"flags": RST}),
    ],
    "hs_badack": [("syn", OPT), ("seg", {"ack": 2}), ("seg", {"ack": 0}), ("seg", {}), ("accept",)],
    "hs_again": [("syn", OPT), ("syn", OPT), ("seg", {}), ("accept",), ("seg", {"flags": SYN, "seq": 0})],
    "hs_data": [("syn", OPT), data(1, 100), ("accept",), ("recv", 1000)],
    "hs_fin": [("syn", OPT), ("seg", {"flags": FIN | ACK, "len": 10}), ("accept",), ("recv", 1000), ("recv", 10)],
    "rto": [
        *HELLO,
        ("send", b"a" * 100),
        ("wait", 300),
        ("wait", 500),
        ("seg", {"ack": 101}),
        ("send", b"b" * 3000),
        ("wait", 200),
        ("seg", {"ack": 3101}),
    ],
    "sack": [
        *HELLO,
        ("send", b"a" * 14480),
        ("seg", {"ack": 1, "sacks": [(1449, 2897)]}),
        ("seg", {"ack": 1, "sacks": [(1449, 4345)]}),
        ("seg", {"ack": 1, "sacks": [(1449, 5793)]}),
        ("seg", {"ack": 5793}),
        ("seg", {"ack": 14481}),
        ("send", b"b" * 30000),
    ],
    "dup": [
        *PLAIN,
        ("send", b"a" * 14600),
        ("seg", {"ack": 1461}),
        ("seg", {"ack": 1461}),
        ("seg", {"ack": 1461}),
        ("seg", {"ack": 1461}),
        ("seg", {"ack": 5841}),
        ("seg", {"ack": 14601}),
        ("send", b"b" * 14600),
    ],
    "zwin": [
        *HELLO,
        ("seg", {"window": 0}),
        ("send", b"a" * 100),
        ("wait", 300),
        ("wait", 500),
        ("seg", {"window": 1}),
        ("seg", {"window": 100}),
    ],
    "linger": [*HELLO, ("send", b"abc"), ("linger",), ("close",), ("seg", {"ack": 4})],
    "tw_syn": [
        *HELLO,
        ("close",),
        ("seg", {"ack": 2, "flags": FIN | ACK}),
        ("syn", OPT),
        ("wait", 1000),
        ("syn", OPT),
        ("seg", {"flags": RST, "seq": 2, "ack": 2}),
        ("syn", OPT),
    ],
    "finwait_data": [
        *HELLO,
        ("shutdown", 1),
        data(1, 100, ack=2),
        ("recv", 1000),
        ("seg", {"seq": 101, "ack": 2, "flags": FIN | ACK, "len": 50}),
        ("recv", 1000),
        ("recv", 10),
    ],
    "rst_req1": [("syn", OPT), ("seg", {"flags": RST, "seq": 1}), ("syn", OPT)],
    "rst_req2": [("syn", OPT), ("seg", {"flags": RST, "seq": 2}), ("syn", OPT)],
    "rst_req3": [("syn", OPT), ("seg", {"flags": RST, "seq": 2}), ("seg", {}), ("accept",)],
    "rst_req4": [("syn", OPT), ("seg", {"flags": RST | ACK, "seq": 1}), ("seg", {}), ("accept",)],
    "syn_req": [
        ("syn", OPT),
        ("seg", {"flags": SYN, "seq": 1}),
        ("seg", {"flags": SYN, "seq": 5}),
        ("seg", {}),
        ("accept",),
    ],
    "oldts_req": [("syn", OPT), ("seg", {"ts": -1000}), ("seg", {"ecr": 5}), ("seg", {}), ("accept",)],
}
_ECT0, _CE = 2, 3
_HANDSHAKE = ("info", "rto snd_cwnd snd_ssthresh total_retrans")
_HANDSHAKE_TS = ("info", "snd_cwnd snd_ssthresh ca_state total_retrans")  # RTT: the peer's echo is late by real time
_ECN = [("syn", OPT | {"flags": SYN | ECE | CWR}), ("seg", {}), ("accept",)]
_WE_ASK = [("sysctl", {"tcp_ecn": 1}), ("connect",)]
_MUCH = ("send", b"a" * 14480)

SCRIPTS |= {
    "ecn marked": [
        *_ECN,
        data(1, 100, ecn=_ECT0),
        data(101, 100, ecn=_CE),
        data(201, 100, ecn=_ECT0),
        data(301, 100, ecn=_ECT0, flags=ACK | CWR),
        data(401, 100, ecn=_ECT0),
        data(501, 1448, ecn=_ECT0),
        data(1949, 1448, ecn=_CE, flags=ACK | CWR),
        ("recv", 10000),
        ("send", b"a" * 100),
        ("seg", {"seq": 3397, "ack": 101, "flags": ACK | CWR}),
        ("send", b"a" * 100),
    ],
    "ecn not capable any more": [*_ECN, *(data(1 + 10 * i, 10, ecn=_ECT0 if i < 3 else 0) for i in range(40))],
    "ecn out of order": [
        *_ECN,
        data(101, 100, ecn=_CE),
        data(1, 100, ecn=_ECT0),
        data(301, 100, ecn=_CE, flags=ACK | CWR),
        data(301, 100, ecn=_ECT0, flags=ACK | CWR),
        data(201, 100, ecn=_ECT0),
    ],
    "ecn refused": [("sysctl", {"tcp_ecn": 0}), *_ECN, data(1, 10, ecn=_CE), ("send", b"abc")],
    "ecn of a marked syn": [("syn", OPT | {"flags": SYN | ECE | CWR, "ecn": _ECT0}), ("seg", {}), ("accept",)],
    "ecn half asked for": [("syn", OPT | {"flags": SYN | ECE}), ("seg", {}), ("accept",), data(1, 10, ecn=_CE)],
    "ecn with the syn again": [_ECN[0], _ECN[0], ("seg", {}), ("accept",), data(1, 10, ecn=_CE)],
    "ecn asked for": [
        *_WE_ASK,
        ("synack", OPT | {"flags": SYN | ACK | ECE}),
        ("send", b"a" * 100),
        ("seg", {"ack": 101, "flags": ACK | ECE}),
        ("send", b"b" * 100),
        ("seg", {"ack": 201}),
        ("close",),
        ("seg", {"ack": 202, "flags": FIN | ACK}),
    ],
    "ecn asked for and refused": [*_WE_ASK, ("synack", OPT), ("send", b"abc")],
    "ecn asked for once": [*_WE_ASK, ("wait", 1100), ("synack", OPT | {"flags": SYN | ACK | ECE}), ("send", b"abc")],
    "ecn asked for again": [("sysctl", {"tcp_ecn_fallback": 0}), *_WE_ASK, ("wait", 1100)],
    "ecn asked for by both": [
        *_WE_ASK,
        ("syn", OPT | {"flags": SYN | ECE | CWR}),
        ("seg", {"seq": 1}),
        ("send", b"abc"),
        ("seg", {"ack": 4}),
    ],
    "ecn echoed": [
        *_ECN,
        _MUCH,
        ("seg", {"ack": 1449, "flags": ACK | ECE}),
        ("seg", {"ack": 2897, "flags": ACK | ECE}),
        ("seg", {"ack": 7241, "flags": ACK | ECE}),
        ("seg", {"ack": 14481, "flags": ACK}),
        _MUCH,
        ("seg", {"ack": 17377, "flags": ACK}),
        ("seg", {"ack": 28961, "flags": ACK}),
        ("send", b"b" * 30000),
    ],
    "ecn echoed twice": [
        *_ECN,
        _MUCH,
        ("seg", {"ack": 14481, "flags": ACK | ECE}),
        _MUCH,
        ("seg", {"ack": 28961, "flags": ACK | ECE}),
        _MUCH,
        ("seg", {"ack": 43441}),
    ],
    "ecn echoed and lost": [
        *_ECN,
        _MUCH,
        ("seg", {"ack": 1, "sacks": [(1449, 5793)], "flags": ACK | ECE}),
        ("wait", 30),  # RACK believes a retransmission's round trip if it is no shorter than any
        ("seg", {"ack": 5793, "flags": ACK | ECE}),
        ("seg", {"ack": 14481}),
        _MUCH,
    ],
    "ecn and lost": [
        *_ECN,
        _MUCH,
        ("seg", {"ack": 1, "sacks": [(1449, 5793)]}),
        ("seg", {"ack": 14481}),
        _MUCH,
        ("seg", {"ack": 28961}),
    ],
    "ecn and a timeout": [*_ECN, ("send", b"a" * 2896), ("wait", 700), ("seg", {"ack": 2897}), ("send", b"b" * 100)],
}
_COOKIES = ("sysctl", {"tcp_syncookies": 2})
SCRIPTS |= {
    f"cookie{name}": [_COOKIES, ("syn", syn), *rest, ("accept",), ("send", bytes(3000)), ("recv", 100)]
    for name, syn, rest in (
        ("", OPT, [("seg", {})]),
        (" without options", {}, [("seg", {})]),
        (" with a small mss", OPT | {"mss": 1000}, [("seg", {})]),
        (" with a tiny mss", OPT | {"mss": 100}, [("seg", {})]),
        (" with a large mss", OPT | {"mss": 8000}, [("seg", {})]),
        (" without timestamps", OPT | {"ts": False}, [("seg", {})]),
        (" without a scale", {"mss": 1440, "ts": True}, [("seg", {})]),
        (" with ecn", OPT | {"flags": SYN | ECE | CWR}, [("seg", {})]),
        (" with ecn and without timestamps", {"mss": 1300, "flags": SYN | ECE | CWR}, [("seg", {})]),
        (" with data", OPT, [data(1, 50)]),
        (" with the end", OPT, [("seg", {"flags": FIN | ACK, "len": 5})]),
        (" not echoed", OPT, [("seg", {"no_ts": True})]),
        (" echoed as none", OPT, [("seg", {"ecr": 0})]),
        (" wrong", OPT, [("seg", {"ack": 2}), ("seg", {"seq": 2}), ("seg", {"flags": RST | ACK}), ("seg", {})]),
        (" twice", OPT, [("seg", {}), ("seg", {})]),
        (" with the syn again", OPT, [("syn", OPT), ("seg", {})]),
        (" and a synack", OPT, [("seg", {"flags": SYN | ACK}), ("seg", {})]),
    )
}
SCRIPTS |= {
    "no cookie was sent": [("sysctl", {"tcp_syncookies": 1}), ("seg", {"ack": 77}), ("syn", OPT), ("seg", {"ack": 5})],
    "a cookie and TCP_INFO": [_COOKIES, *_asked(HELLO, ("info", "snd_mss rcv_mss advmss snd_cwnd rcv_space"))],
}
SCRIPTS |= {
    f"{name} with TCP_INFO": _asked(script, _HANDSHAKE if "no timestamps" in name else _HANDSHAKE_TS)
    for name, script in {
        "the synack again": [("syn", OPT), ("wait", 1100), ("seg", {}), ("accept",), _MUCH, ("seg", {"ack": 14481})],
        "the synack again and no timestamps": [
            ("syn", {"mss": 1460}),
            ("wait", 1100),
            ("seg", {}),
            ("accept",),
            _MUCH,
            ("seg", {"ack": 14481}),
        ],
        "the syn from the peer again": [("syn", OPT), ("syn", OPT), ("seg", {}), ("accept",), _MUCH],
        "the syn from the peer twice again": [
            ("syn", OPT),
            ("syn", OPT),
            ("wait", 600),
            ("syn", OPT),
            ("seg", {}),
            ("accept",),
            _MUCH,
        ],
        "the syn from the peer much later again": [
            ("syn", OPT),
            ("wait", 600),
            ("syn", OPT),
            ("wait", 600),
            ("wait", 900),
            ("seg", {}),
            ("accept",),
            _MUCH,
        ],
        "the syn again": [("connect",), ("wait", 1100), ("synack", OPT), _MUCH, ("seg", {"ack": 14481})],
        "the syn again and no timestamps": [("connect",), ("wait", 1100), ("synack", {"mss": 1460}), _MUCH],
        "the syn again and twice": [
            ("connect",),
            ("wait", 2200),
            ("synack", OPT),
            _MUCH,
            ("seg", {"ack": 1449}),
            ("seg", {"ack": 4345}),
        ],
        "the syn again and twice and no timestamps": [
            ("connect",),
            ("wait", 2200),
            ("synack", {"mss": 1460}),
            _MUCH,
            ("seg", {"ack": 1461}),
            ("seg", {"ack": 4381}),
        ],
        "the synack again and twice": [
            ("syn", OPT),
            ("wait", 3200),
            ("seg", {}),
            ("accept",),
            _MUCH,
            ("seg", {"ack": 1449}),
            ("seg", {"ack": 4345}),
        ],
    }.items()
}
SCRIPTS |= {
    f"{name} with TCP_INFO": _asked(SCRIPTS[name], _SENDING)
    for name in ("ecn echoed", "ecn echoed twice", "ecn echoed and lost", "ecn and lost", "ecn and a timeout")
}
SCRIPTS |= {
    f"{name} with TCP_INFO": _asked(SCRIPTS[name], _SENDING)
    for name in ("sack", "dup", "send", "acks", "zwin", "rto", "nagle")
}
SCRIPTS |= {f"{name} with TCP_INFO": _asked(SCRIPTS[name], _RECEIVING) for name in ("recv", "ooo", "beyond", "old")}


def of_kernel(k, script, port, step_ms=STEPS_MS[0]):
    k.step_ms = step_ms
    k.begin(port)
    try:
        return k.run(script)
    finally:
        k.end()


def of_vnic(script, port, step_ms=STEPS_MS[0]):
    with VnicSide() as v:
        v.step_ms = step_ms
        v.begin(port)
        return v.run(script)


def _work(todo, answers):
    with own(), KernelSide() as k, contextlib.suppress(queue.Empty):
        while True:
            key, script, port = todo.get_nowait()
            answers[key] = of_kernel(k, script, port)


def kernels_answers(scripts):
    """Key -> what the kernel does of each script, key -> (script, port). In real time: several lanes at once."""
    todo, answers = queue.Queue(), {}
    for key, (script, port) in scripts.items():
        todo.put((key, script, port))
    lanes = [threading.Thread(target=_work, args=(todo, answers), daemon=True) for _ in range(LANES)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join(60)
    return answers


def differences(k, answer, script, port, look=lambda outcomes: outcomes):
    """Steps at which kernel and vnic differ, by ``look``; the kernel runs in real time: it is asked again."""
    for again, step_ms in enumerate(STEPS_MS):
        a = answer if answer and not again else of_kernel(k, script, port + again, step_ms)
        b = of_vnic(script, port + again, step_ms)
        found = [d for d in zip(script, look(a), look(b), strict=True) if d[1] != d[2]]
        if not found:
            break
    return found
