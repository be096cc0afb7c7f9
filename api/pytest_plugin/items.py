"""The tests that the plugin adds: one for booting, and one for each call that the kernel has.

They share one check of the kernel, which the first of them makes. A call's test fails if a run failed at that call.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sendright.api.checking import checked_result
from sendright.api.failures import NotConforming, SendrightFailure, Undetermined
from sendright.api.pytest_plugin.options import Options, options_of
from sendright.mach.kernel.capabilities import capabilities_of
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import CheckResult, OtherFailure
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Trace
from sendright.reports.findings import call_at, findings

BOOT = "boot"
MINIMIZE_SECONDS = 10.0
"""Time for the minimization of each failing run: there may be one for each call."""


def items_of(session: pytest.Session) -> Iterator[pytest.Item]:
    """The tests for the kernel that the options name, in each profile that they name. Raises UsageError."""
    options = options_of(session.config)
    for profile in options.limited:
        suite = Suite.from_parent(session, name=f"{options.sut} as {profile.name}", nodeid=f"sendright::{options.sut}::{profile.name}")
        suite.begin(options, profile)
        report = suite.ihook.pytest_make_collect_report(collector=suite)
        suite.ihook.pytest_collectreport(report=report)
        yield from report.result


class Suite(pytest.Collector):
    """The tests for one kernel in one profile, and the check that they share."""

    def begin(self, options: Options, profile: Profile) -> None:
        """Set what is checked."""
        self.options, self.profile = options, profile
        self.add_marker(pytest.mark.sendright)

    def collect(self) -> Iterator[pytest.Item]:
        """One test for booting, and one for each call."""
        has = capabilities_of(self.options.subject.build()).calls
        yield CallItem.from_parent(self, name=BOOT)
        for name in SIGNATURES:
            if self.profile.serves(name) and (has is None or name in has):
                yield CallItem.from_parent(self, name=name)

    @cached_property
    def result(self) -> CheckResult:
        """The result of the check."""
        return checked_result(self.options.subject, self.profile, keep_going=True, minimize_seconds=MINIMIZE_SECONDS, **self.options.numbers)

    @cached_property
    def failing(self) -> dict[str, CheckResult]:
        """Call -> the check's result, with only those failing runs that fail at that call."""
        result = self.result
        if result.failure is None:
            return {}
        runs = [OtherFailure(failure=result.failure, script=result.script, message=result.message), *result.others]
        found: dict[str, list[OtherFailure]] = {}
        for run in runs:
            found.setdefault(_fails_at(run.failure), []).append(run)
        return {call: _only(result, some) for call, some in found.items()}


def _fails_at(trace: Trace) -> str:
    """The call at which a run fails."""
    return call_at(trace, trace.violations[0].step) or BOOT


def _only(result: CheckResult, runs: list[OtherFailure]) -> CheckResult:
    """``result`` with only these failing ``runs``."""
    first, *others = runs
    crashed = all(run.failure.violations[0].kind in ("crash", "hang") for run in runs)
    return msgspec.structs.replace(
        result,
        verdict=Verdict.CRASHED if crashed else Verdict.FAILED,
        failure=first.failure,
        script=first.script,
        message=first.message,
        others=tuple(others),
        cut_short="",
    )


class CallItem(pytest.Item):
    """The test of one call, or of booting."""

    def runtest(self) -> None:
        """Pass if each run in which the kernel made the call agreed; skip if there is none. The test of booting fails
        if no call was made at all: then nothing is known."""
        suite = self.parent
        assert isinstance(suite, Suite)
        result = suite.result
        if self.name in suite.failing:
            raise NotConforming(suite.failing[self.name], suite.options.subject)
        if result.interrupted:
            raise KeyboardInterrupt
        if self.name == BOOT:
            if result.verdict is Verdict.UNDETERMINED:
                raise Undetermined(result)
            return
        if not result.calls or (BOOT in suite.failing and self.name not in result.codes):
            pytest.skip("no call was made: the kernel doesn't boot as specified")
        if self.name not in result.codes:
            pytest.skip("no run made this call (try more runs: --sendright-examples)")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The failure in the terminal's words, with a test to paste."""
        if isinstance(excinfo.value, SendrightFailure):
            return _Failure(excinfo.value, self)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Where the test is, in words."""
        return Path(self.config.rootpath), None, self.nodeid

    def again(self) -> str:
        """The command that runs this test again, with the same calls."""
        suite = self.parent
        assert isinstance(suite, Suite)
        numbers = [word for name, number in suite.options.numbers.items() for word in (f"--sendright-{name}", str(number))]
        command = ["pytest", "-m", "sendright", "-k", self.name, "--sendright-sut", suite.options.sut, "--sendright-profile", suite.profile.name]
        return shlex.join([*command, *numbers])


class _Summary(msgspec.Struct):
    """What pytest's summary says of a failure."""

    message: str


class _Failure:
    """A failure for pytest's report: all of it, and one line for the summary."""

    def __init__(self, failure: SendrightFailure, item: CallItem) -> None:
        first, *_ = findings(failure.result)
        self.reprcrash = _Summary(f"{first.title}: {first.one_line}")
        test = failure.test if isinstance(failure, NotConforming) else ""
        paste = ["A test that fails in the same way:", "", *test.splitlines()] if test else []
        self._lines = [*str(failure).splitlines(), "", f"The same calls again: {item.again()}", *paste]

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, writer: Any) -> None:
        """Write it with pytest's ``TerminalWriter``."""
        for line in self._lines:
            writer.line(line)
