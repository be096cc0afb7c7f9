"""ledger_create, ledger_transfer, ledger_terminate and ledger_read."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, PortObject
from sendright.mach.kernel.profiles import GNUMACH, OSF
from sendright.mach.state.boot import ROOT_PAGED_LEDGER_PORT, ROOT_WIRED_LEDGER_PORT
from sendright.mach.state.snapshot import Ledger

CREATE, TRANSFER, TERMINATE, READ = "ledger_create", "ledger_transfer", "ledger_terminate", "ledger_read"
WIRED, PAGED = 4, 5
"""The bootstrap task's names for the root ledgers."""
INFINITY = -1


@pytest.fixture
def root() -> Actor:
    return Machine().root


def ledger(root: Actor, parent: int = PAGED, transfer: int = 0, pays: int = WIRED) -> int:
    name: int = root.does(CREATE, parent_ledger=parent, ledger_ledger=pays, transfer=transfer)
    return name


def transfer(root: Actor, parent: int, child: int, amount: int) -> None:
    root.does(TRANSFER, parent_ledger=parent, child_ledger=child, transfer=amount)


def shown(root: Actor, name: int) -> Ledger:
    ledger = root.port_of(name).ledger
    assert ledger is not None
    return ledger


def state(root: Actor, name: int) -> tuple[int, int]:
    """Balance and limit, as the snapshot and the call agree to say."""
    outputs = root.does(READ, ledger=name)
    assert (outputs["balance"], outputs["limit"]) == (shown(root, name).balance, shown(root, name).limit)
    return outputs["balance"], outputs["limit"]


# ledger_create


def test_a_ledger_of_a_root(root: Actor) -> None:
    name = ledger(root, transfer=10)
    assert root.names[name] == send(7, urefs=1)
    assert root.machine.port(7).object is PortObject.LEDGER
    assert (root.machine.port(7).make_send_count, root.machine.port(7).send_rights) == (1, 1)
    assert shown(root, name) == Ledger(10, 0, ROOT_PAGED_LEDGER_PORT, ROOT_WIRED_LEDGER_PORT)
    assert (state(root, PAGED), state(root, WIRED)) == ((0, INFINITY), (1, INFINITY))


def test_a_finite_parent_gives_of_its_limit(root: Actor) -> None:
    parent = ledger(root, transfer=10)
    child = ledger(root, parent, transfer=4)
    assert (state(root, parent), state(root, child)) == ((0, 6), (0, 4))
    last = ledger(root, parent, transfer=6)
    assert (state(root, parent), state(root, last)) == ((0, 0), (0, 6))


def test_an_infinite_ledger_has_infinite_children(root: Actor) -> None:
    name = ledger(root, transfer=INFINITY)
    assert state(root, name) == (0, INFINITY)
    assert state(root, ledger(root, name, transfer=INFINITY)) == (0, INFINITY)


def test_no_finite_ledger_has_one(root: Actor) -> None:
    finite = ledger(root, transfer=10)
    assert root.refused(CREATE, parent_ledger=finite, ledger_ledger=WIRED, transfer=INFINITY) == "KERN_INVALID_VALUE"


def test_a_finite_ledger_pays_as_long_as_it_can(root: Actor) -> None:
    pays = ledger(root, transfer=2)
    for balance in (1, 2):
        ledger(root, transfer=0, pays=pays)
        assert state(root, pays) == (balance, 2)
    assert root.refused(CREATE, parent_ledger=PAGED, ledger_ledger=pays) == "KERN_RESOURCE_SHORTAGE"


def test_what_a_parent_has_drawn_it_cannot_give(root: Actor) -> None:
    parent = ledger(root, transfer=5)
    ledger(root, pays=parent)
    assert root.refused(CREATE, parent_ledger=parent, ledger_ledger=WIRED, transfer=5) == "KERN_RESOURCE_SHORTAGE"
    ledger(root, parent, transfer=4)
    assert state(root, parent) == (1, 1)


def test_a_parent_that_pays_for_the_child_itself_has_one_less_to_give(root: Actor) -> None:
    parent = ledger(root, transfer=5)
    assert root.refused(CREATE, parent_ledger=parent, ledger_ledger=parent, transfer=5) == "KERN_RESOURCE_SHORTAGE"
    ledger(root, parent, transfer=4, pays=parent)
    assert state(root, parent) == (1, 1)


def test_faults_of_create_in_their_order(root: Actor) -> None:
    empty = ledger(root, transfer=0)
    assert root.refused(CREATE, parent_ledger=NOTHING, ledger_ledger=NOTHING) == "MACH_SEND_INVALID_DEST"
    assert root.refused(CREATE, parent_ledger=1, ledger_ledger=NOTHING) == "MACH_SEND_INVALID_RIGHT"
    assert root.refused(CREATE, parent_ledger=1, ledger_ledger=1, transfer=-2) == "KERN_INVALID_ARGUMENT"
    for pays in (1, NULL_NAME, DEAD_NAME):
        assert root.refused(CREATE, parent_ledger=PAGED, ledger_ledger=pays, transfer=-2) == "KERN_INVALID_LEDGER"
    assert root.refused(CREATE, parent_ledger=PAGED, ledger_ledger=empty, transfer=-2) == "KERN_INVALID_VALUE"
    assert root.refused(CREATE, parent_ledger=PAGED, ledger_ledger=empty) == "KERN_RESOURCE_SHORTAGE"
    assert root.refused(CREATE, parent_ledger=empty, ledger_ledger=WIRED, transfer=1) == "KERN_RESOURCE_SHORTAGE"
    assert root.refused(CREATE, parent_ledger=PAGED, ledger_ledger=WIRED, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    root.does(CREATE, parent_ledger=PAGED, ledger_ledger=WIRED, shortage=2)


# ledger_transfer


def test_limits_pass_both_ways(root: Actor) -> None:
    parent = ledger(root, transfer=10)
    child = ledger(root, parent, transfer=4)
    transfer(root, parent, child, 6)
    assert (state(root, parent), state(root, child)) == ((0, 0), (0, 10))
    transfer(root, parent, child, -7)
    assert (state(root, parent), state(root, child)) == ((0, 7), (0, 3))


def test_an_infinite_parent_makes_and_absorbs(root: Actor) -> None:
    child = ledger(root, transfer=1)
    transfer(root, PAGED, child, 4)
    assert (state(root, PAGED), state(root, child)) == ((0, INFINITY), (0, 5))
    transfer(root, PAGED, child, -5)
    assert (state(root, PAGED), state(root, child)) == ((0, INFINITY), (0, 0))


def test_between_infinite_ledgers_nothing_passes(root: Actor) -> None:
    child = ledger(root, transfer=INFINITY)
    for amount in (5, -5):
        transfer(root, PAGED, child, amount)
        assert (state(root, PAGED), state(root, child)) == ((0, INFINITY), (0, INFINITY))


def test_nobody_gives_what_it_has_drawn(root: Actor) -> None:
    parent = ledger(root, transfer=10)
    child = ledger(root, parent, transfer=4)
    for pays in (parent, child):
        ledger(root, pays=pays)
    for amount in (6, -4):
        assert root.refused(TRANSFER, parent_ledger=parent, child_ledger=child, transfer=amount) == "KERN_RESOURCE_SHORTAGE"
    transfer(root, parent, child, 5)
    transfer(root, parent, child, -8)
    assert (state(root, parent), state(root, child)) == ((1, 9), (1, 1))


def test_only_a_child_is_given_to(root: Actor) -> None:
    parent = ledger(root, transfer=10)
    grandchild = ledger(root, ledger(root, parent, transfer=5), transfer=5)
    for one, other in ((parent, grandchild), (grandchild, parent), (PAGED, WIRED), (WIRED, parent)):
        assert root.refused(TRANSFER, parent_ledger=one, child_ledger=other, transfer=99) == "KERN_INVALID_LEDGER"


def test_faults_of_transfer_in_their_order(root: Actor) -> None:
    assert root.refused(TRANSFER, parent_ledger=1, child_ledger=PAGED, transfer=0) == "KERN_INVALID_ARGUMENT"
    for child in (1, NULL_NAME, DEAD_NAME, PAGED):
        assert root.refused(TRANSFER, parent_ledger=PAGED, child_ledger=child, transfer=0) == "KERN_INVALID_ARGUMENT"
    before = root.machine.snapshot()
    transfer(root, PAGED, WIRED, 0)
    assert root.machine.snapshot() == before


# ledger_terminate


def test_a_ledger_that_ends_gives_back_what_it_had(root: Actor) -> None:
    parent = ledger(root, transfer=10)
    pays = ledger(root, transfer=3)
    child = ledger(root, parent, transfer=4, pays=pays)
    assert (state(root, parent), state(root, pays)) == ((0, 6), (1, 3))
    number = root.number_of(child)
    root.does(TERMINATE, ledger=child)
    assert (state(root, parent), state(root, pays)) == ((0, 10), (0, 3))
    assert root.names[child] == dead(urefs=1)
    assert number not in root.machine.snapshot().ports


def test_a_root_absorbs_what_comes_back(root: Actor) -> None:
    for amount in (10, INFINITY):
        root.does(TERMINATE, ledger=ledger(root, transfer=amount))
        assert (state(root, PAGED), state(root, WIRED)) == ((0, INFINITY), (0, INFINITY))


def test_rights_to_an_ended_ledger_are_dead(root: Actor) -> None:
    name = ledger(root)
    root.does("task_set_special_port", which=6, port=name)
    root.does(TERMINATE, ledger=name)
    assert root.does("task_get_special_port", which=6) == DEAD_NAME
    assert root.refused(READ, ledger=name) == "MACH_SEND_INVALID_DEST"


def test_roots_do_not_end(root: Actor) -> None:
    ledger(root, pays=PAGED)
    for name in (WIRED, PAGED):
        assert root.refused(TERMINATE, ledger=name) == "KERN_INVALID_LEDGER"


def test_a_ledger_that_pays_does_not_end(root: Actor) -> None:
    pays = ledger(root, transfer=1)
    name = ledger(root, pays=pays)
    assert root.refused(TERMINATE, ledger=pays) == "KERN_FAILURE"
    root.does(TERMINATE, ledger=name)
    root.does(TERMINATE, ledger=pays)


def test_a_ledger_with_children_does_not_end(root: Actor) -> None:
    parent = ledger(root, transfer=1)
    name = ledger(root, parent)
    assert root.refused(TERMINATE, ledger=parent) == "KERN_FAILURE"
    root.does(TERMINATE, ledger=name)
    root.does(TERMINATE, ledger=parent)


@pytest.mark.parametrize("place", [0, 1])
def test_a_ledger_that_a_task_draws_on_does_not_end(root: Actor, place: int) -> None:
    name = ledger(root)
    child = root.child(ledgers=(name, PAGED) if place == 0 else (WIRED, name))
    assert child.shown.ledgers is not None
    assert child.shown.ledgers[place] == root.number_of(name)
    assert root.refused(TERMINATE, ledger=name) == "KERN_FAILURE"
    root.does("task_terminate", task=child.seen_as)
    root.does(TERMINATE, ledger=name)


@pytest.mark.parametrize("call", [TERMINATE, READ])
def test_a_ledger_is_needed(root: Actor, call: str) -> None:
    assert root.refused(call, ledger=1) == "KERN_INVALID_ARGUMENT"
    assert root.refused(call, ledger=NULL_NAME) == "MACH_SEND_INVALID_DEST"


# Profiles


def test_osf_has_the_same_ledgers() -> None:
    root = Machine(OSF).root
    name = ledger(root, transfer=3)
    root.does("task_set_special_port", which=5, port=name)
    child = root.child()
    assert child.shown.ledgers == (root.number_of(name), ROOT_PAGED_LEDGER_PORT)
    assert root.refused(TERMINATE, ledger=name) == "KERN_FAILURE"
    root.does("task_terminate", task=child.seen_as)
    root.does(TERMINATE, ledger=name)
    assert root.child().shown.ledgers == (ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT)


def test_gnumach_has_root_ledgers_that_no_call_reaches() -> None:
    root = Machine(GNUMACH).root
    assert root.refused(READ, ledger=1) == "MIG_BAD_ID"
    for number in (ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT):
        assert root.machine.port(number).ledger == Ledger(INFINITY, 0, None, None)
