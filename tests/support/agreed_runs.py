"""Runs of the reference kernel whose every answer is taken as right, for tests of what is derived from a run."""

from __future__ import annotations

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.properties.runs.judged_run import JudgedRun
from support.random_runs import Agreeing


class Recorded:
    """A run of the reference kernel."""

    def __init__(self, profile: Profile) -> None:
        self.kernel = ReferenceKernel()
        self.run = JudgedRun(self.kernel, Agreeing(self.kernel), profile, call_seconds=10)
        self.run.boot()

    def does(self, caller: int, call: str, /, **arguments: object) -> int:
        """Make a call; its first output, or 0."""
        step = self.run.call(caller, Call(call, dict(arguments)))
        return next(iter(step.outputs.values()), 0)

    def goes_on(self, caller: int, call: str) -> None:
        """Go on with the call that the caller waits in."""
        self.run.call(caller, Call(call, {}, resume=True))
