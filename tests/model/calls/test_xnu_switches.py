"""The switches of the profile ``xnu``, one by one: calls on the reference kernel, judged by the specification.

Each story is told twice: the kernel of the profile must be agreed with, and a kernel that has the switch as the other
profiles have it must be found out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support.beside_oracle import Judged
from support.places import ROOT

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import (
    DEAD_NAME,
    MACH_EXCEPTION_CODES,
    NULL_NAME,
    Behaviour,
    Disposition,
    Notification,
    Place,
    PortObject,
    Right,
    SlotKind,
)
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GUARD_CALLS, MANUAL, PROFILES, Profile
from sendright.mach.kernel.profiles import XNU as WHOLE_XNU
from sendright.mach.signatures.details import DETAILS
from sendright.model.execution.oracle import Oracle
from sendright.model.language.rule import RULES
from sendright.model.proof.relevance import cases_of
from sendright.properties.runs.judged_run import Violated
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

LIMIT = 4
"""User references are pegged at so many."""
XNU = msgspec.structs.replace(WHOLE_XNU, urefs_max=LIMIT)
STAYS = msgspec.structs.replace(XNU, task_ports_stay=True)
"""A kernel whose tasks' ports are immovable for all programs."""
ANY_HOLDER = msgspec.structs.replace(XNU, host_priv_is_callers=False)
"""A kernel that takes the privileged host port from any task that has a right to it."""
COPY, MOVE, MOVE_ONCE, MAKE, MAKE_ONCE = (
    Disposition.COPY_SEND,
    Disposition.MOVE_SEND,
    Disposition.MOVE_SEND_ONCE,
    Disposition.MAKE_SEND,
    Disposition.MAKE_SEND_ONCE,
)
OTHER, LAST = 3, 4
"""The bootstrap task's names for the ports of task 1 and of task 2. No process is behind the last."""
NOTHING = 77
"""A name that is never used."""
SET, SWAP = "task_set_exception_ports", "task_swap_exception_ports"

Story = Callable[[Judged], None]
STORIES: list[tuple[str, Story]] = []


def story(switch: str) -> Callable[[Story], Story]:
    """The calls in which a switch makes a difference."""

    def tell(told: Story) -> Story:
        STORIES.append((switch, told))
        return told

    return tell


def sending(judged: Judged, urefs: int = 1) -> int:
    """A new port, with a send right beside its receive right."""
    name = judged.port()
    judged.does("mach_port_insert_right", name=name, poly=name, disposition=MAKE)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=urefs - 1)
    return name


def dead_name(judged: Judged, urefs: int = 1) -> int:
    name: int = judged.does("mach_port_allocate", right=Right.DEAD_NAME)
    judged.does("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=urefs - 1)
    return name


def urefs(judged: Judged, name: int) -> int:
    return judged.run.snapshot.tasks[0].names[name].urefs


def asks(judged: Judged, name: int, variant: Notification, notify: int, **arguments: Any) -> str:
    return judged.code("mach_port_request_notification", name=name, variant=variant, notify=notify, **arguments)


# ---- user references that are pegged


@story("pegged_urefs")
def send_references_reach_their_limit(judged: Judged) -> None:
    name = sending(judged, LIMIT - 1)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=LIMIT)
    assert urefs(judged, name) == LIMIT
    for delta in (-1, 1, 0, LIMIT, 1 - LIMIT):
        judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=delta)
        assert urefs(judged, name) == LIMIT
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=-LIMIT)
    assert judged.run.snapshot.tasks[0].names[name].kind is SlotKind.RECEIVE


@story("pegged_urefs")
def dead_references_reach_their_limit(judged: Judged) -> None:
    name = dead_name(judged, LIMIT)
    judged.does("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=-1)
    assert urefs(judged, name) == LIMIT
    judged.does("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=-LIMIT)
    assert name not in judged.run.snapshot.tasks[0].names


@story("pegged_urefs")
def deltas_that_no_name_can_have(judged: Judged) -> None:
    name, died = sending(judged), dead_name(judged)
    for delta in (-LIMIT - 1, LIMIT + 1):
        assert judged.code("mach_port_mod_refs", name=died, right=Right.SEND, delta=delta) == "KERN_INVALID_RIGHT"
        for pegged in (False, True):
            assert judged.code("mach_port_mod_refs", name=name, right=Right.SEND, delta=delta) == "KERN_INVALID_VALUE", pegged
            judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=LIMIT)
    assert judged.code("mach_port_mod_refs", name=died, right=Right.DEAD_NAME, delta=-2) == "KERN_INVALID_VALUE"


@story("pegged_urefs")
def deallocating_a_pegged_name(judged: Judged) -> None:
    for name in (dead_name(judged, LIMIT), sending(judged, LIMIT - 1)):
        judged.does("mach_port_deallocate", name=name)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=LIMIT)
    judged.does("mach_port_deallocate", name=name)
    assert urefs(judged, name) == LIMIT


@story("pegged_urefs")
def moving_out_of_a_pegged_name(judged: Judged) -> None:
    judged.does("mach_port_mod_refs", name=judged.me, right=Right.SEND, delta=LIMIT - 2)
    name = sending(judged, LIMIT - 1)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=1)
    judged.does("mach_msg_send", dest=name, dest_disposition=MOVE)
    assert urefs(judged, name) == LIMIT


@story("pegged_urefs")
def moving_twice_out_of_a_pegged_name(judged: Judged) -> None:
    for reply_disposition in (MOVE, COPY):
        name = sending(judged, LIMIT - 1)
        judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=1)
        judged.does("mach_msg_send", dest=name, dest_disposition=MOVE, reply=name, reply_disposition=reply_disposition)
        assert (urefs(judged, name), judged.run.snapshot.ports[port_of(judged, name)].send_rights) == (LIMIT, 3)


@story("pegged_urefs")
def moving_out_of_a_dead_name_that_is_pegged(judged: Judged) -> None:
    for disposition in (MOVE, MOVE_ONCE):
        name = dead_name(judged, LIMIT)
        assert judged.does("mach_port_extract_right", name=name, disposition=disposition)["poly"] == DEAD_NAME
        assert urefs(judged, name) == LIMIT


@story("pegged_urefs")
def one_reference_more_by_insert_right(judged: Judged) -> None:
    name = sending(judged, LIMIT - 1)
    for disposition in (MAKE, COPY, MOVE):
        judged.does("mach_port_insert_right", name=name, poly=name, disposition=disposition)
    judged.does("mach_port_insert_right", name=name, poly=name, disposition=MAKE)
    assert (urefs(judged, name), judged.run.snapshot.ports[port_of(judged, name)].send_rights) == (LIMIT, 1)


@story("pegged_urefs")
def one_reference_more_by_copying_out(judged: Judged) -> None:
    for _ in range(LIMIT):
        judged.does("mach_task_self")
    assert urefs(judged, judged.me) == LIMIT


@story("pegged_urefs")
def a_death_adds_no_reference_to_a_pegged_name(judged: Judged) -> None:
    told = judged.port()
    for so_many in (LIMIT - 2, LIMIT - 1):
        name = sending(judged, so_many)
        assert asks(judged, name, Notification.DEAD_NAME, told) == "KERN_SUCCESS"
        judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=1)
        judged.does("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1)
        assert urefs(judged, name) == LIMIT


def port_of(judged: Judged, name: int) -> int:
    port = judged.run.snapshot.tasks[0].names[name].port
    assert port is not None
    return port


@story("deallocate_destroys_set")
def deallocating_a_port_set(judged: Judged) -> None:
    member = judged.port()
    pset = judged.port_set(member)
    judged.does("mach_port_deallocate", name=pset)
    assert judged.run.snapshot.tasks[0].sets == {}
    assert judged.code("mach_port_deallocate", name=pset) == "KERN_INVALID_NAME"
    assert judged.code("mach_port_deallocate", name=member) == "KERN_INVALID_RIGHT"


# ---- rights to tasks' ports, which stay where they are


@story("task_ports_stay")
def a_task_port_is_no_reply(judged: Judged) -> None:
    for dest, disposition in ((sending(judged), MOVE), (sending(judged), COPY), (judged.me, COPY)):
        code = judged.code("mach_msg_send", dest=dest, dest_disposition=COPY, reply=judged.me, reply_disposition=disposition)
        assert code == "MACH_SEND_INVALID_REPLY"


@story("task_ports_stay")
def a_task_port_is_not_sent_to_a_user(judged: Judged) -> None:
    dest = sending(judged)
    for disposition in (COPY, MOVE):
        assert judged.code("mach_msg_send", dest=dest, dest_disposition=COPY, descriptors=((judged.me, disposition),)) == "MACH_SEND_INVALID_RIGHT"


@story("task_ports_stay")
def a_task_port_is_not_sent_among_others(judged: Judged) -> None:
    dest, other = sending(judged), sending(judged)
    array = (((other, judged.me), MOVE),)
    assert judged.code("mach_msg_send", dest=dest, dest_disposition=MAKE_ONCE, descriptors=array) == "MACH_SEND_INVALID_RIGHT"
    assert judged.run.snapshot.tasks[0].names[other].kind is SlotKind.RECEIVE


def test_a_task_port_goes_to_the_kernel() -> None:
    judged = Judged(STAYS)
    host, reply = 1, judged.port()
    for dest in (judged.me, host):
        given = {"dest": dest, "dest_disposition": COPY, "reply": reply, "reply_disposition": MAKE_ONCE}
        judged.does("mach_msg_send", **given, descriptors=((judged.me, COPY), ((judged.me, judged.me), COPY)))
    judged.does("mach_port_insert_right", name=judged.me, poly=judged.me, disposition=COPY)
    judged.run.finish()


@story("task_ports_stay")
def a_task_port_is_not_moved_out(judged: Judged) -> None:
    judged.does("mach_port_mod_refs", name=judged.me, right=Right.SEND, delta=1)
    assert judged.code("mach_port_extract_right", name=judged.me, disposition=MOVE) == "KERN_INVALID_CAPABILITY"


def test_a_task_copies_the_right_to_its_own_port() -> None:
    judged = Judged(STAYS)
    assert judged.does("mach_port_extract_right", name=judged.me, disposition=COPY)["poly"] == judged.me
    assert judged.code("mach_port_extract_right", name=judged.me, disposition=MOVE_ONCE) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_port_extract_right", name=NOTHING, disposition=MOVE) == "KERN_INVALID_NAME"


@story("task_ports_stay")
def a_task_port_is_not_copied_out_of_anothers_space(judged: Judged) -> None:
    judged.does("mach_port_insert_right", task=OTHER, name=12803, poly=4, disposition=COPY)
    assert judged.code("mach_port_extract_right", task=OTHER, name=12803, disposition=COPY) == "KERN_INVALID_CAPABILITY"


def test_who_holds_both_ports_passes_one_on() -> None:
    """And who has it makes calls on it."""
    judged = Judged(STAYS)
    judged.does("mach_port_insert_right", task=LAST, name=12803, poly=OTHER, disposition=MOVE)
    step = judged.run.step(2, Call("mach_port_allocate", {"task": 12803, "right": Right.DEAD_NAME}))
    assert (step.code, judged.run.snapshot.tasks[1].names[1].kind) == (0, SlotKind.DEAD_NAME)
    judged.does("task_terminate", task=LAST)
    judged.does("mach_port_allocate", right=Right.DEAD_NAME)
    judged.run.finish()


def test_a_dead_task_port_is_a_dead_right_like_any_other() -> None:
    judged = Judged(STAYS)
    dest = sending(judged)
    judged.does("task_terminate", task=LAST)
    judged.does("task_set_special_port", which=4, port=LAST)
    judged.does("mach_msg_send", dest=dest, dest_disposition=COPY, descriptors=((LAST, COPY),))
    judged.run.finish()


@story("task_ports_stay")
def a_task_port_is_in_no_special_place(judged: Judged) -> None:
    for which in (4, 9, 1, 99):
        assert judged.code("task_set_special_port", which=which, port=judged.me) == "KERN_INVALID_RIGHT"
    assert judged.code("task_set_special_port", task=1, which=4, port=judged.me) == "KERN_INVALID_ARGUMENT"


@story("task_ports_stay")
def a_task_port_is_not_registered(judged: Judged) -> None:
    other = sending(judged)
    for ports in ((judged.me, NULL_NAME, NULL_NAME), (other, DEAD_NAME, judged.me)):
        assert judged.code("mach_ports_register", ports=ports) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_ports_register", ports=(judged.me,)) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_ports_register", task=1, ports=(judged.me,) * 3) == "KERN_INVALID_ARGUMENT"


@story("task_ports_stay")
def exceptions_do_not_go_to_a_task_port(judged: Judged) -> None:
    assert judged.code(SET, exception_mask=1, new_port=judged.me, behavior=1, new_flavor=1) == "KERN_INVALID_ARGUMENT"
    assert judged.code(SET, exception_mask=2, new_port=judged.me, behavior=0, new_flavor=1) == "KERN_INVALID_ARGUMENT"
    for flavor in (99, 1):
        assert judged.code(SET, exception_mask=2, new_port=judged.me, behavior=1, new_flavor=flavor) == "KERN_INVALID_RIGHT"


@story("task_ports_stay")
def exceptions_are_not_swapped_for_a_task_port(judged: Judged) -> None:
    assert judged.code(SWAP, exception_mask=2, new_port=judged.me, behavior=1, new_flavor=1) == "KERN_INVALID_RIGHT"


@story("task_ports_stay")
def a_task_port_is_no_port_of_the_hosts(judged: Judged) -> None:
    assert judged.code("host_set_special_port", host_priv=1, which=7, port=judged.me) == "KERN_INVALID_ARGUMENT"
    assert judged.code("host_set_special_port", host_priv=2, which=8, port=judged.me) == "KERN_INVALID_ARGUMENT"
    assert judged.code("host_set_special_port", host_priv=1, which=8, port=judged.me) == "KERN_INVALID_RIGHT"


# ---- places


@story("protected_places")
def places_that_nobody_sets(judged: Judged) -> None:
    for which, code in {99: "KERN_INVALID_ARGUMENT", 12: "KERN_INVALID_ARGUMENT", 1: "KERN_NO_ACCESS", 2: "KERN_NO_ACCESS"}.items():
        assert judged.code("task_set_special_port", which=which, port=NULL_NAME) == code
    assert judged.code("task_set_special_port", task=1, which=1, port=NULL_NAME) == "KERN_INVALID_ARGUMENT"


@story("set_once_places")
def the_access_port_is_set_once(judged: Judged) -> None:
    name = sending(judged)
    for port in (NULL_NAME, DEAD_NAME, name):
        judged.does("task_set_special_port", which=9, port=port)
    assert judged.run.snapshot.tasks[0].places[Place.ACCESS].port == port_of(judged, name)
    assert judged.code("task_set_special_port", which=9, port=NULL_NAME) == "KERN_NO_ACCESS"
    assert judged.code("task_set_special_port", which=9, port=judged.me) == "KERN_NO_ACCESS"


def test_the_access_port_is_set_again_when_it_is_dead() -> None:
    judged = Judged(XNU)
    name, other = sending(judged), sending(judged)
    judged.does("task_set_special_port", which=9, port=name)
    judged.does("mach_port_destroy", name=name)
    judged.does("task_set_special_port", which=9, port=other)
    for which in (4, 10, 11):
        for port in (other, NULL_NAME):
            judged.does("task_set_special_port", which=which, port=port)
    judged.run.finish()


@story("register_counts_first")
def more_ports_than_places_are_refused_before_all_else(judged: Judged) -> None:
    name = sending(judged)
    for ports in ((), (name,), (name, NULL_NAME, DEAD_NAME)):
        judged.does("mach_ports_register", ports=ports)
        assert judged.does("mach_ports_lookup") == (*ports, NULL_NAME, NULL_NAME, NULL_NAME)[:3]
    assert judged.code("mach_ports_register", ports=(NOTHING,)) == "MACH_SEND_INVALID_RIGHT"
    for task in (NOTHING, 1, judged.me):
        for port in (name, NOTHING, judged.me):
            assert judged.code("mach_ports_register", task=task, ports=(port,) * 4) == "KERN_INVALID_ARGUMENT"


# ---- exceptions


@story("behaviours")
def behaviours_that_there_are(judged: Judged) -> None:
    port = sending(judged)
    known = [1, 2, 3, 5, *(MACH_EXCEPTION_CODES | behaviour for behaviour in Behaviour), 0x40000001, 0xE0000005]
    for behavior in known:
        judged.does(SET, exception_mask=2, new_port=port, behavior=behavior, new_flavor=0)
    for behavior in (0, 6, MACH_EXCEPTION_CODES, MACH_EXCEPTION_CODES | 6, 0x40000006):
        assert judged.code(SET, exception_mask=2, new_port=port, behavior=behavior, new_flavor=0) == "KERN_INVALID_ARGUMENT"
        judged.does(SET, exception_mask=2, new_port=NULL_NAME, behavior=behavior, new_flavor=0)


@story("codes_required")
def behaviours_that_need_codes(judged: Judged) -> None:
    for port in (sending(judged), NULL_NAME, DEAD_NAME):
        for behavior in (4, 0x40000004, 0x20000001, 0x60000005):
            given = {"exception_mask": 2, "new_port": port, "new_flavor": 0}
            for call in (SET, SWAP):
                assert judged.code(call, **given, behavior=behavior) == "KERN_INVALID_ARGUMENT"
            judged.does(SET, **given, behavior=behavior | MACH_EXCEPTION_CODES)
    assert judged.code(SET, exception_mask=2, new_port=judged.me, behavior=4, new_flavor=0) == "KERN_INVALID_ARGUMENT"


@story("lacks_arguments")
def all_groups_are_given(judged: Judged) -> None:
    for number in range(1, 4):
        judged.does(SET, exception_mask=1 << number, new_port=NULL_NAME, behavior=1, new_flavor=number)
    for count in (0, 1):
        assert judged.does("task_get_exception_ports", exception_mask=14, count=count)["masks"] == (2, 4, 8)
    assert judged.does(SWAP, exception_mask=14, new_port=NULL_NAME, behavior=1, new_flavor=1, count=0)["masks"] == (2, 4, 8)


# ---- names


@story("exception_types")
def there_are_thirteen_types_of_exceptions(judged: Judged) -> None:
    name, other = sending(judged), sending(judged)
    every = (1 << 14) - 2
    assert judged.code(SET, exception_mask=every + 1, new_port=name, behavior=1) == "KERN_INVALID_ARGUMENT"
    assert judged.code(SET, exception_mask=1 << 14, new_port=name, behavior=1) == "KERN_INVALID_ARGUMENT"
    judged.does(SET, exception_mask=1 << 10 | 1 << 13, new_port=name, behavior=1)
    judged.does(SET, exception_mask=1 << 12, new_port=other, behavior=2)
    assert judged.run.snapshot.tasks[0].places[Place.EXC_CRASH].port == port_of(judged, name)
    groups = judged.does("task_get_exception_ports", exception_mask=every)
    assert groups["masks"] == (every - (1 << 10 | 1 << 12 | 1 << 13), 1 << 10 | 1 << 13, 1 << 12)
    assert groups["ports"] == (NULL_NAME, name, other)
    assert judged.does(SWAP, exception_mask=1 << 12 | 1 << 13, new_port=NULL_NAME, behavior=0)["masks"] == (1 << 12, 1 << 13)
    judged.does("mach_port_destroy", name=name)
    assert judged.does("task_get_exception_ports", exception_mask=1 << 10)["ports"] == (DEAD_NAME,)


def test_all_ports_of_exceptions_end_with_their_task() -> None:
    judged = Judged(XNU)
    name = sending(judged)
    judged.does("mach_port_insert_right", task=LAST, name=12803, poly=name, disposition=COPY)
    judged.does(SET, task=LAST, exception_mask=(1 << 14) - 2, new_port=name, behavior=1)
    assert judged.run.snapshot.ports[port_of(judged, name)].send_rights == 15
    judged.does("task_terminate", task=LAST)
    assert judged.run.snapshot.ports[port_of(judged, name)].send_rights == 1
    judged.run.finish()


@story("dead_name_is_no_name")
def a_dead_name_has_no_object(judged: Judged) -> None:
    name, members = dead_name(judged), judged.port_set()
    for call, given in (
        ("mach_port_set_seqno", {"seqno": 1}),
        ("mach_port_get_attributes", {"flavor": 2}),
        ("mach_port_set_attributes", {"flavor": 1, "info": (1,)}),
        ("mach_port_get_set_status", {}),
        ("mach_port_guard", {"guard": 1}),
        ("mach_port_peek", {}),
    ):
        assert judged.code(call, name=name, **given) == "KERN_INVALID_NAME"
    for variant in (Notification.PORT_DESTROYED, Notification.NO_SENDERS):
        assert asks(judged, name, variant, NULL_NAME) == "KERN_INVALID_NAME"
    assert judged.code("mach_port_move_member", member=name, after=NULL_NAME) == "KERN_INVALID_NAME"
    for pset, code in ((members, "KERN_INVALID_RIGHT"), (NOTHING, "KERN_INVALID_NAME")):
        assert judged.code("mach_port_move_member", member=name, after=pset) == code
        assert judged.code("mach_port_insert_member", name=name, pset=pset) == code


@story("name_index_max")
def chosen_names_have_a_form(judged: Judged) -> None:
    highest, port = 256 * XNU.name_index_max + 0xFF, judged.port()
    codes = {
        highest + 4: "KERN_NO_SPACE",
        highest + 3: "KERN_NO_SPACE",
        256 * 9: "KERN_INVALID_VALUE",
        256 * 9 + 0xFD: "KERN_INVALID_VALUE",
        67: "KERN_FAILURE",
        highest: "KERN_SUCCESS",
        256 * 9 + 7: "KERN_SUCCESS",
        256 * 9 + 0xFF: "KERN_FAILURE",
    }
    for name, code in codes.items():
        assert judged.code("mach_port_allocate_name", right=Right.PORT_SET, name=name) == code
        assert judged.code("mach_port_allocate_name", right=Right.SEND, name=name) == "KERN_INVALID_VALUE"
        assert judged.code("mach_port_allocate_name", task=OTHER, right=Right.RECEIVE, name=name) in (code, "KERN_SUCCESS")
    for name, code in list(codes.items())[:5]:
        assert judged.code("mach_port_allocate_full", right=Right.RECEIVE, named=True, name=name) == code
        assert judged.code("mach_port_insert_right", name=name, poly=port, disposition=MAKE) == code
        assert judged.code("mach_port_insert_right", name=name, poly=NULL_NAME, disposition=MAKE) == "KERN_INVALID_NAME"
        assert judged.code("mach_port_insert_right", task=OTHER, name=name, poly=NULL_NAME, disposition=MAKE) == "KERN_INVALID_CAPABILITY"
        judged.does("mach_port_allocate_name", right=Right.DEAD_NAME, name=name)
    assert judged.code("mach_port_allocate_full", right=Right.RECEIVE, named=True, name=256 * 9 + 3) == "KERN_FAILURE"
    assert judged.code("mach_port_insert_right", name=256 * 9 + 3, poly=port, disposition=MAKE_ONCE) == "KERN_FAILURE"
    assert judged.code("mach_port_insert_right", name=256 * 9 + 7, poly=port, disposition=MAKE_ONCE) == "KERN_NAME_EXISTS"


@story("looks_up_both")
def both_names_are_looked_up_first(judged: Judged) -> None:
    members = judged.port_set()
    for call in ("mach_port_insert_member", "mach_port_extract_member"):
        assert judged.code(call, name=members, pset=NOTHING) == "KERN_INVALID_NAME"
    assert judged.code("mach_port_move_member", member=members, after=NOTHING) == "KERN_INVALID_NAME"


@story("wrapped_calls")
def wrappers_have_a_code_of_their_own(judged: Judged) -> None:
    assert judged.code("mach_port_get_set_status", task=1, name=NOTHING) == "KERN_INVALID_ARGUMENT"
    assert judged.code("mach_port_get_attributes", task=1, name=NOTHING, flavor=1) == "KERN_INVALID_ARGUMENT"


@story("reserved_before_space")
def a_reserved_name_comes_before_the_space(judged: Judged) -> None:
    for name, code in ((NULL_NAME, "KERN_INVALID_VALUE"), (DEAD_NAME, "KERN_INVALID_VALUE"), (NOTHING, "KERN_INVALID_TASK")):
        assert judged.code("mach_port_allocate_name", task=1, right=Right.RECEIVE, name=name) == code
    assert judged.code("mach_port_allocate_full", task=1, right=Right.RECEIVE, named=True, name=NULL_NAME) == "KERN_INVALID_TASK"


@story("right_number")
def there_is_one_more_kind_of_right(judged: Judged) -> None:
    assert judged.does("mach_port_get_refs", name=judged.port(), right=5) == 0
    assert judged.code("mach_port_mod_refs", name=judged.port(), right=5, delta=-1) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_port_mod_refs", name=NOTHING, right=5, delta=-1) == "KERN_INVALID_NAME"


@story("state_flavours")
def flavours_that_there_are(judged: Judged) -> None:
    for port in (sending(judged), NULL_NAME, DEAD_NAME):
        for flavor in (0, 17):
            judged.does(SET, exception_mask=2, new_port=port, behavior=1, new_flavor=flavor)
        for flavor in (26, -1):
            assert judged.code(SET, exception_mask=2, new_port=port, behavior=1, new_flavor=flavor) == "KERN_INVALID_ARGUMENT"
    assert judged.code(SWAP, exception_mask=2, new_port=NULL_NAME, behavior=1, new_flavor=26) == "KERN_INVALID_ARGUMENT"


@story("state_flavours")
def flavours_of_a_swap(judged: Judged) -> None:
    for flavor, code in ((17, "KERN_SUCCESS"), (26, "KERN_INVALID_ARGUMENT")):
        assert judged.code(SWAP, exception_mask=2, new_port=NULL_NAME, behavior=1, new_flavor=flavor, count=9) == code


# ---- requests


@story("port_destroyed_stays")
def a_request_for_a_receive_right_stays(judged: Judged) -> None:
    name, told, variant = judged.port(), judged.port(), Notification.PORT_DESTROYED
    assert judged.does("mach_port_request_notification", name=name, variant=variant, notify=NULL_NAME) == NULL_NAME
    assert judged.does("mach_port_request_notification", name=name, variant=variant, notify=told) == NULL_NAME
    assert asks(judged, name, variant, NULL_NAME, sync=1) == "KERN_INVALID_VALUE"
    for notify in (told, NULL_NAME):
        assert asks(judged, name, variant, notify) == "KERN_FAILURE"
    judged.does("mach_port_destroy", name=told)
    assert asks(judged, name, variant, NULL_NAME) == "KERN_FAILURE"


@story("sync_fires_dead_name")
def a_dead_name_tells_nobody(judged: Judged) -> None:
    told, name = judged.port(), dead_name(judged)
    for sync in (0, 1):
        assert asks(judged, name, Notification.DEAD_NAME, told, sync=sync) == "KERN_INVALID_ARGUMENT"
    assert urefs(judged, name) == 1


@story("cancels_nothing")
def cancelling_nothing_succeeds(judged: Judged) -> None:
    judged.does("mach_port_insert_right", name=10243, poly=judged.port(), disposition=MAKE_ONCE)
    for name in (judged.port(), sending(judged), 10243, judged.port_set(), dead_name(judged)):
        for sync in (0, 1):
            assert judged.does("mach_port_request_notification", name=name, variant=Notification.DEAD_NAME, notify=NULL_NAME, sync=sync) == NULL_NAME
    assert asks(judged, NOTHING, Notification.DEAD_NAME, NULL_NAME) == "KERN_INVALID_NAME"
    assert asks(judged, judged.port_set(), Notification.DEAD_NAME, judged.port()) == "KERN_INVALID_RIGHT"
    for variant in (Notification.NO_SENDERS, Notification.PORT_DESTROYED):
        assert asks(judged, judged.port_set(), variant, NULL_NAME) == "KERN_INVALID_RIGHT"


def test_cancelling_something_gives_it_back() -> None:
    judged = Judged(XNU)
    name, told = judged.port(), judged.port()
    assert asks(judged, name, Notification.DEAD_NAME, told) == "KERN_SUCCESS"
    previous = judged.does("mach_port_request_notification", name=name, variant=Notification.DEAD_NAME, notify=NULL_NAME)
    assert judged.run.snapshot.tasks[0].names[previous].kind is SlotKind.SEND_ONCE
    assert judged.run.snapshot.tasks[0].requests == {}
    judged.run.finish()


# ---- messages


@story("dead_reply_refused")
def a_dead_name_is_no_reply(judged: Judged) -> None:
    dest, reply = sending(judged), dead_name(judged)
    for disposition in (MOVE, COPY, MOVE_ONCE):
        given = {"dest": dest, "dest_disposition": COPY, "reply_disposition": disposition}
        judged.does("mach_msg_send", **given, reply=DEAD_NAME)
        assert judged.code("mach_msg_send", **given, reply=reply) == "MACH_SEND_INVALID_REPLY"
        assert judged.code("mach_msg_send", **given | {"dest": NOTHING}, reply=reply) == "MACH_SEND_INVALID_DEST"


@story("body_checked_first")
def descriptors_that_do_not_fit_lose_nothing(judged: Judged) -> None:
    dest = sending(judged)
    given = {"dest": dest, "dest_disposition": MOVE, "size": 36, "descriptors": ((dest, MAKE),)}
    assert judged.code("mach_msg_send", **given | {"size": 25}) == "MACH_SEND_MSG_TOO_SMALL"
    assert judged.code("mach_msg_send", **given | {"dest_disposition": 0}) == "MACH_SEND_MSG_TOO_SMALL"
    assert judged.code("mach_msg_send", **given | {"dest": NOTHING}) == "MACH_SEND_MSG_TOO_SMALL"
    assert judged.code("mach_msg_send", **given) == "MACH_SEND_MSG_TOO_SMALL"
    assert urefs(judged, dest) == 1
    judged.does("mach_msg_send", **given | {"size": 40})


@story("body_checked_first")
def copy_options_that_there_are_not_lose_nothing(judged: Judged) -> None:
    dest = sending(judged)
    judged.does("vm_allocate", address=3, anywhere=False)
    good, bad = (3, 0, False), (3, 2, False)
    given = {"dest": dest, "dest_disposition": MOVE}
    for descriptors in ((good, bad), (bad, (NOTHING, COPY))):
        assert judged.code("mach_msg_send", **given, descriptors=descriptors) == "MACH_SEND_INVALID_TYPE"
        assert judged.code("mach_msg_send", **given | {"dest": NULL_NAME}, descriptors=descriptors) == "MACH_SEND_INVALID_TYPE"
        assert judged.code("mach_msg_send", **given, descriptors=descriptors, size=28) == "MACH_SEND_MSG_TOO_SMALL"
    assert urefs(judged, dest) == 1
    judged.does("mach_msg_send", **given, descriptors=(good, good))


@story("destination_tested_first")
def what_the_destination_is_comes_before_the_reply(judged: Judged) -> None:
    name = sending(judged)
    for dest in (judged.port_set(), dead_name(judged)):
        for reply in (NOTHING, dest, name):
            for disposition in (COPY, MAKE_ONCE):
                given = {"dest": dest, "dest_disposition": COPY, "reply": reply, "reply_disposition": disposition}
                assert judged.code("mach_msg_send", **given) == "MACH_SEND_INVALID_DEST"
    for dispositions in ((COPY, MOVE_ONCE), (MOVE_ONCE, COPY), (MOVE_ONCE, MOVE_ONCE)):
        for both in (NOTHING, name):
            given = {"dest": both, "dest_disposition": dispositions[0], "reply": both, "reply_disposition": dispositions[1]}
            assert judged.code("mach_msg_send", **given) == "MACH_SEND_INVALID_DEST"
    assert judged.code("mach_msg_send", dest=name, dest_disposition=MOVE_ONCE, reply=NOTHING, reply_disposition=COPY) == "MACH_SEND_INVALID_REPLY"


@story("null_fits_any_disposition")
def null_and_dead_pass_with_any_disposition(judged: Judged) -> None:
    name = sending(judged)
    for disposition in (0, 15, 22, -1):
        for descriptor in ((NULL_NAME, disposition), (DEAD_NAME, disposition), ((), disposition), ((NULL_NAME, DEAD_NAME), disposition)):
            judged.send(name, descriptors=(descriptor,))
            [(_, form)] = judged.does("mach_msg_receive", port=name)["descriptors"]
            assert form == 0
        for descriptor in ((name, disposition), ((NULL_NAME, name), disposition), (NOTHING, disposition)):
            given = {"dest": name, "dest_disposition": MAKE_ONCE, "descriptors": (descriptor,)}
            assert judged.code("mach_msg_send", **given) == "MACH_SEND_INVALID_RIGHT"
            assert judged.does("mach_msg_receive", port=name)["id"] == Notification.SEND_ONCE


@story("lost_size_is_header")
def of_a_lost_message_a_bare_header_is_told(judged: Judged) -> None:
    name = sending(judged)
    for large, size in ((True, 28), (False, 24)):
        judged.send(name)
        assert judged.code("mach_msg_receive", port=name, limit=30, large=large) == "MACH_RCV_TOO_LARGE"
        assert judged.run.steps[-1].outputs == {"size": size}


@story("no_room_code")
def without_any_room_a_lost_message_is_invalid_data(judged: Judged) -> None:
    name = sending(judged)
    judged.send(name)
    assert judged.code("mach_msg_receive", port=name, limit=0, large=True) == "MACH_RCV_TOO_LARGE"
    assert judged.code("mach_msg_receive", port=name, limit=0) == "MACH_RCV_INVALID_DATA"
    assert judged.run.steps[-1].outputs == {}
    assert judged.code("mach_msg_receive", port=name) == "MACH_RCV_TIMED_OUT"
    judged.send(name)
    assert judged.code("mach_msg_receive", port=name, limit=1) == "MACH_RCV_TOO_LARGE"


@story("dead_receive_code")
def a_waiting_receiver_is_told_of_a_change(judged: Judged) -> None:
    held = 10243
    """What the other task calls the port of this one."""
    judged.does("mach_port_insert_right", task=OTHER, name=held, poly=judged.me, disposition=COPY)
    for name in (judged.port(), judged.port_set()):
        assert judged.run.step(0, judged.call("mach_msg_receive", port=name, wait=True)).code == ReturnCode.MACH_RCV_IN_PROGRESS
        assert judged.run.step(1, Call("mach_port_destroy", {"task": held, "name": name})).code == ReturnCode.KERN_SUCCESS
        resumed = judged.run.step(0, Call("mach_msg_receive", {}, resume=True))
        assert resumed.code == ReturnCode.MACH_RCV_PORT_CHANGED


@story("trailer_elements")
def trailers_are_long(judged: Judged) -> None:
    name = sending(judged)
    for elements, size in {0: 8, 3: 52, 4: 60, 7: 68, 5: 68, 15: 68}.items():
        judged.send(name)
        assert judged.does("mach_msg_receive", port=name, trailer=elements)["trailer_size"] == size
    judged.send(name)
    assert judged.code("mach_msg_receive", port=name, trailer=7, limit=28 + 67, large=True) == "MACH_RCV_TOO_LARGE"
    judged.does("mach_msg_receive", port=name, trailer=7, limit=28 + 68)


# ---- attributes, and the host's ports


@story("set_membership_is_flag")
def whether_a_port_is_in_sets_is_told(judged: Judged) -> None:
    name = judged.port()
    assert judged.does("mach_port_get_attributes", name=name, flavor=2)[0] == 0
    for _ in range(2):
        judged.does("mach_port_insert_member", name=name, pset=judged.port_set())
        assert judged.does("mach_port_get_attributes", name=name, flavor=2)[0] == 1


@story("queue_limit_max")
def queues_are_large(judged: Judged) -> None:
    for limit, code in ((1024, "KERN_SUCCESS"), (1025, "KERN_INVALID_VALUE")):
        assert judged.code("mach_port_set_attributes", name=judged.port(), flavor=1, info=(limit,)) == code


@story("host_special_ports")
def the_host_has_many_ports(judged: Judged) -> None:
    name = sending(judged)
    judged.does("host_set_special_port", host_priv=1, which=35, port=name)
    assert judged.does("host_get_special_port", host_priv=1, which=35) == name
    assert judged.code("host_get_special_port", host_priv=1, which=36) == "KERN_INVALID_ARGUMENT"
    assert judged.code("host_set_special_port", host_priv=1, which=36, port=name) == "KERN_INVALID_ARGUMENT"


@story("host_priv_is_callers")
def the_privileged_port_is_the_callers_own(judged: Judged) -> None:
    judged.does("mach_port_insert_right", task=OTHER, name=12803, poly=1, disposition=COPY)
    for call in ("host_get_special_port", "host_set_special_port"):
        arguments = {"host_priv": 12803, "which": 8} | ({"port": NULL_NAME} if "set" in call else {})
        assert judged.run.step(1, Call(call, arguments)).code == ReturnCode.KERN_INVALID_ARGUMENT
    assert judged.does("mach_host_self") == 1
    judged.does("host_get_special_port", host_priv=1, which=8)


@story("only_init_sets_host_ports")
def only_the_first_task_sets_ports_of_the_host(judged: Judged) -> None:
    judged.does("mach_port_insert_right", task=OTHER, name=12803, poly=1, disposition=COPY)
    judged.does("host_set_special_port", host_priv=1, which=8, port=1)

    def other(which: int, port: int = NULL_NAME, host_priv: int = 12803) -> int:
        return judged.run.step(1, Call("host_set_special_port", {"host_priv": host_priv, "which": which, "port": port})).code

    assert other(7) == other(36) == ReturnCode.KERN_INVALID_ARGUMENT
    assert other(8, port=NOTHING) == ReturnCode.MACH_SEND_INVALID_RIGHT
    assert judged.run.step(1, Call("host_get_special_port", {"host_priv": 12803, "which": 2})).code == ReturnCode.KERN_SUCCESS
    for port in (NULL_NAME, DEAD_NAME, 12803):
        assert other(8, port=port) == ReturnCode.KERN_NO_ACCESS


def test_an_immovable_port_is_refused_before_the_caller() -> None:
    judged = Judged(msgspec.structs.replace(STAYS, host_priv_is_callers=False))
    judged.does("mach_port_insert_right", task=OTHER, name=12803, poly=1, disposition=COPY)
    own = judged.run.step(1, Call("mach_task_self", {})).outputs["port"]
    for port, code in ((own, ReturnCode.KERN_INVALID_RIGHT), (12803, ReturnCode.KERN_NO_ACCESS)):
        step = judged.run.step(1, Call("host_set_special_port", {"host_priv": 12803, "which": 8, "port": port}))
        assert step.code == code
    judged.run.finish()


@story("processes")
def processes_are_behind_the_first_two_tasks(judged: Judged) -> None:
    assert judged.code("task_terminate", task=OTHER) == "KERN_FAILURE"
    assert judged.code("task_terminate", task=NULL_NAME) == "MACH_SEND_INVALID_DEST"
    assert judged.code("task_terminate", task=1) == "KERN_INVALID_ARGUMENT"
    assert judged.code("task_terminate") == "KERN_FAILURE"


def test_no_process_is_behind_the_last_task() -> None:
    """The first task's port in another task's hands is as good."""
    judged = Judged(XNU)
    judged.does("mach_port_insert_right", task=OTHER, name=12803, poly=judged.me, disposition=COPY)
    step = judged.run.step(1, Call("task_terminate", {"task": 12803}))
    assert step.code == ReturnCode.KERN_FAILURE
    judged.does("task_terminate", task=LAST)
    judged.run.finish()


# ---- a task's further ports

GET, NAME_PORT, INSPECT_PORT, READ_PORT = "task_get_special_port", 3, 5, 6


@story("flavour_ports")
def a_task_has_further_ports(judged: Judged) -> None:
    for which, kind in XNU.flavour_ports.items():
        name = judged.does(GET, task=LAST, which=which)
        port = judged.run.snapshot.ports[port_of(judged, name)]
        assert (port.object, port.task, port.send_rights, port.make_send_count) == (kind, 2, 1, 1)
        assert judged.does(GET, task=LAST, which=which) == name
        assert judged.run.snapshot.ports[port_of(judged, name)].make_send_count == 2
        judged.does("mach_port_destroy", name=name)
        again = judged.does(GET, task=LAST, which=which)
        port = judged.run.snapshot.ports[port_of(judged, again)]
        assert (port.send_rights, port.make_send_count) == (1, 3)
        assert judged.code("task_set_special_port", task=LAST, which=which, port=NULL_NAME) == "KERN_INVALID_ARGUMENT"


@story("flavour_ports")
def a_weaker_port_gives_only_what_is_as_weak(judged: Judged) -> None:
    reached = {NAME_PORT: (), INSPECT_PORT: (NAME_PORT, INSPECT_PORT), READ_PORT: (NAME_PORT, INSPECT_PORT, READ_PORT)}
    for which, given in reached.items():
        target = judged.does(GET, task=LAST, which=which)
        for selector in (1, 2, NAME_PORT, 4, INSPECT_PORT, READ_PORT, 9, 99):
            refused = "KERN_INVALID_ARGUMENT" if which == NAME_PORT else "KERN_INVALID_CAPABILITY"
            assert judged.code(GET, task=target, which=selector) == ("KERN_SUCCESS" if selector in given else refused)


@story("flavour_ports")
def what_each_port_will_do_for(judged: Judged) -> None:
    for which, is_enough in ((NAME_PORT, False), (INSPECT_PORT, False), (READ_PORT, True)):
        target = judged.does(GET, task=LAST, which=which)
        for call in ("task_suspend", "task_resume"):
            assert judged.code(call, task=target) == ("KERN_SUCCESS" if is_enough else "KERN_INVALID_ARGUMENT")
        assert judged.code("mach_port_get_set_status", task=target, name=1) == ("KERN_INVALID_NAME" if is_enough else "KERN_INVALID_ARGUMENT")
        assert judged.code("mach_port_get_refs", task=target, name=1, right=0) == "KERN_INVALID_TASK"
        assert judged.code("task_terminate", task=target) == "KERN_INVALID_ARGUMENT"
        assert judged.code("task_info", task=target, flavor=13) == "KERN_SUCCESS"


@story("flavours_that_stay")
def rights_to_the_stronger_ports_are_immovable(judged: Judged) -> None:
    queue = sending(judged)
    for which in (INSPECT_PORT, READ_PORT):
        name = judged.does(GET, task=LAST, which=which)
        assert judged.code("mach_msg_send", dest=queue, dest_disposition=COPY, descriptors=((name, COPY),)) == "MACH_SEND_INVALID_RIGHT"
        assert judged.code(SET, exception_mask=2, new_port=name, behavior=1) == "KERN_INVALID_RIGHT"
    name = judged.does(GET, task=LAST, which=NAME_PORT)
    judged.does("mach_msg_send", dest=queue, dest_disposition=COPY, descriptors=((name, COPY),))


def test_a_tasks_ports_end_in_their_order() -> None:
    judged = Judged(XNU)
    watch = judged.port()
    names = {which: judged.does(GET, task=LAST, which=which) for which in XNU.flavour_ports} | {1: LAST}
    for name in names.values():
        judged.does("mach_port_request_notification", name=name, variant=Notification.DEAD_NAME, notify=watch, notify_disposition=MAKE_ONCE)
    judged.does("task_terminate", task=LAST)
    told = [message.data for message in judged.run.snapshot.ports[port_of(judged, watch)].queue]
    assert told == [names[which] for which in (READ_PORT, 1, NAME_PORT, INSPECT_PORT)]
    judged.run.finish()


# ---- the rights that hold suspensions


@story("resume_ports")
def a_suspender_gets_a_right(judged: Judged) -> None:
    judged.does("task_suspend", task=LAST)
    [name] = judged.run.snapshot.tasks[0].names.keys() - {1, 2, OTHER, LAST, judged.me}
    port = judged.run.snapshot.ports[port_of(judged, name)]
    assert (port.object, port.task, port.send_rights, port.make_send_count) == (PortObject.TASK_RESUME, 2, 1, 1)


# ---- answers of the kernel's that find no room


def full_reply_port(judged: Judged) -> int:
    """A send right to a port whose queue is full."""
    name = sending(judged)
    judged.does("mach_port_set_attributes", name=name, flavor=1, info=(1,))
    judged.does("mach_msg_send", dest=name, dest_disposition=COPY)
    return name


def asks_the_host(judged: Judged, reply: int, *, wait: bool, by: int = COPY, task: int = 0) -> str:
    host = judged.run.step(task, Call("mach_host_self", {})).outputs["port"]
    call = Call("mach_msg_send", {"dest": host, "dest_disposition": COPY, "reply": reply, "reply_disposition": by, "wait": wait})
    return ReturnCode(judged.run.step(task, call).code).name


@story("kernel_reply_needs_room")
def an_answer_without_room_is_lost_with_its_right(judged: Judged) -> None:
    name = full_reply_port(judged)
    assert asks_the_host(judged, name, wait=False) == "KERN_SUCCESS"
    port = judged.run.snapshot.ports[port_of(judged, name)]
    assert (len(port.queue), port.send_rights, port.lost_send_rights) == (1, 3, 1)
    assert asks_the_host(judged, name, wait=False, by=MAKE_ONCE) == "KERN_SUCCESS"
    assert len(judged.run.snapshot.ports[port_of(judged, name)].queue) == 2


@story("kernel_reply_needs_room")
def an_answer_waits_for_room(judged: Judged) -> None:
    name = full_reply_port(judged)
    assert asks_the_host(judged, name, wait=True) == "MACH_SEND_IN_PROGRESS"
    assert judged.run.step(0, Call("mach_msg_send", {}, resume=True)).code == ReturnCode.MACH_SEND_IN_PROGRESS


@story("kernel_reply_needs_room")
def an_answer_that_waits_is_lost_with_its_task(judged: Judged) -> None:
    name = full_reply_port(judged)
    judged.does("mach_port_insert_right", task=LAST, name=12803, poly=name, disposition=COPY)
    assert asks_the_host(judged, 12803, wait=True, task=2) == "MACH_SEND_IN_PROGRESS"
    judged.does("task_terminate", task=LAST)
    port = judged.run.snapshot.ports[port_of(judged, name)]
    assert (len(port.queue), port.send_rights, port.lost_send_rights) == (1, 3, 1)


def test_a_send_right_that_is_lost_stays_counted_when_its_task_ends() -> None:
    """So the port is never without senders."""
    judged = Judged(XNU)
    name, watch = full_reply_port(judged), judged.port()
    judged.does("mach_port_insert_right", task=LAST, name=12803, poly=name, disposition=COPY)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=-1)
    judged.does("mach_msg_receive", port=name)
    judged.does("mach_port_set_attributes", name=name, flavor=1, info=(0,))
    assert asks(judged, name, Notification.NO_SENDERS, watch, sync=0, notify_disposition=MAKE_ONCE) == "KERN_SUCCESS"
    assert asks_the_host(judged, 12803, wait=True, task=2) == "MACH_SEND_IN_PROGRESS"
    judged.does("task_terminate", task=LAST)
    port = judged.run.snapshot.ports[port_of(judged, name)]
    assert (port.send_rights, port.lost_send_rights) == (1, 1)
    assert judged.code("mach_msg_receive", port=watch) == "MACH_RCV_TIMED_OUT"
    judged.run.finish()


def test_an_answer_that_has_room_is_queued_when_its_task_ends() -> None:
    judged = Judged(XNU)
    name = full_reply_port(judged)
    judged.does("mach_port_insert_right", task=LAST, name=12803, poly=name, disposition=COPY)
    assert asks_the_host(judged, 12803, wait=True, task=2) == "MACH_SEND_IN_PROGRESS"
    judged.does("mach_msg_receive", port=name)
    judged.does("task_terminate", task=LAST)
    assert judged.does("mach_msg_receive", port=name)["data"] == ReturnCode.MIG_BAD_ID
    judged.run.finish()


@story("send_possible")
def a_task_hears_when_it_can_send(judged: Judged) -> None:
    watch = judged.port()
    for name in (sending(judged), full_reply_port(judged)):
        assert asks(judged, name, Notification.SEND_POSSIBLE, watch, sync=1, notify_disposition=MAKE_ONCE) == "KERN_SUCCESS"
    judged.does("mach_msg_receive", port=name)
    assert [message.id for message in judged.run.snapshot.ports[port_of(judged, watch)].queue] == [Notification.SEND_POSSIBLE] * 2


@story("exception_groups_by_port")
def types_whose_port_died_are_told_apart_by_it(judged: Judged) -> None:
    for mask in (2 | 8, 4):
        name = sending(judged)
        judged.does(SET, exception_mask=mask, new_port=name, behavior=1)
        judged.does("mach_port_destroy", name=name)
    judged.does(SET, exception_mask=16 | 32, new_port=DEAD_NAME, behavior=1)
    assert judged.does("task_get_exception_ports", exception_mask=62)["masks"] == (2 | 8, 4, 16 | 32)
    assert judged.does(SWAP, exception_mask=62, new_port=NULL_NAME, behavior=1)["masks"] == (2 | 16 | 32, 4, 8)


@story("lacks")
def what_there_is_not(judged: Judged) -> None:
    for call in sorted(XNU.lacks):
        assert judged.code(call) == "MIG_BAD_ID"


@story("reserved_names_pass")
def reserved_names(judged: Judged) -> None:
    """(And before a delta that no name can have is looked at.)"""
    for name in (NULL_NAME, DEAD_NAME):
        judged.does("mach_port_deallocate", name=name)
        for delta in (-1, LIMIT + 1):
            judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=delta)
        assert judged.code("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=LIMIT + 1) == "KERN_INVALID_NAME"
        assert asks(judged, name, Notification.DEAD_NAME, NULL_NAME) == "KERN_INVALID_ARGUMENT"
        assert asks(judged, name, Notification.PORT_DESTROYED, NULL_NAME) == "KERN_INVALID_RIGHT"


# ---- the two tests of each story


class Other(ReferenceKernel):
    """A kernel that differs from the profile for which it is booted in one switch."""

    def __init__(self, switch: str) -> None:
        super().__init__()
        self.switch = switch

    def boot(self, profile: Profile) -> None:
        super().boot(msgspec.structs.replace(profile, **{self.switch: getattr(MANUAL, self.switch)}))


def kernel_of(switch: str) -> Profile:
    """The profile with the switch: most are in ``xnu``."""
    return {"task_ports_stay": STAYS, "only_init_sets_host_ports": ANY_HOLDER}.get(switch, XNU)


told = pytest.mark.parametrize(("switch", "story"), STORIES, ids=[f"{switch}: {each.__name__}" for switch, each in STORIES])


@told
def test_the_specification_agrees(switch: str, story: Story) -> None:
    judged = Judged(kernel_of(switch))
    story(judged)
    judged.run.finish()


@told
def test_a_kernel_without_the_switch_is_found_out(switch: str, story: Story) -> None:
    profile = kernel_of(switch)
    assert getattr(profile, switch) != getattr(MANUAL, switch)
    with pytest.raises(Violated):
        story(Judged(profile, Other(switch)))


def cases_in(profile: Profile) -> set[str]:
    return {f"{rule}/{case.id}" for rule in RULES for case in cases_of(rule, profile)}


@pytest.mark.heavy
def test_the_stories_go_through_every_case_of_the_switches() -> None:
    """Those that only this profile has, but for what guards and further flavours add, and calls with tests of their own
    (``test_details.py``). The scripts on xnu are stories too."""
    elsewhere = GUARD_CALLS | {each.name for each in DETAILS}
    plain = {"lacks": XNU.lacks | elsewhere, "attributes_told": MANUAL.attributes_told, "attributes_set": MANUAL.attributes_set}
    told = set().union(*[cases_in(msgspec.structs.replace(profile, **plain)) for profile in (XNU, STAYS)])
    told -= set().union(*[cases_in(profile) for profile in PROFILES.values() if profile.name != XNU.name])
    told -= {case for case in told if case.partition("/")[0] in elsewhere}
    assert len(told) > 20
    for switch, each in STORIES:
        judged = Judged(kernel_of(switch))
        each(judged)
        told -= {case for step in judged.run.steps for case in step.cases}
    scripts = [load_script(path) for path in sorted((ROOT / "tests" / "scripts").glob("xnu_*.json"))]
    assert scripts
    for case in replay(scripts, ReferenceKernel, Oracle).cases:
        assert case.trace is not None
        told -= {name for step in case.trace.steps for name in step.cases}
    assert told == set()
