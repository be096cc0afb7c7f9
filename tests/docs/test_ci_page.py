"""docs/ci.md: its commands and its jobs' commands run, its tables are right; the hooks are the page's, and run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.listings import blocks_of
from support.places import ROOT
from support.report_runs import proof_result

from sendright.cli.baselines import parse_baseline
from sendright.cli.main import main
from sendright.mach.results.audits import AuditFinding, AuditResult, Severity
from sendright.mach.results.checks import SecondOpinion
from sendright.mach.results.policies import BrokenCase, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.audit.sarif import audit_sarif
from sendright.reports.rules import KINDS, anchor
from sendright.reports.sarif import sarif

PAGE = (ROOT / "docs" / "ci.md").read_text()
SANDBOX = ROOT / "tests" / "scripts"


def run(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell's words with this environment's sendright."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": places, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    return subprocess.run(["bash", "-euc", words], cwd=folder, env=environment, capture_output=True, text=True, timeout=500)


def smaller(words: str) -> str:
    """The same with fewer runs, and with a day to come: both are a project's own choice."""
    words = re.sub(r"--until \S+", f"--until {date.today() + timedelta(days=7)}", words)
    return re.sub(r"--max-time \S+", "--max-time 20", re.sub(r"-n \d+", "-n 2", words))


SHELL = blocks_of("sh", PAGE)


def jobs() -> list[str]:
    """What the jobs for CI systems run."""
    found = []
    for text in blocks_of("yaml", PAGE):
        found += [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip().removeprefix("- ").startswith("sendright ")]
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("words", [*SHELL, *jobs()])
def test_the_commands_run(words: str, tmp_path: Path) -> None:
    if "sendright config" in words:
        (tmp_path / "pyproject.toml").write_text(next(text for text in blocks_of("toml", PAGE) if "tool.sendright" in text))
    shutil.copy(ROOT / "docs" / "examples" / "kernel" / "skeleton_kernel.py", tmp_path / "mykernel.py")
    done = run(smaller(words), tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    if "markdown" in words:
        assert (tmp_path / "summary.md").read_text().startswith("### sendright check: PASSED")


def test_there_are_commands() -> None:
    assert len(SHELL) >= 4
    assert len([words for words in jobs() if "check" in words]) >= 2


@pytest.mark.parametrize("words", [line for text in (*SHELL, *jobs()) for line in text.splitlines() if line.startswith("sendright ")])
def test_the_commands_have_the_options(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option stands in the command's help."""
    parts = shlex.split(re.split(r" (?:>|>>|\|\|) ", words)[0])
    assert main([parts[1], "--help"]) == 0
    told = capsys.readouterr().out
    for option in (part.partition("=")[0] for part in parts[2:] if part.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told), option


def test_the_tables_are_toml_that_sendright_reads() -> None:
    baseline, configuration = blocks_of("toml", PAGE)
    assert len(parse_baseline(tomllib.loads(baseline), Path("b.toml")).entries) == 1
    assert "check" in tomllib.loads(configuration)["tool"]["sendright"]


def test_the_table_of_rules_is_that_of_the_reports() -> None:
    rows = dict(re.findall(r'^\| <span id="rule-([\w-]+)">`…/[\w-]+`</span> \| (.*) \|$', PAGE, re.MULTILINE))
    assert rows == {name: f"{text.short}. {text.full}" for name, text in KINDS.items()}


def of_each_rule() -> list[tuple[str, str]]:
    """Of what ``prove``, ``policy`` and ``audit`` can report: the id of each rule, and its place on the page."""
    proof = proof_result()
    second = SecondOpinion(verdict=Verdict.FAILED, questions=1, seconds=0.0)
    again = msgspec.structs.replace(proof.obligations[0], second=second)
    proofs = msgspec.structs.replace(proof, obligations=(*proof.obligations, again), second_solver="another")
    broken = [
        BrokenCase(rule="r", calls=(), case="KERN_SUCCESS/c", clause="who sends to whom", verdict=verdict, scope="")
        for verdict in (Verdict.REFUTED, Verdict.UNDETERMINED)
    ]
    policy = PolicyResult(verdict=Verdict.REFUTED, policy="p", file="p.toml", profile="manual", broken=tuple(broken), not_run=("s.json: why",))
    finding = AuditFinding(rule="chain", invariants=(22,), severity=Severity.ERROR, host="h", time=None, title="t", words="w", evidence=())
    audited = AuditResult(verdict=Verdict.FAILED, fail_on=Severity.ERROR, groups=(), findings=(finding,), seconds=0.0)
    told = [sarif(proofs, "1"), sarif(policy, "1"), audit_sarif(audited, "1")]
    ids = [rule["id"] for text in told for rule in json.loads(text)["runs"][0]["tool"]["driver"]["rules"]]
    return [(one, anchor(one)) for one in ids]


def test_the_rules_of_other_commands_are_those_of_the_reports() -> None:
    rows = re.findall(r"^\| (?:<span id=\"([\w-]+)\">)?`((?:prove|policy|audit)/[^`]+)`(?:</span>)? \|", PAGE, re.MULTILINE)
    forms = {form: re.compile(re.sub("[A-Z]+", "([^,]+)", form)) for _, form in rows}
    found = set()
    for one, place in of_each_rule():
        form = min((form for form, pattern in forms.items() if pattern.fullmatch(one)), key=lambda form: len(re.findall("[A-Z]", form)))
        found.add(form)
        assert place in {place for place, _ in rows}, one
    assert found == forms.keys()


def hooks() -> list[dict[str, Any]]:
    """The hooks, read without a YAML parser: the file has one ``key: value`` a line."""
    found: list[dict[str, Any]] = []
    for line in (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines():
        if line.startswith("- "):
            found.append({})
        key, _, value = line.removeprefix("- ").strip().partition(": ")
        found[-1][key] = value
    return found


def test_the_hooks_are_those_of_the_page() -> None:
    assert {hook["id"] for hook in hooks()} == set(re.findall(r"- id: (\S+)", PAGE))
    assert all({"id", "name", "entry", "language", "description"} <= hook.keys() for hook in hooks())


def test_a_hook_runs_what_a_commit_changes(tmp_path: Path) -> None:
    [hook] = [hook for hook in hooks() if hook["id"] == "sendright-replay"]
    assert re.search(hook["files"], "tests/scripts/servers.json")
    assert not re.search(hook["files"], "package.json")
    done = run(f"{hook['entry']} {shlex.quote(str(SANDBOX / 'create_task_token.json'))}", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
def test_the_hook_that_checks(tmp_path: Path) -> None:
    [hook] = [hook for hook in hooks() if hook["id"] == "sendright-check"]
    assert run(f"{smaller(hook['entry'])} -n 1", tmp_path).returncode == 0
