"""ethtool -N flow-type and -n, line by line against the real tool in front of a card that keeps rules."""

import pytest
from real_ethtool import DEV, MARKS, QUEUES, TAP, Card, device, ours, real

pytestmark = MARKS

ADD = "-N vnic0 flow-type"
LINES = [  # +: -N vnic0 flow-type
    # what fits
    "+udp4 dst-port 5000 action 2", "+tcp4 src-ip 10.0.0.1 dst-ip 10.0.0.2 src-port 1 dst-port 2 action 1",
    "+tcp4 src-ip 10.0.0.0 m 0.0.0.255 action 3 loc 7", "+udp4 dst-port 5000 action -1",
    "+udp4 src-port 0x1000 m 0xff dst-port 017 tos 4 m 3 action 0 loc 0", "+tcp4", "+udp4 action 1",
    "+sctp4 dst-port 9 action 1", "+esp4 spi 0x12345678 action 1", "+esp4 spi 4000000000 action 1",
    "+tcp6 src-ip fd00::1 dst-ip fd00::2 m ::ffff dst-port 80 tclass 8 action 2", "+udp6 dst-port 53 action 2",
    "+sctp6 src-port 1 action 2", "+esp6 spi 1 m 0xff action 2", "+ip4 src-ip 1.2.3.4 l4proto 17 action 1",
    "+ip4 l4data 0x01020304 m 0xff action 1", "+ip4 src-port 5 action 1", "+ip4 dst-port 6 m 1 action 1",
    "+ip4 src-port 5 dst-port 6 action 1", "+ip4 spi 99 action 1", "+ip6 dst-ip fd00::2 l4proto 6 tclass 1 action 1",
    "+ip6 action 1", "+ether src 02:00:00:00:00:01 dst 02:00:00:00:00:02 proto 0x800 action 1",
    "+ether dst 1:2:3:4:5:6 m 00:00:00:00:00:ff action 1", "+ether proto 0x88b5 m 0xf action -1 loc 127",
    "+ether vlan 5 action 1", "+ether vlan 0x6005 m 0xe000 vlan-etype 0x8100 action 1",
    "+udp4 vlan 5 dst-port 5 action 2", "+udp4 dst-mac 02:00:00:00:00:01 action 2",
    "+udp4 dst-mac 02:00:00:00:00:01 m 00:00:00:00:ff:ff vlan 7 action 2", "+ip4 dst-mac a:b:c:d:e:f action 0",
    "+udp4 queue 2", "+udp4 dst-port 1 dst-port-mask 3 action 1", "+udp4 dst-port ' 5' action +1",
    "+udp4 action 1 loc 126", "+udp4 src-ip 1.2.3.4 src-ip-mask 0.0.0.1 action 1",
    # what no tool can read
    "+", "+foo", "+udp4 foo 1", "+udp4 dst-port", "+udp4 dst-port x action 1", "+udp4 dst-port 65536 action 1",
    "+udp4 dst-port -1 action 1", "+udp4 dst-port 5 m", "+udp4 dst-port 5 m x action 1",
    "+udp4 dst-port 5 dst-port 6 action 1", "+udp4 src-ip 1.2.3 action 1", "+udp4 src-ip fd00::1 action 1",
    "+udp6 src-ip 1.2.3.4 action 1", "+udp4 tclass 1 action 1", "+udp6 tos 1 action 1", "+udp4 tos 256 action 1",
    "+udp4 spi 1 action 1", "+esp4 dst-port 1", "+ether src-ip 1.2.3.4 action 1",
    "+ether dst-mac 1:2:3:4:5:6 action 1", "+ether src 1 action 1", "+ether src 1:2:3:4:5 action 1",
    "+ether src 1:2:3:4:5:zz action 1", "+udp4 action", "+udp4 loc", "+udp4 action 1 m 1", "+udp4 action x",
    "+udp4 loc x action 1", "+udp4 dst-port '' action 1", "+ip4 spi 1 src-port 2 action 1",
    "+ip4 src-port 2 l4data 1 action 1", "+udp4 dst-port 08 action 1", "+udp4 dst-port 0x action 1",
    "+udp4 dst-port 5 6 action 1", "+udp4 queue 1 action 1", "+udp4 action 1 loc -1", "+udp4 loc 4294967296 action 1",
    "+udp4 action 1 queue 2", "+udp4 action 1 vf 1", "+udp4 vf 1 action 1", "+udp4 queue 1 queue 2",
    "+udp4 action 1 action 2", "+udp4 action 1 context x", "+udp4 context 1 action 1 context 2", "+udp4 queue x",
    "+udp4 vf 256 queue 1", "+udp4 vf 1 vf 2", "+udp4 vf x queue 1", "+udp4 queue 1 m 1",
    "+udp4 context 1 m 1 action 1", "+udp4 context 0 action 1", "+udp4 context", "+udp4 vf 1",
    "+udp4 queue 4294967296",
    # what the card refuses
    "+udp4 action 4", "+udp4 action -2", "+udp4 action -3", "+udp4 action 1 loc 128", "+ah4 spi 1 action 1",
    "+ah6 spi 1 action 1", "+udp4 user-def 1 action 1", "+udp4 vf 1 queue 1", "+udp4 action 1 context 1",
    "+udp4 action 99999999999", "-N vnic0 delete 5", "-N vnic0 delete 200", "-N vnic0 delete x", "-N vnic0 delete",
    "-N vnic0 delete 1 2", "-N vnic0 delete -1", "-n vnic0 rule 5", "-n vnic0 rule x", "-n vnic0 rule",
    "-n vnic0 rule 127", "-n vnic0 rule 128",
]  # fmt: skip


@pytest.fixture
def card(host, preload, tmp_path):
    device(TAP)
    h = host(queues=QUEUES)
    real_card = Card(preload, tmp_path / "state", h)

    def both(line):
        mine = ours(h, line)
        assert mine == real_card.ethtool(line, 52)
        return mine

    return both


@pytest.mark.parametrize("line", LINES)
def test_a_rule_is_answered_as_by_the_real_tool(card, line):
    card(f"{ADD} {line[1:]}".rstrip() if line.startswith("+") else line)
    card("-n vnic0")


def test_a_table_is_filled_from_its_end_and_shown_from_its_beginning(card):
    for line in ("tcp4 dst-port 80 action 1", "udp4 dst-port 53 action 2", "ether proto 0x88b5 action -1 loc 3",
                 "udp4 dst-port 53 action 0 loc 126", "ip6 action 3"):  # fmt: skip
        card(f"{ADD} {line}")
    assert card("-n vnic0")[0].count("Filter: ") == 4
    card("-n vnic0 rule 126")
    card("-N vnic0 delete 126")
    card("-n vnic0 rule 126")
    card(f"{ADD} udp6 action 1")
    card("-u vnic0")
    card("-U vnic0 delete 127")
    card("--show-ntuple vnic0")
    card("--config-nfc vnic0 flow-type udp6 action 1")
    card("--show-nfc vnic0")


@pytest.mark.slow
def test_there_is_room_for_so_many(card):
    for i in range(128):
        assert card(f"{ADD} udp4 dst-port {i} action 1") == (f"Added rule with ID {127 - i}\n", "", 0)
    card(f"{ADD} udp4 dst-port 500 action 1")
    card(f"{ADD} udp4 dst-port 500 action 1 loc 64")
    card("-n vnic0")


def test_a_device_that_is_not_there(host):
    device(TAP)
    h = host()
    for line in (f"{ADD} udp4 action 1", "-N vnic0 delete 1", "-n vnic0", "-n vnic0 rule 1"):
        away = line.replace(DEV, "nodev")
        assert ours(h, away) == real(away)
