"""Audit sessions, which processes share (``audit_session.c``, ``audit_syscalls.c`` below ``bsd/security/audit``)."""

from __future__ import annotations

from msgspec.structs import replace

from sendright.impl.reference.calls.processes.own import own_process, root_process
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.tokens import ASSIGN_SESSION, DEFAULT_SESSION, UNSET
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import Process


class SessionCalls(Core):
    """The calls that tell of the caller's session, set its audit user, and put the caller into another one."""

    def getaudit_addr(self, caller: Task) -> Result:
        """Return the number of the audit session, and its audit user as it is now. ESRCH."""
        session = own_process(caller).session
        return Result(ReturnCode.KERN_SUCCESS, {"audit_user": self.processes.sessions[session], "session": session})

    def setauid(self, caller: Task, auid: int) -> Result:
        """Set the audit user of the caller's session. ESRCH, EPERM, EINVAL."""
        process = root_process(caller)
        self._enter(caller, process, process.session, auid)
        return Result(ReturnCode.KERN_SUCCESS)

    def setaudit_addr(self, caller: Task, audit_user: int, session: int) -> Result:
        """Put the caller into the session with a number, or into a new one that the kernel numbers; returns its number.
        ESRCH, EPERM, EINVAL.
        """
        process = root_process(caller)
        number = self.processes.free_session() if session in (ASSIGN_SESSION, DEFAULT_SESSION) else session
        self._enter(caller, process, number, audit_user)
        return Result(ReturnCode.KERN_SUCCESS, {"session": number})

    def _enter(self, caller: Task, process: Process, number: int, audit_user: int) -> None:
        """Give the session ``number`` its audit user, and put the caller into it. The kernel makes it if there is none.
        Raises EINVAL if it has another audit user.

        The kernel sets the caller's tokens only if it wasn't in the session yet: its credential refers to the session,
        and so doesn't change with the audit user. The process isn't marked as changed. (``audit_session_setaia``,
        ``audit_session_update_check``; ``kauth_cred_proc_update`` with ``PROC_SETTOKEN_LAZY``)
        """
        if self.processes.sessions.get(number, UNSET) not in (UNSET, audit_user):
            raise Failure(ReturnCode.EINVAL)
        self.processes.set_audit_user(number, audit_user)
        if number != process.session:
            self.set_identity(caller, replace(process, session=number))
            self.processes.end_sessions()
