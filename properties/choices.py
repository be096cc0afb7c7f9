"""A block of bytes read as choices: what Hypothesis draws once, and a run is decoded from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Choices:
    """Reads ``block`` byte by byte. Small bytes are the plain choices; past its end the block is read again, changed."""

    def __init__(self, block: bytes) -> None:
        self._block = block or b"\0"
        self._at = 0

    def seek(self, position: int) -> None:
        """Go on reading from byte ``position``, so that what one call reads doesn't depend on how much the calls before it read."""
        self._at = position

    def byte(self) -> int:
        """The next byte."""
        round_, index = divmod(self._at, len(self._block))
        self._at += 1
        return self._block[index] ^ (round_ * 167 & 0xFF)

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1; ``limit`` is at most 256."""
        return self.byte() * limit >> 8

    def one_in(self, many: int) -> bool:
        """True once in so many times."""
        return self.byte() >= 256 - 256 // many

    def pick(self, options: Sequence[_T]) -> _T:
        """One of ``options``, of which there must be at least one (the first 256 count)."""
        return options[self.byte() * min(len(options), 256) >> 8]

    def weighted(self, table: Sequence[tuple[_T, int]]) -> _T:
        """One of the options, each as often as its weight says."""
        total = sum(weight for _, weight in table)
        at = (self.byte() << 8 | self.byte()) * total >> 16
        for option, weight in table:
            at -= weight
            if at < 0:
                return option
        raise AssertionError("weights add up to the total")
