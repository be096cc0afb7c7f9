"""The store: writes a stream of facts to tables on disk, in batches.

Most facts only confirm that a task has the same token as before. Of successive equal ones only the first and the last
are kept, which gives the interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import msgspec
import numpy as np

from sendright.mach.abi.rights import SlotKind
from sendright.mach.results.facts import (
    NO_TOKEN,
    ActedOn,
    CredentialsSet,
    Fact,
    Holding,
    HoldingTotals,
    ImageReplaced,
    Message,
    Record,
    RecordingBegan,
    RecordingEnded,
    RightToTask,
    SequenceGap,
    Task,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Token,
    Unreadable,
)
from sendright.properties.audit.tables import NUMBERS, TASK, TEXTS, definitions

MEMORY = "256MB"
"""The most memory for the tables; the rest is on disk."""
BATCH = 16_384
"""The number of rows written at once."""
REMEMBERED = 100_000
"""The number of tasks whose last record is kept in memory, to skip equal ones."""
COMPLAINTS = 1_000
"""The most unreadable records that are listed."""
LARGEST = (1 << 63) - 1
MINUTE = 60_000_000
BOOT_SECONDS = 1.0
"""Two records whose clocks disagree on their order by this much are of different boots."""

_SENDS = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_TAKES_CONTROL = ("ptrace", "remote_thread_create")
"""Actions that need control of their target."""


class WorldState(msgspec.Struct):
    """The state of a world while its records are read."""

    host: str
    clock: str
    last_order: int = -1
    """The order of the last record."""
    last_time: datetime | None = None
    first: int | None = None
    last: int | None = None
    numbered: bool = False
    disordered: bool = False
    """Whether the numbers go back, so that gaps can't be found."""
    files: dict[str, None] = msgspec.field(default_factory=dict)
    minutes: Counter[int] = msgspec.field(default_factory=Counter)
    gap_minutes: Counter[int] = msgspec.field(default_factory=Counter)
    versions: bool = False
    selective: bool = False
    """Whether recording is configured for each user, so that a missing record of a call proves nothing."""

    @property
    def tells_gaps(self) -> bool:
        """Whether gaps in the records can be found."""
        return self.numbered and not self.disordered and not self.selective


class Store:
    """The facts of one group of logs, in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.connection = duckdb.connect(
            str(directory / "facts.duckdb"),
            config={
                "memory_limit": MEMORY,
                "threads": 1,
                "temp_directory": str(directory / "spilled"),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        for statement in definitions():
            self.connection.execute(statement)
        self.worlds: list[WorldState] = []
        self.files: list[str] = []
        self.binary: list[bool] = []
        self.formats: dict[str, None] = {}
        self.records = 0
        self.facts = 0
        self._number = 0
        self.unreadable = 0
        self.complaints: list[str] = []
        self.counts: dict[str, int] = dict.fromkeys(NUMBERS, 0)
        """Table -> number of rows."""
        self._rows: dict[str, list[tuple[int, ...]]] = {name: [] for name in NUMBERS}
        self._texts: dict[str, list[tuple[str, ...]]] = {name: [] for name in NUMBERS}
        self._seen: dict[_Key, tuple[Token, Task | None, tuple[int, ...]]] = {}
        """Task -> its token in the last record; and if that record isn't written yet, the task and the record's
        columns."""
        self._by_host: dict[tuple[str, str], int] = {}
        self._world = -1
        self._current: WorldState | None = None
        self._record: Record | None = None
        self._row: tuple[int, ...] = ()
        self._before: tuple[int, ...] = ()
        self._versions = self._selective = False
        self._takers: dict[type[Fact], Callable[[Any], None]] = {
            TaskBegan: self._began,
            ImageReplaced: self._image,
            CredentialsSet: self._call,
            TaskEnded: self._ended,
            RightToTask: self._right,
            ActedOn: self._acted,
            Message: self._message,
            Holding: self._holding,
            HoldingTotals: self._totals,
            SequenceGap: self._gap,
        }
        self._about_files: dict[type[Fact], Callable[[Any], None]] = {
            Unreadable: self._unreadable,
            RecordingBegan: self._recording,
            RecordingEnded: self._recorded,
        }

    # ---- input

    def take(self, file: str, facts: Iterable[Fact], progress: Callable[[int], object] | None = None) -> None:
        """Store the ``facts`` of ``file``. ``progress`` is called now and then with the position in it. Raises what
        ``facts`` raises."""
        self.files.append(file)
        self.binary.append(False)
        self._current = self._record = None
        count, seen, takers = 0, self._seen, self._takers
        for fact in facts:
            count += 1
            if progress is not None and not count & 0xFFF:
                progress(fact.record.place)
            if type(fact) is TaskSeen:
                if fact.record is not self._record:
                    self._place(fact.record)
                task = fact.task
                key = (self._world, task.pid, task.version, task.lifetime)
                last = seen.get(key)
                if last is not None and last[0] == task.token:
                    seen[key] = (last[0], task, self._row)
                else:
                    self._sight(task, "seen")
                continue
            taker = takers.get(type(fact))
            if taker is not None:
                if fact.record is not self._record:
                    self._place(fact.record)
                taker(fact)
            elif type(fact) in self._about_files:
                self._about_files[type(fact)](fact)
        self.facts += count

    def finish(self) -> None:
        """Write everything that is pending: there are no more facts."""
        self._forget_all()
        for name in self._rows:
            self._write(name)

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows that answer an SQL ``question``."""
        return self.connection.execute(question, list(values)).fetchall()

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    # ---- where and when

    def _place(self, record: Record) -> None:
        """Set the world and the first columns for the next ``record``."""
        if record.binary:
            self.binary[-1] = True
        self._record, self._before = record, self._row
        self._number += 1
        time, order = record.time, record.order
        world = self._current
        if world is None or (record.host and record.host != world.host) or order is None or order < world.last_order or world.clock != "order":
            world = self._find_world(record)
        if order is not None:
            world.last_order = order
            ordered = order if order < LARGEST else LARGEST
        else:
            ordered = -1
        micros = -1
        if time is not None:
            world.last_time = time
            micros = int(time.timestamp() * 1_000_000)
            if world.first is None or micros < world.first:
                world.first = micros
            if world.last is None or micros > world.last:
                world.last = micros
            world.minutes[micros // MINUTE] += 1
            if order is None:
                ordered = micros
        if record.sequence is not None:
            world.numbered = True
        self._row = (self._number, self._world, len(self.files) - 1, record.place, ordered if ordered >= 0 else self._number, micros)

    def _find_world(self, record: Record) -> WorldState:
        """The world of a record that doesn't simply continue the last one. A record without a host is of the same
        host as the one before."""
        host = record.host or (self.worlds[self._world].host if self._world >= 0 else "")
        clock = "order" if record.order is not None else "time" if record.time is not None else "place"
        number = self._by_host.get((host, clock))
        if number is not None:
            world = self.worlds[number]
            back = record.order is not None and record.order < world.last_order
            if record.order is not None and record.time is not None and world.last_time is not None and world.last_order >= 0:
                later = (record.time - world.last_time).total_seconds()
                if (back and later > BOOT_SECONDS) or (not back and later < -BOOT_SECONDS):
                    number = None
        if number is None:
            number = len(self.worlds)
            self.worlds.append(WorldState(host, clock, versions=self._versions, selective=self._selective))
            self._by_host[host, clock] = number
        self._world, self._current = number, self.worlds[number]
        self._current.files[self.files[-1]] = None
        return self._current

    # ---- one fact each

    def _put(self, table: str, numbers: tuple[int, ...], texts: tuple[str, ...] = ()) -> None:
        rows = self._rows[table]
        rows.append(self._row + numbers)
        self._texts[table].append(texts)
        if len(rows) >= BATCH:
            self._write(table)

    def _write(self, table: str) -> None:
        rows, texts = self._rows[table], self._texts[table]
        if not rows:
            return
        self.counts[table] += len(rows)
        numbers = np.array(rows, dtype=np.int64)
        batch: dict[str, Any] = {column: np.ascontiguousarray(numbers[:, place]) for place, column in enumerate(NUMBERS[table])}
        for place, column in enumerate(TEXTS[table]):
            batch[column] = np.array([row[place] for row in texts], dtype=object)
        self.connection.execute(f"INSERT INTO {table} SELECT * FROM batch")
        rows.clear()
        texts.clear()

    def _sight(self, task: Task, what: str) -> None:
        """Store the token of ``task`` in a record."""
        token = task.token
        if token is NO_TOKEN or token == NO_TOKEN:
            return
        key = (self._world, task.pid, task.version, task.lifetime)
        last, begins = self._seen.get(key), what in ("birth", "image")
        if last is not None and last[0] == token and not begins:
            self._seen[key] = (token, task, self._row)
            return
        if last is not None:
            self._write_last(key)
        elif len(self._seen) >= REMEMBERED:
            self._forget_all()
        self._seen[key] = (token, None, ())
        self._put("sight", (*numbers_of(task), int(not begins)), (task.executable, what))

    def _write_last(self, key: _Key) -> None:
        """Write the last of several equal records."""
        token, task, row = self._seen[key]
        if task is not None:
            self._rows["sight"].append((*row, *numbers_of(task), 1))
            self._texts["sight"].append((task.executable, "seen"))
            self._seen[key] = (token, None, ())

    def _forget_all(self) -> None:
        for key in list(self._seen):
            self._write_last(key)
        self._seen.clear()

    def _began(self, fact: TaskBegan) -> None:
        if fact.parent is not None:
            self._sight(fact.parent, "seen")
        self._sight(fact.task, "birth")
        parent = _NO_TASK if fact.parent is None else numbers_of(fact.parent)
        program = "" if fact.parent is None else fact.parent.executable
        self._put("birth", (*parent, *numbers_of(fact.task), int(fact.given)), (program, fact.task.executable, fact.how))

    def _image(self, fact: ImageReplaced) -> None:
        before, after = fact.before, fact.after
        if before is not None:
            self._sight(before, "seen")
        if after is not None:
            self._sight(after, "image")
        numbers = (
            *(_NO_TASK if before is None else numbers_of(before)),
            *(_NO_TASK if after is None else numbers_of(after)),
            _known(fact.mode),
            _known(fact.owner),
            _known(fact.group),
        )
        program = fact.executable or (after.executable if after is not None else "")
        self._put("image", numbers, ("" if before is None else before.executable, program, fact.how))

    def _call(self, fact: CredentialsSet) -> None:
        self._sight(fact.by, "seen")
        whose = fact.task if fact.task is not None else fact.by
        if fact.task is not None:
            self._put("call", (*numbers_of(whose), _flag(fact.succeeded), 1), (fact.by.executable, fact.call, _list(fact.values)))
            self._sight(fact.task, "call")
        else:
            self._put("call", (*numbers_of(whose), _flag(fact.succeeded), 0), (fact.by.executable, fact.call, _list(fact.values)))

    def _ended(self, fact: TaskEnded) -> None:
        self._sight(fact.task, "seen")
        key = (self._world, *fact.task.key)
        if key in self._seen:
            self._write_last(key)
            del self._seen[key]
        self._put("ended", numbers_of(fact.task))

    def _right(self, fact: RightToTask) -> None:
        self._sight(fact.holder, "seen")
        self._sight(fact.target, "seen")
        name = -1 if fact.name is None else fact.name
        self._rights_row(fact.holder, fact.target, fact.right.value, fact.how, name, fact.succeeded, fact.gained)

    def _acted(self, fact: ActedOn) -> None:
        self._sight(fact.actor, "seen")
        self._sight(fact.target, "seen")
        if fact.how.partition(" ")[0] in _TAKES_CONTROL:
            self._rights_row(fact.actor, fact.target, TaskRight.CONTROL.value, fact.how, -1, fact.succeeded, True)

    def _rights_row(self, holder: Task, target: Task, right: str, how: str, name: int, succeeded: bool | None, gained: bool) -> None:
        numbers = (*numbers_of(holder), *numbers_of(target), _flag(holder.platform), name, _flag(succeeded), int(gained))
        self._put("rights", numbers, (holder.executable, target.executable, right, how))

    def _message(self, fact: Message) -> None:
        carried: tuple[int, ...] = (-1,) * 8
        if (token := fact.token) is not None:
            ids = (token.auid, token.euid, token.egid, token.ruid, token.rgid, token.asid)
            carried = (_known(token.pid), _known(token.pidversion), *map(_known, ids))
        sender = _NO_TASK if fact.sender is None else numbers_of(fact.sender)
        named = -1 if fact.sender is None else _known(fact.sender.token.pid)
        flags = (int(fact.sender is not None), int(token is not None), _known(fact.serial), named)
        self._put("message", (*numbers_of(fact.task), *sender, *carried, *flags), (fact.action, fact.what))

    def _holding(self, fact: Holding) -> None:
        receiver = fact.receiver or (-1, -1)
        numbers = (
            *numbers_of(fact.task)[:2],
            fact.name,
            fact.snapshot,
            int(fact.kind in _SENDS),
            int(fact.kind in _RECEIVES),
            int(fact.kind is SlotKind.SEND_ONCE),
            _known(fact.send_once),
            _flag(fact.senders),
            *receiver,
            *(_NO_TASK if fact.target is None else numbers_of(fact.target)),
            int(fact.is_self),
        )
        right = "" if fact.right is None else fact.right.value
        self._put("holding", numbers, (fact.kind.name, fact.port, fact.object, right, fact.task.executable))

    def _totals(self, fact: HoldingTotals) -> None:
        counts = (fact.total, fact.send, fact.receive, fact.send_once, fact.port_set, fact.dead_name)
        self._put("totals", (*numbers_of(fact.task)[:2], fact.snapshot, *map(_known, counts)))

    def _gap(self, fact: SequenceGap) -> None:
        if fact.stream:
            return  # gaps of one kind of event are also gaps of all events
        row = self._row
        now = row[4]
        before = self._before[4] if self._before and self._before[1] == row[1] else now
        self._put("gap", (min(before, now), max(before, now), fact.missing))
        world = self.worlds[row[1]]
        if fact.missing == 0 and fact.seen > 0:
            world.disordered = True
        if row[5] >= 0:
            world.gap_minutes[row[5] // MINUTE] += 1

    def _unreadable(self, fact: Unreadable) -> None:
        self.unreadable += 1
        if len(self.complaints) < COMPLAINTS:
            self.complaints.append(f"{fact.record}: {fact.why}")

    def _recording(self, fact: RecordingBegan) -> None:
        self.formats[fact.format] = None
        self._versions = fact.versions
        self._selective = not fact.versions and fact.format != "trace"

    def _recorded(self, fact: RecordingEnded) -> None:
        self.records += fact.records


_Key: TypeAlias = tuple[int, int, int | None, int]
_NO_TASK = (-1,) * len(TASK)


def numbers_of(task: Task) -> tuple[int, ...]:
    """The columns of ``task``."""
    token, version = task.token, task.version
    return (
        task.pid,
        -1 - task.lifetime if version is None else version,
        1 if task.ambiguous else 0,
        -1 if token.auid is None else token.auid,
        -1 if token.euid is None else token.euid,
        -1 if token.egid is None else token.egid,
        -1 if token.ruid is None else token.ruid,
        -1 if token.rgid is None else token.rgid,
        -1 if token.asid is None else token.asid,
    )


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _flag(value: bool | None) -> int:
    return -1 if value is None else int(value)


def _list(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
