"""Guarded receive rights in the reference kernel: construct, destruct, guard, unguard, and what a guard keeps from
happening.
"""

from collections.abc import Callable

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.snapshot import Entry

GUARD = 7
CALLS: dict[str, dict[str, int]] = {
    "mach_port_destruct": {},
    "mach_port_guard": {"guard": GUARD},
    "mach_port_unguard": {"guard": GUARD},
    "mach_port_guard_with_flags": {"guard": GUARD},
    "mach_port_swap_guard": {"old_guard": GUARD, "new_guard": 8},
}
"""The calls about a receive right, and what they must be given beside its name."""


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def guarded(root: Actor, guard: int = GUARD, **options: int) -> int:
    name: int = root.does("mach_port_construct", context=guard, context_as_guard=True, **options)
    return name


def flags(root: Actor, name: int) -> int:
    return int(root.does("mach_port_get_attributes", name=name, flavor=2)[-1])


def test_a_port_without_options_is_as_allocated() -> None:
    made, allocated = Machine(XNU).root, Machine(XNU).root
    assert made.does("mach_port_construct") == allocated.port()
    assert made.machine.snapshot() == allocated.machine.snapshot()


def test_a_context_guards_nothing_by_itself(root: Actor) -> None:
    name = root.does("mach_port_construct", context=GUARD, strict=True, immovable=True)
    port = root.port_of(name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (GUARD, False, False, False)
    root.does("mach_port_destroy", name=name)


def test_a_port_is_made_with_what_is_asked_for(root: Actor) -> None:
    name = guarded(root, strict=True, immovable=True, insert_send=True, qlimit=1024)
    port = root.port_of(name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (GUARD, True, True, True)
    assert (port.queue_limit, port.send_rights, port.make_send_count) == (1024, 1, 1)
    assert root.names[name] == Entry(SlotKind.SEND_RECEIVE, root.number_of(name), 1)
    root.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=-1)
    assert root.names[name].kind is SlotKind.RECEIVE


def test_making_can_fail(root: Actor) -> None:
    assert root.refused("mach_port_construct", task=1) == "KERN_INVALID_TASK"
    assert root.refused("mach_port_construct", task=1, qlimit=1025) == "KERN_INVALID_TASK"
    for qlimit in (1025, -2):
        assert root.refused("mach_port_construct", qlimit=qlimit, shortage=1) == "KERN_INVALID_VALUE"
    assert root.refused("mach_port_construct", shortage=1) == "KERN_RESOURCE_SHORTAGE"
    assert root.port_of(root.does("mach_port_construct", qlimit=0, shortage=2)).queue_limit == 0


@pytest.mark.parametrize(("call", "given"), CALLS.items(), ids=CALLS)
def test_a_receive_right_is_needed(root: Actor, call: str, given: dict[str, int]) -> None:
    assert root.refused(call, task=1, name=root.port(), **given) == "KERN_INVALID_TASK"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(call, name=name, **given) == "KERN_INVALID_NAME"
    for name in (1, root.send_once(root.port()), root.does("mach_port_allocate", right=Right.PORT_SET)):
        assert root.refused(call, name=name, **given) == "KERN_INVALID_RIGHT"
    died = root.refused(call, name=root.dead_name(), **given)
    assert died == ("KERN_INVALID_RIGHT" if call == "mach_port_destruct" else "KERN_INVALID_NAME")


def test_guarding(root: Actor) -> None:
    name = root.port()
    assert flags(root, name) == 0
    root.does("mach_port_guard", name=name, guard=GUARD)
    assert flags(root, name) == 2
    assert root.refused("mach_port_guard", name=name, guard=8) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_port_unguard", name=name, guard=8) == "KERN_INVALID_ARGUMENT"
    root.does("mach_port_unguard", name=name, guard=GUARD)
    assert root.refused("mach_port_unguard", name=name, guard=0) == "KERN_INVALID_ARGUMENT"
    root.does("mach_port_guard", name=name, guard=8, strict=True)
    assert flags(root, name) == 2 | 4


def test_a_port_with_a_context_can_not_be_guarded(root: Actor) -> None:
    assert root.refused("mach_port_guard", name=root.does("mach_port_construct", context=1), guard=GUARD) == "KERN_INVALID_ARGUMENT"


def test_the_guard_0_is_a_weak_one(root: Actor) -> None:
    name = guarded(root, 0)
    root.does("mach_port_guard", name=name, guard=0, strict=True)
    assert root.port_of(name).strict
    assert root.refused("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1) == "KERN_INVALID_RIGHT"
    root.does("mach_port_destroy", name=name)
    assert name not in root.names


def test_immovable_stays_when_the_guard_goes(root: Actor) -> None:
    name = guarded(root, strict=True, immovable=True)
    assert flags(root, name) == 2 | 4 | 0x40
    root.does("mach_port_unguard", name=name, guard=GUARD)
    port = root.port_of(name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (0, False, False, True)
    assert flags(root, name) == 0


def test_who_does_not_know_the_guard_does_not_end_the_port(root: Actor) -> None:
    for name in (guarded(root), guarded(root, insert_send=True)):
        assert root.refused("mach_port_destroy", name=name) == "KERN_INVALID_RIGHT"
        assert root.refused("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1) == "KERN_INVALID_RIGHT"
        assert root.refused("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=1) == "KERN_INVALID_VALUE"
        root.does("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=0)
        assert root.refused("mach_port_destruct", name=name) == "KERN_INVALID_ARGUMENT"
        root.does("mach_port_destruct", name=name, guard=GUARD)


def test_a_task_that_ends_asks_no_guard(root: Actor) -> None:
    other = root.machine.last_booted()
    port = other.number_of(guarded(other))
    root.does("task_terminate", task=other.seen_as)
    assert port not in root.machine.snapshot().ports


def test_destructing_a_port_that_is_not_guarded_needs_no_guard(root: Actor) -> None:
    name = root.port()
    root.does("mach_port_destruct", name=name, guard=99)
    assert name not in root.names


def test_destructing_needs_references_to_give_up(root: Actor) -> None:
    name = guarded(root)
    assert root.refused("mach_port_destruct", name=name, srdelta=-1, guard=8) == "KERN_INVALID_RIGHT"
    name = guarded(root, insert_send=True)
    assert root.refused("mach_port_destruct", name=name, srdelta=1, guard=8) == "KERN_INVALID_VALUE"
    assert root.refused("mach_port_destruct", name=name, srdelta=-2, guard=8) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_port_destruct", name=name, srdelta=-2, guard=GUARD) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize(("srdelta", "left"), [(0, 3), (-1, 2), (-3, 0)])
def test_references_that_are_not_given_up_are_those_of_a_dead_name(root: Actor, srdelta: int, left: int) -> None:
    name = root.port_with_send(3)
    root.does("mach_port_destruct", name=name, srdelta=srdelta)
    assert root.names.get(name) == (dead(left) if left else None)


def test_pegged_references_are_given_up_together_or_not_at_all() -> None:
    for srdelta, left in ((-1, 4), (-4, 0)):
        root = Machine(msgspec.structs.replace(XNU, urefs_max=4)).root
        name = root.port_with_send(4)
        assert root.refused("mach_port_destruct", name=name, srdelta=-5) == "KERN_INVALID_VALUE"
        root.does("mach_port_destruct", name=name, srdelta=srdelta)
        assert root.names.get(name) == (dead(left) if left else None)


def test_the_last_send_right_goes_before_the_port(root: Actor) -> None:
    name, told = root.port_with_send(), root.port()
    root.asks(name, Notification.NO_SENDERS, told)
    root.does("mach_port_destruct", name=name, srdelta=-1)
    assert root.mail(told) == [(Notification.NO_SENDERS, 1)]


def test_a_port_whose_end_somebody_waits_for_goes_there_without_a_guard(root: Actor) -> None:
    name, told = guarded(root, strict=True, immovable=True, insert_send=True), root.port()
    port = root.number_of(name)
    root.asks(name, Notification.PORT_DESTROYED, told)
    root.does("mach_port_destruct", name=name, guard=GUARD)
    shown = root.machine.port(port)
    assert (shown.context, shown.guarded, shown.strict, shown.immovable) == (0, False, False, False)
    assert root.names[name] == send(port, urefs=1)
    assert [id for id, _ in root.mail(told)] == [Notification.PORT_DESTROYED]


def inserted(root: Actor, name: int) -> str | None:
    result = root.result("mach_port_insert_right", task=root.machine.booted(1).seen_as, name=12803, poly=name, disposition=Disposition.MOVE_RECEIVE)
    return None if result.code == 0 else "MACH_SEND_INVALID_RIGHT" if result.code == ReturnCode.MACH_SEND_INVALID_RIGHT else hex(result.code)


def extracted(root: Actor, name: int) -> str | None:
    result = root.result("mach_port_extract_right", name=name, disposition=Disposition.MOVE_RECEIVE)
    return None if result.code == 0 else "KERN_INVALID_CAPABILITY" if result.code == 20 else hex(result.code)


@pytest.mark.parametrize(("carry", "code"), [(inserted, "MACH_SEND_INVALID_RIGHT"), (extracted, "KERN_INVALID_CAPABILITY")])
def test_an_immovable_right_is_not_carried(root: Actor, carry: Callable[[Actor, int], str | None], code: str) -> None:
    movable, immovable = guarded(root, strict=True), guarded(root, immovable=True)
    root.machine.booted(1)
    before = root.machine.snapshot()
    assert carry(root, immovable) == code
    assert root.machine.snapshot().ports[root.number_of(immovable)] == before.ports[root.number_of(immovable)]
    assert root.names == before.tasks[0].names
    number = root.number_of(movable)
    assert carry(root, movable) is None
    shown = root.machine.port(number)
    assert (shown.context, shown.guarded, shown.strict) == (0, False, False)


def test_only_the_receive_right_of_an_immovable_port_stays(root: Actor) -> None:
    name = guarded(root, immovable=True, insert_send=True)
    root.machine.booted(1)
    root.does("mach_port_insert_right", task=3, name=12803, poly=name, disposition=Disposition.COPY_SEND)
    root.does("mach_port_insert_right", task=3, name=13059, poly=name, disposition=Disposition.MAKE_SEND_ONCE)


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if profile is not XNU], ids=lambda profile: str(profile.name))
def test_older_kernels_have_none_of_it(profile: Profile) -> None:
    root = Machine(profile).root
    for call in (*CALLS, *CONTEXT_CALLS, "mach_port_construct", "mach_port_peek"):
        assert root.refused(call) == "MIG_BAD_ID"


# ---- contexts, and guards that change

CONTEXT_CALLS: dict[str, dict[str, object]] = {
    "mach_port_get_context": {},
    "mach_port_set_context": {"context": 5},
    "mach_port_assert_attributes": {"flavor": 8, "info": (GUARD, 0)},
}


@pytest.mark.parametrize(("call", "given"), CONTEXT_CALLS.items(), ids=CONTEXT_CALLS)
def test_a_context_belongs_to_a_receive_right(root: Actor, call: str, given: dict[str, object]) -> None:
    no_task = "KERN_INVALID_ARGUMENT" if call == "mach_port_get_context" else "KERN_INVALID_TASK"
    assert root.refused(call, task=1, name=NOTHING, **given) == no_task
    for name in (NOTHING, root.dead_name()):
        assert root.refused(call, name=name, **given) == "KERN_INVALID_NAME"
    for name in (NULL_NAME, DEAD_NAME, 1, root.send_once(root.port()), root.does("mach_port_allocate", right=Right.PORT_SET)):
        assert root.refused(call, name=name, **given) == "KERN_INVALID_RIGHT"


def test_a_context_is_what_was_stored_last(root: Actor) -> None:
    name = root.does("mach_port_construct", context=3)
    for context in (1 << 63, 0):
        root.does("mach_port_set_context", name=name, context=context)
        assert root.does("mach_port_get_context", name=name) == root.port_of(name).context == context


def test_the_context_of_a_guarded_port_is_its_guard(root: Actor) -> None:
    name = guarded(root)
    assert root.does("mach_port_get_context", name=name) == GUARD
    root.does("mach_port_set_context", name=name, context=8)
    assert root.refused("mach_port_unguard", name=name, guard=GUARD) == "KERN_INVALID_ARGUMENT"
    root.does("mach_port_unguard", name=name, guard=8)


def test_nobody_reads_or_changes_a_strict_guard(root: Actor) -> None:
    name = guarded(root, strict=True)
    assert root.does("mach_port_get_context", name=name) == 0
    assert root.refused("mach_port_set_context", name=name, context=8) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_port_swap_guard", name=name, old_guard=GUARD, new_guard=8) == "KERN_INVALID_ARGUMENT"
    assert root.port_of(name).context == GUARD


def test_a_guard_is_replaced_by_one_who_knows_it(root: Actor) -> None:
    name = guarded(root, insert_send=True)
    assert root.refused("mach_port_swap_guard", name=name, old_guard=8, new_guard=9) == "KERN_INVALID_ARGUMENT"
    root.does("mach_port_swap_guard", name=name, old_guard=GUARD, new_guard=9)
    port = root.port_of(name)
    assert (port.context, port.guarded, port.strict) == (9, True, False)
    root.does("mach_port_unguard", name=name, guard=9)
    assert root.refused("mach_port_swap_guard", name=name, old_guard=0, new_guard=9) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize(("strict", "immovable"), [(False, False), (True, False), (False, True), (True, True)])
def test_guarding_with_flags(root: Actor, strict: bool, immovable: bool) -> None:
    name = root.port()
    root.does("mach_port_guard_with_flags", name=name, guard=GUARD, strict=strict, immovable=immovable)
    port = root.port_of(name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (GUARD, True, strict, immovable)
    assert root.refused("mach_port_guard_with_flags", name=name, guard=8) == "KERN_INVALID_ARGUMENT"


def test_no_guard_makes_an_immovable_port_movable(root: Actor) -> None:
    for call in ("mach_port_guard", "mach_port_guard_with_flags"):
        name = guarded(root, immovable=True)
        root.does("mach_port_unguard", name=name, guard=GUARD)
        root.does(call, name=name, guard=8)
        assert root.port_of(name).immovable


def test_only_a_strict_guard_can_be_asserted(root: Actor) -> None:
    call, guard = "mach_port_assert_attributes", 5 << 32 | 6
    assert root.refused(call, task=1, name=NOTHING, flavor=1, info=()) == "KERN_INVALID_TASK"
    for flavor in (0, 1, 2, 7, 9):
        assert root.refused(call, name=NOTHING, flavor=flavor, info=()) == "KERN_INVALID_ARGUMENT"
    for info in ((), (6,)):
        assert root.refused(call, name=NULL_NAME, flavor=8, info=info) == "KERN_FAILURE"
    strict, weak, free = guarded(root, guard, strict=True), guarded(root, guard), root.port()
    for name, info in ((strict, (6, 4)), (strict, (5, 6)), (weak, (6, 5)), (free, (0, 0))):
        assert root.refused(call, name=name, flavor=8, info=info) == "KERN_INVALID_ARGUMENT"
    before = root.machine.snapshot()
    root.does(call, name=strict, flavor=8, info=(6, 5, 99))
    assert root.machine.snapshot() == before
