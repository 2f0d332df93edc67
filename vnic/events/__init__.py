"""The event log: all that happens to each frame, as records; and what is made of them: tables, files, stories.

log.py      switch the log on for a host, choose what it keeps; ends in Events
events.py   the records of a run, in the order of time
frames.py   a row for each frame: when it passed each stage, and its fate
rows.py     memory of equal rows, for both: by index, as numpy's array, as bytes
kinds.py    what a record says: kinds, their columns' meaning, flows, in words
file.py     all of it in one file, and back
"""
