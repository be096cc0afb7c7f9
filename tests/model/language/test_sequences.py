"""The declared sequences of calls: what follows from them, and what is wrong with one that can't be followed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU_792
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Step
from sendright.model.execution import kernel_choices, oracle, told_results
from sendright.model.execution.kernel_choices import ways_to_choose
from sendright.model.execution.oracle import Oracle
from sendright.model.language import arguments, sequences
from sendright.model.language.rule import COPY_IN, COPY_OUT, DESTROY, FINISH, LOOKS, PENDING_RULES, RULES, Case, Context, rule
from sendright.model.language.sequences import Driver, Failed, Steps, Value, copy_in, rules_of, run, sequence
from sendright.model.language.terms import Name
from sendright.model.proof import preconditions
from sendright.model.proof.counterexamples import refute as refuter
from sendright.model.proof.obligations import ProofTask, decide
from sendright.model.proof.solver import instantiate
from sendright.properties.provenance.carried import DESTINATION, REPLY, Carried, NamedResult, carried_by, named_by

INSERT = "mach_port_insert_right"


def test_the_rules_of_a_call_follow_from_its_sequence() -> None:
    assert rules_of(INSERT) == (f"{INSERT}: request", COPY_IN, INSERT, DESTROY)
    assert rules_of("mach_task_self") == ("mach_task_self", COPY_OUT, FINISH)
    assert rules_of("mach_port_mod_refs") == ("mach_port_mod_refs",)
    assert rules_of("task_set_special_port") == ("task_set_special_port", "task_set_special_port: resumed")
    assert rules_of("no_such_call") == ("no_such_call",)
    for profile in (MANUAL, XNU_792):
        two_steps = "host_security_create_task_token: resumed" in rules_of("host_security_create_task_token", profile)
        assert two_steps == profile.tokens_in_two_steps


def test_every_rule_is_a_calls_or_is_left_to_do() -> None:
    assert {rule for call in SIGNATURES for rule in rules_of(call)} | {*PENDING_RULES, *LOOKS} == set(RULES)


@pytest.mark.parametrize("module", [oracle, kernel_choices, told_results, arguments, preconditions, sequences], ids=lambda module: module.__name__)
def test_what_drives_sequences_knows_no_call_by_name(module: object) -> None:
    source = inspect.getsource(module)  # type: ignore[arg-type]
    assert [call for call in SIGNATURES if f'"{call}' in source] == []


@pytest.mark.parametrize("name", [name for name in RULES if name not in PENDING_RULES])
def test_the_oracle_finds_every_choice(name: str) -> None:
    assert len(ways_to_choose(tuple(RULES[name].choices))) <= len(RULES[name].choices)


def test_a_sequence_takes_arguments_that_its_call_has() -> None:
    with pytest.raises(TypeError, match="mach_port_type takes poly"):

        @sequence("mach_port_type")
        def wrong(d: Driver, poly: Value) -> Steps:
            yield run("mach_port_type")


def test_a_changed_sequence_is_what_is_judged_and_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right ``poly`` is copied in twice: the oracle can't follow, and the prover finds no room for the second."""
    call = Call(INSERT, {"task": 1, "name": 9, "poly": 1, "disposition": 19})
    assert Oracle(MANUAL).judge(0, call, Result(ReturnCode.KERN_INVALID_TASK)).agreed
    assert proved(f"{INSERT}: request")
    declared = dict(sequences._DECLARED)
    monkeypatch.setattr(sequences, "_DECLARED", declared)

    @sequence(INSERT)
    def twice(d: Driver, poly: Value, disposition: Value) -> Steps:
        begun = yield run(f"{INSERT}: request")
        request = begun["request_message"]
        try:
            yield copy_in(d, request, d.body(request, 0), poly, disposition, when=begun["carries"])
            yield copy_in(d, request, d.body(request, 0), poly, disposition, when=begun["carries"])
            yield run(INSERT, message=request)
        except Failed:
            yield run(DESTROY, message=request, at_once=False)
            raise

    assert not proved(f"{INSERT}: request")
    with pytest.raises(AssertionError, match="copy in a right was run where it doesn't belong"):
        Oracle(MANUAL).judge(0, call, Result(ReturnCode.KERN_INVALID_TASK))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving up takes seconds, and so does a search for a counterexample: here little effort is enough for what is
    proved.
    """
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))
    monkeypatch.setattr(instantiate, "RLIMIT", 10_000_000)
    monkeypatch.setattr(instantiate, "ROUNDS", 1)


def proved(rule: str) -> bool:
    return all(obligation.verdict.name == "PROVED" for obligation in decide("manual", ProofTask("sequence", rule)))


def test_a_step_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disposition that says none: nothing is copied in, and the call fails with the request's destruction."""
    judging = Oracle(MANUAL)
    judged = judging.judge(0, Call(INSERT, {"task": 1, "name": 9, "poly": 1, "disposition": 99}), Result(ReturnCode.KERN_INVALID_TASK))
    assert judged.agreed
    assert [case.split("/")[0] for case in judged.cases] == [f"{INSERT}: request", INSERT, DESTROY]


def test_the_code_is_compared_before_results() -> None:
    own = Oracle(MANUAL)
    assert own.judge(0, Call("mach_task_self", {}), Result(ReturnCode.KERN_SUCCESS, {"port": 20})).agreed
    call = Call("mach_port_extract_right", {"task": 20, "name": 20, "disposition": 19})
    judged = own.judge(0, call, Result(ReturnCode.KERN_INVALID_RIGHT))
    assert judged.words == "return code: expected KERN_SUCCESS, seen KERN_INVALID_RIGHT"


@pytest.mark.parametrize(("names", "words"), [((), "more than 0, seen 0"), ((0,) * 6, "expected 3, seen 6")])
def test_the_number_of_rights_in_an_array(names: tuple[int, ...], words: str) -> None:
    judging = Oracle(MANUAL)
    assert judging.judge(0, Call("mach_task_self", {}), Result(ReturnCode.KERN_SUCCESS, {"port": 20})).agreed
    judged = judging.judge(0, Call("mach_ports_lookup", {"task": 20}), Result(ReturnCode.KERN_SUCCESS, {"ports": names}))
    assert not judged.agreed
    assert judged.words.startswith("number of rights in ports: expected")
    assert judged.words.endswith(words)


def step_of(call: str, outputs: dict[str, object] | None = None, **given: object) -> Step:
    return Step(index=0, task=0, call=call, arguments=given, code=int(ReturnCode.KERN_SUCCESS), outputs=outputs or {})


def test_what_a_step_carries() -> None:
    """As the sequence says; whatever a trace may have in place of numbers."""
    assert carried_by(step_of(INSERT, task=1, name=9, poly=7, disposition=20)) == [Carried(0, 7, 20, None)]
    assert carried_by(step_of("mach_port_extract_right", task=1, name=9, disposition=17)) == [Carried(0, 9, 17, 1)]
    sent = carried_by(step_of("mach_msg_send", dest=3, reply=4, reply_disposition=21, descriptors=[[5, 19], [[6, 7], 17], [1, 0, False], "?"]))
    assert {each.place: (each.name, each.disposition) for each in sent} == {
        DESTINATION: (3, 19),
        REPLY: (4, 21),
        0: (5, 19),
        1: (6, 17),
        2: (7, 17),
        3: (-1, -1),
    }
    assert carried_by(step_of("mach_port_type", task=1, name=9)) == []
    assert carried_by(step_of("no such call")) == []


def test_what_the_results_of_a_step_name() -> None:
    received = step_of("mach_msg_receive", {"reply": 4, "descriptors": [[5, 17], [[6, 7], 17]]}, port=2)
    assert named_by(received) == [NamedResult(REPLY, 4), NamedResult(0, 5), NamedResult(1, 6), NamedResult(2, 7)]
    assert named_by(step_of("mach_port_extract_right", {"poly": 5, "acquired": 17}, task=1, name=9, disposition=17)) == [NamedResult(0, 5)]


def test_a_new_call_of_several_rules_needs_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sequence says all: which rules are compiled and proved, and how the oracle goes through them."""
    monkeypatch.setattr(sequences, "_DECLARED", dict(sequences._DECLARED))
    monkeypatch.setattr("sendright.model.execution.system._compiled", {})
    for name in ("example: second", "example: third"):
        monkeypatch.setitem(RULES, name, RULES["mach_port_type"])  # so that they are taken away again
        RULES.pop(name)

    @rule("example: second")
    def second(k: Context, name: Name) -> Iterator[Case]:
        """Goes on, unless the name is NULL."""
        yield k.fails(ReturnCode.KERN_INVALID_NAME, "NULL", name == k.sorts.null)
        yield k.continues("a name", k.otherwise(), last=z3.BoolVal(True))

    @rule("example: third")
    def third(k: Context, task: Name) -> Iterator[Case]:
        """Answers."""
        yield k.succeeds("the end", k.otherwise())

    @sequence("mach_port_deallocate")
    def example(d: Driver) -> Steps:
        gone_on = yield run("example: second")
        yield run("example: third", when=gone_on["last"])

    assert rules_of("mach_port_deallocate", PROFILES["manual"]) == ("example: second", "example: third")
    judging = Oracle(MANUAL)
    judged = judging.judge(0, Call("mach_port_deallocate", {"task": 1, "name": 9}), Result(ReturnCode.KERN_SUCCESS))
    assert judged.cases == ("example: second/CONTINUES/a name", "example: third/KERN_SUCCESS/the end")
    judged = judging.judge(0, Call("mach_port_deallocate", {"task": 1, "name": 0}), Result(ReturnCode.KERN_INVALID_NAME))
    assert judged.agreed
    assert proved("example: second")
