"""Processes: who is behind a task, in kernels that have them (``Profile.has_processes``)."""

from __future__ import annotations

import msgspec

from sendright.mach.abi.tokens import AuditToken, SecurityToken

FIRST_PID = 1
"""The pid of the first process, which is the parent of orphans."""

NO_MEMBER = -1
"""``cr_gmuid`` of a process that has opted out of the groups that a directory service knows (``KAUTH_UID_NONE``)."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """The process behind a live task. All ids are numbers without a sign."""

    pid: int
    pid_version: int
    """A number that fork and exec draw from a counter, so that no image of any process has another's."""
    parent: int
    """The pid of its parent; 0: the kernel."""
    original_parent: int
    """The pid of the process that forked it."""
    real_user: int
    effective_user: int
    saved_user: int
    real_group: int
    effective_group: int
    saved_group: int
    member: int = NO_MEMBER
    """The user by whose groups it is a member (``cr_gmuid``), or NO_MEMBER."""
    audit_user: int
    """That of its audit session when its tokens were last set; ``UNSET``: it wasn't set then. (The session may have one
    since then: ``Snapshot.sessions``.)"""
    session: int
    """The id of its audit session."""
    has_changed_ids: bool = False
    """``P_SUGID``: a call has changed its ids since its image began, or the image did."""
    is_orphan: bool = False
    """Its parent has ended, so that no one waits for it: it is forgotten when it ends (``P_LIST_DEADPARENT``)."""
    is_shadow: bool = False
    """An exec is under way, and its pid denotes the other task: the new one until exec has switched to it, then the old
    one is the shadow (``P_REF_SHADOW``)."""
    has_begun: bool = True
    """False: the task is the new one of an exec that isn't over. It makes no calls."""

    @property
    def security_token(self) -> SecurityToken:
        """The security token of its task."""
        return self.effective_user, self.effective_group

    @property
    def audit_token(self) -> AuditToken:
        """The audit token of its task (``proc_calc_audit_token``)."""
        ids = self.effective_user, self.effective_group, self.real_user, self.real_group
        return (self.audit_user, *ids, self.pid, self.session, self.pid_version)


class Zombie(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has ended, and for which its parent hasn't waited yet."""

    pid: int
    pid_version: int
    parent: int
    """The pid of its parent, which lives."""
    status: int
    """What ``wait4`` will tell."""
    session: int = 0
    """The id of its audit session, which it is still in."""
