"""The processes behind tasks, their audit sessions, and what the kernel draws for new ones (``kern_fork.c``,
``kern_proc.c``, ``audit_session.c``).

A ``Process`` never changes: where its ids change, another takes its place. Only ``Core.set_identity`` does that where
tokens follow from the ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from sendright.mach.abi.tokens import FIRST_SESSION
from sendright.mach.state.boot import FIRST_PID_VERSION
from sendright.mach.state.process import Process, Zombie

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task


class Processes:
    """The processes that have ended and aren't forgotten, the audit sessions, and the counters. The living processes
    are behind their tasks.
    """

    __slots__ = ("new_sessions", "pids", "sessions", "tasks", "versions", "zombies")

    def __init__(self, tasks: Mapping[int, Task], last_pid: int) -> None:
        self.tasks = tasks
        """The live tasks, by number."""
        self.pids: Iterator[int] = count(last_pid + 1)
        """The pids of new processes (``lastpid`` in ``forkproc``)."""
        self.versions: Iterator[int] = count(FIRST_PID_VERSION)
        """The pid versions of new images (``nextpidversion``)."""
        self.zombies: dict[int, Zombie] = {}
        """By the numbers of their last tasks. It is never changed, but replaced: snapshots have it."""
        self.sessions: dict[int, int] = {}
        """The audit sessions that processes are in, each with its audit user. It is replaced, too."""
        self.new_sessions: Iterator[int] = count(FIRST_SESSION)
        """Numbers for new sessions (``audit_session_nextid``)."""

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
        """Forget zombies, by the numbers of their last tasks, and end the sessions that only they were in.
        (``reap_child_locked``)
        """
        gone = set(numbers)
        self.zombies = {number: zombie for number, zombie in self.zombies.items() if number not in gone}
        self.end_sessions()

    def free_session(self) -> int:
        """The next number for a new session that no session has. (``audit_session_new``)"""
        return next(number for number in self.new_sessions if number not in self.sessions)

    def set_audit_user(self, session: int, audit_user: int) -> None:
        """Set the audit user of a session. If there is none with this number, make it. (``audit_update_sentry``)"""
        self.sessions = {**self.sessions, session: audit_user}

    def end_sessions(self) -> None:
        """End the sessions that no process is in any more. A zombie is still in its own. (``audit_session_remove``)"""
        used = {task.process.session for task in self.tasks.values() if task.process is not None}
        used |= {zombie.session for zombie in self.zombies.values()}
        self.sessions = {session: audit_user for session, audit_user in self.sessions.items() if session in used}
