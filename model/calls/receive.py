"""Receiving messages: from a port or a member of a port set, at once or when a message comes.

A receive chooses a port by the name. It takes that port's oldest message and copies out its rights and pages one by one
(``copy out a right``, ``copy out a page``). If there is no message the receiver may wait. Its call is resumed with its
original arguments.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import HEADER_SIZE, TRAILER_SIZES
from sendright.mach.kernel.profiles import Profile
from sendright.model.calls.carrying import carries_nothing
from sendright.model.calls.port_sets import in_a_set
from sendright.model.language.actions import counted_messages, drop_held_send, in_space
from sendright.model.language.choices import choose_oldest, give_room
from sendright.model.language.evidence import decided, page, ran, read, rests_on
from sendright.model.language.rule import DESTROY, DONE, RESUMED_RECEIVE, TAKE, Case, Context, Effect, nothing, rule
from sendright.model.language.sequences import Driver, Failed, Run, Steps, copy_out, copy_out_body, run, sequence
from sendright.model.language.sorts import KIND, POSSIBLE, STAGE, WAIT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Function, Int, Message, Name, Port

SEQUENCE_NUMBER, SECURITY_TOKEN, AUDIT_TOKEN = 1, 2, 3
"""Elements of a trailer (``MACH_RCV_TRAILER_SEQNO`` …)."""


class _Source:
    """NAMES of a receive: what the name in the caller's space denotes, and whether there is a message."""

    def __init__(self, k: Context, name: Term) -> None:
        b, x = k.before, z3.Const("x", k.sorts.Port)
        self.k, self.name = k, name
        entry = k.slot(name)
        self.port = b.port(entry)
        self.receives, self.is_set = b.receives(entry), b.kind(entry) == KIND.PORT_SET
        self.no_message = b.msgcount(self.port) <= 0
        self.none_in_set = z3.Not(z3.Exists([x], z3.And(self.is_member(x), b.msgcount(x) > 0)))
        self.shut = z3.And(self.receives, in_a_set(b, self.port)) if not k.profile.many_sets else z3.BoolVal(False)
        """In kernels with at most one set per port: the port is in a set, so nothing can be received from it directly.
        """

    def is_member(self, port: Term) -> Term:
        b = self.k.before
        return z3.And(b.member(port, self.name), in_space(b, port, self.k.caller))

    def chosen(self, effect: Effect, source: Port, limit: Int, large: Bool, trailer: Int) -> Iterator[Case]:
        """There is a message: the outputs are its port and how to take it.

        From a port set the kernel chooses the port, ``source``.
        """
        k = self.k

        def choose(after: After) -> None:
            effect(after)
            after.assumptions += [self.is_member(source), k.before.msgcount(source) > 0]

        how = {"limit": limit, "large": large, "trailer": trailer}
        yield k.continues("from a member of the port set", self.is_set, choose, source=source, **how)
        yield k.continues("from the port", k.otherwise(z3.Not(self.is_set)), effect, evidence=IN_SETS_TOO, source=self.port, **how)


IN_SETS_TOO = rests_on(
    manual=decided(
        "The page mach_msg says that a task can't receive from a port that is in a set, and that a port is in one set at most. "
        "The page mach_port_insert_member says that it can be in many. Like XNU, we allow both."
    )
)
"""Of receiving from a port itself."""
RIGHT_LOST = rests_on(
    manual=decided("The page mach_msg has MACH_RCV_PORT_DIED for lost rights. Like XNU, we keep that code for ports that are dead.")
)
"""Of a receive right that goes while its task waits to receive."""


@rule(
    evidence=rests_on(
        "ipc/ipc_mqueue.c: ipc_mqueue_copyin, ipc_mqueue_receive",
        xnu=read("ipc/ipc_mqueue.c: ipc_mqueue_copyin, ipc_mqueue_receive, ipc_mqueue_receive_results")
        + ran(
            "XNU 11417's own code serves the members of a set in turn, and a set with a member that has a message gives it.",
            "from a member of the port set",
        ),
        manual=page("mach_msg"),
    )
)
def mach_msg_receive(k: Context, port: Name, limit: Int, large: Bool, trailer: Int, wait: Bool, *, source: Port) -> Iterator[Case]:
    """Choose the port to receive from: the one that the name denotes, or a member of the port set that has a
    message.
    """
    # NAMES
    named = _Source(k, port)
    # CASES
    yield k.fails(ReturnCode.MACH_RCV_INVALID_NAME, "the name has no receive right", z3.Not(z3.Or(named.receives, named.is_set)))
    if not k.profile.many_sets:
        yield k.fails(ReturnCode.MACH_RCV_IN_SET, "the port is in a set", named.shut)
    none, none_in_set = z3.And(z3.Not(named.is_set), named.no_message), z3.And(named.is_set, named.none_in_set)
    yield k.fails(ReturnCode.MACH_RCV_TIMED_OUT, "no message is there", z3.And(z3.Not(wait), none))
    yield k.fails(ReturnCode.MACH_RCV_TIMED_OUT, "no message is in the port set", z3.And(z3.Not(wait), none_in_set))

    # RIGHTS
    def begin_to_wait(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.RECEIVING
        after.at("waits_at")[k.caller] = port
        after.at("waits_for")[k.caller] = z3.If(named.is_set, k.sorts.no_port, named.port)
        after.at("waits_limit")[k.caller] = limit
        after.at("waits_large")[k.caller] = large
        after.at("waits_trailer")[k.caller] = trailer

    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "the receiver waits", z3.Or(none, none_in_set), begin_to_wait)
    # REPLY
    yield from named.chosen(nothing, source, limit, large, trailer)


@rule(
    RESUMED_RECEIVE,
    resumes="RECEIVING",
    evidence=rests_on(
        "ipc/ipc_mqueue.c: ipc_mqueue_receive; ipc/ipc_port.c: ipc_port_clear_receiver; ipc/ipc_pset.c: ipc_pset_add, ipc_pset_destroy",
        xnu_792=read("ipc/ipc_mqueue.c: ipc_mqueue_receive_results, ipc_mqueue_changed")
        + ran(
            "XNU 792's own code wakes a receiver that waits at a set with MACH_RCV_PORT_CHANGED when the set is destroyed.",
            "the name is no longer a port set",
        ),
        xnu=read("ipc/ipc_mqueue.c: ipc_mqueue_receive_results, ipc_mqueue_changed")
        + ran(
            "XNU 11417's own code wakes a waiting receiver with MACH_RCV_PORT_CHANGED when its port or set dies, or its right moves.",
            "the port is dead",
            "the name no longer has the receive right",
            "the name is no longer a port set",
        ),
        manual=page("mach_msg"),
    ),
)
def resume_receive(k: Context, *, source: Port) -> Iterator[Case]:
    """Go on with a receive that waits for a message.

    By now the name may have changed, or denote something else. OSF and GNU Mach tell a receiver which event it was
    (``ipc_port_clear_receiver`` in ``ipc/ipc_port.c``, ``ipc_pset_add`` and ``ipc_pset_destroy`` in
    ``ipc/ipc_pset.c``). XNU only wakes it up and says that something has changed (``ipc_mqueue_changed`` and
    ``ipc_mqueue_receive_results`` in ``ipc/ipc_mqueue.c``).
    """
    # NAMES
    b, task = k.before, k.caller
    named, port = _Source(k, b.waits_at(task)), b.waits_for(task)
    at_set = port == k.sorts.no_port

    # RIGHTS
    def go_on(after: After) -> None:
        after.at("wait")[task] = WAIT.NOTHING

    yield k.fails(k.profile.dead_receive_code, "the port is dead", z3.And(z3.Not(at_set), z3.Not(b.active(port))), go_on)
    gone = z3.Or(z3.Not(named.receives), named.port != port)
    yield k.fails(k.profile.moved_receive_code, "the name no longer has the receive right", z3.And(z3.Not(at_set), gone), go_on, evidence=RIGHT_LOST)
    if not k.profile.many_sets:
        yield k.fails(ReturnCode.MACH_RCV_PORT_CHANGED, "the port is in a set now", z3.And(z3.Not(at_set), named.shut), go_on)
    yield k.fails(k.profile.dead_receive_code, "the name is no longer a port set", z3.And(at_set, z3.Not(named.is_set)), go_on)
    none = z3.If(at_set, named.none_in_set, named.no_message)
    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "no message has come", none)
    # REPLY
    yield from named.chosen(go_on, source, b.waits_limit(task), b.waits_large(task), b.waits_trailer(task))


def _elements(profile: Profile, asked: Term) -> Term:
    """The elements of the trailer: those requested, or all that the kernel knows."""
    known = [asked == elements for elements in TRAILER_SIZES if elements <= profile.trailer_elements]
    return z3.If(z3.Or(*known), asked, profile.trailer_elements)


def _trailer_size(profile: Profile, asked: Term) -> Term:
    """Bytes of the trailer."""
    if not profile.trailer_elements:
        return z3.IntVal(0)
    size = z3.IntVal(TRAILER_SIZES[profile.trailer_elements])
    for elements, bytes_ in TRAILER_SIZES.items():
        if elements < profile.trailer_elements:
            size = z3.If(asked == elements, z3.IntVal(bytes_), size)
    return size


def _take_requires(k: Context, source: Port) -> list[Term]:
    return [k.before.active(source), in_space(k.before, source, k.caller), k.before.msgcount(source) > 0]


@rule(
    TAKE,
    requires=_take_requires,
    evidence=rests_on(
        "ipc/mach_msg.c: mach_msg_receive",
        xnu_792="ipc/ipc_mqueue.c: ipc_mqueue_receive_results, ipc_mqueue_select, ipc_mqueue_release_msgcount; "
        "ipc/mach_msg.c: mach_msg_receive_results, msg_receive_error",
        xnu="ipc/ipc_mqueue.c: ipc_mqueue_receive_results, ipc_mqueue_select_on_thread_locked, ipc_mqueue_release_msgcount; "
        "ipc/mach_msg.c: mach_msg_receive_results, mach_msg_receive_error; ipc/ipc_kmsg.c: ipc_kmsg_put_to_user",
        manual=page("mach_msg"),
    ),
)
def take(k: Context, source: Port, limit: Int, large: Bool, trailer: Int, *, oldest: Message, given: Function[Message, Bool]) -> Iterator[Case]:
    """Take the oldest message of a port, if there is room for it.

    This consumes its destination right. Where there are send-possible requests, those on names for the port that are
    armed are due then (``ipc_kmsg_copyout_header`` in ``ipc/ipc_kmsg.c`` of XNU 11417). In XNU the first sender that
    waits gets the place at once, unless the queue is still full (``ipc_mqueue_release_msgcount`` in
    ``ipc/ipc_mqueue.c``). Where the kernel puts a bare header into the place of a message that it destroys, the result
    has that header's size. Source: ``msg_receive_error`` in ``ipc/mach_msg.c`` of OSF and XNU 792,
    ``ipc_kmsg_put_to_user`` in ``ipc/ipc_kmsg.c`` of XNU 11417.
    """
    # NAMES
    b, S, port, message = k.before, k.sorts.Slot, source, oldest
    destination = S.destination_slot(message)
    elements, bytes_ = _elements(k.profile, trailer), _trailer_size(k.profile, trailer)

    # RIGHTS
    def look(after: After) -> None:
        choose_oldest(after, message, port)

    def take(after: After) -> None:
        look(after)
        after.at("stage")[message] = STAGE.IN_KERNEL
        after.at("owner")[message] = k.caller
        after.add("msgcount", port, -1)
        after.add("seqno", port, 1)
        once: Term = b.kind(destination) == KIND.SEND_ONCE
        after.add("sorights", port, z3.If(once, -1, 0))
        drop_held_send(after, destination)
        if k.profile.room_is_given:
            give_room(after, port, z3.If(counted_messages(b, port, k.profile) - 1 < b.qlimit(port), z3.IntVal(1), z3.IntVal(0)), given)

    def take_whole(after: After) -> None:
        if k.profile.send_possible:
            make_due(after)
        take(after)

    def make_due(after: After) -> None:
        """The armed requests for send-possible on names for the port are due."""

        def due(slot: Term) -> tuple[Term, Term]:
            of_port = b.port(S.name_slot(S.requester(slot), S.requested(slot))) == port
            return z3.And(S.is_request_slot(slot), b.send_possible(slot) == POSSIBLE.ARMED, of_port), POSSIBLE.DUE

        after.sweep("send_possible", "possible", due)

    too_large = z3.And(limit != -1, b.size(message) + bytes_ > limit)
    if k.profile.no_room_code is not ReturnCode.MACH_RCV_TOO_LARGE:
        bare = z3.And(too_large, z3.Not(large), limit == 0)
        yield k.fails(k.profile.no_room_code, "there is room for nothing, and the message is destroyed", bare, take, message=message)
    yield k.fails(ReturnCode.MACH_RCV_TOO_LARGE, "the message is too large, and stays queued", z3.And(too_large, large), look, size=b.size(message))
    told = z3.IntVal(HEADER_SIZE) if k.profile.lost_size_is_header else b.size(message)
    yield k.fails(ReturnCode.MACH_RCV_TOO_LARGE, "the message is too large, and is destroyed", too_large, take, size=told, message=message)
    # REPLY
    received = {
        "id": b.id(message),
        "local": S.name(b.receiver(port)),
        "data": b.data(message),
        "size": b.size(message),
        "trailer_size": bytes_,
        "sequence_number": z3.If(elements >= SEQUENCE_NUMBER, b.seqno(port), -1) if k.profile.trailer_elements else b.seqno(port),
        "security_token": b.sender_security(message),
        "audit_token": b.sender_audit(message),
        "reply_disposition": b.form(S.reply_slot(message)),
        "tells_security_token": z3.And(elements >= SECURITY_TOKEN, k.profile.tokens_in_trailer),
        "tells_audit_token": z3.And(elements >= AUDIT_TOKEN, k.profile.tokens_in_trailer, k.profile.audit_tokens),
        "layout": b.layout(message),
        "message": message,
    }
    yield k.continues("the oldest message", k.otherwise(), take_whole, **received)


@rule(
    DONE,
    requires=carries_nothing,
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyout, ipc_kmsg_copyout_body",
        xnu="ipc/mach_msg.c: mach_msg_receive_results; ipc/ipc_kmsg.c: ipc_kmsg_copyout, ipc_kmsg_copyout_descriptors",
        manual=page("mach_msg"),
    ),
)
def done(k: Context, message: Message, lost: Bool) -> Iterator[Case]:
    """Free a message whose contents went to the receiver, except (``lost``) pages for which there was no room."""

    # RIGHTS
    def free(after: After) -> None:
        after.at("stage")[message] = STAGE.FREE

    yield k.fails(ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE, "there was no room for memory", lost, free)
    yield k.succeeds("the message is received", k.otherwise(), free)


@sequence("mach_msg_receive")
def receive(d: Driver) -> Steps:
    """Choose a port; take its oldest message and copy it out."""
    yield from receiving(d, run("mach_msg_receive"))


@sequence("mach_msg_receive", resumed=True)
def go_on_receiving(d: Driver) -> Steps:
    """As when a message is there at once."""
    yield from receiving(d, run(RESUMED_RECEIVE))


def receiving(d: Driver, choose: Run) -> Steps:
    """Choose a port; take its oldest message; copy out its reply right, then its body.

    A message that is too large, and not to be kept, is destroyed.
    """
    chosen = yield choose
    try:
        taken = yield run(TAKE, **{name: chosen[name] for name in ("source", "limit", "large", "trailer")})
    except Failed as failed:
        yield run(DESTROY, when="message" in failed.outcome.outputs, message=failed.outcome["oldest"], at_once=True)
        raise
    message = taken["message"]
    yield copy_out(message, d.reply(message), "reply", since=taken)
    lost = yield from copy_out_body(d, message, "descriptors", taken)
    yield run(DONE, message=message, lost=lost, since=taken)
