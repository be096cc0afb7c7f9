"""What the holder of a receive right may read and set: make-send count, sequence number, queue limit, status."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.calls.entry import Entry, on_reserved, on_space
from sendright.model.language.actions import counted_messages
from sendright.model.language.choices import give_room
from sendright.model.language.evidence import decided, page, ran, read, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import Term
from sendright.model.language.state import After
from sendright.model.language.terms import Array, Bool, Function, Int, Message, Name

LIMITS_INFO, RECEIVE_STATUS = 1, 2
"""``MACH_PORT_LIMITS_INFO``, ``MACH_PORT_RECEIVE_STATUS``."""
LIMITS_WORDS, RECEIVE_STATUS_WORDS = 1, 10


def _receives(k: Context, e: Entry) -> Iterator[Case]:
    """The name must denote a receive right."""
    yield from on_reserved(k, e.name)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no receive right", z3.Not(e.receives))


GUARDED, STRICT, IMMOVABLE = 0x02, 0x04, 0x40
"""``MACH_PORT_STATUS_FLAG_GUARDED``, ``_STRICT_GUARD``, ``_GUARD_IMMOVABLE_RECEIVE``."""


def _flags(k: Context, port: Term) -> Term:
    """The flags that report a port's guard."""
    if not k.profile.has_guards:
        return z3.IntVal(0)
    b = k.before
    strict, immovable = z3.If(b.is_strict(port), STRICT, 0), z3.If(b.is_immovable(port), IMMOVABLE, 0)
    return z3.If(b.is_guarded(port), GUARDED + strict + immovable, 0)


FLAVOURS = rests_on(
    gnumach=decided("GNU Mach has no flavours and no counts: mach_port_get_receive_status and mach_port_set_qlimit stand for these two calls.")
)
"""Of flavours, and of the room for attributes."""


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_set_mscount; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu="ipc/mach_port.c: mach_port_set_mscount; ipc/ipc_right.c: ipc_right_lookup_read; ipc/ipc_object.c: ipc_object_translate",
        manual=page("mach_port_set_mscount"),
    )
)
def mach_port_set_mscount(k: Context, task: Name, name: Name, mscount: Int) -> Iterator[Case]:
    """Store any make-send count. No notification is sent."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e)

    # RIGHTS
    def store(after: After) -> None:
        after.at("mscount")[e.port] = mscount

    yield k.succeeds("the count is stored", k.otherwise(), store)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_set_seqno; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu="ipc/mach_port.c: mach_port_set_seqno; ipc/ipc_right.c: ipc_right_lookup_read; ipc/ipc_object.c: ipc_object_translate",
        manual=page("mach_port_set_seqno"),
    )
)
def mach_port_set_seqno(k: Context, task: Name, name: Name, seqno: Int) -> Iterator[Case]:
    """Store the sequence number of the next message that the port receives."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e)

    # RIGHTS
    def store(after: After) -> None:
        after.at("seqno")[e.port] = seqno

    yield k.succeeds("the number is stored", k.otherwise(), store)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_get_attributes; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        gnumach="ipc/mach_port.c: mach_port_get_receive_status; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu="ipc/mach_port.c: mach_port_get_attributes_from_user, mach_port_get_attributes; "
        "ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read",
        manual=page("mach_port_get_attributes"),
    )
)
def mach_port_get_attributes(k: Context, task: Name, name: Name, flavor: Int, count: Int) -> Iterator[Case]:
    """Read a port's queue limit, or the whole status of its receive right."""
    # NAMES
    b, S = k.before, k.sorts.Slot
    e = Entry(k, task, name)
    limits, status = flavor == LIMITS_INFO, flavor == RECEIVE_STATUS

    def one_if(condition: Term) -> Term:
        return z3.If(condition, z3.IntVal(1), z3.IntVal(0))

    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", z3.Not(z3.Or(limits, status)), evidence=FLAVOURS)
    room = z3.If(limits, z3.IntVal(LIMITS_WORDS), z3.IntVal(RECEIVE_STATUS_WORDS))
    yield k.fails(ReturnCode.KERN_FAILURE, "no room for the attributes", count < room, evidence=FLAVOURS)
    yield from on_reserved(k, e.name, code=ReturnCode.KERN_SUCCESS, when=limits, title="NULL or DEAD: no attributes", info_length=z3.IntVal(0))
    yield from _receives(k, e)
    # REPLY: word by word (the oracle finds the port's sets: a list of any length has no term)
    yield k.succeeds("the queue limit", limits, **{"info.queue_limit": b.qlimit(e.port)})
    words = {
        "sets_of": e.port,
        "seqno": b.seqno(e.port),
        "mscount": b.mscount(e.port),
        "qlimit": b.qlimit(e.port),
        "msgcount": counted_messages(b, e.port, k.profile),
        "sorights": b.sorights(e.port),
        "srights": one_if(b.srights(e.port) > 0),
        "pdrequest": one_if(z3.Not(b.empty(S.port_destroyed_slot(e.port)))),
        "nsrequest": one_if(z3.Not(b.empty(S.no_senders_slot(e.port)))),
        "flags": _flags(k, e.port),
    }
    yield k.succeeds("the receive status", k.otherwise(status), **{f"info.{word}": value for word, value in words.items()})


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_set_attributes; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu_792=read(
            "ipc/mach_port.c: mach_port_set_attributes; ipc/ipc_object.c: ipc_object_translate; "
            "ipc/ipc_right.c: ipc_right_lookup_write; ipc/ipc_mqueue.c: ipc_mqueue_set_qlimit"
        )
        + ran("XNU 792's own code lets in as many waiting senders as a limit rises by, also above it.", "the queue limit is set"),
        gnumach="ipc/mach_port.c: mach_port_set_qlimit; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu=read(
            "ipc/mach_port.c: mach_port_set_attributes; ipc/ipc_object.c: ipc_object_translate; "
            "ipc/ipc_right.c: ipc_right_lookup_read; ipc/ipc_mqueue.c: ipc_mqueue_set_qlimit_locked"
        )
        + ran("XNU 11417's own code lets in as many waiting senders as a limit rises by, also above it.", "the queue limit is set"),
        manual=page("mach_port_set_attributes"),
    )
)
def mach_port_set_attributes(
    k: Context, task: Name, name: Name, flavor: Int, info: Array[Int], info_length: Int, *, given: Function[Message, Bool]
) -> Iterator[Case]:
    """Set how many messages fit in a port's queue.

    Messages that are queued already stay, even above the new limit. In XNU a limit that is raised gives room to as many
    of the senders that wait as it was raised by, the first first, also above the new limit
    (``ipc_mqueue_set_qlimit`` in ``ipc/ipc_mqueue.c``).
    """
    # NAMES
    e = Entry(k, task, name)
    limit = info(z3.IntVal(0))
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", flavor != LIMITS_INFO, evidence=FLAVOURS)
    yield k.fails(ReturnCode.KERN_FAILURE, "the attributes are too few", info_length < LIMITS_WORDS, evidence=FLAVOURS)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such queue limit", z3.Or(limit < 0, limit > k.queue_limit_max))
    yield from _receives(k, e)

    # RIGHTS
    def store(after: After) -> None:
        after.at("qlimit")[e.port] = limit
        if k.profile.room_is_given:
            more = limit - k.before.qlimit(e.port)
            give_room(after, e.port, z3.If(more > 0, more, z3.IntVal(0)), given)

    yield k.succeeds("the queue limit is set", k.otherwise(), store)
