"""ethtool DEV, and what hardware has and this card has not, against the real tool on a veth of the test's own."""

import re

import pytest
from real_ethtool import DEV, MARKS, TAP, VETH, device, ours, real, run

from vnic.linux import ethtool, ethtool_absent, ethtool_link

pytestmark = MARKS

BRIDGE = f"ip link add {DEV} type bridge"
LINES = [
    "vnic0 -k", "nodev", "-I nodev", "-s vnic0", "-s nodev", "-s nodev speed 10", "-s vnic0 foo", "-s vnic0 speed",
    "-s vnic0 speed x", "-s vnic0 speed 1000 speed 1000", "-s vnic0 speed 1000", "-s vnic0 duplex full",
    "-s vnic0 duplex foo", "-s vnic0 autoneg off", "-s vnic0 autoneg maybe", "-s vnic0 port tp", "-s vnic0 advertise 1",
    "-s vnic0 mdix auto", "-s vnic0 wol d", "-s vnic0 msglvl 1", "--change vnic0 speed 10 duplex half", "-s",
    "-T nodev", "-T vnic0 extra", "--show-time-stamping nodev", "-T", "-P vnic0", "-P nodev", "-P vnic0 extra",
    "--show-permaddr vnic0",
    "-a vnic0", "--show-pause vnic0", "-a nodev", "-a vnic0 extra", "-a",
    "-A vnic0 rx on", "-A vnic0 autoneg off tx on", "-A nodev rx on", "-A vnic0", "-A nodev", "-A vnic0 foo",
    "-A vnic0 rx", "-A vnic0 rx maybe", "--pause vnic0 rx off", "-A",
    "-d vnic0", "-d nodev", "-d vnic0 raw on", "-d vnic0 extra", "--register-dump vnic0 hex off",
    "-e vnic0", "-e nodev", "-e vnic0 raw on", "-e vnic0 extra", "--eeprom-dump vnic0 offset 0 length 4",
    "-E vnic0", "-E vnic0 magic 1", "-E vnic0 value 1", "-E vnic0 magic 1 offset 0 value 1", "-E nodev value 1",
    "-E vnic0 foo", "-E vnic0 value 256", "-r vnic0", "-r nodev", "-r vnic0 extra", "--negotiate vnic0",
    "-p vnic0", "-p vnic0 1", "-p nodev 1", "-p vnic0 x", "--identify vnic0",
    "-t vnic0", "-t nodev", "-t vnic0 offline", "-t vnic0 online", "-t vnic0 extra", "--test vnic0",
    "--phy-statistics vnic0", "--phy-statistics nodev", "--phy-statistics vnic0 extra",
    "-f vnic0", "-f nodev file", "-w vnic0", "-w nodev", "-w vnic0 data /dev/null", "-w vnic0 extra",
    "--get-dump vnic0", "-W vnic0 1", "-W nodev 1", "-W vnic0", "-W vnic0 x", "--set-dump vnic0 0x10",
    "--show-priv-flags vnic0", "--show-priv-flags nodev", "--show-priv-flags vnic0 extra",
    "--set-priv-flags vnic0 a on", "--set-priv-flags nodev a on", "--set-priv-flags vnic0",
    "-m vnic0", "-m nodev", "-m vnic0 raw on", "-m vnic0 hex on", "-m vnic0 offset 0", "-m vnic0 extra",
    "--module-info vnic0", "--dump-module-eeprom vnic0", "-m nodev raw on",
    "--show-eee vnic0", "--show-eee nodev", "--show-eee vnic0 extra", "--set-eee vnic0", "--set-eee vnic0 eee on",
    "--set-eee vnic0 foo on", "--set-eee nodev eee on", "--set-eee vnic0 eee maybe", "--set-eee vnic0 tx-lpi off",
    *(f"--get-phy-tunable {dev} {name}" for dev in (DEV, "nodev")
      for name in ("downshift", "fast-link-down", "energy-detect-power-down", "foo", "")),
    "--set-phy-tunable vnic0 downshift on", "--set-phy-tunable nodev downshift on", "--set-phy-tunable vnic0 downshift",
    "--set-phy-tunable vnic0 downshift off", "--set-phy-tunable vnic0",
    "--get-tunable vnic0 rx-copybreak", "--get-tunable nodev rx-copybreak", "--get-tunable vnic0 tx-copybreak",
    "--get-tunable vnic0 foo", "--get-tunable vnic0", "--get-tunable vnic0 pfc-prevention-tout",
    "--set-tunable vnic0 rx-copybreak 256", "--set-tunable nodev rx-copybreak 1", "--set-tunable vnic0 rx-copybreak",
    "--set-tunable vnic0 foo 1", "--set-tunable vnic0 tx-copybreak 1", "--set-tunable vnic0",
    "--reset vnic0 all", "--reset vnic0 mgmt", "--reset nodev all", "--reset vnic0 foo", "--reset vnic0",
    "--reset vnic0 irq dma filter", "--reset vnic0 mac-shared phy", "--reset vnic0 0x4", "--reset vnic0 flags 3",
    "--reset vnic0 dedicated", "--reset vnic0 offload ram ap", "--reset vnic0 flags", "--reset vnic0 all-shared",
    "--show-fec vnic0", "--show-fec nodev", "--show-fec vnic0 extra", "--set-fec vnic0", "--set-fec vnic0 encoding off",
    "--set-fec nodev encoding off", "--set-fec vnic0 foo", "--set-fec vnic0 encoding",
    "--cable-test vnic0", "--cable-test nodev", "--cable-test vnic0 extra", "--cable-test-tdr vnic0",
    "--cable-test-tdr nodev", "--show-tunnels vnic0", "--show-tunnels nodev", "--show-tunnels vnic0 extra",
    "--show-module vnic0", "--show-module nodev", "--show-module vnic0 extra",
    "--set-module vnic0", "--set-module vnic0 power-mode-policy auto", "--set-module nodev power-mode-policy auto",
    "--set-module vnic0 power-mode-policy foo", "--set-module vnic0 foo", "--show-mm vnic0", "--get-plca-cfg vnic0",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_the_same_answer_as_of_a_card_without_it(host, line):
    device(VETH)
    mine = ours(host(), line)
    if line == "vnic0 -k":  # what follows the name is not looked at
        assert mine == ours(host(), DEV)
        mine = real(DEV)
    assert mine == real(line)


def test_every_option_has_a_line_here():
    """A new one is compared with the real tool too."""
    asked = {line.split()[0] for line in LINES}
    options = {names.split()[0] for names in ethtool_absent.OPTIONS}
    assert options <= asked


def test_every_option_of_the_real_tool_is_known(host):
    h = host()
    options = set(re.findall(r"^ +ethtool (?:\[[^]]*\] )*(-[-\w|]+)", run(["ethtool", "-h"])[0], re.MULTILINE))
    names = {name for group in options for name in group.split("|")}
    assert len(names) > 50
    known = {*ethtool.COMMANDS, "-h", "--help", "--version", "--monitor"}
    assert not names - known
    refused = {n for n in names if "bad command line" in ethtool.command(h, [n, "nodev"]).err}
    assert not refused & {"-a", "-T", "-P", "-i", "-d", "-e", "-r", "-t", "-p", "-m"}


@pytest.mark.parametrize("up", [True, False])
def test_the_settings_of_a_veth(up):
    device(VETH)
    if up:
        device(f"ip link set {DEV} up")
        device("ip link set peer up")
    text = ethtool_link.settings_text(DEV, speed=10000, port="Twisted Pair", link=up)
    assert text == real(DEV)[0]


@pytest.mark.parametrize("speed", [10, 2500, 400_000, -1])
def test_the_settings_of_a_tap(speed):
    """A TAP's speed can be said; its lines of the message level are a driver's that has one."""
    device(TAP)
    device(f"ethtool -s {DEV} speed {speed if speed > 0 else (1 << 32) - 1}")
    said = re.sub(r" +Current message level: .*\n.*\n", "", real(DEV)[0])
    assert ethtool_link.settings_text(DEV, speed=speed, port="Twisted Pair", link=False) == said


def test_the_settings_of_a_port_that_is_no_plug(host):
    """A bridge's: its speed and duplex are unknown, ours are not."""
    device(BRIDGE)
    mine = ours(host(link="25G"), DEV)[0]
    known = {"Speed: 25000Mb/s": "Speed: Unknown!", "Duplex: Full": "Duplex: Unknown! (255)", "yes": "no"}
    for old, new in known.items():
        mine = mine.replace(old, new)
    assert mine == real(DEV)[0]


def test_who_stamps_packets(host):
    device(BRIDGE)
    assert ours(host(), f"-T {DEV}") == real(f"-T {DEV}")
