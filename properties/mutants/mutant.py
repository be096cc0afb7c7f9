"""A mutant: one mistake in one function of the specification."""

from __future__ import annotations

import re

import msgspec

from sendright.properties.mutants.source import Edit, Unit


class Mutant(msgspec.Struct, frozen=True):
    """One mistake in one function of the specification."""

    id: str
    """It stays the same when other functions, and other statements of this one, change."""
    operator: str
    unit: Unit
    line: int
    was: str
    now: str
    edits: tuple[Edit, ...]
    rules: tuple[str, ...] = ()
    """The rules that it can affect; of a sequence, those of its calls."""
    calls: tuple[str, ...] = ()
    """Of a sequence: the calls that it is of."""
    subjects: tuple[tuple[str, int], ...] = ()
    """Of an invariant or step property: which, by kind and number."""

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.unit.path}:{self.line}"

    @property
    def words(self) -> str:
        """What it changes, in one line."""
        was, now = _line(self.was), _line(self.now)
        if now.startswith("if True: ") or (was.endswith(")") and now.startswith(f"{was[:-1]}, ")):  # it does something more
            return f"{_shortened(was)}  →  … {now[-_MOST:]}"
        return f"{_shortened(was)}  →  {_shortened(now)}"

    def is_in(self, place: str) -> bool:
        """Whether it is in the file, function, rule or invariant called ``place``: ``names``, ``model/calls/names.py``,
        ``names.mach_port_type``, ``copy in a right``, ``I8``, ``S30``.
        """
        module = self.unit.module.rpartition(".")[2]
        names = {module, self.unit.path, self.unit.words, self.unit.name, *self.rules, *self.calls}
        for kind, number in self.subjects:
            names |= {f"{kind} {number}", f"{'I' if kind == 'invariant' else 'S'}{number}"}
        return place in names


_MOST = 150


def _line(text: str) -> str:
    """``text`` on one line, without the modules from which a mutant takes what its own doesn't import."""
    return re.sub(r"__import__\([^()]*\)\.", "", " ".join(text.split()))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
