"""``python -m benchmarks.gpu.wheels FOLDER``: what a GPU machine without a network lacks.

Fetches the wheels of ``wheels.txt`` by pip, for Python 3.12 on x86-64 Linux, takes out of
lmdeploy's the engine that is not used (a hundred megabytes of it), and builds that of ayo-bridge,
by which adapters are found. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
NAMES: Final = Path(__file__).with_name("wheels.txt")
PYTHON: Final = "3.12"
_GLIBC: Final = (17, 24, 26, 27, 28, 31, 34, 35)
_PLATFORMS: Final = (
    *(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"),
)
_UNUSED: Final = ("_turbomind.", "lib64/")
"""Libraries of the engine TurboMind, built for CUDA 12."""
_MIB: Final = 2**20


def fetch(folder: Path, python: str = PYTHON, names: Path = NAMES) -> list[Path]:
    """Fetch all, and make lmdeploy's small.

    Raises:
        subprocess.CalledProcessError: one of them cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    platforms = [word for each in _PLATFORMS for word in ("--platform", each)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    command += [*platforms, "--dest", str(folder), "--requirement", str(names)]
    subprocess.run(command, check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    for each in folder.glob("lmdeploy-*.whl"):
        slim(each)
    return sorted(folder.glob("*.whl"))


def slim(wheel: Path) -> None:
    """Take the engine that is not used out of a wheel, and its files out of the record."""
    smaller = wheel.with_suffix(".part")
    with (
        zipfile.ZipFile(wheel) as whole,
        zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as kept,
    ):
        for each in whole.infolist():
            if _is_unused(each.filename):
                continue
            content = whole.read(each)
            if each.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(x for x in lines if not _is_unused(x.split(",")[0])).encode()
            kept.writestr(each, content, zipfile.ZIP_DEFLATED)
    smaller.replace(wheel)


def _is_unused(name: str) -> bool:
    return name.startswith("lmdeploy/turbomind/") and any(each in name for each in _UNUSED)


def install(wheels: Path, into: Path) -> None:
    """Install a folder of wheels into another folder, which goes onto the path; no network.

    Raises:
        subprocess.CalledProcessError: one is for another Python or machine.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-compile", "--upgrade", "--target", str(into)]
    subprocess.run([*command, *map(str, sorted(wheels.glob("*.whl")))], check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, and say how much it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=PYTHON, help="of the GPU machine")
    options = parser.parse_args(arguments)
    found = fetch(options.folder, options.python)
    total = sum(each.stat().st_size for each in found)
    print(f"{len(found)} wheels, {total / _MIB:.1f} MiB, in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
