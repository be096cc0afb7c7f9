"""The specification of a call as clauses: its target, its errors in order, its effects, its results.

All of it follows from the signature and the rules: each case of a rule is a clause. Only the headline call's manual
page adds clauses that are written by hand (``manual_page.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, Output, OutputType, Signature
from sendright.model.language.rule import COPY_OUT, PENDING_RULES, RULES
from sendright.model.language.sequences import rules_of
from sendright.model.proof.relevance import TouchedCase, cases_of, touched_cases
from sendright.model.tracing.manual_page import CALL, PAGE, PAGE_PROFILE, PageClause

COPIED_OUT = (OutputType.PORT, OutputType.PORTS, OutputType.DESCRIPTORS)
"""Results that are rights: the rule for copying out gives them their names."""
ASKING = "mach_port_request_notification"
"""The call that requests the work of rules that no call runs itself: they do what another call left pending."""


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One clause, and what the specification has for it."""

    part: str
    """``target``, ``error``, ``effect`` or ``result``; of the manual page its section."""
    ordinal: int
    words: str
    cases: tuple[str, ...]
    properties: tuple[str, ...]
    changes: tuple[str, ...] = ()
    code: str | None = None
    """The error that it speaks of."""
    tests: tuple[str, ...] | None = None
    """The tests that were named by hand; None: tests are found automatically."""
    unknown: tuple[str, ...] = ()
    """Named cases that don't exist."""


class Clauses(msgspec.Struct, frozen=True, kw_only=True):
    """All clauses of a call, or of a rule that several calls share."""

    name: str
    section: str
    about: str
    effect: str
    calls: tuple[str, ...]
    """The call itself, or the calls that share the rule."""
    then: tuple[str, ...]
    clauses: tuple[Clause, ...]
    unnamed: tuple[str, ...] = ()
    """Cases that the manual page's clauses leave out."""


Cases = Callable[[str], list[TouchedCase]]


def shared_rules(calls: Iterable[str] = SIGNATURES) -> dict[str, tuple[str, ...]]:
    """The rules that more than one of ``calls`` run through, each with those calls; and those that none does, with the
    one that asks for them. A rule with a call's own name belongs to that call, also if another one runs through it.
    """
    users: dict[str, list[str]] = {}
    for call in calls:
        for rule in rules_of(call):
            users.setdefault(rule, []).append(call)
    shared = {rule: tuple(calls) for rule, calls in users.items() if len(calls) > 1 and rule not in SIGNATURES}
    of_calls = {rule for call in SIGNATURES for rule in rules_of(call)}
    return shared | {rule: (ASKING,) for rule in RULES if rule not in of_calls and ASKING in users}


def has_rules(call: str) -> bool:
    """Whether the specification has all rules of ``call``."""
    return all(rule in RULES for rule in rules_of(call))


def errors_of(call: str, profile: Profile) -> tuple[tuple[str, str], ...]:
    """The errors of ``call`` in ``profile``, in the order in which they are tested: the code of each, and when it is
    returned. It takes them from all rules of the call, also from those that it shares with others.

    Raises KeyError if the specification lacks a rule of the call.
    """
    found: dict[tuple[str, str], None] = {}
    for rule in rules_of(call, profile):
        later = " (when a call that waited is resumed)" if rule.endswith(": resumed") else ""
        for case in cases_of(rule, profile):
            if case.code not in (None, ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
                found[code_name(case.code), f"{case.title}{later}"] = None
    return tuple(found)


def all_clauses(profile: Profile, call: str | None = None) -> Iterator[Clauses]:
    """The clauses of ``call``, or of every call that ``profile`` serves; then those of the rules that they share.

    A call that the specification has no rule for has no clauses.
    """
    shared = shared_rules(name for name in SIGNATURES if profile.serves(name))
    cases = _remembering(profile)
    for name in clause_names(profile, call):
        if name not in shared:
            yield _of_call(SIGNATURES[name], profile, set(shared), cases)
        else:
            clauses = _of_cases(cases(name), "")
            effect = " ".join(RULES[name].manual.split())
            yield Clauses(name=name, section="", about="", effect=effect, calls=shared[name], then=(), clauses=tuple(clauses))


def clause_names(profile: Profile, call: str | None = None) -> tuple[str, ...]:
    """The calls and the shared rules of which ``all_clauses`` gives the clauses, in the same order."""
    served = [name for name in SIGNATURES if profile.serves(name)]
    chosen = [name for name in served if call in (None, name)]
    used = {rule for name in chosen for rule in rules_of(name, profile)}
    if ASKING in chosen:
        used |= {rule for rule in PENDING_RULES if RULES[rule].is_used(profile)}
    rules = [rule for rule in shared_rules(served) if rule in RULES and rule in used]
    return (*chosen, *rules)


def _remembering(profile: Profile) -> Cases:
    known: dict[str, list[TouchedCase]] = {}

    def cases(rule: str) -> list[TouchedCase]:
        if rule not in known:
            known[rule] = touched_cases(rule, profile)
        return known[rule]

    return cases


def _of_call(signature: Signature, profile: Profile, shared: set[str], cases: Cases) -> Clauses:
    name = signature.name
    make = partial(Clauses, name=name, section=signature.section, about=signature.about, calls=(name,))
    if not has_rules(name):
        return make(effect="", then=(), clauses=())
    elsewhere = shared | (SIGNATURES.keys() - {name})
    own = [rule for rule in rules_of(name, profile) if rule not in elsewhere]
    clauses: list[Clause] = []
    unnamed: tuple[str, ...] = ()
    if name == CALL and profile.name == PAGE_PROFILE:
        clauses += [_of_page(clause, cases) for clause in PAGE]
        named = {case for clause in PAGE for case in clause.cases}
        unnamed = tuple(case.id for case in cases(CALL) if case.id not in named)
    found = [(rule, case) for rule in own for case in cases(rule)]
    touched = [case if rule == name else msgspec.structs.replace(case, id=f"{rule}: {case.id}") for rule, case in found]
    clauses += _of_cases(touched, _target(signature, profile))
    succeeds = [case for case in touched if case.code in (None, ReturnCode.KERN_SUCCESS.name)]
    if succeeds:
        clauses += [_result(signature, output, number, succeeds, cases) for number, output in enumerate(signature.outputs, 1)]
    effect = " ".join(RULES[own[-1] if name not in RULES else name].manual.split())
    then = tuple(rule for rule in rules_of(name, profile) if rule in elsewhere)
    return make(effect=effect, then=then, clauses=tuple(clauses), unnamed=unnamed)


def _target(signature: Signature, profile: Profile) -> str:
    """The argument to whose port the request is sent; none of a trap.

    (Some kernels send the token calls to the task.)
    """
    if profile.task_is_target and signature.target == "host_security":
        return signature.arguments[1].name
    return signature.target or ""


def _of_cases(cases: list[TouchedCase], target: str) -> Iterator[Clause]:
    ordinals: dict[str, int] = {}
    for case in cases:
        failed = case.code not in (None, ReturnCode.KERN_SUCCESS.name)
        is_target = bool(target) and case.code == ReturnCode.MACH_SEND_INVALID_DEST.name and not ordinals
        part = "target" if is_target else "error" if failed else "effect"
        ordinals[part] = ordinals.get(part, 0) + 1
        words = (
            f"sent to the port under {target}; {case.code} if there is no send right"
            if is_target
            else f"{case.code}: {case.title}"
            if failed
            else case.title
        )
        code = case.code if failed else None
        yield Clause(part=part, ordinal=ordinals[part], words=words, cases=(case.id,), properties=case.properties, changes=case.changes, code=code)


def _result(signature: Signature, output: Output, ordinal: int, succeeds: list[TouchedCase], cases: Cases) -> Clause:
    """A result comes from the cases that name it; a right from the call's success and the copying out; a list from the
    success alone.
    """
    naming = [case for case in succeeds if output.name in case.results] or succeeds
    ids = [case.id for case in naming]
    if output.type in COPIED_OUT and COPY_OUT in rules_of(signature.name):
        ids += [f"{COPY_OUT}: {case.id}" for case in cases(COPY_OUT)]
    return Clause(part="result", ordinal=ordinal, words=f"{output.name}: {output.about}", cases=tuple(ids), properties=_together(naming))


def _of_page(clause: PageClause, cases: Cases) -> Clause:
    return Clause(
        part=clause.section,
        ordinal=clause.ordinal,
        words=clause.words,
        cases=clause.cases,
        properties=clause.properties,
        tests=clause.tests,
        unknown=tuple(reference for reference in clause.cases if not _exists(reference, cases)),
    )


def _exists(reference: str, cases: Cases) -> bool:
    head, slash, title = reference.partition("/")
    if not slash:
        return has_rules(reference)
    rule, _, code = head.rpartition(": ")
    return (rule or CALL) in RULES and any(case.id == f"{code}/{title}" for case in cases(rule or CALL))


def _together(cases: Iterable[TouchedCase]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for case in cases for name in case.properties))
