"""Scripts: sequences of calls with symbolic names and expected results, read from files (docs/scripts.md).

``load_script`` reads and checks a whole file before anything runs, so that a bad file can't cost the results of earlier
ones. A fault inside one case doesn't refuse its file: the case isn't modelled, and says why it can't be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from sendright.mach.files import CantRead, read_regular
from sendright.mach.kernel.profiles import PROFILES, Profile, UnknownProfile, profile_named
from sendright.mach.results.checks import CAN_NOT_BE_READ
from sendright.properties.interchange.itf import is_itf
from sendright.properties.scripts.schema import SCRIPT_FORMAT, STEP_KEYS, CaseForm, RoutineForm, ScriptForm, ServerForm, in_words
from sendright.properties.scripts.servers import DESTROY, SERVE, LibraryStep, PlannedServer, UnmodelledServer, read_library_step, read_server
from sendright.properties.scripts.spelling import NotModelled, WrongValue, quoted
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep, read_step
from sendright.properties.scripts.values import is_mach_word, is_task_letter

DEEPEST_NESTING = 64
LARGEST_FILE = 1 << 28
_ANY_CASE = [{"id": "any", "steps": []}]
"""Stands for the cases while the rest of a file is read."""


class BadScript(ValueError):
    """The file is not a script. The message is one line: the file, the place in it, what is wrong and what to do."""

    def __init__(self, path: Path, what: str, place: str = "", line: int | None = None, column: int | None = None) -> None:
        self.path = path
        self.place = place
        self.line = line
        self.column = column
        position = f":{line}" + (f":{column}" if column is not None else "") if line is not None else ""
        name = str(path).encode("ascii", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
        super().__init__(f"{name}{position}: {place + ': ' if place else ''}{what}")


class ScriptCase(msgspec.Struct, frozen=True, kw_only=True):
    """One case, ready to run."""

    id: str
    title: str
    profile: str
    """The profile of the file or of the case; any string, if the script was loaded with a ``profile_override``."""
    urefs_max: int | None = None
    queue_limit: int | None = None
    queue_limit_max: int | None = None
    pages: int | None = None
    preconditions: bool = False
    """Whether the case requires something that no step establishes."""
    steps: tuple[PlannedStep | LibraryStep | UnmodelledStep, ...]
    """The steps up to and including the first that isn't modelled."""
    servers: tuple[PlannedServer, ...] = ()
    """The servers that it uses."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A file of cases, read and checked."""

    path: str
    cases: tuple[ScriptCase, ...]
    lines: dict[str, int] = {}
    """The line of each case's id, from 1, as far as it is found."""
    servers: tuple[tuple[PlannedServer | UnmodelledServer, Profile], ...] = ()
    """All servers, with the file's profile and their own limits."""


def load_script(path: Path | str, profile_override: Profile | None = None) -> Script:
    """Read the script in the file at ``path``, or the run in the Informal Trace Format.

    With a ``profile_override``, the profiles in the file are ignored. Raises BadScript for everything that can be wrong
    with the file: missing, unreadable, not JSON, of the wrong form, with an unknown profile or symbol.
    """
    path = Path(path)
    try:
        content = read_regular(path, LARGEST_FILE)
    except CantRead as error:
        raise BadScript(path, str(error)) from None
    return parse_script(content, path, profile_override)


def parse_script(content: bytes, path: Path | str, profile_override: Profile | None = None) -> Script:
    """Read a script from the bytes of a file; messages and results name it ``path``. Raises BadScript."""
    path = Path(path)
    data = _parse_json(content, path)
    if is_itf(data):
        data = _script_of_itf(data, path)
    cases = data.get("cases") if isinstance(data, dict) and not isinstance(data, _DuplicateKey) else None
    whole = {**data, "cases": _ANY_CASE} if isinstance(cases, list) else data
    _check_tree(whole, path)
    if not isinstance(data, dict):
        raise BadScript(path, f"not a script: expected an object with format {quoted(SCRIPT_FORMAT)}", "$")
    _check_format(data, path)
    _check_servers(data.get("servers"), path)
    try:
        form = msgspec.convert(whole, ScriptForm)
    except msgspec.ValidationError as error:
        what, place = in_words(error)
        raise BadScript(path, what, place or "$") from None
    assert isinstance(cases, list)
    read = tuple(_read_cases(form, cases, path, profile_override))
    return Script(path=str(path), cases=read, lines=_lines_of_ids(content), servers=tuple(_servers_of(form, path, profile_override)))


_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*")')


def _lines_of_ids(content: bytes) -> dict[str, int]:
    """The line of each ``"id": "…"`` in a file's text: a place for editors, which may be wrong if a string has such a
    text."""
    lines: dict[str, int] = {}
    line, at = 1, 0
    for match in _ID.finditer(content):
        line += content.count(b"\n", at, match.start())
        at = match.start()
        try:
            lines.setdefault(json.loads(match[1]), line)
        except ValueError:
            continue
    return lines


def _script_of_itf(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The script that makes the calls of a trace in the Informal Trace Format. Raises BadScript."""
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.interchange.itf_reader import BadItf, script_of_itf

    _check_tree(data, path)
    try:
        script = script_of_itf(data, lambda profile: Oracle(profile).snapshot())
    except BadItf as error:
        raise BadScript(path, str(error), error.place) from None
    read: dict[str, Any] = json.loads(msgspec.json.encode(script))
    return read


def _check_servers(servers: Any, path: Path) -> None:
    """Refuse a server of the wrong form, with its place: msgspec doesn't say which server, or which routine, it was."""
    if not isinstance(servers, dict):
        return
    for name, server in servers.items():
        routines = server.get("routines") if isinstance(server, dict) else None
        parts = [(f"servers.{name}.routines.{key}", each, RoutineForm) for key, each in routines.items()] if isinstance(routines, dict) else []
        for place, part, form in (*parts, (f"servers.{name}", server, ServerForm)):
            try:
                msgspec.convert(part, form)
            except msgspec.ValidationError as error:
                what, inner = in_words(error, "docs/servers.md")
                raise BadScript(path, what, f"{place}.{inner}".rstrip(".")) from None


def _servers_of(form: ScriptForm, path: Path, override: Profile | None) -> Iterator[tuple[PlannedServer | UnmodelledServer, Profile]]:
    """The file's servers, for random requests."""
    if form.servers and override is None and form.profile is None:
        raise BadScript(path, f"is missing: add one of {', '.join(PROFILES)}", "profile")
    for name in form.servers:
        profile = override or PROFILES[form.profile or ""]
        try:
            server = _read_server(form, name, profile, path)
            yield server, msgspec.structs.replace(profile, **server.limits)
        except NotModelled as error:
            yield UnmodelledServer(name, str(error)), profile


def _read_server(form: ScriptForm, name: str, profile: Profile, path: Path) -> PlannedServer:
    """A server of the file. Raises BadScript, and NotModelled."""
    try:
        return read_server(name, form.servers[name], profile)
    except WrongValue as error:
        place = f".{error.place}" if error.place[:1].isalpha() else error.place
        raise BadScript(path, str(error), f"servers.{name}{place}") from None
    except NotModelled as error:
        raise NotModelled(f"server {name}: {error}") from None


def _used(form: ScriptForm, raw: Any) -> list[str]:
    """The servers that a case names; and those of a task that serves, if the case names none of that task's."""
    found: set[str] = set()
    serving: set[str] = set()
    pending = [raw]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and value in form.servers:
            found.add(value)
        elif isinstance(value, dict):
            pending += value.values()
            call, task = value.get("call"), value.get("as")
            serving |= {task} if isinstance(call, str) and call in SERVE and isinstance(task, str) else set()
        elif isinstance(value, list):
            pending += value
    serving -= {form.servers[name].caller for name in found}
    return sorted(found | {name for name, server in form.servers.items() if server.caller in serving})


def _parse_json(content: bytes, path: Path) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise BadScript(path, f"not UTF-8 (byte {content[error.start]:#04x}): save it as UTF-8", "", line, column) from None
    if not text.strip():
        raise BadScript(path, f"the file is empty: expected a script of format {SCRIPT_FORMAT}", "", 1)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadScript(path, f"not JSON: {error.msg}: correct the file", "", error.lineno, error.colno) from None
    except RecursionError:
        raise BadScript(path, f"nested deeper than {DEEPEST_NESTING} levels: no script needs that", "", 1) from None
    except ValueError as error:
        what = str(error) if isinstance(error, _NotJson) else "a number is too long"
        raise BadScript(path, f"not JSON: {what}: correct the file", "", 1) from None


class _NotJson(ValueError):
    """Python's parser would accept it, but it isn't JSON."""


def _refuse_constant(constant: str) -> NoReturn:
    raise _NotJson(f"{constant} is not a JSON number")


class _DuplicateKey(dict[str, Any]):
    """A JSON object with a duplicate key."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = _DuplicateKey(made)
    twice.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return twice


def _check_tree(data: Any, path: Path) -> None:
    """Refuse a file with a fault of its JSON."""
    fault = _fault_in(data)
    if fault is not None:
        raise BadScript(path, fault[1], fault[0] or "$")


def _fault_in(data: Any) -> tuple[str, str] | None:
    """A duplicate key, deep nesting, or half a surrogate pair, which can't be written again: its place, and what it
    is. None: there is none."""
    pending: list[tuple[Any, str, int]] = [(data, "", 0)]
    while pending:
        value, place, depth = pending.pop()
        if depth > DEEPEST_NESTING:
            return place[:60], f"nested deeper than {DEEPEST_NESTING} levels: no script needs that"
        if isinstance(value, _DuplicateKey):
            return place, f"duplicate key {quoted(_writable(value.key))}: keep one of them"
        if isinstance(value, str) and value != _writable(value):
            return place, "the string has half a surrogate pair: correct it"
        if isinstance(value, dict):
            for key, element in value.items():
                if key != _writable(key):
                    return place, "a key has half a surrogate pair: correct it"
                pending.append((element, f"{place}.{key}" if place else key, depth + 1))
        elif isinstance(value, list):
            pending.extend((element, f"{place}[{index}]", depth + 1) for index, element in enumerate(value))
    return None


def _writable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check_format(data: dict[str, Any], path: Path) -> None:
    if "format" not in data:
        raise BadScript(path, f"is missing: not a script, or add {quoted(SCRIPT_FORMAT)}", "format")
    if data["format"] != SCRIPT_FORMAT:
        raise BadScript(path, f"unknown format {quoted(data['format'])}: expected {quoted(SCRIPT_FORMAT)}", "format")
    if data.get("cases") == []:
        raise BadScript(path, "the file has no cases: add one", "cases")


def _read_cases(form: ScriptForm, raw: list[Any], path: Path, profile_override: Profile | None) -> list[ScriptCase]:
    if profile_override is None and form.profile is not None:
        _check_profile(form.profile, path, "profile")
    seen: set[str] = set()
    cases: list[ScriptCase] = []
    for number, data in enumerate(raw):
        fault = _fault_in(data)
        if fault is not None:
            cases.append(_unreadable(data, number, seen, fault[0], fault[1]))
            continue
        try:
            case = msgspec.convert(data, CaseForm)
        except msgspec.ValidationError as error:
            what, place = in_words(error)
            cases.append(_unreadable(data, number, seen, place, what))
            continue
        if case.id in seen:
            cases.append(_unreadable(data, number, seen, "id", f"duplicate id {quoted(case.id)}: ids must be unique in a file"))
            continue
        seen.add(case.id)
        profile = profile_override
        if profile is None:
            if case.profile is not None and case.profile not in PROFILES:
                cases.append(_of_unknown_profile(case))
                continue
            if case.profile is None and form.profile is None:
                raise BadScript(path, f"is missing: add one of {', '.join(PROFILES)}", "profile")
            profile = PROFILES[case.profile or form.profile or ""]
        steps, servers = _read_steps(form, case, data["steps"], profile, path)
        cases.append(
            ScriptCase(
                id=case.id,
                title=case.title,
                profile=case.profile or form.profile or "",
                urefs_max=case.urefs_max,
                queue_limit=case.queue_limit,
                queue_limit_max=case.queue_limit_max,
                pages=case.pages,
                preconditions=bool(case.preconditions),
                steps=tuple(steps),
                servers=tuple(servers),
            )
        )
    return cases


def _unreadable(data: Any, number: int, seen: set[str], place: str, what: str) -> ScriptCase:
    """A case that can't be read: it isn't modelled, and other cases of its file still run."""
    given = data.get("id") if isinstance(data, dict) else None
    name = given if isinstance(given, str) and given and given not in seen and given == _writable(given) else f"cases[{number}]"
    seen.add(name)
    reason = can_not_be_read(f"{place}: {what}" if place else what)
    return ScriptCase(id=name, title="", profile=next(iter(PROFILES)), steps=(UnmodelledStep("", reason),))


def can_not_be_read(what: str) -> str:
    """The reason of a case that can't be read."""
    return f"{CAN_NOT_BE_READ}: {what}"


def _of_unknown_profile(case: CaseForm) -> ScriptCase:
    """A case of a kernel that sendright doesn't model. Other cases of its file may still run."""
    reason = f"profile {quoted(case.profile)} is not modelled; the profiles are {', '.join(PROFILES)}"
    steps = tuple(UnmodelledStep(step.call, reason) for step in case.steps[:1])
    return ScriptCase(id=case.id, title=case.title, profile=next(iter(PROFILES)), steps=steps)


def _check_profile(name: str, path: Path, place: str) -> None:
    try:
        profile_named(name)
    except UnknownProfile:
        raise BadScript(path, f"unknown profile {quoted(name)}: choose one of {', '.join(PROFILES)}", place) from None


def _read_steps(
    form: ScriptForm, case: CaseForm, raw: list[dict[str, Any]], profile: Profile, path: Path
) -> tuple[list[PlannedStep | LibraryStep | UnmodelledStep], list[PlannedServer]]:
    """The steps up to and including the first that isn't modelled or can't be read, and the servers that they use;
    later ones are not read."""
    try:
        servers = [_read_server(form, name, profile, path) for name in _used(form, raw)]
    except NotModelled as error:
        return [UnmodelledStep(case.steps[0].call if case.steps else "", str(error))], []
    callers = {step.caller for step in case.steps} | {server.caller for server in servers}
    bound: set[str] = set().union(*(server.symbols for server in servers))
    steps: list[PlannedStep | LibraryStep | UnmodelledStep] = []
    for number, step_form in enumerate(case.steps):
        where = f"steps[{number}]"
        step: PlannedStep | LibraryStep | UnmodelledStep
        try:
            extra = raw[number].keys() - STEP_KEYS
            if step_form.call == DESTROY or step_form.call in SERVE:
                step = read_library_step(step_form, extra, bound, profile, {server.name: server.caller for server in servers})
            else:
                step = read_step(step_form, extra, bound, profile)
        except NotModelled as error:
            step = UnmodelledStep(step_form.call, str(error))
        except WrongValue as error:
            step = UnmodelledStep(step_form.call, can_not_be_read(f"{where}{error.place and f'.{error.place}'}: {error}"))
        except LookupError as error:  # sendright's own fault: it takes this case's verdict, and no other one's
            fault = f"{type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode()
            step = UnmodelledStep(step_form.call, can_not_be_read(f"{where}: sendright has no entry for what it needs ({fault}): report this fault"))
        if not isinstance(step, UnmodelledStep):
            for part, symbol in step.symbols():
                if symbol in bound or symbol in callers or is_task_letter(symbol):
                    continue
                if case.preconditions or is_mach_word(symbol):
                    step = UnmodelledStep(step_form.call, f"{quoted(symbol)} is not modelled: no earlier step binds it")
                else:
                    words = f"{where}.{part}: unknown symbol {quoted(symbol)}: no earlier step binds it"
                    step = UnmodelledStep(step_form.call, can_not_be_read(words))
                break
        steps.append(step)
        if isinstance(step, UnmodelledStep):
            break
        if isinstance(step, PlannedStep):
            bound.update(binding.symbol for binding in step.bindings)
    return steps, servers
