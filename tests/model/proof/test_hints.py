"""Hints say where a proof is looked for first, and never whether there is one."""

from __future__ import annotations

from collections import Counter

import pytest
import z3
from support.benchmarks import benchmark

from sendright.mach.results.verdicts import Verdict
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.term_walk import has_quantifiers, number_of
from sendright.model.proof import hints
from sendright.model.proof.obligations import ProofTask, decide
from sendright.model.proof.solver.instantiate import Hint, Proof, skolemize

PORT = UNBOUNDED.Port
good, fine = (z3.Function(name, PORT, z3.BoolSort()) for name in ("good", "fine"))
follows = z3.Function("follows", PORT, PORT)
p, q = z3.Consts("p q", PORT)
GOOD, FINE_IF_GOOD = z3.ForAll([p], good(p)), z3.ForAll([p], z3.Implies(good(p), fine(p)))
HINTS = [None, *(Hint(batch, without) for batch in (0, 1, 3, 9) for without in (frozenset[int](), frozenset(map(number_of, (GOOD, FINE_IF_GOOD)))))]


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_changes_no_verdict(hint: Hint | None) -> None:
    proof = Proof(UNBOUNDED, [], [GOOD, FINE_IF_GOOD])
    assert proof.decide(z3.ForAll([p], fine(follows(p))), hint) == z3.unsat
    assert proof.decide(z3.ForAll([p], z3.Not(fine(follows(p)))), hint) != z3.unsat
    assert Proof(UNBOUNDED, [], [FINE_IF_GOOD]).decide(z3.ForAll([p], fine(follows(p))), hint) != z3.unsat


def test_goals_decided_together_follow_only_if_each_does() -> None:
    mine, others, wrong = z3.ForAll([p], fine(p)), z3.ForAll([q], good(q)), z3.ForAll([p], z3.Not(fine(p)))
    proof = Proof(UNBOUNDED, [], [GOOD, FINE_IF_GOOD])
    proof.decide_together([mine, others, wrong])
    assert [proof.decide(goal) == z3.unsat for goal in (mine, others, wrong)] == [True, True, False]
    proof.decide_together([mine, others])
    assert [proof.decide(goal) == z3.unsat for goal in (mine, others, wrong)] == [True, True, False]


def test_variables_of_the_same_name_do_not_make_goals_follow_together() -> None:
    """Some port isn't good, and some port isn't fine: perhaps not the same one."""
    assumed = [z3.Or(z3.Not(good(z3.Const("a", PORT))), z3.Not(fine(z3.Const("b", PORT))))]
    proof = Proof(UNBOUNDED, assumed, [])
    goals = [z3.ForAll([p], good(p)), z3.ForAll([p], fine(p))]
    proof.decide_together(goals)
    assert [proof.decide(goal) == z3.unsat for goal in goals] == [False, False]


def test_what_follows_with_more_assumptions_is_forgotten_after_the_block() -> None:
    proof, goals = Proof(UNBOUNDED, [], [FINE_IF_GOOD]), [z3.ForAll([p], fine(p)), z3.ForAll([p], good(p))]
    with proof.with_more([GOOD]) as more:
        more.decide_together(goals)
        assert [more.decide(goal) == z3.unsat for goal in goals] == [True, True]
    assert [proof.decide(goal) == z3.unsat for goal in goals] == [False, False]


def test_a_constant_stands_for_variables_of_its_own_name_and_sort() -> None:
    number, port = z3.Const("x", z3.IntSort()), z3.Const("x", PORT)
    (one, point), (other, other_point) = (skolemize(z3.ForAll([variable], variable == variable)) for variable in (number, port))
    assert [part.arg(0).sort() for part in (one, other)] == [z3.IntSort(), PORT]
    assert not point.keys() & other_point.keys()
    body, _ = skolemize(z3.ForAll([p, q], follows(p) == q))
    assert str(body) == "follows(p!any) == q!any"


def test_quantifiers_are_found_however_often_it_is_asked() -> None:
    false = z3.BoolVal(False)
    assert [has_quantifiers(formula) for formula in (good(p), GOOD, false, z3.Or(good(p), GOOD), good(p))] == [False, True, False, True, False]


RULE = "mach_port_deallocate"


def decided() -> Counter[tuple[object, ...]]:
    found = [*decide("manual", ProofTask("cases", RULE)), *decide("manual", ProofTask("rule", RULE))]
    return Counter((one.case, one.property, one.title, one.verdict, one.basis) for one in found)


@pytest.mark.heavy
def test_right_wrong_and_missing_hints_lead_to_the_same_obligations(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = hints.recorded()
    right = decided()
    assert {verdict for _, _, _, verdict, _ in right} == {Verdict.PROVED}
    wrong = {rule: {case: dict.fromkeys(needs, "0") for case, needs in cases.items()} for rule, cases in recorded.items()}
    for instead in ({}, wrong):
        monkeypatch.setattr(hints, "recorded", lambda instead=instead: instead)
        assert decided() == right


@pytest.mark.heavy
def test_what_the_recorder_records_is_what_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, recorder = hints.recorded(), benchmark("hints")
    monkeypatch.setattr(hints, "recorded", dict)
    found, _ = recorder.record("manual", [RULE])
    assert found[RULE]
    for rule, cases in found.items():
        for case, needs in cases.items():
            for clause, needed in needs.items():
                assert shipped[rule][case][clause].split()[0] >= needed.split()[0], f"{rule}, {case}, {clause}: run benchmarks/hints.py"
