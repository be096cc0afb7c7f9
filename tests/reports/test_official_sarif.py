"""SARIF against the official schema of OASIS, where it is at hand: in an installed package, or in a named file."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.places import ROOT
from support.report_runs import crashed_check, failing_check, hostile_check, proof_result, replay_result

from sendright.cli.main import main
from sendright.reports.findings import AnyResult
from sendright.reports.sarif import sarif

_NAME = re.compile(r"sarif-(schema-)?2\.1\.0(-schema)?\.json", re.IGNORECASE)


def official() -> dict[str, Any]:
    named = [Path(os.environ[name]) for name in ("SENDRIGHT_SARIF_SCHEMA",) if name in os.environ]
    beside = [*(ROOT.parent / "shared").glob("**/sarif-*2.1.0*.json")] if (ROOT.parent / "shared").is_dir() else []
    files = (file for each in importlib.metadata.distributions() for file in each.files or () if _NAME.fullmatch(file.name))
    for path in (*named, *beside, *(Path(str(file.locate())) for file in files)):
        schema: dict[str, Any] = json.loads(path.read_text())
        return schema
    pytest.skip(
        "the official SARIF 2.1.0 schema isn't at hand: name its file in SENDRIGHT_SARIF_SCHEMA (tests/support/sarif_schema.py is used always)"
    )


@pytest.mark.parametrize("result", [failing_check(), crashed_check(), hostile_check(), replay_result(), proof_result()])
def test_reports_are_valid(result: AnyResult) -> None:
    schema = official()
    checker = jsonschema.validators.validator_for(schema)
    checker(schema, format_checker=checker.FORMAT_CHECKER).validate(json.loads(sarif(result, "1.2")))


COMMANDS = {
    "audit": ["audit", "log.json", "--sarif", "report.sarif"],
    "policy": ["policy", str(ROOT / "docs" / "examples" / "policies" / "clients.toml"), "--call", "mach_port_type", "--sarif", "report.sarif"],
    "check-server": ["check-server", str(ROOT / "docs" / "examples" / "servers" / "cve-2016-7637.json"), "--sarif", "report.sarif"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reports_of_other_commands_are_valid(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = official()
    monkeypatch.chdir(tmp_path)
    main(["synthesize", "--events", "400", "--plant", "all", "-o", "log.json", "-q"])
    main([*COMMANDS[command], "-q"])
    capsys.readouterr()
    checker = jsonschema.validators.validator_for(schema)
    report = json.loads(Path("report.sarif").read_text())
    checker(schema, format_checker=checker.FORMAT_CHECKER).validate(report)
    assert bool(report["runs"][0]["results"]) == (command != "policy")
