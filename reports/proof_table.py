"""The table of calls × properties: a verdict and a time in each cell."""

from __future__ import annotations

import msgspec

from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict, combine

MARKS = {Verdict.PROVED: "✓", Verdict.BREAKS_AS_KNOWN: "≠", Verdict.REFUTED: "✗", Verdict.UNDETERMINED: "?"}


class Cell(msgspec.Struct, frozen=True):
    """The verdict on all cases of one call under one property."""

    verdict: Verdict
    seconds: float
    cases: int

    @property
    def mark(self) -> str:
        return MARKS.get(self.verdict, "!")

    @property
    def time(self) -> str:
        return f"{self.seconds:.2f}" if self.seconds < 10 else f"{self.seconds:.0f}"


class ProofTable(msgspec.Struct, frozen=True):
    """A table of results. Calls are in the order of the result; properties are sorted by kind and number."""

    calls: tuple[str, ...]
    properties: dict[str, str]
    """Property -> its shortest title. (The title of a broken property may also name a clause.)"""
    cells: dict[tuple[str, str], Cell]
    """(call, property) -> its cell. A pair without obligations has no cell."""


def proof_table(result: ProofResult) -> ProofTable:
    """``result`` as a table."""
    groups: dict[tuple[str, str], list[Obligation]] = {}
    titles: dict[str, str] = {}
    for one in result.obligations:
        groups.setdefault((one.call, one.property), []).append(one)
        titles[one.property] = min(one.title, titles.get(one.property, one.title), key=len)
    cells = {key: Cell(combine(one.verdict for one in group), sum(one.seconds for one in group), len(group)) for key, group in groups.items()}
    properties = {name: titles[name] for name in sorted(titles, key=_kind_and_number)}
    return ProofTable(tuple(dict.fromkeys(call for call, _ in groups)), properties, cells)


def _kind_and_number(name: str) -> tuple[str, int, str]:
    kind, _, number = name.rpartition(" ")
    return (kind, int(number), "") if number.isdecimal() else (name, 0, name)
