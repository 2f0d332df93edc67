"""A link of two hosts: what it carries and when, compared with the same wire in plain Python."""

import random

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib

MASK = (1 << 64) - 1


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def draw(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        return (z ^ z >> 31) >> 11


def model(sent, *, bps, delay, loss, frames_max, bytes_max, seed):
    """Return: [(arrival, frame)], lost, dropped, the longest queue."""
    rng, free, waiting, arrive, lost, dropped, longest = Random(seed), 0, [], [], 0, 0, 0
    for t, frame in sent:
        now = t * 1000
        waiting = [w for w in waiting if w[0] > now]
        if free > now:
            full = frames_max and len(waiting) >= frames_max
            if full or (bytes_max and sum(n for _, n in waiting) + len(frame) > bytes_max):
                dropped += 1
                continue
            waiting.append((free, len(frame)))
            longest = max(longest, len(waiting))
        free = max(free, now) + ((max(len(frame), 60) + 24) * 8 * 10**12 // bps if bps else 0)
        if rng.draw() < round(loss * 2**53):
            lost += 1
        else:
            arrive.append((free // 1000 + delay, frame))
    return arrive, lost, dropped, longest


def arrivals(wire):
    return [(int(f.t_ns), bytes(ffi.buffer(wire.arena + f.off, f.len))) for f in wire.frames[0 : wire.nframes]]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    bps=st.sampled_from([0, 10**6, 10**9, 3 * 10**9, 10**11]),
    loss=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    room=st.sampled_from([(0, 0), (1, 0), (5, 0), (0, 2000), (3, 4000)]),
)
def test_a_way_is_the_wire_of_the_model(seed, bps, loss, room):
    rng, t, sent = random.Random(seed), 0, []
    for _ in range(200):
        t += rng.choice([0, 0, 1, 50, 1000, 20000])
        sent.append((t, rng.randbytes(rng.choice([14, 60, 61, 590, 1514]))))
    a, b, way = lib.mem_wire_new(1 << 20, 16), lib.mem_wire_new(64, 1), ffi.new("struct link_way *")
    way.bps, way.delay_ns, way.loss, way.random = bps, 5000, round(loss * 2**53), seed
    way.queue_frames, way.queue_bytes = room
    lib.link_way_open(way, ffi.addressof(a.wire), ffi.addressof(b.wire))
    try:
        for at, frame in sent:
            assert a.wire.write(ffi.addressof(a.wire), ffi.from_buffer(bytearray(frame)), len(frame), ffi.NULL, at) == 0
        want = model(sent, bps=bps, delay=5000, loss=loss, frames_max=room[0], bytes_max=room[1], seed=seed)
        assert arrivals(b) == want[0]
        assert (way.lost, way.dropped, way.waits_max) == want[1:]
        assert way.frames == len(sent) == way.carried + way.lost + way.dropped
        assert way.bytes == sum(len(f) for _, f in sent)
        assert not bps or way.busy_ps <= sum((max(len(f), 60) + 24) * 8 * 10**12 // bps for _, f in sent)
    finally:
        lib.link_way_shut(way, ffi.addressof(a.wire))
        lib.mem_wire_free(a)
        lib.mem_wire_free(b)


def hosts(**knobs):
    knobs = {"cost": "zero", "cpus": 1, "tcp": "endpoint", "hz": 1000} | knobs
    return (
        vnic.Host(ip="10.0.0.1/24", mac="02:00:00:00:00:01", seed=1, **knobs),
        vnic.Host(ip="10.0.0.2/24", mac="02:00:00:00:00:02", seed=2, **knobs),
    )


def test_a_datagram_arrives_after_delay_and_serialisation():
    a, b = hosts()
    with a, b, vnic.Link(a, b, rate="1gbit", delay="5ms") as link:
        server, sock = b.udp(9), a.udp(7)
        sock.sendto(b"x" * 972, ("10.0.0.2", 9))
        link.run(seconds=0.05)
        assert server.recv() == b"x" * 972
        arp, answer, datagram = 60 + 24, 60 + 24, 14 + 20 + 8 + 972 + 24
        assert b.nic.queues()[0].packets == 2
        done = int(b.wire.c.last_ts)
        cards = done - 3 * 5_000_000 - 8 * (arp + answer + datagram)  # their DMA
        assert 0 <= cards < 1000
        assert link.a_to_b.frames == 2
        assert link.b_to_a.frames == 1
        assert not link.a_to_b.in_flight


def test_both_hosts_stand_at_the_same_instant_after_a_run():
    a, b = hosts()
    with a, b, vnic.Link(a, b, delay="10us") as link:
        for seconds in (0.0, 1e-6, 0.5):
            begun = link.now_ns
            assert link.run(seconds)
            assert link.now_ns - begun == round(seconds * 1e9)
        assert a.now_ns == b.now_ns == link.now_ns - 1
        assert link.run(until_ns=10**9)
        assert link.now_ns == 10**9 + 1


def run_twice(seed):
    a, b = hosts()
    with a, b, vnic.Link(a, b, rate="100M", delay="1ms", loss=0.01, queue=30, seed=seed) as link:
        ours, theirs = link.connect(80)
        data, got = random.Random(1).randbytes(400_000), bytearray()
        left = memoryview(data)

        def step():
            nonlocal left
            if len(left) and (n := ours.send_nowait(left)):
                left = left[n:]
            got.extend(theirs.recv_nowait(1 << 20) or b"")
            return len(got) >= len(data)

        assert link.run(100, until=step)
        assert bytes(got) == data
        link.run(1.0)
        one, other = link.a_to_b, link.b_to_a
        for way in (one, other):
            assert way.frames == way.carried + way.lost + way.dropped
            assert way.in_flight == 0
        assert one.queue_max <= 30
        assert one.lost + other.lost > 0
        assert int(b.machine.c.nic.offered) == one.carried
        assert not a.laws()
        assert not b.laws()
        return link.now_ns, one, other, ours.tcp_info(), a.mib(), b.mib()


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    assert run_twice(3) == run_twice(3)
    assert run_twice(3)[1:3] != run_twice(4)[1:3]


def test_all_lost_is_no_connection():
    a, b = hosts()
    with a, b, vnic.Link(a, b, loss=1) as link:
        with pytest.raises(vnic.TimedOutError, match="no connection came"):
            link.connect(80, seconds=5)
        assert link.a_to_b.lost == link.a_to_b.frames > 0


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"rate": "fast"}, "rate=fast: must be a rate as in 10G, or inf"),
        ({"delay": "5"}, "delay=5: must be a time with a unit, as in 5ms"),
        ({"delay": "5k"}, "delay=5k: is a size"),
        ({"delay": 1}, "delay=1: must be between 1000 and 60000000000"),
        ({"loss": 2}, "loss=2: must be a probability between 0 and 1"),
        ({"loss": "much"}, "loss=much: must be a probability"),
        ({"loss": float("nan")}, "must be a probability"),
        ({"queue": 0}, "queue=0: must be between 1"),
        ({"queue": "many"}, "queue=many: must be a number of frames, or a size as in 64k"),
        ({"seed": -1}, "seed=-1: must be between 0"),
    ],
)
def test_a_bad_value_is_one_sentence(bad, sentence):
    a, b = hosts()
    with a, b, pytest.raises(vnic.ConfigError, match=sentence):
        vnic.Link(a, b, **bad)


def test_hosts_that_do_not_fit():
    a, b = hosts()
    with a, b, vnic.Host(cpus=1) as deaf:
        with pytest.raises(vnic.ConfigError, match="two hosts"):
            vnic.Link(a, a)
        with pytest.raises(vnic.ConfigError, match="b: this host only listens"):
            vnic.Link(a, deaf)
        with pytest.raises(TypeError, match=r"b: a vnic\.Host"):
            vnic.Link(a, None)
        a.feed(frames.udp(b"x"))
        with pytest.raises(vnic.VnicError, match="a: frames wait"):
            vnic.Link(a, b)
        a.run()
        with vnic.Link(a, b) as link:
            with (
                vnic.Host(cpus=1, ip="10.0.0.9/24") as other,
                pytest.raises(vnic.VnicError, match="b: this host is linked already"),
            ):
                vnic.Link(other, b)
            with pytest.raises(vnic.ConfigError, match="say for how long"):
                link.run()
            with pytest.raises(vnic.ConfigError, match="seconds=-1"):
                link.run(-1)
            with pytest.raises(TypeError, match="not callable"):
                link.run(until=3)


def test_a_closed_link_leaves_hosts_that_go_on_alone():
    a, b = hosts()
    with a, b:
        with vnic.Link(a, b) as link:
            link.run(0.01)
        assert link.closed
        with pytest.raises(vnic.VnicError, match="the link is closed"):
            link.run(1)
        sock = a.udp(7)
        sock.sendto(b"x", ("10.0.0.2", 9))
        a.run()
        assert a.nic.sent()
        with vnic.Link(a, b) as link:
            link.connect(80)


def test_a_closed_host_ends_its_link():
    a, b = hosts()
    with b:
        link = vnic.Link(a, b)
        _, theirs = link.connect(80)
        a.close()
        assert link.closed
        link.close()
        theirs.close()
        b.run()
        assert b.nic.sent()
