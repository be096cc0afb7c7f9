"""Policies and the calls: what is proved, and which call breaks a policy that isn't closed."""

import msgspec
import pytest
import z3
from support.policies import EXAMPLES, decided, missing, policy

from sendright.mach.kernel.profiles import MANUAL, XNU_792
from sendright.mach.results.checks import Basis
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sorts import KIND
from sendright.model.policy.reading import readings, restricts_reading
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.counterexamples.counterexample import Search
from sendright.model.proof.policy import EDGES_SHOWN, SIZES, PolicyQuestion, asked, decide_reading, missing_edges, prove_policy
from sendright.properties.policy.load import load_policy, parse_policy

CLIENTS = load_policy(EXAMPLES / "clients.toml")
QUEUED = ("mach_msg_send: deliver", "the message is queued")


def test_a_closed_policy_is_kept() -> None:
    for case in (("mach_msg_receive: take", "the oldest message"), QUEUED):
        found = decided(CLIENTS, *case)
        assert found.obligation.verdict is Verdict.PROVED
        assert found.obligation.basis is not Basis.UNTOUCHED
        assert found.broken is None


@pytest.mark.heavy
def test_what_is_missing_is_read_off_a_state_in_a_small_scope() -> None:
    """The search alone, without the attempt to prove: a policy in which b may send to a, and a may not control b."""
    index = next(index for index, case in enumerate(RULES[QUEUED[0]].cases(Context(RULES[QUEUED[0]], ANY_STATE, MANUAL))) if case.title == QUEUED[1])
    found = missing_edges(asked(policy("b send a"), QUEUED[0], index, MANUAL))
    assert {(edge.where, edge.who) for edge in found.edges} == {("carry", "a")}
    assert len(set(found.edges)) == len(found.edges) <= EDGES_SHOWN, "each once"
    assert found.clause.startswith("who ")
    assert found.example is not None
    assert found.example.broken[0] == f"{found.clause}: the policy lacks “{found.edges[0]}”"
    assert "t0 has the label b" in found.example.who
    assert len(found.example.trace.initial.ports) <= 5


CONTROL = "a control,send,receive b"
CLOSURE = {
    "control, extract": (["a control b"], ("copy in a right", "COPY_SEND copies the send right"), "a may send to b"),
    "control, insert": ([CONTROL], ("mach_port_insert_right", "a send right under the name"), "b may control a"),
    "control, special port": (["a control b", "keep: b send b"], ("task_get_special_port", "a clone of the special port"), "a may send to b"),
    "control, set": ([CONTROL], ("task_set_special_port", "the right is kept"), "the kernel may keep for b a right to control a"),
    "send": (["b send a"], QUEUED, "messages to a may carry a right to control b"),
    "receive": (["a receive b", "carry: b control b"], ("mach_msg_receive: take", "the oldest message"), "a may control b"),
    "receive makes send": (["b receive a"], ("copy in a right", "MAKE_SEND makes a send right"), "b may send to a"),
    "rescue": (
        ["a send_once b"],
        ("mach_port_request_notification", "port-destroyed is registered"),
        "messages to b may carry a right to receive from a",
    ),
    "children": (
        ["a control,share b", "b copy_memory a", "keep: a hold host"],
        ("task_create", "a child like its parent"),
        "the kernel may keep for b a right to hold a port of host",
    ),
    "children are controlled": (
        ["a share b", "b copy_memory a", "keep: a hold host", "keep: b hold host"],
        ("task_create", "a child like its parent"),
        "a may control b",
    ),
    "special ports of the host": (
        ["a hold host", "carry: host control b"],
        ("host_get_special_port", "a clone of the special port"),
        "a may control b",
    ),
    "set a port of the host": (
        ["a hold host", "carry: host hold host"],
        ("host_set_special_port", "the right is kept"),
        "messages to host may carry a right to control a",
    ),
    "tokens": ([CONTROL, "a hold host"], ("host_security_set_task_token", "tokens and the ordinary host port are set"), "a may give tokens to b"),
    "memory": (
        [CONTROL, "keep: a hold host", "keep: b hold host"],
        ("task_create", "a child like its parent"),
        "b may begin with a copy of the memory of a",
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("condition", CLOSURE)
def test_each_condition_is_needed(condition: str) -> None:
    """A policy that lacks one condition of docs/policies.md is broken by the call that the page names."""
    entries, case, wanted = CLOSURE[condition]
    found = decided(policy(*entries), *case)
    assert found.obligation.verdict is Verdict.REFUTED
    assert wanted in missing(found)


def question_of(entries: list[str], case: tuple[str, str]) -> PolicyQuestion:
    """What is asked of a case under a policy."""
    index = next(index for index, each in enumerate(RULES[case[0]].cases(Context(RULES[case[0]], ANY_STATE, MANUAL))) if each.title == case[1])
    return asked(policy(*entries), case[0], index, MANUAL)


def test_a_state_has_nothing_at_numbers_that_its_scope_leaves_out() -> None:
    """A right in a special port of a number that no invariant and no policy was written out for could be any right."""
    entries, case, _ = CLOSURE["special ports of the host"]
    search = Search(MANUAL, question_of(entries, case).of_edges(()), SIZES[0], from_nothing=False)
    which = search.question.k["which"]
    there = search.before.kind(search.here.sorts.Slot.host_slot(search.here.term(which))) != KIND.NONE
    search.solver.add(there, *[which != index for index in range(10)])
    assert search.solver.check() == z3.unsat


@pytest.mark.heavy
def test_only_what_is_missing_is_found_though_all_demands_are_looked_at() -> None:
    entries, case, wanted = CLOSURE["special ports of the host"]
    assert {str(edge) for edge in missing_edges(question_of(entries, case)).edges} == {wanted}


@pytest.mark.heavy
def test_all_edges_that_a_case_lacks_are_found() -> None:
    """The caller may be the target itself, or another task: each lacks an edge, in states of their own."""
    entries, case, _ = CLOSURE["tokens"]
    assert missing(decided(policy(*entries), *case)) == {"a may give tokens to a", "a may give tokens to b"}


def test_who_reads_whom_follows_from_the_policy() -> None:
    under = policy("a control,read b", "b send_once a", "a receive b", "b read a")
    assert {(one.call, str(one.edge)) for one in readings(under)} == {("task_info", "a may read b"), ("task_create", "b may read a")}
    assert [one.obligation.verdict for one in decide_reading(under)] == [Verdict.PROVED] * 2
    under = policy("a send b", "b share a", "b read a")
    assert [(one.call, str(one.edge)) for one in readings(under)] == [("vm_read", "a may read b"), ("vm_read", "b may read a")]
    refuted, proved = decide_reading(under)
    assert (refuted.obligation.verdict, missing(refuted), proved.obligation.verdict) == (Verdict.REFUTED, {"a may read b"}, Verdict.PROVED)
    by_message = next(readings(msgspec.structs.replace(policy("a send_once b"), children={"a": ("a",), "b": ("b",)}, other_tasks="b")))
    assert (by_message.call, str(by_message.edge)) == ("mach_msg_receive", "b may read a")
    assert "a may send once to b" in by_message.why
    children = {"a": ("b",), "b": ("c",), "c": ("c",)}
    family = msgspec.structs.replace(policy(), labels=("a", "b", "c"), children=children, ports={label: (label,) for label in children})
    assert {str(one.edge) for one in readings(family) if one.call == "task_create"} == {"b may read a", "c may read a", "c may read b"}
    assert not restricts_reading(policy("a send_once b")), "a policy that says nothing of reading doesn't restrict it"
    assert len(list(prove_policy(under, MANUAL, ["mach_port_type"], 0))) == 4, "it is decided with all calls"


@pytest.mark.heavy
def test_without_keep_the_children_of_the_example_inherit_the_security_port() -> None:
    text = (EXAMPLES / "clients.toml").read_text("utf-8")
    begin, end = text.index("[[keep]]"), text.index("[[carry]]")
    found = decided(parse_policy(text[:begin] + text[end:], EXAMPLES / "clients.toml"), "task_create", "a child like its parent")
    assert found.obligation.verdict is Verdict.REFUTED
    assert all(words.startswith("the kernel may keep for ") for words in missing(found))


@pytest.mark.heavy
@pytest.mark.parametrize("case", [QUEUED, ("mach_msg_receive: take", "the oldest message"), ("task_create", "a child like its parent")], ids=str)
def test_no_proof_rests_on_a_contradiction(case: tuple[str, str]) -> None:
    """There is a state that keeps the example and from which the case runs."""
    index = next(index for index, each in enumerate(RULES[case[0]].cases(Context(RULES[case[0]], ANY_STATE, MANUAL))) if each.title == case[1])
    question = asked(CLIENTS, case[0], index, MANUAL).of_edges(())
    assert any(Search(MANUAL, question, size).possible() for size in SIZES)


@pytest.mark.heavy
def test_the_example_is_kept_by_all_calls() -> None:
    found = list(prove_policy(CLIENTS, MANUAL, jobs=2))
    assert {one.obligation.verdict for one in found} == {Verdict.PROVED}
    assert sum(one.obligation.basis is not Basis.UNTOUCHED for one in found) > 100


@pytest.mark.heavy
def test_a_kernel_that_checks_no_host_port_breaks_the_example() -> None:
    """Hazard H-4: the child gets the privileged host port."""
    found = decided(CLIENTS, "host_security_create_task_token", "a child with the given tokens and the privileged host port", XNU_792)
    assert found.obligation.verdict is Verdict.REFUTED
    assert "hold a port of privileged" in " ".join(missing(found))
