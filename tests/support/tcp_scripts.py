"""Scripts for the two TCP sides of tcp_sides.py: one situation each, and what is asked of both.

Left out, because vnic differs there on purpose: ``zero``, the window of a queue of more than 17 unread packets (the
kernel's next sk_buff begins another charge); ``shrink``, a window that becomes smaller than what is out (the kernel
sends again in the units of TSO); ``urg``, urgent data.
"""

import contextlib
import queue
import threading

from frames import ACK, FIN, PSH, RST, SYN
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
