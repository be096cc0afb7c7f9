"""Facts: what a record of a log says about tasks, tokens and rights. The one vocabulary of all recorded forms.

Readers (``impl/recordings/``) yield facts in the order of the records. Rules, stores and reports see nothing else of a
log.

A fact is what a record *says*, not what is true: records are lost, arrive out of order, and may lie. A value that a
form doesn't carry is None (or ""), never 0: 0 is root. A missing record doesn't mean that nothing happened.

Units: user, group, process, session ids and pid versions are unsigned 32-bit numbers, 0xFFFFFFFF being
``AU_DEFAUDITID`` (an audit user id that is not set); port names are unsigned 32-bit; times are aware datetimes in UTC;
``order`` counts the ticks of one host's clock.

Sources: ``EndpointSecurity/ESMessage.h`` and ``ESTypes.h``, ``bsm/audit.h`` and audit.log(5), santa's ``santa.proto``,
lsmp(1).
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Literal, TypeAlias

import msgspec

from sendright.mach.abi.rights import SlotKind

UNSET = 0xFFFFFFFF
"""``AU_DEFAUDITID``: the audit user id of a task without a login."""


Word: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
"""An unsigned number of 32 bits. Readers keep to the range; msgspec checks it when a fact is decoded, not when it is
made."""
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]
"""A number that a signed word of 64 bits holds."""
Status: TypeAlias = Annotated[int, msgspec.Meta(ge=-0x80000000, le=0x7FFFFFFF)]
"""A signed number of 32 bits."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """Where a fact was read, and its record's own data. The facts of one record share it."""

    file: str
    place: Count
    """The line, from 1; of a binary trail the offset of the record's first byte, from 0."""
    kind: str = ""
    """The form's own name of the event: ``exec``, ``AUE_FORK``, ``EXEC``. "" where it has none."""
    time: datetime | None = None
    """When it happened, by the host's wall clock, in UTC."""
    order: Count | None = None
    """``mach_time``: the order of what happened on one host. Not comparable between hosts or boots."""
    host: str = ""
    """The machine, as the form names it; "": the form doesn't say, and one file is one host."""
    sequence: Count | None = None
    """The number among all events of the recording client (``global_seq_num``)."""
    binary: bool = False
    """Whether ``place`` is an offset."""

    def __str__(self) -> str:
        return f"{self.file}:{'byte ' if self.binary else ''}{self.place}"


class Token(msgspec.Struct, frozen=True, gc=False):
    """The eight words of an ``audit_token_t``, in its order. A word that the form doesn't carry is None."""

    auid: Word | None = None
    euid: Word | None = None
    egid: Word | None = None
    ruid: Word | None = None
    rgid: Word | None = None
    pid: Word | None = None
    asid: Word | None = None
    pidversion: Word | None = None

    @property
    def words(self) -> tuple[int | None, ...]:
        """The words, in the order of ``audit_token_t``."""
        return (self.auid, self.euid, self.egid, self.ruid, self.rgid, self.pid, self.asid, self.pidversion)


NO_TOKEN = Token()


class Task(msgspec.Struct, frozen=True, gc=False):
    """A task as one record shows it: its identity, its tokens at that time, and its program.

    ``key`` identifies it: pid and pid version, where the form carries versions. A pid version belongs to an *image*:
    exec gives a new one, so ``ImageReplaced`` joins two keys. Without versions the key is pid and lifetime: how many
    earlier tasks with this pid the recording has shown to begin. ``ambiguous``: records that would decide the lifetime
    (fork, exit) are missing, and the key may be another task's. In sendright's own traces pid is the task's number in
    the trace, whatever its token says, and there is no version.
    """

    pid: Word
    version: Word | None = None
    lifetime: Count = 0
    ambiguous: bool = False
    token: Token = NO_TOKEN
    executable: str = ""
    parent: Token | None = None
    """The parent's token, as far as it is recorded: at least its pid."""
    responsible: Token | None = None
    """The responsible task's token. May be the task's own."""
    platform: bool | None = None
    """Whether its image is part of the system (``is_platform_binary``); None: the form doesn't say."""

    @property
    def key(self) -> tuple[int, int | None, int]:
        """(pid, version, lifetime): equal for the same image of the same task, on one host."""
        return (self.pid, self.version, self.lifetime)

    def __str__(self) -> str:
        words = f"pid {self.pid}"
        if self.version is not None:
            words += f", version {self.version}"
        elif self.lifetime:
            words += f", lifetime {self.lifetime}"
        return words + (" (ambiguous)" if self.ambiguous else "")


class TaskRight(Enum):
    """What a right to a task's port allows, the strongest first (``mach_task_flavor_t``)."""

    CONTROL = "control"
    READ = "read"
    INSPECT = "inspect"
    NAME = "name"


class Fact(msgspec.Struct, frozen=True, gc=False, tag_field="fact", tag=True):
    """The fields of every fact."""

    record: Record


class TaskSeen(Fact, frozen=True, gc=False):
    """The task is the actor of an event that says nothing else of interest. Its tokens are those *before* the event."""

    task: Task


class TaskBegan(Fact, frozen=True, gc=False):
    """A task was created."""

    task: Task
    """The child. Where only its pid is recorded, its token is empty."""
    parent: Task | None
    """The task that created it, before the event."""
    how: str
    """``fork``, ``vfork``, ``posix_spawn``, ``task_create``, ``host_security_create_task_token`` …"""
    given: bool = False
    """Whether the call sets the child's tokens (``host_security_create_task_token``), so that they are not
    inherited."""


class ImageReplaced(Fact, frozen=True, gc=False):
    """A task became another image (exec): same pid; where there are versions, a new one."""

    before: Task | None
    """None: the record shows only the state after (santa's log)."""
    after: Task | None
    """None: the record shows only the state before (BSM)."""
    executable: str = ""
    mode: Word | None = None
    """``st_mode`` of the executable, with the bits S_ISUID 0o4000 and S_ISGID 0o2000."""
    owner: Word | None = None
    """``st_uid`` of the executable."""
    group: Word | None = None
    """``st_gid`` of the executable."""
    how: str = "exec"
    """``exec``, or ``posix_spawn`` with POSIX_SPAWN_SETEXEC."""

    @property
    def set_user_id(self) -> bool | None:
        """Whether the image is set-user-id; None: its mode isn't recorded."""
        return None if self.mode is None else bool(self.mode & 0o4000)

    @property
    def set_group_id(self) -> bool | None:
        """Whether the image is set-group-id; None: its mode isn't recorded."""
        return None if self.mode is None else bool(self.mode & 0o2000)


class CredentialsSet(Fact, frozen=True, gc=False):
    """A task made a call that changes tokens: ``setuid``, ``setreuid``, ``setaudit``, ``task_set_security_token`` …"""

    by: Task
    """The caller, before the call."""
    call: str
    values: tuple[Word, ...] = ()
    """The ids that the record shows as arguments, in the call's order."""
    succeeded: bool | None = True
    """None: the form doesn't say."""
    task: Task | None = None
    """The task whose tokens changed, after the call, if the record shows it; None: ``by`` itself, with unrecorded
    new tokens."""


class TaskEnded(Fact, frozen=True, gc=False):
    """A task ended."""

    task: Task
    status: Status | None = None
    """The status that wait(2) returns."""


class RightToTask(Fact, frozen=True, gc=False):
    """A task got, requested or held a right to another task's port."""

    holder: Task
    target: Task
    right: TaskRight
    how: str
    """``task_for_pid``, ``expose_task``, ``identity_token``, ``task_name_for_pid``, ``pid_for_task`` …; "" where the
    form doesn't say."""
    name: Word | None = None
    """Its name in the holder's space."""
    succeeded: bool | None = True
    """False: the kernel refused it. None: the form doesn't say."""
    gained: bool = True
    """False: the holder had the right already (``pid_for_task``), and it is at least as strong as ``right``."""


class ActedOn(Fact, frozen=True, gc=False):
    """A task did something to another that requires authority over it."""

    actor: Task
    target: Task
    how: str
    """``signal 9``, ``ptrace``, ``suspend``, ``resume``, ``shutdown_sockets``, ``remote_thread_create``,
    ``proc_check 2``, ``trace``."""
    succeeded: bool | None = True


class Message(Fact, frozen=True, gc=False):
    """A message, or a request that came in one, and the token that came with it."""

    action: Literal["sent", "received", "handled"]
    task: Task
    """The task that sent, received or handled it."""
    sender: Task | None
    """The sender, as far as the record says."""
    token: Token | None
    """``sent``: the sender's token at that time; ``received``: the token in the trailer; ``handled``: the token that
    the handler used for the sender. None: not recorded."""
    serial: Count | None = None
    """Identifies the message within one recording; None: not recorded."""
    what: str = ""
    """The message's id or the request's name."""


class Holding(Fact, frozen=True, gc=False):
    """A row of a listing: what one name of one task denotes."""

    task: Task
    name: Word
    kind: SlotKind
    port: str
    """The port: within one ``snapshot``, equal texts are the same port. "" for a dead name."""
    snapshot: Count = 0
    """Index of the snapshot in the file, from 0."""
    urefs: Word | None = None
    """User references to send rights at this name."""
    send_once: Word | None = None
    """For a receive right: the number of send-once rights to the port (``mps_sorights``), in spaces and in transit."""
    senders: bool | None = None
    """For a receive right: whether any send right to the port exists (``mps_srights``)."""
    queue_limit: Word | None = None
    messages: Word | None = None
    """The number of messages in the port's queue."""
    target: Task | None = None
    """The task to which the port belongs."""
    right: TaskRight | None = None
    """For a task's port: what the right allows."""
    object: str = ""
    """The kernel object behind the port, in the form's words: ``HOST``, ``TASK-CONTROL``, ``THREAD-READ``,
    ``VOUCHER`` …"""
    receiver: tuple[Word, Word] | None = None
    """For a send right: pid and name of the receive right, according to this row."""
    members: tuple[Word, ...] = ()
    """For a port set: its members' names."""
    is_self: bool = False
    """For a task's port: whether it is the holder's own."""


class HoldingElsewhere(Fact, frozen=True, gc=False):
    """What a row of one task says about another task's right to the same port (lsmp's ``+`` rows)."""

    task: Task
    """The holder."""
    name: Word
    kind: SlotKind
    port: str
    snapshot: Count = 0


class HoldingTotals(Fact, frozen=True, gc=False):
    """A listing's count of the rights of one task. An unrecorded number is None."""

    task: Task
    snapshot: Count = 0
    total: Word | None = None
    send: Word | None = None
    receive: Word | None = None
    send_once: Word | None = None
    port_set: Word | None = None
    dead_name: Word | None = None


class SequenceGap(Fact, frozen=True, gc=False):
    """Events that the recording client did not get, or that are missing from the file. Nothing is known about them.

    If the numbers of a stream go back without restarting at 0, only the first such place is reported: the stream isn't
    in order, and gaps in it can't be found.
    """

    stream: str
    """The kind of event; "": all events."""
    expected: Count
    seen: Count
    """The number in the record. Smaller than ``expected``: the numbers restart, or the records are not in order. For
    a form without numbers that reports lost events, ``expected`` and ``seen`` are 0 and 1: at least one is missing."""

    @property
    def missing(self) -> int:
        """How many events are missing; 0: the numbers went back."""
        return max(0, self.seen - self.expected)


class Unreadable(Fact, frozen=True, gc=False):
    """A record that couldn't be read completely. Reading continued after it."""

    why: str
    """One line."""


class RecordingBegan(Fact, frozen=True, gc=False):
    """The first fact of a file."""

    format: str
    """The name of the form, as ``--log-format`` takes it."""
    versions: bool
    """Whether the form carries pid versions."""


class RecordingEnded(Fact, frozen=True, gc=False):
    """The last fact of a file: a summary of it. ``record.place`` is its end."""

    records: Count
    """The number of records read, of interest or not."""
    unreadable: Count
    kinds: dict[str, int]
    """Records by kind. A kind without records may not have been recorded at all: that it is missing proves nothing."""


AnyFact: TypeAlias = (
    RecordingBegan
    | TaskSeen
    | TaskBegan
    | ImageReplaced
    | CredentialsSet
    | TaskEnded
    | RightToTask
    | ActedOn
    | Message
    | Holding
    | HoldingElsewhere
    | HoldingTotals
    | SequenceGap
    | Unreadable
    | RecordingEnded
)
"""Every fact, as ``msgspec`` encodes and decodes it: ``fact`` is its tag."""
