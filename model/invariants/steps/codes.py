"""Which error a failing test answers: a code says what was looked at, and not every call has every code.

Source: the comments on the codes in ``mach/kern_return.h`` and ``mach/message.h``, and the order of
``precedence.Stage``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType, Signature
from sendright.model.invariants.steps.precedence import Stage, stage
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import Term
from sendright.model.language.step_property import step_property
from sendright.model.language.transition import Transition

LOOKS_AT: dict[ReturnCode, tuple[Stage, ...]] = {
    # the request, and messages
    ReturnCode.MACH_SEND_INVALID_DEST: (Stage.REQUEST, Stage.VALUES, Stage.CONTENT),
    ReturnCode.MACH_SEND_INVALID_REPLY: (Stage.REQUEST, Stage.CONTENT),
    ReturnCode.MACH_SEND_INVALID_RIGHT: (Stage.REQUEST, Stage.VALUES, Stage.CONTENT),
    ReturnCode.MACH_SEND_INVALID_HEADER: (Stage.VALUES,),
    ReturnCode.MACH_SEND_INVALID_TYPE: (Stage.VALUES,),
    ReturnCode.MACH_SEND_MSG_TOO_SMALL: (Stage.VALUES, Stage.CONTENT),
    ReturnCode.MACH_SEND_INVALID_MEMORY: (Stage.CONTENT,),
    ReturnCode.MACH_SEND_IN_PROGRESS: (Stage.CONTENT,),
    ReturnCode.MACH_SEND_TIMED_OUT: (Stage.VALUES,),
    ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE: (Stage.VALUES,),
    ReturnCode.MACH_RCV_INVALID_NAME: (Stage.CARRIED,),
    ReturnCode.MACH_RCV_IN_SET: (Stage.CONTENT,),
    ReturnCode.MACH_RCV_TIMED_OUT: (Stage.CONTENT,),
    ReturnCode.MACH_RCV_TOO_LARGE: (Stage.CONTENT,),
    ReturnCode.MACH_RCV_PORT_CHANGED: (Stage.CONTENT,),
    ReturnCode.MACH_RCV_PORT_DIED: (Stage.CONTENT,),
    ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE: (Stage.VALUES,),
    ReturnCode.MACH_RCV_IN_PROGRESS: (Stage.VALUES, Stage.CONTENT),
    ReturnCode.MIG_BAD_ARGUMENTS: (Stage.MIG,),
    # kernel objects
    ReturnCode.KERN_INVALID_TASK: (Stage.OBJECT,),
    ReturnCode.KERN_INVALID_SECURITY: (Stage.OBJECT,),
    ReturnCode.KERN_INVALID_LEDGER: (Stage.OBJECT, Stage.CONTENT),
    # arguments, names, and what names denote
    ReturnCode.KERN_INVALID_ARGUMENT: (Stage.OBJECT, Stage.VALUES, Stage.CARRIED, Stage.ENTRY, Stage.CONTENT),
    ReturnCode.KERN_INVALID_VALUE: (Stage.VALUES, Stage.CARRIED, Stage.CONTENT),
    ReturnCode.KERN_INVALID_NAME: (Stage.VALUES, Stage.ENTRY),
    ReturnCode.KERN_INVALID_RIGHT: (Stage.VALUES, Stage.CARRIED, Stage.ENTRY, Stage.CONTENT),
    ReturnCode.KERN_INVALID_CAPABILITY: (Stage.CARRIED, Stage.ENTRY, Stage.CONTENT),
    ReturnCode.KERN_NAME_EXISTS: (Stage.ENTRY, Stage.CONTENT),
    ReturnCode.KERN_RIGHT_EXISTS: (Stage.CONTENT,),
    ReturnCode.KERN_UREFS_OVERFLOW: (Stage.CONTENT,),
    ReturnCode.KERN_ALREADY_IN_SET: (Stage.CONTENT,),
    ReturnCode.KERN_NOT_IN_SET: (Stage.CONTENT,),
    ReturnCode.KERN_FAILURE: (Stage.VALUES, Stage.ENTRY, Stage.CONTENT),
    ReturnCode.KERN_NO_ACCESS: (Stage.VALUES, Stage.ENTRY),
    ReturnCode.KERN_DENIED: (Stage.VALUES,),
    # processes
    ReturnCode.ESRCH: (Stage.CONTENT,),
    ReturnCode.EPERM: (Stage.VALUES, Stage.CONTENT),
    ReturnCode.EINVAL: (Stage.VALUES, Stage.CARRIED, Stage.CONTENT),
    ReturnCode.ECHILD: (Stage.CONTENT,),
    ReturnCode.EACCES: (Stage.CONTENT,),
    ReturnCode.EAGAIN: (Stage.MEMORY,),
    ReturnCode.ENOMEM: (Stage.MEMORY,),
    ReturnCode.KERN_PROTECTION_FAILURE: (Stage.CONTENT,),
    ReturnCode.KERN_NOT_FOUND: (Stage.CONTENT,),
    # memory
    ReturnCode.KERN_INVALID_ADDRESS: (Stage.VALUES, Stage.CONTENT),
    ReturnCode.KERN_NO_SPACE: (Stage.CONTENT,),
    ReturnCode.KERN_RESOURCE_SHORTAGE: (Stage.CONTENT, Stage.MEMORY),
}
"""What a test may look at that answers this code. No test answers a code that isn't here."""


def looks_at(profile: Profile) -> dict[ReturnCode, tuple[Stage, ...]]:
    """``LOOKS_AT``, and what some kernels add: names have a form, and a receive with no room at all has a code of its
    own.
    """
    found = dict(LOOKS_AT)
    if profile.has_processes:  # its traps look at names that they are given
        found[ReturnCode.KERN_FAILURE] = (*found[ReturnCode.KERN_FAILURE], Stage.CARRIED)
        found[ReturnCode.KERN_NO_ACCESS] = (*found[ReturnCode.KERN_NO_ACCESS], Stage.CONTENT)
    if profile.name_index_max:
        for code in (ReturnCode.KERN_NO_SPACE, ReturnCode.KERN_INVALID_VALUE):
            found[code] = (*found[code], Stage.ENTRY)
    return found | {profile.no_room_code: LOOKS_AT[ReturnCode.MACH_RCV_TOO_LARGE]}


def _names(call: Signature) -> bool:
    return call.takes(ArgumentType.NAME)


def _carries(call: Signature) -> bool:
    return call.takes(ArgumentType.RIGHT_NAME) or call.takes(ArgumentType.DISPOSITION)


def _gives_by_target(call: Signature) -> bool:
    """What the call gives depends on which port of the task its target is."""
    return call.takes(ArgumentType.SELECTOR) and len(call.target_objects) > 1


def _has_attributes(call: Signature) -> bool:
    return call.takes(ArgumentType.ATTRIBUTES)


def _has_ledgers(call: Signature) -> bool:
    return call.targets_ledger or any("ledger" in argument.name for argument in call.arguments)


ONLY_WITH: dict[ReturnCode, Callable[[Signature], bool]] = {
    ReturnCode.KERN_INVALID_ADDRESS: lambda call: call.addresses_memory,
    ReturnCode.KERN_NO_SPACE: lambda call: call.addresses_memory or _has_attributes(call),
    ReturnCode.KERN_INVALID_LEDGER: _has_ledgers,
    ReturnCode.KERN_INVALID_SECURITY: lambda call: call.sets_tokens,
    ReturnCode.KERN_INVALID_NAME: _names,
    ReturnCode.KERN_NAME_EXISTS: lambda call: any(argument.type is ArgumentType.NAME for argument in call.arguments),
    ReturnCode.KERN_RIGHT_EXISTS: _carries,
    ReturnCode.KERN_INVALID_CAPABILITY: lambda call: _carries(call) or _has_attributes(call) or _gives_by_target(call),
    ReturnCode.KERN_UREFS_OVERFLOW: _names,
    ReturnCode.KERN_NO_ACCESS: lambda call: call.takes(ArgumentType.SELECTOR) or call.takes(ArgumentType.HOST_SELECTOR),
    ReturnCode.KERN_DENIED: lambda call: any(argument.name == "service" for argument in call.arguments),
    ReturnCode.KERN_NOT_FOUND: lambda call: any(argument.object is PortObject.TASK_ID_TOKEN for argument in call.arguments),
}
"""The codes that only calls have of which this is true."""


ERRNO = ("ESRCH", "EPERM", "EINVAL", "ECHILD", "EACCES", "EAGAIN", "ENOMEM")
"""The codes of system calls."""
MACH_TRAPS = "mach/mach_traps.h"
"""The traps that answer a code of Mach's, not one of a system call."""


def may_answer(x: Transition) -> bool:
    """The failing case may answer its code: for what it looks at, and for its call."""
    case, rule = x.whole_case, x.rule
    code = case.code
    looked = stage(x.k, case)
    if code is None or looked not in looks_at(x.k.profile).get(code, ()):
        return False
    call = SIGNATURES.get(rule.partition(":")[0])
    group = code.name.partition("_")[0]
    if call is not None and call.of_processes and call.target is None:
        return group in (("KERN",) if call.section == MACH_TRAPS else ("MACH", *ERRNO))
    if group in ERRNO:
        return False
    if call is None or call.target is None:  # a trap, or a step of any call: it is about messages
        return group == "MACH"
    if code.name.startswith("MACH_RCV"):
        return call.in_steps and code is ReturnCode.MACH_RCV_IN_PROGRESS
    if code is ReturnCode.KERN_NO_SPACE and looked is Stage.ENTRY:
        return ONLY_WITH[ReturnCode.KERN_NAME_EXISTS](call)
    return code not in ONLY_WITH or ONLY_WITH[code](call)


@step_property(212, "a code says what was looked at", looks_at_order=True)
def codes(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call answers an error code only for a test of what the code is about: its request, the objects behind its
    ports, the values of its arguments, a name, what the name denotes, memory.

    Codes about memory, ledgers, tokens, names and selectors are answered only by calls that take such. Traps answer
    only codes about messages, except those about processes. System calls answer errors of their own.
    """
    if x.whole_case.refuses:
        yield "its code", z3.BoolVal(may_answer(x))
