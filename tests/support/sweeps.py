"""Sweeps of a small overload: its capture, the grid, and the rows that it comes to."""

import overloads

from vnic.capture_files import gather
from vnic.sweep.axes import axes
from vnic.sweep.captures import Captures
from vnic.sweep.results import as_json
from vnic.sweep.sweep import Sweep

VARIED = ("rx-usecs=0,50", "rx-ring=64..256x2", "queues=1,2")
"""12 points, some with losses."""


def burst_file(folder, name="burst.pcap", frames=1500):
    """A capture of a burst that a short ring does not hold."""
    path = folder / name
    path.write_bytes(overloads.capture(overloads.burst(frames)))
    return path


def sweep_of(paths, *varied, store=None, **options):
    """A sweep that has not run."""
    return Sweep(Captures(gather(paths)), axes(varied or VARIED), {"cpus": 4} | options, store=store)


def rows_of(sweep):
    """Number of a point -> its row."""
    return {number: row for number, (_, row) in sorted(sweep.results.rows.items())}


def swept(paths, *varied, executor="threads", workers=2, **how):
    """The results of a sweep as JSON."""
    sweep = sweep_of(paths, *varied, **how)
    sweep.run(executor, workers)
    return as_json(sweep.results)
