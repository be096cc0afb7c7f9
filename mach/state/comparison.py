"""Compares the specification's state with an implementation's, call after call.

Parts (tasks, ports) are compared by equality. If the implementation promises that it never changes an object that it
has shown, a part that was equal isn't compared again as long as both sides show the same object for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sendright.mach.kernel.implementation import Implementation
from sendright.mach.state.sharing import changed_keys
from sendright.mach.state.snapshot import Difference, Message, Port, Snapshot, Task, differences


def promises_final_parts(implementation: Implementation) -> bool:
    """Whether the implementation never changes an object that it has shown, but shows a new one (see
    ``Implementation``)."""
    return getattr(implementation, "final_parts", False) is True


class Agreement:
    """Compares two states that advance side by side."""

    def __init__(self, final_parts: bool) -> None:
        """``final_parts``: whether the implementation promises them. (The specification always does.)"""
        self._final_parts = final_parts
        self._expected = self._seen = Snapshot({}, {})

    def differences(self, expected: Snapshot, seen: Snapshot) -> tuple[Difference, ...]:
        """As ``snapshot.differences``."""
        if not self._agree(expected, seen):
            return differences(expected, seen)
        if self._final_parts:
            self._expected, self._seen = expected, seen
        return ()

    def _agree(self, expected: Snapshot, seen: Snapshot) -> bool:
        """Whether the two states are certainly equal; False: there may be a difference."""
        one, other = self._expected, self._seen
        tasks = {*changed_keys(one.tasks, expected.tasks), *changed_keys(other.tasks, seen.tasks)}
        ports = {*changed_keys(one.ports, expected.ports), *changed_keys(other.ports, seen.ports)}
        return (
            all(_alike_tasks(expected.tasks.get(number), seen.tasks.get(number)) for number in tasks)
            and all(_alike(expected.ports, seen.ports, number) for number in ports)
            and expected.host_ports == seen.host_ports
            and expected.zombies == seen.zombies
            and expected.sessions == seen.sessions
        )


def _alike_tasks(expected: Task | None, seen: Task | None) -> bool:
    """Whether two tasks are equal, apart from the serial of the message of a blocked send."""
    if expected is None or seen is None or expected.waiting is None or seen.waiting is None:
        return expected == seen
    message, other = expected.waiting.message, seen.waiting.message
    if message is None or other is None:
        return expected == seen
    waiting = msgspec.structs.replace(seen.waiting, message=message)
    return _same_message(message, other) and expected == msgspec.structs.replace(seen, waiting=waiting)


def _alike(expected: Mapping[int, Port], seen: Mapping[int, Port], number: int) -> bool:
    """Whether two ports are equal, apart from the messages' serials and what the implementation can't report."""
    one, other = expected.get(number), seen.get(number)
    if one is None or other is None or not one.queue:
        return one == other
    if len(one.queue) != len(other.queue) or not all(map(_same_message, one.queue, other.queue)):
        return False
    return one == msgspec.structs.replace(other, queue=one.queue)


def _same_message(expected: Message, seen: Message) -> bool:
    from_kernel = expected.from_kernel if seen.from_kernel is None else seen.from_kernel
    return expected == msgspec.structs.replace(seen, serial=expected.serial, from_kernel=from_kernel)
