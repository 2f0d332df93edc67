"""Running: what fails is told in packetdrill's notation; commands, code and options are known ones, else refused."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vnic.cli.commands import main
from vnic.packetdrill import ScriptError, parse, run

LISTEN = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""
SERVER = f"""{LISTEN}+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.01 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


@pytest.fixture
def failure(tmp_path):
    """A function: what fails of a script's text; None: nothing."""

    def of(text):
        path = tmp_path / "x.pkt"
        path.write_text(text)
        return run(path).failure

    return of


def test_a_wrong_packet_is_shown_beside_the_right_one(failure):
    got = failure(f"{SERVER}+0 write(4, ..., 100) = 100\n+0 > . 1:201(200) ack 2 win 5\n")
    assert got.line == 9
    assert (
        got.problem
        == "flags P. instead of ., length 100 instead of 200, acknowledgement 1 instead of 2, window 64240 instead of 5"
    )
    assert got.expected == "+0 > . 1:201(200) ack 2 win 5"
    assert got.actual == "+0.000000 > P. 1:101(100) ack 1 win 64240"
    assert str(got).splitlines()[1:] == [f"  script: {got.expected}", f"  actual: {got.actual}"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("+0 > . 1:1(0) ack 1", "the host sent no packet"),
        ("+0 close(4) = 0\n+.1 > F. 1:1(0) ack 1", "0.100000 s too early"),
        ("+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.3 > F. 1:1(0) ack 1", "s too early (tolerance 0.037500 s)"),
        ("+0 close(4) = 1", "another result"),
        ("+0 close(9) = 0", "another result"),
        ("+0 read(4, ..., 10) = 10", "the call waits"),
        ("+0...0.1 read(4, ..., 10) = 10", "did not end in time"),
        ("+0...0.1 read(4, ..., 10) = 10\n+.01 < P. 1:11(10) ack 1 win 9\n+.1 close(4) = 0", "ended at 0.020"),
        ("+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [7], [4]) = 0", "gave [1000], not [7]"),
        ("+0 ioctl(4, SIOCINQ, [7]) = 0", "gave [0], not [7]"),
        ("+0 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 1", "gave revents ['0x0']"),
        ("+0 getpid() = 1", "vnic does not know the system call getpid()"),
        ("+0 close(4, 5) = 0", "close() has 1 arguments, not 2"),
        ("+0 close(WHAT) = 0", "vnic does not know the name WHAT"),
        ("+0 read(4, ..., 999999999) = 0", "at most 67108864 bytes"),
        ("+0 %{ assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd }%", "assertion failed: 10"),
        ("+0 %{ assert nothing }%", "NameError"),
        ("+0 %{ 1 / 0 }%", "ZeroDivisionError"),
        ("+0 %{ import os }%", "vnic runs no Import in a script's code"),
        ("+0 %{ ().__class__ }%", "vnic runs no Attribute"),
        ("+0 %{ 9 ** 9 ** 9 }%", "vnic runs no Pow"),
        ("+0 %{ open('/etc/passwd') }%", "can call abs"),
        ("+0 %{ 'a' * 99999999999 }%", "multiplies only numbers"),
        ("+0 %{ a = }%", "is no Python"),
        ("+0 `rm -rf /`\n+0 close(4) = 0", "does not know the command 'rm -rf /', and gives none to a shell"),
        ("+0 `sysctl -q net.ipv4.tcp_nothing=1`\n+0 close(4) = 0", "sysctl net.ipv4.tcp_nothing='1': "),
        ("+0 `sysctl -q net.ipv4.tcp_sack=x`\n+0 close(4) = 0", "sysctl net.ipv4.tcp_sack='x': Invalid argument"),
        ("+0 `sysctl -q net.ipv4.tcp_rmem='1 x'`\n+0 close(4) = 0", "sysctl net.ipv4.tcp_rmem='1 x': Invalid argument"),
        ("+0 `sysctl -q tcp_sack`\n+0 close(4) = 0", "expected name=value"),
        ("+0 `tc qdisc add dev tun0 root pfifo limit 0`\n+0 close(4) = 0", "does not know the command"),
        ("+0 > icmp unreachable", "checks no outbound ICMP"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_said(failure, line, says):
    got = failure(SERVER + line)
    assert got is not None
    assert says in str(got)
    assert got.line >= 8


def test_commands_set_sysctls(failure):
    syn = "+0 < S 0:0(0) win 9000 <mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7>\n"
    both = f"{LISTEN}{syn}+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>\n"
    script = "`../common/defaults.sh\n sysctl -q net.ipv4.tcp_timestamps=0 > /dev/null 2>&1`\n"
    assert failure(script + both) is None
    assert "options" in failure(both).problem
    assert failure(script.replace("sysctl -q net.ipv4.", "../set_sysctls.py /proc/sys/net/ipv4/") + both) is None


def test_code_keeps_its_names(failure):
    assert (
        failure(f"{SERVER}+0 %{{ a = tcpi_snd_cwnd }}%\n+.1 %{{ assert a == 10 and tcpi_state == TCP_ESTABLISHED }}%\n")
        is None
    )


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--tolerance_usecs=x", "must be a number from 1 to 60000000"),
        ("--what", "vnic does not know the option '--what'"),
        ("--ip_version=ipv6", "vnic runs scripts of ipv4"),
    ],
)
def test_an_option_that_is_not_known_is_refused(failure, option, says):
    with pytest.raises(ScriptError, match=says):
        failure(f"{option}\n{SERVER}")


def test_options_are_obeyed(failure):
    late = "+0 close(4) = 0\n+.012 > F. 1:1(0) ack 1\n"
    assert failure(SERVER + late) is not None
    assert failure(f"--tolerance_usecs=13000\n{SERVER}{late}") is None
    assert failure(f"--mtu=1000\n{SERVER.replace('1460', '960')}") is None
    assert failure(f"--bind_port=99\n--connect_port=7\n{SERVER}") is None


def test_ecn_bits_are_compared_where_they_are_written(failure):
    assert failure(f"{SERVER}+0 close(4) = 0\n+0 > [noecn] F. 1:1(0) ack 1") is None
    assert "ECN bits noecn instead of ect0" in str(failure(f"{SERVER}+0 close(4) = 0\n+0 > [ect0] F. 1:1(0) ack 1"))


# ---- the command ----


def test_the_command_prints_verdicts(tmp_path):
    good, bad = tmp_path / "good.pkt", tmp_path / "bad.pkt"
    good.write_text(SERVER)
    bad.write_text(f"{SERVER}+0 close(4) = 1\n")
    got = CliRunner().invoke(main, ["packetdrill", "--trace", str(good), str(bad)])
    assert got.exit_code == 1
    lines = got.stdout.splitlines()
    assert "0.000000 > S. 0:0(0) ack 1 <mss 1460>" in lines
    assert f"{good}: holds" in lines
    assert f"{bad}: does not hold" in lines
    assert "line 8: the call returned another result" in lines
    assert "1 of 2 scripts do not hold" in got.stderr
    assert CliRunner().invoke(main, ["packetdrill", str(good)]).exit_code == 0


def test_the_command_prints_json(tmp_path):
    bad = tmp_path / "bad.pkt"
    bad.write_text(f"{SERVER}+0 close(4) = 1\n")
    got = json.loads(CliRunner().invoke(main, ["packetdrill", "--json", str(bad)]).stdout)
    assert got["passed"] == 0
    assert got["scripts"][0]["failure"] == {
        "line": 8, "problem": "the call returned another result", "expected": "close(4) = 1", "actual": "close(4) = 0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "says"), [(b"\xff", "no UTF-8"), (b"what", "line 1, column 1: expected a time"), (None, "No such file")]
)
def test_a_script_that_cannot_be_read_is_said(tmp_path, raw, says):
    path = tmp_path / "x.pkt"
    if raw is not None:
        path.write_bytes(raw)
    got = CliRunner().invoke(main, ["packetdrill", str(path)])
    assert got.exit_code == 2
    assert says in got.stderr


# ---- any script ends ----

LINES = st.sampled_from(
    [
        *SERVER.splitlines(), "+0 close(4) = 0", "+0 close(3) = 0", "+.1 read(4, ..., 10) = 0",
        "+0 write(4, ..., 9000) = 9",
        "+.1 < R. 1:1(0) ack 1", "+0 < F. 1:1(0) ack 1", "+0 < P. 1:3001(3000) ack 1 win 9",
        "+0 < 1 > 2 S 5:5(0) <mss 0>",
        "+0 < icmp unreachable frag_needed mtu 0 [1:1(0)]", "+1 < . 4294967295:0(1) ack 4294967295 <sack 1:2 3:4>",
        "+0...1 write(4, ..., 90000) = 9", "* > . 1:1(0) ack 1", "+0 shutdown(4, SHUT_RDWR) = 0", "+0 listen(4, 1) = 0",
        "+0 connect(4, ..., ...) = 0", "+0 socket(..., SOCK_STREAM, 0) = 4", "+0 setsockopt(4, SOL_TCP, 1, 7, 4) = 0",
        "+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, [8]) = 0", "+0 accept(3, ..., ...) = 4",
        "+0 poll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}], 2, 100) = 0", "+0 bind(4, ..., ...) = 0",
        "+0 ioctl(4, SIOCOUTQ, [0]) = 0", "+0 ioctl(3, SIOCINQ, [0]) = 0", "+0 %{ assert tcpi_state }%",
        '+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0', "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0",
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(LINES, max_size=6))
def test_any_script_has_a_verdict(tmp_path, lines):
    text = SERVER + "\n".join(lines) + "\n"
    assert parse(text)
    path = tmp_path / "x.pkt"
    path.write_text(text)
    result = run(path)
    assert result.passed or result.failure.problem
