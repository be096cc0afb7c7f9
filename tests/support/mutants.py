"""Mutants of the specification: a rule with one mistake, and which obligations see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.rule import (
    RULES,
    Case,
    Context,
    Rule,
)
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import After, State
from sendright.model.proof.obligations import ProofTask, decide
from support.specification import little_effort

Change = Callable[[Context, Case], Iterator[Case]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is enough that a rule is proved with little effort and its mutant isn't."""
    little_effort(monkeypatch)


def not_proved(obligations: list[Obligation]) -> set[str]:
    return {obligation.property for obligation in obligations if obligation.verdict is not Verdict.PROVED}


# ---- rules: one change to one case each


def mutant(rule: str, *changes: Change) -> Rule:
    """The rule with each change made to each of its cases."""

    def cases(k: Context) -> Iterator[Case]:
        found = original.cases(k)
        for change in changes:
            found = iter([new for case in found for new in change(k, case)])
        return found

    original = RULES[rule]
    return replace(original, cases=cases)


def restore(k: Context, after: After, name: str) -> None:
    """A field is as it was before, everywhere."""
    after.sweep(name, "ports", lambda *point: (z3.BoolVal(True), k.before.fields[name](*point)))


def without(code: ReturnCode) -> Change:
    """The guard that answers ``code`` is dropped."""
    return lambda k, case: iter([] if case.code is code else [case])


def then(title: str, more: Callable[[Context, After], None]) -> Change:
    """The case ``title`` does something more, in the end."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            more(k, after)

        yield replace(case, effect=effect) if case.title == title else case

    return change


def instead(title: str, effect: Callable[[Context, After], None]) -> Change:
    """The case ``title`` does something else."""
    return lambda k, case: iter([replace(case, effect=lambda after: effect(k, after)) if case.title == title else case])


def telling(title: str, **outputs: Callable[[Context], Term]) -> Change:
    """The case ``title`` has other results."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        told = {name: tell(k) for name, tell in outputs.items()}
        yield replace(case, outputs={**case.outputs, **told}) if case.title == title else case

    return change


def seen(rule: str, title: str, numbers: tuple[int | str, ...], *changes: Change, profile: Profile = MANUAL) -> set[str]:
    """Which of the properties ``numbers``, all proved of the case ``title``, are not proved of the mutant's."""

    def decided() -> set[str]:
        cases = list(RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), profile)))
        index = next(index for index, case in enumerate(cases) if case.title == title)
        return not_proved(decide(profile.name, ProofTask("case", rule, index, numbers)))

    assert decided() == set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, rule, mutant(rule, *changes))
        return decided()
