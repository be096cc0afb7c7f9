"""The wheel has every package, with its data, and the layers keep to themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from support.places import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]


def _place(path: Path) -> str:
    """Where the wheel has a file of the source tree."""
    [(package, folder)] = [(package, folder) for package, folder in FOLDERS.items() if path.is_relative_to(ROOT / folder)]
    return f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"


@pytest.mark.packaging
def test_wheel_has_every_subpackage(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)], check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "there")
    for path in (path for folder in FOLDERS.values() for path in (ROOT / folder).rglob("*.py")):
        assert _place(path) in names
    for data in (
        "model/execution/witnesses.json",
        "reports/templates/page.html",
        "reports/templates/page.css",
        "reports/templates/page.js",
        "mach/py.typed",
        "api/py.typed",
        "__init__.py",
        "__init__.pyi",
        "py.typed",
    ):
        assert f"sendright/{data}" in names
    [points] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    assert "sendright = sendright.api.pytest_plugin" in (tmp_path / "there" / points).read_text()
    words = "import sendright; print(sendright.__file__, *[getattr(sendright, name).__class__.__name__ for name in sendright.__all__])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    done = subprocess.run([sys.executable, "-c", words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "there" / "sendright"))


def test_every_package_is_declared() -> None:
    there = {
        ".".join([package, *init.parent.relative_to(ROOT / folder).parts])
        for package, folder in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert set(SETUPTOOLS["packages"]) == there


def test_import_contracts(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / ".ci" / "linked"), str(tmp_path)], check=True)
    program = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    linter = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert linter.returncode == 0, linter.stdout
    assert "0 broken" in linter.stdout
