"""Words that people know from other tools: each does what it does there, in the report, in --json and in --config."""

import json

import frames
import pytest
from captures import T0, S, pcap
from commands import invoke
from paths import CAPTURES

from vnic.cli.commands import COMMANDS
from vnic.cli.replay import replay
from vnic.cli.run import run
from vnic.cli.send import send
from vnic.cli.why import why
from vnic.cli.words import ALIASES, MEANT, spelled_out
from vnic.knobs.parse import flag
from vnic.knobs.table import KNOBS

DEMO = str(CAPTURES / "demo.pcapng")


@pytest.fixture
def ten(tmp_path):
    """Ten frames, a second apart from T0: UDP, and every third ARP."""
    path = tmp_path / "ten.pcap"
    path.write_bytes(pcap([(T0 + i * S, frames.arp() if i % 3 == 0 else frames.udp(), 60) for i in range(10)]))
    return str(path)


def facts(*argv):
    result = invoke(*argv, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def one_sentence(result, code=2):
    assert (result.exit_code, result.stdout) == (code, "")
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith(("Usage: ", "Try '"))]
    assert len(lines) == 1
    return lines[0]


# ---- tcpdump, tshark, tcpreplay ----


@pytest.mark.needs("libpcap")
@pytest.mark.parametrize(
    ("argv", "selected", "offered"),
    [
        (["-f", "udp"], {"filter": "udp", "filtered": 4}, 6),
        (["--filter=arp", "-c", "2"], {"filter": "arp", "limit": 2}, 2),
        (["--count", "3"], {"limit": 3}, 3),
        (["-L", "3", "-l", "2"], {"limit": 3, "loop": 2}, 3),
        (["--loop", "3"], {"loop": 3, "passes": 3}, 30),
        (["-p", "5"], {"pps": 5.0}, 10),
        (["-M", "0.5"], {"mbps": 0.5}, 10),
        (["--from", "2.5", "--to", "5s"], {"from": 2.5, "to": "5s", "outside": 8}, 2),
        (["--from", "2023-11-14T22:13:25Z"], {"from": "2023-11-14T22:13:25Z", "outside": 5}, 5),
    ],
)
def test_a_selection_is_in_json_and_in_the_report(ten, tmp_path, argv, selected, offered):
    found = facts("replay", ten, *argv)
    said = {name: str(value) if name in ("from", "to") else value for name, value in selected.items()}
    assert found["input"]["selected"] | said == found["input"]["selected"]
    assert found["ledger"]["offered"] == found["input"]["frames"] == offered
    report = invoke("replay", ten, *argv).stdout
    words = {
        "filtered": "not wanted by the filter",
        "outside": "outside of --from 2",
        "limit": "at most",
        "passes": "3 passes",
        "pps": "5 frames a second",
        "mbps": "0.5 Mb/s",
    }
    assert all(text in report for name, text in words.items() if name in selected)
    config = tmp_path / "c.toml"
    given = {k: v for k, v in selected.items() if k not in ("filtered", "outside", "passes")}
    config.write_text("[replay]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items()))
    again = facts("replay", ten, "--config", config)
    assert again["input"]["selected"] == found["input"]["selected"]
    assert again["ledger"] == found["ledger"]


def test_a_file_may_have_toml_s_own_dates(ten, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("[replay]\nfrom = 2023-11-14T22:13:25Z\nto = 2023-11-14T22:13:27.5Z\n")
    assert facts("replay", ten, "--config", config)["ledger"]["offered"] == 3
    config.write_text("[replay]\nfrom = true\n")
    assert "replay.from=True: must be seconds, or a date" in one_sentence(invoke("replay", ten, "--config", config))


def test_read_is_a_file_in_front_of_the_others(ten):
    assert facts("replay", "-r", ten, DEMO)["input"]["files"] == [ten, DEMO]
    assert facts("replay", DEMO, "-r", ten)["input"]["files"] == [ten, DEMO]
    assert "no capture file given" in one_sentence(invoke("replay"))


def test_quiet_is_one_line(ten):
    result = invoke("replay", ten, "-q")
    assert result.stdout == "10 frames: 10 delivered, 0 lost\n"
    assert invoke("replay", DEMO, "-q").stdout == "565 frames: 564 delivered, 1 lost (NO_SOCKET 1)\n"
    assert json.loads(invoke("replay", ten, "-q", "--json").stdout)["ledger"]["offered"] == 10


def test_output_takes_the_report_and_write_the_packets(ten, tmp_path):
    report, packets = tmp_path / "report", tmp_path / "out.pcapng"
    result = invoke("replay", ten, "-o", report, "-w", packets)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "ledger closed" in report.read_text()
    assert len(frames.raw_frames(packets)) == 10
    assert invoke("replay", ten, "--json", "--output", report).stdout == ""
    assert json.loads(report.read_text())["ledger"]["offered"] == 10
    assert invoke("replay", ten, "-o", "-").stdout != ""
    assert "No such file" in one_sentence(invoke("replay", ten, "-o", tmp_path / "no" / "x"), code=1)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["-l", "0"], "loop=0: must be between 1 and 1000000: a replay ends, so there is no endless loop"),
        (["--pps", "nan"], "pps=nan: must be between"),
        (["--pps", "5", "--speed", "2"], "--pps and --speed: give only one pace"),
        (["--pps", "5", "-t"], "--pps and --topspeed: give only one pace"),
        (["--from", "noon"], "'noon' must be seconds after the first frame"),
        (["-f", "udpp"], "filter 'udpp': "),
        (["-c", "0"], "0 is not in the range"),
    ],
)
@pytest.mark.needs("libpcap")
def test_a_wrong_word_is_one_sentence(ten, argv, why):
    assert why in one_sentence(invoke("replay", ten, *argv))


def test_topspeed_is_the_knob_speed_and_a_rate_goes_before_a_file_s_speed(ten, tmp_path):
    assert facts("replay", ten, "-t")["config"]["speed"] == "max"
    assert facts("replay", ten, "-x", "2")["config"]["speed"] == 2.0
    config = tmp_path / "c.toml"
    config.write_text('speed = "10"\n')
    found = facts("replay", ten, "--config", config, "--pps", "10")
    assert (found["config"]["speed"], found["input"]["duration_ns"]) == (1.0, 900_000_000)


@pytest.mark.needs("libpcap")
@pytest.mark.slow
def test_why_explains_the_same_frames(tmp_path):
    argv = ["-f", "udp", "--loop", "5", "--pps", "1e7", "--rx-ring", "16", "--fifo", "2k", "--limit", "900"]
    report = tmp_path / "r.json"
    assert invoke("replay", DEMO, *argv, "--json", "-o", report).exit_code == 0
    of_frames = invoke("why", DEMO, *argv, "--json")
    of_report = invoke("explain", report, "--json")
    assert of_frames.exit_code == of_report.exit_code == 0
    assert json.loads(of_frames.stdout) == json.loads(of_report.stdout)
    answer = json.loads(of_report.stdout)
    assert (answer["offered"], answer["unverified"]) == (900, None)
    assert answer["lost"] > 0 < len(answer["tried"])


# ---- the first word ----


def test_a_file_alone_is_replayed(ten, tmp_path, monkeypatch):
    want = invoke("replay", ten, "--queues", "2").stdout
    assert invoke(ten, "--queues", "2").stdout == want
    assert invoke("-r", ten, "--queues", "2").stdout == want
    assert invoke("--queues=2", ten).stdout == want
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert invoke("ten.pcap", "-q").exit_code == 0
    (tmp_path / "why").write_bytes((tmp_path / "ten.pcap").read_bytes())
    assert "no instance" in invoke("why").stderr  # a command goes before a file of its name
    assert invoke("./why", "-q").exit_code == 0


def test_a_dash_is_standard_input(ten):
    with open(ten, "rb") as file:
        result = invoke("-", "-q", input=file.read())
    assert "standard input" in result.stderr or result.stdout.startswith("10 frames")


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_an_alias_is_its_command(name, ten):
    assert invoke(name, ten).stdout == invoke(ALIASES[name], ten).stdout
    assert f"Usage: vnic {ALIASES[name]}" in invoke(name, "--help", prog_name="vnic").stdout


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("repaly", "Did you mean replay?"),
        ("ethool", "Did you mean ethtool?"),
        ("top", "Did you mean stat?"),
        ("tcpreplay", "Did you mean send?"),
        ("clone", "Did you mean import?"),
        ("config", "Did you mean knobs?"),
        ("stop", "vnic ls has the PIDs."),
        ("sweeep", "Did you mean sweep?"),
        ("compare", "Did you mean diff?"),
        ("story", "Did you mean walk?"),
        ("nofile.pcap", "No such file either."),
        ("https://example.com/a.pcap", "download it, or pipe it: curl -L URL | vnic -"),
        ("", "No such command ''."),
    ],
)
def test_a_guess_is_near_or_means_the_same(word, guess):
    said = one_sentence(invoke(word))
    assert said.endswith(guess)
    assert "\n" not in said


def test_each_meaning_is_a_command_and_no_command_is_a_meaning():
    commands = {name for rows in COMMANDS.values() for name in rows}
    assert commands >= MEANT.keys()
    meanings = [word for words in MEANT.values() for word in words]
    assert len(meanings) == len(set(meanings))
    assert not set(meanings) & (commands | ALIASES.keys())


def test_a_guess_at_an_option_is_near():
    assert "Did you mean '--rx-usecs'?" in one_sentence(invoke("replay", DEMO, "--rx-usec", "5"))
    assert one_sentence(invoke("replay", DEMO, "--wires", "x")).endswith("No such option '--wires'.")


def test_help_and_version_are_words():
    assert invoke("help").stdout == invoke("--help").stdout
    assert invoke("help", "replay", prog_name="vnic").stdout == invoke("replay", "--help", prog_name="vnic").stdout
    assert "Did you mean replay?" in one_sentence(invoke("help", "repaly"))
    versions = {invoke(word, prog_name="vnic").stdout for word in ("version", "-V", "--version")}
    assert len(versions) == 1
    assert versions.pop().startswith("vnic ")


# ---- knobs as options ----


def spell(command, *words):
    return list(spelled_out(command, list(words)))


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (["--gro", "off"], ["--no-gro"]),
        (["--gro=off"], ["--no-gro"]),
        (["--gro", "ON"], ["--gro"]),
        (["--no-gro", "off"], ["--gro"]),
        (["--gro", "a.pcap"], ["--gro", "a.pcap"]),
        (["--promisc", "on", "a.pcap"], ["--promisc", "a.pcap"]),
        (["--strict-csum", "no"], ["--no-strict-csum"]),
        (["--rx", "512"], ["--rx-ring", "512"]),
        (["--rx=512"], ["--rx-ring=512"]),
        (["--rx", "off"], ["--set", "rx=off"]),
        (["--ring", "512"], ["--ring", "512"]),
        (["--adaptive-rx", "on"], ["--set", "adaptive-rx=on"]),
        (["--adaptive-rx", "a.pcap"], ["--set", "adaptive-rx=on", "a.pcap"]),
        (["--no-rxhash"], ["--set", "rxhash=off"]),
        (["--rmem-max=1M"], ["--set", "rmem-max=1M"]),
        (["--net.core.dev_weight", "5"], ["--set", "dev-weight=5"]),
        (["--busy-read"], ["--busy-read"]),
        (["--write", "--gro", "off"], ["--write", "--gro", "off"]),
        (["--", "--gro", "off"], ["--", "--gro", "off"]),
        (["-", "on"], ["-", "on"]),
        (["--nonsense", "off"], ["--nonsense", "off"]),
        (["--json", "on"], ["--json", "on"]),
    ],
)
def test_how_a_line_is_understood(typed, means):
    assert spell(replay, *typed) == means


@pytest.mark.parametrize("name", sorted(n for n, k in KNOBS.items() if k.parse is flag))
@pytest.mark.parametrize("value", [True, False])
def test_every_flag_takes_on_and_off(name, value, ten):
    if KNOBS[name].fixed and value:
        return
    word = "on" if value else "off"
    rx = {"rx": []}.get(name, [])
    found = facts("replay", ten, f"--{name}", word, *rx)
    assert found["config"][name] is value
    assert facts("replay", ten, "--set", f"{name}={word}")["ledger"] == found["ledger"]


def test_names_of_ethtool_and_sysctl(ten):
    found = facts(
        "replay", ten, "--ring", "512", "--combined", "2", "--sysctl", "net.core.rmem_default=1M", "--fifo", "64k",
        "--rx-usecs", "2ms", "--sysctl", "net/core/netdev_budget=600", "--sysctl", "net.ipv4.udp_mem=7 8 9",
    )["config"]  # fmt: skip
    names = ("rx-ring", "queues", "rcvbuf", "fifo", "rx-usecs", "netdev-budget", "udp-mem")
    assert [found[name] for name in names] == [512, 2, 1 << 20, 65536, 2000, 600, 7]


def test_sysctls_without_effect_are_listed_once(ten):
    result = invoke(
        "replay", ten, "-q", "--set", "net.core.optmem_max=1", "--sysctl", "vm.swappiness=1",
        "--set", "net.core.optmem_max=2", "--sysctl", "net.core.message_cost=1", "--set", "net.ipv4.tcp_mem=1 2 3",
    )  # fmt: skip
    assert result.exit_code == 0
    assert result.stderr == (
        "vnic: without effect here: vm.swappiness, net.core.message_cost, net.core.optmem_max, net.ipv4.tcp_mem\n"
    )
    assert "there is no knob 'rx-usec'" in one_sentence(invoke("replay", ten, "--sysctl", "rx-usec=1"))
    wrong = one_sentence(invoke("replay", ten, "--sysctl", "net.core.netdev_budgets=1"))
    assert "there is no sysctl 'net.core.netdev_budgets'; did you mean net.core.netdev_budget" in wrong
    assert "--sysctl x: must be NAME=VALUE" in one_sentence(invoke("replay", ten, "--sysctl", "x"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--rps-cpus", "ff"], "rps-cpus=ff: there is no CPU 4-7: the host has 4"),
        (["--rps-cpus", "0-5,8"], "rps-cpus=0-5,8: there is no CPU 4-5,8: the host has 4"),
        (["--set", "smp-affinity=11"], "smp-affinity=11: there is no CPU 4: the host has 4"),
        (["--rps-cpus", "f"], None),
        (["--rps-cpus", "ff", "--cpus", "8"], None),
    ],
)
def test_cpus_that_are_not_there_are_said(ten, argv, said):
    result = invoke("replay", ten, "-q", *argv)
    assert result.exit_code == 0
    assert result.stderr == (f"vnic: {said}\n" if said else "")


# ---- one meaning in all commands ----


def test_send_has_the_words_of_replay():
    """Same name, same meaning: but send's own loop may be endless, and its files are one."""
    ours = {opt: p for p in replay.params if getattr(p, "group", "") == "input" for opt in p.opts}
    for command in (send, why):
        theirs = {opt: p for p in command.params for opt in p.opts}
        assert theirs.keys() >= ours.keys()
        assert {opt: theirs[opt].name for opt in ours} == {opt: p.name for opt, p in ours.items()}
    assert {"-x", "-i", "--dev"} <= {opt for p in send.params for opt in p.opts}
    assert "--sysctl" in {opt for p in run.params for opt in p.opts}


def test_send_takes_the_interface_as_a_word(ten):
    result = invoke("send", ten, "nowhere0")
    assert "nowhere0" in one_sentence(result, code=3)
    assert "nowhere0" in one_sentence(invoke("send", "-i", "nowhere0", ten), code=3)
    assert "is given already" in one_sentence(invoke("send", ten, "lo", "--dev", "lo"))
