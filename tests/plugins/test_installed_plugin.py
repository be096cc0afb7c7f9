"""The example plugin as an installed package, in an environment of its own: no option names it."""

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT
from support.plugins import EXAMPLE, answered, sendright


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``sendright`` of a new environment that has sendright and the example, built as wheels.

    What they depend on comes from this environment.
    """
    place = tmp_path_factory.mktemp("installed")
    wheels = place / "wheels"
    for project in (ROOT, EXAMPLE):
        copied = place / "source" / project.name
        _copy(project, copied)
        build = [sys.executable, "-m", "build", "-q", "--no-isolation", "--wheel", "--outdir", str(wheels), str(copied)]
        subprocess.run(build, check=True, capture_output=True)
    environment = place / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    [library] = environment.glob("lib/python*/site-packages")
    for wheel in wheels.glob("*.whl"):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(library), str(wheel)], check=True)
    (library / "dependencies.pth").write_text("".join(f"{each}\n" for each in sys.path if each.endswith("site-packages")))
    program = environment / "bin" / "sendright"
    program.write_text(f"#!{environment / 'bin' / 'python'}\nfrom sendright.cli.main import run\nif __name__ == '__main__':\n    run()\n")
    program.chmod(0o755)
    return program


def _copy(project: Path, to: Path) -> None:
    """The files that git knows, and new ones that it doesn't ignore."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=project, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (project / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((project / name).read_bytes())


def ran(program: Path, *arguments: str, at: Path, status: int = 0) -> Any:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(program), *arguments, "--json"], cwd=at, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_an_entry_point_is_enough(tmp_path: Path) -> None:
    """A package that is on Python's path, with the metadata that the example's installation would write."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items()) for group, points in project["entry-points"].items())
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    place = Path(f"{tmp_path}{os.pathsep}{EXAMPLE}")
    [plugin] = answered(sendright("calls", "mach_port_is_dead", "--json", at=tmp_path, path=place), 0)["plugins"]
    assert (plugin["name"], plugin["version"], plugin["source"]) == ("example", "1.0", "sendright_example:plugin")
    without = sendright("calls", "--no-plugins", "mach_port_is_dead", at=tmp_path, path=place)
    assert (without.returncode, "unknown call" in without.stderr) == (2, True)


@pytest.mark.heavy
@pytest.mark.packaging
def test_an_installed_plugin_is_there_without_being_named(installed: Path, tmp_path: Path) -> None:
    data = ran(installed, "calls", "mach_port_is_dead", at=tmp_path)
    [plugin] = data["plugins"]
    assert (plugin["name"], plugin["version"], plugin["source"]) == ("example", "1.0", "sendright_example:plugin")
    assert "profile small-kernel, based on manual" in plugin["adds"]
    assert ran(installed, "calls", "--plugin", "example", "mach_port_is_dead", at=tmp_path)["plugins"] == [plugin]
    without = subprocess.run(
        [str(installed), "calls", "--no-plugins", "mach_port_is_dead"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (without.returncode, "unknown call" in without.stderr) == (2, True)


@pytest.mark.heavy
@pytest.mark.packaging
def test_each_kind_works_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    proved = ran(installed, "prove", "-q", "--no-cache", "--call", "mach_port_is_dead", "--profile", "small-kernel", at=tmp_path)
    assert proved["verdict"] == "PROVED"
    assert {"invariant 1001", "step invariant 1002"} <= {one["property"] for one in proved["obligations"]}
    assert ran(installed, "check", "-q", "--fault", "suspend-twice", at=tmp_path, status=1)["verdict"] == "FAILED"
    assert ran(installed, "check", "-q", "--sut", "example-kernel", "-n", "5", at=tmp_path)["implementation"] == "example kernel"
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("example: task 7 of user 501 controls 1 of user 0\n")
    found = ran(installed, "audit", "-q", "-j", "2", "a.log", "b.log", at=tmp_path, status=1)["findings"]
    assert [one["rule"] for one in found].count("first-task") == 2
