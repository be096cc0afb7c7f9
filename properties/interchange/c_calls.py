"""How calls are written in C: for GNU Mach, and for kernels with XNU's interfaces (or OSF's, which are alike)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from sendright.impl.adapters.gnumach.words import words_of
from sendright.mach.abi.descriptors import is_array, is_memory
from sendright.mach.abi.headers import headers_of
from sendright.mach.abi.rights import Disposition, Notification, Right
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH, Profile
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, OutputType
from sendright.mach.signatures.details import GUARD_FLAGS
from sendright.mach.signatures.guards import CONSTRUCT_FLAGS

Speller = Callable[[int, bool], str]
"""A name, and whether it is one of the caller's space (or else of the target's) -> an expression of C."""

_NAMES = (ArgumentType.PORT, ArgumentType.RIGHT_NAME, ArgumentType.NAME)
_CONSTANTS: dict[ArgumentType, tuple[str, type[IntEnum]]] = {
    ArgumentType.RIGHT: ("MACH_PORT_RIGHT_", Right),
    ArgumentType.DISPOSITION: ("MACH_MSG_TYPE_", Disposition),
    ArgumentType.NOTIFICATION: ("MACH_NOTIFY_", Notification),
}
"""Types whose numbers a program spells as constants."""
_LISTED = {
    OutputType.PORTS: "mach_port_array_t",
    OutputType.NAMES: "mach_port_name_array_t",
    OutputType.TYPES: "mach_port_type_array_t",
}
_NUMBERS = {
    OutputType.PORT: "mach_port_t",
    OutputType.NAME: "mach_port_name_t",
    OutputType.REFERENCES: "mach_port_urefs_t",
    OutputType.TYPE: "mach_port_type_t",
    OutputType.DISPOSITION: "mach_msg_type_name_t",
    OutputType.AMOUNT: "ledger_item_t",
}


class CallInC:
    """One call of a program: the body of its function. Raises NotMade if the program can't make the call."""

    def __init__(self, call: Call, profile: Profile, spell: Speller) -> None:
        self.call = call
        self.profile = profile
        self.signature = SIGNATURES[call.name]
        self.spell = spell
        self.given = {argument.name: call.arguments.get(argument.name, argument.default) for argument in self.signature.arguments}
        self.untold: list[str] = []
        """The results that the call doesn't give in this kernel's form."""

    def body(self) -> list[str]:
        """The lines of a function that makes the call, gives its results to ``out``, and returns its code."""
        if not self.profile.serves(self.call.name):
            raise NotMade("this kernel doesn't have the call")
        if self.signature.of_processes:
            raise NotMade("who this program's process is depends on who runs it")
        special = (_GNUMACH if base_of(self.profile.name) == GNUMACH.name else _XNU).get(self.call.name)
        return list(self._usual() if special is None else special(self))

    # ---- the usual form: the arguments in their order, then pointers to the results

    def _usual(self) -> Iterator[str]:
        declared: list[str] = []
        results: list[str] = []
        told: list[str] = []
        for output in self.signature.outputs:
            if output.name == self.signature.named_by_caller:
                self.untold.append(output.name)
                continue
            name = f"the_{output.name}"
            if output.type in _LISTED:
                declared += [f"{_LISTED[output.type]} {name} = 0;", f"mach_msg_type_number_t {name}_count = 0;"]
                results += [f"&{name}", f"&{name}_count"]
                told.append(f"if (code == KERN_SUCCESS)\n\t\tgive_list(out, {name}, {name}_count);")
            elif output.type in _NUMBERS:
                declared.append(f"{_NUMBERS[output.type]} {name} = 0;")
                results.append(f"&{name}")
                told.append(f"give(out, (uint32_t) {name});")
            else:
                raise NotMade(f"this program has no form for its result {output.name}")
        yield from declared
        yield f"kern_return_t code = {self.call.name}({', '.join([*self.arguments(), *results])});"
        yield ""
        yield from told
        yield "return code;"

    def arguments(self) -> Iterator[str]:
        """The expressions of the arguments, in order."""
        for argument in self.signature.arguments:
            if self.profile.takes(self.call.name, argument.name):
                yield from self._expressions(argument, self.given[argument.name])
            elif base_of(self.profile.name) != GNUMACH.name:  # XNU's header has it all the same
                yield from self._expressions(argument, argument.default)

    def value(self, name: str) -> str:
        """The expression of one argument."""
        return next(self._expressions(self.signature.argument(name), self.given[name]))

    def _expressions(self, argument: Argument, value: Any) -> Iterator[str]:
        kind = argument.type
        if kind in _NAMES:
            yield self.spell(value, kind is not ArgumentType.NAME or self.signature.target is None)
        elif kind is ArgumentType.PORTS:
            names = ", ".join(self.spell(name, True) for name in value)
            yield f"(mach_port_t[]) {{{names or 'MACH_PORT_NULL'}}}"
            yield str(len(value))
        elif kind in (ArgumentType.SECURITY_TOKEN, ArgumentType.AUDIT_TOKEN):
            yield f"({kind.value.replace('-', '_')}_t) {{{{{', '.join(number(word) for word in value)}}}}}"
        elif kind is ArgumentType.BOOLEAN:
            yield "TRUE" if value else "FALSE"
        elif kind in _CONSTANTS:
            yield self.constant(kind, value)
        elif isinstance(value, int):
            yield number(value)
        else:
            raise NotMade(f"this program has no form for its argument {argument.name}")

    def constant(self, kind: ArgumentType, value: int) -> str:
        """The header's name of a number, or the number."""
        prefix, members = _CONSTANTS[kind]
        name = next((f"{prefix}{member.name}" for member in members if member == value), None)
        return name if name is not None and headers_of(self.profile.name).numbers.get(name) == value else number(value)


def number(value: int) -> str:
    """A number of at most 64 bits as a constant of C."""
    if not -(1 << 63) <= value < 1 << 64:
        raise NotMade("a number of more than 64 bits")
    if value < 0:
        return f"({value})" if value >= -(1 << 31) + 1 else f"(-{-value - 1}ll - 1)"
    return str(value) if value < 1 << 16 else f"{value:#x}{'u' if value < 1 << 32 else 'ull'}"


# ---- traps


def _task_self(call: CallInC) -> Iterator[str]:
    yield from ("give(out, mach_task_self());", "return KERN_SUCCESS;")


def _host_self(call: CallInC) -> Iterator[str]:
    yield from ("give(out, mach_host_self());", "return KERN_SUCCESS;")


def _reply_port(call: CallInC) -> Iterator[str]:
    yield from ("give(out, mach_reply_port());", "return KERN_SUCCESS;")


def _task_info(call: CallInC) -> Iterator[str]:
    yield from ("integer_t info[64] = {0};", f"mach_msg_type_number_t count = {min(max(call.given['count'], 0), 64)}, each;")
    yield f"kern_return_t code = task_info({call.value('task')}, {call.value('flavor')}, info, &count);"
    yield from ("", "if (code == KERN_SUCCESS) {", "\tgive(out, count);", "\tfor (each = 0; each < count; each++)")
    yield from ("\t\tgive(out, (uint32_t) info[each]);", "}", "return code;")


# ---- GNU Mach: what its interface has otherwise (driver/port_calls.c and memory_calls.c do the same)


def _gnumach_attributes(call: CallInC) -> Iterator[str]:
    words = list(words_of(call.call, GNUMACH))  # which raises NotMade for what this kernel doesn't tell
    yield "mach_port_status_t status = {0};"
    yield f"kern_return_t code = mach_port_get_receive_status({call.value('task')}, {call.value('name')}, &status);"
    yield ""
    if words[2] == 1:
        yield from ("give(out, 1);", "give(out, status.mps_qlimit);")
    else:
        fields = ("pset", "seqno", "mscount", "qlimit", "msgcount", "sorights", "srights != 0", "pdrequest != 0", "nsrequest != 0")
        yield "give(out, 10);"
        yield from (f"give(out, status.mps_{field});" for field in fields)
        yield "give(out, 0);"
    yield "return code;"


def _gnumach_limit(call: CallInC) -> Iterator[str]:
    list(words_of(call.call, GNUMACH))
    yield f"return mach_port_set_qlimit({call.value('task')}, {call.value('name')}, {number(call.given['info'][0])});"


def _gnumach_kernel_object(call: CallInC) -> Iterator[str]:
    yield from ("unsigned type = 0;", "vm_offset_t address = 0;")
    yield f"kern_return_t code = mach_port_kernel_object({call.value('task')}, {call.value('name')}, &type, &address);"
    yield from ("", "give(out, type);", "return code;")


def _gnumach_requests(call: CallInC) -> Iterator[str]:
    yield "unsigned total = 0, used = 0;"
    yield f"kern_return_t code = mach_port_dnrequest_info({call.value('task')}, {call.value('name')}, &total, &used);"
    yield from ("", "give(out, total);", "give(out, used);", "return code;")


def _page(call: CallInC, argument: str = "address") -> str:
    words_of(call.call, GNUMACH)
    if not 0 <= call.given[argument] < 16:
        raise NotMade("an address outside of the model's memory means something else in this kernel")
    return f"MODEL_MEMORY + {call.given[argument]} * PAGE_BYTES"


def _vm_allocate(call: CallInC) -> Iterator[str]:
    if call.given["anywhere"]:
        raise NotMade("with anywhere, a kernel chooses an address that isn't one of the model's pages")
    yield f"vm_address_t address = {_page(call)};"
    yield f"kern_return_t code = vm_allocate({call.value('task')}, &address, PAGE_BYTES, FALSE);"
    yield from ("", "give(out, (uint32_t) ((address - MODEL_MEMORY) / PAGE_BYTES));", "return code;")


def _vm_deallocate(call: CallInC) -> Iterator[str]:
    yield f"return vm_deallocate({call.value('task')}, {_page(call)}, PAGE_BYTES);"


def _vm_inherit(call: CallInC) -> Iterator[str]:
    yield f"return vm_inherit({call.value('task')}, {_page(call)}, PAGE_BYTES, {number(call.given['inheritance'])});"


def _vm_read(call: CallInC) -> Iterator[str]:
    yield from ("vm_offset_t found = 0;", "mach_msg_type_number_t bytes = 0;")
    yield f"kern_return_t code = vm_read({call.value('task')}, {_page(call)}, PAGE_BYTES, &found, &bytes);"
    yield from ("", "if (code == KERN_SUCCESS)", "\tgive(out, *(uint32_t *) found);", "return code;")


def _vm_write(call: CallInC) -> Iterator[str]:
    yield "static uint32_t content[16384 / sizeof(uint32_t)] __attribute__((aligned(16384)));"
    yield from ("", f"content[0] = {number(call.given['value'] & 0xFFFFFFFF)};")
    yield f"return vm_write({call.value('task')}, {_page(call)}, (vm_offset_t) content, PAGE_BYTES);"


def _vm_copy(call: CallInC) -> Iterator[str]:
    yield f"return vm_copy({call.value('task')}, {_page(call, 'source_address')}, PAGE_BYTES, {_page(call, 'dest_address')});"


_PLACEHOLDER = 0x7A000000


def _gnumach_message(routine: str) -> Callable[[CallInC], Iterator[str]]:
    """A message call: the driver's routine composes the message from words, as ``words_of`` gives them. Numbers that
    are names get places of their own in that list, which the variables then take."""

    def lines(call: CallInC) -> Iterator[str]:
        places: dict[int, str] = {}

        def place(name: int, callers: bool = True) -> int:
            spelled = call.spell(name, callers)
            if not spelled.startswith("got."):
                return name
            number_ = next((at for at, known in places.items() if known == spelled), _PLACEHOLDER + len(places))
            places[number_] = spelled
            return number_

        arguments = dict(call.given)
        for argument in call.signature.arguments:
            if argument.type in _NAMES:
                arguments[argument.name] = place(arguments[argument.name])
            elif argument.type is ArgumentType.DESCRIPTORS:
                arguments[argument.name] = tuple(_placed(each, place) for each in arguments[argument.name])
        words = [places.get(word) or number(word & 0xFFFFFFFF) for word in words_of(msgspec.structs.replace(call.call, arguments=arguments), GNUMACH)]
        yield f"static struct words in = {{.count = {len(words)}}};"
        yield f"const uint32_t given[] = {{{', '.join(words)}}};"
        yield from ("", "in.at = 0;", "memcpy(in.word, given, sizeof given);", f"return {routine}(&in, out);")

    return lines


def _placed(descriptor: Sequence[Any], place: Callable[[int], int]) -> tuple[Any, ...]:
    if is_memory(descriptor):
        return tuple(descriptor)
    named, disposition = descriptor
    return (tuple(place(name) for name in named) if is_array(descriptor) else place(named)), disposition


_TRAPS: dict[str, Callable[[CallInC], Iterator[str]]] = {
    "mach_task_self": _task_self,
    "mach_host_self": _host_self,
    "mach_reply_port": _reply_port,
}
_MEMORY: dict[str, Callable[[CallInC], Iterator[str]]] = {
    "vm_allocate": _vm_allocate,
    "vm_deallocate": _vm_deallocate,
    "vm_inherit": _vm_inherit,
    "vm_read": _vm_read,
    "vm_write": _vm_write,
    "vm_copy": _vm_copy,
}
_GNUMACH = {
    **_TRAPS,
    **_MEMORY,
    "mach_port_get_attributes": _gnumach_attributes,
    "mach_port_set_attributes": _gnumach_limit,
    "mach_port_kernel_object": _gnumach_kernel_object,
    "mach_port_dnrequest_info": _gnumach_requests,
    "task_info": _task_info,
    "mach_msg_send": _gnumach_message("send"),
    "mach_msg_receive": _gnumach_message("receive"),
    "mach_msg": _gnumach_message("send_and_receive"),
}


# ---- XNU


def _xnu_attributes(call: CallInC) -> Iterator[str]:
    count = call.given["count"]
    if not 0 <= count <= 32:
        raise NotMade("room for more than 32 words")
    yield from ("integer_t info[32] = {0};", f"mach_msg_type_number_t count = {count}, each;")
    arguments = f"{call.value('task')}, {call.value('name')}, {call.value('flavor')}"
    yield f"kern_return_t code = mach_port_get_attributes({arguments}, info, &count);"
    yield from ("", "if (code == KERN_SUCCESS) {", "\tgive(out, count);", "\tfor (each = 0; each < count; each++)")
    yield from ("\t\tgive(out, (uint32_t) info[each]);", "}", "return code;")


def _xnu_limits(call: CallInC) -> Iterator[str]:
    info = call.given["info"]
    yield f"integer_t info[] = {{{', '.join(number(word) for word in info) or '0'}}};"
    yield ""
    yield f"return {call.call.name}({call.value('task')}, {call.value('name')}, {call.value('flavor')}, info, {len(info)});"


def _xnu_construct(call: CallInC) -> Iterator[str]:
    flags = [flag for flag, argument in CONSTRUCT_FLAGS.items() if call.given[argument] not in (False, -1)]
    limit = call.given["qlimit"]
    yield f"mach_port_options_t options = {{.flags = {' | '.join(flags) or 0}, .mpl = {{.mpl_qlimit = {number(max(limit, 0))}}}}};"
    yield "mach_port_name_t name = 0;"
    yield f"kern_return_t code = mach_port_construct({call.value('task')}, &options, {call.value('context')}, &name);"
    yield from ("", "give(out, name);", "return code;")


def _xnu_guard_with_flags(call: CallInC) -> Iterator[str]:
    flags = " | ".join(flag for flag, argument in GUARD_FLAGS.items() if call.given[argument]) or "0"
    yield f"return mach_port_guard_with_flags({call.value('task')}, {call.value('name')}, {call.value('guard')}, {flags});"


def _xnu_context(call: CallInC) -> Iterator[str]:
    yield "mach_port_context_t context = 0;"
    yield f"kern_return_t code = mach_port_get_context({call.value('task')}, {call.value('name')}, &context);"
    yield from ("", "give(out, (uint32_t) context);", "return code;")


def _xnu_kobject(call: CallInC) -> Iterator[str]:
    address = "mach_vm_address_t" if call.call.name == "mach_port_kobject" else "unsigned"
    yield from ("natural_t type = 0;", f"{address} address = 0;")
    yield f"kern_return_t code = {call.call.name}({call.value('task')}, {call.value('name')}, &type, &address);"
    yield from ("", "give(out, type);", "return code;")


def _xnu_get_exception_ports(call: CallInC) -> Iterator[str]:
    room = call.given["count"]
    if not 0 <= room <= 32:
        raise NotMade("room for more than 32 groups")
    yield from ("exception_mask_t masks[32];", "exception_port_t ports[32];", "exception_behavior_t behaviors[32];")
    yield from ("thread_state_flavor_t flavors[32];", f"mach_msg_type_number_t count = {room}, each;")
    first = [call.value("task"), call.value("exception_mask")]
    if call.call.name == "task_swap_exception_ports":
        first += [call.value("new_port"), call.value("behavior"), call.value("new_flavor")]
    yield f"kern_return_t code = {call.call.name}({', '.join(first)}, masks, &count, ports, behaviors, flavors);"
    yield ""
    yield "if (code != KERN_SUCCESS)"
    yield "\treturn code;"
    for part in ("masks", "ports", "behaviors", "flavors"):
        yield from ("give(out, count);", "for (each = 0; each < count; each++)", f"\tgive(out, (uint32_t) {part}[each]);")
    yield "return code;"


def _xnu_descriptors(call: CallInC) -> tuple[list[str], list[str]]:
    """The fields of a message's body, and their values."""
    fields: list[str] = []
    values: list[str] = []
    for index, each in enumerate(call.given["descriptors"]):
        if is_memory(each):
            raise NotMade("memory in a message would come at an address that isn't one of the model's pages")
        named, disposition = each
        form = call.constant(ArgumentType.DISPOSITION, disposition)
        if is_array(each):
            names = ", ".join(call.spell(name, True) for name in named) or "MACH_PORT_NULL"
            fields.append(f"mach_msg_ool_ports_descriptor_t part_{index};")
            values.append(
                f".part_{index} = {{.address = (mach_port_t[]) {{{names}}}, .count = {len(named)}, .disposition = {form}, "
                ".type = MACH_MSG_OOL_PORTS_DESCRIPTOR}"
            )
        else:
            fields.append(f"mach_msg_port_descriptor_t part_{index};")
            values.append(f".part_{index} = {{.name = {call.spell(named, True)}, .disposition = {form}, .type = MACH_MSG_PORT_DESCRIPTOR}}")
    return fields, values


def _xnu_message(call: CallInC) -> Iterator[str]:
    """The declaration of a message, in a buffer that is large enough for every answer."""
    fields, values = _xnu_descriptors(call)
    body = [f"mach_msg_body_t body; {' '.join(fields)}"] if fields else []
    bits = f"MACH_MSGH_BITS({call.value('dest_disposition')}, {call.value('reply_disposition')})" + (" | MACH_MSGH_BITS_COMPLEX" if fields else "")
    yield f"struct {{ mach_msg_header_t header; {' '.join([*body, 'uint32_t data;'])} }} message = {{"
    yield f"\t.header = {{.msgh_bits = {bits}, .msgh_remote_port = {call.value('dest')}, .msgh_local_port = {call.value('reply')},"
    yield f"\t           .msgh_id = {call.value('id')}}},"
    if values:
        yield f"\t.body = {{.msgh_descriptor_count = {len(values)}}},"
        yield from (f"\t{value}," for value in values)
    yield f"\t.data = {number(call.given['data'] & 0xFFFFFFFF)},"
    yield "};"


def _xnu_size(call: CallInC) -> str:
    size = call.given["size"]
    if size != -1:
        raise NotMade("a size that isn't that of the message: descriptors have another size in this kernel")
    return "sizeof message"


def _xnu_send(call: CallInC) -> Iterator[str]:
    size = _xnu_size(call)
    yield from _xnu_message(call)
    notify = " | MACH_SEND_NOTIFY" if call.given["send_notify"] and call.profile.takes(call.call.name, "send_notify") else ""
    option = f"MACH_SEND_MSG{'' if call.given['wait'] else ' | MACH_SEND_TIMEOUT'}{notify}"
    yield from ("", f"return mach_msg(&message.header, {option}, {size}, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);")
    call.untold += ["dest", "reply", "descriptors"]


def _xnu_receive(call: CallInC) -> Iterator[str]:
    if call.given["limit"] != -1:
        raise NotMade("a limit of the received bytes: descriptors have another size in this kernel")
    option = "MACH_RCV_MSG" + ("" if call.given["wait"] else " | MACH_RCV_TIMEOUT") + (" | MACH_RCV_LARGE" if call.given["large"] else "")
    yield from ("union { mach_msg_header_t header; char bytes[4096]; } message = {0};",)
    yield f"kern_return_t code = mach_msg(&message.header, {option}, 0, sizeof message, {call.value('port')}, 0, MACH_PORT_NULL);"
    yield from ("", "if (code == KERN_SUCCESS)", "\tgive_message(out, &message.header);", "return code;")


def _xnu_both(call: CallInC) -> Iterator[str]:
    raise NotMade("a program of one task waits for its own answer there (split it into mach_msg_send and mach_msg_receive)")


def _xnu_ledger_create(call: CallInC) -> Iterator[str]:
    yield "ledger_t ledger = MACH_PORT_NULL;"
    first = f"{call.value('parent_ledger')}, {call.value('ledger_ledger')}"
    yield f"kern_return_t code = ledger_create({first}, &ledger, {call.value('transfer')});"
    yield from ("", "give(out, ledger);", "return code;")


def _not_in_headers(call: CallInC) -> Iterator[str]:
    raise NotMade("no header of the kernel's declares it any more")


_XNU = {
    **_TRAPS,
    **_MEMORY,
    "mach_port_get_attributes": _xnu_attributes,
    "mach_port_set_attributes": _xnu_limits,
    "mach_port_assert_attributes": _xnu_limits,
    "task_info": _task_info,
    "mach_port_construct": _xnu_construct,
    "mach_port_guard_with_flags": _xnu_guard_with_flags,
    "mach_port_get_context": _xnu_context,
    "mach_port_kobject": _xnu_kobject,
    "mach_port_kernel_object": _xnu_kobject,
    "task_get_exception_ports": _xnu_get_exception_ports,
    "task_swap_exception_ports": _xnu_get_exception_ports,
    "mach_msg_send": _xnu_send,
    "mach_msg_receive": _xnu_receive,
    "mach_msg": _xnu_both,
    "ledger_create": _xnu_ledger_create,
    "mach_port_allocate_full": _not_in_headers,
}
