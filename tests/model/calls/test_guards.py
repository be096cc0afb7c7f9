"""Guards in the specification: kernel and rules agree, call by call; wrong answers and states are found out; mistakes
in rules break a property.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.faulty_kernels import Faulty
from support.mutants import Change, instead, quick, restore, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.snapshot import Port, Snapshot
from sendright.model.execution.oracle import Oracle, broken_invariants
from sendright.model.language.rule import COPY_IN, Context
from sendright.model.language.state import After
from sendright.properties.runs.judged_run import Violated
from sendright.properties.runs.run import Run

SMALL = msgspec.structs.replace(XNU, urefs_max=4)
GUARD, OTHER = 7, 8
NOTHING = 77
CONSTRUCT, DESTRUCT, PUT_ON, TAKE_OFF = "mach_port_construct", "mach_port_destruct", "mach_port_guard", "mach_port_unguard"
CONTEXT = {"context": GUARD}
GUARDED = {**CONTEXT, "context_as_guard": True}
IMMOVABLE = {**GUARDED, "immovable": True}


@pytest.fixture
def judged() -> Judged:
    return Judged(SMALL)


def shown(judged: Judged, name: int) -> Port:
    number = judged.run.snapshot.tasks[0].names[name].port
    assert number is not None
    return judged.run.snapshot.ports[number]


def flags(judged: Judged, name: int) -> int:
    return int(judged.does("mach_port_get_attributes", name=name, flavor=2)[-1])


def asked_for(judged: Judged, name: int, variant: Notification, home: int) -> None:
    """Request a notification about ``name``."""
    how = {"notify": home, "notify_disposition": Disposition.MAKE_SEND_ONCE}
    judged.does("mach_port_request_notification", name=name, variant=variant, **how)


# ---- each call, its errors in their order


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"task": NOTHING, "qlimit": -2}, "MACH_SEND_INVALID_DEST"),
        ({"task": 1, "qlimit": -2}, "KERN_INVALID_TASK"),
        ({"qlimit": -2, "shortage": 1}, "KERN_INVALID_VALUE"),
        ({"qlimit": 1025, "shortage": 1}, "KERN_INVALID_VALUE"),
        ({"qlimit": 1024, "shortage": 1}, "KERN_RESOURCE_SHORTAGE"),
        ({"qlimit": 1024, "shortage": 2}, "KERN_SUCCESS"),
        ({"qlimit": 0}, "KERN_SUCCESS"),
        ({**IMMOVABLE, "strict": True, "insert_send": True}, "KERN_SUCCESS"),
    ],
)
def test_construct(judged: Judged, arguments: dict[str, Any], code: str) -> None:
    assert judged.code(CONSTRUCT, **arguments) == code
    judged.run.finish()


@pytest.mark.parametrize("guarded", [False, True])
def test_what_a_new_port_is(judged: Judged, guarded: bool) -> None:
    options = {"strict": True, "immovable": True, "insert_send": True, "qlimit": 3}
    name = judged.does(CONSTRUCT, context=GUARD, context_as_guard=guarded, **options)
    port = shown(judged, name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (GUARD, guarded, guarded, guarded)
    assert (port.queue_limit, port.send_rights, port.make_send_count) == (3, 1, 1)
    assert judged.run.snapshot.tasks[0].names[name].urefs == 1
    assert flags(judged, name) == (0x46 if guarded else 0)


@pytest.mark.parametrize("call", [DESTRUCT, PUT_ON, TAKE_OFF])
def test_what_must_be_a_receive_right(judged: Judged, call: str) -> None:
    given = {} if call == DESTRUCT else {"guard": GUARD}
    assert judged.code(call, task=1, name=NOTHING, **given) == "KERN_INVALID_TASK"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert judged.code(call, name=name, **given) == "KERN_INVALID_NAME"
    for name in (judged.me, judged.port_set()):
        assert judged.code(call, name=name, **given) == "KERN_INVALID_RIGHT"
    died = judged.does("mach_port_allocate", right=Right.DEAD_NAME)
    assert judged.code(call, name=died, **given) == ("KERN_INVALID_RIGHT" if call == DESTRUCT else "KERN_INVALID_NAME")
    judged.run.finish()


@pytest.mark.parametrize(
    ("options", "arguments", "code"),
    [
        (GUARDED, {"srdelta": -1, "guard": OTHER}, "KERN_INVALID_RIGHT"),  # there is no send right
        (GUARDED, {"srdelta": 1, "guard": OTHER}, "KERN_INVALID_RIGHT"),
        ({**GUARDED, "insert_send": True}, {"srdelta": 1, "guard": OTHER}, "KERN_INVALID_VALUE"),
        ({**GUARDED, "insert_send": True}, {"srdelta": -2, "guard": OTHER}, "KERN_INVALID_ARGUMENT"),
        ({**GUARDED, "insert_send": True}, {"srdelta": -2, "guard": GUARD}, "KERN_INVALID_VALUE"),
        ({**GUARDED, "insert_send": True}, {"srdelta": -1, "guard": GUARD}, "KERN_SUCCESS"),
        ({**GUARDED, "insert_send": True}, {"srdelta": 0, "guard": GUARD}, "KERN_SUCCESS"),
        (GUARDED, {"guard": GUARD}, "KERN_SUCCESS"),
        (CONTEXT, {"guard": OTHER}, "KERN_SUCCESS"),  # nobody looks at it
    ],
)
def test_destruct(judged: Judged, options: dict[str, Any], arguments: dict[str, int], code: str) -> None:
    name = judged.does(CONSTRUCT, **options)
    assert judged.code(DESTRUCT, name=name, **arguments) == code
    judged.run.finish()


@pytest.mark.parametrize(("srdelta", "left"), [(0, 3), (-1, 2), (-3, None)])
def test_what_is_left_of_a_send_right(judged: Judged, srdelta: int, left: int | None) -> None:
    name = judged.does(CONSTRUCT, insert_send=True)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=2)
    judged.does(DESTRUCT, name=name, srdelta=srdelta)
    entry = judged.run.snapshot.tasks[0].names.get(name)
    assert entry is None if left is None else entry is not None and (entry.kind, entry.urefs) == (SlotKind.DEAD_NAME, left)


@pytest.mark.parametrize(("srdelta", "left"), [(-3, 4), (-4, None)])
def test_references_that_are_pegged(judged: Judged, srdelta: int, left: int | None) -> None:
    name = judged.does(CONSTRUCT, insert_send=True)
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=3)
    judged.does(DESTRUCT, name=name, srdelta=srdelta)
    entry = judged.run.snapshot.tasks[0].names.get(name)
    assert (None if entry is None else entry.urefs) == left
    judged.run.finish()


@pytest.mark.parametrize("srdelta", [0, -1])
def test_a_destructed_right_goes_where_it_was_asked_for(judged: Judged, srdelta: int) -> None:
    """In a message, without guard; who watched the last send right is told before."""
    name, home, watch = judged.does(CONSTRUCT, **IMMOVABLE, insert_send=True), judged.port(), judged.port()
    asked_for(judged, name, Notification.PORT_DESTROYED, home)
    asked_for(judged, name, Notification.NO_SENDERS, watch)
    number = judged.run.snapshot.tasks[0].names[name].port
    judged.does(DESTRUCT, name=name, srdelta=srdelta, guard=GUARD)
    port = judged.run.snapshot.ports[number or 0]
    assert (port.context, port.guarded, port.immovable) == (0, False, False)
    assert (judged.does("mach_msg_receive", port=home)["id"], len(shown(judged, watch).queue)) == (Notification.PORT_DESTROYED, -srdelta)
    judged.run.finish()


@pytest.mark.parametrize("srdelta", [0, -1])
def test_who_watches_a_destructed_port(judged: Judged, srdelta: int) -> None:
    """The last send right goes before the port (70), or with it (71)."""
    name, watch = judged.does(CONSTRUCT, insert_send=True), judged.port()
    asked_for(judged, name, Notification.NO_SENDERS, watch)
    judged.does(DESTRUCT, name=name, srdelta=srdelta)
    told = judged.does("mach_msg_receive", port=watch)
    assert told["id"] == (Notification.NO_SENDERS if srdelta else Notification.SEND_ONCE)
    judged.run.finish()


def test_putting_a_guard_on(judged: Judged) -> None:
    name = judged.port()
    judged.does(PUT_ON, name=name, guard=0, strict=True)
    assert flags(judged, name) == 0x06
    judged.does(PUT_ON, name=name, guard=GUARD)  # a guard of 0 is no context
    assert flags(judged, name) == 0x02
    assert judged.code(PUT_ON, name=name, guard=GUARD) == "KERN_INVALID_ARGUMENT"
    assert judged.code(PUT_ON, name=judged.does(CONSTRUCT, **CONTEXT), guard=GUARD) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


def test_taking_a_guard_off(judged: Judged) -> None:
    name = judged.does(CONSTRUCT, **IMMOVABLE, strict=True)
    assert judged.code(TAKE_OFF, name=name, guard=OTHER) == "KERN_INVALID_ARGUMENT"
    judged.does(TAKE_OFF, name=name, guard=GUARD)
    port = shown(judged, name)
    assert (port.context, port.guarded, port.strict, port.immovable) == (0, False, False, True)
    assert flags(judged, name) == 0  # of a port without guard nothing is told
    assert judged.code(TAKE_OFF, name=name, guard=0) == "KERN_INVALID_ARGUMENT"
    assert judged.code(TAKE_OFF, name=judged.does(CONSTRUCT, **CONTEXT), guard=GUARD) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


# ---- what a guard, and immovability, keep from happening


def test_a_guard_keeps_the_receive_right(judged: Judged) -> None:
    name = judged.does(CONSTRUCT, **GUARDED, insert_send=True)
    assert judged.code("mach_port_destroy", name=name) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1) == "KERN_INVALID_RIGHT"
    assert judged.code("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-2) == "KERN_INVALID_VALUE"
    assert judged.code("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=0) == "KERN_SUCCESS"
    judged.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=-1)
    judged.run.finish()


def test_the_guard_0_keeps_some(judged: Judged) -> None:
    name = judged.does(CONSTRUCT, context_as_guard=True)
    assert judged.code("mach_port_mod_refs", name=name, right=Right.RECEIVE, delta=-1) == "KERN_INVALID_RIGHT"
    judged.does("mach_port_destroy", name=name)
    judged.run.finish()


def test_a_guard_does_not_keep_a_right_from_being_carried(judged: Judged) -> None:
    name, home = judged.does(CONSTRUCT, **GUARDED, strict=True), judged.port()
    judged.send(home, descriptors=((name, Disposition.MOVE_RECEIVE),))
    arrived = judged.does("mach_msg_receive", port=home)["descriptors"][0][0]
    assert shown(judged, arrived).context == flags(judged, arrived) == 0
    judged.run.finish()


def test_an_immovable_right_is_not_carried(judged: Judged) -> None:
    name, home = judged.does(CONSTRUCT, **IMMOVABLE), judged.port()
    moving = Disposition.MOVE_RECEIVE
    body = {"descriptors": ((name, moving),)}
    assert judged.code("mach_msg_send", dest=home, dest_disposition=Disposition.MAKE_SEND, **body) == "MACH_SEND_INVALID_RIGHT"
    assert judged.code("mach_msg_send", dest=1, dest_disposition=Disposition.COPY_SEND, **body) == "MACH_SEND_INVALID_RIGHT"
    assert judged.code("mach_port_insert_right", name=12803, poly=name, disposition=moving) == "KERN_INVALID_CAPABILITY"
    theirs = 1 + len(XNU.bootstrap_names)
    assert judged.code("mach_port_insert_right", task=theirs, name=12803, poly=name, disposition=moving) == "MACH_SEND_INVALID_RIGHT"
    assert judged.code("mach_port_extract_right", name=name, disposition=moving) == "KERN_INVALID_CAPABILITY"
    judged.does("mach_port_extract_right", name=name, disposition=Disposition.MAKE_SEND)
    judged.run.finish()


@pytest.mark.parametrize("call", ["task_set_exception_ports", "task_swap_exception_ports"])
def test_an_immovable_port_is_no_exception_port(judged: Judged, call: str) -> None:
    name = judged.does(CONSTRUCT, **IMMOVABLE, insert_send=True)
    assert judged.code(call, exception_mask=2, new_port=name, behavior=9, new_flavor=99) == "KERN_INVALID_ARGUMENT"
    assert judged.code(call, exception_mask=2, new_port=name, new_flavor=99) == "KERN_INVALID_RIGHT"
    judged.run.finish()


def test_no_guard_is_asked_when_its_task_ends(judged: Judged) -> None:
    last = SMALL.boot_tasks - 1
    theirs = last + len(SMALL.bootstrap_names)
    name = judged.does(CONSTRUCT, task=theirs, **IMMOVABLE)
    number = judged.run.snapshot.tasks[last].names[name].port
    judged.does("task_terminate", task=theirs)
    assert number not in judged.run.snapshot.ports
    judged.run.finish()


def test_a_task_of_boot_guards_its_own(judged: Judged) -> None:
    """Whoever holds a task's port makes guarded ports there; the guard is all that counts."""
    theirs = 1 + len(SMALL.bootstrap_names)
    name = judged.does(CONSTRUCT, task=theirs, **GUARDED)
    assert judged.code("mach_port_destroy", task=theirs, name=name) == "KERN_INVALID_RIGHT"
    assert judged.code(DESTRUCT, task=theirs, name=name, guard=GUARD) == "KERN_SUCCESS"
    judged.run.finish()


# ---- wrong answers, wrong kernels, wrong states


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        (DESTRUCT, {"guard": OTHER}, "KERN_SUCCESS"),
        (DESTRUCT, {"guard": GUARD}, "KERN_INVALID_ARGUMENT"),
        (PUT_ON, {"guard": GUARD}, "KERN_SUCCESS"),
        (TAKE_OFF, {"guard": OTHER}, "KERN_SUCCESS"),
        ("mach_port_destroy", {}, "KERN_SUCCESS"),
        ("mach_port_mod_refs", {"right": Right.RECEIVE, "delta": -1}, "KERN_SUCCESS"),
    ],
)
def test_a_wrong_answer_is_found_out(judged: Judged, call: str, arguments: dict[str, int], code: str) -> None:
    name = judged.does(CONSTRUCT, **GUARDED)
    assert not judged.would(call, code=ReturnCode[code], name=name, **arguments).agreed


@pytest.mark.parametrize("name", [1, 0, DEAD_NAME])
def test_a_new_port_under_a_name_that_is_not_free(judged: Judged, name: int) -> None:
    assert not judged.would(CONSTRUCT, {"name": name}).agreed


@pytest.mark.parametrize(
    ("call", "part", "value"),
    [
        (CONSTRUCT, "context", 0),
        (CONSTRUCT, "guarded", False),
        (CONSTRUCT, "strict", False),
        (CONSTRUCT, "immovable", False),
        (TAKE_OFF, "immovable", False),
    ],
)
def test_a_kernel_that_forgets_a_guard_is_found_out(call: str, part: str, value: int) -> None:
    def forget(shown: Snapshot) -> Snapshot:
        ports = {number: msgspec.structs.replace(port, **{part: value}) for number, port in shown.ports.items()}
        return msgspec.structs.replace(shown, ports=ports)

    kernel = Faulty(call, show=forget)
    run = Run(kernel, Oracle(SMALL), SMALL)
    run.boot()
    me = run.step(0, Call("mach_task_self", {})).outputs["port"]

    def story() -> None:
        name = run.step(0, Call(CONSTRUCT, {"task": me, **IMMOVABLE, "strict": True})).outputs["name"]
        run.step(0, Call(TAKE_OFF, {"task": me, "name": name, "guard": GUARD}))

    with pytest.raises(Violated, match=part):
        story()


@pytest.mark.parametrize(
    ("options", "where", "changed", "broken"),
    [
        ({}, "new", {"strict": True}, {120}),
        ({}, "new", {"guarded": True, "strict": True}, set()),
        ({}, "kernel", {"context": GUARD}, {120}),
        ({}, "kernel", {"immovable": True}, {120}),
        ({}, "kernel", {"guarded": True}, {120}),
    ],
)
def test_a_state_with_a_wrong_guard(judged: Judged, options: dict[str, Any], where: str, changed: dict[str, Any], broken: set[int]) -> None:
    judged.does(CONSTRUCT, **options)
    snapshot = judged.run.snapshot
    number = max(snapshot.ports) if where == "new" else 0
    ports = {**snapshot.ports, number: msgspec.structs.replace(snapshot.ports[number], **changed)}
    found = broken_invariants(msgspec.structs.replace(snapshot, ports=ports), SMALL)
    assert {int(each.name.split()[1].rstrip(":")) for each in found} == broken


# ---- mistakes in the rules


def keeps(*fields: str) -> Callable[[Context, After], None]:
    """The step leaves these fields as they were."""

    def keep(k: Context, after: After) -> None:
        for name in fields:
            restore(k, after, name)

    return keep


def lost(title: str) -> Change:
    """The rule doesn't have the case ``title``."""
    return lambda k, case: iter([] if case.title == title else [case])


def guards_another(k: Context, after: After) -> None:
    """Another port is guarded than the one that is named."""
    after.at("is_guarded")[k.before.task_port(k.caller)] = z3.BoolVal(True)


DIES, PUT, CARRIED = "the receive right goes, and its port dies", "the port is guarded", "MOVE_RECEIVE takes the receive right"


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        ("mach_port_mod_refs", DIES, 121, lost("the port is guarded")),
        ("mach_port_destroy", "the receive right goes, and its port dies unless port-destroyed is registered", 121, lost("the port is guarded")),
        (DESTRUCT, DIES, 121, lost("the port has another guard")),
        (TAKE_OFF, "the guard is gone", 121, lost("the port has no guard, or another")),
        (TAKE_OFF, "the guard is gone", 120, then("the guard is gone", lambda k, after: after.store("is_strict", _named(k), z3.BoolVal(True)))),
        (PUT_ON, PUT, 121, lost("the port has a context")),
        (PUT_ON, PUT, 120, instead(PUT, guards_another)),
        (COPY_IN, CARRIED, 120, then(CARRIED, keeps("context", "is_guarded", "is_strict", "is_immovable"))),
        (COPY_IN, CARRIED, 121, lost("the name has no right for this disposition")),
    ],
)
def test_what_a_mistake_breaks(rule: str, title: str, number: int, change: Change) -> None:
    kind = "invariant" if number == 120 else "step invariant"
    assert seen(rule, title, (number,), change, profile=XNU) == {f"{kind} {number}"}


def _named(k: Context) -> tuple[z3.ExprRef]:
    return (k.before.port(k.slot(k["name"], k.task_behind(k["task"]))),)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_who_has_guards(profile: Profile) -> None:
    assert profile.has_guards is (profile is XNU)
