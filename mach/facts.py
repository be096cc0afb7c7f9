"""Facts: what a record of a log says of tasks, tokens and rights. The one vocabulary of all recorded forms.

Readers (``impl/recordings/``) yield them in the order of the records; rules, stores and reports see nothing else of a log.

A fact is what a record *says*, not what is true: records are lost, arrive in another order than they happened, and may lie.
What a form doesn't carry is None (or ""), never 0: 0 is root. What isn't recorded hasn't not happened.

Units: user, group, process, session ids and pid versions are unsigned 32-bit numbers, 0xFFFFFFFF being ``AU_DEFAUDITID`` (an
audit user id that is not set); port names are unsigned 32-bit; times are aware datetimes in UTC; ``order`` counts the ticks of one host's clock.

Sources: ``EndpointSecurity/ESMessage.h`` and ``ESTypes.h``, ``bsm/audit.h`` and audit.log(5), santa's ``santa.proto``, lsmp(1).
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Literal, TypeAlias

import msgspec

from sendright.mach.rights import SlotKind

UNSET = 0xFFFFFFFF
"""``AU_DEFAUDITID``: the audit user id of who has not logged in."""


Word: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
"""An unsigned number of 32 bits. Readers keep to the ranges; they are checked where a fact is decoded, not where it is made."""
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]
"""A number that a signed word of 64 bits holds."""
Status: TypeAlias = Annotated[int, msgspec.Meta(ge=-0x80000000, le=0x7FFFFFFF)]
"""A signed number of 32 bits."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """Where a fact was read, and what its record says of itself. The facts of one record share it."""

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
    """The machine, by whatever the form calls it; "": it doesn't say, one file is one host."""
    sequence: Count | None = None
    """The number over all events of the recording client (``global_seq_num``)."""
    binary: bool = False
    """``place`` is an offset."""

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
    """A task as one record shows it: which it is, its tokens then, what it runs.

    Which it is (``key``): pid and pid version where the form carries versions. A pid version belongs to an *image*: exec gives a new one, so
    ``ImageReplaced`` joins two keys. Elsewhere pid and lifetime: how many earlier beginnings of a task with this pid the
    recording has shown. ``ambiguous``: records that would tell the lifetime (fork, exit) are missing, and the key may be another task's.
    In sendright's own traces pid is the task's number in the trace, whatever its token says, and there is no version.
    """

    pid: Word
    version: Word | None = None
    lifetime: Count = 0
    ambiguous: bool = False
    token: Token = NO_TOKEN
    executable: str = ""
    parent: Token | None = None
    """The parent's token, or as much of it as is shown: its pid at least."""
    responsible: Token | None = None
    """The responsible task's token. May be the task's own."""
    platform: bool | None = None
    """Its image is part of the system (``is_platform_binary``); None: the form doesn't say."""

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
    """What every fact has."""

    record: Record


class TaskSeen(Fact, frozen=True, gc=False):
    """A record shows the task as the actor of an event that says nothing else of interest: its tokens *before* the event."""

    task: Task


class TaskBegan(Fact, frozen=True, gc=False):
    """A task was made."""

    task: Task
    """The child. Where only its pid is recorded, its token is empty."""
    parent: Task | None
    """Who made it, before the event."""
    how: str
    """``fork``, ``vfork``, ``posix_spawn``, ``task_create``, ``host_security_create_task_token`` …"""
    given: bool = False
    """The call gives the child tokens of its own (``host_security_create_task_token``): they are not inherited."""


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
        """The image is set-user-id; None: its mode isn't recorded."""
        return None if self.mode is None else bool(self.mode & 0o4000)

    @property
    def set_group_id(self) -> bool | None:
        """The image is set-group-id; None: its mode isn't recorded."""
        return None if self.mode is None else bool(self.mode & 0o2000)


class CredentialsSet(Fact, frozen=True, gc=False):
    """A task called what changes tokens: ``setuid``, ``setreuid``, ``setaudit``, ``task_set_security_token`` …"""

    by: Task
    """Who called, before the call."""
    call: str
    values: tuple[Word, ...] = ()
    """The ids that the record shows as arguments, in the call's order."""
    succeeded: bool | None = True
    """None: the form doesn't say."""
    task: Task | None = None
    """The task whose tokens change, after the call, where the record shows it; None: ``by`` itself, what came of it is not shown."""


class TaskEnded(Fact, frozen=True, gc=False):
    """A task ended."""

    task: Task
    status: Status | None = None
    """As wait(2) gives it."""


class RightToTask(Fact, frozen=True, gc=False):
    """A task got, asked for, or was seen with a right to another task's port."""

    holder: Task
    target: Task
    right: TaskRight
    how: str
    """``task_for_pid``, ``expose_task``, ``identity_token``, ``task_name_for_pid``, ``pid_for_task`` …; "" where the form doesn't say."""
    name: Word | None = None
    """Under which name, in the holder's space."""
    succeeded: bool | None = True
    """False: it was refused. None: the form doesn't say."""
    gained: bool = True
    """False: the record shows a right that was there before (``pid_for_task``); it need not be stronger than ``right``."""


class ActedOn(Fact, frozen=True, gc=False):
    """A task did something to another that takes authority over it."""

    actor: Task
    target: Task
    how: str
    """``signal 9``, ``ptrace``, ``suspend``, ``resume``, ``shutdown_sockets``, ``remote_thread_create``, ``proc_check 2``, ``trace``."""
    succeeded: bool | None = True


class Message(Fact, frozen=True, gc=False):
    """A message, or a request that came in one, and the token that came with it."""

    action: Literal["sent", "received", "handled"]
    task: Task
    """Who sent, received or handled it."""
    sender: Task | None
    """Who sent it, as far as the record tells."""
    token: Token | None
    """``sent``: the sender's token then; ``received``: what the trailer said; ``handled``: what the handler took for its token. None: not shown."""
    serial: Count | None = None
    """Which message, within one recording; None: it can't be told."""
    what: str = ""
    """The message's id or the request's name."""


class Holding(Fact, frozen=True, gc=False):
    """A row of a snapshot: what one name of one task denotes."""

    task: Task
    name: Word
    kind: SlotKind
    port: str
    """Which port: equal texts are the same port, within one ``snapshot``. "" for a dead name."""
    snapshot: Count = 0
    """Which snapshot of the file, from 0."""
    urefs: Word | None = None
    """User references to send rights at this name."""
    send_once: Word | None = None
    """Of a receive right: the send-once rights that there are to the port (``mps_sorights``), rows and those on their way."""
    senders: bool | None = None
    """Of a receive right: there is some send right to the port (``mps_srights``)."""
    queue_limit: Word | None = None
    messages: Word | None = None
    """In the port's queue."""
    target: Task | None = None
    """The task whose port it is."""
    right: TaskRight | None = None
    """Of a task's port: what it allows."""
    object: str = ""
    """What kernel object the port stands for, in the form's words: ``HOST``, ``TASK-CONTROL``, ``THREAD-READ``, ``VOUCHER`` …"""
    receiver: tuple[Word, Word] | None = None
    """Of a send right: pid and name of the receive right, as this row says."""
    members: tuple[Word, ...] = ()
    """Of a port set: the names in it."""
    is_self: bool = False
    """Of a task's port: it is the holder's own."""


class HoldingElsewhere(Fact, frozen=True, gc=False):
    """What a row of one task says of another's right to the same port (lsmp's ``+`` rows)."""

    task: Task
    """Who holds it."""
    name: Word
    kind: SlotKind
    port: str
    snapshot: Count = 0


class HoldingTotals(Fact, frozen=True, gc=False):
    """A snapshot's count of the rights of one task. A number that isn't shown is None."""

    task: Task
    snapshot: Count = 0
    total: Word | None = None
    send: Word | None = None
    receive: Word | None = None
    send_once: Word | None = None
    port_set: Word | None = None
    dead_name: Word | None = None


class SequenceGap(Fact, frozen=True, gc=False):
    """Events that the recording client was not given, or that are missing from the file: nothing is known of them.

    Of a stream whose numbers go back without beginning again at 0 only the first is told: it isn't in order, and no gap can be seen.
    """

    stream: str
    """The kind of event; "": all events."""
    expected: Count
    seen: Count
    """The number that came. Smaller than ``expected``: the numbers start again, or the records are not in order. A form without numbers that says
    that events were lost has 0 and 1 here: at least one."""

    @property
    def missing(self) -> int:
        """How many events were not seen; 0: the numbers went back."""
        return max(0, self.seen - self.expected)


class Unreadable(Fact, frozen=True, gc=False):
    """A record that couldn't be read, or only in part. What follows was read."""

    why: str
    """One line."""


class RecordingBegan(Fact, frozen=True, gc=False):
    """The first fact of a file."""

    format: str
    """The name of the form, as ``--format`` takes it."""
    versions: bool
    """The form carries pid versions."""


class RecordingEnded(Fact, frozen=True, gc=False):
    """The last fact of a file: what was in it. ``record.place`` is where it ends."""

    records: Count
    """Records that were read, whether or not they say anything of interest."""
    unreadable: Count
    kinds: dict[str, int]
    """Records by kind: a kind that never occurs was perhaps not recorded, and its absence says nothing."""


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
