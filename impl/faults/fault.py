"""What a seeded fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sendright.mach.implementation import Implementation


@dataclass(frozen=True)
class Fault:
    """One mistake that kernels make."""

    name: str
    title: str
    history: str
    """Where and how it occurred, or could."""
    kernel: Callable[[], Implementation]
    """Builds a kernel that makes it, not yet booted."""
