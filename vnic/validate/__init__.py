"""Hold vnic beside the running kernel: the same load through both, with costs measured in between: ``vnic validate``.

scenario.py  the loads: where packets go, how fast they come, what the reader does
worker.py    a process of its own: namespaces, TAPs, a round of calibration before each load
load.py      one load through the kernel, by csrc/wire/validate.c, and the kernel's counters
predict.py   the same writes through vnic, with the costs of those rounds
compare.py   seen and predicted, side by side
counters.py  the same from another machine: its counters before and after, and a capture
"""
