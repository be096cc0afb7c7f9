"""The reference kernel as one that doesn't show everything, and one whose tasks go on by themselves: what live kernels
are like.
"""

from __future__ import annotations

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.view import View, ViewPart, view_of


class Viewed:
    """Shows parts of a view of ``kernel``'s state."""

    def __init__(self, kernel: Implementation | None = None, shows: frozenset[ViewPart] = frozenset(ViewPart)) -> None:
        self.kernel = kernel or ReferenceKernel()
        self.name = self.kernel.name
        self.capabilities = Capabilities(shows=shows)

    def boot(self, profile: Profile) -> None:
        self.kernel.boot(profile)

    def call(self, task: int, call: Call) -> Result:
        return self.kernel.call(task, call)

    def snapshot(self) -> View:
        shown = self.kernel.snapshot()
        assert isinstance(shown, Snapshot)
        return view_of(shown)


class Eager(Viewed):
    """A kernel in which a task that waits goes on as soon as it can."""

    def call(self, task: int, call: Call) -> Result:
        if call.resume:  # it was tried after the last call
            shown = self.kernel.snapshot()
            assert isinstance(shown, Snapshot)
            waiting = shown.tasks[task].waiting
            assert waiting is not None
            return self.kernel.call(task, Call(waiting.call, {}, resume=True))
        result = self.kernel.call(task, call)
        ended: dict[int, Result] = {}
        while True:
            gone_on = self._gone_on()
            if not gone_on:
                return Result(result.code, result.outputs, result.created_task, ended)
            ended |= gone_on

    def _gone_on(self) -> dict[int, Result]:
        shown = self.kernel.snapshot()
        assert isinstance(shown, Snapshot)
        for number, task in shown.tasks.items():
            if task.waiting is not None and task.suspend_count == 0:
                answer = self.kernel.call(number, Call(task.waiting.call, {}, resume=True))
                has_sent = task.waiting.message is not None and answer.code == ReturnCode.MACH_RCV_IN_PROGRESS
                if has_sent or answer.code not in IN_PROGRESS:
                    return {number: answer}
        return {}


def faulty(name: str) -> Viewed:
    return Viewed(FAULTS[name].kernel())
