"""Reads a recording of any form: opens it, recognizes the form, yields its facts."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from sendright.impl.recordings.form import Form, RecordingError
from sendright.impl.recordings.forms import FORMS
from sendright.impl.recordings.source import HEAD_BYTES, Source
from sendright.mach.interrupt import heeding_at_once
from sendright.mach.results.facts import Fact, Record, RecordingBegan, RecordingEnded, Unreadable

_GZIP = b"\x1f\x8b"


def read_recording(recording: str | Path | BinaryIO, form: str | None = None, name: str | None = None) -> Iterator[Fact]:
    """Yield the facts of a recording, from ``RecordingBegan`` to ``RecordingEnded``, in the order of its records.

    ``recording`` is a path or an open binary stream (which need not be seekable, and isn't closed); a gzip file is read
    through. ``form`` names the form (``form_names``); by default it is recognized by content. ``name`` is the
    recording's name in messages and records.

    Each part that can't be read becomes an ``Unreadable`` fact with its place. Memory is bounded. Raises
    ``RecordingError`` before the first fact if there is nothing to read: the file doesn't exist, is a directory, is
    empty or has no known form, or ``form`` isn't the name of one.
    """
    if isinstance(recording, (str, Path)):
        name = name or str(recording)
        with _opened(recording, name) as stream:
            yield from _facts(stream, form, name)
    else:
        yield from _facts(recording, form, name or str(getattr(recording, "name", "standard input")))


def form_names() -> Sequence[str]:
    """The names of all forms."""
    return [form.name for form in FORMS]


def form_of(head: bytes) -> Form | None:
    """The form that a file with these first bytes has; None: no known form."""
    return next((form for form in FORMS if form.recognizes(head)), None)


def _opened(path: str | Path, name: str) -> BinaryIO:
    try:
        if Path(path).is_dir():
            raise RecordingError(f"{name}: a directory; name the files in it")
        with heeding_at_once():
            return open(path, "rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in a path
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None


def _facts(raw: BinaryIO, form_name: str | None, name: str) -> Iterator[Fact]:
    try:
        stream = _looked_at(raw)
        if stream.peek(2)[:2] == _GZIP:
            stream = _looked_at(gzip.GzipFile(fileobj=stream))
        if stream.peek(3)[:3] == codecs.BOM_UTF8:
            stream.read(3)
        source = Source(name, stream)
        head = source.head()
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{name}: cannot be read: {error}") from None
    if not head:
        raise RecordingError(f"{name}: empty")
    form = _chosen(form_name, head, name)
    seems = form_of(head) if form_name is not None else form
    yield RecordingBegan(Record(name, 0), form.name, form.versions)
    yield from _read(form, source) if seems in (None, form) else _with_hint(_read(form, source), f"; the file looks like {seems.name}")
    yield RecordingEnded(source.record(source.place), source.records, source.unreadable, source.kinds)


def _read(form: Form, source: Source) -> Iterator[Fact]:
    try:
        yield from form.read(source)
    except (OSError, EOFError, zlib.error) as error:
        yield source.cannot_read(source.place, f"the file can't be read on: {error}")
    if not source.records and not source.unreadable:
        yield source.cannot_read(source.place, f"nothing in it is of the form {form.name}")


def _with_hint(facts: Iterator[Fact], hint: str) -> Iterator[Fact]:
    """``facts``. If the first fact is ``Unreadable``, ``hint`` is added to its reason."""
    for first in facts:
        yield Unreadable(first.record, first.why + hint) if isinstance(first, Unreadable) else first
        break
    yield from facts


def _looked_at(stream: _Bytes) -> io.BufferedReader:
    """``stream``, with a ``peek`` of HEAD_BYTES."""
    return io.BufferedReader(_Unclosed(stream), HEAD_BYTES)


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Unclosed(io.RawIOBase):
    """A stream as a raw one. Its reads fill the buffer, so that a peek isn't short, and closing the wrapper doesn't
    close it.
    """

    def __init__(self, stream: _Bytes) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        filled = 0
        while filled < len(buffer):
            with heeding_at_once():  # nothing may ever come
                piece = self._stream.read(len(buffer) - filled)
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled


def _chosen(form_name: str | None, head: bytes, name: str) -> Form:
    if form_name is None:
        form = form_of(head)
        if form is None:
            raise RecordingError(f"{name}: not a recording of a known form ({', '.join(form_names())}); name its form if it is one")
        return form
    for form in FORMS:
        if form.name == form_name:
            return form
    raise RecordingError(f"no form is called {form_name!r}; there are {', '.join(form_names())}")
