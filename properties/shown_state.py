"""The form of what an implementation shows, through and through: a ``Snapshot`` or ``View``, or MalformedState with the place where it isn't one."""

from __future__ import annotations

import msgspec

from sendright.mach.implementation import MalformedState
from sendright.mach.snapshot import Snapshot
from sendright.mach.view import Shown, View, lacking

_WHOLE = msgspec.msgpack.Decoder(Snapshot)
_VIEW = msgspec.msgpack.Decoder(View)


def packed(shown: object, shows: frozenset[Shown] | None = None) -> bytes:
    """``shown`` as bytes for another process: a Snapshot, or the View of an implementation that ``shows`` these parts. Raises MalformedState."""
    wanted = Snapshot if shows is None else View
    if not isinstance(shown, wanted):
        raise MalformedState(f"it is no {wanted.__name__} but {type(shown).__name__}")
    try:
        return msgspec.msgpack.encode(shown)
    except Exception as error:
        raise MalformedState(str(error)) from error


def unpacked(content: bytes, shows: frozenset[Shown] | None = None) -> Snapshot | View:
    """What ``packed`` made, every part of its type. Raises MalformedState."""
    try:
        if shows is None:
            return _WHOLE.decode(content)
        view = _VIEW.decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedState(str(error)) from error
    missing = lacking(view, shows)
    if missing is not None:
        raise MalformedState(missing)
    return view


def wrong_form(shown: object, shows: frozenset[Shown] | None = None) -> str | None:
    """Why ``shown`` is no state; None: it is one."""
    try:
        unpacked(packed(shown, shows), shows)
    except MalformedState as malformed:
        return str(malformed)
    return None
