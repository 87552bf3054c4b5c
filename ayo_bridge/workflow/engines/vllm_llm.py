"""A model that vLLM runs in this process as the LLM of native workflows: no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ayo_bridge.bindings.vllm_in_process import BINDINGS
from ayo_bridge.engines.live_names import model_name
from ayo_bridge.engines.vllm_in_process.engine import InProcessLLM, Prompt, load
from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.seam import Call
from ayo_bridge.workflow.requests import Generate


class VllmEngine(InProcessLLM):
    """Serves :class:`Generate` payloads with vLLM in this process (0.32).

    Queries, and threads that ask the same ``vllm.LLM`` for themselves, share the steps of its
    engine. Cancelling a query frees its sequences before the next step. Accelerated objects that
    ask the model are served by it under this name.

    Args:
        model: a path or hub name, which is loaded here and freed with the runtime; a ``vllm.LLM``;
            or an ``AsyncLLM`` that nobody else uses.
        name: the engine's name, as components refer to it; by default made from the model's.
        chat: whether prompts are messages: what instruction-tuned models are made for.
        options: arguments of ``SamplingParams`` for every request but prefix warms, under those of
            the request itself. The temperature is 0 unless one says otherwise.
        arguments: for ``vllm.LLM``, where ``model`` is a name: ``dtype="float32"``.

    Raises:
        EngineUnavailableError: vLLM is not installed, or in another version.
    """

    def __init__(
        self,
        model: Any,
        *,
        name: str | None = None,
        chat: bool = False,
        options: Mapping[str, object] | None = None,
        **arguments: Any,
    ) -> None:
        (binding,) = BINDINGS
        unsupported = binding.unsupported()
        if unsupported is not None:
            raise EngineUnavailableError(f"vLLM cannot be asked in this process: {unsupported}")
        binding.install()
        self._loaded = isinstance(model, str)
        self._model = load(model, arguments) if isinstance(model, str) else model
        super().__init__(
            name or f"llm:{model_name(str(self._model.model_config.model))}", self._model
        )
        self._chat = chat
        self._options = {"temperature": 0.0, **(options or {})}

    def to_request(self, call: Call) -> Call:
        """The request of the model."""
        asked = call.payload
        if not isinstance(asked, Generate):
            raise TypeError(f"{self.name!r} serves Generate, not {type(asked).__name__}")
        sampling = {**self._options, **dict(asked.options)}
        if call.warm:
            sampling = {"temperature": 0.0, "detokenize": False}
        prompt = [{"role": "user", "content": asked.text}] if self._chat else asked.text
        made = Prompt(prompt, {"max_tokens": asked.max_tokens, **sampling}, on_text=asked.on_text)
        return replace(call, payload=made)

    def to_value(self, call: Call, result: Any) -> str:
        """The text; of a prefix warm it does not matter."""
        text: str = result.outputs[0].text
        return text

    async def aclose(self) -> None:
        """Free the model, if it was loaded here."""
        if self._loaded:
            self._model = None
