"""The wheel has every package, with its data, and the layers keep to themselves."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from support.places import ROOT


@pytest.mark.packaging
def test_wheel_has_every_subpackage(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)], check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    folders = {"mach", "model", "impl", "properties", "reports", "plugins", "cli"}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        assert f"sendright/{path.relative_to(ROOT)}" in names
    for data in (
        "model/execution/witnesses.json",
        "reports/templates/page.html",
        "reports/templates/page.css",
        "reports/templates/page.js",
        "mach/py.typed",
    ):
        assert f"sendright/{data}" in names
    assert "sendright/__init__.py" not in names, "sendright is a namespace"


def test_every_package_is_declared() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {
        "sendright." + ".".join(init.parent.relative_to(ROOT).parts)
        for folder in ("mach", "model", "impl", "properties", "reports", "plugins", "cli")
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert declared == there


def test_import_contracts() -> None:
    program = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    linter = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linter.returncode == 0, linter.stdout
    assert "0 broken" in linter.stdout
