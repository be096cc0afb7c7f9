"""Shorthand for tests of the specification: an oracle beside the reference kernel, and rules with a mistake in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import z3

from sendright.impl.reference import ReferenceKernel
from sendright.mach.calls import Call
from sendright.mach.codes import ReturnCode, code_name
from sendright.mach.profiles import MANUAL, Profile
from sendright.mach.snapshot import Snapshot, differences
from sendright.mach.verdicts import Verdict
from sendright.model import instantiate
from sendright.model import prove as prover
from sendright.model import refute as refuter
from sendright.model.oracle import Oracle, broken_invariants
from sendright.model.prove import CaseProof, Part
from sendright.model.rules import RULES, Case, Context
from sendright.model.sorts import UNBOUNDED
from sendright.model.state import After, State


class Pair:
    """The reference kernel and an oracle beside it; they must agree on every answer and every state."""

    def __init__(self, profile: Profile = MANUAL) -> None:
        self.profile = profile
        self.kernel, self.oracle = ReferenceKernel(), Oracle(profile)
        self.kernel.boot(profile)
        self.own: int = self.does("mach_task_self")

    def code(self, name: str, /, shortage: int = 0, **arguments: Any) -> str:
        """Make a call, whatever comes of it; the name of its code."""
        return self._make(Call(name, arguments, shortage))[0]

    def does(self, name: str, /, **arguments: Any) -> Any:
        """Make a call that must succeed; its only output, or all of them."""
        code, outputs = self._make(Call(name, arguments))
        assert code == "KERN_SUCCESS", code
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def named(self, well_known: str) -> int:
        """The bootstrap task's name for one of the ports that it was given."""
        return self.profile.bootstrap_names.index(well_known) + 1

    def state(self) -> Snapshot:
        """Everything there is."""
        return self.kernel.snapshot()

    def _make(self, call: Call) -> tuple[str, dict[str, Any]]:
        result = self.kernel.call(0, call)
        judgement = self.oracle.judge(0, call, result)
        assert judgement.agreed, judgement
        assert differences(self.oracle.snapshot(), self.state()) == ()
        assert broken_invariants(self.state(), self.profile) == ()
        return code_name(result.code), result.outputs


def titles(rule: str, profile: Profile = MANUAL) -> list[str]:
    """The titles of a rule's cases, in order."""
    return [case.title for case in RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), profile))]


def assumptions_are_possible(rule: str, profile: Profile = MANUAL) -> bool:
    """False doesn't follow from what is assumed of the rule's last case."""
    return CaseProof(RULES[rule], len(titles(rule, profile)) - 1, profile).proof().decide(z3.BoolVal(False)) != z3.unsat


Change = Callable[[Context, Case], Case | None]


def broken_when(patch: pytest.MonkeyPatch, rule: str, title: str, change: Change, *only: int) -> set[str]:
    """Which properties of the case called ``title`` aren't proved of the rule with each case changed (None: left out).

    With little effort, for giving up takes seconds; with as little the rule itself must be proved.
    """
    patch.setattr(instantiate, "ROUNDS", 1)
    patch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))
    assert _not_proved(rule, title, only) == set()
    original = RULES[rule]

    def cases(k: Context) -> Iterator[Case]:
        return (new for case in original.cases(k) if (new := change(k, case)) is not None)

    patch.setitem(RULES, rule, replace(original, cases=cases))
    return _not_proved(rule, title, only)


def _not_proved(rule: str, title: str, only: tuple[int, ...]) -> set[str]:
    part = Part("case", rule, titles(rule).index(title), only or None)
    return {found.property for found in prover.decide_case(MANUAL, part) if found.verdict is not Verdict.PROVED}


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
