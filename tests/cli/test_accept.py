"""``sendright accept``: a baseline that people have written stays as it is, but for the entries that are accepted."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import msgspec
import pytest
from support.report_runs import failing_check, proof_result

from sendright.cli import accept as accepting
from sendright.cli.baselines import FORMAT
from sendright.cli.main import main
from sendright.mach.results.checks import ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.findings import findings
from sendright.reports.fingerprints import KEY, fingerprint
from sendright.reports.sarif import sarif

OPTIONS = ["--by", "Ann", "--why", "known", "--until", "2030-01-01"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(accepting, "today", lambda: date(2026, 6, 15))


def entry(fingerprint: str, head: str = "[[accepted]]", why: str = '"old"') -> str:
    return f'{head}\nfingerprint = "{fingerprint}"\nby = "Bob"\nwhy = {why}\nuntil = 2030-01-01\n'


def accept(text: str) -> int:
    Path("report.sarif").write_text(sarif(failing_check(), "1"))
    Path("b.toml").write_text(text)
    return main(["accept", "report.sarif", "--baseline", "b.toml", *OPTIONS])


OTHER = "check:0000000000000000"
FOUND = next(fingerprint(one) for one in findings(failing_check()) if one.level != "note")
HEAD = f'format = "{FORMAT}"\n'


@pytest.mark.parametrize("head", ["[[accepted]]", "  [[ accepted ]] # why"])
def test_an_entry_is_replaced_and_comments_stay(head: str) -> None:
    assert accept(f"{HEAD}# first\n{entry(FOUND, head)}\n# Ask Bob about the next one.\n{entry(OTHER, head)}") == 0
    text = Path("b.toml").read_text()
    entries = {one["fingerprint"]: one for one in tomllib.loads(text)["accepted"]}
    assert entries[FOUND]["by"] == "Ann"
    assert entries[OTHER]["by"] == "Bob"
    assert text.index("# Ask Bob") < text.index(OTHER)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}accepted = []\n",
        f'{HEAD}accepted = [{{fingerprint = "{FOUND}", by = "Bob", why = "x", until = 2030-01-01}}]\n',
        HEAD + entry(FOUND, why='"""\n[[accepted]]\n"""'),
        HEAD + entry(OTHER, why=f'"""\n[[accepted]]\nfingerprint = "{FOUND}"\n"""'),
    ],
)
def test_a_baseline_that_can_not_be_changed_stays_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(text) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "b.toml: can't be changed" in line
    assert Path("b.toml").read_text() == text


def test_what_can_not_be_accepted_has_no_fingerprint_in_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    result = proof_result()
    assert isinstance(result, ProofResult)
    lost = msgspec.structs.replace(result.obligations[0], verdict=Verdict.CRASHED, example=None, counterexample=None)
    Path("report.sarif").write_text(sarif(msgspec.structs.replace(result, obligations=(lost,)), "1"))
    [found] = json.loads(Path("report.sarif").read_text())["runs"][0]["results"]
    assert KEY not in found.get("partialFingerprints", {})
    assert main(["accept", "report.sarif", "--baseline", "b.toml", *OPTIONS]) == 2
    assert "no findings that can be accepted" in capsys.readouterr().err
    assert not Path("b.toml").exists()
