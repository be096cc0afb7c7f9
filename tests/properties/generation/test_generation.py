"""Random calls: reproducible, mostly sensible, and hostile in every way that they should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_runs import SMALL, go_on, random_run

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, EXC_MASK_ALL, NULL_NAME, REQUESTABLE, Disposition, Notification, PortObject, SlotKind
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step
from sendright.properties.generation.arguments import DRAWS
from sendright.properties.generation.caller_view import RECEIVING, UNKNOWN_NAMES
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, blocks, near_limits
from sendright.properties.generation.choices import Choices
from sendright.properties.runs.judged_run import JudgedRun, callers


@given(st.binary(min_size=1, max_size=8), st.integers(1, 256))
def test_choices_stay_within_their_limits(block: bytes, limit: int) -> None:
    choices = Choices(block)
    assert all(0 <= choices.below(limit) < limit for _ in range(20))
    assert choices.pick(range(limit)) in range(limit)
    assert choices.weighted((("a", 1), ("b", limit))) in ("a", "b")


def test_weights_count() -> None:
    choices = Choices(bytes(range(256)) * 2)
    drawn = Counter(choices.weighted((("rare", 1), ("common", 3))) for _ in range(256))
    assert drawn["rare"] == 64
    choices = Choices(bytes(range(256)) * 2)
    assert Counter(choices.among([1, 1, 4]) for _ in range(256)) == {0: 64, 2: 192}, "the second has no weight"


def test_a_block_that_is_used_up_goes_on_differently() -> None:
    choices = Choices(bytes(4))
    assert [choices.byte() for _ in range(12)] == [0] * 4 + [167] * 4 + [334 & 0xFF] * 4


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_same_bytes_make_the_same_calls(profile: Profile) -> None:
    one, _ = random_run(3, 200, near_limits(profile))
    other, _ = random_run(3, 200, near_limits(profile))
    assert one.steps == other.steps
    different, _ = random_run(4, 200, near_limits(profile))
    assert one.steps != different.steps


def test_what_one_call_reads_does_not_shift_the_next() -> None:
    snapshot = random_run(1, 40)[0].snapshot
    block = bytes(range(256))
    other = bytes([block[0], 255 - block[1], *block[2:]])  # another first call
    one, two = Calls(SMALL, block), Calls(SMALL, other)
    assert one.next(snapshot) != two.next(snapshot)
    assert one.next(snapshot) == two.next(snapshot)


MINUS_ONE = 0xFFFFFFFF
"""−1 where the kernel's number has no sign."""


def test_every_argument_type_of_the_table_can_be_made_up() -> None:
    assert {argument.type for signature in SIGNATURES.values() for argument in signature.arguments} <= DRAWS.keys()


@pytest.fixture(scope="module")
def steps() -> list[tuple[Step, dict[int, Any]]]:
    """Many steps, each with the caller's names before it."""
    found: list[tuple[Step, dict[int, Any]]] = []
    for seed in range(260):
        run, _ = random_run(seed, 100)
        names = {task: dict(shown.names) for task, shown in run.initial.tasks.items()}
        for step in run.steps:
            found.append((step, dict(names.get(step.task, {}))))
            for change in step.changes:
                if change.slot.where == "name":
                    names.setdefault(change.slot.owner, {})[change.slot.index] = change.after
                    if not change.after.kind:
                        del names[change.slot.owner][change.slot.index]
    return found


def test_most_calls_can_succeed(steps: list[tuple[Step, dict[int, Any]]]) -> None:
    succeeded = sum(step.code == ReturnCode.KERN_SUCCESS for step, _ in steps)
    assert 0.5 < succeeded / len(steps) < 0.8


def test_every_call_is_made_and_succeeds_and_fails(steps: list[tuple[Step, dict[int, Any]]]) -> None:
    codes: dict[str, set[bool]] = {}
    for step, _ in steps:
        codes.setdefault(step.call, set()).add(step.code == ReturnCode.KERN_SUCCESS)
    always_succeed = {"mach_task_self", "mach_host_self", "mach_reply_port"}
    made = [name for name, signature in SIGNATURES.items() if SMALL.has_processes or not signature.of_processes]
    assert codes == {call: {True} if call in always_succeed else {True, False} if SMALL.serves(call) else {False} for call in made}


def test_hostile_names(steps: list[tuple[Step, dict[int, Any]]]) -> None:
    """As the target of a request: unknown, reserved, of the wrong kind, and right."""
    kinds: set[object] = set()
    for step, names in steps:
        target = step.arguments.get("task")
        if target in (NULL_NAME, DEAD_NAME) or target in UNKNOWN_NAMES:
            kinds.add(target)
        elif target is not None:
            kinds.add(names[target].kind.name if target in names else "freed or foreign")
    everything = {NULL_NAME, DEAD_NAME, *UNKNOWN_NAMES, "freed or foreign", *(kind.name for kind in SlotKind if kind)}
    assert kinds == everything


def test_hostile_numbers(steps: list[tuple[Step, dict[int, Any]]]) -> None:
    def drawn(argument: str, *calls: str) -> set[Any]:
        return {step.arguments[argument] for step, _ in steps if argument in step.arguments and (not calls or step.call in calls)}

    assert {MINUS_ONE, 5, *range(5)} <= drawn("right")
    assert {0, 15, 22, *Disposition} <= drawn("disposition")
    assert {0, MINUS_ONE, 13, 15} == drawn("flavor", "task_info"), "14 isn't modelled"
    assert {1, 2, 8, 0, -1} == drawn("flavor", "mach_port_get_attributes"), "3 isn't modelled"
    assert {0, 1, 2, 7, 8} < drawn("count")
    assert {-1, 0, 1, SMALL.pages} < drawn("address")
    assert {0, 1, 2, 3, MINUS_ONE} == drawn("inheritance")
    assert {99, *SMALL.special_ports} < drawn("which", "task_get_special_port", "task_set_special_port")
    assert {0, -1, 1, 2, 3, *range(8, SMALL.host_special_ports + 2)} < drawn("which", "host_get_special_port", "host_set_special_port")
    assert {(), (MINUS_ONE,), (0,), (SMALL.queue_limit_max,), (SMALL.queue_limit_max + 1,)} < drawn("info")
    assert {*REQUESTABLE, Notification.SEND_POSSIBLE, Notification.PORT_DELETED, Notification.SEND_ONCE, 0, -1} == drawn("variant")
    assert {0, 1, 2, 3} < drawn("sync")
    assert {0, EXC_MASK_ALL, 1, MINUS_ONE, *(2 << bit for bit in range(9))} < drawn("exception_mask")
    assert {0, 1, 2, 3, 4, 5, MINUS_ONE} == drawn("behavior")
    assert {-2, -1, 0, 1, 2, 3} < drawn("transfer")
    assert {*Notification} < drawn("id")
    assert {0x7FFFFFFF, -0x80000000, -1, 0, 1, SMALL.urefs_max} < drawn("delta")
    assert {0, 1, 2, 3} == {step.shortage for step, _ in steps}
    assert {(0, 1), (0, 0), (501, 20)} < drawn("security_token")
    assert {len(tokens) for tokens in drawn("audit_token")} == {8}


def test_arrays_of_all_lengths(steps: list[tuple[Step, dict[int, Any]]]) -> None:
    def lengths(argument: str) -> set[int]:
        return {len(step.arguments[argument]) for step, _ in steps if argument in step.arguments}

    assert lengths("descriptors") == {0, 1, 2, 3, 4}
    assert lengths("ledgers") == {0, 1, 2, 3}
    assert lengths("ports") == set(range(SMALL.registered_ports + 2))


def test_rights_are_shared_between_tasks() -> None:
    """Not each task for itself: ports that one task receives from and another sends to, and control of one task by
    another.
    """
    user = control = 0
    for seed in range(60):
        snapshot = random_run(seed, 60)[0].snapshot
        receivers = {entry.port: task for task, shown in snapshot.tasks.items() for entry in shown.names.values() if entry.kind in RECEIVING}
        for task, shown in snapshot.tasks.items():
            for entry in shown.names.values():
                if entry.kind is SlotKind.SEND and entry.port is not None:
                    user += entry.port in receivers and receivers[entry.port] != task
                    control += snapshot.ports[entry.port].object is PortObject.TASK and snapshot.ports[entry.port].task != task
    assert user > 8
    assert control > 30


def test_events_that_somebody_asked_for_come_true() -> None:
    """All kinds of notifications, and by many calls. (What is queued in another call than a send comes from the
    kernel.)
    """
    told: dict[int, set[str]] = {}
    for seed in range(150):
        run, source = random_run(seed, 0)
        seen: set[int] = set()
        for _ in range(100):
            go_on(run, source, 1)
            new = [message for port in run.snapshot.ports.values() for message in port.queue if message.serial not in seen]
            seen.update(message.serial for message in new)
            if run.steps[-1].call not in ("mach_msg_send", "mach_msg"):
                for message in new:
                    told.setdefault(message.id, set()).add(run.steps[-1].call)
    assert told.keys() == {*REQUESTABLE, Notification.PORT_DELETED, Notification.SEND_ONCE}
    assert len({call for calls in told.values() for call in calls}) > 6


def test_suspended_tasks_call_nothing() -> None:
    suspended = ended = 0
    for seed in range(60):
        run, source = random_run(seed, 0)
        for _ in range(100):
            stopped = {task for task, shown in run.snapshot.tasks.items() if shown.suspend_count}
            suspended += bool(stopped)
            go_on(run, source, 1)
            assert not run.steps or run.steps[-1].task not in stopped or not callers(run.snapshot)
        ended += not callers(run.snapshot)
    assert suspended > 500
    assert ended < 15


def test_receive_rights_that_would_travel_to_themselves_over_another_message() -> None:
    """A chain of receive rights, each in the queue of the next, is longer than one in some runs."""
    assert any(longest_chain(run.snapshot) >= 2 for run in many_moments())


def many_moments() -> Iterator[JudgedRun]:
    """Random runs, looked at again and again."""
    for seed in range(160):
        run, source = random_run(seed, 50)
        for _ in range(10):
            yield run
            go_on(run, source, 15)


def longest_chain(snapshot: Snapshot) -> int:
    """How many receive rights wait in each other's queues."""
    carriers = {
        descriptor.entry.port: number
        for number, port in snapshot.ports.items()
        for message in port.queue
        for descriptor in message.body
        if descriptor.entry.kind is SlotKind.RECEIVE
    }
    longest = 0
    for port in carriers:
        length, at = 0, port
        while at in carriers:
            length, at = length + 1, carriers[at]
        longest = max(longest, length)
    return longest


def test_limits_are_near() -> None:
    assert (SMALL.urefs_max, SMALL.queue_limit, SMALL.queue_limit_max, SMALL.pages) == (4, 2, 3, 2)
    assert SMALL.special_ports == MANUAL.special_ports


@given(st.data())
@settings(max_examples=3, deadline=None)
def test_blocks_have_bytes_for_every_call(data: st.DataObject) -> None:
    """However long a run is, and whatever Hypothesis draws: no byte is used twice, and none is more frequent."""
    assert len(data.draw(blocks(10))) == 10 * BYTES_PER_CALL
    long = data.draw(blocks(10_000))
    assert len(long) == 10_000 * BYTES_PER_CALL
    counted = Counter(long)
    assert len(counted) == 256
    assert max(counted.values()) < 1.2 * len(long) / 256
