"""The reference kernel with the specification as a judge of every call."""

from __future__ import annotations

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.oracle import Oracle
from sendright.properties.runs.run import Run


class _Kernel(ReferenceKernel):
    """A class of its own, so that ``record_answers.py`` doesn't alter what it answers: the specification would
    notice.
    """


class JudgedKernel(_Kernel):
    """The reference kernel. A call raises Violated if the specification doesn't agree with its answer or with the state
    after it.
    """

    run: Run

    def boot(self, profile: Profile) -> None:
        self.run = Run(_Kernel(), Oracle(profile), profile)
        self.run.boot()

    def call(self, task: int, call: Call) -> Result:
        step = self.run.step(task, call)
        return Result(step.code, step.outputs, step.created_task)

    def snapshot(self) -> Snapshot:
        return self.run.snapshot
