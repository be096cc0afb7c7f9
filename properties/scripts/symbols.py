"""The values of the symbols of a running case; turns the case's steps into concrete calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.abi.descriptors import is_memory, received_pages, rights_in
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, Signature
from sendright.mach.signatures.messages import MESSAGE_CALLS
from sendright.mach.signatures.widths import as_seen
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Snapshot, Task
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.scripts.message_options import BOTH
from sendright.properties.scripts.servers import LibraryStep
from sendright.properties.scripts.setup import Setup
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.scripts.steps import MESSAGE, NEW_TASK, PAGES, PlannedStep, caller_is_meant
from sendright.properties.scripts.values import (
    DEAD_PORT,
    HOST_SELF,
    NULL,
    USER_PORT,
    VALID,
    Limit,
    Symbol,
    TaskPort,
    TokenOf,
    Value,
    WellKnown,
    symbols_in,
)
from sendright.properties.servers.library import Message

_NAMED_BY_OBJECT = {
    PortObject.HOST: "host",
    PortObject.HOST_PRIV: "host_priv",
    PortObject.HOST_SECURITY: "host_security",
    PortObject.DEVICE: "device_priv",
}
_LEDGERS = ("root_ledger_wired", "root_ledger_paged")
_IN_CALLERS_SPACE = (ArgumentType.PORT, ArgumentType.RIGHT_NAME)


class PendingStep(NamedTuple):
    """A step whose call hasn't ended."""

    call: Call
    """The call with its original arguments."""
    target: int | None
    """The task that it acts on."""
    created: int | None
    """The task that it created."""


class BoundValue(NamedTuple):
    """The value that a step bound."""

    value: Any
    """A number, usually a name in the caller's space, or a token; None: the call returned nothing."""
    caller: int
    task: int | None
    """The task that the step created."""


class Symbols:
    """The symbols of one case on one run."""

    def __init__(self, run: JudgedRun, literal_names: frozenset[int] = frozenset()) -> None:
        self.run = run
        self.profile = run.profile
        self.presumed = Setup(run, literal_names)
        self.bound: dict[str, BoundValue] = {}
        self.waiting: dict[int, PendingStep] = {}
        """Task -> its pending call."""
        self.shared: dict[str, int] = {}
        """Symbols of servers' rights -> the port: in another space they mean a send right to it."""
        self.tasks: dict[str, int] = {bootstrap_symbol(run.profile): BOOTSTRAP_TASK}
        """The tasks of symbols that no step binds."""

    @property
    def snapshot(self) -> Snapshot:
        return self.run.snapshot

    # A script's set-up

    def prepare(self, steps: Iterable[PlannedStep | LibraryStep], later: Iterable[str] = ()) -> None:
        """Set up everything that the steps take for granted and no step binds: the tasks first, then the rights.

        ``later`` are symbols that something else binds.
        """
        planned = list(steps)
        made = [step for step in planned if isinstance(step, PlannedStep)]
        later = {*later, *(binding.symbol for step in made for binding in step.bindings)}
        mentioned = [symbol for step in planned for symbol in (step.caller, *(symbol for _, symbol in step.symbols())) if symbol not in later]
        of_boot = boot_symbols(self.profile)
        self.tasks |= {symbol: of_boot[symbol] for symbol in mentioned if symbol in of_boot}
        for symbol in mentioned:
            self.task_of(symbol)
        for step in made:
            if step.caller not in later:
                self._prepare_rights(step, later)

    def _prepare_rights(self, step: PlannedStep, later: set[str]) -> None:
        if step.resume:
            return
        signature = SIGNATURES[step.call]
        arguments = {argument.name: self._argument_value(signature, argument, step) for argument in signature.arguments}
        if any(symbol in later for value in arguments.values() for symbol in symbols_in(value)):
            arguments = {name: value for name, value in arguments.items() if signature.argument(name).type in _IN_CALLERS_SPACE}
        caller = self.task_of(step.caller)
        for name, value in arguments.items():
            if not any(symbol in later for symbol in symbols_in(value)):
                try:
                    self._resolve(signature.argument(name), value, caller, caller)
                except NotModelled:
                    return  # reported again when the step runs

    def task_of(self, symbol: str) -> int:
        """The number of the task that ``symbol`` stands for: a boot task in profiles where no call creates tasks; in
        others the bootstrap task creates it if necessary. Raises NotModelled."""
        bound = self.bound.get(symbol)
        if bound is not None:
            if bound.task is None:
                raise NotModelled(f"{symbol} is not a task that a step created")
            return bound.task
        if symbol not in self.tasks:
            unnamed = [task for task in boot_symbols(self.profile).values() if task not in self.tasks.values()]
            self.tasks[symbol] = unnamed[0] if unnamed else self.presumed.create_task(len(self.tasks))
        return self.tasks[symbol]

    def live_task_of(self, symbol: str) -> int:
        """Like ``task_of``, for a task that must be live, to make a call or to show its tokens."""
        task = self.task_of(symbol)
        if task not in self.snapshot.tasks:
            raise NotModelled(f"task {symbol} no longer lives")
        return task

    # A step's meaning

    def call_of(self, step: PlannedStep) -> tuple[int, Call]:
        """The number of the calling task, and the concrete call. Raises NotModelled."""
        signature = SIGNATURES[step.call]
        caller = self.live_task_of(step.caller)
        resumed = Call(self._pending_call(step, caller) if step.resume else step.call, {}, stop=step.stop, resume=True)
        if not (step.resume and self.run.can_make(caller, resumed)):
            self._check_that_it_can(step, self.snapshot.tasks[caller])
        if step.resume:
            return caller, resumed
        target = target_of(signature, self.profile)
        values = {argument.name: self._argument_value(signature, argument, step) for argument in signature.arguments}
        arguments: dict[str, Any] = {}
        space = caller
        for argument in sorted(signature.arguments, key=lambda argument: argument.name != target):
            arguments[argument.name] = self._resolve(argument, values[argument.name], caller, space)
            if argument.name == target:
                task = self.task_behind(caller, arguments[argument.name])
                space = caller if task is None else task
        made = Call(step.call, {argument.name: arguments[argument.name] for argument in signature.arguments}, step.shortage, step.stop)
        return caller, as_seen(made, signature, self.profile.name)

    def _check_that_it_can(self, step: PlannedStep, caller: Task) -> None:
        """Raises NotModelled if the task can't make, or resume, the step's call now."""
        if caller.suspend_count:
            raise NotModelled(f"task {step.caller} is suspended, so it can't make a call")
        waits_in = None if caller.waiting is None else caller.waiting.call
        if step.resume and waits_in != self._pending_call(step, self.task_of(step.caller)):
            raise NotModelled(f"task {step.caller} has no pending {step.call} to resume")
        if waits_in is not None and not step.resume:
            raise NotModelled(f'task {step.caller} is blocked in {waits_in}, so it can\'t make another call (resume it with "resume": true)')

    def _pending_call(self, step: PlannedStep, caller: int) -> str:
        """The call that a step resumes. A ``mach_msg`` waits in one of its halves."""
        waiting = self.snapshot.tasks[caller].waiting
        return waiting.call if step.call == BOTH and waiting is not None and waiting.call in MESSAGE_CALLS else step.call

    def note_waiting(self, caller: int, call: Call, target: int | None, result: Result) -> None:
        """Remember the call of a step if it is pending, and forget it once it has ended."""
        if result.code not in IN_PROGRESS:
            self.waiting.pop(caller, None)
        elif not call.resume:
            self.waiting[caller] = PendingStep(call, target, result.created_task)

    def task_behind(self, caller: int, name: int) -> int | None:
        """The live task whose port the caller's ``name`` denotes."""
        entry = self.snapshot.tasks[caller].names.get(name)
        port = None if entry is None or entry.port is None else self.snapshot.ports.get(entry.port)
        return None if port is None or port.task not in self.snapshot.tasks else port.task

    def _argument_value(self, signature: Signature, argument: Argument, step: PlannedStep) -> Any:
        if argument.name in step.arguments:
            value = step.arguments[argument.name]
            # A message can't be sent to a null name: the script means a port without a kernel object.
            return USER_PORT if value == NULL and argument.name == target_of(signature, self.profile) else value
        return TaskPort(None) if caller_is_meant(signature, argument) else argument.default

    def _resolve(self, argument: Argument, value: Value, caller: int, target: int) -> Any:
        """The number, or numbers, of ``value`` as ``argument``."""
        kind = argument.type
        if value == VALID:
            return self._valid(argument, caller)
        if kind in _IN_CALLERS_SPACE:
            return self.name(value, caller)
        if kind is ArgumentType.NAME:
            return self.name(value, target)
        if kind is ArgumentType.PORTS:
            assert isinstance(value, tuple)
            return tuple([self._valid(argument, caller, index) if each == VALID else self.name(each, caller) for index, each in enumerate(value)])
        if kind is ArgumentType.DESCRIPTORS:
            assert isinstance(value, tuple)
            return tuple([self.descriptor(each, caller) for each in value])
        resolved = self.value(value)
        if kind in (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN, ArgumentType.LIMITS):
            if not (isinstance(resolved, tuple) and all(isinstance(word, int) for word in resolved)):
                raise NotModelled(f"{argument.name} is not " + ("an array of numbers" if kind is ArgumentType.LIMITS else "a token"))
        elif not isinstance(resolved, int):
            raise NotModelled(f"{argument.name} is not a number")
        return resolved

    def descriptor(self, value: Value, caller: int) -> tuple[Any, ...]:
        """The descriptor that ``value`` means, with names in the caller's space. Raises NotModelled."""
        assert isinstance(value, tuple)
        if is_memory(value):
            page, copy, deallocate = value
            number = self.value(page)
            if not isinstance(number, int):
                raise NotModelled("the page of a descriptor is not a number")
            return number, copy, deallocate
        named, disposition = value
        return tuple([self.name(each, caller) for each in named]) if isinstance(named, tuple) else self.name(named, caller), disposition

    def _valid(self, argument: Argument, caller: int, index: int = 0) -> int:
        """The name of a right that is valid for ``argument``."""
        if argument.object is PortObject.TASK:
            return self.presumed.own_port(caller)
        if argument.name == "child_ledger":
            raise NotModelled("the script doesn't say which child_ledger is valid")
        if argument.object is PortObject.LEDGER:
            if index >= len(_LEDGERS):
                raise NotModelled("there are only two ledgers")
            return self.presumed.well_known(_LEDGERS[index], caller)
        if argument.object is not None:
            return self.presumed.well_known(_NAMED_BY_OBJECT[argument.object], caller)
        if argument.type is ArgumentType.NAME:
            raise NotModelled(f"the script doesn't say which {argument.name} is valid")
        return self.presumed.made(USER_PORT, caller)

    def name(self, value: Value, space: int) -> int:
        """The name that ``value`` means in the space of the task ``space``. Raises NotModelled."""
        if isinstance(value, Symbol):
            bound = self.bound.get(value.name)
            if bound is not None and bound.caller != space and value.name in self.shared:
                return self.presumed.right_to(self.shared[value.name], space)
            if bound is not None and (bound.task is None or bound.caller == space):
                return self._number(value.name, bound)
            return self.presumed.port_of_task(self.task_of(value.name), space)
        if isinstance(value, TaskPort):
            return self.presumed.port_of_task(space if value.task is None else self.task_of(value.task), space)
        if isinstance(value, WellKnown):
            if value == NULL:
                return 0
            return self.presumed.made(value, space) if value in (USER_PORT, DEAD_PORT, HOST_SELF) else self.presumed.well_known(value.word, space)
        assert isinstance(value, int)
        return value

    def _number(self, symbol: str, bound: BoundValue) -> int:
        if not isinstance(bound.value, int):
            if bound.task is not None:
                raise NotModelled(f"{symbol} is a task, and the call that created it gave no name for it")
            raise NotModelled(f"{symbol} is not a name: the step that binds it returned {'none' if bound.value is None else 'something else'}")
        return bound.value

    def value(self, value: Value) -> Any:
        """The present number or token of ``value``. Raises NotModelled."""
        if isinstance(value, Symbol):
            bound = self.bound.get(value.name)
            if bound is None or bound.value is None:
                raise NotModelled(f"{value.name} has no value: the step that binds it returned none")
            return bound.value
        if isinstance(value, TokenOf):
            task = self.live_task_of(value.task)  # may create it, and so change the snapshot
            shown = self.snapshot.tasks[task]
            token = shown.security_token if value.kind == "security_token" else shown.audit_token
            return token if value.index is None else token[value.index]
        if isinstance(value, Limit):
            limit: int = getattr(self.profile, value.field)
            return limit + value.offset
        if isinstance(value, tuple):
            return tuple([self.value(each) for each in value])
        return value

    def bind(self, step: PlannedStep, caller: int, result: Result, made: int | None) -> None:
        """Bind the step's symbols to its call's results; ``made`` is the task that the call created, now or before
        it was resumed."""
        body = result.outputs.get("descriptors", ())
        lists: dict[str, Any] = {"descriptors": tuple([name for name, _ in rights_in(body)]), PAGES: received_pages(body)}
        if "reply_disposition" in result.outputs:
            lists[MESSAGE] = Message(result.outputs["reply"], result.outputs["reply_disposition"], body)
        for binding in step.bindings:
            given = lists.get(binding.output, result.outputs.get(binding.output))
            if binding.element is not None and isinstance(given, tuple):
                given = given[binding.element] if binding.element < len(given) else None
            created = made if binding.output == NEW_TASK else None
            self.shared.pop(binding.symbol, None)
            self.bound[binding.symbol] = BoundValue(given, caller, created)


def bootstrap_symbol(profile: Profile) -> str:
    """The bootstrap task's symbol in scripts: S, the holder of the host security port; A in profiles without such a
    port."""
    return "S" if "host_security" in profile.bootstrap_names else "A"


def boot_symbols(profile: Profile) -> dict[str, int]:
    """The symbols of the other boot tasks in scripts: T1, T2 …"""
    return {f"T{task}": task for task in range(1, profile.boot_tasks)}


def target_of(signature: Signature, profile: Profile) -> str | None:
    """The argument that the request is sent to in this profile; None for a trap."""
    if profile.task_is_target and signature.target == "host_security":
        return next(argument.name for argument in signature.arguments if argument.object is PortObject.TASK)
    return signature.target
