"""Steps of a plugin's sequence are those of the sequence itself, whatever is answered."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from sendright.mach.extensions import PluginError
from sendright.model.language.sequences import CallerWaits, Failed, Outcome
from sendright.plugins.guarded import guarded_steps


def steps(first: int) -> Generator[Any, Any, None]:
    told = yield first
    try:
        yield told
    except Failed:
        yield "cleaned up"
        raise
    yield "never"


def begun(check: Any = lambda step: None) -> Generator[Any, Any, None]:
    return guarded_steps("odd", "sequence steps", steps, (Failed, CallerWaits), check)(1)


def test_answers_and_failures_go_through() -> None:
    found = begun()
    assert next(found) == 1
    assert found.send("answer") == "answer"
    failed = Failed(Outcome({}, {}))
    assert found.throw(failed) == "cleaned up"
    with pytest.raises(Failed) as caught:
        found.send(None)
    assert caught.value is failed


def test_a_call_that_waits_ends() -> None:
    found = begun()
    next(found)
    with pytest.raises(CallerWaits):
        found.throw(CallerWaits())
    with pytest.raises(StopIteration):
        next(found)


def test_an_answer_that_it_does_not_understand_is_its_mistake() -> None:
    def check(step: object) -> None:
        if step == "answer":
            raise PluginError("yields an answer")

    found = begun(check)
    next(found)
    with pytest.raises(PluginError, match=r"^plugin odd: sequence steps: yields an answer$"):
        found.send("answer")
