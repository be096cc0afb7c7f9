"""A server's discipline: after a request it holds what it held before, and what its routine says that it keeps.

The two states of the run say what it holds. The derivation graph says where a right came from, and whether a dead-name
notification brought a reference. Nothing else is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Notification, SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import EMPTY, Difference, Entry, Slot, Snapshot, entry_in_words
from sendright.mach.state.trace import Step, Violation
from sendright.properties.provenance.derivation import Derivation, derive
from sendright.properties.provenance.nodes import BOOT_STEP, RightNode
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.servers.server import Request

LEAK = "leak: a server holds what it held before the request, and what its routine keeps"
DOUBLE_DROP = "double drop: a server gives up only what the request brought, once, and what its routine says"
FORGED = "forged notification: only what the kernel itself says makes a server give up a right that is in use"
_FAILED = (ReturnCode.KERN_INVALID_NAME, ReturnCode.KERN_INVALID_RIGHT)


What: TypeAlias = Literal["reference", "receive", "port set", "page"]
"""A user reference (to a send, send-once or dead right), a receive right, a port set, or a page of memory."""


class Dealing:
    """What a server does about one request."""

    def __init__(self) -> None:
        self.request: Request | None = None
        self.received: Step | None = None
        self.routine = ""
        self.answer: int = ReturnCode.KERN_SUCCESS
        self.reply: tuple[tuple[object, ...], ...] = ()
        self.by: dict[int, str] = {}
        """The steps that the server has made, and which part of it made each."""
        self.kept: list[tuple[int, What | None]] = []
        """What the server keeps: of which name (or page), and what of it. None: that of which it holds more now."""
        self.given_up: list[tuple[int, What | None]] = []
        """What the server gives up of what it kept earlier, in the same way."""


_WORDS: dict[What, str] = {"reference": "user reference", "receive": "receive right", "port set": "port set", "page": "page"}
"""``Held.what`` -> its name for readers."""


class Held(NamedTuple):
    """Something that a task holds; a task may hold several that are equal."""

    what: What
    name: int
    """The name, or the page's address."""
    port: int | None = None
    """None: it is dead, or has none."""


def held_by(snapshot: Snapshot, task: int, alive: Mapping[int, object]) -> Counter[Held]:
    """Everything in a task's space and memory; ports that aren't ``alive`` count as dead."""
    found: Counter[Held] = Counter()
    shown = snapshot.tasks.get(task)
    if shown is None:
        return found
    for name, entry in shown.names.items():
        port = entry.port if entry.port in alive else None
        references = entry.urefs + bool(entry.told) if entry.kind is not SlotKind.SEND_ONCE else 1
        if references:
            found[Held("reference", name, port)] = references
        if entry.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE):
            found[Held("receive", name, port)] = 1
        if entry.kind is SlotKind.PORT_SET:
            found[Held("port set", name)] = 1
    for page in shown.memory:
        found[Held("page", page)] = 1
    return found


def faults(run: JudgedRun, task: int, before: Snapshot, dealing: Dealing) -> tuple[Violation, ...]:
    """What is wrong with the server's rights after ``dealing`` with a request; ``before`` is the state before it was
    received."""
    return tuple(_Judge(run, task, before, dealing).faults())


class _Judge:
    def __init__(self, run: JudgedRun, task: int, before: Snapshot, dealing: Dealing) -> None:
        self.run, self.task, self.dealing = run, task, dealing
        self.before, self.after = before, run.snapshot
        self._derivation: Derivation | None = None
        self.believed: set[Held] = set()
        """What the server gave up since a message of a task's said so."""

    @property
    def derivation(self) -> Derivation:
        """The derivation graph of the run so far."""
        if self._derivation is None:
            self._derivation = derive(self.run.trace())
        return self._derivation

    def faults(self) -> Iterator[Violation]:
        alive = self.after.ports
        expected, seen = held_by(self.before, self.task, alive), held_by(self.after, self.task, alive)
        self._expect(expected, seen)
        if self.run.profile.pegged_urefs:
            _forget_pegged(expected, seen, self.run.profile)
        lost, leaked = expected - seen, seen - expected
        for held, count in sorted(lost.items(), key=str):
            yield self._violation(held, -count, expected, seen)
        if not lost:
            yield from self._found_nothing()
        for held, count in sorted(leaked.items(), key=str):
            yield self._violation(held, count, expected, seen)

    # What it should hold

    def _expect(self, expected: Counter[Held], seen: Counter[Held]) -> None:
        """Make of what was held before what should be held now."""
        forged = self._forged()
        for name, said in self.dealing.given_up:
            held = self._named(said or _more_of(name, expected, seen), name, expected)
            if forged and self._in_use(held):
                self.believed.add(held)
            else:
                expected.subtract([held])
        for name, said in self.dealing.kept:
            expected.update([self._named(said or _more_of(name, seen, expected), name, seen)])
        for name in self._fired():
            expected.update([self._named("reference", name, expected)])
        brought = self._brought()
        if brought is not None:
            expected.subtract([self._named("reference", brought, expected)])

    def _named(self, what: What, name: int, held: Counter[Held]) -> Held:
        return next((each for each in held if each.what == what and each.name == name), Held(what, name))

    def _fired(self) -> Iterator[int]:
        """The names whose dead-name requests have fired meanwhile: each got a reference, which its notification will
        bring."""
        old, new = self.before.tasks.get(self.task), self.after.tasks.get(self.task)
        for name in old.requests.keys() - (new.requests.keys() if new is not None else ()) if old is not None else ():
            was, now = _entry(self.before, self.task, name), _entry(self.after, self.task, name)
            if was.port in self.before.ports and was.port not in self.after.ports and now.type_kind is SlotKind.DEAD_NAME:
                yield name

    def _forged(self) -> bool:
        """Whether the request has the id of a notification, and isn't the kernel's."""
        request, received = self.dealing.request, self.dealing.received
        if request is None or received is None or request.id not in set(Notification):
            return False
        serial = self._serial(received)
        return any(message.from_kernel is False for port in self.before.ports.values() for message in port.queue if message.serial == serial)

    def _in_use(self, held: Held) -> bool:
        """Whether the port of a user reference lives, or whether there are senders to that of a receive right."""
        if held.what == "reference":
            return held.port is not None
        entry = _entry(self.before, self.task, held.name)
        port = self.before.ports.get(entry.port) if entry.port is not None else None
        return held.what == "receive" and port is not None and port.send_rights > (entry.kind is SlotKind.SEND_RECEIVE)

    def _brought(self) -> int | None:
        """The name of which the request brought a reference: if it is the notification of the server's own dead-name
        request. A message that only looks like one brings nothing."""
        request, received = self.dealing.request, self.dealing.received
        if request is None or received is None or request.id != Notification.DEAD_NAME:
            return None
        serial = self._serial(received)
        graph = self.derivation.graph
        for node in graph if serial is not None else ():
            if isinstance(node, RightNode) and node.slot == Slot("message", serial or 0, -2):
                sources = [source.slot for source in graph.predecessors(node) if isinstance(source, RightNode)]
                if any(slot == Slot("request", self.task, request.data) for slot in sources):
                    return request.data
        return None

    def _serial(self, received: Step) -> int | None:
        """The serial of the received message."""
        gone = [change.slot.owner for change in received.changes if change.slot.where == "message" and not change.after.kind]
        return gone[0] if gone else None

    # What is wrong

    def _violation(self, held: Held, more: int, expected: Counter[Held], seen: Counter[Held]) -> Violation:
        """A violation: the server holds so many more, or fewer, than it should."""
        page = held.what == "page"
        slot = Slot("name", self.task, held.name)
        where = f"task {self.task}, page {held.name}" if page else str(slot)
        old, new = (_entry(state, self.task, held.name) for state in (self.before, self.after))
        shown = "" if page else f" ({entry_in_words(new if more > 0 else old)})"
        count = f"{abs(more)} {_WORDS[held.what]}s" if abs(more) > 1 else f"a {_WORDS[held.what]}"
        origin = "" if page else self._origin(slot, held.what, more)
        if more > 0:
            words = f"the server keeps {count} too many of {where}{shown}: {self._done()}{origin}"
        else:
            why = "; a task sent that request, not the kernel" if held in self.believed else ""
            words = f"the server has lost {count} of {where}{shown}, which it had before the request: {self._done()}{why}{origin}{self._takers(slot)}"
        should, does = (f"{found[held]} of it" if found[held] else "nothing" for found in (expected, seen))
        if not page:
            does = entry_in_words(new)
            if old.kind and expected[held] == _count(held_by(self.before, self.task, self.after.ports), held.what, held.name):
                should = entry_in_words(old)
        return Violation(
            step=self._last_taker(slot) if more < 0 else max(self.dealing.by),
            kind="discipline",
            clause=LEAK if more > 0 else FORGED if held in self.believed else DOUBLE_DROP,
            words=words,
            differences=(Difference(where, should, does),),
        )

    def _found_nothing(self) -> Iterator[Violation]:
        """mach_msg_destroy gives up what the request brought. If that isn't there, something else gave it up."""
        for index, by in self.dealing.by.items():
            step = self.run.steps[index]
            if "mach_msg_destroy" in by and step.code in _FAILED:
                slot = Slot("name", self.task, step.arguments["name"])
                words = f"{by} found nothing to give up at {slot}: {step.call} returned {code_name(step.code)}; {self._done()}{self._takers(slot)}"
                expected = Difference(f"return code of {step.call}", ReturnCode.KERN_SUCCESS.name, code_name(step.code))
                yield Violation(step=index, kind="discipline", clause=DOUBLE_DROP, words=words, differences=(expected,))
                return

    def _done(self) -> str:
        """What the server did with the request, in words."""
        request = self.dealing.request
        number = "" if request is None else f" {request.id}"
        return f"request{number} was served by {self.dealing.routine}, which returned {code_name(self.dealing.answer)}"

    def _takers(self, slot: Slot) -> str:
        """Which of the server's steps took something from a slot, in words."""
        found = [f"{self.run.steps[index].call} in step {index + 1} ({self.dealing.by[index]})" for index in self._taking(slot)]
        return f"; it was given up by {' and '.join(found)}" if found else ""

    def _taking(self, slot: Slot) -> list[int]:
        return [
            index
            for index in self.dealing.by
            for change in self.run.steps[index].changes
            if change.slot == slot and (change.after.urefs < change.before.urefs or (change.before.kind and change.after.port != change.before.port))
        ]

    def _last_taker(self, slot: Slot) -> int:
        return max(self._taking(slot), default=max(self.dealing.by))

    def _origin(self, slot: Slot, what: str, more: int) -> str:
        """Where the right came from, by the derivation graph, in words."""
        began = min(self.dealing.by)
        graph = self.derivation.graph
        nodes = [
            node
            for node in graph
            if isinstance(node, RightNode)
            and node.slot == slot
            and (node.kind is SlotKind.RECEIVE) == (what == "receive")
            and (node.step >= began) == (more > 0)
        ]
        for node in sorted(nodes, key=lambda node: node.step, reverse=more > 0):
            for source, _, edge in graph.in_edges(node, data=True):
                if isinstance(source, RightNode) and source.slot.where == "message":
                    return f"; it came with {source.slot}, in step {edge['step'] + 1}"
                if edge["how"] != "kept":
                    return "; it was there at boot" if edge["step"] == BOOT_STEP else f"; it came by {edge['call']}, in step {edge['step'] + 1}"
        return ""


def _entry(snapshot: Snapshot, task: int, name: int) -> Entry:
    shown = snapshot.tasks.get(task)
    return EMPTY if shown is None else shown.names.get(name, EMPTY)


def _more_of(name: int, many: Counter[Held], few: Counter[Held]) -> What:
    """Of what the first holds more than the second, under this name."""
    return next((what for what in _WORDS if _count(many, what, name) > _count(few, what, name)), "reference")


def _count(held: Counter[Held], what: What, name: int) -> int:
    return sum(count for each, count in held.items() if each.what == what and each.name == name)


def _forget_pegged(expected: Counter[Held], seen: Counter[Held], profile: Profile) -> None:
    """Where a kernel pegs references, a name with the highest count keeps them, whatever a task gives up: it isn't the
    server's fault, and nothing is lost."""
    for held in [each for each, count in seen.items() if each.what == "reference" and count >= profile.urefs_max]:
        expected[held] = seen[held] = 0
