"""Wire formats have names: a bare number of each kind is caught, and numbers that mean something else are not."""

import literals
import pytest
from c_sources import CSRC


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("store16(eth + ETHH_PROTO, v4 ? 0x0008 : 0xdd86);", ["EtherType 0x0008", "EtherType 0xdd86"]),
        ("if (type == 0x0806u)", ["EtherType 0x0806u"]),
        ("t = (struct packet_type){ .type = 0x0608, .func = arp_rcv };", ["EtherType 0x0608"]),
        ("case 0x800:", ["EtherType 0x800"]),
        ("return tpid == 0x0081 || tpid == 0xa888;", ["EtherType 0x0081", "EtherType 0xa888"]),
        ("if (proto == 17)", ["protocol proto == 17"]),
        ("while (next != 0x2c)", ["protocol next != 0x2c"]),
        ("return 6 == f->ip_proto;", ["protocol 6 == f->ip_proto"]),
        ("if (fh[FRAGH_NEXTHDR] != 59)", ["protocol fh[FRAGH_NEXTHDR] != 59"]),
        ("o = (struct outgoing){ .proto = 58 };", ["protocol .proto = 58"]),
        ("port = be16(uh + 2);", ["offset uh + 2"]),
        ("return ip[9];", ["offset ip[9"]),
    ],
)
def test_a_bare_number_is_caught(line, says):
    text = f"/* two\nlines */\nstatic void f(void)\n{{\n\t{line}\n}}\n"
    assert literals.bare_numbers("inet/f.c", text) == [f"inet/f.c:5: {what}" for what in says]


@pytest.mark.parametrize(
    "line",
    [
        "store16(eth + ETHH_PROTO, htons(ETH_P_IP)); /* 0x0008 */",
        'static const char *text = "0x0800, proto == 17";',
        "if (proto == IPPROTO_UDP && next != IPPROTO_NONE)",
        "len = h[EXTH_LEN] * 8 + 0x80008;",
        "struct inet_net ip[18];",
        "if (version == 4 && state == 6)",
    ],
)
def test_a_name_or_another_number_passes(line):
    assert literals.bare_numbers("inet/f.c", f"{line}\n") == []


def test_each_room_that_is_checked_is_one_and_holds():
    for room in literals.ROOMS:
        files = sorted((CSRC / room).glob("*.[ch]"))
        assert files
        for path in files:
            if path != literals.NAMES:
                assert literals.bare_numbers(f"{room}/{path.name}", path.read_text()) == []
