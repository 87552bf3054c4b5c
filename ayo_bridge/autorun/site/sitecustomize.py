"""Runs when an interpreter starts whose ``PYTHONPATH`` names this folder.

``ayo-bridge run`` puts it there where no ``.pth`` file of ours is installed. The program finds its
own path and, if it has one, its own ``sitecustomize``, as without us.
"""

import importlib
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
_ours = sys.modules.pop(__name__)
importlib.invalidate_caches()
try:
    importlib.import_module(__name__)
except ModuleNotFoundError as error:
    if error.name != __name__:
        raise
    sys.modules[__name__] = _ours  # The import that runs this file looks for it.
try:
    importlib.import_module("ayo_bridge.autorun.start")
except ModuleNotFoundError as error:  # An interpreter of another environment.
    if (error.name or "").partition(".")[0] != "ayo_bridge":
        raise
