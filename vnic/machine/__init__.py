"""The running host: its threads, the turn to run it, and its end."""
