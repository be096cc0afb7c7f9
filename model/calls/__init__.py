"""The rules, by subject. Importing this package declares them all."""

from sendright.model.calls import memory, messages, names, request_reply, special_ports, tasks, transfer

__all__ = ["memory", "messages", "names", "request_reply", "special_ports", "tasks", "transfer"]
