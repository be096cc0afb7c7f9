"""Endpoint Security messages that differ from eslogger's: inside another tool's record, or with numbers in another
spelling.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from typing import Any

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.endpoint_security.kinds import KINDS
from sendright.impl.recordings.endpoint_security.message import Message
from sendright.impl.recordings.token_spellings import word
from sendright.mach.results.facts import Token

_LOOKED_AT = 1 << 18
"""The largest number of values in a record that are searched for messages."""
_NESTED_ARRAYS = 8
_PREFIXES = ("es_event_type_notify_", "es_event_type_", "notify_")
_HOST_KEYS = ("host", "hostname", "Computer", "agent")
"""The fields in which collectors name the machine of a message, the most reliable first; ``Computer`` is Azure's,
``agent`` Elastic's.
"""
_SYSLOG = re.compile(rb"(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{1,40}) ([\w.:-]{1,255}) ")
"""The syslog header before a message, up to the host (RFC 3164, RFC 5424)."""
_NUMBERED = frozenset(["mach_time", "seq_num", "global_seq_num", "glob_seq_num"])
"""The field that identifies a message whose process the recorder left out."""
_OWN_TOKEN = frozenset(["audit_token", "audit_token_string", "privileges"])
_WORDS = frozenset(Token.__struct_fields__)
_TOKENS = frozenset(["audit_token", "parent_audit_token", "responsible_audit_token", "instigator_token", "petitioner_token", "privileges"])


def messages_in(text: bytes) -> tuple[list[Message], str]:
    """The messages in ``text``, also after other words; and a note if not all could be read. Raises the exceptions
    in UNDECODABLE if there is none.
    """
    begins = max(0, text.find(b"{"))
    outside, note = decoded(text[begins:])
    looked_at = _Budget(_LOOKED_AT)
    sender = _SYSLOG.match(text, 0, begins)
    found = _messages(outside, looked_at, _NESTED_ARRAYS, sender[1].decode("utf-8", "replace") if sender is not None else None)
    if not found:
        raise ValueError("no Endpoint Security message: no object with an event and its process or number")
    if looked_at.left <= 0:
        note = note or f"more than {_LOOKED_AT} values; the last were not looked at"
    messages = []
    for each, host in found:
        try:
            message = _message(each, host)
            if message.time is None and each.get("time") is not None:
                note = note or "its time can't be read"
            messages.append(message)
        except (msgspec.ValidationError, ValueError) as error:
            if len(found) == 1:
                raise
            note = note or why_undecodable(error)
    return messages, note


class _Budget:
    """The number of values that may still be searched."""

    def __init__(self, left: int) -> None:
        self.left = left


def _message(found: dict[str, Any], host: dict[str, Any] | str | None) -> Message:
    message = dict(found)
    message["host"] = {key: name for key, name in host.items() if isinstance(name, str)} if isinstance(host, dict) else host
    message["event_type"] = _kind(message)
    try:
        message["time"] = msgspec.convert(message.get("time"), datetime, strict=False)
    except msgspec.ValidationError:
        message["time"] = None
    return msgspec.convert(_mended(message), Message, strict=False)


def _messages(outside: Any, budget: _Budget, arrays: int, host: Any) -> list[tuple[dict[str, Any], Any]]:
    """The outermost object that has a process and an event, also in a string that is JSON itself; in an array, that of
    each element.

    Each comes with the name of its host, from the object itself or the nearest object around it, else ``host``. Of an
    object that isn't an array only one is returned, because some tools write a message beside a copy of it. An object
    whose process has no token is returned only if there is no other inside: Elastic's own fields have these names too.
    """
    waiting = deque([(outside, host)])
    without_token: list[tuple[dict[str, Any], Any]] = []
    while waiting and budget.left > 0:
        budget.left -= 1
        value, host = waiting.popleft()
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            try:
                value, _ = decoded(value.encode())
            except UNDECODABLE:
                continue
        if isinstance(value, dict):
            host = next((value[key] for key in _HOST_KEYS if value.get(key) and isinstance(value[key], (dict, str))), host)
            if isinstance(process := value.get("process"), dict) and isinstance(value.get("event"), dict):
                if not process.keys().isdisjoint(_OWN_TOKEN):
                    return [(value, host)]
                without_token = without_token or [(value, host)]
            elif isinstance(value.get("event"), dict) and not value.keys().isdisjoint(_NUMBERED):
                return [(value, host)]
            if "audit_token" in value and "es_event_type" in value:
                return [(_unflattened(value), value.get("sensor_id") or host)]
            waiting.extend((part, host) for part in value.values())
        elif isinstance(value, list) and arrays:
            found = [message for part in value for message in _messages(part, budget, arrays - 1, host)]
            if found:
                return found
    return without_token


def _unflattened(flat: dict[str, Any]) -> dict[str, Any]:
    """Mac Monitor's first shape: the actor's fields side by side, and the resulting process in ``exec_event`` and
    ``fork_event``.
    """

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
    return {**kept, "process": actor, "event": event, "time": time}


def _kind(message: dict[str, Any]) -> int | str:
    """The event's number or name, since tools write either."""
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
    """``message`` with unsigned words in its tokens, and files as objects also if they were only paths."""
    mended = dict(message)
    waiting = [mended]
    while waiting:
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
