"""The control socket of a running instance: its server, its client, and the commands it answers."""
