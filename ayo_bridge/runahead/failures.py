"""Logs what could not be made ahead, and what failed."""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError
from typing import Final

from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.events import Event, Facts, log
from ayo_bridge.runahead.home import Home

_logger: Final = logging.getLogger(__name__)


def failed_ahead(
    home: Home, entry: str, engine: str, error: BaseException, *, made: bool = True
) -> None:
    """A call ahead has failed, or could not be ``made``: requests of its client are refused.

    A failure is logged each time, a refusal once.
    """
    if isinstance(error, CannotBuildError):
        if home.first((Event.REFUSED, engine, str(error))):
            sentence = f"{entry}: requests to {engine} are not made ahead: {error}"
            facts = Facts(entry=entry, engine=engine, reason=str(error))
            log(_logger, Event.REFUSED, sentence, facts)
            if home.telemetry is not None:
                home.telemetry.happened(Event.REFUSED)
    elif made and not isinstance(error, CancelledError):
        sentence = f"{entry}: a call to {engine} has failed ahead: {error!r}"
        facts = Facts(entry=entry, engine=engine, reason=repr(error))
        log(_logger, Event.ENGINE_FAILED, sentence, facts)


def stumbled(entry: str, server: str) -> None:
    """A call of the original's own has failed, of which its program hears itself."""
    sentence = f"{entry}: a call of the original's own to {server} has failed"
    facts = Facts(entry=entry, engine=server, reason="the original's own call")
    log(_logger, Event.ENGINE_FAILED, sentence, facts)
