"""Reads traces and states of runs from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sendright.cli.bad_input import BadInput
from sendright.mach.files import CantRead, read_regular
from sendright.mach.json_text import read_json
from sendright.mach.kernel.call import Call
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot, slots
from sendright.mach.state.trace import TRACE_FORMAT, Step, Trace, contradiction

_T = TypeVar("_T")

LARGEST_FILE = 1 << 30


class _FormatOnly(msgspec.Struct):
    """The part of a trace that every version of sendright writes."""

    format: str | None = None


def read_trace(file: Path) -> Trace:
    """The trace in ``file``. Raises BadInput for what can't be read, isn't a trace or contradicts itself."""
    content = _content(file, "a trace.json")
    written = _decoded(file, content, _FormatOnly, "a sendright trace: name a trace.json").format
    if written is not None and written.partition("/")[0] != TRACE_FORMAT.partition("/")[0]:
        raise BadInput(f"{file}: $.format: {written!r} is not a sendright trace (name a trace.json)")
    if written is not None and written != TRACE_FORMAT:
        raise BadInput(f"{file}: $.format: {written!r} is of another version of sendright (this one reads {TRACE_FORMAT}: make the run again)")
    trace = _decoded(file, content, Trace, "a sendright trace: name a trace.json")
    for index, step in enumerate(trace.steps):
        if step.call not in SIGNATURES:
            raise BadInput(f"{file}: $.steps[{index}].call: {step.call!r} is not a call (sendright calls lists them)")
        if step.index != index:
            raise BadInput(f"{file}: $.steps[{index}].index: {step.index} is out of order (steps are numbered from 0)")
        wrong = _misformed(step)
        if wrong is not None:
            raise BadInput(f"{file}: $.steps[{index}]: {wrong} (the trace was changed: make the run again)")
    where = contradiction(trace)
    if where is not None:
        raise BadInput(f"{file}: {where}: contradicts the steps before it (the trace was changed: make the run again)")
    return trace


def _misformed(step: Step) -> str | None:
    """What is wrong with the form of the arguments or the results of ``step``, in words; None: nothing."""
    from sendright.properties.runs.answer_form import recorded_outputs_error
    from sendright.properties.runs.call_form import call_error

    call, outputs = Call(step.call, _as_tuple(step.arguments)), _as_tuple(step.outputs)
    if step.created_task is not None and not SIGNATURES[step.call].creates_task:
        return f"{step.call} creates no task"
    return call_error(call) or recorded_outputs_error(step.call, outputs)


def _as_tuple(value: Any) -> Any:
    """``value``, whose keys are strings, with a tuple for each array of JSON."""
    if isinstance(value, dict):
        return {name: _as_tuple(each) for name, each in value.items()}
    return tuple([_as_tuple(each) for each in value]) if isinstance(value, list) else value


def read_state(file: Path) -> Snapshot:
    """The state of a system in ``file``, written like the initial state of a trace. Raises BadInput for what can't be
    read, isn't a state or names tasks or ports that it doesn't have.
    """
    state = _decoded(file, _content(file, "a state, a JSON file"), Snapshot, "a state: name a file with what a trace has as its initial state")
    for slot, entry in slots(state).items():
        if entry.port is not None and entry.port not in state.ports:
            raise BadInput(f"{file}: {slot}: names port {entry.port}, which the state doesn't have (add it to ports)")
    for number, port in state.ports.items():
        if port.task is not None and port.task not in state.tasks:
            raise BadInput(f"{file}: port {number}: is the port of task {port.task}, which the state doesn't have (add it to tasks)")
    return state


def _content(file: Path, what: str) -> bytes:
    try:
        return read_regular(file, LARGEST_FILE)
    except CantRead as error:
        raise BadInput(f"{file}: {str(error).partition(' (')[0]} (name {what})") from error


def _decoded(file: Path, content: bytes, form: type[_T], what: str) -> _T:
    try:
        return read_json(content, form)
    except msgspec.ValidationError as error:
        wrong, _, place = str(error).partition(" - at ")
        raise BadInput(f"{file}: {place.strip('`') or '$'}: {wrong} (not {what})") from error
    except msgspec.DecodeError as error:
        raise BadInput(f"{file}: not JSON: {error} ({what.rpartition(': ')[2]})") from error
