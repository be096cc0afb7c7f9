"""Plug in your kernel: the skeleton passes, and a kernel that misses one of the page's demands doesn't."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support.listings import blocks
from support.places import ROOT

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.view import NamedRight, Space, View
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.check import check

PAGE = (ROOT / "docs" / "plug-in-your-kernel.md").read_text("utf-8")
SKELETON = (ROOT / "docs" / "examples" / "kernel" / "skeleton_kernel.py").read_text("utf-8")
PROFILE = PROFILES["gnumach"]
_MODULE: dict[str, Any] = {"__name__": "skeleton_kernel"}
exec(compile(SKELETON, "skeleton_kernel.py", "exec"), _MODULE)
Skeleton: type = _MODULE["Kernel"]


def judged(kernel: Callable[[], Any], examples: int = 10) -> Any:
    return check(kernel, Oracle, PROFILE, examples=examples, steps=20, seed=0, first=witnessed_calls(PROFILE))


def test_the_page_lists_the_skeleton() -> None:
    [listing] = [block.text for block in blocks(PAGE) if block.language == "python"]
    assert listing == SKELETON


def test_the_skeleton_passes() -> None:
    result = judged(Skeleton)
    assert (result.verdict.name, result.not_made) == ("PASSED", {})
    assert result.calls > 100


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(3))
def test_the_skeleton_passes_as_many_runs_as_a_check_makes(seed: int) -> None:
    result = check(Skeleton, Oracle, PROFILE, seed=seed, first=witnessed_calls(PROFILE))
    assert result.verdict.name == "PASSED", result.message


class Changed(Skeleton):  # type: ignore[misc, valid-type]
    """The skeleton, with one mistake."""

    def answer(self, call: Call, result: Result) -> Result:
        """What the changed kernel answers."""
        return result

    def right(self, name: int, right: NamedRight) -> NamedRight:
        """What the changed kernel shows."""
        return right

    def call(self, task: int, call: Call) -> Result:
        return self.answer(call, super().call(task, call))

    def snapshot(self) -> View:
        names = super().snapshot().tasks[0].names
        return View({0: Space({name: self.right(name, right) for name, right in names.items()})})


class ResultsOfFailures(Changed):
    def answer(self, call: Call, result: Result) -> Result:
        return msgspec.structs.replace(result, outputs={"name": 0}) if result.code and call.name == "mach_port_allocate" else result


class NoResult(Changed):
    def answer(self, call: Call, result: Result) -> Result:
        return Result(result.code)


class CodeIsNone(Changed):
    def answer(self, call: Call, result: Result) -> Result:
        return Result(None, result.outputs)  # type: ignore[arg-type]


class ReservedName(Changed):
    def answer(self, call: Call, result: Result) -> Result:
        return Result(0, {"name": 0}) if call.name == "mach_port_allocate" and not result.code else result


class ReceiveRightsHaveReferences(Changed):
    def right(self, name: int, right: NamedRight) -> NamedRight:
        return NamedRight(right.kind, 1)


class FreeNamesAreShown(Changed):
    def right(self, name: int, right: NamedRight) -> NamedRight:
        return NamedRight(SlotKind.NONE, 0) if right.kind is SlotKind.DEAD_NAME else right


class LimitsAreConstant(Changed):
    def boot(self, profile: Any) -> None:
        super().boot(PROFILE)


class BootForgetsNothing(Changed):
    def boot(self, profile: Any) -> None:
        if not hasattr(self, "names"):
            super().boot(profile)


class TaskIsTaken(Changed):
    def call(self, task: int, call: Call) -> Result:
        return super().call(task, Call(call.name, {**call.arguments, "task": self.own_port}))


@pytest.mark.parametrize("kernel", Changed.__subclasses__(), ids=lambda kernel: kernel.__name__)
def test_a_kernel_that_misses_a_demand_fails(kernel: Callable[[], Any]) -> None:
    one = kernel()  # booted again and again
    assert judged(lambda: one, 40).verdict.name in ("FAILED", "CRASHED")


def test_names_are_those_of_the_package() -> None:
    assert _MODULE["Code"] is ReturnCode
