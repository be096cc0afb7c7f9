"""Judges a run: every call by the specification, the end by the invariants and the derivation of all rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Difference, Snapshot
from sendright.mach.state.trace import Step, Violation
from sendright.properties.provenance.derivation import unexplained
from sendright.properties.runs.answer_form import answer_error
from sendright.properties.runs.judged_run import JudgedRun, Judgement, Oracle, Violated

CALL_SECONDS = 2.0
"""A call that takes longer counts as hung."""


class BrokenInvariant(Protocol):
    """An invariant that a state violates."""

    @property
    def name(self) -> str: ...
    @property
    def words(self) -> str: ...


Invariants = Callable[[Snapshot, Profile], tuple[BrokenInvariant, ...]]
"""Returns the invariants that a state violates, like ``sendright.model.execution.oracle.broken_invariants``."""


def specified_invariants(snapshot: Snapshot, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The specification's invariants. (Imported late: the specification takes a second to build.)"""
    from sendright.model.execution.oracle import broken_invariants

    return broken_invariants(snapshot, profile)


class Run(JudgedRun):
    """An implementation and an oracle, run side by side from the boot state, and judged as a whole at the end.

    ``boot``, ``step`` and ``finish`` raise Violated at the first violation. ``violations`` then has all known
    violations, the first one first, and ``trace()`` is the run up to there.
    """

    def __init__(
        self,
        implementation: Implementation,
        oracle: Oracle,
        profile: Profile,
        invariants: Invariants = specified_invariants,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        super().__init__(implementation, FormCheckedOracle(oracle), profile, call_seconds)
        self._invariants = invariants

    def step(self, task: int, call: Call) -> Step:
        """Make ``call`` as the live task number ``task``, and judge the answer and the state after it."""
        before = self.snapshot
        try:
            return self.call(task, call)
        except Violated as broken:
            # A violated invariant or a missing derivation says more than a difference.
            if broken.violation.kind in ("result", "state"):
                self.violations += [*self._wrong_step(before, task, call), *self._wrong_as_a_whole()]
            raise

    def finish(self) -> None:
        """Judge the end of the run: the invariants hold, and every right and token has a derivation. Raises
        Violated."""
        found = self._wrong_as_a_whole()
        if found:
            self.violations += found
            raise Violated(found[0])

    def _wrong_step(self, before: Snapshot, task: int, call: Call) -> list[Violation]:
        from sendright.model.execution.oracle import broken_by_step

        step = self.steps[-1]
        if step.task != task or self.capabilities.shows is not None:  # another task's call was resumed, or the state is partly the specification's
            return []
        broken = broken_by_step(before, self.snapshot, task, call, step.code, self.profile)
        return [Violation(step=step.index, kind="invariant", clause=each.name, words=each.words) for each in broken]

    def _wrong_as_a_whole(self) -> list[Violation]:
        last = len(self.steps) - 1
        # A state that is partly the specification's can't show whether the implementation keeps an invariant.
        whole = self.steps and self.capabilities.shows is None
        broken = self._invariants(self.snapshot, self.profile) if whole else ()
        invariants = [Violation(step=last, kind="invariant", clause=each.name, words=each.words) for each in broken]
        return [*invariants, *unexplained(self.trace())]


class FormCheckedOracle:
    """Rejects malformed answers before they reach the oracle."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        """As ``Oracle.judge``."""
        wrong = answer_error(call, result)
        if wrong is None:
            return self.oracle.judge(task, call, result, shown)
        clause = f"{call.name}: the results are those of its signature"
        return MalformedAnswer(agreed=False, clause=clause, words=wrong)

    def snapshot(self) -> Snapshot:
        """As ``Oracle.snapshot``."""
        return self.oracle.snapshot()


class MalformedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement on an answer that doesn't have the form that its signature promises."""

    agreed: bool
    clause: str
    words: str
    cases: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
