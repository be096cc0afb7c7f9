"""A child that has its parent's tokens, for a moment or permanently (hazard H-2)."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.ledger import Ledger
from sendright.impl.reference.message import Tokens
from sendright.impl.reference.task import Task


class CreateThenSetTokens(ReferenceKernel):
    """Sets a new task's tokens in a second step, which can fail."""

    name = "reference kernel with create-then-set-tokens"

    def create_child_with_tokens(self, parent: Task, tokens: Tokens, ledgers: tuple[Ledger | None, ...], inherit_memory: bool) -> Task:
        """Make the child with its parent's tokens. If there is then no memory for its own, the child remains."""
        self.allocate()  # the task
        child = self.build_child(parent, parent.tokens, ledgers, inherit_memory)
        self.allocate()  # its tokens
        child.set_tokens(tokens)
        return child


FAULT = Fault(
    name="create-then-set-tokens",
    title="a task is made complete with its parent's tokens, and gets its own in a second step",
    history=(
        "host_security_create_task_token of Mac OS X up to 10.4 (xnu-792) calls task_create_internal, which enables the child's port and "
        "lists the child in its processor set, and only then host_security_set_task_token. If that second step fails nothing ends "
        "the child: it lives on with its parent's identity, and no task holds a right to it. The arguments were tested before, so in the "
        "kernels that shipped the second step could not fail; a shortage in it shows what then happens."
    ),
    kernel=CreateThenSetTokens,
)
