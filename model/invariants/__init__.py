"""The properties that hold in every reachable state and of every step."""
