"""The seeded faults of processes: a default check finds each, with any of these seeds."""

from __future__ import annotations

import pytest

from sendright.impl.faults import FAULTS
from sendright.mach.kernel.profiles import XNU
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check

NAMES = (
    "exec-keeps-task-port",
    "exec-keeps-exception-ports",
    "exec-keeps-pid-version",
    "pid-version-repeats",
    "token-without-version",
    "ids-in-two-steps",
    "tokens-of-old-ids",
    "wait-frees-wrong-child",
    "audit-user-set-again",
)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_a_check_finds_it(name: str, seed: int) -> None:
    result = check(FAULTS[name].kernel, Oracle, XNU, examples=250, steps=60, seed=seed)
    assert result.verdict is Verdict.FAILED
