"""The generated pages beside the calls: commands, JSON, boot states, forms of results, effects. Each says what the
program does.
"""

import importlib.util
import json
import re
import sys
from types import ModuleType

import jsonschema
import msgspec
import pytest
from support.places import ROOT

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.view import view_of
from sendright.model.language.rule import RULES, Context
from sendright.model.language.state import FIELDS, After
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.tracing.effects import effects_of
from sendright.model.tracing.evidence import rules_in_use
from sendright.reports.findings import HEADLINES

GENERATOR = ROOT / "docs" / "generator"


def generator(name: str) -> ModuleType:
    """A module of docs/generator."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", GENERATOR / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def commands() -> list[object]:
    return list(generator("commands").commands())


def test_each_command_has_its_options_and_examples(commands: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = re.findall(r"^│ ([a-z-]+) +[A-Z]", capsys.readouterr().out.partition("Commands")[2], re.MULTILINE)
    assert [command.name for command in commands] == listed  # type: ignore[attr-defined]
    for command in commands:
        assert command.examples, command  # type: ignore[attr-defined]
        assert command.statuses[0], command  # type: ignore[attr-defined]
        assert "[bold]" not in str(command)
        assert all(option.help for option in command.options), command  # type: ignore[attr-defined]


def test_examples_use_options_that_exist(commands: list[object]) -> None:
    known = {command.name: {name for option in command.options for name in option.opts} for command in commands}  # type: ignore[attr-defined]
    for command in commands:
        for example in command.examples:  # type: ignore[attr-defined]
            for name, options in re.findall(r"sendright ([a-z-]+)([^&|]*)", example):
                used = re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", options)
                assert set(used) <= known[name] | {"--help"}, example


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_boot_state_is_the_kernels(profile: Profile) -> None:
    names = list(generator("plugging_in").boot_names(profile))
    kernel = ReferenceKernel()
    kernel.boot(profile)
    shown = kernel.snapshot()
    assert {name: number for name, number, _ in names} == {name: entry.port for name, entry in shown.tasks[BOOTSTRAP_TASK].names.items()}
    assert all(named.urefs == 1 for named in view_of(shown).tasks[BOOTSTRAP_TASK].names.values())
    [boot] = [each for each in generator("plugging_in").boot_states() if each["profile"] is profile]
    assert boot["ports"] == {number: port.object for number, port in shown.ports.items()}
    assert [(task, security, audit) for task, security, audit in boot["tokens"]] == [
        (number, task.security_token, task.audit_token) for number, task in shown.tasks.items()
    ]


def test_the_forms_name_every_result_and_every_type() -> None:
    module = generator("plugging_in")
    for signature, rows in module.forms():
        told = " ".join(results for _, results in rows)
        assert all(f"`{output.name}`: {output.type.value}" in told for output in signature.outputs), signature.name
    words = module.type_words()
    assert words["OutputType.names"] == "names (tuple of int, ascending)"
    used = {f"ArgumentType.{argument.type.value}" for signature in SIGNATURES.values() for argument in signature.arguments}
    assert used <= words.keys()


def shapes() -> list[str]:
    return list(generator("json_shapes").SHAPES)


@pytest.mark.parametrize("name", shapes())
def test_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(generator("json_shapes").schema_of(name))
    assert generator("json_shapes").members(name)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("check", ["check", "-q", "--json", "-n", "1", "--steps", "5"]),
        ("check", ["check", "-q", "--json", "-n", "20", "--fault", "move-send-keeps-sender"]),
        ("replay", ["replay", "-q", "--json", "script.json"]),
        ("trace", ["check", "-q", "--json", "-n", "1", "--steps", "5", "--trace", "trace.json"]),
        ("prove", ["prove", "-q", "--json", "--no-cache", "--call", "mach_port_type", "--invariant", "7"]),
    ],
)
def test_what_is_printed_has_the_shape(
    name: str, arguments: list[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(str(tmp_path))
    script = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "steps": [{"as": "A", "call": "mach_task_self"}]}]}
    with open("script.json", "w", encoding="utf-8") as file:
        json.dump(script, file)
    assert main(arguments) in (0, 1)
    printed = capsys.readouterr().out
    if name == "trace":
        with open("trace.json", encoding="utf-8") as file:
            printed = file.read()
    schema = generator("json_shapes").schema_of(name)
    jsonschema.validate(json.loads(printed), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, schema)


RULES_OF = [(rule, profile) for profile in PROFILES.values() for rule in sorted(rules_in_use(profile))]
INSIDE = {"form", "known_as", "clock", "arrival", "due_at", "died_first", "had", "unlooked", "told"}


def test_every_case_that_changes_something_says_what() -> None:
    for rule, profile in RULES_OF:
        effects = effects_of(rule, profile)
        k = Context(RULES[rule], ANY_STATE, profile)
        for case in k.rule.cases(k):
            after = After(k.before, k.profile)
            case.effect(after)
            changed = {name for name, field in FIELDS.items() if not field.ghost and after.changed(name)}
            words = effects[case.id]
            assert words.endswith("."), (rule, case.id)
            assert words.startswith("Nothing changes") == (not changed), (rule, case.id, words, changed)


@pytest.mark.parametrize(
    ("rule", "case", "words"),
    [
        (
            "mach_port_allocate",
            "KERN_SUCCESS/a dead name",
            "`new_name` in the space of the task behind `task` becomes a dead name, with 1 user reference.",
        ),
        ("mach_port_deallocate", "KERN_SUCCESS/one of several references goes", "has 1 fewer user reference."),
        ("mach_port_deallocate", "KERN_INVALID_RIGHT/a pure receive right or a port set", "Nothing changes."),
        ("mach_port_deallocate", "KERN_SUCCESS/the send-once right becomes a notification", "with the id 71, is queued at"),
        ("mach_port_mod_refs", "KERN_SUCCESS/the receive right goes, and its port dies", "Notifications become due."),
        ("mach_port_type", "KERN_SUCCESS/", "It returns `type`."),
    ],
)
def test_what_effects_say(rule: str, case: str, words: str) -> None:
    found = [text for name, text in effects_of(rule, PROFILES["manual"]).items() if name.startswith(case)]
    assert found
    assert words in found[0]


def test_effects_say_what_becomes_of_processes() -> None:
    """Also of the task that a call makes or ends, and of the children of a process that ends."""
    exits, forks = (effects_of(rule, PROFILES["xnu"]) for rule in ("exit", "fork"))
    words = exits["KERN_SUCCESS/the task ends, and its process is a zombie"]
    assert "`process` of the caller becomes `ZOMBIE`." in words
    assert "`parent_pid` of some other tasks changes." in words
    assert "`pid` of `child` becomes `new_pid`." in forks["KERN_SUCCESS/a process like the caller's"]


def test_a_counterexamples_titles_are_those_of_reports() -> None:
    page = (ROOT / "docs" / "how-to-read-a-counterexample.md").read_text("utf-8")
    for headline in HEADLINES.values():
        assert f"| {headline.replace('{call}', '…')} |" in page


def test_words_of_fields_come_from_the_source() -> None:
    class Example(msgspec.Struct):
        one: int
        """What it
        is: ``1``."""
        two: int = 2

    assert generator("field_words").field_words(Example) == {"one": "What it is: `1`."}


def test_the_number_of_channels_is_that_of_the_table() -> None:
    page = (ROOT / "docs" / "non-interference.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!Channel|---)", page.partition("## The legal channels")[2].partition("\n## ")[0], re.MULTILINE)
    words = {12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen"}
    assert f"only through {words[len(rows)]} channels" in page.partition("## What is")[0]
