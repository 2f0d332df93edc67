"""A host on a foreign port, vnic being the front-end: back-ends that behave, hostile ones, and vnic's."""

import contextlib
import itertools
import json
import os
import signal
import struct
import subprocess
import threading
import time

import back_end as other
import frames
import pytest
from back_end import BackEnd
from commands import VNIC, invoke
from vhost_checks import ends_well, files, flows, until

import vnic
from vnic._core import ffi, lib
from vnic.errors import ConfigError
from vnic.vhost import back_end as asked
from vnic.vhost.card import VhostCard

FRAME = frames.udp(b"x" * 100, sport=1)
PORT_BUS = lib.PORT_BUS
MAC = "02:00:00:00:00:01"
"""That of the frames that tests make."""


@pytest.fixture
def port(tmp_path):
    """A function: a live host on a port, whose back-end is on tmp_path/port; at the end both laws hold."""
    with contextlib.ExitStack() as stack:

        def make(name="port", **options):
            wires = {k: options.pop(k) for k in ("listen", "lanes", "mtu") if k in options}
            wire = vnic.VhostWire(tmp_path / name, **wires)
            host = vnic.Host(**({"wire": wire, "cpus": 1, "live": True, "sink": True, "fifo": 1 << 20} | options))
            stack.callback(_close, host)
            host.start()
            return host

        yield make


def _close(host):
    ends_well(host)
    assert not (host.wire.listen and host.wire.path.exists())


@pytest.fixture
def back_end(tmp_path):
    """A function: a back-end on tmp_path/port."""
    with contextlib.ExitStack() as stack:
        yield lambda name="port", **options: stack.enter_context(BackEnd(tmp_path / name, **options))


def attached(host, there):
    until(lambda: host.wire.attached and there.up.is_set())


def arrives(host, there, *sent, header=other.PLAIN, pair=0, as_many=None):
    """Frames from the port arrive, each once."""
    before = host.ledger().offered
    assert there.send(*sent, header=header, pair=pair) == len(sent)
    until(lambda: host.ledger().offered == before + (as_many or len(sent)))


# ---- what goes through ----


@pytest.mark.parametrize("without", [0, other.EVENT_IDX, other.MRG_RXBUF, other.PROTOCOL, other.GUEST_OFFLOADS])
def test_frames_arrive_and_leave_in_order_and_whole(port, back_end, without):
    there = back_end(offers=other.USUAL & ~without)
    host = port(ip=["10.0.0.2/24"], mac=MAC)
    if without == other.PROTOCOL:
        until(lambda: len(there.rings) == 2 and all(r.kick >= 0 for r in there.rings.values()))
    else:
        attached(host, there)
    assert not there.features & without
    payloads = [bytes([i]) * (23 * i + 1) for i in range(60)]
    with host.udp(5000) as reader:
        arrives(host, there, *[frames.udp(payload, sport=1000 + i) for i, payload in enumerate(payloads)])
        assert [reader.recv(timeout=10) for _ in payloads] == payloads
    with host.packet_socket() as socket:
        for i in range(5):
            socket.send(frames.udp(bytes([i]) * 60, sport=i + 1))
    got = []
    until(lambda: got.extend(there.received()) or len(got) == 5)
    assert got == [frames.udp(bytes([i]) * 60, sport=i + 1) for i in range(5)]
    assert host.wire.facts()["lanes"][0] | {"kicks": 0, "calls": 0} == {"frames": 60, "sent": 5, "kicks": 0, "calls": 0}
    assert host.tx_ledger().fates == {"TX_SENT": 5}


def test_more_frames_than_the_ring_has_entries_keep_going_round(port, back_end):
    there = back_end()
    host = port()
    attached(host, there)
    for turn in range(80):  # 80,000 frames: the indices wrap
        arrives(host, there, *[FRAME] * 1000)
        assert host.wire.facts()["lanes"][0]["frames"] == 1000 * (turn + 1)


def test_a_back_end_finds_a_buffer_for_each_entry_and_then_none(port, back_end):
    there = back_end()
    host = port()
    attached(host, there)

    def flood():
        assert there.send(*[FRAME] * 1025) == 1024

    host.machine.while_stopped(flood)
    until(lambda: host.ledger().offered == 1024)


def test_frames_of_several_buffers(port, back_end):
    there = back_end()
    host = port(mtu=9000)
    attached(host, there)
    for size in (2048 - 12 - 42, 2048 - 12 - 41, 4096 - 12 - 42, 8900):
        arrives(host, there, frames.udp(b"j" * size, sport=7))
    facts = host.wire.facts()
    assert (facts["bad_used"], facts["too_long"]) == (0, 0)
    until(lambda: host.ledger().delivered == 4)


def test_lanes_are_pairs_of_rings(port, back_end):
    there = back_end()
    host = port(lanes=4, ip=["10.0.0.2/24"], mac=MAC)
    attached(host, there)
    assert len(there.rings) == 8
    assert there.features & other.MQ
    for pair in range(4):
        arrives(host, there, *flows(10 + pair), pair=pair)
    assert [lane["frames"] for lane in host.wire.facts()["lanes"]] == [10, 11, 12, 13]
    with host.packet_socket() as socket:
        for i in range(64):
            socket.send(frames.udp(b"y" * 60, src=f"10.0.{i}.1", sport=i + 1))
    out = []
    until(lambda: out.extend(f for pair in range(4) for f in there.received(pair)) or len(out) == 64)
    assert sum(lane["sent"] > 0 for lane in host.wire.facts()["lanes"]) > 1


def test_what_the_sender_left_to_a_card_is_done_at_the_wire(port, back_end):
    """A partial checksum is completed; a GSO frame is cut into segments of its size."""
    there = back_end()
    host = port()
    attached(host, there)
    datagram = bytearray(frames.udp(b"z" * 3000, sport=9))
    pseudo = sum(struct.unpack("!8H", datagram[26:34] + struct.pack("!HH", 17, 3008) + bytes(4)))
    datagram[40:42] = struct.pack("!H", (pseudo & 0xFFFF) + (pseudo >> 16))
    header = struct.pack("<BBHHHHH", 1, 5, 42, 1000, 34, 6, 1)  # USO, datagrams of 1000 bytes
    arrives(host, there, bytes(datagram), header=header, as_many=3)
    assert host.wire.facts()["vnet_hdr"] == {
        "gso_frames": 1,
        "gso_segments": 3,
        "gso_taken": 0,
        "csum_filled": 0,
        "bad_vnet": 0,
    }
    until(lambda: host.ledger().delivered == 3)


def test_a_host_on_vnics_own_card_talks_both_ways(tmp_path, port):
    """Two hosts: one on the card's wire, one on its driver's side. Datagrams there and back, byte for byte."""
    a, b = vnic.JointWire.pair()
    with VhostCard(tmp_path / "port", wire=a, fifo=1 << 22) as card:
        card.start()
        with vnic.Host(wire=b, cpus=1, live=True, ip=["10.0.0.1/24"], mac="02:00:00:00:00:09", fifo=1 << 22) as far:
            far.start()
            host = port(ip=["10.0.0.2/24"], mac=MAC)
            until(lambda: host.wire.attached and card.attached)
            with far.udp(7000) as there, host.udp(7001) as here:
                for turn in range(50):
                    data = os.urandom(1400)
                    here.sendto(data, ("10.0.0.1", 7000))
                    assert there.recv(timeout=10) == data
                    there.sendto(data[::-1], ("10.0.0.2", 7001))
                    assert here.recv(timeout=10) == data[::-1], turn
            far.stop()
            host.stop()
        card.stop()
        assert card.tx_ledger().fates.keys() == {"TX_SENT"}
        assert host.ledger().delivered == card.ledger().fates["DELIVERED_DRIVER"]


# ---- back-ends come and go ----


def test_a_back_end_comes_late_goes_and_comes_back(port, tmp_path):
    host = port(ip=["10.0.0.2/24"], mac=MAC)
    before = None
    for turn in range(20):
        with BackEnd(tmp_path / "port") as there:
            attached(host, there)
            arrives(host, there, *[FRAME] * 10)
        until(lambda: not host.wire.attached)
        if turn == 1:
            before = files()
    until(lambda: files() <= before)
    assert host.wire.sessions == 20
    assert host.ledger().offered == 200
    with host.packet_socket() as socket:
        socket.send(FRAME)
    until(lambda: host.tx_ledger().fates == {"TX_WIRE_ERROR": 1})


def test_the_wire_listens_and_back_ends_connect(port, tmp_path):
    host = port(listen=True)
    with VhostCard(tmp_path / "port", connect=True, link="inf") as card:
        card.start()
        until(lambda: host.wire.attached and card.attached)
        card.feed([FRAME] * 10)
        until(lambda: host.ledger().offered == 10)
    until(lambda: not host.wire.attached)


def test_what_a_back_end_leaves_in_the_sending_ring_is_counted(port, tmp_path):
    host = port(ip=["10.0.0.2/24"], mac=MAC)
    with BackEnd(tmp_path / "port") as there:
        attached(host, there)
        with host.packet_socket() as socket:
            for _ in range(7):
                socket.send(FRAME)
        until(lambda: host.tx_ledger().fates == {"TX_SENT": 7})
        assert there.next(1)
    until(lambda: not host.wire.attached)
    assert host.wire.facts()["unsent"] == 7


def test_a_full_sending_ring_loses_frames_with_a_name(port, back_end):
    there = back_end()
    host = port(ip=["10.0.0.2/24"], mac=MAC)
    attached(host, there)
    with host.packet_socket() as socket:
        for i in range(1030):
            socket.send(FRAME)
            until(lambda i=i: sum(host.tx_ledger().fates.values()) == i + 1)
    assert host.tx_ledger().fates == {"TX_SENT": 1024, "TX_WIRE_FULL": 6}
    assert there.received() == [FRAME] * 1024


@pytest.mark.parametrize("end", ["stop", "close"])
@pytest.mark.parametrize("silent", [other.GET_FEATURES, other.SET_VRING_ENABLE, other.GET_VRING_BASE])
def test_the_end_waits_for_no_back_end(tmp_path, silent, end):
    with BackEnd(tmp_path / "port", says={silent: None}) as there:
        host = vnic.Host(wire=vnic.VhostWire(tmp_path / "port"), cpus=1, live=True)
        host.start()
        until(lambda: bool(there.rings) or silent == other.GET_FEATURES)
        getattr(host, end)()
        host.close()
        assert not [t for t in threading.enumerate() if t.name == "vhost"]


# ---- back-ends that cannot be used, or are hostile ----


@pytest.mark.parametrize(
    ("options", "says", "why"),
    [
        ({"offers": other.PROTOCOL}, {}, "the back-end does not offer VIRTIO_F_VERSION_1"),
        ({"pairs": 1}, {}, "the back-end has 1 pairs of queues, not 2"),
        ({"protocol": 1 << 3}, {}, "the back-end has 1 pairs of queues, not 2"),
        ({}, {1: lambda b, _: b.reply(1, b"")}, "the back-end answered GET_FEATURES with 0 bytes"),
        ({}, {1: lambda b, _: b.reply(1, bytes(5000))}, "the back-end answered GET_FEATURES with 5,000 bytes"),
        ({}, {1: lambda b, _: b.reply(2, bytes(8))}, "the back-end answered GET_FEATURES with message 2, flags 0x5"),
        ({}, {1: lambda b, _: b.reply(1, bytes(8), flags=1)}, "answered GET_FEATURES with message 1, flags 0x1"),
        ({}, {1: lambda b, _: b.hang_up()}, "the back-end hung up at GET_FEATURES"),
        ({}, {5: lambda b, _: b.reply(5, other.NUMBER.pack(22))}, "the back-end refuses SET_MEM_TABLE (22)"),
        ({}, {9: lambda b, _: b.reply(9, other.NUMBER.pack(1))}, "the back-end refuses SET_VRING_ADDR (1)"),
    ],
    ids=range(10),
)
def test_a_back_end_that_cannot_be_used_is_one_sentence(port, tmp_path, options, says, why):
    host = port(lanes=2)
    with BackEnd(tmp_path / "port", says=says, **options):
        until(lambda: host.wire.refused)
        assert why in host.wire.refused[0]
        assert host.wire.refused[0].endswith(": the connection was ended")
        assert not host.wire.attached
    with BackEnd(tmp_path / "port") as there:
        attached(host, there)
        arrives(host, there, FRAME)


def test_a_back_end_that_says_nothing_is_given_up(port, back_end, monkeypatch):
    monkeypatch.setattr(asked, "_PATIENCE_S", 0.1)
    back_end(says={other.GET_FEATURES: None})
    host = port()
    until(lambda: host.wire.refused)
    assert host.wire.refused == ["the back-end does not answer GET_FEATURES within 0 s: the connection was ended"]


def _no_such(there):
    there.use(0, 60000, 100)


def _jump(there):
    there.use(0, 5, 200, by=3000)


def _not_sent(there):
    there.use(1, 7, 0)


@pytest.mark.parametrize("attack", [_no_such, _jump, _not_sent])
def test_a_ring_that_was_broken_ends_the_connection(port, tmp_path, attack):
    host = port(ip=["10.0.0.2/24"], mac=MAC)
    with BackEnd(tmp_path / "port") as there:
        attached(host, there)
        attack(there)
        with host.packet_socket() as socket, contextlib.suppress(OSError):
            socket.send(FRAME)  # the sending ring is looked at when a frame is sent
        until(lambda: host.wire.refused)
        assert host.wire.refused == ["the back-end broke a ring: the connection was ended"]
        until(lambda: there.sessions > 1)  # it is given another chance
        attached(host, there)
        arrives(host, there, FRAME)
    assert host.wire.facts()["bad_used"] >= 1


@pytest.mark.parametrize(
    ("length", "header", "counter"),
    [
        (0, other.PLAIN, "bad_used"),
        (11, other.PLAIN, "bad_used"),
        (25, other.PLAIN, "bad_used"),
        (0xFFFFFFFF, other.PLAIN, None),
        (200, struct.pack("<BBHHHHH", 0, 0, 0, 0, 0, 0, 64), "bad_used"),
        (200, struct.pack("<BBHHHHH", 0, 0, 0, 0, 0, 0, 65535), "bad_used"),
        (200, struct.pack("<BBHHHHH", 1, 1, 65535, 65535, 65535, 65535, 1), "bad_vnet"),
        (200, struct.pack("<BBHHHHH", 1, 0, 0, 0, 190, 65535, 1), "bad_vnet"),
        (200, struct.pack("<BBHHHHH", 1, 3, 0, 0, 0, 0, 1), "bad_vnet"),
    ],
    ids=str,
)
def test_lengths_and_headers_that_lie(port, back_end, length, header, counter):
    there = back_end()
    host = port()
    attached(host, there)
    for _ in range(3000):
        posted = []
        until(lambda posted=posted: host.wire.refused or posted.extend(filter(None, [there.next(0)])) or posted)
        assert not host.wire.refused
        desc, at, _ = posted[0]
        there.memory[at : at + 12] = header
        there.memory[at + 12 : at + 12 + len(FRAME)] = FRAME
        there.use(0, desc, length)
    until(lambda: there.posted(0) == (3000 + 1024) % 65536)
    facts = host.wire.facts()
    assert counter is None or facts.get(counter, facts["vnet_hdr"].get(counter))
    arrives(host, there, FRAME)


def test_memory_that_changes_while_it_is_read(port, back_end):
    """A back-end writes over buffers and headers that it has given back: each frame is one of the two, or a bad one."""
    there = back_end()
    host = port()
    attached(host, there)
    over, sent = threading.Event(), 0

    def scribble():
        headers = [other.PLAIN, struct.pack("<BBHHHHH", 1, 1, 54, 100, 34, 16, 9), os.urandom(12)]
        while not over.is_set():
            for i in range(0, 1024, 3):
                at = int(host.wire._port.rx_at) + i * 2048
                there.memory[at : at + 12] = headers[i % 3]
                there.memory[at + 26 : at + 46] = os.urandom(20)

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(300):
            sent += there.send(*[FRAME] * 50)
    finally:
        over.set()
        thread.join()
    assert sent > 1000
    until(lambda: not host.ledger().in_flight)


# ---- the class, and the command ----


def test_what_cannot_be_is_one_sentence(tmp_path):
    for options, why in (
        ({"lanes": 0}, "lanes=0"),
        ({"lanes": 17}, "lanes=17"),
        ({"mtu": 20}, "mtu=20"),
    ):
        with pytest.raises(ConfigError, match=why):
            vnic.VhostWire(tmp_path / "port", **options)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        vnic.VhostWire("/tmp/" + "x" * 200)
    with pytest.raises(ConfigError, match="No such file or directory"):
        vnic.VhostWire(tmp_path / "no/port", listen=True)
    wire = vnic.VhostWire(tmp_path / "port", listen=True)
    with pytest.raises(ConfigError, match="listens there already"):
        vnic.VhostWire(tmp_path / "port", listen=True)
    with pytest.raises(vnic.ConfigError, match="cost"):
        vnic.Host(wire=wire, live=True, cost="linux")
    wire.close()
    assert repr(wire) == f"<vnic.VhostWire {tmp_path}/port closed>"
    done = invoke("run", "--listen")
    assert (done.exit_code, done.output.splitlines()[-1]) == (2, "vnic: --listen goes with --vhost")


def test_the_command_is_a_host_on_a_port(tmp_path):
    with BackEnd(tmp_path / "port") as there:
        args = [*VNIC, "run", "--vhost", tmp_path / "port", "--vhost-queues", "2", "--json", "--ip", "10.0.0.2/24"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            try:
                assert there.up.wait(20)
                there.send(*flows(20))
                until(lambda: there.posted(0) >= 1024)
                time.sleep(0.1)
                run.send_signal(signal.SIGINT)
                out, err = run.communicate(timeout=20)
            finally:
                run.kill()
    facts = json.loads(out)
    assert run.returncode == 0
    assert "port is for the back-end at" in err
    assert facts["input"]["device"] == "port"
    assert facts["input"]["back_ends"] == 1
    assert [lane["frames"] for lane in facts["input"]["lanes"]] == [20, 0]
    assert facts["ledger"]["offered"] == 20


def test_no_port_can_be_freed():
    lib.vhost_port_free(ffi.NULL)


def test_a_port_leaves_no_file_open():
    before = files()
    ports = [lib.vhost_port_new(lanes, 1500) for lanes in (1, 3)]
    assert files() > before + 8
    for port in ports:
        lib.vhost_port_free(port)
    assert files() <= before


def descriptors(port, ring):
    """(first byte, behind the last) of each descriptor that the ring offers the back-end."""
    begin = {name: int(getattr(lib.vhost_port_ring(port, ring), name)) - PORT_BUS for name in ("desc", "avail")}
    memory = ffi.buffer(port.memory.base, port.memory.size)
    (n,) = struct.unpack_from("<H", memory, begin["avail"] + 2)
    heads = struct.unpack_from(f"<{n}H", memory, begin["avail"] + 4)
    rows = [struct.unpack_from("<QIHH", memory, begin["desc"] + 16 * head) for head in heads]
    return [(addr, addr + length) for addr, length, _, _ in rows]


def test_buffers_of_all_rings_are_apart():
    """Bug that a mutant showed to be possible: what is sent lay in buffers that frames are received into."""
    port = lib.vhost_port_new(2, 1500)
    try:
        lib.vhost_port_attach(port, 0)
        for lane in (0, 1):
            for i in range(5):
                assert port.port.write(ffi.addressof(port.port), lane, bytes([i]) * 1500, 1500) == 0
        received, sent = ([b for ring in rings for b in descriptors(port, ring)] for rings in ((0, 2), (1, 3)))
        assert (len(received) > 100, len(sent)) == (True, 10)
        places = sorted(received + sent)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(places))
        assert places[-1][1] <= PORT_BUS + int(port.memory.size)
    finally:
        lib.vhost_port_free(port)
