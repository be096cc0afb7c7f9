"""Seeded faults of processes. Only profiles that have processes have them (xnu)."""

from __future__ import annotations

from sendright.impl.faults.processes import (
    audit_user_set_again,
    exec_keeps_exception_ports,
    exec_keeps_pid_version,
    exec_keeps_task_port,
    ids_in_two_steps,
    pid_version_repeats,
    token_without_version,
    tokens_of_old_ids,
    wait_frees_wrong_child,
)

FAULTS = (
    exec_keeps_task_port.FAULT,
    exec_keeps_exception_ports.FAULT,
    exec_keeps_pid_version.FAULT,
    pid_version_repeats.FAULT,
    ids_in_two_steps.FAULT,
    token_without_version.FAULT,
    tokens_of_old_ids.FAULT,
    wait_frees_wrong_child.FAULT,
    audit_user_set_again.FAULT,
)
