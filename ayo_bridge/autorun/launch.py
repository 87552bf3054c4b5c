"""Starts a program in the place of this one, in an environment by which it is accelerated.

The program is the process that the user has started: its exit status, signals, input and output,
tracebacks and arguments are its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ayo_bridge.autorun import settings
from ayo_bridge.errors import AyoBridgeError

PTH: Final = "ayo_bridge_start.pth"
"""The file in the wheel that starts us in an interpreter."""
_SITE: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``ayo-bridge run`` was told: each mirrors an environment variable of :mod:`.settings`.

    ``timeline`` is absolute, since the program may go elsewhere.
    """

    explain: bool = False
    stats: bool = False
    timeline: str | None = None
    learn: bool = True
    log: str | None = None
    verify: str | None = None


def environment(wanted: Wanted, inherited: Mapping[str, str], *, pth: bool) -> dict[str, str]:
    """The environment of the program. The kill switch stays what it is.

    ``pth`` says that interpreters of the program's environment start us by themselves.
    """
    made = dict(inherited)
    made[settings.FIRST] = str(os.getpid())
    if made.get(settings.SWITCH) != "0":
        made[settings.SWITCH] = "1"
    if wanted.explain:
        made[settings.EXPLAIN] = "1"
    if wanted.stats:
        made[settings.STATS] = "1"
    if wanted.timeline is not None:
        made[settings.TIMELINE] = wanted.timeline
    if not wanted.learn:
        made[settings.LEARN] = "0"
    if wanted.log is not None:
        made[settings.LOG] = wanted.log
    if wanted.verify is not None:
        made[settings.VERIFY] = wanted.verify
    if not pth and made[settings.SWITCH] == "1":
        before = made.get("PYTHONPATH")
        made["PYTHONPATH"] = f"{_SITE}{os.pathsep}{before}" if before else str(_SITE)
    return made


def pth_installed() -> bool:
    """Whether this environment's interpreters start us by themselves."""
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders = [*folders, site.getusersitepackages()]
    return any((Path(folder) / PTH).is_file() for folder in folders)


def command(program: Sequence[str], *, as_command: bool) -> list[str]:
    """What is executed: a program on the path, or this interpreter with a script or ``-m``."""
    first = program[0]
    is_script = first.startswith("-m") or os.path.exists(first) or not shutil.which(first)
    return [sys.executable, *program] if is_script and not as_command else [*program]


def launch(program: Sequence[str], wanted: Wanted, *, as_command: bool) -> NoReturn:
    """Become the program.

    Raises:
        AyoBridgeError: there is no such command.
    """
    words = command(program, as_command=as_command)
    its = environment(wanted, os.environ, pth=pth_installed())
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name == "nt":  # There a process cannot become another one.
            sys.exit(subprocess.call(words, env=its))
        for name in ("SIGPIPE", "SIGXFSZ"):  # Ignored by Python, and inherited.
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, signal.SIG_DFL)
        os.execvpe(words[0], words, its)
    except OSError as error:
        raise AyoBridgeError(f"cannot run {words[0]}: {error.strerror}") from error
