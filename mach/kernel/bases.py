"""Which of sendright's own profiles an added profile is based on.

What sendright knows of a kernel beside its switches (the constants in its headers, the sources, recorded runs) is
listed by the names of its own profiles. An added profile has that of the one on which it is based.
"""

from __future__ import annotations

_BASES: dict[str, str] = {}


def set_base(profile: str, base: str) -> None:
    """From now on ``profile`` has what is known of the kernel of ``base``."""
    _BASES[profile] = base_of(base)


def forget_base(profile: str) -> None:
    """The profile isn't there any more."""
    _BASES.pop(profile, None)


def base_of(profile: str) -> str:
    """The profile of sendright's own on which the one of this name is based: itself, if it isn't an added one."""
    return _BASES.get(profile, profile)
