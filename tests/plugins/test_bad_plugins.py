"""Plugins that can't be used: one line that says why, exit status 2, and nothing of them stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.plugins import python, sendright

HEAD = "import z3\nfrom sendright.plugins import Plugin\nplugin = Plugin('bad')\n"
PROPERTY = '''
@plugin.{kind}({number}, "wrong")
def wrong(v, s):
    """Wrong."""
    {body}
'''


def invariant(body: str, number: object = 1500, kind: str = "invariant") -> str:
    return HEAD + PROPERTY.format(kind=kind, number=number, body=body)


CALL = """
from sendright.mach.signatures.signature import NAME, Output, OutputType, on_task
from sendright.mach.abi.codes import ReturnCode
from sendright.model.language.rule import Case, Context
from sendright.model.language.terms import Name, Int
from collections.abc import Iterator
plugin.call(on_task("my_call", "About.", "x", NAME))
"""
RULE = """
@plugin.rule()
def {name}(k: Context, task: Name, name: {sort}) -> Iterator[Case]:
    "Mine."
    {body}
"""
CODE = """
@plugin.code()
def my_call(kernel, caller, task, name): ...
"""
SEQUENCE = """
from sendright.model.language.sequences import run

@plugin.sequence("my_call")
def steps(d):
    {body}
"""
GOOD_RULE = RULE.format(name="my_call", sort="Name", body='yield k.succeeds("it works", z3.BoolVal(True))')
BAD: dict[str, tuple[str, str]] = {
    "no_module_inside": ("import nothing_like_this", "can't be imported: it raised ModuleNotFoundError: No module named 'nothing_like_this'"),
    "raises": ("1 / 0", "raised ZeroDivisionError: division by zero (raises.py, line 1"),
    "exits": ("raise SystemExit(0)", "raised SystemExit"),
    "no_syntax": ("def (", "raised SyntaxError"),
    "no_plugin": ("x = 1", 'no_plugin has no Plugin (write there: plugin = sendright.plugins.Plugin("my-plugin"))'),
    "another_thing": ("plugin = 3", "has no Plugin"),
    "no_name": ("from sendright.plugins import Plugin\nplugin = Plugin('a b')", "letters, digits, dots and dashes"),
    "own_number": (invariant("yield 'x', z3.BoolVal(True)", 8), "invariant 8: a plugin's numbers are from 1000 to 9999"),
    "number_twice": (
        invariant("yield 'x', z3.BoolVal(True)") + PROPERTY.format(kind="step_property", number=1500, body="yield 'x', z3.BoolVal(True)"),
        "step property 1500: there is an invariant or a step property 1500 already",
    ),
    "no_number": (invariant("yield 'x', z3.BoolVal(True)", "'1500'"), "a plugin's numbers are from 1000 to 9999"),
    "no_generator": (invariant("return 3"), "is not a function that yields"),
    "no_pair": (invariant("yield 3"), "yields int, not a pair of title and formula"),
    "no_formula": (invariant("yield 'x', 3"), "the clause 'x' is 3, not a formula"),
    "no_truth": (invariant("yield 'x', z3.Int('n')"), "the clause 'x' is n, not a formula"),
    "free": (invariant("yield 'x', s.alive(v.t)"), "the clause 'x' speaks of t, which no forall binds"),
    "wrong_field": (invariant("yield 'x', s.nothing(v.t)"), "invariant 1500 raised AttributeError"),
    "wrong_sort": (invariant("yield 'x', z3.ForAll([v.t], s.sends(v.t))"), "invariant 1500 raised"),
    "no_points": (invariant("yield 'x', z3.ForAll([v.i], v.i == v.i)"), "for all of a sort that can't be looked through"),
    "no_clause": (invariant("yield from ()"), "yields no clause"),
    "no_docstring": (invariant("yield 'x', z3.BoolVal(True)").replace('"""Wrong."""', ""), "has no docstring"),
    "step_raises": (invariant("yield 'x', x.y", kind="step_property"), "step property 1500 raised NameError"),
    "own_call": (
        HEAD + "from sendright.mach.signatures import SIGNATURES\nplugin.call(SIGNATURES['mach_task_self'])",
        "call mach_task_self: there is a call mach_task_self already",
    ),
    "no_signature": (HEAD + "plugin.call('mach_my_call')", "is not a sendright.mach.signatures.Signature"),
    "no_rule": (HEAD + CALL + CODE, "call my_call: has no rule"),
    "no_code": (HEAD + CALL + GOOD_RULE, "call my_call: has no code for the reference kernel"),
    "rule_takes_other": (
        HEAD + CALL + CODE + RULE.format(name="my_call", sort="Int", body='yield k.succeeds("x", z3.BoolVal(True))'),
        "the rule takes (task: Name, name: Int)",
    ),
    "rule_raises": (HEAD + CALL + CODE + RULE.format(name="my_call", sort="Name", body="yield k.nothing"), "rule my_call raised AttributeError"),
    "rule_of_another": (HEAD + CALL + CODE + GOOD_RULE + RULE.format(name="task_suspend", sort="Name", body="yield 3"), "not a call of this plugin"),
    "code_takes_other": (HEAD + CALL + GOOD_RULE + CODE.replace("task, name", "task"), "must take the kernel, the caller, and then task, name"),
    **{
        f"sequence_{name}": (HEAD + CALL + GOOD_RULE + CODE + SEQUENCE.format(body=body), words)
        for name, body, words in (
            ("raises", "yield run('my_call')\n    1 / 0", "sequence steps raised ZeroDivisionError"),
            ("no_step", "yield 5", "sequence steps: yields int, not a step"),
            ("no_rule", "yield run('my_cal')", "sequence steps: runs 'my_cal', and there is no such rule"),
            ("nothing", "yield from ()", "sequence my_call: runs no rule"),
        )
    },
    "own_profile": (HEAD + "plugin.profile('xnu', based_on='manual')", "sendright has one of this name"),
    "no_base": (HEAD + "plugin.profile('mine', based_on='gnumak')", "based_on: must name a profile (did you mean gnumach?)"),
    "no_switch": (HEAD + "plugin.profile('mine', based_on='gnumach', many_set=True)", "unknown switch 'many_set' (did you mean many_sets?)"),
    "no_file": (HEAD + "plugin.profile_file('nowhere.toml')", "nowhere.toml: can't be read: No such file or directory"),
    "own_fault": (HEAD + "plugin.fault('move-send-keeps-sender', 'x')(int)", "there is a fault move-send-keeps-sender already"),
    "own_sut": (HEAD + "plugin.adapter('gnumach')(int)", "sendright has a kernel of this name"),
    "no_rule_of_audit": (
        HEAD + "@plugin.audit_rule('x', invariants=(1,), title='x', needs=('births',))\ndef x(store):\n    'X.'\n    yield 3\n",
        "needs must name tables that it reads",
    ),
    "odd_title": (HEAD + "plugin.fault('x', 'a \\x1b[31m title')(int)", "title: 'a \\x1b[31m title' has characters that can't be shown"),
    "odd_about": (HEAD + "plugin.adapter('x', 'right to \\u202e left')(int)", "about: 'right to \\u202e left' has characters that can't be shown"),
    "odd_version": (HEAD.replace("'bad'", "'bad', '1\\x1b[2J'"), "the version must be a text, of at most 64 characters that can be shown"),
    "odd_docstring": (invariant("yield 'x', z3.BoolVal(True)").replace("Wrong.", "Wr\\x1b[31mong."), "its docstring: 'Wr"),
    "own_reader": (HEAD + "from sendright.impl.recordings.jamf import Jamf\nplugin.log_reader(Jamf())", "there is a log reader of this name already"),
    "no_reader": (HEAD + "plugin.log_reader(3)", "log reader 3 has no name, about, versions, recognizes, read"),
    "no_witnesses": (HEAD + "plugin.witnesses('nowhere.json')", "there is no such file, or it is too large"),
}
TRY = """
import json, sys
from sendright.impl.faults import FAULTS
from sendright.impl.recordings.forms import FORMS
from sendright.impl.reference.kernel import ADDED_ROUTINES
from sendright.mach.extensions import extensions
from sendright.mach.kernel.adapters import ADAPTERS
from sendright.mach.kernel.profiles import ADDED_CALLS, PROFILES
from sendright.mach.signatures import SIGNATURES
from sendright.model.proof.catalogue import known_invariants
from sendright.model.language.rule import RULES
from sendright.plugins import PluginError, load
from sendright.properties.audit.audit import RULES as AUDITS

def all_there():
    tables = (FAULTS, ADDED_ROUTINES, ADAPTERS, ADDED_CALLS, PROFILES, SIGNATURES, RULES, AUDITS, known_invariants())
    return [sorted(map(str, table)) for table in tables] + [len(FORMS), len(extensions())]

before, said = all_there(), {}
for name in sys.argv[1:] or json.load(open("names.json")):
    try:
        load(name)
        said[name] = "loaded"
    except PluginError as error:
        said[name] = str(error)
    if all_there() != before:
        said[name] += " BUT SOMETHING OF IT STAYS"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is said of each, in one process: nothing of one may stay for the next."""
    place = tmp_path_factory.mktemp("bad")
    for name, (text, _) in BAD.items():
        (place / f"{name}.py").write_text(text)
    (place / "names.json").write_text(json.dumps([*BAD, "not_there", "not a name", "own_number:thing"]))
    return python(TRY, place, place)


@pytest.mark.parametrize("name", BAD)
def test_it_is_told_in_one_line(said: dict[str, str], name: str) -> None:
    assert BAD[name][1] in said[name]
    assert said[name].startswith("plugin ")
    assert "\n" not in said[name]
    assert not said[name].endswith("STAYS")


def test_what_is_not_there(said: dict[str, str]) -> None:
    assert said["not_there"] == "plugin not_there: no module is named not_there (install it, or set PYTHONPATH to the directory that holds it)"
    assert "is neither the name of a module nor of an installed plugin" in said["not a name"]


RAISES_LATE = "assert s.rule != 'mach_port_type', 'too late'\n    yield 'x', z3.BoolVal(True)"
LATE = HEAD + PROPERTY.format(kind="step_property", number=1501, body=RAISES_LATE)
READER = """
from sendright.plugins import Plugin
plugin = Plugin("bad")

class Reader:
    name, about, versions = "odd", "odd lines", False
    def recognizes(self, head): return head.startswith(b"odd")
    def read(self, source):
        yield from ()
        raise RuntimeError("half way")

plugin.log_reader(Reader())

@plugin.audit_rule("odd", invariants=(), title="odd", needs=("rights",))
def odd(store):
    "Odd."
    yield "no suspect"

@plugin.fault("odd", "odd")
def kernel():
    raise RuntimeError("no kernel")

@plugin.adapter("odd")
def adapter():
    return 3
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prove", "--no-cache", "--call", "mach_port_type"], "plugin late: step property 1501 raised AssertionError: too late"),
        (["audit", "odd.log"], "plugin reader: log reader odd raised RuntimeError: half way"),
        (["audit", "rights.log"], "plugin reader: audit rule odd: yields str, not a Suspect"),
        (["check", "--fault", "odd", "-n", "1"], "plugin reader: fault odd raised RuntimeError: no kernel"),
        (["check", "--sut", "odd", "-n", "1"], "--sut: odd: has no boot(profile), call(task, call), snapshot(), name"),
        (["calls", "--plugin", "nothing_here"], "plugin nothing_here: no module is named nothing_here"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_goes_wrong_later_is_bad_input_and_no_verdict(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "late.py").write_text(LATE.replace("'bad'", "'late'"))
    (tmp_path / "reader.py").write_text(READER.replace('"bad"', '"reader"'))
    (tmp_path / "odd.log").write_text("odd\n")
    (tmp_path / "rights.log").write_text("example: task 7 of user 501 controls 2 of user 0\n")
    both = ("--plugin", "sendright_example") if arguments[-1] == "rights.log" else ()
    quiet = [] if arguments[0] == "calls" else ["-q"]
    done = sendright(*arguments, *both, "--plugin", "late", "--plugin", "reader", *quiet, at=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    [line] = done.stderr.splitlines()
    assert words in line
