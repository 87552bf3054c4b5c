"""What a query asks of the app that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from ayo_bridge.graph import Choice, Primitive
from ayo_bridge.schedule import Schedulers
from ayo_bridge.seam import Call
from ayo_bridge.workflow.shape import Shape
from ayo_bridge.workflow.work import Handler, SubGraph


class Services(Schedulers, Protocol):
    """What a query asks of its app."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that queries run on."""

    def most_items(self, engine: str) -> int | None:
        """b* of an engine, as far as it is known."""

    def handler(self, primitive: Primitive) -> Handler | None:
        """Who serves a primitive; ``None`` for a decoding that its prefilling's call ends."""

    def shape(
        self, sub_graph: SubGraph, known: Mapping[str, object], choices: tuple[Choice, ...]
    ) -> Shape:
        """The shape of a sub-graph."""

    def ask(self, call: Call) -> Call:
        """The call in the words of its engine."""

    def answer(self, call: Call, result: object) -> object:
        """The result in the words of the handlers."""
