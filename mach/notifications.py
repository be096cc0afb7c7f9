"""The kernel's notifications, by the ids of their messages (``mach/notify.h``)."""

from __future__ import annotations

from enum import IntEnum


class Notification(IntEnum):
    """``MACH_NOTIFY_*``: the ``msgh_id`` of each kind. Any task can send a message with such an id; its tokens
    identify the sender."""

    PORT_DELETED = 65
    SEND_POSSIBLE = 66
    """Of later kernels; none that is modelled sends it."""
    PORT_DESTROYED = 69
    NO_SENDERS = 70
    SEND_ONCE = 71
    DEAD_NAME = 72


REQUESTED = (Notification.PORT_DESTROYED, Notification.NO_SENDERS, Notification.DEAD_NAME)
"""The kinds that ``mach_port_request_notification`` accepts."""

TELL_A_NAME = (Notification.PORT_DELETED, Notification.DEAD_NAME)
"""Those whose data is a name; that of ``NO_SENDERS`` is a make-send count."""
