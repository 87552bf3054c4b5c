"""The text of a query's results on its way to whoever follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ayo_bridge.graph import Primitive
from ayo_bridge.schedule import MISSING
from ayo_bridge.workflow.requests import text_of


class Streamed:
    """Passes on what is new of the results' texts; of nothing, if nobody follows them.

    ``names`` are the values that are followed.
    """

    def __init__(self, names: Iterable[str], on_text: Callable[[str], None] | None) -> None:
        self._on_text = on_text
        self._sent = dict.fromkeys(names, "") if on_text is not None else {}
        self.names = self._sent.keys()

    def follows(self, decodes: Sequence[Primitive]) -> bool:
        """Whether somebody wants the text of a call before it has ended."""
        return len(decodes) > 1 or any(
            name in self.names for decode in decodes for name in decode.outputs
        )

    def tell(self, name: str, text: str) -> None:
        """A text has grown to this."""
        sent = self._sent.get(name)
        if self._on_text is not None and sent is not None and len(text) > len(sent):
            self._sent[name] = text
            self._on_text(text[len(sent) :])

    def tell_rest(self, values: Mapping[str, object]) -> None:
        """Texts have ended."""
        for name in self.names & values.keys():
            if isinstance(text := values[name], str):
                self.tell(name, text)

    def finish(self, values: Mapping[str, object]) -> None:
        """The query has ended: results that did not come as text are told as a whole."""
        for name, sent in list(self._sent.items()):
            if not sent and (text := text_of(values.get(name, MISSING))):
                self.tell(name, text)
