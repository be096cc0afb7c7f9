"""Endpoint Security messages as JSON, one per line: from eslogger(1), and from other tools that write the same
messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, why_undecodable
from sendright.impl.recordings.endpoint_security.facts import FACTS_OF, requesters, task
from sendright.impl.recordings.endpoint_security.kinds import KINDS
from sendright.impl.recordings.endpoint_security.message import Host, Message
from sendright.impl.recordings.endpoint_security.variants import messages_in
from sendright.impl.recordings.json_values import json_begins, json_values
from sendright.impl.recordings.sequences import Sequences
from sendright.impl.recordings.source import HOST_LENGTH, KIND_LENGTH, LINE_BYTES, Source
from sendright.mach.results.facts import Fact, Record, TaskSeen

_decode = msgspec.json.Decoder(Message).decode  # noqa: TID251 – messages_in tries again, and says why it cannot
_MARKS = re.compile(rb'(?:audit_token(?:_string)?|(?:global|glob)_seq_num|codesigning_flags|mach_time|es_event_type)\\*"\s*:')
"""The keys of a message, also of one that is a string inside another object."""
_WHOLE_LINE = re.compile(rb'(?m)^(?:[^\s{"\[][^\n{"]{0,200})?\{.*\}\r?$')
"""An object, perhaps after a syslog header."""
_ARRAY_IN_OBJECT = re.compile(rb'\s*\{[^{}\[\]]*?"(?:events|records|Records|hits|results|logs|messages)"\s*:\s*\[')
_ARRAYS = frozenset([b"events", b"records", b"Records", b"hits", b"results", b"logs", b"messages"])


class EndpointSecurity:
    """Messages of ``es_message_t`` in JSON."""

    name = "endpoint-security"
    about = "Endpoint Security messages in JSON, as eslogger writes them, bare or in other tools' wrapping"
    versions = True

    def recognizes(self, head: bytes) -> bool:
        return bool((json_begins(head) or _WHOLE_LINE.search(head)) and _MARKS.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        sequences = Sequences()
        for line, text, wrong in _texts(source):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                message = _decode(text)
                plain = type(message.event_type) is int and message.process is not None and message.event is not None
            except UNDECODABLE:
                plain = False
            if plain:
                yield from _facts(message, line, source, sequences)
                continue
            try:
                messages, note = messages_in(text)
            except UNDECODABLE as error:
                yield source.cannot_read(line, why_undecodable(error))
                continue
            for message in messages:
                yield from _facts(message, line, source, sequences)
            if note:
                yield source.cannot_read(line, note)


def _texts(source: Source) -> Iterator[tuple[int, bytes, str]]:
    """Every message: (line, its text, ""); for what isn't one (line, b"", the reason)."""
    if not _one_a_line(source.head()):
        yield from json_values(source, _ARRAYS)
        return
    for number, line, whole in source.lines():
        if not whole:
            yield number, b"", f"a line of more than {LINE_BYTES} bytes"
        elif len(line) > 2 or line.strip():
            yield number, line, ""


def _one_a_line(head: bytes) -> bool:
    """Whether some line is a complete object, not one around an array of messages, or the first line is an object
    longer than the head.
    """
    if head.lstrip()[:1] == b"[" or _ARRAY_IN_OBJECT.match(head):
        return False
    return bool(_WHOLE_LINE.search(head)) or (b"\n" not in head and head.lstrip()[:1] == b"{")


def _facts(message: Message, line: int, source: Source, sequences: Sequences) -> list[Fact]:
    """The facts of ``message``: at least its actor."""
    number = message.event_type
    kind = KINDS[number] if type(number) is int and 0 <= number < len(KINDS) else str(number)[:KIND_LENGTH]
    time = message.time
    if time is not None and time.tzinfo is not UTC:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    host = message.host
    sequence = message.global_seq_num
    if sequence is None:
        sequence = message.glob_seq_num
    label = "" if host is None else (host.label if type(host) is Host else str(host))[:HOST_LENGTH]
    record = Record(source.name, line, kind, time, message.mach_time, label, sequence)
    said: list[Fact] = []
    if sequence is not None and (gap := sequences.gap(record, "", sequence)) is not None:
        said.append(gap)
    if message.seq_num is not None and (gap := sequences.gap(record, kind, message.seq_num)) is not None:
        said.append(gap)
    try:
        if message.process is None:
            said += [TaskSeen(record, task(process)) for process in requesters(message)]
            source.read(kind)
            return said
        actor = task(message.process)
        facts_of = FACTS_OF.get(kind)
        if facts_of is None or (kind in ("exec", "fork") and message.denied):
            said.append(TaskSeen(record, actor))
        else:
            said += facts_of(record, actor, message)
    except ValueError as error:
        said.append(source.cannot_read(record, str(error)))
        return said
    source.read(kind)
    return said
