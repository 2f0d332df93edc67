"""The command line: exit codes, one clear sentence for bad input, --json on stdout and nothing else there."""

import json
import os
import subprocess
import sys

import frames
import pytest
from captures import pcap_each_second
from commands import invoke
from paths import CAPTURES

DEMO = str(CAPTURES / "demo.pcapng")


def test_json_is_one_object_on_stdout():
    result = invoke("replay", DEMO, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["schema"] == "vnic.replay/2"
    assert result.stderr == ""


def test_the_report_shows_losses_where_they_happen():
    result = invoke("replay", DEMO)
    assert result.exit_code == 0
    assert "NO_SOCKET" in result.stdout
    assert "ledger closed" in result.stdout


def test_a_truncated_capture_is_reported_and_exits_1(tmp_path):
    whole = pcap_each_second([frames.udp(), frames.udp(), frames.udp()])
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:-5])
    result = invoke("replay", str(path), "--json")
    assert result.exit_code == 1
    assert "truncated in frame 3" in result.stderr
    facts = json.loads(result.stdout)
    assert facts["ledger"]["offered"] == 2
    assert facts["ledger"]["in_flight"] == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "an empty file"),
        (b"hello, world, this is text", "not a capture file"),
        (pcap_each_second([], linktype=189), "link type 189: holds no packets"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "gzip"),
    ],
)
def test_what_is_no_capture_exits_2(tmp_path, content, sentence):
    path = tmp_path / "bad"
    path.write_bytes(content)
    result = invoke("replay", str(path))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_later_file_that_is_no_capture_is_found_before_the_first_is_read(tmp_path):
    bad, out = tmp_path / "bad.txt", tmp_path / "out.pcapng"
    bad.write_text("hello, world, this is text")
    result = invoke("replay", DEMO, str(bad), "--write", str(out))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bad.txt: not a capture file" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["nowhere.pcap"], "nowhere.pcap: No such file"),
        ([DEMO, "--queues", "1000"], "queues=1000: must be between 1 and "),
        ([DEMO, "--rx-ring", "1"], "rx-ring=1: must be between"),
        ([DEMO, "--set", "rx-usec=1"], "did you mean rx-usecs"),
        ([DEMO, "--set", "rxhash"], "must be NAME=VALUE"),
        ([DEMO, "--mac", "01:00:5e:00:00:01"], "is a multicast address"),
        ([DEMO, "--link", "fast"], "must be a rate"),
        ([DEMO, "--cost", "free"], "must be one of linux, zero"),
        ([DEMO, "--ip", "10.0.0.300"], "is not an IP address"),
        ([DEMO, "--rx-frames", "0"], "never be an interrupt"),
        ([DEMO, "--reader-cpu", "9"], "there is no CPU 9"),
        (["/dev"], "/dev: a directory without a capture"),
        (["/dev/null"], "not a regular file"),
        ([DEMO, "--write", DEMO], "is an input, so it cannot be the output"),
        ([DEMO, "--write", "/nonexistent/x.pcapng"], "No such file"),
    ],
)
def test_bad_configuration_is_one_sentence_and_exits_2(args, sentence):
    result = invoke("replay", *args)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_any_knob_by_its_linux_name():
    result = invoke(
        "replay",
        DEMO,
        "--json",
        "--set",
        "rxhash=off",
        "--set",
        "net.core.netdev_budget=50",
        "--no-gro",
    )
    config = json.loads(result.stdout)["config"]
    assert (config["rxhash"], config["netdev-budget"], config["gro"]) == (False, 50, False)


def test_a_mac_of_our_own_filters_and_promisc_lets_in(tmp_path):
    path = tmp_path / "two.pcap"
    other = frames.udp(mac={"dst": bytes.fromhex("020000000099")})
    path.write_bytes(pcap_each_second([frames.udp(), other]))
    mine = ["--mac", "02:00:00:00:00:01", "--json"]
    assert json.loads(invoke("replay", str(path), *mine).stdout)["ledger"]["fates"] == {
        "DELIVERED_UDP": 1,
        "MAC_FILTER": 1,
    }
    promisc = json.loads(invoke("replay", str(path), *mine, "--promisc").stdout)
    assert promisc["ledger"]["fates"] == {"DELIVERED_UDP": 1, "OTHERHOST": 1}


def test_an_empty_capture_is_no_error(tmp_path):
    path = tmp_path / "empty.pcap"
    path.write_bytes(pcap_each_second([]))
    result = invoke("replay", str(path))
    assert result.exit_code == 0
    assert "0 offered" in result.stdout


def shell(line, **kwargs):
    argv = ["bash", "-c", line.replace("vnic ", f"{sys.executable} -m vnic ", 1)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["ls --json", "--help", "--version", "doctor", f"why --runs 0 {DEMO}", f"replay {DEMO}"]
)
@pytest.mark.parametrize(("to", "why"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
def test_what_cannot_be_printed_is_one_sentence(command, to, why):
    got = shell(f"vnic {command} {to}")
    assert (got.returncode, got.stderr.count("\n")) == (1, 1)
    assert got.stderr.endswith(f": {why}\n")


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "0", "-1"])
@pytest.mark.parametrize("command", ["run", "capture", f"send --tap vt0 {DEMO}"])
def test_a_time_that_cannot_be_waited_for_is_refused(command, seconds):
    result = invoke(*command.split(), "--duration", seconds)
    assert result.exit_code == 2
    assert "Invalid value for '--duration'" in result.stderr
    assert invoke("stat", "--", seconds).exit_code == 2


@pytest.mark.slow
def test_what_the_system_refuses_is_said_without_its_number(tmp_path):
    got = shell("vnic ls", env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "none")})
    assert (got.returncode, got.stderr) == (1, f"vnic: {tmp_path}/none/vnic: No such file or directory\n")
