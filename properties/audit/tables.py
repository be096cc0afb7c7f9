"""The tables that facts are kept in. They are on disk: what is in memory doesn't grow with them.

Every row begins with its record; a task is nine columns, a word or number that a record doesn't tell is -1. ``world`` is one boot of one host as one
clock saw it, and ``ord`` orders what happened in it.
"""

from __future__ import annotations

from collections.abc import Mapping

RECORD = ("n", "world", "file", "place", "ord", "tm")
"""Number of the fact, world, number of the file, place in it, order, time in microseconds since 1970."""
TASK = ("pid", "ver", "amb", "auid", "euid", "egid", "ruid", "rgid", "asid")
"""``ver``: the pid version, or -1 - lifetime. ``amb``: it may be another task of that pid."""
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
"""The columns of each table that are numbers; its texts follow. ``later`` is 0 of what begins an identity: nothing was before it at the same time."""
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
    """The statements that make the tables, and the words in which rules ask."""
    tables = []
    for name, numbers in NUMBERS.items():
        columns = [f"{column} BIGINT" for column in numbers] + [f"{column} VARCHAR" for column in TEXTS[name]]
        tables.append(f"CREATE TABLE {name} ({', '.join(columns)})")
    return [*tables, *MACROS]


SYSTEM_PATHS = r"^/(System|bin|sbin|usr/(bin|sbin|lib|libexec|share))/"
"""Where only the system's own programs are, on macOS: nobody else can write there."""
PEOPLE = 500
"""User ids from here on are people's; below are root's and those of the system's services."""

MACROS = (
    "CREATE MACRO differs(a, b) AS (a >= 0 AND b >= 0 AND a <> b)",
    "CREATE MACRO is_of_system(platform, program, euid) AS (platform = 1 OR (platform < 0 AND (CASE WHEN program <> '' "
    f"THEN regexp_matches(program, '{SYSTEM_PATHS}') ELSE euid < {PEOPLE} END)))",
    "CREATE MACRO is_set(auid) AS (auid >= 0 AND auid <> 4294967295)",
    "CREATE MACRO unseen_between(w, a, b) AS (EXISTS (SELECT 1 FROM gap WHERE gap.world = w AND gap.hi > a AND gap.lo < b))",
)
"""``differs``: both are known and they are not the same. ``is_of_system``: the recorder says so, or if it doesn't say, the program's place
does, or if that isn't recorded either, the user. ``unseen_between``: records are missing between two moments of a world."""
