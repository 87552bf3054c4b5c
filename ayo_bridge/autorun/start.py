"""What an interpreter does first where ``AYO_BRIDGE=1`` is set: it waits for a framework.

Imported at start-up, before the application: everything else is imported with the framework.
"""

from __future__ import annotations

import os
import sys

from ayo_bridge.autorun import settings
from ayo_bridge.autorun.imports import FRAMEWORKS, Finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ayo_bridge.autorun.hooks import Hooks

__all__ = ["install", "start", "uninstall"]


def start() -> None:
    """Accelerate this program if the environment says so."""
    if settings.wanted():
        os.environ.setdefault(settings.FIRST, str(os.getpid()))
        if os.environ.get(settings.LOG):
            _log(os.environ[settings.LOG])
        install()


def install() -> None:
    """Accelerate objects of frameworks, once these are imported. Idempotent.

    One that is there already is followed from now on. The kill switch keeps everything as it is.
    """
    if settings.switched_off():
        return
    if any(name in sys.modules for name in FRAMEWORKS):
        _begin()
    elif _finder not in sys.meta_path:
        _finder.put_on()


def uninstall() -> None:
    """Put everything back as it was. Idempotent."""
    _finder.take_off()
    if "ayo_bridge.autorun.hooks" in sys.modules:
        _hooks().uninstall()


def _begin() -> None:
    """Nothing that fails here may reach the application, which does not know of us."""
    try:
        _hooks().install()
        from ayo_bridge.autorun.reports import report_at_exit

        report_at_exit()
        if os.environ.get(settings.METRICS_PORT):
            from ayo_bridge.autorun.exports import serve_metrics

            serve_metrics()
    except Exception:
        import logging

        logging.getLogger("ayo_bridge").info("nothing is accelerated", exc_info=True)


def _hooks() -> Hooks:
    from ayo_bridge.autorun.hooks import HOOKS

    return HOOKS


def _log(level: str) -> None:
    import logging

    logger = logging.getLogger("ayo_bridge")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    try:
        logger.setLevel(level.upper())
    except ValueError:
        logger.error("%s=%s is no level of logging", settings.LOG, level)


_finder = Finder(_begin)
start()
