"""The calls of processes."""
