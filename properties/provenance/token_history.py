"""Tracks, from the calls alone, the tokens that each task should have and each message should carry, and reports
deviations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.rights import DEAD_NAME
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import CHILD_MAKERS
from sendright.mach.state.snapshot import Snapshot, messages
from sendright.mach.state.trace import Step, Trace, Violation
from sendright.properties.provenance.call_flows import StepView, has_begun
from sendright.properties.provenance.nodes import BOOT_STEP, MessageNode, TokenNode
from sendright.properties.provenance.origins import Rights

KERNEL_TOKENS = TokenNode(None, KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN, BOOT_STEP)


class TokenEdge(NamedTuple):
    """``source`` None: the calling task, by its arguments."""

    source: TokenNode | None
    target: TokenNode | MessageNode
    how: str


class TokenHistory:
    """The tokens of a run, tracked step by step."""

    def __init__(self, initial: Snapshot, profile: Profile | None) -> None:
        self.profile = profile
        self.current = {number: TokenNode(number, task.security_token, task.audit_token, BOOT_STEP) for number, task in initial.tasks.items()}
        """Task -> the tokens that it should have."""
        self.stamps: dict[int, tuple[TokenNode, ...]] = {}
        """Message -> the tokens that it should carry; one of two, if it may be a notification or the sent message."""

    def advance(self, rights: Rights, step: Step) -> Iterator[TokenEdge]:
        """Process ``step``, made in the state ``rights``; yields the graph's new edges."""
        moment = StepView(rights, step)
        yield from self._set_by_process(moment)
        if step.resume:
            yield from self._set_when_resumed(moment)
            yield from self._messages_when_resumed(moment)
            return
        if step.code == ReturnCode.KERN_SUCCESS:
            yield from self._set_at_creation(moment)
        elif step.code in IN_PROGRESS and step.created_task is not None and step.call in CHILD_MAKERS:
            # It stopped: the child exists, with its parent's tokens.
            yield from self._inherit(moment, step.created_task)
        sent = moment.sent_messages()
        sender = self.current.get(step.task, KERNEL_TOKENS)
        certain = len(sent) == 1 and not moment.may_receive_what_it_sends()
        for message in moment.new_messages():
            # The other messages that a call queues come from the kernel: its reply, and notifications.
            stamps = (KERNEL_TOKENS,) if message not in sent else (sender,) if certain else (sender, KERNEL_TOKENS)
            self.stamps[message] = stamps
            for stamp in stamps:
                yield TokenEdge(stamp, MessageNode(message), "stamped")

    def _set_by_process(self, m: StepView) -> Iterator[TokenEdge]:
        """The tokens that tasks get because their processes are new ones, or have other ids."""
        for task, process in m.rights.processes.changed_by(m.step).items():
            was = self.current.get(task, self.current.get(m.step.task))
            if process is None or was is None:
                continue
            node = self._node(task, process.security_token, process.audit_token, m.step)
            if task not in self.current:
                yield self._set(TokenEdge(was, node, "inherited"))
            elif (was.security, was.audit) != (node.security, node.audit):
                yield self._set(TokenEdge(None, node, "given"))

    def _set_at_creation(self, m: StepView) -> Iterator[TokenEdge]:
        step = m.step
        if step.call == "task_create" and step.created_task is not None:
            yield from self._inherit(m, step.created_task)
        elif step.call == "host_security_create_task_token" and step.created_task is not None:
            yield self._set(self._by_argument(m, step.created_task, self.current.get(m.task("parent_task"))))
        elif step.call == "host_security_set_task_token":
            task = m.task("target_task")
            if task in self.current:
                yield self._set(self._by_argument(m, task, self.current[task]))

    def _inherit(self, m: StepView, child: int) -> Iterator[TokenEdge]:
        parent = self.current.get(m.task("parent_task"))
        if parent is not None:
            yield self._set(TokenEdge(parent, self._node(child, parent.security, parent.audit, m.step), "inherited"))

    def _set_when_resumed(self, m: StepView) -> Iterator[TokenEdge]:
        """A stopped creation is resumed: its child, if it still lives, gets the tokens in the call's arguments."""
        begun = m.rights.unfinished.get(m.step.task)
        child = None if begun is None else begun.step.created_task
        ended = m.step.outputs.get("child_task") == DEAD_NAME or m.step.call not in CHILD_MAKERS
        if m.step.code == ReturnCode.KERN_SUCCESS and begun is not None and child in self.current and not ended:
            yield self._set(self._by_argument(StepView(m.rights, begun.step), child, self.current[child], m.step))

    def _messages_when_resumed(self, m: StepView) -> Iterator[TokenEdge]:
        """New messages of a resumed call: the blocked one under a new serial, with its tokens; all others are the
        kernel's."""
        begun = m.rights.unfinished.get(m.step.task)
        gone = begun.messages if begun is not None and has_begun(m.step) else ()
        stamps = tuple(stamp for message in gone for stamp in self.stamps.get(message, ()) if not m.still_there(message))
        for message in m.new_messages():
            self.stamps[message] = (*stamps, KERNEL_TOKENS)
            for stamp in self.stamps[message]:
                yield TokenEdge(stamp, MessageNode(message), "stamped")

    def _by_argument(self, m: StepView, task: int, otherwise: TokenNode | None, now: Step | None = None) -> TokenEdge:
        security, audit = _token(m.argument("security_token")), _token(m.argument("audit_token"))
        if otherwise is not None and self.profile is not None and not self.profile.audit_tokens:
            audit = otherwise.audit
        return TokenEdge(None, self._node(task, security, audit, now or m.step), "given")

    def _node(self, task: int, security: tuple[int, ...], audit: tuple[int, ...], step: Step) -> TokenNode:
        return TokenNode(task, security, audit, step.index)

    def _set(self, edge: TokenEdge) -> TokenEdge:
        node = edge.target
        if isinstance(node, TokenNode) and node.task is not None:
            self.current[node.task] = node
        return edge

    def violations(self, trace: Trace) -> Iterator[Violation]:
        """The deviations of the tokens in the final state of ``trace`` from those that its calls set."""
        last = len(trace.steps) - 1
        for number, task in trace.final.tasks.items():
            node = self.current.get(number)
            if node is None:
                yield _violation(last, f"task {number} is live, but no successful call created it")
            elif trace.shows is None and (node.security, node.audit) != (task.security_token, task.audit_token):
                seen = TokenNode(number, task.security_token, task.audit_token, last)
                yield _violation(last, f"task {number} has tokens that no call set: {seen} instead of {node}")
        if trace.shows is not None or (self.profile is not None and not self.profile.trailer_is_senders):
            return  # the tokens aren't shown, or aren't the senders'
        for _, message in messages(trace.final):
            stamps = self.stamps.get(message.serial, ())
            if stamps and all((stamp.security, stamp.audit) != (message.security_token, message.audit_token) for stamp in stamps):
                yield _violation(last, f"message {message.serial} carries security token {message.security_token}, and was sent with {stamps[0]}")


def _token(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else ()


def _violation(step: int, words: str) -> Violation:
    return Violation(step=step, kind="derivation", clause="tokens change only by the calls that set them", words=words)
