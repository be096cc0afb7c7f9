"""Violations that can be planted into a life, each by the name of the rule that it violates.

They are done on the kernel by the bootstrap task, which has all rights there, so their records are as true as others.
They are violations because something is missing: the set-id image, the call, the parent with such a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sendright.impl.synthesis import programs
from sendright.impl.synthesis.life import Life
from sendright.impl.synthesis.machine import Process
from sendright.impl.synthesis.occurrence import Occurrence
from sendright.impl.synthesis.programs import Program

Plant = Callable[[Life], list[Occurrence]]


def _tool(life: Life) -> tuple[Process, list[Occurrence]]:
    """A process of a user."""
    return life.start(life.random.choice(life.shells), life.random.choice(programs.TOOLS))


def inheritance(life: Life) -> list[Occurrence]:
    """A child is root, or in another session, and its parent isn't."""
    parent = life.random.choice(life.shells)
    ids = life.random.choice(({"euid": 0}, {"asid": parent.token[6] + 1}, {"ruid": 0, "euid": 0}, {"auid": parent.token[0] + 1}, {"egid": 0}))
    child, seen = life.fork(parent, **ids)
    return [seen, life.look(child)]


def effective_ids(life: Life) -> list[Occurrence]:
    """A user's process becomes root without a call, by an image that isn't set-id, or by one that is set to other
    ids.
    """
    process, seen = _tool(life)
    seen.append(life.look(process))
    way = life.random.choice(("suddenly", "plain image", "other owner"))
    if way == "suddenly":
        life.machine.change(process, euid=0)
    elif way == "plain image":
        seen.append(life.become(process, Program("/usr/bin/id"), euid=0))
    else:
        before = life.show(process)
        image = Program("/usr/local/bin/helper", programs.SET_UID, (70, 70), platform=False)
        life.machine.become(process, image.path, image.mode, image.owner, image.platform)
        life.machine.change(process, euid=0)
        seen.append(Occurrence("exec", before, life.show(process)))
    return [*seen, life.look(process)]


def audit_user(life: Life) -> list[Occurrence]:
    """A process gets another audit user id in the same session."""
    process, seen = _tool(life)
    seen.append(life.look(process))
    life.machine.change(process, auid=process.token[0] + 1)
    return [*seen, life.look(process)]


def reuse(life: Life) -> list[Occurrence]:
    """A process gets the process id and version of one that has ended."""
    process, seen = _tool(life)
    pid, version = process.token[5], process.token[7]
    seen.append(life.end(process))
    parent = life.random.choice(life.shells)
    before = life.show(parent)
    child = life.machine.fork(parent, (*parent.token[:5], pid, parent.token[6], version))
    life.busy.append(child)
    return [*seen, Occurrence("fork", before, life.show(child)), life.look(child)]


def control(life: Life) -> list[Occurrence]:
    """A user's program gets the task port of root's or another user's process."""
    own, seen = _tool(life)
    own.platform = False
    life.gallery.forget(own)
    others = [life.sysmond, *life.daemons, *(shell for shell in life.shells if shell.token[1] != own.token[1])]
    return [*seen, life.control(own, life.random.choice(others))]


def chain(life: Life) -> list[Occurrence]:
    """A user's program controls a system program of the same user, and through it in the end a process of root. Each
    step alone can be legitimate.
    """
    shell = life.random.choice(life.shells)
    low, seen = life.start(shell, programs.DEBUGGER)
    middle, more = life.start(shell, Program("/usr/libexec/entitled_helper"))
    seen += [*more, life.control(low, middle)]
    for _ in range(life.random.randrange(3)):
        following, more = life.start(shell, Program("/usr/libexec/entitled_helper"))
        seen += [*more, life.control(middle, following)]
        middle = following
    return [*seen, life.control(middle, life.random.choice((life.sysmond, *life.daemons)))]


def message_token(life: Life) -> list[Occurrence]:
    """The handler of a message gets a token that isn't the sender's."""
    sender, seen = _tool(life)
    other = life.random.choice((life.sysmond, *life.daemons))
    return [*seen, Occurrence("od_group_add", life.show(life.daemons[-1]), life.show(sender), life.show(other))]


PLANTS: Mapping[str, Plant] = {
    "inheritance": inheritance,
    "effective-ids": effective_ids,
    "audit-user": audit_user,
    "reuse": reuse,
    "control": control,
    "chain": chain,
    "message-token": message_token,
}
"""By the name of the rule."""


def planted(plant: Plant, life: Life) -> list[Occurrence]:
    """The occurrences of one violation, marked as such."""
    found = plant(life)
    for one in found:
        one.planted = True
    return found
