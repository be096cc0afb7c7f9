"""The signature table: every Mach call, described once.

From this table come the Hypothesis arguments, the script and trace schema and ``sendright calls``. A port argument is a name in the
*caller's* space; the kernel takes a copy of the send right found there (COPY_SEND) and converts it to the object that it
stands for, or to none. A ``NAME`` is a plain number: it is looked up in the *target task's* space.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import PortObject


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
    NOTIFICATION = "notification"  # the id of the kind of notification that is asked for (int)
    EXCEPTION_MASK = "exception-mask"  # a bit for each type of exception: of type 1 it is 2 (int)
    BEHAVIOUR = "behaviour"  # exception_behavior_t (int)
    STATE_FLAVOUR = "state-flavour"  # thread_state_flavor_t (int)
    HOST_SELECTOR = "host-selector"  # which special port of the host (int)
    AMOUNT = "amount"  # a ledger item; -1 is LEDGER_ITEM_INFINITY (int)
    GUARD = "guard"  # a port's context or guard: a 64-bit word (int)
    QUEUE_LIMIT = "queue-limit"  # a queue limit, or -1 for the usual one (int)


class OutputType(Enum):
    """What a successful call gives back. Python values are in parentheses."""

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


class Argument(msgspec.Struct, frozen=True):
    """One argument of a call."""

    name: str
    type: ArgumentType
    about: str
    object: PortObject | None = None
    """For ports: what kernel object the call wants behind it; None takes any right."""
    default: Any = msgspec.UNSET
    """The value when a script leaves the argument out; UNSET: it must be given (``task`` defaults to the caller)."""

    @property
    def required(self) -> bool:
        return self.default is msgspec.UNSET


class Output(msgspec.Struct, frozen=True):
    """One result of a successful call."""

    name: str
    type: OutputType
    about: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One call: what it takes and gives. ``target`` names the argument that the request is sent to; traps have none."""

    name: str
    about: str
    arguments: tuple[Argument, ...]
    outputs: tuple[Output, ...] = ()
    target: str | None = None
    partial: dict[ReturnCode, tuple[str, ...] | None] = {}
    """Which results come with these codes (None: all), where it isn't all with success and none with failure."""
    creates_task: bool = False
    in_steps: bool = False
    """A kernel does it in steps, between which it can be stopped (``Call.stop``), in some profiles at least."""
    section: str = ""
    """Where the manual or the sources say what it does."""

    def __hash__(self) -> int:
        return hash(self.name)

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


T = ArgumentType
O = OutputType  # noqa: E741 - local shorthand for the table below
_TASK = Argument("task", T.PORT, "the task, by a send right to its port", PortObject.TASK)
_ZERO_AUDIT = (0, 0, 0, 0, 0, 0, 0, 0)


def _on_task(name: str, about: str, section: str, *arguments: Argument, outputs: tuple[Output, ...] = (), in_steps: bool = False) -> Signature:
    return Signature(name=name, about=about, arguments=(_TASK, *arguments), outputs=outputs, target="task", in_steps=in_steps, section=section)


_NAME = Argument("name", T.NAME, "a name in the task's space")
_RIGHT = Argument("right", T.RIGHT, "which kind of right")
_CHILD = Output("child_task", O.PORT, "a send right to the new task's port")

_HOST_PRIV = Argument("host_priv", T.PORT, "the privileged host port", PortObject.HOST_PRIV)
_NODE = Argument("node", T.COUNT, "which node; there is one", default=0)
_WHICH_HOST_PORT = Argument("which", T.HOST_SELECTOR, "which special port")
_LEDGER = Argument("ledger", T.PORT, "the ledger", PortObject.LEDGER)

_TABLE = (
    Signature(
        name="host_security_create_task_token",
        about="Create a task with explicit security and audit tokens; in all else as task_create.",
        arguments=(
            Argument("host_security", T.PORT, "the host security port", PortObject.HOST_SECURITY),
            Argument("parent_task", T.PORT, "the task to draw port rights and address space from", PortObject.TASK),
            Argument("security_token", T.SECURITY_TOKEN, "the child's security token", default=(0, 0)),
            Argument("audit_token", T.AUDIT_TOKEN, "the child's audit token", default=_ZERO_AUDIT),
            Argument("host", T.PORT, "the privileged host port, or none for the ordinary one, as the child's", PortObject.HOST_PRIV, default=0),
            Argument("ledgers", T.PORTS, "the ledgers to draw on: wired, paged", PortObject.LEDGER, default=()),
            Argument("inherit_memory", T.BOOLEAN, "whether the child inherits the parent's address space", default=False),
        ),
        outputs=(_CHILD,),
        target="host_security",
        creates_task=True,
        in_steps=True,
        section="semantics 3.1",
    ),
    Signature(
        name="host_security_set_task_token",
        about="Change a task's security and audit tokens and its host port.",
        arguments=(
            Argument("host_security", T.PORT, "the host security port", PortObject.HOST_SECURITY),
            Argument("target_task", T.PORT, "the task whose tokens change", PortObject.TASK),
            Argument("security_token", T.SECURITY_TOKEN, "the new security token", default=(0, 0)),
            Argument("audit_token", T.AUDIT_TOKEN, "the new audit token", default=_ZERO_AUDIT),
            Argument("host", T.PORT, "the privileged host port, or none for the ordinary one", PortObject.HOST_PRIV, default=0),
        ),
        target="host_security",
        section="semantics 3.2",
    ),
    Signature(
        name="task_create",
        about="Create a task that inherits from a parent.",
        arguments=(
            Argument("parent_task", T.PORT, "the task to inherit from", PortObject.TASK),
            Argument("ledgers", T.PORTS, "the ledgers to draw on: wired, paged", PortObject.LEDGER, default=()),
            Argument("inherit_memory", T.BOOLEAN, "whether the child inherits the parent's address space", default=False),
        ),
        outputs=(_CHILD,),
        target="parent_task",
        creates_task=True,
        section="semantics 3.3",
    ),
    _on_task("task_terminate", "End a task: its rights, its space and its port die.", "semantics 3.4"),
    _on_task(
        "task_info",
        "Read a task's security or audit token.",
        "semantics 3.6",
        Argument("flavor", T.FLAVOUR, "TASK_SECURITY_TOKEN or TASK_AUDIT_TOKEN"),
        Argument("count", T.COUNT, "words that the caller has room for", default=8),
        outputs=(Output("value", O.WORDS, "the token"),),
    ),
    _on_task(
        "task_get_special_port",
        "Get a send right to one of a task's special ports.",
        "semantics 4.1",
        Argument("which", T.SELECTOR, "which special port"),
        outputs=(Output("port", O.PORT, "the right found there"),),
    ),
    _on_task(
        "task_set_special_port",
        "Set one of a task's special ports.",
        "semantics 4.1",
        Argument("which", T.SELECTOR, "which special port"),
        Argument("port", T.PORT, "the send right to keep there"),
        in_steps=True,
    ),
    _on_task(
        "mach_ports_register",
        "Replace a task's registered ports.",
        "semantics 4.3",
        Argument("ports", T.PORTS, "the send rights to register", default=()),
    ),
    _on_task(
        "mach_ports_lookup",
        "Get send rights to a task's registered ports.",
        "semantics 4.3",
        outputs=(Output("ports", O.PORTS, "the rights found in the registered places"),),
    ),
    Signature(
        name="mach_task_self",
        about="Get a send right to the caller's own task port.",
        arguments=(),
        outputs=(Output("port", O.PORT, "the caller's self port"),),
        section="semantics 3.7",
    ),
    Signature(
        name="mach_host_self",
        about="Get a send right to the caller's host port.",
        arguments=(),
        outputs=(Output("port", O.PORT, "the caller's host port"),),
        section="semantics 3.7",
    ),
    _on_task(
        "mach_port_allocate",
        "Make a receive right, a port set or a dead name.",
        "semantics 5.1",
        _RIGHT,
        outputs=(Output("name", O.NAME, "the new name"),),
    ),
    _on_task("mach_port_deallocate", "Give up one user reference of a name.", "semantics 5.2", _NAME),
    _on_task("mach_port_destroy", "Give up all rights under a name.", "semantics 5.3", _NAME),
    _on_task(
        "mach_port_mod_refs",
        "Change a name's user references for one kind of right.",
        "semantics 5.5",
        _NAME,
        _RIGHT,
        Argument("delta", T.DELTA, "how many references to add"),
    ),
    _on_task(
        "mach_port_get_refs",
        "Count a name's user references for one kind of right.",
        "semantics 5.4",
        _NAME,
        _RIGHT,
        outputs=(Output("refs", O.REFERENCES, "how many"),),
    ),
    _on_task(
        "mach_port_type",
        "Say which rights a name denotes.",
        "semantics 5.6",
        _NAME,
        outputs=(Output("type", O.TYPE, "one bit for each kind of right"),),
    ),
    _on_task(
        "mach_port_names",
        "List the names of a space and what they denote.",
        "semantics 5.6",
        outputs=(Output("names", O.NAMES, "all names"), Output("types", O.TYPES, "their types, in the same order")),
    ),
    _on_task(
        "mach_port_insert_right",
        "Put a right of the caller's into a task's space under a chosen name.",
        "semantics 5.8",
        _NAME,
        Argument("poly", T.RIGHT_NAME, "the right to insert, by its name in the caller's space"),
        Argument("disposition", T.DISPOSITION, "how the right is carried"),
    ),
    _on_task(
        "mach_port_extract_right",
        "Take a right out of a task's space.",
        "semantics 5.9",
        _NAME,
        Argument("disposition", T.DISPOSITION, "how the right is taken"),
        outputs=(
            Output("poly", O.PORT, "the right, in the caller's space"),
            Output("acquired", O.DISPOSITION, "the form in which it came"),
        ),
    ),
    Signature(
        name="mach_msg_send",
        about="Send a message, with a zero timeout or waiting.",
        arguments=(
            Argument("dest", T.RIGHT_NAME, "where to"),
            Argument("dest_disposition", T.DISPOSITION, "how the destination right is carried", default=19),
            Argument("reply", T.RIGHT_NAME, "where an answer should go, or none", default=0),
            Argument("reply_disposition", T.DISPOSITION, "how the reply right is carried", default=0),
            Argument("id", T.MESSAGE_ID, "msgh_id", default=0),
            Argument("descriptors", T.DESCRIPTORS, "the rights and memory in the body", default=()),
            Argument("data", T.WORD, "the first word of the body's inline data", default=0),
            Argument("size", T.SIZE, "what the sender says is its size; -1: just what it has", default=-1),
            Argument("wait", T.BOOLEAN, "whether to wait while the queue is full", default=False),
        ),
        outputs=(
            Output("dest", O.PORT, "after a timeout: the destination right, handed back"),
            Output("reply", O.PORT, "after a timeout: the reply right, handed back"),
            Output("descriptors", O.DESCRIPTORS, "after a timeout: the rights and memory of the body, handed back"),
        ),
        partial={ReturnCode.KERN_SUCCESS: (), ReturnCode.MACH_SEND_TIMED_OUT: None, ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE: None},
        section="semantics 6.1-6.4",
    ),
    Signature(
        name="mach_msg_receive",
        about="Receive the oldest message of a port, with a zero timeout or waiting.",
        arguments=(
            Argument("port", T.NAME, "the receive right or port set to take from"),
            Argument("limit", T.SIZE, "bytes of room for message and trailer; -1: enough", default=-1),
            Argument("large", T.BOOLEAN, "MACH_RCV_LARGE: whether a message that is too large stays in the queue", default=False),
            Argument("trailer", T.TRAILER, "which elements of the trailer are wanted", default=3),
            Argument("wait", T.BOOLEAN, "whether to wait while there is no message", default=False),
        ),
        outputs=(
            Output("id", O.MESSAGE_ID, "msgh_id"),
            Output("local", O.NAME, "the receive right of the port that it came to"),
            Output("reply", O.PORT, "the reply right"),
            Output("reply_disposition", O.DISPOSITION, "the form in which it came"),
            Output("descriptors", O.DESCRIPTORS, "the rights and memory of the body"),
            Output("data", O.WORD, "the first word of the body's inline data"),
            Output("size", O.SIZE, "msgh_size"),
            Output("trailer_size", O.SIZE, "bytes of the trailer"),
            Output("sequence_number", O.SEQUENCE_NUMBER, "the message's place in what the port received; -1: not asked for"),
            Output("security_token", O.SECURITY_TOKEN, "the sender's security token; empty: not asked for"),
            Output("audit_token", O.AUDIT_TOKEN, "the sender's audit token; empty: not asked for"),
        ),
        partial={ReturnCode.MACH_RCV_TOO_LARGE: ("size",), ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE: None},
        section="semantics 6.5",
    ),
    Signature(
        name="mach_reply_port",
        about="Make a receive right for replies.",
        arguments=(),
        outputs=(Output("port", O.NAME, "the new name, or NULL if there is no memory"),),
        section="semantics 3.7",
    ),
    _on_task(
        "mach_port_allocate_name",
        "Make a receive right, a port set or a dead name under a chosen name.",
        "semantics 5.1",
        _RIGHT,
        _NAME,
        outputs=(Output("name", O.NAME, "the name that it is under"),),
    ),
    _on_task(
        "mach_port_allocate_full",
        "Make a receive right, a port set or a dead name, with choices.",
        "semantics 5.1",
        _RIGHT,
        Argument("proto", T.PORT, "a subsystem, or none: no kernel takes one any more", default=0),
        Argument("named", T.BOOLEAN, "whether it goes under a chosen name", default=False),
        Argument("prealloc", T.BOOLEAN, "whether memory for a message is set aside, for a receive right", default=False),
        Argument("name", T.NAME, "the chosen name", default=0),
        outputs=(Output("name", O.NAME, "the name that it is under"),),
    ),
    _on_task(
        "mach_port_rename",
        "Change the name under which a task has a right.",
        "semantics 5.7",
        Argument("old_name", T.NAME, "the name that there is"),
        Argument("new_name", T.NAME, "the name that it shall be"),
    ),
    _on_task(
        "mach_port_set_mscount",
        "Set the make-send count of a port.",
        "semantics 5.11",
        _NAME,
        Argument("mscount", T.COUNTER, "the count"),
    ),
    _on_task(
        "mach_port_set_seqno",
        "Set the sequence number of the next message that a port receives.",
        "semantics 5.11",
        _NAME,
        Argument("seqno", T.COUNTER, "the number"),
    ),
    _on_task(
        "mach_port_get_attributes",
        "Read a port's limits or its receive status.",
        "semantics 5.12",
        _NAME,
        Argument("flavor", T.ATTRIBUTES, "MACH_PORT_LIMITS_INFO or MACH_PORT_RECEIVE_STATUS"),
        Argument("count", T.COUNT, "words that the caller has room for", default=10),
        outputs=(Output("info", O.WORDS, "the attributes"),),
    ),
    _on_task(
        "mach_port_set_attributes",
        "Set a port's limits.",
        "semantics 5.12",
        _NAME,
        Argument("flavor", T.ATTRIBUTES, "MACH_PORT_LIMITS_INFO"),
        Argument("info", T.LIMITS, "the attributes: the queue limit"),
    ),
    _on_task(
        "mach_port_move_member",
        "Move a receive right into a port set, or out of all.",
        "semantics 5.10",
        Argument("member", T.NAME, "the receive right"),
        Argument("after", T.NAME, "the port set, or none", default=0),
    ),
    _on_task(
        "mach_port_insert_member",
        "Put a receive right into a port set, and leave it in others.",
        "semantics 5.10",
        _NAME,
        Argument("pset", T.NAME, "the port set"),
    ),
    _on_task(
        "mach_port_extract_member",
        "Take a receive right out of one port set.",
        "semantics 5.10",
        _NAME,
        Argument("pset", T.NAME, "the port set"),
    ),
    _on_task(
        "mach_port_get_set_status",
        "List the members of a port set.",
        "semantics 5.10",
        _NAME,
        outputs=(Output("members", O.NAMES, "their names"),),
    ),
    _on_task(
        "mach_port_request_notification",
        "Ask to be told of a port's end, of its last send right's end, or of its death.",
        "semantics 5.13",
        _NAME,
        Argument("variant", T.NOTIFICATION, "MACH_NOTIFY_PORT_DESTROYED, _NO_SENDERS or _DEAD_NAME"),
        Argument("sync", T.COUNTER, "no senders: the make-send count from which on; dead name: 1 to be told of a dead one at once", default=0),
        Argument("notify", T.RIGHT_NAME, "where to send it, or none to cancel", default=0),
        Argument("notify_disposition", T.DISPOSITION, "how that right is carried", default=21),
        outputs=(Output("previous", O.PORT, "the send-once right that was registered"),),
    ),
    _on_task("task_suspend", "Stop a task, once more.", "semantics 3.5"),
    _on_task("task_resume", "Take back one suspension of a task.", "semantics 3.5"),
    _on_task(
        "task_set_exception_ports",
        "Set the ports to which a task's exceptions go.",
        "semantics 4.2",
        Argument("exception_mask", T.EXCEPTION_MASK, "which types of exception"),
        Argument("new_port", T.PORT, "the send right to keep for each, or none", default=0),
        Argument("behavior", T.BEHAVIOUR, "what the exception message carries", default=1),
        Argument("new_flavor", T.STATE_FLAVOUR, "which thread state it carries", default=0),
    ),
    _on_task(
        "task_get_exception_ports",
        "Get send rights to the ports to which a task's exceptions go.",
        "semantics 4.2",
        Argument("exception_mask", T.EXCEPTION_MASK, "which types of exception"),
        Argument("count", T.COUNT, "groups that the caller has room for", default=32),
        outputs=(
            Output("masks", O.WORDS, "the types that have one port, behaviour and flavour in common, group by group"),
            Output("ports", O.PORTS, "the port of each group"),
            Output("behaviors", O.WORDS, "the behaviour of each group"),
            Output("flavors", O.WORDS, "the flavour of each group"),
        ),
    ),
    _on_task(
        "task_swap_exception_ports",
        "Set the ports to which a task's exceptions go, and get those that were there.",
        "semantics 4.2",
        Argument("exception_mask", T.EXCEPTION_MASK, "which types of exception"),
        Argument("new_port", T.PORT, "the send right to keep for each, or none", default=0),
        Argument("behavior", T.BEHAVIOUR, "what the exception message carries", default=1),
        Argument("new_flavor", T.STATE_FLAVOUR, "which thread state it carries", default=0),
        Argument("count", T.COUNT, "groups that the caller has room for", default=32),
        outputs=(
            Output("masks", O.WORDS, "the types that had one port, behaviour and flavour in common, group by group"),
            Output("ports", O.PORTS, "the port of each group"),
            Output("behaviors", O.WORDS, "the behaviour of each group"),
            Output("flavors", O.WORDS, "the flavour of each group"),
        ),
    ),
    Signature(
        name="host_get_special_port",
        about="Get a send right to one of the host's special ports.",
        arguments=(_HOST_PRIV, _NODE, _WHICH_HOST_PORT),
        outputs=(Output("port", O.PORT, "the right found there"),),
        target="host_priv",
        section="semantics 4.4",
    ),
    Signature(
        name="host_set_special_port",
        about="Set one of the host's special ports.",
        arguments=(_HOST_PRIV, _WHICH_HOST_PORT, Argument("port", T.PORT, "the send right to keep there")),
        target="host_priv",
        section="semantics 4.4",
    ),
    Signature(
        name="ledger_create",
        about="Make a ledger with a part of another one's limit.",
        arguments=(
            Argument("parent_ledger", T.PORT, "the ledger that gives the limit", PortObject.LEDGER),
            Argument("ledger_ledger", T.PORT, "the ledger that pays for the new ledger itself", PortObject.LEDGER),
            Argument("transfer", T.AMOUNT, "the limit to give", default=0),
        ),
        outputs=(Output("new_ledger", O.PORT, "a send right to the new ledger"),),
        target="parent_ledger",
        section="semantics 8",
    ),
    Signature(
        name="ledger_transfer",
        about="Move a part of the limit between a ledger and its child.",
        arguments=(
            Argument("parent_ledger", T.PORT, "the parent", PortObject.LEDGER),
            Argument("child_ledger", T.PORT, "its child", PortObject.LEDGER),
            Argument("transfer", T.AMOUNT, "how much the child gets; what is below 0, the parent"),
        ),
        target="parent_ledger",
        section="semantics 8",
    ),
    Signature(
        name="ledger_terminate",
        about="End a ledger; its limit goes back to its parent.",
        arguments=(_LEDGER,),
        target="ledger",
        section="semantics 8",
    ),
    Signature(
        name="ledger_read",
        about="Read a ledger's balance and limit.",
        arguments=(_LEDGER,),
        outputs=(Output("balance", O.AMOUNT, "what is drawn"), Output("limit", O.AMOUNT, "what can be drawn")),
        target="ledger",
        section="semantics 8",
    ),
    _on_task(
        "vm_allocate",
        "Make one page of zero-filled memory.",
        "semantics 9",
        Argument("address", T.PAGE, "where, unless anywhere", default=0),
        Argument("anywhere", T.BOOLEAN, "let the kernel choose the address", default=False),
        outputs=(Output("address", O.PAGE, "where it is"),),
    ),
    _on_task(
        "vm_inherit",
        "Say what a child gets of a page.",
        "semantics 9",
        Argument("address", T.PAGE, "the page"),
        Argument("inheritance", T.INHERITANCE, "SHARE, COPY or NONE"),
    ),
    _on_task(
        "vm_read",
        "Read a page.",
        "semantics 9",
        Argument("address", T.PAGE, "the page"),
        outputs=(Output("value", O.WORD, "what is there"),),
    ),
    _on_task(
        "vm_write",
        "Write a page.",
        "semantics 9",
        Argument("address", T.PAGE, "the page"),
        Argument("value", T.WORD, "what to put there"),
    ),
    _on_task(
        "mach_port_construct",
        "Make a receive right with options.",
        "mach_port.c",
        Argument("context", T.GUARD, "a word that the port keeps for its receiver", default=0),
        Argument("context_as_guard", T.BOOLEAN, "MPO_CONTEXT_AS_GUARD: whether the port is guarded with that word", default=False),
        Argument("strict", T.BOOLEAN, "MPO_STRICT, of a guarded port: whether the guard isn't told", default=False),
        Argument("immovable", T.BOOLEAN, "MPO_IMMOVABLE_RECEIVE, of a guarded port: whether the receive right can't be sent", default=False),
        Argument("insert_send", T.BOOLEAN, "MPO_INSERT_SEND_RIGHT: whether a send right is made too, under the same name", default=False),
        Argument("qlimit", T.QUEUE_LIMIT, "MPO_QLIMIT: the queue limit; -1: the usual one", default=-1),
        outputs=(Output("name", O.NAME, "the new name"),),
    ),
    _on_task(
        "mach_port_destruct",
        "Give up a receive right, guarded or not, and send references under its name.",
        "mach_port.c",
        _NAME,
        Argument("srdelta", T.DELTA, "how many send references to add: 0 or fewer", default=0),
        Argument("guard", T.GUARD, "the guard", default=0),
    ),
    _on_task(
        "mach_port_guard",
        "Guard a receive right with a word.",
        "mach_port.c",
        _NAME,
        Argument("guard", T.GUARD, "the guard"),
        Argument("strict", T.BOOLEAN, "whether the guard isn't told", default=False),
    ),
    _on_task(
        "mach_port_unguard",
        "Take the guard off a receive right.",
        "mach_port.c",
        _NAME,
        Argument("guard", T.GUARD, "the guard that it has"),
    ),
    _on_task(
        "mach_port_peek",
        "Look at a message in a port's queue.",
        "mach_port.c",
        _NAME,
        Argument("trailer", T.TRAILER, "which elements of the trailer are wanted", default=3),
        Argument("seqno", T.COUNTER, "the sequence number that the message would have; 0: the oldest message", default=0),
        Argument("room", T.SIZE, "bytes of room for the trailer; -1: enough", default=-1),
        outputs=(
            Output("sequence_number", O.SEQUENCE_NUMBER, "the sequence number that the message would have"),
            Output("size", O.SIZE, "msgh_size"),
            Output("id", O.MESSAGE_ID, "msgh_id"),
            Output("trailer_size", O.SIZE, "bytes of the trailer"),
            Output("security_token", O.SECURITY_TOKEN, "the sender's security token; empty: not asked for"),
            Output("audit_token", O.AUDIT_TOKEN, "the sender's audit token; empty: not asked for"),
        ),
    ),
    _on_task("vm_deallocate", "Give up a page.", "semantics 9", Argument("address", T.PAGE, "the page")),
    _on_task(
        "vm_copy",
        "Copy what is on one page to another.",
        "semantics 9",
        Argument("source_address", T.PAGE, "the page that is read"),
        Argument("dest_address", T.PAGE, "the page that is written"),
    ),
)

SIGNATURES: dict[str, Signature] = {signature.name: signature for signature in _TABLE}
"""Every call that sendright models, by name, in the order of the documentation."""

TASK_MAKERS = tuple(name for name, signature in SIGNATURES.items() if signature.creates_task)
"""The calls that make a task."""
