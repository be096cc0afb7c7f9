"""mach_port_request_notification: its errors in order, and what becomes of the rights that wait."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.state.snapshot import EMPTY, Entry

D = Disposition
PORT_DESTROYED, NO_SENDERS, DEAD = 69, 70, 72
REQUEST = "mach_port_request_notification"


@pytest.fixture
def root() -> Actor:
    return Machine().root


def once(port: int | None) -> Entry:
    """A send-once right that waits."""
    return Entry(SlotKind.SEND_ONCE, port)


# errors, in order


def test_the_target_is_copied_in_first(root: Actor) -> None:
    assert root.refused(REQUEST, task=NOTHING, name=NOTHING, variant=0, notify=NOTHING) == "MACH_SEND_INVALID_DEST"


@pytest.mark.parametrize("disposition", [D.MAKE_SEND_ONCE, D.MOVE_SEND_ONCE, D.COPY_SEND, D.MAKE_SEND])
def test_then_the_right(root: Actor, disposition: Disposition) -> None:
    name = root.does("mach_port_allocate", right=Right.PORT_SET)
    for notify in (NOTHING, name):
        code = root.refused(REQUEST, task=root.port_with_send(), name=NOTHING, variant=0, notify=notify, notify_disposition=disposition)
        assert code == "MACH_SEND_INVALID_RIGHT"


@pytest.mark.parametrize("disposition", [0, 15, 22, D.COPY_SEND])
def test_the_disposition_must_be_one_of_send_once_rights(root: Actor, disposition: int) -> None:
    user = root.port_with_send()
    assert root.refused(REQUEST, task=user, name=NOTHING, variant=0, notify=1, notify_disposition=disposition) == "MIG_BAD_ARGUMENTS"


def test_the_target_must_be_a_task(root: Actor) -> None:
    user = root.port_with_send()
    assert root.refused(REQUEST, task=user, name=NOTHING, variant=0, notify=DEAD_NAME) == "KERN_INVALID_TASK"


def test_a_dead_right_cannot_wait(root: Actor) -> None:
    for notify, disposition in ((DEAD_NAME, D.MAKE_SEND_ONCE), (DEAD_NAME, D.MOVE_SEND_ONCE)):
        code = root.refused(REQUEST, name=NOTHING, variant=0, notify=notify, notify_disposition=disposition)
        assert code == "KERN_INVALID_CAPABILITY"


def test_a_dead_name_is_carried_away_before_it_is_refused(root: Actor) -> None:
    name = root.dead_name(urefs=2)
    assert root.fails(REQUEST, name=NOTHING, variant=0, notify=name, notify_disposition=D.MOVE_SEND_ONCE) == "KERN_INVALID_CAPABILITY"
    assert root.names[name] == dead(urefs=1)


@pytest.mark.parametrize("variant", [0, 65, 66, 68, 71, 73, -1])
def test_variants(root: Actor, variant: int) -> None:
    assert root.refused(REQUEST, name=NOTHING, variant=variant, notify=NULL_NAME) == "KERN_INVALID_VALUE"


def test_port_destroyed(root: Actor) -> None:
    assert root.refused(REQUEST, name=NOTHING, variant=PORT_DESTROYED, sync=1) == "KERN_INVALID_VALUE"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(REQUEST, name=name, variant=PORT_DESTROYED) == "KERN_INVALID_NAME"
    for name in (1, root.send_once(root.port()), root.dead_name(), root.does("mach_port_allocate", right=Right.PORT_SET)):
        assert root.refused(REQUEST, name=name, variant=PORT_DESTROYED) == "KERN_INVALID_RIGHT"


def test_no_senders(root: Actor) -> None:
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(REQUEST, name=name, variant=NO_SENDERS, sync=1) == "KERN_INVALID_NAME"
    for name in (1, root.send_once(root.port()), root.dead_name(), root.does("mach_port_allocate", right=Right.PORT_SET)):
        assert root.refused(REQUEST, name=name, variant=NO_SENDERS) == "KERN_INVALID_RIGHT"


def test_dead_name(root: Actor) -> None:
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(REQUEST, name=name, variant=DEAD) == "KERN_INVALID_NAME"
    members = root.does("mach_port_allocate", right=Right.PORT_SET)
    assert root.refused(REQUEST, name=members, variant=DEAD, sync=1) == "KERN_INVALID_RIGHT"


def test_dead_name_of_a_dead_name(root: Actor) -> None:
    name = root.dead_name(urefs=65535)
    for sync in (0, 1):
        assert root.refused(REQUEST, name=name, variant=DEAD, sync=sync, notify=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    port = root.port()
    assert root.fails(REQUEST, name=name, variant=DEAD, sync=0, notify=port) == "KERN_INVALID_ARGUMENT"
    assert root.fails(REQUEST, name=name, variant=DEAD, sync=1, notify=port) == "KERN_UREFS_OVERFLOW"
    assert root.names[name] == dead(urefs=65535)
    assert root.mail(port) == [(71, 0), (71, 0)]


def test_no_memory_for_a_dead_name_request(root: Actor) -> None:
    port = root.port()
    assert root.fails(REQUEST, shortage=1, name=1, variant=DEAD, notify=port) == "KERN_RESOURCE_SHORTAGE"
    assert root.mail(port) == [(71, 0)]
    assert root.shown.requests == {}


def test_only_a_new_dead_name_request_takes_memory(root: Actor) -> None:
    port = root.port()
    root.asks(1, DEAD, port)
    root.asks(1, DEAD, port, shortage=1)
    root.asks(1, DEAD, NULL_NAME, shortage=1)
    root.asks(1, DEAD, NULL_NAME, shortage=1)
    for variant in (NO_SENDERS, PORT_DESTROYED):
        root.asks(port, variant, port, shortage=1)


# what failing costs


def test_a_right_that_is_refused_is_released(root: Actor) -> None:
    port = root.port()
    assert root.fails(REQUEST, name=NOTHING, variant=DEAD, notify=port) == "KERN_INVALID_NAME"
    assert root.mail(port) == [(71, 0)]


def test_a_right_of_a_wrong_kind_is_lost(root: Actor) -> None:
    moved, user = root.port_with_send(), root.port_with_send()
    assert root.fails(REQUEST, name=1, variant=DEAD, notify=moved, notify_disposition=D.MOVE_RECEIVE) == "MIG_BAD_ARGUMENTS"
    assert root.names[moved] == dead(urefs=1)
    assert root.fails(REQUEST, name=1, variant=DEAD, notify=user, notify_disposition=D.MAKE_SEND) == "MIG_BAD_ARGUMENTS"
    assert root.port_of(user).make_send_count == 2


def test_a_send_once_right_cannot_wait_for_its_own_name(root: Actor) -> None:
    port = root.port()
    name = root.send_once(port)
    assert root.fails(REQUEST, name=name, variant=DEAD, notify=name, notify_disposition=D.MOVE_SEND_ONCE) == "KERN_INVALID_NAME"
    assert root.mail(port) == [(71, 0)]
    assert name not in root.names


# registered, replaced, cancelled


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_where_rights_wait(profile: Profile) -> None:
    root = Machine(profile).root
    port, watch = root.port_with_send(), root.port()
    waiting = once(root.number_of(watch))
    assert [root.asks(port, variant, watch) for variant in (PORT_DESTROYED, NO_SENDERS, DEAD)] == [NULL_NAME] * 3
    assert root.shown.requests == {port: waiting}
    assert (root.port_of(port).port_destroyed, root.port_of(port).no_senders) == (waiting, waiting)
    assert root.port_of(watch).send_once_rights == 3


@pytest.mark.parametrize("variant", [PORT_DESTROYED, NO_SENDERS, DEAD])
def test_the_right_that_waited_is_given_back(root: Actor, variant: int) -> None:
    port, first, second = root.port_with_send(), root.port(), root.port()
    root.asks(port, variant, first)
    previous = root.asks(port, variant, second)
    assert root.names[previous] == Entry(SlotKind.SEND_ONCE, root.number_of(first), 1)
    previous = root.asks(port, variant, NULL_NAME)
    assert root.names[previous] == Entry(SlotKind.SEND_ONCE, root.number_of(second), 1)
    assert root.asks(port, variant, NULL_NAME) == NULL_NAME
    root.does("mach_port_destroy", name=port)
    assert (root.mail(first), root.mail(second)) == ([], [])


def test_a_moved_right_waits(root: Actor) -> None:
    watch = root.port()
    name = root.send_once(watch)
    root.asks(1, DEAD, name, notify_disposition=D.MOVE_SEND_ONCE)
    assert name not in root.names
    assert root.shown.requests == {1: once(root.number_of(watch))}


@pytest.mark.parametrize("variant", [PORT_DESTROYED, NO_SENDERS, DEAD])
def test_a_right_whose_port_dies_waits_on_and_tells_nobody(root: Actor, variant: int) -> None:
    port, watch = root.port_with_send(), root.port()
    root.asks(port, variant, watch)
    root.does("mach_port_destroy", name=watch)
    kept = [root.shown.requests.get(port, EMPTY), root.port_of(port).no_senders, root.port_of(port).port_destroyed]
    assert sorted(kept, key=str) == sorted([dead(), EMPTY, EMPTY], key=str)
    root.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert port not in root.names
    assert root.shown.requests == {}


def test_a_dead_right_is_given_back_dead(root: Actor) -> None:
    port, watch = root.port_with_send(), root.port()
    for variant in (PORT_DESTROYED, NO_SENDERS, DEAD):
        root.asks(port, variant, watch)
    root.does("mach_port_destroy", name=watch)
    assert [root.asks(port, variant, NULL_NAME) for variant in (PORT_DESTROYED, NO_SENDERS, DEAD)] == [DEAD_NAME] * 3


def test_a_request_about_another_tasks_name(root: Actor) -> None:
    child, watch = root.child(), root.port()
    root.asks(child.me, DEAD, watch, task=child.seen_as)
    assert child.shown.requests == {child.me: once(root.number_of(watch))}
    child.does("mach_port_deallocate", name=child.me)
    assert root.mail(watch) == [(65, child.me)]


# told at once


def test_no_senders_at_once(root: Actor) -> None:
    port, watch = root.port(), root.port()
    root.sends(port, D.MAKE_SEND)
    root.receives(port)
    assert root.asks(port, NO_SENDERS, watch, sync=1) == NULL_NAME
    assert root.mail(watch) == [(70, 1)]
    assert root.port_of(port).no_senders == EMPTY


def test_no_senders_at_once_gives_back_what_waited(root: Actor) -> None:
    port, first, second = root.port(), root.port(), root.port()
    root.asks(port, NO_SENDERS, first, sync=1)
    assert root.port_of(port).no_senders == once(root.number_of(first))
    previous = root.asks(port, NO_SENDERS, second)
    assert root.names[previous].port == root.number_of(first)
    assert (root.mail(first), root.mail(second)) == ([], [(70, 0)])
    assert root.port_of(port).no_senders == EMPTY


def test_no_senders_waits_for_more_than_were_made(root: Actor) -> None:
    port, watch = root.port(), root.port()
    root.asks(port, NO_SENDERS, watch, sync=1)
    assert root.mail(watch) == []
    root.does("mach_port_insert_right", name=port, poly=port, disposition=D.MAKE_SEND)
    root.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    assert root.mail(watch) == [(70, 1)]


def test_no_senders_over_the_port_itself(root: Actor) -> None:
    port = root.port_with_send()
    root.asks(port, NO_SENDERS, port)
    root.does("mach_port_deallocate", name=port)
    assert root.mail(port) == [(70, 1)]


def test_dead_name_at_once(root: Actor) -> None:
    name, watch = root.dead_name(urefs=2), root.port()
    assert root.asks(name, DEAD, watch, sync=1) == NULL_NAME
    assert root.mail(watch) == [(72, name)]
    assert root.names[name] == dead(urefs=3)
    assert root.shown.requests == {}


def test_a_name_whose_port_has_died_is_a_dead_name(root: Actor) -> None:
    child, watch = root.child(), root.port()
    root.does("task_terminate", task=child.seen_as)
    assert root.fails(REQUEST, name=child.seen_as, variant=DEAD, notify=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    root.asks(child.seen_as, DEAD, watch, sync=1)
    assert root.mail(watch) == [(72, child.seen_as)]


def test_the_boot_state_has_no_requests() -> None:
    state = Machine(MANUAL).snapshot()
    assert all(task.requests == {} for task in state.tasks.values())
    assert all((port.no_senders, port.port_destroyed) == (EMPTY, EMPTY) for port in state.ports.values())
