"""docs/api.md: its code runs and prints what the page shows, and its command works. The reference has every name."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.listings import blocks_of
from support.places import ROOT
from support.small_kernels import FILE

import sendright

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def test_the_kernel_is_the_one_in_the_examples() -> None:
    assert blocks_of("python", PAGE)[0] == FILE.read_text("utf-8")


def test_the_code_runs_and_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FILE.parent)
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks_of("python", PAGE)[1:]:
        exec(compile(block, "api.md", "exec"), names)
    printed = capsys.readouterr().out
    shown = blocks_of("text", PAGE)
    assert len(shown) == 2
    for text in shown:
        assert text in printed
    assert issubclass(names["SmallMachine"], sendright.KernelMachine)


def test_the_command_works(tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_text(FILE.read_text("utf-8"), "utf-8")
    [command] = blocks_of("sh", PAGE)
    words = [sys.executable, "-m", *shlex.split(command), "--sendright-examples", "3", "--sendright-steps", "30"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_options_of_the_plugin_are_those_on_the_page(pytestconfig: pytest.Config) -> None:
    there = set(re.findall(r"^\| `--(sendright-[a-z-]+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    options = {name for name in vars(pytestconfig.option) if name.startswith("sendright_")}
    assert there == {(name.replace("_", "-"), name) for name in options}


def test_the_reference_has_every_name() -> None:
    spec = importlib.util.spec_from_file_location("api_page", ROOT / "docs" / "generator" / "api_page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.api_page()
    for name in sendright.__all__:
        assert f"\n### {name}\n" in page
    for member in ("Run.call", "Kernel.boot", "KernelMachine.call", "NotConforming.test", "strategies.sequences"):
        assert f"\n#### {member}\n" in page, member
    assert "\n- `arguments`" in page
    assert "kernel: KernelSource,\n    profile: ProfileSource = None,\n    *,\n    examples: int = 250," in page
