"""Translates the scripts' own words for flags and timeouts of ``mach_msg`` into arguments of the signature table."""

from __future__ import annotations

from typing import Any

from sendright.mach.signatures import Signature
from sendright.properties.scripts.spelling import TRAILER_ELEMENTS, NotModelled, WrongValue, quoted, wrong

_FOR_EVER = (None, "none", "NONE", "infinite", "forever")
_OPTIONS: dict[str, tuple[str, Any] | None] = {
    "SEND_MSG": None,
    "RCV_MSG": None,
    "SEND_TIMEOUT": None,  # without ``timeout`` it is zero, also without this
    "RCV_TIMEOUT": None,
    "RCV_LARGE": ("large", True),
    **{f"RCV_TRAILER_{element}": ("trailer", number) for element, number in TRAILER_ELEMENTS.items()},
}
"""``mach_msg_option_t``, without the prefix -> the argument that it sets, if it sets one."""
_ARRAY = ("ool_ports", "disp")


def read_message_words(signature: Signature, spelled: dict[str, Any]) -> dict[str, Any]:
    """``spelled`` with ``timeout``, ``options`` and ``ool_ports`` replaced by what they mean. Raises WrongValue,
    NotModelled."""
    words = dict(spelled)
    if "timeout" in words:
        _set(words, "wait", _waits(words.pop("timeout")), "timeout")
    if "options" in words:
        for argument, value in _read_options(words.pop("options")):
            if all(each.name != argument for each in signature.arguments):
                raise NotModelled(f"option for {argument} of {signature.name} is not modelled")
            _set(words, argument, value, "options")
    if "ool_ports" in words and signature.name == "mach_msg_send":
        if "disp" not in words:
            raise NotModelled("argument ool_ports: there is no disp for it")
        array = [words.pop(key) for key in _ARRAY]
        _set(words, "descriptors", [array], "ool_ports")
    return words


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


def _read_options(value: Any) -> list[tuple[str, Any]]:
    names = value.split("|") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise WrongValue(str(wrong("names of options", value)), "args.options")
    found: dict[str, Any] = {}
    for name in names:
        bare = name.strip().removeprefix("MACH_")
        if bare not in _OPTIONS:
            raise NotModelled(f"option {quoted(name)} is not modelled")
        option = _OPTIONS[bare]
        if option is not None:
            found[option[0]] = max(found.get(option[0], 0), option[1])
    return list(found.items())
