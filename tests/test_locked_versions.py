"""The locked versions in ``requirements/`` fit what ``pyproject.toml`` allows: where a test fails, run
``requirements/lock``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {
    "main": ((), ()),
    "audit": ((), ("audit",)),
    "test": (("test",), ("audit", "distributed")),
    "oldest": (("test",), ("audit", "distributed")),
    "lint": (("lint",), ()),
    "docs": (("docs",), ()),
    "benchmark": (("benchmark",), ("audit",)),
}
"""For each file the dependency groups and the extras that it locks beside the project's dependencies and what builds
the project.
"""
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system, "os_name": "nt" if system == "win32" else "posix"}
    for python in ("3.11", "3.12", "3.13")
    for system in ("linux", "darwin", "win32")
]


def declared(groups: tuple[str, ...], extras: tuple[str, ...]) -> Iterator[Requirement]:
    project = PROJECT["project"]
    lists = [project["dependencies"], PROJECT["build-system"]["requires"]]
    lists += [PROJECT["dependency-groups"][group] for group in groups] + [project["optional-dependencies"][extra] for extra in extras]
    requirements = (Requirement(text) for each in lists for text in each)
    return (requirement for requirement in requirements if requirement.name != project["name"])


@cache
def locked(name: str) -> list[Requirement]:
    """What a file locks. Fails if a version is not exact or has no hash."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements" / f"{name}.txt").read_text(), flags=re.MULTILINE)
    requirements = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split("--hash=")
        assert hashes, f"no hash: {line}"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", each) for each in hashes)
        requirements.append(Requirement(requirement))
        assert re.fullmatch(r"==[^*,]+", str(requirements[-1].specifier))
    return requirements


def version_of(package: str, name: str, machine: dict[str, str]) -> Version:
    """Which version of a package a file locks for a machine: exactly one."""
    pins = [each for each in locked(name) if canonicalize_name(each.name) == canonicalize_name(package)]
    (pin,) = [each for each in pins if each.marker is None or each.marker.evaluate(machine)]
    return Version(str(pin.specifier).removeprefix("=="))


def test_there_is_a_file_for_each_purpose() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == LOCKS.keys()


def test_what_builds_the_project_is_locked() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("name", LOCKS)
def test_a_locked_version_is_within_the_declared_range(name: str) -> None:
    for requirement in declared(*LOCKS[name]):
        for machine in MACHINES:
            assert version_of(requirement.name, name, machine) in requirement.specifier, f"{requirement} on {machine}"


@pytest.mark.parametrize("name", sorted(LOCKS.keys() - {"test", "oldest"}))
def test_files_that_are_installed_together_lock_the_same_versions(name: str) -> None:
    tested = {canonicalize_name(each.name) for each in locked("test")}
    for package in {each.name for each in locked(name) if canonicalize_name(each.name) in tested}:
        for machine in MACHINES:
            if any(each.name == package and (each.marker is None or each.marker.evaluate(machine)) for each in locked("test")):
                assert version_of(package, name, machine) == version_of(package, "test", machine)


def test_the_oldest_versions_are_the_lower_ends_of_the_ranges() -> None:
    for requirement in declared(*LOCKS["oldest"]):
        (lowest,) = [Version(each.version) for each in requirement.specifier if each.operator in (">=", "==")]
        oldest = version_of(requirement.name, "oldest", MACHINES[0])
        assert oldest.release[: len(lowest.release)] == lowest.release, f"{requirement}: {oldest}"


def test_the_readme_installs_locked_versions_only() -> None:
    commands = re.findall(r"^python3 -m venv.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        first, second = [part.partition("pip install -q ")[2] for part in command.split(" && ") if "pip install" in part]
        assert re.fullmatch(r"-r requirements/(main|test)\.txt", first)
        assert re.fullmatch(r"--no-deps --no-build-isolation (-e )?\.", second)
