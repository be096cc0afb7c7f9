"""Hostile text made harmless: what cannot be seen is written out."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories of characters that show nothing, or that move what is shown around them."""


def visible(text: str) -> str:
    """``text`` with each control, format and unpaired surrogate character as an escape; new lines and tabs stay.

    So no terminal sequence, no change of writing direction and no character that XML forbids gets through.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("ascii", "backslashreplace").decode() if ord(character) > 0x7F else f"\\x{ord(character):02x}"


def one_line(text: str) -> str:
    """``text`` made visible, on one line."""
    return " ".join(visible(text).split())
