"""sendright's own version."""

from __future__ import annotations


def version() -> str:
    """sendright's own version; 0 when it runs from a source tree that isn't installed."""
    import importlib.metadata  # here, as it takes long, and few commands say it

    try:
        return importlib.metadata.version("sendright")
    except importlib.metadata.PackageNotFoundError:
        return "0"
