"""What ``check`` sees in a snapshot: nothing that an invariant speaks of is left out, so each can fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.snapshot import Message, Snapshot, differences
from sendright.model.execution.property_check import broken_invariants
from sendright.model.execution.witnesses import replay, witnesses


@cache
def snapshots() -> tuple[Snapshot, ...]:
    seen: list[Snapshot] = []
    for witness in witnesses(MANUAL):
        replay(witness, MANUAL, lambda oracle, index: seen.append(oracle.snapshot()))
    return tuple(seen)


def first(found: Callable[[Snapshot], bool]) -> Snapshot:
    return next(snapshot for snapshot in snapshots() if found(snapshot))


def messages(snapshot: Snapshot) -> list[Message]:
    return [message for port in snapshot.ports.values() for message in port.queue]


def with_messages(snapshot: Snapshot, change: Callable[[Message], Message]) -> Snapshot:
    replace = msgspec.structs.replace
    ports = {number: replace(port, queue=tuple(change(message) for message in port.queue)) for number, port in snapshot.ports.items()}
    return replace(snapshot, ports=ports)


def numbers(snapshot: Snapshot) -> set[str]:
    return {broken.name.split(":")[0] for broken in broken_invariants(snapshot, MANUAL)}


def test_a_kernel_message_with_other_tokens() -> None:
    """Invariant 31, of what an implementation shows."""
    snapshot = first(lambda one: any(message.from_kernel for message in messages(one)))
    assert numbers(snapshot) == set()
    wrong = with_messages(snapshot, lambda m: msgspec.structs.replace(m, security_token=(7, 7)) if m.from_kernel else m)
    assert "invariant 31" in numbers(wrong)


def test_a_task_message_that_is_called_the_kernels() -> None:
    snapshot = first(lambda one: any(message.from_kernel is False for message in messages(one)))
    wrong = with_messages(snapshot, lambda m: msgspec.structs.replace(m, from_kernel=True))
    [difference, *_] = differences(snapshot, wrong)
    assert "from kernel" in difference.where


def test_an_implementation_that_cannot_tell_whose_a_message_is() -> None:
    snapshot = first(lambda one: any(message.from_kernel for message in messages(one)))
    silent = with_messages(snapshot, lambda m: msgspec.structs.replace(m, from_kernel=None))
    assert differences(snapshot, silent) == ()


def test_a_page_that_shares_with_nothing() -> None:
    """Invariant 106: the object of a page is that of some page that is there."""
    replace = msgspec.structs.replace
    snapshot = first(lambda one: any(task.memory for task in one.tasks.values()))
    assert numbers(snapshot) == set()
    number, task = next((number, task) for number, task in snapshot.tasks.items() if task.memory)
    memory = {page: replace(shown, shares_with=(number + 99, page)) for page, shown in task.memory.items()}
    wrong = replace(snapshot, tasks={**snapshot.tasks, number: replace(task, memory=memory)})
    assert "invariant 106" in numbers(wrong)
