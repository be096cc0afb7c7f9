"""Processes: who they are, and how they begin and end. (System calls and traps of XNU; no other profile has them.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sendright.mach.abi.rights import TASK_FLAVOUR_PORTS, PortObject
from sendright.mach.abi.tokens import ASSIGN_SESSION
from sendright.mach.signatures.signature import Argument, Output, Signature, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

_NO_USER = 0xFFFFFFFF
_STAYS = "; -1: it stays as it is"


def _system_call(
    name: str, about: str, *arguments: Argument, outputs: tuple[Output, ...] = (), creates_task: bool = False, in_steps: bool = False
) -> Signature:
    """A call of the process that makes it."""
    return Signature(
        name=name,
        about=about,
        arguments=arguments,
        outputs=outputs,
        creates_task=creates_task,
        in_steps=in_steps,
        of_processes=True,
        section="bsd/kern/syscalls.master",
    )


CREDENTIALS = (
    _system_call(
        "issetugid",
        "Say whether the caller's ids have changed since its image began, or its image changed them.",
        outputs=(Output("changed", O.WORD, "1 or 0"),),
    ),
    _system_call("setuid", "Set the caller's effective user id; root sets all three user ids.", Argument("uid", T.USER, "the user")),
    _system_call("seteuid", "Set the caller's effective user id.", Argument("euid", T.USER, "the user")),
    _system_call(
        "setreuid",
        "Set the caller's real and effective user ids.",
        Argument("ruid", T.USER, f"the real user{_STAYS}", default=_NO_USER),
        Argument("euid", T.USER, f"the effective user{_STAYS}", default=_NO_USER),
    ),
    _system_call("setgid", "Set the caller's effective group id; root sets all three group ids.", Argument("gid", T.GROUP, "the group")),
    _system_call("setegid", "Set the caller's effective group id.", Argument("egid", T.GROUP, "the group")),
    _system_call(
        "setregid",
        "Set the caller's real and effective group ids.",
        Argument("rgid", T.GROUP, f"the real group{_STAYS}", default=_NO_USER),
        Argument("egid", T.GROUP, f"the effective group{_STAYS}", default=_NO_USER),
    ),
    _system_call(
        "setgroups",
        "Set the caller's list of groups to one group, which is the effective one.",
        Argument("group", T.GROUP, "the group, the only one of the list gidset"),
    ),
    _system_call(
        "initgroups",
        "Set the caller's list of groups as setgroups does, and by whose groups it is a member.",
        Argument("group", T.GROUP, "the group, the only one of the list gidset"),
        Argument("gmuid", T.USER, "the user whose groups are the caller's, too"),
    ),
    _system_call(
        "getaudit_addr",
        "Say in which audit session the caller is, and for which audit user.",
        outputs=(Output("audit_user", O.WORD, "the audit user"), Output("session", O.WORD, "the audit session")),
    ),
    _system_call(
        "setauid",
        "Set the audit user of the caller's audit session, for all processes in it. It is set once.",
        Argument("auid", T.USER, "the audit user"),
    ),
    _system_call(
        "setaudit_addr",
        "Put the caller into an audit session: a new one, or one that there is.",
        Argument("audit_user", T.USER, "the audit user of the session"),
        Argument("session", T.SESSION, "the number of the session; -1 or 0: a new one, which the kernel numbers", default=ASSIGN_SESSION),
        outputs=(Output("session", O.WORD, "the number of the session"),),
    ),
    Signature(
        name="pid_for_task",
        about="Say which process is behind a task.",
        arguments=(Argument("task", T.NAME, "the task, by a send right of the caller's to one of its ports"),),
        outputs=(Output("pid", O.PID, "the process id"),),
        of_processes=True,
        section="mach/mach_traps.h",
    ),
)
"""What a process is, and who."""


_PID = Argument("pid", T.PID, "the process")
_OWN_TASK = Argument("target_tport", T.NAME, "a send right of the caller's to any task's port")
_IMAGE = (
    Argument("set_user", T.USER, "the owner of the image, if it is a set-user-id image; -1: it isn't one", default=_NO_USER),
    Argument("set_group", T.GROUP, "the group of the image, if it is a set-group-id image; -1: it isn't one", default=_NO_USER),
)


LIVES = (
    _system_call(
        "fork",
        "Create a process that is like the caller, with a task of its own.",
        outputs=(Output("pid", O.PID, "the new process"),),
        creates_task=True,
    ),
    _system_call(
        "execve",
        "Replace the caller's image: its process goes on in a new task.",
        *_IMAGE,
        creates_task=True,
        in_steps=True,
    ),
    _system_call(
        "posix_spawn",
        "Create a process that begins with an image of its own, as if by fork and execve.",
        *_IMAGE,
        outputs=(Output("pid", O.PID, "the new process"),),
        creates_task=True,
    ),
    _system_call("exit", "End the calling process and its task.", Argument("status", T.STATUS, "what its parent will read of it", default=0)),
    _system_call(
        "wait4",
        "Wait until a child of the caller has ended, and forget it.",
        Argument("pid", T.PID, "the child; -1: any", default=-1),
        Argument("no_hang", T.BOOLEAN, "WNOHANG: whether to return at once if no child has ended", default=False),
        outputs=(
            Output("child", O.PID, "the child that has ended; 0: none has yet"),
            Output("status", O.WORD, "256 times the last 8 bits of what it gave to exit"),
        ),
    ),
)
"""How processes begin and end."""
PROCESS_MAKERS = tuple(signature.name for signature in LIVES if signature.creates_task and not signature.in_steps)
"""The calls that make a process, with a task of its own. (An exec makes a task for a process that is there.)"""


def _for_pid(name: str, port: str) -> Signature:
    return Signature(
        name=name,
        about=f"Get a send right to the {port} port of a process's task.",
        arguments=(_OWN_TASK, _PID),
        outputs=(Output("port", O.PORT, "the right"),),
        of_processes=True,
        section="bsd/kern/syscalls.master" if name in ("task_inspect_for_pid", "task_read_for_pid") else "mach/mach_traps.h",
    )


BY_PID = (
    _for_pid("task_for_pid", "control"),
    _for_pid("task_name_for_pid", "name"),
    _for_pid("task_inspect_for_pid", "inspect"),
    _for_pid("task_read_for_pid", "read"),
)
"""Tasks by the ids of their processes."""
FLAVOURS_BY_PID: dict[str, PortObject] = {
    "task_name_for_pid": PortObject.TASK_NAME,
    "task_inspect_for_pid": PortObject.TASK_INSPECT,
    "task_read_for_pid": PortObject.TASK_READ,
}
"""Those of them that give a right to a further port of the task, with what it is."""

IDENTITY_TOKENS = (
    on_task(
        "task_create_identity_token",
        "Make a token that says which image a task runs.",
        "mach/task.defs",
        outputs=(Output("token", O.PORT, "a send right to the token's port"),),
        of_processes=True,
    ),
    Signature(
        name="task_identity_token_get_task_port",
        about="Get a send right to a port of the task that runs the image of a token.",
        arguments=(
            Argument("token", T.PORT, "the token, by a send right to its port", PortObject.TASK_ID_TOKEN),
            Argument("flavor", T.TASK_FLAVOUR, "which port of the task"),
        ),
        outputs=(Output("task_port", O.PORT, "the right"),),
        target="token",
        of_processes=True,
        section="mach/task.defs",
    ),
)
"""Tasks by tokens that name their images."""

MAKES_TOKEN, BY_TOKEN = "task_create_identity_token", "task_identity_token_get_task_port"
"""The call that makes a token, and the one that gives a port of the task that runs a token's image."""

PROCESS_CALLS = frozenset(signature.name for signature in (*CREDENTIALS, *LIVES, *BY_PID, *IDENTITY_TOKENS))


def kind_of_port_found(call: str, arguments: Mapping[str, Any]) -> PortObject | None:
    """What the port is to which a call about processes gives a right: a port of a task, or a token; None: it gives
    none.
    """
    if call == BY_TOKEN:
        flavor = arguments.get("flavor")
        return TASK_FLAVOUR_PORTS.get(flavor) if isinstance(flavor, int) else None
    kinds = {"task_for_pid": PortObject.TASK, **FLAVOURS_BY_PID, MAKES_TOKEN: PortObject.TASK_ID_TOKEN}
    return kinds.get(call)
