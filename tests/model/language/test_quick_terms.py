"""The quicker functions in the place of z3's own make the same terms, and refuse the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import z3
from z3 import z3core

from sendright.model.language.quick_terms import EXCHANGES, Exchange
from sendright.model.language.sorts import KIND, UNBOUNDED

X, Y, P, Q = z3.Int("x"), z3.Int("y"), z3.Bool("p"), z3.Bool("q")
F = z3.Function("f", z3.IntSort(), z3.BoolSort())
G = z3.Function("g", z3.IntSort(), UNBOUNDED.Task, KIND.sort)
TASK, SLOT = z3.Const("task", UNBOUNDED.Task), z3.Const("slot", UNBOUNDED.Slot)
ELSEWHERE = z3.Context()
VALUES: list[Any] = [
    *(X, Y + 1, z3.IntVal(3), P, Q, z3.BoolVal(True), z3.And(P, Q), TASK, SLOT, KIND.SEND, UNBOUNDED.Slot.is_name_slot(SLOT)),
    *(z3.ForAll([X], X > 3), z3.Lambda([X], X > 3), z3.Real("real"), z3.BitVec("bits", 8), z3.Var(0, z3.IntSort()), z3.Var(0, z3.BoolSort())),
    *(True, False, 1, -2, 0, None, 1.5, "text", z3.Bool("p", ELSEWHERE), z3.Int("x", ELSEWHERE)),
]
"""Terms of every sort that the model has, some that it hasn't, and what isn't a term."""
DECLARATIONS = (
    F,
    G,
    *[getattr(UNBOUNDED.Slot, name) for name in ("name_slot", "is_name_slot", "space")],
    (X + Y).decl(),
    z3.And(P, Q).decl(),
    P.decl(),
)


def _made(function: Any, *arguments: Any) -> tuple[object, ...]:
    """What comes of a call: the term's class, text and place, or the class of the error."""
    try:
        term = function(*arguments)
    except Exception as error:
        return (type(error),)
    return (type(term), term.sexpr(), term.ctx is z3.main_ctx(), term.ast.value) if isinstance(term, z3.AstRef) else (type(term), repr(term))


def _calls(exchange: Exchange) -> Iterator[tuple[Any, ...]]:
    """Arguments for a function: every combination of values of which the first is what it is a method of."""
    match exchange.name:
        case "And" | "Or":
            yield from ((), ([],), (iter([P, Q]),), (P, Q, F(X)), ([P, True],), ((P, Q),), (P, Q, z3.main_ctx()))
            yield from product(VALUES, VALUES)
            yield from ((value,) for value in VALUES)
        case "Not":
            yield from ((value,) for value in VALUES)
        case "Implies":
            yield from product(VALUES, VALUES)
        case "If":
            yield from product([P, z3.ForAll([X], X > 3), True, X, None], VALUES, VALUES)
        case "ForAll" | "Exists":
            for variables in ([X], [X, TASK], (X,), X, [X + 1], [], [z3.Var(0, z3.IntSort())], [z3.Int("x", ELSEWHERE)]):
                yield from ((variables, value) for value in VALUES)
            yield ([X], F(X), 3)
        case "__call__":
            for each in DECLARATIONS:
                yield (each,)
                yield from ((each, value) for value in VALUES)
                yield from ((each, *pair) for pair in product(VALUES, VALUES) if each.arity() == 2)
        case "eq":
            yield from product((value for value in VALUES if isinstance(value, z3.AstRef)), VALUES)
        case "_to_expr_ref":
            yield from ((value.ast, value.ctx) for value in VALUES if isinstance(value, z3.AstRef))
        case "get_id" | "decl":
            yield from ((value,) for value in VALUES if isinstance(value, exchange.where))
        case "name" | "kind":
            yield from (
                (declaration,)
                for declaration in (*DECLARATIONS, z3.Function("f", z3.IntSort(ELSEWHERE), z3.IntSort(ELSEWHERE)), z3.FreshInt().decl())
            )
        case _:
            yield from product((value for value in VALUES if isinstance(value, exchange.where)), VALUES)


def _name(exchange: Exchange) -> str:
    return f"{exchange.where.__name__.removeprefix('z3.')}.{exchange.name}"


@pytest.mark.parametrize("exchange", [exchange for exchange in EXCHANGES if exchange.name not in ("__init__", "__del__")], ids=_name)
def test_the_quicker_function_makes_the_same(exchange: Exchange) -> None:
    compared = errors = 0
    for arguments in _calls(exchange):
        if any(isinstance(argument, type(iter([]))) for argument in arguments):
            theirs, ours = _made(exchange.own, iter([P, Q])), _made(exchange.quicker, iter([P, Q]))
        else:
            theirs, ours = _made(exchange.own, *arguments), _made(exchange.quicker, *arguments)
        assert ours == theirs, arguments
        compared, errors = compared + 1, errors + (len(ours) == 1)
    assert compared > errors, "nothing but errors was compared"


@pytest.mark.parametrize("exchange", EXCHANGES, ids=_name)
def test_it_is_in_the_place_of_z3s_own(exchange: Exchange) -> None:
    assert getattr(exchange.where, exchange.name) is exchange.quicker is not exchange.own
    if exchange.where is z3.z3 and not exchange.name.startswith("_"):
        assert getattr(z3, exchange.name) is exchange.quicker


@pytest.mark.heavy
def test_terms_live_as_long_as_they_are_used_and_no_longer() -> None:
    def some(start: int) -> list[Any]:
        return [z3.Implies(F(X + number), z3.ForAll([Y], z3.And(z3.Not(X + number == Y), F(Y)))) for number in range(start, start + 2000)]

    kept = some(1_000_000)
    texts = [term.sexpr() for term in kept]
    some(1_100_000)
    gc.collect()
    before = z3core.Z3_get_estimated_alloc_size()
    for start in range(2_000_000, 2_010_000, 2000):
        some(start)
    gc.collect()
    assert z3core.Z3_get_estimated_alloc_size() - before < 1_000_000, "what is gone is still kept"
    assert [term.sexpr() for term in kept] == texts
