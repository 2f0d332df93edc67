"""What another setting would have done to the same frames: two runs, frame by frame.

side.py      one of the two runs: a replay, or a file of events; its rows, spans and costs
compare.py   the comparison in C, and its result
result.py    the result: as_json() is "vnic.diff/1", described there
worse.py     what counts as worse: --fail-on
changed.py   the frames that changed, as pcapng
shown.py     as text
"""
