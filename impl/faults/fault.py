"""The record of a seeded fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sendright.mach.kernel.implementation import Implementation


@dataclass(frozen=True)
class Fault:
    """One seeded fault."""

    name: str
    title: str
    history: str
    """Where and how it occurred, or could occur."""
    kernel: Callable[[], Implementation]
    """Makes a kernel with this fault, not booted yet."""
