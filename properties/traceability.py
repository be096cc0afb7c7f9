"""Traceability: every clause of the specification with the cases, the properties and the tests that cover it.

It reports everything that is missing: a clause without a case, a property or a test; a dangling reference; a case that
no clause of the manual page names; a call without a rule.
"""

from __future__ import annotations

from sendright.mach.profiles import Profile
from sendright.mach.results import CallTrace, ClauseTrace, TraceabilityResult
from sendright.mach.signatures import SIGNATURES
from sendright.mach.verdicts import Verdict
from sendright.model.clauses import Clause, Clauses, all_clauses
from sendright.model.touched import property_titles
from sendright.properties.tests_found import FoundTests


def trace_specification(profile: Profile, tests: FoundTests | None, call: str | None = None) -> TraceabilityResult:
    """The clauses of ``call``, or of every call of ``profile``, and what covers them. Without ``tests``, tests
    aren't required."""
    titles = property_titles()
    every = list(all_clauses(profile, call))
    calls = [_traced(clauses, titles, tests) for clauses in every]
    problems = [problem for traced, clauses in zip(calls, every, strict=True) for problem in _problems(traced, clauses)]
    return TraceabilityResult(
        verdict=Verdict.FAILED if problems else Verdict.PASSED,
        profile=profile.name,
        titles=titles,
        calls=tuple(calls),
        problems=tuple(problems),
        tests=tests.directory if tests else "",
    )


def _traced(clauses: Clauses, titles: dict[str, str], tests: FoundTests | None) -> CallTrace:
    return CallTrace(
        name=clauses.name,
        section=clauses.section,
        about=clauses.about,
        effect=clauses.effect,
        then=clauses.then,
        clauses=tuple(_clause(clauses, clause, titles, tests) for clause in clauses.clauses),
    )


def _clause(clauses: Clauses, clause: Clause, titles: dict[str, str], tests: FoundTests | None) -> ClauseTrace:
    found: tuple[str, ...] = ()
    if clause.tests is not None:
        found = clause.tests
    elif tests:
        found = tuple(dict.fromkeys(test for call in clauses.calls for test in tests.of_kernel(call, clause.code)))
    return ClauseTrace(
        id=f"{clauses.name}/{clause.part}.{clause.ordinal}",
        words=clause.words,
        cases=clause.cases,
        properties=clause.properties,
        tests=found,
        changes=clause.changes,
        lacks=tuple(_lacks(clause, found, titles, tests)),
    )


def _lacks(clause: Clause, found: tuple[str, ...], titles: dict[str, str], tests: FoundTests | None) -> list[str]:
    lacks = [f"there is no case {case!r}" for case in clause.unknown]
    lacks += [f"there is no property {name!r}" for name in clause.properties if name not in titles]
    if not clause.cases:
        lacks.append("no case")
    if not clause.properties:
        lacks.append("no property")
    if tests:
        lacks += [f"there is no test {name!r}" for name in found if name not in tests.tests]
        if not found:
            lacks.append(f"no test that names {clause.code}" if clause.code else "no test")
    return lacks


def _problems(traced: CallTrace, clauses: Clauses) -> list[str]:
    if traced.name in SIGNATURES and not traced.clauses:
        return [f"{traced.name}: the specification has no rule for it yet"]
    unnamed = [f"{traced.name}: no clause of its page names the case {case!r}" for case in clauses.unnamed]
    return unnamed + [f"{clause.id}: {lack}" for clause in traced.clauses for lack in clause.lacks]
