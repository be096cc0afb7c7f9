"""Text of C: comments and strings that no hostile text can end."""

from __future__ import annotations

import re
import unicodedata

_ESCAPED = {'"': '\\"', "\\": "\\\\", "?": "\\?"}  # the last one begins a trigraph

_JOINED = re.compile(r"\*(?=/)|/(?=\*)|\?(?=\?)")
"""The first letter of what begins or ends a comment, or begins a trigraph."""


def comment(text: str) -> str:
    """``text`` inside of a comment, on one line: it can't end the comment."""
    plain = _plain(text).replace("\\", "/")  # first, since it may make an end of a comment
    return "/* " + _JOINED.sub(r"\g<0> ", plain) + " */"


def string(text: str) -> str:
    """``text`` as a string literal, on one line."""
    return '"' + "".join(_ESCAPED.get(letter, letter) for letter in _plain(text)) + '"'


def _plain(text: str) -> str:
    """ASCII characters that can be printed, and escapes in place of the others."""
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if " " <= letter <= "~":
        return letter
    if letter in "\n\t":
        return " "
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    known = {"→": "->", "…": "...", "’": "'"}.get(letter, plain)
    return known if known.isprintable() and known else f"<{ord(letter):x}>"
