"""Reads the servers of a script, and the steps that are routines of a library: ``mach_msg_server_once``,
``mach_msg_server`` and ``mach_msg_destroy`` (docs/servers.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import msgspec

from sendright.mach.abi.headers import Headers, headers_of
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import Output, OutputType, Signature
from sendright.mach.state.trace import LIMITS
from sendright.properties.scripts.expected import KINDS, Expectation, read_expectation
from sendright.properties.scripts.schema import STEP_KEYS, DoingForm, RoutineForm, ServerForm, StepForm, in_words
from sendright.properties.scripts.spelling import (
    NotModelled,
    WrongValue,
    quoted,
    read_descriptor,
    read_disposition,
    read_each,
    read_integer,
    read_notification,
    read_number,
)
from sendright.properties.scripts.steps import MESSAGE_WORDS, PlannedStep, UnmodelledStep, read_step
from sendright.properties.scripts.values import Value, is_identifier, is_task_letter, mark_symbols, symbols_in
from sendright.properties.servers.server import ARRAY, MEMORY, Form

DESTROY = "mach_msg_destroy"
SERVE = {
    name: Signature(
        name=name,
        about=about,
        arguments=(),
        outputs=(Output("id", OutputType.MESSAGE_ID, "the last request's msgh_id"), Output("RetCode", OutputType.WORD, "what the routine returned")),
        section="mach/mach.h",
    )
    for name, about in (
        ("mach_msg_server_once", "Serve the oldest request, as a server of the script says."),
        ("mach_msg_server", "Serve requests until it would wait for one."),
    )
}
"""The steps that let a server serve: as calls without arguments, so that a step may expect what any other may."""
SERVER_WORDS = ("server", "demux", "rcv_name")
"""The arguments of these steps that name a server: the function that answers, or the port on which it serves."""
KERNEL = "kernel"
REQUEST, REPLY, DATA = "request", "reply", "data"
"""The symbols, in a routine, of the whole request, of its reply right, and of the first word of its inline data."""


class LibraryStep(msgspec.Struct, frozen=True):
    """A step that is a routine of a library, and makes several calls."""

    caller: str
    call: str
    subject: str = ""
    """The server, or the symbol of the received message."""
    most: int | None = None
    """``max_size``: the largest message that the server takes."""
    unsent: PlannedStep | None = None
    """The unsent message to destroy, as if it were sent."""
    expectations: tuple[Expectation, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether it lets a server serve."""
        return self.call in SERVE

    def symbols(self) -> Iterator[tuple[str, str]]:
        """As for a ``PlannedStep``, without servers."""
        if self.unsent is not None:
            yield from self.unsent.symbols()
        elif not self.serves:
            yield "args.message", self.subject
        for expectation in self.expectations:
            for symbol in symbols_in(expectation.value):
                yield f"expect.{expectation.key}", symbol


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """What a server does with a request, if ``when`` holds."""

    data: Value | None = None
    sender: str | None = None
    """``KERNEL``, or the sender's task."""
    kept: tuple[str, ...] = ()
    not_kept: tuple[str, ...] = ()
    steps: tuple[PlannedStep | LibraryStep, ...]
    keeps: tuple[tuple[str, str], ...]
    """Symbol -> the symbol of the right."""
    gives_up: tuple[str, ...]
    reply: tuple[Value, ...]
    returns: int


class PlannedRoutine(msgspec.Struct, frozen=True, kw_only=True):
    """A routine of a script's server."""

    name: str
    takes: tuple[tuple[str, Form], ...]
    doings: tuple[Doing, ...]


class PlannedServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of a script, ready to run."""

    name: str
    caller: str
    begin: tuple[PlannedStep, ...]
    shares: tuple[str, ...]
    routines: dict[int, PlannedRoutine]
    limits: dict[str, int]

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that a case can use: of ``begin``, of what the routines keep, and the server's name."""
        kept = (symbol for routine in self.routines.values() for doing in routine.doings for symbol, _ in doing.keeps)
        return frozenset((self.name, *(binding.symbol for step in self.begin for binding in step.bindings), *kept))

    @property
    def steps(self) -> tuple[PlannedStep | LibraryStep, ...]:
        """All its steps."""
        doings = (doing for routine in self.routines.values() for doing in routine.doings)
        return (*self.begin, *(step for doing in doings for step in doing.steps))

    @property
    def senders(self) -> frozenset[str]:
        """The tasks whose requests it tells from those of others, unless a step makes them."""
        doings = (doing for routine in self.routines.values() for doing in routine.doings)
        return frozenset(doing.sender for doing in doings if doing.sender is not None and doing.sender != KERNEL) - self.symbols

    @property
    def later(self) -> frozenset[str]:
        """The symbols that its steps may use and that no step of a case binds."""
        taken = (symbol for routine in self.routines.values() for symbol, _ in routine.takes)
        return self.symbols | {REQUEST, REPLY, DATA, *taken}


class UnmodelledServer(msgspec.Struct, frozen=True):
    """A server that sendright doesn't model, and why."""

    name: str
    reason: str


def read_library_step(form: StepForm, extra_keys: Set[str], bound: Set[str], profile: Profile, servers: Mapping[str, str]) -> LibraryStep:
    """The meaning of a step whose ``call`` is ``DESTROY`` or one of ``SERVE``.

    ``servers`` maps each server to its task. Raises WrongValue, NotModelled.
    """
    if extra_keys or form.bind or form.shortage or form.stop or form.resume:
        raise NotModelled(f"{form.call} is a routine of a library: it takes args and expect only")
    if form.call in SERVE:
        return _read_serve(form, headers_of(profile.name), servers)
    if form.expect:
        raise NotModelled(f"{DESTROY} returns nothing that a step can expect")
    if len(form.args) == 1 and form.args.keys() <= set(MESSAGE_WORDS):
        [(word, symbol)] = form.args.items()
        if not (isinstance(symbol, str) and symbol in bound):
            raise WrongValue(f"expected a message that an earlier step binds, got {quoted(symbol)}", f"args.{word}")
        return LibraryStep(form.caller, form.call, symbol)
    header = {} if form.args.keys() & {"dest", "msgh_remote_port"} else {"dest": "MACH_PORT_NULL"}
    sent = read_step(msgspec.structs.replace(form, call="mach_msg_send", args=header | form.args), frozenset(), bound, profile)
    if isinstance(sent, UnmodelledStep):
        raise NotModelled(sent.reason)
    return LibraryStep(form.caller, form.call, unsent=sent)


def _read_serve(form: StepForm, words: Headers, servers: Mapping[str, str]) -> LibraryStep:
    mine = [name for name, caller in servers.items() if caller == form.caller]
    known = (*SERVER_WORDS, "max_size", "options")
    other = next((key for key in form.args if key not in known), None)
    if other is not None:
        raise NotModelled(f"argument {quoted(other)} of {form.call} is not modelled")
    named = [(word, form.args[word]) for word in SERVER_WORDS if word in form.args]
    if not named and len(mine) != 1:
        raise WrongValue("say which server", "args.server")
    name = named[0][1] if named else mine[0]
    for word, given in named:
        if given not in mine:
            raise WrongValue(f"task {form.caller} has no server {quoted(given)}", f"args.{word}")
        if given != name:
            raise WrongValue(f"{quoted(given)} is another server than {quoted(name)}", f"args.{word}")
    if _at("args.options", lambda: read_number(form.args.get("options") or 0, words)) != 0:
        raise NotModelled(f"options of {form.call} are not modelled")
    most = form.args.get("max_size")
    if most is not None:
        most = _at("args.max_size", lambda: read_integer(most))
    expectations: list[Expectation] = []
    for key, value in form.expect.items():
        try:
            expectations.append(read_expectation(SERVE[form.call], key, value, words))
        except WrongValue as error:
            raise WrongValue(str(error), f"expect.{key}{error.place}") from None
    return LibraryStep(form.caller, form.call, name, most, expectations=tuple(expectations))


def read_server(name: str, form: ServerForm, profile: Profile) -> PlannedServer:
    """The meaning of a server. Raises WrongValue with a place such as ``routines.2405.calls[0].args.name``, and
    NotModelled."""
    for symbol in (name, form.caller):
        if not is_identifier(symbol):
            raise WrongValue(f"{quoted(symbol)} can't be a symbol: use letters, digits and _")
    if is_task_letter(name):
        raise WrongValue("a capital letter is a task: give the server a longer name")
    begin: list[PlannedStep] = []
    bound = {name}
    for number, step in enumerate(form.begin):
        place = f"begin[{number}]"
        form_of_step = _at(place, lambda step=step: _convert(step))
        read = _read_call(form_of_step, step.keys() - STEP_KEYS, bound, profile, place)
        begin.append(read)
        bound.update(binding.symbol for binding in read.bindings)
    for symbol in form.shares:
        if symbol not in bound:
            raise WrongValue(f"no step of begin binds {quoted(symbol)}", "shares")
    bound |= {symbol for routine in form.routines.values() for doing in _doings(routine) for symbol in doing.keeps}
    words = headers_of(profile.name)
    routines: dict[int, PlannedRoutine] = {}
    for key, routine in form.routines.items():
        place = f"routines.{key}"
        number = _at(
            place, lambda key=key: read_notification(key, words) if key.upper().startswith("MACH_NOTIFY") else read_number(_as_number(key), words)
        )
        if not isinstance(number, int) or number in routines:
            raise WrongValue(f"{quoted(key)} is not a message id, or there are two of it", place)
        routines[number] = _read_routine(routine, form.caller, bound, profile, place)
    limits = {limit: getattr(form, limit) for limit in LIMITS if getattr(form, limit) is not None}
    return PlannedServer(name=name, caller=form.caller, begin=tuple(begin), shares=tuple(form.shares), routines=routines, limits=limits)


def _as_number(key: str) -> object:
    return int(key) if key.isascii() and key.removeprefix("-").isdecimal() else key


def _at(place: str, read: Any) -> Any:
    """What ``read`` gives; its faults are at ``place``."""
    try:
        return read()
    except WrongValue as error:
        inner = f".{error.place}" if error.place[:1].isalpha() else error.place
        raise WrongValue(str(error), f"{place}{inner}") from None
    except NotModelled as error:
        raise NotModelled(f"{place}: {error}") from None


def _doings(form: RoutineForm) -> list[DoingForm]:
    return [form] if form.cases is None else form.cases


def _read_routine(form: RoutineForm, caller: str, bound: Set[str], profile: Profile, place: str) -> PlannedRoutine:
    if form.cases is not None and (form.when or form.calls or form.keeps or form.gives_up or form.reply or form.returns != "KERN_SUCCESS"):
        raise WrongValue("what a routine does stands either in it or in its cases", f"{place}.cases")
    words = headers_of(profile.name)
    takes = tuple((symbol, _at(f"{place}.takes.{symbol}", lambda each=each: _read_form(each, words))) for symbol, each in form.takes.items())
    known = bound | form.takes.keys() | {REQUEST, REPLY, DATA}
    doings: list[Doing] = []
    for number, doing in enumerate(_doings(form)):
        where = place if form.cases is None else f"{place}.cases[{number}]"
        doings.append(_read_doing(doing, caller, known, profile, where))
    return PlannedRoutine(name=form.name or "a routine", takes=takes, doings=tuple(doings))


def _read_form(value: object, words: Headers) -> Form:
    if value == MEMORY:
        return MEMORY
    several = isinstance(value, list) and len(value) == 1
    form = read_disposition(value[0] if isinstance(value, list) and several else value, words)
    if form not in _FORMS:
        raise WrongValue(f"{quoted(value)} is not a form in which a right arrives: use {', '.join(_FORMS.values())}")
    return (ARRAY, form) if several else form


_FORMS = {int(form): form.name for form in (Disposition.MOVE_RECEIVE, Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE)}


def _read_doing(form: DoingForm, caller: str, bound: Set[str], profile: Profile, place: str) -> Doing:
    words = headers_of(profile.name)
    known = set(bound)
    steps: list[PlannedStep | LibraryStep] = []
    for number, call in enumerate(form.calls):
        where = f"{place}.calls[{number}]"
        step = _at(where, lambda call=call: _as_step(call, caller))
        if step.call == DESTROY:
            extra = call.keys() - STEP_KEYS
            read: PlannedStep | LibraryStep = _at(where, lambda step=step, extra=extra: read_library_step(step, extra, known, profile, {}))
        else:
            read = _read_call(step, call.keys() - STEP_KEYS, known, profile, where)
            known.update(binding.symbol for binding in read.bindings)
        steps.append(read)
    for key, symbols in (("keeps", form.keeps.values()), ("gives_up", form.gives_up)):
        for symbol in symbols:
            if symbol not in known:
                raise WrongValue(f"unknown symbol {quoted(symbol)}: the routine doesn't take it, and no call binds it", f"{place}.{key}")
    unknown = form.when.keys() - {"data", "sender", "kept", "not_kept"}
    if unknown:
        raise WrongValue(f"{quoted(min(unknown))} is not a condition: use data, sender, kept or not_kept", f"{place}.when")
    return Doing(
        data=_at(f"{place}.when.data", lambda: read_number(mark_symbols(form.when["data"], known), words)) if "data" in form.when else None,
        sender=_symbol(form.when, "sender", place),
        kept=tuple(filter(None, [_symbol(form.when, "kept", place)])),
        not_kept=tuple(filter(None, [_symbol(form.when, "not_kept", place)])),
        steps=tuple(steps),
        keeps=tuple(form.keeps.items()),
        gives_up=tuple(form.gives_up),
        reply=_at(f"{place}.reply", lambda: read_each(read_descriptor)(mark_symbols(form.reply, known), words)),
        returns=_at(f"{place}.returns", lambda: KINDS["ret"].read(form.returns, words)),
    )


def _symbol(when: dict[str, Any], key: str, place: str) -> str | None:
    value = when.get(key)
    if value is not None and not (isinstance(value, str) and is_identifier(value)):
        raise WrongValue(f"expected a symbol, got {quoted(value)}", f"{place}.when.{key}")
    return value


def _as_step(call: dict[str, Any], caller: str) -> StepForm:
    if "as" in call or "expect" in call:
        raise WrongValue("the server itself makes the call, and nothing is expected of it: leave out as and expect")
    return _convert({**call, "as": caller})


def _convert(step: dict[str, Any]) -> StepForm:
    try:
        return msgspec.convert(step, StepForm)
    except msgspec.ValidationError as error:
        raise WrongValue(*in_words(error, "docs/servers.md")) from None


def _read_call(form: StepForm, extra: Set[str], bound: Set[str], profile: Profile, place: str) -> PlannedStep:
    """One call of a server. Raises WrongValue, and NotModelled, also for an unknown symbol."""
    read = _at(place, lambda: read_step(form, extra, bound, profile))
    if isinstance(read, UnmodelledStep):
        raise NotModelled(f"{place}: {read.reason}")
    assert isinstance(read, PlannedStep)
    for part, symbol in read.symbols():
        if symbol not in bound and not is_task_letter(symbol) and symbol != form.caller:
            raise WrongValue(f"unknown symbol {quoted(symbol)}: nothing binds it", f"{place}.{part}")
    return read
