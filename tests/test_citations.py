"""Citations: wrong ones are found; and those of the specification are right, where the sources have been fetched."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest
from support.benchmarks import benchmark

from sendright.mach.kernel.profiles import OSF
from sendright.model.language.evidence import SOURCES, Source
from sendright.model.tracing.evidence import page_codes

citations = benchmark("citations")

OLD_STYLE = """
#define\tmacro(x)\t\\
	((x) + KERN_INVALID_NAME)
kern_return_t other(int);
static kern_return_t helper(
	int a);

/* function(a) is called below */
kern_return_t
function(a, b)
	int a;
	char *b;
{
	return helper(KERN_INVALID_RIGHT);
}

static kern_return_t helper(int a)
{
	return KERN_INVALID_VALUE;
}
"""


@pytest.mark.parametrize(("name", "code"), [("macro", "KERN_INVALID_NAME"), ("function", "KERN_INVALID_RIGHT"), ("helper", "KERN_INVALID_VALUE")])
def test_a_definition_is_found(name: str, code: str) -> None:
    found = citations.definition(OLD_STYLE, name)
    assert found is not None
    assert citations.CODE.findall(found) == [code]


@pytest.mark.parametrize("name", ["other", "called", "func", "unction", "KERN_INVALID_NAME"])
def test_a_mention_is_no_definition(name: str) -> None:
    assert citations.definition(OLD_STYLE, name) is None


def test_a_routine_and_a_test() -> None:
    assert citations.definition("routine mach_port_names(\n\ttask : t);\n", "mach_port_names") is not None
    assert citations.definition("T_DECL(one, T_META())\n{\n}\n", "one") is not None


RIGHT = {
    "ipc/ipc_kmsg.c": "ipc_kmsg_copyin_header(int a)\n{\n\treturn MACH_SEND_INVALID_DEST;\n}\n",
    "ipc/mach_port.c": "mach_port_get_refs(int a)\n{\n\treturn KERN_INVALID_TASK + KERN_INVALID_VALUE;\n}\n",
    "ipc/ipc_right.c": "ipc_right_lookup_write(int a)\n{\n\treturn KERN_INVALID_NAME;\n}\nipc_right_info(int a)\n{\n}\n",
}
"""All that mach_port_get_refs cites of OSF MK."""


def problems(cache: Path, files: dict[str, str]) -> list[str]:
    source = SOURCES[OSF.name]
    for file, text in files.items():
        path = cache / source.repository / source.revision / source.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    library = citations.Library(cache=cache, fetches=False)
    cases = citations.cases_of("mach_port_get_refs", OSF)
    return list(dict.fromkeys(problem for case in cases for problem in citations.of_case(library, "mach_port_get_refs", case, OSF.name)))


def test_right_citations(tmp_path: Path) -> None:
    assert problems(tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("ipc/mach_port.c", "mach_port_get_refs(", "mach_port_got_refs(", "(OSF MK, in MkLinux) has no mach_port_get_refs"),
        ("ipc/mach_port.c", "(int a)\n{", "(int a);\n{", "(OSF MK, in MkLinux) has no mach_port_get_refs"),
        ("ipc/mach_port.c", "KERN_INVALID_VALUE", "KERN_INVALID_VALUES", "none of the cited functions mentions KERN_INVALID_VALUE"),
        ("ipc/ipc_right.c", "KERN_INVALID_NAME", "0", "none of the cited functions mentions KERN_INVALID_NAME"),
    ],
)
def test_wrong_citations_are_found(tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    found = problems(tmp_path, RIGHT | {file: RIGHT[file].replace(old, new)})
    assert any(problem.endswith(words) for problem in found), found


def test_a_file_that_is_not_in_the_repository(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.c").write_text("f(int a)\n{\n}\n")
    subprocess.run([*git, "add", "a.c"], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    library = citations.Library(cache=tmp_path / "cache", repositories={"owner/name": tmp_path})
    source = Source("", "owner/name", "HEAD", ".")
    assert citations.definition(library.text(source, "a.c"), "f") is not None
    with pytest.raises(citations.NotThere):
        library.text(source, "b.c")


def test_without_sources_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(address: str, timeout: float) -> None:
        raise OSError(f"no route to {address} in {timeout} seconds")

    monkeypatch.setattr(citations, "Library", partial(citations.Library, cache=tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    assert citations.main([]) == 2
    assert "the sources can't be read" in capsys.readouterr().err


@pytest.mark.sources
def test_the_specification_cites_what_is_there() -> None:
    library = citations.Library(fetches=False)
    try:
        assert list(citations.problems(library)) == []
        assert citations.pages(library) == {name: tuple(sorted(codes)) for name, codes in page_codes().items()}
    except citations.NoSources as error:
        pytest.skip(f"the sources aren't all there (python benchmarks/citations.py fetches them): {error}")
