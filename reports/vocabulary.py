"""The signature table and the profiles, as tables for the terminal and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

import msgspec
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.kernel.unmodelled import Range, unmodelled_ranges
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, Signature

SWITCHES = tuple(switch for switch in Profile.__struct_fields__ if switch not in ("name", "title", "based_on"))
"""The switches of a profile: the fields that describe a kernel."""

Errors: TypeAlias = tuple[tuple[str, str], ...]
"""The errors of a call, in the order in which they are tested: the code of each, and when it is returned."""


def calls_data(signatures: tuple[Signature, ...]) -> list[dict[str, Any]]:
    """The signatures, for ``--json``."""
    return [_call_data(signature) for signature in signatures]


def errors_data(by_profile: Mapping[str, Errors]) -> dict[str, list[dict[str, str]]]:
    """The errors of a call by profile, for ``--json``."""
    return {profile: [{"code": code, "when": when} for code, when in errors] for profile, errors in by_profile.items()}


def _call_data(signature: Signature) -> dict[str, Any]:
    return {
        "name": signature.name,
        "about": signature.about,
        "target": signature.target,
        "creates_task": signature.creates_task,
        "in_steps": signature.in_steps,
        "section": signature.section,
        "profiles": _served_by(signature),
        "arguments": [_argument_data(argument) for argument in signature.arguments],
        "outputs": [{"name": output.name, "type": output.type.value, "about": output.about} for output in signature.outputs],
        "results": {code.name: [output.name for output in signature.results(code)] for code in _with_results(signature)},
        "not_modelled": [_range_data(profile, each) for profile, each in _not_modelled(signature.name)],
    }


def _range_data(profile: str, found: Range) -> dict[str, Any]:
    numbers = {"bit": found.bit} if found.bit else {"lowest": found.lowest, "highest": found.highest}
    return {"profile": profile, "argument": found.argument, **numbers, "name": found.name, "why": found.why}


def _not_modelled(call: str) -> list[tuple[str, Range]]:
    """The ranges of a call that a profile doesn't model: the profile, and the range."""
    return [(profile.name, each) for profile in PROFILES.values() for each in unmodelled_ranges(profile, call)]


def not_modelled(call: str) -> dict[tuple[str, str], list[str]]:
    """What isn't modelled of a call's arguments: the argument and the ranges, in words -> the profiles."""
    by_profile: dict[tuple[str, str], list[str]] = {}
    for profile, each in _not_modelled(call):
        by_profile.setdefault((each.argument, profile), []).append(each.words)
    found: dict[tuple[str, str], list[str]] = {}
    for (argument, profile), ranges in by_profile.items():
        found.setdefault((argument, ", ".join(ranges)), []).append(profile)
    return found


def _argument_data(argument: Argument) -> dict[str, Any]:
    data: dict[str, Any] = {"name": argument.name, "type": argument.type.value, "about": argument.about, "required": argument.required}
    if argument.object is not None:
        data["object"] = argument.object.name
    if not argument.required:
        data["default"] = argument.default
    return data


def _default_in_words(argument: Argument) -> str:
    """The value as a script may have it: an id that sets nothing is -1."""
    is_id = argument.type in (ArgumentType.USER, ArgumentType.GROUP)
    return "-1" if is_id and argument.default == UNSET else str(argument.default)


def _with_results(signature: Signature) -> list[ReturnCode]:
    """The return codes with which the call has results."""
    return [code for code in (ReturnCode.KERN_SUCCESS, *signature.partial) if signature.results(code)]


def _results_in_words(signature: Signature) -> str:
    """Which results come with which return code; empty if only KERN_SUCCESS has results."""
    parts = []
    for code in dict.fromkeys(_with_results(signature)):
        results = signature.results(code)
        parts.append(f"{code.name}: {'all' if results == signature.outputs else ', '.join(output.name for output in results)}")
    return f"Results by return code: {'; '.join(parts)}." if signature.partial else ""


def _served_by(signature: Signature) -> list[str]:
    return [profile.name for profile in PROFILES.values() if profile.serves(signature.name)]


def calls_table() -> Table:
    """A table with a row for each call."""
    table = Table(Column("call", no_wrap=True), "arguments", "results")
    for signature in SIGNATURES.values():
        arguments = ", ".join(argument.name if argument.required else f"[{argument.name}]" for argument in signature.arguments)
        table.add_row(Text(signature.name, "bold"), Text(arguments), Text(", ".join(output.name for output in signature.outputs)))
    return table


def call_view(signature: Signature, errors: Mapping[str, Errors] | None) -> RenderableType:
    """Everything about one call. ``errors`` has its errors by profile; None: the specification has no rule for it."""
    table = Table("", "name", "type", "about")
    for argument in signature.arguments:
        kind = argument.type.value + (f" to {argument.object.name}" if argument.object is not None else "")
        default = "" if argument.required else f" (default {_default_in_words(argument)})"
        table.add_row("argument", Text(argument.name, "bold"), Text(kind), Text(argument.about + default))
    for output in signature.outputs:
        table.add_row("result", Text(output.name, "bold"), Text(output.type.value), Text(output.about))
    sent = f"A message to the port in its argument {signature.target}." if signature.target else "A trap, not a message to a port."
    return Group(
        Text(signature.name, "bold"),
        Text(signature.about),
        Text(f"{sent} Profiles: {', '.join(_served_by(signature))}."),
        *([Text("Kernels execute it in steps: it can stop between two steps, and be resumed.")] if signature.in_steps else []),
        table,
        *([Text(_results_in_words(signature))] if signature.partial else []),
        *[
            Text(f"Not modelled in {', '.join(profiles)}: {argument} {ranges}.")
            for (argument, ranges), profiles in not_modelled(signature.name).items()
        ],
        *([Text("The specification has no rule for this call yet.")] if errors is None else _errors_in_words(errors)),
    )


def _errors_in_words(by_profile: Mapping[str, Errors]) -> Iterator[RenderableType]:
    """A table of the errors for each group of profiles that have the same ones."""
    groups: dict[Errors, list[str]] = {}
    for profile, errors in by_profile.items():
        groups.setdefault(errors, []).append(profile)
    for errors, profiles in groups.items():
        where = f" in {', '.join(profiles)}" if len(groups) > 1 else ""
        if not errors:
            yield Text(f"No errors{where}.")
            continue
        table = Table("code", "when")
        for code, when in errors:
            table.add_row(Text(code, "bold"), Text(when))
        yield Text(f"Errors{where}, in the order in which they are tested:")
        yield table


def profiles_data(profiles: Sequence[Profile]) -> list[dict[str, Any]]:
    """``profiles`` with all their switches, as plain data for ``--json``."""
    return [{switch: _plain(getattr(profile, switch)) for switch in Profile.__struct_fields__} for profile in profiles]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Enum):
        return value.name if isinstance(value, int) else value.value
    if isinstance(value, set | frozenset):
        return [_plain(one) for one in sorted(value)]
    return msgspec.to_builtins(value)


def differences(profiles: Sequence[Profile]) -> dict[str, dict[str, Any]]:
    """The switches in which ``profiles`` differ, with the value in each profile, as plain data for ``--json``.

    If the values are sets, the elements that are in all of them are left out.
    """
    found = {}
    for switch in SWITCHES:
        values = [getattr(profile, switch) for profile in profiles]
        if any(value != values[0] for value in values):
            common = frozenset.intersection(*values) if all(isinstance(value, frozenset) for value in values) else None
            found[switch] = {
                profile.name: _plain(value if common is None else value - common) for profile, value in zip(profiles, values, strict=True)
            }
    return found


def profiles_table(profiles: Sequence[Profile]) -> RenderableType:
    """A table of the switches in which ``profiles`` differ."""
    table = Table("switch", *(Column(profile.name, overflow="fold") for profile in profiles))
    different = differences(profiles)
    for switch, values in different.items():
        table.add_row(Text(switch), *(Text(words(value)) for value in values.values()))
    where = "both profiles" if len(profiles) == 2 else "all profiles"
    same = f"{len(SWITCHES) - len(different)} other switches are the same in {where} (--json lists them)."
    return Group(table, Text(f"{same} docs/profiles.md explains the switches, call by call."))


_SHORT = 0xFFFF
"""Larger numbers of a list are sets of bits, and stand in hexadecimal form."""


def words(value: Any) -> str:
    """A switch's value, as in ``differences``, in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "any"
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(hex(one) if isinstance(one, int) and one > _SHORT else str(one) for one in value) or "–"
    return str(value)
