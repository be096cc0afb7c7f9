"""What kernels tell of ports and spaces beside their attributes, contexts, and guards that change: kernel and rules
agree, call by call; wrong answers are found out; mistakes in rules break a property.
"""

from __future__ import annotations

from typing import Any

import pytest
import z3
from support.beside_oracle import Judged
from support.mutants import Change, instead, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.kernel.unmodelled import why_unmodelled_there
from sendright.mach.state.snapshot import Port
from sendright.model.execution.kernel_choices import table_sizes
from sendright.model.language.rule import Context
from sendright.model.language.state import After

GUARD, OTHER, NOTHING = 7 << 32 | 5, 8, 77
GUARDED = {"context": GUARD, "context_as_guard": True}
STRICT = {**GUARDED, "strict": True}
SRIGHTS, REQUESTS, KOBJECT, KERNEL_OBJECT = "mach_port_get_srights", "mach_port_dnrequest_info", "mach_port_kobject", "mach_port_kernel_object"
SWAP, GUARD_WITH, ASSERT = "mach_port_swap_guard", "mach_port_guard_with_flags", "mach_port_assert_attributes"
GET_CONTEXT, SET_CONTEXT = "mach_port_get_context", "mach_port_set_context"
GET, SET = "mach_port_get_attributes", "mach_port_set_attributes"
INFO = (GUARD & 0xFFFFFFFF, GUARD >> 32)


@pytest.fixture
def judged() -> Judged:
    return Judged(XNU)


def shown(judged: Judged, name: int) -> Port:
    number = judged.run.snapshot.tasks[0].names[name].port
    assert number is not None
    return judged.run.snapshot.ports[number]


def flags(judged: Judged, name: int) -> int:
    return int(judged.does(GET, name=name, flavor=2)[-1])


def asks(judged: Judged, *names: int) -> None:
    """A request for dead-name of each name."""
    how = {"notify": judged.port(), "notify_disposition": Disposition.MAKE_SEND_ONCE}
    for name in names:
        judged.does("mach_port_request_notification", name=name, variant=Notification.DEAD_NAME, **how)


# ---- errors, in their order


@pytest.mark.parametrize(
    ("call", "given", "null", "reserved"),
    [
        (SRIGHTS, {}, "KERN_INVALID_TASK", "KERN_INVALID_NAME"),
        (REQUESTS, {}, "KERN_INVALID_TASK", "KERN_INVALID_NAME"),
        (GET_CONTEXT, {}, "KERN_INVALID_ARGUMENT", "KERN_INVALID_RIGHT"),
        (SET_CONTEXT, {"context": 1}, "KERN_INVALID_TASK", "KERN_INVALID_RIGHT"),
        (GUARD_WITH, {"guard": 1}, "KERN_INVALID_TASK", "KERN_INVALID_NAME"),
        (SWAP, {"old_guard": 1, "new_guard": 1}, "KERN_INVALID_TASK", "KERN_INVALID_NAME"),
        (ASSERT, {"flavor": 8, "info": INFO}, "KERN_INVALID_TASK", "KERN_INVALID_RIGHT"),
        (KOBJECT, {}, "KERN_INVALID_ARGUMENT", "KERN_INVALID_NAME"),
        (KERNEL_OBJECT, {}, "KERN_INVALID_ARGUMENT", "KERN_INVALID_NAME"),
    ],
)
def test_what_a_name_must_denote(judged: Judged, call: str, given: dict[str, Any], null: str, reserved: str) -> None:
    assert judged.code(call, task=NOTHING, name=NOTHING, **given) == "MACH_SEND_INVALID_DEST"
    assert judged.code(call, task=1, name=NOTHING, **given) == null
    assert {judged.code(call, name=name, **given) for name in (NULL_NAME, DEAD_NAME)} == {reserved}
    assert judged.code(call, name=NOTHING, **given) == "KERN_INVALID_NAME"
    died = judged.does("mach_port_allocate", right=Right.DEAD_NAME)
    assert judged.code(call, name=died, **given) == "KERN_INVALID_NAME"
    assert judged.code(call, name=judged.port_set(), **given) == "KERN_INVALID_RIGHT"
    assert judged.code(call, name=judged.me, **given) == ("KERN_SUCCESS" if call in (KOBJECT, KERNEL_OBJECT) else "KERN_INVALID_RIGHT")
    judged.run.finish()


@pytest.mark.parametrize("call", [SRIGHTS, REQUESTS, KERNEL_OBJECT, "mach_port_space_info"])
def test_a_kernel_that_is_built_without_them(call: str) -> None:
    judged, name = Judged(XNU_792), {} if call.endswith("space_info") else {"name": NOTHING}
    assert judged.code(call, task=NOTHING, **name) == "MACH_SEND_INVALID_DEST"
    assert judged.code(call, task=1, **name) == judged.code(call, **name) == "KERN_FAILURE"
    assert not judged.would(call, code=ReturnCode.KERN_INVALID_TASK, task=1, **name).agreed


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_who_has_them(profile: Profile) -> None:
    assert [profile.serves(call) for call in (SRIGHTS, REQUESTS, KERNEL_OBJECT)] == [profile in (XNU, XNU_792, GNUMACH)] * 3
    assert profile.serves("mach_port_space_info") is (profile in (XNU, XNU_792))
    assert [profile.serves(call) for call in (SWAP, GUARD_WITH, ASSERT, GET_CONTEXT, SET_CONTEXT, KOBJECT)] == [profile is XNU] * 6


# ---- contexts and guards


def test_a_context(judged: Judged) -> None:
    name = judged.port()
    assert judged.does(GET_CONTEXT, name=name) == 0
    judged.does(SET_CONTEXT, name=name, context=GUARD)
    assert (judged.does(GET_CONTEXT, name=name), flags(judged, name)) == (GUARD, 0)
    assert judged.code("mach_port_guard", name=name, guard=OTHER) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


def test_a_guard_that_is_not_strict_can_be_replaced(judged: Judged) -> None:
    name = judged.does("mach_port_construct", **GUARDED)
    judged.does(SET_CONTEXT, name=name, context=OTHER)
    assert judged.code("mach_port_destruct", name=name, guard=GUARD) == "KERN_INVALID_ARGUMENT"
    assert judged.code(SWAP, name=name, old_guard=GUARD, new_guard=1) == "KERN_INVALID_ARGUMENT"
    judged.does(SWAP, name=name, old_guard=OTHER, new_guard=GUARD)
    assert judged.does(GET_CONTEXT, name=name) == GUARD
    judged.does("mach_port_destruct", name=name, guard=GUARD)
    judged.run.finish()


def test_a_strict_guard_stays(judged: Judged) -> None:
    name = judged.does("mach_port_construct", **STRICT)
    assert judged.does(GET_CONTEXT, name=name) == 0
    assert judged.code(SET_CONTEXT, name=name, context=OTHER) == "KERN_INVALID_ARGUMENT"
    assert judged.code(SWAP, name=name, old_guard=GUARD, new_guard=OTHER) == "KERN_INVALID_ARGUMENT"
    assert shown(judged, name).context == GUARD
    judged.run.finish()


def test_a_port_without_a_guard_has_none_to_swap(judged: Judged) -> None:
    name = judged.does("mach_port_construct", context=GUARD)
    assert judged.code(SWAP, name=name, old_guard=GUARD, new_guard=OTHER) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize(("strict", "immovable", "told"), [(False, False, 0x02), (True, False, 0x06), (False, True, 0x42), (True, True, 0x46)])
def test_a_guard_with_flags(judged: Judged, strict: bool, immovable: bool, told: int) -> None:
    name = judged.port()
    judged.does(GUARD_WITH, name=name, guard=GUARD, strict=strict, immovable=immovable)
    assert flags(judged, name) == told
    assert judged.code(GUARD_WITH, name=name, guard=OTHER) == "KERN_INVALID_ARGUMENT"
    judged.does("mach_port_unguard", name=name, guard=GUARD)
    judged.does(GUARD_WITH, name=name, guard=OTHER)
    assert shown(judged, name).immovable is immovable  # it stays
    judged.run.finish()


@pytest.mark.parametrize(
    ("options", "flavor", "info", "code"),
    [
        (STRICT, 8, INFO, "KERN_SUCCESS"),
        (STRICT, 8, (*INFO, 9), "KERN_SUCCESS"),
        (STRICT, 8, INFO[:1], "KERN_FAILURE"),
        (STRICT, 7, INFO[:1], "KERN_INVALID_ARGUMENT"),
        (STRICT, 8, (INFO[0], 0), "KERN_INVALID_ARGUMENT"),
        (STRICT, 8, (0, INFO[1]), "KERN_INVALID_ARGUMENT"),
        (GUARDED, 8, INFO, "KERN_INVALID_ARGUMENT"),
        ({"context": GUARD}, 8, INFO, "KERN_INVALID_ARGUMENT"),
    ],
)
def test_an_assertion(judged: Judged, options: dict[str, Any], flavor: int, info: tuple[int, ...], code: str) -> None:
    name = judged.does("mach_port_construct", **options)
    assert judged.code(ASSERT, name=name, flavor=flavor, info=info) == code
    judged.run.finish()


# ---- what debuggers ask


@pytest.mark.parametrize("profile", [XNU, GNUMACH], ids=lambda profile: profile.name)
def test_send_rights_are_counted_wherever_they_are(profile: Profile) -> None:
    judged = Judged(profile)
    name = judged.port()
    assert judged.does(SRIGHTS, name=name) == 0
    judged.does("mach_port_insert_right", name=name, poly=name, disposition=Disposition.MAKE_SEND)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=1)
    assert judged.does(SRIGHTS, name=name) == 1
    judged.send(judged.port(), descriptors=((name, Disposition.COPY_SEND),))
    assert judged.does(SRIGHTS, name=name) == 2
    judged.run.finish()


def test_kernel_objects_have_kinds() -> None:
    """The host port of a process that is root's is the privileged one."""
    for profile, device, host in ((XNU, 19, 4), (GNUMACH, 0, 3)):
        judged = Judged(profile)
        names = (judged.me, judged.named("host_priv"), judged.named("device_priv"), judged.does("mach_host_self"), judged.port())
        assert [judged.does(KERNEL_OBJECT, name=name) for name in names] == [2, 4, device, host, 0]
        once = judged.does("mach_port_extract_right", name=names[-1], disposition=Disposition.MAKE_SEND_ONCE)["poly"]
        assert judged.code(KERNEL_OBJECT, name=once) == "KERN_INVALID_RIGHT"
        judged.run.finish()


def test_the_entries_of_a_space(judged: Judged) -> None:
    port, died, pset = judged.port(), judged.does("mach_port_allocate", right=Right.DEAD_NAME), judged.port_set()
    there = sorted(judged.run.snapshot.tasks[0].names)
    told = judged.does("mach_port_space_info")
    assert told["names"] == tuple(there)
    of = dict(zip(told["names"], zip(told["types"], told["urefs"], strict=True), strict=True))
    assert (of[port], of[died], of[pset]) == ((1 << 17, 0), (1 << 20, 1), (1 << 19, 0))
    assert judged.does("mach_port_space_basic_info") == len(there)
    assert judged.code("mach_port_space_info", task=1) == "KERN_INVALID_ARGUMENT"
    assert judged.code("mach_port_space_basic_info", task=1) == "KERN_INVALID_TASK"
    judged.run.finish()


def test_a_name_that_no_call_has_looked_at_is_told_as_it_was(judged: Judged) -> None:
    """mach_port_names tells a dead name at the same time."""
    port = judged.port()
    theirs = 1 + len(XNU.bootstrap_names)
    judged.does("mach_port_insert_right", task=theirs, name=12803, poly=port, disposition=Disposition.MAKE_SEND)
    judged.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    entries = judged.does("mach_port_space_info", task=theirs)
    types = dict(zip(entries["names"], entries["types"], strict=True))
    names = judged.does("mach_port_names", task=theirs)
    assert (types[12803], dict(zip(names["names"], names["types"], strict=True))[12803]) == (1 << 16, 1 << 20)
    judged.run.finish()


@pytest.mark.parametrize(("profile", "sizes"), [(XNU, (0, 2, 3, 4, 6)), (GNUMACH, (0, 2, 4, 4, 8))], ids=lambda value: getattr(value, "name", ""))
def test_a_table_of_requests_grows_when_it_is_full(profile: Profile, sizes: tuple[int, ...]) -> None:
    judged = Judged(profile)
    port, home = judged.port(), judged.port()
    names = [judged.does("mach_port_extract_right", name=port, disposition=Disposition.MAKE_SEND_ONCE)["poly"] for _ in sizes[1:]]
    how = {"variant": Notification.DEAD_NAME, "notify": home, "notify_disposition": Disposition.MAKE_SEND_ONCE}
    seen_sizes = [judged.does(REQUESTS, name=port)["total"]]
    for used, name in enumerate(names, 1):
        judged.does("mach_port_request_notification", name=name, **how)
        judged.does("mach_port_request_notification", name=name, **how)  # it takes no other slot
        told = judged.does(REQUESTS, name=port)
        seen_sizes.append(told["total"])
        assert told["used"] == used
    assert tuple(seen_sizes) == sizes
    judged.does("mach_port_request_notification", name=names[0], variant=Notification.DEAD_NAME, notify=NULL_NAME)
    assert judged.does(REQUESTS, name=port) == {"total": sizes[-1], "used": len(names) - 1}  # it doesn't shrink
    judged.run.finish()


def test_the_sizes_of_tables() -> None:
    assert table_sizes(by_half=True)[:12] == (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
    of_powers = table_sizes(by_half=False)
    assert (of_powers[:11], of_powers[24], len(of_powers), of_powers[-1]) == ((2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1536), 9216, 63, 91136)


# ---- flavours of attributes


@pytest.mark.parametrize("profile", [OSF, XNU_792], ids=lambda profile: profile.name)
def test_a_table_of_a_certain_size(profile: Profile) -> None:
    judged = Judged(profile)
    port, size = judged.port(), PortAttributes.DNREQUESTS_SIZE
    steps = [(0, 2), (2, 2), (3, 4), (16, 4), (8, 8), (0xFFFFFFFF, 16), (5, 16)]  # 16 isn't the next size after 4
    for wanted, there in steps:
        judged.does(SET, name=port, flavor=size, info=(wanted,))
        assert judged.does(GET, name=port, flavor=size, count=1) == (there,)
    assert judged.code(SET, name=port, flavor=size, info=(91137,)) == "KERN_NO_SPACE"
    assert judged.code(SET, name=port, flavor=size, info=(91136,), shortage=1) == "KERN_RESOURCE_SHORTAGE"
    assert judged.code(SET, name=port, flavor=size, info=()) == "KERN_FAILURE"
    other = judged.port()
    judged.does(SET, name=other, flavor=size, info=(91136,))
    assert judged.does(GET, name=other, flavor=size, count=1) == (91136,)
    judged.run.finish()


def test_in_later_kernels_it_stays(judged: Judged) -> None:
    port, size = judged.port(), PortAttributes.DNREQUESTS_SIZE
    judged.does(SET, name=port, flavor=size, info=(91137,))
    assert judged.does(GET, name=port, flavor=size, count=1) == (0,)
    assert judged.does(GET, name=NULL_NAME, flavor=size, count=3) == (0, 0, 0)
    assert judged.does(GET, name=DEAD_NAME, flavor=size, count=1000) == (0,) * 17
    assert judged.code(GET, name=NOTHING, flavor=size, count=0) == "KERN_FAILURE"
    judged.run.finish()


def test_what_xnu_792_leaves_as_it_was_is_not_judged() -> None:
    judged = Judged(XNU_792)
    given = {"task": judged.me, "name": NULL_NAME, "flavor": int(PortAttributes.DNREQUESTS_SIZE)}
    why = {count: why_unmodelled_there(0, Call(GET, {**given, "count": count}), judged.run.snapshot, XNU_792) for count in (1, 2)}
    assert why[1] is None
    assert "other words" in str(why[2])
    assert judged.does(GET, name=NULL_NAME, flavor=3, count=1) == (0,)
    assert why_unmodelled_there(0, Call(GET, {**given, "count": 2}), judged.run.snapshot, XNU) is None


@pytest.mark.parametrize(("flavor", "told"), [(4, 0x09), (5, 0x08), (6, 0x08)])
def test_messages_that_lend_importance(judged: Judged, flavor: int, told: int) -> None:
    port, home = judged.port(), judged.port()
    judged.does(SET, name=port, flavor=flavor)
    assert flags(judged, port) == told
    judged.send(home, descriptors=((port, Disposition.MOVE_RECEIVE),))
    arrived = judged.does("mach_msg_receive", port=home)["descriptors"][0][0]
    assert flags(judged, arrived) == 0x08  # the temporary owner is gone
    assert judged.code(SET, name=NULL_NAME, flavor=flavor) == "KERN_INVALID_RIGHT"
    assert judged.code(GET, name=port, flavor=flavor) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


@pytest.mark.parametrize(
    ("options", "told"), [({"temp_owner": True}, 0x09), ({"importance_receiver": True}, 0x08), ({"denap_receiver": True}, 0x08), ({}, 0)]
)
def test_ports_that_are_made_so(judged: Judged, options: dict[str, bool], told: int) -> None:
    name = judged.does("mach_port_construct", **options)
    assert flags(judged, name) == told
    extended = judged.does(GET, name=name, flavor=PortAttributes.INFO_EXT, count=17)
    assert extended == (*judged.does(GET, name=name, flavor=2), 0, 0, 0, 0, 0, 0, 0)
    assert judged.code(GET, name=name, flavor=PortAttributes.INFO_EXT, count=16) == "KERN_FAILURE"
    judged.run.finish()


@pytest.mark.parametrize("call", [GET, SET])
def test_only_a_service_port_is_throttled(judged: Judged, call: str) -> None:
    given = {"count": 0} if call == GET else {"info": ()}
    throttled = int(PortAttributes.SERVICE_THROTTLED)
    assert judged.code(call, name=judged.port(), flavor=throttled, **given) == "KERN_INVALID_CAPABILITY"
    assert judged.code(call, name=judged.me, flavor=throttled, **given) == "KERN_INVALID_RIGHT"
    assert judged.code(call, name=NULL_NAME, flavor=throttled, **given) == "KERN_INVALID_RIGHT"
    judged.run.finish()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_flavour_that_no_kernel_has(profile: Profile) -> None:
    judged = Judged(profile)
    for flavor in (0, 8, 10, -1):
        assert judged.code(GET, name=NOTHING, flavor=flavor, count=0) == "KERN_INVALID_ARGUMENT"
        assert judged.code(SET, name=NOTHING, flavor=flavor) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


# ---- wrong answers, and mistakes in the rules


@pytest.mark.parametrize(
    ("call", "right", "wrong"),
    [
        (SRIGHTS, {"srights": 0}, {"srights": 1}),
        (GET_CONTEXT, {"context": 0}, {"context": GUARD}),  # of a strict port
        (KOBJECT, {"object_type": 0}, {"object_type": 2}),
        (REQUESTS, {"total": 2, "used": 1}, {"total": 2, "used": 0}),
        (REQUESTS, {"total": 2, "used": 1}, {"total": 0, "used": 1}),
    ],
)
def test_a_wrong_answer_is_found_out(judged: Judged, call: str, right: dict[str, int], wrong: dict[str, int]) -> None:
    name = judged.does("mach_port_construct", **STRICT)
    asks(judged, name)
    assert judged.does(call, name=name) in (right, next(iter(right.values())))
    assert not judged.would(call, wrong, name=name).agreed


def test_wrong_entries_are_found_out(judged: Judged) -> None:
    told = judged.does("mach_port_space_info")
    for output in told:
        assert f"result {output}" in judged.would("mach_port_space_info", {**told, output: (*told[output][:-1], 99)}).words
    assert not judged.would("mach_port_space_basic_info", {"table_inuse": len(told["names"]) + 1}).agreed


def sets(field: str, value: Any) -> Any:
    def effect(k: Context, after: After) -> None:
        after.store(field, (k.before.port(k.slot(k["name"], k.task_behind(k["task"]))),), value)

    return effect


LIMIT = "the queue limit is set"


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        (SWAP, "the port has another guard from now on", 121, lambda k, case: iter([] if case.title == "the port has another guard" else [case])),
        (SWAP, "the port has another guard from now on", 210, instead("the port has another guard from now on", sets("context", z3.IntVal(1)))),
        (SET_CONTEXT, "the context is stored", 121, lambda k, case: iter([] if case.title == "the port is strict" else [case])),
        (SET_CONTEXT, "the context is stored", 201, instead("the context is stored", sets("is_guarded", z3.BoolVal(False)))),
        (GUARD_WITH, "the port is guarded", 121, instead("the port is guarded", sets("is_immovable", z3.BoolVal(True)))),
        (SRIGHTS, "the port's send rights", 208, telling("the port's send rights", srights=lambda k: z3.IntVal(0))),
        (KOBJECT, "the kind of kernel object", 208, telling("the kind of kernel object", object_type=lambda k: z3.IntVal(0))),
        (GET_CONTEXT, "0, of a strict port", 208, telling("0, of a strict port", context=lambda k: z3.IntVal(1))),
        (SET, "messages lend importance", 210, instead("messages lend importance", lambda k, after: None)),
        (SET, "messages lend importance", 201, instead("messages lend importance", sets("has_temp_owner", z3.BoolVal(True)))),
        (SET, LIMIT, 201, instead(LIMIT, sets("request_slots", z3.IntVal(9)))),
    ],
)
def test_what_a_mistake_breaks(rule: str, title: str, number: int, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU) == {f"step invariant {number}"}


def test_a_table_that_shrinks_breaks_a_property() -> None:
    rule, title = "mach_port_request_notification", "dead-name is registered"

    def shrink(k: Context, after: After) -> None:
        target = k.before.port(k.sorts.Slot.destination_slot(k["message"]))
        port = k.before.port(k.slot(k["name"], k.before.object_task(target)))
        after.at("request_slots")[port] = k.before.request_slots(port) - 1

    assert seen(rule, title, (201,), then(title, shrink), profile=MANUAL) == {"step invariant 201"}
