"""JSON that may be anything: what decoding it can raise, and how to say it."""

from __future__ import annotations

from typing import Any

import msgspec

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""ValueError: what the decoded means is out of range."""
REPLACED = "not UTF-8; what isn't was replaced"


def why_undecodable(error: BaseException) -> str:
    """One line."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:300] or type(error).__name__


def decoded(text: bytes) -> tuple[Any, str]:
    """What ``text`` is in JSON, and a note if it had to be mended for that. Raises what UNDECODABLE tells."""
    try:
        return msgspec.json.decode(text), ""  # noqa: TID251 – see below
    except (msgspec.DecodeError, UnicodeDecodeError):  # it depends on the version of msgspec which of them says that bytes are not UTF-8
        mended = text.decode("utf-8", "replace")
        if mended.encode() == text:
            raise
        return msgspec.json.decode(mended), REPLACED  # noqa: TID251 – this is UTF-8
