"""The generated pages of the reference, from the signature table, the rules, the invariants and the profiles. Nothing
is kept by hand.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import jinja2
from api_page import api_page
from commands import commands, default_in_words, statuses_of_verdicts
from field_words import field_words
from json_shapes import SHAPES, members, schemas
from plugging_in import boot_states, forms, type_words

from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, Profile
from sendright.mach.results.evidence import EvidenceItem, EvidenceKind
from sendright.mach.results.verdicts import ExitStatus
from sendright.mach.signatures import SIGNATURES, Signature
from sendright.model.invariants import theorems
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.evidence import SOURCES, SUITES
from sendright.model.language.invariant import INVARIANTS, VARIANTS, Variables
from sendright.model.language.rule import PENDING_RULES, RULES, Context
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import FIELDS, After, State
from sendright.model.language.transition import Transition
from sendright.model.proof.properties import RELATIONAL, THEOREMS
from sendright.model.proof.relevance import cases_of, property_titles
from sendright.model.tracing.clauses import Clause, Clauses, all_clauses, has_rules, rules_of, shared_rules
from sendright.model.tracing.effects import effects_of
from sendright.model.tracing.evidence import counts, evidence_of, rules_in_use, runs
from sendright.model.tracing.manual_page import CALL, PAGE
from sendright.reports.vocabulary import SWITCHES, differences, not_modelled, words

_TOLD_WHOLE = (MANUAL, XNU)
"""The profiles whose rules the reference lists in full: between them they have every call."""
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # Markdown
)
_TEMPLATES.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("<", "&lt;")
_TEMPLATES.filters["words"] = words
_TEMPLATES.filters["default_in_words"] = default_in_words


def pages(on_progress: Callable[[int, int], None] = lambda done, of: None) -> dict[str, str]:
    """The generated pages: path below docs/ -> Markdown; and the JSON Schemas.

    ``on_progress`` gets how many calls have their page, and of how many: that takes most of the time.
    """
    made: dict[str, str] = {}
    for done, (name, signature) in enumerate(SIGNATURES.items(), 1):
        made[f"reference/calls/{name}.md"] = _call_page(signature)
        on_progress(done, len(SIGNATURES))
    made["reference/calls/index.md"] = _render("calls", signatures=list(SIGNATURES.values()), served_by=served_by)
    made["reference/rules.md"] = _render("rules", rules=_shared(), does=_does, grounds=grounds)
    made["reference/invariants.md"] = _invariants_page()
    made["reference/state.md"] = _render("state", fields=FIELDS)
    made["reference/profiles.md"] = _profiles_page()
    made["reference/evidence.md"] = _evidence_page()
    made["reference/api.md"] = api_page()
    made["reference/boot.md"] = _render("boot", states=boot_states())
    made["reference/results.md"] = _render("forms", forms=list(forms()), types=type_words())
    made["reference/json.md"] = _json_page()
    made |= {f"reference/schemas/{name}": text for name, text in schemas().items()}
    every = list(commands())
    made["reference/exit-statuses.md"] = _render("exit_statuses", statuses=ExitStatus, verdicts=statuses_of_verdicts(), commands=every)
    made["reference/commands/index.md"] = _render("commands", commands=every)
    made |= {f"reference/commands/{command.name}.md": _render("command", command=command) for command in every}
    made["reference/manual-page.md"] = _render("manual_page", call=CALL, page=PAGE, titles=property_titles())
    return made


def served_by(call: str) -> list[str]:
    """The names of the profiles that have ``call``."""
    return [profile.name for profile in PROFILES.values() if profile.serves(call)]


def _render(template: str, **values: Any) -> str:
    return _TEMPLATES.get_template(f"{template}.md.j2").render(values)


def anchor(rule: str) -> str:
    """The place of a shared rule on the page of rules."""
    return "".join(letter if letter.isalnum() else "-" for letter in rule.lower())


_TEMPLATES.filters["anchor"] = anchor


@cache
def _clauses(profile: str) -> dict[str, Clauses]:
    return {clauses.name: clauses for clauses in all_clauses(PROFILES[profile])}


def _shared() -> list[tuple[Profile, Clauses]]:
    """The rules that calls share, each in the first of the two profiles that has it."""
    found: dict[str, tuple[Profile, Clauses]] = {}
    for profile in _TOLD_WHOLE:
        for name, clauses in _clauses(profile.name).items():
            if name not in SIGNATURES:
                found.setdefault(name, (profile, clauses))
    return list(found.values())


@cache
def _effects(rule: str, profile: str) -> dict[str, str]:
    return effects_of(rule, PROFILES[profile])


def _does(rule: str, clause: Clause, profile: str) -> str:
    """The effect of the case that ``clause`` names first. A case of another rule has that rule's name before its
    code.
    """
    head, _, title = clause.cases[0].partition("/")
    other, _, code = head.rpartition(": ")
    return _effects(other or rule, profile)[f"{code}/{title}"]


def linked_properties(names: Iterable[str], page: str) -> str:
    """The properties ``names``, grouped by kind, each number a link to its place on ``page`` that shows its title."""
    titles, groups = property_titles(), dict[str, list[str]]()
    for name in names:
        kind, _, number = name.rpartition(" ")
        groups.setdefault(kind if number.isdecimal() else name, []).append(number if number.isdecimal() else "")
    return "; ".join(
        f"{kind}{'s' if len(numbers) > 1 else ''} {', '.join(_to_property(kind, number, titles, page) for number in sorted(numbers, key=int))}"
        if numbers != [""]
        else kind
        for kind, numbers in sorted(groups.items())
    )


def _to_property(kind: str, number: str, titles: dict[str, str], page: str) -> str:
    title = titles[f"{kind} {number}"].replace('"', "'").replace("|", "/")
    return f'[{number}]({page}#{kind.replace(" ", "-")}-{number} "{title}")'


_TEMPLATES.filters["properties"] = linked_properties


def _call_page(signature: Signature) -> str:
    profiles = [PROFILES[name] for name in served_by(signature.name)]
    first = profiles[0]
    clauses = _clauses(first.name)[signature.name]
    parts: dict[str, list[Clause]] = {part: [c for c in clauses.clauses if c.part == part] for part in ("target", "error", "effect")}
    return _render(
        "call",
        call=signature,
        clauses=clauses,
        parts=parts,
        profile=first,
        profiles=profiles,
        elsewhere=[(profile, _cases(signature.name, profile)) for profile in profiles[1:] if _differs(signature.name, first, profile)],
        does=lambda clause: _does(signature.name, clause, first.name),
        calls=SIGNATURES,
        not_modelled=not_modelled(signature.name),
        grounds=_grounds_of_call(signature.name),
        is_headline=signature.name == CALL,
    )


def grounds(rule: str) -> dict[str, dict[str, tuple[EvidenceItem, ...]]]:
    """What each case of ``rule`` rests on: case -> profile -> evidence, in the order of the tests."""
    found: dict[str, dict[str, tuple[EvidenceItem, ...]]] = {}
    for profile in PROFILES.values():
        if rule in rules_in_use(profile):
            for case, items in evidence_of(rule, profile).items():
                found.setdefault(case, {})[profile.name] = items
    return found


def _grounds_of_call(call: str) -> dict[str, dict[str, tuple[EvidenceItem, ...]]]:
    own = [rule for rule in rules_of(call) if rule not in shared_rules()] if has_rules(call) else []
    return {case if rule == call else f"{rule}: {case}": by_profile for rule in own for case, by_profile in grounds(rule).items()}


def linked(items: tuple[EvidenceItem, ...], to_evidence: str) -> str:
    """All evidence of a case in a profile on one line: each kind, and what it names as links. ``to_evidence``: the
    page of evidence, from the page on which the line is."""
    return "; ".join(
        f"{kind.value}: {', '.join(_link(item, to_evidence) for item in group)}" for kind, group in groupby(items, lambda item: item.kind)
    )


def _link(item: EvidenceItem, to_evidence: str) -> str:
    what, _, where = item.words.partition(" in ")
    if item.kind in (EvidenceKind.SOURCE, EvidenceKind.TEST_SUITE) and where:
        return f'[{what}]({item.url} "{where}")'
    if item.kind is EvidenceKind.LIVE_RUN:
        return f'[which]({to_evidence}#runs "{item.words}")'
    return f"[{item.words}]({item.url})" if item.url else item.words


_TEMPLATES.filters["linked"] = linked


def _evidence_page() -> str:
    return _render("evidence", kinds=EvidenceKind, counts=list(counts()), sources=SOURCES, suites=SUITES, runs=runs())


def _cases(call: str, profile: Profile) -> list[str]:
    shared = shared_rules()
    return [case.id for rule in rules_of(call, profile) if rule not in shared for case in cases_of(rule, profile)] if has_rules(call) else []


def _differs(call: str, one: Profile, other: Profile) -> bool:
    return _cases(call, one) != _cases(call, other)


def _invariants_page() -> str:
    v, state = Variables(UNBOUNDED), State.arbitrary(UNBOUNDED)
    titles: dict[str, list[str]] = {f"invariant {n}": [title for title, _ in i.clauses(v, state)] for n, i in INVARIANTS.items()}
    touching: dict[str, dict[str, None]] = {}
    for profile in _TOLD_WHOLE:
        served = dict.fromkeys([rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call)] + list(PENDING_RULES))
        for rule in served:
            k = Context(RULES[rule], state, profile)
            for case in RULES[rule].cases(k):
                after = After(state, profile)
                case.effect(after)
                x = Transition(k, case, after, looks_at_order=True)
                for number, step in STEP_PROPERTIES.items():
                    found = titles.setdefault(f"step invariant {number}", [])
                    found += [title for title, _ in step.clauses(v, x) if title not in found]
        for clauses in _clauses(profile.name).values():
            for name in dict.fromkeys(name for clause in clauses.clauses for name in clause.properties):
                touching.setdefault(name, {})[clauses.name] = None
    return _render(
        "invariants",
        invariants=INVARIANTS,
        variants=VARIANTS,
        profiles=PROFILES.values(),
        steps=STEP_PROPERTIES,
        relational=RELATIONAL,
        theorem_titles=THEOREMS,
        theorems=inspect.cleandoc(theorems.__doc__ or "").partition("\n\n")[2],
        titles=titles,
        touching={name: list(those) for name, those in touching.items()},
        calls=SIGNATURES,
    )


def _json_page() -> str:
    about = {name: " ".join((struct.__doc__ or "").split()).replace("``", "`") for name, (_, struct) in SHAPES.items()}
    words = {name: field_words(struct) for name, (_, struct) in SHAPES.items()}
    return _render("json", shapes=SHAPES, members=members, about=about, words=words)


def _profiles_page() -> str:
    every = list(PROFILES.values())
    return _render(
        "profiles",
        profiles=every,
        about=switch_words(),
        switches=SWITCHES,
        different=differences(every),
        pairs=[(one, other, differences((one, other))) for one, other in combinations(every, 2)],
    )


def switch_words() -> dict[str, str]:
    """What the source says of each switch of a profile: the string below the field."""
    return {switch: field_words(Profile).get(switch, "") for switch in SWITCHES}
