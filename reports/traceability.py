"""The clauses of the specification and what covers them, as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.text import Text

from sendright.mach.results.checks import CallTrace, ClauseTrace, TraceabilityResult
from sendright.mach.results.evidence import EvidenceItem, EvidenceKind

SHOWN_TESTS = 3
"""Tests that are printed for each clause; ``--json`` has all."""


def trace_lines(result: TraceabilityResult, evidence: bool = False) -> Iterator[Text]:
    """``result``, line by line. With ``evidence``: what each clause rests on, in place of what covers it."""
    for call in result.calls:
        yield from _evidence_of_call(call, result) if evidence else _call(call, bool(result.tests))
        yield Text()
    if evidence:
        yield from _evidence(result)
    else:
        yield from _tests(result)
    for problem in result.problems:
        yield Text(f"{'NO EVIDENCE' if evidence else 'NOT COVERED'} {problem}", "red")
    clauses = [clause for call in result.calls for clause in call.clauses]
    covered = sum(not clause.lacks for clause in clauses)
    words = "clauses have evidence" if evidence else "clauses covered"
    yield Text(f"{result.verdict.value}: {covered} of {len(clauses)} {words}, profile {result.profile}.", "bold")


def _tests(result: TraceabilityResult) -> Iterator[Text]:
    if not result.tests:
        yield Text("Tests were not checked: the directory doesn't exist (name it with --tests).")
    elif result.changed_tests:
        many = len(result.changed_tests)
        words = "1 test changed since its answers" if many == 1 else f"{many} tests changed since their answers"
        yield Text(f"{words} were recorded: run python {result.tests}/record_answers.py", "yellow")
        yield from (Text(f"  {result.tests}/{test}", "dim") for test in result.changed_tests)


def _evidence(result: TraceabilityResult) -> Iterator[Text]:
    yield Text("Sources", "bold")
    yield from (Text(f"  {source}") for source in result.sources)
    yield Text()
    if result.counts:
        yield Text("Cases, each counted for the strongest evidence that it has", "bold")
        kinds = list(result.counts[0].counts)
        yield Text("  " + "profile".ljust(10) + "".join(kind.rjust(len(kind) + 3) for kind in kinds) + "   in all")
        for count in result.counts:
            numbers = "".join(str(count.counts[kind]).rjust(len(kind) + 3) for kind in kinds)
            yield Text(f"  {count.profile:<10}{numbers}{count.cases:>9}")
        yield Text()


def _heading(call: CallTrace) -> Iterator[Text]:
    yield Text(call.name + (f" ({call.section})" if call.section else ", a rule that several calls share"), "bold")
    yield Text(f"  {(call.effect or call.about).replace('``', '')}")
    if call.then:
        yield Text(f"  continues with: {', '.join(call.then)}")


def _title(clause: ClauseTrace) -> Text:
    return Text(f"  {clause.id.partition('/')[2]:<12} {clause.words}", "" if not clause.lacks else "red")


def _call(call: CallTrace, tests: bool) -> Iterator[Text]:
    yield from _heading(call)
    for clause in call.clauses:
        yield _title(clause)
        rows = [("cases", "; ".join(clause.cases)), ("proved", shortened(clause.properties))]
        if tests:
            more = len(clause.tests) - SHOWN_TESTS
            rows.append(("tests", "; ".join(clause.tests[:SHOWN_TESTS]) + (f"; and {more} more" if more > 0 else "")))
        for title, words in rows:
            yield Text(f"      {title:<8} {words or '–'}", "dim")


def _evidence_of_call(call: CallTrace, result: TraceabilityResult) -> Iterator[Text]:
    """What most of its clauses rest on stands once, below the heading; a clause has a line only for something else."""
    rests = [{case: tuple(_grounds(items, result)) for case, items in clause.evidence.items()} for clause in call.clauses]
    often = Counter(grounds for cases in rests for grounds in cases.values())
    common = max(often, key=lambda grounds: often[grounds]) if often.total() > 1 else ()
    yield from _heading(call)
    yield from (Text(f"    if a clause says nothing else, {line}", "dim") for line in common)
    for clause, cases in zip(call.clauses, rests, strict=True):
        yield _title(clause)
        alike: dict[tuple[str, ...], list[str]] = {}
        for case, grounds in cases.items():
            alike.setdefault(grounds, []).append(case)
        for grounds, under in alike.items():
            if len(alike) > 1:
                yield from (Text(f"      {case}", "dim") for case in under)
            if len(alike) > 1 or grounds != common:
                yield from (Text(f"      {line}", "dim") for line in grounds)


def _grounds(items: Iterable[EvidenceItem], result: TraceabilityResult) -> Iterator[str]:
    """One line for each kind of evidence. Items of one source name it once, at the end; *Sources* has the profile's own
    and its version.
    """
    titles = [source.rpartition(": ")[0] for source in result.sources]
    for kind, group in groupby(items, lambda item: item.kind):
        found: dict[tuple[str, str], list[str]] = {}
        for item in group:
            title = next((title for title in titles if item.words.endswith(f" ({title})")), "")
            words = item.words.removesuffix(f" ({title})")
            reason, colon, rest = words.partition(": ") if title else ("", "", words)
            found.setdefault((reason + colon, title), []).append(rest)
        own = titles[0]
        parts = [
            reason + "; ".join(rest) + (f" ({title})" if title and title != own and kind is EvidenceKind.DECISION else "")
            for (reason, title), rest in found.items()
        ]
        yield f"{kind.value}: {'; '.join(parts)}"


def shortened(properties: Iterable[str]) -> str:
    """The names of ``properties``, grouped by kind: ``invariants 1, 2; theorem 3; decided``."""
    parts = [(kind, number) if number.isdecimal() else (name, "") for name in properties for kind, _, number in [name.rpartition(" ")]]
    parts.sort(key=lambda part: (part[0], int(part[1] or 0)))
    groups = {kind: [number for _, number in group if number] for kind, group in groupby(parts, lambda part: part[0])}
    words = [f"{kind}{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}" if numbers else kind for kind, numbers in groups.items()]
    return "; ".join(words)
