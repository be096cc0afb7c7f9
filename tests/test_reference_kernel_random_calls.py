"""What holds whatever tasks do: counts, determinism, and that looking changes nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from kernel_driver import check_counts

from sendright.impl.reference import ReferenceKernel
from sendright.mach.calls import Call, Result
from sendright.mach.profiles import PROFILES, Profile
from sendright.mach.rights import DEAD_NAME, NULL_NAME, PortObject, SlotKind
from sendright.mach.signatures import SIGNATURES, Argument, Signature
from sendright.mach.signatures import ArgumentType as T
from sendright.mach.snapshot import Snapshot

KEEP_ITS_TRACES = {"mach_port_insert_right", "mach_msg_send"}
"""Calls that may change something although they fail."""

VALUES: dict[T, list[Any]] = {
    T.RIGHT: [1, 1, 0, 2, 3, 4, 5, -1],
    T.DISPOSITION: [16, 17, 18, 19, 19, 20, 20, 21, 0, 22],
    T.DELTA: [-1, -1, 0, 1, 2, -2, 65533, 65535],
    T.SECURITY_TOKEN: [(0, 0), (501, 20)],
    T.AUDIT_TOKEN: [(0,) * 8, (501,) * 8],
    T.BOOLEAN: [True, False],
    T.SELECTOR: list(range(8)),
    T.FLAVOUR: [13, 15, 14],
    T.COUNT: [8, 2, 1],
    T.PAGE: [0, 1, 2, 15, 16, -1],
    T.INHERITANCE: [0, 1, 2, 3],
    T.WORD: [1, 2, 3],
    T.MESSAGE_ID: [0, 3000],
}
FITTING = {SlotKind.SEND: (17, 19), SlotKind.RECEIVE: (20, 21, 16), SlotKind.SEND_RECEIVE: (17, 19, 20, 16), SlotKind.SEND_ONCE: (18,)}


class RandomCaller:
    """Draws calls that often succeed, from what a snapshot says there is."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def draw(self, state: Snapshot) -> tuple[int, Call]:
        """A live task and a call for it to make."""
        task = self.random.choice(list(state.tasks))
        name = "mach_msg_send" if self.random.random() < 0.3 else self.random.choice(list(SIGNATURES))
        arguments = {argument.name: self._value(argument, SIGNATURES[name], task, state) for argument in SIGNATURES[name].arguments}
        if name == "mach_msg_send":
            for right in ("dest", "reply"):
                arguments[right], arguments[f"{right}_disposition"] = self._carried(task, state)
        return task, Call(name, arguments, self.random.choice((0, 0, 0, 1, 2)))

    def _value(self, argument: Argument, signature: Signature, task: int, state: Snapshot) -> Any:
        if argument.type in VALUES:
            return self.random.choice(VALUES[argument.type])
        if argument.type is T.DESCRIPTORS:
            return tuple(self._carried(task, state) for _ in range(self.random.randrange(3)))
        if argument.type is T.PORTS:
            return tuple(self._name(task, state, argument) for _ in range(self.random.randrange(5)))
        return self._name(task, state, argument)

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


def run(profile: Profile, seed: int, calls: int) -> tuple[list[tuple[int, Call, Result]], Snapshot]:
    kernel, caller = ReferenceKernel(), RandomCaller(seed)
    kernel.boot(profile)
    kernel.call(0, Call("mach_task_self", {}))
    record: list[tuple[int, Call, Result]] = []
    state = kernel.snapshot()
    while state.tasks and len(record) < calls:
        task, call = caller.draw(state)
        result = kernel.call(task, call)
        record.append((task, call, result))
        before, state = state, kernel.snapshot()
        check_counts(state)
        check_entries(state)
        if result.code and call.name not in KEEP_ITS_TRACES:
            assert state == before, (call, result)
    return record, state


def check_entries(state: Snapshot) -> None:
    for task in state.tasks.values():
        known = [entry.port for entry in task.names.values() if entry.kind in (SlotKind.SEND, SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)]
        assert len(known) == len(set(known)), "two names for one port"
        for entry in task.names.values():
            assert (entry.urefs > 0) == (entry.kind not in (SlotKind.RECEIVE, SlotKind.PORT_SET))
    for port in state.ports.values():
        assert port.object is PortObject.NONE or not port.queue


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_counts_agree_and_failed_calls_change_nothing(profile: Profile, seed: int) -> None:
    record, state = run(profile, seed, 250)
    again = ReferenceKernel()
    again.boot(profile)
    again.call(0, Call("mach_task_self", {}))
    for task, call, result in record:
        assert again.call(task, call) == result
    assert again.snapshot() == state, "a kernel that nobody looked at meanwhile shows something else"
