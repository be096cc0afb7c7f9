"""Send-possible requests and MACH_SEND_NOTIFY, in the profile that has them."""

from typing import Any

import msgspec
import pytest
from support.kernel import NOTHING, Machine, dead

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.snapshot import Entry

D = Disposition
DELETED, POSSIBLE, NO_SENDERS, DEAD = 65, 66, 70, 72
REQUEST = "mach_port_request_notification"


class Situation:
    """A client's name for a server's port with room for one message, and a port of the client's that is notified."""

    def __init__(self, limit: int = XNU.urefs_max) -> None:
        machine = Machine(msgspec.structs.replace(XNU, urefs_max=limit))
        self.client, self.server = machine.root, machine.booted(1)
        self.service = self.server.port_with_send()
        self.server.does("mach_port_set_attributes", name=self.service, flavor=1, info=(1,))
        self.name = self.another(D.COPY_SEND)
        self.watch = self.client.port()

    def another(self, disposition: int) -> int:
        """A right of the client's to the server's port."""
        extracted = self.client.does("mach_port_extract_right", task=self.server.seen_as, name=self.service, disposition=disposition)
        name: int = extracted["poly"]
        return name

    def ask(self, variant: int = POSSIBLE, sync: int = 0, **arguments: Any) -> int:
        return self.client.asks(self.name, variant, self.watch, sync=sync, **arguments)

    def fill(self) -> None:
        self.client.sends(self.name, id=1)

    def wants_to_send(self, **arguments: Any) -> int:
        return self.client.result("mach_msg_send", dest=self.name, send_notify=True, **arguments).code

    def take(self) -> None:
        self.server.receives(self.service)

    def end_service(self) -> None:
        self.server.does("mach_port_destroy", name=self.service)

    @property
    def mail(self) -> list[tuple[int, int]]:
        return self.client.mail(self.watch)

    @property
    def armed(self) -> bool | None:
        """Whether the name has a send-possible request that is armed; None: it has none."""
        return self.client.shown.send_possible.get(self.name)

    @property
    def has_right(self) -> bool:
        """Whether the request of the name has its send-once right."""
        return self.name in self.client.shown.requests


@pytest.fixture
def s() -> Situation:
    return Situation()


def fired(s: Situation) -> None:
    """Let an armed request fire; the queue is empty again."""
    s.fill()
    s.ask(sync=1)
    s.take()
    assert s.mail == [(POSSIBLE, s.name)]
    assert (s.armed, s.has_right) == (False, False)


# asking


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.send_possible], ids=lambda profile: profile.name)
def test_other_kernels_refuse_the_request(profile: Profile) -> None:
    root = Machine(profile).root
    for name in (root.port_with_send(), NOTHING, NULL_NAME):
        assert root.refused(REQUEST, name=name, variant=POSSIBLE, notify=NULL_NAME) == "KERN_INVALID_VALUE"


def test_errors(s: Situation) -> None:
    root = s.client
    notify = root.port()
    for name in (NULL_NAME, DEAD_NAME):
        assert root.refused(REQUEST, name=name, variant=POSSIBLE, notify=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    assert root.refused(REQUEST, name=NOTHING, variant=POSSIBLE, notify=NULL_NAME) == "KERN_INVALID_NAME"
    members = root.does("mach_port_allocate", right=Right.PORT_SET)
    assert root.fails(REQUEST, name=members, variant=POSSIBLE, notify=notify) == "KERN_INVALID_RIGHT"
    assert root.fails(REQUEST, name=s.name, variant=POSSIBLE, notify=notify, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    assert root.mail(notify) == [(71, 0)] * 2


@pytest.mark.parametrize("kind", ["send", "send-once", "receive", "kernel's"])
def test_it_fires_at_once_if_a_message_can_be_sent(s: Situation, kind: str) -> None:
    s.name = {"send": s.name, "send-once": s.another(D.MAKE_SEND_ONCE), "receive": s.client.port(), "kernel's": s.client.me}[kind]
    assert s.ask(sync=1) == NULL_NAME
    assert s.mail == [(POSSIBLE, s.name)]
    assert s.armed is None
    assert not s.has_right


def test_it_fires_at_once_without_memory_for_a_request(s: Situation) -> None:
    s.ask(sync=1, shortage=1)
    assert s.mail == [(POSSIBLE, s.name)]


def test_it_fires_at_once_on_a_full_queue_for_a_send_once_right(s: Situation) -> None:
    s.fill()
    s.name = s.another(D.MAKE_SEND_ONCE)
    s.ask(sync=1)
    assert s.mail == [(POSSIBLE, s.name)]


def test_it_waits_while_the_queue_is_full(s: Situation) -> None:
    s.fill()
    s.ask(sync=1)
    assert (s.armed, s.has_right, s.mail) == (True, True, [])
    s.take()
    assert (s.armed, s.has_right, s.mail) == (False, False, [(POSSIBLE, s.name)])


def test_without_sync_it_is_not_armed(s: Situation) -> None:
    s.ask()
    assert (s.armed, s.has_right, s.mail) == (False, True, [])
    s.fill()
    s.take()
    assert (s.armed, s.has_right, s.mail) == (False, True, [])


@pytest.mark.parametrize("earlier", [POSSIBLE, DEAD])
@pytest.mark.parametrize("later", [POSSIBLE, DEAD])
def test_a_name_has_one_request(s: Situation, earlier: int, later: int) -> None:
    s.ask(earlier)
    previous = s.ask(later)
    assert s.client.names[previous].port == s.client.number_of(s.watch)
    assert s.armed == (None if later == DEAD else False)
    assert s.has_right
    assert s.client.does(REQUEST, name=s.name, variant=earlier, notify=NULL_NAME) not in (NULL_NAME, DEAD_NAME)
    assert s.armed is None
    assert not s.has_right


def test_one_that_fires_at_once_leaves_no_earlier_one(s: Situation) -> None:
    s.ask(DEAD)
    assert s.ask(sync=1) != NULL_NAME
    assert not s.has_right
    s.end_service()
    assert s.mail == [(POSSIBLE, s.name)]


# MACH_SEND_NOTIFY


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.send_possible], ids=lambda profile: profile.name)
def test_other_kernels_have_no_such_option(profile: Profile) -> None:
    root = Machine(profile).root
    port, watch = root.port_with_send(), root.port()
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(1,))
    root.asks(port, DEAD, watch)
    for expected in ("KERN_SUCCESS", "MACH_SEND_TIMED_OUT"):
        code = root.result("mach_msg_send", dest=port, send_notify=True).code
        assert ReturnCode(code).name == expected


def test_a_full_queue_arms_the_request(s: Situation) -> None:
    s.ask()
    s.fill()
    assert s.wants_to_send() == ReturnCode.MACH_SEND_TIMED_OUT
    assert s.armed
    s.take()
    assert s.mail == [(POSSIBLE, s.name)]


def test_the_call_that_also_receives_arms_it_too(s: Situation) -> None:
    s.ask()
    s.fill()
    result = s.client.result("mach_msg", dest=s.name, port=s.watch, send_notify=True)
    assert result.code == ReturnCode.MACH_SEND_TIMED_OUT
    assert s.armed


def test_a_sender_that_waits_arms_it_too(s: Situation) -> None:
    s.ask()
    s.fill()
    assert s.wants_to_send(wait=True) == ReturnCode.MACH_SEND_IN_PROGRESS
    assert s.armed
    s.take()
    assert s.mail == [(POSSIBLE, s.name)]


def test_a_request_is_armed_though_the_body_fails(s: Situation) -> None:
    s.ask()
    s.fill()
    assert s.wants_to_send(descriptors=((NOTHING, D.COPY_SEND),)) == ReturnCode.MACH_SEND_INVALID_RIGHT
    assert s.armed


@pytest.mark.parametrize("arguments", [{"reply": NOTHING, "reply_disposition": D.COPY_SEND}, {"dest_disposition": D.MOVE_SEND_ONCE}])
def test_a_header_that_fails_arms_nothing(s: Situation, arguments: dict[str, Any]) -> None:
    s.ask()
    s.fill()
    assert s.wants_to_send(**arguments) in (ReturnCode.MACH_SEND_INVALID_REPLY, ReturnCode.MACH_SEND_INVALID_DEST)
    assert s.armed is False


def test_without_the_option_nothing_is_armed(s: Situation) -> None:
    s.ask()
    s.fill()
    assert s.client.result("mach_msg_send", dest=s.name).code == ReturnCode.MACH_SEND_TIMED_OUT
    assert s.armed is False


def test_a_dead_name_request_is_not_armed(s: Situation) -> None:
    s.ask(DEAD)
    s.fill()
    assert s.wants_to_send() == ReturnCode.MACH_SEND_TIMED_OUT
    s.take()
    assert (s.armed, s.has_right, s.mail) == (None, True, [])


def test_a_send_once_destination_arms_nothing(s: Situation) -> None:
    s.fill()
    s.name = s.another(D.MAKE_SEND_ONCE)
    s.ask()
    assert s.wants_to_send(dest_disposition=D.MOVE_SEND_ONCE) == 0
    assert s.mail == [(DELETED, s.name)]


def test_the_receivers_own_name_counts_too(s: Situation) -> None:
    watch = s.server.port()
    s.fill()
    s.server.asks(s.service, POSSIBLE, watch)
    for disposition, expected in ((D.MAKE_SEND_ONCE, False), (D.MAKE_SEND, True)):
        s.server.result("mach_msg_send", dest=s.service, dest_disposition=disposition, send_notify=True)
        assert s.server.shown.send_possible == {s.service: expected}


def crowd(s: Situation) -> int:
    """A name of the client's that, when it is moved away, puts a message into the queue of the server's port."""
    name: int = s.client.does("mach_port_extract_right", task=s.server.seen_as, name=s.server.port(), disposition=D.MAKE_SEND)["poly"]
    s.client.does(REQUEST, name=name, variant=DEAD, notify=s.another(D.MAKE_SEND_ONCE), notify_disposition=D.MOVE_SEND_ONCE)
    return name


@pytest.mark.parametrize("variant", [POSSIBLE, DEAD, None])
@pytest.mark.parametrize("where", ["reply", "body"])
def test_a_queue_that_had_room_takes_the_message(s: Situation, variant: int | None, where: str) -> None:
    """The message itself fills the queue while it is made, and is queued all the same if its name has a request."""
    name = crowd(s)
    if variant is not None:
        s.ask(variant)
    arguments = {"reply": name, "reply_disposition": D.MOVE_SEND} if where == "reply" else {"descriptors": ((name, D.MOVE_SEND),)}
    code = s.wants_to_send(id=5, **arguments)
    assert code == (ReturnCode.MACH_SEND_TIMED_OUT if variant is None else 0)
    assert s.server.mail(s.service) == [(DELETED, name), *([] if variant is None else [(5, 0)])]


def test_one_that_has_fired_still_makes_room(s: Situation) -> None:
    fired(s)
    name = crowd(s)
    assert s.wants_to_send(id=5, descriptors=((name, D.MOVE_SEND),)) == 0
    assert s.server.mail(s.service) == [(DELETED, name), (5, 0)]


# firing


def test_a_full_queue_that_loses_one_message_fires_too(s: Situation) -> None:
    s.fill()
    s.server.does("mach_msg_send", dest=s.service, dest_disposition=D.MAKE_SEND_ONCE)
    s.ask(sync=1)
    s.take()
    assert len(s.server.mail(s.service)) == 1
    assert s.mail == [(POSSIBLE, s.name)]


def test_it_fires_once(s: Situation) -> None:
    fired(s)
    s.fill()
    assert s.wants_to_send() == ReturnCode.MACH_SEND_TIMED_OUT
    s.take()
    assert s.mail == [(POSSIBLE, s.name)]
    assert (s.armed, s.has_right) == (False, False)


@pytest.mark.parametrize("variant", [POSSIBLE, DEAD])
def test_one_that_has_fired_can_be_replaced_and_removed(s: Situation, variant: int) -> None:
    fired(s)
    assert s.ask(variant) == NULL_NAME
    assert s.has_right
    s.client.does(REQUEST, name=s.name, variant=variant, notify=NULL_NAME)
    assert s.armed is None


def test_a_message_that_is_lost_fires_nothing(s: Situation) -> None:
    s.fill()
    s.ask(sync=1)
    assert s.server.result("mach_msg_receive", port=s.service, limit=24).code == ReturnCode.MACH_RCV_TOO_LARGE
    assert s.server.mail(s.service) == []
    assert (s.armed, s.mail) == (True, [])


def test_a_message_that_stays_fires_nothing(s: Situation) -> None:
    s.fill()
    s.ask(sync=1)
    assert s.server.result("mach_msg_receive", port=s.service, limit=24, large=True).code == ReturnCode.MACH_RCV_TOO_LARGE
    assert (s.armed, s.mail) == (True, [])


def test_a_higher_limit_fires_nothing(s: Situation) -> None:
    s.fill()
    s.ask(sync=1)
    s.server.does("mach_port_set_attributes", name=s.service, flavor=1, info=(5,))
    assert (s.armed, s.mail) == (True, [])
    s.take()
    assert s.mail == [(POSSIBLE, s.name)]


def test_it_fires_before_the_messages_rights_go(s: Situation) -> None:
    """The message's destination right is the port's last send right."""
    watch = s.server.port()
    s.server.does("mach_port_mod_refs", name=s.service, right=Right.SEND, delta=-1)
    s.server.asks(s.service, NO_SENDERS, watch)
    s.client.sends(s.name, D.MOVE_SEND)
    s.server.asks(s.service, POSSIBLE, watch, sync=1)
    s.take()
    assert s.server.mail(watch) == [(POSSIBLE, s.service), (NO_SENDERS, 1)]


def test_several_fire_in_the_order_of_their_slots(s: Situation) -> None:
    """A slot that has fired stays taken; of two that are freed, the last is used first."""
    third = s.client.machine.booted(2)
    names = {s.service: s.server.seen_as, s.name: s.client.me, s.client.gives(third, s.name, D.COPY_SEND): third.seen_as}

    def fire(asking: list[int]) -> list[int]:
        s.fill()
        for name in asking:
            s.client.asks(name, POSSIBLE, s.watch, task=names[name], sync=1)
        told = len(s.mail)
        s.take()
        assert {what for what, _ in s.mail[told:]} == {POSSIBLE}
        return [name for _, name in s.mail[told:]]

    first, second, third_name = fire(list(names))
    assert fire([third_name, second, first]) == [first, second, third_name]
    for name in (first, third_name):
        s.client.does(REQUEST, task=names[name], name=name, variant=DEAD, notify=NULL_NAME)
    assert fire([first, second, third_name]) == [third_name, second, first]


# the end of names and ports


@pytest.mark.parametrize("sync", [0, 1])
def test_a_port_that_dies_sends_dead_name(s: Situation, sync: int) -> None:
    s.fill()
    s.ask(sync=sync)
    s.end_service()
    assert s.mail == [(DEAD, s.name)]
    assert s.client.does("mach_port_type", name=s.name) == 1 << 20
    assert s.client.names[s.name] == dead(2)
    assert s.armed is None


def test_a_name_that_goes_sends_port_deleted(s: Situation) -> None:
    s.fill()
    s.ask(sync=1)
    s.client.does("mach_port_deallocate", name=s.name)
    s.take()
    assert s.mail == [(DELETED, s.name)]
    assert s.armed is None


def test_one_that_has_fired_has_nothing_to_send(s: Situation) -> None:
    fired(s)
    s.end_service()
    assert s.mail == [(POSSIBLE, s.name)]
    s.client.does("mach_port_type", name=s.name)
    assert s.client.names[s.name] == dead(1)
    assert s.armed is None


def test_one_that_has_fired_ends_with_its_name(s: Situation) -> None:
    fired(s)
    s.client.does("mach_port_deallocate", name=s.name)
    assert s.mail == [(POSSIBLE, s.name)]
    assert s.armed is None


@pytest.mark.parametrize("was_fired", [False, True])
def test_a_call_looks_at_a_name_whose_request_has_fired(s: Situation, was_fired: bool) -> None:
    """To remove a request looks at the name only if there was one."""
    if was_fired:
        fired(s)
    s.end_service()
    code = s.client.result(REQUEST, name=s.name, variant=DEAD, notify=NULL_NAME).code
    assert code == (ReturnCode.KERN_INVALID_ARGUMENT if was_fired else 0)
    assert s.client.names[s.name] == (dead(1) if was_fired else Entry(s.client.names[s.name].kind, None, 1, told=False))
    assert s.armed is None


@pytest.mark.parametrize("sync", [0, 1])
def test_a_dead_name_gets_dead_name_at_once(s: Situation, sync: int) -> None:
    s.end_service()
    assert s.ask(sync=sync) == NULL_NAME
    assert s.mail == [(DEAD, s.name)]
    assert s.client.names[s.name] == dead(2)
    assert s.client.does(REQUEST, name=s.name, variant=POSSIBLE, sync=sync, notify=NULL_NAME) == NULL_NAME
    assert s.client.fails(REQUEST, name=s.name, variant=DEAD, sync=sync, notify=s.client.port()) == "KERN_INVALID_ARGUMENT"


def test_a_dead_names_references_stay_at_their_limit() -> None:
    s = Situation(limit=3)
    s.end_service()
    for _ in range(4):
        s.ask()
    assert s.client.names[s.name] == dead(3)
    assert s.mail == [(DEAD, s.name)] * 4


@pytest.mark.parametrize("call", ["mach_port_mod_refs", "mach_port_destruct"])
@pytest.mark.parametrize("was_fired", [False, True])
def test_a_name_that_loses_its_receive_right_counts_even_one_that_has_fired(s: Situation, call: str, was_fired: bool) -> None:
    watch = s.server.port()
    s.fill()
    s.server.asks(s.service, POSSIBLE, watch, sync=1)
    if was_fired:
        s.take()
    arguments = {"right": Right.RECEIVE, "delta": -1} if call == "mach_port_mod_refs" else {}
    s.server.does(call, name=s.service, **arguments)
    assert s.server.mail(watch) == [(POSSIBLE if was_fired else DEAD, s.service)]
    assert s.server.names[s.service] == dead(2)


def test_a_request_stays_with_a_name_that_sends_its_receive_right_away(s: Situation) -> None:
    watch, carrier = s.server.port(), s.server.port_with_send()
    s.fill()
    s.server.asks(s.service, POSSIBLE, watch, sync=1)
    s.server.sends(carrier, descriptors=((s.service, D.MOVE_RECEIVE),))
    assert s.server.shown.send_possible == {s.service: True}
    s.server.receives(carrier)
    s.take()
    assert s.server.mail(watch) == [(POSSIBLE, s.service)]
