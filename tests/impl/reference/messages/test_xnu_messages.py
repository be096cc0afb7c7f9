"""Messages in the profile ``xnu``: what can't be sent, and looking into a queue."""

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.state.boot import boot_tokens

OTHER = 3
"""The bootstrap task's name for the port of task 1."""
COPY, MOVE, MAKE_ONCE = Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MAKE_SEND_ONCE


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


@pytest.fixture
def staying() -> Actor:
    """In a kernel that gives each task an immovable port, as on iOS."""
    return Machine(msgspec.structs.replace(XNU, task_ports_stay=True)).root


@pytest.mark.parametrize("disposition", [COPY, MOVE])
def test_a_task_port_is_no_reply(staying: Actor, disposition: Disposition) -> None:
    root = staying
    for dest in (root.port_with_send(), root.me, OTHER):
        code = root.refused("mach_msg_send", dest=dest, reply=OTHER, reply_disposition=disposition)
        assert code == "MACH_SEND_INVALID_REPLY"


@pytest.mark.parametrize("disposition", [COPY, MOVE])
def test_a_task_port_is_not_sent_to_a_user(staying: Actor, disposition: Disposition) -> None:
    root = staying
    dest = root.port_with_send()
    for descriptor in ((OTHER, disposition), ((dest, OTHER), disposition)):
        assert root.fails("mach_msg_send", dest=dest, descriptors=(descriptor,)) == "MACH_SEND_INVALID_RIGHT"
    assert root.names[OTHER].urefs == 1
    assert root.mail(dest) == []


def test_a_task_port_goes_to_the_kernel(staying: Actor) -> None:
    root = staying
    root.sends(root.me, descriptors=((OTHER, COPY), (OTHER, MOVE)))
    assert OTHER not in root.names


def test_an_immovable_receive_right_goes_nowhere(root: Actor) -> None:
    name = root.does("mach_port_construct", context=7, context_as_guard=True, immovable=True)
    for dest in (root.port_with_send(), root.me):
        code = root.fails("mach_msg_send", dest=dest, descriptors=((name, Disposition.MOVE_RECEIVE),))
        assert code == "MACH_SEND_INVALID_RIGHT"
    assert root.port_of(name).guarded


def test_a_guard_does_not_travel(root: Actor) -> None:
    dest = root.port_with_send()
    name = root.does("mach_port_construct", context=7, context_as_guard=True, strict=True)
    number = root.number_of(name)
    root.sends(dest, descriptors=((name, Disposition.MOVE_RECEIVE),))
    assert (root.machine.port(number).context, root.machine.port(number).guarded) == (0, False)
    root.receives(dest)
    assert not root.port_of(name).guarded


@pytest.mark.parametrize("disposition", [COPY, MOVE, Disposition.MOVE_SEND_ONCE])
def test_a_dead_name_is_no_reply(root: Actor, disposition: Disposition) -> None:
    dest, reply = root.port_with_send(), root.dead_name()
    code = root.refused("mach_msg_send", dest=dest, reply=reply, reply_disposition=disposition)
    assert code == "MACH_SEND_INVALID_REPLY"
    root.sends(dest, reply=DEAD_NAME, reply_disposition=disposition)


@pytest.mark.parametrize("reply_disposition", [COPY, MOVE])
def test_a_pegged_name_for_both_rights_of_a_header_stays(reply_disposition: Disposition) -> None:
    root = Machine(msgspec.structs.replace(XNU, urefs_max=4)).root
    for urefs, left in ((4, 4), (3, 1 if reply_disposition is MOVE else 2)):
        name = root.port_with_send(urefs)
        root.sends(name, MOVE, reply=name, reply_disposition=reply_disposition)
        assert (root.names[name].urefs, root.port_of(name).send_rights) == (left, 3)


def test_the_destination_is_looked_at_before_the_reply(root: Actor) -> None:
    port = root.port_with_send()
    for dest in (root.does("mach_port_allocate", right=Right.PORT_SET), root.dead_name(), NOTHING):
        for reply, disposition in ((NOTHING, COPY), (dest, MAKE_ONCE), (root.me, COPY)):
            assert root.refused("mach_msg_send", dest=dest, reply=reply, reply_disposition=disposition) == "MACH_SEND_INVALID_DEST"
    for dest_disposition, disposition in ((COPY, Disposition.MOVE_SEND_ONCE), (Disposition.MOVE_SEND_ONCE, COPY)):
        both = {"dest_disposition": dest_disposition, "reply_disposition": disposition}
        assert root.refused("mach_msg_send", dest=port, reply=port, **both) == "MACH_SEND_INVALID_DEST"
    once = {"dest_disposition": Disposition.MOVE_SEND_ONCE, "reply_disposition": COPY}
    assert root.refused("mach_msg_send", dest=port, reply=NOTHING, **once) == "MACH_SEND_INVALID_REPLY"


# bodies


@pytest.mark.parametrize(
    ("profile", "disposition"), [(OSF, 0), *((profile, disposition) for profile in (XNU, XNU_792) for disposition in (0, 15, 22, -1))]
)
def test_no_right_has_no_disposition(profile: Profile, disposition: int) -> None:
    root = Machine(profile).root
    dest = root.port_with_send()
    for descriptor in ((NULL_NAME, disposition), (DEAD_NAME, disposition), ((NULL_NAME, DEAD_NAME), disposition), ((), disposition)):
        root.sends(dest, descriptors=(descriptor,))
        assert root.receives(dest)["descriptors"] == ((descriptor[0], 0),)
    for descriptor in ((dest, disposition), (NOTHING, disposition), ((NULL_NAME, dest), disposition)):
        assert root.fails("mach_msg_send", dest=dest, descriptors=(descriptor,)) == "MACH_SEND_INVALID_RIGHT"


@pytest.mark.parametrize("profile", [MANUAL, GNUMACH], ids=lambda profile: profile.name)
def test_elsewhere_it_has(profile: Profile) -> None:
    root = Machine(profile).root
    dest = root.port_with_send()
    for descriptor in ((NULL_NAME, 22), (DEAD_NAME, 0), ((), 15)):
        assert root.fails("mach_msg_send", dest=dest, descriptors=(descriptor,)) == "MACH_SEND_INVALID_RIGHT"


# receiving


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_size_that_is_told_of_a_lost_message(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    for large, size in ((True, 28), (False, 28 if profile.name in ("manual", "gnumach") else 24)):
        root.sends(port)
        result = root.result("mach_msg_receive", port=port, limit=27, large=large)
        assert (result.code, result.outputs) == (ReturnCode.MACH_RCV_TOO_LARGE, {"size": size})
    root.receives(port)
    assert root.refused("mach_msg_receive", port=port) == "MACH_RCV_TIMED_OUT"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_there_is_no_room_at_all(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    root.sends(port)
    assert root.result("mach_msg_receive", port=port, limit=0, large=True).code == ReturnCode.MACH_RCV_TOO_LARGE
    lost = root.result("mach_msg_receive", port=port, limit=0)
    if profile.name == "xnu":
        assert (lost.code, lost.outputs) == (ReturnCode.MACH_RCV_INVALID_DATA, {})
    else:
        assert lost.code == ReturnCode.MACH_RCV_TOO_LARGE
    assert root.mail(port) == []


# peeking


def test_peeking_tells_what_will_be_received_and_changes_nothing(root: Actor) -> None:
    name = root.port_with_send()
    root.does("mach_port_set_seqno", name=name, seqno=5)
    for id in (10, 11, 12):
        root.sends(name, id=id)
    before = root.machine.snapshot()
    seen = [root.does("mach_port_peek", name=name, seqno=seqno) for seqno in (0, 5, 6, 7)]
    assert [(each["id"], each["sequence_number"]) for each in seen] == [(10, 5), (10, 5), (11, 6), (12, 7)]
    assert root.machine.snapshot() == before
    for seqno in (1, 4, 8):
        assert root.refused("mach_port_peek", name=name, seqno=seqno) == "KERN_FAILURE"
    assert root.receives(name)["id"] == 10


def test_peeking_tells_who_sent_it(root: Actor) -> None:
    other, name = root.machine.booted(1), root.port_with_send()
    other.sends(root.gives(other, name, COPY))
    security, audit = boot_tokens(1)
    expected = {0: ((), (), 8), 1: ((), (), 12), 2: (security, (), 20), 3: (security, audit, 52)}
    for trailer, (security_token, audit_token, size) in expected.items():
        seen = root.does("mach_port_peek", name=name, trailer=trailer, room=size)
        assert (seen["security_token"], seen["audit_token"], seen["trailer_size"]) == (security_token, audit_token, size)
        assert root.refused("mach_port_peek", name=name, trailer=trailer, room=size - 1) == "KERN_INVALID_VALUE"


def test_peeking_can_fail(root: Actor) -> None:
    name = root.port()
    assert root.refused("mach_port_peek", task=1, name=NULL_NAME) == "KERN_INVALID_TASK"
    for reserved in (NULL_NAME, DEAD_NAME):
        assert root.refused("mach_port_peek", name=reserved, trailer=4) == "KERN_INVALID_RIGHT"
    for trailer in (4, 7, 15, -1):
        assert root.refused("mach_port_peek", name=NOTHING, trailer=trailer) == "KERN_INVALID_VALUE"
    for unknown in (NOTHING, root.dead_name()):
        assert root.refused("mach_port_peek", name=unknown) == "KERN_INVALID_NAME"
    for other in (1, root.does("mach_port_allocate", right=Right.PORT_SET), root.send_once(name)):
        assert root.refused("mach_port_peek", name=other) == "KERN_INVALID_RIGHT"
    assert root.refused("mach_port_peek", name=name) == "KERN_FAILURE"


@pytest.mark.parametrize(("count", "in_kernel", "received"), [(0, 36, 28), (1, 56, 44), (2, 72, 56)])
def test_a_peeked_message_has_the_size_that_it_has_in_the_kernel(root: Actor, count: int, in_kernel: int, received: int) -> None:
    """Its header and descriptors are larger there."""
    name = root.port_with_send()
    root.sends(name, descriptors=((name, COPY), (name, MAKE_ONCE))[:count])
    assert root.does("mach_port_peek", name=name)["size"] == in_kernel
    assert root.receives(name)["size"] == received


def test_peeking_at_numbers_that_exceed_a_word(root: Actor) -> None:
    """The kernel compares with a sum of 32 bits: it finds no message by its number, but the oldest without."""
    name = root.port_with_send()
    root.does("mach_port_set_seqno", name=name, seqno=2**32 - 1)
    root.sends(name, id=5)
    assert root.refused("mach_port_peek", name=name, seqno=2**32 - 1) == "KERN_FAILURE"
    assert root.does("mach_port_peek", name=name)["id"] == 5
    root.does("mach_port_set_seqno", name=name, seqno=2**32 - 2)
    assert root.does("mach_port_peek", name=name, seqno=2**32 - 2)["id"] == 5
