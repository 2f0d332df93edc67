"""Segments to a connection, and what it says: the running kernel is the oracle; here and there, plain numbers."""

import os
from random import Random

import pytest
from frames import ACK, FIN, PSH, RST, SYN
from tcp_random import essence
from tcp_random import script as random_script
from tcp_scripts import HELLO, SCRIPTS, data, differences, kernels_answers, of_vnic
from tcp_talk import OPT, PLAIN, Talk, opened

TALKS = int(os.environ.get("VNIC_TCP_TALKS", "40"))
SEED = int(os.environ.get("VNIC_TCP_SEED", "1"))
PORT = {name: 41000 + 5 * i for i, name in enumerate(SCRIPTS)}


@pytest.fixture(scope="module")
def kernel():
    """The kernel behind a TAP in a namespace of the module's."""
    import needs

    from vnic.tap.netns import own

    if why := needs.why_no_root():
        pytest.skip(why)
    from tcp_sides import KernelSide

    with own(), KernelSide() as k:
        yield k


@pytest.fixture(scope="module")
def answers(kernel):
    return kernels_answers({name: (script, PORT[name]) for name, script in SCRIPTS.items()})


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_goes_as_with_the_running_kernel(kernel, answers, name):
    """The scripts' module says which are left out, and why."""
    assert differences(kernel, answers.get(name), SCRIPTS[name], PORT[name]) == []


@pytest.mark.root
@pytest.mark.slow
def test_any_talk_goes_as_with_the_running_kernel(kernel):
    """VNIC_TCP_TALKS: how many; VNIC_TCP_SEED: others."""
    talks = {i: (random_script(Random(SEED * 100_000 + i)), 20000 + 5 * i % 20000) for i in range(TALKS)}
    said = kernels_answers(talks)
    unlike = {i: differences(kernel, said.get(i), *talk, look=essence) for i, talk in talks.items()}
    assert {i: found for i, found in unlike.items() if found} == {}


# ---- without an oracle: what RFC 9293 section 3.10.7 and RFC 5961 say in numbers ----


@pytest.mark.parametrize("seq", [2, 1000, 60_000])
def test_a_reset_in_the_window_is_challenged_and_beyond_it_ignored(seq):
    with opened(PLAIN) as talk:
        said = talk.seg(seq=seq, flags=RST)
        assert [(s.flags, s.seq, s.ack) for s in said] == [(ACK, 1, 1)]
        assert talk.seg(seq=90_000, flags=RST) == []
        assert talk.sock.state == "ESTABLISHED"
        talk.seg(seq=1, flags=RST)
        assert talk.sock.state == "CLOSE"


def test_challenges_are_limited():
    with opened(PLAIN) as talk:
        assert sum(len(talk.seg(seq=9, flags=RST)) for _ in range(50)) == 1
        talk.wait(0.6)
        assert len(talk.seg(seq=9, flags=RST)) == 1
        assert talk.mib("TcpExt_TCPChallengeACK") == 2


def test_a_segment_without_ack_is_dropped():
    with opened(PLAIN) as talk:
        for flags in (0, PSH, FIN, FIN | PSH):
            assert talk.seg(flags=flags, len=10) == []
        assert talk.sock.recv_nowait() is None
        assert talk.host.ledger().fates["TCP_FLAGS"] == 4


def test_old_timestamps_are_rejected():
    """PAWS: RFC 7323 section 5."""
    with opened(OPT) as talk:
        (ack,) = talk.data(1, 10, ts=-500)
        assert ack.ack == 1
        assert talk.sock.recv_nowait() is None
        assert talk.mib("TcpExt_PAWSEstab") == 1
        talk.seg(flags=RST, ts=-500)  # a reset is one, whatever its timestamp
        assert talk.sock.state == "CLOSE"


@pytest.mark.parametrize(
    ("answer", "state", "flags"),
    [
        ({"flags": SYN | ACK, "ack": 5}, "SYN_SENT", [RST]),
        ({"flags": SYN | ACK, "ack": 0}, "SYN_SENT", [RST]),
        ({"flags": RST | ACK, "ack": 5}, "SYN_SENT", []),
        ({"flags": RST | ACK, "ack": 1}, "CLOSE", []),
        ({"flags": RST}, "SYN_SENT", []),
        ({"flags": ACK, "ack": 1}, "SYN_SENT", []),
        ({"flags": FIN | ACK, "ack": 1}, "SYN_SENT", []),
        ({"flags": SYN}, "SYN_RECV", [SYN | ACK]),
        ({"flags": SYN | ACK}, "ESTABLISHED", [ACK]),
    ],
)
def test_what_may_come_after_our_syn(answer, state, flags):
    with Talk() as talk:
        talk.step(("connect",))
        said, _ = talk.step(("synack", answer))
        assert (talk.sock.state, [s.flags for s in said]) == (state, flags)


def test_a_script_of_the_kernels_is_the_same_again():
    """Virtual time: nothing of it is chance."""
    script = [*HELLO, data(1, 100), ("recv", 50), ("send", bytes(5000)), ("wait", 300), ("close",)]
    assert of_vnic(script, 45000) == of_vnic(script, 45000)
