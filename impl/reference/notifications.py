"""Notifications: messages that the kernel sends by itself (``ipc/ipc_notify.c``).

A notification is a message on a send-once right, and uses that right up. Three kinds are requested by a call
(``request_calls``); until the event the right is kept in the entry of a name or in a port. A send-once notification
needs no request: it goes over the unused send-once right itself. If the port of the right has died, no notification is
sent.
"""

from __future__ import annotations

from sendright.impl.reference.message import Descriptor, from_kernel
from sendright.impl.reference.port import Port, Right
from sendright.mach.abi.rights import Disposition, Notification


def notify(right: Right, id: Notification, data: int = 0) -> None:
    """Send a notification over the send-once ``right``, regardless of queue limits."""
    if right.live:
        from_kernel(right.port.serials, int(id), right, data).send_off()


def release_send(port: Port) -> None:
    """Release a send right to the live ``port``. If it was the last, the no-senders request fires.
    (``ipc_port_release_send``)

    The notification carries the make-send count, so that a receiver that has since made send rights can see that it
    isn't about these.
    """
    port.send_rights -= 1
    port.changed()
    if port.send_rights == 0 and port.no_senders is not None:
        waiting, port.no_senders = port.no_senders, None
        notify(waiting, Notification.NO_SENDERS, port.make_send_count)


def redirect_receive(port: Port) -> bool:
    """Send the receive right of ``port``, which is about to die, to the holder of its port-destroyed request. Returns
    whether it was sent. (``ipc_port_destroy``)

    False, with the request kept, if there is no request, if the request's port has died, or if the message would be
    circular. Then the port has to die.
    """
    waiting = port.port_destroyed
    if waiting is None or not waiting.live:
        return False
    body = (Descriptor(port.take_receive(), Disposition.MOVE_RECEIVE),)
    message = from_kernel(port.serials, int(Notification.PORT_DESTROYED), waiting, body=body)
    if message.circular:
        return False
    port.port_destroyed = None
    message.send_off()
    return True
