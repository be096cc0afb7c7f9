"""The oracle: judges what an implementation did, call by call, by running the rules beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, TypeAlias

import msgspec

from sendright.mach.calls import Call, Result
from sendright.mach.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.descriptors import NO_PAGE, build_descriptors, is_array, is_memory, layout_of, pages_in, right_count, rights_in
from sendright.mach.profiles import Profile
from sendright.mach.rights import NULL_NAME, Disposition, SlotKind
from sendright.mach.signatures import SIGNATURES
from sendright.mach.snapshot import Difference, Snapshot
from sendright.model.arguments import rule_arguments
from sendright.model.calls.exceptions import EXCEPTION_TYPES
from sendright.model.checking import BrokenInvariant, broken_by_step, broken_invariants
from sendright.model.concrete import BODY_SLOT, DESTINATION_SLOT, NAME_SLOT, NO_PORT, REPLY_SLOT, SlotTuple
from sendright.model.rules import (
    ANSWER,
    ARRAY,
    BODY,
    COPY_IN,
    COPY_OUT,
    CREATION_RESUMED,
    DELIVER,
    DESTROY,
    DONE,
    FINISH,
    HANDED_BACK,
    PAGE_IN,
    PAGE_OUT,
    RESUMED_RECEIVE,
    RESUMED_SEND,
    SETTING_RESUMED,
    TAKE,
)
from sendright.model.system import Applied, NotAllowed, System

Step: TypeAlias = tuple[str, dict[str, Any], dict[str, Any]]
"""A rule to be run, with the kernel's choices and the arguments."""


class Judgement(msgspec.Struct, frozen=True):
    """What the specification says of one step of an implementation."""

    agreed: bool
    cases: tuple[str, ...]
    """The cases that the step went through, as ``rule/CODE/title``."""
    clause: str = ""
    """The case that applied."""
    words: str = ""
    """What was wrong, for a reader who has nothing else."""
    differences: tuple[Difference, ...] = ()


class Disagreement(Exception):
    """The implementation's answer isn't what the specification says."""

    def __init__(self, clause: str, differences: list[Difference]) -> None:
        super().__init__(clause)
        self.clause = clause
        self.differences = differences


class Oracle:
    """Judges a run that began in the boot state. After a disagreement its state is of no more use."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.system = System(profile)
        self.before_rule: Callable[[System], None] | None = None
        """Sees the state before each rule of a call."""
        self._special: dict[str, Callable[[int, dict[str, Any], Result], None]] = {
            "mach_port_insert_right": self._insert_right,
            "mach_port_extract_right": self._extract_right,
            "mach_port_request_notification": self._request_notification,
            "mach_msg_send": self._send,
            "mach_msg_receive": self._receive,
            "mach_port_peek": self._peek,
            "task_get_exception_ports": self._exception_ports("task_get_exception_ports"),
            "task_swap_exception_ports": self._exception_ports("task_swap_exception_ports"),
        }
        self._resumed: dict[str, Callable[[int, Result], None]] = {
            "mach_msg_send": self._resumed_send,
            "mach_msg_receive": self._resumed_receive,
            "host_security_create_task_token": self._resumed_creation,
            "task_set_special_port": self._resumed_setting,
        }
        self._cases: list[str] = []

    @property
    def all_cases(self) -> tuple[str, ...]:
        """Every case of the specification in this profile."""
        return tuple(case.id for rule in self.system.rules.values() for case in rule.cases)

    def snapshot(self) -> Snapshot:
        """The state that the specification says the implementation is in."""
        return self.system.snapshot()

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        """Whether ``call`` by live task ``task`` may answer ``result``; the oracle's state moves on accordingly.

        ``shown`` is what the implementation shows after the call: where the kernel may choose what doesn't come back in ``result`` (in which
        order notifications arrive), that tells what it chose.
        """
        self._cases = []
        self.system.shown, self.system.told = shown, []
        if not self.profile.serves(call.name):
            clause = f"{call.name}: not served by the profile {self.profile.name}"
            if result.code == ReturnCode.MIG_BAD_ID:
                return Judgement(True, (), clause)
            return _disagreed((), clause, [_code_difference(ReturnCode.MIG_BAD_ID, result.code)])
        try:
            if call.resume:
                self._resumed[call.name](task, result)
            else:
                self._special.get(call.name, self._simple(call.name))(task, rule_arguments(call), result)
            self.system.settle()
            self.system.forget_the_ended()
        except Disagreement as disagreement:
            return _disagreed(tuple(self._cases), disagreement.clause, disagreement.differences)
        except NotAllowed as forbidden:
            clause = str(forbidden)
            return _disagreed(tuple(self._cases), clause, [Difference("the kernel's choice", "a fresh name or number", str(result.outputs))])
        return Judgement(True, tuple(self._cases), self._cases[-1] if self._cases else "")

    # ---- steps

    def _run(self, rule: str, caller: int, choices: dict[str, Any] | None = None, /, **arguments: Any) -> Applied:
        if self.before_rule:
            self.before_rule(self.system)
        applied = self.system.run(rule, caller, choices, **arguments)
        self._cases.append(applied.case.id)
        self._cases += [left.case.id for left in self.system.finish_what_is_left(caller, self.before_rule)]
        return applied

    def _expect_code(self, applied: Applied, result: Result) -> None:
        code = applied.case.case.code
        assert code is not None
        if result.code != code:
            raise Disagreement(applied.case.id, [_code_difference(code, result.code)])

    def _expect(self, applied: Applied, where: str, expected: object, seen: object) -> None:
        if expected != seen:
            raise Disagreement(applied.case.id, [Difference(where, _plain(expected), _plain(seen))])

    def _copy_out(self, caller: int, message: int, slot: SlotTuple, seen: Any, where: str) -> None:
        """The right in ``slot`` is copied out; the implementation says under which name (its choice, when a new one is needed)."""
        applied = self._run(COPY_OUT, caller, {"new_name": seen if isinstance(seen, int) else -1}, message=message, place=slot)
        self._expect(applied, where, applied.outputs["name"], seen)

    def _finish(self, caller: int, message: int) -> None:
        self._run(FINISH, caller, message=message)

    def _fail(self, caller: int, message: int, applied: Applied, result: Result) -> None:
        """The call fails as ``applied`` says, after rights were copied in to ``message``."""
        self._run(DESTROY, caller, message=message)
        self._expect_code(applied, result)

    def _simple(self, name: str) -> Callable[[int, dict[str, Any], Result], None]:
        """A call of one rule, with or without rights in its reply."""

        def judge(caller: int, arguments: dict[str, Any], result: Result) -> None:
            choices = self._choices(name, caller, arguments, result)
            applied = self._run(name, caller, choices, **arguments)
            self._expect_code(applied, result)
            if result.code not in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
                self._expect(applied, "results of a failed call", {}, result.outputs)
                return
            self._count_creations(applied, SIGNATURES[name].creates_task, choices, result)
            if applied.case.case.replies:
                self._copy_out_reply(applied, caller, name, choices["reply_message"], result)
            else:
                self._compare_outputs(applied, result)

        return judge

    def _copy_out_reply(self, applied: Applied, caller: int, name: str, message: int, result: Result) -> None:
        """The call's only result, of one right or more, is copied out of the reply."""
        [output] = SIGNATURES[name].outputs
        seen = result.outputs.get(output.name)
        names = seen if isinstance(seen, (tuple, list)) else (seen,)
        self._expect(applied, f"number of rights in {output.name}", applied.case.case.replies, len(names))
        for index, right in enumerate(names):
            self._copy_out(caller, message, (BODY_SLOT, message, index), right, output.name)
        self._finish(caller, message)

    def _resumed_creation(self, caller: int, result: Result) -> None:
        message = self.system.fresh_message()
        resumed = self._run(CREATION_RESUMED, caller, {"reply_message": message})
        self._expect_code(resumed, result)
        self._copy_out_reply(resumed, caller, "host_security_create_task_token", message, result)

    def _resumed_setting(self, caller: int, result: Result) -> None:
        resumed = self._run(SETTING_RESUMED, caller)
        self._expect_code(resumed, result)
        self._compare_outputs(resumed, result)

    def _choices(self, name: str, caller: int, arguments: dict[str, Any], result: Result) -> dict[str, Any]:
        """What the kernel chose: from the implementation's answer, or the only thing it could choose."""
        system = self.system
        no_reply_port = name == "mach_reply_port" and result.outputs.get("port") == NULL_NAME
        choices: dict[str, Any] = {"out_of_memory": result.code == ReturnCode.KERN_RESOURCE_SHORTAGE or no_reply_port}
        declared = system.rules[name].context.rule.choices
        if "new_name" in declared:
            new_name = result.outputs.get("port" if name == "mach_reply_port" else "name", -1)
            choices["new_name"] = new_name
        if "new_port" in declared:
            choices["new_port"] = system.next_port
        if "reply_message" in declared:
            choices["reply_message"] = system.fresh_message()
        if "notification" in declared:
            choices["notification"] = system.fresh_message()
        if "new_object" in declared:
            choices |= {"new_object": system.fresh_object(), "new_page": result.outputs.get("address", -1)}
        if "child" in declared:
            copied = {page: system.fresh_object() for page in range(self.profile.pages)}
            pages = {object_: page for page, object_ in copied.items()}
            choices |= {"child": system.next_task, "child_port": system.next_port, "copied": copied}
            choices |= {"copied_object": lambda page: copied.get(page, -1), "copied_page": lambda object_: pages.get(object_, -1)}
        return choices

    def _count_creations(self, applied: Applied, creates_task: bool, choices: dict[str, Any], result: Result) -> None:
        system = self.system
        if choices.get("new_port") in system.state["port_life"] or choices.get("child_port") in system.state["port_life"]:
            system.next_port += 1
        if creates_task:
            self._expect(applied, "number of the new task", system.next_task, result.created_task)
            system.next_task += 1

    def _compare_outputs(self, applied: Applied, result: Result) -> None:
        expected = dict(applied.outputs)
        if "names_of" in expected:
            names = self.system.names(expected.pop("names_of"))
            expected = {"names": tuple(names), "types": tuple(SlotKind(kind).type_bits for kind in names.values())}
        if "type" in expected:
            expected["type"] = SlotKind(expected["type"]).type_bits
        for token in ("security_token", "audit_token"):
            if not expected.pop(f"tells_{token}", True):
                expected[token] = ()
        if "members_of" in expected:
            expected = {"members": tuple(self.system.members(expected.pop("members_of")))}
        if "info.sets_of" in expected:
            sets = self.system.sets_of(expected["info.sets_of"])
            how_many = min(len(sets), 1) if self.profile.set_membership_is_flag else len(sets)
            expected["info.sets_of"] = how_many if self.profile.many_sets else next(iter(sets), NULL_NAME)
        words = [name for name in expected if name.startswith("info.")]
        if words or "info_length" in expected:
            expected = {"info": tuple(expected[word] for word in words)}
        for name, value in expected.items():
            self._expect(applied, f"result {name}", value, _tupled(result.outputs.get(name)))
        self._expect(applied, "results", sorted(expected), sorted(result.outputs))

    def _exception_ports(self, name: str) -> Callable[[int, dict[str, Any], Result], None]:
        """A call that tells exception ports in groups: those that the rule says are told, in the order of their first types."""

        def judge(caller: int, arguments: dict[str, Any], result: Result) -> None:
            choices = self._choices(name, caller, arguments, result)
            applied = self._run(name, caller, choices, **arguments)
            self._expect_code(applied, result)
            if result.code != ReturnCode.KERN_SUCCESS:
                return self._expect(applied, "results of a failed call", {}, result.outputs)
            told = [number for number in EXCEPTION_TYPES if applied.outputs[f"told.{number}"]]
            for output in ("masks", "behaviors", "flavors"):
                expected = tuple(applied.outputs[f"{output}.{number}"] for number in told)
                self._expect(applied, f"result {output}", expected, _tupled(result.outputs.get(output)))
            names = result.outputs.get("ports", ())
            self._expect(applied, "number of rights in ports", len(told), len(names))
            message = choices["reply_message"]
            for number, right in zip(told, names, strict=True):
                self._copy_out(caller, message, (BODY_SLOT, message, number - 1), right, "ports")
            return self._finish(caller, message)

        return judge

    def _peek(self, caller: int, a: dict[str, Any], result: Result) -> None:
        """The messages of the port that the name denotes are numbered."""
        state = self.system.state
        task = state["object_task"].get(state["port"].get((NAME_SLOT, caller, a["task"]), NO_PORT))
        port = state["port"].get((NAME_SLOT, task, a["name"]), NO_PORT)
        queue = state.waiting(port)
        places, messages = {message: index for index, message in enumerate(queue)}, dict(enumerate(queue))
        choices = {"place_of": lambda message: places.get(message, -1), "message_at": lambda place: messages.get(place, -1)}
        applied = self._run("mach_port_peek", caller, choices, **a)
        self._expect_code(applied, result)
        if result.code != ReturnCode.KERN_SUCCESS:
            return self._expect(applied, "results of a failed call", {}, result.outputs)
        return self._compare_outputs(applied, result)

    # ---- calls of several rules

    def _insert_right(self, caller: int, a: dict[str, Any], result: Result) -> None:
        message = self.system.fresh_message()
        begun = self._run("mach_port_insert_right: request", caller, {"request_message": message}, **a)
        if begun.case.case.code is not None:
            return self._expect_code(begun, result)
        if Disposition.MOVE_RECEIVE <= a["disposition"] <= Disposition.MAKE_SEND_ONCE:
            slot = (BODY_SLOT, message, 0)
            carried = self._run(COPY_IN, caller, space=caller, control=0, name=a["poly"], disposition=a["disposition"], message=message, place=slot)
            if carried.case.case.code is not None:
                return self._fail(caller, message, carried, result)
        inserted = self._run("mach_port_insert_right", caller, message=message, **a)
        if inserted.case.case.code != ReturnCode.KERN_SUCCESS:
            return self._fail(caller, message, inserted, result)
        return self._expect_code(inserted, result)

    def _extract_right(self, caller: int, a: dict[str, Any], result: Result) -> None:
        message = self.system.fresh_message()
        begun = self._run("mach_port_extract_right", caller, {"reply_message": message}, **a)
        if begun.case.case.code is not None:
            return self._expect_code(begun, result)
        slot = (BODY_SLOT, message, 0)
        carry = {"name": a["name"], "disposition": a["disposition"], "message": message, "place": slot}
        taken = self._run(COPY_IN, caller, space=begun.outputs["space"], control=a["task"], **carry)
        assert taken.case.case.code is None, "extract_right checks what it takes"
        self._expect(begun, "return code", code_name(ReturnCode.KERN_SUCCESS), code_name(result.code))
        self._expect(begun, "result acquired", begun.outputs["acquired"], result.outputs.get("acquired"))
        self._copy_out(caller, message, slot, result.outputs.get("poly"), "poly")
        return self._finish(caller, message)

    def _request_notification(self, caller: int, a: dict[str, Any], result: Result) -> None:
        message = self.system.fresh_message()
        begun = self._run("mach_port_request_notification: request", caller, {"request_message": message}, **a)
        if begun.case.case.code is not None:
            return self._expect_code(begun, result)
        slot = (BODY_SLOT, message, 0)
        if Disposition.MOVE_RECEIVE <= a["notify_disposition"] <= Disposition.MAKE_SEND_ONCE:
            carry = {"name": a["notify"], "disposition": a["notify_disposition"], "message": message, "place": slot}
            carried = self._run(COPY_IN, caller, space=caller, control=0, **carry)
            if carried.case.case.code is not None:
                return self._fail(caller, message, carried, result)
        choices = {"notification": self.system.fresh_message(), "out_of_memory": result.code == ReturnCode.KERN_RESOURCE_SHORTAGE}
        registered = self._run("mach_port_request_notification", caller, choices, message=message, **a)
        if registered.case.case.code is not None:
            return self._fail(caller, message, registered, result)
        self._expect(registered, "return code", code_name(ReturnCode.KERN_SUCCESS), code_name(result.code))
        self._copy_out(caller, message, slot, result.outputs.get("previous"), "previous")
        return self._finish(caller, message)

    def _send(self, caller: int, a: dict[str, Any], result: Result) -> None:
        message, descriptors = self.system.fresh_message(), a["descriptors"]
        options = [option for _, option, _ in pages_in(descriptors)]
        whole = {"layout": layout_of(descriptors), "copy_options": options.__getitem__, "copy_options_length": len(options)}
        header = self._run("mach_msg_send", caller, {"message": message}, **whole, **a)
        if header.case.case.code is not None:
            return self._expect_code(header, result)
        steps = [self._carry(caller, (DESTINATION_SLOT, message, 0), a["dest"], a["dest_disposition"])]
        if a["reply_disposition"] != Disposition.NONE:  # else there is nothing to copy in
            steps.append(self._carry(caller, (REPLY_SLOT, message, 0), a["reply"], a["reply_disposition"]))
        if header.outputs["reply_first"]:
            steps.reverse()
        for rule, choices, arguments in [*steps, *self._body_steps(caller, message, descriptors, options)]:
            carried = self._run(rule, caller, choices, message=message, **arguments)
            if carried.case.case.code is not None:
                return self._fail(caller, message, carried, result)
        return self._deliver(caller, message, a["wait"], result)

    def _carry(self, caller: int, slot: SlotTuple, name: int, disposition: int) -> Step:
        return COPY_IN, {}, {"space": caller, "control": 0, "name": name, "disposition": disposition, "place": slot}

    def _body_steps(self, caller: int, message: int, descriptors: Sequence[Any], options: list[int]) -> Iterator[Step]:
        """The rules that a body runs through: it is looked at as a whole, then what each descriptor says is copied in."""
        yield BODY, {}, {"copy_options": options.__getitem__, "copy_options_length": len(options)}
        rights, pages = count(), count()
        for each in descriptors:
            if is_memory(each):
                address, _, deallocate = each
                choices = {"new_object": self.system.fresh_object()}
                yield PAGE_IN, choices, {"index": next(pages), "address": address, "deallocate": deallocate}
                continue
            if is_array(each):
                yield ARRAY, {}, {"disposition": each[1]}
            for name, disposition in rights_in([each]):
                yield self._carry(caller, (BODY_SLOT, message, next(rights)), name, disposition)

    def _deliver(self, caller: int, message: int, wait: bool, result: Result) -> None:
        destination = self.system.state["port"][DESTINATION_SLOT, message, 0]
        reaches = self.system.reached_from(destination)
        delivered = self._run(DELIVER, caller, {"reaches": reaches}, message=message, wait=wait)
        if delivered.outputs.get("by_kernel"):
            delivered = self._run(ANSWER, caller, message=message)
        elif delivered.outputs.get("handed_back"):
            outputs = result.outputs
            self._copy_out(caller, message, (DESTINATION_SLOT, message, 0), outputs.get("dest"), "dest")
            self._copy_out(caller, message, (REPLY_SLOT, message, 0), outputs.get("reply"), "reply")
            lost = self._copy_out_body(delivered, caller, message, outputs)
            delivered = self._run(HANDED_BACK, caller, message=message, lost=lost)
        self._expect_code(delivered, result)
        self._expect_outputs(delivered, "mach_msg_send", result)

    def _resumed_send(self, caller: int, result: Result) -> None:
        resumed = self._run(RESUMED_SEND, caller)
        self._expect_code(resumed, result)
        self._expect_outputs(resumed, "mach_msg_send", result)

    def _expect_outputs(self, applied: Applied, call: str, result: Result) -> None:
        """The results that come with the answer's code are there, and no others."""
        expected = [output.name for output in SIGNATURES[call].results(result.code)]
        self._expect(applied, "results", sorted(expected), sorted(result.outputs))

    def _copy_out_body(self, applied: Applied, caller: int, message: int, outputs: dict[str, Any]) -> bool:
        """Rights, then pages, go where the implementation says; whether a page was lost."""
        state = self.system.state
        layout, seen = state["layout"].get(message, ()), outputs.get("descriptors", ())
        self._expect(applied, "layout of the body", layout, layout_of(seen))
        forms = [state["form"].get((BODY_SLOT, message, index), 0) for index in range(right_count(layout))]
        rights = list(rights_in(seen))
        told = build_descriptors(layout, list(zip([name for name, _ in rights], forms, strict=True)), [page for page, *_ in filter(is_memory, seen)])
        self._expect(applied, "forms of the descriptors", told, _deeply_tupled(seen))
        for index, (name, _) in enumerate(rights):
            self._copy_out(caller, message, (BODY_SLOT, message, index), name, f"right {index} of the body")
        lost = False
        for index, (page,) in enumerate(filter(is_memory, seen)):
            mapped = self._run(PAGE_OUT, caller, {"new_page": page}, message=message, index=index)
            self._expect(mapped, f"page {index} of the body", mapped.outputs["page"], page)
            lost = lost or page == NO_PAGE
        return lost

    def _receive(self, caller: int, a: dict[str, Any], result: Result) -> None:
        source = self._received_from((NAME_SLOT, caller, a["port"]), result)
        self.system.late.settle(source, result.outputs)
        if not self.profile.takes("mach_msg_receive", "trailer"):
            a["trailer"] = 0
        self._take(caller, self._run("mach_msg_receive", caller, {"source": source}, **a), result)

    def _resumed_receive(self, caller: int, result: Result) -> None:
        state = self.system.state
        source = self._received_from((NAME_SLOT, caller, state["waits_at"].get(caller, NULL_NAME)), result)
        self.system.late.settle(source, result.outputs)
        self._take(caller, self._run(RESUMED_RECEIVE, caller, {"source": source}), result)

    def _take(self, caller: int, chosen: Applied, result: Result) -> None:
        """What follows when a port is ``chosen``: its oldest message is taken, and copied out."""
        if chosen.case.case.code is not None:
            self._expect_code(chosen, result)
            return self._expect_outputs(chosen, "mach_msg_receive", result)
        oldest = self.system.oldest_message(chosen.outputs["source"])
        taken = self._run(TAKE, caller, {"oldest": -1 if oldest is None else oldest}, **chosen.outputs)
        told, seen = taken.outputs, result.outputs
        if taken.case.case.code is not None:
            if "message" in told:
                self._run(DESTROY, caller, message=told["message"])
            self._expect_code(taken, result)
            self._expect_outputs(taken, "mach_msg_receive", result)
            return self._expect(taken, "result size", told["size"], seen.get("size"))
        assert oldest is not None
        if result.code not in (ReturnCode.KERN_SUCCESS, ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE):
            self._expect(taken, "return code", code_name(ReturnCode.KERN_SUCCESS), code_name(result.code))
        expected = {name: told[name] for name in ("id", "local", "data", "size", "trailer_size", "sequence_number")}
        for token in ("security_token", "audit_token"):
            expected[token] = told[token] if told[f"tells_{token}"] else ()
        expected["reply_disposition"] = self.system.state["form"].get((REPLY_SLOT, oldest, 0), 0)
        for name, value in expected.items():
            self._expect(taken, f"result {name}", value, _tupled(seen.get(name)))
        self._copy_out(caller, oldest, (REPLY_SLOT, oldest, 0), seen.get("reply"), "reply")
        lost = self._copy_out_body(taken, caller, oldest, seen)
        done = self._run(DONE, caller, message=oldest, lost=lost)
        self._expect_code(done, result)
        return self._expect_outputs(done, "mach_msg_receive", result)

    def _received_from(self, entry: SlotTuple, result: Result) -> int:
        """The port whose message was received: that of the name's receive right, or the port set's member that the result says.

        Of a message that was too large the result says the size; if members have messages of one size, the state that is shown says which it was.
        """
        system, state = self.system, self.system.state
        if state["kind"].get(entry) != SlotKind.PORT_SET:
            return int(state["port"].get(entry, NO_PORT))
        members = system.members(entry)
        if "local" in result.outputs:
            return members.get(result.outputs["local"], NO_PORT)
        oldest = {port: message for port in members.values() if (message := system.oldest_message(port)) is not None}
        fitting = [port for port, message in oldest.items() if state["size"].get(message, 0) == result.outputs.get("size")]
        shown = system.shown.ports if system.shown else {}
        shorter = [port for port in fitting if port in shown and shown[port].sequence_number != state["seqno"].get(port, 0)]
        return next(iter([*shorter, *fitting, *oldest]), NO_PORT)


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _deeply_tupled(value: object) -> object:
    return tuple(_deeply_tupled(part) for part in value) if isinstance(value, (list, tuple)) else value


def _code_difference(expected: int, seen: int) -> Difference:
    return Difference("return code", code_name(expected), code_name(seen))


def _plain(value: object) -> str:
    return "nothing" if value is None else str(value)


def _disagreed(cases: tuple[str, ...], clause: str, differences: list[Difference]) -> Judgement:
    words = "; ".join(str(difference) for difference in differences)
    return Judgement(False, cases, clause, words, tuple(differences))


__all__ = ["BrokenInvariant", "Judgement", "Oracle", "broken_by_step", "broken_invariants"]
