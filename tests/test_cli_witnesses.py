"""``sendright witnesses``: what is recorded, and what stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sendright.cli.main import main
from sendright.mach.profiles import PROFILES, Profile
from sendright.model.witnesses import Witness
from sendright.properties import witness_search


@pytest.fixture(autouse=True)
def search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finds one run without calls in each profile, which the limit tells apart from what there was."""

    def find(factory: Any, profile: Profile, *arguments: Any, **more: Any) -> tuple[list[Witness], tuple[str, ...]]:
        return [Witness(profile.name, 99, 1, 1, ())], ("a case",) if profile.name == "osf" else ()

    monkeypatch.setattr(witness_search, "find_witnesses", find)


def recorded(path: Path) -> list[tuple[str, int]]:
    return [(each.profile, each.urefs_max) for each in msgspec.json.decode(path.read_bytes(), type=list[Witness])]


def test_all_profiles_are_recorded_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "runs.json"
    assert main(["witnesses", "-q", "-o", str(path)]) == 4
    assert recorded(path) == [(name, 99) for name in PROFILES]
    assert "not reached in osf: a case" in capsys.readouterr().out


def test_of_one_profile_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    before = [Witness(name, limit, 1, 1, ()) for name, limit in (("manual", 3), ("xnu", 4), ("xnu", 5), ("gnumach", 6))]
    path.write_bytes(msgspec.json.encode(before))
    assert main(["witnesses", "-q", "-p", "xnu", "-o", str(path)]) == 0
    assert recorded(path) == [("manual", 3), ("gnumach", 6), ("xnu", 99)]


def test_of_one_profile_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    assert main(["witnesses", "-q", "-p", "xnu", "-o", str(path)]) == 0
    assert recorded(path) == [("xnu", 99)]


@pytest.mark.parametrize(("profile", "words"), [("xnu", "not a file of recorded runs"), ("vms", "unknown profile 'vms'")])
def test_what_cannot_be_done_leaves_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str, words: str) -> None:
    path = tmp_path / "runs.json"
    path.write_text("no runs")
    assert main(["witnesses", "-q", "-p", profile, "-o", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert path.read_text() == "no runs"


@pytest.mark.parametrize("place", ["nowhere/runs.json", "."])
def test_a_place_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["witnesses", "-q", "-o", place]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sendright: {place}: can't be written: ")
