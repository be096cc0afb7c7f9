"""Shorthand for tests of the specification: rules with a mistake in them, and what of them is proved all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import After, State
from sendright.model.proof import obligations
from sendright.model.proof.counterexamples import refute as refuter
from sendright.model.proof.obligations import CaseProof, ProofTask
from sendright.model.proof.solver import instantiate


def titles(rule: str, profile: Profile = MANUAL) -> list[str]:
    """The titles of a rule's cases, in order."""
    return [case.title for case in RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), profile))]


def assumptions_are_possible(rule: str, profile: Profile = MANUAL) -> bool:
    """False doesn't follow from what is assumed of the rule's last case."""
    return CaseProof(RULES[rule], len(titles(rule, profile)) - 1, profile).proof().decide(z3.BoolVal(False)) != z3.unsat


Change = Callable[[Context, Case], Case | None]


def little_effort(patch: pytest.MonkeyPatch) -> None:
    """The prover gives up soon, and looks for no counterexample: either takes it many seconds."""
    patch.setattr(instantiate, "RLIMIT", 3_000_000)
    patch.setattr(instantiate, "ROUNDS", 1)
    patch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def broken_when(patch: pytest.MonkeyPatch, rule: str, title: str, change: Change, *only: int, profile: Profile = MANUAL) -> set[str]:
    """Which properties of the case called ``title`` aren't proved of the rule with each case changed (None: left out).

    With little effort, for giving up takes seconds; with as little the rule itself must be proved.
    """
    little_effort(patch)
    assert _not_proved(rule, title, only, profile) == set()
    original = RULES[rule]

    def cases(k: Context) -> Iterator[Case]:
        return (new for case in original.cases(k) if (new := change(k, case)) is not None)

    patch.setitem(RULES, rule, replace(original, cases=cases))
    return _not_proved(rule, title, only, profile)


def _not_proved(rule: str, title: str, only: tuple[int, ...], profile: Profile) -> set[str]:
    part = ProofTask("case", rule, titles(rule, profile).index(title), only or None)
    return {found.property for found in obligations.decide_case(profile, part) if found.verdict is not Verdict.PROVED}


def without(*lost: str) -> Change:
    """A rule that forgets to test something."""
    return lambda k, case: None if case.title in lost else case


def then(more: Callable[[Context, After], None]) -> Change:
    """A rule that does something more when it succeeds."""

    def change(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            more(k, after)

        return replace(case, effect=effect) if case.code is ReturnCode.KERN_SUCCESS else case

    return change
