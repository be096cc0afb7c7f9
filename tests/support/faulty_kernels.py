"""A kernel with any one fault that a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot


class Faulty(ReferenceKernel):
    """The reference kernel, but for one call: its answer is another one, or what the kernel shows after it is.

    ``at`` is the call's name or its number in the run, from 1. ``answer`` gets the call and the right answer, and
    returns, raises or does what the kernel does instead; ``show`` gets the right state, and returns what the kernel
    shows from that call on.
    """

    def __init__(self, at: int | str, answer: Callable[[Call, Result], Any] | None = None, show: Callable[[Snapshot], Any] | None = None) -> None:
        super().__init__()
        self._at, self._answer, self._show = at, answer, show
        self._calls, self._reached = 0, False

    def boot(self, profile: Profile) -> None:
        super().boot(profile)
        self._calls, self._reached = 0, False

    def call(self, task: int, call: Call) -> Any:
        self._calls += 1
        right = super().call(task, call)
        if self._at not in (self._calls, call.name):
            return right
        self._reached = True
        return self._answer(call, right) if self._answer else right

    def snapshot(self) -> Any:
        right = super().snapshot()
        return self._show(right) if self._show and self._reached else right


def _wrong_code(call: Call, right: Result) -> Result:
    return Result(ReturnCode.KERN_FAILURE)


class RefusesRefs(Faulty):
    """``mach_port_get_refs`` always fails."""

    name = "refuses refs"

    def __init__(self) -> None:
        super().__init__("mach_port_get_refs", _wrong_code)
