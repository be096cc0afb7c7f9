"""Baselines: files of accepted findings, which people read and change."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sendright.cli.bad_input import BadInput
from sendright.mach.files import CantRead, read_regular
from sendright.mach.results.baselines import Accepted, Baseline
from sendright.mach.suggestions import did_you_mean

FORMAT = "sendright-baseline/1"
LARGEST = 4 << 20
MOST = 10_000
LONGEST = 4_000
_KEYS = ("fingerprint", "by", "why", "until", "rule", "finding")
_NEEDED = ("fingerprint", "by", "why", "until")


def read_baseline(path: Path | None) -> Baseline | None:
    """The baseline in the file at ``path``; None without one. Raises BadInput, with the entry that is wrong."""
    return None if path is None else parse_baseline(read_toml(path, LARGEST, "--baseline"), path)


def read_toml(path: Path, largest: int, what: str) -> dict[str, Any]:
    """The TOML file at ``path``. Raises BadInput, whose message begins with ``what`` asked for it."""
    try:
        return tomllib.loads(read_regular(path, largest).decode("utf-8"))
    except CantRead as error:
        raise BadInput(f"{what}: {path}: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{what}: {path}: not TOML: {' '.join(str(error).split()) or 'nested too deep'} (correct the file)") from error


def parse_baseline(data: dict[str, Any], path: Path) -> Baseline:
    """The baseline that ``data``, a TOML file's content, is. Raises BadInput."""

    def wrong(what: str) -> BadInput:
        return BadInput(f"--baseline: {path}: {what} (docs/ci.md describes the form)")

    if data.get("format") != FORMAT:
        raise wrong(f'not a baseline: it needs the line format = "{FORMAT}"')
    for key in data.keys() - {"format", "accepted"}:
        raise wrong(unknown_key(key, ("format", "accepted")))
    entries = data.get("accepted", [])
    if not isinstance(entries, list) or len(entries) > MOST:
        raise wrong(f"accepted isn't a list of at most {MOST:,} entries: begin each entry with [[accepted]]")
    read: dict[str, Accepted] = {}
    for number, entry in enumerate(entries, 1):
        where = f"entry {number}"
        if not isinstance(entry, dict):
            raise wrong(f"{where}: not a table")
        for key in entry.keys() - set(_KEYS):
            raise wrong(f"{where}: {unknown_key(key, _KEYS)}")
        for key in _NEEDED:
            if key not in entry:
                raise wrong(f"{where}: {key} is missing: say {_WHAT[key]}")
        words = {key: entry.get(key, "") for key in _KEYS if key != "until"}
        for key, value in words.items():
            if not isinstance(value, str) or len(value) > LONGEST or (key in _NEEDED and not value.strip()):
                raise wrong(f"{where}: {key} isn't a text of 1 to {LONGEST:,} characters: say {_WHAT[key]}")
        accepted = Accepted(until=_day(entry["until"], lambda what, where=where: wrong(f"{where}: {what}")), **words)
        if accepted.fingerprint in read:
            raise wrong(f"{where}: {accepted.fingerprint} is there twice: remove one of them")
        read[accepted.fingerprint] = accepted
    return Baseline(file=str(path), entries=tuple(read.values()))


_WHAT = {
    "fingerprint": "which finding (report.sarif and --json have its fingerprint)",
    "by": "who accepts the finding",
    "why": "why",
    "until": "until which day",
    "rule": "which rule",
    "finding": "what was found",
}


def _day(value: object, wrong: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "").isoformat()
    except ValueError:
        raise wrong("until isn't a day: write it as 2030-12-31") from None


def unknown_key(key: str, known: tuple[str, ...] | list[str]) -> str:
    """That ``key`` isn't known, and the nearest one that is."""
    choice = f"choose {', '.join(sorted(known))}"
    return f"unknown key {key!r}: {did_you_mean(key, known, choice, 0.5)}"
