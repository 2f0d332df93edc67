"""Measure what the running kernel's receive path costs, or read it from a trace: ``vnic calibrate``.

measure.py    the command's side: starts the worker, shows progress, ends it
worker.py     a process of its own: namespaces, TAPs, rounds of samples
sandbox.py    the namespaces, the TAPs and the frames
loads.py      one round of samples, by csrc/wire/calibrate.c
ladder.py     from samples to figures: the arithmetic
state.py      what the machine is, and how busy it was
trace.py      the text of perf script or ftrace: events
from_trace.py from events to figures
"""
