"""``sendright accept``: writes findings of a SARIF report to a baseline, with who accepts them, why, and until when."""

from __future__ import annotations

import json as json_text
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.baselines import FORMAT, LARGEST, LONGEST, MOST, parse_baseline, read_toml
from sendright.cli.options import Json
from sendright.cli.reporting import today
from sendright.cli.streams import show_json, write
from sendright.mach.files import CantRead, read_regular
from sendright.mach.json_text import read_json
from sendright.mach.results.baselines import Accepted
from sendright.reports.escape import one_line

LARGEST_REPORT = 1 << 28
SHOWN = 160
"""Characters of a finding's words in its entry, which is for readers."""


def accept(
    report: Annotated[Path, typer.Argument(metavar="SARIF", help="A report.sarif of a command that takes --baseline.")],
    baseline: Annotated[Path, typer.Option("--baseline", metavar="BASELINE", help="The baseline to add to; it is made if it doesn't exist.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="The person who accepts the findings.")],
    why: Annotated[str, typer.Option("--why", metavar="WORDS", help="Why they are accepted.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The last day on which they are accepted, as 2030-12-31.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="FINGERPRINT", help="Accept only the finding with this fingerprint. Can be repeated.")
    ] = None,
    json: Json = False,
) -> int:
    """Accept the findings of a report: write them to a baseline, for --baseline of the command that made the report.

    Each entry says who accepts the finding, why, and until which day. After that day, it is a failure again. A finding
    that the baseline has already gets the new reason and day. docs/ci.md describes the file, which you may edit.

    [bold]Examples[/bold]

      sendright accept report.sarif --baseline b.toml --by Ann --why "issue 12" --until 2030-12-31
      sendright accept a.sarif --only FINGERPRINT --baseline b.toml --by Ann --why ok --until DAY

    [bold]Exit status[/bold]

      0  written
      2  the input or the command line is wrong
    """
    for option, words in (("--by", by), ("--why", why)):
        if not one_line(words) or len(words) > LONGEST:
            raise BadInput(f"{option}: no text of 1 to {LONGEST:,} characters")
    try:
        last = date.fromisoformat(until if len(until) == 10 else "")
    except ValueError:
        raise BadInput(f"--until: {until!r} isn't a day (write it as 2030-12-31)") from None
    if last < today():
        raise BadInput(f"--until: {until} is over (name a day to come)")
    found = _findings(report)
    missing = [one for one in only or () if one not in found]
    if missing:
        raise BadInput(f"--only: {missing[0]!r} is not the fingerprint of a finding in {report} (see its partialFingerprints)")
    chosen = {one: words for one, words in found.items() if not only or one in only}
    if not chosen:
        raise BadInput(f"{report}: has no findings that can be accepted (nothing to do)")
    text = _with_entries(_text_of(baseline), baseline, {one: _entry(one, *found[one], by, why, last) for one in chosen})
    from sendright.reports.write import write_text

    try:
        write_text(baseline, text, known=True)
    except OSError as error:
        raise BadInput(f"--baseline: {baseline}: can't be written: {error.strerror} (choose another place)") from error
    if json:
        show_json({"baseline": str(baseline), "accepted": list(chosen)})
    else:
        write(f"Accepted until {last.isoformat()}: {len(chosen)} finding{'s' if len(chosen) > 1 else ''}, written to {one_line(str(baseline))}\n")
    return 0


class _Text(msgspec.Struct, frozen=True):
    text: str = ""


class _Result(msgspec.Struct, rename="camel"):
    rule_id: str = ""
    level: str = ""
    message: _Text = _Text()
    partial_fingerprints: dict[str, str] = {}


class _Run(msgspec.Struct):
    results: list[_Result] = []


class _Sarif(msgspec.Struct):
    version: str
    runs: list[_Run]


def _findings(report: Path) -> dict[str, tuple[str, str]]:
    """Fingerprint -> rule and words of each finding that isn't a note. What can't be accepted has no fingerprint.
    Raises BadInput."""
    from sendright.reports.fingerprints import FORM, KEY

    try:
        log = read_json(read_regular(report, LARGEST_REPORT), _Sarif)
    except CantRead as error:
        raise BadInput(f"{report}: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadInput(f"{report}: not a SARIF report: {' '.join(str(error).split())} (name a report.sarif)") from error
    found: dict[str, tuple[str, str]] = {}
    for run in log.runs:
        for one in run.results:
            fingerprint = one.partial_fingerprints.get(KEY, "")
            if FORM.fullmatch(fingerprint) and one.level != "note":
                found.setdefault(fingerprint, (one.rule_id, one.message.text))
    return found


def _text_of(baseline: Path) -> str:
    """The text of a baseline, which is read first to see whether it is one; a new one if there is none. Raises
    BadInput."""
    if not baseline.exists():
        return f'# Findings that are accepted. docs/ci.md describes this file, which you may edit.\nformat = "{FORMAT}"\n'
    parse_baseline(read_toml(baseline, LARGEST, "--baseline"), baseline)
    try:
        return read_regular(baseline, LARGEST).decode("utf-8")
    except (CantRead, UnicodeDecodeError) as error:
        raise BadInput(f"--baseline: {baseline}: {error}") from error


def _with_entries(text: str, baseline: Path, entries: Mapping[str, str]) -> str:
    """The ``text`` of a baseline with these entries, each in place of one with its fingerprint. Raises BadInput if it
    is written in a form that can't be changed without losing something, or gets too large.
    """
    before = _entries_in(text, baseline)
    for fingerprint, entry in entries.items():
        text = f"{_without(text, fingerprint).rstrip()}\n\n{entry}"
    if len(text.encode()) > LARGEST or len(before) + len(entries) > MOST:
        raise BadInput(f"--baseline: {baseline}: there is no room for more entries (remove some, or begin another file)")
    try:
        after = _entries_in(text, baseline)
    except (tomllib.TOMLDecodeError, BadInput):
        after = []
    stay = [[one for one in each if one.fingerprint not in entries] for each in (before, after)]
    if stay[0] != stay[1] or not entries.keys() <= {one.fingerprint for one in after}:
        raise BadInput(f"--baseline: {baseline}: can't be changed (begin each entry with a line [[accepted]], and write each key on one line)")
    return text


def _entries_in(text: str, baseline: Path) -> list[Accepted]:
    """The entries in the text of a baseline. Raises TOMLDecodeError and BadInput."""
    return list(parse_baseline(tomllib.loads(text), baseline).entries)


def _without(text: str, fingerprint: str) -> str:
    """``text`` without the entry of ``fingerprint``. Comments below it stay: they may be about the next entry."""
    parts = re.split(r"(?m)^(?=[ \t]*\[\[[ \t]*accepted[ \t]*\]\])", text)
    named = re.compile(rf"""(?m)^\s*["']?fingerprint["']?\s*=\s*["']{re.escape(fingerprint)}["']""")
    return "".join(part if index == 0 or not named.search(part) else _comments_below(part) for index, part in enumerate(parts))


def _comments_below(entry: str) -> str:
    """The comments after the last key of an entry."""
    lines = entry.splitlines(keepends=True)
    keys = [number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    return "".join(lines[keys[-1] + 1 :]) if keys else entry


def _entry(fingerprint: str, rule: str, words: str, by: str, why: str, until: date) -> str:
    values = {"fingerprint": fingerprint, "rule": rule, "finding": words[:SHOWN] + "…" * (len(words) > SHOWN), "by": by, "why": why}
    lines = [f"{key} = {_string(value)}" for key, value in values.items()]
    return "\n".join(["[[accepted]]", *lines, f"until = {until.isoformat()}", ""])


def _string(value: str) -> str:
    """A TOML string of one line."""
    line = one_line(value)
    return json_text.dumps(line[: LONGEST - 1] + "…" if len(line) > LONGEST else line, ensure_ascii=False)
