"""What is kept for the next time was made with the same plugins: a plugin's changes never outlive it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plugins import answered, sendright

WRAPS_A_RULE = """
import dataclasses, functools
from sendright.mach.abi.codes import ReturnCode
import sendright.model.calls.looking
from sendright.model.language.rule import RULES
from sendright.plugins import Plugin

plugin = Plugin("wraps", "1")
rule = RULES["mach_port_type"]


@functools.wraps(rule.cases)  # it looks like the specification's own function
def cases(k):
    for case in rule.cases(k):
        yield dataclasses.replace(case, code=ReturnCode.KERN_FAILURE) if case.code is ReturnCode.KERN_SUCCESS else case


RULES["mach_port_type"] = dataclasses.replace(rule, cases=cases)
"""


@pytest.mark.heavy
def test_code_of_a_wrapped_rule_is_not_kept_for_others(tmp_path: Path) -> None:
    (tmp_path / "wraps.py").write_text(WRAPS_A_RULE)
    checks = ("check", "-n", "3", "--json", "--no-database")
    alone = answered(sendright(*checks, at=tmp_path), 0)
    wrapped = answered(sendright(*checks, "--plugin", "wraps", at=tmp_path, path=tmp_path), 1)
    assert wrapped["failure"]["steps"][-1]["call"] == "mach_port_type"
    again = answered(sendright(*checks, at=tmp_path), 0)
    assert {**again, "seconds": 0} == {**alone, "seconds": 0}
