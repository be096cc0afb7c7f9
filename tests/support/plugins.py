"""The example plugin, and plugins that tests write, in processes of their own: what a plugin adds stays in a
process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.places import ROOT, SENDRIGHT

EXAMPLE = ROOT / "docs" / "examples" / "plugin"


def sendright(*arguments: str, at: Path, path: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    """Run the command in the directory ``at``, with ``path`` on PYTHONPATH."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    return subprocess.run([*SENDRIGHT, *arguments], cwd=at, env=environment, capture_output=True, text=True, timeout=500, check=False)


def answered(done: subprocess.CompletedProcess[str], status: int) -> dict[str, Any]:
    """What ``--json`` printed."""
    assert done.returncode == status, done.stderr + done.stdout
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def python(code: str, at: Path, path: Path = EXAMPLE) -> Any:
    """The JSON that a program prints."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=at, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
