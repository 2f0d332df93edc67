"""vnic setup: a TAP that stays, made once as root; then whoever owns it needs no privileges. Needs root."""

import json
import os
import traceback

import frames
import needs
import pytest
from click.testing import CliRunner
from live_tap import send_all, wait_until

import vnic
import vnic.runs.send
from vnic.cli.commands import main
from vnic.runs.live import run
from vnic.tap import tun
from vnic.tap.doctor import doctor
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Links, ipv6_enabled, parse_address
from vnic.tap.setup import delete, setup
from vnic.tap.wire import TapWire

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]
NOBODY = 65534


def link(name):
    with Links() as links:
        return links.find(name)


def addresses(name):
    with Links() as links:
        return [str(a) for a in links.addresses(links.find(name))]


def as_user(uid, what, *args, groups=()):
    """What a function returns (JSON), or the text of what it raised, in a child that is this user and nothing more."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            out = {"returned": what(*args)}
        except BaseException as e:  # noqa: BLE001 - whatever it is, the child must not go on as pytest
            out = {"raised": f"{type(e).__name__}: {e}", "where": traceback.format_exc()}
        os.write(write, json.dumps(out).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def changed(steps):
    return [s.text for s in steps if s.changed]


def test_setup_twice_is_setup_once():
    first = setup("st0", user="nobody", host_ip=["10.0.0.1/24", "fd00::1/64"], mtu=1400)
    assert len(changed(first)) == len(first) - (not ipv6_enabled("st0"))
    again = setup("st0", user="nobody", host_ip=["10.0.0.1/24", "fd00::1/64"], mtu=1400)
    assert changed(again) == []
    assert [s.text for s in again] == [s.text for s in first]
    there = link("st0")
    assert (there.up, there.carrier, there.mtu) == (True, False, 1400)
    assert (there.tap.owner, there.tap.group, there.tap.persistent) == (NOBODY, None, True)
    assert (there.tap.multi_queue, there.tap.vnet_hdr, there.tap.queues) == (True, True, 0)
    assert addresses("st0") == ["10.0.0.1/24", "fd00::1/64"]
    assert changed(setup("st0", user="nobody")) == []  # and it keeps its IPv6 address


def test_ipv6_is_off_unless_there_is_an_address_of_it():
    setup("st1", user="nobody", host_ip="10.0.0.1/24")
    assert not ipv6_enabled("st1")
    setup("st1", user="nobody", host_ip="fd00::1")
    assert ipv6_enabled("st1")
    assert addresses("st1") == ["10.0.0.1/24", "fd00::1/64"]


def test_what_differs_is_changed():
    setup("st2", user="nobody", queues=4)
    assert changed(setup("st2", user="root", mtu=1300)) == ["user root", "MTU 1300"]
    assert (link("st2").tap.owner, link("st2").mtu) == (0, 1300)
    with pytest.raises(vnic.TapError, match="is set up for user root: first run 'sudo vnic setup st2 --delete'"):
        setup("st2", group="nogroup")


def test_a_tap_is_deleted_and_deleted_again():
    setup("st3", user="nobody")
    assert changed(delete("st3")) == ["deleted"]
    assert link("st3") is None
    assert changed(delete("st3")) == []
    with pytest.raises(vnic.TapError, match="lo is not a TAP: vnic does not delete it"):
        delete("lo")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "needs --user NAME or --group NAME"),
        ({"user": "no-such-user"}, "there is no user no-such-user"),
        ({"group": "no-such-group"}, "there is no group no-such-group"),
        ({"user": "nobody", "host_ip": "10.0.0.300"}, "is not an address with a prefix"),
        ({"user": "nobody", "queues": 17}, "between 1 and 16"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(options, sentence):
    with pytest.raises(vnic.ConfigError, match=sentence):
        setup("st4", **options)
    assert link("st4") is None


@pytest.mark.parametrize("uid", [0, 5, 2**31 - 1, 2**31, 4294967294])
def test_an_id_is_32_bits_without_a_sign(uid):
    setup("si0", user=str(uid), group=str(uid))
    assert (link("si0").tap.owner, link("si0").tap.group) == (uid, uid)
    assert changed(setup("si0", user=str(uid), group=str(uid))) == []


@pytest.mark.parametrize("what", ["user", "group"])
@pytest.mark.parametrize(
    "number", ["4294967295", "4294967296", "99999999999", "9" * 5000, "-1", "٣", "", "\udcff", "a\0b"]
)
def test_what_is_no_id(what, number):
    with pytest.raises(
        vnic.ConfigError, match=rf"{what} .*: an id must be between 0 and 4294967294|there is no {what} "
    ):
        setup("si1", **{what: number})
    assert link("si1") is None


@pytest.mark.parametrize(
    "name", ["x%d", "%d", "a%b", "x%d%d", "a:b", "a b", "a\xa0", "\udcff", "a\0", "", ".", "..", "n" * 16, "é" * 8]
)
def test_what_is_no_name_or_a_template_of_one(name):
    """The kernel makes x0 of x%d, and whoever asked would look for x%d."""
    with Links() as links:
        before = links._ipr.get_links()
    for attempt in (
        lambda: setup(name, user="root"),
        lambda: delete(name),
        lambda: TapWire(name),
        lambda: doctor(name),
        lambda: vnic.runs.send.OutOfDev(name, None),
    ):
        with pytest.raises(vnic.ConfigError, match=r"cannot be an interface's name|is a template"):
            attempt()
    with Links() as links:
        assert len(links._ipr.get_links()) == len(before)


def test_ipv6_needs_an_mtu_of_1280_and_the_kernel_agrees():
    for options in ({"host_ip": "fd77::1/64", "mtu": 1279}, {"host_ip": ["10.0.0.1/24", "fd77::1"], "mtu": 68}):
        with pytest.raises(vnic.ConfigError, match="fd77::1/64: IPv6 needs an MTU of at least 1280"):
            setup("sm0", user="root", **options)
        assert link("sm0") is None
    setup("sm0", user="root", host_ip="10.0.0.1/24", mtu=1279)
    with Links() as links, pytest.raises(vnic.TapError, match="Invalid argument"):
        links.add_address("sm0", links.find("sm0"), parse_address("fd77::1/64"))
    with pytest.raises(vnic.ConfigError, match="not 1279"):
        setup("sm0", user="root", host_ip="fd77::1/64")
    with pytest.raises(vnic.ConfigError, match="not 1279"):
        TapWire("sm0", host_ip="fd77::1/64")
    setup("sm0", user="root", host_ip="fd77::1/64", mtu=1280)
    with pytest.raises(vnic.ConfigError, match="fd77::1/64: IPv6 needs an MTU of at least 1280, not 1279"):
        setup("sm0", user="root", mtu=1279)  # Linux would take its addresses away
    assert (link("sm0").mtu, addresses("sm0")) == (1280, ["10.0.0.1/24", "fd77::1/64"])


def test_an_interface_that_was_there_is_as_it_was_when_it_fails(monkeypatch):
    setup("su0", user="nobody", mtu=1400, host_ip="10.0.0.1/24")
    real = Links.add_address

    def first_only(self, name, there, address):
        if str(address) != "10.0.1.1/24":
            raise vnic.TapError(f"give {name} the address {address}: no more")
        real(self, name, there, address)

    monkeypatch.setattr(Links, "add_address", first_only)
    with pytest.raises(vnic.TapError, match="no more"):
        setup("su0", user="root", mtu=1300, host_ip=["10.0.1.1/24", "10.0.2.1/24"])
    there = link("su0")
    assert (there.mtu, there.tap.owner, addresses("su0")) == (1400, NOBODY, ["10.0.0.1/24"])


def test_what_the_kernel_refuses_leaves_nothing_either():
    with pytest.raises(vnic.TapError, match="set st5 mtu 70000: Invalid argument"):
        setup("st5", user="nobody", mtu=70000)
    assert link("st5") is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [("mode tun", "is a TUN, not a TAP"), ("mode tap", "without multi_queue, which cannot be changed")],
)
def test_an_interface_that_cannot_be_made_to_fit(options, sentence):
    needs.run(*f"ip tuntap add dev st6 {options}".split())
    with pytest.raises(vnic.TapError, match=sentence):
        setup("st6", user="nobody")


def test_one_in_use_keeps_its_owner():
    setup("st7", user="nobody")
    wire = TapWire("st7")
    assert changed(setup("st7", user="nobody", host_ip="10.0.0.1/24")) == ["address of the kernel's side 10.0.0.1/24"]
    with pytest.raises(vnic.TapError, match=f"st7 is in use: .*process {os.getpid()}"):
        setup("st7", user="root")
    wire.close()


def test_in_another_namespace(other_netns):
    setup("st8", user="nobody", netns=other_netns)
    assert link("st8") is None
    with inside(other_netns):
        assert link("st8").up
        assert not ipv6_enabled("st8")
    assert changed(delete("st8", netns=other_netns)) == ["deleted"]


def can_nobody_open():
    return as_user(NOBODY, lambda: os.close(os.open(tun.DEVICE, os.O_RDWR))).get("raised") is None


def receive(name, n):
    def ready(host):
        wait_until(lambda: host.ledger().offered >= n and not host.ledger().in_flight)

    facts = run(name, duration=0.01, tap_queues=2, ready=ready)
    return [facts["ledger"], facts["input"]["kernel_drops"]]


@pytest.fixture
def device():
    if not can_nobody_open():
        pytest.skip("/dev/net/tun is not for everybody here")


@pytest.mark.usefixtures("device")
def test_its_owner_receives_without_privileges():
    import threading

    setup("st9", user="nobody", host_ip="10.0.0.1/24")
    sender = threading.Thread(
        target=lambda: (wait_until(lambda: link("st9").carrier), send_all("st9", [frames.udp()] * 20))
    )
    sender.start()
    out = as_user(NOBODY, receive, "st9", 20)
    sender.join()
    ledger, lost = out["returned"]
    assert (ledger["offered"], ledger["in_flight"], lost) == (20, 0, 0)
    assert not link("st9").carrier  # and it is still there


@pytest.mark.usefixtures("device")
def test_no_other_user_attaches():
    setup("st10", user="daemon")
    refused = as_user(NOBODY, receive, "st10", 1)["raised"]
    assert refused.startswith(
        "TapError: attach to st10: not permitted: it belongs to another user: once, run 'sudo vnic setup st10"
    )
    assert "does not exist, and creating it needs CAP_NET_ADMIN" in as_user(NOBODY, receive, "st11", 1)["raised"]


@pytest.mark.usefixtures("device")
def test_the_doctor_says_so_to_both():
    setup("st12", user="nobody", host_ip="10.0.0.1/24")

    def states(name):
        return {c.what: c.state for c in doctor(name)}

    assert "missing" not in as_user(NOBODY, states, "st12")["returned"].values()
    assert as_user(2, states, "st12")["returned"]["owner"] == "missing"
    assert as_user(2, states, "st12")["returned"]["CAP_NET_ADMIN"] == "hint"


@pytest.mark.usefixtures("device")
def test_with_user_and_group_both_have_to_fit():
    setup("st13", user=str(NOBODY), group="12")
    assert "raised" in as_user(NOBODY, lambda: TapWire("st13").close())
    assert as_user(NOBODY, lambda: TapWire("st13").close(), groups=[12]) == {"returned": None}


def test_the_command_says_what_it_did():
    result = CliRunner().invoke(main, ["setup", "st14", "--user", "nobody", "--host-ip", "10.0.0.1/24"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "st14: user nobody\n" in result.stdout
    again = CliRunner().invoke(main, ["setup", "st14"], env={"SUDO_USER": "nobody"})
    assert again.exit_code == 0
    assert all(line.endswith(" (unchanged)") for line in again.stdout.splitlines())
    gone = CliRunner().invoke(main, ["setup", "st14", "--delete"])
    assert (gone.exit_code, gone.stdout) == (0, "st14: deleted\n")


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["st15"], 2, "vnic: needs --user NAME or --group NAME"),
        (["lo", "--user", "nobody"], 3, "vnic: lo exists and is not a TAP"),
        (["st15", "--user", "nobody", "--netns", "nowhere"], 3, "vnic: network namespace nowhere"),
        (["a/b", "--user", "nobody"], 2, "cannot be an interface's name"),
    ],
)
def test_the_command_refuses_in_one_sentence(args, code, sentence):
    result = CliRunner().invoke(main, ["setup", *args], env={"SUDO_USER": None})
    assert result.exit_code == code
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
