"""Policies for tests, and single cases of calls that are decided under them."""

from __future__ import annotations

from pathlib import Path

from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.model.language.rule import RULES, Context
from sendright.model.policy.policy import Policy
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.obligations import ProofTask
from sendright.model.proof.policy import Decided, decide_case
from sendright.properties.policy.load import parse_policy
from support.places import ROOT

EXAMPLES = ROOT / "docs" / "examples" / "policies"

BASE = """
format = "sendright-policy/1"
[labels]
a = "the first task"
b = "the children of a"
host = "the kernel's ports"
[boot]
"first task" = "a"
"other tasks" = "b"
"host security port" = "host"
"privileged host port" = "host"
"device port" = "host"
"host port" = "any task"
ledgers = "any task"
[children]
a = ["b"]
"""


def policy(*entries: str, top: str = "") -> Policy:
    """A policy of two labels for tasks, ``a`` and ``b``. An entry is ``who may,may to``, in ``allow`` or the table that
    comes first: ``keep: a send b``."""
    text = top + BASE
    for entry in entries:
        table, colon, rest = entry.rpartition(": ")
        who, may, to = rest.split()
        text += f'[[{table if colon else "allow"}]]\nwho = "{who}"\nmay = {may.split(",")}\nto = "{to}"\n'
    return parse_policy(text, Path("test.toml"))


def decided(under: Policy, rule: str, title: str, profile: Profile = MANUAL) -> Decided:
    """What is decided of the case of ``rule`` with this ``title``."""
    [index] = [index for index, case in enumerate(RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile))) if case.title == title]
    return decide_case(under, profile.name, None, ProofTask("case", rule, index))


def missing(found: Decided) -> set[str]:
    """The edges that the case needs and the policy lacks, as far as the search found them."""
    return {edge.words for edge in found.broken.missing} if found.broken else set()
