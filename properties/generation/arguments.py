"""Draws an argument of each type, from choices and the situation."""

from __future__ import annotations

from typing import Any

from sendright.mach.abi.descriptors import TRAILER_SIZES, CopyOption, layout_of, natural_size, size_without_data
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    LAST_KERNEL_HOST_PORT,
    MACH_EXCEPTION_TYPES,
    NULL_NAME,
    Behaviour,
    Disposition,
    Inheritance,
    Notification,
    Right,
    SlotKind,
    exception_mask,
)
from sendright.mach.abi.tokens import (
    ASSIGN_SESSION,
    DEFAULT_SESSION,
    FIRST_SESSION,
    KERNEL_AUDIT_TOKEN,
    KERNEL_SECURITY_TOKEN,
    TASK_AUDIT_TOKEN,
    TASK_SECURITY_TOKEN,
    UNSET,
)
from sendright.mach.signatures import Argument, Signature
from sendright.mach.signatures import ArgumentType as T
from sendright.mach.state.snapshot import Entry
from sendright.properties.generation import names as name_draws
from sendright.properties.generation.caller_view import RECEIVING, Situation
from sendright.properties.generation.choices import Choices
from sendright.properties.generation.names import Draw, DrawnArguments, space

SECURITY_TOKENS = ((0, 0), (501, 20), (502, 20), KERNEL_SECURITY_TOKEN)
AUDIT_TOKENS = (KERNEL_AUDIT_TOKEN, (501, 501, 20, 501, 20, 7, 1, 1), (502, 502, 20, 502, 20, 7, 1, 2))
MESSAGE_IDS = (0, 1, 42, *Notification, 171)
"""Some are the ids of notifications; one is the id of a kernel port's reply to another."""
HUGE = 0x7FFFFFFF
WORD = 0xFFFFFFFF
OUTSIDER = 1 << 31
"""An id that no process has at first: negative, if a kernel takes it for a number with a sign."""
_THREE = ("real", "effective", "saved")
COPY_OPTIONS = ((int(CopyOption.PHYSICAL), 6), (int(CopyOption.VIRTUAL), 6), (2, 1), (-1, 1))
OUTSIDE_DISPOSITIONS = (0, 15, *Disposition, 22)

_FITS: dict[SlotKind, tuple[Disposition, ...]] = {
    SlotKind.SEND: (Disposition.COPY_SEND, Disposition.MOVE_SEND),
    SlotKind.RECEIVE: (Disposition.MAKE_SEND, Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE, Disposition.MOVE_RECEIVE),
    SlotKind.SEND_RECEIVE: (
        Disposition.COPY_SEND,
        Disposition.MOVE_SEND,
        Disposition.MAKE_SEND,
        Disposition.MAKE_SEND_ONCE,
        Disposition.MOVE_RECEIVE,
        Disposition.MOVE_RECEIVE,
    ),
    SlotKind.SEND_ONCE: (Disposition.MOVE_SEND_ONCE,),
    SlotKind.DEAD_NAME: (Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE),
}
"""Kind of right -> the dispositions that can carry it."""
_ANY = (Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MAKE_SEND, Disposition.MOVE_SEND_ONCE, Disposition.MAKE_SEND_ONCE)
"""The dispositions tried for a name without a right."""

_RIGHTS: dict[SlotKind, tuple[Right, ...]] = {
    SlotKind.SEND: (Right.SEND,),
    SlotKind.RECEIVE: (Right.RECEIVE,),
    SlotKind.SEND_RECEIVE: (Right.SEND, Right.SEND, Right.SEND, Right.RECEIVE),
    SlotKind.SEND_ONCE: (Right.SEND_ONCE,),
    SlotKind.DEAD_NAME: (Right.DEAD_NAME,),
    SlotKind.PORT_SET: (Right.PORT_SET,),
}


def _disposition(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    in_header = argument.name.endswith("_disposition")
    if in_header:
        name = drawn[argument.name.removesuffix("_disposition")]
        task = s.caller
    else:
        name, task = (drawn["poly"], s.caller) if "poly" in drawn else (drawn["name"], space(s, signature, drawn))
    if argument.name == "notify_disposition":
        return _to_notify(c, s.entry(name))
    if in_header and name == NULL_NAME and not c.one_in(8):
        return Disposition.NONE
    return _fitting(c, s.entry(name, task), in_header)


def _to_notify(c: Choices, entry: Entry) -> int:
    """A disposition for a request, which takes only send-once rights."""
    if c.one_in(10):
        return int(c.pick(OUTSIDE_DISPOSITIONS))
    moved = entry.kind in (SlotKind.SEND_ONCE, SlotKind.DEAD_NAME) or (entry.kind is SlotKind.NONE and c.one_in(2))
    return int(Disposition.MOVE_SEND_ONCE if moved else Disposition.MAKE_SEND_ONCE)


def _fitting(c: Choices, entry: Entry, in_header: bool = False) -> int:
    fitting = [how for how in _FITS.get(entry.kind, _ANY) if not (in_header and how is Disposition.MOVE_RECEIVE)]
    return int(c.pick(OUTSIDE_DISPOSITIONS)) if c.one_in(12) else int(c.pick(fitting))


def _descriptors(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> tuple[tuple[Any, ...], ...]:
    count = c.weighted(((0, 5), (1, 6), (2, 3), (3, 1), (4, 1)))
    return tuple([_descriptor(c, s, signature, argument, drawn) for _ in range(count)])


def _descriptor(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> tuple[Any, ...]:
    """Usually a port, sometimes memory or an array of ports."""
    kind = c.below(16)
    if kind == 14:
        return _page(c, s, signature, argument, drawn), c.weighted(COPY_OPTIONS), c.one_in(3)
    if kind == 15:
        return _ool_ports(c, s, drawn["dest"])
    return _port_descriptor(c, s, drawn["dest"])


def _ool_ports(c: Choices, s: Situation, dest: int) -> tuple[tuple[int, ...], int]:
    """Usually names of the same kind, as one disposition holds for all."""
    count = c.weighted(((0, 1), (1, 3), (2, 4), (3, 2)))
    first, disposition = _port_descriptor(c, s, dest)
    alike = [name for name in s.names if s.entries[name].kind is s.entry(first).kind] or [first]
    others = [c.pick(alike) if not c.one_in(8) else s.hostile_name(c) for _ in range(count - 1)]
    return tuple([first, *others][:count]), disposition


def _port_descriptor(c: Choices, s: Situation, dest: int) -> tuple[int, int]:
    kind = c.below(16)
    if kind == 15:
        loops = s.loops(dest)
        if loops:
            return c.pick(loops), Disposition.MOVE_RECEIVE
    if kind < 3 and s.carrying:
        return c.pick(s.carrying), Disposition.MOVE_RECEIVE
    names = s.user_ports if s.user_ports and kind < 9 else s.names
    name = c.pick(names) if names and kind != 14 else s.hostile_name(c)
    return name, _fitting(c, s.entry(name))


def _size(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """Usually -1 (none); otherwise a size that is just sufficient, or just too small."""
    if not c.one_in(5):
        return -1
    if argument.name == "room":
        exact = TRAILER_SIZES.get(drawn["trailer"], TRAILER_SIZES[3])
        return c.weighted(((exact, 4), (exact - 1, 2), (0, 1), (HUGE, 1)))
    if argument.name == "limit":
        queue = s.queue(drawn["port"])
        size = queue[0].size if queue else natural_size(())
        exact = size + c.pick(tuple(TRAILER_SIZES.values())[:4])
        return c.weighted(((exact, 4), (exact - 1, 2), (size, 2), (0, 1), (HUGE, 1)))
    layout = layout_of(drawn.get("descriptors", ()))
    least = size_without_data(layout)
    return c.weighted(((natural_size(layout), 4), (least, 4), (least - 4, 3), (least + 2, 1), (HUGE & ~3, 1), (0, 1), (-2, 1)))


def _boolean(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> bool:
    if argument.name == "no_hang":
        return not s.can_wait or c.one_in(2)
    if argument.name.endswith("wait"):
        return s.can_wait and c.one_in(_one_in_waits(s, drawn))
    if argument.name == "large":
        return c.one_in(3)
    if signature.name == "mach_port_construct" and argument.name in _OF_A_KIND:
        return c.one_in(5)
    return c.weighted(((False, 1), (True, 1)))


_OF_A_KIND = ("service", "reply", "provisional_reply", "enforce_reply", "exception")
"""Options for ports of a kind of their own: a port with two of the last four can't be made."""


def _one_in_waits(s: Situation, drawn: DrawnArguments) -> int:
    """One send or receive in this many waits: more of those that can't complete at once and that another task can
    complete. (The port to receive from is drawn after whether a send waits.)"""
    if "port" not in drawn:
        full = s.is_full(drawn["dest"])
        return 8 if not full else 20 if s.entry(drawn["dest"]).kind in RECEIVING else 2
    awaits_reply = drawn.get("reply") == drawn["port"] and drawn["dest"] != drawn["port"]
    return 8 if drawn["port"] in s.with_messages else 2 if awaits_reply or drawn["port"] in s.worth_waiting_at else 20


def _right(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    numbers = s.profile.right_number + 2
    if "name" not in drawn:
        return c.weighted(((int(Right.RECEIVE), 9), (int(Right.DEAD_NAME), 3), (int(Right.PORT_SET), 4), (c.below(numbers) - 1, 2)))
    fitting = _RIGHTS.get(s.entry(drawn["name"], space(s, signature, drawn)).kind, ())
    return int(c.pick(fitting)) if fitting and not c.one_in(8) else c.below(numbers) - 1


def _delta(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    entry = s.entry(drawn["name"], space(s, signature, drawn))
    right = drawn.get("right", Right.SEND)
    if right == Right.RECEIVE:  # ports are worth keeping
        return c.weighted(((0, 3), (-1, 2), (1, 2), (-2, 1)))
    if right not in (Right.SEND, Right.DEAD_NAME):
        return c.weighted(((-1, 8), (0, 2), (1, 1), (-2, 1)))
    if argument.name == "srdelta":
        return c.weighted(((0, 8), (-entry.urefs, 4), (-1, 3), (-entry.urefs - 1, 1), (1, 1), (-s.profile.urefs_max, 1), (-HUGE - 1, 1)))
    if s.profile.pegged_urefs and c.one_in(4):
        return c.weighted(((-s.profile.urefs_max, 3), (-s.profile.urefs_max - 1, 1), (s.profile.urefs_max, 2), (s.profile.urefs_max + 1, 1)))
    room = s.profile.urefs_max - entry.urefs
    near = ((1, 6), (-1, 3), (0, 1), (2, 1), (-entry.urefs, 8), (-entry.urefs - 1, 1))
    return c.weighted((*near, (room - 1, 2), (room, 2), (room + 1, 1), (HUGE, 1), (-HUGE - 1, 1)))


def _selector(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    selectors = (*s.profile.special_ports, *s.profile.flavour_ports)
    return c.pick(selectors) if not c.one_in(12) else c.pick((0, 3, 7, 99, -1))


def _page(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    shown = s.snapshot.tasks.get(space(s, signature, drawn))
    if shown is not None and shown.memory and c.one_in(2):
        return c.pick(sorted(shown.memory))
    return c.below(min(s.profile.pages, 256)) if not c.one_in(10) else c.pick((-1, s.profile.pages, HUGE))


def _count(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    whole = s.profile.info_words if drawn.get("flavor") == PortAttributes.INFO_EXT else int(argument.default)
    return c.weighted(((whole, 10), (2, 2), (1, 2), (7, 1), (0, 1), (HUGE, 1)))


def _counter(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    if drawn.get("variant") == Notification.PORT_DESTROYED and not c.one_in(8):  # the only valid value
        return 0
    if signature.name == "mach_port_peek":
        port = s.port_behind(drawn["name"], space(s, signature, drawn))
        if port is not None and not c.one_in(3):
            return port.sequence_number + c.below(len(port.queue) + 2) - c.below(2)
    return c.weighted(((0, 8), (1, 4), (2, 2), (3, 1), (HUGE, 1)))


def _guard(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A word; for a guarded port usually its guard."""
    port = s.port_behind(drawn["name"], space(s, signature, drawn)) if "name" in drawn else None
    if port is not None and port.context and not c.one_in(4):
        return port.context
    return c.weighted(((0, 2), (1, 6), (2, 2), (1 << 63, 1)))


def _queue_limit(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    highest = s.profile.queue_limit_max
    return c.weighted(((-1, 8), (c.below(min(highest, 3) + 1), 4), (highest, 1), (highest + 1, 1), (-2, 1)))


def _behaviour(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A behaviour, also with the further bits that a profile's behaviours have."""
    known = sorted({behaviour & sum(BEHAVIOUR_BITS) for behaviour in s.profile.behaviours})
    behaviour = c.weighted((*[(int(each), 6) for each in Behaviour], (0, 1), (4, 1), (-1, 1)))
    return behaviour | c.pick(known) if len(known) > 1 and behaviour > 0 and c.one_in(2) else behaviour


def _state_flavour(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    if s.profile.state_flavours is not None and c.one_in(8):
        return c.pick((-1, max(s.profile.state_flavours) + 1, HUGE))
    return c.weighted(((0, 4), (1, 2), (5, 1)))


def _attributes(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    if signature.name == "mach_port_assert_attributes":
        return c.weighted(((int(PortAttributes.GUARD_INFO), 12), (1, 1), (0, 1), (-1, 1)))
    port = s.port_behind(drawn["name"], space(s, signature, drawn))
    if port is not None and port.service and c.one_in(2):
        return int(PortAttributes.SERVICE_THROTTLED)
    settable = signature.name == "mach_port_set_attributes"
    limits, status = (10, 1) if settable else (4, 8)
    others = [(flavour, 2) for flavour in sorted(s.profile.attributes_set if settable else s.profile.attributes_told) if flavour > 2]
    some = (int(PortAttributes.LIMITS_INFO), limits), (int(PortAttributes.RECEIVE_STATUS), status), (3, 1), (0, 1), (8, 1), (-1, 1)
    return c.weighted((*some, *others))


def _limits(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> tuple[int, ...]:
    if signature.name == "mach_port_assert_attributes":
        guard = _guard(c, s, signature, argument, drawn)
        return c.weighted((((guard & WORD, guard >> 32), 12), ((guard & WORD,), 1), ((), 1), ((guard & WORD, guard >> 32, 7), 1)))
    if drawn["flavor"] == PortAttributes.DNREQUESTS_SIZE and c.one_in(2):
        return (c.weighted(((c.below(20), 6), (-1, 3), (91136, 1), (91137, 1))),)
    highest = s.profile.queue_limit_max
    limit = c.weighted(((c.below(min(highest, 255) + 1), 8), (0, 1), (highest, 1), (highest + 1, 1), (-1, 1)))
    return c.weighted((((limit,), 10), ((), 1), ((limit, 7), 1)))


def _exception_mask(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    types = s.profile.exception_types or MACH_EXCEPTION_TYPES
    every = exception_mask(types)
    some = (c.byte() << 8 | c.byte()) & every
    outside = c.pick((1, every + 1, every + 2, -1))
    return c.weighted(((some, 8), (2 << c.below(types), 6), (every, 4), (0, 1), (outside, 1)))


def _host_selector(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    highest = s.profile.host_special_ports
    if c.one_in(8) or not highest:
        return c.pick((0, -1, highest + 1, 1, LAST_KERNEL_HOST_PORT, HUGE))
    lowest = LAST_KERNEL_HOST_PORT + 1 if signature.name == "host_set_special_port" or c.one_in(2) else 1
    return lowest + c.below(min(highest + 1 - lowest, 256))


def _amount(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    return c.weighted(((0, 2), (1, 4), (2, 3), (3, 3), (-1, 4), (-2, 2), (HUGE, 2)))


def _notification(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    possible = 8 if s.profile.send_possible else 1
    asked = ((int(Notification.DEAD_NAME), 8), (int(Notification.NO_SENDERS), 6), (int(Notification.PORT_DESTROYED), 6))
    own = ((int(Notification.PORT_DELETED), 1), (int(Notification.SEND_ONCE), 1))
    return c.weighted((*asked, (int(Notification.SEND_POSSIBLE), possible), *own, (0, 1), (-1, 1)))


def _user(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    return _id(c, s, argument, "user", (501, 502, 503))


def _group(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    return _id(c, s, argument, "group", (20, 80))


def _id(c: Choices, s: Situation, argument: Argument, kind: str, others: tuple[int, ...]) -> int:
    """One of the caller's own ids of this ``kind``, or another process's, or root's; an argument that may be left out
    often is.
    """
    if not argument.required and c.one_in(2):
        return UNSET
    own, known = [[getattr(each, f"{which}_{kind}") for which in _THREE] for each in (s.process, c.pick(s.living))] if s.process else [[0], [0]]
    drawn: int = c.weighted(((c.pick(own), 6), (c.pick(known), 3), (0, 4), (c.pick(others), 3), (UNSET, 1), (OUTSIDER, 1)))
    return drawn


def _session(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """The number of an audit session: a new one, one that processes are in, mostly with this audit user or none, or one
    that no process is in.
    """
    there = sorted(s.snapshot.sessions) or [FIRST_SESSION]
    open_to_user = [number for number in there if s.snapshot.sessions.get(number) in (UNSET, drawn.get("audit_user"))]
    new = ((ASSIGN_SESSION, 4), (DEFAULT_SESSION, 1), (-1, 1))
    return c.weighted((*new, (c.pick(open_to_user or there), 5), (c.pick(there), 2), (there[-1] + 1, 1), (1 + c.below(3), 2)))


def _pid(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A process: for a wait mostly any child, or one of them."""
    children = s.children
    if signature.name == "wait4" and not c.one_in(4):
        return c.pick(children) if children and c.one_in(2) else -1
    if signature.name == "wait4" and c.one_in(6):
        return -HUGE - 1
    zombies = [zombie.pid for zombie in s.snapshot.zombies.values()]
    pids = [each.pid for each in s.living]
    own = 0 if s.process is None else s.process.pid
    known = c.pick(pids) if pids else own
    unknown = max([0, *pids, *zombies]) + 1
    return c.weighted(
        (
            (known, 10),
            (c.pick(children or [known]), 6),
            (own, 2),
            (c.pick(zombies or [known]), 2),
            (0, 1),
            (unknown, 2),
            (c.pick((-1, -HUGE - 1, HUGE)), 1),
        )
    )


def _one_of(*weighted: tuple[Any, int]) -> Draw:
    return lambda c, s, signature, argument, drawn: c.weighted(weighted)


DRAWS: dict[T, Draw] = {
    T.PORT: name_draws.port,
    T.PORTS: name_draws.ports,
    T.RIGHT_NAME: name_draws.right_name,
    T.NAME: name_draws.name,
    T.RIGHT: _right,
    T.DISPOSITION: _disposition,
    T.DELTA: _delta,
    T.SECURITY_TOKEN: _one_of(*[(token, 1) for token in SECURITY_TOKENS]),
    T.AUDIT_TOKEN: _one_of(*[(token, 1) for token in AUDIT_TOKENS]),
    T.BOOLEAN: _boolean,
    T.SELECTOR: _selector,
    T.FLAVOUR: _one_of((TASK_SECURITY_TOKEN, 7), (TASK_AUDIT_TOKEN, 7), (14, 1), (0, 1), (-1, 1)),
    T.COUNT: _count,
    T.PAGE: _page,
    T.INHERITANCE: _one_of(*[(int(each), 5) for each in Inheritance], (3, 1), (-1, 1)),
    T.WORD: _one_of((0, 1), (1, 1), (2, 1), (0xFFFFFFFF, 1)),
    T.MESSAGE_ID: _one_of(*[(int(each), 1) for each in MESSAGE_IDS]),
    T.DESCRIPTORS: _descriptors,
    T.SIZE: _size,
    T.TASK_FLAVOUR: _one_of((0, 6), (1, 2), (2, 2), (3, 2), (4, 1), (-1, 1)),
    T.TRAILER: _one_of((3, 8), (2, 2), (1, 2), (0, 2), (4, 1), (7, 1), (-1, 1)),
    T.COUNTER: _counter,
    T.ATTRIBUTES: _attributes,
    T.LIMITS: _limits,
    T.NOTIFICATION: _notification,
    T.EXCEPTION_MASK: _exception_mask,
    T.BEHAVIOUR: _behaviour,
    T.STATE_FLAVOUR: _state_flavour,
    T.HOST_SELECTOR: _host_selector,
    T.AMOUNT: _amount,
    T.GUARD: _guard,
    T.QUEUE_LIMIT: _queue_limit,
    T.USER: _user,
    T.GROUP: _group,
    T.PID: _pid,
    T.SESSION: _session,
    T.STATUS: _one_of((0, 4), (1, 2), (42, 1), (0xFF, 1), (0x100, 1), (0x1234, 1), (-1, 1), (-HUGE - 1, 1)),
}
"""Argument type -> the function that draws one."""
