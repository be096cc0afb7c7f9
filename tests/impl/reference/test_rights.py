"""Carrying rights: mach_port_insert_right and mach_port_extract_right."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.state.snapshot import Entry

D = Disposition
SEND_MAX = 65534


@pytest.fixture
def root() -> Actor:
    return Machine().root


@pytest.fixture
def child(root: Actor) -> Actor:
    return root.child()


def insert(name: int, poly: int, disposition: int, task: int | None = None) -> dict[str, Any]:
    return {"call": "mach_port_insert_right", "name": name, "poly": poly, "disposition": disposition} | ({} if task is None else {"task": task})


def extract(root: Actor, child: Actor, name: int, disposition: int) -> tuple[int, int]:
    outputs = root.does("mach_port_extract_right", task=child.seen_as, name=name, disposition=disposition)
    return outputs["poly"], outputs["acquired"]


# What each disposition carries


def test_make_send_counts_twice(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MAKE_SEND)
    assert child.names[50] == send(root.number_of(port), urefs=1)
    assert root.names[port] == Entry(SlotKind.RECEIVE, root.number_of(port))
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (1, 1)


def test_make_send_once(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MAKE_SEND_ONCE)
    assert child.names[50] == Entry(SlotKind.SEND_ONCE, root.number_of(port), 1)
    assert (root.port_of(port).send_once_rights, root.port_of(port).make_send_count) == (1, 0)


def test_copy_send_leaves_the_senders_references(root: Actor, child: Actor) -> None:
    port = root.port_with_send(urefs=2)
    root.gives(child, port, D.COPY_SEND)
    assert root.names[port].urefs == 2
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (2, 1)


def test_move_send_takes_a_reference(root: Actor, child: Actor) -> None:
    port = root.port_with_send(urefs=2)
    root.gives(child, port, D.MOVE_SEND)
    assert root.names[port].urefs == 1
    assert root.port_of(port).send_rights == 2


def test_the_last_reference_takes_the_right_with_it(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.gives(child, port, D.MOVE_SEND)
    assert root.names[port].kind is SlotKind.RECEIVE
    assert root.port_of(port).send_rights == 1
    before = root.machine.port(1)
    root.gives(child, 1, D.MOVE_SEND, name=51)
    assert 1 not in root.names
    assert root.machine.port(1) == before


def test_move_receive_resets_the_counts(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.sends(port)
    root.receives(port)
    number = root.number_of(port)
    assert (root.machine.port(number).make_send_count, root.machine.port(number).sequence_number) == (1, 1)
    root.gives(child, port, D.MOVE_RECEIVE)
    assert root.names[port] == send(number, urefs=1)
    assert child.names[50] == Entry(SlotKind.RECEIVE, number)
    assert (root.machine.port(number).make_send_count, root.machine.port(number).sequence_number) == (0, 0)


def test_a_pure_receive_right_frees_its_name(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MOVE_RECEIVE)
    assert port not in root.names


def test_queued_messages_go_with_the_receive_right(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.sends(port, id=5)
    root.gives(child, port, D.MOVE_RECEIVE)
    assert child.receives(50)["id"] == 5


def test_move_send_once_frees_its_name(root: Actor, child: Actor) -> None:
    port = root.port()
    once = root.send_once(port)
    root.gives(child, once, D.MOVE_SEND_ONCE)
    assert once not in root.names
    assert root.port_of(port).send_once_rights == 1


UNFIT = [
    ("receive", {D.MOVE_SEND, D.MOVE_SEND_ONCE, D.COPY_SEND}),
    ("send", {D.MOVE_RECEIVE, D.MOVE_SEND_ONCE, D.MAKE_SEND, D.MAKE_SEND_ONCE}),
    ("both", {D.MOVE_SEND_ONCE}),
    ("once", {D.MOVE_RECEIVE, D.MOVE_SEND, D.COPY_SEND, D.MAKE_SEND, D.MAKE_SEND_ONCE}),
    ("set", set(D) - {D.NONE}),
    ("dead", {D.MOVE_RECEIVE, D.MAKE_SEND, D.MAKE_SEND_ONCE}),
    ("nothing", set(D) - {D.NONE}),
]


def of_kind(actor: Actor, kind: str) -> int:
    """A name of this kind."""
    if kind == "send":
        port = actor.port()
        name: int = actor.does("mach_port_extract_right", name=port, disposition=D.MAKE_SEND)["poly"]
        child = actor.child()
        actor.gives(child, name, D.MOVE_RECEIVE)
        return name
    if kind in ("receive", "both"):
        return actor.port() if kind == "receive" else actor.port_with_send()
    if kind == "once":
        return actor.send_once(actor.port())
    if kind == "nothing":
        return NOTHING
    result: int = actor.does("mach_port_allocate", right={"set": Right.PORT_SET, "dead": Right.DEAD_NAME}[kind])
    return result


@pytest.mark.parametrize(("kind", "dispositions"), UNFIT)
def test_what_cannot_be_carried(root: Actor, child: Actor, kind: str, dispositions: set[Disposition]) -> None:
    name = of_kind(root, kind)
    for disposition in dispositions:
        assert root.refused(**insert(50, name, disposition, child.seen_as)) == "MACH_SEND_INVALID_RIGHT"


@pytest.mark.parametrize(("kind", "dispositions"), UNFIT[:-1])
def test_what_cannot_be_extracted(root: Actor, child: Actor, kind: str, dispositions: set[Disposition]) -> None:
    name = of_kind(child, kind)
    for disposition in dispositions:
        assert root.refused("mach_port_extract_right", task=child.seen_as, name=name, disposition=disposition) == "KERN_INVALID_RIGHT"


@pytest.mark.parametrize(("kind", "dispositions"), UNFIT[:-1])
def test_all_else_can_be(kind: str, dispositions: set[Disposition]) -> None:
    for disposition in set(D) - {D.NONE} - dispositions:
        root = Machine().root
        child = root.child()
        extract(root, child, of_kind(child, kind), disposition)


# mach_port_insert_right: its errors, in order


def test_the_right_is_carried_before_the_task_is_looked_at(root: Actor) -> None:
    assert root.refused(**insert(NULL_NAME, NOTHING, D.COPY_SEND, task=1)) == "MACH_SEND_INVALID_RIGHT"


def test_no_task(root: Actor) -> None:
    assert root.refused(**insert(NULL_NAME, NULL_NAME, 99, task=1)) == "KERN_INVALID_TASK"


@pytest.mark.parametrize("name", [NULL_NAME, DEAD_NAME])
def test_a_reserved_name(root: Actor, name: int) -> None:
    assert root.refused(**insert(name, DEAD_NAME, D.COPY_SEND)) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize("disposition", [0, 15, 22, -1])
def test_no_disposition(root: Actor, disposition: int) -> None:
    assert root.refused(**insert(50, NOTHING, disposition)) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize("disposition", [d for d in D if d])
@pytest.mark.parametrize("poly", [NULL_NAME, DEAD_NAME])
def test_no_right(root: Actor, poly: int, disposition: int) -> None:
    assert root.refused(**insert(1, poly, disposition)) == "KERN_INVALID_CAPABILITY"


def test_a_dead_right_is_used_up_all_the_same(root: Actor) -> None:
    name = root.dead_name(urefs=3)
    assert root.refused(**insert(50, name, D.COPY_SEND)) == "KERN_INVALID_CAPABILITY"
    assert root.fails(**insert(50, name, D.MOVE_SEND)) == "KERN_INVALID_CAPABILITY"
    assert root.fails(**insert(50, name, D.MOVE_SEND_ONCE)) == "KERN_INVALID_CAPABILITY"
    assert root.names[name] == dead(urefs=1)


def test_a_port_has_one_name_in_a_space(root: Actor) -> None:
    assert root.refused(**insert(50, 1, D.COPY_SEND)) == "KERN_RIGHT_EXISTS"
    assert root.refused(**insert(2, 1, D.COPY_SEND)) == "KERN_RIGHT_EXISTS"


def test_a_name_in_use(root: Actor, child: Actor) -> None:
    assert root.refused(**insert(1, 1, D.COPY_SEND, child.seen_as)) == "KERN_NAME_EXISTS"
    assert root.refused(**insert(child.dead_name(), 1, D.COPY_SEND, child.seen_as)) == "KERN_NAME_EXISTS"


def test_a_send_once_right_needs_a_name_of_its_own(root: Actor) -> None:
    port = root.port()
    assert root.fails(**insert(port, port, D.MAKE_SEND_ONCE)) == "KERN_NAME_EXISTS"
    assert root.receives(port)["id"] == 71


def test_send_once_rights_to_one_port_may_have_many_names(root: Actor) -> None:
    port = root.port_with_send()
    root.send_once(port, name=40)
    root.send_once(port, name=41)
    assert root.port_of(port).send_once_rights == 2


def test_user_references_overflow(root: Actor) -> None:
    root.add_send_references(1, SEND_MAX - 1)
    assert root.refused(**insert(1, 1, D.COPY_SEND)) == "KERN_UREFS_OVERFLOW"
    assert root.names[1].urefs == SEND_MAX


def test_what_carrying_did_stays_done(root: Actor, child: Actor) -> None:
    port = root.port_with_send(urefs=2)
    assert root.fails(**insert(1, port, D.MAKE_SEND, child.seen_as)) == "KERN_NAME_EXISTS"
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (1, 2)
    assert root.fails(**insert(1, port, D.MOVE_SEND, child.seen_as)) == "KERN_NAME_EXISTS"
    assert root.names[port].urefs == 1
    assert root.fails(**insert(NULL_NAME, port, D.MOVE_SEND, child.seen_as)) == "KERN_INVALID_VALUE"
    assert root.names[port].kind is SlotKind.RECEIVE
    assert root.port_of(port).send_rights == 0


@pytest.mark.parametrize(("task", "name", "code"), [("child", 1, "KERN_NAME_EXISTS"), ("other", 50, "KERN_INVALID_TASK")])
def test_a_receive_right_that_cannot_be_inserted_takes_its_port_with_it(root: Actor, child: Actor, task: str, name: int, code: str) -> None:
    port = root.port_with_send(urefs=2)
    assert root.fails(**insert(name, port, D.MOVE_RECEIVE, child.seen_as if task == "child" else 1)) == code
    assert root.names[port] == dead(urefs=2)


def test_a_receive_right_must_go_under_the_name_of_the_send_right(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MAKE_SEND, name=50)
    assert root.fails(**insert(51, port, D.MOVE_RECEIVE, child.seen_as)) == "KERN_RIGHT_EXISTS"
    assert child.names[50] == dead(urefs=1)


# mach_port_insert_right: merging


def test_a_send_right_adds_a_reference_to_the_one_that_is_there(root: Actor) -> None:
    root.does(**insert(3, 3, D.COPY_SEND))
    assert root.names[3] == send(2, urefs=2)
    assert root.machine.port(2).send_rights == 1


def test_a_send_right_joins_its_receive_right(root: Actor) -> None:
    port = root.port()
    root.does(**insert(port, port, D.MAKE_SEND))
    assert root.names[port] == Entry(SlotKind.SEND_RECEIVE, 7, 1)


def test_a_receive_right_joins_its_send_right(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MAKE_SEND)
    root.gives(child, port, D.MOVE_RECEIVE)
    assert child.names[50].kind is SlotKind.SEND_RECEIVE
    assert child.names[50].urefs == 1


def test_a_receive_right_joins_a_send_right_at_the_limit(root: Actor, child: Actor) -> None:
    port = root.port()
    root.gives(child, port, D.MAKE_SEND)
    child.add_send_references(50, SEND_MAX - 1)
    root.gives(child, port, D.MOVE_RECEIVE)
    assert child.names[50] == Entry(SlotKind.SEND_RECEIVE, 8, SEND_MAX)


def test_moving_to_the_same_name_changes_nothing(root: Actor) -> None:
    root.add_send_references(1, 1)
    for _ in range(2):
        before = root.machine.snapshot()
        root.does(**insert(1, 1, D.MOVE_SEND))
        assert root.machine.snapshot() == before
        root.add_send_references(1, 1 - root.names[1].urefs)


def test_moving_the_last_reference_to_another_name(root: Actor) -> None:
    root.does(**insert(50, 1, D.MOVE_SEND))
    assert root.names[50] == send(1, urefs=1)
    assert 1 not in root.names


# mach_port_extract_right


@pytest.mark.parametrize("disposition", [0, 15, 22])
def test_extract_tests_the_disposition_before_the_name(root: Actor, disposition: int) -> None:
    assert root.refused("mach_port_extract_right", name=NOTHING, disposition=disposition) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize(
    ("disposition", "form"),
    [(D.MAKE_SEND, 17), (D.COPY_SEND, 17), (D.MOVE_SEND, 17), (D.MAKE_SEND_ONCE, 18), (D.MOVE_RECEIVE, 16)],
)
def test_acquired_is_the_received_form(root: Actor, child: Actor, disposition: Disposition, form: int) -> None:
    name, acquired = extract(root, child, child.port_with_send(), disposition)
    assert acquired == form
    assert root.names[name].port == 8


def test_an_extracted_send_right_goes_under_the_name_that_the_caller_has(root: Actor, child: Actor) -> None:
    port = child.port_with_send()
    first, _ = extract(root, child, port, D.COPY_SEND)
    second, _ = extract(root, child, port, D.MOVE_SEND)
    assert first == second
    assert root.names[first] == send(8, urefs=2)
    assert child.names[port].kind is SlotKind.RECEIVE
    assert root.port_of(first).send_rights == 1


def test_an_extracted_receive_right_joins_the_callers_send_right(root: Actor, child: Actor) -> None:
    port = child.port()
    name, _ = extract(root, child, port, D.MAKE_SEND)
    assert extract(root, child, port, D.MOVE_RECEIVE) == (name, 16)
    assert root.names[name] == Entry(SlotKind.SEND_RECEIVE, 8, 1)
    assert port not in child.names


def test_send_once_rights_never_merge(root: Actor, child: Actor) -> None:
    port = child.port()
    first, _ = extract(root, child, port, D.MAKE_SEND_ONCE)
    second, _ = extract(root, child, port, D.MAKE_SEND_ONCE)
    assert first != second
    moved, form = extract(root, child, child.send_once(port), D.MOVE_SEND_ONCE)
    assert moved not in (first, second)
    assert form == 18


def test_at_the_limit_a_copied_out_right_is_dropped(root: Actor) -> None:
    root.add_send_references(1, SEND_MAX - 1)
    before = root.machine.snapshot()
    assert root.does("mach_port_extract_right", name=1, disposition=D.COPY_SEND)["poly"] == 1
    assert root.machine.snapshot() == before


@pytest.mark.parametrize(("disposition", "left"), [(D.COPY_SEND, 2), (D.MOVE_SEND, 1), (D.MOVE_SEND_ONCE, 1)])
def test_a_dead_name_gives_a_dead_right(root: Actor, child: Actor, disposition: Disposition, left: int) -> None:
    name = child.dead_name(urefs=2)
    assert extract(root, child, name, disposition) == (DEAD_NAME, disposition.received_form)
    assert child.names[name] == dead(urefs=left)


def test_a_dead_names_last_reference(root: Actor, child: Actor) -> None:
    name = child.dead_name()
    extract(root, child, name, D.MOVE_SEND)
    assert name not in child.names
