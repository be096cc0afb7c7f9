"""Where in its own code a kernel in Python crashed: told in the terminal, on the page and in JUnit, wherever it ran."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import FRAMES, ImplementationCrash, frames_of
from sendright.mach.kernel.profiles import MANUAL
from sendright.model.execution.oracle import Oracle
from sendright.properties.runs.isolation import IsolatedKernel
from sendright.properties.runs.judged_run import JudgedRun, Violated

KERNEL = """
from sendright.impl.reference import ReferenceKernel

def look_up(table, name):
    return table[name]  # <b>&</b>

class Kernel(ReferenceKernel):
    name = "a kernel"

    def call(self, task, call):
        if call.name == "mach_host_self":
            return look_up({}, task)
        return super().call(task, call)
"""
SCRIPT = {
    "format": "mach-cases/1",
    "profile": "manual",
    "cases": [{"id": "one", "title": "a crash", "steps": [{"as": "A", "call": "mach_host_self"}]}],
}
OUTER, INNER = "line 12, in call: return look_up({}, task)", "line 5, in look_up: return table[name] # <b>&</b>"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("command", ["check", "replay"])
def test_a_crash_is_told_with_its_place(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path(f"crashing_{command}.py").write_text(KERNEL)
    Path("script.json").write_text(json.dumps(SCRIPT))
    what = ["check", "-n", "30"] if command == "check" else ["replay", "script.json"]
    assert main([*what, "--sut", f"crashing_{command}:Kernel"]) == 3
    out = " ".join(capsys.readouterr().out.split())
    page, junit = (" ".join(Path("sendright-report", name).read_text().split()) for name in ("report.html", "junit.xml"))
    for text, inner in ((out, INNER), (page, INNER.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))):
        assert f"crashing_{command}.py, {OUTER} crashing_{command}.py, {inner}" in text
        assert "judged_run" not in text
        assert "isolation.py" not in text
    assert f"crashing_{command}.py, {OUTER}" in junit
    assert "in look_up: return table[name] # &lt;b&gt;&amp;" in junit
    assert "→ no answer" in out, "it answered nothing"
    assert "MIG_SERVER_DIED" not in page.partition("Run it again")[0]
    if command == "check":
        assert "not known: the implementation reported no state after this call" in page


class Deep(ReferenceKernel):
    """Goes deeper and deeper."""

    def call(self, task: int, call: Call) -> Result:
        return self.call(task, call)


class Odd(ReferenceKernel):
    """Its code has no file, and its source no end."""

    def call(self, task: int, call: Call) -> Result:
        exec(compile("x = 1 / 0", "\udcff<no file>" + "x" * 500, "exec"), {"__name__": 5})
        return Result(0)


@pytest.mark.parametrize("isolated", [False, True])
def test_few_frames_are_told_of_many(isolated: bool) -> None:
    if isolated and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    for kernel in (Deep, Odd):
        run = JudgedRun(IsolatedKernel(kernel) if isolated else kernel(), Oracle(MANUAL), MANUAL, 10.0)
        run.boot()
        with pytest.raises(Violated) as broken:
            run.call(0, Call("mach_task_self", {}))
        frames = broken.value.violation.frames
        assert frames
        assert len(frames) <= FRAMES + 1
        assert all(len(frame) <= 200 for frame in frames)
        assert all("sendright" not in frame.partition(", line")[0] or "tests" in frame for frame in frames)
        if kernel is Deep:
            assert "more, further out" in frames[0]


def test_the_reference_kernel_tells_its_own_frames() -> None:
    class Broke(ReferenceKernel):
        pass

    run = JudgedRun(Broke(), Oracle(MANUAL), MANUAL, 2.0)
    run.boot()
    with pytest.raises(Violated) as broken:
        run.call(0, Call("mach_port_names", {}))  # lacks what must be given
    assert any("impl/reference/" in frame for frame in broken.value.violation.frames)
    assert not any("properties/" in frame for frame in broken.value.violation.frames)


def test_an_adapters_crash_has_the_frames_that_it_brings() -> None:
    crash = ImplementationCrash("panicked", ("kernel.c, line 3",))
    assert frames_of(crash) == ("kernel.c, line 3",)
    assert str(crash) == "panicked"
    assert frames_of(ValueError("never raised")) == ()
