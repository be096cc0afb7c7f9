"""The rules that findings break: each with one text, whatever was found."""

from __future__ import annotations

import importlib.metadata
from urllib.parse import quote

import msgspec

from sendright.reports.findings import Finding


class RuleText(msgspec.Struct, frozen=True):
    """A rule in words."""

    short: str
    full: str


KINDS: dict[str, RuleText] = {
    "result": RuleText("A call returns what the specification says", "The code and the results of each call are those of one case of its rule."),
    "state": RuleText(
        "A call leaves the state that the specification says", "After each call all tasks, names, rights, ports and messages are as the case says."
    ),
    "invariant": RuleText("Every state keeps the invariants", "No call breaks an invariant of the specification (sendright prove proves them)."),
    "derivation": RuleText(
        "Every right and token has an origin", "Each right and each token comes from an earlier one, by a call that may make, move, copy or drop it."
    ),
    "expectation": RuleText("A call does what the script expects", "The result and the state after a step are those in the script's expect."),
    "discipline": RuleText(
        "A server holds what it should", "After each request a server holds what it held before, and what its routine says that it keeps."
    ),
    "crash": RuleText("The kernel doesn't crash", "Each call gets an answer: the implementation raises nothing and doesn't end."),
    "hang": RuleText("The kernel doesn't hang", "Each call gets an answer within its time limit."),
    "crashed": RuleText("The check ends", "The check comes to its end, whatever the kernel does."),
    "undetermined": RuleText("The check comes to a verdict", "At least one random run is made and judged, and nothing interrupts it."),
    "lost": RuleText("Every case has a result", "The processes that run a case don't die."),
    "failed": RuleText("Every run agrees with the specification", "No run of the check fails."),
}
"""The rules of runs, by the last part of their ids: ``check/state``, ``replay/expectation``."""

_PROOF = "For every number of tasks, ports, names and messages. A finding is a case of a call for which that is refuted, or not decided."


def rule_text(finding: Finding) -> RuleText:
    """The text of the rule that ``finding`` breaks. It is the same for all findings of the rule."""
    command, _, name = finding.rule.partition("/")
    if command in ("check", "replay") and name in KINDS:
        return KINDS[name]
    if command == "prove" and name.startswith("second solver, "):
        return RuleText(f"A second solver confirms {name.removeprefix('second solver, ')}", "Both solvers give the same answers to all questions.")
    if command == "prove":
        return RuleText(f"{name}: {finding.clause}"[:1000], _PROOF)
    if name == "run":
        return RuleText("The states of runs keep the policy", "No task holds what the policy doesn't allow it, at any time in a run.")
    return RuleText(f"Calls keep the policy: {name.removeprefix('not decided, ')}"[:1000], _PROOF)


def help_uri(rule: str) -> str:
    """Where the rule is explained: in the documentation that the package's metadata names, or else a name for the rule
    that leads nowhere."""
    base = _documentation()
    return f"{base}ci.html#{anchor(rule)}" if base else f"urn:sendright:rule:{quote(rule, safe='/')}"


def anchor(rule: str) -> str:
    """The place in docs/ci.md that explains ``rule``."""
    command, _, name = rule.partition("/")
    return f"rule-{name}" if command in ("check", "replay") and name in KINDS else f"rules-of-{command}"


def _documentation() -> str:
    try:
        urls = importlib.metadata.metadata("sendright").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    named = dict(tuple(part.strip() for part in url.split(",", 1)) for url in urls if "," in url)
    url = named.get("Documentation", "")
    return url if not url or url.endswith("/") else f"{url}/"
