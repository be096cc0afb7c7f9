"""``sendright export``, as a user runs it."""

import json
from pathlib import Path

import msgspec
import pytest
from support.exported import failing, growing
from support.places import ROOT, TESTS

from sendright.cli.main import main
from sendright.mach.kernel.bases import forget_base
from sendright.mach.kernel.profiles import PROFILES
from sendright.properties.scripts.export import script_of
from sendright.reports.write import trace_text, write_text

BEGINNINGS = {
    "itf": '{\n "#meta": {\n  "format": "ITF",\n  "source": "sendright"',
    "c": "/* written by sendright */\n",
    "mermaid": "%% written by sendright\nsequenceDiagram\n",
    "mermaid-graph": "%% written by sendright\nflowchart LR\n",
    "dot": "// written by sendright\ndigraph",
    "graphml": "<?xml version='1.0' encoding='utf-8'?>\n<!-- written by sendright -->\n<graphml",
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("run") / "trace.json", trace_text(failing()))


@pytest.mark.parametrize("form", list(BEGINNINGS))
def test_every_form_is_written_and_written_again(form: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    for _ in range(2):  # the second time it replaces its own file
        assert main(["export", str(trace), "--to", form, "-o", str(output)]) == 0
        assert capsys.readouterr().out == f"Written: {output}\n"
    assert output.read_text().startswith(BEGINNINGS[form])
    assert main(["export", str(trace), "--to", form]) == 0
    assert capsys.readouterr().out == output.read_text()


def test_a_call_that_went_wrong_and_has_no_counterpart_is_an_error(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run.syz"
    assert main(["export", str(trace), "--to", "syzkaller", "-o", str(output)]) == 2
    captured = capsys.readouterr()
    assert "call 2 (mach_port_insert_right) has no counterpart: a trap acts on the caller's own task only" in captured.err
    assert not output.exists()
    file = write_text(tmp_path / "growing.json", trace_text(growing("manual")))
    assert main(["export", str(file), "--to", "syzkaller", "-o", str(output)]) == 0
    captured = capsys.readouterr()
    assert "call 2 (task_create) has no counterpart" in captured.err
    assert "\nr0 = syz_mach_trap$mach_task_self(0x1c)\n" in output.read_text()


def test_scripts_witnesses_and_exported_traces_are_read(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.json"
    script.write_bytes(msgspec.json.encode(script_of(failing())))
    exported = tmp_path / "run.itf.json"
    assert main(["export", str(trace), "--to", "itf", "-o", str(exported)]) == 0
    for file in (script, exported):
        assert main(["export", str(file), "--to", "mermaid"]) == 0
        assert "2. mach_port_insert_right" in capsys.readouterr().out
    cases = TESTS / "scripts" / "gnumach.json"
    for case in ("rename-of-reserved-names", "3"):
        assert main(["export", str(cases), "--case", case, "--to", "itf"]) == 0
        assert json.loads(capsys.readouterr().out)["states"][1]["call"]["tag"].startswith("mach_")
    recorded = ROOT / "model" / "execution" / "witnesses.json"
    few = tmp_path / "witnesses.json"
    few.write_text("[" + ",".join(recorded.read_text().splitlines()[1:3]).replace(",,", ",").rstrip(",") + "]")
    assert main(["export", str(few), "--case", "2", "--to", "itf"]) == 0
    assert len(json.loads(capsys.readouterr().out)["states"]) > 2


def test_another_profile_makes_another_program(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(trace), "--to", "c"]) == 0
    assert "#include <mach/mach.h>" in capsys.readouterr().out
    assert main(["export", str(trace), "--to", "c", "--profile", "gnumach"]) == 0
    own = capsys.readouterr().out
    assert '#include "mig/mach_port.h"' in own
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sendright.mach.extensions._told", {})  # the file is there in this test only
    Path("small.toml").write_text('name = "small-export"\nbased_on = "gnumach"\n')
    try:
        assert main(["export", str(trace), "--to", "c", "--profile", "small.toml"]) == 0
        assert capsys.readouterr().out.replace("small-export", "gnumach") == own
    finally:
        PROFILES.pop("small-export", None)
        forget_base("small-export")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json", "--to", "itf"], "nowhere.json: no such file"),
        (["{trace}", "--to", "gold"], "gold"),
        (["{trace}"], "--to"),
        (["{trace}", "--to", "itf", "--case", "2"], "--case: "),
        (["{trace}", "--to", "itf", "--profile", "osf"], "--profile: goes with --to c only"),
        (["{trace}", "--to", "dot", "--run"], "--run: goes with --to c only"),
        (["{trace}", "--to", "c", "--run"], "--run: the live kernel is a GNU Mach, and the program is for manual"),
        (["{trace}", "--to", "c", "--profile", "mars"], "mars"),
        (["{trace}", "--to", "itf", "-o", "{trace}"], "is read by this command"),
        (["{trace}", "--to", "itf", "-o", "/nowhere/at/all"], "/nowhere/at/all"),
        (["{cases}", "--to", "itf"], "add --case with one of"),
        (["{cases}", "--to", "itf", "--case", "no such case"], "has no case 'no such case'"),
        (["{cases}", "--to", "itf", "--case", "9999999999999"], "has no case"),
        (["{junk}", "--to", "itf"], "not JSON"),
        (["{list}", "--to", "itf"], "not recorded runs"),
        (["{none}", "--to", "itf"], "none.json: has no runs"),
        (["{odd}", "--to", "itf"], "odd.json: run 1: call 2: unknown call 'odd' (sendright calls lists all)"),
        (["{text}", "--to", "c"], "text.json: run 1: call 2: mach_port_type: the argument name is 'x', not a number"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"trace": trace, "cases": TESTS / "scripts" / "gnumach.json", "junk": tmp_path / "junk.json", "list": tmp_path / "list.json"}
    places["junk"].write_text("{")
    places["list"].write_text("[1]")
    result = {"code": 0, "outputs": {"port": 4}}
    places |= {"none": tmp_path / "none.json", "odd": tmp_path / "odd.json", "text": tmp_path / "text.json"}
    places["none"].write_text("[]")
    limits = {"profile": "manual", "urefs_max": 4, "queue_limit": 2, "queue_limit_max": 3, "pages": 2}
    for place, last in ("odd", {"name": "odd", "arguments": {}}), ("text", {"name": "mach_port_type", "arguments": {"task": 4, "name": "x"}}):
        steps = [{"task": 0, "call": call, "result": result} for call in ({"name": "mach_task_self", "arguments": {}}, last)]
        places[place].write_text(json.dumps([limits | {"steps": steps}]))
    assert main(["export", *(argument.format(**places) for argument in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
