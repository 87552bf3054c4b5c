"""The adapter of the made-up framework: both questions of an ``Answerer`` are asked at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.graph import Op, Opaque, Synthesis, SynthesisMode
from ayo_bridge.lift.adapter import Adapter
from ayo_bridge.lift.entries import Entry
from ayo_bridge.lift.lifted import Asked, Draft, Lifted
from ayo_bridge.lift.llm import posted, served_model
from ayo_bridge.lift.makers import IndexedMaker
from ayo_bridge.lift.recognise import PLAIN
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import AcceleratedState, Maker
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from tests.lift.toy.answerer import Answerer

QUESTION: Final = "question"
ANSWER: Final = "answer"
_METHODS: Final = ("ask", "complete", "body")


class AnswererAdapter(Adapter):
    """Lifts an ``Answerer``."""

    name = "toy"
    bindings = HTTP_BINDINGS

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` is an ``Answerer``."""
        return isinstance(obj, Answerer)

    def entries(self, base: type) -> Sequence[Entry]:
        """What users call: one method, which blocks."""
        return (Entry("ask"),)

    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """The question; a call that is wrong is left to the original, which says what is."""
        question = args[0] if args else kwargs.get("question")
        return Asked(entry.sync, {QUESTION: question}) if isinstance(question, str) else None

    def lift(self, obj: Answerer, state: AcceleratedState, asked: Asked) -> Lifted:
        """A model is asked once a prompt, or the reason why nothing is known of it."""
        draft = Draft(inputs=[QUESTION], covers={id(obj)})
        reason = _differs(obj)
        if reason is None:
            _lift_prompts(draft, obj, state.runtime)
        else:
            draft.add(Opaque(name=ANSWER, inputs=(QUESTION,), reason=reason))
        return draft.lifted("Answerer", lambda scope, call: None)


def _differs(obj: Answerer) -> str | None:
    """Why an ``Answerer`` may send something else, or ``None``."""
    way = way_of(saw(obj.client), obj.base_url)
    reason = way if isinstance(way, str) else None
    return PLAIN.differs(obj, Answerer, *_METHODS) or reason or unfollowed(HTTP_BINDINGS)


def _lift_prompts(draft: Draft, obj: Answerer, runtime: Home) -> None:
    engine = served_model(runtime, obj.base_url, obj.model)
    url = f"{obj.base_url}/chat/completions"

    def maker(asked: Asked) -> Maker:
        def call(index: int) -> Call:
            body = obj.body(obj.prompts[index].format(**asked.values))
            return posted(engine, obj.client, url, body)

        return IndexedMaker(call)

    mode, calls = SynthesisMode.ACCUMULATE, len(obj.prompts)
    draft.add(Synthesis(name=ANSWER, llm=engine, mode=mode, chunks=calls, inputs=(QUESTION,)))
    draft.makers[ANSWER, Op.PREFILLING] = maker


adapter = AnswererAdapter()


def accelerate(obj: Any, runtime: Home, *, quiet: bool = False) -> Any:
    """What ``ayo_bridge.accelerate`` does for adapters that are registered as entry points."""

    def again(copied: Any, runtime: Home) -> Any:
        return accelerate(copied, runtime, quiet=True)

    return adapter.accelerate(obj, runtime, again, quiet=quiet)
