"""Every public method with arguments that make no sense, in any order, in virtual time: a sentence, or it works.

What there is to call is found by introspection of ``vnic.__all__``, so a new method is tried as soon as it is there.
ARGUMENTS says for each name of a parameter what would be right, and a test fails if a name is missing. Under
``scripts/sanitize address`` the data plane is watched meanwhile.
"""

import asyncio
import dataclasses
import inspect
import os
import random
import socket
import sys
from enum import IntFlag

import frames
import pytest
from tcp_pair import begin

import vnic
from vnic import inet_options, multicast
from vnic.capture_select import ALL, Selection
from vnic.control import rates as stat
from vnic.counters.limits import show as show_limits
from vnic.errors import VnicError
from vnic.knobs.table import KNOBS
from vnic.linux import ethtool, procfs, sysctl, sysctl_rows, sysfs
from vnic.linux import ip_link as iplink

CLOSED = True
"""Go on using what was closed, too: each call is a VnicError then."""

REFUSALS = (VnicError, ValueError, TypeError, LookupError, OSError)
"""OSError: what a socket call says, TimeoutError among them. LookupError: an index into what was read."""

_WORDS = """
-G -g -L -l -C -c -K -k -X -x -Q -S -n -N -i rx tx combined rx-usecs rx-frames adaptive-rx on off equal weight start
hkey queue_mask 0xffff link set show mtu promisc address -s up down dev vnic0 -w -a all rx-ring
"""
WORDS = _WORDS.split()
"""Of the commands that a host answers."""


class Number(int):
    """One that says it is another."""

    def __index__(self):
        return 1 << 70


HOSTILE = [
    None, True, False, -1, 0, 1, 17, 64, 255, 256, 65535, 65536, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
    1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), 10**40, Number(3), 0.5, float("nan"), float("inf"), "", "x", "1",
    "any", "\0", "é\ud800", "no/such", b"", b"\xff" * 3, (), [], {}, [1], (1, b"x"), (b"x", 1), ("10.0.0.1", 65536),
    (True, b"x"), {"x": 1}, object(), int, lambda *_: None, range(3),
]  # fmt: skip


def hostile(param):
    """All values, but for a file no descriptor that is open here: that would be written to."""
    return [v for v in HOSTILE if not (param == "path" and isinstance(v, int) and 0 <= v < 1000 and v is not True)]


class Source:
    def read_burst(self, n):
        return None

    def write_burst(self, burst):
        pass


def handler(burst):
    return [i % 2 for i in range(len(burst))]


LEVELS = [socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.IPPROTO_UDP, socket.IPPROTO_UDPLITE]
OPTIONS = sorted({
    *(name for _, name in (*multicast._OPTIONS, *inet_options._FIELDS, *inet_options._FLAGS, *inet_options._CMSGS)),
    socket.SO_RCVBUF, socket.SO_ERROR, inet_options.IP_MTU, inet_options.IPV6_MTU, 104,
})  # fmt: skip
"""The numbers of the options that a datagram socket has, at one level or another. 104: UDP_GRO."""
OPTION_VALUES = [
    0, 1, -1, 64, 5000, b"\1\0\0\0", socket.inet_aton("239.1.2.3") + bytes(4), socket.inet_aton("239.1.2.3") + bytes(8),
    socket.inet_pton(socket.AF_INET6, "ff02::1:3") + bytes(4), bytes(20), b"\xff" * 20,
]  # fmt: skip

ARGUMENTS = {
    "addr": lambda w: w.rng.choice([None, "10.0.0.2", "fd00::2"]),
    "address": lambda w: (w.rng.choice(["10.0.0.1", "10.0.0.9", "fd00::1"]), w.rng.randrange(65536)),
    "arena_bytes": lambda w: w.rng.choice([0, 1, 4096]),
    "at": lambda w: w.rng.sample(["wire", "nic", "gro", "stack"], 2),
    "at_ns": lambda w: w.host.now_ns + w.rng.randrange(10**6),
    "base_ns": lambda w: w.rng.randrange(1 << 60),
    "c": lambda w: w.host.wire.c,
    "cost": lambda w: w.rng.choice(["zero", "linux"]),
    "cpus": lambda w: w.rng.randint(1, 8),
    "data": lambda w: bytes(w.rng.choice([0, 1, 100, 3000])),
    "each_queue": lambda _: {0: {"rps-cpus": "1"}},
    "ethertype": lambda w: w.rng.choice([0x88B5, 0x0800, 0x86DD, 0x806]),
    "event": lambda w: w.rng.randrange(8),
    "external_driver": lambda w: w.rng.random() < 0.5,
    "filter": lambda w: w.rng.choice([None, [(6, 0, 0, 65535)]]),
    "frame": lambda w: w.frame(),
    "frames": lambda w: [w.frame() for _ in range(w.rng.randint(0, 9))],
    "gap_ns": lambda w: w.rng.randrange(10**5),
    "gateway": lambda _: (),
    "gro": lambda w: w.rng.random() < 0.5,
    "group": lambda w: w.rng.choice(["239.1.2.3", "ff02::1:3", "ff05::7%a\nb"]),
    "gso_size": lambda w: w.rng.choice([0, 1, 100, 1000]),
    "handler": lambda _: handler,
    "host": lambda w: w.host,
    "ip": lambda w: w.rng.choice(["any", "10.0.0.2/24", ["10.0.0.2/24", "fd00::2/64"]]),
    "latency": lambda w: w.rng.random() < 0.5,
    "live": lambda _: False,
    "max_frames": lambda _: 64,
    "n": lambda w: w.rng.randint(1, 64),
    "name": lambda _: "vnic0",
    "number": lambda w: w.rng.choice([1, 6, 17, 253]),
    "path": lambda w: w.path,
    "paths": lambda w: [w.path],
    "pin": lambda _: None,
    "progress": lambda _: lambda: None,
    "port": lambda w: w.rng.choice([0, 7, 9, 1025]),
    "queue": lambda w: w.rng.randrange(w.host.machine.c.nic.nqueues),
    "ancbufsize": lambda w: w.rng.choice([0, 18, 200]),
    "bufsize": lambda w: w.rng.choice([0, 1, 4096]),
    "flags": lambda w: w.rng.choice([0, socket.MSG_DONTWAIT, 0x2000]),
    "lite": lambda w: w.rng.random() < 0.5,
    "reuse_addr": lambda w: w.rng.random() < 0.5,
    "reuse_port": lambda w: w.rng.random() < 0.5,
    "ring": lambda w: w.rng.choice([4096, 1 << 16]),
    "i": lambda _: 0,
    "seconds": lambda _: 0.001,
    "seed": lambda _: 7,
    "select": lambda w: w.rng.choice([ALL, Selection(limit=1, loop=3), Selection(start=0.5, pps=1000)]),
    "sink": lambda w: w.rng.random() < 0.5,
    "source": lambda _: Source(),
    "timeout": lambda _: 0.0,
    "times": lambda w: w.rng.randint(1, 3),
    "until_ns": lambda w: w.host.now_ns + w.rng.randrange(10**7),
    "vlen": lambda w: w.rng.randint(1, 64),
    "far_end": lambda _: None,
    "level": lambda _: socket.SOL_SOCKET,
    "buflen": lambda w: w.rng.randrange(64),
    "value": lambda w: w.rng.choice([5000, True, 1 << 20]),
    "wire": lambda _: None,
    "cpu": lambda w: w.rng.choice([None, 0, 1]),
    "facts": lambda _: {"config": {}},
    "faults": lambda w: w.rng.choice([(), ["dma-flip:p=0.1"], ["used-len:nth=3", "irq-late:every=2"]]),
    "first": lambda _: 1,
    "kind": lambda w: w.rng.choice(["dma-flip", "no-buffer", "irq-late", "hash-wrong"]),
    "last": lambda _: 3,
    "from_ns": lambda w: w.rng.randrange(10**6),
    "kinds": lambda w: w.rng.choice([None, ["wire"], ("fate", "read")]),
    "observe": lambda _: None,
    "Events.load.path": lambda w: w.log_path,
    "Events.of_frame.frame": lambda w: w.rng.randrange(1, 30),
    "Events.save.path": lambda w: w.log_path.with_suffix(w.rng.choice(["", ".csv", ".jsonl"])),
    "Events.select.frames": lambda w: w.rng.choice([None, [1, 2], [(1, 10), 17]]),
    "Frames.by_id.frame": lambda w: w.rng.randrange(1, 30),
    "Frames.save.path": lambda w: w.log_path.with_suffix(w.rng.choice([".csv", ".jsonl"])),
    "backlog": lambda w: w.rng.randrange(4),
    "client_connected_cb": lambda _: lambda *_: None,
    "limit": lambda _: 100,
    "protocol_factory": lambda _: asyncio.Protocol,
    "start_serving": lambda w: w.rng.random() < 0.5,
    "TcpConnection.recv_into_nowait.buffer": lambda w: bytearray(w.rng.randrange(100)),
    "Host.connect.addr": lambda w: w.rng.choice(["10.0.0.1", "10.0.0.9", "fd00::9"]),
    "Host.create_connection.source": lambda _: None,
    "Host.open_connection.source": lambda _: None,
    "Host.connect.source": lambda w: w.rng.choice([None, ("10.0.0.2", 0), ("10.0.0.2", 99)]),
    "TcpConnection.recv_into.buffer": lambda w: bytearray(w.rng.randrange(100)),
    "TcpConnection.sendfile.count": lambda w: w.rng.choice([None, 0, 10]),
    "TcpConnection.sendfile.file": lambda w: w.file(),
    "TcpConnection.sendfile.offset": lambda w: w.rng.randrange(10),
    "TcpConnection.shutdown.how": lambda w: w.rng.randrange(3),
    "TcpConnection.setsockopt.level": lambda w: w.rng.choice([socket.SOL_SOCKET, socket.IPPROTO_TCP]),
    "TcpConnection.setsockopt.name": lambda w: w.rng.randrange(40),
    "TcpConnection.setsockopt.value": lambda w: w.rng.choice([*OPTION_VALUES, b"reno\0", bytes(8)]),
    "TcpConnection.getsockopt.level": lambda w: w.rng.choice([socket.SOL_SOCKET, socket.IPPROTO_TCP]),
    "TcpConnection.getsockopt.name": lambda w: w.rng.randrange(40),
    "Host.run.frames": lambda w: w.rng.randrange(200),
    "MemoryWire.frames": lambda w: w.rng.choice([1, 2, 64]),
    "UdpSocket.setsockopt.level": lambda w: w.rng.choice(LEVELS),
    "UdpSocket.setsockopt.name": lambda w: w.rng.choice(OPTIONS),
    "UdpSocket.setsockopt.value": lambda w: w.rng.choice(OPTION_VALUES),
    "UdpSocket.getsockopt.level": lambda w: w.rng.choice(LEVELS),
    "UdpSocket.getsockopt.name": lambda w: w.rng.choice(OPTIONS),
}
"""By a parameter's name, or ``Class.method.name`` (a constructor's: ``Class.name``) where that says something else."""

ENDS = {"Capture.finish", *(f"{name}.close" for name in vnic.__all__)}
"""What ends a thing: a rule of its own, or the last one."""

# A protocol; scapy's methods, of which scapy has tests; and what needs a TAP, and root: test_tap.py.
OTHERS = (vnic.BurstWire, vnic.WireSocket, vnic.TapWire)
# Two hosts in lock step: tests/wire/test_link.py.
OTHERS += (vnic.Link,)
# Live, in real time: tests/vhost, tests/wire/test_joint.py.
OTHERS += (vnic.VhostCard, vnic.VhostWire, vnic.JointWire)
CLASSES = {
    name: c
    for name in vnic.__all__
    if inspect.isclass(c := getattr(vnic, name)) and not issubclass(c, (Exception, IntFlag)) and c not in OTHERS
}
MADE = {name: c for name, c in CLASSES.items() if not dataclasses.is_dataclass(c) or name == "Datagrams"}
CONSTRUCTED = ("Host", "MemoryWire", "PythonWire", "CaptureWire", "Capture", "Wire")


def members(cls):
    return [name for name in dir(cls) if not name.startswith("_")]


def parameters(callee):
    given = inspect.signature(callee).parameters.values()
    return [p for p in given if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def methods():
    """(class, method) of all that a user may call."""
    return [(name, member) for name, cls in MADE.items() for member in members(cls) if callable(getattr(cls, member))]


def recipe(where, param):
    return ARGUMENTS.get(f"{where}.{param}") or ARGUMENTS.get(param)


def test_each_parameter_of_each_method_has_a_recipe():
    missing = {
        f"{where}.{p.name}"
        for where, callee in [
            *((f"{name}.{member}", getattr(CLASSES[name], member)) for name, member in methods()),
            *((name, CLASSES[name]) for name in CONSTRUCTED),
        ]
        for p in parameters(callee)
        if recipe(where, p.name) is None
    }
    assert not missing


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Some of the values are names of files."""
    monkeypatch.chdir(tmp_path)


class World:
    """A host, one of each thing that a user has, and what was done to them."""

    def __init__(self, tmp_path, seed: int, **knobs) -> None:
        self.rng = random.Random(seed)
        self.path = tmp_path / "capture.pcapng"
        self.log: list[str] = []
        self.nested = 0
        given = {"ip": ["10.0.0.2/24", "fd00::2/64"], "cpus": 2, "queues": 2, "rx_pool": 256, "sockets": 64}
        self.host = vnic.Host(**(given | {"cost": self.rng.choice(["zero", "linux"])} | knobs))
        log = vnic.EventLog(self.host)
        self.log_path = tmp_path / "log.vnic-events"
        self.udp = self.host.udp(7)
        listener = self.host.tcp(80)
        first = frames.tcp(b"", flags=frames.SYN, seq=0, dport=80, dst="10.0.0.2")
        self.host.feed([first, frames.udp(dport=7, dst="10.0.0.2")])
        self.host.run()
        self.things = [
            self.host, self.host.nic, self.host.wire, self.udp, listener, listener.accept(), self.host.packet_socket(),
            vnic.Capture(self.host, self.path), self.udp.recvmmsg_nowait(), vnic.MemoryWire(),
            vnic.PythonWire(Source()),
        ]  # fmt: skip
        self.own = self.things[-2:]
        self.answering = vnic.Host(ip="10.0.0.3/24", tcp="endpoint", rx_pool=256, sockets=64, cpus=1)
        self.things += [self.answering.listen(81), begin(self.answering, "10.0.0.9", 80)]
        other = tmp_path / "other.pcapng"
        vnic.Capture(self.host, other).close()
        self.things.append(vnic.CaptureWire([other]))
        self.own.append(self.things[-1])
        events = log.end()
        events.save(self.log_path)
        self.things += [log, events, events.frames]

    def frame(self):
        kind = self.rng.choice([frames.udp, frames.tcp, frames.icmp, frames.arp])
        data = kind() if kind is frames.arp else kind(bytes(self.rng.randrange(100)), dst="10.0.0.2")
        return bytes(self.rng.choice([data, data[: self.rng.randrange(len(data))], frames.eth(data, type=0x88B5)]))

    def file(self):
        if not hasattr(self, "opened"):
            self.opened = self.log_path.open("rb")
        return self.opened

    def arguments(self, where, callee, hostility=0.2):
        args, kwargs = [], {}
        for p in parameters(callee):
            wrong = self.rng.random() < hostility
            value = self.rng.choice(hostile(p.name)) if wrong else recipe(where, p.name)(self)
            if p.kind is p.KEYWORD_ONLY:
                if wrong or self.rng.random() < 0.5:
                    kwargs[p.name] = value
            else:
                args.append(value)
        return args, kwargs

    def attempt(self, what, callee, *args, **kwargs):
        """Call it. Whatever it refuses, it refuses in a sentence that is meant for a person."""
        self.log.append(f"{what}(*{args!r}, **{kwargs!r})")
        try:
            got = callee(*args, **kwargs)
            return asyncio.run(got) if inspect.iscoroutine(got) else got
        except REFUSALS as e:
            refusal = e
        text = str(refusal)
        assert "ctype" not in text, what
        assert "cdata" not in text, what
        if isinstance(refusal, VnicError):
            assert len(text.splitlines()) == 1, what
        return None

    def method(self, thing, member, args, kwargs):
        what = f"{type(thing).__name__}.{member}"
        got = self.attempt(what, getattr(thing, member), *args, **kwargs)
        if type(got) in MADE.values() and len(self.things) < 60 and got not in self.things:
            self.things.append(got)
        if inspect.isfunction(got) and got is not handler:  # a decorator
            self.attempt(f"{what}()", got, self.rng.choice([handler, self.meddle, None, 5]))
        return got

    def meddle(self, burst):
        """A handler that does whatever comes to its mind."""
        self.nested += 1
        try:
            if self.nested < 3:
                self.step()
        finally:
            self.nested -= 1
        return self.rng.choice([None, [True] * len(burst), iter([0] * len(burst))])

    def step(self):
        """Something, anything."""
        choice = self.rng.random()
        if choice < 0.08:
            self.attempt("feed", self.host.feed, [self.frame() for _ in range(20)])
        elif choice < 0.16:
            self.attempt("run", self.host.run, frames=self.rng.randrange(30))
        elif choice < 0.26:
            self.turn_a_knob()
        elif choice < 0.34:
            self.ask_a_face()
        elif choice < 0.38:
            self.construct(self.rng.choice(CONSTRUCTED))
        else:
            thing = self.rng.choice(self.things)
            member = self.rng.choice(members(type(thing)))
            if f"{type(thing).__name__}.{member}" in ENDS:
                if thing in (self.host, self.host.wire, self.host.nic) or thing is self.udp or self.rng.random() < 0.9:
                    return
                self.attempt(f"{type(thing).__name__}.close", thing.close)
                if not CLOSED:
                    self.things.remove(thing)
                return
            attribute = getattr(type(thing), member)
            if callable(attribute):
                self.method(thing, member, *self.arguments(f"{type(thing).__name__}.{member}", attribute))
            elif isinstance(attribute, property):
                self.attempt(f"{type(thing).__name__}.{member}", getattr, thing, member)
                if attribute.fset:
                    self.attempt(f"{type(thing).__name__}.{member}=", setattr, thing, member, self.rng.choice(HOSTILE))

    def turn_a_knob(self):
        knob = self.rng.choice([*KNOBS, *HOSTILE])
        value = self.rng.choice([*HOSTILE, "on", "off", 2, 16, 32, 50, 1000, "3", "sdfn"])
        knobs = self.host.knobs
        if self.rng.random() < 0.3:
            knobs = self.attempt("knobs.queue", knobs.queue, self.rng.choice([0, 1, *HOSTILE]))
        if knobs is not None:
            self.attempt("knobs.update", knobs.__setitem__, knob, value)
            self.attempt("knobs[]", knobs.__getitem__, knob)

    def ask_a_face(self):
        numbers = ["0", "-1", "64", "x", "65536", "4294967296", "99999999999999999999"]
        settings = [f"{name}={self.rng.choice(numbers)}" for name in sysctl_rows.SYSCTLS]
        words = [*WORDS, *numbers, *settings, "", "é", "x" * 300]
        argv = [self.rng.choice(words) for _ in range(self.rng.randrange(6))]
        if self.rng.random() < 0.5:
            argv.insert(min(1, len(argv)), "vnic0")
        faces = [ethtool.command, iplink.command, sysctl.command, stat.command, show_limits]
        self.attempt("face", self.rng.choice(faces), self.host, argv)
        files = [*sysfs.tree(self.host), *procfs.FILES, "/proc/net/none"]
        room = self.rng.choice([sysfs, procfs])
        path = self.rng.choice(files)
        self.attempt("file", room.read, self.host, path)
        self.attempt(
            "file", room.write, self.host, path, self.rng.choice([*numbers, "", "1", "f", "ffffffff,ffffffff"])
        )

    def construct(self, name):
        args, kwargs = self.arguments(name, CLASSES[name])
        if name == "Host" and self.rng.random() < 0.5:
            kwargs[self.rng.choice([*KNOBS]).replace("-", "_")] = self.rng.choice(HOSTILE)
        made = self.attempt(name, CLASSES[name], *args, **kwargs)
        if name != "Wire" and made is not None:
            self.attempt(f"{name}.close", made.close)

    def end(self):
        """Whatever was done: it can be run out, and both laws hold."""
        host = self.host
        host.machine.seam._handlers = [handler] * len(host.machine.seam._handlers)
        host.machine.seam.nic_filter = host.machine.seam.nic_filter and handler
        host.finish()
        assert host.laws() == 0, host.ledger()
        assert host.ledger().closed
        for thing in self.own:
            thing.close()
        if hasattr(self, "opened"):
            self.opened.close()
        self.answering.close()
        host.close()


def tried(tmp_path, seed, work, **knobs):
    world = World(tmp_path, seed, **knobs)
    try:
        work(world)
        world.end()
    except BaseException:
        sys.stdout.write("\n".join(world.log[-40:]))
        raise


@pytest.mark.parametrize("name, member", methods())
def test_each_argument_is_looked_at(tmp_path, name, member):
    """All values, one parameter after the other; the others are right."""

    def work(world):
        if name == "Fault":
            world.things.append(world.host.nic.fault("irq-lost", nth=1_000_000))
        thing = next(t for t in world.things if type(t) is MADE[name] or (name == "Wire" and t is world.host.wire))
        callee = getattr(MADE[name], member)
        for p in parameters(callee):
            for value in hostile(p.name):
                args, kwargs = world.arguments(f"{name}.{member}", callee, hostility=0)
                names = [q.name for q in parameters(callee) if q.kind is not q.KEYWORD_ONLY]
                if p.name in names:
                    args[names.index(p.name)] = value
                else:
                    kwargs[p.name] = value
                world.method(thing, member, args, kwargs)
            world.things = world.things[:20]
        assert world.host.ledger().closed

    tried(tmp_path, 1, work)


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_each_argument_of_what_is_made_is_looked_at(tmp_path, name):
    def work(world):
        cls = CLASSES[name]
        for p in parameters(cls):
            for value in hostile(p.name):
                args, kwargs = world.arguments(name, cls, hostility=0)
                names = [q.name for q in parameters(cls) if q.kind is not q.KEYWORD_ONLY]
                if p.name in names:
                    args[names.index(p.name)] = value
                else:
                    kwargs[p.name] = value
                made = world.attempt(name, cls, *args, **kwargs)
                if name != "Wire" and made is not None:
                    world.attempt(f"{name}.close", made.close)

    tried(tmp_path, 2, work)


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_looks_at_its_value(tmp_path, knob, external):
    """With a driver of the host's own, and without: some knobs are the driver's."""

    def work(world):
        host = vnic.Host(external_driver=external, queues=2, rx_pool=64, sockets=16)
        for knobs in (host.knobs, host.knobs.queue(1)):
            for value in [*HOSTILE, "on", "off", 2, 32]:
                world.attempt(knob, knobs.__setitem__, knob, value)
        host.feed([frames.udp()] * 3)
        host.finish()
        assert host.laws() == 0
        host.close()

    tried(tmp_path, 3, work)


@pytest.mark.parametrize("seed", range(int(os.environ.get("VNIC_HOSTILE_SEEDS", "25"))))
def test_any_calls_in_any_order(tmp_path, seed):
    def work(world):
        for _ in range(150):
            world.step()
            assert world.host.ledger().closed

    tried(tmp_path, seed, work)


def test_no_number_is_a_bool():
    """``kick(True)`` is a mistake, and so is ``rx_usecs=True``; what is on or off takes one."""
    with vnic.Host() as host:
        numbers = [k for k in KNOBS if isinstance(host.knobs[k], int) and not isinstance(host.knobs[k], bool)]
        for knob in numbers:
            with pytest.raises(vnic.ConfigError, match="must be"):
                host.knobs[knob] = True
        assert len(numbers) > 30
