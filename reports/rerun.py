"""How to run it again."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader needs in order to see the same result."""

    commands: tuple[str, ...] = ()
    """Command lines, the plainest first."""
    scripts: dict[str, str] = {}
    """The scripts that those name: file name -> JSON text."""


def script_text(script: dict[str, Any]) -> str:
    """A script as it is written to a file."""
    return json.dumps(script, indent=1) + "\n"
