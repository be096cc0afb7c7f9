"""``sendright witnesses``: what is recorded, what stays, and when the file is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.places import ROOT

from sendright.cli.main import main
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.model.execution.witnesses import Witness, recorded_in
from sendright.properties.coverage import witness_search
from sendright.properties.coverage.witness_search import Found

COMMAND = ["witnesses", "-q", "--jobs", "1"]
RECORDED = ROOT / "model" / "execution" / "witnesses.json"


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A search that keeps all and finds one run without calls in each profile but osf; gives the profiles that were
    searched.

    The run's limit tells it apart from what there was.
    """
    searched = []

    def find(factory: Any, profile: Profile, recorded: tuple[Witness, ...], *arguments: Any, **more: Any) -> Found:
        searched.append(profile.name)
        kept = tuple(witness for witness in recorded if witness.profile == profile.name)
        if profile.name == "osf":
            return Found(kept, (), ("a case",), interrupted="interrupt" in more)
        return Found(kept, (Witness(profile.name, 99, 1, 1, ()),), ())

    monkeypatch.setattr(witness_search, "find_witnesses", find)
    return searched


BEFORE = [Witness(name, limit, 1, 1, ()) for name, limit in (("manual", 3), ("xnu", 4), ("xnu", 5), ("gnumach", 6))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.json"
    path.write_bytes(msgspec.json.encode(BEFORE))
    return path


def recorded(path: Path) -> list[tuple[str, int]]:
    return [(each.profile, each.urefs_max) for each in recorded_in(path)]


@pytest.mark.usefixtures("search")
def test_what_is_recorded_stays_and_what_was_missing_is_added(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "-p", "xnu", "-p", "manual", "-o", str(path)]) == 0
    assert recorded(path) == [("manual", 3), ("manual", 99), ("gnumach", 6), ("xnu", 4), ("xnu", 5), ("xnu", 99)]
    assert capsys.readouterr().out == f"6 witnesses with 0 calls are in {path}: 3 kept, 2 new, 0 dropped.\n"


@pytest.mark.usefixtures("search")
def test_of_one_profile_the_others_stay(path: Path) -> None:
    assert main([*COMMAND, "-p", "xnu", "--all", "-o", str(path)]) == 0
    assert recorded(path) == [("manual", 3), ("gnumach", 6), ("xnu", 99)]


@pytest.mark.usefixtures("search")
def test_of_one_profile_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    assert main([*COMMAND, "-p", "xnu", "-o", str(path)]) == 0
    assert recorded(path) == [("xnu", 99)]


@pytest.mark.parametrize("options", [[], ["--all"], ["-p", "osf"]])
def test_a_file_that_would_not_be_whole_is_not_written(path: Path, search: list[str], capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    before = path.read_bytes()
    assert main([*COMMAND, *options, "-o", str(path)]) == 4
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [path]
    missing, unchanged = capsys.readouterr().out.splitlines()
    assert missing == "not reached in osf: a case"
    assert unchanged.startswith(f"{path} is unchanged (try another --seed")
    assert search == (["osf"] if "-p" in options else list(PROFILES))


def test_an_interrupted_search_says_what_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def find(factory: Any, profile: Profile, *arguments: Any, **more: Any) -> Found:
        return Found((), (), ("a case",) if profile.name == "osf" else (), interrupted=profile.name == "osf")

    monkeypatch.setattr(witness_search, "find_witnesses", find)
    before = path.read_bytes()
    assert main([*COMMAND, "-o", str(path)]) == 130
    assert path.read_bytes() == before
    out = capsys.readouterr().out.splitlines()
    assert out == ["not reached in osf: a case", "not searched to the end: osf, xnu-792, gnumach, xnu", f"{path} is unchanged (run it again)."]


def test_a_search_that_ends_before_anything_is_known(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def find(*arguments: Any, **more: Any) -> Found:
        raise KeyboardInterrupt

    monkeypatch.setattr(witness_search, "find_witnesses", find)
    before = path.read_bytes()
    assert main([*COMMAND, "-p", "xnu", "--json", "-o", str(path)]) == 130
    assert path.read_bytes() == before
    data = json.loads(capsys.readouterr().out)
    assert (data["written"], data["unfinished"], data["missed"]) == (False, ["xnu"], {})


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "there is a file that sendright didn't write"),
        (["--all"], "there is a file that sendright didn't write"),
        (["-p", "xnu"], "there is a file that sendright didn't write"),
        (["-p", "vms"], "unknown profile 'vms'"),
    ],
)
def test_what_cannot_be_done_leaves_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    path = tmp_path / "runs.json"
    path.write_text("no runs")
    assert main([*COMMAND, *options, "-o", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert path.read_text() == "no runs"


@pytest.mark.usefixtures("search")
def test_recorded_runs_that_are_damaged_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "runs.json"
    path.write_text('[{"profile":"xnu","urefs_max":')
    assert main([*COMMAND, "-o", str(path)]) == 2
    assert "not a file of recorded runs" in capsys.readouterr().err
    assert path.read_text() == '[{"profile":"xnu","urefs_max":'


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("place", ["nowhere/runs.json", "."])
def test_a_place_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND, "-o", place]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{place}: can't be written: " in line


def test_a_kernel_that_is_wrong_is_no_internal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = """
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Result

class Kernel(ReferenceKernel):
    def call(self, task, call):
        return Result(5)
"""
    (tmp_path / "wrong_here.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["witnesses", "-q", "-p", "gnumach", "--sut", "wrong_here:Kernel", "-o", "runs.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sendright: witnesses: gnumach: the kernel doesn't do what the specification says: ")
    assert not Path("runs.json").exists()


@pytest.mark.heavy
def test_a_file_that_is_whole_stays_byte_for_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two profiles, each in a process of its own."""
    path = tmp_path / "runs.json"
    path.write_bytes(RECORDED.read_bytes())
    assert main(["witnesses", "-q", "-p", "gnumach", "-p", "osf", "--json", "-o", str(path)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["new"], data["dropped"], data["missed"]) == (0, 0, {"gnumach": [], "osf": []})
    assert path.read_bytes() == RECORDED.read_bytes()


@pytest.mark.heavy
def test_five_that_are_missing_are_recorded_and_the_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    lines = RECORDED.read_text().splitlines()
    gnumach = [index for index, line in enumerate(lines) if line.startswith('{"profile":"gnumach"')]
    gone = set(gnumach[3::15][:5])
    left = [line for index, line in enumerate(lines) if index not in gone]
    path.write_text("\n".join(left) + "\n")
    assert main(["witnesses", "-q", "-p", "gnumach", "-o", str(path)]) == 0
    after = path.read_text().splitlines()
    new = [line for line in after if line not in left]
    assert len(gone) == 5
    assert new
    assert [line for line in after if line not in new] == left
    assert all(line.startswith('{"profile":"gnumach"') for line in new)
