"""Endpoint Security messages that aren't quite as eslogger writes them: in another tool's wrapping, or with numbers in another spelling."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any

import msgspec

from sendright.impl.recordings.decoding import decoded
from sendright.impl.recordings.endpoint_security_kinds import KINDS
from sendright.impl.recordings.endpoint_security_message import Message
from sendright.impl.recordings.token_spellings import word
from sendright.mach.facts import Token

_LOOKED_AT = 4096
"""How many objects of a record are looked at to find the message in it."""
_PREFIXES = ("es_event_type_notify_", "es_event_type_", "notify_")
_WORDS = frozenset(Token.__struct_fields__)
_TOKENS = frozenset(["audit_token", "parent_audit_token", "responsible_audit_token", "instigator_token", "petitioner_token", "privileges"])


def message_in(text: bytes) -> tuple[Message, str]:
    """The message in ``text``, also behind other words, and a note if not all of it could be read. Raises what UNDECODABLE tells if there is none."""
    outside, note = decoded(text[max(0, text.find(b"{")) :])
    found, others = _message(outside)
    if found is None:
        raise ValueError("no Endpoint Security message: no object with a process and an event")
    if others:
        note = note or f"{others} more objects stand beside it in an array, and were not read"
    message = dict(found)
    if "host" not in message and isinstance(outside, dict):
        message["host"] = outside.get("host", outside.get("hostname"))
    if not isinstance(message.get("host"), (dict, str)):
        message["host"] = None
    message["event_type"] = _kind(message)
    try:
        message["time"] = msgspec.convert(message.get("time"), datetime, strict=False)
    except msgspec.ValidationError:
        if message.get("time") is not None:
            note = note or "its time can't be read"
        message["time"] = None
    return msgspec.convert(_mended(message), Message, strict=False), note


def _message(outside: Any) -> tuple[dict[str, Any] | None, int]:
    """The object, nearest to the outside, that has a process and an event, also in a text that is JSON itself; and how many others there may be."""
    waiting, others = deque([outside]), 0
    for _ in range(_LOOKED_AT):
        if not waiting:
            break
        value = waiting.popleft()
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                continue
        if isinstance(value, dict):
            if isinstance(value.get("process"), dict) and isinstance(value.get("event"), dict):
                return value, others
            if "audit_token" in value and "es_event_type" in value:
                return _unflattened(value), others
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value[:_LOOKED_AT])
            others += max(0, sum(isinstance(part, dict) for part in value) - 1)
    return None, 0


def _unflattened(flat: dict[str, Any]) -> dict[str, Any]:
    """Mac Monitor's first shape: the actor's fields beside each other, what became of whom in ``exec_event`` and ``fork_event``."""

    def process(fields: dict[str, Any], path: str) -> dict[str, Any]:
        tokens = {name: fields.get(name) for name in ("audit_token", "parent_audit_token", "responsible_audit_token")}
        return {**tokens, "executable": {"path": str(fields.get(path) or "")}}

    event: dict[str, Any] = {}
    for kind, name, role in (("exec", "exec_event", "target"), ("fork", "fork_event", "child")):
        if isinstance(flat.get(name), dict):
            event[kind] = {role: process(flat[name], "process_path")}
    if isinstance(flat.get("exit_event"), dict):
        event["exit"] = {"stat": flat["exit_event"].get("exit_code")}
    time = flat.get("activity_at_ts")
    actor = process(flat, "initiating_process_path")
    kept = {name: flat.get(name) for name in ("es_event_type", "mach_time")}
    return {**kept, "process": actor, "event": event, "time": time, "host": flat.get("sensor_id")}


def _kind(message: dict[str, Any]) -> int | str:
    """The event's number or name: by what is there, since tools write either."""
    number = message.get("event_type", message.get("es_event_type"))
    if type(number) is int and 0 <= number < len(KINDS):
        return number
    if isinstance(number, str):
        name = number.lower()
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        if name in KINDS:
            return KINDS.index(name)
    present = [name for name, content in message["event"].items() if content is not None]
    if len(present) == 1 and present[0] in KINDS:
        return KINDS.index(present[0])
    return f"event {number}" if number is not None else f"event {present[0][:40] if present else '(none)'}"


def _mended(message: dict[str, Any]) -> dict[str, Any]:
    """``message`` with the tokens' words unsigned, and files that are mere paths as objects."""
    mended = dict(message)
    waiting = [mended]
    for _ in range(_LOOKED_AT):
        if not waiting:
            break
        value = waiting.pop()
        for key, part in value.items():
            if key in _TOKENS:
                value[key] = _unsigned(part)
            elif key == "executable" and isinstance(part, str):
                value[key] = {"path": part}
            elif isinstance(part, dict):
                value[key] = dict(part)
                waiting.append(value[key])
        if "audit_token" not in value and "privileges" in value:
            value["audit_token"] = value["privileges"]
    return mended


def _unsigned(spelled: Any) -> Any:
    if isinstance(spelled, dict):
        return {name: _word(part) for name, part in spelled.items() if name in _WORDS}
    if isinstance(spelled, list):
        return [_word(part) for part in spelled]
    return spelled


def _word(part: Any) -> Any:
    if isinstance(part, str):
        try:
            part = int(part[:12])
        except ValueError:
            return part
    return word(part) if type(part) is int else part
