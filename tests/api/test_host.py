"""The host as Python holds it: one run at a time, clear refusals, nothing half done."""

import errno
import threading

import frames
import pytest

import vnic
from vnic._core import ffi, lib


def test_a_handler_cannot_run_or_close_its_host(host):
    h = host()
    said = []

    @h.packet_type(0x88B5)
    def handle(burst):
        for call in (h.run, h.step, h.close):
            with pytest.raises(vnic.VnicError, match="running") as e:
                call()
            said.append(str(e.value))

    h.feed(frames.eth(bytes(46), type=0x88B5))
    h.run()
    assert len(said) == 3
    assert h.ledger().fates == {"DELIVERED_PYTHON": 1}


def test_a_handler_may_feed(host):
    h = host()

    @h.packet_type(0x88B5)
    def handle(burst):
        if burst[0][0] < 5:
            h.feed(frames.eth(bytes([burst[0][0] + 1]) * 46, type=0x88B5))

    h.feed(frames.eth(bytes(46), type=0x88B5))
    h.run()
    assert h.ledger().fates == {"DELIVERED_PYTHON": 6}


def test_a_host_is_not_for_several_threads_at_once(host):
    h = host()
    inside, leave = threading.Event(), threading.Event()

    @h.packet_type(0x88B5)
    def handle(burst):
        inside.set()
        assert leave.wait(20)

    h.feed(frames.eth(bytes(46), type=0x88B5))
    runner = threading.Thread(target=h.run)
    runner.start()
    assert inside.wait(20)
    for call in (h.run, lambda: h.feed(frames.udp())):
        with pytest.raises(vnic.VnicError, match="running"):
            call()
    leave.set()
    runner.join(20)
    assert h.ledger().fates == {"DELIVERED_PYTHON": 1}


def test_steps_do_what_a_run_does(host):
    stepped, ran = host(sink=True, cost="linux", link="10G"), host(sink=True, cost="linux", link="10G")
    for h in (stepped, ran):
        h.feed([frames.udp(dport=5000 + i % 8) for i in range(50)])
    taken = 0
    while stepped.step():
        assert stepped.ledger().closed
        taken += 1
    ran.run()
    assert taken > 50
    assert (stepped.ledger(), stepped.softnet()) == (ran.ledger(), ran.softnet())


def test_a_port_is_bound_once_unless_both_agree(host):
    h = host()
    first = h.udp(5000)
    for addr in None, "10.0.0.2":  # a socket for any address has it too
        with pytest.raises(vnic.PortTakenError, match="bound already") as caught:
            h.udp(5000, addr, reuse_port=True)
        assert (caught.value.errno, caught.value.port) == (errno.EADDRINUSE, 5000)
        assert isinstance(caught.value, (OSError, vnic.ConfigError))
    h.tcp(5000)
    h.udp(5000, lite=True)
    first.close()
    h.udp(5000, "10.0.0.2")
    h.udp(5000, "10.0.0.3")
    with pytest.raises(vnic.PortTakenError):
        h.udp(5000)


@pytest.mark.parametrize("how", ["reuse_port", "reuse_addr"])
def test_sockets_that_agree_share_a_port(host, how):
    h = host()
    h.udp(5000, **{how: True})
    h.udp(5000, **{how: True})
    h.udp(5000, "10.0.0.2", **{how: True})
    with pytest.raises(vnic.PortTakenError):
        h.udp(5000)
    with pytest.raises(vnic.PortTakenError):
        h.udp(5000, **{({"reuse_port", "reuse_addr"} - {how}).pop(): True})


def test_differences_of_snapshots_have_only_what_changed(host):
    h = host(sink=True)
    h.feed(frames.udp())
    h.run()
    before = h.ledger()
    h.feed(frames.arp())
    h.run()
    assert (h.ledger() - before).fates == {"DELIVERED_ARP": 1}
    assert (h.ledger() - before).offered == 1


@pytest.mark.parametrize("at", [0, 64, lib.RSS_INDIR_SIZE - 1])
def test_the_data_plane_itself_refuses_a_table_that_names_a_queue_there_is_not(at):
    h = lib.host_new(1)
    h.nic.nqueues = 2
    h.nic.rss.indir[at] = 2
    assert lib.host_start(h) == -errno.EINVAL
    lib.host_free(h)


@pytest.mark.parametrize("cpus", [0, lib.CPUS_MAX + 1])
def test_there_is_no_host_without_cpus_or_with_too_many(cpus):
    assert lib.host_new(cpus) == ffi.NULL
    lib.host_free(ffi.NULL)


@pytest.mark.parametrize("hz", [100, 101, 202, 250, 300, 999, 1000])
def test_netdev_budget_usecs_is_two_jiffies_in_whole_microseconds(host, hz):
    assert host(hz=hz).machine.c.netdev_budget_usecs == 2_000_000 // hz
