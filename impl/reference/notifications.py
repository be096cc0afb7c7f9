"""What the kernel tells by itself, to whoever asked for it (semantics 7; ``ipc/ipc_notify.c``).

A notification is a message on a send-once right, and uses that right up. Three kinds have been asked for (``request_calls``); the
right then waited in the entry of a name or in a port. Send-once notifications need no request: the right that nobody used carries
its own. A right whose port has died tells nobody anything.
"""

from __future__ import annotations

from sendright.impl.reference.message import Descriptor, from_kernel
from sendright.impl.reference.port import Port, Right
from sendright.mach.rights import Disposition, Notification


def notify(right: Right, id: Notification, data: int = 0) -> None:
    """Send a notification over the send-once ``right``. No queue limit holds it up."""
    if right.live:
        from_kernel(right.port.serials, int(id), right, data).send_off()


def release_send(port: Port) -> None:
    """A send right to the live ``port`` is no more: if it was the last, who waits for that is told. (``ipc_port_release_send``)

    The make-send count goes along: a receiver that has made send rights since can see that this is not about them.
    """
    port.send_rights -= 1
    port.changed()
    if port.send_rights == 0 and port.no_senders is not None:
        waiting, port.no_senders = port.no_senders, None
        notify(waiting, Notification.NO_SENDERS, port.make_send_count)


def rescue_receive(port: Port) -> bool:
    """Send the receive right of ``port``, which is about to die, to who asked for it. (``ipc_port_destroy``)

    False, with the request still in place, if nobody asked, or asked over a port that has died, or if the message would wait where
    only its own receive right leads: then the port has to die.
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
