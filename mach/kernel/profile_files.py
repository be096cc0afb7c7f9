"""Profiles that a user adds: a known profile, with some of its switches set in another way.

In a file, a profile is a table of switches in TOML::

    name = "my-kernel"
    based_on = "gnumach"
    title = "My kernel, 2.0"
    queue_limit_max = 32
    resume_at_zero_code = "KERN_SUCCESS"

Every field of ``Profile`` is a switch. A member of an enumeration is written by its name, and a set as an array.
"""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from sendright.mach.extensions import Extension, PluginError, tell
from sendright.mach.kernel.bases import base_of, forget_base, set_base
from sendright.mach.kernel.profiles import OWN_PROFILES, PROFILES, TOKEN_CALLS, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.suggestions import perhaps_meant, unknown_call

SUFFIX = ".toml"
FILE_LIMIT = 1 << 20
"""Bytes of a file at most."""
NUMBER_LIMIT = 0xFFFFFFFF
"""The highest number of a switch, unless ``HIGHEST`` has a lower one."""
HIGHEST: Mapping[str, int] = {
    "registered_ports": 4,
    "exception_types": 13,
    "host_special_ports": 1024,
    "queue_limit": 0x7FFFFFFF,
    "queue_limit_max": 0x7FFFFFFF,
    "urefs_max": 0x7FFFFFFF,
    "trailer_elements": 15,
    "info_words": 1024,
    "processes": 64,
    "pages": 4096,
    "boot_tasks": 64,
}
LOWEST: Mapping[str, int] = {"urefs_max": 2, "pages": 1, "boot_tasks": 1}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOT_SWITCHES = ("name", "title", "based_on")


def read_profile(path: Path) -> Profile:
    """The profile in a file. Raises PluginError: one line that says what is wrong, where, and what to do."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > FILE_LIMIT:
        raise PluginError(f"{path}: has more than {FILE_LIMIT:,} bytes (a profile is a short table of switches)")
    try:
        table = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise PluginError(f"{path}: isn't TOML: {' '.join(str(error).split()) or type(error).__name__}") from error
    try:
        return profile_from(table)
    except PluginError as error:
        raise PluginError(f"{path}: {error}") from error


def profile_from(table: Mapping[str, object]) -> Profile:
    """The profile that a table of switches describes. Raises PluginError."""
    name, based_on = table.get("name"), table.get("based_on")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError('name: must be letters, digits, dots and dashes, at most 64 (write it as name = "my-kernel")')
    if name.endswith(SUFFIX):
        raise PluginError(f"name: {name!r} ends like a file (leave out {SUFFIX})")
    if not isinstance(based_on, str) or based_on not in PROFILES:
        raise PluginError(f"based_on: must name a profile{perhaps_meant(str(based_on), PROFILES)}: choose one of {', '.join(PROFILES)}")
    hints = _switches()
    changed: dict[str, object] = {}
    for key, value in table.items():
        if key == "based_on":
            continue
        if key not in hints:
            raise PluginError(f"unknown switch {key!r}{perhaps_meant(key, [*hints, *_NOT_SWITCHES])} (sendright profiles --json lists the switches)")
        changed[key] = _value(key, hints[key], value)
    title = changed.get("title", f"{name}, based on {based_on}")
    profile = msgspec.structs.replace(PROFILES[based_on], **{**changed, "title": title, "based_on": base_of(based_on)})
    _fits(profile)
    return profile


@cache
def _switches() -> dict[str, Any]:
    """The fields of a profile, with their types."""
    return {name: hint for name, hint in typing.get_type_hints(Profile).items() if name in Profile.__struct_fields__ and name != "based_on"}


def _value(key: str, hint: Any, value: object) -> object:
    """``value`` as a switch of the type ``hint`` has it. Raises PluginError."""
    try:
        found = msgspec.convert(_spelled(hint, value), hint, strict=True)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise PluginError(f"{key}: {_wrong(hint, value, error)}") from error
    for number in _numbers(found):
        lowest, highest = LOWEST.get(key, 0), HIGHEST.get(key, NUMBER_LIMIT)
        if not lowest <= number <= highest:
            raise PluginError(f"{key}: must be from {lowest} to {highest}")
    return found


def _numbers(value: object) -> list[int]:
    """The plain numbers of a switch."""
    if isinstance(value, (bool, Enum)):
        return []
    if isinstance(value, int):
        return [value]
    parts = value if isinstance(value, (tuple, frozenset, dict)) else ()
    return [number for part in parts for number in _numbers(part)]


def _spelled(hint: Any, value: object) -> object:
    """``value`` with the names of members replaced by members' values, and with numbers as keys."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (frozenset, set, tuple)):
        value = list(value)
    if origin in (typing.Union, types.UnionType):
        return _spelled(next(each for each in arguments if each is not type(None)), value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        named = hint.__members__.get(value) if isinstance(value, str) else None
        return value if named is None else named.value
    if origin is dict and isinstance(value, dict):
        return {_number(key): _spelled(arguments[1], each) for key, each in value.items()}
    if origin in (frozenset, tuple) and isinstance(value, list):
        return [_spelled(arguments[0], each) for each in value]
    return value


def _number(key: object) -> object:
    return int(key) if isinstance(key, str) and re.fullmatch(r"-?\d{1,10}", key) else key


def _wrong(hint: Any, value: object, error: Exception) -> str:
    """Why ``value`` isn't of the type, with the nearest member of an enumeration."""
    members = _members(hint)
    words = " ".join(str(error).split()).replace(" - at `$`", "")
    given = [each for each in _flat(value) if isinstance(each, str) and each not in members]
    if members and given:
        choice = ", ".join(members) if len(members) <= 12 else "its values"
        return f"{given[0]!r} is none of {choice}{perhaps_meant(given[0], members)}"
    return words[:1].lower() + words[1:]


def _flat(value: object) -> list[object]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if parts is None else [one for part in parts for one in _flat(part)]


def _members(hint: Any) -> list[str]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [*hint.__members__, *(each.value for each in hint if isinstance(each.value, str))]
    return [name for each in typing.get_args(hint) for name in _members(each)]


def _fits(profile: Profile) -> None:
    """Raises PluginError if a switch names a call, an argument or a right that there isn't, or two contradict."""
    for switch in ("lacks", "wrapped_calls", "looks_up_both", "own_calls_are_traps"):
        for call in sorted(getattr(profile, switch)):
            if call not in SIGNATURES:
                raise PluginError(f"{switch}: {unknown_call(call)}")
    arguments = [f"{call.name}.{argument.name}" for call in SIGNATURES.values() for argument in call.arguments]
    for name in sorted(profile.lacks_arguments):
        if name not in arguments:
            raise PluginError(f"lacks_arguments: unknown argument {name!r}{perhaps_meant(name, arguments)} (write it as call.argument)")
    known = PROFILES["manual"].bootstrap_names
    for name in profile.bootstrap_names:
        if name not in known or profile.bootstrap_names.count(name) > 1:
            raise PluginError(f"bootstrap_names: {name!r} is unknown or named twice (choose from {', '.join(known)})")
    if profile.queue_limit > profile.queue_limit_max:
        raise PluginError(f"queue_limit: {profile.queue_limit} is more than queue_limit_max, which is {profile.queue_limit_max}")
    if profile.has_processes:
        _fit_processes(profile)
    if profile.processes > profile.boot_tasks:
        raise PluginError(f"processes: {profile.processes} is more than boot_tasks, which is {profile.boot_tasks}")


def _fit_processes(profile: Profile) -> None:
    """Raises PluginError if processes aren't modelled for such a kernel: its base has none, or its tokens are set by
    calls.
    """
    having = [each for each in PROFILES.values() if each.has_processes and each.name in OWN_PROFILES]
    named = {"name": profile.name, "title": profile.title, "based_on": profile.based_on}
    if not any(each.name == profile.based_on or msgspec.structs.replace(each, **named) == profile for each in having):
        bases = " or ".join(each.name for each in having)
        raise PluginError(f"has_processes: isn't modelled for a kernel that is based on {profile.based_on} (base it on {bases})")
    set_tokens = sorted(call for call in TOKEN_CALLS if profile.serves(call))
    if set_tokens:
        raise PluginError(
            f"has_processes: the process says which tokens its task has; so lacks must name {' and '.join(set_tokens)} "
            "(or write has_processes = false)"
        )


def add_profile(profile: Profile) -> None:
    """From now on ``profile`` has its name. Raises PluginError if another one has it."""
    if profile.name in OWN_PROFILES:
        raise PluginError(f"profile {profile.name}: sendright has one of this name (choose another name)")
    known = PROFILES.get(profile.name)
    if known is not None and known != profile:
        raise PluginError(f"profile {profile.name}: two have this name (rename one of them)")
    PROFILES[profile.name] = profile
    set_base(profile.name, profile.based_on)


def remove_profile(name: str) -> None:
    """Take back what ``add_profile`` did."""
    if name not in OWN_PROFILES:
        PROFILES.pop(name, None)
        forget_base(name)


def use_profile(path: Path) -> Profile:
    """Read the profile in a file, and add it, in this process and in its workers. Raises PluginError."""
    profile = read_profile(path)
    use(profile, str(path))
    return profile


def use(profile: Profile, source: str) -> None:
    """Add ``profile``, which comes from the file ``source``, in this process and in its workers. Raises PluginError."""
    add_profile(profile)
    digest = sha256(msgspec.json.encode(msgspec.to_builtins(profile, str_keys=True, order="deterministic"))).hexdigest()
    tell(Extension(profile.name, "", source, (f"profile {profile.name}, based on {profile.based_on}",), digest), partial(use, profile, source))
