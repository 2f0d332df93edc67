"""The story of a frame: a line a stage, from the log's records.

way.py      the stages of its way: every ns is in exactly one
waits.py    what it waited for in each, and what its CPU did meanwhile
met.py      what it met there: fills beside their limits, and the limit that was near
before.py   of a lost frame: what stood in front of it, and the knob
story.py    all of that together
chosen.py   which frames: by number, lost ones, the slowest
logged.py   the log that the stories need: of a capture or an event file
explain.py  a sentence or two for each stage, and how it loses frames
shown.py    as text; step.py: a stage at each key
"""
