"""Whether a case is possible at all, with everything that its proofs assume: decided in a small scope, where a count is
a sum. For cases whose assumptions can't be evaluated on a recorded run (``execution/satisfied.py``).
"""

from __future__ import annotations

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import RULES, Context, effective_guards
from sendright.model.language.sorts import Scope, Sorts
from sendright.model.language.state import After, State
from sendright.model.language.term_walk import assert_all
from sendright.model.proof.counterexamples.refute import expand, meaning, nothing_elsewhere
from sendright.model.proof.counterexamples.stated_in_scope import RLIMIT, SCOPES, in_scope


def possible(profile: Profile, rule: str, case: str) -> bool:
    """Some state of a small scope has all invariants, and satisfies all that the case assumes. ``case`` is its id."""
    return any(_possible_in(scope, profile, rule, case) for scope in SCOPES)


def _possible_in(scope: Scope, profile: Profile, rule: str, case: str) -> bool:
    sorts = Sorts(scope)
    before = State.arbitrary(sorts, "@before")
    k, v = Context(RULES[rule], before, profile), Variables(sorts)
    cases = list(k.rule.cases(k))
    index = next(index for index, each in enumerate(cases) if each.id == case)
    after = After(before, profile)
    cases[index].effect(after)
    known = [clause for invariant in state_invariants(profile) for _, clause in invariant.clauses(v, before)]
    solver = z3.SimpleSolver()
    solver.set("rlimit", RLIMIT)
    assert_all(solver, [expand(fact, sorts) for fact in (*known, *k.assumptions(), effective_guards(cases)[index], *after.assumptions)])
    solver.add([*meaning(before, sorts, after), *in_scope(k, sorts), *nothing_elsewhere(before, sorts), *sorts.background])
    return bool(solver.check() == z3.sat)
