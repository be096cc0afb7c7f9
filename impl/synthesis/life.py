"""Ordinary activity on a machine, without violations: users work in shells, daemons start and end, some programs change
their ids.

Legitimate activity that resembles a violation occurs too: set-id programs, daemons that give up root for a while,
agents started as another user, system programs that inspect other users' tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from sendright.impl.synthesis import programs
from sendright.impl.synthesis.machine import Machine, Process
from sendright.impl.synthesis.occurrence import Occurrence, Sightings
from sendright.impl.synthesis.programs import Program

_FILE_EVENTS = ("open", "close", "write", "lookup", "mmap")
UNSET = 0xFFFFFFFF
USERS = (501, 502)
MOST = 250
"""The usual number of processes; above it, exits are more frequent."""
CONTROL, EXPOSE, IDENTITY = 0, 1, 2
"""``es_get_task_type_t``."""


class Life:
    """An endless sequence of acts, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = Machine()
        self.gallery = Sightings()
        self.show = self.gallery.show
        self._boot()
        self.busy: list[Process] = []
        """Short-lived processes, which exit later."""
        self._acts: tuple[Callable[[], Iterator[Occurrence]], ...] = (
            self._tool,
            self._tool,
            self._tool,
            self._sudo,
            self._set_gid,
            self._agent,
            self._daemon,
            self._for_a_while,
            self._look_into,
            self._debug,
            self._signal,
            self._ask,
        )

    def _boot(self) -> None:
        """The processes that run when the recorder starts; their starts aren't recorded."""
        machine = self.machine
        self.daemons = [self._unseen(program, machine.first) for program in programs.DAEMONS]
        self.sysmond = self._unseen(programs.SYSMOND, machine.first)
        self.window_server = self._unseen(programs.WINDOW_SERVER, machine.first, euid=88, egid=88, ruid=88, rgid=88)
        self.shells: list[Process] = []
        for number, user in enumerate(USERS):
            ids = {"auid": user, "euid": user, "egid": 20, "ruid": user, "rgid": 20, "asid": 100_012 + number}
            self.shells += [self._unseen(programs.SHELL, machine.first, **ids) for _ in range(2)]
        self.lasting = [machine.first, *self.daemons, self.sysmond, self.window_server, *self.shells]

    def _unseen(self, program: Program, parent: Process, **ids: int) -> Process:
        process = self.machine.fork(parent)
        self.machine.become(process, program.path, program.mode, program.owner, program.platform, **ids)
        return process

    def acts(self) -> Iterator[Iterator[Occurrence]]:
        """The occurrences, one act after another. Plants are put between acts, not into one."""
        random = self.random
        while True:
            yield self._files()
            if self.busy and (len(self.busy) > MOST or random.random() < 0.48):
                yield iter((self.end(self.busy[random.randrange(len(self.busy))]),))
            else:
                yield random.choice(self._acts)()

    def _files(self) -> Iterator[Occurrence]:
        """Choose an element. (``random.choice`` would take most of the time.)"""
        chance, show = self.random.random, self.show
        for _ in range(4 + int(chance() * 20)):
            kind, file = _FILE_EVENTS[int(chance() * len(_FILE_EVENTS))], programs.FILES[int(chance() * len(programs.FILES))]
            yield Occurrence(kind, show(self._anyone()), None, file)

    def _anyone(self) -> Process:
        chance = self.random.random
        among = self.busy if self.busy and chance() < 0.6 else self.lasting
        return among[int(chance() * len(among))]

    # ---- what one process does

    def fork(self, parent: Process, **ids: int) -> tuple[Process, Occurrence]:
        """Fork: a child, and its occurrence."""
        before = self.show(parent)
        child = self.machine.fork(parent)
        if ids:
            self.machine.change(child, **ids)
        self.busy.append(child)
        return child, Occurrence("fork", before, self.show(child))

    def become(self, process: Process, program: Program, **ids: int) -> Occurrence:
        """Another image."""
        before = self.show(process)
        self.machine.become(process, program.path, program.mode, program.owner, program.platform, **ids)
        return Occurrence("exec", before, self.show(process))

    def call(self, kind: str, process: Process, argument: object, **ids: int) -> Occurrence:
        """A credential call."""
        before = self.show(process)
        self.machine.change(process, **ids)
        return Occurrence(kind, before, None, argument)

    def look(self, process: Process) -> Occurrence:
        """An event that has no other content than its actor."""
        return Occurrence("open", self.show(process), None, "/dev/null")

    def control(self, holder: Process, target: Process, how: int = CONTROL) -> Occurrence:
        """The process gets the task port of ``target``."""
        self.machine.give_control(holder, target)
        return Occurrence("get_task", self.show(holder), self.show(target), how)

    def end(self, process: Process) -> Occurrence:
        """The process exits."""
        last = self.show(process)
        self.machine.end(process)
        self.gallery.forget(process)
        self.busy.remove(process)
        return Occurrence("exit", last, None, 0)

    def start(self, parent: Process, program: Program, **ids: int) -> tuple[Process, list[Occurrence]]:
        """Spawn: a child with another image."""
        child, seen = self.fork(parent)
        return child, [seen, self.become(child, program, **ids)]

    # ---- what people and daemons do

    def _tool(self) -> Iterator[Occurrence]:
        _, seen = self.start(self.random.choice(self.shells), self.random.choice(programs.TOOLS))
        yield from seen

    def _sudo(self) -> Iterator[Occurrence]:
        sudo, seen = self.start(self.random.choice(self.shells), programs.SUDO)
        yield from seen
        yield self.call("setuid", sudo, 0, ruid=0, euid=0)
        _, seen = self.start(sudo, self.random.choice(programs.TOOLS))
        yield from seen

    def _set_gid(self) -> Iterator[Occurrence]:
        writer, seen = self.start(self.random.choice(self.shells), programs.WRITE)
        yield from seen
        yield self.call("setegid", writer, writer.token[4], egid=writer.token[4])

    def _agent(self) -> Iterator[Occurrence]:
        """The first process starts an agent as a user: with its image it gets that user's ids and session."""
        number = self.random.randrange(len(USERS))
        user = USERS[number]
        ids = {"auid": user, "euid": user, "egid": 20, "ruid": user, "rgid": 20, "asid": 100_012 + number}
        _, seen = self.start(self.machine.first, self.random.choice(programs.AGENTS), **ids)
        yield from seen

    def _daemon(self) -> Iterator[Occurrence]:
        """A daemon starts as root and gives that up permanently."""
        user = self.random.choice((65, 202, 241))
        daemon, seen = self.start(self.machine.first, self.random.choice(programs.DAEMONS))
        yield from seen
        yield self.call("setgid", daemon, user, rgid=user, egid=user)
        yield self.call("setuid", daemon, user, ruid=user, euid=user)

    def _for_a_while(self) -> Iterator[Occurrence]:
        """A daemon acts as a user for a while and is root again."""
        daemon, user = self.random.choice(self.daemons), self.random.choice(USERS)
        call, argument = self.random.choice((("seteuid", user), ("setreuid", (UNSET, user))))
        yield self.call(call, daemon, argument, euid=user)
        yield self.look(daemon)
        yield self.call("seteuid", daemon, 0, euid=0)

    def _look_into(self) -> Iterator[Occurrence]:
        """A system program gets the task port of a user's process: root may, and entitled programs of the system
        may.
        """
        target = self._anyone()
        holder = self.window_server if target.token[1] in USERS and self.random.random() < 0.3 else self.sysmond
        if holder is not target:
            yield self.control(holder, target)

    def _debug(self) -> Iterator[Occurrence]:
        """A user inspects a process of their own. Both processes have only that user's ids."""
        own = [one for one in self.busy if one.token[1] == one.token[3] and one.token[1] in USERS]
        if not own:
            return
        target = self.random.choice(own)
        shells = [shell for shell in self.shells if shell.token[1:5] == target.token[1:5]]
        if shells:
            debugger, seen = self.start(self.random.choice(shells), programs.DEBUGGER)
            yield from seen
            yield self.control(debugger, target)

    def _signal(self) -> Iterator[Occurrence]:
        yield Occurrence("signal", self.show(self.random.choice(self.shells)), self.show(self._anyone()), self.random.choice((1, 15, 20)))

    def _ask(self) -> Iterator[Occurrence]:
        """A process sends a request to the directory daemon, which reports the sender."""
        asker = self.show(self.random.choice(self.shells))
        yield Occurrence("od_group_add", self.show(self.daemons[-1]), asker, asker)
