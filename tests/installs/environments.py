"""Empty environments, and what is installed into them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.installs.extras import REPOSITORY

_LAST: Final = 1500
"""Characters of a failed command's output that are kept."""
_PYTHONS: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Would let one environment see another."""


class InstallError(Exception):
    """A command has failed; the message ends with the last it said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and a home directory of its own beside it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def command(self) -> Path:
        """The program ``ayo-bridge``."""
        return self.python.with_name("ayo-bridge")

    @property
    def site_packages(self) -> Path:
        """Where packages are installed."""
        return next((self.folder / "venv" / "lib").glob("python*/site-packages"))

    @property
    def megabytes(self) -> int:
        """What is installed."""
        files = (path for path in self.site_packages.rglob("*") if path.is_file())
        return sum(path.lstat().st_size for path in files) // 2**20

    @property
    def packages(self) -> int:
        """How many distributions are installed."""
        return len([*self.site_packages.glob("*.dist-info")])

    def run(
        self, *command: object, timeout: float = 300, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder; nothing of the surroundings reaches it by default.

        Raises:
            InstallError: it has not ended in time.
        """
        try:
            return subprocess.run(
                [str(part) for part in command],
                cwd=self.folder,
                env=variables or self._variables(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as late:
            shown = " ".join(map(str, command))
            raise InstallError(f"{shown} has not ended within {timeout:g} s") from late

    def must(
        self, *command: object, timeout: float = 300, variables: Mapping[str, str] | None = None
    ) -> str:
        """What a command that succeeds writes to its standard output.

        Raises:
            InstallError: it does not succeed.
        """
        ran = self.run(*command, timeout=timeout, variables=variables)
        if ran.returncode:
            shown = " ".join(map(str, command))
            said = (ran.stdout + ran.stderr)[-_LAST:]
            raise InstallError(f"{shown} exits with {ran.returncode}:\n{said}")
        return ran.stdout

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }


def make(python: Path, folder: Path, below: Environment | None = None) -> Environment:
    """An empty environment of an interpreter; it sees the packages of the one ``below`` it.

    Raises:
        InstallError: the interpreter cannot make one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True)
    made = Environment(folder)
    made.must(python, "-m", "venv", "--without-pip", folder / "venv")
    if below is not None:
        line = f"import site; site.addsitedir({str(below.site_packages)!r})\n"
        (made.site_packages / "_below.pth").write_text(line)
    return made


def install(
    environment: Environment, python: Path, wanted: Sequence[str], pins: Sequence[str] = ()
) -> None:
    """Let an interpreter's pip install what is wanted, none of it older or newer than its pin.

    Raises:
        InstallError: pip fails, or what it has installed does not fit together.
    """
    pip = [python, "-m", "pip", "--python", environment.python, "--disable-pip-version-check"]
    pinned = environment.folder / "pins.txt"
    pinned.write_text("".join(f"{pin}\n" for pin in pins))
    # pip's own settings are the user's: which index, which proxy, where it keeps downloads.
    users = {name: value for name, value in os.environ.items() if name not in _PYTHONS}
    install = [*pip, "install", "-qq", "--no-compile", "--constraint", pinned, *wanted]
    environment.must(*install, timeout=1800, variables=users)
    environment.must(*pip, "check", variables=users)


def build_wheel(folder: Path) -> Path:
    """The wheel of this clone, by way of the source distribution; needs no network.

    Raises:
        InstallError: it cannot be built.
    """
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY]
    Environment(folder).must(*build, variables=os.environ)
    [wheel] = folder.glob("*.whl")
    return wheel
