"""The pytest plugin: options, fixtures, and one test for each call of a kernel.

pytest imports this module in every run, so it imports nothing of sendright until a kernel is named or a fixture used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sendright.api.judging import Run
    from sendright.mach.kernel.implementation import Implementation
    from sendright.mach.results.checks import CheckResult

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure", "pytest_report_header", "pytest_sessionstart"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and the same as settings of an ini file."""
    group = parser.getgroup("sendright", "sendright: check a Mach kernel against the specification")
    sut = "Kernel to check, one test for each of its calls: package.module:Class, stdio:PROGRAM, gnumach or reference."
    profile = "Kernel profile to check against. Can be repeated. Default: the kernel's own, or manual."
    examples = "Number of random runs of the check. Default: 250."
    steps = "Maximum number of calls in each run. Default: 100."
    seed = "Seed of the random calls: the same seed makes the same calls. Default: 0."
    here = "Run the kernel in pytest's own process, for debuggers and coverage. Default: in a process of its own."
    group.addoption("--sendright-sut", metavar="WHAT", help=sut)
    group.addoption("--sendright-profile", metavar="NAME", action="append", help=profile)
    group.addoption("--sendright-examples", metavar="N", type=int, help=examples)
    group.addoption("--sendright-steps", metavar="N", type=int, help=steps)
    group.addoption("--sendright-seed", metavar="N", type=int, help=seed)
    group.addoption("--sendright-in-process", action="store_true", default=None, help=here)
    parser.addini("sendright_sut", sut)
    parser.addini("sendright_profile", "Kernel profiles to check against.", "args")
    parser.addini("sendright_examples", examples)
    parser.addini("sendright_steps", steps)
    parser.addini("sendright_seed", seed)
    parser.addini("sendright_in_process", here, "bool")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the tests that the plugin adds."""
    config.addinivalue_line("markers", "sendright: a call of the kernel that --sendright-sut names (select these tests with -m sendright)")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build the kernel that the options name, so that a wrong option is said before pytest collects or starts
    workers."""
    if _names_kernel(session.config):
        from sendright.api.pytest_plugin.options import options_of

        _ = options_of(session.config).limited


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is checked, and with which seed."""
    if not _names_kernel(config):
        return None
    from sendright.api.pytest_plugin.options import options_of

    return options_of(config).words


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each call of the kernel that ``--sendright-sut`` names."""
    if _names_kernel(config):
        from sendright.api.pytest_plugin.items import items_of

        items.extend(items_of(session))


def _names_kernel(config: pytest.Config) -> bool:
    return bool(config.getoption("sendright_sut") or config.getini("sendright_sut"))


@pytest.fixture
def sendright_kernel(request: pytest.FixtureRequest) -> Implementation:
    """A new kernel of the kind that ``--sendright-sut`` names, not booted."""
    from sendright.api.pytest_plugin.options import options_of

    return options_of(request.config).subject.build()


@pytest.fixture
def sendright_run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A booted ``sendright.Run`` of the kernel that ``--sendright-sut`` names, in the first of the profiles: each call
    that the test makes is judged, and at its end the run as a whole."""
    from sendright.api.judging import Run
    from sendright.api.pytest_plugin.options import options_of

    options = options_of(request.config)
    with Run(options.kernel, options.profiles[0]) as run:
        yield run


@pytest.fixture
def sendright_check(request: pytest.FixtureRequest) -> Callable[..., CheckResult]:
    """``sendright.check`` with the kernel, profile, seed and number of runs that the command line or the ini file
    gives. What the test passes counts more."""
    from sendright.api.checking import check
    from sendright.api.pytest_plugin.options import options_of

    def checked(kernel: Any = None, profile: Any = None, **arguments: Any) -> CheckResult:
        options = options_of(request.config, needs_kernel=kernel is None)
        chosen = profile or (options.profiles[0] if options.profiles else None)
        return check(options.kernel if kernel is None else kernel, chosen, **options.numbers, **arguments)

    return checked
