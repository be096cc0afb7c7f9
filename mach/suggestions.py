"""What a user may have meant by a word that isn't known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str], otherwise: str = "", likeness: float = 0.6) -> str:
    """ "did you mean NAME?", of the name in ``known`` that is most like ``given``. If none is so like it (from 0 to 1):
    ``otherwise``.
    """
    near = get_close_matches(given, list(known), 1, likeness)
    return f"did you mean {near[0]}?" if near else otherwise


def perhaps_meant(given: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """As ``did_you_mean``, in brackets and with a space before them; empty if no name is so like it."""
    meant = did_you_mean(given, known, "", likeness)
    return f" ({meant})" if meant else ""


def unknown_call(given: str) -> str:
    """That there is no call ``given``, in one line, and what to do."""
    from sendright.mach.signatures import SIGNATURES  # whose profiles use this module

    meant = did_you_mean(given, SIGNATURES)
    return f"unknown call {given!r} ({f'{meant} ' if meant else ''}sendright calls lists all)"
