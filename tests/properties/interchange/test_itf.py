"""Runs in the Informal Trace Format: its own grammar, and there and back again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.exported import failing, wrong_code
from support.report_runs import MOVE_TO_CHILD, run

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import LIMITS, Trace
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import calls_of, witnesses
from sendright.properties.interchange.itf import itf
from sendright.properties.interchange.itf_reader import BadItf, decoded, script_of_itf
from sendright.properties.interchange.recorded import run_of_calls
from sendright.properties.scripts.export import script_of


def boot(profile: Any) -> Any:
    return Oracle(profile).snapshot()


def expression(value: Any) -> None:
    """Check that ``value`` is an expression of ADR-015."""
    if isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        assert abs(value) < 1 << 53
    elif isinstance(value, list):
        for each in value:
            expression(each)
    else:
        assert isinstance(value, dict)
        special = [key for key in value if key.startswith("#")]
        if not special:
            for each in value.values():
                expression(each)
            return
        assert len(value) == 1
        assert special[0] in ("#bigint", "#tup", "#set", "#map")
        if special[0] == "#bigint":
            int(value["#bigint"])
        else:
            assert isinstance(value[special[0]], list)
            for each in value[special[0]]:
                assert special[0] != "#map" or (isinstance(each, list) and len(each) == 2)
                expression(each)


def grammar(data: Any) -> None:
    assert data["#meta"]["format"] == "ITF"
    for index, state in enumerate(data["states"]):
        assert state["#meta"]["index"] == index
        names = {*data["vars"], *(data["params"] if index == 0 else ())}
        assert names == state.keys() - {"#meta"}
        for name in names:
            expression(state[name])


def script(trace: Trace) -> Any:
    return json.loads(msgspec.json.encode(script_of(trace)))


def back(text: str) -> Any:
    return json.loads(msgspec.json.encode(script_of_itf(json.loads(text), boot)))


@pytest.mark.parametrize("profile", list(PROFILES))
def test_recorded_runs_come_back_as_the_same_script(profile: str) -> None:
    for witness in [witness for witness in witnesses(PROFILES[profile]) if 2 < len(witness.steps) < 8][::40]:
        trace = run_of_calls(calls_of(witness), profile, {limit: getattr(witness, limit) for limit in LIMITS}, ReferenceKernel, Oracle)
        data = json.loads(itf(trace))
        grammar(data)
        assert len(data["states"]) == len(trace.steps) + 1
        assert back(itf(trace)) == script(trace)


def test_a_violation_comes_back_with_what_the_specification_requires() -> None:
    for trace in (failing(), wrong_code()):
        text = itf(trace)
        grammar(json.loads(text))
        assert back(text) == script(trace)
        without = json.loads(text)
        for state in without["states"]:
            state["violations"] = []
        assert back(json.dumps(without)) != script(trace)


def test_hostile_words_and_large_numbers_are_kept() -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    step = msgspec.structs.replace(trace.steps[0], outputs={"#map": 1 << 64, "x": '"}\x00\u202e', "big": -(1 << 60)})
    data = json.loads(itf(msgspec.structs.replace(trace, implementation='</script>"\x1b', steps=(step, *trace.steps[1:]))))
    grammar(data)
    assert decoded(data["states"][1]["outputs"], "") == step.outputs
    assert decoded(data["states"][0]["implementation"], "") == '</script>"\x1b'


def test_other_tools_forms_are_read_too() -> None:
    assert decoded({"#set": [{"#bigint": "-5"}, 7]}, "") == (-5, 7)
    assert decoded({"#map": [[{"#tup": ["a", 1]}, {"b": [True]}]]}, "") == {("a", 1): {"b": (True,)}}
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    data = json.loads(itf(trace))

    def bigger(value: Any) -> Any:
        if isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return {"#bigint": str(value)}
        if isinstance(value, list):
            return [bigger(each) for each in value]
        return {key: each if key in ("#bigint", "#meta") else bigger(each) for key, each in value.items()}

    data["states"] = [bigger(state) | {"mbt::actionTaken": "x", "#meta": {"index": 0}} for state in data["states"]]
    data["vars"].append("mbt::actionTaken")
    assert script_of_itf(data, boot) == script_of_itf(json.loads(itf(trace)), boot)


Change = Callable[[dict[str, Any]], object]


def of_state(index: int, **values: Any) -> Change:
    return lambda data: data["states"][index].update(values)


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (lambda data: data.update(vars=["call"]), "vars", "is missing"),
        (lambda data: data.update(vars=7), "vars", "array of strings"),
        (lambda data: data.update(states=[]), "states", "at least the boot state"),
        (lambda data: data.update(states=[1]), "states[0]", "expected an object"),
        (lambda data: data.update(loop=1), "loop", "without an end"),
        (lambda data: data["states"][2].pop("code"), "states[2]", "doesn't define 'code'"),
        (of_state(0, profile="mars"), "states[0].profile", "choose one of"),
        (of_state(0, pages="many"), "states[0].pages", "an integer"),
        (of_state(0, rights={"#map": []}), "states[0].rights", "boot state"),
        (of_state(1, call="boot"), "states[1].call", "a variant"),
        (of_state(1, call={"tag": "mach_fly", "value": {}}), "states[1].call", "not a call"),
        (of_state(1, call={"tag": "mach_task_self", "value": {"x": 1}}), "states[1].call", "no argument"),
        (of_state(1, call={"tag": "mach_task_self", "value": [1]}), "states[1].call.value", "a record"),
        (of_state(1, code={"#bigint": "1e5"}), "states[1].code", "digits"),
        (of_state(1, code={"#bigint": "1" * 5000}), "states[1].code", "digits"),
        (of_state(1, code=10**50), "states[1].code", "digits"),
        (of_state(1, code=1.5), "states[1].code", "float is not in the format"),
        (of_state(1, code=None), "states[1].code", "null is not in the format"),
        (of_state(1, code=True), "states[1].code", "an integer"),
        (of_state(1, outputs={"#odd": 1}), "states[1].outputs", "not a form"),
        (of_state(1, outputs={"#tup": 1}), "states[1].outputs", "expected an array"),
        (of_state(1, outputs={"#map": [[1, 2], [1, 3]]}), "states[1].outputs", "twice"),
        (of_state(1, outputs={"#map": [[{"a": 1}, 2]]}), "states[1].outputs", "a key is a record"),
        (of_state(1, rights={"#map": [["name", {"kind": "SEND", "port": 1, "urefs": 1}]]}), "states[1].rights", "not a slot"),
        (of_state(1, rights={"#map": [[{"#tup": ["name", 0, 1]}, {"kind": "GOLD", "port": 1, "urefs": 1}]]}), "states[1].rights", "no known kind"),
        (of_state(1, rights={"#map": [[{"#tup": ["name", 0, 1]}, {"kind": {}, "port": 1, "urefs": 1}]]}), "states[1].rights", "no known kind"),
        (
            of_state(1, rights={"#map": [[{"#tup": ["name", 0, 1]}, {"kind": "SEND", "port": 1, "urefs": 1, "told": {"a": 1}}]]}),
            "states[1].rights",
            "no known kind",
        ),
        (of_state(1, rights={"#map": [[{"#tup": ["name", 0, 1]}, 5]]}), "states[1].rights", "isn't a record"),
        (of_state(1, violations=[{"kind": "odd"}]), "states[1].violations", "a list of violations"),
        (of_state(1, caller=77), "states", "don't fit together"),
    ],
)
def test_a_bad_trace_is_refused_in_one_line(change: Change, place: str, words: str) -> None:
    data = json.loads(itf(run(ReferenceKernel(), MOVE_TO_CHILD)))
    change(data)
    with pytest.raises(BadItf, match=words) as refused:
        script_of_itf(data, boot)
    assert refused.value.place == place
    assert "\n" not in str(refused.value)


def test_the_verdict_of_a_replay_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sendright.cli.main import main
    from sendright.reports.write import write_text

    file = write_text(tmp_path / "run.itf.json", itf(failing()))
    written = tmp_path / "script.json"
    written.write_text(json.dumps(script(failing())))
    for fault, status in ((None, 0), ("move-send-keeps-sender", 1)):
        verdicts = []
        for path in (file, written):
            more = ["--fault", fault] if fault else []
            assert main(["replay", str(path), "--json", "--quiet", "--report-dir", str(tmp_path / "reports"), *more]) == status
            (case,) = json.loads(capsys.readouterr().out)["cases"]
            verdicts.append([case[key] for key in ("verdict", "step", "call", "expected", "seen")])
        assert verdicts[0] == verdicts[1]
    file.write_text(file.read_text().replace('"states"', '"stages"'))
    assert main(["replay", str(file)]) == 2
    file.write_text(itf(failing()).replace('"MOVE', '"').replace('"tag": "boot"', '"tag": "book"'))
    assert main(["replay", str(file)]) == 2
    assert "states[0].call: the first state is that of the boot" in capsys.readouterr().err
