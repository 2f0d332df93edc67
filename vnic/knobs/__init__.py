"""Every knob: its name, its parser, and its place in the data plane."""
