"""Security and audit tokens: a task's identity, which a receiver sees in a message's trailer."""

from __future__ import annotations

from typing import TypeAlias

SecurityToken: TypeAlias = tuple[int, int]
"""``security_token_t``: effective user id, effective group id."""

AuditToken: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""``audit_token_t``: audit uid, euid, egid, real uid, real gid, pid, audit session id, pid version."""

KERNEL_SECURITY_TOKEN: SecurityToken = (0, 1)
KERNEL_AUDIT_TOKEN: AuditToken = (0, 0, 0, 0, 0, 0, 0, 0)

BOOTSTRAP_SECURITY_TOKEN: SecurityToken = (0, 0)
"""The tokens of the bootstrap task: root, process 1."""
BOOTSTRAP_AUDIT_TOKEN: AuditToken = (0xFFFFFFFF, 0, 0, 0, 0, 1, 100000, 1)

UNSET = 0xFFFFFFFF
"""``AU_DEFAUDITID``: an audit user that isn't set. As a user or a group in an argument: -1, none."""

DEFAULT_SESSION = 0
"""``AU_DEFAUDITSID``: the number of the session of processes that were never put into one."""
ASSIGN_SESSION = 0xFFFFFFFF
"""``AU_ASSIGN_ASID``, without a sign: the kernel numbers the session."""
FIRST_SESSION = 100000
"""``ASSIGNED_ASID_MIN``: the lowest number that the kernel gives a session."""

NO_ID = 0xFFFFFF9B
"""``KAUTH_UID_NONE`` and ``KAUTH_GID_NONE``: within XNU, no user and no group."""

TASK_SECURITY_TOKEN = 13
"""``task_info`` flavour; 2 words."""
TASK_AUDIT_TOKEN = 15
"""``task_info`` flavour; 8 words."""

SECURITY_TOKEN_WORDS = 2
AUDIT_TOKEN_WORDS = 8
