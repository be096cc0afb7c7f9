"""Calls of later kernels: guarded ports, and peeking into queues."""

from __future__ import annotations

from sendright.mach.signatures.signature import NAME, Argument, Output, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

CONSTRUCT_FLAGS = {
    "MPO_CONTEXT_AS_GUARD": "context_as_guard",
    "MPO_QLIMIT": "qlimit",
    "MPO_INSERT_SEND_RIGHT": "insert_send",
    "MPO_STRICT": "strict",
    "MPO_IMMOVABLE_RECEIVE": "immovable",
    "MPO_TEMPOWNER": "temp_owner",
    "MPO_IMPORTANCE_RECEIVER": "importance_receiver",
    "MPO_DENAP_RECEIVER": "denap_receiver",
    "MPO_SERVICE_PORT": "service",
    "MPO_REPLY_PORT": "reply",
    "MPO_PROVISIONAL_REPLY_PORT": "provisional_reply",
    "MPO_ENFORCE_REPLY_PORT_SEMANTICS": "enforce_reply",
    "MPO_EXCEPTION_PORT": "exception",
}
"""The modelled flags of ``mach_port_options_t`` -> the argument of ``mach_port_construct`` that stands for each."""

GUARDS = (
    on_task(
        "mach_port_construct",
        "Make a receive right with options.",
        "mach/mach_port.defs",
        Argument("context", T.GUARD, "a word that the port keeps for its receiver", default=0),
        Argument("context_as_guard", T.BOOLEAN, "MPO_CONTEXT_AS_GUARD: whether the port is guarded with that word", default=False),
        Argument("strict", T.BOOLEAN, "MPO_STRICT, of a guarded port: whether the port is strict (only RECEIVE_STATUS shows it)", default=False),
        Argument("immovable", T.BOOLEAN, "MPO_IMMOVABLE_RECEIVE, of a guarded port: whether the receive right can't be sent", default=False),
        Argument("insert_send", T.BOOLEAN, "MPO_INSERT_SEND_RIGHT: whether a send right is made too, under the same name", default=False),
        Argument("qlimit", T.QUEUE_LIMIT, "MPO_QLIMIT: the queue limit; -1: the default", default=-1),
        Argument("temp_owner", T.BOOLEAN, "MPO_TEMPOWNER: whether the port has a temporary owner (only RECEIVE_STATUS shows it)", default=False),
        Argument("importance_receiver", T.BOOLEAN, "MPO_IMPORTANCE_RECEIVER: whether messages lend importance (likewise)", default=False),
        Argument("denap_receiver", T.BOOLEAN, "MPO_DENAP_RECEIVER: the same", default=False),
        Argument("service", T.BOOLEAN, "MPO_SERVICE_PORT: whether it is a service port, with a name that isn't too long", default=False),
        Argument("reply", T.BOOLEAN, "MPO_REPLY_PORT: whether it is a reply port", default=False),
        Argument("provisional_reply", T.BOOLEAN, "MPO_PROVISIONAL_REPLY_PORT: the same", default=False),
        Argument("enforce_reply", T.BOOLEAN, "MPO_ENFORCE_REPLY_PORT_SEMANTICS: whether messages to it need a reply port", default=False),
        Argument("exception", T.BOOLEAN, "MPO_EXCEPTION_PORT: whether it is a port for exceptions", default=False),
        outputs=(Output("name", O.NAME, "the new name"),),
    ),
    on_task(
        "mach_port_destruct",
        "Give up a receive right, guarded or not, and send references under its name.",
        "mach/mach_port.defs",
        NAME,
        Argument("srdelta", T.DELTA, "how many send references to add: 0 or fewer", default=0),
        Argument("guard", T.GUARD, "the guard", default=0),
    ),
    on_task(
        "mach_port_guard",
        "Guard a receive right with a word.",
        "mach/mach_port.defs",
        NAME,
        Argument("guard", T.GUARD, "the guard"),
        Argument("strict", T.BOOLEAN, "whether the port is strict (only RECEIVE_STATUS shows it)", default=False),
    ),
    on_task(
        "mach_port_unguard",
        "Take the guard off a receive right.",
        "mach/mach_port.defs",
        NAME,
        Argument("guard", T.GUARD, "the guard that it has"),
    ),
    on_task(
        "mach_port_peek",
        "Peek at a message in a port's queue.",
        "mach/mach_port.defs",
        NAME,
        Argument("trailer", T.TRAILER, "which elements of the trailer to return", default=3),
        Argument("seqno", T.COUNTER, "the sequence number that the message would have; 0: the oldest message", default=0),
        Argument("room", T.SIZE, "bytes of room for the trailer; -1: enough", default=-1),
        outputs=(
            Output("sequence_number", O.SEQUENCE_NUMBER, "the sequence number that the message would have"),
            Output("size", O.SIZE, "msgh_size"),
            Output("id", O.MESSAGE_ID, "msgh_id"),
            Output("trailer_size", O.SIZE, "bytes of the trailer"),
            Output("security_token", O.SECURITY_TOKEN, "the sender's security token; empty: not requested"),
            Output("audit_token", O.AUDIT_TOKEN, "the sender's audit token; empty: not requested"),
        ),
    ),
)
