"""Exports a run as a script, with symbols for the names that its calls returned, so that it can run elsewhere.

An exported script needs no set-up, so running it makes exactly the calls of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.abi.descriptors import NO_PAGE, CopyOption, is_array, is_memory, received_pages, rights_in
from sendright.mach.abi.headers import headers_of
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, PortObject, SlotKind
from sendright.mach.kernel.profiles import PROFILES, Profile, profile_named
from sendright.mach.kernel.unmodelled import family
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType, Signature
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import LIMITS, Step, Trace, Violation
from sendright.properties.provenance.origins import control_ports
from sendright.properties.runs.judged_run import RETURN_CODE
from sendright.properties.scripts.schema import SCRIPT_FORMAT
from sendright.properties.scripts.steps import NEW_TASK, PAGES
from sendright.properties.scripts.symbols import boot_symbols, bootstrap_symbol

_RESERVED = {NULL_NAME: "MACH_PORT_NULL", DEAD_NAME: "MACH_PORT_DEAD"}
_NAMED = {
    ArgumentType.RIGHT: "MACH_PORT_RIGHT_",
    ArgumentType.DISPOSITION: "MACH_MSG_TYPE_",
    ArgumentType.INHERITANCE: "VM_INHERIT_",
    ArgumentType.FLAVOUR: "",
    ArgumentType.BEHAVIOUR: "",
    ArgumentType.ATTRIBUTES: "",
    ArgumentType.NOTIFICATION: "",
}
"""Types of numbers with names: the prefix that a script leaves out."""


def script_of(trace: Trace, id: str = "run", title: str = "") -> dict[str, Any]:
    """The run in ``trace`` as a script (docs/scripts.md) with one case.

    Each step expects the code in the trace. The violating step expects the code that the specification requires, if the
    violation says which, and otherwise nothing. Raises UnknownProfile.
    """
    profile = profile_named(trace.profile)
    violation = trace.violations[0] if trace.violations else None
    export = _Export(profile, trace.initial)
    written = [export.step(step, violation if violation is not None and violation.step == step.index else None) for step in trace.steps]
    for entry, binds in zip(written, export.bindings, strict=True):
        used = _used(binds, export.used)
        if used:
            entry["bind"] = used
    case: dict[str, Any] = {"id": id, "kind": "run", "title": title or _title(trace, violation)}
    if violation is not None:
        case["notes"] = violation.words
    standard = PROFILES[profile.name]
    for limit in LIMITS:
        if getattr(trace, limit) != getattr(standard, limit):
            case[limit] = getattr(trace, limit)
    case["steps"] = [
        {key: entry[key] for key in ("as", "call", "args", "bind", "shortage", "stop", "resume", "expect") if key in entry} for entry in written
    ]
    return {
        "format": SCRIPT_FORMAT,
        "source": {"generator": "sendright", "kind": "a run", "implementation": trace.implementation},
        "profile": profile.name,
        "cases": [case],
    }


def _title(trace: Trace, violation: Violation | None) -> str:
    """A title for the run. (The specification's last case would be misleading: it would read like the fault.)"""
    if violation is None:
        return f"{len(trace.steps)} calls"
    broken = next((step.call for step in trace.steps if step.index == violation.step), "booting")
    return f"a run in which {broken} fails"


def _used(binds: dict[str, Any], used: set[str]) -> dict[str, Any]:
    """The bindings without unused symbols."""
    kept: dict[str, Any] = {}
    for output, symbols in binds.items():
        if isinstance(symbols, str):
            if symbols in used:
                kept[output] = symbols
        elif any(symbol in used for symbol in symbols):
            kept[output] = [symbol if symbol in used else None for symbol in symbols]
    return kept


class _Export:
    """The symbols of an export, updated step by step."""

    def __init__(self, profile: Profile, initial: Snapshot) -> None:
        self.headers = headers_of(profile.name)
        self.callers: dict[int, str] = {BOOTSTRAP_TASK: bootstrap_symbol(profile)} | {task: word for word, task in boot_symbols(profile).items()}
        self.task_of_port = {port: shown.task for port, shown in initial.ports.items() if shown.object is PortObject.TASK}
        self.names: dict[int, dict[int, int | None]] = {
            number: {name: entry.port for name, entry in task.names.items()} for number, task in initial.tasks.items()
        }
        """Task -> name -> port: the spaces after the exported steps."""
        self.symbols: dict[tuple[int, int], str] = {
            (BOOTSTRAP_TASK, index + 1): word for index, word in enumerate((*profile.bootstrap_names, *boot_symbols(profile)))
        }
        """(task, name) -> symbol in the script."""
        self.pages: dict[tuple[int, int], str] = {}
        self.pids: dict[int, str] = {}
        """Pid of a forked process -> symbol."""
        self.stopped: dict[int, Step] = {}
        """Task -> the last step with which a call became pending."""
        self.used: set[str] = set()
        self.bindings: list[dict[str, Any]] = []
        self.counted: dict[str, int] = {}

    def step(self, step: Step, violation: Violation | None) -> dict[str, Any]:
        """One step of the script, still without its bindings."""
        signature = SIGNATURES[step.call]
        caller = self.callers[step.task]
        self.used.add(caller)
        space = self._target(signature, step)
        written: dict[str, Any] = {"as": caller, "call": step.call}
        if step.arguments and not step.resume:
            written["args"] = {
                argument.name: self._spelled(argument.type, step.arguments[argument.name], step.task, space)
                for argument in signature.arguments
                if argument.name in step.arguments
            }
        if step.shortage:
            written["shortage"] = step.shortage
        written |= {key: True for key in ("stop", "resume") if getattr(step, key)}
        expected = code_name(step.code) if violation is None else _expected(step, violation)
        if expected is not None:
            written["expect"] = {"ret": expected if expected in ReturnCode.__members__ else step.code}
        self._follow(step)
        self.bindings.append(dict(self._bindings(signature, step, space)))
        return written

    def _target(self, signature: Signature, step: Step) -> int:
        """The task in whose space a NAME is looked up."""
        if "task" in step.arguments and signature.target == "task":
            port = self.names.get(step.task, {}).get(step.arguments["task"])
            task = None if port is None else self.task_of_port.get(port)
            return step.task if task is None else task
        return step.task

    def _spelled(self, kind: ArgumentType, value: Any, caller: int, space: int) -> Any:
        if kind in (ArgumentType.PORT, ArgumentType.RIGHT_NAME):
            return self._name(caller, value)
        if kind is ArgumentType.NAME:
            return self._name(space, value)
        if kind is ArgumentType.PORTS:
            return [self._name(caller, name) for name in value]
        if kind is ArgumentType.DESCRIPTORS:
            return [self._descriptor(each, caller) for each in value]
        if kind is ArgumentType.PAGE:
            return self._page(space, value)
        if kind is ArgumentType.PID and value in self.pids:
            self.used.add(self.pids[value])
            return self.pids[value]
        if kind in _NAMED:
            names = {} if kind is not ArgumentType.DISPOSITION else {int(Disposition.NONE): "NONE"}
            for name, number in family(self.headers, kind).items():
                names.setdefault(number, name.removeprefix(_NAMED[kind]))
            return names.get(value, value)
        if kind is ArgumentType.EXCEPTION_MASK:
            return _mask(value, family(self.headers, kind))
        return list(value) if isinstance(value, tuple) else value

    def _descriptor(self, descriptor: tuple[Any, ...], caller: int) -> Any:
        if is_memory(descriptor):
            page, copied, gone = descriptor
            option = CopyOption(copied).name if copied in tuple(CopyOption) else copied
            return {"page": self._page(caller, page), "copy": option, "deallocate": gone}
        named, disposition = descriptor
        form = self._spelled(ArgumentType.DISPOSITION, disposition, caller, caller)
        if is_array(descriptor):
            return {"names": [self._name(caller, name) for name in named], "disposition": form}
        return [self._name(caller, named), form]

    def _page(self, task: int, page: int) -> str | int:
        symbol = self.pages.get((task, page))
        if symbol is None:
            return page
        self.used.add(symbol)
        return symbol

    def _name(self, task: int, name: int) -> str | int:
        symbol = _RESERVED.get(name) or self.symbols.get((task, name))
        if symbol is None:
            return name
        self.used.add(symbol)
        return symbol

    def _follow(self, step: Step) -> None:
        """Update the spaces, and the known task ports, to the state after ``step``."""
        for change in step.changes:
            if change.slot.where == "name":
                names = self.names.setdefault(change.slot.owner, {})
                if change.after.kind is SlotKind.NONE:
                    names.pop(change.slot.index, None)
                else:
                    names[change.slot.index] = change.after.port
        self.task_of_port |= control_ports(step)
        if step.code in IN_PROGRESS and not step.resume:
            self.stopped[step.task] = step

    def _bindings(self, signature: Signature, step: Step, space: int) -> Iterator[tuple[str, Any]]:
        begun = self.stopped.get(step.task) if step.resume else None
        created = step.created_task if begun is None else begun.created_task
        fresh = {(change.slot.owner, change.slot.index) for change in step.changes if change.slot.where == "name" and not change.before.kind}
        if signature.of_processes and step.created_task is not None:
            symbol = self.callers[step.created_task] = f"t{step.created_task}"
            yield NEW_TASK, symbol
        for output in signature.outputs:
            given = step.outputs.get(output.name)
            if output.name == NEW_TASK and created is not None:
                symbol = self.callers[created] = f"t{created}"
                if given is not None and given not in _RESERVED:
                    self.symbols[step.task, given] = symbol
                yield output.name, symbol
            elif given is None:
                continue
            elif output.type is OutputType.PID and created is not None:
                self.pids[given] = f"pid{created}"
                yield output.name, self.pids[given]
            elif output.type is OutputType.PORT:
                yield from self._bound(output.name, step.task, given, fresh)
            elif output.type is OutputType.NAME:
                yield from self._bound(output.name, space, given, fresh)
            elif output.type is OutputType.PAGE:
                yield output.name, self._new_page(space, given)
            elif output.type in (OutputType.PORTS, OutputType.DESCRIPTORS):
                in_body = output.type is OutputType.DESCRIPTORS
                if in_body and received_pages(given):
                    yield PAGES, [self._new_page(step.task, page) for page in received_pages(given)]
                names = [name for name, _ in rights_in(given)] if in_body else given
                symbols = [next(self._bound(output.name, step.task, name, fresh), ("", None))[1] for name in names]
                if any(symbols):
                    yield output.name, symbols

    def _bound(self, output: str, task: int, name: int, fresh: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
        """A symbol for a name that has none, or that was free before this step."""
        if name not in _RESERVED and ((task, name) not in self.symbols or (task, name) in fresh):
            symbol = self.symbols[task, name] = self._fresh("p")
            yield output, symbol

    def _new_page(self, task: int, page: int) -> str | None:
        """A symbol for a page that the kernel chose; None: there was no room for it."""
        if page == NO_PAGE:
            return None
        symbol = self.pages[task, page] = self._fresh("a")
        return symbol

    def _fresh(self, prefix: str) -> str:
        self.counted[prefix] = self.counted.get(prefix, 0) + 1
        return f"{prefix}{self.counted[prefix]}"


def _mask(bits: int, masks: dict[str, int]) -> int | str | list[str]:
    """An exception mask by its names, if it has no other bits."""
    named = next((name for name, mask in masks.items() if mask == bits), None)
    if named is not None or not bits:
        return named or bits
    found = [name for name, mask in masks.items() if mask & bits and not mask & (mask - 1)]
    return found if sum(masks[name] for name in found) == bits else bits


def _expected(step: Step, violation: Violation) -> str | None:
    """The code that the specification requires at the violating step, if known."""
    if violation.kind in ("state", "invariant", "derivation"):
        return code_name(step.code)
    for difference in violation.differences:
        if violation.kind == "result" and difference.where == RETURN_CODE and difference.expected in ReturnCode.__members__:
            return difference.expected
    return None
