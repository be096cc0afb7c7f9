"""Makes hostile text harmless: replaces invisible characters by visible escapes."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories of characters that are invisible, or that move the text around them."""


def visible(text: str) -> str:
    """``text`` with each control, format and unpaired surrogate character as an escape. Newlines and tabs stay.

    The result has no terminal sequence, no change of writing direction, and no character that XML forbids.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("ascii", "backslashreplace").decode() if ord(character) > 0x7F else f"\\x{ord(character):02x}"


def one_line(text: str) -> str:
    """``visible(text)`` on one line."""
    return " ".join(visible(text).split())
