"""The calls of a run with symbols for earlier calls' results, so that leaving out a call doesn't change the others'
meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import msgspec

from sendright.mach.abi.descriptors import is_array, is_memory, rights_in
from sendright.mach.kernel.call import Call
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step
from sendright.properties.provenance.origins import control_ports, further_port


class ResultRef(msgspec.Struct, frozen=True):
    """The name or pid that call number ``call`` returned in ``output``. ``seen`` is its original value, used if the
    call returns none."""

    call: int
    output: str
    index: int
    seen: int


Name: TypeAlias = int | ResultRef

NAMES = (ArgumentType.PORT, ArgumentType.RIGHT_NAME, ArgumentType.NAME)


class SymbolicCall(msgspec.Struct, frozen=True):
    """A call whose names are numbers or ``ResultRef``. ``number`` identifies it in its run, even if other calls are
    left out."""

    number: int
    caller: int
    """The calling task's number in the original run."""
    name: str
    arguments: dict[str, Any]
    shortage: int = 0
    stop: bool = False
    resume: bool = False
    creates: int | None = None
    """The number of the task that it created in the original run."""


def to_symbolic(steps: Iterable[Step], initial: Snapshot) -> list[SymbolicCall]:
    """The calls of a run that began in the state ``initial``."""
    symbols: dict[tuple[int, int], ResultRef] = {}
    """(task, name) -> the result that it is."""
    task_of = {port: shown.task for port, shown in initial.ports.items() if shown.task is not None}
    ports: dict[tuple[int, int], int | None] = {
        (task, name): entry.port for task, shown in initial.tasks.items() for name, entry in shown.names.items()
    }
    known = set(initial.ports)
    pids: dict[int, ResultRef] = {}
    """Pid of a forked process -> the result that it is."""
    calls: list[SymbolicCall] = []
    for step in steps:
        signature = SIGNATURES[step.call]
        target = -1
        if signature.target is not None:
            port = ports.get((step.task, step.arguments.get(signature.target, -1)))
            target = -1 if port is None else task_of.get(port, -1)
        space = step.task if signature.target is None else target
        of_caller, of_target = _symbol(symbols, step.task), _symbol(symbols, space)
        arguments = {}
        for argument, value in step.arguments.items():
            kind = signature.argument(argument).type
            if kind is ArgumentType.PID:
                arguments[argument] = pids.get(value, value)
                continue
            arguments[argument] = mapped_names(kind, value, of_target if kind is ArgumentType.NAME else of_caller)
        calls.append(SymbolicCall(step.index, step.task, step.call, arguments, step.shortage, step.stop, step.resume, step.created_task))
        further = further_port(step, known)
        if further is not None:
            task_of[further] = target
        known.update(change.after.port for change in step.changes if change.after.port is not None)
        for change in step.changes:
            if change.slot.where == "name":
                where = change.slot.owner, change.slot.index
                ports[where] = change.after.port
                if not change.before.kind:
                    symbols.pop(where, None)
        for output, index, name in _names_returned(step):
            given = _type_of(step.call, output)
            if given is OutputType.PID:
                continue
            task = space if given is OutputType.NAME else step.task
            symbols.setdefault((task, name), ResultRef(step.index, output, index, name))
        task_of |= control_ports(step)
        if step.created_task is not None and "pid" in step.outputs:
            pids[step.outputs["pid"]] = ResultRef(step.index, "pid", 0, step.outputs["pid"])
    return calls


def _symbol(symbols: dict[tuple[int, int], ResultRef], task: int) -> Callable[[int], Name]:
    """A function that turns a name in the space of ``task`` into its symbol."""
    return lambda name: symbols.get((task, name), name)


def mapped_names(kind: ArgumentType, value: Any, change: Callable[[Any], Any]) -> Any:
    """The argument ``value`` of this type, with ``change`` applied to every name in it."""
    if kind in NAMES or isinstance(value, ResultRef):
        return change(value)
    if kind is ArgumentType.PORTS:
        return tuple([change(name) for name in value])
    if kind is ArgumentType.DESCRIPTORS:
        return tuple([_mapped_descriptor(descriptor, change) for descriptor in value])
    return value


def _mapped_descriptor(descriptor: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    if is_memory(descriptor):
        return descriptor
    named, form = descriptor
    return (tuple([change(name) for name in named]) if is_array(descriptor) else change(named), form)


def with_names(call: SymbolicCall, change: Callable[[Any], Any]) -> SymbolicCall:
    """``call`` with ``change`` applied to every name in its arguments."""
    signature = SIGNATURES[call.name]
    arguments = {name: mapped_names(signature.argument(name).type, value, change) for name, value in call.arguments.items()}
    return call if arguments == call.arguments else msgspec.structs.replace(call, arguments=arguments)


def names_in(call: SymbolicCall) -> list[Name]:
    """The names in the arguments of ``call``, in order."""
    found: list[Name] = []
    with_names(call, lambda name: found.append(name) or name)  # type: ignore[func-returns-value]
    return found


class Results:
    """The results of one attempt's calls, by their numbers; turns symbolic calls into real ones."""

    def __init__(self, boot_tasks: Iterable[int]) -> None:
        self.tasks = {task: task for task in boot_tasks}
        """Task of the original run -> the corresponding task of this attempt."""
        self._names: dict[tuple[int, str, int], int] = {}

    def real(self, call: SymbolicCall) -> Call:
        """``call`` with the names that this attempt's calls returned."""
        made = with_names(call, self._resolved)
        return Call(made.name, made.arguments, made.shortage, made.stop, made.resume)

    def _resolved(self, name: Name) -> int:
        return self._names.get((name.call, name.output, name.index), name.seen) if isinstance(name, ResultRef) else name

    def note(self, call: SymbolicCall, step: Step) -> None:
        """Record that ``call`` was made as ``step``."""
        for output, index, name in _names_returned(step):
            self._names[call.number, output, index] = name
        if call.creates is not None and step.created_task is not None:
            self.tasks[call.creates] = step.created_task


def _names_returned(step: Step) -> Iterator[tuple[str, int, int]]:
    """The names in the results of ``step``: (output, index, name)."""
    for output in SIGNATURES[step.call].outputs:
        value = step.outputs.get(output.name)
        if value is None:
            continue
        if output.type in (OutputType.PORT, OutputType.NAME, OutputType.PID) and isinstance(value, int):
            yield output.name, 0, value
        elif output.type is OutputType.PORTS:
            yield from ((output.name, index, name) for index, name in enumerate(value))
        elif output.type is OutputType.DESCRIPTORS:
            yield from ((output.name, index, name) for index, (name, _) in enumerate(rights_in(value)))


def _type_of(call: str, output: str) -> OutputType:
    return next(each.type for each in SIGNATURES[call].outputs if each.name == output)
