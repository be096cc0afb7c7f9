"""How many bits a kernel has for each argument, and whether they are signed: the C types of the kernels' headers.

A number is judged as the kernel sees it. −1 as a name is 0xffffffff, and as a count it is the largest one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from sendright.mach.abi.descriptors import is_array, is_memory
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call
from sendright.mach.signatures.signature import Argument, Signature
from sendright.mach.signatures.signature import ArgumentType as T


class Width(msgspec.Struct, frozen=True):
    """The numbers that an integer of C can have."""

    bits: int
    signed: bool = False
    or_minus_one: bool = False
    """Whether −1 stands beside them for a number that sendright finds."""

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else -self.or_minus_one

    @property
    def highest(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def seen(self, number: int) -> int:
        """``number`` with this sign: 0xffffffff in 32 signed bits is −1, and −1 in unsigned ones is 0xffffffff."""
        if self.lowest <= number <= self.highest or not self.fits(number):
            return number
        return number - (1 << self.bits) if self.signed else number + (1 << self.bits)

    def fits(self, number: int) -> bool:
        """Whether the bits can hold ``number``, whatever their sign."""
        return -(1 << (self.bits - 1)) <= number < 1 << self.bits


NATURAL, INTEGER, FIELD = Width(32), Width(32, signed=True), Width(8)
"""``natural_t``, ``integer_t`` or ``int``, and a bit field of a message descriptor."""
_OR_USUAL = Width(32, or_minus_one=True)
"""A size or a limit: −1 is the message's own size, enough room, or the usual limit."""

WIDTHS: dict[T, Width] = {
    T.PORT: NATURAL,
    T.PORTS: NATURAL,
    T.RIGHT_NAME: NATURAL,
    T.NAME: NATURAL,
    T.RIGHT: NATURAL,
    T.DISPOSITION: FIELD,
    T.DELTA: INTEGER,
    T.SECURITY_TOKEN: NATURAL,
    T.AUDIT_TOKEN: NATURAL,
    T.SELECTOR: INTEGER,
    T.FLAVOUR: NATURAL,
    T.TASK_FLAVOUR: NATURAL,
    T.COUNT: NATURAL,
    T.INHERITANCE: NATURAL,
    T.WORD: NATURAL,
    T.MESSAGE_ID: INTEGER,
    T.SIZE: _OR_USUAL,
    T.TRAILER: NATURAL,
    T.COUNTER: NATURAL,
    T.ATTRIBUTES: INTEGER,
    T.LIMITS: NATURAL,
    T.NOTIFICATION: INTEGER,
    T.EXCEPTION_MASK: NATURAL,
    T.BEHAVIOUR: NATURAL,
    T.STATE_FLAVOUR: INTEGER,
    T.HOST_SELECTOR: INTEGER,
    T.AMOUNT: INTEGER,
    T.GUARD: Width(64),
    T.QUEUE_LIMIT: _OR_USUAL,
    T.USER: NATURAL,
    T.GROUP: NATURAL,
    T.PID: INTEGER,
    T.SESSION: NATURAL,
    T.STATUS: INTEGER,
}
"""Argument type -> its width in every kernel; the others (booleans, pages) are sendright's own.

``exception_behavior_t`` is an ``int``, but its bits have names: they are written as they are in the headers.
"""

_OF_ARGUMENTS = {"host_get_special_port.node": INTEGER, "mach_msg_receive.trailer": Width(4), "mach_msg.trailer": Width(4)}
"""Arguments with another width than their type."""

_HEADER_DISPOSITIONS = {"xnu": Width(5)}
"""Profile -> the width of a disposition of a message's header (``MACH_MSGH_BITS_REMOTE_MASK``). Others have 8 bits."""


def width_of(signature: Signature, argument: Argument, profile: str) -> Width | None:
    """The width of an argument, or of each number in it, in a profile; None: it has none."""
    width = _OF_ARGUMENTS.get(f"{signature.name}.{argument.name}", WIDTHS.get(argument.type))
    in_header = signature.takes(T.DESCRIPTORS) and argument.type is T.DISPOSITION
    return _HEADER_DISPOSITIONS.get(base_of(profile), width) if in_header else width


def as_seen(call: Call, signature: Signature, profile: str) -> Call:
    """``call`` with its numbers as the kernel sees them. A number that doesn't fit stays as it is (see
    ``unmodelled.py``)."""
    changed: dict[str, Any] = {}
    arguments = call.arguments
    for name, lowest, highest, seen in _plan(signature, profile):
        value = arguments.get(name)
        if value.__class__ is int and lowest <= value <= highest:
            continue
        if value is not None and not is_plain_body(value):
            converted = seen(value)
            if converted != value:
                changed[name] = converted
    return msgspec.structs.replace(call, arguments={**arguments, **changed}) if changed else call


def is_plain_body(body: Any) -> bool:
    """Whether all numbers of a message's body are already those that the kernel sees. (Nearly all bodies are such.)"""
    try:
        for descriptor in body:
            named, how = descriptor[0], descriptor[1]
            if not 0 <= how <= FIELD.highest:
                return False
            for name in named if named.__class__ is tuple else (named,):
                if not 0 <= name <= NATURAL.highest:
                    return False
    except (TypeError, IndexError):
        return False
    return True


def value_seen(value: Any, signature: Signature, argument: Argument, profile: str) -> Any:
    """The value of one argument as the kernel sees it."""
    seen = _conversions(signature, profile).get(argument.name)
    return value if seen is None else seen(value)


@cache
def _conversions(signature: Signature, profile: str) -> dict[str, Callable[[Any], Any]]:
    return {name: seen for name, _, _, seen in _plan(signature, profile)}


@cache
def _plan(signature: Signature, profile: str) -> tuple[tuple[str, int, int, Callable[[Any], Any]], ...]:
    """For each argument with a width: its name, the numbers that need no conversion, and the conversion."""
    plan: list[tuple[str, int, int, Callable[[Any], Any]]] = []
    for argument in signature.arguments:
        width = width_of(signature, argument, profile)
        if width is not None:
            plan.append((argument.name, width.lowest, width.highest, _conversion(width)))
        elif argument.type is T.DESCRIPTORS:
            plan.append((argument.name, 0, -1, lambda body: tuple([_descriptor(each) for each in body]) if isinstance(body, tuple) else body))
    return tuple(plan)


def _conversion(width: Width) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple([convert(each) for each in value])
        return width.seen(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return convert


def _descriptor(descriptor: Any) -> Any:
    if not isinstance(descriptor, tuple):
        return descriptor
    field = _conversion(FIELD)
    if is_array(descriptor) or not is_memory(descriptor):
        return _conversion(NATURAL)(descriptor[0]), field(descriptor[1])
    return (descriptor[0], field(descriptor[1]), *descriptor[2:]) if len(descriptor) > 1 else descriptor
