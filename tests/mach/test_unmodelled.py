"""What isn't modelled is never judged: the ranges of each profile, and the numbers that a kernel sees."""

from __future__ import annotations

import msgspec
import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.headers import NUMBERS, headers_of, profiles_with
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import DEAD_NAME
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, OSF, PROFILES, XNU, Profile
from sendright.mach.kernel.unmodelled import FAMILIES, Unmodelled, as_judged, family, unmodelled_ranges, why_unmodelled, why_unmodelled_there
from sendright.mach.signatures import SIGNATURES, ArgumentType, with_defaults
from sendright.mach.signatures.guards import CONSTRUCT_FLAGS, GUARDS
from sendright.mach.signatures.messages import MESSAGE_OPTIONS, MESSAGES
from sendright.mach.signatures.processes import PROCESS_CALLS
from sendright.mach.signatures.widths import WIDTHS, as_seen
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.check import check
from sendright.properties.generation.arguments import DRAWS
from sendright.properties.runs.judged_run import JudgedRun


class Recording(ReferenceKernel):
    """Remembers the calls that it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Call] = []

    def call(self, task: int, call: Call) -> Result:
        self.seen.append(call)
        return super().call(task, call)


def booted(profile: Profile) -> tuple[Recording, JudgedRun]:
    kernel = Recording()
    run = JudgedRun(kernel, Oracle(profile), profile, 10)
    run.boot()
    return kernel, run


def example(call: str, argument: str, number: int) -> Call:
    """A call with this number; its other arguments needn't make sense."""
    signature = SIGNATURES[call]
    zeros = {each.name: 0 if each.type is not ArgumentType.LIMITS else (1,) for each in signature.arguments if each.required}
    is_body = signature.argument(argument).type is ArgumentType.DESCRIPTORS
    return with_defaults(Call(call, zeros | {argument: ((0, number),) if is_body else number}))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_no_number_of_a_range_reaches_a_kernel_or_a_judge(profile: Profile) -> None:
    kernel, run = booted(profile)
    tried = 0
    for each in unmodelled_ranges(profile):
        if any(argument.name == each.argument for argument in SIGNATURES[each.call].arguments):
            for number in {each.bit, each.bit | 1} if each.bit else {each.lowest, each.highest}:
                with pytest.raises(Unmodelled, match=each.argument):
                    run.call(0, example(each.call, each.argument, number))
                tried += 1
    assert tried >= 3
    assert kernel.seen == []
    assert run.steps == []


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_what_the_kernels_headers_name_is_modelled_or_in_a_range(profile: Profile) -> None:
    """Of the arguments with numbers that a kernel acts on: each named number is one that the profile has, or it is in a
    range.
    """
    modelled = {
        ("task_info", "flavor"): set(profile.token_flavours),
        ("task_get_special_port", "which"): {*profile.special_ports, *profile.flavour_ports},
        ("task_set_special_port", "which"): {*profile.special_ports, *profile.flavour_ports},
        ("host_get_special_port", "which"): set(range(profile.host_special_ports + 1)),
        ("mach_port_get_attributes", "flavor"): set(PortAttributes) if PortAttributes.DNREQUESTS_SIZE in profile.attributes_told else {1, 2},
        ("mach_port_request_notification", "variant"): {65, 66, 69, 70, 71, 72} if profile.name in ("gnumach", "xnu") else {65, 69, 70, 71, 72},
    }
    for (call, argument), numbers in modelled.items():
        if profile.serves(call):
            named = set(family(headers_of(profile.name), SIGNATURES[call].argument(argument).type).values())
            ranges = unmodelled_ranges(profile, call, argument)
            assert {number for number in named if not any(each.covers(number) for each in ranges)} <= numbers
            assert not any(each.covers(number) for number in numbers for each in ranges)


def test_the_flags_of_ports_that_are_not_modelled() -> None:
    found = {each.name: each.words for each in unmodelled_ranges(XNU, "mach_port_construct", "flags")}
    assert set(found) == {"MPO_FILTER_MSG", "MPO_TG_BLOCK_TRACKING", "MPO_CONNECTION_PORT"}
    assert "the sandbox" in found["MPO_CONNECTION_PORT"]


def test_ranges_shrink_when_a_profile_models_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for places, unmodelled in ((9, {10, 11}), (10, {11}), (11, set())):
        profile = msgspec.structs.replace(MANUAL, name=f"with {places} places", host_special_ports=places)
        monkeypatch.setitem(PROFILES, profile.name, profile)
        assert {each.lowest for each in unmodelled_ranges(profile, "host_get_special_port")} == unmodelled
        assert (why_unmodelled(example("host_get_special_port", "which", 11), profile) is None) is (places == 11)
    assert unmodelled_ranges(XNU, "host_get_special_port") == ()
    assert unmodelled_ranges(XNU, "task_get_special_port") == ()
    assert unmodelled_ranges(XNU, "task_set_exception_ports", "exception_mask") == ()
    assert unmodelled_ranges(MANUAL, "mach_port_request_notification") == ()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_recorded_runs_have_modelled_numbers(profile: Profile) -> None:
    for run in witnessed_calls(profile):
        for _, call in run:
            assert why_unmodelled(as_seen(with_defaults(call), SIGNATURES[call.name], profile.name), profile) is None


def test_a_check_counts_what_it_drew_and_did_not_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DRAWS, ArgumentType.FLAVOUR, lambda *_: headers_of("xnu").numbers["TASK_VM_INFO"])
    kernels: list[Recording] = []

    def kernel() -> Recording:
        kernels.append(Recording())
        return kernels[-1]

    result = check(kernel, Oracle, XNU, examples=12, steps=60, seed=1)
    assert sum(result.not_modelled.values()) > 0
    assert all("modelled in profile xnu" in words for words in result.not_modelled)
    assert "flavor 22 (TASK_VM_INFO) of task_info is not modelled in profile xnu" in result.not_modelled
    for each in kernels:
        assert all(why_unmodelled(call, XNU) is None for call in each.seen)


def test_a_profile_with_other_limits_has_the_same_ranges() -> None:
    small = msgspec.structs.replace(XNU, urefs_max=4)
    assert unmodelled_ranges(small) == unmodelled_ranges(XNU)
    assert unmodelled_ranges(msgspec.structs.replace(MANUAL, name="mine")) == unmodelled_ranges(MANUAL)


# Processes


def of_processes(call: str) -> Call:
    """A call of processes; its arguments needn't make sense."""
    return with_defaults(Call(call, {each.name: 1 for each in SIGNATURES[call].arguments if each.required}))


@pytest.mark.parametrize("profile", [each for each in PROFILES.values() if not each.has_processes], ids=lambda profile: profile.name)
def test_a_kernel_without_processes_never_sees_their_calls(profile: Profile) -> None:
    kernel, run = booted(profile)
    for call in sorted(PROCESS_CALLS):
        with pytest.raises(Unmodelled) as raised:
            run.call(0, of_processes(call))
        words = f"{call} is not modelled in profile {profile.name}: it has no processes (profile xnu has them)"
        assert str(raised.value) == words == why_unmodelled(of_processes(call), profile)
    assert kernel.seen == []


def test_a_kernel_with_processes_has_their_calls() -> None:
    for call in PROCESS_CALLS:
        assert as_judged(of_processes(call), XNU) == of_processes(call)
        assert why_unmodelled(of_processes(call), XNU) is None


def test_several_profiles_with_processes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "mine", msgspec.structs.replace(XNU, name="mine"))
    assert str(why_unmodelled(of_processes("exit"), MANUAL)).endswith("it has no processes (profiles xnu, mine have them)")


def test_another_call_that_a_kernel_lacks_is_modelled() -> None:
    assert why_unmodelled(of_processes("mach_port_rename"), XNU) is None
    assert as_judged(of_processes("mach_port_rename"), XNU).name == "mach_port_rename"


@pytest.mark.parametrize(
    ("call", "argument", "numbers", "modelled"),
    [
        ("wait4", "pid", (0, -2, -77, 1 - (1 << 31)), (-1, 1, -(1 << 31), (1 << 31) - 1)),
        ("task_name_for_pid", "pid", (0,), (1, -1)),
        ("task_for_pid", "pid", (), (0, -1)),
        ("setuid", "uid", (0xFFFFFF9B, -101), (0, 0xFFFFFFFF, 0xFFFFFF9A)),
        ("setregid", "rgid", (0xFFFFFF9B,), (0xFFFFFFFF,)),
        ("execve", "set_group", (0xFFFFFF9B,), (0xFFFFFFFF, 0)),
        ("exit", "status", (), (0xFFFFFF9B - (1 << 32),)),
    ],
)
def test_numbers_of_processes(call: str, argument: str, numbers: tuple[int, ...], modelled: tuple[int, ...]) -> None:
    for number in numbers:
        with pytest.raises(Unmodelled, match=f"{argument} .* of {call} is not modelled in profile xnu"):
            as_judged(example(call, argument, number), XNU)
    for number in modelled:
        assert as_judged(example(call, argument, number), XNU).arguments[argument] == number


def test_the_end_of_the_first_process() -> None:
    kernel = ReferenceKernel()
    kernel.boot(XNU)
    state, call = kernel.snapshot(), Call("exit", {"status": 0})
    assert "panics" in str(why_unmodelled_there(0, call, state, XNU))
    assert [why_unmodelled_there(task, call, state, XNU) for task in (1, 2)] == [None, None]


# Widths


@pytest.mark.parametrize(
    ("call", "argument", "given", "seen"),
    [
        ("mach_port_type", "name", -1, DEAD_NAME),
        ("mach_port_get_attributes", "count", -1, 0xFFFFFFFF),
        ("mach_port_set_mscount", "mscount", -2, 0xFFFFFFFE),
        ("mach_port_mod_refs", "delta", 0xFFFFFFFF, -1),
        ("mach_port_mod_refs", "right", -1, 0xFFFFFFFF),
        ("host_get_special_port", "node", 0xFFFFFFFF, -1),
        ("mach_msg_send", "id", 0xFFFFFFFF, -1),
        ("mach_msg_send", "size", -1, -1),
        ("mach_msg_receive", "limit", -2, 0xFFFFFFFE),
        ("mach_port_construct", "qlimit", -1, -1),
        ("mach_port_construct", "context", -1, 2**64 - 1),
        ("mach_ports_register", "ports", (-1, 0), (DEAD_NAME, 0)),
        ("mach_msg_send", "descriptors", ((-1, 17), ((-1, 2), 19), (0, -1, True)), ((DEAD_NAME, 17), ((DEAD_NAME, 2), 19), (0, 255, True))),
    ],
)
def test_a_number_is_what_the_kernel_sees(call: str, argument: str, given: object, seen: object) -> None:
    made = as_seen(Call(call, {argument: given}), SIGNATURES[call], "xnu")
    assert made.arguments == {argument: seen}


def test_minus_one_is_the_dead_name_for_the_kernel_and_for_the_specification() -> None:
    kernel, run = booted(XNU)
    own = run.call(0, Call("mach_task_self", {})).outputs["port"]
    step = run.call(0, Call("mach_port_get_refs", {"task": own, "name": -1, "right": 0}))
    assert kernel.seen[-1].arguments["name"] == DEAD_NAME == step.arguments["name"]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("mach_msg_send", {"dest": 1, "dest_disposition": 32 + 19}),
        ("mach_msg_send", {"dest": 1, "descriptors": ((1, 256 + 17),)}),
        ("mach_port_type", {"task": 1, "name": 1 << 32}),
        ("mach_msg_receive", {"port": 1, "trailer": 16}),
    ],
)
def test_a_number_that_the_kernel_has_no_room_for_is_not_modelled(call: str, arguments: dict[str, object]) -> None:
    _, run = booted(XNU)
    with pytest.raises(Unmodelled, match="the kernel has no room for the number"):
        run.call(0, Call(call, arguments))


# The tables


def test_the_tables_know_the_profiles_and_the_signatures() -> None:
    assert NUMBERS.keys() == PROFILES.keys()
    assert set(CONSTRUCT_FLAGS.values()) <= {argument.name for signature in GUARDS for argument in signature.arguments}
    assert set(MESSAGE_OPTIONS.values()) <= {argument.name for signature in MESSAGES for argument in signature.arguments} | {""}
    assert {*CONSTRUCT_FLAGS} <= NUMBERS["xnu"].keys()
    numbers = {ArgumentType.BOOLEAN, ArgumentType.PAGE, ArgumentType.DESCRIPTORS}
    assert WIDTHS.keys() | numbers == set(ArgumentType)
    for type_ in FAMILIES:
        assert any(family(headers_of(profile), type_) for profile in PROFILES), type_


def test_profiles_with_a_name() -> None:
    assert profiles_with("MACH_NOTIFY_SEND_POSSIBLE") == ["xnu"]
    assert profiles_with("TASK_WIRED_LEDGER_PORT") == ["manual", "osf", "xnu-792"]
    assert profiles_with("MACH_NOTIFY_DEAD_NAME") == list(PROFILES)


@pytest.mark.parametrize("disposition", [1, 15, 22, 255, -1, 1 << 40])
def test_a_disposition_that_panics_is_not_judged(disposition: int) -> None:
    """OSF's kernel panics at any number but 0 that isn't a disposition, whatever the name, also for an empty array."""
    for descriptor in ((5, disposition), (0, disposition), ((), disposition), ((5, 6), disposition)):
        call = with_defaults(Call("mach_msg_send", {"dest_disposition": 19, "dest": 5, "descriptors": ((5, 19), descriptor)}))
        with pytest.raises(Unmodelled, match=r"H-13|no room"):
            as_judged(call, OSF)
    for fine in (0, 19):
        call = with_defaults(Call("mach_msg_send", {"dest_disposition": 19, "dest": 5, "descriptors": ((0, fine),)}))
        assert as_judged(call, OSF) == call


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_limits_of_a_profile_are_those_of_its_headers(profile: Profile) -> None:
    numbers = headers_of(profile.name).numbers
    assert profile.right_number == numbers["MACH_PORT_RIGHT_NUMBER"]
    if profile.host_special_ports:
        assert profile.host_special_ports == numbers["HOST_MAX_SPECIAL_PORT"]
