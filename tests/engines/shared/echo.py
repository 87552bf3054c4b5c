"""An engine that a shared process makes: it says where and with how many it ran."""

import gc
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits


class Echo(BatchEngine):
    """Returns what it gets. Each batch is a line in a file: the process, and its number of calls.

    A payload ``{"square": n}`` gives an array; ``{"fails": text}`` raises; ``{"frozen": True}``
    gives how many objects the collector leaves alone there.
    """

    kind = EngineKind.EMBEDDING

    def __init__(self, name: str, log: str, seconds: float) -> None:
        self.name, self._log, self._seconds = name, log, seconds
        self.limits = Limits(instances=1)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        with open(self._log, "a") as log:
            log.write(f"{os.getpid()} {len(calls)}\n")
        time.sleep(self._seconds)
        return [self._answer(call.payload) for call in calls]

    def _answer(self, payload: Any) -> object:
        if isinstance(payload, dict) and "square" in payload:
            size = int(payload["square"])
            return np.arange(size * size, dtype=np.float32).reshape(size, size)
        if isinstance(payload, dict) and "fails" in payload:
            raise ValueError(payload["fails"])
        if isinstance(payload, dict) and "frozen" in payload:
            return gc.get_freeze_count()
        return payload


def make(name: str = "echo", log: str = os.devnull, seconds: float = 0.0) -> Echo:
    """The engine."""
    return Echo(name, log, seconds)


class Batches:
    """What the engine has written."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def lines(self) -> list[tuple[int, int]]:
        """The process and the size of each batch."""
        found = (line.split() for line in self.file.read_text().splitlines())
        return [(int(process), int(size)) for process, size in found]

    def processes(self) -> set[int]:
        """Where batches ran."""
        return {process for process, _ in self.lines()}
