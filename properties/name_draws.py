"""How names are made up: those by which calls carry rights from the caller's space, and those that they look up in the target's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from sendright.mach.rights import NULL_NAME, RESERVED_NAMES, Disposition, Notification, PortObject, SlotKind
from sendright.mach.signatures import Argument, Signature
from sendright.properties.choices import Choices
from sendright.properties.situation import RECEIVING, SENDING, Situation

Given: TypeAlias = dict[str, Any]
"""The arguments that were chosen before."""
Draw: TypeAlias = Callable[[Choices, Situation, Signature, Argument, Given], Any]

USUALLY_HOSTILE = 8
HOSTILE = {"task_terminate": 3, "host_security_set_task_token": 5, "task_resume": 4, "ledger_transfer": 4, "mach_port_set_mscount": 4}
"""One port argument in so many is hostile, where it isn't one in USUALLY_HOSTILE."""
RARELY_GIVEN = ("proto",)
"""Arguments that are nearly always left out: with them no call succeeds."""

_SETS = (SlotKind.PORT_SET,)
_WITH_REQUESTS = (*SENDING, SlotKind.RECEIVE, SlotKind.SEND_ONCE)
_KINDS: dict[str, tuple[SlotKind, ...]] = {
    "mach_port_set_mscount.name": RECEIVING,
    "mach_port_set_seqno.name": RECEIVING,
    "mach_port_get_attributes.name": RECEIVING,
    "mach_port_set_attributes.name": RECEIVING,
    "mach_port_move_member.member": RECEIVING,
    "mach_port_move_member.after": _SETS,
    "mach_port_insert_member.name": RECEIVING,
    "mach_port_insert_member.pset": _SETS,
    "mach_port_extract_member.name": RECEIVING,
    "mach_port_extract_member.pset": _SETS,
    "mach_port_get_set_status.name": _SETS,
    "mach_port_destruct.name": RECEIVING,
    "mach_port_guard.name": RECEIVING,
    "mach_port_unguard.name": RECEIVING,
    "mach_port_peek.name": RECEIVING,
}
"""What a name must denote for the call to succeed; where nothing is said, any kind may do."""
_ENDING = ("mach_port_destroy", "mach_port_deallocate", "mach_port_mod_refs")
"""Calls that may end what somebody asked to be told the end of."""
_FREE = ("mach_port_rename.new_name", "mach_port_allocate_name.name", "mach_port_allocate_full.name")
"""Names that must denote nothing."""


def port(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    """A PORT argument."""
    if not argument.required and (c.one_in(2) or (argument.name in RARELY_GIVEN and not c.one_in(4))):
        return NULL_NAME
    fitting = s.senders(argument.object)
    if fitting and not c.one_in(HOSTILE.get(signature.name, USUALLY_HOSTILE)):
        better = _better(s, signature, argument, given, fitting)
        return c.pick(better) if better and not c.one_in(3) else c.pick(fitting)
    others = s.senders(None)
    return c.pick(others) if others and c.one_in(2) else s.hostile_name(c)


def _better(s: Situation, signature: Signature, argument: Argument, given: Given, fitting: list[int]) -> list[int]:
    """Those of the fitting names with which more comes of the call."""
    if signature.name == "task_resume":
        return [name for name in fitting if s.is_suspended(name)]
    if argument.name == "child_ledger":
        return [name for name in fitting if s.is_ledger_below(name, given["parent_ledger"])]
    if signature.name == "ledger_transfer" and argument.name == "parent_ledger":
        return [name for name in fitting if any(s.is_ledger_below(child, name) for child in fitting)]
    if argument.object is PortObject.LEDGER:
        return [name for name in fitting if s.is_ledger_below(name)]
    if signature.name == "mach_port_allocate":  # the others make what they need themselves
        return [name for name in fitting if s.task_behind(name) == s.caller]
    wanted = kinds_wanted(signature)
    if wanted and argument.name == signature.target:
        return [name for name in fitting if all(s.names_of(s.task_behind(name), kinds) for kinds in wanted)]
    return [name for name in fitting if s.joins(name)]


@cache
def kinds_wanted(signature: Signature) -> tuple[tuple[SlotKind, ...], ...]:
    """What kinds of rights a task must have names for, for the call to succeed on it."""
    return tuple([kinds for where, kinds in _KINDS.items() if where.startswith(f"{signature.name}.")])


def ports(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> tuple[int, ...]:
    """A PORTS argument."""
    two_fit = ((0, 6), (2, 7), (1, 2), (3, 1))
    count = c.below(s.profile.registered_ports + 2) if argument.object is None else c.weighted(two_fit)
    if s.profile.register_takes_all and argument.object is None and not c.one_in(6):
        count = s.profile.registered_ports
    fitting = s.senders(argument.object)
    return tuple([c.pick(fitting) if fitting and not c.one_in(8) else s.hostile_name(c) for _ in range(count)])


def right_name(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    """A RIGHT_NAME argument."""
    if signature.name == "mach_port_request_notification":
        return _right_to_notify(c, s)
    if not argument.required and c.one_in(2):
        return NULL_NAME
    if not argument.required and c.one_in(5):
        return int(given["dest"])
    if argument.name == "dest" and s.awaited and c.one_in(2):
        return c.pick(s.awaited)
    if s.user_ports and not c.one_in(4):
        return c.pick(s.user_ports)
    return c.pick(s.names) if s.names and not c.one_in(4) else s.hostile_name(c)


def _right_to_notify(c: Choices, s: Situation) -> int:
    """Something that can be, or be made, a send-once right; or none, to cancel."""
    if c.one_in(8):
        return NULL_NAME
    fitting = [name for name in s.user_ports if s.entries[name].kind in (*RECEIVING, SlotKind.SEND_ONCE)]
    return c.pick(fitting) if fitting and not c.one_in(8) else s.hostile_name(c)


def space(s: Situation, signature: Signature, given: Given) -> int:
    """The task in whose space a NAME is looked up."""
    return s.caller if signature.target is None else s.task_behind(given[signature.target])


def name(c: Choices, s: Situation, signature: Signature, argument: Argument, given: Given) -> int:
    """A NAME argument."""
    task = space(s, signature, given)
    if signature.target is None:
        return _to_receive_from(c, s)
    if "poly" in given:
        return _place_to_insert(c, s, task, given)
    where = f"{signature.name}.{argument.name}"
    if where in _FREE:
        return _free(c, s, task)
    if not argument.required and c.one_in(4):
        return NULL_NAME
    if (signature.name == "mach_port_extract_member" or argument.name == "member") and c.one_in(2):
        related = _member_or_set(s, task, given)
        if related:
            return c.pick(related)
    if signature.name == "mach_port_unguard" and not c.one_in(6):
        guarded = s.guarded(task)
        if guarded:
            return c.pick(guarded)
    if signature.name == "mach_port_peek" and not c.one_in(4):
        waiting = [name for name in s.names_of(task, RECEIVING) if (port := s.port_behind(name, task)) is not None and port.queue]
        if waiting:
            return c.pick(waiting)
    kinds = _requested(c, given["variant"]) if "variant" in given else _KINDS.get(where)
    if kinds is not None and not c.one_in(USUALLY_HOSTILE):
        fitting = s.names_of(task, kinds)
        if fitting and kinds == (SlotKind.DEAD_NAME,) and c.one_in(2):
            return max(fitting, key=lambda name: s.entry(name, task).urefs)
        if fitting:
            return c.pick(fitting)
    if kinds == _SETS and c.one_in(2):
        return s.hostile_name(c)
    if signature.name in _ENDING and c.one_in(3):
        watched = s.watched(task)
        if watched:
            return c.pick(watched)
    shared = s.shared_with(task)
    if shared and c.one_in(4):
        return c.pick(shared)
    there = s.any_name(c, task)
    return s.hostile_name(c) if there is None or c.one_in(10) else there


def _requested(c: Choices, variant: int) -> tuple[SlotKind, ...] | None:
    """What a name must denote for such a notification to be asked for; at times a dead name, of which one can be told at once."""
    if variant == Notification.DEAD_NAME and c.one_in(4):
        return (SlotKind.DEAD_NAME,)
    if variant in (Notification.PORT_DESTROYED, Notification.NO_SENDERS):
        return RECEIVING
    return _WITH_REQUESTS if variant == Notification.DEAD_NAME else None


def _member_or_set(s: Situation, task: int, given: Given) -> list[int]:
    """Names that are in a set; when one is chosen, the sets that it is in."""
    if "name" in given:
        return [pset for pset, members in s.sets(task).items() if given["name"] in members]
    return sorted({member for members in s.sets(task).values() for member in members})


def _free(c: Choices, s: Situation, task: int) -> int:
    """A name that denotes nothing; sometimes one that does, or a reserved one."""
    kind = c.below(16)
    if kind < 13:
        return c.pick(s.unused(task))
    if kind < 15 and s.space(task):
        return c.pick(sorted(s.space(task)))
    return c.pick(RESERVED_NAMES)


def _to_receive_from(c: Choices, s: Situation) -> int:
    """A port or port set of the caller's to receive from, with a message if there is one."""
    if s.worth_waiting_at and c.one_in(4):
        return c.pick(s.worth_waiting_at)
    if s.with_messages and not c.one_in(8):
        return c.pick(s.with_messages)
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
