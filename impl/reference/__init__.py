"""The reference kernel: Mach's tasks, ports and rights as an executable program.

Read it from the bottom up: ``port``, ``requests``, ``message``, ``ledger`` and ``host`` (what exists),
``notifications`` (what the kernel reports of it), ``port_set`` and ``space`` (how a task names it), ``transfer`` (how a
right moves), ``waiting`` (calls that haven't ended), ``memory`` and ``task`` (what a task is), ``core`` (what the whole
kernel keeps, and how rights and ports end), ``body`` (what messages carry), then the calls (``calls/``), ``server``
(how a call finds its routine) and ``kernel`` (all of it together).
"""

from sendright.impl.reference.kernel import ReferenceKernel

__all__ = ["ReferenceKernel"]
