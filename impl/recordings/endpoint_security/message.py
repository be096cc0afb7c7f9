"""The fields of an Endpoint Security message in JSON that are decoded: those about tasks, tokens and rights.

The shape is ``es_message_t`` (``EndpointSecurity/ESMessage.h``) as eslogger(1) writes it, in message versions 1 to 11.
Fields that some version or tool lacks have a default. The decoder skips all other fields.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from sendright.impl.recordings.token_spellings import Spelled
from sendright.mach.results.facts import Count, Status, Word


class Stat(msgspec.Struct, gc=False):
    """``struct stat``."""

    st_mode: Word | None = None
    st_uid: Word | None = None
    st_gid: Word | None = None


class File(msgspec.Struct, gc=False):
    """``es_file_t``."""

    path: str = ""
    stat: Stat | None = None


class Process(msgspec.Struct, gc=False):
    """``es_process_t``. The fields ``*_string`` are Mac Monitor's; Jamf Protect's tokens also have a ``uuid``."""

    audit_token: Spelled | None = None
    ppid: int | None = None
    executable: File | None = None
    parent_audit_token: Spelled | None = None
    responsible_audit_token: Spelled | None = None
    audit_token_string: str | None = None
    is_platform_binary: bool | None = None


class Exec(msgspec.Struct, gc=False):
    """``es_event_exec_t``."""

    target: Process


class Fork(msgspec.Struct, gc=False):
    """``es_event_fork_t``."""

    child: Process


class Exit(msgspec.Struct, gc=False):
    """``es_event_exit_t``."""

    stat: Status | None = None


class TargetEvent(msgspec.Struct, gc=False):
    """An event with a target process: ``get_task*``, ``signal``, ``proc_check``, ``proc_suspend_resume``, ``trace``,
    ``remote_thread_create``.
    """

    target: Process | None = None
    type: int | None = None
    sig: int | None = None


class Credential(msgspec.Struct, gc=False):
    """``setuid`` and similar events: the requested ids."""

    uid: int | None = None
    gid: int | None = None
    euid: int | None = None
    egid: int | None = None
    ruid: int | None = None
    rgid: int | None = None


class RequestEvent(msgspec.Struct, gc=False):
    """An event of a daemon about a request: its instigator is the sender of the message that the daemon handled."""

    instigator: Process | None = None
    instigator_token: Spelled | None = None
    petitioner: Process | None = None
    petitioner_token: Spelled | None = None


class AuthenticationData(msgspec.Struct, gc=False):
    """The union of ``es_event_authentication_t``."""

    od: RequestEvent | None = None
    touchid: RequestEvent | None = None
    token: RequestEvent | None = None


class Authentication(msgspec.Struct, gc=False):
    """``es_event_authentication_t``."""

    data: AuthenticationData | None = None


class Event(msgspec.Struct, gc=False):
    """``es_events_t``: one of its members is present."""

    exec: Exec | None = None
    fork: Fork | None = None
    exit: Exit | None = None
    get_task: TargetEvent | None = None
    get_task_read: TargetEvent | None = None
    get_task_inspect: TargetEvent | None = None
    get_task_name: TargetEvent | None = None
    signal: TargetEvent | None = None
    trace: TargetEvent | None = None
    proc_check: TargetEvent | None = None
    proc_suspend_resume: TargetEvent | None = None
    remote_thread_create: TargetEvent | None = None
    setuid: Credential | None = None
    setgid: Credential | None = None
    seteuid: Credential | None = None
    setegid: Credential | None = None
    setreuid: Credential | None = None
    setregid: Credential | None = None
    authentication: Authentication | None = None
    authorization_petition: RequestEvent | None = None
    authorization_judgement: RequestEvent | None = None
    btm_launch_item_add: RequestEvent | None = None
    btm_launch_item_remove: RequestEvent | None = None
    profile_add: RequestEvent | None = None
    profile_remove: RequestEvent | None = None
    tcc_modify: RequestEvent | None = None
    od_group_add: RequestEvent | None = None
    od_group_remove: RequestEvent | None = None
    od_group_set: RequestEvent | None = None
    od_modify_password: RequestEvent | None = None
    od_disable_user: RequestEvent | None = None
    od_enable_user: RequestEvent | None = None
    od_attribute_value_add: RequestEvent | None = None
    od_attribute_value_remove: RequestEvent | None = None
    od_attribute_set: RequestEvent | None = None
    od_create_user: RequestEvent | None = None
    od_create_group: RequestEvent | None = None
    od_delete_user: RequestEvent | None = None
    od_delete_group: RequestEvent | None = None


class Host(msgspec.Struct, gc=False):
    """The machine. Not in eslogger's messages, but in those of tools that collect from many machines."""

    provisioningUDID: str = ""
    id: str = ""
    hostname: str = ""
    name: str = ""
    serial: str = ""

    @property
    def label(self) -> str:
        """What identifies the machine best."""
        return self.provisioningUDID or self.id or self.serial or self.hostname or self.name


class Auth(msgspec.Struct, gc=False):
    """``es_result_t``'s union: 0 allowed, 1 denied."""

    auth: int | None = None


class Result(msgspec.Struct, gc=False):
    """``es_result_t``."""

    result: Auth | None = None


class Action(msgspec.Struct, gc=False):
    """The outcome of an action."""

    result: Result | None = None


class Message(msgspec.Struct, gc=False):
    """``es_message_t``."""

    event_type: int | str | None = None
    process: Process | None = None
    event: Event | None = None
    time: datetime | None = None
    mach_time: Count | None = None
    seq_num: Count | None = None
    global_seq_num: Count | None = None
    glob_seq_num: Count | None = None
    """Jamf Protect's name for it."""
    action: Action | None = None
    host: Host | str | None = None

    @property
    def denied(self) -> bool:
        """Whether the event's action was denied."""
        result = self.action.result if self.action is not None else None
        return result is not None and result.result is not None and result.result.auth == 1
