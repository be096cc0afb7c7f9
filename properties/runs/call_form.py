"""Checks the form of a recorded call's arguments, before anything is made of them."""

from __future__ import annotations

import reprlib
from typing import Any

from sendright.mach.abi.descriptors import is_memory
from sendright.mach.kernel.call import Call
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.suggestions import perhaps_meant, unknown_call
from sendright.properties.runs.answer_form import are_numbers, is_number


def call_error(call: Call) -> str | None:
    """What is wrong with the form of ``call``, in words; None: nothing. It can be that no call has the name, that the
    call has no such argument, or that an argument isn't of its type's form. Arrays must be tuples.
    """
    if call.name not in SIGNATURES:
        return unknown_call(call.name)
    known = [argument.name for argument in SIGNATURES[call.name].arguments]
    for name in call.arguments:
        if name not in known:
            return f"{call.name}: it has no argument {reprlib.repr(name)}{perhaps_meant(name, known)}"
    for argument in SIGNATURES[call.name].arguments:
        if argument.name in call.arguments:
            value = call.arguments[argument.name]
            what, has_form = _FORMS.get(argument.type, ("a number", is_number))
            if not has_form(value):
                return f"{call.name}: the argument {argument.name} is {reprlib.repr(value)}, not {what}"
    return None


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_body(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_descriptor, value))


def _is_descriptor(value: Any) -> bool:
    """Whether ``value`` is the name and disposition of a right, the names and disposition of several, or a page, its
    copy option and whether it is deallocated."""
    if not isinstance(value, tuple):
        return False
    if is_memory(value):
        return len(value) == 3 and are_numbers(value[:2]) and _is_boolean(value[2])
    return (is_number(value[0]) or are_numbers(value[0])) and is_number(value[1])


_NUMBERS = ("a list of numbers", are_numbers)
_FORMS = {
    ArgumentType.BOOLEAN: ("true or false", _is_boolean),
    ArgumentType.PORTS: _NUMBERS,
    ArgumentType.SECURITY_TOKEN: _NUMBERS,
    ArgumentType.AUDIT_TOKEN: _NUMBERS,
    ArgumentType.LIMITS: _NUMBERS,
    ArgumentType.DESCRIPTORS: ("a list of descriptors", _is_body),
}
"""Arguments that aren't one number."""
