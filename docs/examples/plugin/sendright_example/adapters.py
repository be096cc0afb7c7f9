"""An adapter: a kernel that ``--sut`` names. This one is the reference kernel; yours talks to a kernel of your own."""

from __future__ import annotations

from sendright.impl.reference import ReferenceKernel
from sendright_example.plugin import plugin


@plugin.adapter("example-kernel", "the reference kernel, in a process of its own")
class ExampleKernel(ReferenceKernel):
    """What ``sendright check --sut example-kernel`` checks."""

    name = "example kernel"
