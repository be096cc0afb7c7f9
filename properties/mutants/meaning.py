"""What a rule means: all that proofs and runs depend on. A mutant must change the meaning of some rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language import release
from sendright.model.language.rule import PENDING_RULES, RULES, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.proof.any_state import ANY_STATE


class CaseMeaning(NamedTuple):
    """All that depends on one case."""

    title: str
    reached: Any
    """When the case applies."""
    effect: tuple[Any, ...]
    """Its code, results and changes, and what the kernel may choose."""
    does_something: bool
    """It changes the state, or tells a result."""


RuleMeaning = tuple[tuple[Any, ...], tuple[CaseMeaning, ...]]
"""What the rule assumes; its cases."""

_kept: list[Any] = []
"""Terms whose numbers stand for them: z3 gives the number of a term that is gone to another."""


def served_rules(profile: Profile) -> list[str]:
    """The rules that the calls of ``profile`` run."""
    return list(dict.fromkeys([*(rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile)), *PENDING_RULES]))


def meaning_of(rule: str, profile: Profile) -> RuleMeaning:
    """The meaning of a rule. Equal ones are equal. Raises whatever building the rule raises."""
    k = Context(RULES[rule], ANY_STATE, profile)
    found: list[CaseMeaning] = []
    earlier: list[Any] = []
    for case in RULES[rule].cases(k):
        after = After(ANY_STATE, profile)
        with _tags_from_0():
            case.effect(after)
        changes = []
        for name, declared in FIELDS.items():
            if after.changed(name):
                point = [z3.Const(f"x{index}", sort_named(k.sorts, part)) for index, part in enumerate(declared.domain)]
                changes.append((name, _number(after.fields[name](*point))))
        outputs = [(name, _number(value)) for name, value in case.outputs.items()]
        reached = _number(z3.And(case.when, *[z3.Not(when) for when in earlier]))
        earlier.append(case.when)
        effect = (case.code, case.replies, *changes, *map(_number, after.assumptions), *outputs)
        found.append(CaseMeaning(case.title, reached, effect, bool(changes or outputs)))
    return tuple(map(_number, k.assumptions())), tuple(found)


def _number(term: Any) -> Any:
    if not isinstance(term, z3.AstRef):
        return repr(term)
    _kept.append(term)
    return term.get_id()


@contextmanager
def _tags_from_0() -> Iterator[None]:
    """A release that is made in the block has the same names whenever it is made."""
    before = release._serial
    release._serial = count()
    try:
        yield
    finally:
        release._serial = before
