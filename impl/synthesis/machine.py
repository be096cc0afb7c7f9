"""A machine with processes on the reference kernel: each process is a task of that kernel, and its token is the task's.

The bootstrap task, which holds the host security port, does by Mach calls what a Unix kernel does with tokens. A fork
makes a task with its parent's tokens; exec and credential calls set them. A task port is inserted into the space of the
process that gets it.
"""

from __future__ import annotations

import msgspec

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.abi.tokens import AuditToken
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.boot import BOOTSTRAP_TASK

HOST_SECURITY = MANUAL.bootstrap_names.index("host_security") + 1
"""The bootstrap task's name for the host security port."""
LOOK_EVERY = 5_000
PIDS = 99_999
"""The largest process id, as on macOS. After it, the free ids are used again from the smallest."""


class Process(msgspec.Struct, eq=False):
    """A live process: a kernel task with a process id."""

    pid: int
    task: int
    """The task's number."""
    name: int
    """The bootstrap task's name for its port."""
    program: str
    parent: AuditToken
    """Its parent's token when it was made."""
    token: AuditToken
    """Its current token."""
    mode: int = 0o100755
    owner: tuple[int, int] = (0, 0)
    platform: bool = True
    group: int = 0
    controls: set[int] = msgspec.field(default_factory=set)
    """The tasks whose control port it got."""


class Machine:
    """The kernel, its processes, and the counters for their process ids and versions."""

    def __init__(self) -> None:
        self.kernel = ReferenceKernel()
        self.kernel.boot(MANUAL)
        own = self._call("mach_task_self").outputs["port"]
        self.last_pid, self.last_version = 300, 700
        token: AuditToken = (0xFFFFFFFF, 0, 0, 0, 0, 1, 100_000, self.new_version())
        self.first = Process(1, BOOTSTRAP_TASK, own, "/sbin/launchd", token, token)
        self._set(self.first, token)
        self._serial = 0
        self.processes: dict[int, Process] = {1: self.first}

    def new_version(self) -> int:
        """The next process version: one counter for the whole machine."""
        self.last_version = (self.last_version + 1) & 0xFFFFFFFF
        return self.last_version

    def new_pid(self) -> int:
        """The next free process id."""
        while True:
            self.last_pid = self.last_pid + 1 if self.last_pid < PIDS else 100
            if self.last_pid not in self.processes:
                return self.last_pid

    def fork(self, parent: Process, token: AuditToken | None = None) -> Process:
        """Make a child with its parent's token, except for process id and version, or with ``token``."""
        token = token or (*parent.token[:5], self.new_pid(), parent.token[6], self.new_version())
        made = self._call(
            "host_security_create_task_token",
            host_security=HOST_SECURITY,
            parent_task=parent.name,
            security_token=token[1:3],
            audit_token=token,
            ledgers=(),
            inherit_memory=False,
        )
        number = made.created_task
        assert number is not None
        name = made.outputs["child_task"]
        child = Process(token[5], number, name, parent.program, parent.token, self._token(number), parent.mode, parent.owner, parent.platform)
        child.group = parent.group
        self.processes[child.pid] = child
        if number % LOOK_EVERY == 0:
            self.kernel.snapshot()  # the kernel records what has changed since the last snapshot
        return child

    def become(self, process: Process, program: str, mode: int, owner: tuple[int, int], platform: bool, **ids: int) -> None:
        """Execute an image: a new version, the owner's effective ids if the image is set-id, and ``ids``, which a
        spawn can set.
        """
        given = {"version": self.new_version()} | ids
        if mode & 0o4000:
            given["euid"] = owner[0]
        if mode & 0o2000:
            given["egid"] = owner[1]
        self.change(process, **given)
        process.program, process.mode, process.owner, process.platform = program, mode, owner, platform
        process.group = process.pid

    def change(self, process: Process, **ids: int) -> None:
        """Change a process's ids, as a credential call does."""
        words = dict(zip(("auid", "euid", "egid", "ruid", "rgid", "pid", "asid", "version"), process.token, strict=True)) | ids
        self._set(process, tuple(words.values()))  # type: ignore[arg-type]

    def give_control(self, holder: Process, target: Process) -> None:
        """Insert a send right to the target's task port into the holder's space, unless it has one."""
        if target.task in holder.controls or holder is self.first:
            return
        holder.controls.add(target.task)
        name = 0x10_0000 + target.task
        self._call("mach_port_insert_right", task=holder.name, name=name, poly=target.name, disposition=Disposition.COPY_SEND)

    def new_port(self, process: Process) -> int:
        """The process allocates a receive right; its name for it."""
        name: int = self._call("mach_port_allocate", task=process.name, right=Right.RECEIVE).outputs["name"]
        return name

    def copy_right(self, giver: Process, name: int, taker: Process, how: Disposition, new_name: int) -> None:
        """Make a right from the one that ``giver`` has under ``name``, and insert it into the space of ``taker``
        under ``new_name``.
        """
        once = how == Disposition.MAKE_SEND_ONCE
        got = self._call("mach_port_extract_right", task=giver.name, name=name, disposition=how).outputs["poly"]
        moved = Disposition.MOVE_SEND_ONCE if once else Disposition.MOVE_SEND
        self._call("mach_port_insert_right", task=taker.name, name=new_name, poly=got, disposition=moved)

    def serial(self) -> int:
        """A new number."""
        self._serial += 1
        return self._serial

    def end(self, process: Process) -> None:
        """The process exits."""
        self._call("task_terminate", task=process.name)
        self._call("mach_port_deallocate", task=self.first.name, name=process.name)
        if self.processes.get(process.pid) is process:
            del self.processes[process.pid]

    def _set(self, process: Process, token: AuditToken) -> None:
        self._call(
            "host_security_set_task_token",
            host_security=HOST_SECURITY,
            target_task=process.name,
            security_token=token[1:3],
            audit_token=token,
        )
        process.token = self._token(process.task)

    def _token(self, task: int) -> AuditToken:
        return self.kernel.tasks[task].tokens.audit

    def _call(self, call: str, /, **arguments: object) -> Result:
        result = self.kernel.call(BOOTSTRAP_TASK, Call(call, arguments))
        assert result.code == ReturnCode.KERN_SUCCESS, (call, arguments, result)
        return result
