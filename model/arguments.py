"""A call's arguments, as the rules take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sendright.mach.calls import Call
from sendright.mach.rights import NULL_NAME
from sendright.mach.signatures import SIGNATURES, ArgumentType

_ARRAYS = (ArgumentType.PORTS, ArgumentType.LIMITS)
_TOKENS = (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN)


def rule_arguments(call: Call) -> dict[str, Any]:
    """Those given, the defaults, the injected shortage, and whether to stop between steps; arrays as functions of an index, with lengths."""
    values: dict[str, Any] = {"shortage": call.shortage, "stop": call.stop}
    for argument in SIGNATURES[call.name].arguments:
        value = call.arguments.get(argument.name, argument.default)
        if argument.type in _ARRAYS:
            values[argument.name], values[f"{argument.name}_length"] = _indexed(tuple(value)), len(value)
        else:
            values[argument.name] = tuple(value) if argument.type in _TOKENS else value
    return values


def _indexed(array: Sequence[int]) -> Callable[[int], int]:
    return lambda index: array[index] if 0 <= index < len(array) else NULL_NAME
