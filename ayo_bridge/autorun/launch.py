"""Starts a program in the place of this one, in an environment by which it is accelerated.

The program is the process that the user has started: its exit status, signals, input and output,
tracebacks and arguments are its own.
"""

from __future__ import annotations

import os
import site
import sys

from ayo_bridge.autorun import settings

TYPE_CHECKING = False  # What is not needed is not imported: each start would wait for it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final, NoReturn

PTH: Final = "ayo_bridge_start.pth"
"""The file in the wheel that starts us in an interpreter."""
_SITE: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")


def environment(
    told: Mapping[str, str], inherited: Mapping[str, str], *, pth: bool
) -> dict[str, str]:
    """The environment of the program. The kill switch stays what it is.

    ``told`` are variables of :mod:`.settings`. ``pth`` says that interpreters of the program's
    environment start us by themselves.
    """
    made = {**inherited, **told, settings.FIRST: str(os.getpid())}
    if made.get(settings.SWITCH) != "0":
        made[settings.SWITCH] = "1"
    if not pth and made[settings.SWITCH] == "1":
        before = made.get("PYTHONPATH")
        made["PYTHONPATH"] = f"{_SITE}{os.pathsep}{before}" if before else _SITE
    return made


def pth_installed() -> bool:
    """Whether this environment's interpreters start us by themselves."""
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders = [*folders, site.getusersitepackages()]
    return any(os.path.isfile(os.path.join(folder, PTH)) for folder in folders)


def command(program: Sequence[str], *, as_command: bool) -> list[str]:
    """What is executed: a program on the path, or this interpreter with a script or ``-m``."""
    first = program[0]
    if as_command:
        return [*program]
    is_script = first.startswith("-m") or os.path.exists(first)
    return [sys.executable, *program] if is_script or not _is_command(first) else [*program]


def _is_command(name: str) -> bool:
    from shutil import which

    return which(name) is not None


def launch(program: Sequence[str], told: Mapping[str, str], *, as_command: bool) -> NoReturn:
    """Become the program, with these variables of :mod:`.settings`.

    Raises:
        AyoBridgeError: there is no such command.
    """
    words = command(program, as_command=as_command)
    its = environment(told, os.environ, pth=pth_installed())
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name == "nt":  # There a process cannot become another one.
            import subprocess

            sys.exit(subprocess.call(words, env=its))
        import signal

        for name in ("SIGPIPE", "SIGXFSZ"):  # Ignored by Python, and inherited.
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, signal.SIG_DFL)
        os.execvpe(words[0], words, its)
    except OSError as error:
        from ayo_bridge.errors import AyoBridgeError

        raise AyoBridgeError(f"cannot run {words[0]}: {error.strerror}") from error
