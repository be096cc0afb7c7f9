"""A run as one program in C, which makes each call, and says of each step PASS or FAIL.

For GNU Mach the program is a boot module. It contains sendright's driver (``impl/adapters/gnumach/driver``), so each
task of the run is a Mach task, which makes its own calls. With XNU's interfaces the first task of the run is the
program's process. A step that can't be expressed ends the program with NOT EXPRESSED and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

from sendright.impl.adapters.gnumach.recipe import SOURCE
from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.abi.descriptors import is_array, rights_in
from sendright.mach.abi.rights import PortObject, SlotKind
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH, profile_named
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType
from sendright.mach.signatures.messages import MESSAGE_CALLS
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step
from sendright.mach.state.view import NamedRight, View, view_of
from sendright.properties.interchange.c_calls import CallInC, number
from sendright.properties.interchange.c_text import comment, string
from sendright.properties.interchange.recorded import KnownRun
from sendright.properties.interchange.variables import RESERVED, Variables

MOST_STEPS = 500
MOST_VARIABLES = 900
"""More don't fit into the page with which an agent gets its orders."""


class NotExpressed(NamedTuple):
    """A step that a program doesn't have, and why."""

    step: int
    reason: str

    def __str__(self) -> str:
        return f"call {self.step + 1} isn't expressed: {self.reason}"


class CProgram(NamedTuple):
    """A program, and what it doesn't express: the run ends there."""

    text: str
    missing: NotExpressed | None


def c_program(run: KnownRun, title: str) -> CProgram:
    """The run as a C program, in the spelling of its profile's kernel. Raises UnknownProfile."""
    return _Program(run, title).program()


class _Program:
    def __init__(self, run: KnownRun, title: str) -> None:
        self.run = run
        self.title = title
        self.profile = profile_named(run.trace.profile)
        self.live = base_of(self.profile.name) == GNUMACH.name
        self.variables = Variables(self.profile, run.states[0])
        self.functions: list[str] = []
        self.table: list[str] = []
        self.missing: NotExpressed | None = None
        self.given_again: set[tuple[int, int]] = set()
        """Names that this step freed and gave to something else, and that no result of the step has named yet."""
        self.tasks = 1 + max([BOOTSTRAP_TASK, *(task for state in run.states for task in state.tasks)])
        self.ports = 1 + max([0, *(port for state in run.states for port in state.ports)])

    def program(self) -> CProgram:
        for step in self.run.trace.steps:
            if self.missing is None:
                self._step(step)
        return CProgram("\n".join([*self._head(), *self.functions, *self._steps(), *self._rest(), ""]), self.missing)

    # ---- steps

    def _step(self, step: Step) -> None:
        number_ = step.index + 1
        words = f"task {step.task}: {step.call}"
        before, after = self.run.states[step.index], self.run.states[step.index + 1]
        try:
            call = CallInC(step.made, self.profile, lambda name, callers: self._spelled(step, before, name, callers))
            self._refuse(step, before)
            body = call.body()
        except NotMade as error:
            self.missing = NotExpressed(step.index, str(error))
            self.table.append(f"\t{{.words = {string(words)}, .why_not = {string(str(error))}}},")
            return
        spelled = ", ".join(f"{name} = {value}" for name, value in step.arguments.items())
        self._function(
            f"{comment(f'{number_}. Task {step.task}: {step.call}({spelled})')}\nstatic kern_return_t step_{number_}(struct words *out)",
            [*body] if any("out" in line for line in body) else ["(void) out;", *body],
        )
        fields = [f".words = {string(words)}", f".task = {step.task}", f".call = step_{number_}"]
        waits = step.code in IN_PROGRESS
        self.given_again = self._given_again(step, before, after)
        if waits:
            fields.append(".waits = 1")
        else:
            fields += [f".code = {_code(step.code)}", f".state = state_{number_}"]
        checks = [] if waits else list(self._checks(step, call, before))
        if checks:
            self._function(f"static void check_{number_}(void)", checks)
            fields.append(f".check = check_{number_}")
        if step.created_task is not None:
            fields.append(f".creates = {step.created_task}")
        if not waits and (step.task not in after.tasks or after.tasks[step.task].suspend_count):
            fields.append(".no_answer = 1")
        self.table.append(f"\t{{{', '.join(fields)}}},")
        if waits:
            later = step.index + 1
            if later < len(self.run.trace.steps):
                reason = f"call {number_} waits, and what ends it is up to the kernel's order from here on"
                self.missing = NotExpressed(later, reason)
                self.table.append(f"\t{{.words = {string(self._words(later))}, .why_not = {string(reason)}}},")
            return
        self._state(number_, step, before, after)
        if len(self.variables.first) > MOST_VARIABLES or number_ >= MOST_STEPS:
            self.missing = NotExpressed(step.index + 1, f"a program has at most {MOST_STEPS} steps and {MOST_VARIABLES} names")
            self.table.append(f"\t{{.words = {string(self._words(step.index + 1))}, .why_not = {string(self.missing.reason)}}},")

    def _words(self, index: int) -> str:
        steps = self.run.trace.steps
        return f"task {steps[index].task}: {steps[index].call}" if index < len(steps) else "the rest"

    def _refuse(self, step: Step, before: Snapshot) -> None:
        """Raise NotMade for a step that no program of this kind makes."""
        if step.shortage:
            raise NotMade("a kernel's memory can't be made short")
        if step.resume or (step.stop and SIGNATURES[step.call].in_steps):
            raise NotMade("a call can't be stopped between a kernel's steps")
        if not self.live and step.task != BOOTSTRAP_TASK:
            raise NotMade(f"task {step.task} makes it: here only the process itself makes calls")
        if not self.live and step.code in IN_PROGRESS:
            raise NotMade("the only task would wait for ever")
        signature = SIGNATURES[step.call]
        if signature.target is not None:
            entry = before.tasks[step.task].names.get(step.arguments[signature.target])
            port = None if entry is None or entry.port is None else before.ports.get(entry.port)
            sends = entry is not None and entry.kind in (SlotKind.SEND, SlotKind.SEND_RECEIVE)
            if sends and port is not None and port.object is PortObject.NONE:
                raise NotMade("what it is sent to is a user's port: its receiver would have to answer, not the kernel")

    def _target(self, step: Step, before: Snapshot) -> int:
        """The task in whose space a NAME is looked up."""
        if SIGNATURES[step.call].target == "task" and step.task in before.tasks:
            entry = before.tasks[step.task].names.get(step.arguments["task"])
            port = None if entry is None or entry.port is None else before.ports.get(entry.port)
            if port is not None and port.task is not None:
                return port.task
        return step.task

    def _spelled(self, step: Step, before: Snapshot, name: int, callers: bool) -> str:
        if name in RESERVED:
            return RESERVED[name]
        variable = self.variables.of(step.task if callers else self._target(step, before), name)
        return f"got.{variable}" if variable is not None else number(name & 0xFFFFFFFF)

    # ---- what a step gives

    def _checks(self, step: Step, call: CallInC, before: Snapshot) -> Iterator[str]:
        signature = SIGNATURES[step.call]
        if step.call in MESSAGE_CALLS:
            if step.outputs and not (call.untold and not self.live):
                yield from self._message_checks(step, before)
            return
        types = {}
        for output in signature.results(step.code):
            if output.name not in step.outputs or output.name in call.untold:
                continue
            value = step.outputs[output.name]
            if output.type is OutputType.PORT:
                yield self._told(output.name, step.task, value, before)
            elif output.type is OutputType.NAME:
                yield self._told(output.name, self._target(step, before), value, before)
            elif output.type is OutputType.PORTS:
                yield f"expect({string(output.name + ', how many')}, {len(value)});"
                yield from (self._told(f"{output.name}[{index}]", step.task, name, before) for index, name in enumerate(value))
            elif output.type is OutputType.NAMES:
                types = dict(zip(value, step.outputs.get("types", ()), strict=False))
                yield from self._listed(output.name, self._target(step, before), value, types)
            elif output.type is OutputType.TYPES:
                continue  # expect_names has compared them
            elif isinstance(value, (tuple, list)):
                yield f"expect({string(output.name + ', how many')}, {len(value)});"
                for index, word in enumerate(value):
                    spelled = self._word(step, before, index, word)
                    yield f"expect({string(f'{output.name}[{index}]')}, {spelled});" if spelled else "skip(1);"
            else:
                yield f"expect({string(output.name)}, {number(value & 0xFFFFFFFF)});"

    def _word(self, step: Step, before: Snapshot, index: int, word: int) -> str | None:
        """A word of attributes: the first one of a receive status is a name. None: a kernel's own business."""
        if step.call == "mach_port_get_attributes" and index == 0 and len(step.outputs["info"]) > 1:
            return self._spelled(step, before, word, False)
        if not self.live and step.call == "mach_port_get_attributes" and index >= 9:
            return None
        return number(word & 0xFFFFFFFF)

    def _told(self, what: str, space: int, name: int, before: Snapshot) -> str:
        """The line that compares a name with its variable, or that gives a new one its value."""
        if name in RESERVED:
            return f"expect({string(what)}, {RESERVED[name]});"
        known = self.variables.of(space, name)
        if known is not None and (space, name) not in self.given_again:
            return f"expect({string(what)}, got.{known});"
        if known is None or name in before.tasks[space].names:
            known = self.variables.new(space, name)
        self.given_again.discard((space, name))
        return f"bind({string(what)}, &got.{known});"

    def _given_again(self, step: Step, before: Snapshot, after: Snapshot) -> set[tuple[int, int]]:
        """The names that the step freed and gave again: for another port, or after the right moved away in the same
        call. Another kernel may choose another name there."""
        moved: set[int] = set()
        if step.call == "mach_msg":
            header = (step.arguments[part] for part in ("dest", "reply") if part in step.arguments)
            moved = {*header, *(name for name, _ in rights_in(step.arguments.get("descriptors", ())))}
        again: set[tuple[int, int]] = set()
        for task in before.tasks.keys() & after.tasks.keys():
            names, later = before.tasks[task].names, after.tasks[task].names
            for name in names.keys() & later.keys():
                another = later[name].port is not None and names[name].port != later[name].port
                if another or (task == step.task and name in moved and names[name] != later[name]):
                    again.add((task, name))
        return again

    def _listed(self, what: str, space: int, names: tuple[int, ...], types: dict[int, int]) -> Iterator[str]:
        if not self.live:
            yield comment("A process has names of its own beside these.")
            return
        rows = []
        for name in names:
            variable = self.variables.of(space, name)
            if variable is not None:
                kind = number(types[name]) if name in types else "ANY_TYPE"
                rows.append(f"{{&got.{variable}, {string(variable)}, {kind}}},")
        if not rows:
            yield f"expect({string(what + ', how many')}, 0);"
            return
        yield from ("static const struct listed expected[] = {", *(f"\t{row}" for row in rows), "};", "")
        yield f"expect_names({string(what)}, expected, {len(rows)});"

    def _message_checks(self, step: Step, before: Snapshot) -> Iterator[str]:
        told = step.outputs
        if step.code == ReturnCode.MACH_RCV_TOO_LARGE:
            yield comment("Sizes differ from kernel to kernel: they aren't compared.")
            return
        if "id" in told:
            yield f"expect({string('id')}, {number(told['id'] & 0xFFFFFFFF)});"
            yield self._told("local", step.task, told["local"], before)
            yield self._told("reply", step.task, told["reply"], before)
            yield f"expect({string('reply_disposition')}, {told['reply_disposition']});"
            if self.live:
                yield f"expect({string('sequence_number')}, {told['sequence_number'] & 0xFFFFFFFF});"
                yield "skip(2); " + comment("whether it is complex, and its size: both differ from kernel to kernel")
        else:
            yield self._told("dest", step.task, told["dest"], before)
            yield self._told("reply", step.task, told["reply"], before)
        descriptors = told["descriptors"]
        yield f"expect({string('descriptors, how many')}, {len(descriptors)});"
        for index, each in enumerate(descriptors):
            named, form = each
            names = tuple(named) if is_array(each) else (named,)
            where = f"descriptor {index}"
            yield f"expect({string(where + ', its kind')}, {int(is_array(each))});"
            if is_array(each):
                yield f"expect({string(where + ', its form')}, {form});" if names else "skip(1);"
                yield f"expect({string(where + ', how many')}, {len(names)});"
            yield from (self._told(where, step.task, name, before) for name in names)
            if not is_array(each):
                yield f"expect({string(where + ', its form')}, {form});"
        if "data" in told:
            yield from ("skip(1);",) if self.live else ()
            yield f"expect({string('data')}, {number(told['data'] & 0xFFFFFFFF)});"

    # ---- what a step leaves

    def _state(self, number_: int, step: Step, before: Snapshot, after: Snapshot) -> None:
        space = self._target(step, before)
        chosen = {
            step.arguments[each.name] for each in SIGNATURES[step.call].arguments if each.type is ArgumentType.NAME and each.name in step.arguments
        }
        self.variables.forget_unused(after)
        for forgotten in self.given_again:
            self.variables.forget(*forgotten)
        view: View = view_of(after)
        rows: list[str] = []
        for task, shown in sorted(view.tasks.items()):
            if not self.live and task != BOOTSTRAP_TASK:
                continue
            for name in shown.names:
                if self.variables.of(task, name) is None:
                    if task == space and name in chosen:
                        self.variables.chosen(task, name)
                    else:
                        self.variables.new(task, name)
            rows += [self._row(task, name, named, after) for name, named in shown.names.items()]
        lines = ["static const struct right expected[] = {", *(f"\t{row}" for row in rows), "\t{0}", "};"]
        lines += ["static const struct living tasks[TASKS] = {"]
        lines += [f"\t[{task}] = {{1, {shown.suspend_count or 0}}}," for task, shown in sorted(view.tasks.items())]
        self._function(f"static void state_{number_}(void)", [*lines, "};", "", f"expect_state(expected, {len(rows)}, tasks);"])

    def _row(self, task: int, name: int, named: NamedRight, after: Snapshot) -> str:
        variable = self.variables.of(task, name)
        kinds = [f"MACH_PORT_TYPE_{part}" for part in _TYPES[named.kind]] + (["MACH_PORT_TYPE_DNREQUEST"] if named.request else [])
        fields = [f".task = {task}", f".name = &got.{variable}", f".words = {string(f'task {task}, {variable}')}"]
        fields += [f".type = {' | '.join(kinds)}", f".references = {named.urefs or 0}", f".port = {self.ports if named.port is None else named.port}"]
        port = None if named.port is None else after.ports.get(named.port)
        if not self.live and port is not None and port.object is not PortObject.NONE:
            fields.append(".of_kernel = 1")
        status = named.receiver
        if status is not None:
            if status.pset:
                fields.append(f".in_set = &got.{self.variables.of(task, status.pset)}")
            counts = (status.sequence_number, status.make_send_count, status.queue_limit, status.messages, status.send_once_rights)
            flags = (status.send_rights, int(bool(status.port_destroyed)), int(bool(status.no_senders)))
            fields.append(f".status = {{{', '.join(str(value) for value in (*counts, *flags))}}}")
        return f"{{{', '.join(fields)}}},"

    # ---- text

    def _function(self, head: str, body: list[str]) -> None:
        self.functions += [head, "{", *("\t" + line if line else "" for line in body), "}", ""]

    def _head(self) -> Iterator[str]:
        trace = self.run.trace
        what = [
            "written by sendright",
            self.title,
            f"{len(trace.steps)} calls, with the answers and states that the profile {trace.profile} requires.",
            "It writes of each step PASS or FAIL, and at the end the verdict of the run.",
            "A boot module for GNU Mach: sendright export --run compiles and boots it." if self.live else "cc -o run FILE && sudo ./run",
        ]
        yield comment(what[0])
        yield from (comment(line) for line in what[1:])
        if self.missing is not None:
            yield comment(f"NOT EXPRESSED: {self.missing}. The program ends there.")
        yield ""
        yield from (_GNUMACH_INCLUDES if self.live else _XNU_INCLUDES)
        if not self.live:
            sections = {SIGNATURES[step.call].section for step in trace.steps}
            yield from (f"#include <{section.removesuffix('.defs')}.h>" for section in sorted(sections & _OWN_HEADERS))
        yield ""
        yield from (_driver("words.h"), "")
        if self.live:
            yield from (_driver(name) for name in ("system.h", "agent.h", "agents.h"))
            yield from ("#define MODEL_MEMORY 0x20000000u", "#define PAGE_BYTES PAGE")
        else:
            yield from ("#define PAGE_BYTES vm_page_size", "static vm_address_t model_memory;", "#define MODEL_MEMORY model_memory")
        yield from (f"#define TASKS {self.tasks}u", f"#define PORTS {self.ports}u", "")
        yield _part("declarations.h")
        yield "/* The names that the calls gave. */"
        yield "static struct {"
        yield from (f"\tmach_port_t {variable};" for variable in self.variables.first)
        yield "\tmach_port_t none;"
        yield "} got = {"
        if self.live:
            yield from (f"\t.{variable} = {number(value)}," for variable, value in self.variables.first.items() if value is not None)
        else:
            chosen = {name: value for name, value in self.variables.first.items() if value is not None and name not in self.variables.of_boot}
            yield from (f"\t.{variable} = {number(value)}," for variable, value in chosen.items())
        yield from ("\t.none = 0", "};", "")
        yield _part("lists.c")
        if self.live:
            yield _messages()
        else:
            yield _part("xnu_messages.c")
        yield "/* ---- The run. ---- */"
        yield ""

    def _steps(self) -> Iterator[str]:
        yield f"#define STEPS {len(self.table)}u"
        yield "static const struct step steps[STEPS + 1] = {"
        yield from self.table
        yield "\t{0}"
        yield "};"
        yield ""

    def _rest(self) -> Iterator[str]:
        yield _part("judging.c")
        if self.live:
            yield _part("gnumach.c")
            yield "#define CALL_mach_msg UINT32_MAX        /* no step has this number */"
            yield from (_driver("system.c"), _driver("agents.c"), _traps())
            return
        yield "static kern_return_t get_rights_of_boot(void)"
        yield "{"
        for variable in self.variables.of_boot:
            yield f"\tgot.{variable} = {_XNU_BOOT.get(variable, 'MACH_PORT_NULL')};"
        used = "\n".join(self.functions)
        needed = [variable for variable in self.variables.of_boot if re.search(rf"(?<!&)\bgot\.{variable}\b", used)]
        yield "\tif (vm_allocate(mach_task_self(), &model_memory, 16 * PAGE_BYTES, TRUE) != KERN_SUCCESS)"
        yield "\t\treturn KERN_FAILURE;"
        yield "\tvm_deallocate(mach_task_self(), model_memory, 16 * PAGE_BYTES);"
        yield from (f"\tif (got.{variable} == MACH_PORT_NULL)\n\t\treturn KERN_FAILURE;" for variable in needed)
        yield "\treturn KERN_SUCCESS;"
        yield "}"
        yield ""
        yield _part("xnu.c")


_TYPES = {
    SlotKind.SEND: ("SEND",),
    SlotKind.RECEIVE: ("RECEIVE",),
    SlotKind.SEND_RECEIVE: ("SEND", "RECEIVE"),
    SlotKind.SEND_ONCE: ("SEND_ONCE",),
    SlotKind.DEAD_NAME: ("DEAD_NAME",),
    SlotKind.PORT_SET: ("PORT_SET",),
}
_GNUMACH_INCLUDES = (
    "#include <mach/mach_types.h>",
    "#include <mach/message.h>",
    "#include <mach/notify.h>",
    "#include <mach/machine/thread_status.h>",
    "#include <mach/mig_support.h>",
    "#include <mach/task_info.h>",
    "#include <mach/thread_info.h>",
    "#include <stdint.h>",
    "",
    "/* Made by MIG from mach.defs, mach_port.defs and mach_debug.defs. */",
    '#include "mig/mach.h"',
    '#include "mig/mach_debug.h"',
    '#include "mig/mach_port.h"',
)
_XNU_INCLUDES = ("#include <mach/mach.h>", "#include <mach/notify.h>", "#include <stdint.h>", "#include <stdio.h>", "#include <string.h>")
_OWN_HEADERS = {"mach/ledger.defs", "mach/host_security.defs"}
"""The interfaces that ``mach/mach.h`` leaves out."""
_XNU_BOOT = {
    "host_priv": "mach_host_self()",
    "host_security": "special_port_of_host(0)",
    "device_priv": "special_port_of_host(3)",
    "root_ledger_wired": "special_port_of_task(5)",
    "root_ledger_paged": "special_port_of_task(6)",
}
"""How a process gets the rights of the boot state. (``mach_host_self`` gives the privileged port to root.)"""


_LAST_OLD_CODE = ReturnCode.KERN_INVALID_HOST
"""The last one that the headers of all Machs have."""


def _code(code: int) -> str:
    """A code, by its name where every header has it."""
    name = code_name(code)
    known = name in ReturnCode.__members__
    if known and (0 <= code <= _LAST_OLD_CODE or (code > 1 << 28 and not name.endswith("VM_SPACE"))):
        return f"(uint32_t) {name}"
    return f"{number(code & 0xFFFFFFFF)} {comment(name)}"


def _part(name: str) -> str:
    return files("sendright.properties.interchange").joinpath("c", name).read_text("utf-8")


def _driver(name: str) -> str:
    """A file of the driver, without the lines that include its other files."""
    text = SOURCE.joinpath(name).read_text("utf-8")
    return re.sub(r'^#(include ".*"|pragma once|include <mach/mig_support.h>)\n', "", text, flags=re.MULTILINE)


def _messages() -> str:
    """The driver's routines that compose messages and tell what arrived."""
    text = _driver("message_calls.c")
    return text[: text.index("void add_message_calls")].replace("static kern_return_t ", "__attribute__((unused)) static kern_return_t ")


_TRAP = re.compile(r"^TRAP\((\w+), (-?\d+)\)$", re.MULTILINE)


def _traps() -> str:
    """The driver's entry and its traps, as assembly inside of C."""
    text = SOURCE.joinpath("start.S").read_text("utf-8")
    start = re.search(r"_start:\n(.*?)\n\n", text, re.DOTALL)
    form = re.search(r"#define TRAP\(name, number\) (.*)", text)
    assert start is not None
    assert form is not None
    code = [".text", ".globl _start", "_start:", *start[1].splitlines()]
    code += [form[1].replace("$number", f"${trap[2]}").replace("name", trap[1]) for trap in _TRAP.finditer(text)]
    lines = [re.sub(r"/\*.*?\*/", "", line).strip() for line in code]
    return "__asm__(\n" + "\n".join(f'\t"{line}\\n"' for line in lines) + "\n);\n"
