"""The effect of a case in words, read off the updates that it makes to the state. Nothing is written by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import FIELDS, OF_PROCESS, Add, After, Store, Sweep, Update
from sendright.model.proof.any_state import ANY_STATE

_RIGHTS = {
    "SEND": "a send right to {}",
    "RECEIVE": "the receive right of {}",
    "SEND_RECEIVE": "the receive right of {}, with a send right",
    "SEND_ONCE": "a send-once right to {}",
    "DEAD_NAME": "a dead name",
    "PORT_SET": "an empty port set",
}
_OF_A_RIGHT = ("kind", "port", "urefs")
_FOLLOWS = frozenset({"known_as", "clock", "arrival", "due_at", "died_first", "had", "unlooked", "told", "form"})
"""What follows from a sentence about the same right or message, or only numbers what happens."""
_COUNTS = {"srights": "send right", "sorights": "send-once right", "msgcount": "queued message", "mscount": "make-send"}
_SWEPT = {
    "members": "port sets lose members",
    "renamed members": "port sets keep their members under the new name",
    "memory": "memory that a message carries is dropped",
    "pages": "pages of an address space change",
    "copied objects": "copied pages get memory of their own",
    "messages": "room in a queue is given to messages that wait",
    "possible": "send-possible requests fire",
}
_RELEASED = "All that ends with this is given up: rights, messages in queues, and requests. Notifications become due."
_THINGS = (
    *("name_slot", "place_slot", "destination_slot", "reply_slot", "body_slot", "request_slot", "no_senders_slot"),
    *("port_destroyed_slot", "kernel_slot", "limbo_slot", "host_slot"),
)
_UNCLEAR = "what the state says"
_ALIKE = re.compile(r"the (exception|registered) [\w ]*?place\b")
"""Places of one kind: a sentence that is the same of all is said once."""
_DEEPEST = 8
_NO_SENDERS = "If the last send right goes, and a request waits for that, a no-senders notification becomes due."
_NUMBERED = re.compile(r"\bright \d+\b")
_TOLD = frozenset(output.name for signature in SIGNATURES.values() for output in signature.outputs)
_LONGEST = 60
"""A term that is longer in words is left out: the source of the rule has it."""


def effect_in_words(k: Context, case: Case) -> str:
    """What ``case`` does, in sentences: each right, port, message and field that it changes, and what it answers.

    Parameters of the rule, and what the kernel chooses, go by their names in the rule, in backticks.
    """
    after = After(k.before, k.profile)
    case.effect(after)
    sentences = [*_sentences(after)] or [*_numbering(after)] or ["nothing changes"]
    if told := [f"`{name}`" for name in case.outputs if name in _TOLD]:
        sentences.append(f"it returns {_joined(told)}")
    if case.replies:
        sentences.append(f"the reply carries {case.replies} {'right' if case.replies == 1 else 'rights'}")
    return " ".join(f"{_capital(sentence)}{'' if sentence.endswith('.') else '.'}" for sentence in _said_once(sentences))


def effects_of(rule: str, profile: Profile) -> dict[str, str]:
    """The cases of ``rule`` in ``profile``, each with its effect in words. Raises KeyError."""
    k = Context(RULES[rule], ANY_STATE, profile)
    return {case.id: effect_in_words(k, case) for case in k.rule.cases(k)}


def _said_once(sentences: list[str]) -> Iterator[str]:
    """Sentences that say the same of several places, or rights of a message, become one."""
    alike = Counter(_NUMBERED.sub("each right", sentence) for sentence in dict.fromkeys(sentences))
    places = (_ALIKE.sub(r"each \1 place", sentence) for sentence in sentences)
    yield from dict.fromkeys(
        _NUMBERED.sub("each right", sentence) if alike[_NUMBERED.sub("each right", sentence)] > 1 else sentence for sentence in places
    )


def _numbering(after: After) -> Iterator[str]:
    """What a case changes that otherwise only goes with other changes."""
    for point, values in _stored(after).items():
        for name, value in values.items():
            yield f"`{name}` of {point} becomes {_value(value)}" if point else f"`{name}` becomes {_value(value)}"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _sentences(after: After) -> Iterator[str]:
    stored = _stored(after)
    made = {point: values for point, values in stored.items() if "port_life" in values or "stage" in values or "task_life" in values}
    for point, values in stored.items():
        if set(values) & set(_OF_A_RIGHT):
            yield from _right(point, values)
    for point, values in made.items():
        yield from _beginning_or_end(point, values)
    if any(name == "no_senders_due" for name, _ in _updates(after)) and not after.releases:
        yield _NO_SENDERS
    for point, values in stored.items():
        for name, value in values.items():
            if name not in ("no_senders_due", *_OF_A_RIGHT, *_FOLLOWS) and (point not in made or name in OF_PROCESS):
                yield f"`{name}` of {point} becomes {_value(value)}" if point else f"`{name}` becomes {_value(value)}"
    for name, update in _updates(after):
        if isinstance(update, Sweep) and name in OF_PROCESS:
            yield f"`{name}` of some other tasks changes"
    yield from _added(after)
    if after.releases:
        yield _RELEASED
    else:
        for name, update in _updates(after):
            if isinstance(update, Sweep) and update.over != "ports" and name not in OF_PROCESS:
                yield _SWEPT.get(update.over, f"{update.over} change")


def _updates(after: After) -> Iterator[tuple[str, Update]]:
    for name, field in after.fields.items():
        if not FIELDS[name].ghost:
            yield from ((name, update) for update in field.updates)


def _stored(after: After) -> dict[str, dict[str, Term]]:
    """What gets a value, in words -> field -> the value. A value that comes with a condition may stay as it was."""
    found: dict[str, dict[str, Term]] = {}
    for name, update in _updates(after):
        if isinstance(update, Store):
            found.setdefault(_point(name, update.point), {})[name] = update.value
    return found


def _right(slot: str, values: dict[str, Term]) -> Iterator[str]:
    kind, port, urefs = (values.get(name) for name in _OF_A_RIGHT)
    if kind is None:
        if urefs is not None:
            words = _value(urefs)
            if words.endswith((" more", " fewer")):
                yield f"{slot} has {words} user {'reference' if words.startswith('1 ') else 'references'}"
            else:
                yield f"the user references of {slot} become {words}"
        if port is not None:
            yield f"{slot} leads to {_thing(port)}"
        return
    known = kind.decl().name()
    if known == "NONE":
        yield f"{slot} becomes empty"
    elif known in _RIGHTS:
        right = _RIGHTS[known].format(_thing(port) if port is not None else "its port")
        references = "" if urefs is None or str(urefs) == "0" else f", with {_references(urefs)}"
        yield f"{slot} becomes {right}{references}"
    else:
        yield f"{slot} gets a right" if z3.is_const(kind) else f"{slot} may change: the state says what it gets"


def _references(urefs: Term) -> str:
    words = _value(urefs)
    return "user references as the state says" if _UNCLEAR in words else f"{words} user reference{'' if words == '1' else 's'}"


def _beginning_or_end(point: str, values: dict[str, Term]) -> Iterator[str]:
    for field, what in (("task_life", "task"), ("port_life", "port")):
        if field in values:
            begins = str(values[field]) in ("ALIVE", "ACTIVE")
            yield f"the {what} {point} {'is made' if begins else 'ends'}"
    if "stage" in values:
        stage, queue = str(values["stage"]), values.get("queue")
        words = {"FREE": "ends", "QUEUED": f"is queued at {_thing(queue)}" if queue is not None else "is queued", "IN_KERNEL": "is in the kernel"}
        number = values.get("id")
        about = f", with the id {_value(number)}," if number is not None and z3.is_int_value(number) and number.as_long() else ""
        yield f"the message {point}{about} {words.get(stage, 'waits for room')}"


def _added(after: After) -> Iterator[str]:
    for name, update in _updates(after):
        if isinstance(update, Add):
            point, what = _point(name, update.point), _COUNTS.get(name)
            amounts = _amounts(update.amount)
            if amounts == {0}:
                continue
            if what and amounts and amounts <= {-1, 0, 1} and len(amounts - {0}) == 1:
                more = "more" if 1 in amounts else "fewer"
                yield f"{point} {'may count' if 0 in amounts else 'counts'} one {what} {more}"
            else:
                yield f"{f'the count of {what}s' if what else f'`{name}`'} of {point} changes{_by(update.amount)}"


def _amounts(term: Term) -> set[int]:
    """The numbers that ``term`` can be; empty if they aren't known."""
    if z3.is_int_value(term):
        return {term.as_long()}
    if term.decl().name() != "if":
        return set()
    if z3.is_true(term.arg(0)) or z3.is_false(term.arg(0)):
        return _amounts(term.arg(1 if z3.is_true(term.arg(0)) else 2))
    ways = [_amounts(term.arg(index)) for index in (1, 2)]
    return set.union(*ways) if all(ways) else set()


def _by(amount: Term) -> str:
    words = _value(amount).removesuffix(" or 0")
    return "" if _UNCLEAR in words else f" by {words}"


def _thing(term: Term, depth: int = _DEEPEST) -> str:
    """A task, port, slot, message, name or number in words. Terms share parts, so ``depth`` limits what is read."""
    if depth == 0:
        return _UNCLEAR
    name, parts = term.decl().name(), [term.arg(index) for index in range(term.num_args())]
    if not parts:
        return {"caller": "the caller", "NO_PORT": "no port", "NULL": "`NULL`"}.get(name, _constant(name, term))
    if name == "if":
        return _either(parts, depth - 1)
    if name not in _THINGS and name not in FIELDS:
        return _UNCLEAR
    one = [_thing(part, depth - 1) for part in parts]
    match name:
        case "name_slot":
            if _UNCLEAR in one[0]:
                return _UNCLEAR
            return f"the caller's {one[1]}" if one[0] == "the caller" else f"{one[1]} in the space of {one[0]}"
        case "place_slot":
            return f"{'a place' if one[1] == _UNCLEAR else one[1]} of {one[0]}"
        case "destination_slot":
            return f"the destination of the message {one[0]}"
        case "reply_slot":
            return f"the reply port of the message {one[0]}"
        case "body_slot":
            return f"right {one[1]} of the message {one[0]}"
        case "request_slot":
            return f"the dead-name request of {one[1]} of {one[0]}"
        case "no_senders_slot":
            return f"the no-senders request of {one[0]}"
        case "port_destroyed_slot":
            return f"the port-destroyed request of {one[0]}"
        case "kernel_slot":
            return f"the kernel's place for {one[0]}"
        case "limbo_slot":
            return f"the receive right of {one[0]}, on its way to the requester,"
        case "host_slot":
            return f"special port {one[0]} of the host"
        case "known_as":
            return f"name of {one[1]}"
        case "port":
            return f"the port of {one[0]}"
        case "object_task":
            return f"the task behind {one[0].removeprefix('the port of ').removeprefix('the caller' + chr(39) + 's ')}"
        case "task_port":
            return f"the own port of {one[0]}"
        case _:
            words = f"`{name}` of {_joined(one)}"
            return words if len(words) <= _LONGEST and _UNCLEAR not in words else _UNCLEAR


def _either(parts: list[Term], depth: int) -> str:
    if any(part.decl().name() == "if" for part in parts[1:]):
        return _UNCLEAR
    ways = list(dict.fromkeys(_thing(part, depth) for part in parts[1:]))
    words = " or ".join(ways)
    return words if len(words) <= _LONGEST and _UNCLEAR not in words else _UNCLEAR


def _constant(name: str, term: Term) -> str:
    if name.startswith("PLACE_"):
        words = name.removeprefix("PLACE_").lower().replace("_", " ")
        return f"the {'exception ' + words.removeprefix('exc ') if words.startswith('exc ') else words} place"
    return str(term) if z3.is_int_value(term) else f"`{name.partition('!')[0]}`"


def _point(field: str, parts: tuple[Term, ...]) -> str:
    """Where ``field`` changes, in words."""
    words = " at ".join(_thing(part) for part in parts)
    return words if _UNCLEAR not in words else f"another {FIELDS[field].domain[0].lower()}"


def _value(term: Term) -> str:
    """A value in words: a constant, a sum of few parts, or that it depends on the state."""
    if z3.is_true(term) or z3.is_false(term):
        return "true" if z3.is_true(term) else "false"
    if z3.is_add(term):
        parts = [term.arg(index) for index in range(term.num_args())]
        fixed = [part for part in parts if z3.is_int_value(part)]
        others = [part for part in parts if not z3.is_int_value(part)]
        fields = [part for part in others if part.decl().name() in FIELDS]
        if len(others) == 1 and fields and len(fixed) == 1:
            amount = fixed[0].as_long()
            return f"{abs(amount)} {'more' if amount > 0 else 'fewer'}"
        if len(fields) == 1 and len(others) == 2 and not fixed:
            return f"{_thing(next(part for part in others if part is not fields[0]))} more"
    words = _thing(term)
    return words if len(words) <= _LONGEST else "what the state says"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else " and ".join((", ".join(words[:-1]), words[-1])) if words else ""
