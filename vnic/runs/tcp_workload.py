"""A workload of TCP in virtual time: two hosts, a link, programs that send and ask; the numbers as one plain dict.

    bulk    each stream sends, for a time or so many bytes
    many    the same with many streams, and how fair the link is to them
    rr      each stream asks and is answered on an open connection, one question at a time
    crr     each stream connects, asks, is answered, and closes, again and again

The programs take no time of a CPU, and act in the instant at which Linux would wake them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, said
from vnic.host import Host
from vnic.knobs.parse import whole
from vnic.knobs.units import measured
from vnic.link import delay_of
from vnic.look.lines import hanging
from vnic.look.units import count, duration, rate
from vnic.runs.replay import facts
from vnic.runs.tcp_programs import BOUNDS, BYTES_MAX, Asked, Bulk, Crr, Rr, Run, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMA = "vnic.tcp/1"
_PROGRAMS: dict[str, type[Run]] = {"bulk": Bulk, "rr": Rr, "crr": Crr, "many": Bulk}
KINDS = tuple(_PROGRAMS)
_STREAMS_MAX = 1000
_SIZE_MAX = 1 << 24
_TIME_MAX_S = 100_000
_MANY = 32


@dataclass(frozen=True, slots=True)
class TcpReport:
    """The result of a workload; ``facts`` is the JSON object."""

    facts: dict[str, Any]

    def lines(self, columns: int | None = None) -> list[str]:
        """Format it for a person, on a terminal of so many columns; None: of any length."""
        return [hanging(f"{name:<12}", text, columns) for name, text in _told(self.facts)]

    def __repr__(self) -> str:
        return f"<vnic.TcpReport {_told(self.facts)[0][1]}>"


def tcp_workload(
    kind: str = "bulk",
    *,
    rtt: str | int | None = None,
    delay: str | int | None = None,
    rate: str | float | None = "10G",
    loss: float = 0.0,
    queue: int | str | None = 1000,
    seed: int = 0,
    streams: int | None = None,
    bytes: int | str | None = None,  # noqa: A002 - the user's word
    seconds: float | None = None,
    requests: int | None = None,
    request: int | str = 64,
    response: int | str = 1024,
    a: Mapping[str, Any] | None = None,
    b: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], object] | None = None,
    **knobs: Any,
) -> TcpReport:
    """Run a workload between two hosts in virtual time: a sends or asks, b receives or answers.

    >>> vnic.tcp_workload("bulk", rtt="10ms", rate="10gbit", loss=1e-4, streams=4, seconds=1, rx_usecs=50)

    Args:
        kind: bulk, rr (request and response), crr (with a connection for each), many (many streams).
        rtt: of the link, both ways together; default 1 ms.
        delay: of the link, one way, instead of rtt.
        rate: of the link, as :class:`vnic.Link` has it; None: infinitely fast.
        loss: probability with which the link loses each frame.
        queue: room before the link's serialiser, frames or a size; None: no limit.
        seed: of the losses.
        streams: how many at once; default 1, of many 32.
        bytes: bulk, many: in all, shared by the streams; as 100000 or ``100M``.
        seconds: how long, instead of bytes or requests; default 1.
        requests: rr, crr: of each stream.
        request: bytes of a question.
        response: bytes of an answer.
        a: knobs of host a alone.
        b: knobs of host b alone.
        progress: called now and then with (ns that passed, ns in all; 0: unknown).
        knobs: of both hosts, as :class:`vnic.Host` takes them; ``cost="zero"``: no CPU takes time.

    Return: the report. ``facts["hosts"]`` has all counters of both hosts, as a replay has them.

    Raises:
        ConfigError: a value is out of range, or does not fit the kind.
        VnicError: a stream did not connect.
    """
    asked = _asked(kind, streams, bytes, seconds, requests, request, response)
    if rtt is not None and delay is not None:
        raise ConfigError("rtt and delay: give one of them")
    one_way = delay_of(delay) if delay is not None else delay_of("1ms" if rtt is None else rtt, "rtt") // 2
    options = {"cpus": 1, "latency": True, "tcp": "endpoint"} | knobs
    for name in ("ip", "wire", "live", "seed"):
        if any(name in given for given in (knobs, a or {}, b or {})):
            raise ConfigError(f"{name}: the workload chooses it")
    first: dict[str, Any] = {"ip": "10.0.0.1/24", "mac": "02:00:00:00:00:01", "seed": 1} | options | dict(a or {})
    other: dict[str, Any] = {"ip": "10.0.0.2/24", "mac": "02:00:00:00:00:02", "seed": 2} | options | dict(b or {})
    with (
        Host(**first) as host,
        Host(**other) as peer,
        Work(host, peer, rate=rate, delay=max(one_way, 1000), loss=loss, queue=queue, seed=seed) as link,
    ):
        run = Crr(link, asked) if asked.kind == "crr" else Rr(link, asked) if asked.kind == "rr" else Bulk(link, asked)
        run.go(progress)
        found = _facts(asked, run, (host, peer))
        found["link"] = {
            "rate_bps": int(link.c.way[0].bps) or None,
            "delay_ns": int(link.c.way[0].delay_ns),
            "loss": float(loss),
            "queue": queue,
            "seed": seed,
            "a_to_b": link.a_to_b.as_dict(),
            "b_to_a": link.b_to_a.as_dict(),
        }
        return TcpReport(found)


def _size(name: str, value: Any, most: int) -> int:
    if isinstance(value, str):
        try:
            given = measured(value, "bytes")
        except ValueError as e:
            raise ConfigError(f"{name}={said(value)}: {e}") from None
        if given is None and not (value.isascii() and value.isdecimal() and len(value) < 20):
            raise ConfigError(f"{name}={said(value)}: must be a size, as in 100M")
        value = int(value) if given is None else given
    return whole(name, value, 1, most)


def _asked(  # noqa: PLR0917
    kind: str, streams: Any, size: Any, seconds: Any, requests: Any, request: Any, response: Any
) -> Asked:
    if kind not in KINDS:
        raise ConfigError(f"workload={said(kind)}: must be one of {', '.join(KINDS)}")
    asks = kind in ("rr", "crr")
    if asks and size is not None:
        raise ConfigError(f"bytes: {kind} counts requests: give requests or seconds")
    if not asks and requests is not None:
        raise ConfigError(f"requests: {kind} counts bytes: give bytes or seconds")
    if seconds is not None and (size is not None or requests is not None):
        raise ConfigError(f"seconds and {'requests' if asks else 'bytes'}: give one of them")
    if seconds is not None:
        good = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not good or not 1e-6 <= seconds <= _TIME_MAX_S:
            raise ConfigError(f"seconds={said(seconds)}: must be between 0.000001 and {_TIME_MAX_S}")
    elif size is None and requests is None:
        seconds = 1.0
    n = whole("streams", (_MANY if kind == "many" else 1) if streams is None else streams, 1, _STREAMS_MAX)
    return Asked(
        kind,
        n,
        None if size is None else max(_size("bytes", size, BYTES_MAX), n),
        None if seconds is None else float(seconds),
        None if requests is None else whole("requests", requests, 1, 10_000_000),
        _size("request", request, _SIZE_MAX),
        _size("response", response, _SIZE_MAX),
    )


# ---- what came out ----


def _quantiles(samples: list[int]) -> dict[str, Any] | None:
    """Nearest rank. None: there are no samples."""
    if not samples:
        return None
    all_ = sorted(samples)
    at = {
        name: all_[min(len(all_) - 1, -(-len(all_) * p // 100) - 1)]
        for name, p in (("p50", 50), ("p90", 90), ("p99", 99))
    }
    return {"count": len(all_), "min": all_[0], **at, "max": all_[-1]}


def _fairness(rates: list[float]) -> float:
    """Jain's index: 1: all have the same; 1/n: one has all."""
    squares = sum(r * r for r in rates)
    return round(sum(rates) ** 2 / (len(rates) * squares), 6) if squares else 0.0


def _facts(asked: Asked, run: Run, hosts: tuple[Host, Host]) -> dict[str, Any]:
    took = max(1, run.ended_ns - run.begun_ns)
    rates = [8e9 * got / max(1, end - run.begun_ns) for got, end in zip(run.got, run.ends, strict=True)]
    a, b = (host.mib() for host in hosts)
    info = [one.tcp_info() for one in run.ours]
    samples = [n for one in run.rtts for n in one]
    asked_ = run.bounds
    return {
        "schema": SCHEMA,
        "workload": asdict(asked),
        "duration_ns": took,
        "goodput_bps": round(8e9 * sum(run.got) / took, 1),
        "transactions": len(samples),
        "transactions_per_s": round(len(samples) * 1e9 / took, 3),
        "rtt_ns": _quantiles(samples),
        "fairness": _fairness(rates),
        "streams": [
            {"bytes": got, "goodput_bps": round(r, 1)}
            | ({"transactions": len(run.rtts[i])} if run.rtts else {})
            | ({"tcp_info": asdict(info[i])} if info else {})
            for i, (got, r) in enumerate(zip(run.got, rates, strict=True))
        ],
        "bounds": {"samples": sum(asked_.values())} | asked_,
        "segments": {
            "a_sent": a["Tcp_OutSegs"], "a_received": a["Tcp_InSegs"],
            "b_sent": b["Tcp_OutSegs"], "b_received": b["Tcp_InSegs"],
            "pure_acks_of_b": sum(i.segs_out - i.data_segs_out for i in (one.tcp_info() for one in run.theirs)),
        },
        "retransmits": a["Tcp_RetransSegs"] + b["Tcp_RetransSegs"],
        "timeouts": a["TcpExt_TCPTimeouts"] + b["TcpExt_TCPTimeouts"],
        "errors": run.errors,
        "hosts": {
            name: facts(host, schema=SCHEMA, input_facts={})
            for name, host in zip("ab", hosts, strict=True)
        },
    }  # fmt: skip


def _told(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of a report: a word, and what it says."""
    asked, way, rtt, seg = found["workload"], found["link"], found["rtt_ns"], found["segments"]
    speed = "any rate" if way["rate_bps"] is None else f"{rate(way['rate_bps'])}bit/s"
    what = f"{asked['kind']}, {count(asked['streams'], 'stream')}, {duration(found['duration_ns'])}"
    one_way, queue = duration(way["delay_ns"]), way["queue"] or "unlimited"
    lines = [
        ("workload", f"{what}: {rate(found['goodput_bps'])}bit/s of payload"),
        ("link", f"{speed}, {one_way} one way, loss {way['loss']:g}, queue {queue}"),
        ("a to b", _way_told(way["a_to_b"])),
        ("b to a", _way_told(way["b_to_a"])),
    ]
    if rtt is not None:
        lines.append(("asked", f"{found['transactions']:,} times, {rate(found['transactions_per_s'])} a second"))
        lines.append(("took", ", ".join(f"{k} {duration(rtt[k])}" for k in ("min", "p50", "p90", "p99", "max"))))
    if asked["streams"] > 1:
        lines.append(("fairness", f"{found['fairness']:.4f} (Jain's index)"))
    again = f"{found['retransmits']:,} sent again, {count(found['timeouts'], 'timeout')}"
    lines.append(("segments", f"{seg['a_sent']:,} by a, {seg['b_sent']:,} by b; {again}"))
    bounds = found["bounds"]
    if n := bounds["samples"]:
        shares = sorted(((bounds[k], k) for k in BOUNDS if bounds[k]), reverse=True)
        text = ", ".join(f"{k} {100 * v / n:.0f} %" for v, k in shares)
        lines.append(("bound by", f"{text} of {count(n, 'sample')}"))
    return lines + [(f"host {name}", _host_told(host)) for name, host in found["hosts"].items()]


def _way_told(one: dict[str, int]) -> str:
    queue = f"queue at most {one['queue_max']:,}, busy {duration(one['busy_ns'])}"
    return f"{one['frames']:,} frames, {one['lost']:,} lost, {one['dropped']:,} found the queue full; {queue}"


def _host_told(host: dict[str, Any]) -> str:
    busy = max((cpu["busy"] for cpu in host["cpus"]), default=0.0)
    lost = {k: v for k, v in host["ledger"]["fates"].items() if v and not k.startswith("DELIVERED_")}
    gro, irqs = host["gro"]["frames_per_skb"], host["irq"]["interrupts"]
    text = f"busiest CPU {100 * busy:.1f} %, {irqs:,} interrupts, {gro:.2f} frames a packet after GRO"
    return text + "".join(f", {v:,} {k}" for k, v in lost.items())
