"""A call ahead to a server that others share: sent when the limit allows it, or taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial

from ayo_bridge.engines.openai_http import Reply
from ayo_bridge.runahead.tickets import resolve_like
from ayo_bridge.schedule import Request, ServerLoad
from ayo_bridge.seam import Query


class Offered:
    """A call that waits to be sent, or is on its way. ``future`` gets its result either way.

    Args:
        load: of the server.
        query: whose call it is.
        caller: for whom it is made, where others may be taken that he is refused.
        warm: whether it is a prefix warm, which is of use only at once.
        start: sends it; ``None`` where nobody wants it any more.
        failed: is told what it has failed with, unless it was cancelled.
    """

    __slots__ = (
        *("_claimed", "_ended", "_failed", "_lock", "_start", "caller", "future", "held", "load"),
        *("on_left", "query", "warm"),
    )

    def __init__(
        self,
        load: ServerLoad,
        query: Query,
        start: Callable[[], Request | None],
        failed: Callable[[BaseException], None],
        *,
        warm: bool = False,
        caller: Hashable = None,
    ) -> None:
        self.load = load
        self.caller = caller
        self.query = query
        self.warm = warm
        self.future: Future[object] = Future()
        self.held = False
        """Whether it had to wait for its turn."""
        self.on_left: Callable[[], object] | None = None
        """Called when it has ended, while it still counts at the server."""
        self._start = start
        self._failed = failed
        self._lock = threading.Lock()
        self._claimed = self._ended = False

    def send(self) -> None:
        """Send it. The server's load hears of its end."""
        try:
            request = self._start()
        except Exception as error:
            error.__traceback__ = None  # It would keep this frame, and so itself.
            self._left()
            self.future.set_exception(error)
            return
        if request is None:
            self._left()
            self.future.cancel()
        else:
            request.future.add_done_callback(self._over)

    def waits(self) -> None:
        """It has to wait for its turn."""
        self.held = True

    def drop(self) -> None:
        """It will not be sent."""
        with self._lock:
            self._ended = True  # Who comes to it now comes to nothing.
        self._let_go()
        self.future.cancel()

    def claimed(self) -> None:
        """The original has come to it. Call it where no lock is held: others may be sent now."""
        with self._lock:
            if self._claimed or self._ended:
                return
            self._claimed = True
        self.load.claimed(self.query)

    def served_by(self, own: Future[object]) -> None:
        """It was taken back: the original makes the call itself, and here its result is wanted."""
        own.add_done_callback(partial(resolve_like, self.future))

    def _over(self, ended: Future[object]) -> None:
        error = None if ended.cancelled() else ended.exception()
        if error is not None:
            self._failed(error)
        elif not ended.cancelled():
            self.load.taken(lambda: self.caller)
        result = None if error is not None or ended.cancelled() else ended.result()
        resolve_like(self.future, ended)
        if isinstance(result, Reply):
            result.body.on_end(self._left)
        else:
            self._left()

    def _left(self) -> None:
        with self._lock:
            self._ended = True
        if self.on_left is not None:
            self.on_left()
        self.load.left(self.query, awaited=self._claimed)
        self._let_go()

    def _let_go(self) -> None:
        """It will not be sent any more; who would send it knows it, and would be kept with it."""
        self._start, self._failed, self.on_left = _nothing, _nothing, None


def _nothing(*_: object) -> None:
    return None
