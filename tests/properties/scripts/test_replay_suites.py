"""The specification and the reference kernel against scripts: our own, and those read from other kernels' tests and
sources.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.places import ROOT, SHARED

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.checks import CaseResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

OWN_SCRIPTS = sorted((ROOT / "tests" / "scripts").glob("*.json"))
SHARED_SCRIPTS = SHARED / "cases"
shared = pytest.mark.skipif(not SHARED_SCRIPTS.is_dir(), reason="the scripts read from other kernels' suites are not here")

PASSED = {
    "gnumach.json": {
        "gnumach-boot-rights": 3,
        "gnumach-exception-port": 3,
        "gnumach-allocate-fresh": 5,
        "gnumach-allocate-name": 9,
        "gnumach-dead-dest": 1,
        "gnumach-rename": 2,
    },
    "osf_mk.json": {
        "osf-create-null-parent": 2,
        "osf-create-bad-security": 5,
        "osf-create-ok": 3,
        "osf-create-inherit": 2,
        "osf-set-checks": 4,
        "osf-info-count": 1,
    },
}
"""Case -> how many steps it has; the others use something that isn't modelled."""

MADE_BEFORE_THE_END = {"gnumach-echo": 2, "gnumach-ool-ports": 1, "gnumach-recv-abort": 1, "gnumach-new-task": 2}
"""Steps that those others make, and that must be right, before the one that isn't modelled."""


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.stem)
def test_own_scripts_agree_with_the_specification(path: Path) -> None:
    result = replay([load_script(path)], ReferenceKernel, Oracle)
    assert [(case.id, case.expected, case.seen) for case in result.cases if case.verdict != "passed"] == []
    assert result.verdict is Verdict.PASSED


@shared
@pytest.mark.parametrize("name", PASSED)
def test_every_step_of_other_suites_that_is_modelled_passes(name: str) -> None:
    result = replay([load_script(SHARED_SCRIPTS / name)], ReferenceKernel, Oracle)
    assert result.failed == result.crashed == 0
    assert {case.id: case.steps for case in result.cases if case.verdict == "passed"} == PASSED[name]
    unmodelled = [case for case in result.cases if case.verdict == "not_modelled"]
    assert {case.id: case.steps for case in unmodelled} == {case.id: MADE_BEFORE_THE_END.get(case.id, 0) for case in unmodelled}
    assert all(ends_at_something_else(case) for case in unmodelled)


def ends_at_something_else(case: CaseResult) -> bool:
    """The step that ends a case makes a call that sendright doesn't have, or makes it as a thread."""
    return case.call not in SIGNATURES or "A:t2" in (case.reason or "")


@shared
def test_a_manual_kernel_differs_from_osf_in_one_case() -> None:
    """There the request goes to the security port itself: to a dead one nothing can be sent. In OSF it is an argument,
    and only null.
    """
    result = replay([load_script(SHARED_SCRIPTS / "osf_mk.json")], ReferenceKernel, Oracle, PROFILES["manual"])
    [failed] = [case for case in result.cases if case.verdict == "failed"]
    assert (failed.id, failed.step, failed.expected, failed.seen) == (
        "osf-create-bad-security",
        4,
        "KERN_INVALID_SECURITY",
        "MACH_SEND_INVALID_DEST",
    )
    assert failed.violation is not None
    assert failed.violation.kind == "expectation", "the specification of this profile agrees with the kernel"
