"""A request of the original where its engine has replicas: it goes to one after the other."""

from __future__ import annotations

import abc
from typing import Any

from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.bindings.http_replies import Head
from ayo_bridge.bindings.http_steps import Again, Request, Steps
from ayo_bridge.engines.openai_http.sent import rests
from ayo_bridge.seam import EngineCall, Scope, Sending


class Tries(abc.ABC):
    """Where one request goes; what differs between HTTP libraries is abstract."""

    def __init__(self, scope: Scope, call: Addressed, asked: Asked) -> None:
        self._scope = scope
        self._call = call
        self._asked = asked

    def _routed(self, record: EngineCall) -> Sending | None:
        """Where it goes, if its engine has replicas and it can be sent to another address."""
        routes = self._scope.runtime.routes(self._call.engine)
        if routes is None:
            return None
        content = self._asked.content
        reason = "its body streams" if content is None else self._stays()
        if content is not None and reason is None:
            foreseen = self._scope.foreseen(record) if routes.tells else None
            server, headers = self._call.endpoint.server, self._asked.headers()
            return routes.sending(server, content, headers, foreseen=foreseen)
        assert reason is not None
        routes.stays(reason)
        self._scope.note(f"a request goes to {self._call.endpoint.server} alone: {reason}")
        return None

    def _asked_for(self, sending: Sending | None) -> Steps:
        """Send it: with replicas to one after the other, until one takes it.

        Where none does, its caller gets what its own address has said.
        """
        if sending is None:
            return (yield Request())
        said: Exception | None = None
        while True:
            self._goes(sending)
            own, response, error = sending.own, None, None
            try:
                response = yield Request()
            except Exception as caught:
                if not self._unreached(caught):
                    raise
                error = caught
            if error is None and not sending.refuses(self._status(response)):
                return response
            seconds = None
            if error is None:
                seconds = rests(self._status(response), self._head(response).headers)
            another = sending.fails(seconds)
            if own:
                said = error
                if not another and error is None:
                    return response
            if error is None:
                yield Again(response, None, 0.0)
            if not another:
                break
        if said is not None:
            raise said
        self._goes(None)  # Its own address had taken nothing before the others were asked.
        return (yield Request())

    @abc.abstractmethod
    def _stays(self) -> str | None:
        """Why it cannot be sent to another address; ``None``: it can."""

    @abc.abstractmethod
    def _goes(self, sending: Sending | None) -> None:
        """Have the request sent to a replica, or to its own address, when it is sent next."""

    @abc.abstractmethod
    def _unreached(self, error: Exception) -> bool:
        """Whether an error says that no byte of a reply has come, and none would have."""

    @abc.abstractmethod
    def _status(self, response: Any) -> int:
        """The status of a response."""

    @abc.abstractmethod
    def _head(self, response: Any) -> Head:
        """How a response begins."""


__all__ = ["Tries"]
