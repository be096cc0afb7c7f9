"""A kernel that does what the specification says: tests compare the specification's answers with those of real
kernels.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE, build_descriptors, page_count, right_count
from sendright.mach.abi.rights import NULL_NAME
from sendright.mach.abi.tokens import FIRST_SESSION
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, OutputType, with_defaults
from sendright.mach.signatures.processes import PROCESS_MAKERS
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.encoding import BODY_SLOT, NAME_SLOT, NO_PORT
from sendright.model.execution.oracle import Oracle, _Judging
from sendright.model.execution.system import Applied
from sendright.model.execution.told_results import told_results
from sendright.model.language.sequences import Part


class SpecifiedKernel:
    """Where the kernel may choose, it takes the lowest number that is free. It runs out of memory when a call says
    so.
    """

    name = "the specification"

    def boot(self, profile: Profile) -> None:
        self.oracle = Oracle(profile)

    def call(self, task: int, call: Call) -> Result:
        if not self.oracle.profile.serves(call.name):
            return Result(int(ReturnCode.MIG_BAD_ID), {})
        answering = _Answering(self.oracle, task, with_defaults(call))
        self.oracle.system.shown, self.oracle.system.together = None, []
        answering.follow()
        self.oracle.system.forget_the_ended()
        return answering.answer

    def snapshot(self) -> Snapshot:
        return self.oracle.snapshot()


class _Answering(_Judging):
    """Drives the rules of a call, and makes the answer of what they say, instead of comparing the two."""

    def __init__(self, oracle: Oracle, caller: int, call: Call) -> None:
        self.outputs: dict[str, Any] = {}
        self.created: int | None = None
        self.layout: tuple[int, ...] = ()
        self.forms: list[int] = []
        self.names: list[int] = []
        self.pages_told: list[int] = []
        super().__init__(oracle, caller, call, Result(int(ReturnCode.KERN_RESOURCE_SHORTAGE) if call.shortage else 0, {}))
        chosen = {OutputType.NAME: self._free_name, OutputType.PAGE: self._free_page}
        if call.name in (*PROCESS_MAKERS, "wait4"):
            chosen[OutputType.PID] = self._ended_child if call.name == "wait4" else self._new_pid
        if call.name == "setaudit_addr":
            chosen[OutputType.WORD] = self._new_session
        for output in SIGNATURES[call.name].outputs:
            if output.type in chosen and output.name != "local":
                self.result.outputs[output.name] = chosen[output.type]()

    @property
    def answer(self) -> Result:
        code = int(ReturnCode.KERN_SUCCESS if self.code is None else self.code)
        kinds = {OutputType.PORT: NULL_NAME, OutputType.PORTS: ()}
        told = {output.name: self.outputs.get(output.name, kinds.get(output.type)) for output in SIGNATURES[self.call.name].results(code)}
        if "descriptors" in told:
            told["descriptors"] = build_descriptors(self.layout, list(zip(self.names, self.forms, strict=True)), self.pages_told)
        return Result(code, told, self.created)

    def _free_name(self) -> int:
        names = {name for task in self.system.snapshot().tasks.values() for name in task.names}
        return next(name for index in count(1) if (name := self.system.profile.chosen_name(index)) not in names and name != NULL_NAME)

    def _free_page(self) -> int:
        state = self.system.state
        named = state["port"].get((NAME_SLOT, self.caller, self.call.arguments.get("task")), NO_PORT)
        task = self.system.snapshot().tasks.get(state["object_task"].get(named, self.caller))
        pages = {} if task is None else task.memory
        return next((page for page in range(self.system.profile.pages) if page not in pages), NO_PAGE)

    def _new_pid(self) -> int:
        """One more than the highest pid that a process ever had."""
        return max(pid for pid in self.system.state["pid"].values()) + 1

    def _new_session(self) -> int:
        """The lowest number that the kernel may give, and no audit session has."""
        return next(number for number in count(FIRST_SESSION) if number not in self.system.snapshot().sessions)

    def _ended_child(self) -> int:
        """The first child of the caller's that has ended and that the call waits for; 0: there is none."""
        snapshot, asked = self.system.snapshot(), self.call.arguments.get("pid", -1)
        process = snapshot.tasks[self.caller].process
        ended = [zombie.pid for zombie in snapshot.zombies.values() if process is not None and zombie.parent == process.pid]
        return next((pid for pid in ended if asked in (-1, pid)), 0)

    def _unsaid_name(self) -> int:
        return self._free_name()

    # ---- what judging compares, answering says

    def _expect(self, where: str, expected: object, seen: object, clause: str = "") -> None:
        if where == "number of the new task":
            assert isinstance(expected, int)
            self.created = expected

    def _expect_code(self, code: int) -> None:
        """The code is said by the rules (``self.code``)."""

    def _expect_code_with(self, output: str) -> None:
        """Results are those of the code."""

    def _expect_whole_answer(self) -> None:
        """The answer is made of all that was said."""
        assert self.code is not None or not self.oracle.system.left
        assert self.code not in IN_PROGRESS or not self.outputs

    def _expect_told(self, applied: Applied, goes_on: bool) -> None:
        code = applied.case.case.code
        self.code = self.code if code is None or (goes_on and code is ReturnCode.KERN_SUCCESS) else code
        types = {output.name: output.type for output in SIGNATURES[self.call.name].outputs}
        self.outputs |= told_results(self.system, types, applied.outputs)

    def _named_next(self, output: str, page: bool) -> int:
        return self._free_page() if page else self._free_name()

    def _expect_named(self, output: str, applied: Applied, named: Any) -> None:
        page = "page" in applied.outputs
        name = applied.outputs["page" if page else "name"]
        kind = next(each.type for each in SIGNATURES[self.call.name].outputs if each.name == output)
        if kind is OutputType.DESCRIPTORS:
            (self.pages_told if page else self.names).append(name)
        elif kind is OutputType.PORTS:
            self.outputs[output] = (*self.outputs.get(output, ()), name)
        else:
            self.outputs[output] = name

    def rights(self, message: int) -> Iterable[Part]:
        state = self.system.state
        self.layout = state["layout"].get(message, ())
        self.forms = [state["form"].get((BODY_SLOT, message, index), 0) for index in range(right_count(self.layout))]
        return map(Part, range(len(self.forms)))

    def pages(self, message: int) -> Iterable[Part]:
        return map(Part, range(page_count(self.layout)))
