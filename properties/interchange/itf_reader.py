"""Reads a run in the Informal Trace Format (``itf.py``), and makes a script of it that can be replayed.

Every form of the format is read in each place: JSON numbers and ``#bigint``, lists, ``#tup`` and ``#set``, records and
``#map``. Other variables and all ``#meta`` are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import EMPTY, Change, Entry, Slot, Snapshot, slots
from sendright.mach.state.trace import LIMITS, Step, Trace, Violation
from sendright.properties.interchange.itf import BOOT, KINDS, NO_TASK, TOLD, VARS
from sendright.properties.scripts.export import script_of

MOST_STATES = 100_000
_MOST_DIGITS = 40
_NEEDED = tuple(name for name in VARS if name != "violations")
_PLACES = ("name", "place", "request", "message", "no-senders", "port-destroyed", "host", "held")


class BadItf(ValueError):
    """The file is not such a run. The message says what is wrong, and what to do; ``place`` says where."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(what)
        self.place = place


def script_of_itf(data: dict[str, Any], boot: Callable[[Profile], Snapshot]) -> dict[str, Any]:
    """The script (docs/scripts.md) that makes the calls of the trace ``data``. ``boot`` gives the boot state of a
    profile. Raises BadItf."""
    states = _states(data)
    first = states[0]
    name = _value(first, "profile", str, "states[0]")
    if name not in PROFILES:
        raise BadItf("states[0].profile", f"{name[:80]!r} is not a profile: choose one of {', '.join(PROFILES)}")
    limits = {limit: _value(first, limit, int, "states[0]") if limit in first else getattr(PROFILES[name], limit) for limit in LIMITS}
    initial = boot(msgspec.structs.replace(PROFILES[name], **limits))
    if _tag(first, "states[0]")[0] != BOOT:
        raise BadItf("states[0].call", f"the first state is that of the boot: its call has the tag {BOOT!r}")
    now = slots(initial)
    if _rights(first, "states[0]") != now:
        raise BadItf("states[0].rights", f"not the rights of the boot state of {name} (sendright export writes them)")
    steps: list[Step] = []
    violations: list[Violation] = []
    for index, state in enumerate(states[1:]):
        where = f"states[{index + 1}]"
        after = _rights(state, where)
        steps.append(_step(index, state, where, now, after))
        violations += _violations(state, where, index)
        now = after
    implementation = first.get("implementation")
    trace = Trace(
        implementation=implementation if isinstance(implementation, str) else "a trace in the ITF",
        profile=name,
        **limits,
        initial=initial,
        steps=tuple(steps),
        final=initial,
        violations=tuple(violations),
    )
    try:
        return script_of(trace)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {str(error)[:80]}"
        raise BadItf("states", f"the calls and the states don't fit together ({what}): export the run again") from error


def _states(data: dict[str, Any]) -> list[dict[str, Any]]:
    names, states = data["vars"], data["states"]
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise BadItf("vars", "expected an array of strings")
    missing = next((each for each in _NEEDED if each not in names), None)
    if missing is not None:
        raise BadItf("vars", f"{missing!r} is missing: a run of sendright's has the variables {', '.join(_NEEDED)} (docs/interchange.md)")
    if data.get("loop") is not None:
        raise BadItf("loop", "a run without an end can't be replayed: leave the loop out")
    if not isinstance(states, list) or not states:
        raise BadItf("states", "expected an array with at least the boot state")
    if len(states) > MOST_STATES:
        raise BadItf("states", f"more than {MOST_STATES} states: split the run")
    for index, state in enumerate(states):
        if not isinstance(state, dict):
            raise BadItf(f"states[{index}]", "expected an object")
        unset = next((name for name in _NEEDED if name not in state), None)
        if unset is not None:
            raise BadItf(f"states[{index}]", f"doesn't define {unset!r}: every state defines all of vars")
    return [{name: value for name, value in state.items() if name != "#meta"} for state in states]


def _step(index: int, state: dict[str, Any], where: str, before: dict[Slot, Entry], after: dict[Slot, Entry]) -> Step:
    tag, arguments = _tag(state, where)
    if tag not in SIGNATURES:
        raise BadItf(f"{where}.call", f"{tag[:80]!r} is not a call (sendright calls lists them)")
    known = {argument.name for argument in SIGNATURES[tag].arguments}
    unknown = next((name for name in arguments if name not in known), None)
    if unknown is not None:
        raise BadItf(f"{where}.call", f"{tag} has no argument {str(unknown)[:80]!r} (sendright calls {tag} lists them)")
    outputs = decoded(state["outputs"], f"{where}.outputs")
    if not isinstance(outputs, dict):
        raise BadItf(f"{where}.outputs", "expected a record")
    created = _value(state, "created", int, where)
    changed = [slot for slot in before.keys() | after.keys() if before.get(slot, EMPTY) != after.get(slot, EMPTY)]
    return Step(
        index=index,
        task=_value(state, "caller", int, where),
        call=tag,
        arguments=arguments,
        shortage=_value(state, "shortage", int, where),
        stop=_value(state, "stop", bool, where),
        resume=_value(state, "resume", bool, where),
        code=_value(state, "code", int, where),
        outputs=outputs,
        created_task=None if created == NO_TASK else created,
        changes=tuple(Change(slot, before.get(slot, EMPTY), after.get(slot, EMPTY)) for slot in sorted(changed)),
    )


def _tag(state: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    call = state["call"]
    if not isinstance(call, dict) or call.keys() != {"tag", "value"} or not isinstance(call["tag"], str):
        raise BadItf(f"{where}.call", "expected a variant: an object with a tag, the call's name, and a value, its arguments")
    value = decoded(call["value"], f"{where}.call.value")
    if not value:
        return call["tag"], {}
    if not isinstance(value, dict):
        raise BadItf(f"{where}.call.value", "expected a record of the call's arguments")
    return call["tag"], value


def _rights(state: dict[str, Any], where: str) -> dict[Slot, Entry]:
    place = f"{where}.rights"
    rights = decoded(state["rights"], place)
    if not isinstance(rights, dict):
        raise BadItf(place, "expected a #map from slots to rights")
    found: dict[Slot, Entry] = {}
    for slot, entry in rights.items():
        if not (isinstance(slot, tuple) and len(slot) == 3 and slot[0] in _PLACES and all(_is_int(each) for each in slot[1:])):
            raise BadItf(place, f"{str(slot)[:80]} is not a slot: write a #tup of {', '.join(_PLACES)}, then its owner and its index")
        if not isinstance(entry, dict) or not {"kind", "port", "urefs"} <= entry.keys():
            raise BadItf(place, f"the right in {str(slot)[:80]} isn't a record with kind, port and urefs")
        kind, told = entry["kind"], entry.get("told", "no")
        known = isinstance(kind, str) and kind in KINDS and isinstance(told, str) and told in TOLD
        if not known or not (_is_int(entry["port"]) and _is_int(entry["urefs"])):
            raise BadItf(place, f"the right in {str(slot)[:80]} has no known kind ({', '.join(KINDS)}), or no numbers as port and urefs")
        port = None if entry["port"] == NO_TASK else entry["port"]
        found[Slot(*slot)] = Entry(SlotKind(KINDS[kind]), port, entry["urefs"], TOLD[told])
    return found


def _violations(state: dict[str, Any], where: str, index: int) -> list[Violation]:
    place = f"{where}.violations"
    found = decoded(state.get("violations", []), place)
    try:
        return msgspec.convert([each | {"step": index} for each in found], list[Violation])
    except (msgspec.ValidationError, TypeError) as error:
        raise BadItf(place, f"expected a list of violations, each with kind, clause and words ({error})") from None


def _value(state: dict[str, Any], name: str, kind: type, where: str) -> Any:
    value = decoded(state[name], f"{where}.{name}") if name in state else None
    if not (_is_int(value) if kind is int else isinstance(value, kind)):
        words = {int: "an integer", str: "a string", bool: "true or false"}[kind]
        raise BadItf(f"{where}.{name}", f"expected {words}")
    return value


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def decoded(value: Any, place: str) -> Any:
    """An expression of the format as a value of Python: records and maps as dict, the rest as tuples. Raises BadItf."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return _small(value, place)
    if isinstance(value, list):
        return tuple([decoded(each, place) for each in value])
    if not isinstance(value, dict):
        kind = "null" if value is None else type(value).__name__
        raise BadItf(place, f"{kind} is not in the format: write a whole number, a string, true or false")
    special = [key for key in value if key.startswith("#")]
    if not special:
        return {key: decoded(each, place) for key, each in value.items()}
    if len(value) != 1 or special[0] not in _SPECIAL:
        raise BadItf(place, f"{special[0][:40]!r} is not a form of the format: use {', '.join(_SPECIAL)}")
    return _SPECIAL[special[0]](value[special[0]], place)


def _small(value: int, place: str) -> int:
    if abs(value) >= 10**_MOST_DIGITS:
        raise BadItf(place, f"a number has more than {_MOST_DIGITS} digits")
    return value


def _big(value: Any, place: str) -> int:
    if not isinstance(value, str) or not re.fullmatch(rf"-?[0-9]{{1,{_MOST_DIGITS}}}", value, re.ASCII):
        raise BadItf(place, f"#bigint: expected a string of 1 to {_MOST_DIGITS} digits")
    return int(value)


def _several(value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise BadItf(place, "#tup and #set: expected an array")
    return tuple([decoded(each, place) for each in value])


def _map(value: Any, place: str) -> dict[Any, Any]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise BadItf(place, "#map: expected an array of arrays with two elements each")
    try:
        found = {decoded(key, place): decoded(each, place) for key, each in value}
    except TypeError:
        raise BadItf(place, "#map: a key is a record or a map itself") from None
    if len(found) != len(value):
        raise BadItf(place, "#map: a key is there twice")
    return found


_SPECIAL: dict[str, Callable[[Any, str], Any]] = {"#bigint": _big, "#tup": _several, "#set": _several, "#map": _map}
