"""The ids of a process, and how it changes them (``kern_prot.c``, ``kern_credential.c``)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sendright.impl.reference.calls.processes.own import is_root, own_process, root_process, send_right_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.server import task_behind
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOURS, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import NO_MEMBER, Process


def with_groups(process: Process, **groups: int) -> Process:
    """``process`` with other group ids. If that changes the effective group, it opts out of the groups that a directory
    service knows: the old one is in no list of its groups any more. (``kauth_cred_model_setresgid``,
    ``kauth_cred_change_egid``)
    """
    changed = replace(process, **groups)
    return changed if changed.effective_group == process.effective_group else replace(changed, member=NO_MEMBER)


class CredentialCalls(Core):
    """The calls that set ids, and those that ask for a mark or a pid."""

    def issetugid(self, caller: Task) -> Result:
        """Return whether the caller's ids have changed. ESRCH."""
        return Result(ReturnCode.KERN_SUCCESS, {"changed": int(own_process(caller).has_changed_ids)})

    def setuid(self, caller: Task, uid: int) -> Result:
        """Set the effective user, for root the real and the saved user, too. ESRCH, EPERM."""
        process = own_process(caller)
        self._permit(process, (uid,), (process.real_user, process.saved_user))
        users: dict[str, Any] = {"effective_user": uid}
        if is_root(process):
            users |= {"real_user": uid, "saved_user": uid}
        if process.member != NO_MEMBER:
            users["member"] = uid
        return self._update(caller, replace(process, **users))

    def seteuid(self, caller: Task, euid: int) -> Result:
        """Set the effective user. ESRCH, EPERM."""
        process = own_process(caller)
        self._permit(process, (euid,), (process.real_user, process.saved_user))
        return self._update(caller, replace(process, effective_user=euid))

    def setreuid(self, caller: Task, ruid: int, euid: int) -> Result:
        """Set the real and the effective user; -1 sets nothing. The saved user follows the effective one, unless it
        equals an argument, as that was given. ESRCH, EPERM.
        """
        process = own_process(caller)
        given = [uid for uid in (ruid, euid) if uid != UNSET]
        self._permit(process, given, (process.real_user, process.effective_user, process.saved_user))
        real = process.real_user if ruid == UNSET else ruid
        effective = process.effective_user if euid == UNSET else euid
        saved = process.saved_user if process.saved_user in (ruid, euid) else effective
        return self._update(caller, replace(process, real_user=real, effective_user=effective, saved_user=saved))

    def setgid(self, caller: Task, gid: int) -> Result:
        """Set the effective group, for root the real and the saved group, too. ESRCH, EPERM."""
        process = own_process(caller)
        self._permit(process, (gid,), (process.real_group, process.saved_group))
        others = {"real_group": gid, "saved_group": gid} if is_root(process) else {}
        return self._update(caller, with_groups(process, effective_group=gid, **others))

    def setegid(self, caller: Task, egid: int) -> Result:
        """Set the effective group. ESRCH, EPERM."""
        process = own_process(caller)
        self._permit(process, (egid,), (process.real_group, process.saved_group))
        return self._update(caller, with_groups(process, effective_group=egid))

    def setregid(self, caller: Task, rgid: int, egid: int) -> Result:
        """Set the real and the effective group; -1 sets nothing. The saved group follows the effective one, unless it
        is one of the given ids. ESRCH, EPERM.
        """
        process = own_process(caller)
        given = [gid for gid in (rgid, egid) if gid != UNSET]
        self._permit(process, given, (process.real_group, process.effective_group, process.saved_group))
        real = process.real_group if rgid == UNSET else rgid
        effective = process.effective_group if egid == UNSET else egid
        saved = process.saved_group if process.saved_group in given else effective
        return self._update(caller, with_groups(process, real_group=real, effective_group=effective, saved_group=saved))

    def setgroups(self, caller: Task, group: int) -> Result:
        """Set the list of groups to the effective one, and opt out of those of a directory service. ESRCH, EPERM."""
        return self._set_groups(caller, group, NO_MEMBER)

    def initgroups(self, caller: Task, group: int, gmuid: int) -> Result:
        """Set the list of groups to the effective one, and by whose groups the process is a member. ESRCH, EPERM."""
        return self._set_groups(caller, group, gmuid)

    def _set_groups(self, caller: Task, group: int, member: int) -> Result:
        """Only root may set them. (``setgroups_internal``, ``kauth_cred_model_setgroups``)"""
        return self._update(caller, replace(root_process(caller), effective_group=group, member=member))

    def _permit(self, process: Process, wanted: list[int] | tuple[int, ...], own: tuple[int, ...]) -> None:
        """Raises EPERM if one of the ids that the process wants isn't among its ``own``, unless it is root."""
        if not is_root(process) and any(each not in own for each in wanted):
            raise Failure(ReturnCode.EPERM)

    def _update(self, caller: Task, changed: Process) -> Result:
        """Let the caller's process be the ``changed`` one, unless nothing has changed. (``kauth_cred_proc_update``)"""
        if changed != caller.process:
            self.set_identity(caller, replace(changed, has_changed_ids=True))
        return Result(ReturnCode.KERN_SUCCESS)

    def pid_for_task(self, caller: Task, name: int) -> Result:
        """Return the pid of the process behind the task under ``name``. KERN_FAILURE."""
        task = task_behind(send_right_of(caller, name), (PortObject.TASK, *TASK_FLAVOURS))
        if task is None or task.process is None:
            raise Failure(ReturnCode.KERN_FAILURE)
        return Result(ReturnCode.KERN_SUCCESS, {"pid": task.process.pid})
