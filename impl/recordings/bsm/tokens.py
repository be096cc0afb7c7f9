"""The tokens of a binary audit record (audit.log(5), ``bsm/audit_record.h``, OpenBSM's ``libbsm``)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sendright.impl.recordings.bsm.events import event_name
from sendright.impl.recordings.bsm.record import AuditRecord
from sendright.mach.results.facts import Token

Reader: TypeAlias = Callable[[AuditRecord, bytes, int], int]
"""Reads a token whose kind is in the byte before the offset; returns the offset of its end. Raises IndexError or
struct.error if the token is cut off.
"""

FILE, TRAILER, HEADER32, HEADER32_EX, HEADER64, HEADER64_EX = 0x11, 0x13, 0x14, 0x15, 0x74, 0x79
HEADERS = (HEADER32, HEADER32_EX, HEADER64, HEADER64_EX)
TRAILER_MAGIC = b"\x13\xb1\x05"
TRAILER_BYTES = 7
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_tokens(audited: AuditRecord, data: bytes, at: int, end: int) -> int:
    """Read tokens from ``at`` into ``audited``, while they are known and complete. Returns where that ends; if that
    isn't ``end``, ``audited.wrong`` says why.
    """
    while at < end:
        kind = data[at]
        reader = READERS.get(kind)
        if reader is None:
            audited.wrong = f"its token of kind {kind:#04x} is not known, and what follows it was not read"
            return at
        try:
            after = reader(audited, data, at + 1)
        except (IndexError, struct.error, ValueError):
            after = end + 1
        if after > end:
            audited.wrong = f"its token of kind {kind:#04x} is cut"
            return at
        at = after
    return at


def moment(seconds: int, milliseconds: int) -> datetime | None:
    """A header's time; None if it is out of the calendar's range."""
    try:
        return _EPOCH + timedelta(seconds=seconds, milliseconds=milliseconds)
    except OverflowError:
        return None


def _fixed(size: int) -> Reader:
    return lambda audited, data, at: at + size


def _counted(audited: AuditRecord, data: bytes, at: int) -> int:
    return at + 2 + int.from_bytes(data[at : at + 2], "big") if at + 2 <= len(data) else len(data) + 1


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length in front and a NUL at its end; also returns its end."""
    (size,) = struct.unpack_from(">H", data, at)
    end = at + 2 + int(size)
    return data[at + 2 : end].rstrip(b"\0").decode("utf-8", "replace"), end


def _address(data: bytes, at: int) -> tuple[str, int]:
    """A type and an address: 4 for IPv4, 16 for IPv6."""
    (kind,) = struct.unpack_from(">I", data, at)
    if kind not in (4, 16):
        raise ValueError(f"address type {kind}")
    end = at + 4 + int(kind)
    if end > len(data):
        raise IndexError
    return str(ipaddress.ip_address(data[at + 4 : end])), end


def _header(extended: bool, time: str) -> Reader:
    def read(audited: AuditRecord, data: bytes, at: int) -> int:
        (event,) = struct.unpack_from(">H", data, at + 5)
        audited.event = event_name(int(event))
        at += 9
        if extended:
            audited.host, at = _address(data, at)
        audited.time = moment(*struct.unpack_from(time, data, at))
        return at + struct.calcsize(time)

    return read


def _identity(target: bool, port_bytes: int, extended: bool) -> Reader:
    """``subject`` and ``process`` tokens: seven words of an audit token, then a terminal."""

    def read(audited: AuditRecord, data: bytes, at: int) -> int:
        token = Token(*struct.unpack_from(">7I", data, at))
        at += 28 + port_bytes
        at = _address(data, at)[1] if extended else at + 4
        if target:
            audited.process = audited.process or token
        else:
            audited.subject = token
        return at

    return read


def _argument(value: str) -> Reader:
    def read(audited: AuditRecord, data: bytes, at: int) -> int:
        (number,) = struct.unpack_from(value, data, at + 1)
        text, end = _text(data, at + 1 + struct.calcsize(value))
        audited.arguments.setdefault(argument_key(text), int(number))
        return end

    return read


def argument_key(text: str) -> str:
    """An argument's text as ``AuditRecord.arguments`` has it: programs write "child PID" and "child_PID"."""
    return text.lower().replace("_", " ").strip()[:64]


def _return(value: str) -> Reader:
    def read(audited: AuditRecord, data: bytes, at: int) -> int:
        audited.error = data[at]
        (number,) = struct.unpack_from(value, data, at + 1)
        audited.value = int(number)
        return at + 1 + struct.calcsize(value)

    return read


def _path(audited: AuditRecord, data: bytes, at: int) -> int:
    audited.path, end = _text(data, at)
    return end


def _attributes(size: int) -> Reader:
    def read(audited: AuditRecord, data: bytes, at: int) -> int:
        if audited.mode is None:
            audited.mode, audited.owner, audited.group = struct.unpack_from(">3I", data, at)
        return at + size

    return read


def _exit(audited: AuditRecord, data: bytes, at: int) -> int:
    (status,) = struct.unpack_from(">i", data, at)
    audited.exit_status = int(status)
    return at + 8


def _sequence(audited: AuditRecord, data: bytes, at: int) -> int:
    (number,) = struct.unpack_from(">I", data, at)
    audited.sequence = int(number)
    return at + 4


def _strings(audited: AuditRecord, data: bytes, at: int) -> int:
    (count,) = struct.unpack_from(">I", data, at)
    at += 4
    for _ in range(min(count, len(data))):
        at = data.index(b"\0", at) + 1
    return at


def _data(audited: AuditRecord, data: bytes, at: int) -> int:
    return at + 3 + (1, 2, 4, 8)[data[at + 1]] * data[at + 2]


def _groups(audited: AuditRecord, data: bytes, at: int) -> int:
    return at + 2 + 4 * int.from_bytes(data[at : at + 2], "big")


def _file(audited: AuditRecord, data: bytes, at: int) -> int:
    audited.time = moment(*struct.unpack_from(">2I", data, at))
    return _text(data, at + 8)[1]


def _extended_socket(audited: AuditRecord, data: bytes, at: int) -> int:
    (kind,) = struct.unpack_from(">H", data, at + 4)
    if kind not in (4, 16):
        raise ValueError(f"address type {kind}")
    return at + 6 + 2 * (2 + int(kind))


def _unix_socket(audited: AuditRecord, data: bytes, at: int) -> int:
    return data.index(b"\0", at + 2) + 1


def _code_identity(audited: AuditRecord, data: bytes, at: int) -> int:
    at = _text(data, at + 4)[1] + 1
    at = _text(data, at)[1] + 1
    return _text(data, at)[1]


def _command(audited: AuditRecord, data: bytes, at: int) -> int:
    for _ in range(2):
        (count,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(count):
            at = _text(data, at)[1]
    return at


def _uuid(leading: int) -> Reader:
    return lambda audited, data, at: _text(data, at + leading + 16)[1]


READERS: dict[int, Reader] = {
    FILE: _file,
    TRAILER: _fixed(6),
    HEADER32: _header(False, ">2I"),
    HEADER32_EX: _header(True, ">2I"),
    HEADER64: _header(False, ">2Q"),
    HEADER64_EX: _header(True, ">2Q"),
    0x21: _data,
    0x22: _fixed(5),  # IPC
    0x23: _path,
    0x24: _identity(False, 4, False),
    0x26: _identity(True, 4, False),
    0x27: _return(">I"),
    0x28: _counted,  # text
    0x29: _counted,  # opaque
    0x2A: _fixed(4),  # internet address
    0x2B: _fixed(20),  # IP header
    0x2C: _fixed(2),  # internet port
    0x2D: _argument(">I"),
    0x2E: _fixed(14),  # socket
    0x2F: _sequence,
    0x31: _attributes(28),
    0x32: _fixed(28),  # IPC permissions
    0x34: _groups,
    0x3B: _groups,
    0x3C: _strings,
    0x3D: _strings,
    0x3E: _attributes(28),
    0x51: _command,
    0x52: _exit,
    0x60: _counted,  # zone
    0x71: _argument(">Q"),
    0x72: _return(">Q"),
    0x73: _attributes(32),
    0x75: _identity(False, 8, False),
    0x77: _identity(True, 8, False),
    0x7A: _identity(False, 4, True),
    0x7B: _identity(True, 4, True),
    0x7C: _identity(False, 8, True),
    0x7D: _identity(True, 8, True),
    0x7E: lambda audited, data, at: _address(data, at)[1],
    0x7F: _extended_socket,
    0x80: _fixed(8),  # internet socket
    0x81: _fixed(20),
    0x82: _unix_socket,
    0x84: _uuid(1),  # UUID as an argument
    0x85: _uuid(1),  # UUID as a result
    0xED: _code_identity,
}
"""The readers, by kind. Tokens that no fact comes from are skipped."""
