"""Converts calls and answers to and from the driver's words of 32 bits, in the order of the signature table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import HEADER_SIZE, Layout, is_array, is_memory, layout_of, natural_size, rights_in, size_without_data
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import OWN_CALLS, SIGNATURES, ArgumentType, OutputType

NUMBERS = {name: number for number, name in enumerate(OWN_CALLS)}
"""The driver's numbers of calls: their places in the signature table."""

_PORT, _ARRAY = 0, 1
_LONGEST_ARRAY, _MOST_DESCRIPTORS, _MOST_WORDS = 32, 8, 800
_LISTS = (ArgumentType.PORTS, ArgumentType.LIMITS, ArgumentType.ATTRIBUTES)
_LISTED = (OutputType.PORTS, OutputType.NAMES, OutputType.TYPES, OutputType.WORDS)
_LARGER = 4
"""The difference between a message's size in this kernel and in the model. Its cause is the part beside the
descriptors; inline words make up for descriptors of other sizes.
"""


def words_of(call: Call, profile: Profile) -> Iterator[int]:
    """The words for the arguments of ``call``. Raises NotMade for an argument that this kernel's call can't have."""
    given = {argument.name: call.arguments.get(argument.name, argument.default) for argument in SIGNATURES[call.name].arguments}
    special = _SPECIAL.get(call.name)
    if special is not None:
        yield from special(given)
        return
    for argument in SIGNATURES[call.name].arguments:
        if profile.takes(call.name, argument.name):
            value = given[argument.name]
            if argument.type in (ArgumentType.PORTS, ArgumentType.LIMITS):
                yield len(value)
                yield from value
            else:
                yield int(value)


def outputs_of(call: Call, code: int, words: list[int]) -> dict[str, Any]:
    """The results of ``call``, read from the words of an answer with this ``code``."""
    wanted = SIGNATURES[call.name].results(code)
    if not wanted:
        return {}
    special = _SPECIAL_OUTPUTS.get(call.name)
    if special is not None:
        found = special(Words(words), code)
        return {output.name: found[output.name] for output in wanted}
    source = Words(words)
    return {output.name: source.array() if output.type in _LISTED else source.next() for output in wanted}


class Words:
    """Reads words one by one."""

    def __init__(self, words: list[int]) -> None:
        self._words = iter(words)

    def next(self) -> int:
        return next(self._words)

    def array(self) -> tuple[int, ...]:
        return tuple([self.next() for _ in range(self.next())])


# ---- arguments


def _get_attributes(a: dict[str, Any]) -> Iterator[int]:
    least = {PortAttributes.LIMITS_INFO: 1, PortAttributes.RECEIVE_STATUS: 10}.get(a["flavor"])
    if least is None or a["count"] < least:
        raise NotMade("this kernel has a call for all attributes of a port, without flavours and counts")
    return iter((a["task"], a["name"], a["flavor"]))


def _set_attributes(a: dict[str, Any]) -> Iterator[int]:
    if a["flavor"] != PortAttributes.LIMITS_INFO or not a["info"]:
        raise NotMade("this kernel has a call for the queue limit, without flavours and counts")
    return iter((a["task"], a["name"], a["flavor"], len(a["info"]), *a["info"]))


def _allocate_page(a: dict[str, Any]) -> Iterator[int]:
    if a["anywhere"]:
        raise NotMade("with anywhere, this kernel chooses an address that isn't one of the model's pages")
    return iter((a["task"], *_in_memory(a["address"]), 0))


def _in_memory(*pages: int) -> tuple[int, ...]:
    if not all(0 <= page < _PAGES for page in pages):
        raise NotMade("an address outside of the model's memory means something else in this kernel")
    return pages


_PAGES = 16


def _on_page(*others: str) -> Callable[[dict[str, Any]], Iterator[int]]:
    return lambda a: iter((a["task"], *_in_memory(a["address"]), *(a[other] for other in others)))


def _copy(a: dict[str, Any]) -> Iterator[int]:
    return iter((a["task"], *_in_memory(a["source_address"], a["dest_address"])))


def _inherit(a: dict[str, Any]) -> Iterator[int]:
    return iter((a["task"], *_in_memory(a["address"]), a["inheritance"]))


def _send(a: dict[str, Any]) -> Iterator[int]:
    return iter((*_message(a, a["wait"]), a["wait"]))


def _message(a: dict[str, Any], wait: bool) -> Iterator[int]:
    descriptors = a["descriptors"]
    layout = layout_of(descriptors)
    size = a["size"]
    if wait and any(how == Disposition.MOVE_RECEIVE and name == a["dest"] for name, how in rights_in(descriptors)):
        raise NotMade("a message that is on its way to itself waits for room in this kernel, and in the model it doesn't")
    header = [a[name] for name in ("dest", "dest_disposition", "reply", "reply_disposition", "id")]
    inline, said = _inline_words(layout, size)
    has_room = size == -1 or natural_size(layout) <= size < 1 << 31
    return iter((*header, *_descriptors(descriptors), a["data"] if has_room else 0, inline, said))


def _inline_words(layout: Layout, size: int) -> tuple[int, int]:
    """The number of inline words in a message of the model's ``size``, and the size that its sender declares (0: its
    true size).

    A descriptor is 12 bytes in the model and 8 here, and the model has a word more if there are any: inline words fill
    the difference.
    """
    usual = 1 + len(layout) + bool(layout)
    if size == -1:
        return usual, 0
    if size < HEADER_SIZE or size % 4:
        return usual, size & 0xFFFFFFFF or 1
    if size < size_without_data(layout):
        return usual, HEADER_SIZE + 4  # the first descriptor's type, and nothing after it
    more = (size - natural_size(layout)) // 4
    if usual + more > _MOST_WORDS:
        raise NotMade("a message of this size")
    return usual + more, 0


def _descriptors(descriptors: tuple[tuple[Any, ...], ...]) -> Iterator[int]:
    if len(descriptors) > _MOST_DESCRIPTORS:
        raise NotMade(f"a message with more than {_MOST_DESCRIPTORS} descriptors")
    yield len(descriptors)
    for each in descriptors:
        if is_memory(each):
            raise NotMade("this kernel puts a message's memory at an address that isn't one of the model's pages")
        names, disposition = each
        if not Disposition.MOVE_RECEIVE <= disposition <= Disposition.MAKE_SEND_ONCE:
            raise NotMade("in this kernel's messages a descriptor with a disposition other than 16 to 21 isn't a right")
        if is_array(each):
            if len(names) > _LONGEST_ARRAY:
                raise NotMade(f"an array of more than {_LONGEST_ARRAY} ports")
            yield from (_ARRAY, disposition, len(names), *names)
        else:
            yield from (_PORT, names, disposition)


def _receive(a: dict[str, Any]) -> Iterator[int]:
    return _reception(a, a["wait"])


def _reception(a: dict[str, Any], wait: bool) -> Iterator[int]:
    limit = a["limit"]
    room = 0xFFFFFFFF if limit == -1 else max(0, limit) + _LARGER
    return iter((a["port"], min(room, 0xFFFFFFFF), a["large"], wait))


def _send_and_receive(a: dict[str, Any]) -> Iterator[int]:
    return iter((*_message(a, a["send_wait"]), a["send_wait"], *_reception(a, a["receive_wait"])))


_SPECIAL: dict[str, Callable[[dict[str, Any]], Iterator[int]]] = {
    "mach_port_get_attributes": _get_attributes,
    "mach_port_set_attributes": _set_attributes,
    "mach_msg_send": _send,
    "mach_msg_receive": _receive,
    "mach_msg": _send_and_receive,
    "vm_allocate": _allocate_page,
    "vm_deallocate": _on_page(),
    "vm_inherit": _inherit,
    "vm_read": _on_page(),
    "vm_write": _on_page("value"),
    "vm_copy": _copy,
}


# ---- results


def _told_body(words: Words) -> tuple[tuple[tuple[Any, ...], ...], int, int | None]:
    """Descriptors, the first inline word, and the number of inline words (None: no such array, as in some of the
    kernel's messages).
    """
    descriptors: list[tuple[Any, ...]] = []
    for _ in range(words.next()):
        if words.next() == _PORT:
            name = words.next()
            descriptors.append((name, words.next()))
        else:
            form = words.next()
            names = words.array()
            descriptors.append((names, form if names else 0))
    has_data, data, count = words.next(), words.next(), words.next()
    return tuple(descriptors), data, count if has_data else None


def _handed_back(words: Words, code: int) -> dict[str, Any]:
    dest, reply = words.next(), words.next()
    return {"dest": dest, "reply": reply, "descriptors": _told_body(words)[0]}


def _received(words: Words, code: int) -> dict[str, Any]:
    found: dict[str, Any] = {name: words.next() for name in ("id", "local", "reply", "reply_disposition", "sequence_number")}
    is_complex, size = words.next(), words.next()
    if code == ReturnCode.MACH_RCV_TOO_LARGE:
        return {"size": _size_of_unseen(size, bool(is_complex))}
    descriptors, data, count = _told_body(words)
    if data == ReturnCode.MIG_BAD_ID & 0xFFFFFFFF:  # a code that a kernel port answers
        data = int(ReturnCode.MIG_BAD_ID)
    layout = layout_of(descriptors)
    usual = 1 + len(layout) + bool(layout)
    # Messages of the kernel's own have as many words as they need.
    size = natural_size(layout) + (0 if count is None or count < usual - 1 or (layout and count == 0) else 4 * (count - usual))
    return found | {
        "descriptors": descriptors,
        "data": data,
        "size": size,
        "trailer_size": 0,
        "security_token": (),
        "audit_token": (),
    }


def _size_of_unseen(size: int, is_complex: bool) -> int:
    """The model's size of a message that wasn't received: the kernel's own are smaller than others with the same
    rights and data.
    """
    if size == HEADER_SIZE:  # of a send-once notification
        return natural_size(())
    if is_complex and size == HEADER_SIZE + 8:  # of a port-destroyed notification
        return natural_size((-1,))
    return size - _LARGER


def _sent_and_received(words: Words, code: int) -> dict[str, Any]:
    sent = code in (ReturnCode.MACH_SEND_TIMED_OUT, ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE)
    return _handed_back(words, code) if sent else _received(words, code)


_SPECIAL_OUTPUTS: dict[str, Callable[[Words, int], dict[str, Any]]] = {
    "mach_msg_send": _handed_back,
    "mach_msg_receive": _received,
    "mach_msg": _sent_and_received,
}
