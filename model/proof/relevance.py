"""The properties that a case could break, because its effect changes their formulas. Nothing is solved."""

from __future__ import annotations

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import TASK_MAKERS
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import INVARIANTS
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.state import FIELDS, After
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.properties import DECIDED, RELATIONAL, THEOREMS, is_of_conservation, properties_of_case, properties_of_rule


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
    """The cases of the rule called ``rule``, in the order in which they are tested.

    Raises KeyError if there is no such rule.
    """
    return list(RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile)))


def touched_cases(rule: str, profile: Profile) -> list[TouchedCase]:
    """The cases of the rule called ``rule`` in ``profile``, each with the properties that it could break.

    Raises KeyError.
    """
    k = Context(RULES[rule], ANY_STATE, profile)
    of_rule = [one.name for one in properties_of_rule(k)]
    return [_touched(k, case, of_rule) for case in k.rule.cases(k)]


def _touched(k: Context, case: Case, of_rule: list[str]) -> TouchedCase:
    after = After(k.before, k.profile)
    case.effect(after)
    changes = tuple(name for name, field in FIELDS.items() if not field.ghost and after.changed(name))
    properties = list(of_rule)
    if changes:
        touched = [one.name for one in properties_of_case(k, case, after) if one.name in property_titles() and one.depends_on_effect]
        properties += [*touched, *(["theorem 5"] if any(map(is_of_conservation, [*of_rule[1:], *touched])) else [])]
    if k.rule.name in TASK_MAKERS and case.code is ReturnCode.KERN_SUCCESS:
        properties.append("theorem 1")
    code = None if case.code is None else case.code.name
    return TouchedCase(case.id, code, case.title, tuple(case.outputs), case.replies, tuple(properties), changes)
