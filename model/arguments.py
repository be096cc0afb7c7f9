"""A call's arguments as its rule has them."""

from __future__ import annotations

from typing import Any

from sendright.mach.calls import Call
from sendright.mach.signatures import SIGNATURES, ArgumentType


def rule_arguments(call: Call) -> dict[str, Any]:
    """The rule's arguments: those given, the signature's defaults, arrays as functions with lengths."""
    values: dict[str, Any] = {"shortage": call.shortage}
    for argument in SIGNATURES[call.name].arguments:
        value = call.arguments.get(argument.name, argument.default)
        if argument.type is ArgumentType.PORTS:
            array = tuple(value)
            values[argument.name] = lambda index, array=array: array[index] if 0 <= index < len(array) else 0
            values[f"{argument.name}_length"] = len(array)
        elif argument.type is ArgumentType.SECURITY_TOKEN or argument.type is ArgumentType.AUDIT_TOKEN:
            values[argument.name] = tuple(value)
        else:
            values[argument.name] = value
    return values
