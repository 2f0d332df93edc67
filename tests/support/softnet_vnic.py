"""vnic's own host answers a question of softnet_asked.py: in virtual time, with work that costs nothing."""

from frames import MAC
from softnet_asked import ANY, BUDGET_USECS, CONNECTED, IP, PEER_PORT, Answer, Frames, Read, Softnet, Still

import vnic
from vnic._core import lib
from vnic.events.kinds import FATES
from vnic.linux import snmp

STILL_NS = 10**9
"""How long an IPI is under way to a CPU that stands still."""


def ask(knobs: dict, *steps: Frames | Still | Read, cpus: int = 4) -> Answer:
    """Return the answer of a host with these knobs."""
    with vnic.Host(
        cpus=cpus, cost="zero", link="inf", rx_ring=1024, fifo=1 << 20, rcvbuf=1 << 30, ip=f"{IP}/24", hz=250,
        mac=MAC.hex(":"), netdev_budget_usecs=BUDGET_USECS, **knobs,
    ) as host:  # fmt: skip
        sockets = {ANY: host.udp(ANY), CONNECTED: host.udp(CONNECTED)}
        sockets[CONNECTED].connect(("10.0.0.1", PEER_PORT))
        before, udp = host.softnet(), _udp(host)
        answer = Answer()
        with vnic.EventLog(host) as log:
            for step in steps:
                _take(host, sockets, step, answer)
            host.run()
            _fill(answer, log.end(), bool(knobs.get("threaded")))
        answer.udp = [now - then for now, then in zip(_udp(host), udp, strict=True)]
        names = Softnet.__dataclass_fields__
        for then, now in zip(before, host.softnet(), strict=True):
            answer.softnet.append(Softnet(**{n: getattr(now, n) - getattr(then, n) for n in names}))
        return answer


def _take(host, sockets, step, answer) -> None:
    if isinstance(step, Frames):
        host.knobs["rx-frames"] = len(step.frames)
        host.feed(step.frames, at_ns=int(host.now_ns))
        host.run(until_ns=int(host.now_ns))
    elif isinstance(step, Still):
        host.machine.c.cost[lib.COST_IPI_DELIVERY] = STILL_NS
        for one in step.steps:
            _take(host, sockets, one, answer)
        host.machine.c.cost[lib.COST_IPI_DELIVERY] = 0
        host.run(until_ns=int(host.now_ns) + STILL_NS)
    else:
        sock = sockets[step.port]
        sock.cpu = step.cpu
        answer.read.append(sum(1 for _ in iter(sock.recvfrom_nowait, None)))


def _udp(host) -> list[int]:
    """UDP's line of /proc/net/snmp."""
    return [int(word) for word in snmp.snmp(host).split("\nUdp: ")[2].splitlines()[0].split()]


def _fill(answer: Answer, log, threaded: bool) -> None:
    run: dict[int, list] = {}
    for event in log:
        cpu = event.cpu
        if event.kind == "poll":
            polls = answer.threads if threaded and event.queue is not None else run.setdefault(cpu, [])
            polls.append((event.arg & 0xFFFFFFFF, event.arg >> 32))
        elif event.kind == "net_rx":
            answer.runs.setdefault(cpu, []).append(run.pop(cpu, []))
        elif event.kind == "receive" and not event.skb:
            answer.received.setdefault(cpu, []).append(event.frame - 1)
            if cpu == 0:
                answer.did("up")
        elif event.kind == "skb":
            answer.did("gro")
        elif event.kind == "gro_merge":
            answer.joined.append(event.frame - 1)
        elif event.kind == "fate" and not FATES[event.arg].startswith("DELIVERED"):
            answer.lost[event.frame - 1] = FATES[event.arg]
