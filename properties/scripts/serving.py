"""Runs the servers of a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import is_array
from sendright.mach.abi.rights import Disposition
from sendright.mach.abi.tokens import KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.properties.runs.judged_run import JudgedRun, can_make
from sendright.properties.scripts.servers import DATA, KERNEL, REPLY, REQUEST, Doing, LibraryStep, PlannedRoutine, PlannedServer, UnmodelledServer
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.scripts.steps import PlannedStep
from sendright.properties.scripts.symbols import BoundValue, Symbols
from sendright.properties.servers.discipline import What
from sendright.properties.servers.library import Message
from sendright.properties.servers.random_requests import NamedServer
from sendright.properties.servers.server import ARRAY, MEMORY, Form, Request, Routine, Server
from sendright.properties.servers.service import Served, Service
from sendright.properties.servers.stage import Stage, new_service, stage_of

CLIENT = "client"
"""The symbol of the task from which random requests come."""


class ScriptedServer(Server):
    """A server of a script, on one run."""

    name: ClassVar[str] = "a server of a script"

    def __init__(self, planned: PlannedServer, symbols: Symbols) -> None:
        self.planned, self.symbols = planned, symbols
        self.bound: dict[str, BoundValue] = {}
        """Its own symbols. A case, or another server, may have the same ones for something else."""
        self.kept: dict[str, What | None] = {}
        """The symbols under which it keeps something now, and what."""
        self._routines = {
            id: Routine(routine.name, partial(self._do, routine), tuple([form for _, form in routine.takes]))
            for id, routine in planned.routines.items()
        }

    @property
    def interesting(self) -> tuple[int, ...]:  # type: ignore[override]
        """The numbers that its routines compare a request's data with."""
        doings = (doing for routine in self.planned.routines.values() for doing in routine.doings)
        return tuple([doing.data for doing in doings if isinstance(doing.data, int)])

    @property
    def routines(self) -> Mapping[int, Routine]:
        """As of a ``Server``."""
        return self._routines

    def begin(self, service: Service) -> None:
        """Run the steps before the first request, and share what clients can look up."""
        self.bound[self.planned.name] = BoundValue(service.port, service.task, None)
        with self._own_symbols():
            for step in self.planned.begin:
                caller, call = self.symbols.call_of(step)
                made = service.run.call(caller, call)
                self.symbols.bind(step, caller, Result(made.code, made.outputs, made.created_task), made.created_task)
            self.bound = dict(self.symbols.bound)
        self.symbols.bound |= self.bound
        for symbol in self.planned.shares:
            name = self.bound[symbol].value
            entry = service.names.get(name)
            if entry is None or entry.port is None:
                raise NotModelled(f"server {self.planned.name} has no right {symbol} that it could share")
            self.symbols.shared[symbol] = entry.port
            service.share(name)

    @contextmanager
    def _own_symbols(self) -> Iterator[None]:
        """Within, symbols are the server's own; only tasks that the case has made have the case's symbols."""
        outer = self.symbols.bound
        self.symbols.bound = {symbol: bound for symbol, bound in outer.items() if bound.task is not None} | self.bound
        try:
            yield
        finally:
            self.symbols.bound = outer

    def _do(self, routine: PlannedRoutine, service: Service, request: Request) -> int:
        with self._own_symbols():
            answer = self._serve(routine, service, request)
        self.symbols.bound |= {symbol: self.bound[symbol] for symbol in self.kept}
        return answer

    def _serve(self, routine: PlannedRoutine, service: Service, request: Request) -> int:
        for own, value in ((REQUEST, request.message), (REPLY, request.reply), (DATA, request.data)):
            self._bind(own, value, service)
        for (symbol, _), descriptor in zip(routine.takes, request.descriptors, strict=True):
            named = descriptor[0]
            self._bind(symbol, (named[0] if named else None) if is_array(descriptor) else named, service)
        doing = next((each for each in routine.doings if self._applies(each, request)), None)
        if doing is None:
            return ReturnCode.KERN_FAILURE
        for symbol in doing.gives_up:
            service.gives_up(self._name(symbol), self.kept.pop(symbol, None))
        for step in doing.steps:
            self._step(step, service)
        forms: dict[str, What] = {REPLY: "reference", **{symbol: _what_comes(form) for symbol, form in routine.takes}}
        for symbol, of in doing.keeps:
            self.kept[symbol] = what = forms.get(of)
            service.keeps(self._name(of), what)
            self.bound[symbol] = BoundValue(self._name(of), service.task, None)
        service.reply(*[self.symbols.descriptor(each, service.task) for each in doing.reply])
        return doing.returns

    def _applies(self, doing: Doing, request: Request) -> bool:
        if not (self.kept.keys() >= set(doing.kept) and self.kept.keys().isdisjoint(doing.not_kept)):
            return False
        if doing.data is not None and (self.symbols.value(doing.data) - request.data) & 0xFFFFFFFF:
            return False
        return doing.sender is None or request.security_token == self._token_of(doing.sender)

    def _token_of(self, sender: str) -> tuple[int, ...]:
        if sender == KERNEL:
            return KERNEL_SECURITY_TOKEN
        task = self.symbols.live_task_of(sender)
        return self.symbols.snapshot.tasks[task].security_token

    def _step(self, step: PlannedStep | LibraryStep, service: Service) -> None:
        if isinstance(step, LibraryStep):
            service.destroy(message_of(step, self.symbols))
            return
        caller, call = self.symbols.call_of(step)
        made = service.make(call, "the routine")
        self.symbols.bind(step, caller, Result(made.code, made.outputs, made.created_task), made.created_task)

    def _bind(self, symbol: str, value: object, service: Service) -> None:
        self.symbols.bound[symbol] = BoundValue(value, service.task, None)

    def _name(self, symbol: str) -> int:
        value = self.symbols.bound[symbol].value if symbol in self.symbols.bound else None
        if not isinstance(value, int):
            raise NotModelled(f"{symbol} is not a right of server {self.planned.name}")
        return value


def _what_comes(form: Form) -> What:
    """What a server has from a descriptor of this form."""
    if form == MEMORY:
        return "page"
    return "receive" if form in (Disposition.MOVE_RECEIVE, (ARRAY, Disposition.MOVE_RECEIVE)) else "reference"


def message_of(step: LibraryStep, symbols: Symbols) -> Message:
    """The message that a step destroys. Raises NotModelled."""
    if step.unsent is not None:
        _, call = symbols.call_of(step.unsent)
        given = call.arguments
        return Message(given["dest"], given["dest_disposition"], given["descriptors"])
    bound = symbols.bound.get(step.subject)
    if bound is None or not isinstance(bound.value, Message):
        raise NotModelled(f"{step.subject} is not a message: the step that binds it received none")
    return bound.value


def begin_server(planned: PlannedServer, symbols: Symbols) -> Service:
    """Set the server up: its task, its port, and what it has before the first request. Raises NotModelled, and what
    ``JudgedRun.call`` raises."""
    for sender in planned.senders:
        symbols.task_of(sender)  # a task that is made later would be made while the server works
    server = ScriptedServer(planned, symbols)
    service = new_service(symbols.run, symbols.presumed, server, symbols.live_task_of(planned.caller))
    port = service.names[service.port].port
    assert port is not None
    symbols.shared[planned.name] = port
    server.begin(service)
    return service


def serve(service: Service, step: LibraryStep) -> list[Served]:
    """Make the step's server serve; at least one result. Raises NotModelled, and what ``JudgedRun.call`` raises."""
    if not can_make(service.snapshot, service.task, Call("mach_msg_receive", {})):
        raise NotModelled(f"task {step.caller} is suspended, blocked in a call, or gone, so it can't serve")
    return service.serve() if step.call == "mach_msg_server" else [service.serve_once()]


def random_servers(servers: Iterable[tuple[PlannedServer | UnmodelledServer, Profile]]) -> list[NamedServer]:
    """The servers as ``check_servers`` takes them."""
    return [NamedServer(planned.name, profile, partial(_set_up, planned)) for planned, profile in servers]


def _set_up(planned: PlannedServer | UnmodelledServer, run: JudgedRun) -> Stage:
    if isinstance(planned, UnmodelledServer):
        raise NotModelled(planned.reason)
    symbols = Symbols(run)
    symbols.prepare(planned.steps, planned.later)
    service = begin_server(planned, symbols)
    try:
        client = symbols.task_of(CLIENT)
    except NotModelled:  # where no call makes tasks, and all have a part
        client = next(task for task in symbols.snapshot.tasks if task != service.task)
    return stage_of(service, symbols.presumed, client)
