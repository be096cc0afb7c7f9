"""What the holder of a receive right may read and set: make-send count, sequence number, queue limit, status, and in
later kernels whether messages lend importance and whether a service is throttled."""

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

LIMITS_INFO, RECEIVE_STATUS, DNREQUESTS_SIZE, TEMPOWNER, IMPORTANCE, DENAP, INFO_EXT, SERVICE_THROTTLED = 1, 2, 3, 4, 5, 6, 7, 9
"""``MACH_PORT_LIMITS_INFO``, ``MACH_PORT_RECEIVE_STATUS``, …"""
WORDS = {LIMITS_INFO: 1, RECEIVE_STATUS: 10, DNREQUESTS_SIZE: 1, INFO_EXT: 17}
"""Flavour -> how many words it has, if the kernel tests that there is room for them, or that they are there."""
UNUSED_WORDS = 6
"""At the end of ``INFO_EXT``: the kernel clears them."""
LARGEST_TABLE, NEXT_SIZE = 91136, 0xFFFFFFFF
"""The largest table of dead-name requests (``ipc_table_init`` in ``ipc/ipc_table.c``), and the size that stands for the
next one (``ITS_SIZE_NONE``).
"""
TABLE_GROWS = rests_on("ipc/ipc_port.c: ipc_port_dngrow")
"""Of the errors of a table of dead-name requests that can't grow."""


def _receives(k: Context, e: Entry) -> Iterator[Case]:
    """The name must denote a receive right."""
    yield from on_reserved(k, e.name)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no receive right", z3.Not(e.receives))


TEMP_OWNER, GUARDED, STRICT, DONATION, IMMOVABLE = 0x01, 0x02, 0x04, 0x08, 0x40
"""``MACH_PORT_STATUS_FLAG_TEMPOWNER``, ``_GUARDED``, ``_STRICT_GUARD``, ``_IMP_DONATION`` and
``_GUARD_IMMOVABLE_RECEIVE``."""


def _flags(k: Context, port: Term) -> Term:
    """The flags that report a port's guard, and whether messages lend importance."""
    if not k.profile.has_guards:
        return z3.IntVal(0)
    b = k.before
    strict, immovable = z3.If(b.is_strict(port), STRICT, 0), z3.If(b.is_immovable(port), IMMOVABLE, 0)
    lending = z3.If(b.is_donating(port), DONATION + z3.If(b.has_temp_owner(port), TEMP_OWNER, 0), 0)
    return z3.If(b.is_guarded(port), GUARDED + strict + immovable, 0) + lending


FLAVOURS = rests_on(
    gnumach=decided("GNU Mach has no flavours and no counts: mach_port_get_receive_status and mach_port_set_qlimit stand for these two calls.")
)
"""Of flavours, and of the room for attributes."""


def _unknown(flavor: Int, known: frozenset[int]) -> Term:
    return z3.And(*[flavor != each for each in sorted(known)])


def _words_of(flavor: Int, known: frozenset[int]) -> Term:
    """How many words a flavour has; 0 if the kernel doesn't test that."""
    words = z3.IntVal(0)
    for each in sorted(known & WORDS.keys()):
        words = z3.If(flavor == each, z3.IntVal(WORDS[each]), words)
    return words


def _no_service(k: Context, e: Entry, flavor: Int, known: frozenset[int]) -> Iterator[Case]:
    """Only service ports can be throttled."""
    if SERVICE_THROTTLED in known:
        throttled = z3.And(e.receives, flavor == SERVICE_THROTTLED, z3.Not(k.before.is_service(e.port)))
        yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the port isn't a service port", throttled)


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
    """Read a port's queue limit, the whole status of its receive right, how large the kernel's table of its dead-name
    requests is, or whether a service is throttled.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    e = Entry(k, task, name)
    known = k.profile.attributes_told
    limits, status, size, extended = (flavor == each for each in (LIMITS_INFO, RECEIVE_STATUS, DNREQUESTS_SIZE, INFO_EXT))

    def one_if(condition: Term) -> Term:
        return z3.If(condition, z3.IntVal(1), z3.IntVal(0))

    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", _unknown(flavor, known), evidence=FLAVOURS)
    yield k.fails(ReturnCode.KERN_FAILURE, "no room for the attributes", count < _words_of(flavor, known), evidence=FLAVOURS)
    yield from on_reserved(k, e.name, code=ReturnCode.KERN_SUCCESS, when=limits, title="NULL or DEAD: no attributes", info_length=z3.IntVal(0))
    if DNREQUESTS_SIZE in known:  # the count isn't changed: as many words as there is room for
        words = {f"info.{index}": z3.IntVal(0) for index in range(k.profile.info_words)}
        told = {f"told.{index}": count > index for index in range(k.profile.info_words)}
        yield from on_reserved(k, e.name, code=ReturnCode.KERN_SUCCESS, when=size, title="NULL or DEAD: no requests", **words, **told)
    yield from _receives(k, e)
    yield from _no_service(k, e, flavor, known)
    # REPLY: word by word (the oracle finds the port's sets: a list of any length has no term)
    yield k.succeeds("the queue limit", limits, **{"info.queue_limit": b.qlimit(e.port)})
    if DNREQUESTS_SIZE in known:
        yield k.succeeds("the size of the table of requests", size, **{"info.request_slots": b.request_slots(e.port)})
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
    if INFO_EXT in known:
        more = {name: z3.IntVal(0) for name in ("boosts", *map(str, range(UNUSED_WORDS)))}
        title = "the receive status, and that no task lends importance"
        yield k.succeeds(title, extended, **{f"info.{word}": value for word, value in {**words, **more}.items()})
    if SERVICE_THROTTLED in known:
        yield k.succeeds("whether the service is throttled", flavor == SERVICE_THROTTLED, **{"info.throttled": one_if(b.is_throttled(e.port))})
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
    k: Context,
    task: Name,
    name: Name,
    flavor: Int,
    info: Array[Int],
    info_length: Int,
    shortage: Int,
    *,
    given: Function[Message, Bool],
    request_slots: Int,
    out_of_memory: Bool,
) -> Iterator[Case]:
    """Set how many messages fit in a port's queue, how large the kernel's table of its dead-name requests is, that
    messages lend importance, or whether a service is throttled. (Without words, a service isn't: the kernel reads
    the first word of the request's trailer, which is 0.)

    Messages that are queued already stay, even above the new limit. In XNU a limit that is raised gives room to as many
    of the senders that wait as it was raised by, the first first, also above the new limit
    (``ipc_mqueue_set_qlimit`` in ``ipc/ipc_mqueue.c``).

    A port without a table gets one of the kernel's sizes: the first that is large enough. A table that is there grows
    only to the next size. If that isn't enough, the kernel makes a larger one and doesn't use it: the call succeeds,
    and the table stays as it is (``ipc_port_dngrow`` in ``ipc/ipc_port.c``).
    """
    # NAMES
    b, e = k.before, Entry(k, task, name)
    known = k.profile.attributes_set
    first = info(z3.IntVal(0))
    limits, size = flavor == LIMITS_INFO, flavor == DNREQUESTS_SIZE
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", _unknown(flavor, known), evidence=FLAVOURS)
    yield k.fails(ReturnCode.KERN_FAILURE, "the attributes are too few", info_length < _words_of(flavor, known), evidence=FLAVOURS)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such queue limit", z3.And(limits, z3.Or(first < 0, first > k.queue_limit_max)))
    yield from _receives(k, e)
    yield from _no_service(k, e, flavor, known)
    if k.profile.sets_table_size and DNREQUESTS_SIZE in known:
        more = z3.And(size, z3.Or(first > b.request_slots(e.port), b.request_slots(e.port) == 0))
        too_large = z3.And(more, first > LARGEST_TABLE, first != NEXT_SIZE)
        yield k.fails(ReturnCode.KERN_NO_SPACE, "no table is so large", too_large, evidence=TABLE_GROWS)
        no_memory = z3.And(more, shortage > 0, out_of_memory)
        yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", no_memory, evidence=TABLE_GROWS)

    # RIGHTS
    def store(after: After) -> None:
        after.at("qlimit")[e.port] = first
        if k.profile.room_is_given:
            more = first - b.qlimit(e.port)
            give_room(after, e.port, z3.If(more > 0, more, z3.IntVal(0)), given)

    def grow(after: After) -> None:
        slots = b.request_slots(e.port)
        after.at("request_slots")[e.port] = z3.If(request_slots > slots, request_slots, slots)

    def lend(after: After) -> None:
        after.at("is_donating")[e.port] = z3.BoolVal(True)

    def lend_for_a_time(after: After) -> None:
        lend(after)
        after.at("has_temp_owner")[e.port] = z3.BoolVal(True)

    def throttle(after: After) -> None:
        after.at("is_throttled")[e.port] = z3.And(info_length > 0, first != 0)

    if k.profile.sets_table_size and DNREQUESTS_SIZE in known:
        yield k.succeeds("the table of requests grows, if its next size is enough", size, grow)
    elif DNREQUESTS_SIZE in known:
        yield k.succeeds("the size of the table stays", size)
    if TEMPOWNER in known:
        yield k.succeeds("messages lend importance, and the owner is a temporary one", flavor == TEMPOWNER, lend_for_a_time)
        yield k.succeeds("messages lend importance", z3.Or(flavor == IMPORTANCE, flavor == DENAP), lend)
    if SERVICE_THROTTLED in known:
        yield k.succeeds("the service is throttled, or no longer", flavor == SERVICE_THROTTLED, throttle)
    yield k.succeeds("the queue limit is set", k.otherwise(limits), store)
