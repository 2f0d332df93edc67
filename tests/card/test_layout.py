"""The memory that card and driver share: each ring and each buffer has bytes of its own, whatever their sizes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import lib


def areas(q, longest):
    """(first byte, its end, what it is) of a queue's rings and buffers."""
    return [
        (q.desc, q.desc + 16 * longest, "descriptors"),
        (q.avail, q.avail + 6 + 2 * longest, "available ring"),
        (q.used, q.used + 6 + 8 * longest, "used ring"),
        *(
            (q.buffers + i * q.buf_stride, q.buffers + (i + 1) * q.buf_stride, f"buffer {i}")
            for i in (0, q.buf_count - 1)
        ),
    ]


@given(
    queues=st.sampled_from([1, 2, 4, 17, 128]),
    ring=st.sampled_from([16, 256, 8160, lib.RX_RING_MAX]),
    buffers=st.sampled_from([1, 7, 64, 300]),
    length=st.sampled_from([128, 1000, 2048, 9000]),
)
def test_no_ring_and_no_buffer_lies_over_another(queues, ring, buffers, length):
    """Virtio 1.2 section 2.7: descriptors at multiples of 16, rings of 2 and 4. Each ring has room to grow."""
    knobs = {"queues": queues, "rx_ring": ring, "rx_pool": max(ring, 64) + buffers, "rx_buf_len": length, "sockets": 16}
    with vnic.Host(external_driver=True, **knobs) as host:
        c = host.machine.c.nic.config
        rows = [lib.config_queue(c, i) for i in range(queues)]
        found = [a for q in rows for a in areas(q, lib.RX_RING_MAX)] + areas(c.tx, lib.TX_RING_MAX)
        found.append((0, lib.CONFIG_BYTES, "config"))
        for q in [*rows, c.tx]:
            assert (q.desc % 16, q.avail % 2, q.used % 4) == (0, 0, 0)
            assert q.buf_stride >= (lib.TX_BUF_LEN if q == c.tx else length)
        found.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(found)), found
        assert found[-1][1] <= c.region_size == host.machine.c.nic.dma.size


@pytest.mark.parametrize("ip", ["10.0.0.2/24", "fd00::2/64"])
def test_the_driver_has_each_transmit_buffer_once(ip):
    with vnic.Host(ip=ip, sockets=16) as host:
        tx = host.machine.c.tx
        assert sorted(tx.free[0 : tx.nfree]) == list(range(host.machine.c.nic.config.tx.buf_count))
