"""Random requests to a server: good ones, wrong ones, spoofed notifications, and replies that can't be delivered.

Hypothesis draws what a client does. Every call is judged by the specification, and after each request the server's
rights are judged. Of the runs that fail, Hypothesis reports the simplest one that it finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeAlias, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import CopyOption
from sendright.mach.abi.rights import Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade, cannot_boot, capabilities_of, not_compared
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import CaseResult, ReplayResult
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Trace, Violation
from sendright.properties.generation.draws import numbers
from sendright.properties.runs.judged_run import JudgedRun, Oracle, Violated, can_make, ready_for_limits
from sendright.properties.runs.run import CALL_SECONDS, FormCheckedOracle
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.servers.server import ARRAY, MEMORY, Form, Server
from sendright.properties.servers.service import Served
from sendright.properties.servers.stage import Stage, Staging

EXAMPLES, ACTS, SEED = 250, 20, 0
STRETCH = 5
"""Hypothesis draws a run in stretches of at most so many acts. One long list would seldom have more than five."""
LONGEST_ARRAY = 6
UNKNOWN_ID = 4321
_T = TypeVar("_T")
_SEND = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
_RECEIVE = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


# ---- what a client does. The numbers choose among what there is, so that each is always possible: the first, if 0


class Send(NamedTuple):
    """Sends a request."""

    id: int
    rights: tuple[int, ...]
    """Which rights it carries."""
    data: int
    reply: int
    """0: a send-once right to a port of the client's; 1: none; 2: a send right to it; 3: a send right that it holds;
    4: as 0, and the port dies before the server replies."""
    wrong: int
    """0: it has the descriptors that the routine takes; 1: as many rights as in ``rights``; 2: an array of them."""
    served: int
    """0: the server serves it at once; 1: it does so as ``mach_msg_server`` does; 2: later."""


class Make(NamedTuple):
    """Makes something."""

    what: int
    """0: a port; 1: a port with a send right beside; 2: a page of memory."""


class Drop(NamedTuple):
    """Destroys one of the client's names."""

    which: int


class Take(NamedTuple):
    """Receives from one of the client's ports."""

    which: int


_REPLIES = (Disposition.MAKE_SEND_ONCE, Disposition.NONE, Disposition.MAKE_SEND, Disposition.COPY_SEND, Disposition.MAKE_SEND_ONCE)
"""``Send.reply`` -> how the reply right is carried."""


Act: TypeAlias = Send | Make | Drop | Take
_small = numbers(3)


def _one_of(*options: _T) -> st.SearchStrategy[_T]:
    """One of four or eight options. The first are simpler."""
    return numbers(len(options).bit_length() - 1).map(options.__getitem__)


_requests = st.builds(
    Send,
    id=numbers(5),
    rights=st.lists(_small, max_size=LONGEST_ARRAY).map(tuple),
    data=numbers(5),
    reply=_one_of(1, 0, 0, 0, 0, 2, 3, 4),
    wrong=_one_of(0, 0, 0, 0, 0, 0, 1, 2),
    served=_one_of(0, 0, 1, 2),
)
_kinds: tuple[st.SearchStrategy[Act], ...] = (
    *[_requests] * 5,
    st.builds(Make, what=_one_of(0, 1, 1, 2)),
    st.builds(Drop, which=_small),
    st.builds(Take, which=_small),
)
_acts = numbers(3).flatmap(_kinds.__getitem__)


class _Count:
    """What became of the requests of all runs of a server."""

    def __init__(self) -> None:
        self.served = 0
        """Requests that were served, and after which the server's rights were judged."""
        self.ran: Counter[int] = Counter()
        """Message id -> number of those that MIG's stub didn't refuse."""
        self.left_out: Counter[str] = Counter()
        """Reason, not modelled or can't be made -> number of acts that weren't done to their end."""

    def add(self, served: Iterable[Served]) -> None:
        """Count these."""
        requests = [(each.request.id, each.answer) for each in served if each.request is not None]
        self.served += len(requests)
        self.ran.update(id for id, answer in requests if answer != ReturnCode.MIG_BAD_ARGUMENTS)

    @contextmanager
    def leaving_out(self) -> Iterator[None]:
        """Within, what isn't possible, or not modelled, is left out and counted."""
        try:
            yield
        except (NotMade, Unmodelled, NotModelled) as reason:
            self.left_out[str(reason)] += 1

    def verdict(self, server: Server | None) -> tuple[str, str | None]:
        """The verdict on a server without faults, and which routines weren't judged. If none was, it hasn't
        passed.
        """
        routines = {} if server is None else server.routines
        idle = [f"{each.name} ({id})" for id, each in routines.items() if not self.ran[id]]
        judged = self.served and (not routines or len(idle) < len(routines))
        if judged and not idle:
            return "passed", None
        why = "".join(f" (most often: {reason})" for reason, _ in self.left_out.most_common(1))
        by = f" by {', '.join(idle)}" if idle else ""
        return "passed" if judged else "not_modelled", f"no request was served{by}{why}"


class _Client:
    """A client that does what Hypothesis has drawn."""

    def __init__(self, run: JudgedRun, stage: Stage, count: _Count) -> None:
        self.run, self.stage, self.task, self.count = run, stage, stage.client, count
        routines = [*stage.service.server.routines]
        others = [Notification.DEAD_NAME, Notification.NO_SENDERS, UNKNOWN_ID]
        self.ids = [*routines * max(1, len(others) // max(1, len(routines))), *others]
        """Message ids; about half of them are those of routines."""
        self._make(Make(what=1))

    def does(self, act: Act) -> None:
        """Do it. What isn't possible, or not modelled, is left out."""
        with self.count.leaving_out():
            if isinstance(act, Send):
                self._send(act)
                if act.served < 2:
                    self.serve(loop=act.served == 1)
            elif isinstance(act, Make):
                self._make(act)
            elif isinstance(act, Drop):
                self._on_one_of(self._names(*SlotKind), act.which, "mach_port_destroy", task=self.stage.own)
            else:
                self._on_one_of(self._names(*_RECEIVE), act.which, "mach_msg_receive", key="port")

    def end(self) -> None:
        """Let the server serve what is left."""
        with self.count.leaving_out():
            self.serve()

    def serve(self, loop: bool = True) -> None:
        """Let the server serve all that is queued. Raises Violated if a right is lost or kept."""
        service = self.stage.service
        while can_make(self.run.snapshot, service.task, Call("mach_msg_receive", {})):
            served = service.serve() if loop else [service.serve_once()]
            self.count.add(served)
            found = [fault for each in served for fault in each.faults]
            if found:
                raise Violated(found[0])
            if loop or served[-1].request is None:
                return

    def _call(self, name: str, /, **arguments: object) -> None:
        call = Call(name, arguments)
        if can_make(self.run.snapshot, self.task, call):
            self.run.call(self.task, call)

    def _names(self, *kinds: SlotKind) -> list[int]:
        shown = self.run.snapshot.tasks.get(self.task)
        names = {} if shown is None else shown.names
        return [name for name, entry in names.items() if entry.kind in kinds and name not in (self.stage.own, self.stage.port)]

    def _pages(self) -> list[int]:
        shown = self.run.snapshot.tasks.get(self.task)
        return [] if shown is None else list(shown.memory)

    def _on_one_of(self, names: list[int], which: int, call: str, key: str = "name", **arguments: int) -> None:
        if names:
            self._call(call, **{**arguments, key: _pick(names, which)})

    def _make(self, act: Make) -> None:
        if act.what == 2:
            self._call("vm_allocate", task=self.stage.own, anywhere=True)
            return
        before = set(self._names(*SlotKind))
        self._call("mach_port_allocate", task=self.stage.own, right=int(Right.RECEIVE))
        for name in set(self._names(*SlotKind)) - before if act.what else ():
            self._call("mach_port_insert_right", task=self.stage.own, name=name, poly=name, disposition=int(Disposition.MAKE_SEND))

    def _send(self, act: Send) -> None:
        mine = [self.stage.port, *self._names(*_SEND)] if act.reply == 3 else self._names(*_RECEIVE)
        how = _REPLIES[act.reply]
        reply = _pick(mine, len(act.rights)) if mine and how else 0
        id = _pick(self.ids, act.id)
        descriptors = self._descriptors(id, act)
        if descriptors is not None:
            self._call(
                "mach_msg_send",
                dest=self.stage.port,
                dest_disposition=int(Disposition.COPY_SEND),
                reply=reply,
                reply_disposition=int(how) if reply else 0,
                id=int(id),
                descriptors=descriptors,
                data=_pick(self._data(), act.data),
            )
            if act.reply == 4 and reply:
                self._call("mach_port_destroy", task=self.stage.own, name=reply)

    def _data(self) -> list[int]:
        """Numbers that may mean something to the server: names of its own, too, as an attacker guesses them."""
        service = self.stage.service
        interesting = service.server.interesting
        return [0, *interesting, *service.names, 1, *interesting]

    def _descriptors(self, id: int, act: Send) -> tuple[tuple[object, ...], ...] | None:
        """The body; None: the client lacks the rights for it."""
        routine = self.stage.service.server.routines.get(id)
        takes: tuple[Form, ...] | None = None if routine is None else routine.takes
        if takes is None or act.wrong:
            takes = (int(Disposition.MOVE_SEND),) * len(act.rights) if act.wrong < 2 else ((ARRAY, int(Disposition.MOVE_SEND)),)
        picks = list(act.rights) or [0]
        found: list[tuple[object, ...]] = []
        for number, form in enumerate(takes):
            descriptor = self._descriptor(form, picks[number % len(picks)], len(act.rights))
            if descriptor is None:
                return None
            found.append(descriptor)
        return tuple(found)

    def _descriptor(self, form: Form, which: int, count: int) -> tuple[object, ...] | None:
        if form == MEMORY:
            if not self._pages():
                self._make(Make(what=2))
            return (_pick(self._pages(), which), int(CopyOption.PHYSICAL), False) if self._pages() else None
        if isinstance(form, tuple):
            right = self._right(form[1], which)
            return None if right is None else ((right[0],) * count, right[1])
        assert isinstance(form, int)
        return self._right(form, which)

    def _right(self, form: int, which: int) -> tuple[int, int] | None:
        """A right of the client's that arrives in this form: (name, disposition)."""
        ways = {
            Disposition.MOVE_SEND: ((Disposition.COPY_SEND, _SEND), (Disposition.MAKE_SEND, _RECEIVE)),
            Disposition.MOVE_SEND_ONCE: ((Disposition.MAKE_SEND_ONCE, _RECEIVE),),
            Disposition.MOVE_RECEIVE: ((Disposition.MOVE_RECEIVE, _RECEIVE),),
        }.get(Disposition(form), ())
        if ways and not any(self._names(*kinds) for _, kinds in ways):
            self._make(Make(what=0))
        options = [(name, int(how)) for how, kinds in ways for name in self._names(*kinds)]
        return _pick(options, which) if options else None


def _pick(options: list[_T], which: int) -> _T:
    return options[which % len(options)]


# ---- the check


class _Found(Exception):
    """A run that fails, for Hypothesis to make it simpler."""


class _Check:
    """The random runs of one server."""

    def __init__(
        self,
        staging: Staging,
        implementation_factory: Callable[[], Implementation],
        oracle_factory: Callable[[Profile], Oracle],
        profile: Profile,
        on_run: Callable[[], None],
    ) -> None:
        self.staging, self.oracle_factory, self.profile, self.on_run = staging, oracle_factory, profile, on_run
        self.factory = implementation_factory
        self.implementation = implementation_factory()
        self.steps = 0
        self.count = _Count()
        self.server: Server | None = None
        self.found: tuple[Violation, Trace] | None = None
        """The simplest failing run so far."""
        self.last: Trace | None = None

    def run(self, acts: Iterable[Act]) -> None:
        """One run. Raises _Found if it fails, and NotModelled if the server can't be set up."""
        run = JudgedRun(self.implementation, FormCheckedOracle(self.oracle_factory(self.profile)), self.profile, CALL_SECONDS)
        try:
            with ready_for_limits():
                run.boot()
                stage = self.staging(run)
                self.server = stage.service.server
                client = _Client(run, stage, self.count)
                for act in acts:
                    client.does(act)
                client.end()
        except Violated as broken:
            if broken.violation.kind in ("crash", "hang"):
                self.implementation = self.factory()
            self.found = broken.violation, run.trace()
            raise _Found from broken
        finally:
            self.steps += len(run.steps)
            self.on_run()
        self.last = run.trace()

    def search(self, examples: int, acts: int, seed: int) -> None:
        """Make random runs until one fails, and then simpler ones that fail, too."""

        @seeded(seed)
        @settings(
            max_examples=examples,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            deadline=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn=st.tuples(*[st.lists(_acts, max_size=min(STRETCH, acts - done)) for done in range(0, acts, STRETCH)]))
        def runs(drawn: tuple[list[Act], ...]) -> None:
            self.run(chain.from_iterable(drawn))

        try:
            runs()
        except Exception:
            # _Found, or Hypothesis's error for it; anything else is a bug in sendright, or NotModelled.
            if self.found is None:
                raise

    def result(self, name: str, title: str) -> CaseResult:
        """What came of the runs."""
        if self.found is None:
            verdict, idle = self.count.verdict(self.server)
            return CaseResult(id=name, title=title, verdict=verdict, steps=self.steps, reason=idle, trace=self.last)
        violation, trace = self.found
        first = violation.differences[0] if violation.differences else None
        return CaseResult(
            id=name,
            title=title,
            verdict="crashed" if violation.kind in ("crash", "hang") else "failed",
            steps=self.steps,
            call=trace.steps[-1].call if trace.steps else "boot",
            expected=violation.clause if first is None else f"{first.where}: {first.expected}",
            seen=violation.words if first is None else f"{first.where}: {first.seen}",
            violation=violation,
            trace=trace,
        )


class NamedServer(NamedTuple):
    """A server to check: its name in results, the kernel's profile, and how it is set up."""

    name: str
    profile: Profile
    staging: Staging


def check_servers(
    servers: Iterable[NamedServer],
    implementation_factory: Callable[[], Implementation],
    oracle_factory: Callable[[Profile], Oracle],
    *,
    examples: int = EXAMPLES,
    acts: int = ACTS,
    seed: int = SEED,
    files: tuple[str, ...] = (),
    on_run: Callable[[str], None] = lambda name: None,
) -> ReplayResult:
    """Send random requests to each server, in ``examples`` runs of at most ``acts`` acts of a client; one case for each
    server.

    A case fails at the first request after which the server holds other rights than it should, or at a call that isn't
    as specified. The same ``seed`` gives the same runs. ``on_run`` gets the server's name after each run; ``files`` are
    those that the servers come from. Ctrl-C ends the check with the results so far.
    """
    cases: list[CaseResult] = []
    interrupted = False
    implementation = implementation_factory()
    for server in servers:
        title = "random requests"
        check = _Check(server.staging, implementation_factory, oracle_factory, server.profile, partial(on_run, server.name))
        unable = cannot_boot(capabilities_of(implementation), server.profile)
        try:
            if unable is not None:
                raise NotModelled(f"{implementation.name}: {unable}")
            check.search(examples, acts, seed)
            cases.append(check.result(server.name, title))
        except (NotModelled, Unmodelled, NotMade) as reason:
            cases.append(CaseResult(id=server.name, title=title, verdict="not_modelled", steps=check.steps, reason=str(reason)))
        except KeyboardInterrupt:
            interrupted = True
            if check.found is not None:
                cases.append(check.result(server.name, title))
            break
    return ReplayResult.of(implementation.name, cases, files, not_compared(capabilities_of(implementation), list(SIGNATURES)), interrupted)
