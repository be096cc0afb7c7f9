"""``praudit -x``'s XML of an audit trail: an element ``record`` for each record.

Each record is parsed by itself, so that a broken one affects no other, and memory stays bounded. Document types and
entities are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from sendright.impl.recordings.bsm.events import event_name
from sendright.impl.recordings.bsm.praudit_tokens import identity_from, set_argument, set_attributes, set_exit, set_return, set_sequence, set_time
from sendright.impl.recordings.bsm.record import AuditFacts, AuditRecord
from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import Fact

_BEGIN = re.compile(rb"<record[\s>]")
_END = b"</record>"
_BEGINS_LINE = re.compile(rb"(?m)^[ \t]*<(?:[^\n]*<)?(?:audit>|record[\s>])")
"""The first element, perhaps after a declaration or a cut-off record; before that line there can be a shell's
output.
"""
_UNESCAPED = re.compile(rb"&(?!#?\w{1,8};)|<(?!/?[a-z_]+[\s/>])|[\0-\x08\x0b\x0c\x0e-\x1f]")
"""Elements that older versions of praudit don't escape: an argument of exec can contain anything."""
_ESCAPES = {b"&": b"&amp;", b"<": b"&lt;"}
_RECORD_BYTES = 1 << 20


class PrauditXml:
    """praudit's XML."""

    name = "praudit-xml"
    about = "what praudit -x prints of a BSM trail: XML"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        return bool(_BEGINS_LINE.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        facts = AuditFacts(source)
        for line, text, wrong in _records(source):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                try:
                    audited = _audited(line, text)
                except expat.ExpatError:
                    audited = _audited(line, _UNESCAPED.sub(lambda found: _ESCAPES.get(found[0], b"?"), text))
            except expat.ExpatError as error:
                yield source.cannot_read(line, f"not XML: {error}")
                continue
            yield from facts.of(audited)


def _audited(line: int, text: bytes) -> AuditRecord:
    """Parse ``text`` as a record. Raises ExpatError if it isn't well-formed. A token that can't be read is noted in
    the record's ``wrong``.
    """
    audited = AuditRecord(line)
    try:
        _Parser(audited).parse(text)
    except ValueError as error:
        audited.wrong = str(error)
    return audited


def _records(source: Source) -> Iterator[tuple[int, bytes, str]]:
    """Yields every ``record`` element: (line of its beginning, its text, ""), or (line, b"", why it can't be read)."""
    parts: list[bytes] = []
    size = began = 0
    for number_, line, _ in source.lines():
        at = 0
        while True:
            if not began:
                begin = _BEGIN.search(line, at)
                if begin is None:
                    break
                began, parts, size, at = number_, [], 0, begin.start()
            end = line.find(_END, at)
            again = _BEGIN.search(line, at + 1, end if end >= 0 else len(line))
            if again is not None:
                yield began, b"", "the record doesn't end"
                began, at = 0, again.start()
                continue
            piece = line[at : end + len(_END) if end >= 0 else len(line)]
            size += len(piece)
            if size <= _RECORD_BYTES:
                parts.append(piece)
            elif size - len(piece) <= _RECORD_BYTES:
                parts.clear()
                yield began, b"", f"a record of more than {_RECORD_BYTES} bytes"
            if end < 0:
                break
            if size <= _RECORD_BYTES:
                yield began, b"".join(parts), ""
            began, at = 0, end + len(_END)
    if began:
        yield began, b"", "the file ends in the middle of a record"


class _Parser:
    """Reads a record's elements into an ``AuditRecord``."""

    def __init__(self, audited: AuditRecord) -> None:
        self._audited = audited
        self._text: list[str] | None = None

    def parse(self, text: bytes) -> None:
        """Parse ``text``. Raises ExpatError if it isn't well-formed, ValueError if a token can't be read."""
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.Parse(text.decode("utf-8", "replace").encode(), True)

    @staticmethod
    def _refuse(*declared: object) -> None:
        raise ValueError("a document type or an entity is declared")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        audited = self._audited
        get = attributes.get
        if name == "record":
            audited.event = event_name(get("event", ""))
            audited.host = get("host", "")
            set_time(audited, get("time", ""), get("msec", ""))
        elif name in ("subject", "subject_ex"):
            audited.subject = identity_from(attributes)
        elif name in ("process", "process_ex"):
            audited.process = audited.process or identity_from(attributes)
        elif name == "argument":
            set_argument(audited, get("value", ""), get("desc", ""))
        elif name == "return":
            set_return(audited, get("errval", ""), get("retval", ""))
        elif name == "attribute":
            set_attributes(audited, get("mode", ""), get("uid", ""), get("gid", ""))
        elif name == "exit":
            set_exit(audited, get("errval", ""))
        elif name == "sequence":
            set_sequence(audited, get("seq-num", ""))
        elif name == "path":
            self._text = []

    def _data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end(self, name: str) -> None:
        if name == "path" and self._text is not None:
            self._audited.path = "".join(self._text)
            self._text = None
