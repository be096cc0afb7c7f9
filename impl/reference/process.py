"""The processes behind tasks, and what the kernel draws for new ones (``kern_fork.c``, ``kern_proc.c``).

A ``Process`` never changes: where its ids change, another takes its place. Only ``Core.set_identity`` does that where
tokens follow from the ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from sendright.mach.state.boot import FIRST_PID_VERSION
from sendright.mach.state.process import Process, Zombie

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task


class Processes:
    """The processes that have ended and aren't forgotten, and the counters. The living ones are behind their tasks."""

    __slots__ = ("pids", "tasks", "versions", "zombies")

    def __init__(self, tasks: Mapping[int, Task], last_pid: int) -> None:
        self.tasks = tasks
        """The live tasks, by number."""
        self.pids: Iterator[int] = count(last_pid + 1)
        """The pids of new processes (``lastpid`` in ``forkproc``)."""
        self.versions: Iterator[int] = count(FIRST_PID_VERSION)
        """The pid versions of new images (``nextpidversion``)."""
        self.zombies: dict[int, Zombie] = {}
        """By the numbers of their last tasks. It is never changed, but replaced: snapshots have it."""

    def task_of(self, pid: int) -> Task | None:
        """The task that ``pid`` denotes, if a process that lives has it. (``proc_find``)"""
        return next(
            (task for task in self.tasks.values() if task.process is not None and task.process.pid == pid and not task.process.is_shadow), None
        )

    def living(self) -> list[Process]:
        """The processes that live."""
        processes = (task.process for task in self.tasks.values())
        return [each for each in processes if each is not None and not each.is_shadow]

    def add_zombie(self, task: Task, zombie: Zombie) -> None:
        """Keep what is left of a process whose last task was ``task``."""
        self.zombies = {**self.zombies, task.number: zombie}

    def forget(self, numbers: Iterable[int]) -> None:
        """Forget zombies, by the numbers of their last tasks. (``reap_child_locked``)"""
        gone = set(numbers)
        self.zombies = {number: zombie for number, zombie in self.zombies.items() if number not in gone}
