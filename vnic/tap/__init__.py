"""TAP devices: create them, check them, attach to them. A packet tap, which sees packets pass, is another thing."""
