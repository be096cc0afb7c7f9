"""The database of failing runs: tried first, bounded, and opened as if an attacker had filled it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.own_files import Unusable
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check
from sendright.properties.checking import failures
from sendright.properties.checking.failures import FILE_LIMIT, MOST_RUNS, FailureDatabase

WRONG = FAULTS["move-send-keeps-sender"].kernel


@pytest.fixture(scope="module")
def failing() -> Trace:
    found = check(WRONG, Oracle, MANUAL, 100, 20, seed=5).failure
    assert found is not None
    return found


@pytest.fixture
def database(tmp_path: Path, failing: Trace) -> FailureDatabase:
    made = FailureDatabase(tmp_path / "kept")
    assert made.keep("kernel", "manual", [failing])
    return made


def file_of(database: FailureDatabase) -> Path:
    [file] = database.folder.iterdir()
    return file


def test_an_earlier_failure_is_tried_first(database: FailureDatabase, failing: Trace) -> None:
    earlier = database.runs("kernel", "manual")
    result = check(WRONG, Oracle, MANUAL, 100, 20, seed=77, earlier=earlier)
    assert (result.verdict, result.examples, result.earlier) == (Verdict.FAILED, 1, 1)
    assert result.failure is not None
    assert [step.call for step in result.failure.steps] == [step.call for step in failing.steps]
    assert "found in run 1, which failed in an earlier check too" in result.message
    mended = check(ReferenceKernel, Oracle, MANUAL, 2, 5, earlier=earlier)
    assert (mended.verdict, mended.examples) == (Verdict.PASSED, 3)


def test_kernels_and_profiles_have_their_own(database: FailureDatabase) -> None:
    assert database.runs("another", "manual") == database.runs("kernel", "osf") == []


def test_the_latest_are_kept_once(database: FailureDatabase, failing: Trace) -> None:
    first = database.runs("kernel", "manual")
    assert database.keep("kernel", "manual", [failing])
    assert database.runs("kernel", "manual") == first, "not twice"
    for length in range(MOST_RUNS + 5):
        many = msgspec.structs.replace(failing, steps=failing.steps * (length + 2))
        assert database.keep("kernel", "manual", [msgspec.structs.replace(many, steps=many.steps)])
    assert len(database.runs("kernel", "manual")) == MOST_RUNS


def test_the_oldest_files_go(database: FailureDatabase, failing: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST_FILES", 3)
    for number in range(6):
        assert database.keep(f"kernel {number}", "manual", [failing])
    assert len(list(database.folder.iterdir())) == 3
    assert database.runs("kernel 5", "manual")


def changed(content: dict[str, Any], **new: Any) -> dict[str, Any]:
    """Its first call with arguments has something ``new``."""
    next(call for call in content["runs"][0] if call["arguments"]).update(new)
    return content


HOSTILE: list[Any] = [
    b"",
    b"\xff\xfe",
    b"[" * 100_000,
    b"{}",
    b'{"format": "sendright-failures/1"}',
    b" " * (FILE_LIMIT + 1),
    {"name": "no_such_call"},
    {"arguments": {"no": 1}},
    {"arguments": {}},
    {"arguments": {"task": 1, "name": [[[[[[[1]]]]]]], "poly": 1, "disposition": 1}},
    {"arguments": {"task": 1, "name": "x", "poly": {"call": "a"}, "disposition": 10**30}},
    {"arguments": {"task": 1, "name": [1], "poly": 1, "disposition": 17}},
    {"caller": -1},
    {"shortage": 10**12},
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_run_is_left_out(database: FailureDatabase, content: Any) -> None:
    file = file_of(database)
    if isinstance(content, dict):
        content = json.dumps(changed(json.loads(file.read_bytes()), **content)).encode()
    file.write_bytes(content)
    assert database.runs("kernel", "manual") == []


@pytest.mark.parametrize("value", ["x", True, None, 1 << 63, -1, 0xFFFFFFFF])
def test_strange_values_do_no_harm(database: FailureDatabase, value: Any) -> None:
    file = file_of(database)
    data = msgspec.json.decode(file.read_bytes())
    for call in data["runs"][0]:
        call["arguments"] = {name: value if not isinstance(old, list) else old for name, old in call["arguments"].items()}
    file.write_bytes(msgspec.json.encode(data))
    result = check(ReferenceKernel, Oracle, MANUAL, 1, 3, earlier=database.runs("kernel", "manual"))
    assert result.verdict is Verdict.PASSED


def test_links_pipes_and_folders_are_not_read(database: FailureDatabase, tmp_path: Path) -> None:
    file = file_of(database)
    content = file.read_bytes()
    file.unlink()
    (tmp_path / "elsewhere").write_bytes(content)
    file.symlink_to(tmp_path / "elsewhere")
    assert database.runs("kernel", "manual") == []
    file.unlink()
    os.mkfifo(file)
    assert database.runs("kernel", "manual") == []
    file.unlink()
    file.mkdir()
    assert database.runs("kernel", "manual") == []


def test_a_link_is_replaced_and_its_target_stays(database: FailureDatabase, failing: Trace, tmp_path: Path) -> None:
    file = file_of(database)
    file.unlink()
    (tmp_path / "precious").write_text("precious")
    file.symlink_to(tmp_path / "precious")
    assert database.keep("kernel", "manual", [failing])
    assert (tmp_path / "precious").read_text() == "precious"
    assert database.runs("kernel", "manual")


def test_a_folder_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(Unusable, match="is a link"):
        FailureDatabase(tmp_path / "link")
