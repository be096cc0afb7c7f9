"""Describes a call: its arguments, its results, and its target.

A port argument is a name in the *caller's* space. The kernel copies the send right found there (COPY_SEND) and converts
it to its kernel object, or to none. A ``NAME`` is a plain number that the kernel looks up in the *target task's* space.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOURS, PortObject


class ArgumentType(Enum):
    """What an argument is on the wire. Python values are in parentheses."""

    PORT = "port"  # a name in the caller's space whose send right is copied in (int)
    PORTS = "ports"  # an array of those (tuple of int)
    RIGHT_NAME = "right-name"  # a name in the caller's space, carried as a sibling DISPOSITION says (int)
    NAME = "name"  # a name in the target's space, or for traps in the caller's (int)
    RIGHT = "right"  # mach_port_right_t (int)
    DISPOSITION = "disposition"  # mach_msg_type_name_t (int)
    DELTA = "delta"  # signed count (int)
    SECURITY_TOKEN = "security-token"  # two words (tuple of 2 int)
    AUDIT_TOKEN = "audit-token"  # eight words (tuple of 8 int)
    BOOLEAN = "boolean"  # (bool)
    SELECTOR = "selector"  # which special port (int)
    FLAVOUR = "flavour"  # which task information (int)
    TASK_FLAVOUR = "task-flavour"  # task_flavor_t: which of the ports that stand for a task (int)
    COUNT = "count"  # words that the caller has room for (int)
    PAGE = "page"  # an address, in pages (int)
    INHERITANCE = "inheritance"  # vm_inherit_t (int)
    WORD = "word"  # what a page of memory contains (int)
    MESSAGE_ID = "message-id"  # msgh_id (int)
    DESCRIPTORS = "descriptors"  # descriptors of a message body (tuple of tuples; descriptors.py says of which form)
    SIZE = "size"  # bytes of a message, or -1 (int)
    TRAILER = "trailer"  # MACH_RCV_TRAILER_ELEMENTS (int)
    COUNTER = "counter"  # a make-send count or sequence number to store (int, 0 or more)
    ATTRIBUTES = "attributes"  # which attributes of a port (int)
    LIMITS = "limits"  # words of attributes: a queue limit first (tuple of int)
    NOTIFICATION = "notification"  # the id of the requested kind of notification (int)
    EXCEPTION_MASK = "exception-mask"  # a bit for each type of exception: of type 1 it is 2 (int)
    BEHAVIOUR = "behaviour"  # exception_behavior_t (int)
    STATE_FLAVOUR = "state-flavour"  # thread_state_flavor_t (int)
    HOST_SELECTOR = "host-selector"  # which special port of the host (int)
    AMOUNT = "amount"  # a ledger item; -1 is LEDGER_ITEM_INFINITY (int)
    GUARD = "guard"  # a port's context or guard: a 64-bit word (int)
    QUEUE_LIMIT = "queue-limit"  # a queue limit, or -1 for the default one (int)
    USER = "user"  # uid_t (int)
    GROUP = "group"  # gid_t (int)
    PID = "pid"  # pid_t (int)
    SESSION = "session"  # au_asid_t, as the kernel compares it: without a sign (int)
    STATUS = "status"  # what a process gives to exit (int)


class OutputType(Enum):
    """What a successful call returns. Python values are in parentheses."""

    PORT = "port"  # a right, copied out into the caller's space: its name, 0 for none, DEAD_NAME for a dead one (int)
    PORTS = "ports"  # an array of those (tuple of int)
    NAME = "name"  # a name in the target's space (int)
    NAMES = "names"  # names (tuple of int, ascending)
    TYPES = "types"  # mach_port_type_t of each name (tuple of int)
    TYPE = "type"  # mach_port_type_t (int)
    REFERENCES = "references"  # user references (int)
    DISPOSITION = "disposition"  # the form in which a right arrived (int)
    WORDS = "words"  # a token (tuple of int)
    SECURITY_TOKEN = "security-token"
    AUDIT_TOKEN = "audit-token"
    PAGE = "page"
    WORD = "word"
    MESSAGE_ID = "message-id"
    SEQUENCE_NUMBER = "sequence-number"
    DESCRIPTORS = "descriptors"  # (tuple of tuples; descriptors.py says of which form)
    SIZE = "size"  # bytes (int)
    AMOUNT = "amount"  # a ledger item; -1 is LEDGER_ITEM_INFINITY (int)
    PID = "pid"


class Argument(msgspec.Struct, frozen=True):
    """One argument of a call."""

    name: str
    type: ArgumentType
    about: str
    object: PortObject | None = None
    """For ports: the kernel object that the call requires behind it; None: any right will do."""
    default: Any = msgspec.UNSET
    """The value when a script leaves the argument out; UNSET: the argument is required (``task`` defaults to the
    caller)."""

    @property
    def required(self) -> bool:
        return self.default is msgspec.UNSET


class Output(msgspec.Struct, frozen=True):
    """One result of a successful call."""

    name: str
    type: OutputType
    about: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One call: its arguments and results. ``target`` names the argument that the request is sent to; traps have
    none."""

    name: str
    about: str
    arguments: tuple[Argument, ...]
    outputs: tuple[Output, ...] = ()
    target: str | None = None
    partial: dict[ReturnCode, tuple[str, ...] | None] = {}
    """Code -> the results that come with it (None: all), if they aren't all with success and none with failure."""
    creates_task: bool = False
    in_steps: bool = False
    """Whether kernels, at least in some profiles, do the call in steps, and can stop between them (``Call.stop``)."""
    weakest_target: PortObject = PortObject.TASK
    """Of a call on a task: the weakest port of the task that the request can be sent to, where tasks have several
    (``TASK_FLAVOURS``). It can be sent to a stronger one, too."""
    of_processes: bool = False
    """Whether it is a call of XNU's about processes: a kernel without processes has no such call, by any number."""
    section: str = ""
    """The header or MIG definition that declares it, below ``osfmk`` in XNU's sources (unless it begins with
    ``bsd``)."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def target_objects(self) -> tuple[PortObject, ...]:
        """Of a call on a task: what a port can be that stands for the task."""
        if self.weakest_target is PortObject.TASK:
            return (PortObject.TASK,)
        return (PortObject.TASK, *TASK_FLAVOURS[TASK_FLAVOURS.index(self.weakest_target) :])

    @property
    def sets_tokens(self) -> bool:
        """Whether the caller says which security token a task gets."""
        return self.takes(ArgumentType.SECURITY_TOKEN)

    @property
    def named_by_caller(self) -> str:
        """The argument with which the caller chooses a name in the target's space that the call returns; empty if it
        chooses none."""
        given = {argument.name for argument in self.arguments if argument.type is ArgumentType.NAME}
        return next((output.name for output in self.outputs if output.type is OutputType.NAME and output.name in given), "")

    @property
    def carries_rights(self) -> bool:
        """Whether the request carries rights of the caller's beside the one to its target."""
        carried = (ArgumentType.PORT, ArgumentType.PORTS, ArgumentType.RIGHT_NAME, ArgumentType.DESCRIPTORS)
        return any(argument.type in carried and argument.name != self.target for argument in self.arguments)

    @property
    def targets_task_only(self) -> bool:
        """Whether the right to the target task's port is all that the call takes from its caller's space."""
        return self.target == "task" and not self.carries_rights

    @property
    def replies_with_rights(self) -> bool:
        """Whether a successful answer gives the caller rights."""
        given = (OutputType.PORT, OutputType.PORTS, OutputType.DESCRIPTORS)
        return any(output.type in given for output in self.outputs)

    @property
    def sends_message(self) -> bool:
        """Whether the caller says what is in the message: it is sent where the caller says."""
        return self.takes(ArgumentType.MESSAGE_ID) and self.takes(ArgumentType.DESCRIPTORS)

    @property
    def receives_message(self) -> bool:
        """Whether a successful answer has a message that was in a queue."""
        given = {output.type for output in self.outputs}
        return {OutputType.MESSAGE_ID, OutputType.DESCRIPTORS} <= given

    @property
    def targets_ledger(self) -> bool:
        """Whether the call is sent to a ledger."""
        return self.target is not None and self.argument(self.target).object is PortObject.LEDGER

    @property
    def changes_ledgers(self) -> bool:
        """Whether the call is sent to a ledger and does more than to read it: reading gives values back, and no
        right."""
        return self.targets_ledger and (self.replies_with_rights or not self.outputs)

    @property
    def addresses_memory(self) -> bool:
        """Whether the call is sent to a task about a page of its memory."""
        return self.target == "task" and self.takes(ArgumentType.PAGE)

    @property
    def selects_exceptions(self) -> bool:
        """Whether the call is about the ports to which a task's exceptions go."""
        return self.takes(ArgumentType.EXCEPTION_MASK)

    def takes(self, type_: ArgumentType) -> bool:
        """Whether the call has an argument of this type."""
        return any(argument.type is type_ for argument in self.arguments)

    def results(self, code: int) -> tuple[Output, ...]:
        """The results that an answer with this code has."""
        for with_code, names in self.partial.items():
            if code == with_code:
                return self.outputs if names is None else tuple([output for output in self.outputs if output.name in names])
        return self.outputs if code == ReturnCode.KERN_SUCCESS else ()

    def argument(self, name: str) -> Argument:
        """The argument called ``name``; raises KeyError."""
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise KeyError(name)


TASK = Argument("task", ArgumentType.PORT, "the task, by a send right to its port", PortObject.TASK)
NAME = Argument("name", ArgumentType.NAME, "a name in the task's space")
RIGHT = Argument("right", ArgumentType.RIGHT, "which kind of right")


def on_task(
    name: str,
    about: str,
    section: str,
    *arguments: Argument,
    outputs: tuple[Output, ...] = (),
    in_steps: bool = False,
    weakest_target: PortObject = PortObject.TASK,
    of_processes: bool = False,
) -> Signature:
    """A call that is sent to a task's port."""
    return Signature(
        name=name,
        about=about,
        arguments=(TASK, *arguments),
        outputs=outputs,
        target="task",
        in_steps=in_steps,
        weakest_target=weakest_target,
        of_processes=of_processes,
        section=section,
    )
