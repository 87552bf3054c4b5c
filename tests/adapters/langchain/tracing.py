"""Everything a callback handler can see of a call, in a form that two calls can be compared in."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def plain(value: object) -> Any:
    """Data without what no two calls have in common: ids of runs and replies, addresses."""
    return _plain(dumpd(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"0x[0-9a-f]+|chatcmpl-\w+", "...", _UUID.sub("...", value))
    return value


@dataclass
class Run:
    """One run with everything that was said of it."""

    number: int
    events: list[tuple[str, Any]] = field(default_factory=list)
    children: list["Run"] = field(default_factory=list)

    def shown(self, key: Callable[["Run"], Any]) -> Any:
        """The run as data, its children in the order of ``key``."""
        return [self.events, [child.shown(key) for child in sorted(self.children, key=key)]]


class Recorder(BaseCallbackHandler):
    """Records every event of every run, from any thread."""

    run_inline = True
    raise_error = True

    def __init__(self) -> None:
        self.runs: dict[UUID, Run] = {}
        self.roots: list[Run] = []
        self.log: list[tuple[str, int, int | None]] = []
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The kinds of events, in the order in which they came."""
        return [name for name, _, _ in self.log]

    def tree(self, *, concurrent: bool) -> Any:
        """All runs. Children of a run that starts them together are put in an order of content."""

        def order(run: Run) -> Any:
            tags = run.events[0][1]["tags"]
            return (str(tags), repr(run.events) if concurrent else "", run.number)

        return [root.shown(order) for root in sorted(self.roots, key=order)]

    def _add(self, name: str, run_id: UUID, parent: UUID | None, data: dict[str, Any]) -> None:
        with self._lock:
            run = self.runs.get(run_id)
            if run is None:
                run = self.runs[run_id] = Run(len(self.runs))
                above = self.runs.get(parent) if parent is not None else None
                (above.children if above is not None else self.roots).append(run)
            above = self.runs.get(parent) if parent is not None else None
            self.log.append((name, run.number, above.number if above is not None else None))
            run.events.append((name, {key: plain(value) for key, value in data.items()}))


def _event(name: str) -> Callable[..., None]:
    def record(
        self: Recorder, *args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        first = [repr(arg) if isinstance(arg, BaseException) else arg for arg in args]
        data = {"tags": None, **kwargs, "args": first}
        self._add(name, run_id, parent_run_id, data)

    return record


for _name in (
    *("on_chain_start", "on_chain_end", "on_chain_error"),
    *("on_chat_model_start", "on_llm_start", "on_llm_new_token", "on_llm_end", "on_llm_error"),
    *("on_retriever_start", "on_retriever_end", "on_retriever_error"),
    *("on_tool_start", "on_tool_end", "on_tool_error", "on_text", "on_retry", "on_custom_event"),
):
    setattr(Recorder, _name, _event(_name))
