"""The rules of the port-name calls, beside the reference kernel: port sets, attributes, renaming, allocation, receiving
from sets.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.beside_oracle import Judged

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, Disposition, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.oracle import broken_invariants

LIMITS, STATUS = 1, 2
"""Flavours of attributes."""


@pytest.fixture(params=PROFILES.values(), ids=PROFILES)
def judged(request: pytest.FixtureRequest) -> Judged:
    return Judged(request.param)


RENAMING = {name: profile for name, profile in PROFILES.items() if profile.serves("mach_port_rename")}


@pytest.fixture(params=RENAMING.values(), ids=RENAMING)
def renaming(request: pytest.FixtureRequest) -> Judged:
    """In the profiles in which names can be changed."""
    return Judged(request.param)


@pytest.fixture
def manual() -> Judged:
    return Judged(MANUAL)


# ---- receiving


def test_a_set_receives_from_any_member(judged: Judged) -> None:
    one, other = judged.port(), judged.port()
    pset = judged.port_set(one, other)
    assert judged.code("mach_msg_receive", port=pset) == "MACH_RCV_TIMED_OUT"
    judged.send(other, id=7)
    received = judged.does("mach_msg_receive", port=pset)
    assert (received["local"], received["id"]) == (other, 7)
    judged.run.finish()


def test_which_member_is_the_kernels_choice(manual: Judged) -> None:
    """The reference kernel takes one; the other one would do as well."""
    one, other = manual.port(), manual.port()
    empty = manual.port()
    pset = manual.port_set(one, other, empty)
    for member in (one, other):
        manual.send(member, id=member)
    taken = manual.kernel.call(0, manual.call("mach_msg_receive", port=pset)).outputs
    untaken = one if taken["local"] == other else other
    for local, agreed in ((empty, False), (pset, False), (77, False), (untaken, True)):
        assert manual.would("mach_msg_receive", {**taken, "local": local, "id": local}, port=pset).agreed is agreed


def test_a_member_answers_for_its_own_message(manual: Judged) -> None:
    one, other = manual.port(), manual.port()
    pset = manual.port_set(one, other)
    for member in (one, other):
        manual.send(member, id=member)
    taken = manual.kernel.call(0, manual.call("mach_msg_receive", port=pset)).outputs
    swapped = {**taken, "local": one if taken["local"] == other else other}
    judgement = manual.would("mach_msg_receive", swapped, port=pset)
    assert judgement.words == f"result id: expected {swapped['local']}, seen {taken['id']}"


def test_a_set_with_messages_is_not_empty(manual: Judged) -> None:
    member = manual.port()
    pset = manual.port_set(member)
    manual.send(member)
    judgement = manual.would("mach_msg_receive", code=ReturnCode.MACH_RCV_TIMED_OUT, port=pset)
    assert judgement.clause == "mach_msg_receive: take/CONTINUES/the oldest message"


def test_a_member_received_from_directly(judged: Judged) -> None:
    member = judged.port()
    judged.port_set(member)
    judged.send(member)
    expected = "KERN_SUCCESS" if judged.profile.many_sets else "MACH_RCV_IN_SET"
    assert judged.code("mach_msg_receive", port=member) == expected


# ---- membership


def test_a_member_moves_and_leaves(judged: Judged) -> None:
    member = judged.port()
    one, other = judged.port_set(member), judged.port_set()
    judged.does("mach_port_move_member", member=member, after=other)
    assert (judged.members(one), judged.members(other)) == ((), (member,))
    judged.does("mach_port_move_member", member=member, after=0)
    assert judged.code("mach_port_move_member", member=member, after=0) == judged.profile.null_move_code.name
    dead = "KERN_INVALID_RIGHT" if judged.profile.reserved_names_pass else "KERN_INVALID_NAME"
    assert judged.code("mach_port_move_member", member=member, after=DEAD_NAME) == dead
    judged.run.finish()


def test_many_sets(manual: Judged) -> None:
    member = manual.port()
    one, other = manual.port_set(member), manual.port_set()
    manual.does("mach_port_insert_member", name=member, pset=other)
    assert manual.code("mach_port_insert_member", name=member, pset=other) == "KERN_ALREADY_IN_SET"
    assert (manual.members(one), manual.members(other)) == ((member,), (member,))
    manual.does("mach_port_extract_member", name=member, pset=one)
    assert manual.code("mach_port_extract_member", name=member, pset=one) == "KERN_NOT_IN_SET"
    manual.run.finish()


def test_a_member_that_is_left_out_of_the_list(manual: Judged) -> None:
    members = (manual.port(), manual.port())
    pset = manual.port_set(*members)
    judgement = manual.would("mach_port_get_set_status", {"members": members[:1]}, name=pset)
    assert judgement.words == f"result members: expected {members}, seen {members[:1]}"


@pytest.mark.parametrize("way", ["destroyed", "mod_refs", "sent", "extracted", "set destroyed", "set mod_refs"])
def test_what_empties_a_set(judged: Judged, way: str) -> None:
    member, keeper = judged.port(), judged.port()
    pset = judged.port_set(member, keeper)
    match way:
        case "destroyed":
            judged.does("mach_port_destroy", name=member)
        case "mod_refs":
            judged.does("mach_port_mod_refs", name=member, right=Right.RECEIVE, delta=-1)
        case "sent":
            judged.send(keeper, descriptors=((member, Disposition.MOVE_RECEIVE),))
        case "extracted":
            judged.does("mach_port_extract_right", name=member, disposition=Disposition.MOVE_RECEIVE)
        case "set destroyed":
            judged.does("mach_port_destroy", name=pset)
        case "set mod_refs":
            judged.does("mach_port_mod_refs", name=pset, right=Right.PORT_SET, delta=-1)
    left = () if "set" in way else (keeper,)
    assert judged.run.snapshot.tasks[0].sets.get(pset, ()) == left
    judged.run.finish()


# ---- renaming


def test_a_set_is_renamed_with_its_members(renaming: Judged) -> None:
    member = renaming.port()
    pset = renaming.port_set(member)
    renaming.does("mach_port_rename", old_name=pset, new_name=50)
    renaming.does("mach_port_rename", old_name=member, new_name=60)
    assert renaming.members(50) == (60,)
    assert renaming.code("mach_port_get_set_status", name=pset) == "KERN_INVALID_NAME"
    renaming.run.finish()


def test_a_renamed_right_is_found_again(renaming: Judged) -> None:
    port = renaming.port()
    renaming.does("mach_port_rename", old_name=port, new_name=60)
    renaming.does("mach_port_insert_right", name=60, poly=60, disposition=Disposition.MAKE_SEND)
    renaming.send(60)
    assert renaming.does("mach_msg_receive", port=60)["local"] == 60
    renaming.does("mach_port_rename", old_name=renaming.me, new_name=70)
    renaming.me = 70
    assert renaming.does("mach_task_self") == 70
    renaming.run.finish()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (0, 50, "KERN_INVALID_NAME"),
        ("me", DEAD_NAME, "KERN_INVALID_VALUE"),
        ("me", "me", "KERN_NAME_EXISTS"),
        (77, "me", "KERN_NAME_EXISTS"),
        (77, 50, "KERN_INVALID_NAME"),
    ],
)
def test_names_that_cannot_be_changed(manual: Judged, old: Any, new: Any, code: str) -> None:
    old, new = (manual.me if name == "me" else name for name in (old, new))
    assert manual.code("mach_port_rename", old_name=old, new_name=new) == code


# ---- attributes


def test_attributes(judged: Judged) -> None:
    port = judged.port()
    judged.does("mach_port_set_attributes", name=port, flavor=LIMITS, info=(3,))
    judged.does("mach_port_set_mscount", name=port, mscount=9)
    judged.does("mach_port_set_seqno", name=port, seqno=8)
    judged.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    judged.send(port)
    one = judged.port_set(port)
    sets = 1 if judged.profile.many_sets else one
    assert tuple(judged.does("mach_port_get_attributes", name=port, flavor=STATUS)) == (sets, 8, 10, 3, 1, 1, 1, 0, 0, 0)
    assert tuple(judged.does("mach_port_get_attributes", name=port, flavor=LIMITS, count=1)) == (3,)
    judged.does("mach_port_move_member", member=port, after=0)
    assert judged.does("mach_msg_receive", port=port)["sequence_number"] == 8
    judged.run.finish()


def test_every_word_of_the_status_is_looked_at(manual: Judged) -> None:
    port = manual.port()
    right = (0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    for index in range(len(right)):
        wrong = (*right[:index], right[index] + 1, *right[index + 1 :])
        assert not manual.would("mach_port_get_attributes", {"info": wrong}, name=port, flavor=STATUS).agreed
    assert manual.would("mach_port_get_attributes", {"info": right}, name=port, flavor=STATUS).agreed


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"flavor": STATUS, "info": (1,)}, "KERN_INVALID_ARGUMENT"),
        ({"flavor": LIMITS, "info": ()}, "KERN_FAILURE"),
        ({"flavor": LIMITS, "info": (-1,)}, "KERN_INVALID_VALUE"),
        ({"flavor": LIMITS, "info": (1025,)}, "KERN_INVALID_VALUE"),
        ({"flavor": LIMITS, "info": (1,), "name": 77}, "KERN_INVALID_NAME"),
        ({"flavor": LIMITS, "info": (1,), "name": 1}, "KERN_INVALID_RIGHT"),
        ({"flavor": LIMITS, "info": (16,)}, "KERN_SUCCESS"),
    ],
)
def test_queue_limits_that_can_be_set(judged: Judged, arguments: dict[str, Any], code: str) -> None:
    assert judged.code("mach_port_set_attributes", **{"name": judged.port(), **arguments}) == code


def test_the_highest_queue_limit(judged: Judged) -> None:
    port, highest = judged.port(), judged.profile.queue_limit_max
    assert judged.code("mach_port_set_attributes", name=port, flavor=LIMITS, info=(highest,)) == "KERN_SUCCESS"
    assert judged.code("mach_port_set_attributes", name=port, flavor=LIMITS, info=(highest + 1,)) == "KERN_INVALID_VALUE"


# ---- allocation


def test_allocation_under_a_name(judged: Judged) -> None:
    name, other = judged.profile.chosen_name(50), judged.profile.chosen_name(60)
    assert judged.does("mach_port_allocate_name", right=Right.RECEIVE, name=name) == name
    assert judged.code("mach_port_allocate_name", right=Right.PORT_SET, name=name) == "KERN_NAME_EXISTS"
    assert judged.code("mach_port_allocate_name", right=Right.SEND, name=name) == "KERN_INVALID_VALUE"
    assert judged.code("mach_port_allocate_name", right=Right.PORT_SET, name=0) == "KERN_INVALID_VALUE"
    assert judged.code("mach_port_allocate_name", right=Right.PORT_SET, name=other, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    judged.run.finish()


@pytest.mark.parametrize(("profile", "takes"), [(MANUAL, True), (OSF, False), (XNU_792, False), (GNUMACH, True), (XNU, False)], ids=PROFILES)
def test_a_dead_name_under_a_name(profile: Profile, takes: bool) -> None:
    judged = Judged(profile)
    assert (judged.does("mach_port_allocate_name", right=Right.DEAD_NAME, name=50) == 50) is takes
    again = judged.code("mach_port_allocate_name", right=Right.DEAD_NAME, name=50)
    assert again == ("KERN_NAME_EXISTS" if takes else "KERN_SUCCESS")


def test_a_name_that_was_not_asked_for(manual: Judged) -> None:
    judgement = manual.would("mach_port_allocate_name", {"name": 51}, right=Right.DEAD_NAME, name=50)
    assert judgement.words == "result name: expected 50, seen 51"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"proto": 1}, "KERN_INVALID_VALUE"),
        ({"proto": DEAD_NAME}, "KERN_INVALID_VALUE"),
        ({"proto": 77}, "MACH_SEND_INVALID_RIGHT"),
        ({"named": True}, "KERN_INVALID_VALUE"),
        ({"named": True, "name": 1}, "KERN_NAME_EXISTS"),
        ({"prealloc": True, "right": Right.PORT_SET}, "KERN_INVALID_VALUE"),
        ({"prealloc": True, "named": True, "name": 50}, "KERN_SUCCESS"),
        ({"name": 1}, "KERN_SUCCESS"),
    ],
)
def test_allocation_with_choices(manual: Judged, arguments: dict[str, Any], code: str) -> None:
    assert manual.code("mach_port_allocate_full", **{"right": Right.RECEIVE, **arguments}) == code


def test_reply_ports(judged: Judged) -> None:
    assert judged.does("mach_reply_port") != judged.does("mach_reply_port")
    assert judged.does("mach_reply_port", shortage=1) == 0
    assert not judged.would("mach_reply_port", {"port": 0}).agreed
    assert not judged.would("mach_reply_port", {"port": judged.me}).agreed
    judged.run.finish()


# ---- what a snapshot can break


def with_sets(snapshot: Snapshot, sets: dict[int, tuple[int, ...]]) -> Snapshot:
    task = msgspec.structs.replace(snapshot.tasks[0], sets=sets)
    return msgspec.structs.replace(snapshot, tasks={**snapshot.tasks, 0: task})


def broken(judged: Judged, snapshot: Snapshot) -> set[int]:
    return {int(found.name.split()[1].rstrip(":")) for found in broken_invariants(snapshot, judged.profile)}


def test_members_of_what_is_no_set(judged: Judged) -> None:
    member = judged.port()
    pset = judged.port_set()
    assert broken(judged, with_sets(judged.run.snapshot, {pset: (member,)})) == set()
    assert broken(judged, with_sets(judged.run.snapshot, {member: (member,)})) == {17}
    assert broken(judged, with_sets(judged.run.snapshot, {pset: (judged.me,)})) == {17}


def test_a_member_of_two_sets(judged: Judged) -> None:
    member = judged.port()
    one, other = judged.port_set(), judged.port_set()
    both = with_sets(judged.run.snapshot, {one: (member,), other: (member,)})
    assert broken(judged, both) == (set() if judged.profile.many_sets else {111})


@pytest.mark.parametrize(("limit", "ok"), [(-1, False), (0, True), (16, True), (17, False)])
def test_queue_limits_out_of_range(manual: Judged, limit: int, ok: bool) -> None:
    manual.port()
    snapshot = manual.run.snapshot
    number = max(snapshot.ports)
    ports = {**snapshot.ports, number: msgspec.structs.replace(snapshot.ports[number], queue_limit=limit)}
    assert broken(manual, msgspec.structs.replace(snapshot, ports=ports)) == (set() if ok else {110})


# ---- a request that fails


def test_a_right_that_was_made_for_a_failing_call_is_explained(judged: Judged) -> None:
    """How it is carried is the signature's default, where nothing is said."""
    told, name = judged.port(), judged.does("mach_port_allocate", right=Right.DEAD_NAME)
    code = judged.code("mach_port_request_notification", name=name, variant=72, notify=told)
    assert code == "KERN_INVALID_ARGUMENT"
    assert [message.id for message in judged.run.snapshot.ports[max(judged.run.snapshot.ports)].queue] == [71]
    judged.run.finish()
