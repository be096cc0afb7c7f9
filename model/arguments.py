"""A call's arguments, as the rules take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sendright.mach.calls import Call
from sendright.mach.descriptors import layout_of, pages_in
from sendright.mach.profiles import Profile
from sendright.mach.rights import NULL_NAME
from sendright.mach.signatures import SIGNATURES, ArgumentType

_ARRAYS = (ArgumentType.PORTS, ArgumentType.LIMITS)
_TOKENS = (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN)


def rule_arguments(call: Call, profile: Profile) -> dict[str, Any]:
    """Those given, the defaults, the injected shortage, and whether to stop between steps; arrays as functions of an index, with lengths.

    Descriptors come as they are, and as what rules look at: their layout, and the copy options of their memory. An argument that the call doesn't
    have in ``profile`` is 0.
    """
    values: dict[str, Any] = {"shortage": call.shortage, "stop": call.stop}
    for argument in SIGNATURES[call.name].arguments:
        value = call.arguments.get(argument.name, argument.default)
        if argument.type in _ARRAYS:
            values[argument.name], values[f"{argument.name}_length"] = _indexed(tuple(value)), len(value)
        elif not profile.takes(call.name, argument.name):
            values[argument.name] = 0
        elif argument.type is ArgumentType.DESCRIPTORS:
            options = [option for _, option, _ in pages_in(value)]
            described = {"layout": layout_of(value), "copy_options": options.__getitem__, "copy_options_length": len(options)}
            values |= {argument.name: value, **described}
        else:
            values[argument.name] = tuple(value) if argument.type in _TOKENS else value
    return values


def _indexed(array: Sequence[int]) -> Callable[[int], int]:
    return lambda index: array[index] if 0 <= index < len(array) else NULL_NAME
