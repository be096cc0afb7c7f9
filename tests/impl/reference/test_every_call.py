"""What is so of every call, whatever it does: the errors of the request itself."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, Signature

ARRAYS = (ArgumentType.PORTS, ArgumentType.LIMITS, ArgumentType.DESCRIPTORS, ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN)
TARGETED = [signature for signature in SIGNATURES.values() if signature.target]
CARRYING = [
    (signature, argument)
    for signature in TARGETED
    for argument in signature.arguments
    if argument.type in (ArgumentType.PORT, ArgumentType.PORTS) and argument.name != signature.target
]


def root_of(signature: Signature) -> Actor:
    """The bootstrap task of a kernel that has the call, with all its arguments."""
    return Machine(
        next(
            profile
            for profile in PROFILES.values()
            if profile.serves(signature.name) and all(profile.takes(signature.name, argument.name) for argument in signature.arguments)
        )
    ).root


def arguments(root: Actor, signature: Signature, **given: object) -> dict[str, Any]:
    """Arguments of the right types: whatever they are, the request is looked at first."""
    some = {argument.name: () if argument.type in ARRAYS else 1 for argument in signature.arguments if argument.required}
    return some | {str(signature.target): root.me} | given


@pytest.mark.parametrize("signature", TARGETED, ids=lambda signature: signature.name)
def test_the_target_needs_a_live_send_right(signature: Signature) -> None:
    root = root_of(signature)
    for name in (NULL_NAME, DEAD_NAME, NOTHING, root.port(), root.dead_name()):
        given = arguments(root, signature, **{str(signature.target): name})
        assert root.refused(signature.name, **given) == "MACH_SEND_INVALID_DEST", name


@pytest.mark.parametrize(("signature", "argument"), CARRYING, ids=lambda part: part.name)
def test_every_other_right_must_be_one_that_can_be_copied(signature: Signature, argument: Argument) -> None:
    root = root_of(signature)
    for name in (NOTHING, root.port()):
        given = arguments(root, signature, **{argument.name: (name,) if argument.type is ArgumentType.PORTS else name})
        assert root.refused(signature.name, **given) == "MACH_SEND_INVALID_RIGHT", name
