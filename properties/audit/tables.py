"""The tables of facts. They are on disk, so memory use doesn't grow with them.

Every row begins with its record. A task has nine columns; an unrecorded word or number is -1. ``world`` is one boot of
one host by one clock, and ``ord`` is the order of events in it.
"""

from __future__ import annotations

from collections.abc import Mapping

RECORD = ("n", "world", "file", "place", "ord", "tm")
"""Number of the fact, world, number of the file, place in it, order, time in microseconds since 1970."""
TASK = ("pid", "ver", "amb", "auid", "euid", "egid", "ruid", "rgid", "asid")
"""``ver``: the pid version, or -1 - lifetime. ``amb``: it may be another task with that pid."""
TOKEN = TASK[3:]


CARRIED = tuple(f"k_{column}" for column in ("pid", "ver", *TOKEN))
"""The token that came with a message."""


def task(prefix: str) -> tuple[str, ...]:
    """The columns of a task."""
    return tuple(f"{prefix}_{column}" for column in TASK)


NUMBERS: Mapping[str, tuple[str, ...]] = {
    "sight": (*RECORD, *TASK, "later"),
    "birth": (*RECORD, *task("p"), *task("c"), "given"),
    "image": (*RECORD, *task("b"), *task("a"), "mode", "owner", "grp"),
    "call": (*RECORD, *task("b"), "succeeded", "shows_after"),
    "ended": (*RECORD, *TASK),
    "rights": (*RECORD, *task("h"), *task("t"), "h_platform", "name", "succeeded", "gained"),
    "message": (*RECORD, *task("m"), *task("s"), *CARRIED, "has_sender", "has_token", "serial", "s_token_pid"),
    "holding": (*RECORD, "pid", "ver", "name", "snapshot", "sends", "receives", "once", "sonce", "senders", "r_pid", "r_name", *task("t"), "own"),
    "totals": (*RECORD, "pid", "ver", "snapshot", "total", "send", "receive", "send_once", "port_set", "dead_name"),
    "gap": (*RECORD, "lo", "hi", "missing"),
}
"""The numeric columns of each table; the text columns follow. ``later`` is 0 for the record that begins an identity,
which comes before others of the same time."""
TEXTS: Mapping[str, tuple[str, ...]] = {
    "sight": ("program", "what"),
    "birth": ("p_program", "c_program", "how"),
    "image": ("b_program", "a_program", "how"),
    "call": ("program", "call", "args"),
    "ended": (),
    "rights": ("h_program", "t_program", "right_", "how"),
    "message": ("action", "what"),
    "holding": ("kind", "port", "object", "right_", "program"),
    "totals": (),
    "gap": (),
}


def definitions() -> list[str]:
    """The statements that create the tables and the macros for rules."""
    tables = []
    for name, numbers in NUMBERS.items():
        columns = [f"{column} BIGINT" for column in numbers] + [f"{column} VARCHAR" for column in TEXTS[name]]
        tables.append(f"CREATE TABLE {name} ({', '.join(columns)})")
    return [*tables, *MACROS]


SYSTEM_PATHS = r"^/(System|bin|sbin|usr/(bin|sbin|lib|libexec|share))/"
"""Directories on macOS with only the system's programs: no one else can write there."""
PEOPLE = 500
"""The first user id of people; lower ones are of root and of the system's services."""

MACROS = (
    "CREATE MACRO differs(a, b) AS (a >= 0 AND b >= 0 AND a <> b)",
    "CREATE MACRO is_of_system(platform, program, euid) AS (platform = 1 OR (platform < 0 AND (CASE WHEN program <> '' "
    f"THEN regexp_matches(program, '{SYSTEM_PATHS}') ELSE euid < {PEOPLE} END)))",
    "CREATE MACRO is_set(auid) AS (auid >= 0 AND auid <> 4294967295)",
    "CREATE MACRO unseen_between(w, a, b) AS (EXISTS (SELECT 1 FROM gap WHERE gap.world = w AND gap.hi > a AND gap.lo < b))",
)
"""``differs``: both are known and they are different. ``is_of_system``: decided by the recorder, or else by the
program's path, or else by the user id. ``unseen_between``: records are missing between two moments of a world."""
