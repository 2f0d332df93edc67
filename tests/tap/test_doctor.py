"""vnic doctor: each thing that is missing is named, with a command that mends it, and the exit code says so."""

import json
import os
import shlex

import needs
import pytest
from click.testing import CliRunner
from commands import invoke

from vnic.cli.commands import main
from vnic.tap import doctor as doctor_
from vnic.tap import tun
from vnic.tap.doctor import doctor
from vnic.tap.rtnetlink import set_ipv6
from vnic.tap.setup import setup
from vnic.tap.wire import TapWire


def root(test):
    return pytest.mark.root(pytest.mark.usefixtures("netns")(test))


def checks(*args, **kwargs):
    return {c.what: c for c in doctor(*args, **kwargs)}


def sh(line):
    for command in line.split(" && "):
        needs.run(*command.split())


def mend(check):
    """Do what it says, as the user who has sudo and vnic on the path would."""
    line = check.mend.replace("sudo ", "")
    for one in line.split(" && "):
        if one.startswith("vnic "):
            result = CliRunner().invoke(main, shlex.split(one)[1:])
            assert result.exit_code == 0, result.stderr
        else:
            sh(one)


@pytest.fixture
def a_tap(netns):
    setup("dt0", user="root", host_ip="10.0.0.1/24")


@root
@pytest.mark.usefixtures("a_tap")
def test_after_setup_all_is_good():
    result = invoke("doctor", "dt0")
    assert result.exit_code == 0, result.stdout
    assert "MISSING" not in result.stdout
    found = checks("dt0")
    assert {found[w].state for w in ("dt0", "owner", "up", "MTU", "multi_queue", "attached", "IPv6 noise")} == {"good"}


@root
@pytest.mark.usefixtures("a_tap")
def test_json_is_one_object():
    facts = json.loads(invoke("doctor", "dt0", "--json").stdout)
    assert (facts["schema"], facts["ok"]) == ("vnic.doctor/1", True)
    assert {tuple(c) for c in facts["checks"]} == {("what", "state", "text", "mend")}


@root
def test_a_tap_that_does_not_exist_and_the_command_makes_it():
    assert invoke("doctor", "dt1").exit_code == 3
    missing = checks("dt1")["dt1"]
    assert missing.state == "missing"
    mend(missing)
    assert invoke("doctor", "dt1").exit_code == 0


@root
@pytest.mark.usefixtures("a_tap")
def test_a_tap_that_is_down_is_mended():
    sh("ip link set dt0 down")
    assert invoke("doctor", "dt0").exit_code == 3
    mend(checks("dt0")["up"])
    assert invoke("doctor", "dt0").exit_code == 0


@root
def test_what_doctor_hints_at_is_mended_too():
    sh("ip tuntap add dev dt2 mode tap && ip link set dt2 up")
    set_ipv6("dt2", enabled=True)
    result = invoke("doctor", "dt2")
    assert result.exit_code == 0, result.stdout  # a run works
    found = checks("dt2")
    names = ("multi_queue", "owner", "IPv6 noise", "address of the kernel's side")
    assert {found[w].state for w in names} == {"hint"}
    mend(found["multi_queue"])
    mend(checks("dt2")["address of the kernel's side"])
    found = checks("dt2")
    assert {found[w].state for w in names} == {"good"}


@root
@pytest.mark.usefixtures("a_tap")
@pytest.mark.needs("sysctl")
def test_ipv6_noise_is_mended():
    set_ipv6("dt0", enabled=True)
    noise = checks("dt0")["IPv6 noise"]
    assert noise.state == "hint"
    mend(noise)
    assert checks("dt0")["IPv6 noise"].state == "good"


@root
def test_what_is_no_tap():
    sh("ip tuntap add dev dt3 mode tun")
    for name, text in (("lo", "is not a TAP"), ("dt3", "is a TUN")):
        result = invoke("doctor", name)
        assert result.exit_code == 3
        assert f"MISSING  {name}: {text}" in result.stdout


@root
@pytest.mark.usefixtures("a_tap")
def test_in_use_and_by_whom():
    wire = TapWire("dt0", lanes=3)
    found = checks("dt0")
    assert found["attached"].state == "hint"
    assert f"(process {os.getpid()})" in found["attached"].text
    assert "3 attached" in found["multi_queue"].text
    wire.close()


@root
def test_in_another_namespace(other_netns):
    setup("dt4", user="root", netns=other_netns)
    assert invoke("doctor", "dt4").exit_code == 3
    assert invoke("doctor", "dt4", "--netns", other_netns).exit_code == 0
    result = invoke("doctor", "dt4", "--netns", "nowhere")
    assert result.exit_code == 3
    assert "sudo ip netns add nowhere" in result.stdout


@pytest.mark.parametrize(
    ("error", "text", "mends"),
    [
        (FileNotFoundError(2, "No such file"), "", "sudo "),
        (PermissionError(13, "Permission denied"), "Permission denied (mode ", "sudo chmod 0666 /dev/net/tun"),
        (OSError(19, "No such device"), "No such device (mode ", "sudo modprobe tun"),
    ],
)
def test_a_device_that_cannot_be_opened(monkeypatch, tmp_path, error, text, mends):
    device = tmp_path / "tun"
    device.write_text("")
    monkeypatch.setattr(tun, "DEVICE", str(device))

    def refuse(*args):
        raise error

    monkeypatch.setattr(doctor_.os, "open", refuse)
    check = doctor_._device()
    assert check.state == "missing"
    assert text in check.text
    assert check.mend.startswith(mends)


def test_an_impossible_name_is_refused():
    result = invoke("doctor", "a-name-that-is-too-long")
    assert result.exit_code == 2
    assert "cannot be an interface's name" in result.stderr
