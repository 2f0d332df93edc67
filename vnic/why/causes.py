"""Find the causes of a run's losses: which limit lost frames, why it was reached, and which knobs are worth a try.

Causes come in the order of the path. Each is traced to its root: if the FIFO filled up because a queue had no buffers,
and the queue had none because its CPU was too slow, then the CPU is the cause. A dial is one knob and the values to
try, the mildest first. :mod:`vnic.why.rerun` tries the dials in the order given here and counts the losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.counters.standing import sentences
from vnic.knobs.parse import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.why.facts import Facts

    Settings = dict[str, Any]

# The largest values to try: ethtool's usual maximum; more than a card's packet memory; queues so long that a packet
# behind them is late rather than lost.
RING_MAX, FIFO_MAX, BACKLOG_MAX, RCVBUF_MAX, POOL_MAX, FRAG_MAX = 16384, 1 << 20, 8192, 1 << 24, 1 << 17, 1 << 28

# Knobs that make a CPU's work more expensive when they are below Linux's default, and that default
THRIFTLESS = {
    "weight": 64,
    "dev-weight": 64,
    "netdev-budget": 300,
    "netdev-budget-usecs": 8000,
    "gro-max-size": 65536,
}


@dataclass(frozen=True, slots=True)
class Dial:
    """A knob (or several that change together) and the values to try, the mildest first."""

    steps: tuple[Settings, ...]
    knob: str
    enough: int | None = None
    """Upper bound on a sufficient value, from the counters; None: they do not tell."""
    plain: bool = True
    """Whether the answer may call a step enough without a rerun."""

    def guess(self) -> Settings | None:
        """Return the first step that is enough by the counters; None: not even the last is, or they do not tell."""
        if not self.plain:
            return None
        if self.enough is None:
            return self.steps[0] if self.steps else None
        return next((s for s in self.steps if s[self.knob] >= self.enough), None)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why frames were lost: ``knob`` is the limit."""

    fates: tuple[str, ...]
    frames: int
    knob: str
    text: str
    evidence: tuple[str, ...]
    dials: tuple[Dial, ...]
    slow: str = ""
    """The part that is too slow if no value of the limit is enough: CPU 0, the reader on CPU 1."""


_FEW = (2, 4, 8, 16)
"""How many CPUs or queues to try."""

_RCVBUF = ("SOCKET_RCVBUFF", "TCP_OFO_DROP", "TCP_OFO_QUEUE_PRUNE")
"""Fates of a full receive buffer."""


def _doubled(knob: str, now: int, last: int, enough: int | None = None) -> Dial:
    """Return a dial with the powers of two above the present value."""
    value, steps = 1 << max(now, 1).bit_length(), []
    while value <= last:
        steps.append({knob: value})
        value *= 2
    return Dial(tuple(steps), knob, enough)


def _spread(f: Facts) -> Iterator[Dial]:
    """Yield dials that spread the frames over more CPUs: more queues, RPS, more emulated CPUs."""
    n, queues = len(f.cpus), f.setting("queues")
    most = min(n, lib.NIC_QUEUES_MAX)
    more = sorted({q for q in (*_FEW, 32, 64, most) if queues < q <= most})
    yield Dial(tuple({"queues": q} for q in more), "queues")
    yield Dial(tuple(rps_masks(f)), "rps-cpus")
    yield Dial(tuple({"cpus": c, "queues": c} for c in _FEW if c > n), "cpus")


def rps_masks(f: Facts) -> Iterator[Settings]:
    """Yield masks of the CPUs without interrupts: one, half, all of them. If every CPU has interrupts: of all CPUs."""
    n, queues = len(f.cpus), f.setting("queues")
    free = list(range(queues, n)) or list(range(n))
    seen = {0, int(str(f.config["rps-cpus"]).replace(",", ""), 16)}
    for cpus in (free[:1], free[: (len(free) + 1) // 2], free):
        mask = sum(1 << c for c in cpus)
        if mask not in seen and n > 1:
            seen.add(mask)
            yield {"rps-cpus": mask_text(mask)}


def _thriftless(f: Facts, *knobs: str) -> Iterator[Dial]:
    """Yield dials for the knobs that are below Linux's default and were reached."""
    for knob in knobs:
        limit, default = f.limits[knob], THRIFTLESS[knob]
        if knob == "netdev-budget-usecs":
            default = 2_000_000 // f.setting("hz")
        if limit["setting"] < default and limit["bound"]:
            both = {"gro-ipv4-max-size": default} if knob == "gro-max-size" else {}
            a_few = knob in ("weight", "dev-weight") and 4 * limit["setting"] <= default
            yield Dial(({knob: default} | both,), knob, plain=a_few)
    if f.config.get("gro") is False and "weight" in knobs:
        yield Dial(({"gro": True},), "gro", plain=False)


def _busy(cpu: dict[str, Any]) -> str:
    return f"CPU {cpu['cpu']} was busy {cpu['busy']:.1%} of the time"


def _moderation(f: Facts) -> tuple[str, Dial]:
    """Return the knob that deferred the interrupt, and a dial with smaller values of it."""
    usecs, frames = f.setting("rx-usecs"), f.setting("rx-frames")
    if f.config["adaptive-rx"]:
        return "adaptive-rx", Dial(({"adaptive-rx": False, "rx-usecs": 50, "rx-frames": 0},), "adaptive-rx")
    steps: list[Settings] = []
    # on a running instance the counters may date from earlier values of the knobs
    if usecs and (not frames or f.of("interrupts_by_usecs") >= f.of("interrupts_by_frames")):
        while usecs > 1:
            usecs //= 2
            steps.append({"rx-usecs": usecs, "rx-frames": frames})
        steps.append({"rx-usecs": 0, "rx-frames": 1})
        return "rx-usecs", Dial(tuple(steps), "rx-usecs")
    while frames > 1:
        frames //= 2
        steps.append({"rx-frames": frames, "rx-usecs": usecs})
    return "rx-frames", Dial(tuple(steps), "rx-frames")


def _ring(f: Facts, fates: tuple[str, ...], frames: int) -> Cause:
    """Explain losses at an empty ring, or in the FIFO behind it: why did the queue have no buffers?"""
    which = "overruns" if "FIFO_OVERRUN" in fates else "no_buffer"
    total = max(1, f.of(which))
    queue = max(f.queues, key=lambda q: q[which])
    cpu, size = f.cpu_of(queue["queue"]), f.setting("rx-ring")
    ring = _doubled("rx-ring", size, RING_MAX, size + queue[which])
    moderated, dry = f.of(f"{which}_moderated"), f.of(f"{which}_pool")
    what = "the FIFO filled up behind a frame waiting for a buffer" if which == "overruns" else "no buffer was posted"
    where = f"{what} of queue {queue['queue']}" if which == "overruns" else f"{what} in queue {queue['queue']}"
    if 2 * dry >= total:
        pool = f.setting("rx-pool")
        text = f"{where}, because the driver's pool was empty: sockets and reassembly held all {pool} buffers"
        reader = _moved_reader(f, cpu)
        return Cause(
            fates,
            frames,
            "rx-pool",
            text,
            (f"{dry} of {total} frames arrived while the pool was empty",),
            (_doubled("rx-pool", pool, POOL_MAX, pool + frames), *reader),
            slow="the readers",
        )
    if 2 * moderated >= total:
        knob, dial = _moderation(f)
        text = f"{where}, because {knob} deferred the interrupt"
        evidence = (f"{moderated} of {total} frames arrived while an interrupt was deferred", _busy(cpu))
        return Cause(fates, frames, knob, text, evidence, (dial, ring))
    text = f"{where}, because CPU {cpu['cpu']} did not poll in time"
    squeezed = sum(c["time_squeeze"] for c in f.cpus)
    evidence = (
        f"{total} frames arrived while the ring of {size} had no buffer",
        f"{_busy(cpu)}, {cpu['ksoftirqd_runs']} runs of ksoftirqd, time_squeeze {squeezed}",
    )
    thrift = _thriftless(f, "weight", "netdev-budget", "netdev-budget-usecs", "gro-max-size")
    dials = (*thrift, ring, *_spread(f), *(_moved_reader(f, cpu) if cpu["reader_busy_ns"] else ()))
    return Cause(fates, frames, "rx-ring", text, evidence, dials, slow=f"CPU {cpu['cpu']}")


def _fifo(f: Facts, frames: int) -> Cause:
    held = f.of("overruns")
    if 2 * held >= frames:
        return _ring(f, ("FIFO_OVERRUN", "RX_NO_BUFFER"), frames)
    size = f.setting("fifo")
    return Cause(
        ("FIFO_OVERRUN", "RX_NO_BUFFER"),
        frames,
        "fifo",
        "frames arrived faster than the card's DMA drains the FIFO; the ring had buffers",
        (f"{held} of {frames} frames arrived while another waited for a buffer", f"the FIFO was full: {size} bytes"),
        (_doubled("fifo", size, FIFO_MAX, size + int(f.all["device"]["fifo_lost_bytes"])),),
        slow="the card's DMA",
    )


def _moved_reader(f: Facts, cpu: dict[str, Any]) -> Iterator[Dial]:
    """Yield a dial that moves the readers to the CPU with the lowest load."""
    idle = min(f.cpus, key=lambda c: (c["busy"], -c["cpu"]))
    if idle["cpu"] != cpu["cpu"] and str(f.config["reader-cpu"]) != str(idle["cpu"]):
        yield Dial(({"reader-cpu": idle["cpu"]},), "reader-cpu")


def _backlog(f: Facts, frames: int) -> Cause:
    limited, full = f.limits["flow-limit-cpus"]["lost"], f.limits["netdev-max-backlog"]
    size = f.setting("netdev-max-backlog")
    more = _doubled("netdev-max-backlog", size, BACKLOG_MAX, full["high_water"] + f.limits["flow-limit-cpus"]["bound"])
    if 2 * limited >= frames:
        return Cause(
            ("CPU_BACKLOG",),
            frames,
            "flow-limit-cpus",
            "a flow made up more than half of a CPU's last 128 packets while a backlog was half full",
            (f"{limited} of {frames} frames dropped by the flow limit, {full['lost']} by a full backlog",),
            (Dial(({"flow-limit-cpus": "0"},), "flow-limit-cpus"), more),
            slow="the CPU that processes this flow",
        )
    cpu = max(f.cpus, key=lambda c: c["dropped"])
    queued = sum(c["dropped"] for c in f.cpus)
    return Cause(
        ("CPU_BACKLOG",),
        frames,
        "netdev-max-backlog",
        f"the backlog of CPU {cpu['cpu']} was full: other CPUs queued packets faster than it processed them",
        (f"{queued} packets dropped at {full['high_water']} queued", _busy(cpu)),
        (
            *_thriftless(f, "dev-weight"),
            _doubled("netdev-max-backlog", size, BACKLOG_MAX, full["high_water"] + cpu["dropped"]),
            Dial(tuple(rps_masks(f)), "rps-cpus"),
            *_moved_reader(f, cpu),
        ),
        slow=f"CPU {cpu['cpu']}",
    )


def _rcvbuf(f: Facts, fates: tuple[str, ...], frames: int) -> Cause:
    reader = max(f.cpus, key=lambda c: c["reader_busy_ns"])
    share = reader["reader_busy_ns"] / max(1, int(f.all["elapsed_ns"]))
    limit = f.limits["rcvbuf"]
    size = f.setting("rcvbuf")
    thrift = _thriftless(f, *THRIFTLESS) if 2 * share < reader["busy"] else ()
    return Cause(
        fates,
        frames,
        "rcvbuf",
        "a socket's queue was full: its reader did not read in time",
        (
            f"{_busy(reader)}, its reader {share:.1%}",
            f"without a limit the queue would have held {limit['high_water']} bytes at most",
        ),
        (
            *thrift,
            _doubled("rcvbuf", size, RCVBUF_MAX, limit["high_water"]),
            *_moved_reader(f, reader),
            Dial(tuple({"cpus": c} for c in _FEW if c > len(f.cpus)), "cpus"),
        ),
        slow=f"the reader on CPU {reader['cpu']}" if reader["reader_busy_ns"] else "the reader",
    )


def _fragments(f: Facts, frames: int) -> Cause:
    knob = max(("ipfrag-high-thresh", "ip6frag-high-thresh"), key=lambda k: int(f.limits[k]["lost"]))
    dials = [_doubled(k, f.setting(k), FRAG_MAX) for k in (knob, "ipfrag-high-thresh", "ip6frag-high-thresh")]
    wanted = [d for i, d in enumerate(dials) if i == 0 or (d.knob != knob and f.limits[d.knob]["lost"])]
    return Cause(
        ("FRAG_HIGH_THRESH",),
        frames,
        knob,
        "incomplete datagrams filled the memory for reassembly",
        (f"{f.limits[knob]['high_water']} bytes of fragments waited",),
        tuple(wanted),
        slow="the sender of incomplete datagrams",
    )


def _stranded(f: Facts, frames: int) -> Cause:
    usecs = tuple({"rx-usecs": n, "rx-frames": f.setting("rx-frames")} for n in (100, 50, 10))
    return Cause(
        ("DEV_READY",),
        frames,
        "rx-frames",
        "fewer frames were left than rx-frames asks for, and no timer runs (rx-usecs is 0)",
        (*sentences(s for s in f.all["standing"] if s["ended"]), f"{f.of('interrupts')} interrupts in all"),
        (Dial((*usecs, {"rx-usecs": 0, "rx-frames": 1}), "rx-frames"),),
    )


def _single(f: Facts, fate: str, frames: int) -> Cause:
    """Explain losses at a limit that has no cause but itself."""
    limit = {
        "RX_LENGTH": "mtu",
        "RX_OVER": "rx-buf-len",
        "FRAG_TOO_FAR": "ipfrag-max-dist",
        "PROTO_MEM": "udp-mem",
        "SOCKET_TABLE_FULL": "sockets",
        "PYTHON_QUEUE_FULL": "(upcalls)",
    }[fate]
    x = f.limits[limit]
    dials = {
        "mtu": Dial(({"mtu": x["high_water"]},), "mtu"),
        "rx-buf-len": _doubled("rx-buf-len", f.setting("rx-buf-len"), 65536),
        "ipfrag-max-dist": Dial((*_doubled("ipfrag-max-dist", f.setting(limit), 8192).steps, {limit: 0}), limit),
        "udp-mem": _doubled("udp-mem", f.setting("udp-mem"), 1 << 20),
        "sockets": _doubled("sockets", f.setting("sockets"), 1 << 20, f.setting("sockets") + frames),
    }
    seen = f" (the largest: {x['high_water']} {x['unit']})" if x["high_water"] else ""
    text = f"{x['meaning']}{seen}"
    return Cause((fate,), frames, limit, text, (f"{x['bound']} times",), (dials[limit],) if limit in dials else ())


def causes(f: Facts) -> list[Cause]:
    """Return why limits lost frames, in the order of the path."""
    lost, found = f.lost(), []
    if dropped := int(f.all["input"].get("kernel_drops") or 0):
        text = "the kernel's TAP queue was full: the card's thread got no processor in time"
        found.append(Cause((), dropped, "the card's thread", text, (f"{dropped} drops counted by the kernel",), ()))
    for fate, n in lost.items():
        if fate == "FIFO_OVERRUN":
            found.append(_fifo(f, n + lost.get("RX_NO_BUFFER", 0)))
        elif fate == "RX_NO_BUFFER" and "FIFO_OVERRUN" not in lost:
            found.append(_ring(f, ("RX_NO_BUFFER",), n))
        elif fate == "CPU_BACKLOG":
            found.append(_backlog(f, n))
        elif fate == "FRAG_HIGH_THRESH":
            found.append(_fragments(f, n))
        elif fate in _RCVBUF:
            if fate == next(x for x in _RCVBUF if x in lost):
                fates = tuple(x for x in _RCVBUF if x in lost or x != "TCP_OFO_QUEUE_PRUNE")
                found.append(_rcvbuf(f, fates, sum(lost.get(x, 0) for x in _RCVBUF)))
        elif fate == "DEV_READY":
            found.append(_stranded(f, n))
        elif fate != "RX_NO_BUFFER":
            found.append(_single(f, fate, n))
    return found
