"""The counters of a host, as frozen snapshots."""
