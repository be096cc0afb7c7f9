"""A kernel of one task and three calls, for sendright.check: see docs/api.md."""

from itertools import count

import sendright
from sendright import Profile, Result, ReturnCode, Right, SlotKind, View

KINDS = {Right.RECEIVE: SlotKind.RECEIVE, Right.PORT_SET: SlotKind.PORT_SET, Right.DEAD_NAME: SlotKind.DEAD_NAME}


class SmallKernel(sendright.Kernel):
    """Keeps which right each name of the task denotes, and how many user references it has."""

    profiles = ("manual",)
    shows = frozenset({sendright.ViewPart.UREFS})

    def boot(self, profile: Profile) -> None:
        """The task has a send right for each of these ports of the kernel, under the names 1, 2, 3 …"""
        self.rights = dict.fromkeys(range(1, len(profile.bootstrap_names) + 1), (SlotKind.SEND, 1))
        self.task_self = 0  # the name of the task's own port; 0: mach_task_self wasn't called yet
        self.most = profile.urefs_max

    def snapshot(self) -> View:
        """The names of task 0: all that this kernel shows."""
        return View({0: sendright.Space({name: sendright.NamedRight(*right) for name, right in self.rights.items()})})

    def _fresh_name(self) -> int:
        return next(name for name in count(1) if name not in self.rights)

    def mach_task_self(self, caller: int) -> Result:
        """Give the task a send right for its own port: under a new name, or one more reference of the name it has."""
        if self.task_self not in self.rights:
            self.task_self = self._fresh_name()
        _, urefs = self.rights.get(self.task_self, (SlotKind.SEND, 0))
        self.rights[self.task_self] = SlotKind.SEND, min(urefs + 1, self.most - 1)
        return Result(ReturnCode.KERN_SUCCESS, {"port": self.task_self})

    def mach_port_allocate(self, caller: int, task: int, right: int) -> Result:
        """Make a receive right, a port set or a dead name."""
        refused = self._refused(task)
        if refused is not None:
            return refused
        if right not in KINDS:
            return Result(ReturnCode.KERN_INVALID_VALUE)
        name = self._fresh_name()
        self.rights[name] = KINDS[Right(right)], int(right == Right.DEAD_NAME)
        return Result(ReturnCode.KERN_SUCCESS, {"name": name})

    def mach_port_deallocate(self, caller: int, task: int, name: int) -> Result:
        """Take one user reference of a send right or a dead name."""
        refused = self._refused(task)
        if refused is not None:
            return refused
        if name not in self.rights:
            return Result(ReturnCode.KERN_INVALID_NAME)
        kind, urefs = self.rights[name]
        if kind not in (SlotKind.SEND, SlotKind.DEAD_NAME):
            return Result(ReturnCode.KERN_INVALID_RIGHT)
        self.rights[name] = kind, urefs - 1
        if urefs == 1:
            del self.rights[name]
        return Result(ReturnCode.KERN_SUCCESS)

    def _refused(self, task: int) -> Result | None:
        """Why a call is refused that is sent to what ``task`` denotes; None: that is the task."""
        if self.rights.get(task, (None, 0))[0] is not SlotKind.SEND:
            return Result(ReturnCode.MACH_SEND_INVALID_DEST)
        return None if task == self.task_self else Result(ReturnCode.KERN_INVALID_TASK)
