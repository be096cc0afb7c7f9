"""Draws names: those of rights that calls carry from the caller's space, and those that calls look up in the
target's space."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from sendright.mach.abi.rights import NULL_NAME, RESERVED_NAMES, TASK_FLAVOURS, Disposition, Notification, PortObject, SlotKind
from sendright.mach.signatures import Argument, Signature
from sendright.properties.generation.caller_view import RECEIVING, SENDING, Situation
from sendright.properties.generation.choices import Choices

DrawnArguments: TypeAlias = dict[str, Any]
"""The arguments drawn so far."""
Draw: TypeAlias = Callable[[Choices, Situation, Signature, Argument, DrawnArguments], Any]

USUALLY_HOSTILE = 8
HOSTILE = {"task_terminate": 3, "host_security_set_task_token": 5, "task_resume": 4, "ledger_transfer": 4, "mach_port_set_mscount": 4}
"""Call -> one port argument in this many is hostile, instead of one in USUALLY_HOSTILE."""
RARELY_GIVEN = ("proto",)
"""Arguments that are nearly always left out: no call succeeds with them."""

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
    **dict.fromkeys(("mach_port_get_srights.name", "mach_port_dnrequest_info.name"), RECEIVING),
    **dict.fromkeys(("mach_port_get_context.name", "mach_port_set_context.name", "mach_port_assert_attributes.name"), RECEIVING),
    **dict.fromkeys(("mach_port_guard_with_flags.name", "mach_port_swap_guard.name"), RECEIVING),
    **dict.fromkeys(("mach_port_kobject.name", "mach_port_kernel_object.name"), (*SENDING, SlotKind.RECEIVE)),
}
"""The kinds of rights that a name must denote for the call to succeed; names without an entry may denote any kind."""
_OF_GUARDED = ("mach_port_unguard", "mach_port_swap_guard", "mach_port_assert_attributes")
"""Calls on guarded ports."""
_ENDING = ("mach_port_destroy", "mach_port_deallocate", "mach_port_mod_refs")
"""Calls that may trigger a requested notification."""
_FREE = ("mach_port_rename.new_name", "mach_port_allocate_name.name", "mach_port_allocate_full.name")
"""Names that must denote nothing."""


def port(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A PORT argument."""
    if not argument.required and (c.one_in(2) or (argument.name in RARELY_GIVEN and not c.one_in(4))):
        return NULL_NAME
    fitting = s.senders(argument.object)
    weaker = [name for kind in signature.target_objects[1:] for name in s.senders(kind)] if argument.name == signature.target else []
    if weaker and c.one_in(4):
        return c.pick(weaker)
    if fitting and not c.one_in(HOSTILE.get(signature.name, USUALLY_HOSTILE)):
        better = _more_effective(s, signature, argument, drawn, fitting)
        return c.pick(better) if better and not c.one_in(3) else c.pick(fitting)
    others = s.senders(None)
    return c.pick(others) if others and c.one_in(2) else s.hostile_name(c)


def _more_effective(s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments, fitting: list[int]) -> list[int]:
    """The fitting names that give the call more effect."""
    if signature.name == "task_resume":
        return [name for name in fitting if s.is_suspended(name)]
    if argument.name == "child_ledger":
        return [name for name in fitting if s.is_ledger_below(name, drawn["parent_ledger"])]
    if signature.name == "ledger_transfer" and argument.name == "parent_ledger":
        return [name for name in fitting if any(s.is_ledger_below(child, name) for child in fitting)]
    if argument.object is PortObject.LEDGER:
        return [name for name in fitting if s.is_ledger_below(name)]
    if signature.name == "mach_port_allocate":  # the other calls make what they need
        return [name for name in fitting if s.task_behind(name) == s.caller]
    wanted = kinds_wanted(signature)
    if wanted and argument.name == signature.target:
        return [name for name in fitting if all(s.names_of(s.task_behind(name), kinds) for kinds in wanted)]
    return [name for name in fitting if s.joins(name)]


@cache
def kinds_wanted(signature: Signature) -> tuple[tuple[SlotKind, ...], ...]:
    """The kinds of rights for which the target needs names if the call is to succeed."""
    return tuple([kinds for where, kinds in _KINDS.items() if where.startswith(f"{signature.name}.")])


def ports(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> tuple[int, ...]:
    """A PORTS argument."""
    two_fit = ((0, 6), (2, 7), (1, 2), (3, 1))
    count = c.below(s.profile.registered_ports + 2) if argument.object is None else c.weighted(two_fit)
    fitting = s.senders(argument.object)
    return tuple([c.pick(fitting) if fitting and not c.one_in(8) else s.hostile_name(c) for _ in range(count)])


def right_name(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A RIGHT_NAME argument."""
    if signature.name == "mach_port_request_notification":
        return _right_to_notify(c, s)
    if not argument.required and c.one_in(2):
        return NULL_NAME
    if not argument.required and c.one_in(5):
        return int(drawn["dest"])
    if argument.name == "dest" and s.awaited and c.one_in(2):
        return c.pick(s.awaited)
    if s.user_ports and not c.one_in(4):
        return c.pick(s.user_ports)
    return c.pick(s.names) if s.names and not c.one_in(4) else s.hostile_name(c)


def _right_to_notify(c: Choices, s: Situation) -> int:
    """A name for a send-once right, or from which to make one; or no name, to cancel."""
    if c.one_in(8):
        return NULL_NAME
    fitting = [name for name in s.user_ports if s.entries[name].kind in (*RECEIVING, SlotKind.SEND_ONCE)]
    return c.pick(fitting) if fitting and not c.one_in(8) else s.hostile_name(c)


def space(s: Situation, signature: Signature, drawn: DrawnArguments) -> int:
    """The task in whose space a NAME is looked up."""
    return s.caller if signature.target is None else s.task_behind(drawn[signature.target])


def name(c: Choices, s: Situation, signature: Signature, argument: Argument, drawn: DrawnArguments) -> int:
    """A NAME argument."""
    task = space(s, signature, drawn)
    if signature.of_processes:
        return _of_task(c, s, signature)
    if signature.target is None:
        replies = drawn.get("reply", NULL_NAME)
        return replies if replies != NULL_NAME and c.one_in(2) else _to_receive_from(c, s)
    if "poly" in drawn:
        return _place_to_insert(c, s, task, drawn)
    where = f"{signature.name}.{argument.name}"
    if where in _FREE:
        return _free(c, s, task)
    if not argument.required and c.one_in(4):
        return NULL_NAME
    if (signature.name == "mach_port_extract_member" or argument.name == "member") and c.one_in(2):
        related = _member_or_set(s, task, drawn)
        if related:
            return c.pick(related)
    if signature.name in _OF_GUARDED and not c.one_in(6):
        guarded = s.guarded(task)
        if guarded:
            return c.pick(guarded)
    if signature.name == "mach_port_peek" and not c.one_in(4):
        waiting = [name for name in s.names_of(task, RECEIVING) if (port := s.port_behind(name, task)) is not None and port.queue]
        if waiting:
            return c.pick(waiting)
    kinds = _requested(c, drawn["variant"]) if "variant" in drawn else _KINDS.get(where)
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


def _of_task(c: Choices, s: Situation, signature: Signature) -> int:
    """A name of the caller's for a task's port. A call that only asks for a pid takes the weaker ports, too."""
    kinds = (PortObject.TASK, *(TASK_FLAVOURS if signature.name == "pid_for_task" else ()))
    fitting = [name for kind in kinds for name in s.senders(kind)]
    return c.pick(fitting) if fitting and not c.one_in(USUALLY_HOSTILE) else s.hostile_name(c)


def _requested(c: Choices, variant: int) -> tuple[SlotKind, ...] | None:
    """The kinds of rights that a name needs for such a request; sometimes a dead name, which gives a notification at
    once."""
    on_names = (Notification.DEAD_NAME, Notification.SEND_POSSIBLE)
    if variant in on_names and c.one_in(4):
        return (SlotKind.DEAD_NAME,)
    if variant in (Notification.PORT_DESTROYED, Notification.NO_SENDERS):
        return RECEIVING
    return _WITH_REQUESTS if variant in on_names else None


def _member_or_set(s: Situation, task: int, drawn: DrawnArguments) -> list[int]:
    """Names that are in a set; if one is already chosen, its sets."""
    if "name" in drawn:
        return [pset for pset, members in s.sets(task).items() if drawn["name"] in members]
    return sorted({member for members in s.sets(task).values() for member in members})


def _free(c: Choices, s: Situation, task: int) -> int:
    """Usually a free name; sometimes one that is in use, or a reserved one."""
    kind = c.below(16)
    if kind < 13:
        return c.pick(s.unused(task))
    if kind < 15 and s.space(task):
        return c.pick(sorted(s.space(task)))
    return c.pick(RESERVED_NAMES)


def _to_receive_from(c: Choices, s: Situation) -> int:
    """A port or port set of the caller's to receive from, preferably with a message."""
    if s.worth_waiting_at and c.one_in(4):
        return c.pick(s.worth_waiting_at)
    if s.with_messages and not c.one_in(8):
        return c.pick(s.with_messages)
    receiving = [name for name in s.names if s.entries[name].kind in (*RECEIVING, SlotKind.PORT_SET)]
    return c.pick(receiving) if receiving and not c.one_in(4) else s.hostile_name(c)


def _place_to_insert(c: Choices, s: Situation, task: int, drawn: DrawnArguments) -> int:
    """A name in ``task`` to insert a right under: a free one, or the one that ``task`` has for the port."""
    known = s.known_as(task, s.entry(drawn["poly"]).port)
    kind = c.below(16)
    if known is not None and kind < 11 and drawn["disposition"] not in (Disposition.MAKE_SEND_ONCE, Disposition.MOVE_SEND_ONCE):
        return known
    if kind < 14:
        return c.pick(s.unused(task))
    if kind == 14 and s.space(task):
        return c.pick(sorted(s.space(task)))
    return c.pick(RESERVED_NAMES)
