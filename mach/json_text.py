"""JSON from outside, read so that every version of msgspec gives the same answer: versions raise different errors for what is not UTF-8."""

from __future__ import annotations

from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def read_json(content: bytes, form: type[_T]) -> _T:
    """``content`` as a ``form``.

    Raises msgspec.ValidationError if the JSON has another form. Raises msgspec.DecodeError if it is no JSON, is not UTF-8, or is nested too deeply.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise msgspec.DecodeError(f"not UTF-8 (byte {content[error.start]:#04x} at line {line}, column {column})") from None
    try:
        return msgspec.json.decode(content, type=form)  # noqa: TID251 – this is the place that answers for all
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None
