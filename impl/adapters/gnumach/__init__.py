"""GNU Mach as Debian ships it, alive under QEMU: each task of the model is a task of its own, and makes its calls itself.

``files`` says what is needed and where it is; ``setup`` fetches and builds it; ``machine`` runs QEMU and speaks to the driver (``driver/``, in C);
``words`` turns calls and answers into the numbers that the driver knows; ``kernel`` is the implementation that is checked.
"""

from sendright.impl.adapters.gnumach.kernel import GnuMach

__all__ = ["GnuMach"]
