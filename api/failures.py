"""The exceptions of the API: assertions, whose text is what the terminal prints of the result."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sendright.api.subject import Subject
from sendright.mach.results.checks import CheckResult, ProofResult, ReplayResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.reports.plain_text import counterexample_text


class SendrightFailure(AssertionError):
    """What was checked doesn't hold, or isn't decided. The text is what the terminal prints of it."""

    __module__ = "sendright"

    def __init__(self, result: CheckResult | ReplayResult | ProofResult) -> None:
        super().__init__(counterexample_text(result))
        self.result = result
        """The whole result."""


class NotConforming(SendrightFailure):
    """A kernel did something else than the specification says, crashed or hung."""

    __module__ = "sendright"

    def __init__(self, result: CheckResult | ReplayResult, subject: Subject) -> None:
        super().__init__(result)
        self._subject = subject

    @property
    def trace(self) -> Trace | None:
        """The failing run: its calls, what each changed, and the first violation. After ``check`` it is minimized."""
        if isinstance(self.result, CheckResult):
            return self.result.failure
        cases = self.result.cases if isinstance(self.result, ReplayResult) else ()
        return next((case.trace for case in cases if case.verdict in ("failed", "crashed") and case.trace is not None), None)

    @property
    def script(self) -> dict[str, Any] | None:
        """After ``check``: the failing run as a script for ``replay`` (docs/scripts.md); None if it has no calls."""
        return self.result.script if isinstance(self.result, CheckResult) else None

    @cached_property
    def test(self) -> str:
        """The failing run as the source of a test function, to paste into a test file; empty if there is no run."""
        from sendright.api.pasted_test import pasted_test

        return "" if self.trace is None else pasted_test(self.trace, self._subject)


class NotProved(SendrightFailure):
    """A property of the specification is refuted, or a known break of it is gone."""

    __module__ = "sendright"


class Undetermined(SendrightFailure):
    """Nothing was found out: no call was made, no case could be run, or neither a proof nor a counterexample found."""

    __module__ = "sendright"


def raise_unless_passed(result: CheckResult | ReplayResult, subject: Subject) -> None:
    """Raise what the verdict of ``result`` calls for: nothing if it is PASSED."""
    __tracebackhide__ = True
    if result.verdict in (Verdict.FAILED, Verdict.CRASHED):
        raise NotConforming(result, subject)
    if result.interrupted:
        raise KeyboardInterrupt
    if result.verdict is not Verdict.PASSED:
        raise Undetermined(result)
