"""Two hosts with one address, the running kernel and vnic: nothing that came of the same frames may differ."""

import os
import time
from random import Random

import pytest
import twin
from twin_hosts import Outcome
from twin_vnic import VnicTwin

CASES = twin.cases()
INPUTS = int(os.environ.get("VNIC_TWIN_INPUTS", "3000"))


@pytest.fixture(scope="module")
def kernel():
    if why := twin.no_oracle():
        pytest.skip(f"the kernel cannot be asked: {why}")
    from twin_kernel import KernelTwin

    with KernelTwin() as k:
        yield k


@pytest.fixture(scope="module")
def vnic():
    with VnicTwin() as v:
        yield v


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_case_is_the_running_kernels(kernel, vnic, name):
    assert twin.persistent(kernel, vnic, CASES[name]) is None


@pytest.mark.root
@pytest.mark.slow
def test_any_input_is_the_running_kernels(kernel, vnic):
    """VNIC_TWIN_SEED=0: inputs that nobody has tried."""
    seed = int(os.environ.get("VNIC_TWIN_SEED", "1")) or time.time_ns() % 1_000_000
    rng, done = Random(seed), 0
    while done < INPUTS:
        steps = [step for _, step in twin.batch(rng, 50)]
        done += len(steps)
        if difference := twin.persistent(kernel, vnic, steps):
            fewest = twin.shrink(kernel, vnic, steps)
            pytest.fail(
                f"VNIC_TWIN_SEED={seed}, {difference}\nthe fewest steps, for tests/support/twin_cases: {fewest}"
            )


def unlike(kernel, other, steps):
    """The first step at which two kernels differ; None: they do not."""
    for host in kernel, other:
        host.open(twin.SOCKS)
    for step in (*twin.WARM, *steps):
        a, b = twin.normal(kernel.step(step)), twin.normal(other.step(step))
        if (a.replies, a.counters, a.sockets) != (b.replies, b.counters, b.sockets):
            return step
        if set(a.drops) - {"QDISC_DROP"} != set(b.drops) - {"QDISC_DROP"}:  # reports, late
            return step
    return None


@pytest.mark.root
@pytest.mark.slow
def test_two_kernels_do_not_differ(kernel):
    """The harness itself invents no difference."""
    from twin_kernel import KernelTwin

    with KernelTwin(kernel.trace) as other:
        rng = Random(1)
        for _ in range(10):
            steps = [step for _, step in twin.batch(rng, 50)]
            assert None in (unlike(kernel, other, steps) for _ in range(twin.TRIES))


def unasked(vnic, steps):
    """Those that make the host ask for no MAC address: in real time it would ask again."""
    while True:
        vnic.open(twin.SOCKS)
        for step in twin.WARM:
            vnic.step(step)
        kept = [s for s in steps if not any(asks(reply) for reply in vnic.step(s).replies)]
        if len(kept) == len(steps):  # without some, others may ask
            return kept
        steps = kept


def asks(frame):
    return frame[12:14] + frame[20:22] == b"\x08\x06\0\1" or frame[12:14] + frame[54:55] == b"\x86\xdd\x87"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.usefixtures("netns")
def test_a_live_host_on_a_tap_does_what_one_in_virtual_time_does(vnic):
    from twin_live import LiveTwin

    rng = Random(7)
    with LiveTwin() as live:
        for _ in range(4):
            steps = unasked(
                vnic, [step for _, step in twin.batch(rng, 50) if isinstance(step, bytes) and len(step) >= 60]
            )
            assert twin.compare(vnic, live, steps) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", list(twin.recorded())[:: 1 if twin.no_oracle() else 20])
def test_the_recorded_kernels_answers(vnic, name):
    """A few, where the kernel itself is asked."""
    steps, outcomes = twin.recorded()[name]
    assert twin.compare(twin.Recorded(outcomes), vnic, steps) is None


class Wrong:
    """A vnic that keeps its replies to pings for itself."""

    name = "wrong"

    def __init__(self, vnic):
        self.vnic = vnic
        self.open, self.counted = vnic.open, vnic.counted

    def step(self, step):
        outcome = self.vnic.step(step)
        return Outcome(counters=outcome.counters) if outcome.counters.get("Icmp_OutEchoReps") else outcome


def test_a_difference_is_found_and_shrunk_to_what_it_needs(vnic):
    rng = Random(5)
    steps = [step for label, step in twin.batch(rng, 400) if label.startswith(("arp", "ip4 icmp8"))]
    with VnicTwin() as other:
        fewest = twin.shrink(other, Wrong(vnic), steps)
        assert len(fewest) == 1
        assert twin.compare(other, Wrong(vnic), fewest).kinds.keys() == {"replies 1/0"}
        assert twin.compare(other, vnic, steps) is None
