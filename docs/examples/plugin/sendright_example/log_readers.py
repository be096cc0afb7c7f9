"""A log reader: lines like ``example: task 7 controls 1``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import Fact, RightToTask, Task, TaskRight, Token
from sendright_example.plugin import plugin

_LINE = re.compile(rb"example: task (\d{1,9}) of user (\d{1,9}) controls (\d{1,9}) of user (\d{1,9})\s*")


class ExampleLog:
    """Reads a line for each right that a task got to another task's control port."""

    name = "example"
    about = "lines that say which task controls which"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        """Whether a file with the first bytes ``head`` begins with such a line."""
        return head.startswith(b"example: task ")

    def read(self, source: Source) -> Iterator[Fact]:
        """Yields a fact for each line of ``source``, in its order: the right of a task, or that the line can't be read.
        Raises nothing, whatever is in the file.
        """
        for number, line, whole in source.lines():
            found = _LINE.fullmatch(line) if whole else None
            if found is None:
                yield source.cannot_read(number, "not of the form: example: task N of user N controls N of user N")
                continue
            holder, holders_user, target, targets_user = map(int, found.groups())
            record = source.record(number, "control")
            source.read("control")
            yield RightToTask(record, _task(holder, holders_user), _task(target, targets_user), TaskRight.CONTROL, "get_task")


def _task(pid: int, user: int) -> Task:
    """The task with process id ``pid``, whose real and effective user id is ``user``."""
    return Task(pid, token=Token(pid=pid, euid=user, ruid=user))


plugin.log_reader(ExampleLog())
