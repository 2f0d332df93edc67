"""GRO's network layers: IPv4 and IPv6 headers, lengths, tags in the frame, tunnels.

The running kernel has no VLAN GRO to ask.
"""

import struct

import pytest
from frames import ACK, FIN, csum, pseudo, tcp
from gro_batches import Batch, Item, Vnic
from gro_rows import rows_of, seg, train


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro_inet"))
def test_linux_6_18_delivers(tap, v, batch, expected):
    assert tap().told(batch) == expected.split(", ")


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro_inet"))
def test_a_card_that_verifies_changes_no_merge(tap, v, batch, expected):
    assert [p[:-1] for p in tap(rx=True).told(batch)] == [p[:-1] for p in expected.split(", ")]


def test_the_merged_ipv6_header_speaks_for_all(tap):
    [(packet, segs, state)] = tap().deliver(train({}, {"flags": ACK | FIN}, v=6, n=80))
    want = bytearray(seg(0, 160, 6, flags=ACK | FIN)[14:])
    want[56:58] = struct.pack("!H", ~csum(pseudo("fdaa::2", "fdaa::1", 6, 180)) & 0xFFFF)
    assert (packet, segs, state) == (bytes(want), 2, "P")


def test_big_tcp_over_ipv6_has_a_jumbo_payload_header(tap):
    """RFC 2675: the length field says 0, a hop-by-hop option the length."""
    t = tap(gro_max_size=200_000, rx_buf_len=9000)
    [(packet, segs, _)] = t.deliver(train(*[{}] * 12, v=6, n=8000))
    assert (len(packet), segs) == (48 + 20 + 96_000, 12)
    assert packet[4:7] == b"\0\0\0"
    assert packet[40:48] == b"\6\0\xc2\4" + (8 + 20 + 96_000).to_bytes(4)
    assert [s for _, s, _ in t.deliver(train(*[{}] * 12, n=8000))] == [8, 4]


def test_big_tcp_over_ipv4_says_0(tap):
    [(packet, segs, _)] = tap(gro_ipv4_max_size=200_000, rx_buf_len=9000).deliver(train(*[{}] * 12, n=8000))
    assert (len(packet), segs, packet[2:4]) == (40 + 96_000, 12, b"\0\0")
    assert csum(packet[:20]) == 0


# ---- tags and tunnels ----


def tagged(frame, *tags):
    return frame[:12] + b"".join(struct.pack("!HH", *t) for t in tags) + frame[12:]


def in_order(n, *tags, v=4):
    return [tagged(seg(100 * i, v=v), *tags) for i in range(n)]


A, B, PRIORITY, OUTER = (0x8100, 5), (0x8100, 6), (0x8100, 0xA005), (0x88A8, 9)


@pytest.mark.parametrize("v", [4, 6])
@pytest.mark.parametrize("tags", [(A,), (PRIORITY,), (OUTER, A), (OUTER,)])
def test_frames_with_the_same_tags_merge(v, tags):
    with Vnic() as vnic:
        [seen] = vnic.deliver(in_order(3, *tags, v=v))
    assert (seen.gso, seen.gso_size, seen.csum) == (f"tcpv{v}", 100, "P")
    with Vnic() as vnic:
        [plain] = vnic.deliver(in_order(3, v=v))
    assert seen.packet[14:] == plain.packet[14:]  # the tags are off


@pytest.mark.parametrize(
    "pair", [((A,), (B,)), ((A,), (PRIORITY,)), ((A,), ()), ((OUTER, A), (OUTER, B)), ((A,), (OUTER,))]
)
def test_other_tags_are_other_flows(pair):
    first, second = pair
    with Vnic() as vnic:
        seen = vnic.deliver([tagged(seg(0), *first), tagged(seg(100), *second)])
    assert [s.gso for s in seen] == ["", ""]


def test_the_order_of_a_tagged_flow_is_kept():
    """An ACK without data ends what is held; a bad checksum overtakes."""
    a = [tagged(f, A) for f in (seg(0), seg(100), seg(200, 0), seg(200))]
    with Vnic() as vnic:
        assert [len(s.packet) - 54 for s in vnic.deliver(a)] == [200, 0, 100]


@pytest.mark.parametrize(("n", "merged"), [(1, 2), (2, 2), (8, 2), (9, 0), (10, 0)])
def test_so_many_tags_are_looked_through_and_no_more(n, merged):
    """At the ninth GRO refuses a frame."""
    with Vnic() as vnic:
        vnic.deliver(in_order(3, *[A] * n))
        assert vnic.host.gro().merged == merged


@pytest.mark.parametrize(
    "frame", [tagged(seg(0), A)[:16], tagged(seg(0), *[A] * 9), seg(0)[:12] + b"\x81\0\0\5\x12\x34" + bytes(60)]
)
def test_tags_that_lead_nowhere_pass(host, frame):
    h = host(rxhash=False)
    h.feed([frame, *in_order(2, A)])
    h.run()
    assert h.gro().merged == 1


@pytest.mark.parametrize("flow", ["ipip", "6in4", "4in6", "6in6"])
def test_one_tunnel_is_looked_through(flow):
    frames = Batch((flow,), tuple(Item(0, 100) for _ in range(3))).frames()
    with Vnic() as v:
        [seen] = v.deliver(frames)
    assert len(seen.packet) == len(frames[0]) + 200
    assert (seen.gso_size, seen.csum) == (100, "P")


def test_two_tunnels_are_not():
    with Vnic() as v:
        assert len(v.deliver(Batch(("ipip in ipip",), (Item(0, 100), Item(0, 100))).frames())) == 2


def test_outer_and_inner_ids_are_judged_each_by_itself():
    """The kernel: outer fixed and inner counting merges, outer counting then fixed does not."""
    with Vnic() as v:
        fixed = tuple(Item(0, 100, ("outer fixed id",)) for _ in range(3))
        assert len(v.deliver(Batch(("ipip",), fixed).frames())) == 1
        mixed = (Item(0, 100), Item(0, 100), Item(0, 100, ("outer fixed id",)))
        assert [s.gso for s in v.deliver(Batch(("ipip",), mixed).frames())] == ["tcpv4", ""]


def test_in_an_outer_ipv6_header_nothing_grows_beyond_64_kb():
    """Linux 6.18 lets it grow, cannot finish it (WARN_ON in ipv6_gro_complete) and loses it: docs/linux.md."""
    with Vnic(gro_max_size=200_000, gro_ipv4_max_size=200_000) as v:
        for flow in ("4in6", "6in6"):
            seen = v.deliver(Batch((flow,), tuple(Item(0, 8000) for _ in range(12))).frames())
            assert [(len(s.packet) - 94) // 8000 for s in seen] == [8, 4]


def test_a_tunnel_for_us_is_no_protocol_of_ours(host):
    h = host()
    h.feed(Batch(("ipip",), tuple(Item(0, 100) for _ in range(3))).frames())
    h.run()
    assert h.ledger().fates == {"IP_NOPROTO": 3}


@pytest.mark.parametrize(("size", "fate"), [(65536, "PKT_TOO_SMALL"), (65535, "IP_INHDR")])
def test_jumbo_lengths_that_lie_are_refused(host, size, fate):
    """RFC 2675 section 3: over 65535, not over what is there, and the length field says 0."""
    h = host(rx_buf_len=9000)
    frame = tcp(b"x" * 100, src="fd00::1", dst="fd00::2")
    jumbo = b"\6\0\xc2\4" + size.to_bytes(4)
    h.feed(frame[:18] + b"\0\0\0" + frame[21:54] + jumbo + frame[54:])
    h.run()
    assert h.ledger().fates == {fate: 1}
