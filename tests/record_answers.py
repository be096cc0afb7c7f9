"""Records which answers of the reference kernel each of its tests expects, for ``sendright trace-spec``.

Run ``python tests/record_answers.py`` when such tests are new or have changed: it runs those, and updates
``answers.json``. ``--all`` runs all of them. ``--check`` also runs all, writes nothing, and fails if the file isn't up
to date.

Each test is run once as it is, and then once for each answer (call, code) that it got, with that answer altered: the
kernel does what it did, but returns another code. If the test then fails it expects that code. Random runs are left
out: they test no answer in particular.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from _pytest.runner import runtestprotocol
from support.places import TESTS

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.kernel.call import Call, Result
from sendright.properties.coverage.tests_found import ANSWERS, KERNEL_TESTS, Answers, read_answers, sources

OPTIONS = ("-q", "--no-header", "--assert=plain", "--tb=native", "-p", "no:cacheprovider")
"""For pytest: failures are frequent here, and only counted, not printed."""
SEED = "seed"
"""The argument of tests that are random runs."""
Answer = tuple[str, str]
"""A call and the name of the code that it returned."""


class Recorder:
    """A plugin for pytest that finds the answers that each test expects. Only kernels that are exactly the reference
    kernel count.
    """

    def __init__(self, directory: Path, skip: Container[str]) -> None:
        self.directory = directory
        self.skip = skip
        self.expected: dict[str, set[Answer]] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function) or SEED in item.fixturenames or hasattr(item.function, "hypothesis"):
            return True
        id = f"{item.path.relative_to(self.directory).as_posix()}::{item.originalname}"
        if id in self.skip:
            return True
        expected = self.expected.setdefault(id, set())
        with answering() as answers:
            if fails(item):
                self.failed.append(item.nodeid)
        for answer in sorted(answers):
            with answering(altered=answer):
                if fails(item):
                    expected.add(answer)
        return True


def fails(item: pytest.Item) -> bool:
    """Run a test with new fixtures; whether it fails."""
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


@contextmanager
def answering(altered: Answer | None = None) -> Iterator[set[Answer]]:
    """Meanwhile the reference kernel's answers are collected, and the one that is ``altered`` has another code."""
    answers: set[Answer] = set()
    original = ReferenceKernel.call

    def call(kernel: ReferenceKernel, task: int, call: Call) -> Result:
        result = original(kernel, task, call)
        answer = call.name, code_name(result.code)
        if type(kernel) is not ReferenceKernel:
            return result
        answers.add(answer)
        return msgspec.structs.replace(result, code=other_code(result.code)) if answer == altered else result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReferenceKernel, "call", call)
        yield answers


def other_code(code: int) -> int:
    """A failure that isn't ``code``. A test that expects just any failure doesn't notice it."""
    return ReturnCode.KERN_ABORTED if code == ReturnCode.KERN_FAILURE else ReturnCode.KERN_FAILURE


def record(directory: Path, known: Mapping[str, Answers]) -> dict[str, Answers]:
    """What the tests of the reference kernel in ``directory`` expect; those whose source is as ``known`` aren't run.

    Raises ValueError if some fail, or there are none.
    """
    source = dict(sources(directory, KERNEL_TESTS))
    kept = {id: known[id] for id in source if id in known and known[id].source == source[id]}
    recorder = Recorder(directory, kept)
    files = sorted({str(directory / id.partition("::")[0]) for id in source.keys() - kept.keys()})
    if not source:
        raise ValueError(f"no tests in {directory / KERNEL_TESTS}")
    if files:
        status = pytest.main([*OPTIONS, f"--rootdir={directory.parent}", *files], plugins=[recorder])
        if recorder.failed or status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise ValueError(f"the tests must pass first: {', '.join(recorder.failed) or status}")
    new = {id: Answers(source[id], by_call(answers)) for id, answers in recorder.expected.items()}
    return dict(sorted((kept | new).items()))


def by_call(answers: set[Answer]) -> dict[str, tuple[str, ...]]:
    """Call -> codes, in the order of the alphabet."""
    codes: dict[str, list[str]] = {}
    for call, code in sorted(answers):
        codes.setdefault(call, []).append(code)
    return {call: tuple(those) for call, those in codes.items()}


def text_of(answers: dict[str, Answers]) -> str:
    """The file, a line for each test."""
    return "{\n" + ",\n".join(f'"{id}": {msgspec.json.encode(one).decode()}' for id, one in answers.items()) + "\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also run tests that haven't changed")
    parser.add_argument("--check", action="store_true", help="run all tests and write nothing; fail if the file isn't up to date")
    parser.add_argument("directory", nargs="?", type=Path, default=TESTS, help="where the tests are")
    options = parser.parse_args(arguments)
    directory = options.directory.resolve()
    file = directory / ANSWERS
    try:
        before = read_answers(directory)
        answers = record(directory, {} if options.all or options.check else before)
        text = text_of(answers)
    except ValueError as error:
        print(f"record_answers: {error}", file=sys.stderr)
        return 1
    if not options.check:
        file.write_text(text, encoding="utf-8")
        new = sum(before.get(id) != one for id, one in answers.items())
        print(f"{file}: the answers of {len(answers)} tests are recorded, {new} of them new or changed")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        print(f"record_answers: {file} isn't up to date: run python tests/record_answers.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
