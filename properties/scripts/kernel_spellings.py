"""Translates what the kernels' own headers have where the signature table has arguments of its own: a structure of
options, flags, and a right with its disposition."""

from __future__ import annotations

from typing import Any

from sendright.mach.abi.headers import Headers
from sendright.mach.abi.rights import Notification
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import not_modelled_words, unmodelled_ranges
from sendright.mach.signatures import ArgumentType, Signature
from sendright.mach.signatures.details import GUARD_FLAGS
from sendright.mach.signatures.guards import CONSTRUCT_FLAGS
from sendright.properties.scripts.message_options import read_message_words
from sendright.properties.scripts.spelling import NotModelled, WrongValue, quoted, read_constant, read_guard, wrong

_read_flags = read_constant("flags of mach_port_construct (MPO_QLIMIT, …)", ("MPO_",))
_read_guard_flags = read_constant("flags of mach_port_guard_with_flags (MPG_STRICT, …)", ("MPG_",))
_GUARD_INFO = ("mpgi_guard", "guard")
_LIMITS = ("mpl", "mpl_qlimit", "qlimit")
_NAMES, _DISPOSITIONS = ("name", "port", "right", "poly"), ("disposition", "disp", "type", "polyPoly")


def read_kernel_words(signature: Signature, spelled: dict[str, Any], profile: Profile, words: Headers) -> dict[str, Any]:
    """``spelled`` with arguments of the signature in place of the kernel's own structures. Raises WrongValue,
    NotModelled."""
    given = dict(spelled)
    if signature.name == "mach_port_construct":
        given = _port_options(given, profile, words)
    if signature.name == "mach_port_guard_with_flags":
        _flags_of_guard(given, words)
    if signature.name == "mach_port_assert_attributes":
        _guard_in_words(given, words)
    if signature.name == "mach_port_request_notification":
        _name_the_notification(given)
    for argument in signature.arguments:
        if argument.type is ArgumentType.RIGHT_NAME:
            _split_right(given, signature, argument.name)
    return read_message_words(signature, given, profile, words) if signature.name.startswith("mach_msg_") else given


def _port_options(given: dict[str, Any], profile: Profile, words: Headers) -> dict[str, Any]:
    """``flags`` of ``mach_port_options_t``, with ``mpl``; the whole structure may stand in ``options``."""
    options = given.pop("options", None)
    if isinstance(options, dict):
        for key, value in options.items():
            if key in given:
                raise WrongValue(f"duplicate argument {key}", f"args.options.{key}")
            given[key] = value
    elif options is not None:
        if "flags" in given:
            raise WrongValue("duplicate argument flags", "args.options")
        given["flags"] = options
    limits = [key for key in _LIMITS if key in given]
    if len(limits) > 1:
        raise WrongValue(f"duplicate argument {limits[1]}", f"args.{limits[1]}")
    limit = given.pop(limits[0]) if limits else None
    if isinstance(limit, dict):
        if limit.keys() - {"mpl_qlimit", "qlimit"} or len(limit) != 1:
            raise NotModelled(f"limits {quoted(limit)} are not just a qlimit")
        limit = next(iter(limit.values()))
    if "flags" not in given:
        return given | ({"qlimit": limit} if limits else {})
    try:
        flags = _read_flags(given.pop("flags"), words)
    except WrongValue as error:
        raise WrongValue(str(error), f"args.flags{error.place}") from None
    for each in unmodelled_ranges(profile, "mach_port_construct", "flags"):
        if each.covers(flags):
            raise NotModelled(not_modelled_words(each, profile.name))
    unknown = flags & ~sum(words.bits(name) for name in CONSTRUCT_FLAGS)
    if unknown:
        raise NotModelled(f"flags {unknown:#x} of mach_port_construct is not modelled")
    for name, argument in CONSTRUCT_FLAGS.items():
        is_set = bool(flags & words.bits(name))
        if argument == "qlimit":
            if is_set:  # without a limit, the structure has 0
                given["qlimit"] = limit if limits else 0
        elif argument in given:
            raise WrongValue(f"duplicate argument {argument}", f"args.{argument}")
        else:
            given[argument] = is_set
    return given


def _flags_of_guard(given: dict[str, Any], words: Headers) -> None:
    """``flags`` of ``mach_port_guard_with_flags``. The kernels ignore all other bits."""
    if "flags" not in given:
        return
    try:
        flags = _read_guard_flags(given.pop("flags"), words)
    except WrongValue as error:
        raise WrongValue(str(error), f"args.flags{error.place}") from None
    for name, argument in GUARD_FLAGS.items():
        if argument in given:
            raise WrongValue(f"duplicate argument {argument}", f"args.{argument}")
        given[argument] = bool(flags & words.bits(name))


def _guard_in_words(given: dict[str, Any], words: Headers) -> None:
    """``mach_port_guard_info_t``, or its guard alone, becomes two words of attributes, the low one first."""
    spelling = "info" if "info" in given else "guard"
    value = given.get(spelling)
    if isinstance(value, dict):
        if len(value) != 1 or not value.keys() & set(_GUARD_INFO):
            raise NotModelled(f"attributes {quoted(value)} are not just a guard")
        value = next(iter(value.values()))
    elif value is None or isinstance(value, list):
        return
    guard = read_guard(value, words)
    if not isinstance(guard, int):
        raise NotModelled(f"the guard {quoted(value)} is not a number")
    del given[spelling]
    given["info"] = [guard & 0xFFFFFFFF, guard >> 32 & 0xFFFFFFFF]


def _name_the_notification(given: dict[str, Any]) -> None:
    """``notify`` may name the notification; then ``notify_port`` or ``port`` is the right."""
    notify = given.get("notify")
    named = isinstance(notify, str) and notify.upper().replace("-", "_").removeprefix("MACH_NOTIFY_") in Notification.__members__
    if named and not any(key in given for key in ("variant", "msgid", "msg_id", "id", "notification")):
        given["variant"] = given.pop("notify")
        port = next((key for key in ("notify_port", "notify_right", "port") if key in given), None)
        if port is not None and (port != "port" or "name" in given):
            given["notify"] = given.pop(port)


def _split_right(given: dict[str, Any], signature: Signature, argument: str) -> None:
    """A right with its disposition in one value becomes two arguments: ``["p", "MAKE_SEND"]``, or ``{"name": "p",
    "disposition": "MAKE_SEND"}``."""
    spelling = next((key for key in (argument, "right" if argument == "poly" else argument) if isinstance(given.get(key), list | dict)), None)
    if spelling is None:
        return
    value = given[spelling]
    if isinstance(value, dict):
        name, how = (next((value[key] for key in keys if key in value), None) for keys in (_NAMES, _DISPOSITIONS))
        parts: list[Any] = [name, how]
        whole = len(value) == 2 and how is not None and any(key in value for key in _NAMES)
    else:
        parts, whole = value, len(value) == 2
    disposition = "disposition" if argument == "poly" else f"{argument}_disposition"
    if not whole or all(each.name != disposition for each in signature.arguments):
        raise WrongValue(str(wrong("a right: a name, or [name, disposition]", value)), f"args.{spelling}")
    if disposition in given:
        raise WrongValue(f"duplicate argument {disposition}", f"args.{spelling}")
    given[spelling], given[disposition] = parts
