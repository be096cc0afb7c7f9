"""The manual page of host_security_create_task_token, sentence by sentence in our own words, with what covers each.

Of every other call the clauses follow from its rule; a page was written by others, and what covers a sentence of it is
a judgement. So this table is written by hand, and checked: each case, property and test that it names must exist, and
each case of the call's own rule must be named. A case is ``CODE/title`` of the call's rule, or ``rule: CODE/title`` of
another one, which alone stands for all its cases; a test is ``file::function``.
"""

from __future__ import annotations

import msgspec

CALL = "host_security_create_task_token"
PAGE_PROFILE = "manual"
"""The profile that says what the page says."""


class PageClause(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of the page."""

    section: str
    ordinal: int
    words: str
    cases: tuple[str, ...]
    properties: tuple[str, ...]
    tests: tuple[str, ...]


_MADE = "KERN_SUCCESS/a child with the given tokens"
_NO_TARGET = "MACH_SEND_INVALID_DEST/no send right under host_security"
_NO_RIGHT = "MACH_SEND_INVALID_RIGHT/a right in the request cannot be copied in"
_NO_PARENT = "KERN_INVALID_ARGUMENT/parent_task is not a task's port"
_NO_SECURITY = "KERN_INVALID_SECURITY/host_security is not the security port"
_NO_MEMORY = "KERN_RESOURCE_SHORTAGE/the kernel is out of memory"
_TOKENS = "impl/reference/tasks/test_tokens.py"
_CREATED = f"{_TOKENS}::test_a_task_is_created_with_the_given_tokens"
_INHERITS = f"{_TOKENS}::test_the_child_inherits_from_its_parent_and_not_from_the_caller"
_TASKS = "impl/reference/tasks/test_tasks.py"
_REQUESTS = "impl/reference/notifications/test_requests.py"
_PROVED = "model/proof/test_prove.py::test_the_headline_call_keeps_every_invariant_and_theorem"

PAGE: tuple[PageClause, ...] = (
    PageClause(
        section="NAME",
        ordinal=1,
        words="The call makes a task, and its caller says which security token the task has.",
        cases=(_MADE,),
        properties=("step invariant 30",),
        tests=(_CREATED,),
    ),
    PageClause(
        section="SYNOPSIS",
        ordinal=1,
        words="It takes the security port, a parent, two tokens, ledgers and whether memory is inherited; it gives a code and the child.",
        cases=(_MADE,),
        properties=("decided",),
        tests=("properties/coverage/test_traceability.py::test_the_headline_call_takes_and_gives_what_its_page_says", _CREATED),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=1,
        words="host_security: a send right to the host's security port.",
        cases=(_NO_TARGET, _NO_SECURITY, _MADE),
        properties=("decided", "step invariant 32"),
        tests=(f"{_TOKENS}::test_only_the_security_port_will_do", f"{_REQUESTS}::test_a_token_call_goes_to_the_security_port", _CREATED),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=2,
        words="parent_task: a send right to the port of the task from which the child has its rights and its memory.",
        cases=(_NO_RIGHT, _NO_PARENT, _MADE),
        properties=("decided", "step invariant 34", "step invariant 39"),
        tests=(
            f"{_TOKENS}::test_a_wrong_parent_wins_over_a_wrong_security_port",
            f"{_TOKENS}::test_in_all_else_it_is_as_task_create_makes_it",
            f"{_REQUESTS}::test_a_token_call_goes_to_the_security_port",
        ),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=3,
        words="security_token: the child's security token.",
        cases=(_MADE,),
        properties=("step invariant 30", "step invariant 36", "theorem 3"),
        tests=(_CREATED, "model/proof/test_prove.py::test_tokens_set_too_late_are_found"),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=4,
        words="audit_token: the child's audit token.",
        cases=(_MADE,),
        properties=("step invariant 30", "step invariant 36", "theorem 3"),
        tests=(_CREATED,),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=5,
        words="ledgers: send rights to the ledgers on which the child draws.",
        cases=(_NO_RIGHT, _MADE),
        properties=("invariant 38", "theorem 1"),
        tests=(
            f"{_TASKS}::test_a_child_draws_on_the_two_ledgers_that_it_is_given",
            f"{_TASKS}::test_a_child_draws_on_its_parents_ledgers_otherwise",
            f"{_TOKENS}::test_of_two_mistakes_the_first_in_order_is_returned",
            f"{_TOKENS}::test_in_all_else_it_is_as_task_create_makes_it",
        ),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=6,
        words="inherit_memory true: the child inherits the parent's address space.",
        cases=(_MADE,),
        properties=("step invariant 39",),
        tests=(
            "impl/reference/tasks/test_memory.py::test_a_child_inherits_page_by_page",
            f"{_TOKENS}::test_in_all_else_it_is_as_task_create_makes_it",
        ),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=7,
        words="inherit_memory false: the child's address space is empty.",
        cases=(_MADE,),
        properties=("step invariant 40",),
        tests=("impl/reference/tasks/test_memory.py::test_without_inherit_memory_a_child_has_none", _INHERITS),
    ),
    PageClause(
        section="PARAMETERS",
        ordinal=8,
        words="child_task: a send right to the child's port, under a name of the kernel's choice.",
        cases=(
            _MADE,
            "copy out a right: CONTINUES/a send right takes a new name",
        ),
        properties=("invariant 4", "invariant 8"),
        tests=(f"{_TASKS}::test_a_childs_port_has_two_send_rights_both_made", _INHERITS),
    ),
    PageClause(
        section="DESCRIPTION",
        ordinal=1,
        words="A task is made from parent_task, with both tokens as given.",
        cases=(_MADE,),
        properties=("step invariant 30", "step invariant 35", "step invariant 36"),
        tests=(
            _CREATED,
            "impl/reference/test_faults.py::test_the_child_is_left_behind_with_its_parents_tokens",
        ),
    ),
    PageClause(
        section="DESCRIPTION",
        ordinal=2,
        words="The caller gets the child's name in child_task.",
        cases=(_MADE,),
        properties=("step invariant 22",),
        tests=(_CREATED,),
    ),
    PageClause(
        section="DESCRIPTION",
        ordinal=3,
        words="But for the tokens the child is as task_create would have made it; where task_create would have failed, this call fails too.",
        cases=(_MADE, _NO_MEMORY, "task_create: KERN_SUCCESS/a child like its parent"),
        properties=("theorem 1", "step invariant 34", "step invariant 35"),
        tests=(
            f"{_TOKENS}::test_in_all_else_it_is_as_task_create_makes_it",
            f"{_TOKENS}::test_a_shortage_leaves_no_child",
            "model/proof/test_prove.py::test_a_difference_to_task_create_is_seen",
            "model/proof/test_prove.py::test_theorem_1_speaks_of_every_field",
        ),
    ),
    PageClause(
        section="NOTES",
        ordinal=1,
        words="The security port is a privilege: the bootstrap task is given it for this call, and no other task has it.",
        cases=(_NO_SECURITY, _MADE),
        properties=("step invariant 22", "step invariant 29", "step invariant 32", "theorem 2"),
        tests=(
            "impl/reference/test_boot.py::test_the_bootstrap_task_is_given_the_hosts_ports",
            f"{_TOKENS}::test_only_the_security_port_will_do",
            _CREATED,
        ),
    ),
    PageClause(
        section="RETURN VALUES",
        ordinal=1,
        words="KERN_INVALID_SECURITY: host_security isn't the security port of the host.",
        cases=(_NO_SECURITY,),
        properties=("decided", "step invariant 35"),
        tests=(f"{_TOKENS}::test_only_the_security_port_will_do",),
    ),
    PageClause(
        section="RELATED INFORMATION",
        ordinal=1,
        words="Related calls: task_create, host_security_set_task_token, mach_msg.",
        cases=("task_create", "host_security_set_task_token", "mach_msg_send", "mach_msg_receive"),
        properties=("theorem 1", "step invariant 29", "step invariant 31"),
        tests=(
            f"{_TOKENS}::test_both_tokens_are_set",
            f"{_TOKENS}::test_children_made_before_keep_what_they_inherited",
            f"{_TOKENS}::test_a_receiver_sees_its_senders_tokens",
            _PROVED,
        ),
    ),
)
