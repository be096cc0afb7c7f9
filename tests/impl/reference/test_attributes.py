"""mach_port_set_mscount, set_seqno, get_attributes and set_attributes."""

from typing import Any

import pytest
from msgspec import structs
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.profiles import MANUAL, OSF

GET, SET = "mach_port_get_attributes", "mach_port_set_attributes"
LIMITS, STATUS = 1, 2


@pytest.fixture
def root() -> Actor:
    return Machine().root


def limit(root: Actor, port: int, queue_limit: int) -> None:
    root.does(SET, name=port, flavor=LIMITS, info=(queue_limit,))


# mach_port_set_mscount, mach_port_set_seqno


def test_the_make_send_count_is_stored(root: Actor) -> None:
    port = root.port_with_send()
    root.does("mach_port_set_mscount", name=port, mscount=9)
    assert (root.port_of(port).make_send_count, root.port_of(port).send_rights) == (9, 1)
    root.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    assert root.port_of(port).make_send_count == 10


def test_the_sequence_number_is_that_of_the_next_message(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port)
    root.does("mach_port_set_seqno", name=port, seqno=9)
    assert root.receives(port)["sequence_number"] == 9
    assert root.port_of(port).sequence_number == 10


SETTERS: list[tuple[str, dict[str, Any]]] = [("mach_port_set_mscount", {"mscount": 1}), ("mach_port_set_seqno", {"seqno": 1})]


@pytest.mark.parametrize(("call", "number"), SETTERS)
def test_the_numbers_need_a_receive_right(root: Actor, call: str, number: dict[str, Any]) -> None:
    assert root.refused(call, task=1, name=NOTHING, **number) == "KERN_INVALID_TASK"
    for name in (NULL_NAME, DEAD_NAME, NOTHING):
        assert root.refused(call, name=name, **number) == "KERN_INVALID_NAME"
    for name in no_receive_right(root):
        assert root.refused(call, name=name, **number) == "KERN_INVALID_RIGHT"


def no_receive_right(root: Actor) -> tuple[int, ...]:
    return 1, root.send_once(root.port()), root.dead_name(), root.does("mach_port_allocate", right=Right.PORT_SET)


# mach_port_get_attributes


def test_the_queue_limit_can_be_read(root: Actor) -> None:
    port = root.port()
    assert root.does(GET, name=port, flavor=LIMITS, count=1) == (5,)
    limit(root, port, 3)
    assert root.does(GET, name=port, flavor=LIMITS) == (3,)


def test_the_status_of_a_new_port(root: Actor) -> None:
    assert root.does(GET, name=root.port(), flavor=STATUS, count=10) == (0, 0, 0, 5, 0, 0, 0, 0, 0, 0)


def test_the_status_of_a_port_in_use(root: Actor) -> None:
    port = root.port_with_send(urefs=2)
    for _ in range(3):
        root.sends(port, Disposition.MAKE_SEND_ONCE)
    root.receives(port)
    root.send_once(port)
    root.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    limit(root, port, 7)
    assert root.does(GET, name=port, flavor=STATUS) == (0, 1, 2, 7, 2, 3, 1, 0, 0, 0)


def test_the_first_word_counts_sets_where_there_can_be_many(root: Actor) -> None:
    port = root.port()
    for sets in (1, 2):
        root.does("mach_port_insert_member", name=port, pset=root.does("mach_port_allocate", right=Right.PORT_SET))
        assert root.does(GET, name=port, flavor=STATUS)[0] == sets


def test_the_first_word_names_the_set_where_there_is_one() -> None:
    root = Machine(OSF).root
    port, pset = root.port(), root.does("mach_port_allocate", right=Right.PORT_SET)
    assert root.does(GET, name=port, flavor=STATUS)[0] == NULL_NAME
    root.does("mach_port_move_member", member=port, after=pset)
    assert root.does(GET, name=port, flavor=STATUS)[0] == pset


GET_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"task": 1, "name": NOTHING, "flavor": 3}, "KERN_INVALID_TASK"),
    ({"name": NOTHING, "flavor": 0, "count": 0}, "KERN_INVALID_ARGUMENT"),
    ({"name": NOTHING, "flavor": 3, "count": 0}, "KERN_INVALID_ARGUMENT"),
    ({"name": NOTHING, "flavor": LIMITS, "count": 0}, "KERN_FAILURE"),
    ({"name": 1, "flavor": STATUS, "count": 9}, "KERN_FAILURE"),
    ({"name": NOTHING, "flavor": LIMITS}, "KERN_INVALID_NAME"),
    ({"name": DEAD_NAME, "flavor": STATUS}, "KERN_INVALID_NAME"),
    ({"name": 1, "flavor": STATUS}, "KERN_INVALID_RIGHT"),
]


@pytest.mark.parametrize(("arguments", "code"), GET_FAULTS)
def test_faults_of_get_attributes_in_their_order(root: Actor, arguments: dict[str, Any], code: str) -> None:
    assert root.refused(GET, **arguments) == code


# mach_port_set_attributes


def test_a_raised_limit_lets_more_messages_in(root: Actor) -> None:
    port = root.port_with_send()
    limit(root, port, MANUAL.queue_limit_max)
    for _ in range(MANUAL.queue_limit_max):
        root.sends(port)
    assert root.fails("mach_msg_send", dest=port) == "MACH_SEND_TIMED_OUT"


def test_how_far_a_limit_can_be_raised_is_the_profiles() -> None:
    root = Machine(structs.replace(MANUAL, queue_limit_max=1024)).root
    port = root.port()
    limit(root, port, 1024)
    assert root.port_of(port).queue_limit == 1024
    assert root.refused(SET, name=port, flavor=LIMITS, info=(1025,)) == "KERN_INVALID_VALUE"


def test_messages_above_a_lowered_limit_stay(root: Actor) -> None:
    port = root.port_with_send()
    for _ in range(3):
        root.sends(port)
    limit(root, port, 1)
    assert (root.port_of(port).queue_limit, len(root.port_of(port).queue)) == (1, 3)
    assert root.fails("mach_msg_send", dest=port) == "MACH_SEND_TIMED_OUT"


def test_with_no_room_at_all_only_send_once_rights_get_in(root: Actor) -> None:
    port = root.port_with_send()
    limit(root, port, 0)
    assert root.fails("mach_msg_send", dest=port) == "MACH_SEND_TIMED_OUT"
    root.sends(root.send_once(port), Disposition.MOVE_SEND_ONCE)
    assert len(root.port_of(port).queue) == 1


def test_other_words_are_not_looked_at(root: Actor) -> None:
    port = root.port()
    root.does(SET, name=port, flavor=LIMITS, info=(2, 99))
    assert root.port_of(port).queue_limit == 2


SET_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"task": 1, "name": NOTHING, "flavor": 3, "info": ()}, "KERN_INVALID_TASK"),
    ({"name": NOTHING, "flavor": STATUS, "info": ()}, "KERN_INVALID_ARGUMENT"),
    ({"name": NOTHING, "flavor": LIMITS, "info": ()}, "KERN_FAILURE"),
    ({"name": NOTHING, "flavor": LIMITS, "info": (-1,)}, "KERN_INVALID_VALUE"),
    ({"name": 1, "flavor": LIMITS, "info": (MANUAL.queue_limit_max + 1,)}, "KERN_INVALID_VALUE"),
    ({"name": NOTHING, "flavor": LIMITS, "info": (1,)}, "KERN_INVALID_NAME"),
    ({"name": 1, "flavor": LIMITS, "info": (1,)}, "KERN_INVALID_RIGHT"),
]


@pytest.mark.parametrize(("arguments", "code"), SET_FAULTS)
def test_faults_of_set_attributes_in_their_order(root: Actor, arguments: dict[str, Any], code: str) -> None:
    assert root.refused(SET, **arguments) == code


@pytest.mark.parametrize("call", [GET, SET])
def test_attributes_belong_to_the_receive_right(root: Actor, call: str) -> None:
    info = {"info": (1,)} if call == SET else {}
    for name in no_receive_right(root):
        assert root.refused(call, name=name, flavor=LIMITS, **info) == "KERN_INVALID_RIGHT"
