"""Judges whether a step met its script's expectations."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sendright.mach.abi.codes import code_name
from sendright.mach.abi.descriptors import is_memory, received_pages, rights_in
from sendright.mach.abi.port_attributes import FIELDS
from sendright.mach.abi.rights import NAME_NOTIFICATIONS, Notification, PortObject, Right
from sendright.mach.abi.tokens import TASK_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType
from sendright.mach.signatures.widths import WIDTHS
from sendright.mach.state.snapshot import Entry, Snapshot
from sendright.mach.state.view import ViewPart
from sendright.properties.scripts.expected import OF_OUTPUT, UNCHANGED, Expectation, name_argument, output_name
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.scripts.symbols import Symbols
from sendright.properties.scripts.values import Words


class FirstValues:
    """The first values of tokens and pages: ``unchanged`` compares with them."""

    def __init__(self) -> None:
        self.security: dict[int, Any] = {}
        self.audit: dict[int, Any] = {}
        self.pages: dict[tuple[int, int], int] = {}

    def remember(self, snapshot: Snapshot) -> None:
        """Remember the new tokens and pages in ``snapshot``."""
        for number, task in snapshot.tasks.items():
            self.security.setdefault(number, task.security_token)
            self.audit.setdefault(number, task.audit_token)
            for page, shown in task.memory.items():
                self.pages.setdefault((number, page), shown.value)


class StepOutcome(NamedTuple):
    """A step after it ran."""

    caller: int
    target: int | None
    """The task behind the call's first task argument, before the call."""
    call: Call
    """The call with its original arguments, also when it is resumed."""
    result: Result
    before: Snapshot
    after: Snapshot
    first: FirstValues
    symbols: Symbols
    shows: Collection[ViewPart] | None = None
    """The parts of its state that the implementation shows; None: all. The rest of ``after`` is the specification's."""


class Mismatch(NamedTuple):
    """An unmet expectation, in a few words."""

    key: str
    expected: str
    seen: str
    own_report: bool
    """Whether ``seen`` comes from the implementation itself, and not from the specification for a part that it
    doesn't show."""


class _Finding(NamedTuple):
    met: bool
    expected: str
    seen: str


def subject_of(symbols: Symbols, caller: int, call: Call) -> int | None:
    """The task that ``call`` acts on, before the call; for calls without a task argument the caller."""
    for argument in SIGNATURES[call.name].arguments:
        if argument.object is PortObject.TASK:
            return symbols.task_behind(caller, call.arguments[argument.name])
    return caller


def first_mismatch(expectations: tuple[Expectation, ...], seen: StepOutcome) -> Mismatch | None:
    """The first unmet expectation. Raises NotModelled for an expectation that can't be judged."""
    for expectation in expectations:
        finding = _JUDGES[expectation.key](expectation.value, seen)
        if not finding.met:
            return Mismatch(expectation.key, finding.expected, finding.seen, _is_own_report(expectation.key, seen))
    return None


def _is_own_report(key: str, seen: StepOutcome) -> bool:
    """Whether the implementation itself reports the subject of the expectation ``key``, in its answer or its state."""
    if seen.shows is None:
        return True
    if key == "refs":
        return seen.call.name == "mach_port_get_refs" or ViewPart.UREFS in seen.shows
    if key == "mscount":
        return _answer(seen, "id") == Notification.NO_SENDERS or ViewPart.MAKE_SEND_COUNT in seen.shows
    return key != "memory"


def _code(met: Callable[[int, Any], bool], words: str) -> Callable[[Any, StepOutcome], _Finding]:
    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        names = " or ".join(map(code_name, wanted)) if isinstance(wanted, tuple) else code_name(wanted)
        return _Finding(met(seen.result.code, wanted), words + names, code_name(seen.result.code))

    return judge


def _answer(seen: StepOutcome, output: str) -> Any:
    """An output; None if the call returned none."""
    return seen.result.outputs.get(output)


def _shown(value: Any, seen: StepOutcome) -> str:
    return code_name(seen.result.code) if value is None else str(list(value) if isinstance(value, tuple) else value)


def _same(given: Any, wanted: Any, bits: int = 32) -> bool:
    """Whether two numbers have the same bits, or two other values are equal."""
    numbers = isinstance(given, int) and isinstance(wanted, int)
    return not (given - wanted) & (1 << bits) - 1 if numbers else bool(given == wanted)


def _output(output: str, words: str, bits: int = 32) -> Callable[[Any, StepOutcome], _Finding]:
    """A judge of an output that must be a certain number."""

    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        number = seen.symbols.value(wanted)
        given = _answer(seen, output)
        return _Finding(_same(given, number, bits), f"{words} {number}", f"{words} {given}" if given is not None else _shown(None, seen))

    return judge


_NUMBERS = {
    "srights": "send rights",
    "object_type": "kind of kernel object",
    "total": "slots",
    "used": "requests",
    "table_inuse": "names",
}
"""Outputs that are plain numbers, in words."""


def _first_wrong_word(wanted: Words, given: Any, seen: StepOutcome) -> tuple[int, Any, Any] | None:
    """The first word that isn't as expected: its position, the expected and the given one; None: all are."""
    for position, value in wanted.pairs:
        number = seen.symbols.value(value)
        found = given[position] if isinstance(given, tuple) and position < len(given) else None
        if not _same(found, number):
            return position, number, found
    return None


def _returned_name(seen: StepOutcome) -> tuple[int, int] | None:
    """The caller's task and the name that the call returned; for a notification, the name in it."""
    output = output_name(SIGNATURES[seen.call.name])
    if output is None:
        return None
    given = _answer(seen, output)
    if output == "descriptors":
        in_notification = given == () and _answer(seen, "id") in NAME_NOTIFICATIONS
        rights = list(rights_in(given or ()))
        return (seen.caller, _answer(seen, "data")) if in_notification else (seen.caller, rights[0][0]) if rights else None
    kind = next(each.type for each in SIGNATURES[seen.call.name].outputs if each.name == output)
    space = seen.target if kind is OutputType.NAME else seen.caller
    return None if given is None or space is None else (space, given)


def _name_concerned(seen: StepOutcome) -> tuple[int, int] | None:
    """The task and the name that the step is about: the returned name, or else the argument."""
    if output_name(SIGNATURES[seen.call.name]) is not None:
        return _returned_name(seen)
    argument = name_argument(SIGNATURES[seen.call.name])
    return None if seen.target is None or argument is None else (seen.target, seen.call.arguments[argument])


def _entry(seen: StepOutcome) -> Entry | None:
    concerned = _name_concerned(seen)
    task = None if concerned is None else seen.after.tasks.get(concerned[0])
    return None if task is None or concerned is None else task.names.get(concerned[1])


def _kinds(bits: int) -> str:
    return " and ".join(right.name for right in Right if bits & right.type_bit) or "nothing"


def _judge_type(bits: int, seen: StepOutcome) -> _Finding:
    entry = _entry(seen)
    given = _answer(seen, "type") if seen.call.name == "mach_port_type" else 0 if entry is None else entry.kind.type_bits
    rights = None if given is None else given & sum(right.type_bit for right in Right)
    return _Finding((rights or 0) == bits, _kinds(bits), code_name(seen.result.code) if rights is None else _kinds(rights))


def _judge_refs(wanted: Any, seen: StepOutcome) -> _Finding:
    number = seen.symbols.value(wanted)
    if seen.call.name == "mach_port_get_refs":
        refs = _answer(seen, "refs")
    else:
        entry = _entry(seen)
        right = seen.call.arguments["right"]
        held = entry is not None and 0 <= right < len(Right) and bool(entry.kind.type_bits & Right(right).type_bit)
        counted = right in (Right.SEND, Right.DEAD_NAME)
        refs = 0 if not held or entry is None else entry.urefs if counted else 1
    return _Finding(refs == number, f"{number} references", code_name(seen.result.code) if refs is None else f"{refs} references")


def _judge_make_send_count(wanted: Any, seen: StepOutcome) -> _Finding:
    number = seen.symbols.value(wanted)
    if _answer(seen, "id") == Notification.NO_SENDERS:
        count = _answer(seen, "data")
        return _Finding(count == number, f"make-send count {number}", f"make-send count {count}")
    entry = _entry(seen)
    port = None if entry is None or entry.port is None else seen.after.ports.get(entry.port)
    count = None if port is None else port.make_send_count
    return _Finding(count == number, f"make-send count {number}", "no port" if count is None else f"make-send count {count}")


def _judge_name(equal: bool) -> Callable[[Any, StepOutcome], _Finding]:
    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        given = _returned_name(seen)
        names = [seen.symbols.name(each, seen.caller if given is None else given[0]) for each in wanted]
        words = ("name " if equal else "another name than ") + (" or " if equal else " and ").join(map(str, names))
        if given is None:
            return _Finding(False, words, _shown(None, seen))
        return _Finding((given[1] in names) == equal, words, f"name {given[1]}")

    return judge


def _judge_output_name(output: str) -> Callable[[Any, StepOutcome], _Finding]:
    """A judge of an output that must be one of some names in the caller's space."""

    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        names = [seen.symbols.name(each, seen.caller) for each in wanted]
        given = _answer(seen, output)
        return _Finding(given in names, f"{output} " + " or ".join(map(str, names)), _shown(None, seen) if given is None else f"{output} {given}")

    return judge


def _judge_members(wanted: Any, seen: StepOutcome) -> _Finding:
    space = seen.caller if seen.target is None else seen.target
    names = tuple(sorted(seen.symbols.name(each, space) for each in wanted))
    given = _answer(seen, "members")
    return _Finding(given is not None and tuple(sorted(given)) == names, f"members {list(names)}", _shown(given, seen))


def _judge_list(output: str) -> Callable[[Any, StepOutcome], _Finding]:
    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        numbers = seen.symbols.value(wanted)
        given = _answer(seen, output)
        return _Finding(given == numbers, f"{output} {list(numbers)}", _shown(given, seen))

    return judge


def _judge_fields(wanted: tuple[tuple[str | int, Any], ...], seen: StepOutcome) -> _Finding:
    """Judges words of a port's attributes, by their names or positions, or amounts of a ledger by their names."""
    info = _answer(seen, "info")
    names = FIELDS.get(seen.call.arguments.get("flavor", 0), ())
    given: dict[str | int, Any] = dict(enumerate(info or ()))
    given.update(seen.result.outputs.items() if info is None else zip(names, info, strict=False))
    for field, value in wanted:
        number = seen.symbols.value(value)
        words = f"word {field}" if isinstance(field, int) else field
        if field not in given or not _same(given[field], number):
            return _Finding(False, f"{words} {number}", f"{words} {given[field]}" if field in given else _shown(info, seen))
    return _Finding(True, "", "")


def _judge_forms(wanted: Any, seen: StepOutcome) -> _Finding:
    """Judges the forms of the descriptors of ports and arrays of ports, as far as the script names them."""
    given = _answer(seen, "descriptors")
    forms = None if given is None else tuple([each[1] for each in given if not is_memory(each)][: len(wanted)])
    return _Finding(forms == wanted, f"descriptors {list(wanted)}", "no message" if forms is None else f"descriptors {list(forms)}")


def _judge_memory(wanted: Any, seen: StepOutcome) -> _Finding:
    """Judges the contents of the received pages."""
    words = seen.symbols.value(wanted)
    given = _answer(seen, "descriptors")
    memory = seen.after.tasks[seen.caller].memory if seen.caller in seen.after.tasks else {}
    pages = None if given is None else [memory.get(page) for page in received_pages(given)]
    there = None if pages is None else tuple([None if page is None else page.value for page in pages])
    shown = "no message" if there is None else "memory [" + ", ".join("nothing" if word is None else str(word) for word in there) + "]"
    return _Finding(there == words, f"memory {list(words)}", shown)


def _judge_complex(wanted: bool, seen: StepOutcome) -> _Finding:
    given = _answer(seen, "descriptors")
    words = {True: "a complex message", False: "a simple message"}
    return _Finding(given is not None and bool(given) == wanted, words[wanted], "no message" if given is None else words[bool(given)])


def _judge_trailer(wanted: tuple[tuple[str, Any], ...], seen: StepOutcome) -> _Finding:
    for output, value in wanted:
        given = _answer(seen, output)
        words = output.replace("_", " ")
        if isinstance(value, Words):
            wrong = _first_wrong_word(value, given, seen)
            if wrong is not None:
                position, number, found = wrong
                shown = "no message" if given is None else f"{words}[{position}] {'not requested' if found is None else found}"
                return _Finding(False, f"{words}[{position}] {number}", shown)
            continue
        token = seen.symbols.value(value)
        if not _same(given, token):
            return _Finding(False, f"{words} {_plain(token)}", "no message" if given is None else f"{words} {_plain(given)}")
    return _Finding(True, "", "")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _judge_value(equal: bool) -> Callable[[Any, StepOutcome], _Finding]:
    def judge(wanted: Any, seen: StepOutcome) -> _Finding:
        given = _answer(seen, "value")
        if isinstance(wanted, Words):
            wrong = _first_wrong_word(wanted, given, seen)
            words = ", ".join(f"word {position} {seen.symbols.value(value)}" for position, value in wanted.pairs)
            return _Finding(given is not None and (wrong is None) == equal, words if equal else f"other than {words}", _shown(given, seen))
        value = _first_value(seen) if wanted == UNCHANGED else seen.symbols.value(wanted)
        words = _shown(value, seen) if equal else f"other than {_shown(value, seen)}"
        return _Finding(given is not None and _same(given, value) == equal, words, _shown(given, seen))

    return judge


def _first_value(seen: StepOutcome) -> Any:
    if seen.target is None:
        raise NotModelled("there is no earlier value to compare with")
    if seen.call.name == "task_info":
        tokens = seen.first.security if seen.call.arguments["flavor"] == TASK_SECURITY_TOKEN else seen.first.audit
        return tokens[seen.target]
    page = (seen.target, seen.call.arguments["address"])
    if page not in seen.first.pages:
        raise NotModelled("there is no earlier value to compare with")
    return seen.first.pages[page]


def _judge_more_names(wanted: int, seen: StepOutcome) -> _Finding:
    names = _answer(seen, "names")
    return _Finding(
        names is not None and len(names) > wanted, f"more than {wanted} names", _shown(None, seen) if names is None else f"{len(names)} names"
    )


def _judge_counts_equal(wanted: bool, seen: StepOutcome) -> _Finding:
    names, types = _answer(seen, "names"), _answer(seen, "types")
    if names is None or types is None:
        return _Finding(False, "names and types", _shown(None, seen))
    words = "as many types as names" if wanted else "not as many types as names"
    return _Finding((len(names) == len(types)) == wanted, words, f"{len(names)} names and {len(types)} types")


def _judge_count(wanted: int, seen: StepOutcome) -> _Finding:
    given = next((given for given in seen.result.outputs.values() if isinstance(given, tuple)), None)
    return _Finding(given is not None and len(given) == wanted, str(wanted), _shown(None, seen) if given is None else str(len(given)))


def _judge_target_alive(wanted: bool, seen: StepOutcome) -> _Finding:
    alive = seen.target in seen.after.tasks
    words = {True: "the task lives", False: "the task is gone"}
    return _Finding(alive == wanted, words[wanted], words[alive])


def _judge_answer(wanted: int, seen: StepOutcome) -> _Finding:
    """Judges the code that a server has answered."""
    given = _answer(seen, "RetCode")
    return _Finding(given is not None and _same(given, wanted), code_name(wanted), "no request" if given is None else code_name(given))


def _judge_survival(wanted: bool, seen: StepOutcome) -> _Finding:
    return _Finding(wanted, "the kernel panics", "the kernel survives")


def _judge_added(wanted: tuple[str, Any], seen: StepOutcome) -> _Finding:
    output, number = wanted
    return _output(output, output)(number, seen)


_JUDGES: dict[str, Callable[[Any, StepOutcome], _Finding]] = {
    OF_OUTPUT: _judge_added,
    "ret": _code(lambda code, wanted: code == wanted, ""),
    "ret_not": _code(lambda code, wanted: code != wanted, "not "),
    "ret_any_of": _code(lambda code, wanted: code in wanted, ""),
    "ret_gt": _code(lambda code, wanted: code > wanted, "more than "),
    "ret_le": _code(lambda code, wanted: code <= wanted, "at most "),
    "type": _judge_type,
    "refs": _judge_refs,
    "mscount": _judge_make_send_count,
    "name_eq": _judge_name(True),
    "name_ne": _judge_name(False),
    "acquired": _output("acquired", "form"),
    "port_disp": _judge_forms,
    "msg_id": _output("id", "message id"),
    "notification": _output("id", "message id"),
    "data": _output("data", "data"),
    "seqno": _output("sequence_number", "sequence number"),
    "size": _output("size", "size"),
    "trailer_size": _output("trailer_size", "trailer size"),
    **{output: _output(output, words) for output, words in _NUMBERS.items()},
    "context": _output("context", "context", WIDTHS[ArgumentType.GUARD].bits),
    "memory": _judge_memory,
    "local": _judge_output_name("local"),
    "previous": _judge_output_name("previous"),
    "members": _judge_members,
    "fields": _judge_fields,
    "masks": _judge_list("masks"),
    "behaviors": _judge_list("behaviors"),
    "flavors": _judge_list("flavors"),
    "complex": _judge_complex,
    "trailer": _judge_trailer,
    "sender": _judge_trailer,
    "trailer_elements": _output("trailer_size", "trailer size"),
    "value": _judge_value(True),
    "value_eq": _judge_value(True),
    "value_ne": _judge_value(False),
    "names_count_gt": _judge_more_names,
    "counts_equal": _judge_counts_equal,
    "count": _judge_count,
    "RetCode": _judge_answer,
    "target_alive": _judge_target_alive,
    "kernel_survives": _judge_survival,
}
