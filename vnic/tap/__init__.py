"""TAP devices: made, looked after, attached to."""
