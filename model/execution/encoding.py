"""Slots and values as numbers and tuples: how concrete states are written down."""

from __future__ import annotations

from typing import Any, TypeAlias

from sendright.mach.abi.rights import NULL_NAME, Place
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK, HOST_PORT, HOST_PRIV_PORT
from sendright.model.language.state import FIELDS

SlotTuple: TypeAlias = tuple[int, int, int]

ALIVE, ENDED = 1, 2
FREE, IN_KERNEL, QUEUED, WAITING = 0, 1, 2, 3
NOTHING, SENDING, RECEIVING, CREATING, SETTING, EXECUTING, BEGINNING, FOR_CHILD = range(8)
NO_PROCESS, RUNNING, SHADOW, ZOMBIE = range(4)
DELAYED, ARMED, DUE, FIRED = 1, 2, 3, 4
"""What a request is for send-possible."""
IN_HAND = len(Place)
"""The place that isn't one of a task's, where the kernel holds what a call has in its hands."""
NO_PORT = -1
NO_OBJECT = -1
NO_TASK = -1
NO_SLOT: SlotTuple = (-1, -1, -1)
"""The receiver of a port without receive right.

No constructor makes it and it has no owner, but conditions can be evaluated on it.
"""

NAME_SLOT, PLACE_SLOT, DESTINATION_SLOT, REPLY_SLOT, BODY_SLOT, KERNEL_SLOT = range(6)
REQUEST_SLOT, NO_SENDERS_SLOT, PORT_DESTROYED_SLOT, LIMBO_SLOT, HOST_SLOT = range(6, 11)
_CONSTRUCTORS = {
    "name_slot": NAME_SLOT,
    "place_slot": PLACE_SLOT,
    "destination_slot": DESTINATION_SLOT,
    "reply_slot": REPLY_SLOT,
    "body_slot": BODY_SLOT,
    "kernel_slot": KERNEL_SLOT,
    "request_slot": REQUEST_SLOT,
    "no_senders_slot": NO_SENDERS_SLOT,
    "port_destroyed_slot": PORT_DESTROYED_SLOT,
    "limbo_slot": LIMBO_SLOT,
    "host_slot": HOST_SLOT,
}
_ACCESSORS = {"space": 1, "name": 2, "holder": 1, "place": 2, "destined": 1, "replied": 1, "carrying": 1, "index": 2, "of": 1} | {
    "requester": 1,
    "requested": 2,
    "watched": 1,
    "guarded": 1,
    "rescued": 1,
    "number": 1,
}

_DEFAULTS = {
    "Int": 0,
    "Bool": False,
    "Port": NO_PORT,
    "Name": NULL_NAME,
    "Object": NO_OBJECT,
    "Message": -1,
    "Layout": (),
    "Task": NO_TASK,
    "Slot": NO_SLOT,
    "SecurityToken": None,
    "AuditToken": None,
}
DEFAULTS: dict[str, Any] = {name: _DEFAULTS.get(declaration.range, 0) for name, declaration in FIELDS.items()}
"""A field's value for something that was never made: for an enumeration, the first member."""


_OF_BOOT = {"host_port": HOST_PORT, "host_priv_port": HOST_PRIV_PORT, "first_task": BOOTSTRAP_TASK, "second_task": BOOTSTRAP_TASK + 1}
_LIMITS = ("urefs_max", "queue_limit", "queue_limit_max", "pages")
ENVIRONMENT = (*_OF_BOOT, *_LIMITS)
"""What is the same in all states: the host's two ports, the first two tasks and the profile's limits."""


def environment(profile: Profile) -> dict[str, Any]:
    """``ENVIRONMENT`` with its values."""
    return {**_OF_BOOT, **{name: getattr(profile, name) for name in _LIMITS}}
