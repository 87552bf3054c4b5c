"""An engine whose calls run where several processes share it, or here where that cannot be."""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from abc import abstractmethod
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from ayo_bridge.engines.sentence_transformer import CORES
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.line import Line, Reach
from ayo_bridge.engines.shared.place import SharedProcess, address, launch
from ayo_bridge.engines.shared.placement import SharedPlacement
from ayo_bridge.engines.shared.ray_reach import RayActor, RayReach
from ayo_bridge.engines.shared.socket_reach import SocketReach
from ayo_bridge.errors import NotAcceleratedWarning, announce
from ayo_bridge.schedule import FoundLater, Home, Placed, Placement
from ayo_bridge.seam import BatchEngine, Call

_LIBRARIES: Final = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy")


class SharedEngine(BatchEngine, Placed):
    """What all of them have in common. :meth:`run` is the engine here.

    ``patient``: calls wait for a process that starts, since the engine is not loaded here.
    """

    placement: SharedProcess | RayActor
    patient = False
    _line: Line | None = None

    @abstractmethod
    def hello(self) -> Header:
        """What is to run there: ``host`` makes it of the ``settings``. Called off the loop.

        Raises:
            ValueError: nothing is shared, and why.
        """

    @abstractmethod
    def wired(self, call: Call) -> Header | None:
        """A call as it is sent; ``None``: it is made here."""

    def facts(self) -> Header:
        """What all who share have to agree on, in JSON: the libraries that results depend on."""
        return {"versions": _versions()}

    @property
    def elsewhere(self) -> bool:  # type: ignore[override]
        """Whether calls go to the shared process now; it is looked for, since who asks has one."""
        line = self._line
        if line is None:
            return False
        line.begin()
        return line.ready

    @property
    def shared(self) -> str:
        """Whether calls are shared, in words."""
        if self._line is None or self._line.refused:
            return f"runs here: {self._line.refused if self._line else 'it was not registered'}"
        return "runs elsewhere, shared" if self._line.ready else "waits for where it is shared"

    def refuse(self, reason: str) -> None:
        """Share nothing any more."""
        if self._line is not None:
            self._line.refuse(reason)

    def placed(self, home: Home) -> Placement:
        """In the shared process, which is started when the first call comes."""
        found = weakref.ref(home)

        def loop() -> asyncio.AbstractEventLoop:
            known = found()
            if known is None:
                raise RuntimeError("the runtime is gone")
            return known.loop

        self._line = Line(self._reach(), loop, self._tell)
        local = FoundLater(home.placement)
        return SharedPlacement(self._line, local, self.wired, loop, patient=self.patient)

    def after_fork(self) -> None:
        """Leave the parent's connection alone."""
        if self._line is not None:
            self._line.forked()

    async def aclose(self) -> None:
        """End the connection: when the last one has gone, so does the process."""
        if self._line is not None:
            await self._line.close()

    def _reach(self) -> Reach:
        place = self.placement
        if isinstance(place, RayActor):
            return RayReach(place, self.hello, self.facts())

        def find() -> Path:
            return address(place, {"threads": threads_of(place), **self.facts()})

        def start(path: Path) -> None:
            launch(path, place, threads_of(place))

        return SocketReach(find, start, self.hello)

    def _tell(self, reason: str) -> None:
        announce(f"{self.name} is not shared between processes: {reason}", NotAcceleratedWarning)


def threads_of(place: SharedProcess) -> int:
    """Of PyTorch: as many as here, so that arithmetic is split in the same way.

    A process without it counts those that it would take, to share with processes that have it.
    """
    if place.threads is not None:
        return place.threads
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    said = os.environ.get("OMP_NUM_THREADS", "").strip()
    return int(said) if said.isdecimal() and int(said) else CORES


@cache
def _versions() -> dict[str, str]:
    """Of the libraries that results depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
