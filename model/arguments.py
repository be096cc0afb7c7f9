"""A call's arguments, as the rules take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sendright.mach.calls import Call
from sendright.mach.rights import NULL_NAME
from sendright.mach.signatures import SIGNATURES, ArgumentType, Signature
from sendright.model.terms import Sort

_ARRAYS = (ArgumentType.PORTS, ArgumentType.LIMITS)
_TOKENS = (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN)
_SORTS = {
    ArgumentType.PORT: Sort("Name"),
    ArgumentType.PORTS: Sort("Name", "Int"),
    ArgumentType.RIGHT_NAME: Sort("Name"),
    ArgumentType.NAME: Sort("Name"),
    ArgumentType.SECURITY_TOKEN: Sort("SecurityToken"),
    ArgumentType.AUDIT_TOKEN: Sort("AuditToken"),
    ArgumentType.BOOLEAN: Sort("Bool"),
    ArgumentType.LIMITS: Sort("Int", "Int"),
    ArgumentType.DESCRIPTORS: Sort("Descriptors"),
}
"""The sorts of the types of arguments that are no numbers. (There are no terms for descriptors: a rule takes what is computed of them.)"""
CIRCUMSTANCES = {"shortage": Sort("Int"), "stop": Sort("Bool")}
"""What a rule may take after the call's arguments: how much memory is missing, and whether to stop between steps."""


def parameters_of(signature: Signature) -> dict[str, Sort]:
    """The parameters by which a rule takes the arguments of a call, in their order."""
    found: dict[str, Sort] = {}
    for argument in signature.arguments:
        found[argument.name] = _SORTS.get(argument.type, Sort("Int"))
        if argument.type in _ARRAYS:
            found[f"{argument.name}_length"] = Sort("Int")
    return found


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
