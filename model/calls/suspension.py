"""Suspending and resuming a task. A task whose suspend count isn't 0 makes no calls (``Context.assumptions``)."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.language.evidence import page, rests_on, suite
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.state import After
from sendright.model.language.terms import Name


@rule(
    evidence=rests_on(
        "kern/task.c: task_suspend",
        gnumach=suite("test-task.c: test_new_task", "the task is suspended once more"),
        xnu="kern/task.c: task_suspend, place_task_hold",
        manual=page("task_suspend"),
    )
)
def task_suspend(k: Context, task: Name) -> Iterator[Case]:
    """Suspend a task once more.

    Suspensions are counted: the task runs again when all of them are taken back.
    """
    # NAMES
    target = k.task_behind(task)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))

    # RIGHTS
    def suspend(after: After) -> None:
        after.add("suspend_count", target, 1)

    yield k.succeeds("the task is suspended once more", k.otherwise(), suspend)


@rule(
    evidence=rests_on(
        "kern/task.c: task_resume",
        gnumach=suite("test-task.c: test_new_task", "one suspension is taken back"),
        xnu="kern/task.c: task_resume, release_task_hold",
        manual=page("task_resume"),
    )
)
def task_resume(k: Context, task: Name) -> Iterator[Case]:
    """Take back one suspension of a task. This fails if the task isn't suspended."""
    # NAMES
    target = k.task_behind(task)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))
    runs = k.before.suspend_count(target) == 0
    yield k.fails(k.profile.resume_at_zero_code, "the task is not suspended", runs)

    # RIGHTS
    def resume(after: After) -> None:
        after.add("suspend_count", target, -1)

    yield k.succeeds("one suspension is taken back", k.otherwise(z3.Not(runs)), resume)
