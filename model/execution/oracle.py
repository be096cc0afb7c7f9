"""The oracle: judges what an implementation did, call by call, by running the rules beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain, count
from typing import Any

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.abi.descriptors import build_descriptors, is_array, is_memory, layout_of, page_count, right_count, rights_in
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, OutputType
from sendright.mach.state.snapshot import Difference, Snapshot
from sendright.model.calls.looking import looks_before
from sendright.model.execution.encoding import BODY_SLOT, DESTINATION_SLOT, IN_KERNEL, NAME_SLOT, REPLY_SLOT, SlotTuple
from sendright.model.execution.kernel_choices import Choosing, ways_to_choose
from sendright.model.execution.property_check import BrokenInvariant, broken_by_step, broken_invariants
from sendright.model.execution.system import Applied, NotAllowed, System
from sendright.model.execution.told_results import told_results
from sendright.model.language.arguments import rule_arguments
from sendright.model.language.sequences import SKIPPED, ArrayPart, CallerWaits, Failed, Outcome, PagePart, Part, RightPart, Run, begin


class Judgement(msgspec.Struct, frozen=True):
    """What the specification says of one step of an implementation."""

    agreed: bool
    cases: tuple[str, ...]
    """The cases that the step went through, as ``rule/CODE/title``."""
    clause: str = ""
    """The case that applied."""
    words: str = ""
    """What was wrong, for a reader who has nothing else."""
    differences: tuple[Difference, ...] = ()


class Disagreement(Exception):
    """The implementation's answer isn't what the specification says."""

    def __init__(self, clause: str, differences: list[Difference]) -> None:
        super().__init__(clause)
        self.clause = clause
        self.differences = differences


class Oracle:
    """Judges a run that began in the boot state. After a disagreement its state is of no more use."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.system = System(profile)
        self.before_rule: Callable[[System], None] | None = None
        """Sees the state before each rule of a call."""
        self._cases: list[str] = []

    @property
    def all_cases(self) -> tuple[str, ...]:
        """Every case of the specification in this profile."""
        return tuple(case.id for rule in self.system.rules.values() for case in rule.cases)

    def snapshot(self) -> Snapshot:
        """The state that the specification says the implementation is in."""
        return self.system.snapshot()

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        """Whether ``call`` by live task ``task`` may answer ``result``; the oracle's state moves on accordingly.

        ``shown`` is what the implementation shows after the call: where the kernel may choose what doesn't come back in
        ``result`` (in which order notifications arrive), that tells what it chose.
        """
        self._cases = []
        self.system.shown, self.system.together, self.system.told = shown, [], {}
        if not self.profile.serves(call.name):
            clause = f"{call.name}: not served by the profile {self.profile.name}"
            if result.code == ReturnCode.MIG_BAD_ID:
                return Judgement(True, (), clause)
            return _disagreed((), clause, [_code_difference(ReturnCode.MIG_BAD_ID, result.code)])
        try:
            _Judging(self, task, call, result).follow()
            self.system.settle()
            self.system.forget_the_ended()
        except Disagreement as disagreement:
            return _disagreed(tuple(self._cases), disagreement.clause, disagreement.differences)
        except NotAllowed as forbidden:
            clause = str(forbidden)
            return _disagreed(tuple(self._cases), clause, [Difference("the kernel's choice", "a fresh name or number", str(result.outputs))])
        return Judgement(True, tuple(self._cases), self._cases[-1] if self._cases else "")

    def run(self, rule: str, caller: int, given: dict[str, Any]) -> Applied:
        """Run a rule with these arguments and choices, and what it leaves to do."""
        if self.before_rule:
            self.before_rule(self.system)
        applied = self.system.run(rule, caller, given)
        self._cases.append(applied.case.id)
        if self.system.left:
            self._cases += [left.case.id for left in self.system.finish_what_is_left(caller, self.before_rule)]
        return applied


_MADE = {"new_port": "port_life", "child_port": "port_life", "child": "task_life"}
"""What a rule may make, by the choice that says its number, and the field that has it then."""


class _Judging:
    """One call that is being judged: drives its sequence with what the implementation answered (see
    ``sequences.Driver``).
    """

    def __init__(self, oracle: Oracle, caller: int, call: Call, result: Result) -> None:
        self.oracle, self.system, self.caller, self.call, self.result = oracle, oracle.system, caller, call, result
        self.arguments = {"stop": call.stop} if call.resume else rule_arguments(call, oracle.profile)
        self.clause = ""
        """The case that was applied last."""
        self.code: int | None = None
        """The code that a rule has answered with."""
        self.copied: dict[tuple[str, bool], int] = {}
        """How many rights, and how many pages, have been copied out to each result."""
        self.messages: set[int] = set()
        """The messages that rules have taken or made."""
        self.said: set[str] = set()
        """The results that rules have said, or that name what was copied out."""
        self.rights_seen: list[Any] = []
        self.pages_seen: list[Any] = []
        """What the answer calls the rights and pages of the body that is being copied out."""

    def follow(self) -> None:
        """Run the call's rules.

        Raises Disagreement if the answer isn't what they say, NotAllowed if the kernel chose what it may not choose.
        """
        self._look_first()
        steps = begin(self, self.call.name, self.call.resume, self.arguments)
        try:
            step = next(steps)
            while True:
                if step.when and not all(step.when):
                    step = steps.send(SKIPPED)
                    continue
                code, outcome = self._run(step)
                if code is None or code is ReturnCode.KERN_SUCCESS:
                    step = steps.send(outcome)
                else:
                    step = steps.throw(CallerWaits() if code in IN_PROGRESS else Failed(outcome))
        except (StopIteration, Failed, CallerWaits):
            pass
        self._expect_whole_answer()
        stages = self.system.state["stage"]
        assert all(stages.get(message) != IN_KERNEL for message in self.messages), f"{self.clause}: the call leaves a message in the kernel"

    def _look_first(self) -> None:
        """Run the call's looks at names whose ports have died, if there are any."""
        if self.system.profile.dead_names_are_lazy and self.system.state["unlooked"] and not self.call.resume:
            for step in looks_before(self.call.name, self.arguments, self.system.profile):
                self.oracle.run(step.rule, self.caller, step.arguments)

    def _run(self, step: Run) -> tuple[ReturnCode | None, Outcome]:
        """Run one step, and compare the answer with what it says; the code with which the rule has answered, and what
        came of it.
        """
        given = self.arguments | step.arguments
        declared = self.system.rules[step.rule].choices
        named = None
        if step.to:
            self._expect_code_with(step.to)
            self.said.add(step.to)
            named = self._named_next(step.to, page="new_page" in declared)
        if declared:
            choosing = Choosing(self.system, self.caller, given, self.call.name, self.result.code, self.result.outputs, named, self._unsaid_name)
            for way in ways_to_choose(declared):
                given |= way(choosing)
        unmade = self._not_there(declared, given)
        applied = self.oracle.run(step.rule, self.caller, given)
        self.messages |= {given[name] for name in self.system.rules[step.rule].messages}
        case = applied.case
        assert not (step.cannot_fail and case.code is not None), f"{case.id}: an earlier rule has tested that it can't fail"
        if step.to:
            self._expect_named(step.to, applied, named)
        else:
            self.clause = applied.case.id
            self._expect_told(applied, step.goes_on)
        if unmade:
            self._count_creations(unmade, given)
        return case.code, Outcome(given, applied.outputs, case.replies)

    def _unsaid_name(self) -> int:
        """The name of a right that the call leaves in its caller's space without a word: the one that is new in the
        state that is shown, or else the lowest that is free.
        """
        kind, shown = self.system.state["kind"], self.system.shown
        names = () if shown is None or self.caller not in shown.tasks else sorted(shown.tasks[self.caller].names)
        return next(name for name in chain(names, count(1)) if (NAME_SLOT, self.caller, name) not in kind)

    # ---- the answer

    def _expect(self, where: str, expected: object, seen: object, clause: str = "") -> None:
        if expected != seen:
            raise Disagreement(clause or self.clause, [Difference(where, _plain(expected), _plain(seen))])

    def _expect_code(self, code: int) -> None:
        if self.result.code != code:
            raise Disagreement(self.clause, [_code_difference(code, self.result.code)])

    def _expect_code_with(self, output: str) -> None:
        """The answer has a code with which this result comes."""
        if output not in _names(self.call.name, self.result.code):
            self._expect_code(_first_code_with(self.call.name, output))

    def _expect_told(self, applied: Applied, goes_on: bool) -> None:
        """The answer has the code and the results that a rule says. (Success isn't the call's, if it goes on then.)"""
        code = applied.case.code
        if code is not None and not (goes_on and code is ReturnCode.KERN_SUCCESS):
            self.code = code
            self._expect_code(code)
        if not applied.outputs:
            return
        for name, value in told_results(self.system, _types(self.call.name), applied.outputs).items():
            self.said.add(name)
            if code is None:
                self._expect_code_with(name)
            seen = _tupled(self.result.outputs.get(name))
            if seen != value:
                self._expect(f"result {name}", value, seen)

    def _named_next(self, output: str, page: bool) -> Any:
        """What the answer calls the next right (or page) that is copied out to ``output``."""
        seen, index = self.result.outputs.get(output), self.copied.get((output, page), 0)
        self.copied[output, page] = index + 1
        kind = _types(self.call.name)[output]
        if kind is OutputType.PORT:
            return seen
        if kind is OutputType.DESCRIPTORS:
            return (self.pages_seen if page else self.rights_seen)[index]
        names = seen if isinstance(seen, (tuple, list)) else ()
        if index >= len(names):
            self._expect(f"number of rights in {output}", f"more than {index}", len(names))
        return names[index]

    def _expect_named(self, output: str, applied: Applied, named: Any) -> None:
        """A right (or page) has been copied out to where the answer says."""
        page = "page" in applied.outputs
        kind = _types(self.call.name)[output]
        index = self.copied[output, page] - 1
        where = f"{'page' if page else 'right'} {index} of the body" if kind is OutputType.DESCRIPTORS else output
        self._expect(where, applied.outputs["page" if page else "name"], named, applied.case.id)

    def _not_there(self, choices: Iterable[str], chosen: dict[str, Any]) -> list[str]:
        """The choices of tasks and ports that don't exist."""
        return [choice for choice in choices if choice in _MADE and chosen[choice] not in self.system.state[_MADE[choice]]]

    def _count_creations(self, unmade: Sequence[str], chosen: dict[str, Any]) -> None:
        """Tasks and ports are numbered in the order in which they are made. (A rule that fails may have made some.)

        ``unmade``: the choices of those that didn't exist before the rule.
        """
        system = self.system
        still = self._not_there(unmade, chosen)
        for choice in unmade:
            if choice in still:
                continue
            if choice == "child":
                self._expect("number of the new task", system.next_task, self.result.created_task)
                system.next_task += 1
            else:
                system.next_port += 1

    def _expect_whole_answer(self) -> None:
        """The code is that of the rules (success, if they have answered with none); the results that come with it are
        there, and no others.
        """
        self._expect_code(ReturnCode.KERN_SUCCESS if self.code is None else self.code)
        expected = _names(self.call.name, self.result.code)
        if expected != self.result.outputs.keys():
            self._expect("results", sorted(expected), sorted(self.result.outputs))
        unsaid = sorted(name for name in expected - self.said if _types(self.call.name)[name] not in _OF_ANY_NUMBER)
        assert not unsaid, f"{self.clause}: no rule says what the result is: {', '.join(unsaid)}"
        for output in _lists_of_rights(self.call.name, self.result.code):
            copied = self.copied.get((output, False), 0)
            self._expect(f"number of rights in {output}", copied, len(self.result.outputs[output]))

    # ---- what sequences ask of their driver

    def destination(self, message: int) -> SlotTuple:
        return DESTINATION_SLOT, message, 0

    def reply(self, message: int) -> SlotTuple:
        return REPLY_SLOT, message, 0

    def body(self, message: int, index: int) -> SlotTuple:
        return BODY_SLOT, message, index

    def parts(self, descriptors: Sequence[Any]) -> Iterable[Part]:
        rights, pages = count(), count()
        for each in descriptors:
            if is_memory(each):
                address, _, deallocate = each
                yield PagePart(next(pages), address=address, deallocate=deallocate)
                continue
            if is_array(each):
                yield ArrayPart(0, disposition=each[1])
            for name, disposition in rights_in([each]):
                yield RightPart(next(rights), name=name, disposition=disposition)

    def rights(self, message: int) -> Iterable[Part]:
        """The rights of the body; the answer has it in the same layout, and its rights in the same forms."""
        state = self.system.state
        layout, seen = state["layout"].get(message, ()), self.result.outputs.get("descriptors", ())
        self._expect("layout of the body", layout, layout_of(seen))
        forms = [state["form"].get((BODY_SLOT, message, index), 0) for index in range(right_count(layout))]
        self.rights_seen = [name for name, _ in rights_in(seen)]
        self.pages_seen = [page for page, *_ in filter(is_memory, seen)]
        told = build_descriptors(layout, list(zip(self.rights_seen, forms, strict=True)), self.pages_seen)
        self._expect("forms of the descriptors", told, _deeply_tupled(seen))
        return map(Part, range(len(forms)))

    def pages(self, message: int) -> Iterable[Part]:
        return map(Part, range(page_count(self.system.state["layout"].get(message, ()))))

    def any_of(self, conditions: list[bool]) -> bool:
        return any(conditions)


_OF_ANY_NUMBER = (OutputType.PORTS, OutputType.DESCRIPTORS)
"""Results that may name nothing."""


@cache
def _types(call: str) -> dict[str, OutputType]:
    """The results of a call, with their types."""
    return {output.name: output.type for output in SIGNATURES[call].outputs}


@cache
def _names(call: str, code: int) -> frozenset[str]:
    """The results that come with an answer of this code."""
    return frozenset(output.name for output in SIGNATURES[call].results(code))


@cache
def _lists_of_rights(call: str, code: int) -> tuple[str, ...]:
    """Those of them that name any number of rights."""
    return tuple(output.name for output in SIGNATURES[call].results(code) if output.type is OutputType.PORTS)


@cache
def _first_code_with(call: str, output: str) -> int:
    """The code with which this result comes: of success, if it comes with that."""
    return next(code for code in (ReturnCode.KERN_SUCCESS, *SIGNATURES[call].partial) if output in _names(call, code))


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _deeply_tupled(value: object) -> object:
    return tuple(_deeply_tupled(part) for part in value) if isinstance(value, (list, tuple)) else value


def _code_difference(expected: int, seen: int) -> Difference:
    return Difference("return code", code_name(expected), code_name(seen))


def _plain(value: object) -> str:
    return "nothing" if value is None else str(value)


def _disagreed(cases: tuple[str, ...], clause: str, differences: list[Difference]) -> Judgement:
    words = "; ".join(str(difference) for difference in differences)
    return Judgement(False, cases, clause, words, tuple(differences))


__all__ = ["BrokenInvariant", "Judgement", "Oracle", "broken_by_step", "broken_invariants"]
