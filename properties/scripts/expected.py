"""What a step of a script may expect. It is read before any kernel runs; ``properties/scripts/judge.py`` judges it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import TRAILER_SIZES
from sendright.mach.abi.headers import Headers
from sendright.mach.abi.port_attributes import FIELDS
from sendright.mach.abi.rights import PortObject, Right
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS
from sendright.mach.signatures import OWN_CALLS, ArgumentType, OutputType, Signature
from sendright.properties.scripts.constants import NoExpression, UnknownConstant, constant, evaluate
from sendright.properties.scripts.spelling import (
    NotModelled,
    Reader,
    WrongValue,
    quoted,
    read_behaviour,
    read_disposition,
    read_each,
    read_exception_mask,
    read_guard,
    read_integer,
    read_name,
    read_notification,
    read_number,
    read_thread_state,
    read_token,
    read_trailer_elements,
    read_type,
    unsigned,
    wrong,
)
from sendright.properties.scripts.values import AUDIT_WORDS, Value, Words

UNCHANGED = "unchanged"
"""``value``: the value when the case first saw it."""


class Expectation(msgspec.Struct, frozen=True):
    """One expectation of a step: its key in the script, and what its value means."""

    key: str
    value: Any


def _read_code(value: object, words: Headers) -> int:
    if not isinstance(value, str):
        return read_integer(value, "a return code (KERN_SUCCESS, …)")

    def look_up(name: str) -> int:
        return int(ReturnCode[name]) if name in ReturnCode.__members__ else constant(name, words)

    try:
        return evaluate(value, look_up)
    except (NoExpression, UnknownConstant):
        raise NotModelled(f"{quoted(value)} is not a return code that sendright knows") from None


def _read_codes(value: object, words: Headers) -> Value:
    codes: Value = read_each(_read_code)(value, words)
    if not codes:
        raise wrong("an array of return codes", value)
    return codes


def _read_size(value: object, words: Headers) -> Value:
    if value == UNCHANGED:
        raise NotModelled("the earlier size isn't known: write the number")
    return read_number(value, words)


_RIGHTS = sum(right.type_bit for right in Right)
_REQUESTS = ("DNREQUEST", "SPREQUEST", "SPREQUEST_DELAYED")
_REQUEST_BITS = 0xE0000000


def _read_type(value: object, words: Headers) -> int:
    """Kinds of rights, in an array or joined by ``|``, or ``mach_port_type_t``; request bits are ignored."""
    if isinstance(value, int) and not isinstance(value, bool):
        bits = read_integer(value) & 0xFFFFFFFF
    else:
        texts = value.split("|") if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            raise wrong("an array of kinds of rights", value)
        kinds = [each.strip() for each in texts if each.strip().removeprefix("MACH_PORT_TYPE_") not in _REQUESTS]
        bits = read_type("|".join(kinds), words) if kinds else 0
    if bits & ~(_RIGHTS | _REQUEST_BITS):
        raise NotModelled(f"{quoted(value)} has bits that aren't a kind of right that sendright models")
    return bits & _RIGHTS


def _read_one_or_more(read: Reader) -> Reader:
    def read_some(value: object, words: Headers) -> Value:
        return read_each(read)(value, words) if isinstance(value, list) else (read(value, words),)

    return read_some


def _read_truth(value: object, words: Headers) -> bool:
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def _read_count(value: object, words: Headers) -> int:
    return read_integer(value)


def _read_words(value: object, names: Sequence[str], words: Headers) -> Words | None:
    """Words by name or position, ``{"pid": 7}``, ``{"5": 7}``, or by position with null for others; None: all words."""
    if isinstance(value, dict):
        pairs: list[tuple[int, Value]] = []
        for key, each in value.items():
            bare = re.sub(r"^(mp[ls]_|val\.)", "", key)
            position = names.index(bare) if bare in names else int(bare) if re.fullmatch(r"\d{1,2}", bare, re.ASCII) else None
            if position is None or position >= len(names):
                raise NotModelled(f"word {quoted(key)} is not modelled")
            pairs.append((position, _read_word(each, f".{key}", words)))
        return Words(tuple(pairs))
    if isinstance(value, list) and None in value:
        if len(value) > len(names):
            raise WrongValue(f"expected at most {len(names)} words, got {len(value)}")
        return Words(tuple([(index, _read_word(each, f"[{index}]", words)) for index, each in enumerate(value) if each is not None]))
    return None


def _read_word(value: object, place: str, words: Headers) -> Value:
    try:
        number = int(value) if isinstance(value, bool) else read_number(value, words)
    except WrongValue as error:
        raise WrongValue(str(error), place + error.place) from None
    return unsigned([number])[0]


def _read_value(value: object, words: Headers) -> Value | Words | str:
    """The value that a call reads: a token or a number."""
    if value == UNCHANGED:
        return UNCHANGED
    some = _read_words(value, AUDIT_WORDS, words)
    if some is not None:
        return some
    if isinstance(value, list):
        return unsigned(read_each(read_number)(value, words))
    if isinstance(value, str):
        for words_of in (SECURITY_TOKEN_WORDS, AUDIT_TOKEN_WORDS):
            try:
                token: Value = read_token(words_of)(value, words)
                return token
            except NotModelled:
                continue
    return read_number(value, words)


_TRAILER_KEYS = {
    "sender": "security_token",
    "security_token": "security_token",
    "msgh_sender": "security_token",
    "audit": "audit_token",
    "audit_token": "audit_token",
    "msgh_audit": "audit_token",
    "seqno": "sequence_number",
    "msgh_seqno": "sequence_number",
    "size": "trailer_size",
    "msgh_trailer_size": "trailer_size",
}
"""Elements of a trailer, also by their names in ``mach_msg_audit_trailer_t`` -> the output that has each."""


def _read_trailer(value: object, words: Headers) -> tuple[tuple[str, Value | Words], ...]:
    """Pairs: an element of the trailer, and its expected value."""
    if not isinstance(value, dict):
        raise wrong("an object", value)
    elements: list[tuple[str, Value | Words]] = []
    for key, element in value.items():
        try:
            elements.append(_read_element(key, element, words))
        except WrongValue as error:
            raise WrongValue(str(error), f".{key}{error.place}") from None
    return tuple(elements)


def _read_element(key: str, value: object, words: Headers) -> tuple[str, Value | Words]:
    output = _TRAILER_KEYS.get(key)
    if key in AUDIT_WORDS:
        return "audit_token", Words(((AUDIT_WORDS.index(key), _read_word(value, "", words)),))
    if output is None:
        raise NotModelled(f"trailer element {quoted(key)} is not modelled")
    if not output.endswith("_token"):
        return output, read_number(value, words)
    count = SECURITY_TOKEN_WORDS if output == "security_token" else AUDIT_TOKEN_WORDS
    some = _read_words(value, AUDIT_WORDS if count == AUDIT_TOKEN_WORDS else ("uid", "gid"), words)
    return output, some if some is not None else read_token(count)(value, words)


def _read_elements(value: object, words: Headers) -> int:
    """The elements that a trailer has: its size."""
    elements = read_trailer_elements(value, words)
    if elements not in TRAILER_SIZES:
        raise NotModelled(f"{quoted(value)} is not modelled as the elements of a trailer")
    return TRAILER_SIZES[elements]


_FIELD_NAMES = frozenset(field for fields in FIELDS.values() for field in fields)


def _read_fields(value: object, words: Headers) -> tuple[tuple[str | int, Value], ...]:
    """Pairs: an attribute of a port, by its name or its position, or an amount of a ledger; and its expected value."""
    if isinstance(value, list):
        value = {str(index): each for index, each in enumerate(value) if each is not None}
    if not isinstance(value, dict):
        raise wrong("an object, or an array of words", value)
    if isinstance(value.get("mpie_status"), dict):  # the first part of mach_port_info_ext
        value = {**value["mpie_status"], **{key: each for key, each in value.items() if key != "mpie_status"}}
    fields: list[tuple[str | int, Value]] = []
    for key, each in value.items():
        bare = re.sub(r"^mp(?:[ls]|ie)_", "", key)
        position = int(bare) if re.fullmatch(r"\d{1,2}", bare, re.ASCII) else None
        if position is None and bare not in _FIELD_NAMES and bare not in ("balance", "limit"):
            raise NotModelled(f"field {quoted(key)} is not modelled")
        fields.append((bare if position is None else position, _read_word(each, f".{key}", words) if each != -1 else -1))
    return tuple(fields)


def _always(signature: Signature) -> bool:
    return True


def _gives(output: str) -> Callable[[Signature], bool]:
    return lambda signature: any(each.name == output for each in signature.outputs)


def _has_arguments(*names: str) -> Callable[[Signature], bool]:
    return lambda signature: all(any(each.name == name for each in signature.arguments) for name in names)


def output_name(signature: Signature) -> str | None:
    """The output that is *the* name that a call returns: its only name, or a message's first descriptor; None: there
    is none."""
    if _gives("descriptors")(signature) and _gives("local")(signature):
        return "descriptors"
    names = [output.name for output in signature.outputs if output.type in (OutputType.NAME, OutputType.PORT)]
    return names[0] if len(names) == 1 else None


def name_argument(signature: Signature) -> str | None:
    """The argument that is the name, in the target's space, that a successful call is about; None: there is none."""
    names = [argument.name for argument in signature.arguments if argument.type is ArgumentType.NAME]
    return next((name for name in ("name", "new_name", "member") if name in names), None)


def _concerns_a_name(signature: Signature) -> bool:
    return output_name(signature) is not None or name_argument(signature) is not None


def _has_task_target(signature: Signature) -> bool:
    return any(argument.object is PortObject.TASK for argument in signature.arguments)


def _gives_a_list(signature: Signature) -> bool:
    return any(output.type in (OutputType.PORTS, OutputType.NAMES) for output in signature.outputs)


def _gives_fields(signature: Signature) -> bool:
    return _gives("info")(signature) or _gives("balance")(signature)


class _Kind(NamedTuple):
    """How an expectation is read, and which calls it applies to."""

    read: Reader
    applies: Callable[[Signature], bool]


KINDS: dict[str, _Kind] = {
    "ret": _Kind(_read_code, _always),
    "ret_not": _Kind(_read_code, _always),
    "ret_any_of": _Kind(_read_codes, _always),
    "ret_gt": _Kind(_read_code, _always),
    "ret_le": _Kind(_read_code, _always),
    "type": _Kind(_read_type, _concerns_a_name),
    "refs": _Kind(read_number, _has_arguments("name", "right")),
    "mscount": _Kind(read_number, _concerns_a_name),
    "name_eq": _Kind(_read_one_or_more(read_name), lambda signature: output_name(signature) is not None),
    "name_ne": _Kind(_read_one_or_more(read_name), lambda signature: output_name(signature) is not None),
    "acquired": _Kind(read_disposition, _gives("acquired")),
    "port_disp": _Kind(_read_one_or_more(read_disposition), _gives("descriptors")),
    "msg_id": _Kind(read_number, _gives("id")),
    "notification": _Kind(read_notification, _gives("id")),
    "data": _Kind(read_number, _gives("data")),
    "seqno": _Kind(read_number, _gives("sequence_number")),
    "size": _Kind(_read_size, _gives("size")),
    "trailer_size": _Kind(_read_size, _gives("trailer_size")),
    "memory": _Kind(read_each(read_number), _gives("descriptors")),
    "local": _Kind(_read_one_or_more(read_name), _gives("local")),
    "previous": _Kind(_read_one_or_more(read_name), _gives("previous")),
    "members": _Kind(read_each(read_name), _gives("members")),
    "fields": _Kind(_read_fields, _gives_fields),
    "masks": _Kind(read_each(read_exception_mask), _gives("masks")),
    "behaviors": _Kind(read_each(read_behaviour), _gives("behaviors")),
    "flavors": _Kind(read_each(read_thread_state), _gives("flavors")),
    "complex": _Kind(_read_truth, _gives("sequence_number")),
    "trailer": _Kind(_read_trailer, _gives("security_token")),
    "sender": _Kind(lambda value, words: _read_trailer({"sender": value}, words), _gives("security_token")),
    "trailer_elements": _Kind(_read_elements, _gives("trailer_size")),
    "srights": _Kind(read_number, _gives("srights")),
    "context": _Kind(read_guard, _gives("context")),
    "object_type": _Kind(read_number, _gives("object_type")),
    "total": _Kind(read_number, _gives("total")),
    "used": _Kind(read_number, _gives("used")),
    "table_inuse": _Kind(read_number, _gives("table_inuse")),
    "value": _Kind(_read_value, _gives("value")),
    "value_eq": _Kind(_read_value, _gives("value")),
    "value_ne": _Kind(_read_value, _gives("value")),
    "names_count_gt": _Kind(_read_count, _gives("names")),
    "counts_equal": _Kind(_read_truth, _gives("names")),
    "count": _Kind(_read_count, _gives_a_list),
    "RetCode": _Kind(_read_code, _gives("RetCode")),
    "target_alive": _Kind(_read_truth, _has_task_target),
    "kernel_survives": _Kind(_read_truth, _always),
}
"""Every key that ``expect`` may have."""


OF_OUTPUT = "output"
"""The key of an expectation about a number that a call of processes or of a plugin gives: its value is the output's
name and the number.
"""
PLAIN_NUMBERS = frozenset(
    {OutputType.REFERENCES, OutputType.TYPE, OutputType.AMOUNT, OutputType.WORD, OutputType.SIZE, OutputType.PAGE, OutputType.PID}
)
"""The types of such outputs."""

_AS_TRAILER = {
    **{word: word for word in AUDIT_WORDS},
    **{f"{of}_{word}": word for of in ("sender", "audit") for word in AUDIT_WORDS},
    **{token: token for token in ("security_token", "audit_token")},
}
"""Words of the sender's tokens, and these tokens, as expectations of their own."""
_ALSO = {
    "msgh_id": "msg_id",
    "id": "msg_id",
    "msgh_size": "size",
    "kr": "ret",
    "return": "ret",
    "not_count": "data",
    "not_port": "name_eq",
    "dnr_total": "total",
    "dnr_used": "used",
    "iisb_table_inuse": "table_inuse",
    **dict.fromkeys(("info", "words", "status", "limits", "attributes", "port_info", "port_info_out"), "fields"),
}
"""Other names of expectations, some of them from ``mach/notify.h`` and ``mach/mach_port.defs``."""


def read_expectation(signature: Signature, key: str, value: object, words: Headers) -> Expectation:
    """Read one expectation of a step that makes the call of ``signature``. Raises WrongValue, NotModelled."""
    name = _ALSO.get(key, key)
    bare = re.sub(r"^mp(?:[ls]|ie)_", "", key)
    if name in KINDS and KINDS[name].applies(signature):
        return Expectation(name, KINDS[name].read(value, words))
    if key in _AS_TRAILER and _gives("audit_token")(signature):
        return Expectation("trailer", _read_trailer({_AS_TRAILER[key]: value}, words))
    if key in _AS_TRAILER and _gives("value")(signature):
        return Expectation("value", _read_value(value if key.endswith("_token") else {_AS_TRAILER[key]: value}, words))
    if bare in _FIELD_NAMES and _gives("info")(signature):
        return Expectation("fields", _read_fields({bare: value}, words))
    plain = signature.of_processes or signature.name not in OWN_CALLS
    if plain and any(each.name == key and each.type in PLAIN_NUMBERS for each in signature.outputs):
        return Expectation(OF_OUTPUT, (key, read_number(value, words)))
    raise NotModelled(f"not modelled for {signature.name}")
