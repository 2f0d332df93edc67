"""Time lines of a run for tools that others made: Perfetto's format, and the text of the kernel's tracer.

write.py      one or the other, by the file's name; complete, or not there
perfetto.py   the begin of a Perfetto trace: tracks, names, notes. csrc/events/pftrace.c writes the rest
protobuf.py   as much of protobuf as that needs
ftrace.py     the head of the text, and the strings of its lines. csrc/events/ftrace.c writes them
reasons.py    fates as Linux's drop reasons, and the function that frees the packet
"""
