"""Who the process behind each task is: tracked from the calls alone, for any kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.tokens import UNSET
from sendright.mach.state.boot import FIRST_PID_VERSION
from sendright.mach.state.process import Process
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step

if TYPE_CHECKING:
    from sendright.properties.provenance.origins import UnfinishedCall

NEW_IMAGE, SWITCHED, DONE = 2, 3, 4
"""Of an exec: the phases after which the new task has its ids, its pid denotes it, and the old task has ended."""


class Processes:
    """The processes between two steps of a trace. Of each it knows its ids, its pid and which task the pid denotes."""

    def __init__(self, initial: Snapshot) -> None:
        self.behind: dict[int, Process] = {number: task.process for number, task in initial.tasks.items() if task.process is not None}
        """Task -> the process behind it."""
        self._next_version = FIRST_PID_VERSION

    def task_of(self, pid: object) -> int:
        """The task that the pid denotes; -1: none."""
        return next((task for task, process in self.behind.items() if process.pid == pid and not process.is_shadow), -1)

    def changed_by(self, step: Step, begun: UnfinishedCall | None) -> dict[int, Process | None]:
        """The tasks whose processes ``step`` changes, with what they are then; None: the task has none any more.

        ``begun`` is the caller's pending call before the step.
        """
        own = self.behind.get(step.task)
        if own is None or step.code not in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
            return {}
        if step.call == "execve":
            return self._executed(step, begun, own)
        if step.code != ReturnCode.KERN_SUCCESS:
            return {}
        if step.call == "fork" and step.created_task is not None:
            child = replace(own, pid=step.outputs.get("pid", -1), pid_version=self._next_version, parent=own.pid, original_parent=own.pid)
            return {step.task: own, step.created_task: child}
        if step.call == "exit":
            return {step.task: None}
        changed = _with_ids(own, step)
        return {} if changed == own else {step.task: changed}

    def advance(self, changed: dict[int, Process | None]) -> None:
        """Advance by what a step has changed."""
        for task, process in changed.items():
            if process is None:
                self.behind.pop(task, None)
            else:
                self.behind[task] = process
                self._next_version = max(self._next_version, process.pid_version + 1)

    def _executed(self, step: Step, begun: UnfinishedCall | None, old: Process) -> dict[int, Process | None]:
        """What the phases of an exec that the step does make of the old and the new task."""
        call, over = (begun.step, begun.phases) if step.resume and begun is not None else (step, 0)
        new = call.created_task
        if new is None:
            return {}
        last = over + 1 if step.code in IN_PROGRESS else DONE
        process = self.behind.get(new, replace(old, is_shadow=True, has_begun=False))
        if over < NEW_IMAGE <= last:
            process = _with_image(process, call, self._next_version)
        if over < SWITCHED <= last:
            process = replace(process, is_shadow=False)
            old = replace(old, is_shadow=True)
        if last < DONE:
            return {step.task: old, new: process}
        return {step.task: None, new: replace(process, has_begun=True)}


def _with_ids(own: Process, step: Step) -> Process:
    """``own`` after a call that sets ids, and that succeeded; any other call changes nothing. (The member doesn't show
    in a token, so it isn't tracked.)
    """
    given = list(step.arguments.values())
    kind = "user" if step.call in ("setuid", "seteuid", "setreuid") else "group" if step.call in ("setgid", "setegid", "setregid") else None
    if kind is None or not all(isinstance(each, int) for each in given):
        return own
    real, effective, saved = f"real_{kind}", f"effective_{kind}", f"saved_{kind}"
    if step.call in ("seteuid", "setegid"):
        return replace(own, **{effective: given[0]})
    if step.call in ("setuid", "setgid"):
        return replace(own, **dict.fromkeys((real, effective, saved) if own.effective_user == 0 else (effective,), given[0]))
    now = {which: getattr(own, which) if value == UNSET else value for which, value in zip((real, effective), given, strict=True)}
    stays = getattr(own, saved) in (given if kind == "user" else [each for each in given if each != UNSET])
    return replace(own, **now, **({} if stays else {saved: now[effective]}))


def _with_image(process: Process, call: Step, version: int) -> Process:
    """The process of an exec with the ids that its image gives it."""
    user, group = call.arguments.get("set_user", UNSET), call.arguments.get("set_group", UNSET)
    if user not in (UNSET, process.effective_user) or group not in (UNSET, process.effective_group):
        process = replace(
            process,
            effective_user=process.effective_user if user == UNSET else user,
            effective_group=process.effective_group if group == UNSET else group,
        )
    return replace(process, saved_user=process.effective_user, saved_group=process.effective_group, pid_version=version)
