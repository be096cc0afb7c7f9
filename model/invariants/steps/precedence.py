"""The order of codes: which error a call answers when several of its tests fail.

The order isn't listed call by call. It follows from what a test looks at, since a kernel can't look at a thing before
it has found it. A request is first sent (are its rights there?), then decoded by MIG, then its ports are converted to
kernel objects. Only then does the routine run. It checks the values of its arguments, which costs nothing, then the
rights that it was given, looks up a name, looks at what the name denotes, and allocates memory last. A trap has no
request: it checks values first, then rights. Sources: ``ipc_kmsg_copyin``, ``ipc_kobject_server``, MIG's server stubs,
``ipc/mach_port.c``.

``stage`` finds out from a test's formula what it looks at. Where a kernel is known to look in another order,
``EXCEPTIONS`` says so, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.invariant import Variables
from sendright.model.language.mentions import applications
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import FIELDS
from sendright.model.language.step_property import IN_PROGRESS, step_property
from sendright.model.language.transition import Transition


class Stage(IntEnum):
    """What a test looks at, in the order in which a kernel can look."""

    REQUEST = 1  # the rights that the request carries
    MIG = 2  # the form of the request
    OBJECT = 3  # the kernel objects behind its ports
    VALUES = 4  # the arguments alone
    CARRIED = 5  # the rights that the routine was given
    ENTRY = 6  # what kind of right a name denotes
    CONTENT = 7  # the references, the port, the page …
    MEMORY = 8  # whether there is memory left


_IN_A_TRAP = {Stage.VALUES: 0}
"""A trap's arguments are looked at before any right is."""
_ENTRY_FIELDS = frozenset({"kind", "unlooked", "told", "port", "object", "object_task"})
"""The fields that are read to find an entry and its kind."""
_FROM_OUTSIDE_IN = (
    ReturnCode.MACH_SEND_MSG_TOO_SMALL,
    ReturnCode.MACH_SEND_INVALID_TYPE,
    ReturnCode.MACH_SEND_INVALID_HEADER,
    ReturnCode.MACH_SEND_INVALID_DEST,
    ReturnCode.MACH_SEND_INVALID_REPLY,
    ReturnCode.MACH_SEND_INVALID_RIGHT,
)
"""The parts of a message: its size, its body's form, its header, its rights."""
_TARGET_FIRST = (ReturnCode.KERN_INVALID_TASK, ReturnCode.KERN_INVALID_ARGUMENT, ReturnCode.KERN_INVALID_SECURITY, ReturnCode.KERN_INVALID_LEDGER)
"""The target's kernel object, then the others."""
_ARGUMENTS = (ReturnCode.KERN_INVALID_ARGUMENT, ReturnCode.KERN_FAILURE, ReturnCode.KERN_INVALID_VALUE)
"""What is requested (a flavour, a selector), the room for it, the value."""
_ENTRY = (ReturnCode.KERN_INVALID_NAME, ReturnCode.KERN_INVALID_RIGHT)
"""Whether the name denotes something comes before what it denotes."""
CODES = {
    Stage.REQUEST: _FROM_OUTSIDE_IN,
    Stage.OBJECT: _TARGET_FIRST,
    Stage.VALUES: (*_FROM_OUTSIDE_IN, *_ARGUMENTS),
    Stage.CARRIED: _FROM_OUTSIDE_IN,
    Stage.ENTRY: _ENTRY,
    Stage.CONTENT: _ENTRY,
}
"""Within a stage, the codes in their order. Other codes come after these, in any order."""


def stage(k: Context, case: Case) -> Stage:
    """What the test of a failing ``case`` looks at."""
    found = list(applications(case.when))
    fields = {name for name, arguments in found if name in FIELDS and arguments}
    arguments = {name for name, count in found if name in k.constants and (not count or z3.is_func_decl(k.constants[name]))}
    call = SIGNATURES.get(k.rule.name)
    plain = {each.name for each in call.arguments if each.object is None} if call else set()
    code = case.code.name if case.code is not None else ""
    if "shortage" in arguments:
        return Stage.MEMORY
    if case.code is ReturnCode.MIG_BAD_ARGUMENTS:
        return Stage.MIG
    if fields - _ENTRY_FIELDS:
        return Stage.CONTENT
    if "object_task" in fields:
        return Stage.ENTRY
    if "object" in fields and not (arguments & plain):
        return Stage.OBJECT
    if fields:
        return Stage.REQUEST if code.startswith("MACH_SEND") and "message" not in arguments else Stage.CARRIED
    return Stage.VALUES


def _is_trap(rule: str) -> bool:
    """The rule is, or belongs to, a call that isn't a request."""
    call = SIGNATURES.get(rule.partition(":")[0])
    return call is not None and call.target is None


def rank(k: Context, case: Case) -> tuple[int, int]:
    """The place of a failing ``case`` in the order: the smaller one is answered."""
    found = stage(k, case)
    place = _IN_A_TRAP.get(found, int(found)) if _is_trap(k.rule.name) else int(found)
    codes = CODES.get(found, ())
    return place, codes.index(case.code) if case.code in codes else len(codes)


class First(NamedTuple):
    """A case that some kernels answer although a test fails that comes first in the order."""

    rule: str
    answered: str
    """The title of the case that is answered."""
    although: tuple[str, ...]
    """The titles of the tests that may fail then; none: any test that the case leaves undone."""
    why: str


_TRANSLATED = "ipc_kmsg_copyin_header looks at the reply right before it looks whether the destination fits"
_NOTHING_TO_DO = "the routine returns success before it looks up the name, since nothing is to be done"
_TWO_NAMES = "the routine looks up one name after the other, and says of each whether it fits"
_DEAD_FIRST = "mach_port_request_notification refuses a dead notification port before it looks at anything else"
_KEPT_FIRST = "the right that is to be kept is refused when it is copied in, before the routine switches on the selector"

EXCEPTIONS = (
    First(
        "mach_msg_send",
        "the reply name has no right for its disposition",
        (
            "one send-once right cannot be both destination and reply",
            "the destination has no live right for its disposition",
            "the destination's port has died: it is a dead name from now on",
        ),
        _TRANSLATED,
    ),
    First(
        "mach_msg_send",
        "the destination needs a reply port",
        (
            "the destination has no live right for its disposition",
            "the destination's port has died: it is a dead name from now on",
            "one reference cannot be moved twice",
        ),
        "ipc_kmsg_copyin_header_rights looks at both ports before it looks whether the destination fits",
    ),
    First(
        "mach_port_construct",
        "a port for several purposes",
        ("task is not a task's port",),
        "mach_port_construct looks at its options before it looks at the space",
    ),
    First(
        "mach_port_construct",
        "only the first task makes service ports",
        ("no such queue limit",),
        "mach_port_construct looks at the queue limit last",
    ),
    First("mach_msg_send: body", "the descriptors don't fit into the size", ("no such copy option",), "descriptors are counted before they are read"),
    First("mach_port_rename", "the new name is in use", ("the old name denotes nothing",), "ipc_object_rename allocates the new entry first"),
    First("mach_port_rename", "the old name is reserved", ("the new name is reserved",), "mach_port_rename tests its arguments from left to right"),
    *[
        First(f"mach_port_{what}_member", "the member's name has no receive right", ("the set's name denotes nothing",), _TWO_NAMES)
        for what in ("move", "insert", "extract")
    ],
    First(
        "mach_ports_register",
        "more rights than places",
        ("no send right under task", "a right in the request cannot be copied in"),
        "the caller's library counts the rights before it makes the request",
    ),
    First(
        "mach_port_allocate_name",
        "the name is reserved",
        ("task is not a task's port",),
        "mach_port_allocate_name tests the name before mach_port_allocate_full tests the space",
    ),
    First("mach_port_request_notification", "the right is dead", (), _DEAD_FIRST),
    First(
        "mach_port_request_notification", "the name is NULL or DEAD", ("NULL or DEAD can't die",), "each kind of notification has tests of its own"
    ),
    First("mach_port_request_notification", "no such notification", ("NULL or DEAD can't die",), "each kind of notification has tests of its own"),
    First(
        "mach_port_request_notification",
        "port-destroyed takes no sync",
        ("NULL or DEAD can't die",),
        "each kind of notification has tests of its own",
    ),
    First("mach_port_request_notification", "there is nothing to cancel", (), "cancelling what isn't there succeeds, whatever the name denotes"),
    First("ledger_transfer", "nothing is moved", (), "an amount of 0 is granted before the ledgers are looked at"),
    First("vm_allocate", "no page is free", ("the address is outside the map",), "the map looks for a free page before it looks at an address"),
    First("mach_port_deallocate", "nothing is given up: NULL or DEAD", (), _NOTHING_TO_DO),
    First("mach_port_destroy", "nothing is given up: NULL or DEAD", (), _NOTHING_TO_DO),
    First("mach_port_mod_refs", "nothing is counted: NULL or DEAD", (), _NOTHING_TO_DO),
    First("mach_port_get_refs", "one, for NULL or DEAD", (), _NOTHING_TO_DO),
    First("mach_port_type", "DEAD is a dead name", (), _NOTHING_TO_DO),
    First("mach_port_get_attributes", "NULL or DEAD: no attributes", (), _NOTHING_TO_DO),
    First("mach_port_get_attributes", "NULL or DEAD: no requests", (), _NOTHING_TO_DO),
    First(
        "task_get_special_port",
        "the task's port is too weak",
        ("the selector is unknown",),
        "task_get_special_port_from_user looks whether the target is strong enough for the selector, before the routine switches on that",
    ),
    First("task_set_special_port", "a right to a task's port is immovable", (), _KEPT_FIRST),
    *[
        First(
            "host_set_special_port",
            title,
            ("the caller is not the first task",),
            "host_set_special_port_from_user looks at the right, then host_set_special_port at the caller",
        )
        for title in ("a right to a task's port is immovable", "the port's receive right is immovable")
    ],
    First("task_set_special_port", "this place cannot be set", ("the selector is unknown",), _KEPT_FIRST),
    First("task_set_special_port", "the place is set once", ("the selector is unknown",), _KEPT_FIRST),
    *[
        First(
            f"task_{what}_exception_ports",
            title,
            ("no such flavour", "the behaviour needs codes"),
            "the new port is refused before the flavour, and whether the behaviour comes with codes, are looked at",
        )
        for what in ("set", "swap")
        for title in ("a right to a task's port is immovable", "the port's receive right is immovable")
    ],
    *[
        First("mach_port_mod_refs", title, ("more references than any name can have",), "ipc_right_delta tests the count that it would make")
        for title in ("the name denotes nothing", "the name has no right of this kind")
    ],
    First(
        "mach_port_mod_refs",
        "the name is pegged: it keeps its references",
        ("no such reference count",),
        "a pegged count isn't changed, for any delta",
    ),
    *[
        First("mach_port_destruct", title, ("references can only be removed",), "ipc_right_destruct tests the name before the count")
        for title in ("the name denotes nothing", "the name has no receive right", "the name has no send references")
    ],
    First(
        "mach_port_peek", "the name is NULL or DEAD", ("no such trailer, or no room for it",), "mach_port_peek tests its arguments from left to right"
    ),
)
"""Where a kernel is known to look in another order."""


def passed_over(k: Context, case: Case) -> list[Case]:
    """The failing cases after ``case`` that come before it in the order, but for those that ``EXCEPTIONS`` lists."""
    every = list(k.rule.cases(k))
    later = every[next(index for index, one in enumerate(every) if one.id == case.id) + 1 :]
    fails = case.refuses and case.code not in IN_PROGRESS
    tests = [other for other in later if other.refuses and other.code != case.code and other.code not in IN_PROGRESS]
    if fails and tests:
        mine = rank(k, case)
        tests = [other for other in tests if rank(k, other) < mine]
    return [other for other in tests if not excepted(k.rule.name, case, other)]


def excepted(rule: str, case: Case, other: Case) -> bool:
    """``EXCEPTIONS`` says that ``case`` is answered although ``other`` comes first."""
    return any(one.rule == rule and one.answered == case.title and (not one.although or other.title in one.although) for one in EXCEPTIONS)


@step_property(205, "of the tests that fail, the first in the order answers", looks_at_order=True)
def precedence(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call answers an error only if none of its tests fails that looks at something earlier: its request, the objects
    behind its ports, the values of its arguments, a name, what the name denotes, memory.

    It succeeds only if none of its tests fails. Some kernels answer some cases first; these are listed with reasons.
    """
    for other in passed_over(x.k, x.whole_case):
        yield f"not: {other.title}", z3.Not(other.when)
