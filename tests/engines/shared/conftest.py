"""A directory of sockets of its own, and runtimes as clients."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ayo_bridge import Runtime
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.profile import ProfileStore
from ayo_bridge.seam import EngineKind
from tests.engines.shared.echo import Batches

Client = Callable[..., Runtime]


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Short: the path of a Unix socket has 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ayo"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder / "ayo-bridge"
    for log in (folder / "ayo-bridge").glob("*.log"):
        print("LOG", log.read_text())
    for process in serving(folder):
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def serving(folder: Path) -> list[psutil.Process]:
    """The shared processes with a socket below a folder: each has its number in its lock."""
    found = []
    for lock in folder.rglob("*.lock"):
        with suppress(psutil.NoSuchProcess, ValueError):
            process = psutil.Process(int(lock.read_text()))
            if process.status() != psutil.STATUS_ZOMBIE and "-m" in process.cmdline():
                found.append(process)
    return found


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    return Batches(tmp_path / "batches")


@pytest.fixture
def client(tmp_path: Path, batches: Batches) -> Iterator[Client]:
    """Makes runtimes that share the echo engine; each is a client of its own."""
    made: list[Runtime] = []

    def make(grace: float = 0.2, seconds: float = 0.0, **more: Any) -> Runtime:
        engine = MadeEngine(
            "echo",
            EngineKind.EMBEDDING,
            "tests.engines.shared.echo:make",
            placement=SharedProcess(grace=grace),
            log=str(batches.file),
            seconds=seconds,
            **more,
        )
        made.append(Runtime(engines=[engine], profiles=ProfileStore(tmp_path)))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()
