"""What CI needs of the commands: baselines, summaries, configuration, time limits, earlier failures."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.places import TESTS
from support.report_runs import failing_check, hostile_check, proof_result, replay_result

from sendright.cli import accept as accepting
from sendright.cli import reporting
from sendright.cli.baselines import read_baseline
from sendright.cli.main import main
from sendright.mach.results.baselines import Accepted, Baseline
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.properties import check as checks
from sendright.reports.baseline import with_baseline
from sendright.reports.findings import AnyResult, findings
from sendright.reports.fingerprints import FORM, fingerprint
from sendright.reports.junit import junit
from sendright.reports.markdown import LONGEST, code, markdown
from sendright.reports.rerun import Rerun
from sendright.reports.rules import KINDS
from sendright.reports.sarif import sarif

CHECK = ["check", "-n", "1", "--steps", "5", "--quiet", "--fault", "move-send-keeps-sender"]
TODAY = date(2026, 6, 15)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reporting, "today", lambda: TODAY)
    monkeypatch.setattr(accepting, "today", lambda: TODAY)


def accepted(result: AnyResult, until: str = "2026-06-15") -> Baseline:
    entries = [Accepted(fingerprint=fingerprint(one), by="Ann", why="known", until=until) for one in findings(result) if one.level != "note"]
    return Baseline(file="b.toml", entries=tuple({entry.fingerprint: entry for entry in entries}.values()))


# ---- baselines


@pytest.mark.parametrize(("result", "command"), [(failing_check(), "check"), (replay_result(), "replay"), (proof_result(), "prove")])
def test_all_accepted_is_accepted(result: AnyResult, command: str) -> None:
    faults = [one for one in findings(result) if one.level != "note"]
    found = with_baseline(result, accepted(result), command, TODAY)
    assert found.verdict is Verdict.ACCEPTED
    assert all(one.level == "note" for one in findings(found))
    assert [fingerprint(one) for one in findings(found)] == [fingerprint(one) for one in findings(result)], "acceptance changes no fingerprint"
    assert "<failure" not in junit(found)
    assert "<error" not in junit(found)
    results = json.loads(sarif(found, "1"))["runs"][0]["results"]
    words = [one["suppressions"][0]["justification"] for one in results if "suppressions" in one]
    assert words == ["accepted by Ann until 2026-06-15: known"] * len(faults)


@pytest.mark.parametrize(("result", "command"), [(failing_check(), "check"), (replay_result(), "replay"), (proof_result(), "prove")])
def test_what_is_over_or_new_is_a_failure(result: AnyResult, command: str) -> None:
    over = with_baseline(result, accepted(result, "2026-06-14"), command, TODAY)
    assert over.verdict is result.verdict
    assert over.baseline is not None
    assert over.baseline.expired
    new = with_baseline(result, Baseline(file="b.toml", entries=()), command, TODAY)
    assert new.verdict is result.verdict
    assert new.baseline is not None
    assert new.baseline.new


def test_an_interrupted_or_empty_result_is_not_accepted() -> None:
    stopped = msgspec.structs.replace(replay_result(), interrupted=True)
    assert with_baseline(stopped, accepted(stopped), "replay", TODAY).verdict is stopped.verdict
    empty = msgspec.structs.replace(failing_check(), failure=None, verdict=Verdict.UNDETERMINED)
    assert with_baseline(empty, accepted(empty), "check", TODAY).verdict is Verdict.UNDETERMINED


def test_entries_of_other_commands_are_not_missed() -> None:
    entries = [Accepted(fingerprint=f"{name}:{'0' * 16}", by="Ann", why="known", until="2030-01-01") for name in ("check", "audit")]
    found = with_baseline(failing_check(), Baseline(file="b.toml", entries=tuple(entries)), "check", TODAY)
    assert found.baseline is not None
    assert [entry.fingerprint for entry in found.baseline.unused] == ["check:0000000000000000"]


@pytest.mark.heavy
def test_a_finding_is_accepted_and_comes_back(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([*CHECK, "--keep-going"]) == 1
    assert "Seed 0, profile manual." in capsys.readouterr().out
    options = ["--baseline", "accepted.toml", "--by", "Ann 🌍", "--why", 'it is "known"\x1b[31m', "--until", "2026-07-01"]
    assert main(["accept", "sendright-report/report.sarif", *options]) == 0
    assert main(["accept", "sendright-report/report.sarif", *options]) == 0, "again is no error"
    baseline = read_baseline(Path("accepted.toml"))
    assert baseline is not None
    assert len({entry.fingerprint for entry in baseline.entries}) == len(baseline.entries)
    capsys.readouterr()
    assert main([*CHECK, "--baseline", "accepted.toml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ACCEPTED: ")
    assert 'accepted by Ann 🌍 until 2026-07-01: it is "known"\\x1b[31m' in out.replace("\n", " ")
    monkeypatch.setattr(reporting, "today", lambda: date(2026, 7, 2))
    assert main([*CHECK, "--baseline", "accepted.toml", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["baseline"]["expired"][0]["by"] == "Ann 🌍"
    assert all(FORM.fullmatch(one["fingerprint"]) for one in told["findings"])
    assert Path("accepted.toml").read_text().count("[[accepted]]") == len(baseline.entries), "reports leave it as it is"


BASELINES = [
    ("", "not a baseline: it needs the line format"),
    ("x", "not TOML"),
    ('format = "sendright-baseline/1"\naccepted = 3', "accepted isn't a list"),
    ('format = "sendright-baseline/1"\nacepted = []', "did you mean accepted?"),
    ('format = "sendright-baseline/1"\n[[accepted]]\nfingerprint = "check:1"\nby = "a"\nuntil = 2030-01-01', "entry 1: why is missing"),
    ('format = "sendright-baseline/1"\n[[accepted]]\nfingerprnt = "check:1"', "entry 1: unknown key 'fingerprnt': did you mean fingerprint?"),
    ('format = "sendright-baseline/1"\n[[accepted]]\nfingerprint = "check:1"\nby = " "\nwhy = "a"\nuntil = 2030-01-01', "entry 1: by isn't a text"),
    ('format = "sendright-baseline/1"\n[[accepted]]\nfingerprint = "check:1"\nby = "b"\nwhy = "a"\nuntil = "soon"', "entry 1: until isn't a day"),
    ('format = "sendright-baseline/1"\n[[accepted]]\nfingerprint = "check:1"\nby = "b"\nwhy = 3\nuntil = 2030-01-01', "entry 1: why isn't a text"),
    ("a = " + "[" * 5000, "not TOML"),
]


@pytest.mark.parametrize(("text", "words"), BASELINES)
def test_a_wrong_baseline_is_refused(text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.toml").write_text(text)
    assert main([*CHECK, "--baseline", "b.toml"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("sendright: --baseline: b.toml: ")
    assert words in line


def test_a_baseline_is_no_place_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'format = "sendright-baseline/1"\n'
    Path("b.toml").write_text(text)
    assert main([*CHECK, "--baseline", "b.toml", "--html", "b.toml"]) == 2
    assert main([*CHECK, "--html", "b.toml"]) == 2
    assert Path("b.toml").read_text() == text
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--until": "2026-06-14"}, "--until: 2026-06-14 is over"),
        ({"--until": "20300101"}, "isn't a day"),
        ({"--by": " "}, "--by: no text"),
        ({"--only": "check:0000000000000000"}, "--only: 'check:0000000000000000' is not the fingerprint"),
        ({"--baseline": "other.txt"}, "not TOML"),
        ({"report": "nowhere.sarif"}, "no such file"),
        ({"report": "other.txt"}, "not a SARIF report"),
    ],
)
def test_what_can_not_be_accepted(change: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("report.sarif").write_text(sarif(failing_check(), "1"))
    Path("other.txt").write_text("precious")
    options = {"report": "report.sarif", "--baseline": "b.toml", "--by": "Ann", "--why": "known", "--until": "2030-01-01"} | change
    assert main(["accept", options.pop("report"), *(word for pair in options.items() for word in pair)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line
    assert Path("other.txt").read_text() == "precious"


# ---- summaries


def test_the_rules_have_their_own_texts() -> None:
    for result in (failing_check(), replay_result(), proof_result()):
        rules = json.loads(sarif(result, "1"))["runs"][0]["tool"]["driver"]["rules"]
        for rule, finding in ((rule, one) for rule in rules for one in findings(result) if one.rule == rule["id"]):
            assert finding.title not in rule["shortDescription"]["text"]
            assert re.fullmatch(r"(https?://|urn:)\S+", rule["helpUri"])
    assert {"result", "state", "invariant", "derivation", "crash", "hang"} <= KINDS.keys()


def outside_of_code(text: str) -> str:
    """What of a Markdown text is no code."""
    text = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize("result", [failing_check(), replay_result(), proof_result(), hostile_check()])
def test_a_summary_is_harmless_and_short(result: AnyResult) -> None:
    text = markdown(result, Rerun(commands=("sendright check '`<b>@someone'",)))
    assert len(text) <= LONGEST
    assert not re.search(r"[<>@\x1b\u202e]|https?:|!\[|\]\(", outside_of_code(text)), outside_of_code(text)
    assert text.startswith("### sendright ")
    assert result.verdict.value in text.splitlines()[0]


@pytest.mark.parametrize("words", ["`", "``", "a`b", "`` ` ``", "@a #1 <img> | x", "\n# head\n", "x" * 5000, "\x1b[2J"])
def test_a_code_span_holds_whatever_it_is(words: str) -> None:
    span = code(words)
    assert "\n" not in span
    fence = re.match("`+", span)
    assert fence
    inner = span[len(fence[0]) : -len(fence[0])]
    assert span.endswith(fence[0])
    assert fence[0] not in re.findall("`+", inner)
    assert len(span) < 400


def test_a_huge_result_stays_short() -> None:
    failing = failing_check()
    assert failing.failure is not None
    violation = msgspec.structs.replace(failing.failure.violations[0], words="a line\n" * 10_000, clause="c; " * 10_000)
    huge = msgspec.structs.replace(failing, failure=msgspec.structs.replace(failing.failure, violations=(violation,) * 50))
    assert len(markdown(huge, Rerun())) <= LONGEST


def test_formats_of_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CHECK, "--format", "markdown"]) == 1
    text = capsys.readouterr().out
    assert text.startswith("### sendright check: FAILED\n")
    assert "Seed 0, profile manual" in text
    assert main([*CHECK, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["seed"] == 0
    assert main([*CHECK, "--format", "markdown", "--json"]) == 2
    assert main([*CHECK, "--format", "pdf"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


# ---- configuration


def configure(text: str) -> None:
    Path("pyproject.toml").write_text(text)


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the check is asked for, which is not done."""
    found: dict[str, Any] = {}

    def check(factory: object, oracle: object, profile: object, **more: Any) -> CheckResult:
        found.update(profile=profile, **more)
        return msgspec.structs.replace(failing_check(), verdict=Verdict.PASSED, failure=None, script=None)

    monkeypatch.setattr(checks, "check", check)
    return found


def test_pyproject_has_defaults_and_the_command_line_wins(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    configure('[tool.sendright]\nprofile = "osf"\nquiet = true\n[tool.sendright.check]\nexamples = 7\nmax-time = "2m"\nno-database = true\n')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert main(["check", "--seed", "3"]) == 0
    assert (arguments["profile"].name, arguments["examples"], arguments["max_seconds"], arguments["seed"]) == ("osf", 7, 120.0, 3)
    assert main(["check", "--examples", "9", "--profile", "xnu"]) == 0
    assert (arguments["profile"].name, arguments["examples"]) == ("xnu", 9)


LOG = str(TESTS / "recordings" / "eslogger.jsonl")
SCRIPT = str(TESTS / "scripts" / "rights_and_messages.json")
FORMED = {
    "check": ["check", "-n", "1", "--steps", "2", "--quiet", "--no-database"],
    "replay": ["replay", SCRIPT, "--quiet"],
    "prove": ["prove", "--call", "mach_task_self", "--invariant", "1", "-j", "1", "--quiet"],
    "audit": ["audit", LOG, "--quiet", "--fail-on", "error"],
}


@pytest.mark.parametrize("command", FORMED)
def test_a_typed_form_wins_over_the_file(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure('[tool.sendright]\nformat = "markdown"\n')
    for typed, is_json in ([], False), (["--json"], True), (["--format", "json"], True), (["--format", "text"], False):
        assert main([*FORMED[command], *typed]) == 0
        assert capsys.readouterr().out.startswith("{") == is_json
    assert main([*FORMED[command], "--json", "--format", "markdown"]) == 2
    assert "--json: --format asks for markdown" in capsys.readouterr().err
    configure("[tool.sendright]\njson = true\n")
    for typed, begins in ([], "{"), (["--format", "markdown"], "#"):
        assert main([*FORMED[command], *typed]) == 0
        assert capsys.readouterr().out.startswith(begins)
    assert main([*FORMED[command], "--format", "text"]) == 0
    assert capsys.readouterr().out[0] not in "{#"


def test_a_form_of_logs_in_the_file_stays(capsys: pytest.CaptureFixture[str]) -> None:
    configure('[tool.sendright.audit]\nformat = "lsmp"\n')
    assert main([*FORMED["audit"], "--json"]) == 2
    assert "lsmp" in capsys.readouterr().err, "the log is read in that form"


def test_where_defaults_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    configure('[tool.sendright]\nprofile = "osf"\n[tool.sendright.check]\nexamples = 7\n')
    assert main(["config", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {one["option"]: (one["value"], one["from"].partition(", ")[2] or one["from"]) for one in told["defaults"]}
    assert found["--examples"] == ("7", "[tool.sendright.check]")
    assert found["--profile"] == ("osf", "[tool.sendright]")
    assert found["--steps"] == (100, "sendright")
    assert main(["config"]) == 0
    assert "[tool.sendright.check]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tool.sendright]\nprofil = "osf"', "unknown key 'profil': did you mean profile?"),
        ("[tool.sendright.check]\nexample = 3", "[tool.sendright.check]: unknown key 'example': did you mean examples?"),
        ("[tool.sendright.chek]\nexamples = 3", "no such command: unknown key 'chek': did you mean check?"),
        ("[tool.sendright.check]\nexamples = 0", "examples = 0: "),
        ('[tool.sendright.check]\nexamples = "many"', "examples = 'many': "),
        ("[tool.sendright.check]\nexamples = [1, 2]", "--examples takes one value"),
        ("[tool.sendright.check]\nkeep-going = 1", "--keep-going takes true or false"),
        ("[tool.sendright.check]\nexamples = {}", "--examples takes one value"),
        ("[tool]\nsendright = 3", "tool.sendright isn't a table"),
        ("[tool.sendright.mutants]\nlist = true", "[tool.sendright.mutants]: unknown key 'list'"),
        ("[tool.sendright.check]\nlist-faults = true", "unknown key 'list-faults'"),
        ("sendright = [", "not TOML"),
    ],
)
def test_a_wrong_configuration_is_refused(text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(text)
    assert main(["check", "-n", "1"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "pyproject.toml" in line
    assert words in line


def test_a_pyproject_of_something_else_is_nothing(arguments: dict[str, Any]) -> None:
    configure("[project]\nname = 'x'\n")
    assert main(["check"]) == 0
    configure("not toml [")
    assert main(["check"]) == 0


# ---- time, and earlier failures


@pytest.mark.parametrize(("words", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("0.5m", 30)])
def test_times(words: str, seconds: float, arguments: dict[str, Any]) -> None:
    assert main(["check", "--max-time", words]) == 0
    assert arguments["max_seconds"] == seconds


@pytest.mark.parametrize("words", ["0", "-1", "5x", "nan", "1e9", "", "99999h", "٣"])
def test_what_is_no_time(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"--max-time={words}"]) == 2
    assert "is not a time" in capsys.readouterr().err


def test_a_failing_run_is_tried_first_the_next_time(capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for _ in range(2):
        assert main([*CHECK, "--database", "kept", "--json"]) == 1
        runs.append(json.loads(capsys.readouterr().out))
    assert [run["earlier"] for run in runs] == [0, 1]
    assert runs[0]["examples"] > runs[1]["examples"] == 1
    assert runs[0]["failure"]["steps"] == runs[1]["failure"]["steps"]
    assert main([*CHECK, "--database", "kept", "--no-database", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["earlier"] == 0
    Path("file").write_text("x")
    assert main([*CHECK, "--database", "file"]) == 2
    assert "--database: " in capsys.readouterr().err
