"""Decodes untrusted JSON: the exceptions that this can raise, and their messages."""

from __future__ import annotations

from typing import Any

import msgspec

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""(ValueError: a decoded value is out of range.)"""
REPLACED = "not UTF-8; what isn't was replaced"


def why_undecodable(error: BaseException) -> str:
    """The error's message, in one line."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:300] or type(error).__name__


def decoded(text: bytes) -> tuple[Any, str]:
    """Decode ``text`` as JSON; also returns a note if it had to be repaired. Raises the exceptions in UNDECODABLE."""
    try:
        return msgspec.json.decode(text), ""  # noqa: TID251 – see below
    except (msgspec.DecodeError, UnicodeDecodeError):  # it depends on the version of msgspec which of them says that bytes are not UTF-8
        mended = text.decode("utf-8", "replace")
        if mended.encode() == text:
            raise
        return msgspec.json.decode(mended), REPLACED  # noqa: TID251 – this is UTF-8
