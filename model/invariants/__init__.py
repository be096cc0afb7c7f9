"""What holds in every reachable state, and of every step."""
