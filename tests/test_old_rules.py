"""Rules that GNU Mach doesn't follow are put back into the specification, and a check with so much to see finds
them.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from support.benchmarks import benchmark
from support.viewed_kernel import Eager

from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import NotSetUp
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities
from sendright.mach.kernel.profiles import GNUMACH
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution import system
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import RECEIVED_IN, check

old_rules = benchmark("old_rules")


class LikeTheLiveOne(Eager):
    """The reference kernel; it shows as much as the live one, and its tasks go on by themselves."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.capabilities: Capabilities = msgspec.structs.replace(GnuMach.capabilities, recovers=False, seconds=None, **changes)


def test_every_rule_fits_the_specification() -> None:
    assert [rule.name for rule in old_rules.OLD_RULES if not rule.fits] == []
    assert {rule.item for rule in old_rules.OLD_RULES} >= {"1", "2", "3", "5", "16"}


@pytest.mark.parametrize("rule", old_rules.OLD_RULES, ids=old_rules.BY_NAME)
def test_a_rule_is_put_back_and_taken_away(rule: Any) -> None:
    known = dict(system._compiled)
    right = rule.change.unit.function().__code__ if rule.change else None
    with rule.put_back() as oracle:
        assert not system._compiled
        assert rule.change is None or rule.change.unit.function().__code__ is not right
        assert (oracle(GNUMACH).profile != GNUMACH) == bool(rule.switches)
    assert rule.change is None or rule.change.unit.function().__code__ is right
    assert system._compiled == known


def test_a_rule_that_does_not_fit() -> None:
    odd = old_rules.OldRule("odd", "nothing", "", old_rules._change("execution.consequences:Consequences._kill", "no such text", ""))
    assert not odd.fits
    with pytest.raises(ValueError, match="odd: the specification has no such text"), odd.put_back():
        pass


@pytest.mark.heavy
def test_it_is_found_and_measured() -> None:
    needed = old_rules.measure(old_rules.BY_NAME["names-descending"], LikeTheLiveOne, 150)
    assert (needed.rule, needed.item, needed.found) == ("names-descending", "5", True)
    assert 0 < needed.sequences <= 150
    assert needed.clause
    sound = old_rules.measure(None, LikeTheLiveOne, 3)
    assert (sound.rule, sound.found, sound.sequences) == ("none", False, 3)


@pytest.mark.heavy
@pytest.mark.parametrize("rule", old_rules.OLD_RULES, ids=old_rules.BY_NAME)
def test_each_is_found_within_500_sequences(rule: Any) -> None:
    assert all(old_rules.measure(rule, LikeTheLiveOne, seed=seed).found for seed in (0, 1))


def test_for_people_and_machines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measure(rule: Any, kernel: Any, sequences: int, steps: int, seed: int, recorded: bool) -> Any:
        found = rule is not None and seed == 0
        return old_rules.Needed(rule.name if rule else "none", "5", seed, found, 1234 if found else sequences, 9, 0.5, "a clause")

    class Idle:
        def end(self) -> None:
            pass

    for name, value in {"measure": measure, "GnuMach": Idle, "files": lambda: None}.items():
        monkeypatch.setattr(old_rules, name, value)
    arguments = ["--rule", "names-descending", "--seed", "0", "--seed", "1", "--sequences", "77"]
    old_rules.main([*arguments, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["rule"], row["seed"], row["found"]) for row in rows] == [
        ("none", 0, False),
        ("none", 1, False),
        ("names-descending", 0, True),
        ("names-descending", 1, False),
    ]
    old_rules.main(arguments)
    text = capsys.readouterr().out
    assert "1 of 2" in text
    assert "1,234, none in 77" in text
    assert "disagrees" not in text


def test_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        old_rules.main(["--sequences", "0"])
    assert "at least 1" in capsys.readouterr().err

    def missing() -> None:
        raise NotSetUp("no kernel here")

    monkeypatch.setattr(old_rules, "files", missing)
    with pytest.raises(SystemExit):
        old_rules.main([])
    assert "no kernel here" in capsys.readouterr().err


# ---- the last calls of a run


def last_calls(kernel: Any) -> list[list[str]]:
    """The calls of some runs, those of the last third."""
    runs: list[Trace] = []
    result = check(lambda: kernel, Oracle, GNUMACH, 40, 30, on_run=runs.append)
    assert result.verdict is Verdict.PASSED
    return [[step.call for step in run.steps[-(30 // RECEIVED_IN) :]] for run in runs if len(run.steps) == 30]


def test_the_last_calls_receive_what_a_view_does_not_show() -> None:
    received = [calls for calls in last_calls(LikeTheLiveOne()) if calls[-3:] == ["mach_msg_receive"] * 3]
    assert len(received) > 2


@pytest.mark.parametrize(
    "changes", [{"shows": None}, {"calls": GnuMach.capabilities.calls - {"mach_msg_receive"}}], ids=["all is shown", "no receive"]
)  # type: ignore[operator]
def test_other_runs_end_as_they_are_drawn(changes: dict[str, Any]) -> None:
    class Whole(LikeTheLiveOne):
        """If it shows all, its tasks don't go on by themselves: a state shows one step."""

        def call(self, task: int, call: Call) -> Result:
            return super().call(task, call) if self.capabilities.shows is not None else self.kernel.call(task, call)

        def snapshot(self) -> Any:
            return super().snapshot() if self.capabilities.shows is not None else self.kernel.snapshot()

    received = [calls for calls in last_calls(Whole(**changes)) if calls[-3:] == ["mach_msg_receive"] * 3]
    assert len(received) < 2
