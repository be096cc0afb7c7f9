"""Recordings for tests: those of this repository, read from memory or disk, and a writer of audit trails."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TypeVar

from sendright.impl.recordings.read import read_recording
from sendright.mach.results.facts import Fact, RecordingEnded
from support.places import TESTS

RECORDINGS = TESTS / "recordings"
F = TypeVar("F", bound=Fact)


def facts_in(recording: bytes | str | Path, form: str | None = None) -> list[Fact]:
    """All facts of a file of ``tests/recordings`` (by name), of another file, or of bytes."""
    if isinstance(recording, bytes):
        return list(read_recording(io.BytesIO(recording), form, "memory"))
    return list(read_recording(RECORDINGS / recording, form))


def only(kind: type[F], facts: list[Fact]) -> list[F]:
    """The facts of one kind."""
    return [fact for fact in facts if type(fact) is kind]


def end(facts: list[Fact]) -> RecordingEnded:
    """The last fact."""
    last = facts[-1]
    assert isinstance(last, RecordingEnded)
    return last


def audit_record(event: int, *tokens: bytes, seconds: int = 1_700_000_000, milliseconds: int = 5) -> bytes:
    """A record of a binary trail."""
    body = b"".join(tokens)
    size = 18 + len(body) + 7
    header = struct.pack(">BIBHHII", 0x14, size, 11, event, 0, seconds, milliseconds)
    return header + body + b"\x13\xb1\x05" + struct.pack(">I", size)


def subject(pid: int, auid: int = 501, euid: int = 501, ruid: int = 501, asid: int = 100001, kind: int = 0x24) -> bytes:
    """A subject token; kind 0x26: a process token."""
    return struct.pack(">B9I", kind, auid, euid, 20, ruid, 20, pid, asid, 0, 0)


def argument(number: int, value: int, text: str) -> bytes:
    return struct.pack(">BBIH", 0x2D, number, value, len(text) + 1) + text.encode() + b"\0"


def path(text: str) -> bytes:
    return struct.pack(">BH", 0x23, len(text) + 1) + text.encode() + b"\0"


def attributes(mode: int, uid: int, gid: int) -> bytes:
    return struct.pack(">BIIIIQI", 0x3E, mode, uid, gid, 1, 2, 3)


def returned(error: int, value: int) -> bytes:
    return struct.pack(">BBI", 0x27, error, value)


def name_of_trail(text: str) -> bytes:
    """The token that a trail begins and ends with."""
    return struct.pack(">BIIH", 0x11, 1_700_000_000, 5, len(text) + 1) + text.encode() + b"\0"


TRAIL = b"".join(
    [
        name_of_trail("20231114221320.not_terminated"),
        audit_record(2, argument(0, 400, "child PID"), subject(300), returned(0, 400)),
        audit_record(23, path("/usr/bin/su"), path("/usr/bin/su"), attributes(0o104555, 0, 0), subject(400), returned(0, 0)),
        audit_record(200, argument(1, 0, "uid"), subject(400, euid=0), returned(0, 0)),
        audit_record(1, b"\x52" + struct.pack(">iI", 256, 0), subject(400, euid=0, ruid=0), returned(0, 0)),
        audit_record(72, path("/etc/passwd"), subject(400), returned(2, 0xFFFFFFFF)),
        audit_record(2, argument(0, 400, "child PID"), subject(300), returned(0, 400)),
        audit_record(
            43048, argument(1, 259, "target port"), subject(400, kind=0x26), argument(3, 7835, "task port"), subject(300, euid=0), returned(0, 0)
        ),
    ]
)
"""A trail in which pid 400 lives, ends, is seen without a beginning, and begins again."""
