"""What of a property one run from boot can show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import z3

from sendright.mach.kernel.profiles import MANUAL
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sorts import Term
from sendright.model.language.step_property import StepProperty
from sendright.model.language.transition import Transition
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.counterexamples.reach import CannotBeSeen, Target, WatchingOracle


def watching(rule: str, number: int) -> WatchingOracle:
    """An oracle that watches for a break of a step property in the rule's last case."""
    *_, case = RULES[rule].cases(Context(RULES[rule], ANY_STATE, MANUAL))
    return WatchingOracle(MANUAL, Target(rule, case.id, f"step invariant {number}"))


@pytest.mark.parametrize("rule", ["mach_port_mod_refs", "mach_msg_send: deliver"])
def test_a_run_shows_every_step_property(rule: str) -> None:
    """Those too that ask only what the effect may change."""
    assert [number for number in STEP_PROPERTIES if watching(rule, number).off] == []


def test_a_mistake_in_a_property_is_not_taken_for_what_no_run_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_argument(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
        yield "", x.k["no such argument"] == 0

    def no_such_field(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
        yield "", x.after.no_such_field(v.p) == 0

    for clauses, error in ((no_such_argument, KeyError), (no_such_field, AttributeError)):
        monkeypatch.setitem(STEP_PROPERTIES, 299, StepProperty(299, "a mistake", "", clauses, False))
        with pytest.raises(error, match=r"no.such"):
            watching("mach_port_mod_refs", 299)


def test_what_has_no_meaning_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def powers(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
        yield "", z3.ToReal(x.after.mscount(v.sorts.host_port)) >= 0

    monkeypatch.setitem(STEP_PROPERTIES, 299, StepProperty(299, "reals", "", powers, False))
    with pytest.raises(CannotBeSeen, match="what no run shows: no Python for"):
        watching("mach_port_mod_refs", 299)
