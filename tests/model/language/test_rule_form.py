"""Every rule has the same form: sections in their order, and guards of which a reader sees when they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import z3
from support.places import ROOT
from support.rule_form import faults

from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.model import calls
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.proof.any_state import ANY_STATE, held_by_any_state
from sendright.model.proof.solver.instantiate import Proof, follows_from_nothing

FILES = sorted(Path(calls.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_have_their_form(path: Path) -> None:
    assert list(faults(path.read_text())) == []


def test_no_rule_escapes() -> None:
    """A rule is a function of a module in ``model/calls``, with the decorator ``@rule(…)``."""
    assert sum(path.read_text().count("\n@rule(") for path in FILES) == len(RULES) > 70


def test_the_guides_rule_has_it() -> None:
    guide = ROOT / "docs" / "add-a-call.md"
    [rule] = [block for block in re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL) if "@rule(" in block]
    assert list(faults(rule)) == []


GOOD = '''
@rule()
def good(k: Context, task: Name, *, notification: Message) -> Iterator[Case]:
    """Do it."""
    # NAMES
    e = Entry(k, task, task)
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)

    # RIGHTS: what goes
    def go(after: After) -> None:
        clear(after, e.slot)
        # TOKENS
        set_tokens(k, after, e.task, e.task, e.task)

    # REPLY
    yield k.succeeds("it goes", k.otherwise(), go, name=task)
'''
FAULTS = {
    "# NAMES\n": ("# WORDS\n", "WORDS is no section"),
    "    # NAMES\n": ("", "it begins without a section"),
    "# CASES": ("# RIGHTS", "the order is NAMES, CASES, RIGHTS, TOKENS, REPLY, each once"),
    "    # CASES\n": ("", "there is a case under NAMES"),
    "    # RIGHTS: what goes\n": ("", "an effect under CASES"),
    "        # TOKENS\n": ("", "what changes tokens is under TOKENS, and nothing else is"),
    "        set_tokens(k, after, e.task, e.task, e.task)\n": ("", "what changes tokens is under TOKENS, and nothing else is"),
    "    # REPLY\n": ("", "a case that succeeds with results is under REPLY"),
    "k.otherwise()": ("True", "a case that applies when it is True"),
    'it goes", k.otherwise()': ('it goes", z3.BoolVal(True)', "a case that applies when it is True"),
    '    """Do it."""\n': ("", "it has no docstring"),
    '    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)\n\n    # RIGHTS: what goes\n': (
        '    # RIGHTS\n    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)\n\n',
        "a refusal before anything changes belongs under CASES",
    ),
}


@pytest.mark.parametrize("wrong", FAULTS)
def test_a_rule_of_another_form_is_found(wrong: str) -> None:
    assert list(faults(GOOD)) == []
    assert wrong in GOOD
    instead, fault = FAULTS[wrong]
    assert any(fault in found for found in faults(GOOD.replace(wrong, instead, 1)))


# ---- guards: when a case applies, as it is written


def unclear(rule: str, profile: Profile) -> Iterator[str]:
    """The cases, of those that are no errors, that apply at other times than is written: not always when it holds and
    no error comes before them.
    """
    k = Context(RULES[rule], ANY_STATE, profile)
    errors: list[Term] = []
    earlier: list[tuple[str, Term]] = []
    for case in RULES[rule].cases(k):
        if case.refuses:
            errors.append(case.when)
            continue
        written = case.when if case.meaning is None else case.meaning
        claims = [(f"{case.title}: not {title}", z3.Not(z3.And(written, when, *map(z3.Not, errors)))) for title, when in earlier]
        if case.meaning is not None:
            left = z3.And(case.when, *[z3.Not(condition) for condition in [*errors, *[when for _, when in earlier]]])
            claims.append((f"{case.title}: what is written", z3.And(z3.Implies(left, written), z3.Implies(written, case.when))))
        for words, claim in claims:
            if not follows_from_nothing(claim) and not _follows(k, claim):
                yield words
        earlier.append((case.title, case.when))


def _follows(k: Context, claim: Term) -> bool:
    for known in ([], held_by_any_state(k.profile)):
        if Proof(UNBOUNDED, [*UNBOUNDED.background, *k.assumptions()], known).decide(claim) == z3.unsat:
            return True
    return False


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_guard_says_when_its_case_applies(profile: Profile) -> None:
    """So nobody has to read the cases before it to know what is left for it, but the errors."""
    served = [name for name, rule in RULES.items() if rule.applies(profile)]
    assert [f"{rule}: {words}" for rule in served for words in unclear(rule, profile)] == []


def test_a_guard_that_says_too_much_or_too_little_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(title: str, meaning: Term | None) -> None:
        def cases(k: Context) -> Iterator[Case]:
            return (replace(case, meaning=meaning if case.title == title else case.meaning) for case in original.cases(k))

        monkeypatch.setitem(RULES, "vm_allocate", replace(original, cases=cases))

    original = RULES["vm_allocate"]
    last, anywhere = "the requested page", z3.Bool("anywhere")
    for meaning in (None, anywhere, z3.And(z3.Not(anywhere), z3.Int("address") > 0), z3.BoolVal(True)):
        changed(last, meaning)
        assert next(unclear("vm_allocate", MANUAL), None), meaning
    changed(last, z3.Not(anywhere))
    assert list(unclear("vm_allocate", MANUAL)) == []
