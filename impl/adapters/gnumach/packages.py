"""Fetches Debian's packages of GNU Mach with a separate apt configuration. This machine's own sources and packages
don't change.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from sendright.impl.adapters.gnumach.files import KERNEL_SHA256, NotSetUp, kernel_in, sha256_of

SUITE = "bookworm"
USUAL_MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
"""The files in which a Debian machine names its mirror."""
_MIRROR = re.compile(r"^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s*(\S+/debian)/?(?=\s|$)", re.MULTILINE)


class Package(msgspec.Struct, frozen=True):
    """A package, in the one version that is known to work."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """The file's name for apt."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_i386.deb"


KERNEL = Package("gnumach-image-1.8-486", "2:1.8+git20221224-2", "165e337f9ac52a8d61af58daa729a20aee6d4063b0b3c94597057f0a0d9dbfb7")
HEADERS = Package("gnumach-dev", "2:1.8+git20221224-2", "44aafaf9fd142e5e08ddb55ac3d1e143cb7cd57560acbf65739e2e06c948d045")
MIG = Package("mig-i686-gnu", "1.8+git20221221-3", "38db132b4120a809f5ff294fcc924e38f31ac24807b17746e3b2f72f97f6db98")
PACKAGES = (KERNEL, HEADERS, MIG)


def fetch(place: Path, tell: Callable[[str], None]) -> Path:
    """Fetch and unpack the packages and the kernel into ``place``, unless they are there; returns the folder of
    their content. Raises NotSetUp.
    """
    missing = [package for package in PACKAGES if sha256_of(place / package.file) != package.sha256]
    if missing:
        tell(f"fetching {', '.join(package.name for package in missing)}")
        _download(place, missing)
    root = place / "root"
    for package in PACKAGES:
        if sha256_of(place / package.file) != package.sha256:
            raise NotSetUp(f"{place / package.file} isn't the package that is known to work: its sha256 is {sha256_of(place / package.file)}")
        run(["dpkg-deb", "-x", str(place / package.file), str(root)], "unpacking a package")
    kernel = kernel_in(place)
    if sha256_of(kernel) != KERNEL_SHA256:
        part = kernel.with_suffix(".part")
        part.write_bytes(gzip.decompress((root / "boot" / "gnumach-1.8-486.gz").read_bytes()))
        part.replace(kernel)
        if sha256_of(kernel) != KERNEL_SHA256:
            raise NotSetUp(f"{kernel} isn't the kernel that is known to work: its sha256 is {sha256_of(kernel)}")
    return root


def _download(place: Path, packages: Iterable[Package]) -> None:
    for folder in ("apt/lists/partial", "apt/cache/archives/partial", "apt/etc"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    apt = place / "apt"
    (apt / "status").write_text("")
    signed = f" [signed-by={KEYRING}]" if KEYRING.is_file() else ""
    (apt / "etc" / "sendright.list").write_text(f"deb{signed} {mirror(SOURCES)} {SUITE} main\n")
    options = {
        "APT::Architecture": "i386",
        "APT::Architectures::": "i386",
        "APT::Sandbox::User": "root",
        "APT::Get::List-Cleanup": "false",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": apt / "etc",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Acquire::Retries": "2",
        "APT::Update::Error-Mode": "any",  # else a mirror that doesn't answer is only a warning
    }
    command = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    where = mirror(SOURCES)
    needed = f"the mirror {where} must be reachable, and have Debian {SUITE} for i386"
    run([*command, "update"], f"reading the index of Debian {SUITE} ({needed})")
    run([*command, "download", *(f"{package.name}={package.version}" for package in packages)], f"fetching the packages ({needed})", place)


def mirror(sources: Iterable[Path]) -> str:
    """The mirror that this machine uses."""
    for path in sources:
        if path.is_file():
            found = _MIRROR.search(path.read_text("utf-8", "replace"))
            if found:
                return found[1]
    return USUAL_MIRROR


def run(command: list[str], doing: str, directory: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run ``command`` and return its output. Raises NotSetUp with its error message."""
    try:
        done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, errors="backslashreplace", check=False)
    except FileNotFoundError as error:
        raise NotSetUp(f"{doing}: {command[0]} isn't installed") from error
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if "rror" in line or line.startswith("E:")), done.stderr.strip()[-200:])
        raise NotSetUp(f"{doing}: {command[0]}: {' '.join(complaint.split()) or f'exit status {done.returncode}'}")
    return done.stdout
