"""The card on a wire that has no pace."""

import frames
from captures import T0, pcap, replay


def test_every_frame_of_a_capture_is_offered_once_whatever_the_pace(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(T0 + i * 1000, frames.udp(b"%03d" % i), 45) for i in range(200)]))
    for knobs in ({"speed": "max"}, {"speed": "max", "link": "1G"}, {"speed": "0.5"}, {"speed": "1000"}):
        with replay(path, **knobs) as host:
            assert host.ledger().offered == 200
            assert host.ledger().fates == {"DELIVERED_UDP": 200}
