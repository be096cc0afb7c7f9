"""The variables of an exported program: one for each name that a call returns, for as long as the name is in use."""

from __future__ import annotations

import re

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Snapshot

RESERVED = {NULL_NAME: "MACH_PORT_NULL", DEAD_NAME: "MACH_PORT_DEAD"}
_MOST_PLAIN = 0xFFFF


class Variables:
    """The variables after the steps so far. Names differ from kernel to kernel, so a program can't contain them."""

    def __init__(self, profile: Profile, boot: Snapshot) -> None:
        self.first: dict[str, int | None] = {}
        """Variable -> its value at the start; None: a call gives it one."""
        self.of_boot: dict[str, str] = {}
        """Variable -> the right of the boot state that it names: a well-known port, or a further task's."""
        self.current: dict[tuple[int, int], str] = {}
        """(task, name) -> variable: the names in use."""
        words = [*profile.bootstrap_names, *(f"task_{task}" for task in range(1, profile.boot_tasks))]
        for name in sorted(boot.tasks[BOOTSTRAP_TASK].names) if BOOTSTRAP_TASK in boot.tasks else ():
            variable = words[name - 1] if 0 < name <= len(words) else f"name_{name}"
            self.first[variable], self.of_boot[variable] = name, variable
            self.current[BOOTSTRAP_TASK, name] = variable

    def of(self, task: int, name: int) -> str | None:
        """The variable of a name in use; None: it isn't one."""
        return self.current.get((task, name))

    def new(self, task: int, name: int) -> str:
        """A new variable for a name that a call gave ``task``."""
        variable = self.current[task, name] = self._unused("p")
        self.first[variable] = None
        return variable

    def chosen(self, task: int, name: int) -> str:
        """The variable of a name that a caller chose: its value is known from the start."""
        words = f"name_{name}" if name <= _MOST_PLAIN else f"name_{name:#x}"
        variable = self.current[task, name] = re.sub(r"\W", "_", words)
        self.first[variable] = name
        return variable

    def forget(self, task: int, name: int) -> None:
        """The name means something else from now on."""
        self.current.pop((task, name), None)

    def forget_unused(self, after: Snapshot) -> None:
        """Names that are no longer in use lose their variables."""
        for task, name in list(self.current):
            if task not in after.tasks or name not in after.tasks[task].names:
                del self.current[task, name]

    def _unused(self, prefix: str) -> str:
        number = 1 + sum(variable.startswith(prefix) and variable[len(prefix) :].isdigit() for variable in self.first)
        return f"{prefix}{number}"
