"""Durations on the command line: ``90``, ``90s``, ``5m``, ``1h``."""

from __future__ import annotations

import re

from sendright.cli.bad_input import BadInput

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST = 30 * 24 * 3600


def seconds_of(option: str, words: str | None) -> float | None:
    """The seconds that ``words`` mean, which an option names; None for None. Raises BadInput."""
    if words is None:
        return None
    parts = re.fullmatch(r"(?a:(\d{1,9}(?:\.\d{1,3})?)\s*([smh]?))", words.strip())
    seconds = float(parts[1]) * _SECONDS[parts[2]] if parts else 0.0
    if not 0 < seconds <= LONGEST:
        raise BadInput(f"{option}: {words!r} is not a time (write seconds as 90, minutes as 5m, hours as 1h; at most {LONGEST // 3600}h)")
    return seconds
