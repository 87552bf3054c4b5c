"""Batches of texts that are embedded one after the other: the next ones ahead.

``get_text_embedding_batch`` is what indexes and pipelines embed their nodes by. Where the model can
serve several calls side by side (a server; one of this process where torch takes fewer threads for
one than there are cores), so many batches are on their way at once. Each is the very call that the
original makes. Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from ayo_bridge.graph import Extracting
from ayo_bridge.lift.lifted import Draft
from ayo_bridge.runahead import AcceleratedState, Scope, begin, current_scope, open_scope, within
from ayo_bridge.seam import Call
from ayo_llamaindex.ingestion import DOCUMENTS, IngestionGuide
from ayo_llamaindex.texts import Texts, lift_texts

_NAME: Final = "embed"
_BATCH_SECONDS: Final = 0.02
"""What a batch takes until one was measured."""


def embedded(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``get_text_embedding_batch``."""
    scope = _opened(instance, args, kwargs)
    if scope is None:
        return wrapped(*args, **kwargs)
    with within(scope):
        return wrapped(*args, **kwargs)


def _opened(model: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Scope | None:
    """A scope in which batches run ahead; ``None``: nothing is won by it."""
    outer = current_scope()
    texts = args[0] if args else kwargs.get("texts")
    if outer is None or not isinstance(texts, list) or not outer.runtime.run_ahead:
        return None
    try:
        if len(texts) <= model.embed_batch_size:
            return None
        return _open(outer, model, texts)
    except Exception as error:
        outer.note(f"texts are embedded as they come: {error!r}")
        return None


def _open(outer: Scope, model: Any, texts: Sequence[str]) -> Scope | None:
    runtime = outer.runtime
    if isinstance(outer.guide, IngestionGuide) and outer.guide.embeds(model):
        return None
    lifted = lift_texts(model, runtime)
    if isinstance(lifted, str):
        return None
    batches = Batches(lifted, texts)
    if batches.count < lifted.least:
        return None
    seconds = runtime.profiles.typical(lifted.engine) or _BATCH_SECONDS
    declined = runtime.client.declines(batches.saved * seconds, batches.count)
    if declined or not batches.saved:
        return None
    draft = Draft(inputs=[DOCUMENTS], leads=True)
    draft.then(Extracting(name=_NAME, llm="", embedding=lifted.engine))
    template = draft.template("get_text_embedding_batch")
    state = AcceleratedState("llama-index", template.name, runtime, template, _itself)
    scope = open_scope(state, template.name, runtime.planner.plan(template, {}), outer=outer)
    if outer.follower is not None:
        scope.followed_by(outer.follower)

    def started() -> None:
        scope.start({DOCUMENTS: True})
        batches.begin(scope)
        outer.helps("texts were embedded side by side")

    return begin(scope, started)


class Batches:
    """The calls of one list of texts, some of them ahead. Used by the thread of the original.

    Args:
        lifted: the model.
        texts: all of them.
    """

    def __init__(self, lifted: Texts, texts: Sequence[str]) -> None:
        size = lifted.size
        self._lifted = lifted
        self._waiting = deque(texts[start : start + size] for start in range(0, len(texts), size))
        self.count = len(self._waiting)
        self._ahead: set[Hashable] = set()

    @property
    def saved(self) -> int:
        """So many batches less have to be waited for one after the other."""
        return self.count - math.ceil(self.count / self._lifted.at_once)

    def begin(self, scope: Scope) -> None:
        """The original begins."""
        self._scope = scope
        scope.on_claim = self._claimed
        self._fill()

    def _claimed(self, key: Hashable) -> None:
        """The original has come to a batch."""
        self._ahead.discard(key)
        self._fill()

    def _fill(self) -> None:
        """Keep as many on their way as are served at once, and as many more waiting for them."""
        while self._waiting and len(self._ahead) < 2 * self._lifted.at_once:
            if not self._scope.ask(f"{_NAME}.expand", self._next, _nothing):
                self._waiting.clear()

    def _next(self) -> Call:
        call = self._lifted.call(self._waiting.popleft())
        self._ahead.add(call.key)
        return call


def _nothing(_: Future[object]) -> None:
    """The original takes the result, or sees the error for itself."""


def _itself(obj: Any, runtime: object = None) -> Any:
    return obj
