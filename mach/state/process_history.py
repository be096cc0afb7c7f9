"""The process behind each task of a trace, by the calls alone, for any kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.tokens import UNSET
from sendright.mach.signatures.processes import PROCESS_MAKERS
from sendright.mach.state.boot import FIRST_PID_VERSION
from sendright.mach.state.process import NO_MEMBER, Process
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step

NEW_IMAGE, SWITCHED, DONE = 2, 3, 4
"""Of an exec: the phases after which the new task has its ids, its pid denotes it, and the old task has ended."""


class Exec(NamedTuple):
    """An exec that is under way."""

    new: int
    """The new task."""
    phases: int
    """How many phases are over."""
    set_user: int
    set_group: int


class ProcessHistory:
    """The processes between two steps of a trace. Of each it knows its ids, its pid and which task the pid denotes."""

    def __init__(self, initial: Snapshot) -> None:
        self.behind: dict[int, Process] = {number: task.process for number, task in initial.tasks.items() if task.process is not None}
        """Task -> the process behind it."""
        self.execs: dict[int, Exec] = {
            number: Exec(task.waiting.child, task.waiting.phase, task.waiting.set_user, task.waiting.set_group)
            for number, task in initial.tasks.items()
            if task.waiting is not None and task.waiting.phase and task.waiting.child is not None
        }
        """Task -> its exec that is under way."""
        self._session_users = dict(initial.sessions)
        """Audit session -> its audit user, as far as the trace tells."""
        self._next_version = max([FIRST_PID_VERSION, *(process.pid_version + 1 for process in self.behind.values())])

    def task_of(self, pid: object) -> int:
        """The task that the pid denotes; -1: none."""
        return next((task for task, process in self.behind.items() if process.pid == pid and not process.is_shadow), -1)

    def changed_by(self, step: Step) -> Mapping[int, Process | None]:
        """The tasks whose processes ``step`` changes, with what they are then; None: the task has none any more."""
        own = self.behind.get(step.task)
        if own is None or step.code not in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
            return {}
        if step.call == "execve":
            begun = self._exec_of(step)
            return {} if begun is None else self._executed(step, begun, own)
        if step.code != ReturnCode.KERN_SUCCESS:
            return {}
        if step.call in PROCESS_MAKERS and step.created_task is not None:
            child = replace(own, pid=step.outputs.get("pid", -1), pid_version=self._next_version, parent=own.pid, original_parent=own.pid)
            child = self._with_tokens_set(child)
            return {step.created_task: _with_image(child, *_image(step), self._next_version + 1) if step.call == "posix_spawn" else child}
        if step.call == "exit":
            return {step.task: None}
        if step.call == "setaudit_addr":
            session = self._session_set(step, own)
            return {} if session is None or session[0] == own.session else {step.task: replace(own, session=session[0], audit_user=session[1])}
        changed = _with_ids(own, step)
        return {} if changed == own else {step.task: self._with_tokens_set(changed)}

    def _with_tokens_set(self, process: Process) -> Process:
        """The process when the kernel sets its tokens: it has its session's audit user in them."""
        return replace(process, audit_user=self._session_users.get(process.session, process.audit_user))

    def advance(self, step: Step) -> None:
        """Advance to the state after ``step``."""
        begun = self._exec_of(step) if step.call == "execve" else None
        own = self.behind.get(step.task)
        if own is not None and (session := self._session_set(step, own)) is not None:
            self._session_users[session[0]] = session[1]
        for task, process in self.changed_by(step).items():
            if process is None:
                self.behind.pop(task, None)
            else:
                self.behind[task] = process
                self._next_version = max(self._next_version, process.pid_version + 1)
        if begun is not None and step.code in IN_PROGRESS:
            self.execs[step.task] = begun._replace(phases=begun.phases + 1)
        elif begun is not None:
            self.execs.pop(step.task, None)

    def _session_set(self, step: Step, own: Process) -> tuple[int, int] | None:
        """The audit session whose audit user the step sets, and that user; None: it sets none."""
        if step.code != ReturnCode.KERN_SUCCESS or step.call not in ("setauid", "setaudit_addr"):
            return None
        entered = step.outputs.get("session", own.session)
        user = step.arguments.get("auid" if step.call == "setauid" else "audit_user")
        return (entered, user) if isinstance(entered, int) and isinstance(user, int) else None

    def _exec_of(self, step: Step) -> Exec | None:
        """The exec that the step begins or goes on with."""
        if step.resume:
            return self.execs.get(step.task)
        return None if step.created_task is None else Exec(step.created_task, 0, *_image(step))

    def _executed(self, step: Step, begun: Exec, old: Process) -> dict[int, Process | None]:
        """What the phases of an exec that the step does make of the old and the new task."""
        over, last = begun.phases, begun.phases + 1 if step.code in IN_PROGRESS else DONE
        process = self.behind.get(begun.new, replace(old, is_shadow=True, has_begun=False))
        if over < NEW_IMAGE <= last:
            process = self._with_tokens_set(_with_image(process, begun.set_user, begun.set_group, self._next_version))
        if over < SWITCHED <= last:
            process = replace(process, is_shadow=False)
            old = replace(old, is_shadow=True)
        if last < DONE:
            return {step.task: old, begun.new: process}
        return {step.task: None, begun.new: replace(process, has_begun=True)}


_SETTERS = {
    **dict.fromkeys(("setuid", "seteuid", "setreuid"), "user"),
    **dict.fromkeys(("setgid", "setegid", "setregid", "setgroups", "initgroups"), "group"),
}
"""Call -> the kind of ids that it sets."""


def _with_ids(own: Process, step: Step) -> Process:
    """``own`` after a call that sets ids, and that succeeded; any other call changes nothing. (The mark doesn't show in
    a token, so it isn't tracked.)
    """
    given = list(step.arguments.values())
    kind = _SETTERS.get(step.call)
    if kind is None or not all(isinstance(each, int) for each in given):
        return own
    real, effective, saved = f"real_{kind}", f"effective_{kind}", f"saved_{kind}"
    if step.call in ("seteuid", "setegid", "setgroups", "initgroups"):
        changed = replace(own, **{effective: given[0]})
    elif step.call in ("setuid", "setgid"):
        changed = replace(own, **dict.fromkeys((real, effective, saved) if own.effective_user == 0 else (effective,), given[0]))
    else:
        now = {which: getattr(own, which) if value == UNSET else value for which, value in zip((real, effective), given, strict=True)}
        stays = getattr(own, saved) in (given if kind == "user" else [each for each in given if each != UNSET])
        changed = replace(own, **now, **({} if stays else {saved: now[effective]}))
    return replace(changed, member=_member(own, changed, step.call, given))


def _member(own: Process, changed: Process, call: str, given: list[int]) -> int:
    """By whose groups a process is a member after a call that sets ids."""
    if call == "initgroups":
        return given[1]
    if call == "setgroups" or changed.effective_group != own.effective_group or own.member == NO_MEMBER:
        return NO_MEMBER
    return given[0] if call == "setuid" else own.member


def _image(step: Step) -> tuple[int, int]:
    """The owner and the group of the set-id image that the step executes, or UNSET."""
    return step.arguments.get("set_user", UNSET), step.arguments.get("set_group", UNSET)


def _with_image(process: Process, set_user: int, set_group: int, version: int) -> Process:
    """``process`` with the ids that its image gives it."""
    user = process.effective_user if set_user == UNSET else set_user
    group = process.effective_group if set_group == UNSET else set_group
    opts_out = group != process.effective_group or (set_user != UNSET and user != process.effective_user)
    member = NO_MEMBER if opts_out else process.member
    return replace(process, effective_user=user, saved_user=user, effective_group=group, saved_group=group, member=member, pid_version=version)
