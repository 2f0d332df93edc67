"""GRO beside the running kernel: the table, random batches, what once differed, and what depends on time.

Compared are order, length, every byte, the kind and size of segments, and the checksum's state. Where the kernel cannot
be asked, its recorded answers stand in (tests/golden), and those are compared everywhere.
"""

import os

import gro_conformance as conformance
import pytest
from gro_batches import Batch, Vnic
from gro_conformance import SESSIONS
from gro_rows import MS, TABLE, seg
from kernel_gro import KernelGro

BATCHES = int(os.environ.get("VNIC_BATCHES", "200"))
SEED = int(os.environ.get("VNIC_SEED", "1"))
GOLDEN = conformance.golden()
FOUND = conformance.found()


def recorded(name):
    assert name in GOLDEN["found"], "a new case: scripts/conformance --record"
    return conformance.unpack(GOLDEN["found"][name])


@pytest.fixture(scope="module")
def _live():
    if why := conformance.no_oracle():
        if os.environ.get("VNIC_REQUIRE_ROOT_TESTS") and "not root" in why:
            pytest.fail(why)
        pytest.skip(f"the kernel cannot be asked: {why}")


@pytest.mark.root
@pytest.mark.usefixtures("_live")
def test_the_whole_table_is_the_running_kernels():
    with conformance.kernel("default") as kernel, conformance.vnic_("default") as vnic:
        wrong = [name for name, batch in TABLE.items() if conformance.differ(kernel, vnic, batch)]
    assert not wrong


@pytest.mark.root
@pytest.mark.usefixtures("_live")
@pytest.mark.parametrize("session", SESSIONS)
def test_random_batches_are_the_running_kernels(session):
    n, _, bad = conformance.compare(session, BATCHES, SEED)
    assert not bad, f"VNIC_SEED={SEED}: {n} batches; shrunk, and kept in {conformance.FOUND}"


@pytest.mark.root
@pytest.mark.usefixtures("_live")
@pytest.mark.parametrize("name", FOUND)
def test_what_once_differed_is_the_running_kernels(name):
    session, frames = FOUND[name]["session"], Batch.of(FOUND[name]["batch"]).frames()
    with conformance.kernel(session) as kernel:
        assert kernel.deliver(frames) == recorded(name)


@pytest.mark.root
@pytest.mark.usefixtures("_live")
@pytest.mark.parametrize(
    ("waits_ms", "sizes"), [([0, 20], [200]), ([0, 20, 20], [200, 100]), ([0, 1, 20, 20], [300, 100])]
)
def test_age_is_looked_at_after_receiving_as_in_the_running_kernel(waits_ms, sizes):
    """gro_flush_timeout 100 ms: what comes 20 ms later still merges, then the old one goes."""
    steps = [(wait, seg(100 * i)) for i, wait in enumerate(waits_ms)]
    with KernelGro(flush_timeout_ns=100 * MS) as kernel:
        answers = [kernel.deliver_slowly([(wait / 1000, [f]) for wait, f in steps], 0.3) for _ in range(2)]
    with Vnic(gro_flush_timeout=100 * MS) as vnic:
        got = vnic.deliver([(sum(waits_ms[: i + 1]) * MS, f) for i, (_, f) in enumerate(steps)])
    assert [len(s.packet) - 54 for s in got] == sizes
    assert got in answers  # one of two: a sleep may last longer than it should


@pytest.mark.parametrize("session", SESSIONS)
def test_the_recorded_kernels_answers(session):
    with conformance.vnic_(session) as vnic:
        for frames, answer in GOLDEN["sessions"][session]:
            assert vnic.deliver([bytes.fromhex(f) for f in frames]) == conformance.unpack(answer)


@pytest.mark.parametrize("name", FOUND)
def test_batches_of_gro_that_once_differed(name):
    with conformance.vnic_(FOUND[name]["session"]) as vnic:
        assert vnic.deliver(Batch.of(FOUND[name]["batch"]).frames()) == recorded(name)


@pytest.mark.parametrize("session", SESSIONS)
def test_the_recording_is_of_frames_that_matter(session):
    """Each session's recording has merges, and at least 50 batches."""
    batches = GOLDEN["sessions"][session]
    assert len(batches) >= 50
    assert sum(len(answer) < len(frames) for frames, answer in batches) > 20
