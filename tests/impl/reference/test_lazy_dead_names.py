"""Names whose port died and that no call has looked at since, in the profile ``xnu``."""

from typing import Any

import msgspec
import pytest
from support.kernel import Actor, Machine, dead

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.snapshot import Entry

D = Disposition
KINDS = {"send": SlotKind.SEND, "once": SlotKind.SEND_ONCE}
MAKE = {"send": D.MAKE_SEND, "once": D.MAKE_SEND_ONCE}
DEAD_BITS = SlotKind.DEAD_NAME.type_bits
TAKING = (D.MOVE_SEND, D.MOVE_SEND_ONCE, D.COPY_SEND)
NOT_TAKING = (D.MOVE_RECEIVE, D.MAKE_SEND, D.MAKE_SEND_ONCE)

kinds = pytest.mark.parametrize("kind", list(KINDS))
watching = pytest.mark.parametrize("watched", [False, True], ids=["unwatched", "watched"])


def unlooked(kind: str, watched: bool = False, limit: int = XNU.urefs_max) -> tuple[Actor, int, int]:
    """A task with a right to a port that has died, the name of the right, and a port that gets the notification."""
    machine = Machine(msgspec.structs.replace(XNU, urefs_max=limit))
    root, other = machine.root, machine.booted(1)
    port, watch = other.port(), root.port()
    name: int = root.does("mach_port_extract_right", task=other.seen_as, name=port, disposition=MAKE[kind])["poly"]
    if watched:
        root.asks(name, 72, watch)
    other.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[name] == Entry(KINDS[kind], None, 1, told=watched)
    assert root.mail(watch) == ([(72, name)] if watched else [])
    return root, name, watch


LOOKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "type": ("mach_port_type", {}, "KERN_SUCCESS"),
    **{f"refs of {right}": ("mach_port_get_refs", {"right": right}, "KERN_SUCCESS") for right in range(6)},
    "mod_refs of DEAD_NAME": ("mach_port_mod_refs", {"right": Right.DEAD_NAME, "delta": 0}, "KERN_SUCCESS"),
    "request with a right": ("mach_port_request_notification", {"variant": 72, "notify": "watch"}, "KERN_INVALID_ARGUMENT"),
}


@kinds
@watching
@pytest.mark.parametrize("call", LOOKS)
def test_what_looks(kind: str, watched: bool, call: str) -> None:
    """The name is a dead name then, with one more reference if it was watched."""
    root, name, watch = unlooked(kind, watched)
    routine, arguments, code = LOOKS[call]
    arguments = {argument: watch if value == "watch" else value for argument, value in arguments.items()}
    if code == "KERN_SUCCESS":
        root.does(routine, name=name, **arguments)
    else:
        assert root.fails(routine, name=name, **arguments) == code
    assert root.names[name] == dead(urefs=1 + watched)


@kinds
@watching
@pytest.mark.parametrize("right", [Right.SEND, Right.SEND_ONCE, Right.RECEIVE, Right.PORT_SET, 5])
def test_mod_refs_looks_for_the_right_that_the_name_had(kind: str, watched: bool, right: int) -> None:
    root, name, _ = unlooked(kind, watched)
    assert root.fails("mach_port_mod_refs", name=name, right=right, delta=-1) == "KERN_INVALID_RIGHT"
    looked = right == {"send": Right.SEND, "once": Right.SEND_ONCE}[kind]
    assert root.names[name] == (dead(urefs=1 + watched) if looked else Entry(KINDS[kind], None, 1, told=watched))


@kinds
@watching
def test_a_look_and_a_reference_less(kind: str, watched: bool) -> None:
    root, name, _ = unlooked(kind, watched)
    root.does("mach_port_deallocate", name=name)
    assert root.names.get(name) == (dead(urefs=1) if watched else None)


def test_a_pegged_name_gets_no_reference() -> None:
    root, name, _ = unlooked("send", watched=True, limit=1)
    assert root.does("mach_port_get_refs", name=name, right=Right.DEAD_NAME) == 1


@kinds
@watching
@pytest.mark.parametrize("disposition", TAKING)
def test_dispositions_that_look(kind: str, watched: bool, disposition: Disposition) -> None:
    """In a body, an array, or to extract: the right is dead, whatever kind it was of."""
    for way in ("body", "array", "extract"):
        root, name, watch = unlooked(kind, watched)
        if way == "extract":
            assert root.does("mach_port_extract_right", name=name, disposition=disposition)["poly"] == DEAD_NAME
        else:
            root.sends(watch, D.MAKE_SEND, descriptors=((name if way == "body" else (name,), disposition),))
        left = 1 + watched - (disposition != D.COPY_SEND)
        assert root.names.get(name) == (dead(urefs=left) if left else None)


@kinds
@watching
@pytest.mark.parametrize("disposition", NOT_TAKING)
def test_dispositions_that_do_not_look(kind: str, watched: bool, disposition: Disposition) -> None:
    root, name, watch = unlooked(kind, watched)
    assert root.refused("mach_port_extract_right", name=name, disposition=disposition) == "KERN_INVALID_RIGHT"
    assert root.fails("mach_msg_send", dest=watch, dest_disposition=D.MAKE_SEND_ONCE, descriptors=((name, disposition),)) == "MACH_SEND_INVALID_RIGHT"
    if disposition != D.MOVE_RECEIVE:
        arguments = {"dest": watch, "dest_disposition": D.MAKE_SEND, "reply": name, "reply_disposition": disposition}
        assert root.refused("mach_msg_send", **arguments) == "MACH_SEND_INVALID_REPLY"
        assert root.refused("mach_msg_send", dest=name, dest_disposition=disposition) == "MACH_SEND_INVALID_DEST"
    assert root.names[name] == Entry(KINDS[kind], None, 1, told=watched)


def test_targets_and_arguments_look() -> None:
    for arguments in ({"task": "name", "which": 4}, {"which": 4, "port": "name"}):
        root, name, _ = unlooked("once")
        given = {argument: name if value == "name" else value for argument, value in arguments.items()}
        if "task" in given:
            assert root.fails("task_get_special_port", **given) == "MACH_SEND_INVALID_DEST"
        else:
            root.does("task_set_special_port", **given)
        assert root.names[name] == dead(urefs=1)


NOT_LOOKING: dict[str, tuple[dict[str, Any], str]] = {
    "mach_port_get_attributes": ({"flavor": 2, "count": 10}, "KERN_INVALID_NAME"),
    "mach_port_set_attributes": ({"flavor": 1, "info": (3,)}, "KERN_INVALID_NAME"),
    "mach_port_set_mscount": ({"mscount": 1}, "KERN_INVALID_NAME"),
    "mach_port_set_seqno": ({"seqno": 1}, "KERN_INVALID_NAME"),
    "mach_port_get_set_status": ({}, "KERN_INVALID_NAME"),
    "mach_port_guard": ({"guard": 1, "strict": False}, "KERN_INVALID_NAME"),
    "mach_port_unguard": ({"guard": 1}, "KERN_INVALID_NAME"),
    "mach_port_peek": ({"trailer": 0, "seqno": 0, "room": -1}, "KERN_INVALID_NAME"),
    "mach_port_destruct": ({"srdelta": 0, "guard": 0}, "KERN_INVALID_RIGHT"),
    "mach_port_allocate_name": ({"right": Right.RECEIVE}, "KERN_NAME_EXISTS"),
    "mach_port_insert_right": ({"poly": "watch", "disposition": D.MAKE_SEND_ONCE}, "KERN_NAME_EXISTS"),
    "mach_port_insert_member": ({"pset": "watch"}, "KERN_INVALID_RIGHT"),
    "mach_port_extract_member": ({"pset": "watch"}, "KERN_INVALID_RIGHT"),
    "mach_port_move_member": ({"after": NULL_NAME}, "KERN_INVALID_NAME"),
    "mach_msg_receive": ({}, "MACH_RCV_INVALID_NAME"),
}


@kinds
@watching
@pytest.mark.parametrize("call", NOT_LOOKING)
def test_what_does_not_look(kind: str, watched: bool, call: str) -> None:
    root, name, watch = unlooked(kind, watched)
    arguments, code = NOT_LOOKING[call]
    arguments = {argument: watch if value == "watch" else value for argument, value in arguments.items()}
    named = {"mach_port_move_member": "member", "mach_msg_receive": "port"}.get(call, "name")
    assert root.fails(call, **{named: name}, **arguments) == code
    assert root.names[name] == Entry(KINDS[kind], None, 1, told=watched)


@kinds
@watching
@pytest.mark.parametrize("variant", [69, 70])
def test_requests_of_a_receiver_do_not_look(kind: str, watched: bool, variant: int) -> None:
    root, name, watch = unlooked(kind, watched)
    assert root.fails("mach_port_request_notification", name=name, variant=variant, notify=watch) == "KERN_INVALID_NAME"
    assert root.names[name] == Entry(KINDS[kind], None, 1, told=watched)


@kinds
@watching
def test_all_names_are_told_without_a_look(kind: str, watched: bool) -> None:
    root, name, _ = unlooked(kind, watched)
    told = root.does("mach_port_names")
    assert dict(zip(told["names"], told["types"], strict=True))[name] == DEAD_BITS
    assert root.names[name] == Entry(KINDS[kind], None, 1, told=watched)
    root.does("mach_port_destroy", name=name)
    assert name not in root.names


def test_a_pegged_name_that_was_told_of_has_a_wrong_type_in_the_list() -> None:
    """The kernel's count of references overflows into the type: a fault of that kernel."""
    for watched in (False, True):
        root, name, _ = unlooked("send", watched, limit=1)
        told = root.does("mach_port_names")
        assert dict(zip(told["names"], told["types"], strict=True))[name] == (0x110000 if watched else DEAD_BITS)
        assert root.does("mach_port_type", name=name) == DEAD_BITS


@kinds
@watching
def test_a_request_that_is_cancelled(kind: str, watched: bool) -> None:
    """Nothing to cancel: no look. A request that has fired: a look, and an error."""
    root, name, _ = unlooked(kind, watched)
    arguments = {"name": name, "variant": 72, "notify": NULL_NAME}
    if watched:
        assert root.fails("mach_port_request_notification", **arguments) == "KERN_INVALID_ARGUMENT"
    else:
        assert root.does("mach_port_request_notification", **arguments) == NULL_NAME
    assert root.names[name] == (dead(urefs=2) if watched else Entry(KINDS[kind], None, 1, told=False))
    root.does("mach_port_type", name=name)
    assert root.does("mach_port_request_notification", **arguments) == NULL_NAME


# messages


@kinds
@watching
@pytest.mark.parametrize("disposition", TAKING)
def test_as_a_reply_any_passes_as_dead(kind: str, watched: bool, disposition: Disposition) -> None:
    root, name, watch = unlooked(kind, watched)
    root.sends(watch, D.MAKE_SEND, reply=name, reply_disposition=disposition)
    left = 1 + watched - (disposition != D.COPY_SEND)
    assert root.names.get(name) == (dead(urefs=left) if left else None)
    messages = [root.receives(watch) for _ in range(1 + watched)]
    assert messages[-1]["reply"] == DEAD_NAME
    if left:
        arguments = {"dest": watch, "dest_disposition": D.MAKE_SEND, "reply": name, "reply_disposition": disposition}
        assert root.refused("mach_msg_send", **arguments) == "MACH_SEND_INVALID_REPLY"


@kinds
@watching
@pytest.mark.parametrize("disposition", TAKING)
def test_as_a_destination_only_an_unwatched_send_once_right_passes(kind: str, watched: bool, disposition: Disposition) -> None:
    root, name, _ = unlooked(kind, watched)
    if kind == "once" and not watched and disposition == D.MOVE_SEND_ONCE:
        root.sends(name, disposition)
        assert name not in root.names
    else:
        assert root.fails("mach_msg_send", dest=name, dest_disposition=disposition) == "MACH_SEND_INVALID_DEST"
        assert root.names[name] == dead(urefs=1 + watched)


def test_a_swallowed_message_gives_up_what_it_carries() -> None:
    root, name, watch = unlooked("once")
    port = root.port_with_send()
    root.asks(port, 72, watch)
    root.sends(name, D.MOVE_SEND_ONCE, reply=watch, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((port, D.MOVE_RECEIVE),))
    assert root.mail(watch) == [(71, 0), (72, port)]


def test_a_bad_reply_comes_before_the_look_at_the_destination() -> None:
    root, name, _ = unlooked("send")
    arguments = {"dest": name, "dest_disposition": D.COPY_SEND, "reply": 77, "reply_disposition": D.COPY_SEND}
    assert root.refused("mach_msg_send", **arguments) == "MACH_SEND_INVALID_REPLY"


@kinds
@pytest.mark.parametrize("dispositions", [(18, 18), (18, 19), (17, 18), (17, 17), (19, 17), (19, 19)])
def test_one_name_for_both(kind: str, dispositions: tuple[int, int]) -> None:
    """With MOVE_SEND_ONCE the kernel doesn't look."""
    root, name, _ = unlooked(kind)
    arguments = {"dest": name, "dest_disposition": dispositions[0], "reply": name, "reply_disposition": dispositions[1]}
    assert root.fails("mach_msg_send", **arguments) == "MACH_SEND_INVALID_DEST"
    assert root.names[name] == (Entry(KINDS[kind], None, 1, told=False) if D.MOVE_SEND_ONCE in dispositions else dead(urefs=1))


def test_a_receive_right_given_up_leaves_a_dead_name_at_once() -> None:
    root = Machine(XNU).root
    port = root.port_with_send(urefs=2)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=2)


@kinds
def test_such_names_of_a_task_that_ends(kind: str) -> None:
    """They were told of already."""
    machine = Machine(XNU)
    root, other = machine.root, machine.last_booted()
    port, watch = root.port(), root.port()
    name = root.gives(other, port, MAKE[kind])
    root.asks(name, 72, watch, task=other.seen_as)
    root.does("mach_port_destroy", name=port)
    assert other.names[name] == Entry(KINDS[kind], None, 1, told=True)
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(72, name)]
