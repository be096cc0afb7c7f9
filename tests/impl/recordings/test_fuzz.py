"""Broken recordings: few here; ``benchmarks/fuzz_readers.py`` reads them by the hour."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.benchmarks import benchmark

from sendright.impl.recordings.json_values import json_values
from sendright.impl.recordings.read import form_names
from sendright.impl.recordings.source import Source

fuzz = benchmark("fuzz_readers")
SEEDS = fuzz.seeds()


@pytest.mark.parametrize("form", [None, *form_names()])
@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_broken_recordings(form: str | None, random: Random) -> None:
    fuzz.check(fuzz.broken(random, SEEDS), form)


@pytest.mark.parametrize("form", [None, *form_names()])
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=400))
def test_bytes(form: str | None, data: bytes) -> None:
    fuzz.check(data, form)


def test_what_a_reader_lets_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sendright.impl.recordings.endpoint_security.reader.UNDECODABLE", (RecursionError,))
    with pytest.raises(Exception, match=r"truncated|malformed"):
        fuzz.check(b'{"audit_token":1,"event_type":9')
    monkeypatch.undo()
    monkeypatch.setattr("sendright.impl.recordings.source.Source.cannot_read", lambda self, record, why: None)
    with pytest.raises(fuzz.Broken):
        fuzz.check(b'{"audit_token":1,"event_type":9')


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_KEYS = st.text(max_size=5)
_VALUES = st.recursive(_SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_KEYS, inside, max_size=3), max_leaves=12)
_OBJECTS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=6)


@settings(max_examples=150, deadline=None)
@given(_OBJECTS, st.sampled_from([None, 0, 1, 4]), st.sampled_from(["lines", "array", "inside"]), st.booleans())
def test_objects_come_out_of_any_layout_as_they_went_in(objects: list[dict[str, Any]], indent: int | None, shape: str, ascii_only: bool) -> None:
    def dumped(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    if shape == "lines":
        text = "\n".join(dumped(each) for each in objects)
    else:
        text = dumped(objects if shape == "array" else {"version": 1, "things": {"a": {}}, "events": objects, "more": [{"b": {}}], "end": {"c": 1}})
    source = Source("memory", io.BufferedReader(io.BytesIO(text.encode("utf-8", "surrogatepass"))))  # type: ignore[arg-type]
    found = list(json_values(source, frozenset([b"events"])))
    assert [wrong for _, _, wrong in found if wrong] == []
    assert [json.loads(value) for _, value, _ in found] == objects
    assert [line for line, _, _ in found] == sorted(line for line, _, _ in found)
