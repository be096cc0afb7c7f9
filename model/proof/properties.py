"""The properties that concern a case of a rule, and those that concern the rule: one list, for the proofs and for the
traceability of clauses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants import theorems
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.invariants.noninterference import local_respect
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.invariants.theorems import (
    all_authority,
    is_targeted_only,
    isolation,
    names_are_local,
    security_port_is_confined,
    token_integrity,
)
from sendright.model.language.invariant import Invariant, of_profile
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import After
from sendright.model.language.term_walk import number_of
from sendright.model.language.transition import Transition
from sendright.model.proof.alike import TwoStates
from sendright.model.proof.any_state import ANYTHING, fields_of, of_any_state
from sendright.model.proof.counting import COUNTED_BY, counting, depends_on_ghosts, mention_counts

COUNTING = "counting"
"""The counts follow the effect."""
AUTHORITY, LOCALITY, SECURITY_PORT = 23, 26, 32
RELATIONAL = {
    AUTHORITY: "a task port gives all authority over its task",
    LOCALITY: "a name has a meaning only in its own space",
    SECURITY_PORT: "the security port cannot be gained from outside",
}
THEOREMS = {1: "as if created by task_create", 2: "isolation", 3: "token integrity", 4: "non-interference", 5: "conservation"}
CONSERVATION = {1, 13, 14, 37}
"""The components of theorem 5: one receive right for each live port, one message for each send-once right, make-send
counts, ledgers.
"""
DECIDED = "decided"
"""Exactly one case of a rule applies: proved of every rule."""

Wants = Callable[[int | str], bool]
"""Whether a property is selected: by its number, a theorem by "T2"; "decided": that a case applies."""
Goals = list[tuple[str, Term]]


def everything(number: int | str) -> bool:
    """Select all properties."""
    return True


@dataclass(frozen=True)
class OfCase:
    """One property of a case, and its goals."""

    name: str
    """As in ``Obligation.property``."""
    title: str
    goals: Goals
    assumptions: list[Term]
    """Assumptions about the state before, besides those of the case's proof."""
    at_rest: Callable[[], Goals]
    """The goals if the case changed nothing."""
    refused: str = ""
    """What is wrong with the case itself, so that nothing can be decided of it; empty if nothing is."""

    @property
    def depends_on_effect(self) -> bool:
        """The goals differ from those of a case that changes nothing."""
        resting = self.at_rest()
        return [number_of(goal) for _, goal in self.goals] != [number_of(goal) for _, goal in resting]


@dataclass(frozen=True)
class OfRule:
    """One property of all cases of a rule together: for each goal its name, what is assumed for it and what has to
    follow.
    """

    name: str
    title: str
    goals: Callable[[], Iterable[tuple[str, list[Term], list[Term]]]]
    states: TwoStates | None = None
    """The two states that it compares, if it does. Hardly any goal that is left of them follows without the invariants,
    so that trying it is wasted; and a few instances of these are enough.
    """


def properties_of_rule(k: Context, wants: Wants = everything) -> Iterator[OfRule]:
    """What has to be shown of the rule of ``k``: that a case applies, authority (23), locality (26) of its conditions,
    and that it does the same in states that look the same (theorem 4).
    """
    rule = k.rule.name
    if wants(DECIDED):
        yield OfRule(DECIDED, "some case applies", lambda: [("no case", [], [z3.Or(*[case.when for case in k.rule.cases(k)])])])
    if wants(AUTHORITY) and is_targeted_only(rule, k.profile):
        yield OfRule(f"step invariant {AUTHORITY}", RELATIONAL[AUTHORITY], lambda: all_authority(k))
    if wants("T4"):
        states = TwoStates(k, ANYTHING)
        yield OfRule("theorem 4", THEOREMS[4], states.goals, states)
    if wants(LOCALITY):
        yield OfRule(f"step invariant {LOCALITY}", RELATIONAL[LOCALITY], lambda: names_are_local(k))


def properties_of_case(k: Context, case: Case, after: After, wants: Wants = everything) -> Iterator[OfCase]:
    """What has to be shown of ``case``, in any state before: the invariants, the step properties, the theorems.

    ``after`` has its effect.
    """
    shared = list(properties_of_answer(k, case, after, wants))
    yield from shared
    yield from properties_of_own(k, case, after, shared, wants)


def properties_of_own(k: Context, case: Case, after: After, shared: list[OfCase], wants: Wants = everything) -> Iterator[OfCase]:
    """What has to be shown of ``case`` that depends on more than its effect and its answer; ``shared`` are the
    others.
    """
    moved, still = (Transition(k, case, state, looks_at_order=True) for state in (after, After(k.before, k.profile)))
    for step in STEP_PROPERTIES.values():
        if step.looks_at_order and wants(step.number):
            yield _of_step(f"step invariant {step.number}", step.title, step.clauses, moved, still)
    steps = [goal for one in shared if one.name.startswith("step") for _, goal in one.goals]
    counts = any(map(wants, COUNTED_BY)) or mention_counts(steps)
    goals, refused = (list(counting(ANYTHING, after)), depends_on_ghosts(k, case, after)) if counts else ([], "")
    if goals or refused:
        title = "ghosts follow the effect, member by member, and only proofs depend on them"
        yield OfCase(COUNTING, title, goals, [], list, refused)


def properties_of_answer(k: Context, case: Case, after: After, wants: Wants = everything) -> Iterator[OfCase]:
    """What has to be shown of ``case`` that depends only on its effect and its answer."""
    profile = k.profile
    moved, still = Transition(k, case, after), Transition(k, case, After(k.before, profile))
    broken = broken_invariants(profile)
    for invariant in (*state_invariants(profile), *broken):
        if wants(invariant.number):
            own = [clause for _, clause in of_any_state(invariant)] if invariant in broken else []
            yield OfCase(f"invariant {invariant.number}", invariant.title, _to_keep(invariant, after), own, list)
    for step in STEP_PROPERTIES.values():
        if wants(step.number) and not step.looks_at_order:
            yield _of_step(f"step invariant {step.number}", step.title, step.clauses, moved, still)
    if wants(SECURITY_PORT):
        yield _divided(f"step invariant {SECURITY_PORT}", RELATIONAL[SECURITY_PORT], security_port_is_confined, moved, still)
    if wants("T2"):
        yield _divided("theorem 2", THEOREMS[2], isolation, moved, still)
    if wants("T3"):
        yield _of_step("theorem 3", THEOREMS[3], token_integrity, moved, still)
    if wants("T4"):
        yield _of_step("theorem 4", THEOREMS[4], local_respect, moved, still)


def in_own_words(name: str, profile: Profile) -> str:
    """The property of this name (as in ``Obligation.property``) in its own words; empty if it has none."""
    kind, _, number = name.rpartition(" ")
    if not number.isdecimal():
        return ""
    if kind == "theorem":
        stated = re.search(rf"^{number}\. \*[^*]*\*: (.*?)(?=^\d\. |\Z)", cleandoc(theorems.__doc__ or ""), re.DOTALL | re.MULTILINE)
        return " ".join(stated[1].split()) if stated else ""
    if kind == "invariant":
        return of_profile(int(number), profile).about
    if int(number) in STEP_PROPERTIES:
        return STEP_PROPERTIES[int(number)].about
    told = {AUTHORITY: all_authority, LOCALITY: names_are_local, SECURITY_PORT: security_port_is_confined}.get(int(number))
    words = " ".join((told.__doc__ or "").split()) if told else ""
    return words.partition(": ")[2]


def is_of_conservation(name: str) -> bool:
    """Whether theorem 5 is made of this property of a case, among others."""
    return name.startswith(("invariant", "step invariant")) and int(name.split()[-1]) in CONSERVATION


def _to_keep(invariant: Invariant, after: After) -> Goals:
    """What has to be shown for ``invariant`` to hold after the case: clauses that the case could change."""
    if not any(map(after.changed, fields_of(invariant))):
        return []
    pairs = zip(invariant.clauses(ANYTHING, after.plain), of_any_state(invariant), strict=True)
    return [(title, now) for (title, now), (_, before) in pairs if number_of(now) != number_of(before)]


def _of_step(name: str, title: str, clauses: Callable[..., Iterable[tuple[str, Term]]], moved: Transition, still: Transition) -> OfCase:
    return OfCase(name, title, list(clauses(ANYTHING, moved)), [], lambda: list(clauses(ANYTHING, still)))


def _divided(name: str, title: str, theorem: Callable[..., tuple[list[Term], Goals]], moved: Transition, still: Transition) -> OfCase:
    """A theorem on tasks and ports that are divided into two halves; what is assumed of the state before needs no proof
    of the state after.
    """

    def left(x: Transition) -> tuple[list[Term], Goals]:
        assumptions, goals = theorem(ANYTHING, x)
        known = {number_of(assumption) for assumption in assumptions}
        return assumptions, [(title, goal) for title, goal in goals if number_of(goal) not in known]

    assumptions, goals = left(moved)
    return OfCase(name, title, goals, assumptions, lambda: left(still)[1])
