"""Writes occurrences as lines of eslogger(1): one Endpoint Security message in JSON each.

The text that doesn't change between records of a process is cached, so that large logs are written quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from sendright.impl.synthesis.occurrence import Occurrence, Sighting
from sendright.mach.abi.tokens import AuditToken

WORDS = ("auid", "euid", "egid", "ruid", "rgid", "pid", "asid", "pidversion")
TOKEN_FORMS = ("object", "array", "text", "dashes")
"""The spellings of tokens that recorders use."""
WRAPPERS = ("none", "shipper")
"""``shipper``: each message is inside a record of a log shipper."""
EVENT_TYPES: Mapping[str, int] = {
    "exec": 9,
    "open": 10,
    "fork": 11,
    "close": 12,
    "exit": 15,
    "get_task": 16,
    "mmap": 20,
    "signal": 31,
    "write": 33,
    "lookup": 43,
    "setuid": 103,
    "setgid": 104,
    "seteuid": 105,
    "setegid": 106,
    "setreuid": 107,
    "od_group_add": 132,
}
VERSIONS: Mapping[str, int] = {"object": 9, "array": 10, "text": 7, "dashes": 7}
"""The message version that goes with a form of tokens."""
STARTED = 1_760_000_000
"""The recorder's start, in seconds since 1970."""
KEPT = 4_096
"""The number of processes whose text is cached."""


class Writer:
    """Numbers and writes messages in the order in which they are given."""

    def __init__(self, form: str = "object", wrapper: str = "none", host: str = "mac") -> None:
        self.form, self.wrapper, self.host = form, wrapper, host
        self.counts: dict[str, int] = {}
        self.total = 0
        self._processes: dict[Sighting, bytes] = {}
        self._files: dict[str, bytes] = {}
        self._second, self._stamp = -1, b""

    def skip(self, one: Occurrence) -> None:
        """The recorder loses ``one``: it takes sequence numbers, but isn't written."""
        self.counts[one.kind] = self.counts.get(one.kind, 0) + 1
        self.total += 1

    def line(self, one: Occurrence, time: int) -> bytes:
        """``one``, which happened ``time`` nanoseconds after the start, as a line."""
        kind = one.kind
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        message = (
            b'{"schema_version":1,"version":%d,"event_type":%d,"time":"%s.%09dZ","mach_time":%d,"seq_num":%d,"global_seq_num":%d,"action_type":1,'
            b'"action":{"result":{"result_type":0,"result":{"auth":0}}},"thread":{"thread_id":%d},"process":%s,"event":{"%s":%s}}\n'
        ) % (
            VERSIONS[self.form],
            EVENT_TYPES[kind],
            self._time(time // 1_000_000_000),
            time % 1_000_000_000,
            3_600_000_000_000 + time,
            number,
            self.total,
            1_000 + one.actor.token[5],
            self._process(one.actor),
            kind.encode(),
            _BODIES.get(kind, _file_event)(self, one),
        )
        self.total += 1
        return message if self.wrapper == "none" else self._wrapped(message)

    def _wrapped(self, message: bytes) -> bytes:
        """In a record of a shipper that keeps the message as text."""
        return b'{"host":{"name":"%s"},"agent":{"type":"filebeat"},"message":%s}\n' % (
            self.host.encode(),
            msgspec.json.encode(message.decode().rstrip("\n")),
        )

    def _time(self, second: int) -> bytes:
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(STARTED + second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return self._stamp

    def token(self, token: AuditToken) -> Any:
        """A token in the recorder's form."""
        if self.form == "object":
            return dict(zip(WORDS, token, strict=True))
        if self.form == "array":
            return list(token)
        if self.form == "dashes":
            return "-".join(map(str, token))
        return ", ".join(f"{word}:{value}" for word, value in zip(WORDS, token, strict=True))

    def _process(self, shown: Sighting) -> bytes:
        known = self._processes.get(shown)
        if known is None:
            if len(self._processes) > KEPT:
                self._processes.clear()
            known = self._processes[shown] = msgspec.json.encode(self._process_object(shown))
        return known

    def _process_object(self, shown: Sighting) -> dict[str, Any]:
        return {
            "audit_token": self.token(shown.token),
            "responsible_audit_token": self.token(shown.token),
            "parent_audit_token": self.token(shown.parent),
            "ppid": shown.parent[5],
            "original_ppid": shown.parent[5],
            "group_id": shown.group,
            "session_id": shown.group,
            "codesigning_flags": 570506001 if shown.platform else 0,
            "cdhash": f"{hash_of(shown.program):040X}",
            "is_platform_binary": shown.platform,
            "is_es_client": False,
            "signing_id": "com.apple." + shown.program.rpartition("/")[2] if shown.platform else None,
            "team_id": None,
            "start_time": "2025-10-09T08:53:20.000000Z",
            "tty": None,
            "executable": _file(shown.program, shown.mode, shown.owner),
        }

    def file(self, path: str) -> bytes:
        """A file object of a plain file."""
        known = self._files.get(path)
        if known is None:
            known = self._files[path] = msgspec.json.encode(_file(path, 0o100644, (501, 20)))
        return known

    def process(self, shown: Sighting | None) -> bytes:
        """A process object."""
        assert shown is not None
        return self._process(shown)


@lru_cache(maxsize=1024)
def hash_of(text: str) -> int:
    """A number that is always the same for the same text."""
    return Random(text).getrandbits(160)


def _file(path: str, mode: int, owner: tuple[int, int]) -> dict[str, Any]:
    moment = "2025-06-01T10:00:00.000000000Z"
    stat = {
        "st_dev": 16777232,
        "st_mode": mode,
        "st_nlink": 1,
        "st_ino": 1152921500312000000 + hash_of(path) % 1000000,
        "st_uid": owner[0],
        "st_gid": owner[1],
        "st_rdev": 0,
        "st_atimespec": moment,
        "st_mtimespec": moment,
        "st_ctimespec": moment,
        "st_birthtimespec": moment,
        "st_size": 187264,
        "st_blocks": 88,
        "st_blksize": 4096,
        "st_flags": 524320,
        "st_gen": 0,
    }
    return {"path": path, "path_truncated": False, "stat": stat}


def _file_event(writer: Writer, one: Occurrence) -> bytes:
    return _FILE_EVENTS[one.kind] % writer.file(one.detail)


_FILE_EVENTS: Mapping[str, bytes] = {
    "open": b'{"fflag":1,"file":%s}',
    "close": b'{"modified":false,"was_mapped_writable":null,"target":%s}',
    "write": b'{"target":%s}',
    "lookup": b'{"source_dir":%s,"relative_target":"x"}',
    "mmap": b'{"protection":1,"max_protection":5,"flags":2,"file_pos":0,"source":%s}',
}


def _fork(writer: Writer, one: Occurrence) -> bytes:
    return b'{"child":%s}' % writer.process(one.other)


def _exec(writer: Writer, one: Occurrence) -> bytes:
    assert one.other is not None
    target, program = writer.process(one.other), one.other.program
    return (
        b'{"target":%s,"dyld_exec_path":%s,"script":null,"cwd":%s,"last_fd":2,"image_cputype":16777228,"image_cpusubtype":0,'
        b'"args":[%s,"-l"],"env":["PATH=/usr/bin:/bin","HOME=/Users/anna","LANG=en_GB.UTF-8"],"fds":[{"fd":0,"fdtype":1},{"fd":1,"fdtype":1}]}'
    ) % (target, msgspec.json.encode(program), writer.file("/Users/anna"), msgspec.json.encode(program.rpartition("/")[2]))


def _exit(writer: Writer, one: Occurrence) -> bytes:
    return b'{"stat":%d}' % one.detail


def _get_task(writer: Writer, one: Occurrence) -> bytes:
    return b'{"target":%s,"type":%d}' % (writer.process(one.other), one.detail)


def _signal(writer: Writer, one: Occurrence) -> bytes:
    return b'{"sig":%d,"target":%s,"instigator":null}' % (one.detail, writer.process(one.other))


def _request(writer: Writer, one: Occurrence) -> bytes:
    return b'{"instigator":%s,"instigator_token":%s,"error_code":0,"group_name":"staff","node_name":"/Local/Default","db_path":null,"member":{}}' % (
        writer.process(one.other),
        msgspec.json.encode(writer.token(one.detail.token)),
    )


def _one_id(name: str) -> Callable[[Writer, Occurrence], bytes]:
    return lambda writer, one: b'{"%s":%d}' % (name.encode(), one.detail)


def _both_ids(writer: Writer, one: Occurrence) -> bytes:
    return b'{"ruid":%d,"euid":%d}' % one.detail


_BODIES: Mapping[str, Callable[[Writer, Occurrence], bytes]] = {
    "fork": _fork,
    "exec": _exec,
    "exit": _exit,
    "get_task": _get_task,
    "signal": _signal,
    "setuid": _one_id("uid"),
    "seteuid": _one_id("euid"),
    "setgid": _one_id("gid"),
    "setegid": _one_id("egid"),
    "setreuid": _both_ids,
    "od_group_add": _request,
}
