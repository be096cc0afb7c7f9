"""Calls that a plugin adds: signatures, rules, sequences, the reference kernel's code, and what belongs to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.profiles import ADDED_CALLS, PROFILES
from sendright.mach.signatures import SIGNATURES, Signature
from sendright.plugins.changes import Changes
from sendright.plugins.guarded import blaming, guarded, guarded_generator, guarded_steps
from sendright.plugins.plugin import Declared, Plugin

FILE_LIMIT = 1 << 26
"""Bytes of a file of recorded runs at most."""


def install_call(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a signature."""
    signature: Signature = one.value
    if signature.creates_task:
        raise PluginError("a plugin can't add a call that creates tasks (its proofs rest on parts of the specification that name such calls)")
    names = [argument.name for argument in signature.arguments]
    if len(set(names)) < len(names) or (signature.target is not None and signature.target not in names):
        raise PluginError("two arguments have one name, or the target is none of them")
    applies = guarded(plugin.name, f"{one.words}: applies", one.options["applies"])
    for profile in PROFILES.values():
        applies(profile)
    changes.put(SIGNATURES, signature.name, signature, one.words)
    changes.put(ADDED_CALLS, signature.name, applies, one.words)
    changes.adds.append(one.words)


def install_rule(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a rule. Its cases and their effects are tried in every profile that has it."""
    from sendright.model import calls as _declares  # noqa: F401 - declares sendright's own rules
    from sendright.model.language.rule import RULES, Context, rule
    from sendright.model.language.sorts import UNBOUNDED
    from sendright.model.language.state import After, State

    call = one.name.partition(":")[0]
    _refuse_foreign(plugin, call, "rule")
    applies = one.options.get("applies", lambda profile: True)
    options = {**one.options, "applies": guarded(plugin.name, f"{one.words}: applies", lambda profile: _serves(call, profile) and applies(profile))}
    try:
        made = rule(one.name, **options)(guarded_generator(plugin.name, one.words, one.value))
    except (TypeError, ValueError, KeyError) as error:
        raise PluginError(" ".join(str(error).split()).removeprefix(f"{one.name}: ")) from error
    changes.done(lambda: RULES.pop(one.name, None))
    for profile in PROFILES.values():
        if made.is_used(profile):
            with blaming(plugin.name, one.words):
                k = Context(made, State.arbitrary(UNBOUNDED), profile)
                cases = list(made.cases(k))
                if not cases:
                    raise PluginError("yields no case")
                for case in cases:
                    case.effect(After(k.before, profile))


def _serves(call: str, profile: Any) -> bool:
    return call not in SIGNATURES or bool(profile.serves(call))


def install_sequence(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add the sequence of a call."""
    from sendright.model import calls as _declares  # noqa: F401 - declares sendright's own
    from sendright.model.language import sequences

    call, resumed = one.options["call"], one.options["resumed"]
    _refuse_foreign(plugin, call, "sequence")
    try:
        sequences.sequence(call, resumed=resumed)(_guarded_sequence(plugin.name, one.value))
    except (TypeError, KeyError) as error:
        raise PluginError(" ".join(str(error).split())) from error
    changes.done(lambda: sequences._DECLARED.pop((call, resumed), None))


@cache
def _guarded_sequence(plugin: str, steps: Callable[..., Any]) -> Callable[..., Any]:
    """The same for each of the calls that have these steps."""
    from sendright.model.language.sequences import CallerWaits, Failed

    return guarded_steps(plugin, f"sequence {steps.__name__}", steps, (Failed, CallerWaits), _check_step)


def _check_step(step: Any) -> None:
    from sendright.model.language.rule import RULES
    from sendright.model.language.sequences import Run

    if not isinstance(step, Run):
        raise PluginError(f"yields {type(step).__name__}, not a step (write it with sendright.model.language.sequences.run)")
    if step.rule not in RULES:
        raise PluginError(f"runs {step.rule!r}, and there is no such rule (declare it with @plugin.rule())")


def install_reason(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add why rules of the plugin may change a field."""
    from sendright.model.invariants.steps.locality import ADDED_REASONS, FRAMES, Reason, rules

    name, names = one.options["field"], one.options["rules"]
    if name not in FRAMES:
        raise PluginError(f"the state has no field {name!r} (FIELDS in sendright.model.language.state lists them)")
    own = {each.name for each in plugin.declared if each.kind == "rule"}
    if not names or any(rule not in own for rule in names):
        raise PluginError("must be about rules that this plugin declares")
    where = guarded(plugin.name, one.words, one.value)
    changes.append(ADDED_REASONS.setdefault(name, []), Reason(str(one.options["words"]), where, rules(*names)))


def install_code(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add the reference kernel's code for a call."""
    from sendright.impl.reference.kernel import ADDED_ROUTINES, ReferenceKernel

    _refuse_foreign(plugin, one.name, "code")
    if hasattr(ReferenceKernel, one.name):
        raise PluginError("the reference kernel has something of this name already (rename the call)")
    if one.name not in SIGNATURES:
        raise PluginError("no signature of this call is declared (add it with Plugin.call)")
    arguments = [argument.name for argument in SIGNATURES[one.name].arguments]
    try:
        inspect.signature(one.value).bind(None, None, *arguments)
    except TypeError as error:
        raise PluginError(f"must take the kernel, the caller, and then {', '.join(arguments) or 'nothing'}: {error}") from error
    changes.put(ADDED_ROUTINES, one.name, one.value, one.words)


def install_flows(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add from where a call brings rights."""
    from sendright.properties.provenance import call_flows

    call = one.options["call"]
    _refuse_foreign(plugin, call, "flows")
    table = call_flows.ADDED_GOING_ON if one.options["resumed"] else call_flows.ADDED_FLOWS
    changes.put(table, call, guarded_generator(plugin.name, one.words, one.value), one.words)


def install_witnesses(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add recorded runs."""
    import msgspec

    from sendright.model.execution.witnesses import ADDED_WITNESSES, recorded_in

    try:
        if not one.value.is_file() or one.value.stat().st_size > FILE_LIMIT:
            raise PluginError("there is no such file, or it is too large (sendright witnesses --output writes it)")
        runs = recorded_in(one.value)
    except (OSError, msgspec.DecodeError) as error:
        raise PluginError(f"isn't a file of recorded runs: {' '.join(str(error).split())}") from error
    for run in runs:
        changes.append(ADDED_WITNESSES, run)


def check_complete(plugin: Plugin) -> None:
    """Every call has a rule and code, belongs to this plugin, and runs rules that are there. Raises PluginError."""
    names = {kind: {one.name for one in plugin.declared if one.kind == kind} for kind in ("call", "rule", "sequence", "code")}
    for call in sorted(names["call"]):
        if call not in names["rule"] and call not in names["sequence"]:
            raise PluginError(f"plugin {plugin.name}: call {call}: has no rule (declare one with @plugin.rule())")
        if call not in names["code"]:
            raise PluginError(f"plugin {plugin.name}: call {call}: has no code for the reference kernel (declare it with @plugin.code())")
        if call in names["sequence"]:
            from sendright.model.language.sequences import rules_of

            if not rules_of(call):
                raise PluginError(f"plugin {plugin.name}: sequence {call}: runs no rule (yield one with sendright.model.language.sequences.run)")


def _refuse_foreign(plugin: Plugin, call: str, what: str) -> None:
    """What belongs to sendright's own calls, or to another plugin's, can't be replaced."""
    if call in SIGNATURES and call not in {one.name for one in plugin.declared if one.kind == "call"}:
        raise PluginError(f"{call} is not a call of this plugin, so its {what} can't be replaced")
