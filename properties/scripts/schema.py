"""The form of scripts on disk, ``mach-cases/1``, and its JSON Schema.

These structs define what a file may contain; ``steps.py`` reads what the words in it mean.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from sendright.mach.state.trace import PagesLimit, QueueLimit, UserReferencesLimit

SCRIPT_FORMAT = "mach-cases/1"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class StepForm(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a case."""

    caller: Annotated[str, Meta(min_length=1, description="The calling task; S holds the host security port.")] = field(name="as")
    call: Annotated[str, Meta(min_length=1, description="The call's name.")]
    args: Annotated[dict[str, Any], Meta(description="Arguments by name: symbols, well-known words, numbers.")] = {}
    bind: Annotated[
        dict[str, str | list[str | None]],
        Meta(description="Output -> its symbol in later steps; a list of symbols or nulls for an output of several values."),
    ] = {}
    expect: Annotated[dict[str, Any], Meta(description="The expected result; only what is listed here is checked.")] = {}
    shortage: Annotated[int, Meta(ge=0, description="sendright's own: this allocation of the call fails, counted from 1; 0: none.")] = 0
    stop: Annotated[bool, Meta(description="sendright's own: stop between the steps of this call in the kernel; the caller is blocked then.")] = False
    resume: Annotated[bool, Meta(description="sendright's own: resume the caller's pending call of this name; no arguments.")] = False
    notes: Annotated[Any, Meta(description="Anything, for readers.")] = None


class CaseForm(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence of calls, made on a freshly booted kernel."""

    id: Annotated[str, Meta(min_length=1, description="Its name in reports; unique in the file.")]
    steps: list[StepForm]
    kind: Annotated[str, Meta(description="test: read from a test; source: from kernel code; run: recorded.")] = "test"
    path: Annotated[str, Meta(description="Its place in the source.")] = ""
    test: Annotated[str, Meta(description="The test's, or the kernel's, function.")] = ""
    title: str = ""
    profile: Annotated[str | None, Meta(description="Instead of the file's.")] = None
    source: Annotated[Any, Meta(description="Instead of the file's.")] = None
    preconditions: Annotated[Any, Meta(description="Other conditions before the first step, for readers.")] = None
    notes: Annotated[Any, Meta(description="Anything, for readers.")] = None
    urefs_max: Annotated[UserReferencesLimit, Meta(description="sendright's own: instead of the profile's.")] | None = None
    queue_limit: Annotated[QueueLimit, Meta(description="sendright's own: instead of the profile's.")] | None = None
    queue_limit_max: Annotated[QueueLimit, Meta(description="sendright's own: instead of the profile's.")] | None = None
    pages: Annotated[PagesLimit, Meta(description="sendright's own: instead of the profile's.")] | None = None


class DoingForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server does with a request, by its own account and in its calls."""

    when: Annotated[dict[str, Any], Meta(description="data, sender, kept or not_kept: what the request, or the server, has to be like.")] = {}
    calls: Annotated[list[dict[str, Any]], Meta(description="Steps without as: the server makes these calls.")] = []
    keeps: Annotated[dict[str, str], Meta(description="Symbol -> the right that the server keeps under it: one of takes, or bound by a call.")] = {}
    gives_up: Annotated[list[str], Meta(description="The kept rights that it gives up.")] = []
    reply: Annotated[list[Any], Meta(description="The descriptors of the reply.")] = []
    returns: Annotated[str | int, Meta(description="RetCode.")] = "KERN_SUCCESS"
    notes: Annotated[Any, Meta(description="Anything, for readers.")] = None


class RoutineForm(DoingForm, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server does with the requests of one message id."""

    name: str = ""
    takes: Annotated[dict[str, Any], Meta(description="Symbol -> the form in which this right, array or page comes.")] = {}
    cases: Annotated[list[DoingForm], Meta(min_length=1, description="The first one applies whose when holds.")] | None = None


class ServerForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server (docs/servers.md)."""

    caller: Annotated[str, Meta(min_length=1, description="The server's task.")] = field(name="as")
    begin: Annotated[list[dict[str, Any]], Meta(description="The steps before the first request.")] = []
    shares: Annotated[list[str], Meta(description="Symbols of the server's rights that clients can look up.")] = []
    routines: Annotated[dict[str, RoutineForm], Meta(description="Message id -> what the server does.")] = {}
    notes: Annotated[Any, Meta(description="Anything, for readers.")] = None
    urefs_max: Annotated[UserReferencesLimit, Meta(description="As of a case, for random requests.")] | None = None
    queue_limit: Annotated[QueueLimit, Meta(description="As of a case, for random requests.")] | None = None
    queue_limit_max: Annotated[QueueLimit, Meta(description="As of a case, for random requests.")] | None = None
    pages: Annotated[PagesLimit, Meta(description="As of a case, for random requests.")] | None = None


class ScriptForm(msgspec.Struct, frozen=True, kw_only=True):
    """A file of cases."""

    format: Annotated[str, Meta(pattern=f"^{SCRIPT_FORMAT}$", description=f"{SCRIPT_FORMAT}.")]
    cases: Annotated[list[CaseForm], Meta(min_length=1)]
    profile: Annotated[str | None, Meta(description="The kernel that the cases describe.")] = None
    servers: Annotated[dict[str, ServerForm], Meta(description="sendright's own: servers that the cases use, by name.")] = {}
    source: Annotated[Any, Meta(description="Their origin: repository, commit, licence.")] = None
    notes: Annotated[Any, Meta(description="Anything, for readers.")] = None


STEP_KEYS = frozenset(StepForm.__struct_encode_fields__)
"""The keys of a step. An unknown key could change a step's meaning, so a step with one isn't modelled."""


def in_words(error: msgspec.ValidationError, page: str = "docs/scripts.md") -> tuple[str, str]:
    """What is wrong, and the place of it in sendright's notation; ``page`` describes the form."""
    message, _, place = str(error).partition(" - at `")
    place = re.sub(r"^(key in )?\$\.?", "", place.rstrip("`"))
    missing = re.fullmatch(r"Object missing required field `(\w+)`", message)
    if missing:
        return "is missing: add it", f"{place}.{missing[1]}".lstrip(".")
    return f"{message.replace('`', '').replace('Expected', 'expected', 1)}: correct it (see {page})", place


def script_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the form, as ``docs/script.schema.json`` has it."""
    return {"$schema": SCHEMA_DIALECT, "title": f"Scripts of Mach calls, {SCRIPT_FORMAT}", **msgspec.json.schema(ScriptForm)}
