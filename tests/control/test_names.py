"""Short names of ``vnic show`` and ``vnic set``, and what the tools answer without an instance."""

import json

import pytest
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.cli.config_file import load
from vnic.control import commands, names, show
from vnic.errors import ConfigError
from vnic.knobs.table import KNOBS, read


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("softnet_stat", "/proc/net/softnet_stat"),
        ("snmp", "/proc/net/snmp"),
        ("interrupts", "/proc/interrupts"),
        ("net.core.netdev_budget", "/proc/sys/net/core/netdev_budget"),
        ("net/core/netdev_budget", None),
        ("tcp_mem", "/proc/sys/net/ipv4/tcp_mem"),
        ("net.ipv4.conf.vnic0.rp_filter", "/proc/sys/net/ipv4/conf/vnic0/rp_filter"),
        ("operstate", "/sys/class/net/vnic0/operstate"),
        ("proc/net/dev", "/proc/net/dev"),
        ("nothing", None),
    ],
)
def test_a_short_name_is_a_file(host, word, path):
    h = host()
    assert names.path(h, show.tree(h), word) == path
    if path:
        assert show.show(h, [word]) == show.Reply(show.tree(h)[path].read(h), data={word: show.tree(h)[path].read(h)})


def test_a_file_with_an_effect_comes_before_those_without(host):
    h = host()
    there = show.tree(h)
    assert sum(path.endswith("/mtu") for path in there) > 1
    assert names.path(h, there, "mtu") == "/sys/class/net/vnic0/mtu"


def test_a_name_of_several_files_is_refused_with_their_paths(host):
    h = host()
    reply = show.show(h, ["rp_filter"])
    assert (reply.out, reply.code) == ("", 1)
    conf = "/proc/sys/net/ipv4/conf"
    assert reply.err == (
        f"vnic show: 'rp_filter' is the name of several files: {conf}/all/rp_filter, {conf}/default/rp_filter, "
        f"{conf}/vnic0/rp_filter\n"
    )
    assert show.set_(h, ["rp_filter", "1"]).code == 2


@pytest.mark.parametrize("word", ["rx-usecs", "rx_usecs", "netdev_budget", "rps_cpus", "queue.1.rps-cpus", "rmem_max"])
def test_a_knob_is_shown_and_set(host, word):
    h = host(queues=2, cpus=4)
    assert show.set_(h, [word, "3000" if word == "rmem_max" else "7"]) == show.Reply()
    settings, name = names.knob(h, word)
    assert settings[name] == (3000 if word == "rmem_max" else 7)
    assert show.show(h, [word]).out == ("3000\n" if word == "rmem_max" else "7\n")
    if "queue" in word:
        assert h.knobs.queue(0)["rps-cpus"] == 0


def test_set_understands_a_sysctl_and_name_equals_value(host):
    h = host()
    assert show.set_(h, ["net.core.netdev_budget", "600"]) == show.Reply()
    assert h.knobs["netdev-budget"] == 600
    assert show.set_(h, ["rx-usecs=50"]) == show.Reply()
    assert show.set_(h, ["threaded", "on"]) == show.Reply()
    assert (h.knobs["rx-usecs"], h.knobs["threaded"]) == (50, True)
    kept = show.set_(h, ["tcp_mem", "1", "2", "3"])
    assert (kept.err, kept.code) == ("vnic: /proc/sys/net/ipv4/tcp_mem is kept without effect\n", 0)
    assert show.show(h, ["tcp_mem"]).out == "1\t2\t3\n"
    assert show.set_(h, ["tcp_rmem", "1", "2", "3"]) == show.Reply()
    assert h.knobs["tcp-rmem"] == (1, 2, 3)


@pytest.mark.parametrize(
    ("argv", "err", "code"),
    [
        (["rx-usecs", "x"], "vnic set: rx-usecs=x: must be a whole number\n", 2),
        (["hz", "100"], "vnic set: hz=100: cannot be changed now: a kernel is built with it\n", 2),
        (["queue.9.rps-cpus", "1"], "vnic set: there is no queue 9: the card has 1\n", 2),
        (["rx-usec", "1"], "vnic set: rx-usec: No such file or directory; did you mean rx-usecs or rx-usecs-irq?\n", 1),
        (["softnet_stat", "1"], "vnic set: softnet_stat: Permission denied\n", 1),
        (["a\nb", "1"], "vnic set: a\\nb: No such file or directory\n", 1),
        (["rx-usecs"], "vnic set: needs a name and a value: vnic set rx-usecs 50, or vnic set PATH VALUE\n", 2),
    ],
)
def test_what_cannot_be_set_is_one_sentence(host, argv, err, code):
    h = host()
    before = dict(h.knobs)
    reply = show.set_(h, argv)
    assert (reply.err, reply.code) == (err, code)
    assert dict(h.knobs) == before


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("softnet_stats", "softnet_stat"),
        ("rx-usec", "rx-usecs"),
        ("knob", "knobs"),
        ("net.core.rmem_mx", "net.core.rmem_max"),
        ("/proc/net/softnet_stats", "/proc/net/softnet_stat"),
        ("netdev_budgt", "netdev_budget"),
    ],
)
def test_an_unknown_name_gets_a_near_guess(host, word, guess):
    reply = show.show(host(), [word, "rx-usecs"])
    assert reply.out == "0\n"
    assert reply.err.startswith(f"vnic show: {word}: No such file or directory; did you mean {guess}")


@pytest.mark.parametrize("word", ["qqqq", "/proc/qqqq", "", ".", "zz.1.", "x" * 100_000, "net.core.", "\0", "*"])
def test_what_is_near_to_nothing_gets_no_guess(host, word):
    reply = show.show(host(), [word])
    assert "did you mean" not in reply.err
    assert len(reply.err) < 1000


@pytest.mark.slow
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_word_raises(word, value):
    with vnic.Host(cpus=1, rx_pool=512, sockets=16) as h:
        for reply in (show.show(h, [word]), show.set_(h, [word, value])):
            assert reply.err.count("\n") <= 2
            assert reply.code in (0, 1, 2)


def test_each_knobs_text_is_read_as_the_same_value(host):
    h = host(queues=2, cpus=4, rps_cpus="f", mac="02:00:00:00:00:07", reader_cpu=1, link="1G", gro_cwr="7.0")
    for made in (h, host()):
        for name, text in names.knobs(made.knobs).items():
            parsed = read(name, text)
            assert parsed == made.knobs[name] or text == "default", name
        assert list(names.knobs(made.knobs)) == list(KNOBS)


def test_show_config_is_a_file_for_config(host, tmp_path):
    h = host(queues=2, cpus=4, rx_usecs=50, each_queue={1: {"rps-cpus": "c"}}, ntuple_rules="udp4 dst-port 9 action 1")
    reply = show.show(h, ["config"])
    (file := tmp_path / "a.toml").write_text(reply.out)
    found = load(file, "replay", {"cpus": int, "ip": str, "seed": int})
    assert found.options["cpus"] == 4
    assert found.each_queue == {1: {"rps-cpus": "c"}}
    again = host(**{n.replace("-", "_"): v for n, v in found.knobs.items()}, cpus=4, each_queue=found.each_queue)
    assert dict(again.knobs) == dict(h.knobs)
    assert dict(again.knobs.queue(1)) == dict(h.knobs.queue(1))
    assert json.dumps(reply.data)


# ---- without an instance ----


@pytest.fixture
def nobody_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("line", "first", "code"),
    [
        ("ethtool -h", "vnic ", 0),
        ("ethtool --help", "Usage: ", 0),
        ("ethtool --version", "vnic ", 0),
        ("ethtool", "ethtool: bad command line argument(s)", 1),
        ("ethtool -Z vt0", "ethtool: bad command line argument(s)", 1),
        ("ip help", "Usage: ip ", 255),
        ("ip", "Usage: ip ", 255),
        ("ip -V", "ip utility, ", 0),
        ("ip link help", "Usage: ip ", 255),
        ("ip l help", "Usage: ip ", 255),
        ("ip a help", "Usage: ip ", 255),
        ("ip neigh help", "Usage: ip ", 255),
        ("ip route help", "Usage: ip ", 255),
        ("ip maddr help", "Usage: ip ", 255),
        ("ip nope", 'Object "nope" is unknown', 1),
        ("sysctl --help", "Usage: ", 0),
        ("sysctl -h", "\nUsage: ", 0),
        ("sysctl", "\nUsage: ", 1),
        ("sysctl -V", "sysctl from ", 0),
        ("show --help", "Usage: ", 0),
        ("set --help", "Usage: ", 0),
        ("set x", "vnic set: needs a name", 2),
    ],
)
def test_help_needs_no_instance(nobody_runs, line, first, code):
    done = invoke(*line.split())
    assert (done.output.startswith(first), done.exit_code) == (True, code), done.output
    assert "\b" not in done.output
    assert "\\b" not in done.output


@pytest.mark.parametrize(
    "line", ["ethtool vt0", "ethtool -S vt0", "ip a", "ip link", "sysctl -a", "sysctl net.core.rmem_max",
             "sysctl -p /dev/null", "show", "show knobs", "set rx-usecs 5", "ethtool --on vt0 -h"]
)  # fmt: skip
def test_what_depends_on_the_host_says_that_none_runs(nobody_runs, line):
    done = invoke(*line.split())
    assert done.exit_code == 2
    assert done.output.startswith("vnic: no instance is running")


def test_only_what_any_host_answers_is_answered_without_one(host):
    h = host()
    for argv in (["-h"], [], ["--version"], ["-Z", "x"]):
        assert commands.without_host("ethtool", argv) == commands.answer(h, "ethtool", argv)
    assert commands.without_host("show", []) is None
    with pytest.raises(ConfigError):
        names.knob(h, "queue.3.rx-usecs")
