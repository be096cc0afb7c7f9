"""What a kernel that is plugged in has to do: its boot state by profile, and the form of each call's results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType, Signature
from sendright.mach.signatures import signature as signature_module
from sendright.mach.state.boot import BOOTSTRAP_TASK, WELL_KNOWN_PORTS, boot_ports, boot_tokens, task_port


def boot_names(profile: Profile) -> Iterator[tuple[int, int, str]]:
    """The names of the bootstrap task at boot: name, number of the port in a snapshot, and which port it is."""
    for name, port in enumerate(profile.bootstrap_names, 1):
        yield name, WELL_KNOWN_PORTS[port], port
    for task in range(1, profile.boot_tasks):
        yield len(profile.bootstrap_names) + task, task_port(task), f"the port of task {task}"


def boot_states() -> list[dict[str, Any]]:
    """What the page of boot states says of each profile."""
    return [
        {
            "profile": profile,
            "names": list(boot_names(profile)),
            "ports": boot_ports(profile.boot_tasks),
            "tokens": [(task, *boot_tokens(task)) for task in range(BOOTSTRAP_TASK, profile.boot_tasks)],
        }
        for profile in PROFILES.values()
    ]


def type_words() -> dict[str, str]:
    """What the source says of each type of an argument and of a result: the comment beside it."""
    source = signature_module.__loader__.get_source(signature_module.__name__)  # type: ignore[union-attr]
    words: dict[str, str] = {}
    for kind in (ArgumentType, OutputType):
        body = source.partition(f"class {kind.__name__}(Enum):")[2].partition("\n\n\n")[0]
        for value, about in re.findall(r'^    \w+ = "([\w-]+)"(?:  # (.*))?$', body, re.MULTILINE):
            words[f"{kind.__name__}.{value}"] = about
    return words


def forms() -> Iterator[tuple[Signature, list[tuple[str, str]]]]:
    """Each call with its results: the code, and the results that come with it, each with its type."""
    for signature in SIGNATURES.values():
        codes = dict.fromkeys([ReturnCode.KERN_SUCCESS, *signature.partial])
        rows = []
        for code in codes:
            results = ", ".join(f"`{output.name}`: {output.type.value}" for output in signature.results(code))
            rows.append((ReturnCode(code).name, results or "none"))
        yield signature, rows
