"""host.knobs while others are busy: in the middle of a poll, in two threads at once, while a host starts and stops."""

import contextlib
import threading

import frames
import pcapng_blocks
import pytest
from live_host import Answering
from live_tap import wait_until

import vnic
import vnic.machine.threads


def test_a_ring_that_is_changed_is_not_polled_before_its_frames_came():
    """The CPU had idled since the beginning, as the interrupt was held back: it wakes up at the card's time."""
    with vnic.Host(cpus=1, rx_usecs=100_000, rx_frames=0, rx_ring=64) as h:
        left_gro = []

        @h.packet_type(0x88B5)
        def take(burst):
            left_gro.extend(burst.t_ns)

        h.nic.feed([frames.arp()[:12] + b"\x88\xb5" + bytes(60)] * 5, gap_ns=10_000_000)
        h.run(until_ns=60_000_000)
        h.knobs.rx_ring = 128
        h.run()
        assert len(left_gro) == 5
        assert min(left_gro) > 40_000_000


def test_a_busy_poll_ends_with_the_budget_it_began_with():
    """Else one that took less, and is complete, looks as if there were more: in line to be polled, owned by nobody."""
    with vnic.Host(cpus=1, busy_read=5, sink=True) as h:
        cpu, changed = h.machine.c.cpu[0], 0
        h.nic.feed([frames.udp(dport=9, sport=i % 7) for i in range(300)], gap_ns=4000)
        while h.step():
            if cpu.bh_off:  # in the middle of a busy poll
                h.knobs.busy_poll_budget = 2 + changed % 7
                changed += 1
                assert not cpu.bh_off
        assert changed
        h.finish()
        assert h.laws() == 0


def test_a_filter_and_somebody_else_may_turn_knobs_at_once(live):
    """The card's thread waited for its turn while whoever had it waited for the card's thread to come to rest."""
    h = live([[frames.udp()] for _ in range(5)], cpus=2, sink=True)
    in_filter, other_begins = threading.Event(), threading.Event()

    @h.nic.filter
    def burst(packets):
        in_filter.set()
        other_begins.wait()
        wait_until(lambda: h.machine.threads._paused or h.knobs.rx_ring == 128)
        h.knobs.mtu = 1500

    h.start()
    in_filter.wait()
    other_begins.set()
    h.knobs.rx_ring = 128
    wait_until(lambda: h.ledger().offered == 5 and h.ledger().in_flight == 0)
    h.stop()
    assert (h.knobs.rx_ring, h.knobs.mtu) == (128, 1500)
    assert h.ledger().fates == {"DELIVERED_UDP": 5}


def test_a_handler_turns_knobs_before_start_has_returned(live, monkeypatch):
    """It once changed them as if nothing ran."""
    h = live([[frames.udp()]], cpus=2, sink=True)
    stopped, seen = threading.Event(), []
    started = vnic.machine.threads.Threads.start

    def slowly(threads):
        started(threads)
        stopped.wait(5)

    @h.nic.filter
    def burst(packets):
        h.machine.while_stopped(lambda: seen.append(h.is_running and h.machine.threads._at_rest == 2))
        stopped.set()

    monkeypatch.setattr(vnic.machine.threads.Threads, "start", slowly)
    h.start()
    wait_until(lambda: seen)
    h.stop()
    assert seen == [True]


def test_nothing_is_changed_while_the_host_ends(live, monkeypatch):
    """Threads that were all gone looked like threads at rest; what they left was being run out by somebody else."""
    h = live([[frames.udp()]], cpus=2, sink=True)
    ran_out, shut = [], h.machine.turn.shut

    def before(caller, *, closing):
        with pytest.raises(vnic.VnicError, match="stopping"):
            h.knobs.rx_ring = 128
        ran_out.append(h.knobs.rx_ring)
        shut(caller, closing=closing)

    h.start()
    monkeypatch.setattr(h.machine.turn, "shut", before)
    h.stop()
    assert ran_out == [256]
    monkeypatch.undo()
    h.knobs.mtu = 1500
    assert h.knobs.mtu == 1500


def test_a_capture_knows_the_frames_of_queues_that_come_later(tmp_path):
    with vnic.Host(cpus=4, queues=1, sink=True) as h:
        capture = vnic.Capture(h, tmp_path / "a.pcapng", at=("wire", "gro", "stack"))
        h.knobs.queues = 4
        h.nic.feed([frames.udp(dport=9, sport=i) for i in range(100)], gap_ns=1000)
        h.run()
        capture.close()
        blocks = pcapng_blocks.read(tmp_path / "a.pcapng")
        ids = {b.id: b.queue for b in pcapng_blocks.at(blocks, "wire")}
        assert set(ids.values()) == {0, 1, 2, 3}
        for point in ("gro", "stack"):
            assert {b.id: b.queue for b in pcapng_blocks.at(blocks, point)} == ids


@pytest.mark.parametrize("change", [{"rx-frames": 5}, {"rx-usecs": 100}, {"adaptive-rx": True}, {"rx-frames": 1}])
def test_an_interrupt_that_is_held_back_follows_what_is_set_now(change):
    """Five frames waited for a 256th; nothing else came, and so they waited for ever, whatever was set."""
    with vnic.Host(cpus=1, rx_usecs=0, rx_frames=256, sink=True) as h:
        h.nic.feed([frames.udp(dport=9)] * 5)
        h.run()
        assert h.ledger().in_flight_at["ring"] == 5
        h.knobs.rx_frames = 6
        h.run()
        assert h.ledger().in_flight_at["ring"] == 5
        h.knobs.update(change)
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 5}
        assert h.laws() == 0


def test_nothing_is_changed_while_the_host_is_freed():
    h, tried = vnic.Host(cpus=1), []
    give_back = h.machine._close_call_fds

    def change():
        with pytest.raises(vnic.VnicError, match="the host is closed"):
            h.knobs.rx_ring = 128
        tried.append(True)

    def closing():
        other = threading.Thread(target=change)
        other.start()
        other.join()
        give_back()

    h.machine._close_call_fds = closing
    h.close()
    assert tried == [True]
    h.close()


def test_a_host_whose_close_failed_is_closed():
    """It was freed a second time."""
    h = vnic.Host(cpus=1)
    vnic.Capture(h, "/dev/full")
    h.nic.feed(frames.udp())
    h.run()
    with pytest.raises(vnic.VnicError, match="No space left"):
        h.close()
    h.close()


def test_a_foreign_driver_that_comes_later_reads_the_address_and_mtu_of_now():
    with vnic.Host(cpus=1, external_driver=True, mtu=1500) as h:
        h.knobs.update({"mac": "02:00:00:00:00:09", "mtu": 9000})
        assert bytes(h.machine.c.nic.config.mac) == bytes.fromhex("020000000009")
        assert h.machine.c.nic.config.mtu == 9000
        h.knobs.update({"mac": "any", "mtu": 0})
        assert bytes(h.machine.c.nic.config.mac) == bytes.fromhex("020000000001")
        assert h.machine.c.nic.config.mtu == 0


def test_many_who_send_all_the_time_keep_nobody_from_changing_a_knob():
    """A moment in which none of them was inside never came, and the machine stood still meanwhile."""
    with vnic.Host(wire=vnic.PythonWire(Answering()), live=True, cpus=2, ip=["10.0.0.2/24"]) as h:
        over = threading.Event()

        def send(sock):
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    sock.sendto(bytes(60_000), ("10.0.0.9", 5), timeout=0.01)

        h.start()
        senders = [threading.Thread(target=send, args=(h.udp(5000 + i),), daemon=True) for i in range(12)]
        for t in senders:
            t.start()
        changer = threading.Thread(target=h.knobs.update, args=({"rx-ring": 128},), daemon=True)
        changer.start()
        changer.join(20)
        in_time = not changer.is_alive()
        over.set()
        for t in [*senders, changer]:
            t.join()
        assert in_time
        assert h.knobs.rx_ring == 128
        h.stop()
        assert h.laws() == 0
