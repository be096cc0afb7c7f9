"""``mach_msg``: one call that sends a message and then receives one."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import GNUMACH, OSF, PROFILES, Profile
from sendright.mach.signatures import SIGNATURES

D = Disposition
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
RECEIVED = {output.name for output in SIGNATURES["mach_msg_receive"].outputs}


def pair(profile: Profile) -> tuple[Actor, Actor]:
    """Two tasks; the first has a right to the second's port."""
    machine = Machine(profile)
    root = machine.root
    return root, root.child() if profile.serves("task_create") else machine.booted(profile.boot_tasks - 1)


def full(root: Actor) -> int:
    """A port whose queue has one message, and no room."""
    port = root.port_with_send()
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(1,))
    root.sends(port, id=1)
    return port


def answer(result: Result) -> tuple[str, dict[str, Any]]:
    return code_name(result.code), result.outputs


@every_profile
def test_a_client_sends_its_request_and_waits_for_the_answer(profile: Profile) -> None:
    client, server = pair(profile)
    service = server.port_with_send()
    dest = client.does("mach_port_extract_right", task=server.seen_as, name=service, disposition=D.COPY_SEND)["poly"]
    port = client.port()
    client.waits("mach_msg", dest=dest, reply=port, reply_disposition=D.MAKE_SEND_ONCE, id=7, port=port, send_wait=True, receive_wait=True)
    waiting = client.shown.waiting
    assert waiting is not None
    assert (waiting.call, waiting.name, waiting.port, waiting.message) == ("mach_msg_receive", port, client.number_of(port), None)
    request = server.receives(service)
    assert request["id"] == 7
    assert request["reply_disposition"] == D.MOVE_SEND_ONCE
    server.sends(request["reply"], D.MOVE_SEND_ONCE, id=107, data=5)
    result = client.goes_on()
    assert (result.code, result.outputs["id"], result.outputs["data"], result.outputs["local"]) == (0, 107, 5, port)
    assert result.outputs.keys() == RECEIVED
    assert client.shown.waiting is None


@every_profile
def test_a_message_to_oneself_comes_back_at_once(profile: Profile) -> None:
    root, _ = pair(profile)
    port = root.port_with_send()
    result = root.result("mach_msg", dest=port, id=3, data=4, port=port, limit=200, trailer=1)
    expected = root.result("mach_msg", dest=port, id=3, data=4, port=port)
    assert (result.code, expected.code) == (0, 0)
    assert result.outputs.keys() == RECEIVED == expected.outputs.keys()
    assert (result.outputs["id"], result.outputs["data"], result.outputs["local"]) == (3, 4, port)
    assert root.mail(port) == []


@every_profile
def test_it_receives_what_was_there_before(profile: Profile) -> None:
    root, _ = pair(profile)
    port = root.port_with_send()
    root.sends(port, id=1)
    assert root.does("mach_msg", dest=port, id=2, port=port)["id"] == 1
    assert root.mail(port) == [(2, 0)]


@every_profile
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"size": 20}, "MACH_SEND_MSG_TOO_SMALL"),
        ({"dest": NULL_NAME}, "MACH_SEND_INVALID_DEST"),
        ({"dest": NOTHING}, "MACH_SEND_INVALID_DEST"),
        ({"dest_disposition": D.NONE}, "MACH_SEND_INVALID_HEADER"),
        ({"reply": NOTHING, "reply_disposition": D.COPY_SEND}, "MACH_SEND_INVALID_REPLY"),
        ({"descriptors": ((NOTHING, D.COPY_SEND),)}, "MACH_SEND_INVALID_RIGHT"),
        ({"descriptors": ((0, 0, False),)}, "MACH_SEND_INVALID_MEMORY"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_nothing_is_received_if_nothing_is_sent(profile: Profile, arguments: dict[str, Any], code: str) -> None:
    """Not even the name to receive from is looked at."""
    root, _ = pair(profile)
    port = root.port_with_send()
    root.sends(port, id=1)
    for name in (port, NOTHING):
        assert root.refused("mach_msg", **{"dest": port, "port": name, "receive_wait": True} | arguments) == code
    assert root.mail(port) == [(1, 0)]


@every_profile
def test_what_the_queue_has_no_room_for_is_handed_back(profile: Profile) -> None:
    root, _ = pair(profile)
    port, gift = full(root), root.port()
    for name in (port, NOTHING):
        call = {"dest": port, "reply": gift, "reply_disposition": D.MAKE_SEND_ONCE, "descriptors": ((gift, D.MOVE_RECEIVE),), "port": name}
        code, outputs = answer(root.result("mach_msg", **call))
        assert (code, outputs.keys()) == ("MACH_SEND_TIMED_OUT", {"dest", "reply", "descriptors"})
        ((gift, form),) = outputs["descriptors"]
        assert (outputs["dest"], form) == (port, D.MOVE_RECEIVE)
    assert root.mail(port) == [(1, 0)]


@every_profile
def test_a_message_is_sent_though_none_can_be_received(profile: Profile) -> None:
    root, _ = pair(profile)
    port, empty = root.port_with_send(), root.port()
    for name in (NULL_NAME, DEAD_NAME, NOTHING, root.dead_name(), root.me):
        assert answer(root.result("mach_msg", dest=port, id=1, port=name)) == ("MACH_RCV_INVALID_NAME", {})
        assert root.receives(port)["id"] == 1
    assert answer(root.result("mach_msg", dest=port, id=2, port=empty)) == ("MACH_RCV_TIMED_OUT", {})
    assert root.mail(port) == [(2, 0)]


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_a_member_of_a_set_receives_nothing(profile: Profile) -> None:
    root, _ = pair(profile)
    port = root.port_with_send()
    members = root.does("mach_port_allocate", right=Right.PORT_SET)
    root.does("mach_port_move_member", member=port, after=members)
    assert answer(root.result("mach_msg", dest=port, id=1, port=port)) == ("MACH_RCV_IN_SET", {})
    assert root.does("mach_msg", dest=port, id=2, port=members)["id"] == 1


@every_profile
def test_the_name_is_looked_up_after_the_message_is_sent(profile: Profile) -> None:
    """Here the message carries away the receive right that it had."""
    root, _ = pair(profile)
    port, gift = root.port_with_send(), root.port()
    descriptors = ((gift, D.MOVE_RECEIVE),)
    assert answer(root.result("mach_msg", dest=port, descriptors=descriptors, port=gift)) == ("MACH_RCV_INVALID_NAME", {})
    assert gift not in root.names
    assert len(root.mail(port)) == 1


@every_profile
def test_a_kernels_answer_is_received_by_the_same_call(profile: Profile) -> None:
    root, _ = pair(profile)
    port = root.port()
    received = root.does("mach_msg", dest=root.me, reply=port, reply_disposition=D.MAKE_SEND_ONCE, id=999, port=port)
    assert (received["id"], received["data"]) == (1099, ReturnCode.MIG_BAD_ID)


@every_profile
def test_a_message_that_is_too_large(profile: Profile) -> None:
    root, _ = pair(profile)
    port = root.port_with_send()
    code, outputs = answer(root.result("mach_msg", dest=port, port=port, limit=24, large=True))
    assert (code, outputs) == ("MACH_RCV_TOO_LARGE", {"size": 28})
    assert len(root.mail(port)) == 1
    code, outputs = answer(root.result("mach_msg", dest=port, port=port, limit=24))
    assert (code, outputs.keys()) == ("MACH_RCV_TOO_LARGE", {"size"})
    assert len(root.mail(port)) == 1


# waiting


def sending(profile: Profile, **arguments: Any) -> tuple[Actor, Actor, int]:
    """The other task waits in ``mach_msg`` for room at a port of the root's."""
    root, other = pair(profile)
    port = full(root)
    dest = root.gives(other, port, D.COPY_SEND)
    other.waits("mach_msg", dest=dest, dest_disposition=D.COPY_SEND, id=2, send_wait=True, **{"port": other.port(), **arguments})
    return root, other, port


@every_profile
def test_it_waits_to_send_and_then_to_receive(profile: Profile) -> None:
    root, other, port = sending(profile, limit=300, large=True, trailer=1, receive_wait=True)
    waiting = other.shown.waiting
    assert waiting is not None
    assert waiting.message is not None
    trailer = 1 if profile.takes("mach_msg", "trailer") else 0
    assert (waiting.call, waiting.message.id, waiting.port) == ("mach_msg", 2, None)
    assert (waiting.limit, waiting.large, waiting.trailer, waiting.receive_wait) == (300, True, trailer, True)
    before = root.machine.snapshot()
    assert other.goes_on().code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert root.machine.snapshot() == before
    root.receives(port)
    assert other.goes_on().code == ReturnCode.MACH_RCV_IN_PROGRESS
    assert root.mail(port) == [(2, 0)]
    name = waiting.name
    waiting = other.shown.waiting
    assert waiting is not None
    assert (waiting.call, waiting.name, waiting.port, waiting.message) == ("mach_msg_receive", name, other.number_of(name), None)
    assert (waiting.limit, waiting.large, waiting.trailer, waiting.receive_wait) == (300, True, trailer, False)


@every_profile
def test_it_need_not_wait_for_a_message(profile: Profile) -> None:
    root, other, port = sending(profile)
    root.receives(port)
    assert answer(other.goes_on()) == ("MACH_RCV_TIMED_OUT", {})
    assert root.mail(port) == [(2, 0)]
    assert other.shown.waiting is None


@every_profile
def test_it_goes_on_though_its_message_was_lost(profile: Profile) -> None:
    root, other, port = sending(profile, receive_wait=True)
    root.does("mach_port_destroy", name=port)
    assert other.goes_on().code == ReturnCode.MACH_RCV_IN_PROGRESS
    assert other.shown.waiting is not None
    assert other.shown.waiting.call == "mach_msg_receive"


@every_profile
def test_while_it_waits_to_send_its_name_is_only_a_number(profile: Profile) -> None:
    """What has it when the message is sent is received from."""
    root, other, port = sending(profile, receive_wait=True)
    waiting = other.shown.waiting
    assert waiting is not None
    name = waiting.name
    if profile.serves("mach_port_rename"):
        root.does("mach_port_rename", task=other.seen_as, old_name=name, new_name=900)
        assert other.shown.waiting is not None
        assert other.shown.waiting.name == name
    else:
        root.does("mach_port_destroy", task=other.seen_as, name=name)
    root.receives(port)
    assert answer(other.goes_on()) == ("MACH_RCV_INVALID_NAME", {})
    assert root.mail(port) == [(2, 0)]


@every_profile
def test_a_task_that_ends_while_it_waits_to_send_receives_nothing(profile: Profile) -> None:
    root, other, port = sending(profile, receive_wait=True)
    root.does("task_terminate", task=other.seen_as)
    root.receives(port)
    assert root.mail(port) == []


def test_a_call_that_waits_is_gone_on_with_by_its_own_name() -> None:
    root, other, port = sending(OSF, receive_wait=True)
    with pytest.raises(ValueError, match="waits in mach_msg"):
        root.machine.kernel.call(other.number, Call("mach_msg_send", {}, resume=True))
    root.receives(port)
    other.goes_on()
    with pytest.raises(ValueError, match="waits in mach_msg_receive"):
        root.machine.kernel.call(other.number, Call("mach_msg", {}, resume=True))
