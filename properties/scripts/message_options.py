"""Translates the words of ``mach_msg`` in scripts (its header's fields, flags and timeouts) into arguments of the
signature table."""

from __future__ import annotations

import re
from typing import Any

from sendright.mach.abi.headers import Headers
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import not_modelled_words, unmodelled_ranges
from sendright.mach.signatures import Signature
from sendright.mach.signatures.messages import MESSAGE_OPTIONS
from sendright.properties.scripts.constants import NoExpression, UnknownConstant, constant, evaluate
from sendright.properties.scripts.spelling import NotModelled, WrongValue, quoted, read_integer, wrong

_FOR_EVER = (None, "none", "NONE", "infinite", "forever", "MACH_MSG_TIMEOUT_NONE")
_ARRAY = ("ool_ports", "disp")
_TRAILER = re.compile(r"(MACH_)?(RCV_)?TRAILER_(?!TYPE$|ELEMENTS$|MASK$)\w+")
_ELEMENTS, _FORM, _ALL = 0x0F000000, 0xF0000000, 0xFFFFFFFF
_REMOTE, _LOCAL, _COMPLEX = 0x1F, 0x1F00, 0x80000000


def read_message_words(signature: Signature, spelled: dict[str, Any], profile: Profile, words: Headers) -> dict[str, Any]:
    """``spelled`` with ``timeout``, ``options``, ``msgh_bits`` and ``ool_ports`` replaced by what they mean. Raises
    WrongValue, NotModelled."""
    given = dict(spelled)
    if "timeout" in given:
        _set(given, "wait", _waits(given.pop("timeout")), "timeout")
    options = next((key for key in ("options", "option") if key in given), None)
    if options is not None:
        for argument, value in _read_options(signature, given.pop(options), profile, words, options):
            if all(each.name != argument for each in signature.arguments):
                raise NotModelled(f"option for {argument} of {signature.name} is not modelled")
            if argument == "trailer":
                given.pop("trailer_elements", None)
            _set(given, argument, value, options)
    if "ool_ports" in given and signature.name == "mach_msg_send":
        if "disp" not in given:
            raise NotModelled("argument ool_ports: there is no disp for it")
        array = [given.pop(key) for key in _ARRAY]
        _set(given, "descriptors", [array], "ool_ports")
    if "msgh_bits" in given and signature.name == "mach_msg_send":
        _read_bits(given, words)
    return given


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
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(each, str) for each in texts):
        bits, elements = _bits_of("|".join(texts), words)
    elif isinstance(texts, list):
        raise WrongValue(str(wrong("names of options", value)), f"args.{spelling}")
    else:
        bits, elements = _number(value, "names of options", spelling), None
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
