"""An oracle for tests of what surrounds the specification: a second kernel that must answer as the first."""

from __future__ import annotations

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import code_name
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Difference, Snapshot
from sendright.model.execution.oracle import Judgement


class SecondKernel:
    """Judges by the reference kernel."""

    def __init__(self, profile: Profile) -> None:
        self.kernel = ReferenceKernel()
        self.kernel.boot(profile)

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        own = self.kernel.call(task, call)
        if own == result:
            return Judgement(True, (f"{call.name}/{code_name(own.code)}/as the second kernel",))
        different = (Difference("return code", code_name(own.code), code_name(result.code)),) if own.code != result.code else ()
        return Judgement(False, (), f"{call.name}/{code_name(own.code)}/as the second kernel", f"{own} is not {result}", different)

    def snapshot(self) -> Snapshot:
        return self.kernel.snapshot()
