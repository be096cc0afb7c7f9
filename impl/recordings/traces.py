"""sendright's own traces (``sendright check --trace``, ``sendright replay --trace``): a run's facts about tasks, tokens
and rights.

Tasks are identified by their numbers in the trace. A fact has a call's request and its result. The kernel's resulting
state is in the final state: its tasks, tokens and rights are facts at the end, and those of the initial state are facts
at the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.json_values import json_values
from sendright.impl.recordings.source import Source
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject, SlotKind
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.kernel.unmodelled import why_unmodelled
from sendright.mach.results import facts
from sendright.mach.results.facts import (
    Count,
    CredentialsSet,
    Fact,
    Holding,
    Record,
    RightToTask,
    Task,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Token,
    Word,
)
from sendright.mach.signatures import SIGNATURES
from sendright.mach.signatures.widths import as_seen
from sendright.mach.state.snapshot import Change, Slot, Snapshot

_FORMAT = re.compile(rb'"format"\s*:\s*"sendright-trace/\d')
_ARRAYS = frozenset([b"steps"])
_DESTINATION = -2
_CREATIONS = frozenset(["task_create", "host_security_create_task_token"])


class _Step(msgspec.Struct):
    index: Count
    task: Word
    call: str
    code: int
    arguments: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    created_task: Word | None = None
    changes: tuple[Change, ...] = ()


class _Tokens(msgspec.Struct):
    security_token: tuple[Word, ...] = ()
    audit_token: tuple[Word, ...] = ()


class Traces:
    """sendright's traces."""

    name = "trace"
    about = "sendright's own traces"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        return head.lstrip()[:1] == b"{" and bool(_FORMAT.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        run = _Run(source)
        for line, text, wrong in json_values(source, _ARRAYS, around=True):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                value, note = decoded(text)
                if note:
                    yield source.cannot_read(line, note)
                if "initial" in value:
                    run = _Run(source, value.get("profile"))
                    yield from run.state(line, 0, msgspec.convert(value["initial"], Snapshot, strict=False))
                elif "final" in value:
                    yield from run.state(line, 1, msgspec.convert(value["final"], Snapshot, strict=False))
                else:
                    yield from run.step(line, msgspec.convert(value, _Step))
            except UNDECODABLE as error:
                yield source.cannot_read(line, why_undecodable(error))


class _Run:
    """The reader's knowledge of a run between two steps."""

    def __init__(self, source: Source, profile: Any = None) -> None:
        self._source = source
        known = PROFILES.get(profile) if isinstance(profile, str) else None
        self._profile = known
        self._audit_tokens = known is None or known.audit_tokens
        self._tokens: dict[int, Token] = {}
        self._task_of: dict[int, int] = {}
        """Port -> the task that it is the port of."""
        self._ports: dict[tuple[int, int], int] = {}
        """(task, name) -> port."""
        self._senders: dict[int, int] = {}
        """Message -> its sender."""

    def state(self, line: int, number: int, snapshot: Snapshot) -> Iterator[Fact]:
        """The tasks, tokens and rights of the initial or the final state."""
        kind = "final" if number else "initial"
        record = self._source.record(line, kind)
        self._source.read(kind)
        self._task_of |= {port: live.task for port, live in snapshot.ports.items() if live.object == PortObject.TASK and live.task is not None}
        for port in snapshot.ports.values():
            _within(port.send_once_rights, port.queue_limit, port.task or 0)
        for task, live in snapshot.tasks.items():
            _within(task)
            self._tokens[task] = self._token(live.security_token, live.audit_token)
            yield TaskSeen(record, self._task(task))
        for task, live in snapshot.tasks.items():
            for name, entry in live.names.items():
                if entry.port is not None:
                    self._ports[task, name] = entry.port
                _within(task, name, entry.urefs, *live.sets.get(name, ()))
                live_port = None if entry.port is None else snapshot.ports.get(entry.port)
                target = self._task_of.get(entry.port) if entry.port is not None else None
                receives = live_port is not None and entry.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
                yield Holding(
                    record,
                    self._task(task),
                    name,
                    entry.kind,
                    "" if entry.port is None else str(entry.port),
                    number,
                    entry.urefs,
                    live_port.send_once_rights if live_port is not None and receives else None,
                    live_port.send_rights > 0 if live_port is not None and receives else None,
                    live_port.queue_limit if live_port is not None and receives else None,
                    len(live_port.queue) if live_port is not None and receives else None,
                    None if target is None else self._task(target),
                    None if target is None else TaskRight.CONTROL,
                    "" if live_port is None or live_port.object == PortObject.NONE else live_port.object.name,
                    members=live.sets.get(name, ()) if entry.kind == SlotKind.PORT_SET else (),
                    is_self=target == task,
                )

    def step(self, line: int, step: _Step) -> Iterator[Fact]:
        """The facts of one call."""
        record = self._source.record(line, step.call, sequence=step.index)
        self._source.read(step.call)
        done = step.code == ReturnCode.KERN_SUCCESS
        caller = self._task(step.task)
        said = list(self._call(record, step, caller, done))
        said += self._changes(record, step, caller)
        unmodelled = self._not_modelled(step)
        if unmodelled is not None:  # what it did is followed, and not judged
            said = [self._source.cannot_read(line, unmodelled), TaskSeen(record, caller)]
        yield from said or [TaskSeen(record, caller)]

    def _not_modelled(self, step: _Step) -> str | None:
        """Why no rule covers the step, in words; None: one does."""
        signature = SIGNATURES.get(step.call)
        if self._profile is None or signature is None:
            return None
        return why_unmodelled(as_seen(Call(step.call, step.arguments), signature, self._profile.name), self._profile)

    def _call(self, record: Record, step: _Step, caller: Task, done: bool) -> Iterator[Fact]:
        child = step.created_task
        if child is not None and step.call in _CREATIONS:
            self._task_of |= {
                change.after.port: child
                for change in step.changes
                if change.slot == Slot("place", child, Place.KERNEL) and change.after.port is not None
            }
            given = step.call == "host_security_create_task_token"
            if given:
                self._tokens[child] = self._given(step)
            parent = self._named(step, "parent_task")
            yield TaskBegan(record, self._task(child), caller if parent is None else self._task(parent), step.call, given)
        elif step.call == "host_security_set_task_token":
            target = self._named(step, "target_task")
            if target is not None:
                if done:
                    self._tokens[target] = self._given(step)
                yield CredentialsSet(record, caller, step.call, (), done, self._task(target) if done else None)
        elif step.call == "task_terminate" and done:
            ended = self._named(step, "task")
            if ended is not None:
                yield TaskEnded(record, self._task(ended))

    def _changes(self, record: Record, step: _Step, caller: Task) -> Iterator[Fact]:
        for change in step.changes:
            slot, before, after = change.slot, change.before, change.after
            _within(slot.owner, max(slot.index, 0))
            if slot.where == "name":
                if after.port is None:
                    self._ports.pop((slot.owner, slot.index), None)
                    continue
                self._ports[slot.owner, slot.index] = after.port
                target = self._task_of.get(after.port)
                if target is not None and after.port != before.port and after.kind in (SlotKind.SEND, SlotKind.SEND_RECEIVE):
                    yield RightToTask(record, self._task(slot.owner), self._task(target), TaskRight.CONTROL, step.call, slot.index)
            elif slot.where == "message" and slot.index == _DESTINATION:
                if before.kind == SlotKind.NONE and step.call in ("mach_msg_send", "mach_msg"):
                    self._senders[slot.owner] = step.task
                    yield facts.Message(
                        record, "sent", caller, caller, self._tokens.get(step.task), slot.owner, str(step.arguments.get("id", ""))[:20]
                    )
                elif after.kind == SlotKind.NONE and self._receives(step, before.port):
                    sender = self._senders.pop(slot.owner, None)
                    shown = msgspec.convert(step.outputs, _Tokens)
                    token = self._token(shown.security_token, shown.audit_token) if shown.security_token or shown.audit_token else None
                    what = str(step.outputs.get("id", ""))[:20]
                    yield facts.Message(record, "received", caller, None if sender is None else self._task(sender), token, slot.owner, what)

    def _receives(self, step: _Step, port: int | None) -> bool:
        """Whether the step received the message that has left the queue of ``port``. A call that sent before may have
        destroyed others, of ports that died.
        """
        if step.call == "mach_msg":
            return "local" in step.outputs and port == self._ports.get((step.task, step.outputs["local"]))
        return step.call == "mach_msg_receive"

    def _named(self, step: _Step, argument: str) -> int | None:
        """The task whose port the caller's name in ``argument`` denotes."""
        name = step.arguments.get(argument)
        port = self._ports.get((step.task, name)) if isinstance(name, int) else None
        return None if port is None else self._task_of.get(port)

    def _given(self, step: _Step) -> Token:
        """The tokens in a call's arguments, or their defaults."""
        signature = SIGNATURES[step.call]
        given = {name: step.arguments.get(name, signature.argument(name).default) for name in ("security_token", "audit_token")}
        shown = msgspec.convert(given, _Tokens)
        return self._token(shown.security_token, shown.audit_token)

    def _token(self, security: tuple[int, ...], audit: tuple[int, ...]) -> Token:
        """The token's words in a profile: those of the audit token, or only the security token's user and group."""
        if len(audit) not in (0, AUDIT_TOKEN_WORDS) or len(security) not in (0, SECURITY_TOKEN_WORDS):
            raise ValueError(f"tokens of {len(security)} and {len(audit)} words")
        if audit and self._audit_tokens:
            return Token(*audit)
        return Token(euid=security[0], egid=security[1]) if security else Token()

    def _task(self, number: int) -> Task:
        return Task(number, None, 0, False, self._tokens.get(number, Token()))


def _within(*numbers: int) -> None:
    """Raises ValueError if one of the numbers doesn't fit into a kernel's 32 bits."""
    for number in numbers:
        if not 0 <= number < 1 << 32:
            raise ValueError(f"{number} is out of range")
