"""The spellings of an audit token: an object with the words' names, an array of the eight words, or a text with either."""

from __future__ import annotations

import re
from typing import TypeAlias

from sendright.mach.facts import Token, Word
from sendright.mach.tokens import AUDIT_TOKEN_WORDS

Spelled: TypeAlias = Token | tuple[Word, Word, Word, Word, Word, Word, Word, Word] | str
"""What a field for a token may contain. Which it is doesn't follow from a record's version: message version 10 writes arrays, 9 and 11 objects."""

_NAMED = re.compile(r"\s*([a-z]+)\s*[:=]\s*(-?\d{1,10})\s*")
_NAMES = Token.__struct_fields__


def token(spelled: Spelled | None) -> Token:
    """The token that ``spelled`` means. Raises ValueError, with one line, if it means none."""
    if type(spelled) is Token:
        return spelled
    if type(spelled) is tuple:
        return Token(*spelled)
    if type(spelled) is str:
        return _from_text(spelled)
    raise ValueError("no audit token")


def word(number: int) -> int:
    """``number`` as the unsigned word of 32 bits that it is printed for: kernels keep some words signed. Raises ValueError if it has more bits."""
    if not -(1 << 31) <= number < 1 << 32:
        raise ValueError(f"{number} has more than 32 bits")
    return number & 0xFFFFFFFF


def _from_text(text: str) -> Token:
    parts = text.strip().split(",")
    named = [_NAMED.fullmatch(part) for part in parts[: 2 * AUDIT_TOKEN_WORDS]]
    if len(parts) <= AUDIT_TOKEN_WORDS and all(named):
        words = {match[1]: word(int(match[2])) for match in named if match}
        if len(words) == len(parts) and words.keys() <= set(_NAMES):
            return Token(**words)
    numbers = re.split(r"(?<=\d)-|[,\s]+", text.strip(), maxsplit=AUDIT_TOKEN_WORDS)
    if len(numbers) == AUDIT_TOKEN_WORDS and all(re.fullmatch(r"-?\d{1,10}", number) for number in numbers):
        return Token(*[word(int(number)) for number in numbers])
    raise ValueError(f"not an audit token: {text[:80]!r}")
