"""praudit(1)'s text of an audit trail: a token per line, or with ``-l`` a record per line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sendright.impl.recordings.bsm.events import event_name
from sendright.impl.recordings.bsm.praudit_tokens import identity, number, set_argument, set_attributes, set_exit, set_return, set_sequence, set_time
from sendright.impl.recordings.bsm.record import AuditFacts, AuditRecord
from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import Fact

_HEADER = re.compile(r"(?:header(?:32|64)?(?:_ex)?|20|21|116|121)(?P<delimiter>[^\w\s]|\t|  ?)\d+(?P=delimiter)\d+(?P=delimiter)")
_TOKENS_BYTES = 1 << 20
"""The largest part of a record's text that is kept in one line."""

_RAW = {
    17: "file", 19: "trailer", 20: "header", 21: "header_ex", 116: "header", 121: "header_ex", 35: "path", 36: "subject", 117: "subject",
    122: "subject_ex", 124: "subject_ex", 38: "process", 119: "process", 123: "process_ex", 125: "process_ex", 39: "return", 114: "return",
    40: "text", 45: "argument", 113: "argument", 47: "sequence", 49: "attribute", 62: "attribute", 115: "attribute", 60: "exec arg",
    61: "exec env", 82: "exit", 96: "zone", 237: "identity",
}  # fmt: skip
"""Kind -> name of a token: ``-r`` prints kinds instead of names."""


def _path(audited: AuditRecord, words: list[str], delimiter: str) -> None:
    audited.path = delimiter.join(words)


def _subject(audited: AuditRecord, words: list[str], delimiter: str) -> None:
    audited.subject = identity(words)


def _process(audited: AuditRecord, words: list[str], delimiter: str) -> None:
    audited.process = audited.process or identity(words)


_TOKENS: dict[str, tuple[int, Callable[[AuditRecord, list[str], str], None]]] = {
    "path": (1, _path),
    "subject": (9, _subject),
    "subject_ex": (9, _subject),
    "process": (9, _process),
    "process_ex": (9, _process),
    "return": (2, lambda audited, words, delimiter: set_return(audited, words[0], words[1])),
    "argument": (3, lambda audited, words, delimiter: set_argument(audited, words[1], delimiter.join(words[2:]))),
    "attribute": (6, lambda audited, words, delimiter: set_attributes(audited, words[0], words[1], words[2])),
    "exit": (2, lambda audited, words, delimiter: set_exit(audited, words[0])),
    "sequence": (1, lambda audited, words, delimiter: set_sequence(audited, words[0])),
}
"""Token name -> the number of words after it, and their reader. Other tokens are skipped."""
_NAMES = frozenset(_TOKENS) | frozenset(_RAW.values()) | {"exec arg", "exec env", "socket", "opaque", "groups", "uuid", "IP", "IPC", "socket-inet"}


class PrauditText:
    """praudit's text."""

    name = "praudit"
    about = "what praudit prints of a BSM trail: text, also with -l, -r, -s, -d"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        lines = head.decode("utf-8", "replace").lstrip().splitlines()[:256]
        # Many files have lines that begin with a number: a header that is one is accepted only at the beginning.
        return bool(lines and _HEADER.match(lines[0])) or any(line.startswith("header") and _HEADER.match(line) for line in lines)

    def read(self, source: Source) -> Iterator[Fact]:
        facts = AuditFacts(source)
        audited: AuditRecord | None = None
        delimiter = ","
        for number_, line, _ in source.lines():
            text = line[:_TOKENS_BYTES].decode("utf-8", "replace").rstrip("\r\n")
            header = _HEADER.match(text)
            if header is not None:
                if audited is not None:
                    yield source.cannot_read(audited.place, "the record doesn't end")
                delimiter = header["delimiter"]
                audited = AuditRecord(number_)
                rest = _header(audited, text.split(delimiter))
                if not rest:
                    continue
                for words in _tokens(rest):
                    if words[0] == "trailer":
                        yield from facts.of(audited)
                        audited = None
                        break
                    _token(audited, words, delimiter)
                continue
            words = text.split(delimiter)
            words[0] = _name(words[0])
            if audited is None:
                if text.strip() and words[0] != "file":
                    yield source.cannot_read(number_, f"no record begins here: {text[:40]!r}")
            elif words[0] == "trailer":
                yield from facts.of(audited)
                audited = None
            elif len(text) < _TOKENS_BYTES:
                _token(audited, words, delimiter)
        if audited is not None:
            yield source.cannot_read(audited.place, "the file ends in the middle of a record")


def _name(shown: str) -> str:
    code = number(shown)
    name = _RAW.get(code, "") if code is not None else shown.strip()
    return re.sub(r"(?<=[a-z])(?:32|64)$", "", name)


def _header(audited: AuditRecord, words: list[str]) -> list[str]:
    """Read a header; the words after it."""
    extended = _name(words[0]) == "header_ex"
    words += [""] * (8 - len(words))
    audited.event = event_name(words[3].strip())
    if extended:
        audited.host = words[5].strip()
    time = 6 if extended else 5
    set_time(audited, words[time], words[time + 1])
    return [word for word in words[time + 2 :] if word.strip()] and words[time + 2 :]


def _tokens(words: list[str]) -> Iterator[list[str]]:
    """The tokens of a record in one line. Each begins with its name, and has at least its number of words."""
    at = 0
    while at < len(words):
        name = _name(words[at])
        least, _ = _TOKENS.get(name, (0, None))
        end = at + 1 + least
        while end < len(words) and _name(words[end]) not in _NAMES:
            end += 1
        if name:
            yield [name, *words[at + 1 : end]]
        at = end


def _token(audited: AuditRecord, words: list[str], delimiter: str) -> None:
    known = _TOKENS.get(words[0])
    if known is None:
        return
    least, take = known
    if len(words) <= min(least, 7 if least == 9 else least):
        audited.wrong = audited.wrong or f"its {words[0]} token has {len(words) - 1} words"
        return
    try:
        take(audited, words[1:], delimiter)
    except ValueError as error:
        audited.wrong = audited.wrong or f"its {words[0]} token: {error}"
