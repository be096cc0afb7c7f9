"""What is no kernel is refused before a run, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.capabilities import Capabilities
from sendright.mach.kernel.implementation import ERROR_LENGTH, error_in_words, why_unusable
from sendright.mach.state.view import ViewPart


class Odd(ReferenceKernel):
    """A kernel with capabilities of any form."""

    capabilities: Any = Capabilities()


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [
        (5, "they are int"),
        ({"calls": ["mach_task_self"]}, "they are dict"),
        (Capabilities(calls=frozenset({1, "mach_task_self"})), "calls"),  # type: ignore[arg-type]
        (Capabilities(seconds="long"), "seconds"),  # type: ignore[arg-type]
        (Capabilities(profiles="manual"), "profiles"),  # type: ignore[arg-type]
        (Capabilities(shows=frozenset({"queues"})), "shows"),  # type: ignore[arg-type]
        (Capabilities(not_compared=5), "not_compared"),  # type: ignore[arg-type]
        (Capabilities(not_compared=(object(),)), "object"),  # type: ignore[arg-type]
    ],
)
def test_odd_capabilities_are_not_taken_for_none(capabilities: object, words: str) -> None:
    kernel = Odd()
    kernel.capabilities = capabilities
    said = why_unusable(kernel)
    assert said.startswith("has capabilities that aren't Capabilities: ")
    assert words in said


def test_whole_capabilities_are_usable() -> None:
    kernel = Odd()
    whole = Capabilities(shows=frozenset(ViewPart), seconds=3, calls=frozenset({"mach_task_self"}), not_compared=("x",))
    for capabilities in (Capabilities(), whole):
        kernel.capabilities = capabilities
        assert why_unusable(kernel) == ""


def test_a_name_that_no_report_can_have() -> None:
    kernel = Odd()
    kernel.name = "half \ud800"
    assert "half a surrogate pair" in why_unusable(kernel)


def test_a_long_text_of_an_error_is_shortened() -> None:
    assert error_in_words(ValueError("x" * ERROR_LENGTH)) == f"raised ValueError: {'x' * ERROR_LENGTH}"
    assert error_in_words(ValueError("x" * (ERROR_LENGTH + 1500))) == f"raised ValueError: {'x' * ERROR_LENGTH}… (1,500 more characters)"
