"""A call that is added to the signature table, with a rule of its own, is asked of every property."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from support.places import ROOT

SIGNATURES = """
NEW = (
    on_task("new_query", "As mach_port_get_refs.", "", NAME, RIGHT, outputs=(Output("refs", OutputType.REFERENCES, ""),)),
    on_task(
        "new_getter",
        "As task_get_special_port.",
        "",
        Argument("which", ArgumentType.SELECTOR, ""),
        outputs=(Output("port", OutputType.PORT, ""),),
    ),
    on_task("new_write", "As vm_write.", "", Argument("address", ArgumentType.PAGE, ""), Argument("value", ArgumentType.WORD, "")),
    on_task("new_mask", "As task_get_exception_ports.", "", Argument("exception_mask", ArgumentType.EXCEPTION_MASK, "")),
    on_task("new_name", "As mach_port_allocate_name.", "", NAME, outputs=(Output("name", OutputType.NAME, ""),)),
    on_task("new_token", "As host_security_set_task_token.", "", Argument("security_token", ArgumentType.SECURITY_TOKEN, "")),
    on_task("new_steps", "As task_set_special_port.", "", in_steps=True),
    Signature(
        name="new_ledger",
        about="As ledger_terminate.",
        arguments=(Argument("ledger", ArgumentType.PORT, "", PortObject.LEDGER),),
        target="ledger",
    ),
)
"""
RULES = '''

@rule()
def new_query(k: Context, task: Name, name: Name, right: Int) -> Iterator[Case]:
    """A call that only looks."""
    # CASES
    yield from k.request(task, called="task")

    # REPLY
    yield k.succeeds("looked", k.otherwise(), refs=z3.IntVal(0))


@rule()
def new_getter(k: Context, task: Name, which: Int, *, reply_message: Message) -> Iterator[Case]:
    """A call that gives a right."""
    # CASES
    yield from k.request(task, called="task")

    # REPLY
    def begin(after: After) -> None:
        k.begin_reply(after, reply_message, 1)

    yield k.succeeds("given", k.otherwise(), begin, replies=1)
'''
SHOW = """
import json
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.signatures import SIGNATURES
from sendright.model import calls
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.rule import RULES, Context, Rule
from sendright.model.language.sequences import rules_of
from sendright.model.language.state import After
from sendright.model.language.transition import Transition
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.properties import properties_of_case, properties_of_rule

found = {}
for name in ("new_query", "mach_port_get_refs", "new_getter", "task_get_special_port"):
    k = Context(RULES[name], ANY_STATE, MANUAL)
    case = list(k.rule.cases(k))[-1]
    after = After(k.before, MANUAL)
    case.effect(after)
    of_case = [each.name for each in properties_of_case(k, case, after) if each.name != "counting"]
    found[name] = [sorted([*(each.name for each in properties_of_rule(k)), *of_case]), list(rules_of(name, MANUAL))[1:]]
facts = {}
for name in ("new_query", "new_getter", "new_write", "new_mask", "new_name", "new_token", "new_steps", "new_ledger"):
    call = SIGNATURES[name]
    asked = ("targets_task_only", "replies_with_rights", "addresses_memory", "selects_exceptions", "named_by_caller", "sets_tokens", "in_steps")
    asked += ("changes_ledgers",)
    facts[name] = [fact for fact in asked if getattr(call, fact)]
print(json.dumps([found, facts]))
"""

Report = tuple[dict[str, list[list[str]]], dict[str, list[str]]]
"""Of four calls their properties and further rules; of the new calls the facts that follow from their signatures."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What a package with the new calls says of them."""
    package = tmp_path_factory.mktemp("new") / "sendright"
    for folder in ("mach", "model"):
        shutil.copytree(ROOT / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    table = package / "mach" / "signatures" / "__init__.py"
    text = table.read_text("utf-8").replace("_TABLE = (", "_TABLE = (*NEW, ")
    (package / "mach" / "signatures" / "new.py").write_text(
        "from sendright.mach.abi.rights import PortObject\n"
        "from sendright.mach.signatures.signature import NAME, RIGHT, Argument, ArgumentType, Output, OutputType, Signature, on_task\n" + SIGNATURES,
        "utf-8",
    )
    table.write_text(text.replace("\n__all__", "\nfrom sendright.mach.signatures.new import NEW\n\n__all__", 1), "utf-8")
    (package / "model" / "calls" / "new.py").write_text(
        "from __future__ import annotations\n\nfrom collections.abc import Iterator\n\nimport z3\n\n"
        "from sendright.model.language.rule import Case, Context, rule\n"
        "from sendright.model.language.state import After\n"
        "from sendright.model.language.terms import Int, Message, Name\n" + RULES,
        "utf-8",
    )
    calls = package / "model" / "calls" / "__init__.py"
    calls.write_text(calls.read_text("utf-8") + "\nfrom sendright.model.calls import new  # noqa: E402, F401\n", "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found, facts = json.loads(run.stdout)
    return found, facts


@pytest.mark.parametrize(("new", "like"), [("new_query", "mach_port_get_refs"), ("new_getter", "task_get_special_port")])
def test_a_new_call_is_asked_what_a_call_like_it_is_asked(report: Report, new: str, like: str) -> None:
    found, _ = report
    assert found[new] == found[like]
    assert "step invariant 23" in found[new][0]


def test_facts_of_new_calls_follow_from_their_signatures(report: Report) -> None:
    _, facts = report
    assert facts == {
        "new_query": ["targets_task_only"],
        "new_getter": ["targets_task_only", "replies_with_rights"],
        "new_write": ["targets_task_only", "addresses_memory"],
        "new_mask": ["targets_task_only", "selects_exceptions"],
        "new_name": ["targets_task_only", "named_by_caller"],
        "new_token": ["targets_task_only", "sets_tokens"],
        "new_steps": ["targets_task_only", "in_steps"],
        "new_ledger": ["changes_ledgers"],
    }
