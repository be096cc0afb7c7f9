"""Sending and receiving."""

from __future__ import annotations

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.signatures.signature import Argument, Output, Signature
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

MESSAGE_OPTIONS: dict[str, str] = {
    "MACH_SEND_MSG": "",
    "MACH_RCV_MSG": "",
    "MACH_SEND_TIMEOUT": "",
    "MACH_RCV_TIMEOUT": "",
    "MACH_RCV_LARGE": "large",
    "MACH_SEND_NOTIFY": "send_notify",
}
"""The modelled bits of ``mach_msg_option_t`` -> the argument that stands for each; empty: none does. (A profile that
lacks the argument doesn't model the bit. The elements of a trailer are bits of it, too.)"""
MESSAGE_CALLS = ("mach_msg_send", "mach_msg_receive", "mach_msg")
"""The calls with such options: the two halves of ``mach_msg``, and the whole."""

_HEADER_AND_BODY = (
    Argument("dest", T.RIGHT_NAME, "where to"),
    Argument("dest_disposition", T.DISPOSITION, "how the destination right is carried", default=19),
    Argument("reply", T.RIGHT_NAME, "where a reply should go, or none", default=0),
    Argument("reply_disposition", T.DISPOSITION, "how the reply right is carried", default=0),
    Argument("id", T.MESSAGE_ID, "msgh_id", default=0),
    Argument("descriptors", T.DESCRIPTORS, "the rights and memory in the body", default=()),
    Argument("data", T.WORD, "the first word of the body's inline data", default=0),
    Argument("size", T.SIZE, "the size that the sender states; -1: the actual size", default=-1),
)
_SEND_NOTIFY = Argument("send_notify", T.BOOLEAN, "MACH_SEND_NOTIFY: whether a full queue arms the send-possible request of dest", default=False)
_FROM_WHERE = (
    Argument("port", T.NAME, "the receive right or port set to receive from"),
    Argument("limit", T.SIZE, "bytes of room for message and trailer; -1: enough", default=-1),
    Argument("large", T.BOOLEAN, "MACH_RCV_LARGE: whether a message that is too large stays in the queue", default=False),
    Argument("trailer", T.TRAILER, "which elements of the trailer to return", default=3),
)
_RECEIVED = (
    Output("id", O.MESSAGE_ID, "msgh_id"),
    Output("local", O.NAME, "the receive right of the port that received it"),
    Output("reply", O.PORT, "the reply right"),
    Output("reply_disposition", O.DISPOSITION, "the form in which it came"),
    Output("descriptors", O.DESCRIPTORS, "the rights and memory of the body"),
    Output("data", O.WORD, "the first word of the body's inline data"),
    Output("size", O.SIZE, "msgh_size"),
    Output("trailer_size", O.SIZE, "bytes of the trailer"),
    Output("sequence_number", O.SEQUENCE_NUMBER, "the message's number among those that the port received; -1: not requested"),
    Output("security_token", O.SECURITY_TOKEN, "the sender's security token; empty: not requested"),
    Output("audit_token", O.AUDIT_TOKEN, "the sender's audit token; empty: not requested"),
)

MESSAGES = (
    Signature(
        name="mach_msg_send",
        about="Send a message, without waiting or blocking while the queue is full.",
        arguments=(
            *_HEADER_AND_BODY,
            Argument("wait", T.BOOLEAN, "whether to wait while the queue is full", default=False),
            _SEND_NOTIFY,
        ),
        outputs=(
            Output("dest", O.PORT, "after a timeout: the destination right, returned"),
            Output("reply", O.PORT, "after a timeout: the reply right, returned"),
            Output("descriptors", O.DESCRIPTORS, "after a timeout: the rights and memory of the body, returned"),
        ),
        partial={ReturnCode.KERN_SUCCESS: (), ReturnCode.MACH_SEND_TIMED_OUT: None, ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE: None},
        section="mach/message.h",
    ),
    Signature(
        name="mach_msg_receive",
        about="Receive the oldest message of a port, without waiting or blocking until there is one.",
        arguments=(
            *_FROM_WHERE,
            Argument("wait", T.BOOLEAN, "whether to wait while there is no message", default=False),
        ),
        outputs=_RECEIVED,
        partial={ReturnCode.MACH_RCV_TOO_LARGE: ("size",), ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE: None},
        section="mach/message.h",
    ),
    Signature(
        name="mach_reply_port",
        about="Make a receive right for replies.",
        arguments=(),
        outputs=(Output("port", O.NAME, "the new name, or NULL if there is no memory"),),
        section="mach/mach_traps.h",
    ),
)

_RECEIVED_NAMES = tuple(output.name for output in _RECEIVED)
_RETURNED = ("dest", "reply", "descriptors")

COMBINED = (
    Signature(
        name="mach_msg",
        about="Send a message, then receive one: MACH_SEND_MSG | MACH_RCV_MSG. Nothing is received if the send fails.",
        arguments=(
            *_HEADER_AND_BODY,
            Argument("send_wait", T.BOOLEAN, "whether to wait while the queue is full", default=False),
            *_FROM_WHERE,
            Argument("receive_wait", T.BOOLEAN, "whether to wait while there is no message", default=False),
            _SEND_NOTIFY,
        ),
        outputs=(Output("dest", O.PORT, "after a timeout of the send: the destination right, returned"), *_RECEIVED),
        partial={
            ReturnCode.KERN_SUCCESS: _RECEIVED_NAMES,
            ReturnCode.MACH_SEND_TIMED_OUT: _RETURNED,
            ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE: _RETURNED,
            ReturnCode.MACH_RCV_TOO_LARGE: ("size",),
            ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE: _RECEIVED_NAMES,
        },
        section="mach/message.h",
    ),
)
"""The kernels' own call. (With only one of the two options it is ``mach_msg_send`` or ``mach_msg_receive``. While it
waits for a message it is a waiting ``mach_msg_receive``.)"""
