"""Debian's GNU Mach, live under QEMU. Each task of the model is a Mach task, which makes its calls itself.

``files`` says which files are needed and where they are; ``setup`` fetches and builds them; ``machine`` runs QEMU and
exchanges lines with the driver (``driver/``, in C); ``words`` converts calls and answers to and from the driver's
numbers; ``kernel`` is the implementation to check.
"""

from sendright.impl.adapters.gnumach.kernel import GnuMach

__all__ = ["GnuMach"]
