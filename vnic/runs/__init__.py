"""What a command does from beginning to end: replay, run, send; and the report."""
