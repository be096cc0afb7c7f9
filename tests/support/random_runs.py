"""Runs of random calls on the reference kernel, which no specification judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import msgspec

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, EXC_MASK_ALL, NULL_NAME, Place, PortObject, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.signatures import SIGNATURES, Argument, Signature
from sendright.mach.signatures import ArgumentType as T
from sendright.mach.state.process import FIRST_PID
from sendright.mach.state.snapshot import Difference, Snapshot, slots
from sendright.mach.state.trace import Step
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.judged_run import JudgedRun
from support.kernel import check_counts, dead

SMALL = near_limits(MANUAL)
LONGEST_RUN = 500


class Agreed:
    """A judgement that finds nothing wrong."""

    agreed = True
    cases: tuple[str, ...] = ()
    clause = ""
    words = ""
    differences: tuple[Difference, ...] = ()


class Agreeing:
    """An oracle that takes everything that an implementation does for right."""

    all_cases: tuple[str, ...] = ()

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Agreed:
        return Agreed()

    def snapshot(self) -> Snapshot:
        return self.implementation.snapshot()


def random_run(seed: int, calls: int, profile: Profile = SMALL, kernel: Implementation | None = None) -> tuple[JudgedRun, Calls]:
    """A run of random calls that nobody judges, and the source of more calls."""
    kernel = kernel or ReferenceKernel()
    run = JudgedRun(kernel, Agreeing(kernel), profile, 5.0)
    run.boot()
    source = Calls(profile, Random(seed).randbytes(LONGEST_RUN * BYTES_PER_CALL))
    go_on(run, source, calls)
    return run, source


def go_on(run: JudgedRun, source: Calls, calls: int) -> None:
    """Make more calls."""
    for _ in range(calls):
        if source.over(run.snapshot):
            return
        with suppress(Unmodelled):
            run.call(*source.next(run.snapshot))
            source.made(run.steps[-1])


KEEP_ITS_TRACES = {"mach_port_insert_right", "mach_msg_send", "mach_msg", "mach_port_request_notification"}
"""Calls that may change something although they fail."""
KEEP_RIGHTS_TRACES = {"task_suspend", "task_resume"}
"""So do these where a right stands for suspensions: it may have been made, or may be lost."""

IN_PROGRESS = {ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS}
PARTIAL = IN_PROGRESS | {ReturnCode.MACH_RCV_TOO_LARGE, ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE}
"""Codes of calls that did something."""

VALUES: dict[T, Sequence[Any]] = {
    T.RIGHT: [1, 1, 0, 2, 3, 4, 5, -1],
    T.DISPOSITION: [16, 17, 18, 19, 19, 20, 20, 21, 0, 22],
    T.DELTA: [-1, -1, 0, 1, 2, -2, 65533, 65535],
    T.SECURITY_TOKEN: [(0, 0), (501, 20)],
    T.AUDIT_TOKEN: [(0,) * 8, (501,) * 8],
    T.BOOLEAN: [True, False],
    T.SELECTOR: list(range(8)),
    T.FLAVOUR: [13, 15, 14],
    T.TASK_FLAVOUR: [0, 0, 1, 2, 3, 4, -1],
    T.COUNT: [8, 2, 1, 10, 32],
    T.PAGE: [0, 1, 2, 15, 16, -1],
    T.INHERITANCE: [0, 1, 2, 3],
    T.WORD: [1, 2, 3],
    T.MESSAGE_ID: [0, 3000],
    T.NOTIFICATION: [69, 70, 72, 72, 71, 66],
    T.COUNTER: [0, 1, 7],
    T.ATTRIBUTES: [1, 2, 3],
    T.LIMITS: [(), (-1,), (0,), (2,), (16,), (17,)],
    T.EXCEPTION_MASK: [0, 1, 2, 6, 12, EXC_MASK_ALL, 1 << 10],
    T.BEHAVIOUR: [1, 2, 3, 0],
    T.STATE_FLAVOUR: [0, 1],
    T.HOST_SELECTOR: range(13),
    T.AMOUNT: [-2, -1, 0, 1, 2, 3, 10],
    T.GUARD: [0, 7, 7, 7, 8],
    T.SIZE: [-1, -1, -1, -1, -1, 20, 24, 26, 28, 40, 44, 72],
    T.TRAILER: [3, 3, 0, 1, 2, 4, 7, 9],
    T.QUEUE_LIMIT: [-1, -1, 0, 1, 1024, 1025, -2],
    T.USER: [0, 0, 501, 502, 0xFFFFFFFF],
    T.GROUP: [0, 20, 0xFFFFFFFF],
    T.PID: [-1, -1, 1, 2, 3, 4, 5, 9],
    T.SESSION: [-1, 0, 100000, 100001, 7],
    T.STATUS: [0, 1, -1],
}
FITTING = {SlotKind.SEND: (17, 19), SlotKind.RECEIVE: (20, 21, 16), SlotKind.SEND_RECEIVE: (17, 19, 20, 16), SlotKind.SEND_ONCE: (18,)}


class RandomCaller:
    """Draws calls that often succeed, from what a snapshot says there is."""

    spares_tasks = False
    """Ends and stops few tasks, because none are made."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def draw(self, state: Snapshot) -> tuple[int, Call]:
        """A task that can make calls, and one for it to make. The last such task is not suspended: that would be the
        end.
        """
        awake = runnable(state)
        task = self.random.choice(awake)
        waiting = state.tasks[task].waiting
        if waiting is not None:
            return task, Call(waiting.call, {}, resume=True)
        name = "mach_msg_send" if self.random.random() < 0.3 else self.random.choice(list(SIGNATURES))
        if self.spares_tasks and name in ("task_suspend", "task_terminate") and self.random.random() < 0.9:
            name = "mach_task_self"
        if name == "task_suspend" and len(awake) == 1:
            name = "task_resume"
        process = state.tasks[task].process
        if name == "exit" and process is not None and (process.pid == FIRST_PID or self.random.random() < 0.7):
            name = "fork"
        arguments = {argument.name: self._value(argument, SIGNATURES[name], task, state) for argument in SIGNATURES[name].arguments}
        if name in ("mach_msg_send", "mach_msg"):
            for right in ("dest", "reply"):
                arguments[right], arguments[f"{right}_disposition"] = self._carried(task, state)
        if sum(state.tasks[number].waiting is None for number in awake) == 1:
            arguments |= {each: each == "no_hang" for each in ("wait", "send_wait", "receive_wait", "no_hang") if each in arguments}
        return task, Call(name, arguments, self.random.choice((0, 0, 0, 1, 2)), stop=self.random.random() < 0.5)

    def _value(self, argument: Argument, signature: Signature, task: int, state: Snapshot) -> Any:
        if argument.type in VALUES:
            return self.random.choice(VALUES[argument.type])
        if argument.type is T.DESCRIPTORS:
            return tuple(self._descriptor(task, state) for _ in range(self.random.randrange(3)))
        if argument.type is T.PORTS:
            return tuple(self._name(task, state, argument) for _ in range(self.random.randrange(5)))
        return self._name(task, state, argument)

    def _descriptor(self, task: int, state: Snapshot) -> tuple[Any, ...]:
        form = self.random.random()
        if form < 0.2:
            return self.random.choice(VALUES[T.PAGE]), self.random.choice((0, 0, 0, 1, 2)), self.random.random() < 0.5
        name, disposition = self._carried(task, state)
        return ((name,) * self.random.randrange(3), disposition) if form < 0.4 else (name, disposition)

    def _name(self, task: int, state: Snapshot, argument: Argument) -> int:
        names = state.tasks[task].names
        fitting = [name for name, entry in names.items() if entry.port is not None and state.ports[entry.port].object is argument.object]
        if not fitting or self.random.random() < 0.1:
            fitting = [*names, *range(1, 10), NULL_NAME, DEAD_NAME]
        return self.random.choice(fitting)

    def _carried(self, task: int, state: Snapshot) -> tuple[int, int]:
        names = state.tasks[task].names
        if not names or self.random.random() < 0.05:
            return self.random.choice((NULL_NAME, DEAD_NAME, 77)), 19
        name = self.random.choice(list(names))
        return name, self.random.choice(FITTING.get(names[name].kind, (17,)))


def runnable(state: Snapshot) -> list[int]:
    return [number for number, task in state.tasks.items() if task.suspend_count == 0 and (task.process is None or task.process.has_begun)]


def booted(profile: Profile) -> ReferenceKernel:
    """A kernel whose tasks know themselves."""
    kernel = ReferenceKernel()
    kernel.boot(profile)
    for task in range(profile.boot_tasks):
        kernel.call(task, Call("mach_task_self", {}))
    return kernel


def run(profile: Profile, caller: RandomCaller, calls: int) -> tuple[list[tuple[int, Call, Result]], Snapshot]:
    caller.spares_tasks = not profile.serves("task_create")
    kernel = booted(profile)
    record: list[tuple[int, Call, Result]] = []
    state = kernel.snapshot()
    while runnable(state) and len(record) < calls:
        task, call = caller.draw(state)
        result = kernel.call(task, call)
        record.append((task, call, result))
        before, state = state, kernel.snapshot()
        assert state == anew(kernel), (call, result)
        check_counts(state, leaks=not profile.send_survives_rescue)
        check_entries(state)
        check_sets(state)
        check_ledgers(state)
        check_guards(state)
        check_waiting(state)
        check_suspensions(state, profile)
        if profile.task_ports_stay:
            check_task_ports(state)
        began_to_receive = call.name == "mach_msg" and result.code == ReturnCode.MACH_RCV_IN_PROGRESS
        if call.resume and result.code in IN_PROGRESS and not began_to_receive and call.name != "execve":
            assert state == before
        keeps = KEEP_ITS_TRACES | (KEEP_RIGHTS_TRACES if profile.resume_ports else set())
        if result.code and call.name not in keeps and not call.resume and result.code not in PARTIAL:
            assert state == with_looks(before, state, profile), (call, result)
    return record, state


def anew(kernel: ReferenceKernel) -> Snapshot:
    """What the kernel shows when nothing is taken over from what it has shown before."""
    for task in kernel.tasks.values():
        task.space.changed_names.update(task.space.entries)
    tasks = {number: task.show() for number, task in kernel.tasks.items()}
    ports = {number: port.show() for number, port in kernel.ports.items()}
    return Snapshot(tasks, ports, kernel.host.show(), kernel.processes.zombies, kernel.processes.sessions)


def with_looks(before: Snapshot, after: Snapshot, profile: Profile) -> Snapshot:
    """The state before, with those names of dead ports looked at that were looked at until ``after``: a failing call
    looks, too.
    """
    if before == after or not profile.dead_names_are_lazy:
        return before
    tasks = {number: msgspec.structs.replace(task, names=dict(task.names)) for number, task in before.tasks.items()}
    for number, task in tasks.items():
        for name, entry in after.tasks[number].names.items():
            old = task.names.get(name)
            if old is not None and old.kind in (SlotKind.SEND, SlotKind.SEND_ONCE) and old.port is None and entry.kind is SlotKind.DEAD_NAME:
                task.names[name] = dead(min(old.urefs + old.told, profile.urefs_max))
    return msgspec.structs.replace(before, tasks=tasks)


def check_entries(state: Snapshot) -> None:
    for task in state.tasks.values():
        having = (SlotKind.SEND, SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
        known = [entry.port for entry in task.names.values() if entry.kind in having and entry.port is not None]
        assert len(known) == len(set(known)), "two names for one port"
        for entry in task.names.values():
            assert (entry.urefs > 0) == (entry.kind not in (SlotKind.RECEIVE, SlotKind.PORT_SET))
    for port in state.ports.values():
        assert port.object is PortObject.NONE or not port.queue


def check_sets(state: Snapshot) -> None:
    for task in state.tasks.values():
        for pset, members in task.sets.items():
            assert task.names[pset].kind is SlotKind.PORT_SET
            assert members
            assert {task.names[member].kind for member in members} <= {SlotKind.RECEIVE, SlotKind.SEND_RECEIVE}


def check_ledgers(state: Snapshot) -> None:
    ledgers = {number: port.ledger for number, port in state.ports.items() if port.ledger is not None}
    paid_for = Counter(ledger.ledger_ledger for ledger in ledgers.values())
    for number, ledger in ledgers.items():
        assert state.ports[number].object is PortObject.LEDGER
        assert ledger.balance == paid_for[number]
        assert ledger.limit == -1 or 0 <= ledger.balance <= ledger.limit
        assert {ledger.parent, ledger.ledger_ledger} <= {None, *ledgers}
        assert ledger.limit != -1 or ledger.parent is None or ledgers[ledger.parent].limit == -1
    for task in state.tasks.values():
        assert set(task.ledgers or ()) <= ledgers.keys()


def check_guards(state: Snapshot) -> None:
    """Only a receive right that a name has is guarded or immovable, or has a context."""
    received = {
        entry.port for task in state.tasks.values() for entry in task.names.values() if entry.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
    }
    for number, port in state.ports.items():
        assert port.guarded or not port.strict
        assert number in received or (port.context, port.guarded, port.immovable) == (0, False, False)


def check_waiting(state: Snapshot) -> None:
    """A message that waits is to a live port by a send right, or to a dead one; a child that waits for its tokens
    lives.
    """
    for task in state.tasks.values():
        if task.waiting is not None:
            message, child = task.waiting.message, task.waiting.child
            assert (message is not None) == (task.waiting.call == "mach_msg_send")
            assert message is None or message.destination.kind in (SlotKind.SEND, SlotKind.DEAD_NAME)
            assert child is None or child in state.tasks


def check_suspensions(state: Snapshot, profile: Profile) -> None:
    """Where rights stand for suspensions, a suspended task has a resume port, and there is a right to it."""
    ports = {port.task: port for port in state.ports.values() if port.object is PortObject.TASK_RESUME}
    assert profile.resume_ports or not ports
    assert len(ports) == sum(port.object is PortObject.TASK_RESUME for port in state.ports.values())
    assert ports.keys() <= state.tasks.keys()
    for number, task in state.tasks.items():
        assert task.suspend_count == 0 or not profile.resume_ports or ports[number].send_rights > 0


def check_task_ports(state: Snapshot) -> None:
    """Rights to tasks' ports are names, or in the place that mach_task_self looks at."""
    for slot, entry in slots(state).items():
        if entry.port is not None and state.ports[entry.port].object is PortObject.TASK:
            assert slot.where == "name" or (slot.where, slot.index) == ("place", Place.KERNEL), slot


def directed_steps(seed: int, calls: int, profile: Profile = SMALL) -> Iterator[tuple[Snapshot, Step, Snapshot]]:
    """The steps of a run with plans that nobody judges, each with the states before and after it."""
    kernel = ReferenceKernel()
    run = JudgedRun(kernel, Agreeing(kernel), profile, 5.0)
    run.boot()
    source = Calls(profile, Random(seed).randbytes(calls * BYTES_PER_CALL), directed=True)
    for _ in range(calls):
        if source.over(run.snapshot):
            return
        before = run.snapshot
        with suppress(Unmodelled):
            step = run.call(*source.next(before))
            source.made(step)
            yield before, step, run.snapshot
