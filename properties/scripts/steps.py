"""Translates a script's step into one that can run: calls, arguments, bindings and expectations by sendright's
names."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

import msgspec

from sendright.mach.abi.headers import Headers, headers_of
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import why_unmodelled_argument
from sendright.mach.signatures import SIGNATURES, Argument, OutputType, Signature
from sendright.mach.signatures.widths import value_seen
from sendright.mach.suggestions import perhaps_meant
from sendright.properties.scripts.expected import Expectation, output_name, read_expectation
from sendright.properties.scripts.kernel_spellings import read_kernel_words
from sendright.properties.scripts.message_options import BOTH, half_meant, read_both_waits
from sendright.properties.scripts.schema import StepForm
from sendright.properties.scripts.spelling import NotModelled, WrongValue, quoted, read_argument
from sendright.properties.scripts.values import Value, is_identifier, mark_symbols, symbols_in

_OTHER_SPELLINGS = {
    "parent": ("parent_task", "parent_ledger"),
    "task": ("parent_task", "target_task"),
    "target": ("task", "target_task"),
    "target_task": ("task", "parent_task"),
    "child": ("child_task", "child_ledger"),
    "security": ("host_security",),
    "token": ("security_token",),
    "sec_token": ("security_token",),
    "disp": ("disposition", "dest_disposition", "notify_disposition"),
    "desired_disp": ("disposition",),
    "polyPoly": ("disposition",),
    "msgt_name": ("disposition",),
    "notifyPoly": ("notify_disposition",),
    "right": ("poly",),
    "flavour": ("flavor", "new_flavor"),
    "flavor": ("new_flavor",),
    "which_port": ("which",),
    "special_port": ("port",),
    "init_port_set": ("ports",),
    "port_info": ("info",),
    "port_infoCnt": ("count",),
    "port_info_outCnt": ("count",),
    "task_info_outCnt": ("count",),
    "masksCnt": ("count",),
    "trailer_type": ("trailer",),
    "request_seqnop": ("seqno",),
    "delta": ("srdelta",),
    "context": ("guard",),
    "notify_port": ("notify",),
    "notify_right": ("notify",),
    "msgh_remote_port": ("dest",),
    "remote": ("dest",),
    "msgh_local_port": ("reply",),
    "rcv_name": ("port",),
    "oldname": ("old_name",),
    "newname": ("new_name",),
    "host_priv": ("host",),
    "host": ("host_priv",),
    "inherit": ("inherit_memory",),
    "new_inheritance": ("inheritance",),
    "dest_disp": ("dest_disposition",),
    "reply_disp": ("reply_disposition",),
    "msg_id": ("id", "variant"),
    "msgh_id": ("id", "variant"),
    "msgid": ("id", "variant"),
    "id": ("which", "variant"),
    "body": ("descriptors",),
    "size": ("limit",),
    "send_size": ("size",),
    "msgh_size": ("size",),
    "rcv_size": ("limit",),
    "trailer_elements": ("trailer",),
    "rcv_large": ("large",),
    "block": ("wait",),
    "ports": ("descriptors",),
    "name": ("port", "member"),
    "old": ("old_name",),
    "new": ("new_name",),
    "set": ("pset", "after", "name"),
    "pset": ("after", "name"),
    "qlimit": ("info",),
    "limits": ("info",),
    "notification": ("variant",),
    "notify_disp": ("notify_disposition",),
    "notify_type": ("notify_disposition",),
    "mask": ("exception_mask",),
    "port": ("new_port",),
    "behaviour": ("behavior",),
    "amount": ("transfer",),
    "ledger": ("parent_ledger",),
    "source": ("source_address",),
    "dest": ("dest_address",),
}
"""Alternative names of arguments -> names in the signature table, for calls without an argument of the first name."""

_BOUND_NAMES = frozenset({"task", "child", "name", "port", "right", "poly", "host", "result", "ledger", "previous"})
"""Alternative names, in ``bind``, for the one name that a call returns."""


NEW_TASK = "child_task"
"""In ``bind``: the task that a call creates. Not every call gives its caller a name for it."""
PAGES = "pages"
"""In ``bind``: the pages in the descriptors of a message's body."""
MESSAGE_WORDS = ("message", "msg")
"""In ``bind``, and as arguments of ``mach_msg_destroy``: a received message as a whole."""
MESSAGE = MESSAGE_WORDS[0]

_OTHER_OUTPUTS = {"ports": "descriptors", "body": "descriptors", "msg_id": "id", "sender": "security_token", "seqno": "sequence_number"}
"""Alternative names of other outputs."""


class Binding(msgspec.Struct, frozen=True):
    """The output that a symbol stands for from this step on; ``element`` is the index in an output of several
    values."""

    symbol: str
    output: str
    element: int | None = None


class PlannedStep(msgspec.Struct, frozen=True):
    """A step that sendright models: the caller, the call, its arguments, bindings and expectations."""

    caller: str
    """A symbol."""
    call: str
    arguments: dict[str, Value]
    """By the signature's names, without those that the script leaves out."""
    bindings: tuple[Binding, ...]
    expectations: tuple[Expectation, ...]
    shortage: int
    stop: bool = False
    resume: bool = False

    def symbols(self) -> Iterator[tuple[str, str]]:
        """The symbols and tasks that the arguments and expectations refer to, as pairs: place in the step, symbol."""
        for name, value in self.arguments.items():
            for symbol in symbols_in(value):
                yield f"args.{name}", symbol
        for expectation in self.expectations:
            for symbol in symbols_in(expectation.value):
                yield f"expect.{expectation.key}", symbol


class UnmodelledStep(msgspec.Struct, frozen=True):
    """A step that sendright doesn't model, and why."""

    call: str
    reason: str


def read_step(form: StepForm, extra_keys: Set[str], bound: Set[str], profile: Profile) -> PlannedStep | UnmodelledStep:
    """The meaning of one step, with the constants of the profile's headers.

    ``extra_keys`` are the step's keys that the form doesn't know; ``bound`` are the symbols that earlier steps bind.
    Raises WrongValue with a place such as ``args.right``.
    """
    try:
        return _read_step(form, extra_keys, bound, profile)
    except NotModelled as error:
        return UnmodelledStep(form.call, str(error))


def _read_step(form: StepForm, extra_keys: Set[str], bound: Set[str], profile: Profile) -> PlannedStep:
    if extra_keys:
        raise NotModelled(f"key {quoted(min(extra_keys))} is not modelled")
    words = headers_of(profile.name)
    whole = form.call == BOTH and not form.resume
    signature = SIGNATURES.get(half_meant(form.args, profile, words) if whole else form.call)
    if signature is None:
        meant = perhaps_meant(form.call, SIGNATURES, likeness=0.9)  # other calls of Mach have similar names
        raise NotModelled(f"call {quoted(form.call)} is not modelled{meant}")
    if form.caller == "kernel" or not is_identifier(form.caller):
        raise NotModelled(f"caller {quoted(form.caller)} is not modelled")
    if form.resume:
        _refuse_more(form)
    spelled = _of_its_half(signature, read_both_waits(form.args, signature, words)) if whole else form.args
    arguments = {} if form.resume else _read_arguments(signature, spelled, bound, profile, words)
    return PlannedStep(
        form.caller,
        signature.name,
        arguments,
        tuple(_read_bindings(signature, form.bind)),
        tuple([_read_expectation(signature, key, mark_symbols(value, bound), words) for key, value in form.expect.items()]),
        form.shortage,
        form.stop,
        form.resume,
    )


def _refuse_more(form: StepForm) -> None:
    """Refuse arguments and the like in a step that resumes a call: the call keeps its own."""
    for key, given in (("args", form.args), ("shortage", form.shortage)):
        if given:
            raise WrongValue("a resumed call keeps what it was made with: leave this out", key)


def _of_its_half(signature: Signature, spelled: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``mach_msg`` without those that only the other half has."""
    left = [key for key in spelled if not _names_argument(signature, key) and _names_argument(SIGNATURES[BOTH], key)]
    return {key: value for key, value in spelled.items() if key not in left}


def _names_argument(signature: Signature, spelling: str) -> bool:
    return any(each.name in (spelling, *_OTHER_SPELLINGS.get(spelling, ())) for each in signature.arguments)


def _read_arguments(signature: Signature, spelled: dict[str, Any], bound: Set[str], profile: Profile, words: Headers) -> dict[str, Value]:
    arguments: dict[str, Value] = {}
    spelled = read_kernel_words(signature, spelled, profile, words)
    for spelling, value in spelled.items():
        argument = _argument(signature, spelling)
        if argument.name in arguments:
            raise WrongValue(f"duplicate argument {argument.name}", f"args.{spelling}")
        try:
            read = read_argument(argument, mark_symbols(value, bound), words)
            unmodelled = why_unmodelled_argument(signature, argument, value_seen(read, signature, argument, profile.name), profile)
            if unmodelled is not None:
                raise NotModelled(unmodelled)
            arguments[argument.name] = read
        except WrongValue as error:
            raise WrongValue(str(error), f"args.{spelling}{error.place}") from None
        except NotModelled as error:
            raise NotModelled(f"argument {spelling}: {error}") from None
    for argument in signature.arguments:
        if argument.required and argument.name not in arguments and not caller_is_meant(signature, argument):
            raise NotModelled(f"the script gives no value for {argument.name}")
    return arguments


def caller_is_meant(signature: Signature, argument: Argument) -> bool:
    """Whether leaving ``argument`` out means the caller's own task."""
    return argument.object is PortObject.TASK and argument.name == signature.target


def _argument(signature: Signature, spelling: str) -> Argument:
    for name in (spelling, *_OTHER_SPELLINGS.get(spelling, ())):
        for argument in signature.arguments:
            if argument.name == name:
                return argument
    raise NotModelled(f"argument {quoted(spelling)} of {signature.name} is not modelled")


def _read_bindings(signature: Signature, bind: dict[str, str | list[str | None]]) -> Iterator[Binding]:
    for spelling, symbols in bind.items():
        output, element = _output(signature, spelling)
        if isinstance(symbols, str):
            yield Binding(_symbol(symbols, spelling), output, element)
        elif element is not None or _type_of(signature, output) not in _LISTS:
            raise WrongValue(f"{spelling} is one value: expected one symbol", f"bind.{spelling}")
        else:
            for index, symbol in enumerate(symbols):
                if symbol is not None:
                    yield Binding(_symbol(symbol, spelling), output, index)


_LISTS = (OutputType.PORTS, OutputType.NAMES, OutputType.TYPES, OutputType.DESCRIPTORS)


def _type_of(signature: Signature, output: str) -> OutputType:
    return next(each.type for each in signature.outputs if each.name == ("descriptors" if output == PAGES else output))


def _symbol(symbol: str, spelling: str) -> str:
    if not is_identifier(symbol):
        raise WrongValue(f"{quoted(symbol)} can't be a symbol: use letters, digits and _", f"bind.{spelling}")
    return symbol


def _output(signature: Signature, spelling: str) -> tuple[str, int | None]:
    """The output, and the element of it, that ``spelling`` means in ``bind``."""
    if spelling in MESSAGE_WORDS and any(output.name == "reply_disposition" for output in signature.outputs):
        return MESSAGE, None
    if any(output.name == spelling for output in signature.outputs):
        return spelling, None
    if spelling in ("task", "child", NEW_TASK) and signature.creates_task and output_name(signature) is None:
        return NEW_TASK, None
    if spelling in ("page", PAGES) and any(output.type is OutputType.DESCRIPTORS for output in signature.outputs):
        return PAGES, 0 if spelling == "page" else None
    name = output_name(signature)
    if spelling in _BOUND_NAMES and name is not None:
        return name, 0 if name == "descriptors" else None
    other = _OTHER_OUTPUTS.get(spelling)
    if other is not None and any(output.name == other for output in signature.outputs):
        return other, None
    raise NotModelled(f"output {quoted(spelling)} of {signature.name} is not modelled")


def _read_expectation(signature: Signature, key: str, value: object, words: Headers) -> Expectation:
    try:
        return read_expectation(signature, key, value, words)
    except WrongValue as error:
        raise WrongValue(str(error), f"expect.{key}{error.place}") from None
    except NotModelled as error:
        raise NotModelled(f"expectation {key}: {error}") from None
