"""Whatever is typed: one sentence and an exit code, no traceback, nothing left behind.

The command tree is looked through, so a command or an option that is new is typed at too: random words and numbers,
names, paths to things that are no files, environment variables, TOML. A run that begins is short.
HYPOTHESIS_PROFILE=long types more.
"""

import contextlib
import os
import socket
import string
from itertools import chain
from pathlib import Path

import click
import frames
import pytest
from captures import pcap_each_second
from click.testing import CliRunner
from commands import BY_NAME
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from needs import why_no_root

import vnic
from vnic.cli import instance as cli_control
from vnic.cli.commands import main
from vnic.cli.words import ALIASES, MEANT, HostCommand
from vnic.control.server import Control, commands
from vnic.knobs.parse import number
from vnic.knobs.table import KNOBS
from vnic.tap import privileges as capabilities

COMMANDS = sorted(BY_NAME)
PASSED_ON = {"ethtool", "ip", "sysctl", "show", "set"}
"""What they are given goes to an instance, and what is printed is the tool's."""
ALWAYS = {
    "run": ["--duration", "0.02"],
    "vhost": ["--duration", "0.02"],
    "send": ["--duration", "0.02"],
    "capture": ["--duration", "0.02"],
    "why": ["--runs", "1"],
    "calibrate": ["--rounds", "1", "--wait", "0"],
    "validate": ["--rates", "1000", "--repetitions", "1", "--wait", "0"],
}
"""At the end, where the last one counts: a line takes no longer."""
SHARE = {"run": 0.4, "vhost": 0.5, "send": 0.5, "setup": 0.5, "doctor": 0.3, "calibrate": 0.05, "validate": 0.05}
"""Of the examples, where one takes long."""

NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(0, 70000).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["9" * 20, "9" * 5000, "-1", "1e999", "nan", "-inf", "1_000", "٣", "0x10", "+5", "010", " 7", "4294967295"]
    ),
)
WORDS = st.one_of(
    NUMBERS,
    st.text(max_size=20).filter(lambda text: "\0" not in text),
    st.binary(max_size=8).map(os.fsdecode).filter(lambda text: "\0" not in text),
    st.sampled_from(
        [
            "",
            "-",
            "--",
            "%d",
            "x%d",
            "any",
            "on",
            "off",
            "true",
            "max",
            "inf",
            "a" * 300,
            "\x1b[2J",
            "\ud800"[:0],
            "é",
            "a=b",
        ]
    ),
    st.sampled_from(
        ["10.0.0.2", "10.0.0.2/24", "10.0.0.300", "fd00::2/64", "::ffff:1.2.3.4/96", "fe80::1%lo", "0.0.0.0/0"]
    ),
    st.sampled_from(["lo", "vnic0", "wt0", "x/y", "..", "a b", "02:00:00:00:00:01", "gro", "rx-usecs=5", "hz=3"]),
)
"""What is typed where nobody knows better."""


def few(command=""):
    return settings(
        max_examples=max(5, int(settings.default.max_examples * SHARE.get(command, 1))),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with all kinds of things in it, which is where lines are typed."""
    at = tmp_path_factory.mktemp("hostile")
    (at / "a.pcap").write_bytes(pcap_each_second([frames.udp(sport=n) for n in range(3)]))
    (at / "text").write_text("no capture")
    (at / "empty").write_bytes(b"")
    (at / "report.json").write_text('{"schema": "vnic.replay/1", "config": {}}')
    (at / "good.toml").write_text("rx-usecs = 5\n")
    (at / "directory").mkdir()
    (at / "link").symlink_to("text")
    (at / "dangling").symlink_to("nowhere")
    os.mkfifo(at / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(at / "socket"))
        yield at


PATHS = (
    "a.pcap",
    "text",
    "empty",
    "report.json",
    "good.toml",
    "directory",
    "link",
    "dangling",
    "fifo",
    "socket",
    "new",
)
PATHS += (
    "directory/new",
    "text/x",
    "",
    "-",
    "/dev/null",
    "/dev/full",
    "/dev/null/x",
    "/dev/fd/99",
    "n" * 300,
    "\udcff",
)


@pytest.fixture
def typed(place, monkeypatch, request):
    """Type a line. Return: click's result. As root in a network namespace of the test's own, and privileges stay."""
    root = why_no_root() is None
    if root:
        request.getfixturevalue("netns")
    runtime = place / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.chdir(place)
    monkeypatch.setattr(capabilities, "drop", lambda: None)

    class Clock:
        monotonic = staticmethod(__import__("time").monotonic)

        @staticmethod
        def sleep(_seconds):  # vnic stat, and a replay that stays: Ctrl-C is what ends them
            raise KeyboardInterrupt

    monkeypatch.setattr(cli_control, "time", Clock)

    def type_(*argv, env=None):
        (place / "text").write_text("no capture")
        before = interfaces() if root else set()
        with stdout_elsewhere():
            result = CliRunner().invoke(main, list(argv), env=env or {}, prog_name="vnic")
        new = interfaces() - before if root else set()
        for name in new:
            CliRunner().invoke(main, ["setup", name, "--delete"])
        assert not new or (argv[0] == "setup" and result.exit_code == 0), f"{new} stayed"
        assert argv[0] not in ("run", "replay") or not list((runtime / "vnic").glob("*"))
        assert (place / "link").readlink() == Path("text")
        assert not (place / "nowhere").exists()
        return result

    return type_


def interfaces():
    return {p.name for p in Path("/sys/class/net").iterdir()}


@contextlib.contextmanager
def stdout_elsewhere():
    """Captures written to "-" go nowhere."""
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def judge(result, *, passed_on=False):
    """One sentence, or a tool's own words, or click's usage; and a code that docs say."""
    said = result.stdout + result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in said
    assert "a bug in vnic" not in said, said
    if passed_on:
        return
    assert result.exit_code in (0, 1, 2, 3)
    lines = result.stderr.splitlines()
    if result.exit_code == 0:
        return
    if lines and lines[0].startswith("Usage: "):
        assert result.exit_code == 2
        return
    if lines == ["", "Aborted!"]:  # sleep() above, in vnic stat 1 9: the command itself ends by SIGINT
        return
    assert result.exit_code == 3 or lines
    assert len(lines) <= 2, lines
    assert all(line.startswith(("vnic: ", "0 packets")) for line in lines), lines


def is_path(param):
    text = f"{param.name} {param.metavar}".lower()
    return any(word in text for word in ("file", "write", "output", ".toml", "netns"))


def fitting(param):
    """What an option or an argument takes, so that a line gets further than to its first word that is wrong."""
    if isinstance(param.type, click.Choice):
        return st.sampled_from([str(c) for c in param.type.choices])
    if is_path(param):
        return st.sampled_from(
            {
                "files": ["a.pcap"],
                "read": ["a.pcap"],
                "file": ["a.pcap"],
                "config": ["good.toml"],
                "netns": [f"/proc/{os.getpid()}/ns/net"],
            }.get(param.name, ["new"])
        )
    if isinstance(param.type, (click.types.IntParamType, click.types.FloatParamType)):
        low, high = getattr(param.type, "min", 0) or 0, getattr(param.type, "max", 9) or 9
        return st.integers(int(low) + 1, max(int(low) + 1, min(int(high), 40))).map(str)
    if (knob := KNOBS.get((param.name or "").replace("_", "-"))) is not None:
        return st.sampled_from(["0", "1", "16", "256", "any", "f"] + [str(knob.default)] * (knob.default is not None))
    return {
        "ip": st.sampled_from(["any", "10.0.0.2/24", "fd00::2", "10.0.0.9"]),
        "host_ip": st.sampled_from(["10.0.0.1/24", "fd00::1"]),
        "gateway": st.sampled_from(["10.0.0.1", "10.1.0.1", "fd00::1"]),
        "tap": st.just("ht0"),
        "dev": st.just("lo"),
        "name": st.just("ht0"),
        "user": st.sampled_from(["root", "4294967294", "5"]),
        "group": st.sampled_from(["root", "4294967294"]),
        "speed": st.sampled_from(["max", "2"]),
        "sets": st.sampled_from(["hz=1000", "gro=off", "sockets=16", "rcvbuf=1M", "rps-cpus=0-3"]),
        "sysctls": st.sampled_from(["net.core.rmem_max=64k", "net/core/netdev_budget=5", "vm.swappiness=1"]),
        "start": st.sampled_from(["0.5", "200ms", "1970-01-01T00:00:01Z", "@1"]),
        "stop": st.sampled_from(["1.5", "2s", "1970-01-01T00:00:02Z", "2026-11-29"]),
        "interface": st.sampled_from(["lo", "ht0"]),
        "names": st.sampled_from([*KNOBS, "net.core.rmem_max"]),
        "words": st.sampled_from(COMMANDS),
        "pin": st.sampled_from(["auto", "0"]),
        "expression": st.sampled_from(["udp", "6,40 0 0 12"]),
    }.get(param.name or "", st.just("x"))


def values(param):
    """What can be typed behind an option, or for an argument: mostly what fits, else anything."""
    return st.one_of(*[fitting(param)] * 8, hostile(param))


def hostile(param):
    """What does not fit, or hardly."""
    if isinstance(param.type, click.Choice):
        return st.sampled_from([str(c) for c in param.type.choices]) | WORDS
    if is_path(param):
        captures = param.name in ("file", "files", "read")
        return st.sampled_from(
            [p for p in PATHS if not captures or p not in ("fifo", "-")]
        )  # a capture that is a FIFO: tests of the wire
    fit = [WORDS]
    if isinstance(param.type, (click.types.IntParamType, click.types.FloatParamType)):
        low, high = getattr(param.type, "min", 0) or 0, getattr(param.type, "max", 9) or 9
        fit = [st.sampled_from([str(n) for n in (low - 1, low, low + 1, high, high + 1)]), NUMBERS, WORDS]
    elif param.name and (knob := KNOBS.get(param.name.replace("_", "-"))) is not None:
        fit += [NUMBERS, st.just(str(knob.default))]
    return st.one_of(*fit)


def option(param):
    """The words of one option."""
    name = st.sampled_from([*param.opts, *param.secondary_opts])
    if param.is_flag:
        return name.map(lambda n: [n])
    return st.tuples(name, values(param)).map(list) | st.tuples(name, values(param)).map(
        lambda nv: [f"{nv[0]}={nv[1]}"]
    )


def line(command):
    """What is typed behind a command's name."""
    if command.name in PASSED_ON:
        return st.lists(TOOL_WORDS, max_size=8)
    where = st.sampled_from([[], ["--tap", "ht0"], ["--dev", "lo"]] if command.name == "send" else [[]])
    options = [p for p in command.params if (isinstance(p, click.Option) and not p.is_eager) or p.name == "config"]
    knob_words = [KNOB_WORDS.map(list)] if isinstance(command, HostCommand) else []
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    parts = (
        [st.lists(st.one_of(*map(option, options), *knob_words), max_size=4).map(lambda some: list(chain(*some)))]
        if options
        else []
    )
    parts += [values(p).map(lambda v: [v]) if p.required else st.lists(values(p), max_size=1) for p in arguments]
    parts += [st.one_of(*[st.just([])] * 9, st.lists(WORDS, max_size=1))]
    return st.tuples(where, *parts).map(lambda words: list(chain(*words)))


KNOB_WORDS = st.one_of(
    st.tuples(
        st.sampled_from(sorted(KNOBS)).map("--{}".format), WORDS | st.sampled_from(["64k", "2ms", "0-3,8", "on"])
    ),
    st.tuples(st.sampled_from(["--gro", "--promisc", "--strict-csum", "--rx"]), st.sampled_from(["on", "off", "5"])),
    st.tuples(st.sampled_from([f"--no-{name}" for name in KNOBS])),
)
"""Knobs without an option of their own, and values behind flags."""

VOCABULARY = """
-i -g -G -l -L -c -C -k -K -x -X -n -N -S -Q -s -j -p -o -br -w -a -r --json --on --coalesce link
show set dev up down mtu address promisc on off gro_max_size rx tx combined rx-usecs rx-frames
adaptive-rx gro equal weight default hkey hfunc start context rx-flow-hash udp4 tcp4 sdfn queue_mask
0x1 net.core.netdev_budget net.core.netdev_max_backlog=5 /proc/net/dev /sys/class/net/vnic0/mtu
limits /sys/class/net/vnic0/queues/rx-0/rps_cpus
"""
TOOL_WORDS = st.one_of(
    st.sampled_from(VOCABULARY.split()),
    st.just("vnic0"),
    WORDS,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in PASSED_ON])
def test_any_line(typed, name):
    command = BY_NAME[name]

    @few(name)
    @given(line(command))
    def lines(words):
        judge(typed(name, *words, *ALWAYS.get(name, [])))

    lines()


FIRST = st.one_of(
    WORDS,
    st.sampled_from([p for p in PATHS if p not in ("fifo", "-")]),
    st.sampled_from([*ALIASES, *(word for words in MEANT.values() for word in words), "stop", "-V", "-r", "-q"]),
    st.sampled_from(sorted(KNOBS)).map("--{}".format),
)


@pytest.mark.slow
def test_any_first_word(typed):
    """A file, another tool's command, a knob, or nothing that vnic knows."""

    @few()
    @given(FIRST, st.lists(FIRST, max_size=3))
    @example("a.pcap", ["-q", "--gro", "off"])
    @example("-r", ["a.pcap"])
    def lines(first, rest):
        if first not in COMMANDS:
            judge(typed(first, *rest))

    lines()


@pytest.mark.slow
def test_the_environment(typed):
    """VNIC_REPLAY_CPUS=..., and what a terminal says of itself."""
    names = [f"VNIC_REPLAY_{p.name.upper()}" for p in BY_NAME["replay"].params if p.name not in ("config", "files")]
    text = WORDS.filter(lambda t: t.isprintable()) | st.sampled_from(["²", "0", "1", "-5", "99999999999", "1e3"])
    other = [
        "COLUMNS",
        "LINES",
        "TERM",
        "FORCE_COLOR",
        "NO_COLOR",
        "SUDO_UID",
        "VNIC_REPLAY_WRITE_",
        "PYTHONIOENCODING",
    ]
    writes = {n for n in names if n.endswith("_WRITE")}

    @few()
    @given(st.dictionaries(st.sampled_from([n for n in names if n not in writes] + other), text, max_size=3))
    @example({"COLUMNS": "²"})
    def environments(env):
        judge(typed("replay", "a.pcap", env=env))

    environments()


# ---- TOML ----

SCALARS = st.one_of(
    st.sampled_from(["true", "false", "nan", "-inf", "1e999", "1979-05-27T07:32:00Z", "07:32:00", "1979-05-27", '""']),
    st.sampled_from(
        ["9" * 19, "9" * 4301, "0x" + "f" * 30, "[]", "{}", "[[1]]", '["a", 1]', "{a = 1}", '"a\\u0000b"', "'any'"]
    ),
    st.integers(-5, 70000).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.text(string.ascii_letters + string.digits + ".:/ %", max_size=12).map(lambda t: f'"{t}"'),
    st.lists(st.integers(-1, 99).map(str) | st.sampled_from(['"10.0.0.2/24"', "true"]), max_size=3).map(
        lambda items: f"[{', '.join(items)}]"
    ),
)
KEYS = st.one_of(
    st.sampled_from(
        [p.name for c in ("run", "replay") for p in BY_NAME[c].params if p.name not in ("write", "tap", "files")]
    ),
    st.sampled_from(sorted(KNOBS)),
    st.sampled_from(
        ["queue.0", "queue.0.rx-usecs", "queue.999999999999", "queue.x", "net.core.netdev_budget", "a.b.c.d", '""']
    ),
    st.sampled_from(["queue", "run", "replay", "config", "sets", "help", "version", '"\\u0000"', '"a b"']),
)
TABLES = st.sampled_from(
    ["[queue.1]", "[run]", "[replay]", "[net.core]", "[[run]]", "[queue.00000000001]", "[queue.99]", "[x]"]
)
TOML = st.lists(st.tuples(KEYS, SCALARS).map(" = ".join) | TABLES, max_size=5).map("\n".join)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["replay", "run"])
def test_any_file(typed, place, name):
    @few(name)
    @given(TOML.map(str.encode) | st.binary(max_size=40))
    @example(b"a" + b".a" * 900 + b" = 1")
    @example(b"a" + b".a" * 5000 + b" = 1")
    @example(b"cpus = " + b"9" * 4301)
    @example(b"[queue." + b"9" * 5000 + b"]\nrps-cpus = 'c'")
    @example(b"cpus = 1979-05-27T07:32:00Z")
    @example(b"\xef\xbb\xbfcpus = 1")
    @example(b"cpus = 1\0")
    @example(b"rx-usecs = true")
    @example(b"cpus = true")
    def files(text):
        (place / "some.toml").write_bytes(text)
        tail = ["a.pcap"] if name == "replay" else ["--tap", "ht0", *ALWAYS["run"]]
        judge(typed(name, "--config", "some.toml", *tail))

    files()


def test_a_boolean_is_no_number(place):
    for text in ("cpus = true", "rx-usecs = true", "[queue.0]\nrx-frames = false", "gro = 5", "json = 1"):
        (place / "some.toml").write_text(text)
        result = CliRunner().invoke(main, ["replay", str(place / "a.pcap"), "--config", str(place / "some.toml")])
        assert (result.exit_code, result.stdout) == (2, ""), text
    for wrong in (
        {"cpus": True},
        {"rx_usecs": True},
        {"seed": False},
        {"speed": True},
        {"link": True},
        {"rps_cpus": True},
    ):
        with pytest.raises(vnic.ConfigError, match="must be"):
            vnic.Host(**wrong)
    with vnic.Host(cost="zero") as host, pytest.raises(vnic.ConfigError, match="rx-usecs=True: must be a whole number"):
        host.knobs.rx_usecs = True


def things(*scalars):
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), NUMBERS, *scalars),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    )


THINGS, JSON_THINGS = things(st.binary(max_size=9)), things()


@given(st.sampled_from(sorted(KNOBS)), THINGS)
@example("cost", [])
@example("speed", [1])
@example("speed", 10**400)
@example("link", [1])
@example("rss-indir", {"a": 1})
@example("rx-usecs", 10**5000)
def test_a_knob_takes_it_or_is_a_config_error(name, value):
    with contextlib.suppress(vnic.ConfigError):
        vnic.knobs.table.read(name, value)


@pytest.mark.parametrize("text", ["1_0", "٣", "", "1.0", "0x", "9" * 200, "--1", "true", "1 2"])
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match="must be a whole number"):
        number(text)


# ---- what an instance answers ----


@pytest.fixture(scope="module")
def finished(place):
    """A host whose replay is over, as of ``vnic replay --hold``."""
    with vnic.Host(wire=vnic.CaptureWire([place / "a.pcap"]), queues=2, sink=True) as host:
        host.finish()
        yield host


@pytest.mark.parametrize("name", sorted(commands.COMMANDS))
def test_an_instance_answers_any_words(finished, name):
    @few()
    @given(st.lists(TOOL_WORDS, max_size=8))
    @example(["/proc/sys/net/core/gro_normal_batch", "9" * 4301])
    @example(["/sys/class/net/vnic0/mtu", "9" * 4301])
    @example(["link", "set", "vnic0", "mtu", "9" * 4301])
    @example(["-C", "vnic0", "rx-usecs", "9" * 4301])
    @example(["-Q", "vnic0", "queue_mask", "9" * 4301, "-c"])
    def words(argv):
        reply = commands.answer(finished, name, argv)
        assert reply.code != 70
        assert isinstance(reply.out + reply.err, str)

    words()


@pytest.mark.parametrize("name", sorted(PASSED_ON))
def test_any_words_for_an_instance(typed, finished, name):
    with Control(finished, facts=dict):

        @few()
        @given(line(BY_NAME[name]).filter(lambda words: "--export" not in words))
        def words(argv):
            judge(typed(name, *argv), passed_on=True)

        words()


ANSWERS = [
    b"[]\n",
    b"{}\n",
    b"null\n",
    b"nonsense\n",
    b"\xff\xfe\n",
    b"[" * 100_000 + b"\n",
    b'{"out": 1, "err": "", "code": 0, "data": null}\n',
    b'{"out": "", "err": "", "code": true, "data": null}\n',
    b'{"out": "", "err": "", "code": 300, "data": null}\n',
    b'{"out": "\\ud800", "err": "", "code": 0, "data": null}\n',
    b'{"out": "", "err": "", "code": 0, "data": 5}\n',
    b'{"out": "", "err": "", "code": 0, "data": ["/../x", "/a//b", "/"]}\n',
    b'{"out": "", "err": "", "code": 0, "data": {"t_ns": "x"}}\n',
    b'{"out": "", "err": "", "code": ' + b"9" * 5000 + b"}\n",
    b"",
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
@pytest.mark.parametrize(
    "words",
    [
        "show /proc/net/dev",
        "show --export copy",
        "ethtool -i vnic0",
        "stat 1 1",
        "capture -w new --duration 0.1",
        "why",
    ],
)
def test_an_instance_that_answers_nonsense(typed, place, monkeypatch, answer, words):
    """It may be somebody else's program, or another version."""
    import threading

    runtime = place / "runtime/vnic"
    runtime.mkdir(mode=0o700, exist_ok=True)
    path = runtime / f"evil-{os.getpid()}"
    path.unlink(missing_ok=True)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                c, _ = s.accept()
                with c:
                    c.settimeout(5)
                    while c.recv(1 << 16):
                        if not answer:
                            break
                        c.sendall(answer)

    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen(5)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            result = typed(*words.split())
        finally:
            s.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            path.unlink()
    judge(result, passed_on=words.startswith(("show /", "ethtool", "why")))
    assert not (place / "x").exists()


def test_an_instance_that_says_nothing_is_not_waited_for_longer_than_that(typed, place, monkeypatch):
    """However slowly its bytes come: the time is for the whole answer."""
    import threading

    from vnic.control import client

    monkeypatch.setattr(client, "_ANSWER_S", 0.3)
    a, b = socket.socketpair(socket.AF_UNIX)
    over = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                b.send(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    connection = client.Connection.__new__(client.Connection)
    connection._sock, connection._path = a, Path("slow")
    try:
        with pytest.raises(vnic.VnicError, match="slow: the instance does not answer"):
            connection.ask("show", seconds=0.3)
    finally:
        over.set()
        thread.join(20)
        a.close()
        b.close()


# ---- reports ----


def damaged(report):
    """A report with something else in one place."""
    paths = []

    def walk(value, at):
        paths.append(at)
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, v in items:
            walk(v, (*at, key))

    walk(report, ())
    return st.tuples(st.sampled_from(paths), JSON_THINGS)


def replaced(value, at, new):
    if not at:
        return new
    head, *rest = at
    if isinstance(value, list):
        return [replaced(v, rest, new) if i == head else v for i, v in enumerate(value)]
    return {k: replaced(v, rest, new) if k == head else v for k, v in value.items()}


def test_why_takes_any_report(typed, place):
    import json

    report = json.loads(CliRunner().invoke(main, ["replay", str(place / "a.pcap"), "--json", "--rx-ring", "16"]).stdout)

    @few()
    @given(damaged(report))
    @example((("config",), {"wire": "x"}))
    @example((("config",), {"live": True}))
    @example((("config", "cpus"), 10**9))
    def reports(change):
        (place / "some.json").write_text(json.dumps(replaced(report, *change)))
        judge(typed("why", "some.json", "--runs", "1"))

    reports()


# ---- the words of what is refused ----


def test_a_sentence_is_one_line_whatever_was_given(typed):
    result = typed("replay", "a.pcap", "--set", "hz=\x1b[2J\nvnic: all good")
    assert result.exit_code == 2
    assert result.stderr == "vnic: hz=\\x1b[2J\\nvnic: all good: must be a whole number\n"


def test_every_number_has_a_highest_one():
    """Whatever is beyond it overflows somewhere: in C, in a sleep, in a list."""
    for command in BY_NAME.values():
        for param in command.params:
            if isinstance(param.type, (click.types.IntParamType)):
                assert getattr(param.type, "max", None) is not None, f"{command.name} {param.name}"


def test_a_bug_is_said_too(monkeypatch):
    def bug(*_args, **_kwargs):
        raise AssertionError("two\nlines")

    monkeypatch.setattr("vnic.control.client.instances", bug)
    result = CliRunner().invoke(main, ["ls"])
    assert (result.exit_code, result.stdout) == (70, "")
    assert result.stderr == "vnic: a bug in vnic: AssertionError: two\\nlines (VNIC_TRACEBACK=1 shows where)\n"
    result = CliRunner().invoke(main, ["ls"], env={"VNIC_TRACEBACK": "1"})
    assert isinstance(result.exception, AssertionError)
