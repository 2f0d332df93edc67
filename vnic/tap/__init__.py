"""Create, check and attach to TAP devices. A packet tap, which sees packets pass, is something else."""
