"""The LLM calls of consecutive extractors over the nodes of one ingestion, made ahead.

Every prompt is made of a node's text and of metadata that earlier extractors write into it. So a
node need not wait for the others: its next call is asked as soon as all that its prompt is made of
is known. The original comes to the extractors one after the other and claims each call by its
exact request. Prompts and requests are made on its own thread and loop, between its own steps.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.async_library import seeing
from ayo_bridge.bindings.completions import answer_of
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.lift.turns import Turns
from ayo_bridge.runahead import Scope
from ayo_bridge.runahead.planner import CALL_SECONDS
from ayo_bridge.schedule.limits import MOST, START
from ayo_bridge.seam import Call
from ayo_llamaindex.extractors import WORKERS, Job, Lifted, Metadata, Nodes, Step
from ayo_llamaindex.node_embedding import LiftedEmbedding

WINDOWS: Final = (2 * MOST, 512)
"""So many calls of extractors, and so many batches that are embedded, may be ahead of the original,
in flight or answered: it bounds what is held, and is enough to keep a server at its limit."""
TOLERATED: Final = 8
"""After so many calls that cannot be made ahead the rest is left to the original."""

_Due = tuple[int, int, int, Job]
"""The place of its step, its order there, a number, and a call."""


class Extraction:
    """One run of consecutive extractors. Used on the original's thread; answers may come from any.

    Args:
        scope: of the call.
        transformations: which follow each other.
        first: the place of the first of them.
        nodes: that it is given.
    """

    def __init__(
        self, scope: Scope, transformations: Sequence[Lifted], first: int, nodes: Nodes
    ) -> None:
        self._scope = scope
        self._first = first
        self._lifted = tuple(transformations)
        self._steps = [each.step(self, nodes) for each in transformations]
        self._place = {id(step): place for place, step in enumerate(self._steps)}
        self._known: list[dict[int, Metadata]] = [{} for _ in self._steps]
        self._ready: tuple[list[_Due], list[_Due]] = ([], [])
        """What extractors may be asked, and what may be embedded."""
        self._number = 0
        self._ahead: dict[Hashable, list[int]] = {}
        """What is ahead of the original, by its key: whether each is embedded."""
        self._count = [0, 0]
        self._asks = [True, True]
        """Whether more goes ahead: one server may fail, and another not."""
        self._failures = self._at = 0
        self._nodes = nodes
        self._turns = Turns(self._send_one)
        self.size = len(nodes)

    # What the original does.

    def covers(self, place: int, nodes: Nodes) -> bool:
        """Whether an extractor at this place, over these nodes, belongs to this run."""
        return place - self._first in range(len(self._steps)) and len(nodes) == self.size

    def embeds(self, model: object) -> bool:
        """Whether a model embeds the nodes of this run."""
        return any(
            isinstance(each, LiftedEmbedding) and each.extractor is model for each in self._lifted
        )

    def begins(self, place: int, nodes: Nodes) -> None:
        """The extractor at ``place`` begins; what those before it wrote is in the nodes."""
        self._nodes, self._at = nodes, place - self._first
        for earlier in self._known[: self._at]:
            earlier.clear()
        for ready in self._ready:
            ready[:] = [each for each in ready if each[0] >= self._at]
            heapq.heapify(ready)
        first = self._at == 0
        for step in self._steps[self._at :]:
            if step is self._steps[self._at] or (first and not step.waits):
                for index in range(self.size):
                    step.come_to(index)
        self._turns.here()

    def claimed(self, key: Hashable) -> None:
        """The original has come to a request."""
        ahead = self._ahead.get(key)
        if ahead:
            self._count[ahead.pop()] -= 1
            if not ahead:
                del self._ahead[key]
            self._turns.soon()

    def close(self) -> None:
        """The run is over."""
        self._turns.close()
        self._ready, self._steps, self._known = ([], []), [], []

    @property
    def calls(self) -> int:
        """How many calls it makes."""
        return sum(step.amount()[0] for step in self._steps)

    @property
    def gain(self) -> float:
        """Seconds that asking ahead wins, as far as is known of the server."""
        amounts = [step.amount() for step in self._steps]
        rounds = sum(waits for _, waits in amounts)
        one_each = sum(1 for calls, _ in amounts if calls)
        at_best = max(one_each, math.ceil(self.calls / (START + WORKERS)))
        typical = self._scope.runtime.profiles.typical
        return (rounds - at_best) * (typical(self._lifted[0].engine) or CALL_SECONDS)

    # What steps ask.

    def node(self, step: Step, index: int) -> Any:
        """The node as it will be when the extractor comes to it. Read only."""
        node, place = self._nodes[index], self._place[id(step)]
        if place <= self._at:
            return node
        before = range(self._at, place)
        metadata = dict(node.metadata)
        for each in before:
            metadata.update(self._known[each].get(index, {}))
        changes: dict[str, Any] = {"metadata": metadata}
        for each in before:
            extractor = self._lifted[each].extractor
            if not extractor.disable_template_rewrite and hasattr(node, "text_template"):
                changes["text_template"] = extractor.node_text_template
        return node.model_copy(update=changes)

    def ask(self, step: Step, job: Job) -> None:
        """Have a call made ahead, as soon as there is room."""
        place = self._place[id(step)]
        self._number += 1
        embeds = isinstance(self._lifted[place], LiftedEmbedding)
        if self._asks[embeds]:
            heapq.heappush(self._ready[embeds], (place, job.order, self._number, job))

    def know(self, step: Step, index: int, metadata: Metadata) -> None:
        """What the extractor will write into a node."""
        place = self._place[id(step)]
        if place < self._at:
            return
        self._known[place][index] = metadata
        for later in range(place + 1, len(self._steps)):
            if all(index in self._known[each] for each in range(self._at, later)):
                self._steps[later].come_to(index)

    # What goes ahead.

    def _send_one(self) -> bool:
        """Make the next call, if there is one and room for it."""
        embeds = next((e for e in (0, 1) if self._ready[e] and self._count[e] < WINDOWS[e]), None)
        if embeds is None:
            return False
        place, *_, job = heapq.heappop(self._ready[embeds])
        try:
            goes_on = self._scope.ask(
                f"{self._lifted[place].name}.expand",
                partial(self._made, job, embeds),
                partial(self._ended, job),
            )
        except Exception as error:
            if not self._failures:
                self._scope.note(f"an extractor's call is left to the original: {error}")
            self._failures += 1
            job.lost()
            goes_on = self._failures < TOLERATED
        if not goes_on:
            self._asks[embeds] = False
            self._ready[embeds].clear()
        return True

    def _made(self, job: Job, embeds: int) -> Call:
        call = seeing("asyncio", job.make)()  # Extractors await, however they are called.
        if not call.warm:  # Nobody ever comes to a warm.
            self._ahead.setdefault(call.key, []).append(embeds)
            self._count[embeds] += 1
        return call

    def _ended(self, job: Job, future: Future[object]) -> None:
        """A call has its reply, or has failed: then it is the original's."""
        reply = None if future.cancelled() or future.exception() else future.result()
        told = job.told
        if not isinstance(reply, Reply):
            self._turns.put(job.lost)
        elif told is not None:
            reply.body.on_end(lambda: self._turns.put(partial(_answered, reply, told, job.lost)))


def _answered(reply: Reply, told: Callable[[str], None], lost: Callable[[], None]) -> None:
    try:
        text = answer_of(reply).text
    except ValueError:
        lost()  # The original will see it for itself.
    else:
        told(text or "")
