"""An audit session whose audit user changes after it was set."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task
from sendright.mach.abi.tokens import UNSET
from sendright.mach.state.process import Process


class AuditUserSetAgain(ReferenceKernel):
    """Doesn't ask whether the session has an audit user."""

    name = "reference kernel with audit-user-set-again"

    def _enter(self, caller: Task, process: Process, number: int, audit_user: int) -> None:
        if number in self.processes.sessions:
            self.processes.set_audit_user(number, UNSET)
        super()._enter(caller, process, number, audit_user)


FAULT = Fault(
    name="audit-user-set-again",
    title="a process of root's changes who its audit session is for: later tokens of all its processes name another user",
    history=(
        "An audit trail says for whom a session acts: the user who logged in, whatever user it becomes. So XNU sets a session's audit user "
        "once, and refuses another one later, even to root (audit_session_update_check). Without that test a daemon could do a thing in "
        "one user's session and be recorded as another user."
    ),
    kernel=AuditUserSetAgain,
)
