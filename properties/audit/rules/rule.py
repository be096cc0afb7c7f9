"""Rules: properties that a log must have. Each rule checks invariants of the model, given by number, as far as a log
can show them.

A rule queries the store and yields suspects, with their evidence and a description. A missing record doesn't mean that
nothing happened: if records are missing, or were not recorded at all, a suspect is at most a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from sendright.mach.results.audits import Evidence, Identity, Link, Severity
from sendright.mach.results.facts import NO_TOKEN, UNSET, Token
from sendright.properties.audit.store import Store

WORDS = ("auid", "euid", "egid", "ruid", "rgid", "asid")
"""The words of a token, except process id and version."""
AT_ONCE = 1_000
"""The number of rows fetched at once."""


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a rule found."""

    severity: Severity
    world: int
    time: int | None
    words: str
    evidence: tuple[Evidence, ...]
    tasks: tuple[Identity, ...]
    """The tasks involved; the fault shows in the last one."""
    step: tuple[Identity, Identity] | None = None
    """The faulty step of the derivation: source and target."""
    how: str = ""
    """The faulty step in words."""
    token: Token = NO_TOKEN
    """The token of the step's target."""
    program: str = ""
    path: tuple[Link, ...] = ()
    """The derivation, if the rule knows more of it than the task's ancestors."""


Finder: TypeAlias = Callable[[Store], Iterator[Suspect]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A named rule."""

    name: str
    invariants: tuple[int, ...]
    """The model's invariants: ``sendright prove --invariant N`` proves them for every call."""
    title: str
    about: str
    needs: tuple[str, ...]
    """The tables it queries. If all of them are empty, the rule doesn't run."""
    find: Finder


RULES: dict[str, Rule] = {}


def rule(name: str, invariants: Sequence[int], title: str, needs: Sequence[str]) -> Callable[[Finder], Finder]:
    """Declare a rule; its docstring is its description for users."""

    def declare(find: Finder) -> Finder:
        assert name not in RULES, name
        about = " ".join((find.__doc__ or "").split())
        RULES[name] = Rule(name=name, invariants=tuple(invariants), title=title, about=about, needs=tuple(needs), find=find)
        return find

    return declare


class Row:
    """One row of an answer, by the names of its columns."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, column: str) -> Any:
        return self._values[column]

    def get(self, column: str) -> Any:
        """The value of a column."""
        return self._values[column]

    @property
    def time(self) -> int | None:
        """When it happened, in microseconds since 1970."""
        return self.tm if self.tm >= 0 else None

    def who(self, prefix: str = "") -> Identity:
        """The task whose columns begin with ``prefix``."""
        return Identity(self.world, self._values[prefix + "pid"], self._values[prefix + "ver"])


def rows(store: Store, question: str) -> Iterator[Row]:
    """The rows that answer ``question``, fetched in parts. Don't query the store again before the last row."""
    answer = store.connection.execute(question)
    names = [column[0] for column in answer.description or ()]
    while part := answer.fetchmany(AT_ONCE):
        yield from (Row(dict(zip(names, values, strict=True))) for values in part)


def token_of(row: Row, prefix: str = "") -> Token:
    """The token of the task whose columns begin with ``prefix``."""
    words = {word: row.get(prefix + word) for word in WORDS}
    version = row.get(prefix + "ver")
    known = {word: value for word, value in words.items() if value >= 0}
    return Token(pid=row.get(prefix + "pid"), pidversion=version if version >= 0 else None, **known)


def evidence(store: Store, file: int, place: int, words: str) -> Evidence:
    """The record at ``place`` of the file with this number."""
    return Evidence(store.files[file], place, words, store.binary[file])


def id_words(number: int) -> str:
    """A user or group id for readers."""
    return "unset" if number == UNSET else "not shown" if number < 0 else str(number)


def changes(row: Row, before: str, after: str, columns: Sequence[str] = WORDS) -> str:
    """Which ids of a row differ between two of its tasks, in words."""
    pairs = [(column, row.get(before + column), row.get(after + column)) for column in columns]
    return ", ".join(f"{column} {id_words(old)} → {id_words(new)}" for column, old, new in pairs if old >= 0 and new >= 0 and old != new)


def unless_ambiguous(ambiguous: bool, severity: Severity) -> Severity:
    """``severity``, or NOTE if the task is ``ambiguous``."""
    return Severity.NOTE if ambiguous else severity
