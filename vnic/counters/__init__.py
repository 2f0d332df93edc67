"""What a host counts, as frozen snapshots."""
