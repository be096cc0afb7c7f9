"""The score: verdicts, tables, and the file of survivors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from sendright.impl.reference import ReferenceKernel
from sendright.mach.results.mutants import Judgement, MutantResult, MutantsResult, Outcome
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.processes.workers import Lost
from sendright.properties.mutants import run
from sendright.properties.mutants.deciding import Settings
from sendright.properties.mutants.drawing import Sample, all_mutants
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.run import decide_mutants
from sendright.properties.mutants.source import Unit
from sendright.properties.mutants.survivors import WrongSurvivors, read_survivors
from sendright.reports.mutants import mutant_lines, mutants_page, rows

KILLED, SURVIVED, LOST = Outcome.KILLED, Outcome.SURVIVED, Outcome.LOST
UNBUILT, NOT_TRIED, LATE = Outcome.NO_SPECIFICATION, Outcome.NOT_TRIED, Outcome.OUT_OF_TIME

FATES = {
    "both": (KILLED, KILLED),
    "proof": (KILLED, SURVIVED),
    "run": (SURVIVED, KILLED),
    "none": (SURVIVED, SURVIVED),
    "unbuilt": (UNBUILT, NOT_TRIED),
    "late": (LATE, SURVIVED),
    "crashed": (SURVIVED, LOST),
    "late and killed": (LATE, KILLED),
}
UNIT = Unit("sendright.model.calls.memory", "", "vm_write")


def mutant(fate: str) -> Mutant:
    return Mutant(fate, "clause dropped" if fate == "both" else "guard dropped", UNIT, 7, "x", "y", ())


def result(monkeypatch: pytest.MonkeyPatch, *fates: str, **reasons: str) -> MutantsResult:
    """The result for mutants with these fates."""

    def judged(_: object, mutants: tuple[Mutant, ...], __: int) -> object:
        for one in mutants:
            if one.id == "dead":
                yield one, Lost("SIGKILL")
                continue
            prove, check = (Judgement(outcome, "because") for outcome in FATES[one.id])
            yield one, MutantResult(id=one.id, operator=one.operator, where=one.where, change=one.words, prove=prove, check=check)

    monkeypatch.setattr(run, "in_workers", judged)
    mutants = tuple(map(mutant, fates))
    return decide_mutants(Settings("manual", ReferenceKernel), Sample(mutants, 3), mutants, reasons, command="sendright mutants")


@pytest.mark.parametrize(
    ("fates", "reasons", "verdict"),
    [
        (["both", "proof", "run", "unbuilt", "late and killed"], {}, Verdict.PASSED),
        (["both", "none"], {}, Verdict.FAILED),
        (["both", "none", "late"], {}, Verdict.FAILED),
        (["both", "none"], {"none": "equivalent"}, Verdict.PASSED),
        (["both", "late"], {}, Verdict.UNDETERMINED),
        (["both", "crashed"], {}, Verdict.UNDETERMINED),
        (["both", "dead"], {}, Verdict.UNDETERMINED),
        (["both", "late"], {"late": "equivalent"}, Verdict.PASSED),
        ([], {}, Verdict.UNDETERMINED),
    ],
)
def test_verdicts(monkeypatch: pytest.MonkeyPatch, fates: list[str], reasons: dict[str, str], verdict: Verdict) -> None:
    assert result(monkeypatch, *fates, **reasons).verdict is verdict


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    found = result(monkeypatch, *FATES, none="hole: nothing says so", both="equivalent")
    single, of_rules, of_clauses, of_invariants = rows(found)
    assert (single.operator, of_rules.operator, of_clauses.operator, of_invariants.operator) == (
        "guard dropped",
        "rules and actions",
        "clause dropped",
        "invariants",
    )
    assert (single.population, single.decided, single.unbuilt) == (7, 6, 1)
    assert (single.prove, single.check, single.either) == (1, 2, 3)
    assert (single.equivalent, single.holes, single.open, single.undecided) == (0, 1, 0, 2)
    assert single.score(single.either) == "3 (50 %)"
    assert (of_clauses.prove, of_clauses.check, of_clauses.either) == (1, 1, 1)
    assert found.without_need == ("both",)
    console = Console(width=200, record=True)
    console.print(*mutant_lines(found))
    text = console.export_text()
    assert "survived through a hole: none" in text
    assert "undecided: late" in text
    assert "killed, though there is a reason why it should survive: both" in text


def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    found = result(monkeypatch, "both", "none", "late")
    page = mutants_page(found, "1.0")
    assert "The run was ended" not in page
    assert "The run was ended" in mutants_page(msgspec.structs.replace(found, interrupted=True), "1.0")
    assert page.startswith("<!-- written by sendright -->\n# The mutant score\n")
    assert "```sh\nsendright mutants\n```\n\nsendright 1.0, profile manual, 3 mutants" in page
    assert "`none`, guard dropped:\n\n```\nx → y\n```\n\nNo reason is known.\n" in page
    assert "## Undecided" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [("[]", "it must be a JSON object"), ('{"x": ""}', "x has no reason"), ('{"x": 1}', "it must be a JSON object"), (None, "No such file")],
)
def test_a_wrong_file_of_survivors(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "survivors.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WrongSurvivors, match=words):
        read_survivors(path)


@pytest.mark.heavy
def test_every_survivor_with_a_reason_is_a_mutant() -> None:
    assert read_survivors().keys() <= {one.id for one in all_mutants()}


@pytest.mark.heavy
def test_names_are_unique_and_the_mutants_of_every_operator_are_many() -> None:
    ids = [one.id for one in all_mutants()]
    assert len(set(ids)) == len(ids) > 25_000
    unused = {one.unit.name for one in all_mutants() if not (one.rules or one.calls or one.subjects)}
    used_by_proofs, used_by_the_oracle = {"_recounts", "the_same_choices"}, {"looks_before"}
    without_profile = {"_is_immovable_send"}  # task_ports_stay: no profile has it
    assert unused <= used_by_proofs | used_by_the_oracle | without_profile
