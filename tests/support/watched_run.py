"""One run of any frames on any config, looked at on its way; all the numbers that it has at the end."""

import vnic


def every_other(burst):
    return [len(packet) % 2 == 0 for packet in burst]


def watched_run(config, traffic, step, *, lists=True, latency=True):
    """Run it out, looking at the ledger every few frames. lists: may GRO's lists stay lists above it?"""
    knobs = {name: value for name, value in config.items() if name != "python"}
    with vnic.Host(latency=latency, **knobs) as host:
        host.machine.c.no_lists = not lists
        if config["python"]:
            host.packet_type(0x88B5)(every_other)
            host.protocol(58)(every_other)
            host.nic.filter(every_other)
        if not config["sink"]:
            host.udp(5000)
            host.tcp(80)
        host.feed(traffic)
        while not host.run(frames=step):
            assert host.ledger().closed, host.ledger()
        host.finish()
        ledger = host.ledger()
        assert ledger.closed, ledger
        assert ledger.in_flight == 0, ledger
        assert host.laws() == 0
        assert ledger.offered == len(traffic)
        return (
            ledger,
            host.softnet(),
            host.nic.queues(),
            host.nic.stats(),
            host.gro(),
            host.mib(),
            host.latencies() if latency else None,
        )
