"""The calls of processes, by subject."""

from sendright.model.calls.processes import lives

__all__ = ["lives"]
