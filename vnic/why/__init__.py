"""vnic why: where frames die, and which knob would save them."""
