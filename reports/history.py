"""A run, moment by moment: which rights were where after each step, and what each task and port is.

A trace has its first and last state and, for each step, the slots that changed. Between the first and the last state,
rights are therefore known exactly. The counts of ports aren't known there, and aren't guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.rights import FURTHER_TASK_PORTS, Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.signatures.processes import kind_of_port_found
from sendright.mach.state.process import Process
from sendright.mach.state.process_history import ProcessHistory
from sendright.mach.state.snapshot import EMPTY, Change, Entry, Slot, slots
from sendright.mach.state.trace import Step, Trace

USER_PORT = "user port"
"""What a port is that stands for no kernel object."""


class Moment(msgspec.Struct, frozen=True):
    """The rights around one step."""

    step: Step | None
    """The step; None for the state that the run began in."""
    before: Mapping[Slot, Entry]
    after: Mapping[Slot, Entry]
    tasks: tuple[int, ...]
    """The tasks created so far, except those that are known to be gone."""
    ports: Mapping[int, str]
    """The object behind each port: ``HOST_SECURITY``, ``task t1``, or ``user port``."""
    waiting: Mapping[int, str] = {}
    """Each task that waits in a call after the step -> the call."""
    unsent: frozenset[int] = frozenset()
    """The serials of the messages that wait for room in a queue after the step."""
    processes: Mapping[int, str] = {}
    """Each task with a process behind it after the step -> the process, in words."""

    @property
    def changes(self) -> dict[Slot, Change]:
        """The changes that the step made, by slot."""
        return {change.slot: change for change in self.step.changes} if self.step else {}


def moments(trace: Trace) -> tuple[Moment, ...]:
    """The state at the start of ``trace``, then the state around each of its steps."""
    return tuple(_moments(trace))


def _moments(trace: Trace) -> Iterator[Moment]:
    ports = _ports(trace)
    now = slots(trace.initial)
    born = set(trace.initial.tasks)
    pending = {number: task.waiting for number, task in trace.initial.tasks.items() if task.waiting is not None}
    waiting = {number: waits.call for number, waits in pending.items() if not waits.carries}
    sent_by: dict[int, int] = {}
    """Serial of a message that waits for room -> the task that sends it."""
    history = ProcessHistory(trace.initial)
    yield Moment(None, now, now, tuple(sorted(born)), ports, dict(waiting), processes=_processes(history))
    for step in trace.steps:
        before, now = now, dict(now)
        for change in step.changes:
            if change.after == EMPTY:
                now.pop(change.slot, None)
            else:
                now[change.slot] = change.after
        if step.created_task is not None:
            born.add(step.created_task)
        _follow_waiting(step, waiting, sent_by)
        history.advance(step)
        unsent = frozenset(message for message, task in sent_by.items() if task in waiting and Slot("message", message, -2) in now)
        holders = {slot.task for slot in (*before, *now) if slot.task is not None}
        tasks = tuple(sorted((born & trace.final.tasks.keys()) | holders))
        waits = {task: call for task, call in waiting.items() if task in tasks}
        yield Moment(step, before, now, tasks, ports, waits, unsent, _processes(history))


def _processes(history: ProcessHistory) -> dict[int, str]:
    return {task: process_words(process) for task, process in history.behind.items()}


def process_words(process: Process) -> str:
    """A process in words."""
    begun = "" if process.has_begun else ", hasn't begun"
    return f"process {process.pid} of user {process.effective_user}{begun}"


def _follow_waiting(step: Step, waiting: dict[int, str], sent_by: dict[int, int]) -> None:
    """Update which tasks wait after ``step``, and which message each sends."""
    if step.code != ReturnCode.MACH_SEND_IN_PROGRESS:
        for message in [message for message, task in sent_by.items() if task == step.task]:
            del sent_by[message]
    if step.code not in IN_PROGRESS:
        waiting.pop(step.task, None)
        return
    waiting[step.task] = step.call
    if step.code == ReturnCode.MACH_SEND_IN_PROGRESS and not step.resume:
        new = (change.slot for change in step.changes if change.slot.where == "message" and change.slot.index == -2 and not change.before.kind)
        sent_by.update({slot.owner: step.task for slot in new})


def _ports(trace: Trace) -> dict[int, str]:
    """The object behind every port of ``trace``, also of ports that neither the first nor the last state has."""
    known: dict[int, str] = {}
    flavours = PROFILES[trace.profile].flavour_ports if trace.profile in PROFILES else {}
    for step in trace.steps:
        for change in step.changes:
            for port in (change.before.port, change.after.port):
                if port is not None:
                    known.setdefault(port, USER_PORT)
    for step in trace.steps:
        if step.call == "ledger_create":
            new_name = Slot("name", step.task, step.outputs.get("new_ledger", -1))
            made = (change.after.port for change in step.changes if change.slot == new_name)
            known.update({port: PortObject.LEDGER.name for port in made if port is not None})
        which = step.arguments.get("which") if step.call == "task_get_special_port" else None
        flavour = flavours.get(which) if isinstance(which, int) else None
        if flavour is not None:
            got = (change.after.port for change in step.changes if change.slot == Slot("name", step.task, step.outputs.get("port", -1)))
            known.update({port: port_words(flavour, None) for port in got if port is not None})
        if step.call == "task_suspend":
            got = (change.after.port for change in step.changes if (change.slot.where, change.slot.owner) == ("name", step.task))
            known.update({port: port_words(PortObject.TASK_RESUME, None) for port in got if port is not None})
        flavour = kind_of_port_found(step.call, step.arguments)
        if flavour is not None and flavour is not PortObject.TASK:
            names = {Slot("name", step.task, name) for name in step.outputs.values() if isinstance(name, int)}
            got = (change.after.port for change in step.changes if change.slot in names)
            known.update({port: port_words(flavour, None) for port in got if port is not None})
        if step.created_task is None and step.call != "execve":
            continue
        for change in step.changes:
            if change.slot.where == "place" and change.slot.index == Place.KERNEL and change.after.port is not None:
                known[change.after.port] = f"task t{change.slot.owner}"
    for snapshot in (trace.initial, trace.final):
        for number, state in snapshot.ports.items():
            known[number] = port_words(state.object, state.task)
    return known


def port_words(object_: PortObject, task: int | None) -> str:
    """The object behind a port, in words."""
    if object_ is PortObject.TASK:
        return f"task t{task}"
    if object_ in FURTHER_TASK_PORTS:
        return f"{object_.name.lower().removeprefix('task_')} port of " + ("a task" if task is None else f"task t{task}")
    if object_ is PortObject.TASK_ID_TOKEN:
        return "identity token of " + ("a task" if task is None else f"task t{task}")
    return USER_PORT if object_ is PortObject.NONE else object_.name


def slot_words(slot: Slot) -> str:
    """The place of a slot within its owner: ``name 3``, ``host port``."""
    return str(slot).split(", ", 1)[1]


def kind_words(entry: Entry) -> str:
    """The kind of right in a slot: ``SEND ×2``, ``DEAD_NAME``, ``nothing``."""
    if entry.kind is SlotKind.NONE:
        return "nothing"
    label = entry.kind.name.replace("SEND_RECEIVE", "SEND + RECEIVE")
    return f"{label} ×{entry.urefs}" if entry.urefs > 1 else label
