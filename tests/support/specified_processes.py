"""The specification of XNU alone, for tests about processes."""

from __future__ import annotations

from typing import Any

from sendright.mach.abi.codes import code_name
from sendright.mach.abi.rights import Place
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.process import Process
from sendright.model.execution.oracle import broken_invariants
from support.specified_kernel import SpecifiedKernel

ROOT, USER, NOBODY = 0, 1, 2
"""The tasks of boot: root's process, that of user 501 of group 20, and one without a process."""


class Machine:
    """The specification of XNU, from boot on."""

    def __init__(self) -> None:
        self.kernel = SpecifiedKernel()
        self.kernel.boot(XNU)
        self.answer: dict[str, Any] = {}

    def code(self, task: int, name: str, /, **arguments: Any) -> str:
        """Make a call; the name of its code. Every state has all invariants, and can be read back."""
        result = self.kernel.call(task, Call(name, arguments))
        self.answer = result.outputs
        shown = self.kernel.snapshot()
        assert broken_invariants(shown, XNU) == ()
        return code_name(result.code)

    def does(self, task: int, name: str, /, **arguments: Any) -> Any:
        """Make a call that must succeed; its only result, if it has one."""
        assert self.code(task, name, **arguments) == "KERN_SUCCESS"
        return next(iter(self.answer.values()), None)

    def process(self, task: int) -> Process:
        """Who is behind the task; its tokens say so, too."""
        shown = self.kernel.snapshot().tasks[task]
        assert shown.process is not None
        assert (shown.security_token, shown.audit_token) == (shown.process.security_token, shown.process.audit_token)
        return shown.process

    def users(self, task: int) -> tuple[int, int, int]:
        who = self.process(task)
        return who.real_user, who.effective_user, who.saved_user

    def groups(self, task: int) -> tuple[int, int, int]:
        who = self.process(task)
        return who.real_group, who.effective_group, who.saved_group

    def host(self, task: int) -> int | None:
        return self.kernel.snapshot().tasks[task].places[Place.HOST].port
