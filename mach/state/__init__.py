"""What a kernel shows of its state, and what happened to it in a run."""
