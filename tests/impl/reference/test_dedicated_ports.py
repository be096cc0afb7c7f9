"""Ports that mach_port_construct makes for one purpose: replies, exceptions, services."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU
from sendright.mach.kernel.unmodelled import why_unmodelled_there

MAKE, THROTTLED = "mach_port_construct", 9
D = Disposition
PURPOSES = {
    "reply": PortPurpose.REPLY,
    "provisional_reply": PortPurpose.REPLY,
    "enforce_reply": PortPurpose.ENFORCED,
    "exception": PortPurpose.EXCEPTION,
}


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def made(actor: Actor, *options: str) -> int:
    name: int = actor.does(MAKE, **dict.fromkeys(options, True))
    return name


# ---- making


@pytest.mark.parametrize("option", PURPOSES)
def test_what_a_port_is_made_for(root: Actor, option: str) -> None:
    port = root.port_of(made(root, option, "insert_send"))
    assert (port.purpose, port.send_rights, port.service) == (PURPOSES[option], 1, False)
    assert port.immovable == (option == "exception")
    assert not port.guarded


@pytest.mark.parametrize("others", [("reply", "exception"), ("reply", "provisional_reply"), tuple(PURPOSES)], ids=len)
def test_a_port_has_one_purpose(root: Actor, others: tuple[str, ...]) -> None:
    """That is tested before all else but the request."""
    assert root.refused(MAKE, task=1, qlimit=-2, **dict.fromkeys(others, True)) == "KERN_INVALID_ARGUMENT"
    assert root.refused(MAKE, task=NOTHING, **dict.fromkeys(others, True)) == "MACH_SEND_INVALID_DEST"


@pytest.mark.parametrize("option", PURPOSES)
def test_a_service_port_may_have_a_purpose(root: Actor, option: str) -> None:
    port = root.port_of(made(root, option, "service"))
    assert (port.purpose, port.service) == (PURPOSES[option], True)


def test_only_the_first_task_makes_service_ports(root: Actor) -> None:
    other = root.machine.booted(1)
    assert other.refused(MAKE, service=True, qlimit=-2) == "KERN_DENIED"
    assert other.refused(MAKE, task=NOTHING, service=True) == "MACH_SEND_INVALID_DEST"
    host = other.does("mach_host_self")
    assert other.refused(MAKE, task=host, service=True) == "KERN_INVALID_TASK"
    name = root.does(MAKE, task=other.seen_as, service=True)  # it depends on the caller, not on the target
    assert other.port_of(name).service


def test_the_guard_of_a_service_port_gets_no_verdict(root: Actor) -> None:
    state = root.machine.snapshot()
    guarded = {"task": root.me, "service": True, "context_as_guard": True, "context": 7}
    assert "comes back to launchd" in str(why_unmodelled_there(0, Call(MAKE, guarded), state, XNU))
    for left_out in ("service", "context_as_guard", "context"):
        assert why_unmodelled_there(0, Call(MAKE, guarded | {left_out: 0}), state, XNU) is None


def test_a_guard_does_not_make_an_exception_port_movable(root: Actor) -> None:
    name = root.does(MAKE, exception=True, context_as_guard=True, context=5)
    assert root.port_of(name).immovable
    assert root.does("mach_port_get_attributes", name=name, flavor=2)[-1] == 0x42
    root.does("mach_port_unguard", name=name, guard=5)
    assert root.port_of(name).immovable


# ---- services


def throttled(root: Actor, name: int) -> Any:
    return root.does("mach_port_get_attributes", name=name, flavor=THROTTLED, count=0)


def test_a_service_port_is_throttled_and_released(root: Actor) -> None:
    name = made(root, "service")
    assert throttled(root, name) == (0,)
    for info, shown in (((1,), 1), ((), 0), ((8,), 1), ((0,), 0)):
        root.does("mach_port_set_attributes", name=name, flavor=THROTTLED, info=info)
        assert throttled(root, name) == (shown,)
        assert root.port_of(name).throttled == bool(shown)


def test_a_service_port_stays_one_wherever_it_goes(root: Actor) -> None:
    other, name = root.machine.booted(1), made(root, "service")
    root.does("mach_port_set_attributes", name=name, flavor=THROTTLED, info=(1,))
    root.does("mach_port_insert_right", task=other.seen_as, name=12803, poly=name, disposition=D.MOVE_RECEIVE)
    assert throttled(other, 12803) == (1,)


# ---- replies


@pytest.mark.parametrize(
    ("purpose", "passes"), [(None, False), ("reply", True), ("provisional_reply", True), ("exception", False), ("enforce_reply", False)]
)
def test_what_a_port_that_enforces_it_takes_as_a_reply(root: Actor, purpose: str | None, passes: bool) -> None:
    server, client = made(root, "enforce_reply", "insert_send"), made(root, *([purpose] if purpose else []))
    sent: dict[str, Any] = {"dest": server, "dest_disposition": D.COPY_SEND}
    for disposition in (D.MAKE_SEND_ONCE, D.MAKE_SEND):
        with_reply = sent | {"reply": client, "reply_disposition": disposition}
        if passes:
            assert root.does("mach_msg_send", **with_reply) == {}
        else:
            assert root.refused("mach_msg_send", **with_reply) == "MACH_SEND_INVALID_REPLY"
    for nothing in (NULL_NAME, DEAD_NAME):
        assert root.does("mach_msg_send", **sent, reply=nothing, reply_disposition=D.MAKE_SEND_ONCE) == {}
    own = {"reply": server, "reply_disposition": D.COPY_SEND}
    assert root.refused("mach_msg_send", **sent, **own) == "MACH_SEND_INVALID_REPLY"


def test_the_reply_is_tested_before_the_destination_is_copied_in(root: Actor) -> None:
    """A receive right alone can't be the destination with COPY_SEND; but its port is looked at before that."""
    server, plain = made(root, "enforce_reply"), root.port()
    sent = {"dest": server, "dest_disposition": D.COPY_SEND, "reply_disposition": D.MAKE_SEND_ONCE}
    assert root.refused("mach_msg_send", **sent, reply=plain) == "MACH_SEND_INVALID_REPLY"
    assert root.refused("mach_msg_send", **sent, reply=made(root, "reply")) == "MACH_SEND_INVALID_DEST"


def test_a_reply_right_whose_port_died_is_not_tested(root: Actor) -> None:
    other, server = root.machine.booted(1), made(root, "enforce_reply", "insert_send")
    port = other.port()
    name = root.does("mach_port_extract_right", task=other.seen_as, name=port, disposition=D.MAKE_SEND_ONCE)["poly"]
    other.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    root.sends(server, reply=name, reply_disposition=D.MOVE_SEND_ONCE)


def test_a_destination_whose_port_died_tests_no_reply(root: Actor) -> None:
    other = root.machine.booted(1)
    port = made(other, "enforce_reply")
    name = root.does("mach_port_extract_right", task=other.seen_as, name=port, disposition=D.MAKE_SEND_ONCE)["poly"]
    other.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    sent = {"dest": name, "dest_disposition": D.MOVE_SEND_ONCE}
    assert root.does("mach_msg_send", **sent, reply=root.port(), reply_disposition=D.MAKE_SEND_ONCE) == {}


@pytest.mark.parametrize("disposition", [D.MOVE_RECEIVE, D.MAKE_SEND, D.MAKE_SEND_ONCE])
def test_the_rights_of_a_reply_port_go_where_any_go(root: Actor, disposition: Disposition) -> None:
    """Programs that aren't hardened get provisional reply ports only."""
    other, name = root.machine.booted(1), made(root, "reply")
    root.does("mach_port_insert_right", task=other.seen_as, name=12803, poly=name, disposition=disposition)
    assert other.port_of(12803).purpose is PortPurpose.REPLY


@pytest.mark.parametrize("variant", [Notification.PORT_DESTROYED, Notification.NO_SENDERS, Notification.DEAD_NAME])
def test_requests_fit_a_reply_port(root: Actor, variant: Notification) -> None:
    root.asks(made(root, "reply"), variant, root.port())


# ---- exceptions


def test_an_exception_port_stays_where_it_is(root: Actor) -> None:
    name = made(root, "exception")
    assert root.refused("mach_port_extract_right", name=name, disposition=D.MOVE_RECEIVE) == "KERN_INVALID_CAPABILITY"
    root.does("mach_port_insert_right", name=name, poly=name, disposition=D.MAKE_SEND)
    root.sends(root.port_with_send(), descriptors=((name, D.COPY_SEND),))


@pytest.mark.parametrize("call", ["task_set_exception_ports", "task_swap_exception_ports"])
def test_an_immovable_port_handles_exceptions_if_it_was_made_for_them(root: Actor, call: str) -> None:
    given = {"exception_mask": 2, "behavior": 1, "new_flavor": 1}
    fit = root.does(MAKE, exception=True, insert_send=True, context_as_guard=True, immovable=True, context=3)
    root.does(call, **given, new_port=fit)
    unfit = root.does(MAKE, enforce_reply=True, insert_send=True, context_as_guard=True, immovable=True, context=3)
    assert root.refused(call, **given, new_port=unfit) == "KERN_INVALID_RIGHT"
