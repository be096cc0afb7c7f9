"""z3 reuses the addresses and numbers of terms that are gone. The prover works with both, so it has to keep the terms.

Here the same goals are put to the solver three times: as ever; so that no term is ever gone; and with garbage, made and
thrown away at every step, that takes the place of whatever wasn't kept. Each time the solver must be told the same.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, pairwise

import pytest
import z3
from support.specification import titles

from sendright.mach.kernel.profiles import MANUAL
from sendright.model.language.memo import memoized
from sendright.model.language.rule import RULES
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.proof.any_state import ANYTHING, held_by_any_state
from sendright.model.proof.obligations import CaseProof
from sendright.model.proof.properties import everything
from sendright.model.proof.solver import ground_terms, instantiate
from sendright.model.proof.solver.smtlib import Writer

_serial = count()


def garbage() -> None:
    """Terms of many sizes, over the fields that proofs speak of, which are gone at once."""
    number = next(_serial)
    port, slot = z3.Const(f"garbage{number}", UNBOUNDED.Port), UNBOUNDED.Slot
    parts = [z3.Int(f"garbage{number}.{index}") + index for index in range(20)]
    parts += [z3.If(part > 3, part, part + 1) for part in parts]
    some = [slot.kernel_slot(port) == slot.limbo_slot(port), *[part >= other for part, other in pairwise(parts)]]
    z3.Not(z3.And(*some, z3.Or(*some)))


@contextmanager
def full_of_garbage(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Between any two steps of a proof there is garbage."""

    def with_garbage(function: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object) -> object:
            garbage()
            result = function(*arguments)
            garbage()
            return result

        return wrapped

    for where, name in (
        (instantiate, "ground"),
        (instantiate, "_instances"),
        (instantiate, "skolemize"),
        (instantiate, "prenex"),
        (instantiate.Assumption, "instantiate"),
        (ground_terms.Terms, "collect"),
        (ground_terms.Terms, "no_deeper_than"),
        (ground_terms.Reader, "_notes"),
        (ground_terms.Reader, "_what_matters"),
    ):
        patch.setattr(where, name, with_garbage(getattr(where, name)))
    yield


@contextmanager
def nothing_is_ever_gone(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """No Python object gives up its term: so no address or number is reused."""
    patch.setattr(z3.z3, "Z3_dec_ref", lambda context, term: None)
    yield


@contextmanager
def as_ever(patch: pytest.MonkeyPatch) -> Iterator[None]:
    yield


COMMUTE = {z3.Z3_OP_AND, z3.Z3_OP_OR, z3.Z3_OP_EQ, z3.Z3_OP_DISTINCT, z3.Z3_OP_ADD, z3.Z3_OP_MUL}


def meanings(terms: Sequence[Term]) -> Counter[int]:
    """The terms without what differs from run to run: the numbers of fresh names, and the order of arguments that may
    stand in any order.
    """
    known: dict[int, int] = {}

    def meaning(term: Term) -> int:
        number = term.get_id()
        if number not in known:
            if z3.is_quantifier(term):
                sorts = tuple(term.var_sort(index).name() for index in range(term.num_vars()))
                known[number] = hash((term.is_forall(), sorts, meaning(term.body())))
            elif z3.is_var(term):
                known[number] = hash(("variable", z3.get_var_index(term)))
            else:
                parts = [meaning(part) for part in term.children()]
                order = sorted(parts) if term.decl().kind() in COMMUTE else parts
                name = str(term) if z3.is_int_value(term) else re.sub(r"!\d+", "", term.decl().name())
                known[number] = hash((name, term.decl().kind(), tuple(order)))
        return known[number]

    return Counter(map(meaning, terms))


def told(patch: pytest.MonkeyPatch, rule: str, case: str, most: int) -> list[list[Counter[int]]]:
    """The formulas that the solver gets, batch by batch, for the first goals of a case that need assumptions."""
    found: list[list[Counter[int]]] = [[]]

    def listening(assert_: Callable[[z3.Solver, Iterable[Term]], None], term: Callable[[object], Term]) -> Callable[..., None]:
        def heard(solver: z3.Solver, formulas: Iterable[object]) -> None:
            given = list(formulas)
            found[-1].append(meanings([term(formula) for formula in given]))
            assert_(solver, given)

        return heard

    patch.setattr(instantiate, "assert_all", listening(instantiate.assert_all, lambda formula: formula))
    patch.setattr(instantiate, "assert_at", listening(instantiate.assert_at, instantiate.term_at))
    unit = CaseProof(RULES[rule], titles(rule).index(case), MANUAL)
    goals = [goal for one in unit.properties(everything) if not one.assumptions for _, goal in one.goals]
    proof = instantiate.Proof(UNBOUNDED, [*UNBOUNDED.background, *unit.assumptions], held_by_any_state(MANUAL))
    for goal in goals:
        gc.collect(0)
        if not instantiate.follows_from_nothing(goal):
            assert proof.decide(goal) == z3.unsat
            found.append([])
        if len(found) > most:
            break
    return found[:-1]


@pytest.mark.parametrize(
    ("rule", "case", "most"),
    [
        pytest.param("mach_port_deallocate", "the send-once right becomes a notification", 3, marks=pytest.mark.heavy),
        pytest.param("mach_msg_send: deliver", "the message is queued", 8, marks=pytest.mark.heavy),
        pytest.param("task_terminate", "the task ends", 8, marks=pytest.mark.heavy),
        pytest.param("host_security_create_task_token", "a child with the given tokens", 8, marks=pytest.mark.heavy),
    ],
)
def test_the_solver_is_told_the_same(rule: str, case: str, most: int) -> None:
    found = []
    for around in (as_ever, nothing_is_ever_gone, full_of_garbage):
        with pytest.MonkeyPatch.context() as patch, around(patch):
            found.append(told(patch, rule, case, most))
        gc.collect()
    assert len(found[0]) == most
    for ever, kept, crowded in zip(*found, strict=True):
        for batches in zip(ever, kept, crowded, strict=False):  # one of them may need a batch less
            assert batches[0] == batches[1] == batches[2]


def test_terms_that_are_made_once_stay_those_that_they_were() -> None:
    """What was made of a point that is gone isn't found by another with its number."""
    number = memoized(lambda x: z3.IntVal(x.arg(1).as_long()))
    for index in range(150):
        assert number(z3.Int("point") + index).as_long() == index


def test_names_in_texts_stay_those_that_they_were() -> None:
    """A writer tells declarations apart by their addresses, also of formulas that are gone."""
    writer, texts = Writer(), set()
    for index in range(60):
        function = z3.Function(f"f{index}", UNBOUNDED.Port, z3.IntSort())
        texts.add(writer.write(function(ANYTHING.p) == index))
        del function
        garbage()
    assert len(texts) == 60
    assert len(set(writer.declarations)) == len(writer.declarations) >= 60


def test_goals_that_follow_from_nothing_are_not_mistaken() -> None:
    answers: list[tuple[bool, bool]] = []
    for index in range(60):
        x: Term = z3.Int(f"goal{index}")
        holds = index % 2 == 0
        answers.append((holds, instantiate.follows_from_nothing(z3.Implies(x > 1, x > 0) if holds else z3.Implies(x > 0, x > 1))))
        garbage()
    assert all(holds == found for holds, found in answers)
