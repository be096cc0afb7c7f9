"""What a kernel tells of a port or a space for debugging: counts of rights, kernel objects, tables of names and
requests.
"""

from typing import Any

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.impl.reference.requests import TABLE_SIZES
from sendright.mach.abi.rights import DEAD_NAME, KERNEL_OBJECT_TYPES, NULL_NAME, Disposition, PortObject, Right, SlotKind
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile

SRIGHTS, REQUESTS, SPACE, COUNT = "mach_port_get_srights", "mach_port_dnrequest_info", "mach_port_space_info", "mach_port_space_basic_info"
KOBJECT, KERNEL_OBJECT = "mach_port_kobject", "mach_port_kernel_object"
ON_RECEIVE, OBJECT = (SRIGHTS, REQUESTS), (KOBJECT, KERNEL_OBJECT)
DEBUG = (SRIGHTS, REQUESTS, KERNEL_OBJECT, SPACE)


def named(call: str, name: int) -> dict[str, int]:
    return {} if call in (SPACE, COUNT) else {"name": name}


def serving(*calls: str) -> list[Any]:
    """Each of the calls with each profile whose kernel has it, built for debugging."""
    return [
        pytest.param(call, profile, id=f"{call}-{profile.name}")
        for call in calls
        for profile in PROFILES.values()
        if profile.serves(call) and profile.has_ipc_debug
    ]


def test_which_kernels_have_them() -> None:
    have = {profile.name: [call for call in (*DEBUG, KOBJECT, COUNT) if profile.serves(call)] for profile in PROFILES.values()}
    assert have == {
        "manual": [],
        "osf": [],
        "xnu-792": list(DEBUG),
        "gnumach": [SRIGHTS, REQUESTS, KERNEL_OBJECT],
        "xnu": [*DEBUG, KOBJECT, COUNT],
    }
    for profile in (MANUAL, OSF):
        assert Machine(profile).root.refused(SRIGHTS) == "MIG_BAD_ID"


@pytest.mark.parametrize("call", DEBUG)
def test_a_released_xnu_792_refuses_before_it_looks_at_anything(call: str) -> None:
    root = Machine(XNU_792).root
    for task in (root.me, 1):
        assert root.refused(call, task=task, **named(call, root.port())) == "KERN_FAILURE"
    assert root.refused(call, task=NOTHING, **named(call, NOTHING)) == "MACH_SEND_INVALID_DEST"


@pytest.mark.parametrize(("call", "profile"), serving(*DEBUG, KOBJECT, COUNT))
def test_what_is_no_task(call: str, profile: Profile) -> None:
    wrapped = profile is XNU and call in (*OBJECT, SPACE)
    root = Machine(profile).root
    assert root.refused(call, task=1, **named(call, NOTHING)) == ("KERN_INVALID_ARGUMENT" if wrapped else "KERN_INVALID_TASK")


@pytest.mark.parametrize(("call", "profile"), serving(*ON_RECEIVE, *OBJECT))
def test_what_a_name_has_to_have(call: str, profile: Profile) -> None:
    root = Machine(profile).root
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(call, name=name) == "KERN_INVALID_NAME"
    for name in (root.send_once(root.port()), root.does("mach_port_allocate", right=Right.PORT_SET)):
        assert root.refused(call, name=name) == "KERN_INVALID_RIGHT"
    assert root.refused(call, name=root.dead_name()) == ("KERN_INVALID_NAME" if profile is XNU else "KERN_INVALID_RIGHT")
    if call in ON_RECEIVE:
        assert root.refused(call, name=1) == "KERN_INVALID_RIGHT"


@pytest.mark.parametrize(("call", "profile"), serving(SRIGHTS))
def test_every_send_right_counts_once_wherever_it_is(call: str, profile: Profile) -> None:
    root = Machine(profile).root
    port, other = root.port(), root.port_with_send()
    assert root.does(call, name=port) == 0
    root.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    root.add_send_references(port, 2)
    assert root.does(call, name=port) == 1
    root.sends(other, reply=port, reply_disposition=Disposition.COPY_SEND)
    root.send_once(port)
    assert root.does(call, name=port) == 2
    root.does("mach_port_destroy", name=other)
    assert root.does(call, name=port) == 1


@pytest.mark.parametrize(("call", "profile"), serving(*OBJECT))
def test_the_kernels_number_of_an_object(call: str, profile: Profile) -> None:
    root = Machine(profile).root
    host = root.does("mach_host_self")
    device = 0 if profile is GNUMACH else 19
    for name, number in ((root.me, 2), (host, 4 if host == root.machine.named("host_priv") else 3), (1, 4), (2, device)):
        assert root.does(call, name=name) == number
    for name in (root.port(), root.port_with_send()):
        assert root.does(call, name=name) == 0


def test_every_kind_of_object_has_a_number() -> None:
    assert set(KERNEL_OBJECT_TYPES) == set(PortObject)
    assert len(set(KERNEL_OBJECT_TYPES.values())) == len(PortObject)


def test_a_name_whose_port_died_is_none_for_kobject_and_stays_as_it_was() -> None:
    root = Machine(XNU).root
    other = root.machine.booted(1)
    port = other.port()
    name = root.does("mach_port_extract_right", task=other.seen_as, name=port, disposition=Disposition.MAKE_SEND)["poly"]
    other.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    for call in (*OBJECT, *ON_RECEIVE):
        assert root.refused(call, name=name) == "KERN_INVALID_NAME"
    told = root.does(SPACE)
    assert dict(zip(told["names"], told["types"], strict=True))[name] == SlotKind.SEND.type_bits
    assert root.names[name].is_unlooked
    root.does("mach_port_type", name=name)
    told = root.does(SPACE)
    assert dict(zip(told["names"], told["types"], strict=True))[name] == SlotKind.DEAD_NAME.type_bits


def test_the_table_of_a_space() -> None:
    root = Machine(XNU).root
    before = root.does(SPACE)
    names = [root.port(), root.port_with_send(3), root.dead_name(4), root.does("mach_port_allocate", right=Right.PORT_SET)]
    names.append(root.send_once(names[0]))
    told = root.does(SPACE)
    assert told["names"] == (*before["names"], *names)
    kinds = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE, SlotKind.DEAD_NAME, SlotKind.PORT_SET, SlotKind.SEND_ONCE)
    assert told["types"] == (*before["types"], *(kind.type_bits for kind in kinds))
    assert told["urefs"] == (*before["urefs"], 0, 3, 4, 0, 1)
    assert root.does(COUNT) == len(told["names"])


def test_the_table_is_that_of_the_task_that_is_asked_about() -> None:
    root = Machine(XNU).root
    other = root.machine.booted(1)
    other.port()
    told = root.does(SPACE, task=other.seen_as)
    assert told["names"] == tuple(sorted(other.names))
    assert root.does(COUNT, task=other.seen_as) == len(other.names)


def watched(root: Actor, port: int, count: int) -> list[int]:
    """So many send-once rights to a port, each with a dead-name request."""
    names = [root.send_once(port, 100 + number) for number in range(count)]
    watch = root.port()
    for name in names:
        root.asks(name, 72, watch)
    return names


@pytest.mark.parametrize(("profile", "sizes"), [(GNUMACH, (0, 2, 4, 4, 8, 8, 8, 8, 16)), (XNU, (0, 2, 3, 4, 6, 6, 8, 8, 12))], ids=["gnumach", "xnu"])
def test_the_table_of_requests_grows_and_never_shrinks(profile: Profile, sizes: tuple[int, ...]) -> None:
    for count, size in enumerate(sizes):
        root = Machine(profile).root
        port = root.port()
        names = watched(root, port, count)
        assert root.does(REQUESTS, name=port) == {"total": size, "used": count}
        assert root.port_of(port).request_slots == size
        for name in names:
            root.does("mach_port_deallocate", name=name)
        assert root.does(REQUESTS, name=port) == {"total": size, "used": 0}
        watched(root, port, count)
        assert root.does(REQUESTS, name=port) == {"total": size, "used": count}


def test_another_right_for_the_same_name_takes_no_slot() -> None:
    root = Machine(GNUMACH).root
    port, watch = root.port_with_send(), root.port()
    for _ in range(2):
        root.asks(port, 72, watch)
    assert root.does(REQUESTS, name=port) == {"total": 2, "used": 1}
    root.does("mach_port_request_notification", name=port, variant=72, notify=0, notify_disposition=Disposition.MOVE_SEND_ONCE)
    assert root.does(REQUESTS, name=port) == {"total": 2, "used": 0}


def test_requests_fire_in_the_order_of_their_slots() -> None:
    """With slots 1, 2 and 3 of tables of 2, 3 and 4 slots; tables of 2 and 4 have slots 1, 3 and 2."""
    for grows, order in ((True, (0, 1, 2)), (False, (0, 2, 1))):
        root = Machine(msgspec.structs.replace(XNU, requests_grow_by_half=grows)).root
        port, watch = root.port(), root.port()
        names = [root.send_once(port, 100 + number) for number in range(3)]
        for name in names:
            root.asks(name, 72, watch)
        root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
        assert [name for _, name in root.mail(watch)] == [names[place] for place in order]


def test_the_sizes_of_tables() -> None:
    assert TABLE_SIZES[:11] == (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1536)
    assert TABLE_SIZES[22:25] == (7680, 8192, 9216)
    assert (len(TABLE_SIZES), TABLE_SIZES[-1]) == (63, 91136)
