"""Reads JSON from outside with the same result in all versions of msgspec, which differ in their errors for invalid
UTF-8."""

from __future__ import annotations

from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def read_json(content: bytes, form: type[_T]) -> _T:
    """Decode ``content`` as a ``form``.

    Raises msgspec.ValidationError if the JSON doesn't have the form. Raises msgspec.DecodeError if ``content`` isn't
    JSON, isn't UTF-8, or is nested too deeply.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise msgspec.DecodeError(f"not UTF-8 (byte {content[error.start]:#04x} at line {line}, column {column})") from None
    try:
        return msgspec.json.decode(content, type=form)  # noqa: TID251 – the one place that handles all versions
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None
