"""One step from a state to the next: one case of one rule, with the terms that many step properties use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.kernel.profiles import LedgerRule
from sendright.mach.signatures import SIGNATURES, TASK_MAKERS, Signature
from sendright.mach.signatures.processes import BY_TOKEN
from sendright.model.language.actions import in_space
from sendright.model.language.memo import memoized
from sendright.model.language.rule import COPY_IN, CREATION_RESUMED, EXEC_RESUMED, RULES, WAIT4_RESUMED, Case, Context
from sendright.model.language.sequences import resumption
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, STAGE, WAIT, Term
from sendright.model.language.state import State

SETS_IDS: Mapping[str, tuple[str, ...]] = {
    "setuid": ("effective_user", "real_user", "saved_user", "member_user"),
    "seteuid": ("effective_user",),
    "setreuid": ("real_user", "effective_user", "saved_user"),
    "setgid": ("effective_group", "real_group", "saved_group", "member_user"),
    "setegid": ("effective_group", "member_user"),
    "setregid": ("real_group", "effective_group", "saved_group", "member_user"),
    "setgroups": ("effective_group", "member_user"),
    "initgroups": ("effective_group", "member_user"),
}
"""The calls with which a process sets ids of its own, and which. Other rules must set none of a task that lives."""
SETS_TOKENS = (*SETS_IDS, "setaudit_addr")
"""The calls with which a process has the kernel set its tokens."""
BY_PID: Mapping[str, PortObject] = {
    "task_for_pid": PortObject.TASK,
    "task_name_for_pid": PortObject.TASK_NAME,
    "task_inspect_for_pid": PortObject.TASK_INSPECT,
    "task_read_for_pid": PortObject.TASK_READ,
}
"""The calls that give a right to a port of a process's task, and which port."""
FINDS_TASKS = (*BY_PID, BY_TOKEN)
"""The calls for which the kernel finds a task through its process."""
MAKERS = (
    *TASK_MAKERS,
    CREATION_RESUMED,
    EXEC_RESUMED,
    "host_security_set_task_token",
    "mach_host_self",
    "task_get_special_port",
    "task_suspend",
    COPY_IN,
    *FINDS_TASKS,
)
"""The rules that make send rights to existing ports. (``ledger_create`` makes one to a new port.) Other
rules must make none.
"""
TASK_ENDS = ("task_terminate", "exit", EXEC_RESUMED)
"""The rules that end a task. Other rules must end none."""
ABOUT_CHILDREN = ("exit", "wait4", WAIT4_RESUMED)
"""The rules that are about the children of the caller's process."""
GOES_ON_WITH_TASK = (CREATION_RESUMED, EXEC_RESUMED)
"""The rules with which a caller goes on that has made a task, which is its ``waits_child``."""
SUSPENSION = {"task_suspend": 1, "task_resume": -1}
"""The calls that suspend or resume a task. Other rules must do neither."""
TASKS_MESSAGES = ("mach_msg_send", "mach_port_insert_right: request", "mach_port_request_notification: request")
"""The rules that make messages of the caller's. Other rules must make only the kernel's."""


class Answer(msgspec.Struct, frozen=True):
    """What a case answers: all of it that a step property may look at, beside the states."""

    code: ReturnCode | None
    outputs: Mapping[str, Term]
    replies: int


class Transition:
    """One case of one rule: the states before and after it, the caller, the arguments and the answer.

    With ``of_whole_call`` it is all that a call does on a kernel that runs: rules that follow up are in it.
    """

    def __init__(self, k: Context, case: Case, after: State, looks_at_order: bool = False, of_whole_call: bool = False) -> None:
        self.k, self.case = k, Answer(case.code, case.outputs, case.replies)
        self._whole_case = case if looks_at_order else None
        self.before: State = k.before
        self.after: State = after
        self.rule = k.rule.name
        self.of_whole_call = of_whole_call
        self.call: Signature | None = SIGNATURES.get(self.rule)
        """The call that the rule is or begins. None for a rule that calls share, or that resumes a call."""
        self.stops = self.is_call(lambda call: call.in_steps) and case.code is ReturnCode.MACH_RCV_IN_PROGRESS
        """The call stops between its steps."""
        self.gained = memoized(self._gained)
        """Whether the slot holds a right to a port, and didn't hold one to that port before."""
        self.is_callers = memoized(self._is_callers)
        """Whether the slot is a name of the caller's, or a place of a message that the caller is sending or
        receiving.
        """
        self.controls = memoized(self._controls)
        """Whether the caller is the task, holds a send right to its port, or goes on with its creation or exec."""
        self.creates = self.is_call(lambda call: call.creates_task) and (case.code in (None, ReturnCode.KERN_SUCCESS) or self.stops)
        self.ends_task = self.rule in TASK_ENDS and case.code is ReturnCode.KERN_SUCCESS
        """The step ends a task: ``ended_task``."""

    @property
    def whole_case(self) -> Case:
        """The case itself, with its condition, for properties that declare that they look at the order of cases.

        Other properties are the same for all cases that change nothing and answer the same: they see only the answer.
        """
        if self._whole_case is None:
            raise TypeError("a step property that looks at a case's condition has to declare it: step_property(…, looks_at_order=True)")
        return self._whole_case

    def is_call(self, fact: Callable[[Signature], bool]) -> bool:
        """Whether the rule is a call of which this ``fact`` of the signature table is true."""
        return self.call is not None and fact(self.call)

    def right(self, state: State, slot: Term) -> Term:
        """The slot holds a right to a port."""
        kind = state.kind(slot)
        return z3.And(kind != KIND.NONE, kind != KIND.DEAD_NAME, kind != KIND.PORT_SET)

    def _gained(self, slot: Term) -> Term:
        b, a = self.before, self.after
        return z3.And(self.right(a, slot), z3.Or(z3.Not(self.right(b, slot)), b.port(slot) != a.port(slot)))

    def _is_callers(self, slot: Term) -> Term:
        k, b, S = self.k, self.before, self.k.sorts.Slot
        message = k.sorts.message_of(slot)
        in_hand = z3.And(k.sorts.in_message(slot), b.stage(message) == STAGE.IN_KERNEL, b.owner(message) == k.caller)
        return z3.Or(z3.And(S.is_name_slot(slot), S.space(slot) == k.caller), in_hand)

    def _controls(self, task: Term) -> Term:
        if self.rule in GOES_ON_WITH_TASK:
            return z3.Or(task == self.k.caller, task == self.half_made)
        slot = z3.Const("control", self.k.sorts.Slot)
        b = self.before
        held = z3.And(self.is_callers(slot), b.sends(slot), b.port(slot) == b.task_port(task))
        return z3.Or(task == self.k.caller, z3.And(b.alive(task), z3.Exists([slot], held)))

    def has_port_of(self, task: Term) -> Term:
        """The caller holds a send right to a port that stands for the task, for this call."""
        slot = z3.Const("port_of", self.k.sorts.Slot)
        b, port = self.before, self.before.port(slot)
        stands = z3.And(b.object_task(port) == task, z3.Or(*[b.object(port) == OBJECT.of(kind) for kind in self.k.target_objects]))
        return z3.Exists([slot], z3.And(self.is_callers(slot), b.sends(slot), stands))

    @property
    def stopped_in(self) -> Term:
        """What the caller waits in, if its call stops between its steps: what the rule resumes that goes on with it."""
        return getattr(WAIT, RULES[resumption(self.rule)].resumes)

    @property
    def half_made(self) -> Term:
        """The new task of the creation, or of the exec, with which the caller goes on."""
        return self.before.waits_child(self.k.caller)

    @property
    def in_hand(self) -> Term:
        """The slot of the right that the caller's stopped call holds in hand."""
        return self.k.sorts.Slot.place_slot(self.k.caller, PLACE.PLACE_IN_HAND)

    def begins_creation(self, task: Term) -> Term:
        """The task stops between the steps of a creation."""
        return z3.And(self.before.wait(task) != WAIT.CREATING, self.after.wait(task) == WAIT.CREATING)

    @property
    def holds_host_priv(self) -> Term:
        """The caller holds a send right to the privileged host port."""
        slot = z3.Const("privileged", self.k.sorts.Slot)
        b = self.before
        return z3.Exists([slot], z3.And(self.is_callers(slot), b.sends(slot), b.object(b.port(slot)) == OBJECT.of(PortObject.HOST_PRIV)))

    def newly_made(self, message: Term) -> Term:
        return z3.And(self.before.stage(message) == STAGE.FREE, self.after.stage(message) != STAGE.FREE)

    def moved(self, port: Term) -> Term:
        """The port's receive right moves. (Renaming its name isn't a move.)"""
        return z3.And(self.after.receiver(port) != self.before.receiver(port), self.rule != "mach_port_rename")

    def named_receive(self, port: Term) -> Term:
        """The argument ``name`` denotes ``port``'s receive right."""
        return self.before.receiver(port) == self.k.slot(self.k["name"], self.k.task_behind(self.k["task"]))

    def receives_from(self, port: Term) -> Term:
        """A message is taken from this port, whose receive right is in the caller's space."""
        return z3.And(port == self.k["source"], in_space(self.before, port, self.k.caller))

    def named_by(self, port: Term, name: Term) -> Term:
        """The caller's ``name`` denotes this port's receive right, or a port set in which that is."""
        k, b = self.k, self.before
        return z3.Or(b.receiver(port) == k.slot(name), z3.And(b.member(port, name), in_space(b, port, k.caller)))

    def taken(self, message: Term) -> Term:
        """The message is received in this step."""
        return z3.And(self.before.stage(message) == STAGE.QUEUED, self.after.stage(message) == STAGE.IN_KERNEL)

    def new_task(self, task: Term) -> Term:
        return z3.And(self.before.task_life(task) == LIFE.UNBORN, self.after.task_life(task) == LIFE.ALIVE)

    def has_given_tokens(self, task: Term) -> Term:
        """After the step the task has the tokens of the call's arguments (or, if the call was stopped, of its arguments
        then).
        """
        a, k = self.after, self.k
        security, audit = (
            (self.before.waits_security(k.caller), self.before.waits_audit(k.caller))
            if self.rule == CREATION_RESUMED
            else (k["security_token"], k["audit_token"])
        )
        given = a.security(task) == security
        return z3.And(given, a.audit(task) == audit) if k.profile.audit_tokens else given

    @property
    def grants_host(self) -> bool:
        """The call sets a task's host port."""
        success = self.case.code is ReturnCode.KERN_SUCCESS
        return success and self.is_call(lambda call: call.sets_tokens) and self.k.profile.takes(self.rule, "host")

    @property
    def presents_security_port(self) -> Term:
        """The caller has a send right to the host security port under the name that it gives as ``host_security``."""
        return self.k.object(self.k["host_security"], PortObject.HOST_SECURITY)

    def other_ledgers(self, ledger: Term, place: Place, index: int) -> list[Term]:
        """The ledgers other than its parent's that a new task may draw on: the given one or, in some profiles, the one
        in its parent's place.
        """
        k, b = self.k, self.before
        if k.profile.ledger_rule is LedgerRule.PARENT_SLOT:
            held = k.sorts.Slot.place_slot(self.parent, PLACE.of(place))
            return [z3.And(b.sends(held), b.port(held) == ledger)]
        given = k["ledgers"](index)
        return [z3.And(k["ledgers_length"] == 2, k.object(given, PortObject.LEDGER), b.port(k.slot(given)) == ledger)]

    def reply(self, index: int) -> Term:
        """The slot of the reply's right ``index``."""
        return self.k.sorts.Slot.body_slot(self.k["reply_message"], z3.IntVal(index))

    @property
    def parent(self) -> Term:
        """The task from which a new one inherits."""
        return self.k.task_behind(self.k["parent_task"]) if "parent_task" in self.k.constants else self.k.caller

    @property
    def inherits_memory(self) -> Term:
        """Whether the new task inherits its parent's memory."""
        return self.k["inherit_memory"] if "inherit_memory" in self.k.constants else z3.BoolVal(self.rule == "fork")

    @property
    def ended_task(self) -> Term:
        """The task that a step ends which ends one."""
        return self.k.task_behind(self.k["task"]) if self.rule == "task_terminate" else self.k.caller
