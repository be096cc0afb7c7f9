"""Broken recordings for the readers: nothing may crash them, and what they say must be well-formed.

Recordings of every form are broken at random, as bytes and as JSON, and read, as the form that they are recognized to
be and as others. An input that breaks a promise is written to a file, and the command ends with status 1.

    python benchmarks/fuzz_readers.py [--seconds N] [--seed N] [--failures DIR] [FILE…]
    python benchmarks/fuzz_readers.py --atheris [DIR] [libFuzzer's options]

``--atheris`` is guided by coverage, and needs ``pip install atheris``.

``FILE``: more recordings to begin with; or inputs that failed, to be read again as they are with ``--again``.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from rich.console import Console

from sendright.impl.recordings.form import RecordingError
from sendright.impl.recordings.read import form_names, read_recording
from sendright.mach.results.facts import AnyFact, RecordingBegan, RecordingEnded, Unreadable

OWN = Path(__file__).parent.parent / "tests" / "recordings"
SLOW_SECONDS = 20.0
"""An input of some 10 KiB that takes so long on a busy machine takes too long."""
LONGEST = 1 << 17
_facts = msgspec.json.Decoder(AnyFact)

_NUMBERS = [
    *[0, 1, -1, -2, 127, 255, 256, 65535, 1 << 31, -(1 << 31), (1 << 31) - 1, 1 << 32, (1 << 32) - 1, 1 << 63, 1 << 64, -(1 << 63)],
    *[10**30, 1.5, 1e300],
]
_TEXTS = ["", "x", "-1", "4294967295", "99999999999999", "\ud7ff\0", "<a>"]
_VALUES: list[Any] = [*_NUMBERS, *_TEXTS, None, True, [], {}, [[]], [1] * 7, [1] * 8, [1] * 9, {"pid": 3}]
_PIECES = [
    b"", b"\0", b"\xff", b"\xc3\x28", b"\n", b"\r\n", b'"', b"{", b"}", b"[", b"]", b"\\", b",", b":", b"<", b"&a;", b"<!DOCTYPE a>", b"</record>",
    b"<record ", b"header,", b"trailer,9", b"|", b"action=EXEC|", b"Process (1) : a", b"0x00000103  0x181c4e1d  send ", b"1e999", b"-", b"0x",
    b'"events":[', b'"processes":[', b'"steps":[', b"\x14\0\0\0", b"\x13\xb1\x05", b"\x24", b"\x7a", b"\x1f\x8b", b"\xef\xbb\xbf",
]  # fmt: skip


def trail() -> bytes:
    """A binary trail: no file of tests is one."""

    def record(event: int, body: bytes) -> bytes:
        size = 25 + len(body)
        return struct.pack(">BIBHHII", 0x14, size, 11, event, 0, 1_700_000_000, 5) + body + b"\x13\xb1\x05" + struct.pack(">I", size)

    def who(kind: int, pid: int) -> bytes:
        return struct.pack(">B9I", kind, 501, 501, 20, 501, 20, pid, 100001, 0, 0)

    done = struct.pack(">BBI", 0x27, 0, 0)
    child = struct.pack(">BBIH", 0x2D, 0, 400, 10) + b"child PID\0"
    path = struct.pack(">BH", 0x23, 5) + b"/bin\0"
    mode = struct.pack(">BIIIIQI", 0x3E, 0o104555, 0, 0, 1, 2, 3)
    arguments = struct.pack(">BI", 0x3C, 2) + b"a\0b\0"
    return b"".join(
        [
            struct.pack(">BIIH", 0x11, 1, 2, 5) + b"name\0",
            record(2, child + who(0x24, 300) + done),
            record(23, arguments + path + mode + who(0x24, 400) + done),
            record(43048, who(0x26, 400) + who(0x24, 300) + done),
            record(1, b"\x52" + struct.pack(">iI", 0, 0) + who(0x24, 400) + done),
        ]
    )


def seeds(files: Sequence[Path] = ()) -> list[bytes]:
    """What is broken: this repository's recordings of every form, and ``files``."""
    own = [path.read_bytes() for path in sorted(OWN.iterdir())]
    lines = [line for recording in own for line in recording.splitlines(keepends=True) if line[:1] == b"{" and len(line) > 2]
    return [*own, *lines, trail(), *(path.read_bytes()[:LONGEST] for path in files)]


def broken(random: Random, recordings: Sequence[bytes]) -> bytes:
    """One of ``recordings``, broken in one to eight places."""
    data = random.choice(recordings)
    if data[:1] in b"{[" and random.random() < 0.6:
        data = _broken_json(random, data)
    for _ in range(random.choice([0, 1, 1, 2, 3, 8])):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.choice([0, 1, 1, 4, 30, 1000]))
        match random.randrange(6):
            case 0:
                data = data[:at] + data[to:]
            case 1:
                data = data[:at] + random.choice(_PIECES) * random.choice([1, 1, 2, 50]) + data[to:]
            case 2:
                data = data[:at] + data[at:to] * 3 + data[to:]
            case 3:
                data = data[:at] + random.randbytes(to - at) + data[to:]
            case 4:
                other = random.choice(recordings)
                begin = random.randrange(len(other) + 1)
                data = data[:at] + other[begin : begin + 2000] + data[to:]
            case _:
                data = data[:at] if random.random() < 0.3 else data[:at] + str(random.choice(_NUMBERS)).encode() + data[to:]
    return data[:LONGEST]


def _broken_json(random: Random, data: bytes) -> bytes:
    """One value of a JSON text, or of a line of it, replaced, removed or put elsewhere."""
    lines = data.splitlines()
    at = random.randrange(len(lines))
    try:
        value, whole = json.loads(data), True
    except ValueError:
        try:
            value, whole = json.loads(lines[at]), False
        except ValueError:
            return data
    for _ in range(random.choice([1, 1, 2, 5])):
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            inside = waiting.pop()
            keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else []
            places += [(inside, key) for key in keys]
            waiting += [inside[key] for key in keys]
        if not places:
            break
        inside, key = random.choice(places)
        other, place = random.choice(places)
        match random.randrange(5):
            case 0 if isinstance(inside, dict):
                del inside[key]
            case 2 if isinstance(inside, dict):
                inside[random.choice(["", "event", "process", str(place)])] = inside.pop(key)
            case 1:
                inside[key] = deepcopy(other[place]) if isinstance(other, list) or place in other else None
            case _:
                inside[key] = deepcopy(random.choice(_VALUES))
    text = json.dumps(value, indent=random.choice([None, 2]), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return text if whole else b"\n".join([*lines[:at], text, *lines[at + 1 :]])


class _Trickle(io.RawIOBase):
    """A stream that gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(memoryview(buffer)[:37])


class Broken(Exception):
    """A reader broke a promise."""


def _must(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


def check(data: bytes, form: str | None = None) -> None:
    """Read ``data`` as ``form``, or as what it is recognized to be. Raises Broken where a reader breaks a promise, and
    whatever it lets through.
    """
    began = time.monotonic()
    try:
        facts = list(read_recording(io.BytesIO(data), form, "fuzz"))
    except RecordingError as error:
        _must("\n" not in str(error), "a message of more than one line")
        return
    _must(time.monotonic() - began < SLOW_SECONDS, "slow")
    first, last = facts[0], facts[-1]
    _must(isinstance(first, RecordingBegan), "no beginning")
    if not isinstance(last, RecordingEnded):
        raise Broken("no end")
    unreadable = [fact for fact in facts if isinstance(fact, Unreadable)]
    _must(len(unreadable) == last.unreadable, "Unreadable facts are not as many as they are said to be")
    _must(last.unreadable or last.records, "there is neither a record nor an unreadable part")
    _must(sum(last.kinds.values()) == last.records, "kinds don't add up")
    for fact in unreadable:
        _must(fact.why and "\n" not in fact.why and len(fact.why) < 1000, f"an explanation that isn't a line: {fact.why!r}")
    for said in facts:
        _must(_facts.decode(msgspec.json.encode(said)) == said, f"not the same after encoding: {said}")
        _must(said.record.time is None or said.record.time.tzinfo is UTC, "a time that isn't in UTC")
        _must(0 <= said.record.place <= len(data) + 1, "a place outside the file")
    again = list(read_recording(io.BufferedReader(_Trickle(data)), form, "fuzz"))
    _must(again == facts, "it depends on how the stream is cut")


def fuzz(seconds: float, seed: int, recordings: Sequence[bytes], failures: Path, console: Console) -> int:
    """Break and read until the time is over; the number of failures, whose inputs are in ``failures``."""
    random = Random(seed)
    began = told = time.monotonic()
    inputs = 0
    failed: dict[str, Path] = {}
    while time.monotonic() - began < seconds:
        data = broken(random, recordings)
        form = random.choice([None, None, None, *form_names()])
        inputs += 1
        try:
            check(data, form)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = str(error)[:60] if isinstance(error, Broken) else f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}"
            if what not in failed:
                failures.mkdir(parents=True, exist_ok=True)
                failed[what] = failures / f"{hashlib.sha256(data).hexdigest()[:12]}.{form or 'recognized'}"
                failed[what].write_bytes(data)
                console.print(f"{what}: {str(error)[:300]}", f"  {failed[what]}", sep="\n", markup=False)
        if time.monotonic() - told > 30:
            told = time.monotonic()
            console.print(f"{inputs:,} inputs in {told - began:.0f} s, {len(failed)} kinds of failures")
    console.print(f"{inputs:,} inputs in {time.monotonic() - began:.0f} s, {len(failed)} kinds of failures (--seed {seed})")
    return len(failed)


def guided(arguments: list[str]) -> None:
    """Let atheris choose the inputs, by what of the readers they reach."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    names = [None, *form_names()]

    def one(data: bytes) -> None:
        if data:
            check(data[1:LONGEST], names[data[0] % len(names)])

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def main() -> int:
    if "--atheris" in sys.argv:
        guided([argument for argument in sys.argv[1:] if argument != "--atheris"])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--failures", type=Path, default=Path(".sendright/fuzz"))
    parser.add_argument("--again", action="store_true", help="read the files as they are, and break nothing")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    if options.again:
        for path in options.files:
            form = path.suffix[1:]
            check(path.read_bytes(), form if form in form_names() else None)
        return 0
    return 1 if fuzz(options.seconds, options.seed, seeds(options.files), options.failures, Console(stderr=True)) else 0


if __name__ == "__main__":
    sys.exit(main())
