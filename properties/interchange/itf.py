"""Runs in the Informal Trace Format of Apalache and Quint: states and the calls that lead to them, as JSON.

The format is that of Apalache's ADR-015 (https://apalache-mc.org/docs/adr/015adr-trace.html). ``docs/interchange.md``
describes the variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from sendright.mach.abi.codes import code_name
from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.snapshot import EMPTY, Entry, Slot, slots
from sendright.mach.state.trace import LIMITS, Step, Trace

BOOT = "boot"
"""The tag of ``call`` in the first state."""
PARAMS = ("profile", "implementation", *LIMITS)
VARS = ("caller", "call", "shortage", "stop", "resume", "code", "outputs", "created", "rights", "violations")
NO_TASK = -1
_LARGEST = (1 << 53) - 1
"""The largest integer that the format lets stand as a JSON number."""


def is_itf(data: object) -> bool:
    """Whether a JSON value is meant as a trace in this format."""
    return isinstance(data, dict) and "states" in data and "vars" in data


def itf(trace: Trace) -> str:
    """``trace`` in the Informal Trace Format, with one state for the boot and one after each call."""
    now = dict(slots(trace.initial))
    states = [_state(trace, 0, None, now)]
    for step in trace.steps:
        for change in step.changes:
            if change.after == EMPTY:
                now.pop(change.slot, None)
            else:
                now[change.slot] = change.after
        states.append(_state(trace, step.index + 1, step, now))
    states[0] |= {name: encoded(getattr(trace, name)) for name in PARAMS}
    whole = {
        "#meta": {"format": "ITF", "source": "sendright", "description": "each state is the boot's, or the one after a call"},
        "params": list(PARAMS),
        "vars": list(VARS),
        "states": states,
    }
    return json.dumps(whole, indent=1) + "\n"


def _state(trace: Trace, index: int, step: Step | None, now: Mapping[Slot, Entry]) -> dict[str, Any]:
    of_step = [found for found in trace.violations if found.step == index - 1 or (found.step < 0 and index == 0)]
    violations = [
        {
            "kind": found.kind,
            "clause": found.clause,
            "words": found.words,
            "differences": [msgspec.to_builtins(difference) for difference in found.differences],
        }
        for found in of_step
    ]
    words = "boot" if step is None else f"task {step.task}: {step.call} -> {code_name(step.code)}"
    return {
        "#meta": {"index": index, "words": words},
        "caller": NO_TASK if step is None else step.task,
        "call": {"tag": BOOT, "value": {"#tup": []}} if step is None else {"tag": step.call, "value": encoded(step.arguments)},
        "shortage": 0 if step is None else encoded(step.shortage),
        "stop": step is not None and step.stop,
        "resume": step is not None and step.resume,
        "code": 0 if step is None else encoded(step.code),
        "outputs": encoded({} if step is None else step.outputs),
        "created": NO_TASK if step is None or step.created_task is None else step.created_task,
        "rights": {"#map": [[_slot(slot), _entry(now[slot])] for slot in sorted(now)]},
        "violations": encoded(violations),
    }


def _slot(slot: Slot) -> dict[str, Any]:
    return {"#tup": [slot.where, encoded(slot.owner), encoded(int(slot.index))]}


def _entry(entry: Entry) -> dict[str, Any]:
    told = {None: "no", False: "not yet", True: "yes"}[entry.told]
    port = NO_TASK if entry.port is None else entry.port
    return {"kind": entry.kind.name, "port": encoded(port), "urefs": encoded(entry.urefs), "told": told}


TOLD = {"no": None, "not yet": False, "yes": True}
KINDS = {kind.name: kind for kind in SlotKind if kind}


def encoded(value: Any) -> Any:
    """A value of Python as an expression of the format. Tuples and lists become lists. None isn't in the format."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value <= _LARGEST else {"#bigint": str(int(value))}
    if isinstance(value, (tuple, list)):
        return [encoded(each) for each in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("#") for key in value):
            return {key: encoded(each) for key, each in value.items()}
        return {"#map": [[encoded(key), encoded(each)] for key, each in value.items()]}
    return {"#unserializable": str(value)}
