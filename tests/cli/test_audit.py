"""``sendright audit`` and ``sendright synthesize`` as a user has them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.places import SENDRIGHT, SHARED, TESTS
from support.synthesized import write_log

from sendright.cli import accept as accepting
from sendright.cli import audit as auditing
from sendright.cli.main import main
from sendright.model.proof.processes import greeting
from sendright.properties.audit import many
from sendright.properties.audit.audit import audit_group

REAL = SHARED / "samples"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("planted") / "planted.json", 2_000, 1, ["control", "chain"])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("clean") / "clean.json", 2_000, 1)


def audit(*arguments: object) -> int:
    return main(["audit", "--quiet", *map(str, arguments)])


def as_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_finding_is_status_1_and_nothing_is_0(planted: Path, clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(planted) == 1
    out = capsys.readouterr().out
    assert "error chain:" in out
    assert "FAILED" in out
    assert f"{planted}:" in out
    assert audit(clean) == 0
    assert "PASSED: 0 errors, 0 warnings" in capsys.readouterr().out


def test_what_to_fail_on(clean: Path) -> None:
    assert audit(clean, "--fail-on", "error") == 0
    assert audit(clean, "--fail-on", "note") == 1


def test_json(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(planted, "--json") == 1
    result = as_json(capsys)
    assert result["verdict"] == "FAILED"
    assert {finding["rule"] for finding in result["findings"] if finding["severity"] == "error"} == {"control", "chain"}
    assert result["groups"][0]["records"] > 2_000


def test_several_hosts_and_one_that_cannot_be_read(planted: Path, clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(clean, tmp_path / "none.json", tmp_path, "-j", 2) == 4, "what isn't read is no good news"
    streams = capsys.readouterr()
    assert "UNDETERMINED: 0 errors" in streams.out
    assert "none.json: cannot be opened" in streams.err
    assert "a directory; name the files in it" in streams.err
    assert audit(clean, planted, "-j", 2) == 1
    assert audit(planted, tmp_path / "none.json") == 1


def _dies(group: many.Group, questions: tuple[()], report: str) -> many.AuditedGroup:
    """Kills its process over a log of this name."""
    if group[0].path.endswith("deadly.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return audit_group(group, questions)


def test_a_log_over_which_every_process_dies_costs_only_itself(
    planted: Path, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(many, "_work", _dies)
    deadly = tmp_path / "deadly.json"
    deadly.write_bytes(clean.read_bytes())
    assert audit(clean, deadly, "-j", 2, "--json") == 3
    streams = capsys.readouterr()
    result = json.loads(streams.out)
    assert (result["verdict"], result["groups"][0]["lost"], result["groups"][1]["lost"]) == ("UNDETERMINED", False, True)
    assert result["groups"][0]["records"] > 2_000
    [line] = streams.err.splitlines()
    assert "deadly.json: the processes that worked on it died, the last one with SIGKILL" in line
    assert audit(planted, deadly, "-j", 2) == 1, "what was found is found"
    assert "deadly.json: the processes that worked on it died" in capsys.readouterr().err
    assert audit(deadly, deadly.with_name("x-deadly.json"), "-j", 2) == 3
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 1


def test_logs_of_one_host_are_read_together(planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = planted.read_bytes().splitlines(keepends=True)
    halves = [tmp_path / "1.json", tmp_path / "2.json"]
    halves[0].write_bytes(b"".join(lines[: len(lines) // 2]))
    halves[1].write_bytes(b"".join(lines[len(lines) // 2 :]))
    assert audit(*halves, "--same-host", "--json") == 1
    together = as_json(capsys)
    assert len(together["groups"]) == 1
    audit(planted, "--json")
    alone = as_json(capsys)
    assert [finding["words"] for finding in together["findings"]] == [finding["words"] for finding in alone["findings"]]


def test_questions(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(planted, "--json", "--who-can-reach", "root", "--cut")
    (answer,) = as_json(capsys)["answers"]
    low = [path[0]["task"] for path in answer["paths"] if path[0]["token"]["euid"] not in (0, 88)]
    assert low
    assert answer["cut"]
    source, target = str(low[0]["pid"]), str(answer["paths"][0][-1]["task"]["pid"])
    audit(planted, "--json", "--path", source, "root")
    assert as_json(capsys)["answers"][0]["paths"]
    audit(planted, "--who-can-reach", target)
    assert f"who can reach {target}:" in capsys.readouterr().out
    audit(planted, "--who-can-reach", "99998")
    assert "no task 99998 is in this log" in capsys.readouterr().out


def test_questions_about_root_where_nobody_got_a_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = '{"event_type":10,"process":{"audit_token":[501,501,20,501,20,16,7,8]},"event":{"open":{}}}\n'
    log = tmp_path / "log.json"
    log.write_text(shell + shell.replace("501,501,20,501,20,16", "501,0,0,0,0,17"))
    assert audit(log, "--who-can-reach", "root", "--path", "16", "root", "--cut") == 0
    out = capsys.readouterr().out
    assert "who can reach root: no task can, by recorded rights" in out
    assert "how 16 reaches root: no path, by recorded rights" in out
    listing = TESTS / "recordings" / "lsmp.txt"
    audit(listing, "--who-can-reach", "root")
    assert "this log doesn't show which tasks are root's" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no log given"),
        (["LOG", "--format", "nonsense"], "unknown format 'nonsense'"),
        (["LOG", "--cut"], "--cut: no question to answer"),
        (["LOG", "--who-can-reach", "everything"], "'everything' is not a task"),
        (["LOG", "--path", "1", "x"], "'x' is not a task"),
        (["LOG", "--fail-on", "nothing"], "nothing"),
        (["LOG", "--html", "LOG"], "is read by this command"),
        (["LOG", "--html", "a", "--sarif", "a"], "is the file of --html too"),
        (["LOG", "--html", "/nonexistent/a.html"], "the report can't be written"),
        (["LOG", "--jobs", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_command_lines(arguments: list[str], words: str, clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(*(str(clean) if argument == "LOG" else argument for argument in arguments)) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_no_cluster(clean: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(greeting, "TIMEOUT", 1)
    assert audit(clean, "--on", "tcp://127.0.0.1:9") == 3
    assert "no Dask scheduler answers there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03" * 40, "not a recording of a known form"),
        (b"nothing of interest\n" * 30, "not a recording of a known form"),
        (b"\xff\xfe\xfd\n", "not a recording of a known form"),
    ],
)
def test_nothing_can_be_read(content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log"
    file.write_bytes(content)
    assert audit(file) == 2
    assert words in capsys.readouterr().err


ACCEPTANCE = ["--baseline", "accepted.toml", "--by", "Ann", "--why", "issue 12", "--until", "2026-07-01"]


@pytest.fixture
def fingerprints(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The fingerprints of the planted findings, all of which accepted.toml accepts until the first of July."""
    monkeypatch.chdir(tmp_path)
    for module in (accepting, auditing):
        monkeypatch.setattr(module, "today", lambda: date(2026, 6, 15))
    assert audit(planted, "--sarif", "audit.sarif", "--json") == 1
    bad = [one["fingerprint"] for one in as_json(capsys)["findings"] if one["severity"] != "note"]
    assert len(bad) >= 2
    assert main(["accept", "audit.sarif", *ACCEPTANCE]) == 0
    capsys.readouterr()
    return bad


def test_accepted_findings_are_no_failure_until_their_day_is_over(
    planted: Path, fingerprints: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(planted, "--baseline", "accepted.toml", "--json") == 0
    data = as_json(capsys)
    assert data["verdict"] == "ACCEPTED"
    assert {one["fingerprint"] for one in data["baseline"]["accepted"]} == set(fingerprints)
    assert not data["baseline"]["new"]
    assert audit(planted, "--baseline", "accepted.toml") == 0
    assert "ACCEPTED" in capsys.readouterr().out
    monkeypatch.setattr(auditing, "today", lambda: date(2026, 7, 2))
    assert audit(planted, "--baseline", "accepted.toml", "--json") == 1
    data = as_json(capsys)
    assert data["verdict"] == "FAILED"
    assert {one["fingerprint"] for one in data["baseline"]["expired"]} == set(fingerprints)


def test_a_finding_that_nobody_has_accepted_is_a_failure(planted: Path, fingerprints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("accepted.toml").unlink()
    first, *others = fingerprints
    assert main(["accept", "audit.sarif", "--only", first, *ACCEPTANCE]) == 0
    capsys.readouterr()
    assert audit(planted, "--baseline", "accepted.toml", "--json") == 1
    data = as_json(capsys)
    assert [one["fingerprint"] for one in data["baseline"]["accepted"]] == [first]
    assert set(data["baseline"]["new"]) == set(others)


def test_an_accepted_finding_that_is_gone_is_told(clean: Path, fingerprints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(clean, "--baseline", "accepted.toml") == 0
    told = capsys.readouterr().out
    assert "PASSED" in told
    assert all(f"not found: {one}" in told for one in fingerprints)


def test_a_summary_for_a_pull_request(planted: Path, clean: Path, fingerprints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(planted, "--format", "markdown") == 1
    text = capsys.readouterr().out
    assert text.startswith("### sendright audit: FAILED")
    assert all(f"fingerprint `{one}`" in text for one in fingerprints)
    assert audit(planted, "--format", "markdown", "--baseline", "accepted.toml") == 0
    text = capsys.readouterr().out
    assert text.startswith("### sendright audit: ACCEPTED")
    assert not [line for line in text.splitlines() if line.startswith("- error")], "an accepted finding is listed with the errors"
    assert audit(clean, "--format", "markdown") == 0
    assert capsys.readouterr().out.startswith("### sendright audit: PASSED")
    assert audit(clean, "--format", "markdown", "--json") == 2


@pytest.mark.parametrize("what", ["cut", "wrong token", "invalid UTF-8", "out of range", "no JSON", "wrong form"])
def test_a_part_that_cannot_be_read_hides_nothing(what: str, planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = planted.read_bytes().splitlines(keepends=True)
    broken = {
        "cut": lines[0][:300],
        "wrong token": lines[0].replace(b'"audit_token":{', b'"audit_token":[1,2,3,4,5,6,7],"x":{', 1),
        "invalid UTF-8": lines[0].replace(b'"path":"', b'"path":"\xff\xfe', 1),
        "out of range": lines[0].replace(b'"pid":', b'"pid":99999999999999999999999', 1),
        "no JSON": b"this is no JSON {\n",
        "wrong form": b"",
    }[what]
    file = tmp_path / "log.json"
    file.write_bytes(b"".join([*lines[:50], broken if broken.endswith(b"\n") or not broken else broken + b"\n", *lines[50:-1], lines[-1][:-40]]))
    options = ["--format", "bsm"] if what == "wrong form" else []
    status = audit(file, "--json", *options)
    streams = capsys.readouterr()
    assert "Traceback" not in streams.err
    if what == "wrong form":
        assert status == 2
        return
    assert status == 1
    (group,) = json.loads(streams.out)["groups"]
    assert group["unreadable"] >= 1, "the last line is cut, at least"
    assert group["counts"]["chain"]["error"]


def test_from_standard_input(planted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(planted.read_bytes())))
    assert audit("-", "--json") == 1
    assert as_json(capsys)["groups"][0]["files"] == ["-"]


def test_a_pipe_from_synthesize() -> None:
    environment = os.environ | {"COLUMNS": "200"}
    command = [*SENDRIGHT, "synthesize", "--events", "3000", "--plant", "inheritance"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as made:
        done = subprocess.run(
            [*SENDRIGHT, "audit", "-"], stdin=made.stdout, capture_output=True, text=True, timeout=120, env=environment, check=False
        )
    assert made.returncode == 0
    assert done.returncode == 1
    assert "error inheritance" in done.stdout


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--list-rules", "--json") == 0
    assert {"inheritance", "chain"} < {rule["rule"] for rule in as_json(capsys)}
    assert audit("--list-formats") == 0
    assert "lsmp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "paper"], "unknown form 'paper'"),
        (["--plant", "weeds"], "can't contain a violation of a rule 'weeds'"),
        (["--format", "lsmp", "--plant", "chain"], "lsmp can't contain a violation of a rule 'chain'"),
        (["--tokens", "runes"], "unknown spelling 'runes'"),
        (["--wrapper", "paper"], "unknown wrapper 'paper'"),
        (["--output", "/nonexistent/log"], "can't be written"),
        (["--events", "0"], "greater than or equal to 1"),
    ],
)
def test_logs_that_cannot_be_made(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesize", "--quiet", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are not here")
@pytest.mark.parametrize("together", [False, True])
def test_no_false_alarm_on_real_samples(together: bool, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(path for path in REAL.rglob("*") if path.is_file() and path.name != "SOURCE.md" and "kdebug" not in str(path))
    if together:
        files = [file for file in files if "santa-protobuf" not in str(file) or "/v8/" in str(file)]
    else:
        files = [file for file in files if "santa-protobuf" not in str(file) or file.name in ("exec.json", "fork.json", "exit.json")]
    status = audit(*files, "--json", "-j", 2, *(["--same-host"] if together else []))
    result = as_json(capsys)
    assert status == 0, [finding for finding in result["findings"] if finding["severity"] != "note"]
    assert sum(group["records"] for group in result["groups"]) > 300
