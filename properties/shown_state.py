"""The form of what an implementation shows: a ``Snapshot`` through and through, or MalformedState with the place where it isn't one."""

from __future__ import annotations

import msgspec

from sendright.mach.implementation import MalformedState
from sendright.mach.snapshot import Snapshot

_DECODER = msgspec.msgpack.Decoder(Snapshot)


def packed(shown: object) -> bytes:
    """``shown`` as bytes for another process. Raises MalformedState."""
    if not isinstance(shown, Snapshot):
        raise MalformedState(f"it is no Snapshot but {type(shown).__name__}")
    try:
        return msgspec.msgpack.encode(shown)
    except Exception as error:
        raise MalformedState(str(error)) from error


def unpacked(content: bytes) -> Snapshot:
    """What ``packed`` made, every part of its type. Raises MalformedState."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedState(str(error)) from error


def wrong_form(shown: object) -> str | None:
    """Why ``shown`` is no state; None: it is one."""
    try:
        unpacked(packed(shown))
    except MalformedState as malformed:
        return str(malformed)
    return None
