"""Translates the words of ``mach_msg`` in scripts (its header's fields, flags and timeouts) into arguments of the
signature table."""

from __future__ import annotations

import re
from typing import Any

from sendright.mach.abi.headers import Headers
from sendright.mach.abi.rights import NULL_NAME
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import not_modelled_words, unmodelled_ranges
from sendright.mach.signatures import ArgumentType, Signature
from sendright.mach.signatures.messages import MESSAGE_OPTIONS
from sendright.properties.scripts.constants import NoExpression, UnknownConstant, constant, evaluate
from sendright.properties.scripts.spelling import NotModelled, WrongValue, quoted, read_integer, wrong

_FOR_EVER = (None, "none", "NONE", "infinite", "forever", "MACH_MSG_TIMEOUT_NONE")
_ARRAY = ("ool_ports", "disp")
_TRAILER = re.compile(r"(MACH_)?(RCV_)?TRAILER_(?!TYPE$|ELEMENTS$|MASK$)\w+")
_ELEMENTS, _FORM, _ALL = 0x0F000000, 0xF0000000, 0xFFFFFFFF
_REMOTE, _LOCAL, _COMPLEX = 0x1F, 0x1F00, 0x80000000


BOTH = "mach_msg"
_HALVES = {"MACH_SEND_MSG": "mach_msg_send", "MACH_RCV_MSG": "mach_msg_receive"}
"""The two options of ``mach_msg`` -> the call that does only that."""
_WAITS = {"MACH_SEND_TIMEOUT": "send_wait", "MACH_RCV_TIMEOUT": "receive_wait"}
"""The option without which ``mach_msg`` waits -> the argument for waiting."""


def half_meant(spelled: dict[str, Any], profile: Profile, words: Headers) -> str:
    """The call that a script's ``mach_msg`` with these arguments is: without options, that which does both. Raises
    WrongValue, NotModelled."""
    options = _options_key(spelled)
    if options is None:
        return BOTH
    bits, _ = _read_bits_of_options(spelled[options], words, options)
    asked = [call for option, call in _HALVES.items() if bits & words.bits(option)]
    if not asked:
        raise NotModelled("mach_msg with neither MACH_SEND_MSG nor MACH_RCV_MSG is not modelled")
    return BOTH if len(asked) > 1 else asked[0]


def read_both_waits(spelled: dict[str, Any], signature: Signature, words: Headers) -> dict[str, Any]:
    """The arguments of ``mach_msg`` with those for waiting in place of ``timeout`` and ``wait``.

    If options are given, a half without its TIMEOUT option waits. But where neither has one, a number in ``timeout``
    means not to wait.
    """
    given = dict(spelled)
    if given.get("notify", NULL_NAME) in (None, NULL_NAME, "NULL", "MACH_PORT_NULL"):
        given.pop("notify", None)
    options, stated = _options_key(given), next((key for key in ("wait", "block") if key in given), None)
    timed = "timeout" in given
    forever = _waits(given.pop("timeout")) if timed else False
    bits = 0 if options is None else _read_bits_of_options(given[options], words, options)[0]
    limited = any(bits & words.bits(option) for option in _WAITS)
    both = given.pop(stated) if stated is not None else None
    for option, argument in _WAITS.items():
        if both is not None:
            waits = both
        elif limited:
            waits = forever or not bits & words.bits(option)
        elif timed:
            waits = forever
        elif options is not None:
            waits = True
        else:
            continue
        name = argument if signature.name == BOTH else "wait" if _HALVES[option.replace("TIMEOUT", "MSG")] == signature.name else ""
        if name:
            given.setdefault(name, waits)
    return given


def read_message_words(signature: Signature, spelled: dict[str, Any], profile: Profile, words: Headers) -> dict[str, Any]:
    """``spelled`` with ``timeout``, ``options``, ``msgh_bits`` and ``ool_ports`` replaced by what they mean. Raises
    WrongValue, NotModelled."""
    given = dict(spelled)
    if "timeout" in given:
        _set(given, "wait", _waits(given.pop("timeout")), "timeout")
    options = _options_key(given)
    if options is not None:
        for argument, value in _read_options(signature, given.pop(options), profile, words, options):
            if all(each.name != argument for each in signature.arguments):
                continue  # an option of the other half
            if argument == "trailer":
                given.pop("trailer_elements", None)
            _set(given, argument, value, options)
    if "ool_ports" in given and signature.takes(ArgumentType.DESCRIPTORS):
        if "disp" not in given:
            raise NotModelled("argument ool_ports: there is no disp for it")
        array = [given.pop(key) for key in _ARRAY]
        _set(given, "descriptors", [array], "ool_ports")
    if "msgh_bits" in given and signature.takes(ArgumentType.DESCRIPTORS):
        _read_bits(given, words)
    return given


def _options_key(given: dict[str, Any]) -> str | None:
    return next((key for key in ("options", "option") if key in given), None)


def _set(words: dict[str, Any], argument: str, value: Any, spelling: str) -> None:
    if argument in words:
        raise WrongValue(f"duplicate argument {argument}", f"args.{spelling}")
    words[argument] = value


def _waits(timeout: Any) -> bool:
    """Whether a timeout means to wait. One of some milliseconds is like 0, as no other task makes a call before it
    ends."""
    if timeout in _FOR_EVER and timeout is not False:
        return True
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise WrongValue(str(wrong("milliseconds, or null to wait", timeout)), "args.timeout")
    return False


def _read_options(signature: Signature, value: Any, profile: Profile, words: Headers, spelling: str) -> list[tuple[str, Any]]:
    """The arguments that ``mach_msg_option_t`` sets: names in an array or joined by ``|``, or a number."""
    bits, elements = _read_bits_of_options(value, words, spelling)
    for each in unmodelled_ranges(profile, signature.name, "options"):
        if each.covers(bits):
            raise NotModelled(f"option {quoted(each.name)}: {not_modelled_words(each, profile.name)}")
    found: dict[str, Any] = {argument: True for name, argument in MESSAGE_OPTIONS.items() if argument and bits & words.bits(name)}
    known = sum({words.bits(name) for name in MESSAGE_OPTIONS})
    if bits & _FORM or bits & ~(known | _ELEMENTS):
        raise NotModelled(f"option {bits & ~(known | _ELEMENTS):#x} is not modelled")
    if bits & _ELEMENTS:
        elements = max(elements or 0, (bits & _ELEMENTS) >> 24)
    if elements is not None:
        found["trailer"] = elements
    return list(found.items())


def _read_bits_of_options(value: Any, words: Headers, spelling: str) -> tuple[int, int | None]:
    """The bits of ``mach_msg_option_t``, and the highest element of a trailer that stands for itself."""
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(each, str) for each in texts):
        return _bits_of("|".join(texts), words)
    if isinstance(texts, list):
        raise WrongValue(str(wrong("names of options", value)), f"args.{spelling}")
    return _number(value, "names of options", spelling), None


def _number(value: Any, expected: str, spelling: str) -> int:
    try:
        return read_integer(value, expected) & _ALL
    except WrongValue as error:
        raise WrongValue(str(error), f"args.{spelling}") from None


def _bits_of(text: str, words: Headers) -> tuple[int, int | None]:
    """The bits of options joined by ``|``; and, if it names elements of a trailer without their macro, the highest."""
    elements: list[int] = []

    def look_up_plain(name: str) -> int:
        try:
            return constant(name, words, ("MACH_", "MACH_RCV_"))
        except UnknownConstant as error:
            raise NotModelled(f"option {quoted(name)} is not modelled: it {error}") from None

    def look_up(name: str) -> int:
        number = look_up_plain(name)
        if not _TRAILER.fullmatch(name):
            return number
        elements.append(number)
        return 0

    try:
        bits = evaluate(text, look_up, look_up_plain) & _ALL if text.strip() else 0
    except NoExpression as error:
        raise NotModelled(f"option {quoted(text)} is not modelled: {error}") from None
    return bits, max(elements, default=None)


def _read_bits(given: dict[str, Any], words: Headers) -> None:
    """``MACH_MSGH_BITS(remote, local)``: the dispositions of the destination and of the reply."""
    value = given.pop("msgh_bits")

    def look_up(name: str) -> int:
        try:
            return constant(name, words, ("MACH_MSG_TYPE_",))
        except UnknownConstant as error:
            raise NotModelled(f"msgh_bits: {quoted(name)} is not modelled: it {error}") from None

    try:
        bits = evaluate(value, look_up) & _ALL if isinstance(value, str) else _number(value, "bits of a message's header", "msgh_bits")
    except NoExpression as error:
        raise NotModelled(f"msgh_bits {quoted(value)} is not modelled: {error}") from None
    if bits & ~(_REMOTE | _LOCAL | _COMPLEX) or bool(bits & _COMPLEX) != bool(given.get("descriptors") or given.get("body") or given.get("ports")):
        raise NotModelled(f"msgh_bits {quoted(value)} is not modelled")
    _set(given, "dest_disposition", bits & _REMOTE, "msgh_bits")
    _set(given, "reply_disposition", (bits & _LOCAL) >> 8, "msgh_bits")
