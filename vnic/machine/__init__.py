"""The host at work: its threads, who may run it, how it ends."""
