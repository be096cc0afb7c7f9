"""Stopping tasks, where their exceptions go, and the host's special ports."""

from __future__ import annotations

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures.signature import Argument, Output, Signature, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

_MASK = Argument("exception_mask", T.EXCEPTION_MASK, "which types of exception")
_ACTION = (
    Argument("new_port", T.PORT, "the send right to keep for each, or none", default=0),
    Argument("behavior", T.BEHAVIOUR, "what the exception message carries", default=1),
    Argument("new_flavor", T.STATE_FLAVOUR, "which thread state it carries", default=0),
)
_ROOM = Argument("count", T.COUNT, "groups that the caller has room for", default=32)
_HOST_PRIV = Argument("host_priv", T.PORT, "the privileged host port", PortObject.HOST_PRIV)
_NODE = Argument("node", T.COUNT, "which node; there is one", default=0)
_WHICH_HOST_PORT = Argument("which", T.HOST_SELECTOR, "which special port")

HANDLERS = (
    on_task("task_suspend", "Suspend a task, once more.", "mach/task.defs", weakest_target=PortObject.TASK_READ),
    on_task("task_resume", "Take back one suspension of a task.", "mach/task.defs", weakest_target=PortObject.TASK_READ),
    on_task(
        "task_set_exception_ports",
        "Set the ports to which a task's exceptions go.",
        "mach/task.defs",
        _MASK,
        *_ACTION,
    ),
    on_task(
        "task_get_exception_ports",
        "Get send rights to the ports to which a task's exceptions go.",
        "mach/task.defs",
        _MASK,
        _ROOM,
        outputs=(
            Output("masks", O.WORDS, "the types that have one port, behaviour and flavour in common, group by group"),
            Output("ports", O.PORTS, "the port of each group"),
            Output("behaviors", O.WORDS, "the behaviour of each group"),
            Output("flavors", O.WORDS, "the flavour of each group"),
        ),
    ),
    on_task(
        "task_swap_exception_ports",
        "Set the ports to which a task's exceptions go, and get those that were there.",
        "mach/task.defs",
        _MASK,
        *_ACTION,
        _ROOM,
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
        section="mach/host_priv.defs",
    ),
    Signature(
        name="host_set_special_port",
        about="Set one of the host's special ports.",
        arguments=(_HOST_PRIV, _WHICH_HOST_PORT, Argument("port", T.PORT, "the send right to keep there")),
        target="host_priv",
        section="mach/host_priv.defs",
    ),
)
