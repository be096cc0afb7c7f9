"""The faults that show only in rare situations: each changes the kernel, and a check finds them."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from support.benchmarks import benchmark

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict

deep_faults = benchmark("deep_faults")


def test_every_fault_fits_the_kernel() -> None:
    """Those of the order fit together or not at all: they need a kernel that ends name by name."""
    assert {fault.name for fault in deep_faults.DEEP_FAULTS if fault.change is None} == set()
    assert len({fault.change is None for fault in deep_faults.ORDER_FAULTS}) == 1
    assert all(fault.profiles <= PROFILES.keys() for fault in deep_faults.FAULTS.values())


@pytest.mark.parametrize("name", [fault.name for fault in deep_faults.DEEP_FAULTS])
def test_a_fault_changes_one_function_and_is_taken_back(name: str) -> None:
    fault = deep_faults.FAULTS[name]
    function = fault.change.unit.function()
    right = function.__code__
    with fault.seeded():
        assert function.__code__ != right
    assert function.__code__ is right


def test_a_fault_that_does_not_fit() -> None:
    fault = deep_faults.Fault("odd", "nothing", (deep_faults._change("core:Core.release", "no such text", ""),))
    assert fault.change is None
    with pytest.raises(ValueError, match="odd: the reference kernel has no such text"), fault.seeded():
        pass


def test_texts_can_be_exchanged() -> None:
    texts = ("while port is not None", "if port is None", "return port is not None", "return port is None")
    node = deep_faults._change("message:Message.circular", *texts).node()
    assert node is not None
    changed = ast.unparse(node)
    assert texts[1] in changed
    assert texts[3] in changed
    assert texts[0] not in changed


def test_what_a_check_finds_is_measured() -> None:
    """The recorded runs find this one."""
    found = deep_faults.measure(deep_faults.FAULTS["circle-of-queues"], MANUAL, seconds=30)
    assert (found.fault, found.profile, found.found) == ("circle-of-queues", "manual", True)
    assert found.kind in ("state", "result", "invariant")
    assert found.runs > 0
    assert found.calls > 0


def test_the_time_is_kept() -> None:
    kept = deep_faults.measure(None, MANUAL, seconds=1e-9)
    assert (kept.fault, kept.found, kept.runs) == ("none", False, 1)


def test_plain_runs_have_no_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def check(*_: Any, **more: Any) -> CheckResult:
        seen.append(deep_faults.checking.ONE_DIRECTED_IN)
        return CheckResult(
            verdict=Verdict.PASSED,
            implementation=ReferenceKernel.name,
            profile="manual",
            seed=0,
            examples=1,
            calls=1,
            seconds=1.0,
            codes={},
            cases_reached={},
            cases_missed=(),
        )

    monkeypatch.setattr(deep_faults.checking, "check", check)
    for plain in (False, True):
        deep_faults.measure(None, MANUAL, plain=plain)
    assert seen[0] == 3 < seen[1]


def test_for_people_and_machines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measure(fault: Any, profile: Any, *_: Any) -> Any:
        return deep_faults.Found("none" if fault is None else fault.name, profile.name, fault is not None, 1.25, 7, 1234, "state", "a clause")

    monkeypatch.setattr(deep_faults, "measure", measure)
    deep_faults.main(["--fault", "token-read-late", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["fault"], row["profile"]) for row in rows] == [("none", "manual"), ("none", "gnumach"), ("token-read-late", "manual")]
    deep_faults.main(["--fault", "names-descending", "--fault", "ledger-not-emptied", "--profile", "osf"])
    text = capsys.readouterr().out
    assert "1,234" in text
    fits = deep_faults.FAULTS["names-descending"].change is not None
    assert ("Not in this kernel: names-descending" in text) != fits
    assert "fails, too" not in text
    with pytest.raises(SystemExit):
        deep_faults.main(["--seconds", "0"])
    assert "above 0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def sound() -> None:
    for name in {_profile_of(name) for name in deep_faults.FAULTS}:
        assert not deep_faults.measure(None, PROFILES[name]).found, "the kernel without a fault fails"


def _profile_of(name: str) -> str:
    """Where a fault is looked for: in manual, or where it makes a difference."""
    profiles = deep_faults.FAULTS[name].profiles
    return MANUAL.name if MANUAL.name in profiles else min(profiles)


@pytest.mark.heavy
@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("name", deep_faults.FAULTS)
def test_a_default_check_finds_it(name: str) -> None:
    """Within a minute."""
    fault = deep_faults.FAULTS[name]
    if fault.change is None:
        pytest.skip("not in this kernel")
    assert deep_faults.measure(fault, PROFILES[_profile_of(name)]).found
