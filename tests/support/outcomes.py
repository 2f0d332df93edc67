"""What became of frames: their fates, and the counters that moved."""


def fates(host, *input_frames, at_ns=None):
    """Feed a host and run it to the end. Return: fate -> frames, of all that it was ever fed."""
    host.feed(input_frames, at_ns=at_ns)
    host.run()
    return host.ledger().fates


def counted(host, kept):
    """The SNMP counters that are not 0 and whose name is kept: name -> value."""
    return {name: n for name, n in host.mib().items() if n and kept(name)}
