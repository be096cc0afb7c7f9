"""Proofs from instances: what is asked later doesn't know what was asked before, and what is far from a goal is found
too.
"""

from __future__ import annotations

import z3

from sendright.model.language.sorts import UNBOUNDED
from sendright.model.proof.solver.instantiate import DEPTHS, Proof

PORT = UNBOUNDED.Port
good = z3.Function("good", PORT, z3.BoolSort())
follows = z3.Function("follows", PORT, PORT)
p = z3.Const("p", PORT)


def test_goals_share_their_constants_and_nothing_else() -> None:
    proof = Proof(UNBOUNDED, [], [])
    assert proof.decide(z3.ForAll([p], z3.Not(good(p)))) != z3.unsat
    assert proof.decide(z3.ForAll([p], good(p))) != z3.unsat
    assert proof.decide(z3.ForAll([p], z3.Or(good(p), z3.Not(good(p))))) == z3.unsat


def test_an_assumption_for_the_length_of_a_block_is_gone_after_it() -> None:
    proof, all_are_good = Proof(UNBOUNDED, [], []), z3.ForAll([p], good(p))
    with proof.with_more([all_are_good]) as more:
        assert more.decide(z3.ForAll([p], good(follows(p)))) == z3.unsat
    assert proof.decide(z3.ForAll([p], good(follows(p)))) != z3.unsat


def test_a_term_that_is_nested_deeper_than_the_first_looks_go_is_instantiated_at() -> None:
    deep = p
    for _ in range(max(DEPTHS) + 3):
        deep = follows(deep)
    assert Proof(UNBOUNDED, [], [z3.ForAll([p], good(p))]).decide(z3.ForAll([p], good(deep))) == z3.unsat
    assert Proof(UNBOUNDED, [], []).decide(z3.ForAll([p], good(deep))) != z3.unsat
