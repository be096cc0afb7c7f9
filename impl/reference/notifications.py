"""Notifications: messages that the kernel sends by itself (``ipc/ipc_notify.c``).

A notification is a message on a send-once right, and uses that right up. Three kinds are requested by a call
(``calls/requests.py``); until the event the right is kept by the port that the event happens to. A send-once
notification needs no request: it goes over the unused send-once right itself. If the port of the right has died, no
notification is sent.

When a resume port has no senders left, the kernel acts itself: it sends no message.
"""

from __future__ import annotations

from typing import NamedTuple

from sendright.impl.reference.message import from_kernel
from sendright.impl.reference.port import Port, Right
from sendright.mach.abi.rights import Notification, PortObject


def notify(right: Right, id: Notification, data: int = 0) -> None:
    """Send a notification over the send-once ``right``, regardless of queue limits."""
    if right.live:
        from_kernel(right.port.serials, int(id), right, data).send_off()


class Due(NamedTuple):
    """A notification whose event has happened, and that the kernel sends a moment later."""

    right: Right
    id: Notification
    data: int

    def send(self) -> None:
        """Send it. If the port of the right has died meanwhile, nothing is sent."""
        notify(self.right, self.id, self.data)


def lose_send(port: Port) -> Due | None:
    """Count a send right to the live ``port`` less. Returns the no-senders notification that is due if it was the last.

    The notification carries the make-send count, so that a receiver that has since made send rights can see that it
    isn't about these.

    If the last send right to a resume port ends, wherever it was, the port's task is resumed wholly. Each suspension
    requests that again. (``ipc_kobject_make_send_nsrequest``, ``task_suspension_no_senders``; a task that ends isn't
    resumed any more, ``ipc_task_disable``)
    """
    port.send_rights -= 1
    port.changed()
    if port.send_rights > 0:
        return None
    if port.object is PortObject.TASK_RESUME and port.task is not None:
        port.task.resume_wholly()
    if port.no_senders is None:
        return None
    waiting, port.no_senders = port.no_senders, None
    return Due(waiting, Notification.NO_SENDERS, port.make_send_count)


def release_send(port: Port) -> None:
    """Release a send right to the live ``port``. If it was the last, the no-senders request fires.
    (``ipc_port_release_send``)
    """
    due = lose_send(port)
    if due is not None:
        due.send()


def tell_send_possible(port: Port) -> None:
    """Send the send-possible notifications of the live ``port`` that are armed, whether its queue has room or not.
    (``ipc_port_spnotify``)
    """
    for request in port.requests.in_order():
        right = request.fire()
        if right is not None:
            notify(right, Notification.SEND_POSSIBLE, request.name)
