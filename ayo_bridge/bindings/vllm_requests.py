"""What a call of ``vllm.LLM`` asks: its identity, and how one like it is made ahead.

The identity is the model, the method, the prompts and the sampling parameters. A call with anything
else (an adapter, a template of its own, an image, a priority) has none: it is left to the original.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ayo_bridge.engines.vllm_in_process.engine import Prompts
from ayo_bridge.seam import Answer, BoundaryCall, Call, Fields

_FORMS: Final = {
    (False, True): "prompt",
    (False, False): "prompts",
    (True, True): "messages",
    (True, False): "conversations",
}
"""The field of a request, by whether it is a chat, and one prompt without a list around it."""
_INPUTS: Final = ("prompts", "messages")
_KNOWN: Final = (*_INPUTS, "sampling_params", "use_tqdm")


@dataclass(frozen=True, slots=True)
class LLMCall:
    """A call of ``LLM.generate`` or ``LLM.chat`` that has an identity."""

    engine: str
    chat: bool
    single: bool
    """No list of prompts, but one."""
    prompts: Sequence[Any]
    sampling: Mapping[str, Any]

    @property
    def call(self) -> Call:
        """The request to the engine."""
        asked = json.dumps([self.prompts, self.sampling], sort_keys=True)
        key = (self.engine, self.chat, asked)
        payload = Prompts(tuple(self.prompts), self.sampling)
        return Call(self.engine, key, payload, items=len(self.prompts))

    def boundary(self, llm: Any) -> BoundaryCall:
        """The same as it is followed.

        A call whose answer depends on what else the engine draws is not made ahead.
        """
        form, sampling = _FORMS[self.chat, self.single], self.sampling
        drawn = sampling.get("temperature", 1.0) != 0.0 and sampling.get("seed") is None
        asked = self.prompts[0] if self.single else list(self.prompts)
        return BoundaryCall(
            kind="llm",
            owner=llm,
            request=lambda: {"engine": self.engine, form: asked, **sampling},
            answer=_answer,
            remake=None if drawn else partial(_remade, self.engine, self.chat, self.single),
            manner=(self.engine, form),
            engine=self.engine,
        )


def llm_call(
    engine: str, method: str, llm: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> LLMCall | None:
    """The request that ``llm.generate`` or ``llm.chat`` makes; ``None``: one without identity."""
    names = ("messages" if method == "chat" else "prompts", *_KNOWN[2:])
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if len(args) > len(names) or any(
        value is not None for name, value in given.items() if name not in _KNOWN
    ):
        return None
    inputs = given.get(names[0])
    single = isinstance(inputs, str) or _is_conversation(inputs)
    prompts = [inputs] if single else inputs
    fits: Callable[[Any], bool] = _is_conversation if method == "chat" else _is_text
    if not isinstance(prompts, list) or not prompts or not all(map(fits, prompts)):
        return None
    sampling = _sampling(llm, given.get("sampling_params"))
    if sampling is None:
        return None
    return LLMCall(engine, method == "chat", single, prompts, sampling)


def own(outputs: Sequence[Any]) -> list[Any]:
    """Copies of outputs, whose texts and tokens are their own."""
    made = []
    for output in outputs:
        one = copy(output)
        one.outputs = [copy(each) for each in output.outputs]
        for each in one.outputs:
            each.token_ids = copy(each.token_ids)
        made.append(one)
    return made


def _is_text(prompt: Any) -> bool:
    return isinstance(prompt, str)


def _is_conversation(messages: Any) -> bool:
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(
            isinstance(message, dict) and all(isinstance(text, str) for text in message.values())
            for message in messages
        )
    )


def _sampling(llm: Any, params: Any) -> dict[str, Any] | None:
    """What sampling parameters set, as plain data; ``None`` if it is more than that."""
    params = llm.get_default_sampling_params() if params is None else params
    cls = sys.modules["vllm.sampling_params"].SamplingParams
    if type(params) is not cls:
        return None
    unset = cls()
    fields = {
        name: value
        for name in params.__struct_fields__
        if name != "output_kind" and name[0] != "_"
        if (value := getattr(params, name)) != getattr(unset, name)
    }
    try:
        plain: dict[str, Any] = json.loads(json.dumps(fields, allow_nan=False))
    except (TypeError, ValueError):
        return None
    return plain if plain == fields else None


def _remade(engine: str, chat: bool, single: bool, llm: Any, fields: Fields) -> Call:
    """The call of ``llm`` for another prompt.

    Raises:
        ValueError: it is not one of this form.
    """
    rest = dict(fields)
    asked = rest.pop(_FORMS[chat, single], None)
    prompts = [asked] if single else asked
    fits = _is_conversation if chat else _is_text
    if rest.pop("engine", None) != engine or not isinstance(prompts, list) or not prompts:
        raise ValueError("another model is asked, or in another form")
    if not all(map(fits, prompts)):
        raise ValueError("the prompt is no text")
    return LLMCall(engine, chat, single, prompts, rest).call


def _answer(outputs: Sequence[Any]) -> Answer:
    """The text of a single answer.

    Raises:
        ValueError: there are several.
    """
    texts = [each.text for output in outputs for each in output.outputs]
    if len(texts) != 1:
        raise ValueError(f"{len(texts)} answers")
    return Answer(text=texts[0])
