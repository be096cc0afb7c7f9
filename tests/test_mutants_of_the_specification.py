"""Mutants of the specification: a rule or an invariant with one mistake, and which obligation sees it.

Each mutant is small on purpose: a guard dropped, an operand exchanged, an effect left out. Only the part of the proof that must see it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import z3

from sendright.mach.results import Obligation
from sendright.mach.verdicts import Verdict
from sendright.model import refute as refuter
from sendright.model.invariants import INVARIANTS, Clauses, Invariant, Variables, forall
from sendright.model.prove import Part, decide
from sendright.model.rules import Case, Context
from sendright.model.sorts import LIFE, Term
from sendright.model.state import State

Change = Callable[[Context, Case], Iterator[Case]]


@pytest.fixture(autouse=True)
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't proved is enough here: a counterexample takes seconds to find."""
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def not_proved(obligations: list[Obligation]) -> set[str]:
    return {obligation.property for obligation in obligations if obligation.verdict is not Verdict.PROVED}


# ---- the base case


def with_invariant(patch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    patch.setitem(INVARIANTS, 199, Invariant(199, "a mutant", "", clauses))


def everybody_is_dead(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Contradicts that calls have callers: from it everything follows, and it is preserved."""
    yield "", forall([v.t], s.task_life(v.t) != LIFE.ALIVE)


def everybody_lives(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Leaves no task that a creation could make: true of all that exists, and no creation would ever happen."""
    yield "", forall([v.t], s.task_life(v.t) == LIFE.ALIVE)


@pytest.mark.parametrize("clauses", [everybody_is_dead, everybody_lives])
def test_an_invariant_that_contradicts_the_boot_state(monkeypatch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    with_invariant(monkeypatch, clauses)
    assert not_proved(decide("manual", Part("base case"))) == {"invariant 199"}
    [one] = decide("manual", Part("base case", invariants=(199,)))
    assert one.verdict is Verdict.REFUTED
    assert one.reachable == "from boot"


def test_an_invariant_that_makes_cases_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """True at boot and preserved by what it leaves possible; the witnesses go through states that it forbids."""

    def one_task(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
        yield "", forall([v.t, v.u], z3.Implies(z3.And(s.alive(v.t), s.alive(v.u)), v.t == v.u))

    with_invariant(monkeypatch, one_task)
    assert not_proved(decide("manual", Part("base case"))) == set()
    lost = [one for one in decide("manual", Part("reachable")) if one.verdict is not Verdict.PROVED]
    assert "every state of every witness" in {one.case for one in lost}
    assert any("a mutant" in str(one.counterexample) for one in lost)
