"""Identifies the task of a pid in a form without pid versions, by the order of starts and ends."""

from __future__ import annotations

from dataclasses import dataclass

_PIDS = 1 << 20
"""The number of pids that are tracked, so that a file can't exhaust memory. One host has far fewer."""


@dataclass
class _Life:
    number: int
    ended: bool = False
    ambiguous: bool = False


class Lifetimes:
    """The lifetimes of the pids of a recording. Every answer is (lifetime, ambiguous), as ``Task`` has them."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, int], _Life] = {}

    def began(self, host: str, pid: int) -> tuple[int, bool]:
        """A task with this pid was made. The task before must have ended, even without a record: only then is a pid
        used again.
        """
        life = self._lives.get((host, pid))
        if life is None:
            return self._first(host, pid)
        life.number += 1
        life.ended = life.ambiguous = False
        return life.number, False

    def seen(self, host: str, pid: int) -> tuple[int, bool]:
        """A task with this pid is in a record. After an end and without a start it can be another task, or the same
        one in a late record.
        """
        life = self._lives.get((host, pid))
        if life is None:
            return self._first(host, pid)
        if life.ended:
            life.number += 1
            life.ended, life.ambiguous = False, True
        return life.number, life.ambiguous

    def ended(self, host: str, pid: int) -> tuple[int, bool]:
        """The task with this pid ended."""
        answer = self.seen(host, pid)
        if life := self._lives.get((host, pid)):
            life.ended = True
        return answer

    def _first(self, host: str, pid: int) -> tuple[int, bool]:
        if len(self._lives) >= _PIDS:
            return 0, True
        self._lives[host, pid] = _Life(0)
        return 0, False
