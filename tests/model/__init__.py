"""The executable specification: each stage in plain Python, written from the texts, not from the C."""
