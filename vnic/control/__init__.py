"""An instance that runs, and those who ask it things over its socket."""
