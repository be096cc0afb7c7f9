"""What a case's proof has to show: the properties whose truth its effect could change. Read off the formulas; nothing is solved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import Profile
from sendright.mach.signatures import TASK_MAKERS
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.any_state import ANY_STATE, ANYTHING, fields_of, of_any_state
from sendright.model.invariants import INVARIANTS, Variables, broken_invariants, state_invariants
from sendright.model.prove import AUTHORITY, CONSERVATION, LOCALITY, RELATIONAL, SECURITY_PORT, THEOREMS
from sendright.model.rules import RULES, Case, Context
from sendright.model.sorts import Term
from sendright.model.state import FIELDS, After
from sendright.model.steps import STEP_PROPERTIES
from sendright.model.theorems import is_targeted_only, isolation, security_stays, token_integrity
from sendright.model.transition import Transition

DECIDED = "decided"
"""Exactly one case of a rule applies: proved of every rule."""


class TouchedCase(msgspec.Struct, frozen=True):
    """One case of a rule, and what depends on it."""

    id: str
    """``CODE/title``."""
    code: str | None
    title: str
    results: tuple[str, ...]
    replies: int
    properties: tuple[str, ...]
    """As ``sendright prove`` names them: ``invariant 8``, ``step invariant 29``, ``theorem 2``, ``decided``."""
    changes: tuple[str, ...]
    """The fields of the state that the case may change."""


def property_titles() -> dict[str, str]:
    """Every property that can be named, with its title."""
    titles = {DECIDED: "exactly one case applies"}
    titles |= {f"invariant {number}": invariant.title for number, invariant in INVARIANTS.items()}
    titles |= {f"step invariant {number}": step.title for number, step in STEP_PROPERTIES.items()}
    titles |= {f"step invariant {number}": title for number, title in RELATIONAL.items()}
    return titles | {f"theorem {number}": title for number, title in THEOREMS.items()}


def cases_of(rule: str, profile: Profile) -> list[Case]:
    """The cases of the rule called ``rule``, in the order in which they are tested. Raises KeyError if there is no such rule."""
    return list(RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile)))


def touched_cases(rule: str, profile: Profile) -> list[TouchedCase]:
    """The cases of the rule called ``rule`` in ``profile``, each with the properties that it could break. Raises KeyError."""
    k = Context(RULES[rule], ANY_STATE, profile)
    return [_touched(k, case, ANYTHING, profile) for case in k.rule.cases(k)]


def _touched(k: Context, case: Case, v: Variables, profile: Profile) -> TouchedCase:
    after = After(k.before, profile)
    case.effect(after)
    changes = tuple(name for name, field in FIELDS.items() if not field.ghost and after.changed(name))
    properties = [DECIDED, *_of_rule(k.rule.name, profile)]
    if changes:
        properties += _of_effect(k, case, after, v, profile)
        properties += ["theorem 5"] if _conserves(properties) else []
    if k.rule.name in TASK_MAKERS and case.code is ReturnCode.KERN_SUCCESS:
        properties.append("theorem 1")
    code = None if case.code is None else case.code.name
    return TouchedCase(case.id, code, case.title, tuple(case.outputs), case.replies, tuple(properties), changes)


def _of_rule(rule: str, profile: Profile) -> Iterator[str]:
    """What is proved of a rule's conditions."""
    if is_targeted_only(rule, profile):
        yield f"step invariant {AUTHORITY}"
    yield f"step invariant {LOCALITY}"


def _of_effect(k: Context, case: Case, after: After, v: Variables, profile: Profile) -> Iterator[str]:
    """The properties that say something else of the state after the case than of one in which nothing changed."""
    for invariant in (*state_invariants(profile), *broken_invariants(profile)):
        if any(map(after.changed, fields_of(invariant))) and _differ(invariant.clauses(v, after), of_any_state(invariant)):
            yield f"invariant {invariant.number}"
    moved, still = Transition(k, case, after), Transition(k, case, After(k.before, profile))
    steps: dict[str, Callable[[Variables, Transition], Iterable[tuple[str, Term]]]] = {
        **{f"step invariant {number}": step.clauses for number, step in STEP_PROPERTIES.items()},
        f"step invariant {SECURITY_PORT}": lambda v, x: security_stays(v, x)[1],
        "theorem 2": lambda v, x: isolation(v, x)[1],
        "theorem 3": token_integrity,
    }
    for name, clauses in steps.items():
        if _differ(clauses(v, moved), clauses(v, still)):
            yield name


def _conserves(properties: Iterable[str]) -> bool:
    """Theorem 5 is made of some of these."""
    return any(name.startswith(("invariant", "step invariant")) and int(name.split()[-1]) in CONSERVATION for name in properties)


def _differ(some: Iterable[tuple[str, Term]], others: Iterable[tuple[str, Term]]) -> bool:
    return any(not one.eq(other) for (_, one), (_, other) in zip(some, others, strict=True))
