"""Attacks on the proof cache: what is refuted stays refuted, nothing hangs, and nothing is written outside the
cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import platformdirs
import pytest
import z3
from support.places import ROOT

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.own_files import Unusable, append_own, own_folder, read_own
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.actions import put
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED
from sendright.model.language.state import After, State
from sendright.model.proof.obligations import ProofTask, decide_case
from sendright.model.proof.solver.cache import Cache, NoKey, Proof, ProvedQueries, keep_proofs_in, open_cache
from sendright.model.proof.solver.questions import Mark

RULE, TITLE = "mach_port_deallocate", "one of several references goes"
X = z3.Int("x")
QUICK = ["prove", "-q", "--call", "mach_port_type", "--invariant", "8", "--jobs", "1"]


@pytest.fixture(autouse=True)
def no_cache_afterwards() -> Iterator[None]:
    yield
    keep_proofs_in(None)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return open_cache(tmp_path / "proofs")


def key_file() -> Path:
    return Path(os.environ["XDG_DATA_HOME"], "sendright", "proofs.key")


def spoilt(k: Context, case: Case) -> Case:
    """A wrong rule: what has one reference less becomes a dead name without any."""

    def effect(after: After) -> None:
        put(after, k.slot(k["name"], k.task_behind(k["task"])), KIND.DEAD_NAME, k.sorts.no_port, 0)

    return replace(case, effect=effect) if case.title == TITLE else case


class Asked(list[tuple[Path, str]]):
    """The queries that were looked for in a cache: of each its file and its hash."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    seen = Asked()
    real = ProvedQueries.is_proved

    def is_proved(known: ProvedQueries, question: str) -> bool:
        seen.append((known._file, question))
        return real(known, question)

    monkeypatch.setattr(ProvedQueries, "is_proved", is_proved)
    return seen


def decided(cache: Cache | None) -> Verdict:
    """Of the case that ``spoilt`` makes wrong, invariant 7."""
    cases = list(RULES[RULE].cases(Context(RULES[RULE], State.arbitrary(UNBOUNDED), MANUAL)))
    keep_proofs_in(cache)
    index = next(index for index, case in enumerate(cases) if case.title == TITLE)
    return decide_case(MANUAL, ProofTask("case", RULE, index, (7,)))[0].verdict


def test_a_forged_cache_proves_nothing(cache: Cache, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """All entries that an attacker can make who knows everything but the key, in the very files where they are looked
    for.
    """
    assert decided(cache) is Verdict.PROVED
    honest = [line for file in cache.folder.iterdir() for line in file.read_text().split()]
    assert honest
    rule = RULES[RULE]
    monkeypatch.setitem(RULES, RULE, replace(rule, cases=lambda k: (spoilt(k, case) for case in rule.cases(k))))
    asked.clear()
    assert decided(cache) is Verdict.REFUTED
    wrong = list(asked)
    assert wrong
    others = [Cache(cache.folder, key) for key in (b"", bytes(32), b"x" * 32, b"proofs", os.urandom(32))]
    for file, question in wrong:
        forged = [*honest, question, question.upper(), sha256(question.encode()).hexdigest(), *(other.entry(question) for other in others)]
        file.write_text("\n".join(forged))
    assert decided(cache) is Verdict.REFUTED
    for file, question in wrong:  # and that is where entries count: those of the right key would
        file.write_text(cache.entry(question))
    assert decided(cache) is Verdict.PROVED


def test_entries_of_another_user_or_machine_are_none(cache: Cache, tmp_path: Path) -> None:
    def answered() -> bool:
        keep_proofs_in(open_cache(cache.folder))
        mark = Mark()
        assert Proof(UNBOUNDED, [X > 0], []).decide(X > -1) == z3.unsat
        return mark.all_from_cache

    assert [answered(), answered()] == [False, True]
    key_file().rename(tmp_path / "theirs")
    assert [answered(), answered()] == [False, True]
    shutil.copy(tmp_path / "theirs", cache.folder / "proofs.key")  # a key that the cache brings along isn't looked for
    assert answered()
    key_file().unlink()
    assert not answered()


def test_an_entry_means_its_own_query_only(cache: Cache) -> None:
    """An honest entry of one query, moved into the files of others."""
    honest = ProvedQueries(cache, [X > 0])
    honest.keep(honest.question(X > -1))
    for facts, goal in (([X > 0], X > 1), ([X < 0], X > -1), ([], X > -1)):
        other = ProvedQueries(cache, facts)
        other._file.write_bytes(honest._file.read_bytes())
        other = ProvedQueries(cache, facts)
        assert not other.is_proved(other.question(goal)), (facts, goal)


@pytest.mark.parametrize("cut", [1, 30, 63])
def test_a_line_that_was_cut_off_is_none_and_spoils_none(cache: Cache, cut: int) -> None:
    known = ProvedQueries(cache, [X > 0])
    question = known.question(X > -1)
    known._file.write_text(cache.entry(question)[:cut])
    known = ProvedQueries(cache, [X > 0])
    assert not known.is_proved(question)
    known.keep(question)
    assert ProvedQueries(cache, [X > 0]).is_proved(question)


@pytest.mark.heavy
def test_a_lying_prover_leaves_nothing_behind(tmp_path: Path) -> None:
    """A wrong specification is proved by a prover that asserts False, then asked about by the right one, with the same
    key and cache.
    """
    for name in ("mach", "model", "impl", "properties", "reports", "plugins", "cli"):
        shutil.copytree(ROOT / name, tmp_path / "sendright" / name, ignore=shutil.ignore_patterns("__pycache__", "driver"))
    names = tmp_path / "sendright/model/calls/names.py"
    right = names.read_text()
    wrong = right.replace("tested=e.urefs > 1)", "tested=e.urefs > 0)", 1)
    assert wrong != right
    names.write_text(wrong)
    walk = tmp_path / "sendright/model/language/term_walk.py"
    honest = walk.read_text()
    lying = honest.replace("    for formula in formulas:\n", "    for formula in (*formulas, address_of(z3.BoolVal(False))):\n")
    assert lying != honest

    def status() -> int:
        program = "import sys; from sendright.cli.main import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", program, "prove", "-q", "--call", "mach_port_deallocate", "--invariant", "7", "--jobs", "1"]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode

    walk.write_text(lying)
    assert status() == 0
    walk.write_text(honest)
    assert status() == 1


Attack = Callable[[Path, Path], object]
"""Puts something in the place of a cache file; the second path is a file of the user's that must stay as it is."""

ATTACKS: dict[str, Attack] = {
    "a pipe": lambda file, _: os.mkfifo(file),
    "a link": lambda file, target: file.symlink_to(target),
    "a link to nothing": lambda file, target: file.symlink_to(target.with_name("nothing")),
    "a link to itself": lambda file, _: file.symlink_to(file),
    "a link to a device": lambda file, _: file.symlink_to("/dev/zero"),
    "a hard link": lambda file, target: os.link(target, file),
    "a folder": lambda file, _: file.mkdir(),
    "3 GiB": lambda file, _: (file.touch(), os.truncate(file, 3 << 30)),
    "bytes": lambda file, _: file.write_bytes(os.urandom(4096)),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links")
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_lies_in_the_place_of_a_file(cache: Cache, tmp_path: Path, attack: Attack) -> None:
    target = tmp_path / "target"
    target.write_text("the user's own")
    attack(ProvedQueries(cache, [X > 0])._file, target)
    keep_proofs_in(cache)
    mark = Mark()
    assert Proof(UNBOUNDED, [X > 0], []).decide(X > -1) == z3.unsat
    assert not mark.all_from_cache
    assert target.read_text() == "the user's own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["proofs", "target"]


@pytest.mark.skipif(not hasattr(os, "mknod") or sys.platform == "win32" or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_opened(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    device = cache.folder / "device"
    try:
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")
    monkeypatch.setattr(os, "open", lambda *anything: pytest.fail("the device was opened"))
    with pytest.raises(Unusable, match="not a regular file"):
        read_own(device, 10)


def test_a_file_that_has_grown_too_long_does_not_grow(tmp_path: Path) -> None:
    file = tmp_path / "file"
    append_own(file, b"12345", 5)
    with pytest.raises(Unusable, match="5 bytes or more"):
        append_own(file, b"6", 5)
    assert read_own(file, 5) == b"12345"
    with pytest.raises(Unusable, match="more than 4 bytes"):
        read_own(file, 4)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_not_used(cache: Cache) -> None:
    known = ProvedQueries(cache, [X > 0])
    question = known.question(X > -1)
    known.keep(question)
    assert ProvedQueries(cache, [X > 0]).is_proved(question)
    os.chown(known._file, 12345, -1)
    assert not ProvedQueries(cache, [X > 0]).is_proved(question)


def a_link(place: Path) -> None:
    place.with_name("elsewhere").mkdir()
    place.symlink_to("elsewhere")


def beyond_a_link(place: Path) -> None:
    (place.parent.parent / "elsewhere").mkdir()
    place.parent.symlink_to("elsewhere")


def beyond_a_file(place: Path) -> None:
    place.parent.write_text("text")


def of_another_user(place: Path) -> None:
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    place.mkdir()
    os.chown(place, 12345, -1)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (a_link, "is a link (name the folder that it leads to"),
    "a link to nothing": (lambda place: place.symlink_to("nothing"), "is a link"),
    "beyond a link": (beyond_a_link, "is a link"),
    "a file": (lambda place: place.write_text("text"), "is not a folder"),
    "a pipe": (lambda place: os.mkfifo(place), "is not a folder"),
    "beyond a file": (beyond_a_file, "is not a folder"),
    "another user's": (of_another_user, "belongs to another user"),
}


@pytest.mark.parametrize("named", [True, False], ids=["named", "default"])
@pytest.mark.parametrize(("make", "words"), PLACES.values(), ids=PLACES)
def test_a_folder_that_is_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], words: str, named: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "sendright" / "proofs"
    if make not in (beyond_a_link, beyond_a_file):
        place.parent.mkdir()
    make(place)
    before = sorted(tmp_path.rglob("*"))
    for name in ("sendright/proofs", str(tmp_path / "sendright/proofs")) if named else ("",):
        assert main([*QUICK, "--cache", name] if named else QUICK) == (2 if named else 0)
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert line.startswith("sendright: --cache: " if named else "sendright: proofs are not cached: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It still answers, and one line says that it learns nothing. (Root may write anywhere; so the answer of the system
    is changed too.)
    """
    folder = tmp_path / "proofs"
    folder.mkdir()
    folder.chmod(0o500)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == folder and mode == os.W_OK) and access(path, mode))
    assert main([*QUICK, "--cache", str(folder)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sendright: new proofs are not cached: {folder} can't be written to (")


BAD_KEYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "open to the group": (lambda key: key.chmod(0o640), "may be read or changed by other users (remove it)"),
    "open to all": (lambda key: key.chmod(0o602), "may be read or changed by other users (remove it)"),
    "a link": (lambda key: key.symlink_to(key.rename(key.with_name("real"))), "is a link (remove it)"),
    "a link to nothing": (lambda key: (key.unlink(), key.symlink_to("nothing")), "is a link (remove it)"),
    "a hard link": (lambda key: os.link(key, key.with_name("other")), "hard link (remove it)"),
    "a pipe": (lambda key: (key.unlink(), os.mkfifo(key, 0o600)), "is not a regular file (remove it)"),
    "a folder": (lambda key: (key.unlink(), key.mkdir()), "is not a regular file (remove it)"),
    "empty": (lambda key: key.write_bytes(b""), "is not a key of sendright's (remove it)"),
    "short": (lambda key: key.write_bytes(b"x" * 31), "is not a key of sendright's (remove it)"),
    "long": (lambda key: key.write_bytes(b"x" * 33), "has more than 32 bytes (remove it)"),
    "3 GiB": (lambda key: os.truncate(key, 3 << 30), "has more than 32 bytes (remove it)"),
    "another user's": (lambda key: os.chown(key, 12345, -1), "belongs to another user (remove it)"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs modes, pipes and links")
@pytest.mark.parametrize(("spoil", "words"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_others_may_know_is_not_used(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    open_cache(tmp_path / "proofs")
    assert key_file().stat().st_mode & 0o777 == 0o600
    assert len(key_file().read_bytes()) == 32
    try:
        spoil(key_file())
    except PermissionError:
        pytest.skip("only root can give files away")
    with pytest.raises(NoKey) as error:
        open_cache(tmp_path / "proofs")
    assert str(key_file()) in str(error.value)
    assert words in str(error.value)


def test_without_a_key_all_is_proved_and_one_line_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_cache(tmp_path / "proofs")
    key_file().chmod(0o644)
    assert main([*QUICK, "--cache", str(tmp_path / "proofs")]) == 0
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"sendright: proofs are not cached: {key_file()} may be read")
    assert "PROVED" in out
    assert not list((tmp_path / "proofs").iterdir())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads everything")
def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    open_cache(tmp_path / "proofs")
    key_file().chmod(0)
    with pytest.raises(NoKey, match="Permission denied"):
        open_cache(tmp_path / "proofs")


def test_a_key_that_the_system_will_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*anything: object, **more: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sendright.mach.user_key.read_own", refused)
    with pytest.raises(NoKey, match="Permission denied"):
        open_cache(tmp_path / "proofs")


def unknown_home() -> Path:
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize("directory", [unknown_home, lambda: Path("~/.local/share"), lambda: Path("home")], ids=["raises", "tilde", "relative"])
def test_without_a_home_nothing_of_the_checkout_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: Callable[[], Path]) -> None:
    """Then the platform's directories are unknown, or relative: and a checkout could bring a key of its own there."""
    monkeypatch.chdir(tmp_path)
    cache = open_cache(tmp_path / "proofs")
    for place in ("home", "~/.local/share"):
        (tmp_path / place / "sendright").mkdir(parents=True)
        shutil.copy(key_file(), tmp_path / place / "sendright" / "proofs.key")
    monkeypatch.setattr(platformdirs, "user_cache_path", directory)
    with pytest.raises(Unusable, match="no home directory is known"):
        open_cache()
    monkeypatch.setattr(platformdirs, "user_data_path", directory)
    with pytest.raises(NoKey, match="no home directory is known"):
        open_cache(cache.folder)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give folders away")
def test_nothing_is_put_into_the_home_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    with pytest.raises(Unusable, match="belongs to another user"):
        open_cache()
    assert not list(home.iterdir())


def test_a_key_is_not_shown(cache: Cache) -> None:
    assert repr(cache.key) not in repr(cache)


def test_folders_that_are_made_are_the_users_alone(tmp_path: Path) -> None:
    made = own_folder(tmp_path / "a" / "b")
    assert [folder.stat().st_mode & 0o777 for folder in (made, made.parent)] == [0o700, 0o700]


def proves(folder: Path, start: int, failed: list[int]) -> None:
    """What one of several processes does with one cache."""
    cache = open_cache(folder)
    keep_proofs_in(cache)
    for number in range(start, start + 20):
        proof = Proof(UNBOUNDED, [X > 0], [])
        answers = proof.decide(X + number > 0), proof.decide(X - number > 0) if number else z3.sat
        if answers[0] != z3.unsat or answers[1] == z3.unsat:
            failed.append(number)
    sys.exit(bool(failed))


def test_several_processes_share_a_cache(tmp_path: Path) -> None:
    """They begin at once, without a folder or a key. Each gets right answers, and the entries of all are whole."""
    folder = tmp_path / "proofs"
    context = get_context("spawn")
    processes = [context.Process(target=partial(proves, folder, start, [])) for start in (0, 10, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    proves_alone = ProvedQueries(open_cache(folder), [X > 0])
    assert {len(line) for line in proves_alone._file.read_text().split()} == {64}
    assert not proves_alone.is_proved(proves_alone.question(X - 5 > 0))
