"""Mutants of real rules and invariants: their names, what notices them, and what is left when a judge doesn't end."""

from __future__ import annotations

import ast
import os
import time

import pytest

from sendright.mach.kernel.profiles import MANUAL, XNU
from sendright.mach.results.mutants import Judgement, Outcome
from sendright.model.language.rule import LOOK_AT_NAME, RULES
from sendright.model.proof.processes.workers import in_workers
from sendright.model.proof.solver import instantiate
from sendright.properties.mutants import children, source
from sendright.properties.mutants.children import NoAnswer, in_child
from sendright.properties.mutants.drawing import changes_a_meaning, draw, mutants_of, step_of
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.of_invariants import by_proof_of_invariant, changes_an_invariant, subjects_of
from sendright.properties.mutants.of_rules import by_proof
from sendright.properties.mutants.operators import OF_INVARIANTS, OPERATORS
from sendright.properties.mutants.source import Unit, code_of, invariant_modules, rule_modules, units_of
from sendright.properties.mutants.usage import Usage, usage_in

VM_WRITE = Unit("sendright.model.calls.memory", "", "vm_write")
MOVE = Unit("sendright.model.calls.port_sets", "", "mach_port_move_member")
NAMES = Unit("sendright.model.invariants.rights", "", "one_name")


@pytest.fixture(autouse=True)
def prover_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges change it, for they run in a child."""
    for name in ("RLIMIT", "ROUNDS"):
        monkeypatch.setattr(instantiate, name, getattr(instantiate, name))


@pytest.fixture(scope="module")
def seen() -> Usage:
    return usage_in({"manual": ["vm_write", "mach_port_move_member"]})


def mutant(unit: Unit, operator: str, seen: Usage, words: str = "") -> Mutant:
    """The first mutant of this operator whose text has ``words``."""
    return next(one for one in mutants_of(unit, OPERATORS | OF_INVARIANTS, seen) if one.operator == operator and words in one.words)


def test_every_function_can_be_compiled_again() -> None:
    """Its code does what Python's does, where Python's does it."""
    for module in (*rule_modules(), *invariant_modules()):
        for unit in units_of(module):
            made, pythons = code_of(unit), unit.function().__code__
            for part in ("co_qualname", "co_varnames", "co_names", "co_freevars", "co_cellvars", "co_flags", "co_filename"):
                assert getattr(made, part) == getattr(pythons, part), unit
            assert list(made.co_lines())[-1][2] == list(pythons.co_lines())[-1][2], unit


def test_what_functions_are_used_for(seen: Usage) -> None:
    place = (MOVE.module, "mach_port_move_member.<locals>.move")
    assert list(seen.rules[place]) == ["mach_port_move_member"]
    assert seen.sorts[MOVE.module, "mach_port_move_member"]["member"] == "Name"
    assert list(seen.rules["sendright.model.language.actions", "leave_sets"]) == ["mach_port_move_member"]


def test_a_name_stays_when_other_statements_change(monkeypatch: pytest.MonkeyPatch, seen: Usage) -> None:
    before = {one.id for one in mutants_of(MOVE, OPERATORS, seen)}
    assert len(before) > 100
    text = ast.unparse(source.tree_of(MOVE.module)).replace("out = after == k.sorts.null", "other = 77\n    out = after == k.sorts.null")
    changed = ast.parse(text)
    monkeypatch.setattr(source, "tree_of", lambda module: changed)
    after = {one.id for one in mutants_of(MOVE, OPERATORS, seen)}
    assert before < after
    assert {one.was for one in mutants_of(MOVE, OPERATORS, seen) if one.id not in before} <= {"77", "other = 77"}


def test_a_sample_is_the_same_and_has_all_operators(seen: Usage) -> None:
    population = list(mutants_of(MOVE, OPERATORS, seen))
    sample = draw(population, MANUAL, 5, 14)
    assert len(sample.mutants) == 14
    assert [one.id for one in draw(list(reversed(population)), MANUAL, 5, 14).mutants] == [one.id for one in sample.mutants]
    assert len({one.operator for one in sample.mutants}) > 9
    assert [one.id for one in draw(population, MANUAL, 6, 14).mutants] != [one.id for one in sample.mutants]


def test_what_changes_nothing_is_no_mutant(seen: Usage) -> None:
    """The meaning of a case is for readers only."""
    of_meaning = next(one for one in mutants_of(MOVE, OPERATORS, seen) if one.was == "z3.And(out, z3.Not(in_none))")
    assert not changes_a_meaning(of_meaning, MANUAL)
    assert changes_a_meaning(mutant(MOVE, "effect dropped", seen), MANUAL)


def test_a_step_that_a_profile_has_no_rule_for_is_no_mutant_there() -> None:
    unit = Unit("sendright.model.calls.notifications", "", "request_notification")
    found = {step_of(one): one for one in mutants_of(unit, OPERATORS, Usage()) if one.operator == "step forgotten"}
    assert changes_a_meaning(found[LOOK_AT_NAME], XNU)
    assert not changes_a_meaning(found[LOOK_AT_NAME], MANUAL)
    others = [one for step, one in found.items() if step != LOOK_AT_NAME]
    assert len(others) > 1
    assert all(changes_a_meaning(one, MANUAL) for one in others)


@pytest.mark.parametrize(
    ("unit", "operator", "words", "noticed"),
    [
        (VM_WRITE, "effect dropped", "content", "step invariant 110"),
        (VM_WRITE, "guard dropped", "the page is not allocated", "step invariant 201"),
        (MOVE, "guard negated", "out", "step invariant 203"),
        (MOVE, "changes another field too", "exception_behaviour", "step invariant"),
    ],
)
def test_a_proof_notices(seen: Usage, unit: Unit, operator: str, words: str, noticed: str) -> None:
    before = unit.function().__code__
    judged = by_proof(mutant(unit, operator, seen, words), MANUAL, 60.0)
    assert judged.outcome is Outcome.KILLED, judged
    assert noticed in judged.words
    assert unit.function().__code__ is before
    assert RULES[unit.name].manual


@pytest.mark.heavy
def test_a_proof_of_sequences_notices() -> None:
    """A right is copied in from another space than the one that was tested."""
    unit = Unit("sendright.model.calls.transfer", "", "extract_right")
    judged = by_proof(mutant(unit, "step always run", Usage(), "space=tested"), MANUAL, 60.0)
    assert judged.outcome is Outcome.KILLED
    assert judged.words.startswith("sequence: CONTINUES/the right will be taken; the right that name names is carried once")


@pytest.mark.heavy
def test_a_proof_of_follow_ups_notices() -> None:
    """That there is work for a rule is decided by the name of another task than the request's."""
    unit, used = Unit("sendright.model.calls.notifications", "", "_request_pending"), usage_in({"manual": ["a dead-name request fires"]})
    judged = by_proof(mutant(unit, "wrong task", used, "k.slot(name)"), MANUAL, 60.0)
    assert judged.outcome is Outcome.KILLED
    assert judged.words == "follow-up: no follow-up rule applies; nothing is left to do (follow-up)"


def test_what_proofs_leave_open_survives(seen: Usage) -> None:
    """Proofs don't say with which code a call fails."""
    assert by_proof(mutant(VM_WRITE, "other code", seen), MANUAL, 60.0) == Judgement(Outcome.SURVIVED)


@pytest.mark.parametrize("nonsense", ["k.sorts.nothing_of_the_kind", "b.content", "no_such_name", "k +"])
def test_what_is_no_specification(nonsense: str, seen: Usage) -> None:
    one = mutant(VM_WRITE, "guard negated", seen)
    broken = Mutant(one.id, one.operator, one.unit, one.line, one.was, nonsense, ((one.edits[0][0], nonsense),), one.rules)
    assert by_proof(broken, MANUAL, 60.0).outcome is Outcome.NO_SPECIFICATION


def test_what_takes_too_long_is_said(seen: Usage) -> None:
    assert by_proof(mutant(VM_WRITE, "other code", seen), MANUAL, 0.0).outcome is Outcome.OUT_OF_TIME


# ---- invariants


def of_invariant(operator: str, words: str = "") -> Mutant:
    return mutant(NAMES, operator, Usage(), words)


def test_invariants_that_functions_state() -> None:
    assert subjects_of(NAMES) == (("invariant", 4),)
    assert subjects_of(VM_WRITE) == ()
    assert changes_an_invariant(of_invariant("clause dropped"), MANUAL)


def test_an_invariant_that_says_the_contrary_is_refuted() -> None:
    judged = by_proof_of_invariant(of_invariant("clause negated"), MANUAL, 60.0)
    assert judged.outcome is Outcome.KILLED
    assert judged.words.startswith("invariant 4: the boot state")


# ---- judges that don't end


def _hang() -> str:
    while True:
        pass


def _sleep() -> str:
    time.sleep(600)
    return "awake"


def _fail() -> str:
    raise ValueError("no")


def _answer() -> str:
    return "yes"


def _tried(how: str) -> str:
    children.GRACE, children.SLOWER = 0.0, 1 if how == "_sleep" else 60
    try:
        return in_child(globals()[how], 1.0)
    except NoAnswer as lost:
        return f"no answer: {lost}"


@pytest.mark.heavy
def test_a_judge_that_hangs_or_crashes() -> None:
    wanted = {
        "_answer": "yes",
        "_fail": "no answer: ValueError: no",
        "_hang": "no answer: took too much processor time",
        "_sleep": "no answer: hung",
    }
    found = dict(in_workers(_tried, [*wanted, "abort"], 1))
    crashed = found.pop("abort")
    assert found == wanted
    assert crashed == "no answer: died with SIGABRT"


def abort() -> str:
    os.abort()
