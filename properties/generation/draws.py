"""What Hypothesis draws for a run, so that the same seed makes the same run in every process.

Hypothesis mixes numbers and byte strings that it finds in the imported modules into those that it draws. So what it
draws from ``st.integers`` or ``st.binary`` depends on which modules are imported, besides the seed. Booleans don't.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

SEED_BITS = 32
"""From so many bits, which Hypothesis draws, follow all bytes of a run: to draw each byte takes as long as a tenth of
the run.
"""


def numbers(bits: int) -> st.SearchStrategy[int]:
    """Numbers from 0 to 2 ** ``bits`` - 1, each as likely as any other; smaller ones are simpler."""
    return st.lists(st.booleans(), min_size=bits, max_size=bits).map(_number)


def _number(drawn: list[bool]) -> int:
    number = 0
    for bit in drawn:
        number = number << 1 | bit
    return number


def blocks(size: int) -> st.SearchStrategy[bytes]:
    """Blocks of ``size`` bytes."""
    return numbers(SEED_BITS).map(lambda seed: Random(seed).randbytes(size))
