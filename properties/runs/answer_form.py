"""Checks that an answer has the form in the call's signature, before its content is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.abi.descriptors import is_array, is_memory
from sendright.mach.kernel.call import Call, Result
from sendright.mach.signatures import SIGNATURES, Output, OutputType, Signature


def answer_error(call: Call, result: Result) -> str | None:
    """The fault in the form of ``result``, in words; None: there is none."""
    if not is_number(result.code):
        return f"the return code is {result.code!r}, which is not a machine's number"
    if not isinstance(result.outputs, dict):
        return "the answer has no dictionary of results"
    signature = SIGNATURES[call.name]
    return _wrong_task(signature, call, result) or _wrong_outputs(signature, result) or _wrong_ended(result)


def _wrong_task(signature: Signature, call: Call, result: Result) -> str | None:
    if result.created_task is None:
        return None
    if not is_number(result.created_task):
        return f"created_task is {result.created_task!r}, not a number"
    if not signature.creates_task:
        return f"created_task is {result.created_task}, but {call.name} creates no task"
    if call.resume or result.code not in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
        how = "that is resumed has created its task before" if call.resume else f"that returns {code_name(result.code)} creates no task"
        return f"created_task is {result.created_task}, but a call {how}"
    return None


def _wrong_ended(result: Result) -> str | None:
    """The fault in the form of ``result.ended``. The answers in it are checked when they are judged."""
    if not isinstance(result.ended, dict):
        return f"ended is {result.ended!r}, not a dictionary of answers by tasks"
    for task, answer in result.ended.items():
        if not is_number(task):
            return f"ended has an answer of {task!r}, which is not a task's number"
        wrong = result_error(answer)
        if wrong is not None:
            return f"the ended call of task {task} is {wrong}"
    return None


def _wrong_outputs(signature: Signature, result: Result) -> str | None:
    outputs = signature.results(result.code)
    if result.outputs.keys() != {output.name for output in outputs}:
        return f"the results are {', '.join(map(str, result.outputs)) or 'none'} instead of {', '.join(output.name for output in outputs) or 'none'}"
    return _misformed(outputs, result.outputs)


def recorded_outputs_error(call: str, outputs: Mapping[str, Any]) -> str | None:
    """The fault in the form of the results that are recorded of ``call``, in words; None: there is none. Some may be
    missing: an answer without the form of its signature is recorded without results. Arrays must be tuples.
    """
    known = SIGNATURES[call].outputs
    unknown = outputs.keys() - {output.name for output in known}
    if unknown:
        return f"{call} has no result {min(unknown)!r}"
    return _misformed([output for output in known if output.name in outputs], outputs)


def _misformed(outputs: Iterable[Output], values: Mapping[str, Any]) -> str | None:
    for output in outputs:
        if not _FORMS.get(output.type, is_number)(values[output.name]):
            return f"the result {output.name} is {values[output.name]!r}, which is not of type {output.type.value}"
    return None


def result_error(answer: object) -> str | None:
    """Why ``answer`` isn't a readable Result, in words; None: it is. Its outputs may still be malformed."""
    if not isinstance(answer, Result):
        return f"{type(answer).__name__} instead of a Result with a code and outputs"
    if not isinstance(answer.code, int):
        return f"a Result whose code is {answer.code!r}, not a number"
    if not isinstance(answer.outputs, dict):
        return f"a Result whose outputs are {answer.outputs!r}, not a dictionary"
    return None


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number that a register can hold, signed or not."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**64


def are_numbers(value: Any) -> bool:
    """Whether ``value`` is a tuple of such numbers."""
    return isinstance(value, tuple) and all(map(is_number, value))


def _are_descriptors(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_descriptor, value))


def _is_descriptor(value: Any) -> bool:
    """Whether ``value`` is the name and form of a right, the names and form of several, or a page."""
    if not isinstance(value, tuple) or not value:
        return False
    if is_memory(value):
        return len(value) == 1 and are_numbers(value)
    return is_number(value[1]) and (are_numbers(value[0]) if is_array(value) else is_number(value[0]))


_FORMS: dict[OutputType, Callable[[Any], bool]] = {
    OutputType.PORTS: are_numbers,
    OutputType.NAMES: are_numbers,
    OutputType.TYPES: are_numbers,
    OutputType.WORDS: are_numbers,
    OutputType.SECURITY_TOKEN: are_numbers,
    OutputType.AUDIT_TOKEN: are_numbers,
    OutputType.DESCRIPTORS: _are_descriptors,
}
