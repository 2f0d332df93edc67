"""Rules in the card: which frames go where, against a model written from the words; and what happens around them."""

import ipaddress
from random import Random

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_tap import wait_until
from model import ntuple as model
from steering import by_queue, queue_of, run
from strategies import traffic

import vnic
from vnic._core import ffi, lib
from vnic.errors import ConfigError
from vnic.linux import ntuple

V6 = {"src": "fd00::1", "dst": "fd00::2"}
OTHER = b"\x02\0\0\0\0\x99"


# ---- what fits ----

FITS = [  # rule, a frame that it is about, one that it is not
    ("udp4 dst-port 5000", frames.udp(), frames.udp(dport=5001)),
    ("udp4 dst-port 5000", frames.udp(), frames.tcp(dport=5000)),
    ("udp4 dst-port 5000", frames.udp(), frames.udp(**V6)),
    ("udp4 src-port 1000", frames.udp(), frames.udp(sport=5000, dport=1000)),
    ("udp4 dst-port 4096 m 0xfff", frames.udp(dport=5000), frames.udp(dport=8192)),
    ("tcp4 dst-port 80", frames.tcp(), frames.udp(dport=80)),
    ("tcp6 dst-port 80", frames.tcp(**V6), frames.tcp()),
    ("udp6 src-ip fd00::1", frames.udp(**V6), frames.udp(src="fd00::3", dst="fd00::2")),
    ("udp6 dst-ip fd00:: m ::ffff", frames.udp(**V6), frames.udp(src="fd00::1", dst="fd01::2")),
    ("ip4 src-ip 10.0.0.0 m 0.0.0.255", frames.icmp(), frames.icmp(src="10.0.1.1")),
    ("ip4 dst-ip 10.0.0.2", frames.udp(frag=0x2000), frames.udp(dst="10.0.0.3")),
    ("ip4 l4proto 1", frames.icmp(), frames.udp()),
    ("ip4 l4data 0x03e81388", frames.udp(), frames.udp(sport=999)),
    ("ip4 dst-port 80", frames.tcp(), frames.tcp(dport=81)),
    ("ip4 tos 8 m 0xf7", frames.udp(tos=0x28), frames.udp(tos=0x20)),
    ("ip6 tclass 8", frames.tcp(tc=8, **V6), frames.tcp(tc=9, **V6)),
    ("ip6 l4proto 58", frames.icmpv6(), frames.tcp(**V6)),
    ("ip6", frames.icmpv6(), frames.icmp()),
    ("udp4 dst-port 5000", frames.udp(options=b"\1\1\1\0"), frames.udp(frag=0x2000)),
    ("ether proto 0x806", frames.arp(), frames.udp()),
    ("ether dst ff:ff:ff:ff:ff:ff", frames.arp(), frames.udp()),
    ("ether src 02:00:00:00:00:02", frames.udp(), frames.udp(mac={"src": OTHER})),
    ("ether dst 02:00:00:00:00:00 m 00:00:00:00:00:ff", frames.udp(), frames.arp()),
    ("ether vlan 5 m 0xf000", frames.udp(mac={"vlan": 0x6005}), frames.udp(mac={"vlan": 6})),
    ("ether vlan 0 m 0xf000", frames.udp(mac={"vlan": 0}), frames.udp()),
    ("ether vlan-etype 0x8100", frames.udp(mac={"vlan": 9}), frames.udp()),
    ("ether proto 0x800", frames.udp(mac={"vlan": 9}), frames.arp()),
    ("udp4 vlan 5 dst-port 5000", frames.udp(mac={"vlan": 5}), frames.udp()),
    ("udp4 dst-mac 02:00:00:00:00:99", frames.udp(mac={"dst": OTHER}), frames.udp()),
    ("sctp4 dst-port 9", frames.eth(frames.ipv4(b"\0\1\0\x09" + bytes(20), 132)), frames.udp(dport=9)),
    ("esp4 spi 7", frames.eth(frames.ipv4(b"\0\0\0\7" + bytes(20), 50)), frames.eth(frames.ipv4(b"\0\0\0\7", 51))),
    ("ip4 l4data 0x01020304", frames.eth(frames.ipv4(b"\1\2\3\4", 253)), frames.eth(frames.ipv4(b"\1\2\3", 253))),
    ("udp4 tos 0 m 0xff dst-port 5000 m 0xffff", frames.udp(dport=1), frames.tcp()),
]


@pytest.mark.parametrize(("rule", "fits", "other"), FITS)
def test_a_rule_is_about(host, rule, fits, other):
    h = host(queues=4, rxhash=False)
    run(h, f"-N vnic0 flow-type {rule} action 2")
    assert (queue_of(h, fits), queue_of(h, other)) == (2, 0)
    (hits,) = ntuple.hits(h.machine.c).values()
    assert hits == 1
    h.knobs["ntuple-rules"] = [f"{rule} action -1"]
    assert (queue_of(h, fits), queue_of(h, other)) == (None, 0)


def test_queue_0_is_a_queue(host):
    h = host(queues=4)
    ports = [port for port in range(50) if queue_of(h, frames.udp(sport=port))]
    assert len(ports) > 20
    run(h, "-N vnic0 flow-type udp4 action 0")
    assert {queue_of(h, frames.udp(sport=port)) for port in ports} == {0}


def test_what_the_frame_before_was_is_forgotten(host):
    """A header whose lengths lie says nothing of what is behind it, whatever was in its place."""
    h = host(queues=4, rxhash=False)
    run(h, "-N vnic0 flow-type udp6 action 2")
    run(h, "-N vnic0 flow-type ip6 dst-port 5000 action 3 loc 0")
    lying = bytearray(frames.udp(**V6))
    lying[18:20] = b"\xff\xff"
    for before in (frames.udp(**V6), frames.udp(), frames.udp(**V6)):
        assert queue_of(h, before) in (0, 3)
        assert queue_of(h, bytes(lying)) == 0


def test_a_burst_closes_up_behind_what_is_dropped(host):
    """A wire without a pace hands the card many at once."""
    h = host(speed="max")
    run(h, "-N vnic0 flow-type udp4 dst-port 6000 action -1")
    sock = h.udp(5000)
    h.feed([frames.udp(b"%d" % i, dport=6000 if i % 3 == 0 else 5000) for i in range(60)])
    h.run()
    assert [sock.recv() for _ in range(40)] == [b"%d" % i for i in range(60) if i % 3]
    assert h.ledger().fates == {"NTUPLE_FILTER": 20, "DELIVERED_UDP": 40}


def test_the_card_refuses_what_it_has_not(host):
    h = host(queues=2)
    nic, key = ffi.addressof(h.machine.c.nic), ffi.new("struct ntuple_key *")
    for location, queue, rc in ((128, 0, -22), (0, 2, -22), (127, 1, 0), (0, lib.NTUPLE_DROP, 0)):
        assert lib.ntuple_insert(nic, key, key, 1, location, queue) == rc
    assert [lib.ntuple_delete(nic, location) for location in (1, 127, 127, 0)] == [-2, 0, -2, 0]


def test_the_first_by_location_decides(host):
    h = host(queues=4, rxhash=False)
    for line in ("udp4 action 1 loc 50", "udp4 dst-port 5000 action 2 loc 10", "ip4 action 3 loc 99"):
        run(h, f"-N vnic0 flow-type {line}")
    assert [queue_of(h, f) for f in (frames.udp(), frames.udp(dport=1), frames.tcp(), frames.arp())] == [2, 1, 3, 0]
    run(h, "-N vnic0 flow-type udp4 dst-port 5000 action -1 loc 10")  # in place of what was there
    assert queue_of(h, frames.udp()) is None
    run(h, "-N vnic0 delete 10")
    assert queue_of(h, frames.udp()) == 1
    assert ntuple.hits(h.machine.c) == {50: 2, 99: 1}


def test_the_feature_switched_off_takes_the_rules_along(host):
    """As igb: a rule needs no switch; off, after on, there are none."""
    h = host(queues=4)
    run(h, "-N vnic0 flow-type udp4 action 1")
    run(h, "-K vnic0 ntuple off")  # as it is
    assert len(h.knobs.ntuple_rules) == 1
    run(h, "-K vnic0 ntuple on")
    assert len(h.knobs.ntuple_rules) == 1
    run(h, "-K vnic0 ntuple off")
    assert h.knobs.ntuple_rules == ()


def test_what_is_put_back_with_the_feature_is_put_back_whole():
    with vnic.Host(queues=2, cpus=2, ntuple=True) as h:
        h.knobs["ntuple-rules"] = "udp4 action 1 loc 5"
        with pytest.raises(ConfigError, match="has room for 2"):
            h.knobs.update({"ntuple": False, "queues": 9})
        assert str(h.knobs["ntuple-rules"]) == "udp4 action 1 loc 5"


def test_queues_that_a_rule_names_stay(host):
    h = host(queues=4)
    run(h, "-N vnic0 flow-type udp4 action 3")
    why = "netlink error: requested channel counts are too low for existing ntuple filter settings\n"
    run(h, "-L vnic0 combined 3", code=1, err=why + "netlink error: Invalid argument\n")
    with pytest.raises(ConfigError, match="a rule names queue 3"):
        h.knobs.queues = 2
    run(h, "-N vnic0 delete 127")
    run(h, "-L vnic0 combined 3")


def test_a_rule_that_drops_is_no_miss_and_no_error(host):
    h = host()
    run(h, "-N vnic0 flow-type ether action -1")
    h.feed([frames.udp()] * 5)
    h.run()
    assert h.ledger().fates == {"NTUPLE_FILTER": 5}
    assert h.nic.stats().rx_errors == 0
    assert "ntuple_drops: 5" in run(h, "-S vnic0")
    assert "ntuple_hits: 5" in run(h, "-S vnic0")


def test_what_the_address_filter_refuses_no_rule_sees(host):
    h = host(mac="02:00:00:00:00:01")
    run(h, "-N vnic0 flow-type ether action -1")
    h.feed(frames.udp(mac={"dst": OTHER}))
    h.run()
    assert h.ledger().fates == {"MAC_FILTER": 1}


# ---- the knob ----


def test_rules_at_the_start():
    text = "udp4 dst-port 5000 action 1; tcp4 src-ip 10.0.0.0 m 0.0.0.255 action -1 loc 0"
    with vnic.Host(queues=2, ntuple_rules=text) as h:
        assert str(h.knobs.ntuple_rules) == (
            "tcp4 src-ip 10.0.0.0 m 0.0.0.255 action -1 loc 0; udp4 dst-port 5000 action 1 loc 127"
        )
        assert queue_of(h, frames.udp()) == 1
        h.knobs["ntuple-rules"] = h.knobs["ntuple-rules"]
        h.knobs["ntuple-rules"] = ["ip6 action 1", *h.knobs["ntuple-rules"]]
        assert ntuple.hits(h.machine.c) == {0: 0, 126: 0, 127: 1}  # those that stay keep their counts
        h.knobs["ntuple-rules"] = ""
        assert h.knobs.ntuple_rules == ()


@pytest.mark.parametrize(("rules", "why"), [
    ("udp4 action 2", "there is no queue 2: the card has 2"),
    ("udp4 action 128", "action 128: must be a queue, or -1"),
    ("udp4 action -2", "action -2: must be a queue, or -1"),
    ("udp4 loc 128 action 1", "loc 128: must be between 0 and 127"),
    ("udp4 loc 1 action 1; udp4 loc 1 action 0", "two rules have the location 1"),
    (["udp4 action 0"] * 129, "there is room for 128 rules"),
    ("udp5 action 1", "Add rule, invalid syntax"),
    ("udp4 foo 1", r"Add rule, unrecognized option\[foo\]"),
    ("udp4 dst-port x", r"Invalid dst-port value\[x\]"),
    ("ah4 action 1", "the card knows no ah4"),
    ("udp4 user-def 1", "the card knows no user-def"),
    (5, "must be rules in ethtool's words"),
    ([5], "must be rules in ethtool's words"),
])  # fmt: skip
def test_rules_that_cannot_be(rules, why):
    with pytest.raises(ConfigError, match=why):
        vnic.Host(queues=2, ntuple_rules=rules)
    with vnic.Host(queues=2, ntuple_rules="udp4 action 1") as h:
        with pytest.raises(ConfigError, match=why):
            h.knobs["ntuple-rules"] = rules
        assert str(h.knobs["ntuple-rules"]) == "udp4 action 1 loc 127"


# ---- against the model ----


def _address(r, v):
    texts = {4: ["10.0.0.1", "10.0.0.2", "10.0.0.77", "224.0.0.1"], 6: ["fd00::1", "fd00::2"]}[v]
    return int(ipaddress.ip_address(r.choice(texts)))


def _free(r, bits):
    return r.choice([None] * 3 + [0, 1, 0xFF, (1 << bits) - 1, r.getrandbits(bits)])


def _shown(word, value):
    if word.endswith("-ip"):
        return None
    if word in ("src", "dst", "dst-mac"):
        return value.to_bytes(6, "big").hex(":")
    return str(value)


def random_rule(r):
    """(words, what the model takes): a rule that has a chance to fit."""
    kind = r.choice(["tcp4", "udp4", "sctp4", "esp4", "ip4", "tcp6", "udp6", "esp6", "ip6", "ether"])
    v = 6 if kind.endswith("6") else 4
    inet = {"src-ip": 32 if v == 4 else 128, "tos" if v == 4 else "tclass": 8, "dst-mac": 48}
    can = {"src": 48, "dst": 48, "proto": 16} if kind == "ether" else inet | {"dst-ip": inet["src-ip"]}
    if kind[:3] in ("tcp", "udp", "sct"):
        can |= {"src-port": 16, "dst-port": 16}
    if kind.startswith("esp"):
        can["spi"] = 32
    if kind.startswith("ip"):
        can |= {"l4proto": 8, **r.choice([{"l4data": 32}, {"src-port": 16, "dst-port": 16}, {"spi": 32}, {}])}
    can |= {"vlan": 16, "vlan-etype": 16}
    values = {"tos": [0, 4], "tclass": [0, 8], "l4proto": [6, 17, 1, 58, 253, 0, 44], "src-port": [1000, 1001, 0],
              "dst-port": [53, 5000, 80], "proto": [0x800, 0x806, 0x86DD, 0x88B5, 0x8100], "vlan": [0, 5, 0x6005],
              "vlan-etype": [0x8100, 0x88A8], "src": [int.from_bytes(frames.PEER, "big")], "spi": [0, 7],
              "dst": [int.from_bytes(x, "big") for x in (frames.MAC, OTHER, b"\xff" * 6)],
              "l4data": [0x03E81388, 0]}  # fmt: skip
    values["dst-mac"] = values["dst"]
    asked = {}
    for word in r.sample(sorted(can), r.randrange(min(4, len(can)) + 1)):
        value = _address(r, v) if word.endswith("-ip") else r.choice(values[word])
        asked[word] = (value, _free(r, can[word]))
    words = [kind]
    for word, (value, free) in asked.items():
        for lead, n in ((word, value), ("m", free)):
            if n is not None:
                text = _shown(word, n)
                words += [lead, text or str((ipaddress.IPv4Address if v == 4 else ipaddress.IPv6Address)(n))]
    action, loc = r.choice([0, 1, 2, 3, -1]), r.randrange(128)
    plain = {word: (value, free or 0) for word, (value, free) in asked.items()}
    return [*words, "action", str(action), "loc", str(loc)], loc, {"flow-type": kind, "words": plain, "action": action}


@pytest.mark.slow
@given(traffic(), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_frames_go_where_the_model_says(frames_, seed):
    """Also from what lies about its lengths: what a rule cannot see does not fit."""
    r = Random(seed)
    rules, texts = {}, {}
    for _ in range(r.randrange(1, 20)):
        words, loc, rule = random_rule(r)
        rules[loc], texts[loc] = rule, " ".join(words)
    with vnic.Host(queues=4, rxhash=False, cost="zero", link="inf", fifo=1 << 28, rx_buf_len=16384, rx_ring=4096,
                   ntuple_rules=list(texts.values())) as h:  # fmt: skip
        expected = [0, 0, 0, 0]
        dropped = short = 0
        for _, frame in frames_:
            if len(frame) < 14:
                short += 1
                continue
            action = model.decide(rules, frame)
            if action == -1:
                dropped += 1
            else:
                expected[action or 0] += 1
        h.feed([frame for _, frame in frames_])
        h.run()
        fates = h.ledger().fates
        assert (fates.get("NTUPLE_FILTER", 0), fates.get("RX_LENGTH", 0)) == (dropped, short)
        assert by_queue(h) == expected
        assert sum(ntuple.hits(h.machine.c).values()) == dropped + sum(
            model.decide(rules, f) not in (None, -1) for _, f in frames_ if len(f) >= 14
        )
        h.finish()
        assert h.laws() == 0


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_a_rule_that_is_shown_is_the_same_rule(seed):
    words, loc, _ = random_rule(Random(seed))
    rule = ntuple.parse(words)
    again = ntuple.parse(str(rule).split())
    asked = bytes(v & m for v, m in zip(rule.value, rule.mask, strict=True))
    assert bytes(v & m for v, m in zip(again.value, again.mask, strict=True)) == asked
    assert (again.mask, again.action, again.loc, again.flow_type) == (rule.mask, rule.action, loc, rule.flow_type)
    with vnic.Host(queues=4, ntuple_rules=[rule]) as h:
        assert h.knobs["ntuple-rules"] == (rule,)


# ---- while it runs ----


@given(traffic(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_both_laws_hold_whatever_rules_come_and_go(frames_, seed):
    r = Random(seed)
    with vnic.Host(queues=4, cpus=2, sink=True, rx_usecs=20) as h:
        h.feed(frames_)
        turn = 0
        while h.step():
            turn += 1
            if turn % 32 == 0:
                h.knobs["ntuple-rules"] = [" ".join(random_rule(r)[0][:-2]) for _ in range(r.randrange(5))]
                assert h.ledger().closed
        h.finish()
        assert h.laws() == 0


def test_a_live_host_takes_rules_under_load(live):
    n, burst = 100 * 32, [frames.udp(dport=7000 + i % 4, sport=i % 64) for i in range(32)]
    room = {"rcvbuf": 1 << 28, "fifo": 1 << 26, "rx_pool": 4096}
    h = live([burst] * 100, cpus=2, queues=2, sink=True, **room)
    h.start()
    for turn in range(40):
        h.knobs["ntuple-rules"] = [f"udp4 dst-port {7000 + turn % 4} action {turn % 2}", "ether proto 0x88b5 action -1"]
    h.knobs["ntuple-rules"] = "ip4 action -1"
    wait_until(lambda: h.ledger().offered == n and h.ledger().in_flight == 0)
    before = h.ledger().fates.get("NTUPLE_FILTER", 0)
    h.wire.source.bursts.append(burst)
    wait_until(lambda: h.ledger().offered == n + 32 and h.ledger().in_flight == 0)
    h.stop()
    assert h.ledger().fates["NTUPLE_FILTER"] == before + 32
    assert h.ledger().fates["DELIVERED_UDP"] == n - before
    assert h.laws() == 0
