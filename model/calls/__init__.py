"""The rules, by subject. Importing this package declares them all."""

from sendright.model.calls import (
    allocation,
    attributes,
    exceptions,
    host_ports,
    ledgers,
    memory,
    messages,
    names,
    notifications,
    port_sets,
    rename,
    request_reply,
    special_ports,
    suspension,
    tasks,
    transfer,
)

__all__ = [
    "allocation",
    "attributes",
    "exceptions",
    "host_ports",
    "ledgers",
    "memory",
    "messages",
    "names",
    "notifications",
    "port_sets",
    "rename",
    "request_reply",
    "special_ports",
    "suspension",
    "tasks",
    "transfer",
]
