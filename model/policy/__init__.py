"""Policies: labels, and which label may have which authority over which; as data, and as terms about a state."""
