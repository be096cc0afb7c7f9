"""A run as a program for the fuzzer syzkaller, made of XNU's Mach traps.

syzkaller's own descriptions of Darwin (``sys/darwin`` of https://github.com/google/syzkaller, commit 1e72964) have no
Mach trap, and its executor makes BSD's calls only. So ``descriptions`` describes the traps as variants of one
pseudo-call, ``syz_mach_trap``. ``docs/examples/syzkaller/common_mach.h`` implements it. The numbers of the traps are
those of ``osfmk/kern/syscall_sw.c`` of XNU 11417.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, OutputType, Signature
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import slots
from sendright.mach.state.trace import Step, Trace
from sendright.properties.interchange.c_text import comment

TRAPS = {
    "vm_allocate": 10,
    "vm_deallocate": 12,
    "mach_port_allocate": 16,
    "mach_port_deallocate": 18,
    "mach_port_mod_refs": 19,
    "mach_port_move_member": 20,
    "mach_port_insert_right": 21,
    "mach_port_insert_member": 22,
    "mach_port_extract_member": 23,
    "mach_port_destruct": 25,
    "mach_reply_port": 26,
    "mach_task_self": 28,
    "mach_host_self": 29,
    "mach_port_guard": 41,
    "mach_port_unguard": 42,
    "mach_port_type": 76,
    "mach_port_request_notification": 77,
}
"""The modelled calls that are traps of their own: their numbers. ``mach_msg`` is trap 31."""
MACH_MSG_TRAP = 31
_SEND, _SEND_TIMEOUT, _RECEIVE, _RECEIVE_TIMEOUT = 0x1, 0x10, 0x2, 0x100
_COMPLEX = 0x80000000
PSEUDO_CALL = "syz_mach_trap"
_PAGE_SIZE = 0x1000
_DATA_AT = 0x7F0000000000
_ROOM = 0x100
_BUFFER = 0x400

_FORMS: dict[ArgumentType, str] = {
    ArgumentType.PORT: "mach_port",
    ArgumentType.NAME: "mach_port",
    ArgumentType.RIGHT_NAME: "mach_port",
    ArgumentType.RIGHT: "flags[mach_port_right]",
    ArgumentType.DISPOSITION: "flags[mach_disposition]",
    ArgumentType.DELTA: "int32",
    ArgumentType.COUNTER: "int32",
    ArgumentType.NOTIFICATION: "flags[mach_notification]",
    ArgumentType.GUARD: "int64",
    ArgumentType.BOOLEAN: "bool32",
}
_NAMES = (ArgumentType.PORT, ArgumentType.NAME, ArgumentType.RIGHT_NAME)


class Missing(NamedTuple):
    """A call of a run without a counterpart, and why."""

    step: int
    call: str
    reason: str

    def __str__(self) -> str:
        return f"call {self.step + 1} ({self.call}) has no counterpart: {self.reason}"


class SyzkallerProgram(NamedTuple):
    """A program, and the calls that it leaves out."""

    text: str
    missing: tuple[Missing, ...]


class _NoCounterpart(Exception):
    """The program can't have the call; the message says why."""


def syzkaller(trace: Trace, title: str) -> SyzkallerProgram:
    """``trace`` as a syzkaller program. Calls without a counterpart are comments that say why."""
    return _Program(trace, title).program()


class _Program:
    def __init__(self, trace: Trace, title: str) -> None:
        self.trace = trace
        self.title = title
        self.variables: dict[int, str] = {}
        """Names of the first task -> the program's variable."""
        self.own_task = {slot.index for slot, entry in slots(trace.initial).items() if _is_own(trace, slot.where, slot.owner, entry.port)}
        """Names of the first task that stand for itself."""
        self.now = dict(slots(trace.initial))
        """The rights after the steps so far."""
        self.count = 0
        self.at = _DATA_AT
        self.missing: list[Missing] = []

    def program(self) -> SyzkallerProgram:
        lines = ["# written by sendright", f"# {_line(self.title)}", f"# needs mach.txt: {PSEUDO_CALL} (docs/interchange.md)"]
        for step in self.trace.steps:
            before = (self.count, self.at)
            try:
                lines += list(self._step(step))
            except _NoCounterpart as error:
                self.count, self.at = before
                self.missing.append(Missing(step.index, step.call, str(error)))
                lines.append(f"# {_line(str(self.missing[-1]))}")
            self._forget(step)
        return SyzkallerProgram("\n".join([*lines, ""]), tuple(self.missing))

    def _step(self, step: Step) -> Iterator[str]:
        if step.task != BOOTSTRAP_TASK:
            raise _NoCounterpart(f"task {step.task} makes it, and a program is one process")
        if step.shortage or step.stop or step.resume:
            raise _NoCounterpart("a kernel can't be stopped in a call, or made short of memory")
        if step.code in IN_PROGRESS:
            raise _NoCounterpart("it waits, and the program with it")
        signature = SIGNATURES[step.call]
        if signature.target == "task" and step.arguments.get("task") not in self.own_task:
            raise _NoCounterpart("a trap acts on the caller's own task only")
        if step.call == "mach_msg_send":
            yield self._send(step)
        elif step.call == "mach_msg_receive":
            yield self._receive(step)
        elif step.call in TRAPS:
            yield self._trap(step, signature)
        else:
            raise _NoCounterpart("XNU has no trap for it, only a message to the task or the host")

    def _trap(self, step: Step, signature: Signature) -> str:
        given = [hex(TRAPS[step.call])]
        if step.call.startswith("vm_"):
            if step.arguments.get("anywhere"):
                raise _NoCounterpart("the program couldn't use the address that the kernel chooses")
            address = hex(0x20000000 + step.arguments["address"] * _PAGE_SIZE)
            given += [self._name(step.arguments["task"])]
            given += [f"{self._pointer(8)}={address}", hex(_PAGE_SIZE), "0x0"] if step.call == "vm_allocate" else [address, hex(_PAGE_SIZE)]
            return _call(step.call, given)
        given += [self._value(argument, step.arguments[argument.name]) for argument in signature.arguments]
        result = ""
        for output in signature.outputs:
            value = step.outputs.get(output.name)
            is_name = output.type in (OutputType.PORT, OutputType.NAME)
            named = is_name and isinstance(value, int) and value not in (NULL_NAME, DEAD_NAME)
            if signature.target is None:  # a trap that returns its port
                if named:
                    result = f"{self._new(int(value or 0))} = "
                    if step.call == "mach_task_self":
                        self.own_task.add(int(value or 0))
            elif named:
                given.append(f"{self._pointer(4)}=<{self._new(int(value or 0))}=>0x0")
            elif is_name:
                given.append(f"{self._pointer(4)}=0x0")
            else:
                given.append(f'{self._pointer(4)}=""/4')
        return result + _call(step.call, given)

    def _send(self, step: Step) -> str:
        a = step.arguments
        if a["size"] != -1:
            raise _NoCounterpart("its size isn't that of the message")
        ports: list[str] = []
        for each in a["descriptors"]:
            if len(each) != 2 or not isinstance(each[0], int):
                raise _NoCounterpart("its body has more than single ports")
            ports.append(f"{{{self._name(each[0])}, 0x0, 0x0, {_hex(each[1])}, 0x0}}")
        bits = a["dest_disposition"] | a["reply_disposition"] << 8 | (_COMPLEX if ports else 0)
        size = 24 + (4 + 12 * len(ports) if ports else 0) + 4
        header = ", ".join([_hex(bits), _hex(size), self._name(a["dest"]), self._name(a["reply"]), "0x0", _hex(a["id"] & 0xFFFFFFFF)])
        body = f"{{{{{header}}}, {_hex(len(ports))}, [{', '.join(ports)}], {_hex(a['data'])}}}" if ports else f"{{{{{header}}}, {_hex(a['data'])}}}"
        option = _SEND | (0 if a["wait"] else _SEND_TIMEOUT)
        variant = "mach_msg_send_complex" if ports else "mach_msg_send"
        return _call(variant, [hex(MACH_MSG_TRAP), f"{self._pointer(_ROOM)}={body}", hex(option), hex(size), "0x0", "0x0", "0x0", "0x0"])

    def _receive(self, step: Step) -> str:
        a = step.arguments
        option = _RECEIVE | (0 if a["wait"] else _RECEIVE_TIMEOUT) | (0x4 if a["large"] else 0)
        room = _BUFFER if a["limit"] == -1 else max(0, min(a["limit"], _BUFFER))
        buffer = f'{self._pointer(_BUFFER)}=""/{room}'
        return _call("mach_msg_receive", [hex(MACH_MSG_TRAP), buffer, hex(option), "0x0", hex(room), self._name(a["port"]), "0x0", "0x0"])

    def _value(self, argument: Argument, value: Any) -> str:
        return self._name(value) if argument.type in _NAMES else _hex(int(value))

    def _name(self, name: int) -> str:
        if name in (NULL_NAME, DEAD_NAME):
            return _hex(name)
        if name in self.variables:
            return self.variables[name]
        in_use = any(slot.where == "name" and slot.owner == BOOTSTRAP_TASK and slot.index == name for slot in self.now)
        if in_use:
            raise _NoCounterpart("it uses a name that no earlier call of the program gives")
        return _hex(name)

    def _new(self, name: int) -> str:
        variable = self.variables[name] = f"r{self.count}"
        self.count += 1
        return variable

    def _pointer(self, room: int) -> str:
        at = self.at
        self.at += -(-room // 0x40) * 0x40
        return f"&(0x{at:x})"

    def _forget(self, step: Step) -> None:
        """Follow the changes of the first task's names."""
        for change in step.changes:
            if change.after.kind:
                self.now[change.slot] = change.after
            else:
                self.now.pop(change.slot, None)
                if change.slot.where == "name" and change.slot.owner == BOOTSTRAP_TASK:
                    self.variables.pop(change.slot.index, None)
                    self.own_task.discard(change.slot.index)


def _is_own(trace: Trace, where: str, owner: int, port: int | None) -> bool:
    found = None if port is None else trace.initial.ports.get(port)
    return where == "name" and owner == BOOTSTRAP_TASK and found is not None and found.task == BOOTSTRAP_TASK


def _call(name: str, given: list[str]) -> str:
    return f"{PSEUDO_CALL}${name}({', '.join(given)})"


def _hex(value: int) -> str:
    return hex(value & 0xFFFFFFFFFFFFFFFF)


def _line(text: str) -> str:
    """``text`` as a comment's: ASCII, on one line."""
    return comment(text)[3:-3]


def descriptions() -> str:
    """The description of the traps, in syzkaller's language: the file ``mach.txt``."""
    lines = [
        "# written by sendright",
        "# XNU's Mach traps (osfmk/kern/syscall_sw.c and osfmk/mach/mach_traps.h of XNU 11417), for sys/darwin/mach.txt of syzkaller.",
        "# common_mach.h beside this file implements the pseudo-call.",
        "",
        "resource mach_port[int32]: 0, 0xffffffff",
        "",
    ]
    for name, number in TRAPS.items():
        lines.append(f"{PSEUDO_CALL}${name}({', '.join([f'nr const[{number}]', *_described(name)])}){_returned(name)}")
    message = f"nr const[{MACH_MSG_TRAP}], msg {{}}, option flags[mach_msg_option], send_size int32, rcv_size int32"
    rest = "rcv_name mach_port, timeout const[0], notify const[0]"
    for variant, form in (
        ("mach_msg_send", "ptr[in, mach_message]"),
        ("mach_msg_send_complex", "ptr[in, mach_complex_message]"),
        ("mach_msg_receive", "buffer[out]"),
    ):
        lines.append(f"{PSEUDO_CALL}${variant}({message.format(form)}, {rest})")
    fields = ("bits\tint32", "size\tint32", "remote\tmach_port", "local\tmach_port", "voucher\tconst[0, int32]", "id\tint32")
    structs = {
        "mach_header": fields,
        "mach_message": ("header\tmach_header", "data\tint32"),
        "mach_port_descriptor": ("name\tmach_port", "pad1\tconst[0, int32]", "pad2\tconst[0, int16]", "disposition\tint8", "type\tconst[0, int8]"),
        "mach_complex_message": ("header\tmach_header", "count\tlen[ports, int32]", "ports\tarray[mach_port_descriptor]", "data\tint32"),
    }
    for name, members in structs.items():
        lines += ["", f"{name} {{", *(f"\t{member}" for member in members), "} [packed]"]
    lines += [
        "",
        "mach_port_right = 0, 1, 2, 3, 4",
        "mach_disposition = 16, 17, 18, 19, 20, 21",
        "mach_notification = 65, 66, 69, 70, 71, 72",
        "mach_msg_option = 0x1, 0x2, 0x4, 0x10, 0x100",
    ]
    return "\n".join([*lines, ""])


def _described(name: str) -> Iterator[str]:
    if name == "vm_allocate":
        yield from ("task mach_port", "address ptr[inout, int64]", "size intptr", "flags int32")
        return
    if name == "vm_deallocate":
        yield from ("task mach_port", "address intptr", "size intptr")
        return
    signature = SIGNATURES[name]
    yield from (f"{argument.name} {_FORMS[argument.type]}" for argument in signature.arguments)
    if signature.target is not None:
        for output in signature.outputs:
            is_name = output.type in (OutputType.PORT, OutputType.NAME)
            yield f"the_{output.name} {'ptr[out, mach_port]' if is_name else 'buffer[out]'}"


def _returned(name: str) -> str:
    return " mach_port" if SIGNATURES[name].target is None else ""
