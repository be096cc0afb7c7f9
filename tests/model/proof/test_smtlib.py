"""SMT-LIB text says what the formulas say: two solvers read it, and find in it what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from random import Random
from typing import Any

import pytest
import z3

from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.proof.obligations import ProofTask, decide_and_do
from sendright.model.proof.prove import proof_tasks
from sendright.model.proof.solver.questions import Also, Script
from sendright.model.proof.solver.second_solver import SecondSolver
from sendright.model.proof.solver.smtlib import NotWritable, Writer, script

A, B = z3.DeclareSort("A"), z3.DeclareSort("B")
CVC5 = SecondSolver()


@pytest.fixture(autouse=True, scope="module")
def end_of_cvc5() -> Iterator[None]:
    yield
    CVC5.close()


def bound(names: Sequence[str], sort: Any, body: Any, forall: bool = True) -> Any:
    """A quantifier over ``sort`` whose variables have these names, whatever else has them. In ``body`` they are
    ``z3.Var``: the last one is number 0.
    """
    sorts, symbols = (sort.ast.__class__ * len(names))(), (z3.to_symbol("x").__class__ * len(names))()
    for index, name in enumerate(names):
        sorts[index], symbols[index] = sort.ast, z3.to_symbol(name)
    made = z3.Z3_mk_quantifier(z3.main_ctx().ref(), forall, 0, 0, (z3.Pattern * 0)(), len(names), sorts, symbols, body.as_ast())
    return z3.QuantifierRef(made)


def read(text: str) -> z3.Solver:
    """A solver that has read a script. It has a context of its own, because a datatype that is read replaces one of the
    same name.
    """
    solver = z3.Solver(ctx=z3.Context())
    solver.from_string(text)
    assert len(solver.assertions()) == text.count("\n(assert ")
    return solver


def answers(text: str) -> set[str]:
    """What z3 and, if it is there, cvc5 say to a script."""
    found = {str(read(text).check())}
    if find_spec("cvc5") is not None:
        found.add(CVC5.ask(text).answer)
    return found


def unsat(*formulas: Any) -> bool:
    """The formulas contradict each other, by z3 itself and by all that read their text."""
    solver = z3.Solver()
    solver.add(*formulas)
    meant = str(solver.check())
    assert answers(script(formulas)) - {"unknown"} == {meant}
    return meant == "unsat"


def test_a_bound_variable_with_the_name_of_a_constant() -> None:
    related, here = z3.Function("related", A, A, z3.BoolSort()), z3.Const("s", A)
    other = z3.Const("other", A)
    to_it = bound(["s"], A, related(z3.Var(0, A), here))  # all are related to the constant s
    with_itself = bound(["s"], A, related(z3.Var(0, A), z3.Var(0, A)))
    assert to_it.sexpr() == with_itself.sexpr(), "z3's own text tells the two apart: then is this module needed?"
    assert unsat(to_it, z3.Not(related(other, here)))
    assert not unsat(with_itself, z3.Not(related(other, here)))


def test_bound_variables_with_the_same_name() -> None:
    related, here = z3.Function("related", A, A, z3.BoolSort()), z3.Const("here", A)
    outer_first = bound(["x"], A, bound(["x"], A, related(z3.Var(1, A), z3.Var(0, A)), forall=False))  # all have a successor
    inner_only = bound(["x"], A, bound(["x"], A, related(z3.Var(0, A), z3.Var(0, A)), forall=False))
    alone = bound(["x"], A, z3.Not(related(here, z3.Var(0, A))))
    assert unsat(outer_first, alone)
    assert not unsat(inner_only, alone)
    twice = bound(["x", "x"], A, related(z3.Var(1, A), z3.Var(0, A)))
    assert unsat(twice, alone)


def test_a_bound_variable_with_the_name_of_a_selector() -> None:
    S = UNBOUNDED.Slot
    task, name = z3.Const("space", UNBOUNDED.Task), z3.Const("name", UNBOUNDED.Name)
    own = bound(["space"], UNBOUNDED.Task, S.space(S.name_slot(z3.Var(0, UNBOUNDED.Task), name)) == task)
    other = z3.Const("other", UNBOUNDED.Task)
    assert unsat(own, other != task)
    assert not unsat(S.space(S.name_slot(task, name)) == task, other != task)


def clashing() -> list[Any]:
    """Formulas in which one name is that of a sort, a constructor, a selector, a function, constants, and variables."""
    pair = z3.Datatype("same")
    pair.declare("same", ("same_part", A), ("part", z3.IntSort()))
    pair.declare("none")
    pair = pair.create()
    other = z3.Datatype("other")
    other.declare("none")
    other.declare("part", ("same", B))
    other = other.create()
    declared = z3.DeclareSort("none")
    function, more = z3.Function("same", A, A), z3.Function("same", A, B, z3.IntSort())
    a, b, i, p = z3.Const("same", A), z3.Const("same", B), z3.Int("same"), z3.Const("same", pair)
    n, x = z3.Const("same", declared), z3.Const("part", other)
    return [
        pair.same(function(a), more(a, b)) == p,
        i == pair.part(p),
        i != more(a, b),
        n == z3.Const("other", declared),
        x == other.part(b),
        bound(["same"], A, function(z3.Var(0, A)) == a),
        z3.Const("true", z3.BoolSort()),
        z3.Not(z3.Const("and", z3.BoolSort())),
    ]


def test_one_name_for_all_kinds() -> None:
    formulas = clashing()
    assert unsat(*formulas)
    for left_out in (1, 2):
        assert not unsat(*formulas[:left_out], *formulas[left_out + 1 :])


@pytest.mark.parametrize(
    "name", ["copy in a right: name", "message@copy in a right", "a|b", "back\\slash", "?0.0", ".x", "@y", "", "3", "let", "ü\n", "s!any", "a!1"]
)
def test_names_of_all_sorts(name: str) -> None:
    flag, other = z3.Bool(name), z3.Bool(name.replace("|", "_").replace("\\", "_") + "!7")
    assert not unsat(flag, z3.Not(other))
    assert unsat(flag, z3.Not(flag))


def test_numbers_that_make_names_fresh_say_nothing() -> None:
    def one() -> str:
        dying, killed = z3.FreshConst(A, "dying"), z3.FreshConst(A, "dying")
        return script([dying != killed, z3.Function("last", A, A)(killed) == dying])

    first = one()
    assert first == one()
    assert "dying.2" in first
    assert unsat(z3.FreshBool("b"), z3.Not(z3.FreshBool("b"))) is False


def test_numbers_and_operators() -> None:
    x, y = z3.Ints("x y")
    r = z3.Real("r")
    assert unsat(x == -3, x * -2 != 6)
    assert unsat(z3.And(x > 0), z3.Or(x < 0))
    assert unsat(z3.And(), z3.Or())
    assert unsat(x % 3 == 1, y == x / 3, x != 3 * y + 1)
    assert unsat(r == z3.Q(-1, 2), r * 2 != -1)
    assert unsat(z3.Distinct(x, y), x == y)
    assert not unsat(z3.Xor(x > y, x < 0), z3.If(x > 0, y, x) == 2)


@pytest.mark.parametrize(
    "formula", [z3.K(A, z3.IntVal(0))[z3.Const("x", A)] == 0, z3.Lambda([z3.Int("x")], z3.Int("x"))[0] == 0, z3.String("s") == "x"]
)
def test_what_it_cannot_write_it_refuses(formula: Any) -> None:
    with pytest.raises(NotWritable):
        script([formula])


def test_what_occurs_often_is_written_once() -> None:
    term = z3.Int("x")
    for _ in range(200):
        term = term + term
    text = script([term > 0, z3.ForAll([z3.Int("y")], term > z3.Int("y"))])
    assert len(text) < 20_000
    assert answers(text) == {"unsat"}


def test_a_copy_of_a_writer_goes_on_alone() -> None:
    writer = Writer()
    assert writer.write(z3.Const("x", A) == z3.Const("y", A)) == "(= x y)"
    first, second = writer.copy(), writer.copy()
    assert first.write(z3.Const("x", B) == z3.Const("z", B)) == "(= x.2 z)"
    assert second.write(z3.Int("x") == z3.Int("z")) == "(= x.2 z)"
    assert first.write(z3.Const("x", A) == z3.Const("x", A)) == "(= x x)"
    assert first.declarations != second.declarations
    assert len(writer.declarations) == 3


def scripts_of(profile: Profile, part: ProofTask) -> list[Script]:
    return decide_and_do(profile.name, part, None, Also(scripts=True)).scripts


def assert_true(scripts: list[Script]) -> None:
    """Two solvers read them. cvc5 finds the expected status, and it doesn't without the last assertion."""
    briefly = SecondSolver(limit=2_000)
    try:
        for one in scripts:
            read(one.text)
            assert CVC5.ask(one.text).answer == one.status == "unsat", f"{one.call}, {one.case}, {one.property}"
            assumed, _, _ = one.text.rpartition("(assert ")
            assert briefly.ask(f"{assumed}(check-sat)").answer != "unsat", "the assumptions contradict each other"
    finally:
        briefly.close()


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(ProofTask("case", "mach_port_deallocate", 5), marks=pytest.mark.heavy),
        ProofTask("rule", "mach_port_type"),
        pytest.param(ProofTask("sequence", "copy in a right"), marks=pytest.mark.heavy),
    ],
)
def test_obligations_are_written_for_any_solver(part: ProofTask) -> None:
    """The plain questions, with all their quantifiers: cvc5 has to find the instances itself."""
    pytest.importorskip("cvc5")
    scripts = scripts_of(MANUAL, part)
    assert scripts
    assert all(one.text.startswith("; written by sendright\n; ") for one in scripts)
    assert_true(scripts)


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES)
def test_a_sample_of_all_obligations_is_read_by_both_solvers(profile: str) -> None:
    pytest.importorskip("cvc5")
    tasks = [part for part in proof_tasks(PROFILES[profile]) if part.kind in ("cases", "rule", "sequence", "follow-up", "theorem 1")]
    sample = Random(11).sample(tasks, 8)
    scripts = [one for part in sample for one in scripts_of(PROFILES[profile], part)]
    assert len(scripts) > 50
    second = SecondSolver(limit=1_000_000)
    told = {}
    try:
        for one in scripts:
            read(one.text)
            told[one.call, one.case, one.property, one.part] = second.ask(one.text)
    finally:
        second.close()
    wrong = {what: answer for what, answer in told.items() if answer.answer not in ("unsat", "unknown")}
    assert not wrong
    assert sum(answer.answer == "unsat" for answer in told.values()) > 0.9 * len(told)
