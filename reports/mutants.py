"""The result of ``sendright mutants``: a table by operator, and the mutants that nothing noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sendright.mach.results.mutants import ClauseNeed, ClausesResult, Judgement, MutantResult, MutantsResult, Outcome
from sendright.reports.escape import one_line

LINE = 120
"""Columns of a line of a page."""


class Row(msgspec.Struct, frozen=True):
    """The mutants of one operator, counted."""

    operator: str
    population: int
    """How many there are."""
    decided: int
    """How many were tried, and could be built."""
    prove: int
    """How many of these a proof noticed, a checked run, one of the two."""
    check: int
    either: int
    equivalent: int
    """How many survived, and have a reason to."""
    holes: int
    """How many survived through a hole in the properties that is known."""
    open: int
    """How many survived without a reason."""
    undecided: int
    unbuilt: int
    """How many can't be built."""

    def score(self, killed: int) -> str:
        """``killed`` as a part of those that were decided."""
        return f"{killed} ({100 * killed / self.decided:.0f} %)" if self.decided else "–"


def rows(result: MutantsResult) -> list[Row]:
    """The table, with the sum of each kind of operators at its end."""
    of_invariants = [operator for operator in result.population if _of_invariants(operator)]
    of_rules = [operator for operator in result.population if operator not in of_invariants]
    found = []
    for title, operators in (("rules and actions", of_rules), ("invariants", of_invariants)):
        single = [_row(operator, [operator], result) for operator in operators]
        found += [row for row in single if row.decided or row.unbuilt]
        if single:
            found.append(_row(title, operators, result))
    return found


def _of_invariants(operator: str) -> bool:
    return "invariant" in operator or operator.startswith("clause ")


def _row(title: str, operators: Sequence[str], result: MutantsResult) -> Row:
    mine = [one for one in result.mutants if one.operator in operators]
    tried = [one for one in mine if one.is_specification]
    return Row(
        operator=title,
        population=sum(result.population[operator] for operator in operators),
        decided=len(tried),
        prove=sum(one.prove.outcome is Outcome.KILLED for one in tried),
        check=sum(one.check.outcome is Outcome.KILLED for one in tried),
        either=sum(one.killed for one in tried),
        equivalent=sum(one.survived and bool(one.reason) and not one.hole for one in tried),
        holes=sum(one.survived and one.hole for one in tried),
        open=sum(one.survived and not one.reason for one in tried),
        undecided=sum(one.undecided for one in tried),
        unbuilt=len(mine) - len(tried),
    )


_COLUMNS = ("operator", "of", "decided", "prove", "check", "either", "equivalent", "hole", "no reason", "undecided", "no specification")


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.equivalent, row.holes, row.open, row.undecided, row.unbuilt)
    return (row.operator, f"{row.population:,}", f"{row.decided}", *map(row.score, (row.prove, row.check, row.either)), *map(str, counts))


def mutant_lines(result: MutantsResult) -> Iterator[RenderableType]:
    """The result for a terminal."""
    table = Table(*_COLUMNS)
    for row in rows(result):
        table.add_row(*_cells(row))
    yield table
    for one in result.mutants:
        if not one.killed and one.is_specification:
            yield Text(f"{_fate(one)}: {one.id}")
            yield Text(f"    {one_line(one.where)}, {one.operator}: {one_line(one.change)}")
            yield from (Text(f"    {judge}: {answer.outcome.value} {one_line(answer.words)}".rstrip()) for judge, answer in _answers(one))
            if one.reason:
                yield Text(f"    {one_line(one.reason)}")
    for id in result.without_need:
        yield Text(f"killed, though there is a reason why it should survive: {id} (remove it from the file of survivors)")
    total = f"{len(result.mutants)} mutants of {sum(result.population.values()):,} in {result.seconds:.0f} s"
    yield Text(
        f"{result.verdict.value}: {total}, profile {result.profile}, seed {result.seed}; {result.unchanged} others that were drawn change nothing"
    )


def _fate(one: MutantResult) -> str:
    if one.undecided:
        return "undecided"
    return "SURVIVED" if not one.reason else "survived through a hole" if one.hole else "survived, with a reason"


def _answers(one: MutantResult) -> tuple[tuple[str, Judgement], ...]:
    return ("prove", one.prove), ("check", one.check)


def mutants_page(result: MutantsResult, version: str) -> str:
    """The result as a page of the documentation, in Markdown."""
    lines = ["<!-- written by sendright -->", "# The mutant score", ""]
    lines += ["```sh", result.command, "```", ""]
    lines += [f"sendright {version}, profile {result.profile}, {len(result.mutants)} mutants in {result.seconds / 60:.0f} minutes.", ""]
    if result.interrupted:
        lines += ["The run was ended before the whole sample was decided. The table has those that were.", ""]
    lines += ["[What the columns mean](mutants.md).", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    for row in rows(result):
        cells = _cells(row)
        bold = row.operator in ("rules and actions", "invariants")
        lines.append(f"| {' | '.join(f'**{cell}**' if bold else cell for cell in cells)} |")
    for title, chosen in (
        ("Survivors", [one for one in result.mutants if one.survived]),
        ("Undecided", [one for one in result.mutants if one.undecided]),
    ):
        if chosen:
            lines += ["", f"## {title}"]
            for one in chosen:
                lines += ["", f"`{one.id}`, {one.operator}:", "", "```", one_line(one.change), "```", ""]
                lines += wrap(one_line(one.reason or "No reason is known."), LINE)
    return "\n".join(lines) + "\n"


_NEEDS = ("clause", "used by", "lost without it, or what it is for")


def _need(one: ClauseNeed) -> tuple[str, ...]:
    """The cells of a clause's row."""
    lost = one.needed_by or one.reason or "no proof was found that needs it, and no reason is known"
    return f"{one.invariant}, {one.clause}", f"{one.uses}", one_line(lost)


def clauses_summary(result: ClausesResult) -> str:
    """How many clauses some proof needs, and how many are there for another reason."""
    needed = sum(bool(one.needed_by) for one in result.clauses)
    reasons = sum(bool(one.reason) and not one.needed_by for one in result.clauses)
    left = len(result.clauses) - needed - reasons
    counts = f"{needed} of {len(result.clauses)} clauses are needed by some proof, {reasons} have another reason, {left} have none"
    cut = "; interrupted: not all proofs were looked at" if result.interrupted else ""
    return f"{counts}; {result.questions:,} goals in {result.seconds / 60:.0f} minutes, profile {result.profile}{cut}"


def clause_lines(result: ClausesResult) -> Iterator[RenderableType]:
    """The needs of clauses for a terminal."""
    table = Table(*_NEEDS)
    for one in result.clauses:
        table.add_row(*map(Text, _need(one)))
    yield table
    yield Text(f"{result.verdict.value}: {clauses_summary(result)}")


def clauses_page(result: ClausesResult, version: str) -> str:
    """The needs of clauses as a page of the documentation, in Markdown."""
    lines = ["<!-- written by sendright -->", "# Which clauses proofs need", "", "```sh", result.command, "```", ""]
    lines += wrap(f"sendright {version}: {clauses_summary(result)}.", LINE)
    lines += ["", "[What the columns mean](mutants.md#clauses-of-invariants).", "", f"| {' | '.join(_NEEDS)} |", f"|{'---|' * len(_NEEDS)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in _need(one))} |" for one in result.clauses]
    return "\n".join(lines) + "\n"
