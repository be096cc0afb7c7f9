"""The object with which a package declares what it adds. Declaring changes nothing: ``load`` adds it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.profiles import Profile

if TYPE_CHECKING:
    from sendright.impl.recordings.form import Form
    from sendright.mach.signatures import Signature

F = TypeVar("F", bound=Callable[..., Any])

LOWEST_NUMBER, HIGHEST_NUMBER = 1000, 9999
"""The numbers of plugins' invariants and step properties. sendright's own are lower."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.IGNORECASE)
_CALL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
Applies = Callable[[Profile], bool]


def every_profile(profile: Profile) -> bool:
    """Of all profiles."""
    return True


@dataclass(frozen=True)
class Declared:
    """One thing that a plugin adds."""

    kind: str
    name: str
    value: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """As in "invariant 1001"."""
        return f"{self.kind} {self.name}"


class Plugin:
    """What a package adds to sendright, by the kinds of things.

    ``name`` names it in results; ``version`` is that of the installed package, if it is empty. The methods raise
    PluginError for something that doesn't have the right form, and for what this plugin has already declared.
    """

    def __init__(self, name: str, version: str = "") -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(f"Plugin({name!r}): a plugin's name is letters, digits, dots and dashes, at most 64")
        if not isinstance(version, str) or len(version) > 64 or not version.isprintable():
            raise PluginError(f"plugin {name}: the version must be a text, of at most 64 characters that can be shown")
        self.name, self.version = name, version
        self._declared: dict[tuple[str, str], Declared] = {}

    @property
    def declared(self) -> Sequence[Declared]:
        """All that was declared, in that order."""
        return tuple(self._declared.values())

    # ---- the specification

    def invariant(self, number: int, title: str, *, applies: Applies = every_profile) -> Callable[[F], F]:
        """Declare an invariant of states: a generator of (title, formula), from ``v`` and ``s``
        (docs/state-an-invariant.md). Its docstring states it in words. ``applies`` says which profiles have it.
        """
        return self._property("invariant", number, title, applies=_function(applies, "applies"))

    def step_property(self, number: int, title: str, *, looks_at_order: bool = False, of_whole_calls: bool = False) -> Callable[[F], F]:
        """Declare a property of steps: a generator of (title, formula), from ``v`` and ``x``. Its docstring states it
        in words. With ``of_whole_calls`` runs of kernels are judged by it too: say so only if it holds from the
        beginning of a call to its end, whatever rules run in between.
        """
        return self._property("step property", number, title, looks_at_order=looks_at_order, of_whole_calls=of_whole_calls)

    def call(self, signature: Signature, *, applies: Applies = every_profile) -> None:
        """Declare a call by its signature. ``applies`` says which profiles' kernels have it. A rule and the reference
        kernel's code, of the same name, must be declared, too.
        """
        from sendright.mach.signatures import Signature

        if not isinstance(signature, Signature):
            raise self._bad(f"call: {_short(signature)} is not a sendright.mach.signatures.Signature")
        if not _CALL_NAME.fullmatch(signature.name):
            raise self._bad(f"call: {signature.name!r} isn't a name for a call (small letters, digits and underscores)")
        shown(signature.about, "about")
        self._add("call", signature.name, signature, applies=_function(applies, "applies"))

    def rule(self, name: str = "", /, **options: Any) -> Callable[[F], F]:
        """Declare a rule, with the options of ``sendright.model.language.rule.rule`` (docs/add-a-call.md). It is the
        rule of the call of its name, or a further one that a ``sequence`` of the plugin's runs.
        """

        def declare(function: F) -> F:
            self._generator(function, "rule")
            self._add("rule", name or function.__name__, function, **options)
            return function

        return declare

    def sequence(self, *calls: str, resumed: bool = False) -> Callable[[F], F]:
        """Declare the sequence of rules that calls of this plugin run (``sendright.model.language.sequences``)."""

        def declare(function: F) -> F:
            self._generator(function, "sequence")
            for call in calls:
                self._add("sequence", f"{call}, resumed" if resumed else call, function, call=call, resumed=resumed)
            return function

        return declare

    def may_change(self, field: str, words: str, where: Callable[..., Any], *rules: str) -> None:
        """Declare why rules of this plugin may change a field of the state: ``where`` gives, for a step and a point of
        the field, the condition (``Touched`` in ``sendright.model.invariants.steps.locality``). Without it, step
        invariant 201 is broken.
        """
        self._add("reason", f"{field}, {words}", _function(where, "where"), field=field, words=words, rules=rules)

    def code(self, name: str = "") -> Callable[[F], F]:
        """Declare the reference kernel's code for a call: a function of the kernel, the caller, and the arguments in
        the signature's order. It gives a ``Result``, or raises ``Failure``.
        """

        def declare(function: F) -> F:
            _function(function, "code")
            self._add("code", name or function.__name__, function)
            return function

        return declare

    def flows(self, call: str, *, resumed: bool = False) -> Callable[[F], F]:
        """Declare from where a call brings rights into slots (``sendright.properties.provenance.call_flows``). A call
        without it brings none.
        """

        def declare(function: F) -> F:
            self._generator(function, "flows")
            self._add("flows", f"{call}, resumed" if resumed else call, function, call=call, resumed=resumed)
            return function

        return declare

    def witnesses(self, file: str | Path) -> None:
        """Declare recorded runs that reach the cases of this plugin's rules: a file that ``sendright witnesses
        --plugin … --output FILE`` wrote.
        """
        self._add("witnesses", str(file), Path(file))

    # ---- kernels

    def profile(self, name: str, *, based_on: str, title: str = "", **switches: Any) -> None:
        """Declare a profile: that of ``based_on``, with other values of some switches (``sendright profiles``)."""
        self._add("profile", name, {"name": name, "based_on": based_on, **({"title": title} if title else {}), **switches})

    def profile_file(self, file: str | Path) -> None:
        """Declare the profile in a TOML file of switches."""
        self._add("profile", str(file), Path(file))

    def fault(self, name: str, title: str, history: str = "") -> Callable[[F], F]:
        """Declare a fault for ``--fault``: a kernel that can be made without arguments, mostly a subclass of
        ``sendright.impl.reference.ReferenceKernel`` that does one thing wrong.
        """
        return self._kernel("fault", name, title=_text(title, "title"), history=_text(history or title, "history"))

    def adapter(self, name: str, about: str = "") -> Callable[[F], F]:
        """Declare a kernel for ``--sut NAME``: a class, or another callable, without arguments, whose objects are an
        ``Implementation``. It runs in a process of its own.
        """
        return self._kernel("adapter", name, about=_text(about or name, "about"))

    # ---- audits

    def audit_rule(self, name: str, *, invariants: Sequence[int], title: str, needs: Sequence[str]) -> Callable[[F], F]:
        """Declare a rule for audits: a generator of ``Suspect``, from the store
        (``sendright.properties.audit.rules.rule``). ``needs`` are the tables that it reads; its docstring is its
        description.
        """

        def declare(function: F) -> F:
            self._generator(function, "audit rule")
            options = {"invariants": tuple(invariants), "title": _text(title, "title"), "needs": tuple(needs)}
            self._add("audit rule", _named(name, "audit rule"), function, **options)
            return function

        return declare

    def log_reader(self, form: Form) -> None:
        """Declare a reader of logs: an object with what ``sendright.impl.recordings.form.Form`` has. It is tried after
        sendright's own.
        """
        missing = [each for each in ("name", "about", "versions", "recognizes", "read") if not hasattr(form, each)]
        if missing:
            raise self._bad(f"log reader {_short(form)} has no {', '.join(missing)} (see sendright.impl.recordings.form.Form)")
        _text(form.about, "about")
        self._add("log reader", _named(form.name, "log reader"), form)

    # ----

    def _property(self, kind: str, number: int, title: str, **options: Any) -> Callable[[F], F]:
        if not isinstance(number, int) or isinstance(number, bool) or not LOWEST_NUMBER <= number <= HIGHEST_NUMBER:
            raise self._bad(f"{kind} {number!r}: a plugin's numbers are from {LOWEST_NUMBER} to {HIGHEST_NUMBER}")
        _text(title, "title")

        def declare(function: F) -> F:
            self._generator(function, f"{kind} {number}")
            if not (function.__doc__ or "").strip():
                raise self._bad(f"{kind} {number}: has no docstring, which must state it in words")
            self._add(kind, str(number), function, number=number, title=title, **options)
            return function

        return declare

    def _kernel(self, kind: str, name: str, **options: Any) -> Callable[[F], F]:
        _named(name, kind)

        def declare(build: F) -> F:
            self._add(kind, name, _function(build, kind), **options)
            return build

        return declare

    def _generator(self, function: object, what: str) -> None:
        if not inspect.isgeneratorfunction(function):
            raise self._bad(f"{what}: {_short(function)} is not a function that yields")

    def _add(self, kind: str, name: str, value: object, **options: Any) -> None:
        if (kind, name) in self._declared:
            raise self._bad(f"{kind} {name} is declared twice")
        self._declared[kind, name] = Declared(kind, name, value, options)

    def _bad(self, words: str) -> PluginError:
        return PluginError(f"plugin {self.name}: {words}")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _function(value: F, what: str) -> F:
    if not callable(value):
        raise PluginError(f"{what}: {_short(value)} can't be called")
    return value


def _text(value: str, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PluginError(f"{what}: {_short(value)} is not a text")
    return shown(value, what)


def shown(text: str, what: str) -> str:
    """``text``, which terminals and reports show. Raises PluginError for control characters, such as a terminal's."""
    if not " ".join(text.split()).isprintable():
        raise PluginError(f"{what}: {_short(text)} has characters that can't be shown")
    return text


def _named(name: str, what: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{what}: {_short(name)} isn't a name (letters, digits, dots and dashes, at most 64)")
    return name
