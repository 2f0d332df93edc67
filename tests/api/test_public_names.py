"""What is public on a host is promised, so the list is written down here: a name more needs a user who needs it."""

import frames
import pytest
from live_host import Answering

import vnic
from vnic.machine.machine import Machine

METHODS = {
    *("run", "step", "finish"),  # virtual time
    *("start", "stop", "running", "wait"),  # real time
    *("feed", "packet_type", "protocol"),
    *("udp", "tcp", "packet_socket"),
    *("listen", "connect"),  # TCP that answers
    *("open_connection", "start_server", "create_connection", "create_server"),  # asyncio's names for it
    *("ledger", "tx_ledger", "laws", "softnet", "gro", "gro_flows", "mib", "neighbours", "latencies"),
    "close",
}
ATTRIBUTES = {"nic", "knobs", "wire", "name", "config", "live", "is_running", "now_ns", "closed"}
NOT_PROMISED = {"machine"}  # for vnic's own faces; its docstring says so


def test_a_host_has_the_names_that_a_user_needs():
    with vnic.Host(cpus=1) as h:
        public = {name for name in dir(h) if not name.startswith("_")}
        methods = {name for name in public if callable(getattr(h, name))}
    assert methods == METHODS
    assert public - methods == ATTRIBUTES | NOT_PROMISED
    assert len(METHODS) < 30


def held(start):
    """Yield (path, object) for everything of vnic that an object holds, at any depth."""
    todo, seen = [(type(start).__name__, start)], set()
    while todo:
        path, thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield path, thing
        if isinstance(thing, dict):
            inside = thing.items()
        elif isinstance(thing, (list, tuple, set)):
            inside = enumerate(thing)
        elif type(thing).__module__.startswith("vnic."):
            inside = vars(thing).items() if hasattr(thing, "__dict__") else ()
        else:
            continue
        todo += [(f"{path}.{name}", value) for name, value in inside]


def hosts_in(thing):
    return [path for path, inside in held(thing) if isinstance(inside, vnic.Host)]


@pytest.mark.parametrize("live", [False, True])
def test_no_part_of_a_host_holds_the_host(live, tmp_path):
    wire = vnic.PythonWire(Answering()) if live else None
    with vnic.Host(wire=wire, live=live, cpus=1, ip="10.0.0.2/24") as h:
        listener = h.tcp(80)
        parts = [h.nic, h.knobs, h.wire, h.udp(7), listener, h.packet_socket()]
        parts.append(vnic.Capture(h, tmp_path / "a.pcapng"))
        h.packet_type(0x88B5)(lambda _: None)
        if live:
            h.start()
            parts.append(h.machine.threads)
        else:
            h.feed(frames.tcp(b"abc", flags=frames.SYN, dport=80, dst="10.0.0.2"))
            h.run()
            parts.append(listener.accept())
        for part in (h.machine, *parts):
            assert hosts_in(part) == []
            assert any(isinstance(inside, Machine) for _, inside in held(part)), part
        assert hosts_in([h.machine, {"kept": h}]) == ["list.1.kept"]  # the walk finds one where it is
