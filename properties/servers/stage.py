"""Puts a server and a client on a judged run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.scripts.setup import Setup
from sendright.properties.servers.server import Server
from sendright.properties.servers.service import Service


class Stage(NamedTuple):
    """A server that has begun, and a client."""

    service: Service
    client: int
    """The client's task."""
    own: int
    """The client's name for its own port."""
    port: int
    """The client's name for the server's port."""


Staging: TypeAlias = Callable[[JudgedRun], Stage]
"""Sets a booted run up. Raises what ``JudgedRun.call`` raises, and NotModelled."""


def new_service(run: JudgedRun, setup: Setup, server: Server, task: int) -> Service:
    """The server at work in ``task``, on a port of its own."""
    return Service(run, server, task, setup.own_port(task), setup.receive_right(task))


def stage_of(service: Service, setup: Setup, client: int) -> Stage:
    """The stage on which the client has a send right to the server's port, and to every port that it can look up."""
    port, *_ = [_given(service, setup, name, client) for name in (service.port, *service.shared)]
    return Stage(service, client, setup.own_port(client), port)


def _given(service: Service, setup: Setup, name: int, client: int) -> int:
    """The client's name for the port that the server has by this name."""
    port = service.names[name].port
    assert port is not None, "a right that is shared has a port"
    return setup.right_to(port, client)


def stand_up(make: Callable[[], Server]) -> Staging:
    """Sets up a server that is written in Python, and a client: two tasks of their own. Each run gets a server from
    ``make``, which may be its class."""

    def set_up(run: JudgedRun) -> Stage:
        setup = Setup(run, frozenset())
        others = [task for task in run.snapshot.tasks if task != BOOTSTRAP_TASK]
        mine, client = others[:2] if len(others) > 1 else (setup.create_task(1), setup.create_task(2))
        server = make()
        service = new_service(run, setup, server, mine)
        server.begin(service)
        return stage_of(service, setup, client)

    return set_up
