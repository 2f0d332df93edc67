"""A TAB in real shells: commands, options, knobs and their values, and what a running instance has."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import needs
import pytest
from commands import invoke
from paths import CAPTURES

import vnic
from vnic.control.server import Control
from vnic.knobs.parse import flag
from vnic.knobs.table import KNOBS

pytestmark = pytest.mark.slow  # each TAB starts vnic, and most start a shell


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with ``vnic`` in its PATH, and a runtime directory of its own."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/vnic"
    code = "import sys; sys.argv[0] = 'vnic'; from vnic._command import main; main()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def instance(home):
    with vnic.Host(wire=vnic.CaptureWire([CAPTURES / "demo.pcapng"])) as host:
        host.finish()
        host.name = "it0"
        with Control(host):
            yield host


def tab(line):
    """What bash is offered at the end of this line, by the function that the script defines."""
    script = "source <(vnic completion bash); COMP_LINE=$1; COMP_POINT=${#1}; _vnic_completion vnic\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", line], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vnic rep", ["replay", "report"]),
        ("vnic s", ["sweep", "send", "setup", "stat", "show", "set", "sysctl"]),
        ("vnic replay --rx-u", ["--rx-usecs"]),
        ("vnic replay --set rx-usecs", ["rx-usecs=", "rx-usecs-irq="]),
        ("vnic replay --set rx_usecs_", ["rx-usecs-irq="]),
        ("vnic replay --set gro=", ["on", "off"]),
        ("vnic replay --set=gro=o", ["on", "off"]),
        ("vnic replay --set=rss-x", ["rss-xfrm="]),
        ("vnic replay --set cost=z", ["zero"]),
        ("vnic why --cost ze", ["zero"]),
        ("vnic replay --cost=ze", ["zero"]),
        ("vnic replay --at s", ["stack"]),
        ("vnic replay --set no-such-knob=", []),
        ("vnic completion ", ["bash", "zsh", "fish"]),
        ("vnic show --on ", []),
        ("vnic replay 'unclosed --", []),
    ],
)
@pytest.mark.usefixtures("home")
def test_bash_is_offered(line, offered):
    assert tab(line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vnic show --on ", ["it0"]),
        ("vnic show --on=i", ["it0"]),
        (f"vnic show --on {str(os.getpid())[0]}", [str(os.getpid())]),
        ("vnic stat --on i", ["it0"]),
        ("vnic show /", ["/proc/", "/sys/"]),
        ("vnic show --on it0 /proc/net/softnet_", ["/proc/net/softnet_stat"]),
        ("vnic set /proc/sys/net/core/netdev_budget", [f"/proc/sys/net/core/netdev_budget{x}" for x in ("", "_usecs")]),
        ("vnic set /proc/sys/net/core/netdev_budget ", []),
        ("vnic show lim", ["limits"]),
        ("vnic sysctl net.core.netdev_b", ["net.core.netdev_budget", "net.core.netdev_budget_usecs"]),
        ("vnic ethtool --show-r", ["--show-ring", "--show-rxfh-indir", "--show-rxfh"]),
        ("vnic ethtool -C ", ["it0"]),
        ("vnic ethtool -C it0 rx-u", ["rx-usecs", "rx-usecs-irq"]),
        ("vnic ethtool -G it0 ", ["rx", "tx", "rx-buf-len"]),
        ("vnic ethtool -L it0 c", ["combined"]),
        ("vnic ethtool -K it0 generic-r", ["generic-receive-offload"]),
        ("vnic ethtool -K it0 gro ", ["on", "off"]),
        ("vnic ip ne", ["neigh"]),
    ],
)
@pytest.mark.usefixtures("instance")
def test_bash_is_offered_what_an_instance_has(line, offered):
    assert tab(line) == offered


@pytest.mark.usefixtures("home")
def test_without_an_instance_ethtools_options_are_offered_too():
    assert tab("vnic ethtool --show-r") == ["--show-ring", "--show-rxfh-indir", "--show-rxfh"]


@pytest.mark.parametrize("name", KNOBS)
def test_every_word_that_is_offered_is_a_value_of_its_knob(name):
    knob = KNOBS[name]
    for word in ("on", "off") if knob.parse is flag else knob.words:
        knob.parse(word)


class Terminal:
    """An interactive shell on a terminal."""

    def __init__(self, *argv):
        pid, self.fd = pty.fork()
        if not pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 400, 0, 0))
            os.execvp(argv[0], argv)
        self.pid, self.seen = pid, ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def reads(self, expected, seconds=30):
        """Wait until the shell has printed this since the last time."""
        until = time.monotonic() + seconds
        while expected not in self.seen:
            if not select.select([self.fd], [], [], max(0.0, until - time.monotonic()))[0]:
                return False
            self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = self.seen.partition(expected)[2]
        return True

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(monkeypatch):
    made = []
    monkeypatch.setenv("TERM", "dumb")

    def start(*argv):
        made.append(Terminal(*argv))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.usefixtures("instance")
def test_a_tab_in_bash(terminal, home):
    (home / "some capture.pcap").touch()
    shell = terminal("bash", "--norc", "--noprofile", "-i")
    shell.type("PS1='> '; source <(vnic completion bash); echo rea''dy\n")
    assert shell.reads("ready")
    for typed, completed in [
        ("echo vn''ic; vnic repl", "vnic replay "),
        ("--set rx-usecs-i", "rx-usecs-irq="),
        ("5 --set ntuple-r", "ntuple-rules="),
        ("x --cost=ze", "--cost=zero "),
        ("some", "some\\ capture.pcap "),
        ("\x15vnic set /proc/sys/net/core/netdev_max", "netdev_max_backlog "),
    ]:
        shell.type(f"{typed}\t")
        assert shell.reads(completed), (typed, shell.seen)


@pytest.mark.usefixtures("instance")
@pytest.mark.needs("zsh")
def test_a_tab_in_zsh(terminal):
    shell = terminal("zsh", "-f", "-i")
    shell.type("PS1='> '; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; ")
    shell.type("source <(vnic completion zsh); echo rea''dy\n")
    assert shell.reads("ready")
    for typed, completed in [
        ("vnic repl", "replay "),
        ("--set rx-usecs-i", "irq="),
        ("5 --cost=ze", "zero"),
        (" --set=busy-poll-b", "budget="),
        ("\x15vnic set /proc/sys/net/core/netdev_max", "backlog"),
        ("\x15vnic sysctl net.core.netdev_max", "backlog"),
    ]:
        shell.seen = ""
        shell.type(f"{typed}\t")
        assert shell.reads(completed), (typed, shell.seen)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vnic repl", ["replay"]),
        ("vnic replay --set rx-usecs-i", ["rx-usecs-irq="]),
        ("vnic replay --set gro=", ["gro=on", "gro=off"]),
        ("vnic replay --set=gro=", ["--set=gro=on", "--set=gro=off"]),
        ("vnic show /proc/net/softnet_", ["/proc/net/softnet_stat"]),
        ("vnic ethtool -C it0 rx-u", ["rx-usecs", "rx-usecs-irq"]),
    ],
)
@pytest.mark.usefixtures("instance")
@pytest.mark.needs("fish")
def test_a_tab_in_fish(line, offered):
    done = needs.run(
        "fish", "-N", "-c", f"vnic completion fish | source; complete -C '{line}'", capture_output=True, text=True
    )
    assert sorted(row.partition("\t")[0] for row in done.stdout.splitlines()) == sorted(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_takes_its_script(shell, tmp_path):
    if shell != "bash":
        needs.require(shell)
    script = tmp_path / "script"
    script.write_text(invoke("completion", shell).stdout)
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shell_that_is_not_known_is_one_sentence():
    result = invoke("completion", "tcsh")
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
