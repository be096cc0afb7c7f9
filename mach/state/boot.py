"""The boot state: one host, its kernel ports, the root ledgers, the bootstrap task and, in some kernels, further tasks.

Port numbers are those of snapshots. The bootstrap task holds one send right, with one user reference, for each of the
profile's ``bootstrap_names``, under the names 1, 2, 3 … in that order. Its special ports are: KERNEL, its own port;
HOST, the ordinary host port (where ``first_task_is_privileged``: the privileged one); WIRED_LEDGER and PAGED_LEDGER,
the root ledgers; each only if the profile has that place. Its memory is empty. If the profile has special ports of the
host, those of ``BOOT_HOST_PORTS`` are set. The root ledgers have no limit, no balance and no parents. The kernel made
every send right of the boot state: make-send counts equal send-right counts.

In profiles with further tasks, ``Profile.boot_tasks`` is the number of tasks at boot. The further tasks have the
numbers 1, 2, and so on, and the port of task n is ``task_port(n)``. A further task has the tokens ``boot_tokens(n)``.
In kernels that have processes (``has_processes``), ``boot_process(n)`` is behind each of the first
``Profile.processes`` tasks. The special ports of a further task are KERNEL, its own port, and HOST, the ordinary host
port (and WIRED_LEDGER and PAGED_LEDGER, where there are ledgers). Its space and its memory are empty, and it is not
suspended. The bootstrap task holds one send right, with one user reference, for the port of each further task, in their
order, under the names after those of ``bootstrap_names``. So at boot the port of every task has one send right in the
place KERNEL, and the port of a further task has one more.
"""

from __future__ import annotations

from sendright.mach.abi.rights import PortObject
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, AuditToken, SecurityToken
from sendright.mach.state.process import Process

HOST_PORT = 0
HOST_PRIV_PORT = 1
HOST_SECURITY_PORT = 2
ROOT_WIRED_LEDGER_PORT = 3
ROOT_PAGED_LEDGER_PORT = 4
DEVICE_PORT = 5
BOOTSTRAP_TASK_PORT = 6

BOOTSTRAP_TASK = 0

BOOT_PORTS: dict[int, PortObject] = {
    HOST_PORT: PortObject.HOST,
    HOST_PRIV_PORT: PortObject.HOST_PRIV,
    HOST_SECURITY_PORT: PortObject.HOST_SECURITY,
    ROOT_WIRED_LEDGER_PORT: PortObject.LEDGER,
    ROOT_PAGED_LEDGER_PORT: PortObject.LEDGER,
    DEVICE_PORT: PortObject.DEVICE,
    BOOTSTRAP_TASK_PORT: PortObject.TASK,
}
"""The ports of the boot state of every profile, in order of creation; the ports of further tasks follow."""


def task_port(task: int) -> int:
    """The port of a task of the boot state."""
    return BOOTSTRAP_TASK_PORT + task


def boot_ports(tasks: int) -> dict[int, PortObject]:
    """The ports of a boot state with this number of ``tasks``, in order of creation."""
    return BOOT_PORTS | {task_port(task): PortObject.TASK for task in range(1, tasks)}


def boot_tokens(task: int) -> tuple[SecurityToken, AuditToken]:
    """The security and audit token of a task of the boot state.

    The bootstrap task is root, process 1; task n > 0 is user 500 + n of group 20, process n + 1, in an audit session of
    its own.
    """
    if task == BOOTSTRAP_TASK:
        return BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN
    user, group = 500 + task, 20
    return (user, group), (user, user, group, user, group, task + 1, 100000 + task, 1)


def boot_process(task: int) -> Process:
    """The process of a task of the boot state, in kernels that have processes.

    Its ids are those of the task's tokens: real, effective and saved ids are equal. The parent of the first one is the
    kernel, that of the others is the first one.
    """
    (user, group), audit = boot_tokens(task)
    first = task == BOOTSTRAP_TASK
    return Process(
        pid=task + 1,
        pid_version=audit[-1],
        parent=0 if first else 1,
        original_parent=0 if first else 1,
        real_user=user,
        effective_user=user,
        saved_user=user,
        real_group=group,
        effective_group=group,
        saved_group=group,
        member=user,
        audit_user=audit[0],
        session=audit[6],
    )


FIRST_PID_VERSION = 2
"""The first pid version that fork or exec gives after boot."""


WELL_KNOWN_PORTS: dict[str, int] = {
    "host": HOST_PORT,
    "host_priv": HOST_PRIV_PORT,
    "host_security": HOST_SECURITY_PORT,
    "root_ledger_wired": ROOT_WIRED_LEDGER_PORT,
    "root_ledger_paged": ROOT_PAGED_LEDGER_PORT,
    "device_priv": DEVICE_PORT,
}
"""The names of these ports in scripts and profiles."""

BOOT_HOST_PORTS: dict[int, int] = {1: HOST_PORT, 2: HOST_PRIV_PORT, 3: DEVICE_PORT}
"""``host_get_special_port``: number -> port."""

ROOT_LEDGERS = (ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT)
