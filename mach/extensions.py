"""What was added to sendright from outside in this process, and what a new process needs to have the same.

The code that adds a plugin, or a profile from a file, says so here (``tell``). So results, caches and worker processes
know of it, and need not know what a plugin is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec


class PluginError(Exception):
    """A plugin, or a file of a profile, can't be used. The message is one line: what is wrong, where, what to do."""


class Extension(msgspec.Struct, frozen=True):
    """One plugin, or one profile from a file."""

    name: str
    version: str
    source: str
    """The module, or the file."""
    adds: tuple[str, ...]
    """What it adds, each in two or three words: "invariant 1001", "profile my-kernel"."""
    digest: str
    """A hash of its source text."""

    @property
    def words(self) -> str:
        """Its name, its version, and where it is from."""
        return f"{self.name} {self.version}".rstrip() + (f" ({self.source})" if self.source != self.name else "")


Preparation = Callable[[], object]
"""What a new process does before anything else; it can be pickled."""

_told: dict[tuple[str, str], tuple[Extension, Preparation]] = {}


def tell(extension: Extension, preparation: Preparation) -> None:
    """From now on ``extension`` is there. Another process has it too after the ``preparation``."""
    _told[extension.name, extension.source] = extension, preparation


def extensions_in_words() -> str:
    """What is there, in one line; empty if nothing is."""
    return ", ".join(each.words for each in extensions())


def extensions() -> tuple[Extension, ...]:
    """What is there, in the order in which it was added."""
    return tuple(extension for extension, _ in _told.values())


def extensions_of_key() -> bytes:
    """A hash of what is there. A cache makes it a part of its key, since what was added can change any result."""
    told = [f"{one.name}\0{one.version}\0{one.digest}\0" for one in extensions()]
    return sha256("".join(told).encode("utf-8", "backslashreplace")).digest()


class Prepared(msgspec.Struct, frozen=True):
    """What another process needs to work as this one does. It can be pickled."""

    names: tuple[str, ...]
    digests: tuple[str, ...]
    preparations: tuple[Preparation, ...]

    def here(self) -> None:
        """Add to this process what is missing.

        Raises PluginError if that can't be done, or if this process has something else: nothing that was added can be
        taken away, and it could change an answer.
        """
        for preparation in self.preparations:
            preparation()
        if differing := _differing(self, prepared()):
            raise PluginError(f"{', '.join(differing)}: a worker process has another version of it, or doesn't share it (start the workers again)")


def _differing(one: Prepared, other: Prepared) -> Sequence[str]:
    first, second = (dict(zip(each.names, each.digests, strict=True)) for each in (one, other))
    return [name for name in {**first, **second} if first.get(name) != second.get(name)]


def prepared() -> Prepared:
    """What another process needs to work as this one does."""
    every = extensions()
    return Prepared(tuple(each.name for each in every), tuple(each.digest for each in every), tuple(preparation for _, preparation in _told.values()))
