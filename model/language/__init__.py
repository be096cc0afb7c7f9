"""The notation in which rules and invariants are written."""
