"""Exported C programs on the live GNU Mach. Skipped, and counted, where it isn't set up (``sendright setup
gnumach``).
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.exported import growing

from sendright.cli.main import main
from sendright.impl.adapters.gnumach.files import NotSetUp, directory, files
from sendright.impl.adapters.gnumach.program import run_program
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.implementation import ImplementationCrash
from sendright.model.execution.oracle import Oracle
from sendright.properties.interchange.c_program import c_program
from sendright.properties.interchange.recorded import known_run
from sendright.reports.write import trace_text, write_text

try:
    files()
    MISSING = "" if (directory() / "root" / "usr" / "include").is_dir() else "the headers aren't there (run 'sendright setup gnumach')"
except NotSetUp as error:
    MISSING = str(error)
pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


def test_a_run_of_two_tasks_passes_step_by_step_and_fails_where_more_is_expected() -> None:
    trace = growing("gnumach")
    known = known_run(trace, ReferenceKernel, Oracle)
    text = c_program(known, "two tasks").text
    lines = run_program(text)
    assert lines[0] == "begin"
    assert lines[1:-1] == [f"step {step.index + 1}: task {step.task}: {step.call}: PASS" for step in trace.steps]
    assert lines[-1] == "end PASS"
    # a kernel that doesn't do what the program expects: here the expectation is wrong, at the last but three
    wrong = text.replace(".references = 3", ".references = 4")
    assert wrong != text
    lines = run_program(wrong)
    assert lines[-2] == "step 7: task 1: mach_port_mod_refs: FAIL: task 1, name_77, user references: expected 4, seen 3"
    assert lines[-1] == "end FAIL"


def test_the_command_compiles_and_runs_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = growing("gnumach")
    file = write_text(tmp_path / "trace.json", trace_text(trace))
    assert main(["export", str(file), "--to", "c", "--run", "-o", str(tmp_path / "run.c")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "end PASS"
    # the same calls with a limit that this kernel doesn't have: it says what differs
    limited = write_text(tmp_path / "limited.json", trace_text(msgspec.structs.replace(trace, queue_limit=3)))
    assert main(["export", str(limited), "--to", "c", "--run", "-o", str(tmp_path / "limited.c")]) == 1
    assert "queue limit: expected 3, seen 5" in capsys.readouterr().out


def test_what_is_no_program_or_says_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="compiling"):
        run_program("int x = ;\n")
    text = c_program(known_run(growing("gnumach"), ReferenceKernel, Oracle), "two tasks").text
    silent = text.replace('say("\\nsendright: begin\\n");', "for (;;);")
    assert silent != text
    with pytest.raises(ImplementationCrash, match="said nothing for 3 s"):
        run_program(silent, seconds=3)
