"""Compares the rules of two profiles: for each case of the first, whether the second does the same.

Both profiles' cases are of one rule, so they speak of the same state, arguments and choices. In any state in which the
invariants of the first profile hold, where a case of the first applies, the second has to answer the same code, allow
the same choices, give the same results and leave the same state. What isn't proved gets a state in which the two
differ, as a counterexample of ``sendright prove`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import z3

from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.results.checks import Basis, Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import RULES, Case
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.language.term_walk import number_of
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.obligations import AnyCase, CaseProof, looked_closer
from sendright.model.proof.processes.workers import Lost, in_workers
from sendright.model.proof.properties import Goals
from sendright.model.proof.solver.instantiate import first_effort, follows_from_nothing

SAME = "the two kernels do the same"
"""The title of what is decided."""
NOT_COMPARED = ("arrival",)
"""Which notification comes first is a choice of the kernel's: what it may be is compared, not what it is."""


def compared_calls(first: Profile, second: Profile) -> tuple[list[str], list[str], list[str]]:
    """The calls that both serve, those of the first alone, and those of the second alone."""
    both = [call for call in SIGNATURES if first.serves(call) and second.serves(call)]
    alone = [[call for call in SIGNATURES if one.serves(call) and not other.serves(call)] for one, other in ((first, second), (second, first))]
    return both, alone[0], alone[1]


def compared_rules(first: Profile, second: Profile, calls: list[str]) -> list[str]:
    """The rules that are steps of ``calls`` in both profiles. (A step of one alone makes the call different.)"""
    names = dict.fromkeys(rule for call in calls for rule in rules_of(call, first) if rule in rules_of(call, second))
    return list(names)


def compare_rules(first: Profile, second: Profile, rules: list[str], jobs: int) -> Iterator[list[Obligation]]:
    """Decide all cases of each rule, in ``jobs`` processes (0: in this one). PROVED: the two do the same; REFUTED: they
    differ in the state that is shown.
    """
    if jobs == 0:
        yield from (decide_rule(first.name, second.name, rule) for rule in rules)
        return
    for rule, found in in_workers(partial(decide_rule, first.name, second.name), rules, jobs, lambda: None, lambda _: None):
        yield [_lost(rule, found)] if isinstance(found, Lost) else found


def decide_rule(first_name: str, second_name: str, rule: str) -> list[Obligation]:
    """Decide all cases that the rule has in the profile ``first_name``."""
    first, second = profile_named(first_name), profile_named(second_name)
    here, there = AnyCase(RULES[rule], first), AnyCase(RULES[rule], second)
    same_tests = _tests(here) == _tests(there)
    return [_decide_case(CaseProof(RULES[rule], index, first, here), there, second, same_tests, index) for index in range(len(here.cases))]


def _tests(among: AnyCase) -> list[tuple[object, int]]:
    """When which code is answered, case by case. Equal terms have the same number."""
    return [(case.code, number_of(case.when)) for case in among.cases]


def _decide_case(unit: CaseProof, there: AnyCase, second: Profile, same_tests: bool, index: int) -> Obligation:
    goals = list(_same_as(unit, there, second, same_tests, index))
    goals = [(title, goal) for title, goal in goals if not follows_from_nothing(goal)]
    decided = Obligation(
        call=unit.k.rule.name,
        case=unit.case.id,
        property=f"as in {second.name}",
        title=SAME,
        verdict=Verdict.PROVED,
        seconds=0.0,
        basis=Basis.INVARIANTS if goals else Basis.UNTOUCHED,
    )
    failed = ""
    if goals:
        proof = unit.proof()
        with first_effort():
            failed = next((title for title, goal in goals if proof.decide(goal) != z3.unsat), "")
    if not failed:
        return decided
    unproved = _refused(decided, failed)
    found = looked_closer(unit.profile, unproved, Question(unit.k, goals, unit.assumptions, unit.case, unit.after))
    if found.verdict is Verdict.REFUTED or any(proof.decide(goal) != z3.unsat for _, goal in goals):
        return found
    return decided


def _refused(decided: Obligation, failed: str) -> Obligation:
    return Obligation(
        call=decided.call, case=decided.case, property=decided.property, title=f"{SAME}: {failed}", verdict=Verdict.UNDETERMINED, seconds=0.0
    )


def _same_as(unit: CaseProof, there: AnyCase, second: Profile, same_tests: bool, index: int) -> Iterator[tuple[str, Term]]:
    """What has to follow for the second kernel to do the same where the case applies."""
    for other, (guard, case) in enumerate(zip(there.guards, there.cases, strict=True)):
        if same_tests and other != index:
            continue
        if (case.code, case.replies) != (unit.case.code, unit.case.replies):
            yield f"in {second.name}, {_in_words(case)}", z3.Not(guard)
            continue
        where: list[Term] = [] if same_tests else [guard]
        yield from ((title, goal if not where else z3.Implies(z3.And(*where), goal)) for title, goal in _effects(unit, case, second))


def _in_words(case: Case) -> str:
    return f"{'the call goes on' if case.code is None else case.code.name}: {case.title}"


def _effects(unit: CaseProof, case: Case, second: Profile) -> Goals:
    """That a case of the second kernel, with the same choices, does what the first's does."""
    after = After(unit.before, second)
    with the_same_choices(unit.after):
        case.effect(after)
    known = {number_of(each) for each in unit.after.assumptions}
    goals = [("the kernel may choose the same", each) for each in after.assumptions if number_of(each) not in known]
    for name in dict.fromkeys([*unit.case.outputs, *case.outputs]):
        here, there = unit.case.outputs.get(name), case.outputs.get(name)
        if here is None or there is None or here.sort() != there.sort():
            goals.append((f"only one has the result {name}", z3.BoolVal(False)))
        elif not here.eq(there):
            goals.append((f"the result {name}", here == there))
    for name, declared in FIELDS.items():
        if declared.ghost or name in NOT_COMPARED or not (unit.after.changed(name) or after.changed(name)):
            continue
        point = [z3.Const(f"x{place}", sort_named(UNBOUNDED, part)) for place, part in enumerate(declared.domain)]
        here, there = unit.after.fields[name](*point), after.fields[name](*point)
        if not here.eq(there):
            goals.append((f"{name} after it", z3.ForAll(point, here == there) if point else here == there))
    return goals


def _lost(rule: str, lost: Lost) -> Obligation:
    return Obligation(
        call=rule,
        case="all cases",
        property="everything",
        title=SAME,
        verdict=Verdict.CRASHED,
        seconds=0.0,
        scope=f"not decided: {lost.words}",
    )
