"""The BSM events about tasks, tokens and rights, by number and by the names that programs use
(``bsm/audit_kevents.h``, audit_event(5)).
"""

from __future__ import annotations

EVENTS: dict[int, str] = {
    1: "AUE_EXIT",
    2: "AUE_FORK",
    7: "AUE_EXEC",
    15: "AUE_KILL",
    23: "AUE_EXECVE",
    25: "AUE_VFORK",
    26: "AUE_SETGROUPS",
    40: "AUE_SETREUID",
    41: "AUE_SETREGID",
    52: "AUE_KILLPG",
    131: "AUE_SETAUID",
    133: "AUE_SETAUDIT",
    200: "AUE_SETUID",
    205: "AUE_SETGID",
    214: "AUE_SETEGID",
    215: "AUE_SETEUID",
    241: "AUE_FORK1",
    266: "AUE_SETAUDIT_ADDR",
    302: "AUE_PTRACE",
    353: "AUE_RFORK",
    358: "AUE_TASKFORPID",
    359: "AUE_PIDFORTASK",
    43002: "AUE_PTRACE",
    43043: "AUE_RFORK",
    43048: "AUE_TASKFORPID",
    43049: "AUE_PIDFORTASK",
    43057: "AUE_SETRESUID",
    43059: "AUE_SETRESGID",
    43131: "AUE_MAC_EXECVE",
    43144: "AUE_FEXECVE",
    43161: "AUE_TASKNAMEFORPID",
    43190: "AUE_POSIX_SPAWN",
    43197: "AUE_PDFORK",
    43198: "AUE_PDKILL",
}
"""302 to 359: numbers of early Darwin."""

_BY_CALL = {
    "task_for_pid": "AUE_TASKFORPID",
    "pid_for_task": "AUE_PIDFORTASK",
    "task_name_for_pid": "AUE_TASKNAMEFORPID",
    "__mac_execve": "AUE_MAC_EXECVE",
    "old setuid": "AUE_SETUID",
    "old setgid": "AUE_SETGID",
    "old setreuid": "AUE_SETREUID",
    "old setregid": "AUE_SETREGID",
}
_KNOWN = frozenset(EVENTS.values())


def event_name(shown: str | int) -> str:
    """The ``AUE_`` name of an event that is given as a number, an ``AUE_`` name, or a description ("fork(2)").
    Unknown events are returned as given.
    """
    if isinstance(shown, str) and shown.isdecimal() and len(shown) < 8:
        shown = int(shown)
    if isinstance(shown, int):
        return EVENTS.get(shown, str(shown))
    if shown in _KNOWN:
        return shown
    call = shown.partition("(")[0].strip().lower()
    name = _BY_CALL.get(call) or f"AUE_{call.upper()}"
    return name if name in _KNOWN else shown[:80]
