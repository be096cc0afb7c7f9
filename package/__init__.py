"""sendright: a formal model and property-testing harness for Mach's capabilities and security tokens.

The names in ``__all__`` are the public API. docs/api.md describes them. All modules below this package are private:
they may change in any version. A name is imported when it is first used, so ``import sendright`` takes no time.
"""

from importlib import import_module

_HOMES = {
    "sendright.api.auditing": ("audit",),
    "sendright.api.checking": ("check",),
    "sendright.api.failures": ("NotConforming", "NotProved", "SendrightFailure", "Undetermined"),
    "sendright.api.judging": ("Run", "received_names"),
    "sendright.api.kernel": ("Kernel",),
    "sendright.api.proving": ("prove",),
    "sendright.api.replaying": ("replay",),
    "sendright.api.state_machine": ("KernelMachine",),
    "sendright.cli.bad_input": ("BadInput",),
    "sendright.mach.abi.codes": ("ReturnCode",),
    "sendright.mach.abi.rights": ("Disposition", "Right", "SlotKind"),
    "sendright.mach.kernel.call": ("Call", "Result"),
    "sendright.mach.kernel.capabilities": ("Capabilities", "NotMade"),
    "sendright.mach.kernel.implementation": ("Implementation",),
    "sendright.mach.kernel.profiles": ("PROFILES", "Profile"),
    "sendright.mach.kernel.unmodelled": ("Unmodelled",),
    "sendright.mach.results.audits": ("AuditResult",),
    "sendright.mach.results.checks": ("CheckResult", "ProofResult", "ReplayResult"),
    "sendright.mach.results.verdicts": ("Verdict",),
    "sendright.mach.signatures": ("SIGNATURES", "Signature"),
    "sendright.mach.state.snapshot": ("Snapshot",),
    "sendright.mach.state.trace": ("Step", "Trace", "Violation"),
    "sendright.mach.state.view": ("NamedRight", "Receiver", "Space", "View", "ViewPart"),
}
"""Module -> the public names that it has. (``__init__.pyi`` has the same for type checkers.)"""

_MODULES = {"strategies": "sendright.api.strategies"}
"""Public name -> the module that it is."""

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted((*_HOME_OF, *_MODULES))


def __getattr__(name: str) -> object:
    if name in _MODULES:
        found: object = import_module(_MODULES[name])
    elif name in _HOME_OF:
        found = getattr(import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
