"""Situations: each is reached where it should be, and only there; plans reach all of them in every profile."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.random_runs import Agreeing, directed_steps

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Disposition, Notification, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, XNU_792, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.properties.coverage.situations import GROUPS, WAITS, Scene, reached, situations
from sendright.properties.generation.calls import near_limits
from sendright.properties.generation.scenarios import (
    RareRun,
    a_child_that_ends_before_it_gets_its_tokens,
    a_port_set_destroyed_while_a_task_is_blocked_there,
    a_port_that_dies_while_a_task_is_blocked_there,
    a_queue_that_dies_while_a_task_is_blocked_there,
    a_receive_right_extracted_while_a_task_is_blocked_there,
    a_receive_right_put_into_a_set_while_a_task_is_blocked_there,
    a_right_that_dies_while_a_stopped_call_holds_it,
    make,
)
from sendright.properties.runs.judged_run import JudgedRun


class Watched:
    """A run that nobody judges, and the situations that it reaches."""

    def __init__(self, profile: Profile = MANUAL) -> None:
        kernel = ReferenceKernel()
        self.profile = near_limits(profile)
        self.run = JudgedRun(kernel, Agreeing(kernel), self.profile, 5.0)
        self.run.boot()
        self.found: Counter[str] = Counter()
        self.last: set[str] = set()

    def call(self, task: int, call: Call) -> dict[str, Any]:
        before = self.run.snapshot
        step = self.run.call(task, call)
        self.last = set(reached(Scene(self.profile, before, step, self.run.snapshot)))
        self.found.update(self.last)
        return step.outputs

    def do(self, call: str, /, **arguments: Any) -> dict[str, Any]:
        return self.call(0, Call(call, arguments))


WAITING = {words for group in GROUPS[-len(WAITS) :] for words in (one.words for one in group.situations)}
OF_WAITS: list[tuple[RareRun, Profile, str]] = [
    (a_queue_that_dies_while_a_task_is_blocked_there, MANUAL, "the port that a task waits for dies in mach_msg_send"),
    (a_port_that_dies_while_a_task_is_blocked_there, MANUAL, "the port that a task waits at dies in mach_msg_receive at a port"),
    (a_port_set_destroyed_while_a_task_is_blocked_there, MANUAL, "the port set that a task waits at ends in mach_msg_receive at a port set"),
    (a_receive_right_extracted_while_a_task_is_blocked_there, MANUAL, "the receive right that a task waits at moves in mach_msg_receive at a port"),
    (
        a_receive_right_put_into_a_set_while_a_task_is_blocked_there,
        GNUMACH,
        "a port set gets or loses a member when a task waits in mach_msg_receive at a port",
    ),
    (a_right_that_dies_while_a_stopped_call_holds_it, MANUAL, "a right that a task holds dies between the steps of task_set_special_port"),
    (a_child_that_ends_before_it_gets_its_tokens, XNU_792, "the new task ends between the steps of host_security_create_task_token"),
]


@pytest.mark.parametrize(("rare", "profile", "words"), OF_WAITS, ids=[words for _, _, words in OF_WAITS])
def test_another_call_while_a_task_waits(rare: RareRun, profile: Profile, words: str) -> None:
    watched = Watched(profile)
    make(rare, watched.profile, watched.call)
    found = {found for found in watched.found if found in WAITING}
    assert found - {"a port set gets or loses a member when a task waits in mach_msg_receive at a port set"} == {words}
    assert watched.found[words] == 1


def test_every_wait_of_the_table_has_situations() -> None:
    waiting = {wait.call for wait in WAITS}
    in_table = {name for name, one in SIGNATURES.items() if one.in_steps or any(argument.name in ("wait", "send_wait") for argument in one.arguments)}
    assert waiting == in_table
    everything = [one.words for group in GROUPS for one in group.situations]
    for wait in WAITS:
        assert sum(wait.words in words for words in everything) > 4, wait.words


def test_situations_have_different_words_and_those_of_a_profile_are_possible() -> None:
    everything = [one.words for group in GROUPS for one in group.situations]
    assert len(everything) == len(set(everything))
    assert set(everything) == {words for profile in PROFILES.values() for words in situations(profile)}
    assert not any("ledger" in words or "tokens" in words or "trailer" in words for words in situations(GNUMACH))


def ports(watched: Watched, count: int) -> tuple[int, list[int]]:
    """The caller's own name, and names with a send and a receive right."""
    me = watched.do("mach_task_self")["port"]
    names = [watched.do("mach_port_allocate", task=me, right=int(Right.RECEIVE))["name"] for _ in range(count)]
    for name in names:
        watched.do("mach_port_insert_right", task=me, name=name, poly=name, disposition=int(Disposition.MAKE_SEND))
    return me, names


def move(watched: Watched, name: int, to: int) -> None:
    """Send a receive right."""
    watched.do("mach_msg_send", dest=to, descriptors=((name, int(Disposition.MOVE_RECEIVE)),))


@pytest.mark.parametrize(("asks", "another", "whole"), [(True, False, True), (False, False, True), (True, True, True), (True, False, False)])
def test_a_name_ends_with_the_only_sender(asks: bool, another: bool, whole: bool) -> None:
    watched = Watched()
    me, [name, home] = ports(watched, 2)
    if asks:
        notify = {"notify": home, "notify_disposition": int(Disposition.MAKE_SEND_ONCE)}
        watched.do("mach_port_request_notification", task=me, name=name, variant=int(Notification.NO_SENDERS), sync=1, **notify)
    if another:  # a send right in a queue
        watched.do("mach_msg_send", dest=home, descriptors=((name, int(Disposition.COPY_SEND)),))
    if whole:
        watched.do("mach_port_destroy", task=me, name=name)
    else:
        watched.do("mach_port_mod_refs", task=me, name=name, right=int(Right.RECEIVE), delta=-1)
    words = "a name ends with the receive right and the only send right of a port that has a no-senders request"
    assert (words in watched.last) == (asks and not another and whole)


@pytest.mark.parametrize("queues", [1, 2, 3])
def test_a_circle_has_as_many_queues_as_it_has(queues: int) -> None:
    watched = Watched()
    _, names = ports(watched, queues)
    for name, to in zip(names[1:], names, strict=False):
        move(watched, name, to)
    assert not any("circular" in words for words in watched.found)
    move(watched, names[0], names[-1])
    circles = {words for words in watched.last if "circular" in words}
    assert circles == {f"a circular message over {least} or more queues" for least in (2, 3) if least <= queues}
    assert f"a receive right dies in {'a queue that dies' if queues == 2 else 'two queues that die'}" in watched.last or queues == 1


def test_a_rescue_beside_a_send_right_and_a_dead_name_request() -> None:
    watched = Watched()
    me, [home, port] = ports(watched, 2)
    once = {"notify": home, "notify_disposition": int(Disposition.MAKE_SEND_ONCE), "sync": 0}
    for variant in (Notification.PORT_DESTROYED, Notification.DEAD_NAME):
        watched.do("mach_port_request_notification", task=me, name=port, variant=int(variant), **once)
    watched.do("mach_port_mod_refs", task=me, name=port, right=int(Right.RECEIVE), delta=-1)
    beside = "a receive right is rescued from a name that keeps a send right"
    assert {words for words in watched.last if "rescued" in words} == {beside, f"{beside} and has a dead-name request"}
    assert "a port dies although it has a port-destroyed request" not in watched.found


def test_the_requests_of_a_task_that_ends_are_counted() -> None:
    watched = Watched()
    me, names = ports(watched, 4)
    child = watched.do("task_create", parent_task=me)["child_task"]
    home = {"notify": names[3], "notify_disposition": int(Disposition.MAKE_SEND_ONCE), "sync": 0}
    for index, name in enumerate(names[:2], 31):
        watched.do("mach_port_insert_right", task=child, name=index, poly=name, disposition=int(Disposition.COPY_SEND))
        watched.do("mach_port_request_notification", task=child, name=index, variant=int(Notification.DEAD_NAME), **home)
    watched.do("task_terminate", task=child)
    assert {f"a task ends that holds {count} or more requests" in watched.last for count in (1, 2)} == {True}
    assert "a task ends that holds 3 or more requests" not in watched.last
    assert "a task is ended by another one" in watched.last
    assert "a call makes two or more notifications for one port" in watched.last


def test_a_task_that_watches_its_own_port_ends() -> None:
    watched = Watched()
    me, [home] = ports(watched, 1)
    child = watched.do("task_create", parent_task=me)["child_task"]
    own = watched.do("mach_port_allocate", task=child, right=int(Right.RECEIVE))["name"]
    once = watched.do("mach_port_extract_right", task=child, name=own, disposition=int(Disposition.MAKE_SEND_ONCE))["poly"]
    watched.do("mach_port_insert_right", task=child, name=31, poly=once, disposition=int(Disposition.MOVE_SEND_ONCE))
    asked = {"task": child, "name": 31, "variant": int(Notification.DEAD_NAME), "sync": 0}
    watched.do("mach_port_request_notification", **asked, notify=home, notify_disposition=int(Disposition.MAKE_SEND_ONCE))
    watched.do("task_terminate", task=child)
    assert "a task ends that has a dead-name request for a port of its own" in watched.last


def test_an_answer_that_comes_to_a_full_port() -> None:
    words = "the kernel's answer to a message comes to a full port"
    watched = Watched()
    me, [port] = ports(watched, 1)
    request = {"dest": me, "dest_disposition": int(Disposition.COPY_SEND), "reply": port, "reply_disposition": int(Disposition.MAKE_SEND)}
    for times in range(1, watched.profile.queue_limit + 2):
        watched.do("mach_msg_send", **request)
        assert (words in watched.last) == (times > watched.profile.queue_limit)


@pytest.mark.heavy
def test_plans_reach_every_situation() -> None:
    assert missed(GNUMACH, 300) == set()


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_plans_reach_every_situation_of_each_profile(profile: Profile) -> None:
    assert missed(profile, 600) == set()


def missed(profile: Profile, runs: int) -> set[str]:
    """The situations that so many runs with plans don't reach."""
    left = set(situations(profile))
    small = near_limits(profile)
    for seed in range(runs):
        for before, step, after in directed_steps(seed, 100, small):
            left.difference_update(reached(Scene(small, before, step, after)))
        if not left:
            break
    return left
