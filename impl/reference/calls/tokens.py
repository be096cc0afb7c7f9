"""Setting tasks' tokens, which only a holder of the host security port can do (``kern/host.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.tasks import TaskCalls
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.ledger import Ledger
from sendright.impl.reference.message import Tokens
from sendright.impl.reference.port import DEAD_RIGHT, Port
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.impl.reference.waiting import PausedCreation, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place
from sendright.mach.abi.tokens import AuditToken, SecurityToken
from sendright.mach.kernel.call import Result
from sendright.mach.state.boot import HOST_PORT, HOST_PRIV_PORT


class TokenCalls(TaskCalls):
    """The two calls that set security and audit tokens."""

    def host_security_create_task_token(
        self,
        caller: Task,
        host_security: Port | None,
        parent: Task | None,
        security_token: SecurityToken,
        audit_token: AuditToken,
        host: Port | None,
        ledgers: tuple[Ledger | None, ...],
        inherit_memory: bool,
    ) -> Steps:
        """As ``task_create``, but the child has the given tokens; in profiles where the call takes a ``host``, it also
        has the host port that this grants.

        In profiles with two steps the child has its parent's tokens and host port in between (hazard H-2). A wrong
        parent is reported before a wrong security port.

        KERN_INVALID_ARGUMENT, KERN_INVALID_SECURITY, KERN_RESOURCE_SHORTAGE.
        """
        if parent is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if host_security is None:
            raise Failure(ReturnCode.KERN_INVALID_SECURITY)
        tokens = self.new_tokens(parent, security_token, audit_token)
        if self.profile.tokens_in_two_steps:
            child = self.create_child(parent, parent.tokens, ledgers, inherit_memory)
            yield PausedCreation(child, tokens, privileged=host is not None)
            if not child.port.alive:
                return Result(ReturnCode.KERN_SUCCESS, {"child_task": copy_out(caller.space, DEAD_RIGHT)})
            child.set_tokens(tokens)
        else:
            child = self.create_child_with_tokens(parent, tokens, ledgers, inherit_memory)
        if self.profile.takes("host_security_create_task_token", "host"):
            self._set_host(child, host)
        return self.hand_over(caller, child)

    def create_child_with_tokens(self, parent: Task, tokens: Tokens, ledgers: tuple[Ledger | None, ...], inherit_memory: bool) -> Task:
        """Make a child with tokens that differ from its parent's. It has them from the first moment."""
        return self.create_child(parent, tokens, ledgers, inherit_memory)

    def host_security_set_task_token(
        self, caller: Task, host_security: Port | None, task: Task | None, security_token: SecurityToken, audit_token: AuditToken, host: Port | None
    ) -> Result:
        """Set the tokens of ``task``, and its host port: to the privileged one if ``host`` is given, else to the
        ordinary one.

        KERN_INVALID_ARGUMENT, KERN_INVALID_SECURITY. Messages that the task sent before keep their tokens, and the task
        keeps the rights in its space (hazard H-15).
        """
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if host_security is None:
            raise Failure(ReturnCode.KERN_INVALID_SECURITY)
        task.set_tokens(self.new_tokens(task, security_token, audit_token))
        if self.profile.host_place:
            self._set_host(task, host)
        return Result(ReturnCode.KERN_SUCCESS)

    def _set_host(self, task: Task, host: Port | None) -> None:
        port = self.well_known[HOST_PORT if host is None else HOST_PRIV_PORT]
        self.release([task.put(Place.HOST, port.make_send())])

    def new_tokens(self, task: Task, security_token: SecurityToken, audit_token: AuditToken) -> Tokens:
        """The tokens in the arguments; in a profile without audit tokens, the audit token is that of ``task``."""
        return Tokens(security_token, audit_token if self.profile.audit_tokens else task.tokens.audit)
