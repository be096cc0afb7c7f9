"""mach_port_set_mscount, set_seqno, get_attributes and set_attributes."""

from typing import Any

import pytest
from msgspec import structs
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Right
from sendright.mach.kernel.profiles import MANUAL, OSF, PROFILES, XNU, XNU_792, Profile

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


# ---- further flavours: the table of dead-name requests, importance, the throttling of services

SIZE, TEMPOWNER, IMPORTANCE, DENAP, INFO_EXT, THROTTLED = 3, 4, 5, 6, 7, 9
TOLD: dict[str, set[int]] = {"manual": {1, 2}, "osf": {1, 2, 3}, "xnu-792": {1, 2, 3}, "gnumach": {1, 2}, "xnu": {1, 2, 3, 7, 9}}
STORED: dict[str, set[int]] = {"manual": {1}, "osf": {1, 3}, "xnu-792": {1, 3}, "gnumach": {1}, "xnu": {1, 3, 4, 5, 6, 9}}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_flavours_of_each_kernel(profile: Profile) -> None:
    root = Machine(profile).root
    for flavor in (0, *PortAttributes, 10):
        is_told = root.refused(GET, name=NOTHING, flavor=flavor, count=17) != "KERN_INVALID_ARGUMENT"
        assert is_told == (flavor in TOLD[profile.name])
        is_stored = root.refused(SET, name=NOTHING, flavor=flavor, info=(1,)) != "KERN_INVALID_ARGUMENT"
        assert is_stored == (flavor in STORED[profile.name])


def flags(root: Actor, port: int) -> int:
    return int(root.does(GET, name=port, flavor=STATUS)[-1])


@pytest.mark.parametrize(("flavor", "shown"), [(TEMPOWNER, 9), (IMPORTANCE, 8), (DENAP, 8)])
def test_importance_can_be_donated_for_good(flavor: int, shown: int) -> None:
    root = Machine(XNU).root
    port, other = root.port(), root.machine.booted(1)
    for info in ((), (0,)):
        root.does(SET, name=port, flavor=flavor, info=info)
        assert flags(root, port) == shown
    root.does("mach_port_guard", name=port, guard=7, strict=True)
    assert flags(root, port) == shown | 2 | 4
    moved = 12803
    root.does("mach_port_insert_right", task=other.seen_as, name=moved, poly=port, disposition=Disposition.MOVE_RECEIVE)
    assert flags(other, moved) == 8


def test_who_only_lends_a_port_does_not_stop_the_temporary_owner() -> None:
    root = Machine(XNU).root
    port = root.port()
    root.does(SET, name=port, flavor=TEMPOWNER, info=())
    root.does(SET, name=port, flavor=IMPORTANCE, info=())
    assert flags(root, port) == 9


@pytest.mark.parametrize(("option", "shown"), [("temp_owner", 9), ("importance_receiver", 8), ("denap_receiver", 8)])
def test_a_port_is_made_so(option: str, shown: int) -> None:
    root = Machine(XNU).root
    assert flags(root, root.does("mach_port_construct", **{option: True})) == shown


def test_a_port_that_is_redirected_has_no_temporary_owner() -> None:
    root = Machine(XNU).root
    port, watch = root.port_with_send(), root.port()
    number = root.number_of(port)
    root.does(SET, name=port, flavor=TEMPOWNER, info=())
    root.asks(port, Notification.PORT_DESTROYED, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    shown = root.machine.port(number)
    assert (shown.imp_donation, shown.temp_owner) == (True, False)


def test_the_extended_status() -> None:
    root = Machine(XNU).root
    port = root.port_with_send()
    root.sends(port)
    assert root.does(GET, name=port, flavor=INFO_EXT, count=17) == (*root.does(GET, name=port, flavor=STATUS), *[0] * 7)
    assert root.refused(GET, name=port, flavor=INFO_EXT, count=16) == "KERN_FAILURE"
    for name in (NULL_NAME, DEAD_NAME):
        assert root.refused(GET, name=name, flavor=INFO_EXT, count=17) == "KERN_INVALID_RIGHT"


def test_only_a_service_port_is_throttled() -> None:
    root = Machine(XNU).root
    for call, given in ((GET, {"count": 0}), (SET, {"info": ()})):
        for name, code in (
            (root.port(), "KERN_INVALID_CAPABILITY"),
            (1, "KERN_INVALID_RIGHT"),
            (NULL_NAME, "KERN_INVALID_RIGHT"),
            (NOTHING, "KERN_INVALID_NAME"),
        ):
            assert root.refused(call, name=name, flavor=THROTTLED, **given) == code


def size(root: Actor, port: int) -> int:
    (found,) = root.does(GET, name=port, flavor=SIZE, count=1)
    assert found == root.port_of(port).request_slots
    return int(found)


def asked(root: Actor, port: int, count: int) -> None:
    for number in range(count):
        root.asks(root.send_once(port, 100 + number), Notification.DEAD_NAME, root.port())


@pytest.mark.parametrize("profile", [OSF, XNU_792, XNU], ids=lambda profile: str(profile.name))
def test_the_size_of_the_table_of_requests(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port()
    assert size(root, port) == 0
    asked(root, port, 1)
    assert size(root, port) == 2
    assert root.refused(GET, name=port, flavor=SIZE, count=0) == "KERN_FAILURE"
    assert root.refused(SET, name=port, flavor=SIZE, info=()) == "KERN_FAILURE"


@pytest.mark.parametrize("profile", [OSF, XNU_792], ids=lambda profile: str(profile.name))
@pytest.mark.parametrize(
    ("requests", "wanted", "grown"),
    [
        *[(0, wanted, grown) for wanted, grown in ((0, 2), (2, 2), (3, 4), (257, 512), (513, 1024), (1025, 1536), (91136, 91136), (0xFFFFFFFF, 2))],
        *[(1, wanted, grown) for wanted, grown in ((0, 2), (2, 2), (3, 4), (4, 4), (5, 2), (91136, 2), (0xFFFFFFFF, 4))],
        (4, 9, 16),
    ],
)
def test_the_table_grows_on_demand(profile: Profile, requests: int, wanted: int, grown: int) -> None:
    """A table that there is grows by one step only."""
    root = Machine(profile).root
    port = root.port()
    asked(root, port, requests)
    root.does(SET, name=port, flavor=SIZE, info=(wanted,))
    assert size(root, port) == grown


@pytest.mark.parametrize("profile", [OSF, XNU_792], ids=lambda profile: str(profile.name))
def test_a_table_can_not_grow_without_end(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port()
    for wanted in (91137, 0xFFFFFFFE):
        assert root.refused(SET, name=port, flavor=SIZE, info=(wanted,), shortage=1) == "KERN_NO_SPACE"
    assert root.refused(SET, name=port, flavor=SIZE, info=(2,), shortage=1) == "KERN_RESOURCE_SHORTAGE"
    root.does(SET, name=port, flavor=SIZE, info=(91136,))
    root.does(SET, name=port, flavor=SIZE, info=(91136,), shortage=1)
    assert root.refused(SET, name=port, flavor=SIZE, info=(0xFFFFFFFF,)) == "KERN_RESOURCE_SHORTAGE"


def test_xnu_takes_a_size_and_does_nothing() -> None:
    root = Machine(XNU).root
    port = root.port()
    for wanted in (0, 8, 1 << 31):
        root.does(SET, name=port, flavor=SIZE, info=(wanted,), shortage=1)
    assert size(root, port) == 0


def test_new_slots_of_a_table_are_used_before_its_free_ones() -> None:
    root = Machine(XNU_792).root
    port, watch = root.port(), root.port()
    names = [root.send_once(port, 100 + number) for number in range(3)]
    root.does(SET, name=port, flavor=SIZE, info=(4,))  # slots 1, 2 and 3; the request takes 3
    root.asks(names[0], Notification.DEAD_NAME, watch)
    root.does(SET, name=port, flavor=SIZE, info=(8,))
    for name in names[1:]:
        root.asks(name, Notification.DEAD_NAME, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert [name for _, name in root.mail(watch)] == [names[0], names[2], names[1]]


@pytest.mark.parametrize(("profile", "most"), [(XNU_792, 10), (XNU, 17)], ids=["xnu-792", "xnu"])
def test_a_reserved_name_has_a_table_of_size_0(profile: Profile, most: int) -> None:
    root = Machine(profile).root
    for name in (NULL_NAME, DEAD_NAME):
        for count in (1, 5, most, most + 1):
            assert root.does(GET, name=name, flavor=SIZE, count=count) == (0,) * min(count, most)
        assert root.refused(GET, name=name, flavor=SIZE, count=0) == "KERN_FAILURE"
        assert root.refused(SET, name=name, flavor=SIZE, info=(1,)) == "KERN_INVALID_RIGHT"
    for name in (NULL_NAME, DEAD_NAME):
        assert Machine(OSF).root.refused(GET, name=name, flavor=SIZE, count=1) == "KERN_INVALID_NAME"
