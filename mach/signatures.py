"""The signature table: every Mach call, described once.

From this table come the Hypothesis arguments, the script and trace schema and ``sendright calls``. A port argument is a name in the
*caller's* space; the kernel takes a copy of the send right found there (COPY_SEND) and converts it to the object that it
stands for, or to none. A ``NAME`` is a plain number: it is looked up in the *target task's* space.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

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
    DESCRIPTORS = "descriptors"  # port descriptors of a message body (tuple of (name, disposition))


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
    DESCRIPTORS = "descriptors"  # (tuple of (name, received form))


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
    creates_task: bool = False
    section: str = ""
    """Where the manual or the sources say what it does."""

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


def _on_task(name: str, about: str, section: str, *arguments: Argument, outputs: tuple[Output, ...] = ()) -> Signature:
    return Signature(name=name, about=about, arguments=(_TASK, *arguments), outputs=outputs, target="task", section=section)


_NAME = Argument("name", T.NAME, "a name in the task's space")
_RIGHT = Argument("right", T.RIGHT, "which kind of right")
_CHILD = Output("child_task", O.PORT, "a send right to the new task's port")

_TABLE = (
    Signature(
        name="host_security_create_task_token",
        about="Create a task with explicit security and audit tokens; in all else as task_create.",
        arguments=(
            Argument("host_security", T.PORT, "the host security port", PortObject.HOST_SECURITY),
            Argument("parent_task", T.PORT, "the task to draw port rights and address space from", PortObject.TASK),
            Argument("security_token", T.SECURITY_TOKEN, "the child's security token", default=(0, 0)),
            Argument("audit_token", T.AUDIT_TOKEN, "the child's audit token", default=_ZERO_AUDIT),
            Argument("ledgers", T.PORTS, "the ledgers to draw on: wired, paged", PortObject.LEDGER, default=()),
            Argument("inherit_memory", T.BOOLEAN, "whether the child inherits the parent's address space", default=False),
        ),
        outputs=(_CHILD,),
        target="host_security",
        creates_task=True,
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
        about="Send a message with a zero timeout.",
        arguments=(
            Argument("dest", T.RIGHT_NAME, "where to"),
            Argument("dest_disposition", T.DISPOSITION, "how the destination right is carried", default=19),
            Argument("reply", T.RIGHT_NAME, "where an answer should go, or none", default=0),
            Argument("reply_disposition", T.DISPOSITION, "how the reply right is carried", default=0),
            Argument("id", T.MESSAGE_ID, "msgh_id", default=0),
            Argument("descriptors", T.DESCRIPTORS, "the rights in the body: (name, disposition) each", default=()),
        ),
        outputs=(
            Output("dest", O.PORT, "after a timeout: the destination right, handed back"),
            Output("reply", O.PORT, "after a timeout: the reply right, handed back"),
            Output("descriptors", O.DESCRIPTORS, "after a timeout: the rights of the body, handed back"),
        ),
        section="semantics 6.1-6.4",
    ),
    Signature(
        name="mach_msg_receive",
        about="Receive the oldest message of a port with a zero timeout.",
        arguments=(Argument("port", T.NAME, "the receive right to take from"),),
        outputs=(
            Output("id", O.MESSAGE_ID, "msgh_id"),
            Output("reply", O.PORT, "the reply right"),
            Output("reply_disposition", O.DISPOSITION, "the form in which it came"),
            Output("descriptors", O.DESCRIPTORS, "the rights of the body"),
            Output("sequence_number", O.SEQUENCE_NUMBER, "the message's place in what the port received"),
            Output("security_token", O.SECURITY_TOKEN, "the sender's security token"),
            Output("audit_token", O.AUDIT_TOKEN, "the sender's audit token"),
        ),
        section="semantics 6.5",
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
)

SIGNATURES: dict[str, Signature] = {signature.name: signature for signature in _TABLE}
"""Every call that sendright models, by name, in the order of the documentation."""
