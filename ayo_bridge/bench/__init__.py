"""In: an object of an application and questions. Out: how much faster it is accelerated, and why.

The way of the data: ``sessions`` reads the questions, ``loads`` says when they are asked, ``arms``
what is asked; ``running`` has both ask in turns, ``figures`` and ``observed`` make numbers of it,
``report``, ``text`` and ``page`` show them.
"""

from ayo_bridge.bench.arms import ORIGINAL, Arm, Made, accelerated
from ayo_bridge.bench.report import Report
from ayo_bridge.bench.running import Bench, Settings
from ayo_bridge.bench.wrong import BenchError

__all__ = ["ORIGINAL", "Arm", "Bench", "BenchError", "Made", "Report", "Settings", "accelerated"]
