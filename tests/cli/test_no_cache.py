"""``--no-cache``: every command that has it keeps nothing, and the same command without it keeps something."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from support.places import ROOT

from sendright.cli.commands import COMMANDS as listed
from sendright.cli.main import main
from sendright.model.execution import property_check, system

SCRIPT = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "steps": [{"as": "A", "call": "mach_task_self"}]}]}
COMMANDS = {
    "check": ["-n", "1", "--steps", "2"],
    "replay": ["script.json"],
    "check-server": ["--examples", "2", "--acts", "4", "--server", "mended", str(ROOT / "docs" / "examples" / "servers" / "leaks.json")],
    "prove": ["--call", "mach_port_allocate", "--invariant", "7", "-j", "1"],
    "policy": [str(ROOT / "docs" / "examples" / "policies" / "clients.toml"), "--call", "mach_port_allocate", "-j", "1"],
}


@pytest.fixture(autouse=True)
def _compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("script.json").write_text(json.dumps(SCRIPT))
    monkeypatch.setattr(system, "_compiled", {})
    property_check.compiled.cache_clear()
    yield
    property_check.compiled.cache_clear()


def kept() -> list[Path]:
    """What is in the user's cache directory."""
    return [path for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file()]


def test_these_are_all() -> None:
    functions = {name: getattr(import_module(f"sendright.cli.{name.replace('-', '_')}"), name.replace("-", "_")) for name in listed}
    assert {name for name, function in functions.items() if "no_cache" in signature(function).parameters} == COMMANDS.keys()


@pytest.mark.parametrize("command", [pytest.param(name, marks=pytest.mark.heavy if name == "check" else ()) for name in COMMANDS])
def test_nothing_is_kept(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "-q", "--no-cache", *COMMANDS[command]]) == 0, capsys.readouterr()
    assert kept() == []
    system._compiled.clear()
    property_check.compiled.cache_clear()
    assert main([command, "-q", *COMMANDS[command]]) == 0, capsys.readouterr()
    assert kept()
