"""How an argument of each type is made up, from choices and the situation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sendright.mach.rights import NULL_NAME, RESERVED_NAMES, RIGHT_NUMBER, Disposition, Inheritance, Right, SlotKind
from sendright.mach.signatures import Argument, Signature
from sendright.mach.signatures import ArgumentType as T
from sendright.mach.snapshot import Entry
from sendright.mach.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN, TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.properties.choices import Choices
from sendright.properties.situation import RECEIVING, Situation

Given: TypeAlias = dict[str, Any]
"""The arguments that were chosen before."""
Draw: TypeAlias = Callable[[Choices, Situation, Signature, Argument, Given], Any]

SECURITY_TOKENS = ((0, 0), (501, 20), (502, 20), KERNEL_SECURITY_TOKEN)
AUDIT_TOKENS = (KERNEL_AUDIT_TOKEN, (501, 501, 20, 501, 20, 7, 1, 1), (502, 502, 20, 502, 20, 7, 1, 2))
SEND_ONCE_NOTIFICATION = 71
MESSAGE_IDS = (0, 1, 42, SEND_ONCE_NOTIFICATION, 171)
HUGE = 0x7FFFFFFF
USUALLY_HOSTILE = 8
HOSTILE = {"task_terminate": 3, "host_security_set_task_token": 5}
"""One port argument in so many is hostile, where it isn't one in USUALLY_HOSTILE."""
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
"""How what a name denotes can be carried."""
_ANY = (Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MAKE_SEND, Disposition.MOVE_SEND_ONCE, Disposition.MAKE_SEND_ONCE)
"""How one may try to carry what isn't there."""

_RIGHTS: dict[SlotKind, tuple[Right, ...]] = {
    SlotKind.SEND: (Right.SEND,),
    SlotKind.RECEIVE: (Right.RECEIVE,),
    SlotKind.SEND_RECEIVE: (Right.SEND, Right.SEND, Right.SEND, Right.RECEIVE),
    SlotKind.SEND_ONCE: (Right.SEND_ONCE,),
    SlotKind.DEAD_NAME: (Right.DEAD_NAME,),
    SlotKind.PORT_SET: (Right.PORT_SET,),
}


def _port(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    if not argument.required and c.one_in(2):
        return NULL_NAME
    fitting = s.senders(argument.object)
    if fitting and not c.one_in(HOSTILE.get(signature.name, USUALLY_HOSTILE)):
        between = [name for name in fitting if s.joins(name)]
        return c.pick(between) if between and not c.one_in(3) else c.pick(fitting)
    others = s.senders(None)
    return c.pick(others) if others and c.one_in(2) else s.hostile_name(c)


def _ports(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> tuple[int, ...]:
    two_fit = ((0, 6), (2, 7), (1, 2), (3, 1))
    count = c.below(s.profile.registered_ports + 2) if argument.object is None else c.weighted(two_fit)
    fitting = s.senders(argument.object)
    return tuple([c.pick(fitting) if fitting and not c.one_in(8) else s.hostile_name(c) for _ in range(count)])


def _space(s: Situation, signature: Signature, given: Given) -> int:
    """The task in whose space a NAME is looked up."""
    return s.caller if signature.target is None else s.task_behind(given[signature.target])


def _name(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    task = _space(s, signature, given)
    if signature.target is None:
        return _waiting(c, s)
    if "poly" in given:
        return _place_to_insert(c, s, task, given)
    shared = s.shared_with(task)
    if shared and c.one_in(4):
        return c.pick(shared)
    there = s.any_name(c, task)
    return s.hostile_name(c) if there is None or c.one_in(10) else there


def _waiting(c: Choices, s: Situation) -> int:
    """A port of the caller's to receive from, with a message if there is one."""
    if s.waiting and not c.one_in(8):
        return c.pick(s.waiting)
    receiving = [name for name in s.names if s.entries[name].kind in (*RECEIVING, SlotKind.PORT_SET)]
    return c.pick(receiving) if receiving and not c.one_in(4) else s.hostile_name(c)


def _place_to_insert(c: Choices, s: Situation, task: int, given: Given) -> int:
    """Where a right that the caller has may go in ``task``: under a free name, or the one by which ``task`` knows the port."""
    known = s.known_as(task, s.entry(given["poly"]).port)
    kind = c.below(16)
    if known is not None and kind < 11 and given["disposition"] not in (Disposition.MAKE_SEND_ONCE, Disposition.MOVE_SEND_ONCE):
        return known
    if kind < 14:
        return c.pick(s.unused(task))
    if kind == 14 and s.space(task):
        return c.pick(sorted(s.space(task)))
    return c.pick(RESERVED_NAMES)


def _right_name(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    if not argument.required and c.one_in(2):
        return NULL_NAME
    if not argument.required and c.one_in(5):
        return int(given["dest"])
    if s.user_ports and not c.one_in(4):
        return c.pick(s.user_ports)
    return c.pick(s.names) if s.names and not c.one_in(4) else s.hostile_name(c)


def _disposition(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    in_header = argument.name.endswith("_disposition")
    if in_header:
        name = given[argument.name.removesuffix("_disposition")]
        task = s.caller
    else:
        name, task = (given["poly"], s.caller) if "poly" in given else (given["name"], _space(s, signature, given))
    if in_header and name == NULL_NAME and not c.one_in(8):
        return Disposition.NONE
    return _fitting(c, s.entry(name, task), in_header)


def _fitting(c: Choices, entry: Entry, in_header: bool = False) -> int:
    fitting = [how for how in _FITS.get(entry.kind, _ANY) if not (in_header and how is Disposition.MOVE_RECEIVE)]
    return int(c.pick(OUTSIDE_DISPOSITIONS)) if c.one_in(12) else int(c.pick(fitting))


def _descriptors(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> tuple[tuple[int, int], ...]:
    count = c.weighted(((0, 5), (1, 6), (2, 3), (3, 1), (4, 1)))
    return tuple([_descriptor(c, s, given["dest"]) for _ in range(count)])


def _descriptor(c: Choices, s: Situation, dest: int) -> tuple[int, int]:
    kind = c.below(16)
    if kind == 15:
        loops = s.loops(dest)
        if loops:
            return c.pick(loops), Disposition.MOVE_RECEIVE
    names = s.user_ports if s.user_ports and kind < 9 else s.names
    name = c.pick(names) if names and kind != 14 else s.hostile_name(c)
    return name, _fitting(c, s.entry(name))


def _right(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    if "name" not in given:
        return c.weighted(((int(Right.RECEIVE), 10), (int(Right.DEAD_NAME), 3), (int(Right.PORT_SET), 2), (c.below(RIGHT_NUMBER + 2) - 1, 2)))
    fitting = _RIGHTS.get(s.entry(given["name"], _space(s, signature, given)).kind, ())
    return int(c.pick(fitting)) if fitting and not c.one_in(8) else c.below(RIGHT_NUMBER + 2) - 1


def _delta(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    entry = s.entry(given["name"], _space(s, signature, given))
    if given["right"] == Right.RECEIVE:  # ports are worth keeping
        return c.weighted(((0, 3), (-1, 2), (1, 2), (-2, 1)))
    if given["right"] not in (Right.SEND, Right.DEAD_NAME):
        return c.weighted(((-1, 8), (0, 2), (1, 1), (-2, 1)))
    room = s.profile.urefs_max - entry.urefs
    near = ((1, 6), (-1, 3), (0, 1), (2, 1), (-entry.urefs, 8), (-entry.urefs - 1, 1))
    return c.weighted((*near, (room - 1, 2), (room, 2), (room + 1, 1), (HUGE, 1), (-HUGE - 1, 1)))


def _selector(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    return c.pick(tuple(s.profile.special_ports)) if not c.one_in(12) else c.pick((0, 3, 7, 99, -1))


def _page(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    shown = s.snapshot.tasks.get(_space(s, signature, given))
    if shown is not None and shown.memory and c.one_in(2):
        return c.pick(sorted(shown.memory))
    return c.below(min(s.profile.pages, 256)) if not c.one_in(10) else c.pick((-1, s.profile.pages, HUGE))


def _one_of(*weighted: tuple[Any, int]) -> Draw:
    return lambda c, s, signature, argument, given: c.weighted(weighted)


DRAWS: dict[T, Draw] = {
    T.PORT: _port,
    T.PORTS: _ports,
    T.RIGHT_NAME: _right_name,
    T.NAME: _name,
    T.RIGHT: _right,
    T.DISPOSITION: _disposition,
    T.DELTA: _delta,
    T.SECURITY_TOKEN: _one_of(*[(token, 1) for token in SECURITY_TOKENS]),
    T.AUDIT_TOKEN: _one_of(*[(token, 1) for token in AUDIT_TOKENS]),
    T.BOOLEAN: _one_of((False, 1), (True, 1)),
    T.SELECTOR: _selector,
    T.FLAVOUR: _one_of((TASK_SECURITY_TOKEN, 7), (TASK_AUDIT_TOKEN, 7), (14, 1), (0, 1), (-1, 1)),
    T.COUNT: _one_of((8, 10), (2, 2), (1, 2), (7, 1), (0, 1), (HUGE, 1)),
    T.PAGE: _page,
    T.INHERITANCE: _one_of(*[(int(each), 5) for each in Inheritance], (3, 1), (-1, 1)),
    T.WORD: _one_of((0, 1), (1, 1), (2, 1), (0xFFFFFFFF, 1)),
    T.MESSAGE_ID: _one_of(*[(each, 1) for each in MESSAGE_IDS]),
    T.DESCRIPTORS: _descriptors,
}
"""Argument type -> how one is made up."""
