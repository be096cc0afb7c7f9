"""What is different in the profile ``xnu``, call by call, beside guards and messages."""

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    DEAD_NAME,
    MACH_EXCEPTION_CODES,
    NULL_NAME,
    Disposition,
    Notification,
    Place,
    Right,
    SlotKind,
    combined,
)
from sendright.mach.kernel.profiles import MANUAL, XNU, XNU_792, Profile
from sendright.mach.state.snapshot import Entry

LIMIT = 4
OTHER = 3
"""The bootstrap task's name for the port of task 1."""
PLACES = {1: "KERN_NO_ACCESS", 2: "KERN_NO_ACCESS", 3: "KERN_INVALID_ARGUMENT", 5: "KERN_INVALID_ARGUMENT", 6: "KERN_INVALID_ARGUMENT"}


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


@pytest.fixture
def staying() -> Actor:
    """In a kernel that gives each task an immovable port, as on iOS."""
    return Machine(msgspec.structs.replace(XNU, task_ports_stay=True)).root


@pytest.fixture
def pegged() -> Actor:
    """In a kernel whose references are pegged at 4."""
    return Machine(msgspec.structs.replace(XNU, urefs_max=LIMIT)).root


@pytest.mark.parametrize("call", sorted(XNU.lacks))
def test_what_there_is_not(root: Actor, call: str) -> None:
    assert root.refused(call) == "MIG_BAD_ID"


# user references


def test_the_limits_are_the_same(root: Actor) -> None:
    sent, died = root.port_with_send(65535), root.dead_name(65535)
    assert root.names[sent].urefs == 65535
    assert root.names[died] == dead(65535)


def name_with(actor: Actor, right: Right, urefs: int) -> int:
    return actor.port_with_send(urefs) if right is Right.SEND else actor.dead_name(urefs)


@pytest.mark.parametrize("right", [Right.SEND, Right.DEAD_NAME])
@pytest.mark.parametrize(
    ("urefs", "delta", "left"),
    [(1, 2, 3), (1, 3, 4), (1, 4, 4), (3, 4, 4), (3, -2, 1), (4, -1, 4), (4, -3, 4), (4, 1, 4), (4, 4, 4), (4, 0, 4), (3, 0, 3)],
)
def test_references_stay_at_their_limit(pegged: Actor, right: Right, urefs: int, delta: int, left: int) -> None:
    name = name_with(pegged, right, urefs)
    pegged.does("mach_port_mod_refs", name=name, right=right, delta=delta)
    assert pegged.names[name].urefs == left


@pytest.mark.parametrize("right", [Right.SEND, Right.DEAD_NAME])
@pytest.mark.parametrize(("urefs", "delta"), [(1, 5), (4, 5), (4, -5), (1, -5), (3, -4), (1, -2)])
def test_deltas_that_no_name_can_have(pegged: Actor, right: Right, urefs: int, delta: int) -> None:
    name = name_with(pegged, right, urefs)
    assert pegged.refused("mach_port_mod_refs", name=name, right=right, delta=delta) == "KERN_INVALID_VALUE"
    other = Right.SEND if right is Right.DEAD_NAME else Right.DEAD_NAME
    assert pegged.refused("mach_port_mod_refs", name=name, right=other, delta=delta) == "KERN_INVALID_RIGHT"


@pytest.mark.parametrize("right", [Right.SEND, Right.DEAD_NAME])
def test_all_references_at_once_go(pegged: Actor, right: Right) -> None:
    name = name_with(pegged, right, LIMIT)
    pegged.does("mach_port_mod_refs", name=name, right=right, delta=-LIMIT)
    assert pegged.names.get(name, Entry(SlotKind.RECEIVE)).kind is SlotKind.RECEIVE


def test_deallocating_a_pegged_name(pegged: Actor) -> None:
    for name in (pegged.port_with_send(LIMIT), pegged.dead_name(LIMIT)):
        pegged.does("mach_port_deallocate", name=name)
        assert pegged.names[name].urefs == LIMIT
    name = pegged.dead_name(LIMIT - 1)
    pegged.does("mach_port_deallocate", name=name)
    assert pegged.names[name].urefs == LIMIT - 2


@pytest.mark.parametrize(("urefs", "left"), [(LIMIT, LIMIT), (LIMIT - 1, LIMIT - 2)])
def test_moving_a_right_out_of_a_pegged_name_copies_it(pegged: Actor, urefs: int, left: int) -> None:
    other = pegged.machine.booted(1)
    name = pegged.port_with_send(urefs)
    pegged.gives(other, name, Disposition.MOVE_SEND)
    assert (pegged.names[name].urefs, pegged.port_of(name).send_rights) == (left, 2)
    for disposition in (Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE):
        name = pegged.dead_name(urefs)
        assert pegged.does("mach_port_extract_right", name=name, disposition=disposition)["poly"] == DEAD_NAME
        assert pegged.names[name].urefs == left


def test_one_reference_more_is_not_counted(pegged: Actor) -> None:
    name = pegged.port_with_send(LIMIT)
    for disposition in (Disposition.MAKE_SEND, Disposition.COPY_SEND, Disposition.MOVE_SEND):
        pegged.does("mach_port_insert_right", name=name, poly=name, disposition=disposition)
        assert (pegged.names[name].urefs, pegged.port_of(name).send_rights) == (LIMIT, 1)
    for _ in range(LIMIT + 1):
        pegged.does("mach_task_self")
    assert pegged.names[pegged.me].urefs == LIMIT


def test_a_death_adds_no_reference_to_a_pegged_name(pegged: Actor) -> None:
    told = pegged.port()
    for urefs in (LIMIT, LIMIT - 1):
        name = pegged.port_with_send(urefs)
        pegged.asks(name, Notification.DEAD_NAME, told)
        pegged.does("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1)
        assert pegged.names[name] == dead(LIMIT)
        assert pegged.mail(told)[-1] == (Notification.DEAD_NAME, name)


def test_deallocating_a_port_set_destroys_it(root: Actor) -> None:
    pset, member = root.does("mach_port_allocate", right=Right.PORT_SET), root.port()
    root.does("mach_port_insert_member", name=member, pset=pset)
    root.does("mach_port_deallocate", name=pset)
    assert pset not in root.names
    assert root.shown.sets == {}
    assert root.refused("mach_port_deallocate", name=member) == "KERN_INVALID_RIGHT"


# rights to tasks' ports, where they stay


def test_a_task_port_goes_into_calls(staying: Actor) -> None:
    root = staying
    first, second = root.machine.booted(1), root.machine.booted(2)
    root.does("mach_port_insert_right", task=first.seen_as, name=12803, poly=second.seen_as, disposition=Disposition.COPY_SEND)
    assert first.names[12803] == send(second.shown.port, urefs=1)
    assert first.does("mach_port_names", task=12803)["names"] == (second.me,)


@pytest.mark.parametrize("disposition", [Disposition.COPY_SEND, Disposition.MOVE_SEND])
def test_a_task_port_is_not_extracted(staying: Actor, disposition: Disposition) -> None:
    root = staying
    other = root.machine.booted(1)
    assert root.refused("mach_port_extract_right", task=other.seen_as, name=other.me, disposition=disposition) == "KERN_INVALID_CAPABILITY"
    assert root.refused("mach_port_extract_right", task=other.seen_as, name=other.me, disposition=Disposition.MAKE_SEND) == "KERN_INVALID_RIGHT"


def test_a_task_copies_within_its_own_space(staying: Actor) -> None:
    root = staying
    assert root.does("mach_port_extract_right", name=OTHER, disposition=Disposition.COPY_SEND) == {"poly": OTHER, "acquired": 17}
    assert root.names[OTHER].urefs == 2
    assert root.refused("mach_port_extract_right", name=OTHER, disposition=Disposition.MOVE_SEND) == "KERN_INVALID_CAPABILITY"


def test_a_task_port_is_kept_in_no_place(staying: Actor) -> None:
    root = staying
    for which in (1, 4, 9, 99):
        assert root.refused("task_set_special_port", which=which, port=OTHER) == "KERN_INVALID_RIGHT"
    assert root.refused("mach_ports_register", ports=(0, root.port_with_send(), OTHER)) == "KERN_INVALID_RIGHT"
    for call in ("task_set_exception_ports", "task_swap_exception_ports"):
        assert root.refused(call, exception_mask=2, new_port=OTHER, behavior=1, new_flavor=99) == "KERN_INVALID_RIGHT"
        assert root.refused(call, exception_mask=2, new_port=OTHER, behavior=0) == "KERN_INVALID_ARGUMENT"
    assert root.refused("host_set_special_port", host_priv=1, which=33, port=OTHER) == "KERN_INVALID_RIGHT"
    assert root.refused("host_set_special_port", host_priv=1, which=7, port=OTHER) == "KERN_INVALID_ARGUMENT"
    assert root.refused("task_set_special_port", task=1, which=4, port=OTHER) == "KERN_INVALID_ARGUMENT"


# ports of kernel objects, of tasks too


def test_a_task_port_moves(root: Actor) -> None:
    """The kernel gives a task that isn't Apple's no port of its own beside the one that others have.
    (``ipc_task_set_immovable_pinned``)
    """
    other, queue = root.machine.booted(1), root.port_with_send()
    number = other.shown.port
    root.sends(queue, reply=OTHER, reply_disposition=Disposition.COPY_SEND, descriptors=((OTHER, Disposition.COPY_SEND), ((OTHER,), 17)))
    received = root.receives(queue)
    assert (received["reply"], received["descriptors"]) == (OTHER, ((OTHER, 17), ((OTHER,), 17)))
    assert root.does("mach_port_extract_right", task=OTHER, name=other.me, disposition=Disposition.MOVE_SEND)["poly"] == OTHER
    root.does("mach_port_insert_right", task=OTHER, name=12803, poly=OTHER, disposition=Disposition.COPY_SEND)
    assert other.names[12803] == send(number, urefs=1)


@pytest.mark.parametrize("port", ["host_priv", "device_priv", "task"])
def test_a_kernel_objects_port_in_a_special_place_comes_back_as_null(root: Actor, port: str) -> None:
    """The place keeps the right: its count doesn't fall, and an access port can't be set again."""
    name = OTHER if port == "task" else root.machine.named(port)
    number = root.number_of(name)
    before = root.machine.port(number).send_rights
    for which in (4, 9, 10, 11):
        root.does("task_set_special_port", which=which, port=name)
        assert root.shown.places[XNU.special_ports[which]] == send(number)
        assert root.does("task_get_special_port", which=which) == NULL_NAME
    root.does("host_set_special_port", host_priv=1, which=33, port=name)
    assert root.does("host_get_special_port", host_priv=1, which=33) == NULL_NAME
    assert root.machine.port(number).send_rights == before + 5
    assert root.refused("task_set_special_port", which=9, port=name) == "KERN_NO_ACCESS"


def test_the_kernels_own_special_ports_are_told(root: Actor) -> None:
    assert [root.does("task_get_special_port", which=which) for which in (1, 2)] == [root.me, 1]
    assert [root.does("host_get_special_port", host_priv=1, which=which) for which in (1, 2, 3)] == [6, 1, 2]
    port = root.port_with_send()
    root.does("task_set_special_port", which=4, port=port)
    assert root.does("task_get_special_port", which=4) == port


@pytest.mark.parametrize("call", ["task_set_exception_ports", "task_swap_exception_ports"])
def test_a_kernel_objects_port_as_an_exception_port_is_null(root: Actor, call: str) -> None:
    number = root.number_of(OTHER)
    before = root.machine.port(number)
    root.does(call, exception_mask=2, new_port=OTHER, behavior=1, new_flavor=3)
    assert Place.EXC_BAD_ACCESS not in root.shown.places
    assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (1, 3)}
    assert root.machine.port(number) == before
    assert root.refused(call, exception_mask=2, new_port=OTHER, behavior=9) == "KERN_INVALID_ARGUMENT"


def test_a_kernel_objects_port_that_is_registered_is_told(root: Actor) -> None:
    root.does("mach_ports_register", ports=(OTHER, 1, root.me))
    assert root.does("mach_ports_lookup") == (OTHER, 1, root.me)


@pytest.mark.parametrize("profile", [MANUAL, XNU_792], ids=lambda profile: profile.name)
def test_elsewhere_a_kernel_objects_port_is_like_any_other(profile: Profile) -> None:
    root = Machine(profile).root
    root.does("task_set_special_port", which=4, port=1)
    assert root.does("task_get_special_port", which=4) == 1
    root.does("task_set_exception_ports", exception_mask=2, new_port=1, behavior=1)
    assert root.shown.places[Place.EXC_BAD_ACCESS] == send(root.number_of(1))


def test_a_dead_task_port_is_a_dead_right_like_any_other(root: Actor) -> None:
    other = root.machine.last_booted()
    root.does("task_terminate", task=other.seen_as)
    root.does("task_set_special_port", which=4, port=other.seen_as)
    assert root.shown.places[Place.BOOTSTRAP] == dead()


# places


@pytest.mark.parametrize(("which", "code"), PLACES.items())
def test_places_that_nobody_sets(root: Actor, which: int, code: str) -> None:
    assert root.refused("task_set_special_port", which=which, port=NULL_NAME) == code
    assert root.refused("task_set_special_port", task=1, which=which, port=NULL_NAME) == "KERN_INVALID_ARGUMENT"


def test_the_access_port_is_set_once(root: Actor) -> None:
    name = root.port_with_send()
    root.does("task_set_special_port", which=9, port=NULL_NAME)
    root.does("task_set_special_port", which=9, port=name)
    assert root.refused("task_set_special_port", which=9, port=NULL_NAME) == "KERN_NO_ACCESS"
    root.does("mach_port_destroy", name=name)
    root.does("task_set_special_port", which=9, port=root.port_with_send())
    for which in (4, 10, 11):
        root.does("task_set_special_port", which=which, port=name)
        root.does("task_set_special_port", which=which, port=NULL_NAME)


def test_three_ports_are_registered(root: Actor) -> None:
    name = root.port_with_send()
    for ports in ((), (name,), (0, name), (name, NULL_NAME, DEAD_NAME)):
        root.does("mach_ports_register", ports=ports)
        assert root.does("mach_ports_lookup") == (*ports, NULL_NAME, NULL_NAME, NULL_NAME)[:3]
    for task in (NOTHING, 1, root.me):
        assert root.refused("mach_ports_register", task=task, ports=(NOTHING,) * 4) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_ports_register", task=1, ports=(0, 0, 0)) == "KERN_INVALID_ARGUMENT"


# exceptions


BITS = combined(BEHAVIOUR_BITS)


@pytest.mark.parametrize("behavior", [1, 2, 3, 5, *(MACH_EXCEPTION_CODES | kind for kind in range(1, 6)), 0x40000005, 0xE0000004])
def test_behaviours_that_there_are(root: Actor, behavior: int) -> None:
    root.does("task_set_exception_ports", exception_mask=2, new_port=root.port_with_send(), behavior=behavior, new_flavor=17)
    assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (behavior, 17)}


@pytest.mark.parametrize("behavior", [0, 6, *BITS, *(6 | bits for bits in BITS)])
def test_behaviours_that_there_are_not(root: Actor, behavior: int) -> None:
    port = root.port_with_send()
    assert root.refused("task_set_exception_ports", exception_mask=2, new_port=port, behavior=behavior) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("behavior", [4, 0x40000004, 0x20000004, 0x20000001, 0x60000063, 0x20000000])
def test_behaviours_that_need_codes(staying: Actor, behavior: int) -> None:
    root = staying
    mine = {"exception_mask": 2, "behavior": behavior}
    for port in (root.port_with_send(), NULL_NAME, DEAD_NAME):
        for call in ("task_set_exception_ports", "task_swap_exception_ports"):
            assert root.refused(call, new_port=port, **mine) == "KERN_INVALID_ARGUMENT"
    root.does("task_set_exception_ports", new_port=NULL_NAME, **mine | {"behavior": MACH_EXCEPTION_CODES | behavior})
    valid = behavior & ~sum(BEHAVIOUR_BITS) in range(1, 6)
    code = root.refused("task_set_exception_ports", new_port=root.me, **mine)
    assert code == ("KERN_INVALID_RIGHT" if valid else "KERN_INVALID_ARGUMENT")


def test_all_groups_are_given(root: Actor) -> None:
    for number in range(1, 4):
        root.does("task_set_exception_ports", exception_mask=1 << number, new_port=NULL_NAME, new_flavor=number)
    for count in (0, 1, 32):
        assert root.does("task_get_exception_ports", exception_mask=14, count=count)["masks"] == (2, 4, 8)
    assert root.does("task_swap_exception_ports", exception_mask=14, new_port=NULL_NAME, count=0)["masks"] == (2, 4, 8)


# names


def test_a_dead_name_has_no_object(root: Actor) -> None:
    name, port, members = root.dead_name(), root.port(), root.does("mach_port_allocate", right=Right.PORT_SET)
    for call, given in (
        ("mach_port_set_mscount", {"mscount": 1}),
        ("mach_port_set_seqno", {"seqno": 1}),
        ("mach_port_get_attributes", {"flavor": 1}),
        ("mach_port_get_attributes", {"flavor": 2}),
        ("mach_port_set_attributes", {"flavor": 1, "info": (1,)}),
        ("mach_port_get_set_status", {}),
        ("mach_port_guard", {"guard": 1}),
        ("mach_port_unguard", {"guard": 1}),
        ("mach_port_peek", {}),
    ):
        assert root.refused(call, name=name, **given) == "KERN_INVALID_NAME"
    for variant in (Notification.PORT_DESTROYED, Notification.NO_SENDERS):
        assert root.refused("mach_port_request_notification", name=name, variant=variant) == "KERN_INVALID_NAME"
    assert root.refused("mach_port_move_member", member=name, after=NULL_NAME) == "KERN_INVALID_NAME"
    assert root.refused("mach_port_move_member", member=name, after=members) == "KERN_INVALID_RIGHT"
    for call in ("mach_port_insert_member", "mach_port_extract_member"):
        assert root.refused(call, name=name, pset=members) == "KERN_INVALID_RIGHT"
        assert root.refused(call, name=port, pset=name) == "KERN_INVALID_RIGHT"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (1000, "KERN_INVALID_VALUE"),
        (0x1001, "KERN_INVALID_VALUE"),
        (67, "KERN_FAILURE"),
        (0xFF, "KERN_FAILURE"),
        (0xFFFFFE03, "KERN_NO_SPACE"),
        (256 * 305835, "KERN_NO_SPACE"),
        (0x1307, "KERN_FAILURE"),
    ],
)
def test_names_that_no_task_can_choose(root: Actor, name: int, code: str) -> None:
    used, port = root.does("mach_port_allocate_name", right=Right.RECEIVE, name=0x1303), root.port()
    assert used == 0x1303
    assert root.refused("mach_port_allocate_name", right=Right.RECEIVE, name=name) == code
    assert root.refused("mach_port_allocate_name", right=Right.SEND, name=name) == "KERN_INVALID_VALUE"
    assert root.refused("mach_port_allocate_full", right=Right.PORT_SET, named=True, name=name) == code
    assert root.fails("mach_port_insert_right", name=name, poly=port, disposition=Disposition.MAKE_SEND) == code
    assert root.fails("mach_port_insert_right", name=name, poly=root.me, disposition=Disposition.COPY_SEND) == code
    assert root.does("mach_port_allocate_name", right=Right.DEAD_NAME, name=name) not in (name, 0)


def test_names_that_a_task_can_choose(root: Actor) -> None:
    for name in (0x103, 0x2FF, 0x307, 256 * 305834 + 3):
        assert root.does("mach_port_allocate_name", right=Right.RECEIVE, name=name) == name
        assert root.refused("mach_port_allocate_name", right=Right.RECEIVE, name=name) == "KERN_NAME_EXISTS"
    root.does("mach_port_destroy", name=0x103)
    assert root.does("mach_port_allocate_name", right=Right.RECEIVE, name=0x107) == 0x107


@pytest.mark.parametrize("profile", [MANUAL, XNU_792, XNU], ids=lambda profile: profile.name)
def test_both_names_are_looked_up(profile: Profile) -> None:
    root = Machine(profile).root
    members = root.does("mach_port_allocate", right=Right.PORT_SET)
    both = "KERN_INVALID_RIGHT" if profile is MANUAL else "KERN_INVALID_NAME"
    for call in ("mach_port_insert_member", "mach_port_extract_member"):
        assert root.refused(call, name=members, pset=NOTHING) == both
        assert root.refused(call, name=NOTHING, pset=members) == "KERN_INVALID_NAME"
    moved = root.refused("mach_port_move_member", member=members, after=NOTHING)
    assert moved == ("KERN_INVALID_NAME" if profile is XNU else "KERN_INVALID_RIGHT")


def test_wrappers_have_a_code_of_their_own(root: Actor) -> None:
    for call, given in (("mach_port_get_attributes", {"flavor": 99}), ("mach_port_get_set_status", {})):
        assert root.refused(call, task=1, name=NOTHING, **given) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_port_set_attributes", task=1, name=NOTHING, flavor=99, info=()) == "KERN_INVALID_TASK"


def test_one_more_kind_of_right(root: Actor) -> None:
    for name in (root.port_with_send(), root.dead_name(), root.me):
        assert root.does("mach_port_get_refs", name=name, right=5) == 0
        for delta in (-1, 0, 1):
            assert root.refused("mach_port_mod_refs", name=name, right=5, delta=delta) == "KERN_INVALID_RIGHT"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused("mach_port_get_refs", name=name, right=5) == "KERN_INVALID_NAME"
        assert root.refused("mach_port_mod_refs", name=name, right=5, delta=0) == "KERN_INVALID_NAME"


@pytest.mark.parametrize("disposition", [0, 15, 22])
def test_a_request_copies_in_names_with_any_disposition(disposition: int) -> None:
    root = Machine(XNU_792).root
    port = root.port_with_send()
    for given, code in ((port, "MACH_SEND_INVALID_RIGHT"), (NOTHING, "MACH_SEND_INVALID_RIGHT"), (NULL_NAME, None), (DEAD_NAME, None)):
        about = {"name": port, "variant": Notification.NO_SENDERS, "notify": given, "notify_disposition": disposition}
        assert root.refused("mach_port_request_notification", **about) == (code or "MIG_BAD_ARGUMENTS")
        put = {"name": NOTHING, "poly": given, "disposition": disposition}
        assert root.refused("mach_port_insert_right", **put) == (code or "KERN_INVALID_VALUE")


def test_exceptions_do_not_go_to_a_port_that_can_not_move(root: Actor) -> None:
    name = root.does("mach_port_construct", context=7, context_as_guard=True, immovable=True, insert_send=True)
    given = {"exception_mask": 2, "new_port": name}
    assert root.refused("task_set_exception_ports", **given, new_flavor=18) == "KERN_INVALID_RIGHT"
    assert root.refused("task_set_exception_ports", **given, behavior=0) == "KERN_INVALID_ARGUMENT"
    root.does("task_set_special_port", which=4, port=name)


def test_flavours_are_looked_at(root: Actor) -> None:
    for port in (root.port_with_send(), NULL_NAME, DEAD_NAME):
        for flavor in (-1, 18):
            code = root.refused("task_swap_exception_ports", exception_mask=2, new_port=port, behavior=1, new_flavor=flavor)
            assert code == "KERN_INVALID_ARGUMENT"


# requests


def test_a_request_for_a_receive_right_stays(root: Actor) -> None:
    name, told = root.port(), root.port()
    assert root.asks(name, Notification.PORT_DESTROYED, NULL_NAME) == NULL_NAME
    assert root.asks(name, Notification.PORT_DESTROYED, told) == NULL_NAME
    for notify in (told, NULL_NAME):
        given = {"name": name, "variant": Notification.PORT_DESTROYED, "notify": notify}
        assert root.fails("mach_port_request_notification", **given) == "KERN_FAILURE"
        assert root.fails("mach_port_request_notification", **given | {"sync": 1}) == "KERN_INVALID_VALUE"
    root.does("mach_port_destroy", name=told)
    assert root.fails("mach_port_request_notification", name=name, variant=Notification.PORT_DESTROYED, notify=NULL_NAME) == "KERN_FAILURE"
    assert root.port_of(name).port_destroyed == dead()


def test_a_dead_name_tells_nobody(root: Actor) -> None:
    told, name = root.port(), root.dead_name()
    for sync in (0, 1):
        given = {"name": name, "variant": Notification.DEAD_NAME, "notify": told, "sync": sync}
        assert root.fails("mach_port_request_notification", **given) == "KERN_INVALID_ARGUMENT"
    assert [id for id, _ in root.mail(told)] == [Notification.SEND_ONCE] * 2
    assert root.names[name] == dead(1)


def test_cancelling_nothing_succeeds(root: Actor) -> None:
    pset = root.does("mach_port_allocate", right=Right.PORT_SET)
    for name in (root.dead_name(), pset, root.port(), root.port_with_send(), root.send_once(root.port())):
        assert root.asks(name, Notification.DEAD_NAME, NULL_NAME) == NULL_NAME
    given = {"variant": Notification.DEAD_NAME, "notify": NULL_NAME}
    assert root.refused("mach_port_request_notification", name=NOTHING, **given) == "KERN_INVALID_NAME"
    assert root.fails("mach_port_request_notification", name=pset, variant=Notification.DEAD_NAME, notify=root.port()) == "KERN_INVALID_RIGHT"


def test_cancelling_something_gives_it_back(root: Actor) -> None:
    name, told = root.port(), root.port()
    root.asks(name, Notification.DEAD_NAME, told)
    previous = root.asks(name, Notification.DEAD_NAME, NULL_NAME)
    assert root.names[previous] == Entry(SlotKind.SEND_ONCE, root.number_of(told), 1)


# attributes and the host's ports


def test_whether_a_port_is_in_sets_is_told_and_not_in_how_many(root: Actor) -> None:
    name = root.port()
    assert root.does("mach_port_get_attributes", name=name, flavor=2)[0] == 0
    for _ in range(2):
        root.does("mach_port_insert_member", name=name, pset=root.does("mach_port_allocate", right=Right.PORT_SET))
        assert root.does("mach_port_get_attributes", name=name, flavor=2)[0] == 1


def test_large_queues(root: Actor) -> None:
    name = root.port()
    root.does("mach_port_set_attributes", name=name, flavor=1, info=(1024,))
    assert root.refused("mach_port_set_attributes", name=name, flavor=1, info=(1025,)) == "KERN_INVALID_VALUE"


def test_the_hosts_ports(root: Actor) -> None:
    name = root.port_with_send()
    root.does("host_set_special_port", host_priv=1, which=35, port=name)
    assert root.does("host_get_special_port", host_priv=1, which=35) == name
    assert root.refused("host_set_special_port", host_priv=1, which=36, port=name) == "KERN_INVALID_ARGUMENT"
