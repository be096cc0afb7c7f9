"""Sets up the tasks and rights that a script takes for granted.

Real calls set them up: the bootstrap task creates the other tasks, and a holder of a right inserts it into the space of
the task that needs it. These calls are judged and kept in the trace like those of the script.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Disposition, HostPort, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.signatures import CHILD_MAKERS, SIGNATURES, Signature
from sendright.mach.state.boot import BOOTSTRAP_TASK, HOST_PORT, WELL_KNOWN_PORTS
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step
from sendright.properties.runs.judged_run import JudgedRun, callers
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.scripts.values import DEAD_PORT, HOST_SELF, WellKnown

_FIRST_INSERTED_NAME = 101
"""The first name for inserted rights: above the names that kernels choose first."""


class Setup:
    """The set-up of one case. All methods raise NotModelled if it can't be set up, and Violated as the run does."""

    def __init__(self, run: JudgedRun, literal_names: frozenset[int]) -> None:
        self.run = run
        self.profile = run.profile
        self.literal_names = literal_names
        """Names that the script spells as numbers: the set-up must not use them."""
        self.held: dict[tuple[int, str], int] = {}
        """(task, what) -> the name under which the task got it. It stays the same, whatever the task does with the
        name later."""

    @property
    def snapshot(self) -> Snapshot:
        """The state of the run."""
        return self.run.snapshot

    def create_task(self, number: int) -> int:
        """Create a task, with tokens of its own if the profile has any, so that tokens identify it. Raises
        NotModelled if no call creates tasks."""
        if not any(map(self.profile.serves, CHILD_MAKERS)):
            more = "a script gets others by fork" if self.profile.has_processes else "no call makes more"
            raise NotModelled(f"profile {self.profile.name} has {self.profile.boot_tasks} tasks, and {more}")
        arguments: dict[str, Any] = {"parent_task": self.own_port(BOOTSTRAP_TASK)}
        call = "task_create"
        if self.profile.serves("host_security_create_task_token") and "host_security" in self.profile.bootstrap_names:
            call = "host_security_create_task_token"
            who = 500 + number
            arguments["host_security"] = self.well_known("host_security", BOOTSTRAP_TASK)
            arguments["security_token"] = (who, who)
            arguments["audit_token"] = (who, who, who, who, who, 100 + number, 100000 + number, 1)
        result = self._do(BOOTSTRAP_TASK, call, **arguments)
        if result.created_task is None:
            raise NotModelled(f"the implementation doesn't say which task {call} created")
        return result.created_task

    def _do(self, caller: int, call: str, /, **arguments: Any) -> Step:
        """Make a call of the set-up, which must succeed."""
        if caller not in self.snapshot.tasks:
            raise NotModelled(f"the script's set-up isn't possible: task {caller} no longer lives")
        if caller not in callers(self.snapshot):
            raise NotModelled(f"the script's set-up isn't possible: task {caller} is suspended, or blocked in a call")
        try:
            result = self.run.call(caller, Call(call, complete(SIGNATURES[call], arguments)))
        except NotMade as error:
            raise NotModelled(f"the script's set-up isn't possible: {call}: {error}") from error
        if result.code != ReturnCode.KERN_SUCCESS:
            raise NotModelled(f"the script's set-up isn't possible: {call} returned {code_name(result.code)}")
        return result

    def own_port(self, task: int) -> int:
        """The name of the live ``task`` for its own port, from its first mach_task_self in the set-up."""
        held = self.held.get((task, f"task {task}"))
        if held is None:
            held = self.held[task, f"task {task}"] = self._do(task, "mach_task_self").outputs["port"]
        return held

    def port_of_task(self, task: int, space: int) -> int:
        """The name that the task ``space`` has for the port of ``task``."""
        if space == task:
            return self.own_port(task)
        if (space, f"task {task}") not in self.held:
            if task not in self.snapshot.tasks:
                raise NotModelled(f"task {task} no longer lives, and task {space} had no right to it")
            self.held[space, f"task {task}"] = self._give(space, self.snapshot.tasks[task].port)
        return self.held[space, f"task {task}"]

    def well_known(self, word: str, space: int) -> int:
        """The name that the task ``space`` has for a port of ``WELL_KNOWN_PORTS``."""
        if word != "host" and word not in self.profile.bootstrap_names:
            raise NotModelled(f"no task has {word} in profile {self.profile.name}")
        if space == BOOTSTRAP_TASK and word != "host":
            return self.profile.bootstrap_names.index(word) + 1
        if (space, word) not in self.held:
            if word == "host" and self._name_for(BOOTSTRAP_TASK, HOST_PORT) is None:
                self._get_host()
            self.held[space, word] = self._give(space, WELL_KNOWN_PORTS[word])
        return self.held[space, word]

    def _get_host(self) -> None:
        """Get the bootstrap task a right to the ordinary host port, which need not be its own host port."""
        if self.profile.first_task_is_privileged:
            host_priv = self.well_known("host_priv", BOOTSTRAP_TASK)
            self._do(BOOTSTRAP_TASK, "host_get_special_port", host_priv=host_priv, which=int(HostPort.HOST))
        else:
            self._do(BOOTSTRAP_TASK, "mach_host_self")

    def right_to(self, port: int, space: int) -> int:
        """The name that the task ``space`` has for a send right to ``port``, which it gets if it has none."""
        if (space, f"port {port}") not in self.held:
            self.held[space, f"port {port}"] = self._give(space, port)
        return self.held[space, f"port {port}"]

    def _name_for(self, task: int, port: int) -> int | None:
        """The name of a send right to ``port`` in a space."""
        for name, entry in self.snapshot.tasks[task].names.items():
            if entry.port == port and entry.kind in (SlotKind.SEND, SlotKind.SEND_RECEIVE):
                return name
        return None

    def _give(self, task: int, port: int, tried: frozenset[int] = frozenset()) -> int:
        """Give ``task`` a send right to ``port``; returns its name. The bootstrap task extracts it from any task
        that it can reach."""
        if task not in self.snapshot.tasks:
            raise NotModelled(f"task {task} no longer lives")
        name = self._name_for(task, port)
        if name is not None:
            return name
        if task != BOOTSTRAP_TASK:
            target = self._give(BOOTSTRAP_TASK, self.snapshot.tasks[task].port)
            right = self._give(BOOTSTRAP_TASK, port)
            name = self._free_name(task)
            self._do(BOOTSTRAP_TASK, "mach_port_insert_right", task=target, name=name, poly=right, disposition=int(Disposition.COPY_SEND))
            return name
        if port == self.snapshot.tasks[task].port:
            return self.own_port(task)
        for how, name_for in ((Disposition.COPY_SEND, self._name_for), (Disposition.MAKE_SEND, self._receiver_of)):
            for holder, shown in self.snapshot.tasks.items():
                held = name_for(holder, port)
                if held is not None and holder not in tried and shown.port != port:
                    return self._extract(holder, held, how, tried)
        raise NotModelled(f"no task can give task {task} a right to port {port}")

    def _extract(self, holder: int, held: int, how: Disposition, tried: frozenset[int]) -> int:
        """The bootstrap task's name for a send right that it takes from what another task holds."""
        if holder == BOOTSTRAP_TASK:
            own = self.own_port(holder)
            self._do(holder, "mach_port_insert_right", task=own, name=held, poly=held, disposition=int(how))
            return held
        target = self._give(BOOTSTRAP_TASK, self.snapshot.tasks[holder].port, tried | {holder})
        poly: int = self._do(BOOTSTRAP_TASK, "mach_port_extract_right", task=target, name=held, disposition=int(how)).outputs["poly"]
        return poly

    def _receiver_of(self, task: int, port: int) -> int | None:
        """The name of the receive right of ``port`` in a space."""
        for name, entry in self.snapshot.tasks[task].names.items():
            if entry.port == port and entry.kind is SlotKind.RECEIVE:
                return name
        return None

    def _free_name(self, task: int) -> int:
        """A name that neither the task nor the script has.

        Where names have a form, one of an index that neither has.
        """
        generations = self.profile.chosen_name(1) - self.profile.chosen_name(0)
        taken = {name // generations for name in (*self.snapshot.tasks[task].names, *self.literal_names)}
        return self.profile.chosen_name(next(index for index in count(_FIRST_INSERTED_NAME) if index not in taken))

    def made(self, word: WellKnown, space: int) -> int:
        """The name of a right that the task ``space`` makes or gets for itself, once for each word."""
        if (space, word.word) not in self.held:
            if word == HOST_SELF:
                name = self._do(space, "mach_host_self").outputs["port"]
            else:
                name = self._make_port(space)
                if word == DEAD_PORT:
                    self._do(space, "mach_port_mod_refs", task=self.own_port(space), name=name, right=int(Right.RECEIVE), delta=-1)
            self.held[space, word.word] = name
        return self.held[space, word.word]

    def receive_right(self, task: int) -> int:
        """The name of a new port's receive right, which the task makes for itself."""
        name: int = self._do(task, "mach_port_allocate", task=self.own_port(task), right=int(Right.RECEIVE)).outputs["name"]
        return name

    def _make_port(self, task: int) -> int:
        own, name = self.own_port(task), self.receive_right(task)
        self._do(task, "mach_port_insert_right", task=own, name=name, poly=name, disposition=int(Disposition.MAKE_SEND))
        return name


def complete(signature: Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    """All arguments of a call, in the signature's order, with defaults for the missing ones."""
    return {argument.name: arguments.get(argument.name, argument.default) for argument in signature.arguments}
