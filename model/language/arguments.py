"""A call's arguments, as the rules take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sendright.mach.abi.descriptors import layout_of, pages_in
from sendright.mach.abi.rights import NULL_NAME
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType, Signature
from sendright.model.language.terms import Sort

_ARRAYS = (ArgumentType.PORTS, ArgumentType.LIMITS)
_TOKENS = (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN)
_IN_PARTS = (*_ARRAYS, *_TOKENS, ArgumentType.DESCRIPTORS)
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
"""The sorts of the argument types that aren't numbers.

(Descriptors have no terms: a rule takes values computed from them.)
"""
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


def rule_arguments(call: Call, profile: Profile) -> dict[str, Any]:
    """The call's arguments, defaults included, the injected shortage, and whether to stop between steps. Arrays are
    functions of an index, with lengths.

    Descriptors are passed unchanged, and as the values that rules test: their layout, and the copy options of their
    memory. An argument that the call doesn't have in ``profile`` is 0, or an empty array.
    """
    values: dict[str, Any] = {"shortage": call.shortage, "stop": call.stop}
    given = call.arguments
    for name, default, kind in _taken(call.name, profile.lacks_arguments):
        value = given.get(name, default)
        values[name] = value
        if kind is None:
            continue
        if kind in _ARRAYS:
            values[name], values[f"{name}_length"] = _indexed(tuple(value)), len(value)
        elif kind in _TOKENS:
            values[name] = tuple(value)
        else:
            options = [option for _, option, _ in pages_in(value)]
            values |= {"layout": layout_of(value), "copy_options": options.__getitem__, "copy_options_length": len(options)}
    values |= _not_taken(call.name, profile.lacks_arguments)
    return values


@cache
def _taken(call: str, lacks: frozenset[str]) -> tuple[tuple[str, Any, ArgumentType | None], ...]:
    """The arguments that a call takes where it lacks some: name, default, and the type of one that has parts."""
    arguments = [each for each in SIGNATURES[call].arguments if f"{call}.{each.name}" not in lacks]
    return tuple((each.name, each.default, each.type if each.type in _IN_PARTS else None) for each in arguments)


@cache
def _not_taken(call: str, lacks: frozenset[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in SIGNATURES[call].arguments:
        if f"{call}.{each.name}" in lacks:
            values |= {each.name: _indexed(()), f"{each.name}_length": 0} if each.type in _ARRAYS else {each.name: 0}
    return values


def _indexed(array: Sequence[int]) -> Callable[[int], int]:
    return lambda index: array[index] if 0 <= index < len(array) else NULL_NAME
