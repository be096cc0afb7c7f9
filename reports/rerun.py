"""How to reproduce a result."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """The commands and scripts that reproduce a result."""

    commands: tuple[str, ...] = ()
    """Command lines, the simplest first."""
    scripts: dict[str, str] = {}
    """The scripts that the command lines name: file name -> JSON text."""


def script_text(script: dict[str, Any]) -> str:
    """A script as it is written to a file."""
    return json.dumps(script, indent=1) + "\n"
