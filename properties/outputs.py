"""Whether an answer has the form that the call's signature promises, before anybody judges what is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sendright.mach.calls import Call, Result
from sendright.mach.codes import ReturnCode
from sendright.mach.signatures import SIGNATURES, OutputType


def malformed(call: Call, result: Result) -> str | None:
    """What is wrong with the form of ``result``, in words; None: nothing."""
    if not is_number(result.code):
        return f"the return code is {result.code!r}, which is no number of a machine's"
    if not isinstance(result.outputs, dict):
        return "the answer has no dictionary of results"
    if result.created_task is not None and not is_number(result.created_task):
        return f"created_task is {result.created_task!r}, not a number"
    # A send has results only when it hands back what it could not send.
    with_results = ReturnCode.MACH_SEND_TIMED_OUT if call.name == "mach_msg_send" else ReturnCode.KERN_SUCCESS
    outputs = SIGNATURES[call.name].outputs if result.code == with_results else ()
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
    return isinstance(value, tuple) and all(isinstance(each, tuple) and len(each) == 2 and _are_numbers(each) for each in value)


_FORMS: dict[OutputType, Callable[[Any], bool]] = {
    OutputType.PORTS: _are_numbers,
    OutputType.NAMES: _are_numbers,
    OutputType.TYPES: _are_numbers,
    OutputType.WORDS: _are_numbers,
    OutputType.SECURITY_TOKEN: _are_numbers,
    OutputType.AUDIT_TOKEN: _are_numbers,
    OutputType.DESCRIPTORS: _are_descriptors,
}
