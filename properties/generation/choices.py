"""Reads a block of bytes as choices: Hypothesis draws the block once, and a run is decoded from it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Choices:
    """Reads ``block`` byte by byte. Small bytes are the simple choices. After its end the block is read again,
    modified."""

    def __init__(self, block: bytes) -> None:
        self._block = block or b"\0"
        self._at = 0

    def seek(self, position: int) -> None:
        """Continue at byte ``position``, so that a call's choices don't depend on how much earlier calls have read."""
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
        """True once in ``many`` times."""
        return self.byte() >= 256 - 256 // many

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the first 256 of ``options``, which must not be empty."""
        return options[self.byte() * min(len(options), 256) >> 8]

    def weighted(self, table: Sequence[tuple[_T, int]]) -> _T:
        """One of the options, with probabilities in proportion to their weights."""
        total = sum([weight for _, weight in table])
        at = (self.byte() << 8 | self.byte()) * total >> 16
        for option, weight in table:
            at -= weight
            if at < 0:
                return option
        raise AssertionError("weights add up to the total")

    def among(self, cumulative: Sequence[int]) -> int:
        """The index of one of many options, with probabilities in proportion to weights of which these are the sums."""
        return bisect_right(cumulative, (self.byte() << 8 | self.byte()) * cumulative[-1] >> 16)
