"""The words that praudit(1) prints for an audit token, in text and in XML: numbers, or without ``-n`` names.

praudit prints local time without a zone; it is taken as UTC. Of the names of users and groups only root's are known;
other words are then unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sendright.impl.recordings.bsm.record import AuditRecord
from sendright.impl.recordings.bsm.tokens import argument_key, moment
from sendright.impl.recordings.token_spellings import word
from sendright.mach.results.facts import Token

_ROOT = {"root": 0, "wheel": 0}
_NUMBER = re.compile(r"-?\d{1,20}|0[xX][0-9a-fA-F]{1,16}")
_MILLISECONDS = re.compile(r"\d{1,9}")
_ERRORS = {
    "operation not permitted": 1,
    "no such file or directory": 2,
    "no such process": 3,
    "cannot allocate memory": 12,
    "permission denied": 13,
    "invalid argument": 22,
    "resource temporarily unavailable": 35,
}
_SOME_ERROR = -1


def number(shown: str) -> int | None:
    """A number in decimal or hexadecimal; None if ``shown`` isn't one."""
    shown = shown.strip()
    return int(shown, 0 if shown[:2].lower() == "0x" else 10) if _NUMBER.fullmatch(shown) else None


def _user(shown: str) -> int | None:
    """A user or a group, by number or by name; None: a name that isn't known."""
    return _ROOT.get(shown.strip(), number(shown))


def identity(words: list[str]) -> Token:
    """The seven words of a subject or process token: auid, euid, egid, ruid, rgid, pid, sid. Raises ValueError if
    there are fewer, or no pid.
    """
    if len(words) < 7:
        raise ValueError(f"a token of {len(words)} words")
    ids = [_user(shown) for shown in words[:7]]
    if ids[5] is None:
        raise ValueError(f"not a pid: {words[5][:40]!r}")
    return Token(*[None if value is None else word(value) for value in ids])


def set_time(audited: AuditRecord, time: str, milliseconds: str) -> None:
    """A header's time: seconds since 1970, or as ctime(3) has it."""
    found = _MILLISECONDS.search(milliseconds)
    fraction = int(found[0]) if found else 0
    seconds = number(time)
    if seconds is not None:
        audited.time = moment(seconds, fraction)
        return
    try:
        audited.time = datetime.strptime(time.strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC, microsecond=fraction % 1000 * 1000)
    except ValueError:
        audited.time = None


def set_return(audited: AuditRecord, error: str, value: str) -> None:
    """A return token: "success", "failure : why", or the number of an error."""
    shown = error.strip().lower()
    why = shown.removeprefix("failure").strip(" :")
    code = number(shown)
    audited.error = 0 if shown == "success" else code if code is not None else _ERRORS.get(why, _SOME_ERROR)
    audited.value = number(value)


def set_argument(audited: AuditRecord, value: str, text: str) -> None:
    """An argument token."""
    found = number(value)
    if found is not None:
        audited.arguments.setdefault(argument_key(text), found)


def set_attributes(audited: AuditRecord, mode: str, owner: str, group: str) -> None:
    """An attribute token; the mode is octal."""
    if audited.mode is None:
        try:
            audited.mode = word(int(mode[:16], 8))
            audited.owner, audited.group = [None if part is None else word(part) for part in (_user(owner), _user(group))]
        except ValueError:
            audited.mode = None


def set_exit(audited: AuditRecord, status: str) -> None:
    """An exit token: "Error 0"."""
    found = number(status.strip().rpartition(" ")[2])
    audited.exit_status = found if found is not None and -(1 << 31) <= found < 1 << 31 else None


def set_sequence(audited: AuditRecord, shown: str) -> None:
    """A sequence token."""
    found = number(shown)
    audited.sequence = found if found is not None and 0 <= found < 1 << 32 else None


def identity_from(attributes: Mapping[str, str]) -> Token:
    """A subject or process token by the names of its XML attributes."""
    return identity([attributes.get(name, "") for name in ("audit-uid", "uid", "gid", "ruid", "rgid", "pid", "sid")])
