"""Kernels that plugins add, by the names that ``--sut`` takes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sendright.mach.kernel.implementation import Implementation


class Adapter(msgspec.Struct, frozen=True):
    """A kernel that has a name."""

    name: str
    about: str
    build: Callable[[], Implementation]
    """Makes one, not booted yet."""


ADAPTERS: dict[str, Adapter] = {}
"""All that were added."""
