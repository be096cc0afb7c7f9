"""States with every kind of damage that their form allows, for tests of what is said of states that no kernel should be
in.

The damage follows from the types of a snapshot's fields, so a new field is damaged too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot, changes
from sendright.mach.state.trace import LIMITS, Step
from sendright.model.execution.witnesses import tupled, witnesses
from sendright.properties.runs.judged_run import can_make
from sendright.properties.runs.state_form import state_error

NUMBERS = (-(2**63), -2, -1, 0, 1, 2, 999, 2**31, 2**63 - 1)
CALLS = ("", "no such call", "mach_msg_send", "mach_msg_receive", "host_security_create_task_token", "task_set_special_port")
FORM = inspect.type_info(Snapshot)


class Damage(NamedTuple):
    """One thing that is wrong with ``state``."""

    where: str
    """The field, with ``*`` for what is in a collection."""
    what: str
    state: Snapshot


class Moment(NamedTuple):
    """The run of a sound kernel up to a step, and the states around that."""

    initial: Snapshot
    before: Snapshot
    steps: tuple[Step, ...]
    after: Snapshot


def moments(profile: Profile) -> Iterator[Moment]:
    """The steps of the recorded witnesses, made by the reference kernel."""
    for witness in witnesses(profile):
        kernel = ReferenceKernel()
        kernel.boot(msgspec.structs.replace(profile, **{limit: getattr(witness, limit) for limit in LIMITS}))
        initial = before = kernel.snapshot()
        steps: tuple[Step, ...] = ()
        for index, recorded in enumerate(witness.steps):
            call = tupled(recorded.call)
            if not can_make(before, recorded.task, call):
                break
            result = kernel.call(recorded.task, call)
            after = kernel.snapshot()
            step = Step.of(index, recorded.task, call, result, changes(before, after))
            steps = (*steps, step)
            yield Moment(initial, before, steps, after)
            before = after


def telling(found: Iterable[Moment]) -> list[Moment]:
    """A few of the moments, after which there are states with all that there is after any. What is after none, because
    only a counterexample shows it, is put into one of these states.
    """
    chosen: list[Moment] = []
    seen: set[str] = set()
    for moment in found:
        new = set(places(FORM, moment.after)) - seen
        if new:
            seen |= new
            chosen.append(moment)
    for moment in list(chosen):
        others: dict[str, list[Any]] = {}
        _gather(FORM, moment.after, "", others)
        for state in _filled(FORM, moment.after, others):
            new = set(places(FORM, state)) - seen
            if new and state_error(state) is None:
                seen |= new
                chosen.append(moment._replace(after=state))
    return chosen


def _filled(form: inspect.Type, value: Any, others: dict[str, list[Any]]) -> Iterator[Any]:
    """``value`` with one thing in a collection that is empty."""
    form = _chosen(form, value)
    if isinstance(form, inspect.StructType):
        for field in form.fields:
            yield from (msgspec.structs.replace(value, **{field.name: new}) for new in _filled(field.type, getattr(value, field.name), others))
    elif isinstance(form, inspect.DictType):
        if not value and isinstance(form.key_type, inspect.EnumType) and isinstance(form.value_type, inspect.IntType):
            yield from ({key: 1} for key in form.key_type.cls)
        for key, each in value.items():
            yield from ({**value, key: new} for new in _filled(form.value_type, each, others))
    elif isinstance(form, inspect.VarTupleType):
        if not value and isinstance(form.item_type, inspect.StructType):
            yield from ((one,) for one in others.get(_kind(form.item_type, ""), ()))
        for index, each in enumerate(value):
            yield from ((*value[:index], new, *value[index + 1 :]) for new in _filled(form.item_type, each, others))


def places(form: inspect.Type, value: Any, where: str = "") -> Iterator[str]:
    """The fields of ``value`` that have something in them."""
    form = _chosen(form, value)
    if isinstance(form, inspect.StructType):
        for field in form.fields:
            yield from places(field.type, getattr(value, field.name), f"{where}.{field.name}")
    elif isinstance(form, inspect.DictType):
        for each in value.values():
            yield from places(form.value_type, each, f"{where}.*")
    elif isinstance(form, inspect.VarTupleType):
        for each in value:
            yield from places(form.item_type, each, f"{where}.*")
    elif not isinstance(form, inspect.NoneType):
        yield where


def fields(form: inspect.Type, where: str = "") -> Iterator[str]:
    """The fields that a value of this form may have something in."""
    if isinstance(form, inspect.UnionType):
        for one in form.types:
            yield from fields(one, where)
    elif isinstance(form, inspect.StructType):
        for field in form.fields:
            yield from fields(field.type, f"{where}.{field.name}")
    elif isinstance(form, inspect.DictType):
        yield from fields(form.value_type, f"{where}.*")
    elif isinstance(form, inspect.VarTupleType):
        yield from fields(form.item_type, f"{where}.*")
    elif not isinstance(form, inspect.NoneType):
        yield where


def damages(found: Iterable[Moment]) -> Iterator[tuple[Moment, Damage]]:
    """The states after these moments, each with one thing wrong: every kind of damage at every field, once."""
    seen: set[tuple[str, str]] = set()
    for moment in found:
        state = moment.after
        others: dict[str, list[Any]] = {}
        _gather(FORM, state, "", others)
        for where, what, damaged in _damaged(FORM, state, "", others):
            if (where, what) not in seen and damaged != state and state_error(damaged) is None:
                seen.add((where, what))
                yield moment, Damage(where, what, damaged)


def _chosen(form: inspect.Type, value: Any) -> inspect.Type:
    """Of a union, the form that ``value`` has."""
    if not isinstance(form, inspect.UnionType):
        return form
    return next(one for one in form.types if isinstance(one, inspect.NoneType) == (value is None))


def _kind(form: inspect.Type, where: str) -> str:
    """What can stand in for each other: things of one class, or of a field of one name."""
    return form.cls.__name__ if isinstance(form, inspect.StructType) else where.rpartition(".")[2]


def _gather(form: inspect.Type, value: Any, where: str, found: dict[str, list[Any]]) -> None:
    """What there is of each kind."""
    form = _chosen(form, value)
    alike = found.setdefault(_kind(form, where), [])
    if value not in alike:
        alike.append(value)
    if isinstance(form, inspect.StructType):
        for field in form.fields:
            _gather(field.type, getattr(value, field.name), f"{where}.{field.name}", found)
    elif isinstance(form, inspect.DictType):
        for each in value.values():
            _gather(form.value_type, each, f"{where}.*", found)
    elif isinstance(form, inspect.VarTupleType):
        for each in value:
            _gather(form.item_type, each, f"{where}.*", found)


def _damaged(form: inspect.Type, value: Any, where: str, others: dict[str, list[Any]]) -> Iterator[tuple[str, str, Any]]:
    """``value`` with one thing wrong: where, what, and the damaged value."""
    if isinstance(form, inspect.UnionType):
        if value is not None:
            yield where, "nothing", None
        for one in form.types:
            if value is None and not isinstance(one, inspect.NoneType):
                yield from ((where, f"{other} instead of nothing", other) for other in NUMBERS if isinstance(one, inspect.IntType))
                yield from ((where, f"{other} instead of nothing", other) for other in (False, True) if isinstance(one, inspect.BoolType))
                alike = [other for other in others.get(_kind(one, where), ()) if other is not None]
                yield from ((where, f"another for nothing ({index})", other) for index, other in enumerate(alike[:4]))
    form = _chosen(form, value)
    if isinstance(form, inspect.StructType | inspect.DictType | inspect.VarTupleType | inspect.TupleType):
        alike = [other for other in others.get(_kind(form, where), ()) if type(other) is type(value) and other != value]
        yield from ((where, f"what is elsewhere ({index})", other) for index, other in enumerate(alike[:6]))
    match form:
        case inspect.StructType():
            for field in form.fields:
                for place, what, new in _damaged(field.type, getattr(value, field.name), f"{where}.{field.name}", others):
                    yield place, what, msgspec.structs.replace(value, **{field.name: new})
        case inspect.DictType():
            keys: tuple[Any, ...] = tuple(form.key_type.cls) if isinstance(form.key_type, inspect.EnumType) else (*value, *NUMBERS)
            for key, one in value.items():
                rest = {other: each for other, each in value.items() if other != key}
                yield where, "one is missing", rest
                for new in keys:
                    if new != key:
                        yield where, f"one is there twice, as {new}", {**value, new: one}
                        yield where, f"one is at {new}", {**rest, new: one}
                for place, what, new in _damaged(form.value_type, one, f"{where}.*", others):
                    yield place, what, {**value, key: new}
        case inspect.VarTupleType():
            for index, one in enumerate(value):
                yield where, "one is missing", value[:index] + value[index + 1 :]
                yield where, "one is there twice", (*value, one)
                for place, what, new in _damaged(form.item_type, one, f"{where}.*", others):
                    yield place, what, (*value[:index], new, *value[index + 1 :])
            if isinstance(form.item_type, inspect.IntType):
                yield from ((where, f"{number} is there too", (*value, number)) for number in NUMBERS)
        case inspect.TupleType():
            for index, one in enumerate(form.item_types):
                for _, what, new in _damaged(one, value[index], where, others):
                    yield where, f"{what} ({index})", (*value[:index], new, *value[index + 1 :])
        case inspect.IntType():
            yield from ((where, f"{number}", number) for number in NUMBERS if number != value)
            yield where, "one more", value + 1
        case inspect.BoolType():
            yield where, "the contrary", not value
        case inspect.EnumType():
            yield from ((where, f"{member}", member) for member in form.cls if member != value)
        case inspect.StrType():
            yield from ((where, f"{text!r}", text) for text in CALLS if text != value)
        case inspect.NoneType():
            pass
        case _:
            raise TypeError(f"what can be wrong with {form} at {where}?")
