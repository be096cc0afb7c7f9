"""Checks the complete form of an implementation's state: a ``Snapshot`` or ``View``, or MalformedState with the
place of the fault."""

from __future__ import annotations

import msgspec

from sendright.mach.kernel.implementation import MalformedState
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.view import View, ViewPart, missing_part

_WHOLE = msgspec.msgpack.Decoder(Snapshot)
_VIEW = msgspec.msgpack.Decoder(View)


def pack_state(shown: object, shows: frozenset[ViewPart] | None = None) -> bytes:
    """``shown`` as bytes for another process: a Snapshot, or a View with the parts in ``shows``. Raises
    MalformedState."""
    wanted = Snapshot if shows is None else View
    if not isinstance(shown, wanted):
        raise MalformedState(f"expected a {wanted.__name__}, got {type(shown).__name__}")
    try:
        return msgspec.msgpack.encode(shown)
    except Exception as error:
        raise MalformedState(str(error)) from error


def unpack_state(content: bytes, shows: frozenset[ViewPart] | None = None) -> Snapshot | View:
    """What ``packed`` made, every part of its type. Raises MalformedState."""
    try:
        if shows is None:
            return _WHOLE.decode(content)
        view = _VIEW.decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedState(str(error)) from error
    missing = missing_part(view, shows)
    if missing is not None:
        raise MalformedState(missing)
    return view


def state_error(shown: object, shows: frozenset[ViewPart] | None = None) -> str | None:
    """Why ``shown`` is not a state; None: it is one."""
    try:
        unpack_state(pack_state(shown, shows), shows)
    except MalformedState as malformed:
        return str(malformed)
    return None
