"""Reads the objects of a JSON text of any size: one per line, pretty-printed, in an array, or in an array inside one
object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sendright.impl.recordings.source import LINE_BYTES, Source

_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+"|[{}\[\]"]')
_CHUNK = 1 << 16
_NESTED_ARRAYS = 16
_INDENTATION = 64
_BETWEEN = b" \t\r\n,\x1e"
"""The bytes that can be between two objects; 0x1E begins each object of an RFC 7464 sequence."""
_BEGINNING = re.compile(rb"(?m)^[ \t]*[{\[]")


def json_begins(head: bytes) -> bool:
    """A line that begins with an object or array. Then a file's first bytes are JSON, perhaps after other text."""
    return bool(_BEGINNING.search(head))


def json_values(source: Source, arrays_in: frozenset[bytes] = frozenset(), *, around: bool = False) -> Iterator[tuple[int, bytes, str]]:
    """Yields each object of the text that isn't inside another, as (line of its beginning, its bytes, "").

    Arrays outside objects are searched. So are arrays with a key of ``arrays_in`` in the outermost objects: their
    elements are yielded instead of the object. With ``around``, the rest of such an object is yielded too: first the
    object up to the array, with an empty array; afterwards each later member that is an object, alone in an object. For
    text that isn't an object, (line, b"", the reason) is yielded, and reading continues at the next line that begins an
    object. An object has at most LINE_BYTES.
    """
    return _Scan(source, arrays_in, around).values()


class _Scan:
    def __init__(self, source: Source, arrays_in: frozenset[bytes], around: bool) -> None:
        self._source = source
        self._arrays_in = arrays_in
        self._with_around = around
        self._member = b""
        """The key of the object that begins at ``_start``, if it is a member of one that isn't yielded as a whole."""
        self._buffer = b""
        self._at = 0
        self._line, self._line_at = 1, 0
        """A line number, and a position of the buffer that is in this line."""
        self._start = -1
        """The beginning of the object that will be yielded; -1 outside of objects."""
        self._indentation = 0
        """The number of blanks before that object in its line."""
        self._open = bytearray()
        """The open brackets in the object that is read or skipped."""
        self._around: list[bytes] = []
        """The open arrays around it, and the open objects with such arrays."""
        self._key = b""
        self._prefix: tuple[int, int] | None = None
        """The text before the elements of an array of ``arrays_in``."""

    def values(self) -> Iterator[tuple[int, bytes, str]]:
        while True:
            token = _TOKEN.search(self._buffer, self._at)
            if token is None or token.group() == b'"':
                broken = self._unfinished(token)
                if broken:
                    yield self._broken(self._start if self._start >= 0 else token.start() if token else 0, broken)
                elif not self._more(token):
                    yield from self._end()
                    return
                continue
            begins = token.start()
            if not self._open and (strange := self._buffer[self._at : begins].strip(_BETWEEN)) and not self._inside_wrapper():
                yield self._line_of(begins), b"", f"not JSON: {_shown(strange)}"
            if self._start >= 0 and token.group() == b"{" and self._buffer[begins - 1 : begins] == b"\n" and self._cannot_be_inside(begins):
                yield self._line_of(self._start), b"", "the object doesn't end"
                self._start = -1
                self._open.clear()
            done = self._whole_line(begins) if not self._open and not self._arrays_in and token.group() == b"{" else None
            if done is None:
                self._at = token.end()
                done = self._take(token.group(), begins)
            if done is not None:
                text = self._buffer[done[0] : done[1]]
                yield self._line_of(done[0]), b'{"%b":%b}' % (self._member, text) if self._member else text, ""
                self._member = b""
            elif self._prefix is not None:
                (start, end), self._prefix = self._prefix, None
                if self._with_around:
                    yield self._line_of(start), self._buffer[start:end] + b"]}", ""
            elif len(self._around) > _NESTED_ARRAYS:
                yield self._broken(begins, "arrays in arrays in arrays")

    def _cannot_be_inside(self, begins: int) -> bool:
        """Whether the object that is read was cut off and the next one begins here, because none can begin inside
        it.
        """
        before = self._buffer[max(self._start, begins - _INDENTATION) : begins].rstrip()[-1:]
        return before not in (b":" if self._open[-1:] == b"{" else b"[,")

    def _whole_line(self, begins: int) -> tuple[int, int] | None:
        """The object from ``begins`` to the line's end, if the next line begins another. Its content is left to the
        decoder.
        """
        end = self._buffer.find(b"\n", begins)
        if end > 0 and self._buffer[end - 1 : end + 2] == b"}\n{":
            self._at = end + 1
            return begins, end
        return None

    def _take(self, token: bytes, begins: int) -> tuple[int, int] | None:
        """Process one token. Returns the object that it ends, if any."""
        if token[0] == 34:
            if len(self._open) <= 1:
                self._key = token[1:-1]
        elif token == b"{":
            if not self._open and not self._inside_wrapper():
                self._start = begins
                before = self._buffer[max(0, begins - _INDENTATION) : begins].rpartition(b"\n")[2]
                self._indentation = 0 if before.strip() else len(before)
            elif not self._open and self._with_around:
                self._start, self._member = begins, self._key
            self._open += token
        elif token == b"[":
            holds_values = self._key in self._arrays_in
            if len(self._open) == 1 and self._start >= 0 and holds_values:
                self._around += [b"{", b"["]
                self._prefix = (self._start, self._at)
                self._start = -1
                self._open.clear()
            elif self._open or (self._inside_wrapper() and not holds_values):
                self._open += token
            else:
                self._around.append(b"[")
        elif self._open:
            self._open.pop()
            if not self._open and self._start >= 0:
                start, self._start = self._start, -1
                return start, self._at
        elif self._around:
            self._around.pop()
        return None

    def _inside_wrapper(self) -> bool:
        return bool(self._around) and self._around[-1] == b"{"

    def _unfinished(self, token: re.Match[bytes] | None) -> str:
        """Why the buffer's content can't become an object, whatever follows; "" if it can."""
        if token is not None and self._buffer.find(b"\n", token.start()) >= 0:
            return "a string doesn't end in its line"
        kept = len(self._buffer) - (self._start if self._start >= 0 else token.start() if token else len(self._buffer))
        return f"more than {LINE_BYTES} bytes" if kept > LINE_BYTES else ""

    def _broken(self, begins: int, why: str) -> tuple[int, bytes, str]:
        """Discard the current object, and continue at the next line that begins an object and isn't indented
        further.
        """
        line = self._line_of(begins)
        self._at = max(self._at, begins + 1)
        self._start, self._member = -1, b""
        self._open.clear()
        self._around.clear()
        next_object = re.compile(rb"\n[ \t]{0,%d}(?=\{)" % self._indentation)
        while (found := next_object.search(self._buffer, self._at)) is None:
            self._at = max(self._at, len(self._buffer) - self._indentation - 1)
            if not self._more(None, keep=True):
                self._at = len(self._buffer)
                return line, b"", why
        self._at = found.end()
        return line, b"", why

    def _more(self, token: re.Match[bytes] | None, *, keep: bool = False) -> bool:
        """Read more, and discard the buffer before ``token`` or before the current object, or with ``keep`` nothing.
        False if the text ends.
        """
        if keep:
            pass
        elif token is not None:
            self._at = token.start()
        elif self._open or not self._buffer[self._at :].strip(_BETWEEN):
            self._at = len(self._buffer)
        kept = self._start if self._start >= 0 else self._at
        if len(self._buffer) - kept > LINE_BYTES:
            kept = self._at = len(self._buffer)
        self._source.place = self._line_of(kept)
        self._line_at -= kept
        self._buffer = self._buffer[kept:]
        self._at -= kept
        if self._start >= 0:
            self._start = 0
        chunk = self._source.stream.read(max(_CHUNK, len(self._buffer)))
        self._buffer += chunk
        return bool(chunk)

    def _end(self) -> Iterator[tuple[int, bytes, str]]:
        rest = self._buffer[self._at :].strip(_BETWEEN)
        if self._start >= 0:
            yield self._line_of(self._start), b"", "the file ends in the middle of an object"
        elif rest and not self._inside_wrapper():
            yield self._line_of(self._at), b"", f"not JSON: {_shown(rest)}"
        elif self._around or self._open:
            yield self._line_of(len(self._buffer)), b"", "the file ends in the middle of an array"
        self._source.place = self._line_of(len(self._buffer))

    def _line_of(self, position: int) -> int:
        if position < self._line_at:
            return self._line - self._buffer.count(b"\n", position, self._line_at)
        self._line += self._buffer.count(b"\n", self._line_at, position)
        self._line_at = position
        return self._line


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("utf-8", "replace"))
