"""The spellings of an audit token: an object with the names of the words, an array of the eight words, or a string
with either.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS
from sendright.mach.results.facts import Token, Word

Spelled: TypeAlias = Token | tuple[Word, Word, Word, Word, Word, Word, Word, Word] | str
"""The types of a field for a token. A record's version doesn't determine it in general: message version 10 writes
arrays, 9 and 11 objects.
"""

_NAMED = re.compile(r"\s*([a-z]+)\s*[:=]\s*(-?\d{1,10})\s*")
_NAMES = Token.__struct_fields__


def token(spelled: Spelled | None) -> Token:
    """The token that ``spelled`` stands for. Raises ValueError, with a message of one line, if it isn't a token."""
    if type(spelled) is Token:
        return spelled
    if type(spelled) is tuple:
        return Token(*spelled)
    if type(spelled) is str:
        return _from_text(spelled)
    raise ValueError("not an audit token")


def word(number: int) -> int:
    """``number`` as an unsigned word of 32 bits: some words are printed as signed. Raises ValueError if it has more
    bits.
    """
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
