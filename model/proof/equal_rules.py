"""Compares the rules of two profiles: for each case of the first, whether the second does the same.

Both profiles' cases are of one rule, so they speak of the same state, arguments and choices. In any state in which the
invariants of the first profile hold, where a case of the first applies, the second has to answer the same code, allow
the same choices and no others, give the same results and leave the same state. What isn't proved gets a state in which
the two differ, as a counterexample of ``sendright prove`` does.

Arguments are those that both profiles model. Limits like ``urefs_max`` are any numbers, the same for both. Switches
that no rule reads can't show in a proof (``unseen.py``): where they may matter, a case isn't called the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

import z3

from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.kernel.unmodelled import Range, unmodelled_ranges
from sendright.mach.results.checks import Basis, Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.mach.signatures.widths import width_of
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import COPY_IN, PENDING_RULES, RULES, Case, Context, Rule
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.language.term_walk import number_of
from sendright.model.proof.any_state import held_by_any_state
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.obligations import AnyCase, CaseProof, looked_closer
from sendright.model.proof.processes.workers import Lost, in_workers
from sendright.model.proof.properties import Goals
from sendright.model.proof.solver.cache import Proof
from sendright.model.proof.solver.instantiate import first_effort, follows_from_nothing
from sendright.model.proof.unseen import unseen_difference

SAME = "the two kernels do the same"
"""The title of what is decided."""
_IN_WORDS = {"carries": "whether a right is carried on"}
"""What a step gives to the next one."""


def compared_calls(first: Profile, second: Profile) -> tuple[list[str], list[str], list[str]]:
    """The calls that both serve, those of the first alone, and those of the second alone."""
    both = [call for call in SIGNATURES if first.serves(call) and second.serves(call)]
    alone = [[call for call in SIGNATURES if one.serves(call) and not other.serves(call)] for one, other in ((first, second), (second, first))]
    return both, alone[0], alone[1]


def compared_rules(first: Profile, second: Profile, calls: list[str]) -> list[str]:
    """The rules that are steps of ``calls`` in both profiles. (A step of one alone makes the call different.)"""
    names = dict.fromkeys(rule for call in calls for rule in steps_of(call, first) if rule in steps_of(call, second))
    return list(names)


@cache
def _steps_of(call: str, profile_name: str) -> tuple[str, ...]:
    profile = profile_named(profile_name)
    found = dict.fromkeys(rules_of(call, profile))
    todo = list(found)
    while todo:
        rule = todo.pop()
        new = [name for name in _may_leave(rule, profile_name) if name not in found]
        found |= dict.fromkeys(new)
        todo += new
    return tuple(found)


@cache
def _may_leave(rule: str, profile_name: str) -> tuple[str, ...]:
    """The rules for pending work for which the rule may leave some, as far as its terms say."""
    if rule not in RULES:
        return ()
    profile = profile_named(profile_name)
    among = AnyCase(RULES[rule], profile)
    afters = [CaseProof(RULES[rule], index, profile, among).after for index in range(len(among.cases))]
    return tuple(name for name in PENDING_RULES if any(_leaves(after, RULES[name], profile) for after in afters))


def _leaves(after: After, pending: Rule, profile: Profile) -> bool:
    k, before = Context(pending, after.plain, profile, "@left"), Context(pending, after.before, profile, "@left")
    parameters = [k.constants[name] for name in pending.parameters]
    return not follows_from_nothing(z3.ForAll(parameters, z3.Implies(pending.requires(k)[0], pending.requires(before)[0])))


def steps_of(call: str, profile: Profile) -> tuple[str, ...]:
    """The rules that are steps of the call: its own, and those for the work that they leave pending."""
    return _steps_of(call, profile.name)


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


@dataclass(frozen=True)
class _Question:
    """What has to follow from a step of one of the two kernels."""

    assumptions: list[Term]
    goals: Goals
    case: Case
    after: After


def _decide_case(unit: CaseProof, there: AnyCase, second: Profile, same_tests: bool, index: int) -> Obligation:
    asked = [one for one in map(_worth_asking, _questions(unit, there, second, same_tests, index)) if one.goals]
    decided = Obligation(
        call=unit.k.rule.name,
        case=unit.case.id,
        property=f"as in {second.name}",
        title=SAME,
        verdict=Verdict.PROVED,
        seconds=0.0,
        basis=Basis.INVARIANTS if asked else Basis.UNTOUCHED,
    )
    found = [each for each in (_decide(unit, decided, one) for one in asked) if each is not None]
    if found:
        return next((each for each in found if each.verdict is Verdict.REFUTED), found[0])
    applies = _where_it_applies(unit, second)
    unseen = unseen_difference(unit, second, applies)
    if unseen is None:
        return decided
    left = _undecided(decided, unseen.words)
    if unseen.same is None:
        return left
    return looked_closer(
        unit.profile, left, Question(unit.k, [(unseen.words, unseen.same)], [*applies, *unit.after.assumptions], unit.case, unit.after)
    )


def _worth_asking(asked: _Question) -> _Question:
    """Without the goals that follow from nothing."""
    return replace(asked, goals=[(title, goal) for title, goal in asked.goals if not follows_from_nothing(goal)])


def _decide(unit: CaseProof, decided: Obligation, asked: _Question) -> Obligation | None:
    """None: all goals follow. Otherwise what is known instead."""
    proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *asked.assumptions], held_by_any_state(unit.profile))
    with first_effort():
        failed = next((title for title, goal in asked.goals if proof.decide(goal) != z3.unsat), "")
    if not failed:
        return None
    found = looked_closer(unit.profile, _undecided(decided, failed), Question(unit.k, asked.goals, asked.assumptions, asked.case, asked.after))
    if found.verdict is Verdict.REFUTED or any(proof.decide(goal) != z3.unsat for _, goal in asked.goals):
        return found
    return None


def _undecided(decided: Obligation, words: str) -> Obligation:
    return Obligation(
        call=decided.call, case=decided.case, property=decided.property, title=f"{SAME}: {words}", verdict=Verdict.UNDETERMINED, seconds=0.0
    )


def _questions(unit: CaseProof, there: AnyCase, second: Profile, same_tests: bool, index: int) -> Iterator[_Question]:
    """What has to follow for the second kernel to do the same where the case applies: first from what the first kernel
    does; then, of what it may choose, from what the second does.
    """
    applies = _where_it_applies(unit, second)
    goals: list[tuple[str, Term]] = []
    also: list[_Question] = []
    if not same_tests:
        goals.append((f"in {second.name}, no case applies", z3.Or(*there.guards)))
    for other, (guard, case) in enumerate(zip(there.guards, there.cases, strict=True)):
        if same_tests and other != index:
            continue
        if (case.code, case.replies) != (unit.case.code, unit.case.replies):
            goals.append((f"in {second.name}, {_in_words(case, unit.case)}", z3.Not(guard)))
            continue
        where: list[Term] = [] if same_tests else [guard]
        after = _with_the_same_choices(unit, case, second)
        goals += [(title, goal if not where else z3.Implies(z3.And(*where), goal)) for title, goal in _effects(unit, case, after, second)]
        left = _only_choices_of(unit.after, after, f"{second.name} can make choices that {unit.profile.name} can't")
        also.append(_Question([*applies, *where, *after.assumptions], left, case, after))
    yield _Question([*applies, *unit.after.assumptions], goals, unit.case, unit.after)
    yield from also


def _where_it_applies(unit: CaseProof, second: Profile) -> list[Term]:
    """That the case applies, and both profiles model the arguments."""
    return [*unit.k.assumptions(), unit.guard, *arguments_modelled(unit.k, unit.profile, second)]


def _in_words(case: Case, instead_of: Case) -> str:
    if (case.code, case.title) == (instead_of.code, instead_of.title):
        return "the same case, with another number of ports"
    return f"{'the call goes on' if case.code is None else case.code.name}: {case.title}"


def _with_the_same_choices(unit: CaseProof, case: Case, second: Profile) -> After:
    """The state that a case of the second kernel makes of the same one, with the same choices."""
    after = After(unit.before, second)
    with the_same_choices(unit.after):
        case.effect(after)
    return after


def _only_choices_of(one: After, other: After, title: str) -> Goals:
    """What only ``one`` assumes of its choices."""
    known = {number_of(each) for each in other.assumptions}
    return [(title, each) for each in one.assumptions if number_of(each) not in known]


def _effects(unit: CaseProof, case: Case, after: After, second: Profile) -> Goals:
    """That a case of the second kernel, which leads to ``after``, does what the first's does."""
    goals = list(_only_choices_of(after, unit.after, f"{second.name} can't make every choice that {unit.profile.name} can"))
    for name in dict.fromkeys([*unit.case.outputs, *case.outputs]):
        here, there = unit.case.outputs.get(name), case.outputs.get(name)
        called = _IN_WORDS.get(name, f"the result {name}")
        if here is None or there is None or here.sort() != there.sort():
            goals.append((f"only one has {called}", z3.BoolVal(False)))
        elif not here.eq(there):
            goals.append((called, here == there))
    for name, declared in FIELDS.items():
        if declared.ghost or not _is_shown(declared.range, unit.profile, second) or not (unit.after.changed(name) or after.changed(name)):
            continue
        point = [z3.Const(f"x{place}", sort_named(UNBOUNDED, part)) for place, part in enumerate(declared.domain)]
        here, there = unit.after.fields[name](*point), after.fields[name](*point)
        if not here.eq(there):
            goals.append((f"another state after it: {declared.about}", z3.ForAll(point, here == there) if point else here == there))
    return goals


def _is_shown(range_: str, *profiles: Profile) -> bool:
    """Whether one of the kernels can show values of this sort to a task."""
    if range_ == "AuditToken":
        return any(each.audit_tokens for each in profiles)
    if range_ == "SecurityToken":
        return any(each.tokens_in_trailer or each.token_flavours for each in profiles)
    return True


# ---- arguments


def arguments_modelled(k: Context, *profiles: Profile) -> list[Term]:
    """That the rule's arguments have numbers which all ``profiles`` model."""
    call = SIGNATURES.get(k.rule.name)
    numbers = {name: term for name, term in k.constants.items() if z3.is_expr(term) and term.sort() == z3.IntSort()}
    found: list[Term] = []
    for profile in profiles:
        for each in unmodelled_ranges(profile):
            if (name := _parameter(each, k.rule.name)) in numbers:
                found.append(z3.Not(_covers(each, numbers[name])))
        for argument in call.arguments if call else ():
            width = width_of(call, argument, profile.name) if call else None
            if argument.name in numbers and width is not None:
                found.append(z3.And(width.lowest <= numbers[argument.name], numbers[argument.name] <= width.highest))
    return list({number_of(each): each for each in found}.values())


def _parameter(range_: Range, rule: str) -> str:
    """The rule's parameter that the range is about; empty: none."""
    if range_.call == rule:
        return range_.argument
    return "disposition" if rule == COPY_IN and range_.argument == "descriptors" else ""


def _covers(range_: Range, number: Term) -> Term:
    if range_.bit:
        return number / range_.bit % 2 == 1
    return z3.And(range_.lowest <= number, number <= range_.highest)


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
