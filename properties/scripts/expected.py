"""What a step of a script may expect. It is read before any kernel runs; ``properties/scripts/judge.py`` judges it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import FIELDS
from sendright.mach.abi.rights import PortObject, Right
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS
from sendright.mach.signatures import ArgumentType, OutputType, Signature
from sendright.properties.scripts.spelling import (
    NotModelled,
    WrongValue,
    quoted,
    read_behaviour,
    read_disposition,
    read_each,
    read_exception_mask,
    read_integer,
    read_name,
    read_notification,
    read_number,
    read_token,
    wrong,
)
from sendright.properties.scripts.values import Value

UNCHANGED = "unchanged"
"""``value``: the value when the case first saw it."""


class Expectation(msgspec.Struct, frozen=True):
    """One expectation of a step: its key in the script, and what its value means."""

    key: str
    value: Any


def _read_code(value: object) -> int:
    if not isinstance(value, str):
        return read_integer(value, "a return code (KERN_SUCCESS, …)")
    code = ReturnCode.__members__.get(value)
    if code is None:
        raise NotModelled(f"{quoted(value)} is not a return code that sendright knows")
    return int(code)


def _read_codes(value: object) -> Value:
    codes = read_each(_read_code)(value)
    if not codes:
        raise wrong("an array of return codes", value)
    return codes


def _read_size(value: object) -> Value:
    if value == UNCHANGED:
        raise NotModelled("the earlier size isn't known: write the number")
    return read_number(value)


def _read_type(value: object) -> int:
    bits = 0
    for kind in [value] if isinstance(value, str) else value if isinstance(value, list) else [None]:
        if not isinstance(kind, str):
            raise wrong("an array of kinds of rights", value)
        bare = kind.removeprefix("MACH_PORT_TYPE_")
        if bare == "SEND_RECEIVE":
            bits |= Right.SEND.type_bit | Right.RECEIVE.type_bit
        elif bare in Right.__members__:
            bits |= Right[bare].type_bit
        elif bare not in ("NONE", "DNREQUEST", "SPREQUEST", "SPREQUEST_DELAYED"):  # request bits are ignored
            raise NotModelled(f"{quoted(kind)} is not a kind of right that sendright models")
    return bits


def _read_one_or_more(read: Callable[[object], Value]) -> Callable[[object], Value]:
    def read_some(value: object) -> Value:
        return read_each(read)(value) if isinstance(value, list) else (read(value),)

    return read_some


def _read_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def _read_value(value: object) -> Value | str:
    """The value that a call reads: a token or a number."""
    if value == UNCHANGED:
        return UNCHANGED
    if isinstance(value, list):
        words = read_each(read_number)(value)
        assert isinstance(words, tuple)
        return tuple([word & 0xFFFFFFFF if isinstance(word, int) else word for word in words])
    if isinstance(value, str):
        for words_of in (SECURITY_TOKEN_WORDS, AUDIT_TOKEN_WORDS):
            try:
                return read_token(words_of)(value)
            except NotModelled:
                continue
    return read_number(value)


_TRAILER_KEYS = {
    "sender": "security_token",
    "security_token": "security_token",
    "audit": "audit_token",
    "audit_token": "audit_token",
}


def _read_trailer(value: object) -> tuple[tuple[str, Value], ...]:
    """Pairs: a token of the trailer, and its expected value."""
    if not isinstance(value, dict):
        raise wrong("an object", value)
    tokens: list[tuple[str, Value]] = []
    for key, token in value.items():
        output = _TRAILER_KEYS.get(key)
        if output is None:
            raise NotModelled(f"trailer element {quoted(key)} is not modelled")
        words = SECURITY_TOKEN_WORDS if output == "security_token" else AUDIT_TOKEN_WORDS
        try:
            tokens.append((output, read_token(words)(token)))
        except WrongValue as error:
            raise WrongValue(str(error), f".{key}{error.place}") from None
    return tuple(tokens)


_FIELD_NAMES = frozenset(field for fields in FIELDS.values() for field in fields)


def _read_fields(value: object) -> tuple[tuple[str, Value], ...]:
    """Pairs: an attribute of a port or an amount of a ledger, and its expected value."""
    if not isinstance(value, dict):
        raise wrong("an object", value)
    fields: list[tuple[str, Value]] = []
    for key, each in value.items():
        bare = re.sub(r"^mp[ls]_", "", key)
        if bare not in _FIELD_NAMES and bare not in ("balance", "limit"):
            raise NotModelled(f"field {quoted(key)} is not modelled")
        fields.append((bare, int(each) if isinstance(each, bool) else read_number(each)))
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
    if signature.name == "mach_msg_receive":
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

    read: Callable[[object], Any]
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
    "flavors": _Kind(read_each(read_number), _gives("flavors")),
    "complex": _Kind(_read_truth, _gives("sequence_number")),
    "trailer": _Kind(_read_trailer, _gives("security_token")),
    "sender": _Kind(lambda value: _read_trailer({"sender": value}), _gives("security_token")),
    "value": _Kind(_read_value, _gives("value")),
    "value_eq": _Kind(_read_value, _gives("value")),
    "value_ne": _Kind(_read_value, _gives("value")),
    "names_count_gt": _Kind(read_integer, _gives("names")),
    "counts_equal": _Kind(_read_truth, _gives("names")),
    "count": _Kind(read_integer, _gives_a_list),
    "target_alive": _Kind(_read_truth, _has_task_target),
    "kernel_survives": _Kind(_read_truth, _always),
}
"""Every key that ``expect`` may have."""


def read_expectation(signature: Signature, key: str, value: object) -> Expectation:
    """Read one expectation of a step that makes the call of ``signature``. Raises WrongValue, NotModelled."""
    kind = KINDS.get(key)
    if kind is None or not kind.applies(signature):
        raise NotModelled(f"not modelled for {signature.name}")
    return Expectation(key, kind.read(value))
