"""Names chosen by the caller, port sets, attributes of ports, and requests for notifications."""

from __future__ import annotations

from sendright.mach.signatures.signature import NAME, RIGHT, Argument, Output, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

PORTS = (
    on_task(
        "mach_port_allocate_name",
        "Make a receive right, a port set or a dead name under a chosen name.",
        "mach/mach_port.defs",
        RIGHT,
        NAME,
        outputs=(Output("name", O.NAME, "its name"),),
    ),
    on_task(
        "mach_port_allocate_full",
        "Make a receive right, a port set or a dead name, with options.",
        "mach/mach_port.defs",
        RIGHT,
        Argument("proto", T.PORT, "a subsystem, or none: kernels no longer accept one", default=0),
        Argument("named", T.BOOLEAN, "whether to use a chosen name", default=False),
        Argument("prealloc", T.BOOLEAN, "whether memory for a message is set aside, for a receive right", default=False),
        Argument("name", T.NAME, "the chosen name", default=0),
        outputs=(Output("name", O.NAME, "its name"),),
    ),
    on_task(
        "mach_port_rename",
        "Change the name under which a task has a right.",
        "mach/mach_port.defs",
        Argument("old_name", T.NAME, "the present name"),
        Argument("new_name", T.NAME, "the new name"),
    ),
    on_task(
        "mach_port_set_mscount",
        "Set the make-send count of a port.",
        "mach/mach_port.defs",
        NAME,
        Argument("mscount", T.COUNTER, "the count"),
    ),
    on_task(
        "mach_port_set_seqno",
        "Set the sequence number of the next message that a port receives.",
        "mach/mach_port.defs",
        NAME,
        Argument("seqno", T.COUNTER, "the number"),
    ),
    on_task(
        "mach_port_get_attributes",
        "Read a port's limits or its receive status.",
        "mach/mach_port.defs",
        NAME,
        Argument("flavor", T.ATTRIBUTES, "MACH_PORT_LIMITS_INFO, MACH_PORT_RECEIVE_STATUS, …"),
        Argument("count", T.COUNT, "words that the caller has room for", default=10),
        outputs=(Output("info", O.WORDS, "the attributes"),),
    ),
    on_task(
        "mach_port_set_attributes",
        "Set a port's limits.",
        "mach/mach_port.defs",
        NAME,
        Argument("flavor", T.ATTRIBUTES, "MACH_PORT_LIMITS_INFO, …"),
        Argument("info", T.LIMITS, "the attributes: the queue limit, or the size of the table of requests", default=()),
    ),
    on_task(
        "mach_port_move_member",
        "Move a receive right into a port set, or out of all.",
        "mach/mach_port.defs",
        Argument("member", T.NAME, "the receive right"),
        Argument("after", T.NAME, "the port set, or none", default=0),
    ),
    on_task(
        "mach_port_insert_member",
        "Put a receive right into a port set; it stays in its other sets.",
        "mach/mach_port.defs",
        NAME,
        Argument("pset", T.NAME, "the port set"),
    ),
    on_task(
        "mach_port_extract_member",
        "Take a receive right out of one port set.",
        "mach/mach_port.defs",
        NAME,
        Argument("pset", T.NAME, "the port set"),
    ),
    on_task(
        "mach_port_get_set_status",
        "List the members of a port set.",
        "mach/mach_port.defs",
        NAME,
        outputs=(Output("members", O.NAMES, "their names"),),
    ),
    on_task(
        "mach_port_request_notification",
        "Request a notification: port-destroyed, no-senders or dead-name.",
        "mach/mach_port.defs",
        NAME,
        Argument("variant", T.NOTIFICATION, "MACH_NOTIFY_PORT_DESTROYED, _NO_SENDERS or _DEAD_NAME"),
        Argument("sync", T.COUNTER, "no senders: the least make-send count; dead name: 1 to be notified at once if it is dead already", default=0),
        Argument("notify", T.RIGHT_NAME, "where to send it, or none to cancel", default=0),
        Argument("notify_disposition", T.DISPOSITION, "how that right is carried", default=21),
        outputs=(Output("previous", O.PORT, "the send-once right that was registered"),),
    ),
)
