"""Rules by hand come before the driver's filters, and both before the indirection table."""

import frames
from steering import queue_of, run


def test_a_rule_goes_before_the_indirection_table_and_before_a_filter_of_accelerated_rfs(host):
    h = host(
        queues=4, cpus=4, sink=True, reader_cpu=3, ntuple=True, rps_flow_cnt=256, rps_sock_flow_entries=256, gro=False
    )
    for i in range(5):
        queue_of(h, frames.tcp(b"x" * 100, seq=1 + i * 100))
    assert h.nic.arfs().filters == 1
    assert queue_of(h, frames.tcp(b"x" * 100, seq=501)) == 3
    run(h, "-N vnic0 flow-type tcp4 dst-port 80 action 1")
    assert queue_of(h, frames.tcp(b"x" * 100, seq=601)) == 1
