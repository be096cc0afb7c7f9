"""Tasks: creating and terminating them, their tokens, and the ports that the kernel keeps for them."""

from __future__ import annotations

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures.signature import Argument, Output, Signature, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

_ZERO_AUDIT = (0, 0, 0, 0, 0, 0, 0, 0)
_CHILD = Output("child_task", O.PORT, "a send right to the new task's port")

TASKS = (
    Signature(
        name="host_security_create_task_token",
        about="Create a task with explicit security and audit tokens; otherwise like task_create.",
        arguments=(
            Argument("host_security", T.PORT, "the host security port", PortObject.HOST_SECURITY),
            Argument("parent_task", T.PORT, "the task whose port rights and address space the child inherits", PortObject.TASK),
            Argument("security_token", T.SECURITY_TOKEN, "the child's security token", default=(0, 0)),
            Argument("audit_token", T.AUDIT_TOKEN, "the child's audit token", default=_ZERO_AUDIT),
            Argument("host", T.PORT, "the child's host port: the privileged one, or none for the ordinary one", PortObject.HOST_PRIV, default=0),
            Argument("ledgers", T.PORTS, "the ledgers to draw on: wired, paged", PortObject.LEDGER, default=()),
            Argument("inherit_memory", T.BOOLEAN, "whether the child inherits the parent's address space", default=False),
        ),
        outputs=(_CHILD,),
        target="host_security",
        creates_task=True,
        in_steps=True,
        section="mach/host_security.defs",
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
        section="mach/host_security.defs",
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
        section="mach/task.defs",
    ),
    on_task("task_terminate", "Terminate a task: its rights, its space and its port die.", "mach/task.defs"),
    on_task(
        "task_info",
        "Read a task's security or audit token.",
        "mach/task.defs",
        Argument("flavor", T.FLAVOUR, "TASK_SECURITY_TOKEN or TASK_AUDIT_TOKEN"),
        Argument("count", T.COUNT, "words that the caller has room for", default=8),
        outputs=(Output("value", O.WORDS, "the token"),),
        weakest_target=PortObject.TASK_NAME,
    ),
    on_task(
        "task_get_special_port",
        "Get a send right to one of a task's special ports.",
        "mach/task.defs",
        Argument("which", T.SELECTOR, "which special port"),
        outputs=(Output("port", O.PORT, "the right found there"),),
        weakest_target=PortObject.TASK_INSPECT,
    ),
    on_task(
        "task_set_special_port",
        "Set one of a task's special ports.",
        "mach/task.defs",
        Argument("which", T.SELECTOR, "which special port"),
        Argument("port", T.PORT, "the send right to keep there"),
        in_steps=True,
    ),
    on_task(
        "mach_ports_register",
        "Replace a task's registered ports.",
        "mach/task.defs",
        Argument("ports", T.PORTS, "the send rights to register", default=()),
    ),
    on_task(
        "mach_ports_lookup",
        "Get send rights to a task's registered ports.",
        "mach/task.defs",
        outputs=(Output("ports", O.PORTS, "the rights found in the registered places"),),
    ),
    Signature(
        name="mach_task_self",
        about="Get a send right to the caller's own task port.",
        arguments=(),
        outputs=(Output("port", O.PORT, "the caller's self port"),),
        section="mach/mach_traps.h",
    ),
    Signature(
        name="mach_host_self",
        about="Get a send right to the caller's host port.",
        arguments=(),
        outputs=(Output("port", O.PORT, "the caller's host port"),),
        section="mach/mach_traps.h",
    ),
)
