"""The scripts' expectations, which are real kernels' answers, and the specification's own answers: no other kernel takes part."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.places import TESTS
from support.specified_kernel import SpecifiedKernel

from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

SCRIPTS = sorted((TESTS / "scripts").glob("*.json"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_specification_answers_as_real_kernels_do(path: Path) -> None:
    result = replay([load_script(path)], SpecifiedKernel, Oracle)
    assert result.passed
    assert [(case.id, case.reason) for case in result.cases if case.verdict != "passed"] == []
