"""The retransmission timeout follows the measured times as a plain model of RFC 6298 does, with Linux's floor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib

RTO_MIN_US = 200_000
LIMITS = {"rto_min_us": RTO_MIN_US, "rto_max_ms": 120_000}


@pytest.fixture(scope="module")
def host():
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint") as h:
        yield h


class Model:
    """srtt and mdev in exact arithmetic of thousandths; the floor is that of rttvar, not of the timeout."""

    def __init__(self):
        self.srtt = self.mdev = self.worst = self.var = 0

    def sample(self, us, *, round_over):
        if not self.srtt:
            self.srtt, self.mdev = us * 8, us * 2
            self.worst = self.var = max(self.mdev, RTO_MIN_US)
            return
        error = us - self.srtt // 8
        self.srtt += error
        grows = abs(error) - self.mdev // 4
        if error < 0 < grows:
            grows //= 8
        self.mdev += grows
        if self.mdev > self.worst:
            self.worst = self.mdev
            self.var = max(self.var, self.worst)
        if round_over:
            if self.worst < self.var:
                self.var -= (self.var - self.worst) // 4
            self.worst = RTO_MIN_US

    def rto_ns(self, jiffy_ns):
        ns = (self.srtt // 8 + self.var) * 1000
        return min(-(-ns // jiffy_ns) * jiffy_ns, 120 * 10**9)


@given(st.lists(st.tuples(st.integers(1, 5_000_000), st.booleans()), min_size=1, max_size=40))
def test_any_times_give_the_models_timeout(host, samples):
    tp, model, h = ffi.new("struct tcp_sock *", LIMITS), Model(), host.machine.c
    for us, over in samples:
        tp.snd_nxt = 1000
        tp.snd_una = 1001 if over else 999
        tp.rtt_seq = 1000
        lib.tcp_rtt_sample(h, tp, 10**9, us)
        model.sample(us, round_over=over)
        assert (tp.srtt_us, tp.mdev_us, tp.rttvar_us) == (model.srtt, model.mdev, model.var)
        assert tp.rto_ns == model.rto_ns(h.jiffy_ns)
    assert tp.rtt_min_us == min(us for us, _ in samples)


def test_the_least_time_is_forgotten_after_five_minutes(host):
    tp = ffi.new("struct tcp_sock *", LIMITS)
    lib.tcp_rtt_sample(host.machine.c, tp, 10**9, 50)
    lib.tcp_rtt_sample(host.machine.c, tp, 300 * 10**9, 70)
    assert tp.rtt_min_us == 50
    lib.tcp_rtt_sample(host.machine.c, tp, 302 * 10**9, 70)
    assert tp.rtt_min_us == 70
