"""Servers: programs that receive requests and answer them by MIG's rules, and the judgement whether they keep their
rights in order (docs/servers.md)."""

from sendright.properties.servers.random_requests import check_servers
from sendright.properties.servers.server import Request, Routine, Server, routine
from sendright.properties.servers.service import Served, Service
from sendright.properties.servers.stage import Stage, stand_up

__all__ = ["Request", "Routine", "Served", "Server", "Service", "Stage", "check_servers", "routine", "stand_up"]
