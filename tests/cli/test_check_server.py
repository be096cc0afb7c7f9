"""``sendright check-server``: what it prints, writes and ends with."""

import json
from pathlib import Path

import pytest
from support.places import ROOT

from sendright.cli.main import main

EXAMPLES = ROOT / "docs" / "examples" / "servers"
LEAKS = str(EXAMPLES / "leaks.json")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_leak_is_reported_as_any_counterexample(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = ["--html", "page.html", "--sarif", "found.sarif", "--junit", "found.xml", "--trace", "run.json"]
    assert main(["check-server", LEAKS, "--server", "forgets", "--examples", "20", "--json", *files]) == 1
    data = json.loads(capsys.readouterr().out)
    [case] = data["cases"]
    assert (case["id"], case["verdict"], case["violation"]["kind"]) == ("forgets", "failed", "discipline")
    assert case["violation"]["clause"].startswith("leak: ")
    page = (tmp_path / "page.html").read_text()
    assert "a server holds other rights than it should" in page
    assert f"sendright check-server {LEAKS} --seed 0 --examples 20" in page.replace("&#x27;", "'")
    [found] = json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"]
    assert found["ruleId"] == "replay/discipline"
    assert "keeps a user reference too many" in found["message"]["text"]
    assert "forgets" in (tmp_path / "found.xml").read_text()
    assert json.loads((tmp_path / "run.json").read_text())["violations"][0]["kind"] == "discipline"


def test_an_accepted_leak_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check-server", LEAKS, "--server", "forgets", "--examples", "20", "-q"]
    assert main([*command, "--sarif", "found.sarif"]) == 1
    assert main(["accept", "found.sarif", "--baseline", "b.toml", "--by", "Ann", "--why", "known", "--until", "9999-12-31"]) == 0
    capsys.readouterr()
    assert main([*command, "--baseline", "b.toml"]) == 0
    assert capsys.readouterr().out.startswith("ACCEPTED: ")
    assert main([*command, "--seed", "5", "--examples", "30", "--baseline", "b.toml"]) == 0, "the fingerprint doesn't depend on the runs"
    assert main(["check-server", LEAKS, "--examples", "20", "-q", "--baseline", "b.toml", "--json"]) == 1, "the other servers' findings are new"
    capsys.readouterr()
    assert main([*command, "--baseline", "b.toml", "--html", "b.toml"]) == 2
    assert "--html: b.toml is read by this command" in capsys.readouterr().err


def test_a_server_in_order_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-server", LEAKS, "--server", "mended", "--examples", "12", "--acts", "10", "-q"]) == 0
    assert "PASSED: 1 case passed" in capsys.readouterr().out


def test_a_server_that_has_done_nothing_has_not_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-server", LEAKS, "--server", "mended", "--examples", "1", "-q"]) == 4
    assert "no request was served by subscribe (1), release (2), write (3)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([LEAKS, "--server", "none"], "no server none: the servers there are forgets, memory, mended, wrong_call"),
        ([str(ROOT / "tests" / "scripts" / "gnumach.json")], "the file has no servers: add one (see docs/servers.md)"),
        (["missing.json"], "missing.json"),
        ([LEAKS, "--profile", "vax"], "vax"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-server", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_server_that_is_not_modelled_leaves_it_undetermined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-server", str(EXAMPLES / "cve-2018-4280.json"), "--server", "mended", "--profile", "osf", "-q", "--json"]) == 4
    [case] = json.loads(capsys.readouterr().out)["cases"]
    assert '"EXC_CRASH" is not a number that sendright models' in case["reason"]


def test_replay_finds_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(EXAMPLES / "cve-2018-4280.json"), "-q"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "Broken rule of servers: double drop" in shown
    assert "mach_exception_raise, which returned KERN_FAILURE" in shown
