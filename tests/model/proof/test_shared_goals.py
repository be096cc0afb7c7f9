"""What cases and goals share is decided as if they shared nothing."""

from __future__ import annotations

import pytest
import z3

from sendright.mach.kernel.profiles import PROFILES, profile_named
from sendright.model.language.rule import RULES
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.term_walk import has_quantifiers, without_quantifiers
from sendright.model.proof.obligations import AnyCase, CaseProof
from sendright.model.proof.properties import everything, properties_of_case
from sendright.model.proof.solver.instantiate import follows_from_nothing

MANUAL = profile_named("manual")


def goals(properties: object) -> list[tuple[str, list[int]]]:
    return [(one.name, [goal.get_id() for _, goal in one.goals]) for one in properties]  # type: ignore[attr-defined]


def check_rule(name: str, profile_name: str) -> int:
    """Compare the goals that cases share with each case's own; the number of cases that shared some."""
    profile = profile_named(profile_name)
    among = AnyCase(RULES[name], profile)
    shared = 0
    for index in range(len(among.cases)):
        unit = CaseProof(RULES[name], index, profile, among)
        own = list(properties_of_case(unit.k, unit.case, unit.after, everything))
        found = list(unit.properties(everything))
        assert goals(found) == goals(own)
        shared += not any(map(unit.after.changed, unit.after.fields))
    return shared


def test_cases_that_change_nothing_share_their_goals() -> None:
    assert check_rule("mach_port_type", "manual") >= 2


@pytest.mark.heavy
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_in_no_profile_sharing_changes_a_goal(profile: str) -> None:
    served = [name for name, rule in RULES.items() if rule.applies(profile_named(profile))]
    assert sum(check_rule(name, profile) for name in served) > 100


def test_cases_that_answer_differently_share_nothing() -> None:
    among = AnyCase(RULES["mach_port_type"], MANUAL)
    refused = [case for case in among.cases if case.refuses]
    first, other = refused[0], next(case for case in refused if case.code is not refused[0].code)
    assert among.properties_at_rest(first, everything) is among.properties_at_rest(first, everything)
    assert among.properties_at_rest(first, everything) is not among.properties_at_rest(other, everything)


def test_quantified_parts_are_looked_past_not_assumed() -> None:
    slot, port = z3.Const("s", UNBOUNDED.Slot), z3.Const("p", UNBOUNDED.Port)
    held = z3.Function("held", UNBOUNDED.Slot, UNBOUNDED.Port, z3.BoolSort())
    somewhere, everywhere = z3.Exists([slot], held(slot, port)), z3.ForAll([slot], held(slot, port))
    assert not has_quantifiers(without_quantifiers(z3.Or(somewhere, everywhere)))
    assert follows_from_nothing(z3.ForAll([port], z3.Implies(somewhere, somewhere)))
    assert not follows_from_nothing(z3.ForAll([port], somewhere))
    assert not follows_from_nothing(z3.ForAll([port], z3.Not(somewhere)))
    assert not follows_from_nothing(z3.ForAll([port], z3.Implies(somewhere, everywhere)))
