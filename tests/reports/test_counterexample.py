"""Counterexamples of proofs in reports: what changes first, the cards and the picture, and the run from boot."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console
from support.report_runs import failing_check, refuted

from sendright.mach.results.checks import ProofResult
from sendright.mach.results.counterexamples import Reached
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun
from sendright.reports.sarif import sarif
from sendright.reports.terminal import terminal
from sendright.reports.write import scripts


def on_a_terminal(result: ProofResult) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(terminal(result, 200))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_what_changes_comes_before_all_that_was_there() -> None:
    for words in (on_a_terminal(refuted()), junit(refuted())):
        order = ["The step: t0: copy in a right(disposition = MOVE_SEND, name = name 3)", "What changes:", "What that breaks: the count"]
        order += ["port p is port 7", "other caller is t1", "Tasks and ports:", "The rights before it:"]
        places = [words.index(part) for part in order]
        assert places == sorted(places)
        assert "the call goes on" in words


def test_the_page_has_the_cards_and_the_picture() -> None:
    shown = page(refuted(), Rerun())
    assert "A count counts &lt;slots&gt;." in shown
    assert shown.index("What changes") < shown.index("What that breaks") < shown.index("Tasks and ports") < shown.index("<svg")
    assert 'id="f0-1"' in shown
    assert "the failing call" not in shown


def test_a_run_from_boot_is_shown_and_written() -> None:
    run = failing_check().failure
    assert run is not None
    reached = Reached(words="reached in 7 calls", run=run, script={"format": "sendright-script/1"})
    words = on_a_terminal(refuted(reached))
    assert "From boot: reached in 7 calls" in words
    assert f"{len(run.steps)}. t" in words
    assert "Reachable: not known" not in words
    assert "reached in 7 calls" in page(refuted(reached), Rerun())
    assert list(scripts(refuted(reached))) == ["script.json"]
    assert scripts(refuted()) == {}


def test_all_forms_of_reports_take_it() -> None:
    assert sarif(refuted(), "1")
    assert msgspec.json.encode(refuted())
