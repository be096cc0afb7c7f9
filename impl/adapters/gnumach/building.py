"""Compiles a boot module for GNU Mach: the driver, or a program that ``sendright export`` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sendright.impl.adapters.gnumach.packages import run
from sendright.impl.adapters.gnumach.recipe import FLAGS, LINK, SOURCE


def build_module(name: str, build: Path, usr: Path, sources: Sequence[str], stubs: Sequence[str]) -> None:
    """Compile ``sources``, in C or assembly, and MIG's ``stubs`` (``mach/mach_port`` …), to ``build / name``.

    ``usr`` has the unpacked headers and MIG. Raises NotSetUp with the first complaint of a tool that fails.
    """
    (build / "mig").mkdir()
    headers = usr / "include" / "i386-linux-gnu"
    for path in stubs:
        stub = Path(path).name
        command = [str(usr / "bin" / "i686-gnu-mig"), f"-I{headers}", "-n", "-user", f"mig/{stub}.user.c", "-header", f"mig/{stub}.h"]
        run([*command, str(headers / f"{path}.defs")], "generating stubs", build, os.environ | {"CC": "gcc -m32"})
    compiler = run(["gcc", "-m32", "-print-file-name=include"], "asking for the compiler's headers").strip()
    library = run(["gcc", "-m32", "-print-libgcc-file-name"], "asking for the compiler's library").strip()
    own, others = ["-I.", f"-I{SOURCE}"], ["-isystem", compiler, "-isystem", str(SOURCE / "freestanding"), "-isystem", str(headers)]
    hint = f"compiling {'the driver' if name == 'driver' else name} (gcc-multilib must be installed)"
    run(["gcc", *FLAGS, "-Wall", "-Wextra", "-Werror", *own, *others, "-c", *sources], hint, build)
    run(["gcc", *FLAGS, "-w", "-DMIG_EOPNOTSUPP", *own, *others, "-c", *(f"mig/{Path(path).name}.user.c" for path in stubs)], hint, build)
    objects = sorted(path.name for path in build.glob("*.o"))
    run(["gcc", *LINK, "-o", name, *objects, library], f"linking {'the driver' if name == 'driver' else name}", build)
