"""Accepted findings, and how a result's findings compare with them."""

from __future__ import annotations

import msgspec


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted finding, as a baseline has it."""

    fingerprint: str
    by: str
    """The person who accepts it."""
    why: str
    until: str
    """The last day on which it is accepted, as YYYY-MM-DD."""
    rule: str = ""
    finding: str = ""
    """The finding in words, for readers of the baseline."""

    def words(self, expired: bool = False) -> str:
        """By which person it is accepted, until when, and why."""
        over = ", which is over" if expired else ""
        return f"accepted by {self.by} until {self.until}{over}: {self.why}"


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The accepted findings in a file."""

    file: str
    entries: tuple[Accepted, ...]


class BaselineUse(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a baseline in one command."""

    file: str
    accepted: tuple[Accepted, ...]
    """Entries of findings that the command found, and that are accepted today."""
    expired: tuple[Accepted, ...]
    """Entries of findings that it found, and that aren't accepted any more: these are failures."""
    unused: tuple[Accepted, ...]
    """Entries of this command that it didn't find."""
    new: tuple[str, ...]
    """Fingerprints of findings that have no entry: these are failures."""

    @property
    def words(self) -> str:
        """In a sentence without its end."""
        counts = [f"{len(self.accepted)} accepted", f"{len(self.new)} not in it"]
        counts += [f"{len(self.expired)} expired"] if self.expired else []
        counts += [f"{len(self.unused)} of its entries not found"] if self.unused else []
        return f"by the baseline {self.file}: {', '.join(counts)}"
