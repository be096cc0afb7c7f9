"""Traceability: every clause of the specification with the cases, the properties and the tests that cover it.

A test covers a clause if it expects the clause's answer of the reference kernel (``tests_found.py``): the error that
the clause is about, or for an effect and a result KERN_SUCCESS. For a clause of the manual page, which names its tests,
they must expect the codes of its cases.

Reported as missing: a clause without a case, a property or a test; a case that rests on nothing (in this profile); a
reference to nothing; a case that no clause of the manual page names; a call without a rule. With
``evidence_only``, only what rests on nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.results.checks import CallTrace, ClauseTrace, TraceabilityResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.evidence import MANUAL_PAGES, SOURCES, SUITES, Source
from sendright.model.proof.relevance import property_titles
from sendright.model.tracing.clauses import Clause, Clauses, all_clauses, clause_names
from sendright.model.tracing.evidence import FOLLOWED, counts, evidence_for
from sendright.properties.coverage.tests_found import FoundTests

SUCCESS = ReturnCode.KERN_SUCCESS.name

Progress = Callable[[int, int, str], None]
"""Hears how many calls and rules are done, of how many, and the name of the next."""


def _no_progress(done: int, total: int, name: str) -> None:
    pass


def trace_specification(
    profile: Profile, tests: FoundTests | None, call: str | None = None, evidence_only: bool = False, progress: Progress = _no_progress
) -> TraceabilityResult:
    """The clauses of ``call``, or of every call of ``profile``, and what covers them. Without ``tests``, cover by
    tests isn't required. With ``evidence_only``, a clause lacks nothing but evidence. ``progress`` hears of each call.
    """
    titles = property_titles()
    total = len(clause_names(profile, call))
    calls: list[CallTrace] = []
    problems: list[str] = []
    for number, clauses in enumerate(all_clauses(profile, call), 1):
        progress(number, total, clauses.name)
        calls.append(_traced(profile, clauses, titles, tests, evidence_only))
        problems += _problems(calls[-1], clauses, evidence_only)
    return TraceabilityResult(
        verdict=Verdict.FAILED if problems else Verdict.PASSED,
        profile=profile.name,
        titles=titles,
        calls=tuple(calls),
        problems=tuple(problems),
        tests=tests.directory if tests else "",
        changed_tests=tests.changed if tests else (),
        sources=tuple(f"{source.title}: {source.url()}" for source in _sources(profile)),
        counts=tuple(counts()) if call is None else (),
    )


def _sources(profile: Profile) -> list[Source]:
    base = base_of(profile.name)
    cited = [SOURCES[base], MANUAL_PAGES, *([SUITES[base]] if base in SUITES else [])]
    followed = [SOURCES[name] for name in FOLLOWED] if base == MANUAL.name else []
    return list(dict.fromkeys([*cited, *followed]))


def _traced(profile: Profile, clauses: Clauses, titles: dict[str, str], tests: FoundTests | None, evidence_only: bool) -> CallTrace:
    return CallTrace(
        name=clauses.name,
        section=clauses.section,
        about=clauses.about,
        effect=clauses.effect,
        then=clauses.then,
        clauses=tuple(_clause(profile, clauses, clause, titles, tests, evidence_only) for clause in clauses.clauses),
    )


def _clause(profile: Profile, clauses: Clauses, clause: Clause, titles: dict[str, str], tests: FoundTests | None, evidence_only: bool) -> ClauseTrace:
    bases = {case: evidence_for(case, clauses.name, profile) for case in clause.cases}
    evidence = {case: found for case, found in bases.items() if found is not None}
    found: tuple[str, ...] = ()
    if clause.tests is not None:
        found = clause.tests
    elif tests:
        found = tuple(dict.fromkeys(test for call in clauses.calls for test in tests.expecting(call, clause.code or SUCCESS)))
    lacks = [f"the case {case!r} rests on nothing" for case, items in evidence.items() if not items]
    if not evidence:
        lacks.append("it rests on nothing")
    return ClauseTrace(
        id=f"{clauses.name}/{clause.part}.{clause.ordinal}",
        words=clause.words,
        cases=clause.cases,
        properties=clause.properties,
        tests=found,
        changes=clause.changes,
        lacks=(*([] if evidence_only else _lacks(clauses, clause, found, titles, tests)), *lacks),
        evidence=evidence,
    )


def _lacks(clauses: Clauses, clause: Clause, found: tuple[str, ...], titles: dict[str, str], tests: FoundTests | None) -> list[str]:
    lacks = [f"there is no case {case!r}" for case in clause.unknown]
    lacks += [f"there is no property {name!r}" for name in clause.properties if name not in titles]
    if not clause.cases:
        lacks.append("no case")
    if not clause.properties:
        lacks.append("no property")
    if tests:
        lacks += [f"there is no test {name!r}" for name in found if name not in tests.tests]
        lacks += [f"none of its tests expects {code} of {clauses.name}" for code in _codes(clause) if not _expected(tests, found, clauses.name, code)]
        if not found:
            lacks.append(f"no test expects {clause.code or SUCCESS}")
    return lacks


def _codes(clause: Clause) -> list[str]:
    """The return codes of the call's own cases that a clause of the manual page names, whose tests are named by
    hand."""
    own = [case.partition("/")[0] for case in clause.cases if "/" in case and ": " not in case.partition("/")[0]]
    return list(dict.fromkeys(own)) if clause.tests else []


def _expected(tests: FoundTests, found: tuple[str, ...], call: str, code: str) -> bool:
    return any(test in tests.tests and tests.tests[test].expects(call, code) for test in found)


def _problems(traced: CallTrace, clauses: Clauses, evidence_only: bool) -> list[str]:
    if evidence_only:
        return [f"{clause.id}: {lack}" for clause in traced.clauses for lack in clause.lacks]
    if traced.name in SIGNATURES and not traced.clauses:
        return [f"{traced.name}: the specification has no rule for it yet"]
    unnamed = [f"{traced.name}: no clause of its page names the case {case!r}" for case in clauses.unnamed]
    return unnamed + [f"{clause.id}: {lack}" for clause in traced.clauses for lack in clause.lacks]
