"""Whether an answer has the form that the call's signature promises, before anybody judges what is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sendright.mach.calls import Call, Result
from sendright.mach.descriptors import is_array, is_memory
from sendright.mach.signatures import SIGNATURES, OutputType


def malformed(call: Call, result: Result) -> str | None:
    """What is wrong with the form of ``result``, in words; None: nothing."""
    if not is_number(result.code):
        return f"the return code is {result.code!r}, which is no number of a machine's"
    if not isinstance(result.outputs, dict):
        return "the answer has no dictionary of results"
    if result.created_task is not None and not is_number(result.created_task):
        return f"created_task is {result.created_task!r}, not a number"
    outputs = SIGNATURES[call.name].results(result.code)
    if result.outputs.keys() != {output.name for output in outputs}:
        return f"the results are {', '.join(map(str, result.outputs)) or 'none'} instead of {', '.join(output.name for output in outputs) or 'none'}"
    for output in outputs:
        value = result.outputs[output.name]
        if not _FORMS.get(output.type, is_number)(value):
            return f"the result {output.name} is {value!r}, which is no {output.type.value}"
    return None


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number that a register can hold, signed or not."""
    return isinstance(value, int) and -(2**63) <= value < 2**64


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_number, value))


def _are_descriptors(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_descriptor, value))


def _is_descriptor(value: Any) -> bool:
    """Whether ``value`` is the name and form of a right, the names and form of several, or a page."""
    if not isinstance(value, tuple) or not value:
        return False
    if is_memory(value):
        return len(value) == 1 and _are_numbers(value)
    return is_number(value[1]) and (_are_numbers(value[0]) if is_array(value) else is_number(value[0]))


_FORMS: dict[OutputType, Callable[[Any], bool]] = {
    OutputType.PORTS: _are_numbers,
    OutputType.NAMES: _are_numbers,
    OutputType.TYPES: _are_numbers,
    OutputType.WORDS: _are_numbers,
    OutputType.SECURITY_TOKEN: _are_numbers,
    OutputType.AUDIT_TOKEN: _are_numbers,
    OutputType.DESCRIPTORS: _are_descriptors,
}
