"""A stage is one C file, and its tests are in one file of the same stem in its room."""

import pytest
from c_sources import PATHS
from paths import TESTS

ELSEWHERE = {
    "arrow_capsule.c": ("events/test_arrow.py", "a capsule is made to be dropped"),
    "shared.c": ("events/test_arrow.py", "who holds a table is seen when consumers let go"),
    "sock_recv.c": ("sock/test_sock.py", "reading is the other half of a socket"),
    "table.c": ("events/test_arrow.py", "a table is described to be read"),
    "ftrace.c": ("trace/test_ftrace.py", "its lines are compared with the log and the kernel's formats"),
    "ftrace_lines.c": ("trace/test_ftrace.py", "the same"),
    "pftrace.c": ("trace/test_perfetto.py", "Perfetto's own package reads the whole trace"),
    "pftrace_marks.c": ("trace/test_perfetto.py", "the same"),
    "pftrace_packet.c": ("trace/test_perfetto.py", "the same"),
    "pftrace_tracks.c": ("trace/test_perfetto.py", "the same"),
    "validate.c": ("validate/test_validate.py", "it loads the running kernel, through a TAP and two CPUs"),
    "calibrate.c": ("calibrate/test_loads.py", "it times the running kernel, through a TAP and two CPUs"),
    "clock.c": ("softnet/test_timer.py", "one call of the kernel's clock, read by each live test"),
    "host.c": ("api/test_host.py", "a host is made, started and freed through vnic.Host"),
    "nic_init.c": ("card/test_nic_up.py", "the layout that a handshake reads back"),
    "nic_thread.c": ("machine/test_threads.py", "the card's thread: it is parked, woken and stopped with the others"),
    "vhost_port.c": ("vhost/test_vhost_wire.py", "it is the wire's rings; Python makes their back-end known to it"),
    "vhost_features.c": ("vhost/test_guest_offloads.py", "what follows from features shows in the frames"),
    "nic_lend.c": ("c/stress_lend.c", "two threads at once"),
    "send.c": ("runs/test_send.py", "its schedule and its command are tested together"),
    "map_zeroed.c": ("c/stress_enomem.c", "each mapping fails once, and none is left behind"),
    "ip_route_output.c": ("inet/test_ip_output.py", "the route of a packet is seen where it comes out"),
    "tcp_sacktag.c": ("tcp/test_tcp_ack.py", "SACKs are part of an acknowledgement"),
    "tcp_undo.c": ("tcp/test_tcp_ack.py", "what an acknowledgement tells of an earlier guess"),
    "tcp_fastretrans.c": (
        "tcp/test_tcp_ack.py",
        "any plan of losses, and the running kernel's cwnd in test_tcp_input.py",
    ),
    "tcp_delack.c": ("tcp/test_tcp_receive.py", "what arrives decides when it is acknowledged"),
    "tcp_write.c": ("tcp/test_tcp_output.py", "what is written is seen on the wire"),
    "tcp_retransmit.c": ("tcp/test_tcp_recovery.py", "what is lost goes again"),
    "tcp_request.c": ("tcp/test_tcp_listen.py", "a request is made by a SYN, and ends in the accept queue"),
    "tcp_validate.c": ("tcp/test_tcp_input.py", "its answers are compared with the running kernel's"),
    "tcp_connect.c": ("tcp/test_tcp_socket.py", "the first of a program's calls"),
    "link_run.c": ("wire/test_link.py", "two hosts go on in lock step when a link joins them"),
    "link_task.c": ("runs/test_tcp_workload.py", "its programs are the workloads"),
    "tap.c": ("tap/test_tap.py", "a TAP device needs vnic.tap to exist"),
}
"""C file -> where its tests are instead, and why."""


@pytest.mark.parametrize("path", PATHS.values(), ids=lambda path: path.name)
def test_a_stage_has_its_tests_under_its_name(path):
    own = f"{path.parent.name}/test_{path.stem}.py"
    assert (TESTS / own).exists() != (path.name in ELSEWHERE), f"tests/{own}, or a reason in ELSEWHERE"


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_tested_elsewhere_is(name):
    where, _ = ELSEWHERE[name]
    assert name in PATHS
    assert (TESTS / where).exists()
