"""The one thread in which templates are induced."""

from __future__ import annotations

import logging
from typing import Final

from ayo_bridge.runahead.worker import Job, Worker

NAME: Final = "ayo-learn"
worker: Final = Worker(NAME, failed=logging.DEBUG)

__all__ = ["NAME", "Job", "Worker", "worker"]
