"""Whether a case is possible at all, with everything that its proofs assume: decided in a small scope, where a count is
a sum. For cases whose assumptions can't be evaluated on a recorded run (``execution/satisfied.py``).
"""

from __future__ import annotations

from sendright.mach.kernel.profiles import Profile
from sendright.model.language.rule import RULES, Context, effective_guards
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.counterexamples.counterexample import Question, Search


def possible(profile: Profile, rule: str, case: str) -> bool:
    """Some state of a small scope has all invariants, and satisfies all that the case assumes. ``case`` is its id."""
    k = Context(RULES[rule], ANY_STATE, profile)
    cases = list(k.rule.cases(k))
    index = next(index for index, each in enumerate(cases) if each.id == case)
    after = After(ANY_STATE, profile)
    cases[index].effect(after)
    assumed = [*k.assumptions(), effective_guards(cases)[index], *after.assumptions]
    return Search(profile, Question(k, (), assumed, cases[index], after)).possible()
