"""Changes to tables of sendright that can be taken back: a plugin is added as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

from sendright.mach.extensions import PluginError

K = TypeVar("K")
V = TypeVar("V")


class Changes:
    """What one plugin has changed so far."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []
        self.adds: list[str] = []
        """What it adds that a user can name, in a few words each."""

    def done(self, undo: Callable[[], object]) -> None:
        """Something was done that ``undo`` takes back."""
        self._undo.append(undo)

    def put(self, table: MutableMapping[K, V], key: K, value: V, what: str) -> None:
        """Add an entry. Raises PluginError if there is one: ``what`` names it."""
        if key in table:
            raise PluginError(f"there is a {what} already (choose another one)")
        table[key] = value
        self.done(lambda: table.pop(key, None))

    def append(self, table: list[Any], value: object) -> None:
        """Add to a list."""
        table.append(value)
        self.done(lambda: table.remove(value))

    def take_back(self) -> None:
        """Everything is as it was before."""
        while self._undo:
            self._undo.pop()()
