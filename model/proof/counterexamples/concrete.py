"""A counterexample in the project's own words: the solver's model as snapshots, a step, and sentences.

Tasks, ports and names get numbers: the caller is task 0, the host's ports come first, the names that the call mentions
come first. From there the renderers of ``check`` show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import z3

from sendright.mach.abi.codes import CALL_GOES_ON
from sendright.mach.abi.descriptors import MEMORY, PORT, Layout
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, PortObject, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.results.counterexamples import Became, Counterexample, Differs, SecondState
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Entry, PendingCall, Snapshot, changes, entry_in_words
from sendright.mach.state.trace import Step, Trace
from sendright.model.execution.encoding import ALIVE, FREE, IN_KERNEL, NAME_SLOT, NO_OBJECT, NO_PORT, REQUEST_SLOT, SlotTuple
from sendright.model.execution.property_check import slot_in_words
from sendright.model.execution.snapshots import SnapshotWriter
from sendright.model.execution.state import ConcreteState
from sendright.model.language.rule import Case
from sendright.model.language.sorts import LIFE, NUMBERED_ENUMERATIONS, UNBOUNDED, Term
from sendright.model.language.state import FIELDS, State, sort_named
from sendright.model.proof.counterexamples.counterexample import Found, mentioned
from sendright.model.proof.counterexamples.refute import expand

CONSTRUCTORS = {UNBOUNDED.Slot.constructor(index).name(): index for index in range(UNBOUNDED.Slot.num_constructors())}
"""The constructors of slots, and their numbers in concrete states."""
_NAMED = (NAME_SLOT, REQUEST_SLOT)
_LIVES = {"Task": "task_life", "Port": "port_life", "Message": "stage"}
_CALLER = 0
_NOT_THERE = "not there"
_PLAIN: tuple[Any, ...] = (0, False, NO_PORT, (), None)
"""Values of something new that say nothing."""
_HOST_OBJECTS = (PortObject.HOST, PortObject.HOST_PRIV, PortObject.HOST_SECURITY, PortObject.LEDGER, PortObject.DEVICE, PortObject.TASK)
_OBJECT_WORDS = {
    PortObject.HOST: "the host port",
    PortObject.HOST_PRIV: "the privileged host port",
    PortObject.HOST_SECURITY: "the security port",
    PortObject.LEDGER: "a ledger",
    PortObject.DEVICE: "the device port",
}


class Concrete:
    """A counterexample with numbers."""

    def __init__(self, found: Found) -> None:
        self.found, self.profile, self.sorts = found, found.profile, found.here.sorts
        self.k = found.question.k
        self._numbers: dict[str, dict[str, int]] = {
            name: {member.decl().name(): index for index, member in enumerate(self.sorts.members[name])}
            for name in ("Task", "Message", "SecurityToken", "AuditToken")
        }
        self._numbers["Object"] = {member.decl().name(): index - 1 for index, member in enumerate(self.sorts.members["Object"])}
        self._numbers["Port"] = self._ports()
        self._numbers["Name"] = self._names()
        self._enumerated = {sort.sort.name(): {member: index for index, member in enumerate(sort.members)} for sort in NUMBERED_ENUMERATIONS}
        self._by_sort = {getattr(self.sorts, name).get_id(): name for name in (*self._numbers, "Layout", "Slot")}
        self._writers: list[SnapshotWriter] = []
        self.before = self._state(found.before)
        self.after = self._state(found.after if found.after is not None else found.before)
        self.second = (self._state(found.second), self._state(found.second_after or found.second)) if found.second else None

    # ---- numbers

    def _value(self, term: Term) -> Term:
        return self.found.value(term)

    def _ports(self) -> dict[str, int]:
        """Ports by their numbers: those of the host first, then tasks' ports, then the others that are there, then
        those that the step makes."""

        def rank(port: Term) -> tuple[int, ...]:
            b = self.found.before
            life = LIFE.members.index(self._value(b.port_life(port)).decl().name())
            object_ = [f"OBJECT_{one.name}" for one in _HOST_OBJECTS]
            kind = self._value(b.object(port)).decl().name()
            return (life != ALIVE, object_.index(kind) if kind in object_ else len(object_))

        no_port, *ports = self.sorts.members["Port"]
        ranked = sorted(ports, key=rank)
        return {no_port.decl().name(): NO_PORT} | {port.decl().name(): number for number, port in enumerate(ranked)}

    def _names(self) -> dict[str, int]:
        """The names that the call mentions come first, in the order of its parameters."""
        null, dead, *names = (name.decl().name() for name in self.sorts.members["Name"])
        told = [self._value(self.found.here.term(term)).decl().name() for term in self._constants("Name").values()]
        ranked = dict.fromkeys([*(name for name in told if name in names), *names])
        return {null: NULL_NAME, dead: DEAD_NAME} | {name: number for number, name in enumerate(ranked, 1)}

    def _constants(self, *sorts: str) -> dict[str, Term]:
        """The arguments and choices of these sorts."""
        wanted = [getattr(UNBOUNDED, name) for name in sorts]
        return {name: term for name, term in self.k.constants.items() if z3.is_expr(term) and term.sort() in wanted}

    def of(self, term: Term) -> Any:
        """A term of the small scope, as a value of concrete states."""
        return self._plain(self._value(term))

    def _plain(self, value: Term) -> Any:
        if z3.is_int_value(value):
            return value.as_long()
        if z3.is_bool(value):
            return z3.is_true(value)
        enumerated = self._enumerated.get(value.sort().name())
        if enumerated is not None:
            return enumerated[value.decl().name()]
        name = self._by_sort[value.sort().get_id()]
        if name == "Slot":
            return self._slot(value)
        if name == "Layout":
            return self._layout(value)
        number = self._numbers[name][value.decl().name()]
        if name == "SecurityToken":
            return KERNEL_SECURITY_TOKEN if number == 0 else (500 + number, 20)
        if name == "AuditToken":
            return KERNEL_AUDIT_TOKEN if number == 0 else (500 + number, 500 + number, 20, 500 + number, 20, 100 + number, 100000, 1)
        return number

    def _slot(self, value: Term) -> SlotTuple:
        owner, *index = [self._plain(part) for part in value.children()]
        return CONSTRUCTORS[value.decl().name()], owner, index[0] if index else 0

    def _layout(self, value: Term) -> Layout:
        counts = (self.of(count(value)) for count in (self.sorts.rights_of, self.sorts.pages_of))
        rights, pages = (min(max(count, 0), 8) for count in counts)
        return (*[PORT] * rights, *[MEMORY] * pages)

    # ---- states

    def _state(self, state: State) -> ConcreteState:
        made = ConcreteState()
        self._writers.append(SnapshotWriter(made, self.profile))  # which watches what is written
        there = {sort: {member.decl().name() for member in self.sorts.members[sort] if self._is_there(state, sort, member)} for sort in _LIVES}
        for name, declaration in FIELDS.items():
            points = [point for point in self._points(declaration.domain) if self._exists(point, there) or name in _LIVES.values()]
            made.write(name, {self._point(point): self.of(state.fields[name](*point)) for point in points})
        return made

    def _is_there(self, state: State, sort: str, member: Term) -> bool:
        life = self.of(state.fields[_LIVES[sort]](member))
        return bool(life != FREE) if sort == "Message" else bool(life == ALIVE)

    def _exists(self, point: tuple[Term, ...], there: dict[str, set[str]]) -> bool:
        """Whether the point is of something that is there. (A slot is, if it holds something.)"""
        first = point[0] if point else None
        sort = self._by_sort.get(first.sort().get_id()) if first is not None else None
        return sort not in there or (first is not None and first.decl().name() in there[sort])

    def _points(self, domain: tuple[str, ...]) -> Iterator[tuple[Term, ...]]:
        if not domain:
            yield ()
            return
        for member in self.sorts.elements(sort_named(self.sorts, domain[0])):
            yield from ((member, *rest) for rest in self._points(domain[1:]))

    def _point(self, point: tuple[Term, ...]) -> Any:
        values = tuple(self._plain(part) for part in point)
        return values[0] if len(values) == 1 else values

    def _snapshot(self, state: ConcreteState, writer: SnapshotWriter) -> Snapshot:
        shown = writer.snapshot()
        carried: dict[int, list[int]] = {}
        for message, stage in state["stage"].items():
            if stage == IN_KERNEL and state["owner"].get(message, -1) in shown.tasks:
                carried.setdefault(state["owner"][message], []).append(message)
        # plain dictionaries: a writer's own know what they share, and can't be sent to another process
        tasks = {number: msgspec.structs.replace(task, names=dict(task.names)) for number, task in shown.tasks.items()}
        for task, messages in carried.items():
            pending = tasks[task].waiting or PendingCall(call=self.k.rule.name)
            pending = msgspec.structs.replace(pending, carries=tuple(map(writer.message, messages)))
            tasks[task] = msgspec.structs.replace(tasks[task], waiting=pending)
        return msgspec.structs.replace(shown, tasks=dict(sorted(tasks.items())), ports=dict(sorted(shown.ports.items())))

    # ---- words

    def counterexample(self, sentence: str) -> Counterexample:
        """All of it."""
        broken = self.found.broken
        places = broken[0][1] if broken else ()
        return Counterexample(
            broken=tuple(title for title, _ in broken),
            sentence=sentence,
            where=tuple(f"{self._sort_word(term)}{name} is {self.named(self._value(term))}" for name, term in places),
            there=tuple(self._there(places)),
            changes=tuple(self._changes()),
            who=tuple(self._who()),
            also=() if self.second else tuple(self._also()),
            trace=self._trace(),
            second=self._second_state() if self.second else None,
        )

    def _second_state(self) -> SecondState:
        """The other state of a question that compares two."""
        found, question = self.found, self.found.question
        assert found.second is not None
        assert question.second is not None
        there = self._case_there(question.second.cases)
        apart = list(self._told_apart(there))
        caller = f"t{_CALLER}"
        says = f"After {self.k.rule.name} it doesn't: " if question.second.after is not None else f"But {self.k.rule.name} doesn't do the same: "
        sentence = f"Both states look the same to {caller}. {says}{'; '.join(map(str, apart))}."
        trace = self._trace(1, there)
        return SecondState(sentence=sentence, told_apart=tuple(apart), hidden=tuple(self._hidden(True)) or tuple(self._hidden(False)), trace=trace)

    def _case_there(self, cases: Sequence[Case]) -> Case | None:
        """The case that applies to the second state."""
        return next((case for case in cases if self.of(expand(self.found.here.term(case.when), self.sorts))), None)

    def _told_apart(self, there: Case | None) -> Iterator[Differs]:
        found, case = self.found, self.found.question.case
        assert case is not None
        if there is None or there.id != case.id:
            yield Differs("the call's answer", case.id.replace("/", ": "), there.id.replace("/", ": ") if there else "none")
            return
        for title, places in found.broken:
            point = tuple(self._value(term) for _, term in places)
            name = title.removeprefix("the result ")
            if name != title:
                results = (found.here.term(one.outputs[name]) for one in (case, there))
                yield Differs(title, *(self.named(self._value(result)) for result in results))
            elif title in FIELDS and found.after is not None and found.second_after is not None:
                values = (self._value(state.fields[title](*point)) for state in (found.after, found.second_after))
                yield Differs(self._part(title, point), *map(self.named, values))
            else:
                yield Differs(title, *("yes" if self._dies(state, point) else "no" for state in (found.after, found.second_after)))

    def _dies(self, after: State | None, port: tuple[Term, ...]) -> bool:
        return after is not None and self.of(after.port_life(*port)) != ALIVE

    def _hidden(self, there: bool) -> Iterator[Differs]:
        """How the two states differ before the step: in what is ``there``, or also elsewhere."""
        one, other = self.found.before, self.found.second
        assert other is not None
        for name, declaration in FIELDS.items():
            if declaration.ghost:
                continue
            for point in self._points(declaration.domain):
                if not there or name in _LIVES.values() or any(self._has(state, point) for state in (one, other)):
                    values = [self._value(state.fields[name](*point)) for state in (one, other)]
                    if not values[0].eq(values[1]):
                        yield Differs(self._part(name, point), *map(self.named, values))

    def _sort_word(self, term: Term) -> str:
        name = self._by_sort.get(term.sort().get_id(), "")
        return f"{name.lower()} " if name else ""

    def _trace(self, number: int = 0, case: Case | None = None) -> Trace:
        """The step in the first state, or in the one of this ``number``, where ``case`` applies."""
        question = self.found.question
        states = (self.before, self.after, *(self.second or ()))[2 * number :]
        before, after = (self._snapshot(state, writer) for state, writer in zip(states[:2], self._writers[2 * number :][:2], strict=True))
        case = case if number else question.case
        outputs = {name: self._shown(self.found.here.term(term)) for name, term in case.outputs.items()} if case else {}
        chosen = {name: f"{self.named(self._value(self.found.here.term(term)))} (the kernel chose it)" for name, term in self._choices()}
        born = after.tasks.keys() - before.tasks.keys()
        step = Step(
            index=0,
            task=self.of(self.found.here.term(self.k.caller)),
            call=self.k.rule.name,
            arguments=dict(self._arguments()),
            shortage=self._circumstance("shortage"),
            stop=bool(self._circumstance("stop")),
            code=CALL_GOES_ON if case is None or case.code is None else int(case.code),
            outputs=outputs | chosen,
            created_task=min(born) if born else None,
            cases=(f"{self.k.rule.name}/{case.id}",) if case else (),
            changes=changes(before, after),
        )
        limits = {name: max(self.of(getattr(self.k, name)), 0) for name in ("urefs_max", "queue_limit", "queue_limit_max", "pages")}
        name = "a counterexample: a state in which all invariants hold"
        return Trace(implementation=name, profile=self.profile.name, initial=before, steps=(step,), final=after, **limits)

    def _choices(self) -> Iterator[tuple[str, Term]]:
        """What the kernel chose that a reader wants to know."""
        yield from ((name, term) for name, term in self._constants("Name", "Port", "Task").items() if name in self.k.rule.choices)

    def _circumstance(self, name: str) -> int:
        return int(self.of(self.found.here.term(self.k.constants[name]))) if name in self.k.rule.parameters else 0

    def _arguments(self) -> Iterator[tuple[str, Any]]:
        for name, sort in self.k.rule.parameters.items():
            if name in ("shortage", "stop") or (sort.domain is None and name.endswith("_length")):
                continue
            if sort.domain is None:
                yield name, self._shown(self.found.here.term(self.k.constants[name]))
            elif sort.domain == "Int":
                length = self.of(self.found.here.term(self.k.constants[f"{name}_length"])) if f"{name}_length" in self.k.constants else 0
                array = self.found.here.function(self.k.constants[name], ("Int",))
                yield name, [self._shown(array(z3.IntVal(index))) for index in range(min(max(length, 0), 8))]

    def _shown(self, term: Term) -> Any:
        """A value as a step's argument or result has it: words for what no call takes."""
        value = self._value(term)
        sort = self._by_sort.get(value.sort().get_id())
        if sort in ("Slot", "Message", "Object", "Task", "Port") or (sort == "Name" and self.k.rule.name not in SIGNATURES):
            return self.named(value)
        plain = self._plain(value)
        return list(plain) if isinstance(plain, tuple) else plain

    def named(self, value: Term) -> str:
        """What a value of the model is, in words: ``t0, the caller``; ``port 2, t0's own port``."""
        plain, sort = self._plain(value), self._by_sort.get(value.sort().get_id())
        if sort == "Task":
            return f"t{plain}" + (", the caller" if plain == _CALLER else "")
        if sort == "Port":
            return "no port" if plain == NO_PORT else self._port_words(plain)
        if sort == "Name":
            return {NULL_NAME: "the name NULL", DEAD_NAME: "the name DEAD"}.get(plain, f"name {plain}")
        if sort == "Message":
            return f"message {plain}"
        if sort == "Object":
            return "no memory object" if plain == NO_OBJECT else f"memory object {plain}"
        if sort == "Slot":
            return self._slot_words(plain)
        if sort in ("SecurityToken", "AuditToken"):
            return "the kernel's token" if plain in (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN) else f"the token of user {plain[0]}"
        if value.sort().name() in self._enumerated:
            return str(value.decl().name()).removeprefix("OBJECT_").removeprefix("PLACE_").removeprefix("INHERIT_").lower().replace("_", " ")
        return str(plain).lower() if isinstance(plain, bool) else str(plain)

    def _port_words(self, port: int) -> str:
        f = self.before.fields if self.before["port_life"].get(port) == ALIVE else self.after.fields
        object_ = PortObject(f["object"].get(port, 0))
        if f["port_life"].get(port) != ALIVE:
            return f"port {port}"
        if object_ is PortObject.TASK:
            return f"port {port}, the port of t{f['object_task'].get(port)}"
        words = _OBJECT_WORDS.get(object_, "")
        if not words and self.before["port_life"].get(port) != ALIVE:
            words = "a new port"
        return f"port {port}, {words}" if words else f"port {port}"

    def _who(self) -> Iterator[str]:
        """Which task and port plays which part in the call."""
        f = self.before.fields
        roles: dict[int, list[str]] = {_CALLER: ["the caller"]} if not self.k.rule.pending else {}
        for name, term in self._constants("Name").items() if self.k.rule.name in SIGNATURES else ():
            entry = self._entry(self.before, (CONSTRUCTORS["name_slot"], _CALLER, self.of(self.found.here.term(term))))
            if entry.port is not None and f["object"].get(entry.port) == PortObject.TASK:
                roles.setdefault(f["object_task"].get(entry.port, -1), []).append(f"the task behind the argument {name}")
        for name, term in self._constants("Task").items():
            what = "the new task" if name == "child" else f"the task {name}"
            roles.setdefault(self.of(self.found.here.term(term)), []).append(what)
        for task, played in sorted(roles.items()):
            yield f"t{task} is {' and '.join(dict.fromkeys(played))}"
        for port in sorted(f["port_life"].keys() | self.after["port_life"].keys()):
            words = self._port_words(port)
            if ", " in words:
                yield words.replace(", ", " is ", 1)

    @staticmethod
    def _entry(state: ConcreteState, slot: SlotTuple) -> Entry:
        f = state.fields
        port, kind, unlooked = f["port"].get(slot, NO_PORT), f["kind"].get(slot, 0), f["unlooked"].get(slot, 0)
        if kind == SlotKind.DEAD_NAME and unlooked:
            return Entry(SlotKind(unlooked), None, f["urefs"].get(slot, 0), f["told"].get(slot, False))
        return Entry(SlotKind(kind), None if port == NO_PORT else port, f["urefs"].get(slot, 0))

    def _changes(self) -> Iterator[Became]:
        """Everything that differs between the states, rights first."""
        slots = self.before["kind"].keys() | self.after["kind"].keys()
        for slot in sorted(slots):
            was, now = self._entry(self.before, slot), self._entry(self.after, slot)
            if was != now:
                yield Became(self._slot_words(slot), entry_in_words(was), entry_in_words(now))
        if self.found.after is None:
            return
        told = {"kind", "port", "urefs", "known_as", "form"}
        for name, declaration in FIELDS.items():
            if name not in told and not declaration.ghost:
                for point in self._points(declaration.domain):
                    became = self._became(name, point)
                    if became is not None and became.before != became.after:
                        yield became

    def _became(self, name: str, point: tuple[Term, ...]) -> Became | None:
        """What a field was and is at a point; None: neither before nor after the step is there anything."""
        before, after = self.found.before, self.found.after or self.found.before
        life = name in _LIVES.values()
        was, now = (life or self._has(state, point) for state in (before, after))
        if not (was or now):
            return None
        values = [self._value(state.fields[name](*point)) for state in (before, after)]
        same = before.fields[name] is after.fields[name] or not self._touched(name)
        if was != now and (same or self._plain(values[now]) in _PLAIN):
            return None
        words = [self.named(value) if there else _NOT_THERE for value, there in zip(values, (was, now), strict=True)]
        return Became(self._part(name, point), *words)

    def _touched(self, name: str) -> bool:
        """Whether the step updates the field at all."""
        after = self.found.question.after
        return after is not None and after.fields[name] is not self.k.before.fields[name]

    def _has(self, state: State, point: tuple[Term, ...]) -> bool:
        """Whether that of which a field tells at the point is there: a task, a port, a message, a right in a slot."""
        sort = self._by_sort.get(point[0].sort().get_id(), "") if point else ""
        if sort == "Slot":
            return bool(self.of(state.kind(point[0])))
        if len(point) == 2 and z3.is_int_value(point[1]) and sort in ("Task", "Message"):  # a page
            return bool(self.of((state.mapped if sort == "Task" else state.memory)(*point)) != NO_OBJECT)
        return sort not in _LIVES or self._is_there(state, sort, point[0])

    @staticmethod
    def _slot_words(slot: SlotTuple) -> str:
        reserved = {NULL_NAME: "NULL", DEAD_NAME: "DEAD"}.get(slot[2]) if slot[0] in _NAMED else None
        return slot_in_words(slot).removesuffix(str(slot[2])) + reserved if reserved else slot_in_words(slot)

    def _part(self, name: str, point: tuple[Term, ...]) -> str:
        """A field at a point in words: ``port 2, make-send count``."""
        declaration = FIELDS[name]
        told = ":" not in declaration.about and declaration.range in ("Int", "Bool", "Port", "Task", "SecurityToken", "AuditToken")
        words = declaration.about.partition(",")[0] if told else name.removeprefix("task_").removeprefix("port_").replace("_", " ")
        where = ", ".join(self._short(part) for part in point)
        return f"{where}, {words}" if where else words

    def _short(self, value: Term) -> str:
        plain, sort = self._plain(value), self._by_sort.get(value.sort().get_id())
        return f"port {plain}" if sort == "Port" else f"task {plain}" if sort == "Task" else self.named(value)

    def _there(self, places: Iterable[tuple[str, Term]]) -> Iterator[Became]:
        """What the broken clause speaks of, where it is broken."""
        goal = self.found.goal
        if goal is None:
            return
        mentioned = _fields_in(goal)
        values = {term.sort().get_id(): self._value(term) for _, term in places}
        for name, declaration in FIELDS.items():
            if name not in mentioned or len(declaration.domain) != 1:
                continue
            sort = sort_named(self.sorts, declaration.domain[0])
            value = values.get(sort.get_id())
            if value is not None and self._by_sort.get(sort.get_id()) in ("Port", "Task", "Message"):
                became = self._became(name, (value,))
                if became is not None and (declaration.range == "Int" or became.before != became.after):
                    yield became

    def _sides(self, goal: Term, values: list[Term]) -> tuple[str, str] | None:
        """The values of the two sides, of a goal that says that two terms are equal."""
        clause = self.found.here.term(goal)
        if z3.is_quantifier(clause):
            clause = z3.substitute_vars(clause.body(), *reversed(values))
        if z3.is_or(clause) and clause.num_args():  # with none it is an "or" of nothing: false
            clause = clause.children()[-1]
        if not z3.is_eq(clause) or (z3.is_bool(clause.arg(0)) and z3.is_quantifier(goal)):
            return None
        one, other = (self._value(side) for side in clause.children())
        return None if one.eq(other) else (self.named(one), self.named(other))

    def _also(self) -> Iterator[str]:
        """What else the question speaks of: constants that are neither arguments nor choices of the rule's."""
        places = [self._value(term) for _, term in self.found.broken[0][1]] if self.found.broken else []
        goal = self.found.goal
        sides = self._sides(goal, places) if goal is not None else None
        if sides is not None:
            yield f"these should be equal: {sides[0]}; {sides[1]}"
        known = {term.decl().name() for term in self.k.constants.values() if z3.is_expr(term)} | {"caller"}
        for name, term in _constants_in([*(goal for _, goal in self.found.question.goals), *self.found.question.assumptions]).items():
            sort = self._by_sort.get(self.found.here.sort(term.sort()).get_id())
            if name not in known and sort in ("Task", "Port", "Name", "Message") and "!" not in name and name not in _OF_ALL:
                yield f"{name.replace('_', ' ')} is {self.named(self._value(self.found.here.term(term)))}"


_OF_ALL = frozenset(member.decl().name() for members in UNBOUNDED.members.values() for member in members)


def _fields_in(goal: Term) -> set[str]:
    return {term.decl().name() for term in mentioned([goal])} & FIELDS.keys()


def _constants_in(formulas: Iterable[Term]) -> dict[str, Term]:
    return {term.decl().name(): term for term in mentioned(formulas) if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED}


def described(found: Found, sentence: str) -> Counterexample:
    """``found`` in words and snapshots; ``sentence`` is the property in its own words."""
    return Concrete(found).counterexample(sentence)
