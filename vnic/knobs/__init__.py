"""Every knob: its name, how it is read, where the data plane keeps it."""
