"""``vllm.LLM`` and ``AsyncLLM`` as engines: what is awaited of them, without a server."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from ayo_bridge.engines.live_names import LiveNames, model_name
from ayo_bridge.engines.vllm_in_process.driver import Asked, driver_of
from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.seam import AsyncEngine, Call, EngineHome, EngineKind, Limits

_names: Final = LiveNames()
_called: Final[weakref.WeakKeyDictionary[Any, list[str]]] = weakref.WeakKeyDictionary()
"""The names of the engines of a model, in whatever runtimes."""
_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt to continue, or messages to answer.

    ``sampling`` are arguments of ``SamplingParams``. ``on_text``, where somebody listens, takes the
    whole text so far each time it has grown, from any thread.
    """

    prompt: str | Sequence[Mapping[str, Any]]
    sampling: Mapping[str, object]
    on_text: Callable[[str], None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a call of ``LLM.generate`` or ``chat`` asks: texts, or conversations."""

    prompts: Sequence[str | Sequence[Mapping[str, Any]]]
    sampling: Mapping[str, object]


class InProcessLLM(AsyncEngine):
    """Serves :class:`Prompt` with the ``RequestOutput`` that ends it, :class:`Prompts` with a list.

    A ``vllm.LLM`` is shared with all threads that ask it for themselves; an ``AsyncLLM`` belongs to
    the loop that it is first used on, and so to one runtime. The model is not kept alive.
    """

    kind = EngineKind.LLM
    streams = True

    def __init__(self, name: str, llm: Any) -> None:
        self.name = name
        _called.setdefault(llm, []).append(name)
        self.limits = Limits(continuous=True)
        self._llm = weakref.ref(llm)
        config = getattr(llm, "llm_engine", llm).vllm_config
        self.caches_prefixes = bool(config.cache_config.enable_prefix_caching)
        self._priorities = config.scheduler_config.policy == "priority"

    async def serve(self, call: Call) -> Any:
        """The output at its end; cancelling frees its sequences before the next step.

        Raises:
            ValueError: vLLM refuses the request.
            EngineUnavailableError: the model is gone.
        """
        asked = call.payload
        # Warms and work ahead wait behind everything else, where the engine knows priorities.
        if isinstance(asked, Prompt):
            return await self._served(asked, 1 if call.warm else 0)
        if not isinstance(asked, Prompts):
            raise TypeError(f"{self.name!r} serves Prompt, not {type(asked).__name__}")
        each = [Prompt(prompt, asked.sampling) for prompt in asked.prompts]
        tasks = [asyncio.ensure_future(self._served(prompt, 1)) for prompt in each]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:  # Without one of them the others are of no use.
                task.cancel()
            raise

    async def _served(self, asked: Prompt, priority: int) -> Any:
        llm = self._llm()
        if llm is None:
            raise EngineUnavailableError(f"the model of {self.name!r} is gone")
        ask = _driven if hasattr(llm, "llm_engine") else _awaited
        return await ask(llm, asked, priority if self._priorities else 0)


async def _driven(llm: Any, asked: Prompt, priority: int) -> Any:
    """Of a ``vllm.LLM``: its driver's thread asks it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def add(name: str) -> int:
        params = _params(asked)
        llm.llm_engine.add_request(name, _rendered(llm, asked.prompt), params, priority=priority)
        return int(params.n)

    def told(output: Any) -> None:
        if output.finished:
            loop.call_soon_threadsafe(_resolve, result, output)
        elif asked.on_text is not None:
            asked.on_text(output.outputs[0].text)

    def failed(error: BaseException) -> None:
        loop.call_soon_threadsafe(_reject, result, error)

    driver = driver_of(llm.llm_engine)
    name = driver.ask(Asked(add, told, failed))
    try:
        return await result
    except asyncio.CancelledError:
        driver.abort(name)
        raise


async def _awaited(llm: Any, asked: Prompt, priority: int) -> Any:
    """Of an ``AsyncLLM``, which aborts what is cancelled by itself."""
    name, output = f"ayo-bridge-{next(_numbers)}", None
    prompt = _rendered(llm, asked.prompt)
    async for output in llm.generate(prompt, _params(asked), name, priority=priority):
        if asked.on_text is not None and not output.finished:
            asked.on_text(output.outputs[0].text)
    return output


def _params(asked: Prompt) -> Any:
    vllm = importlib.import_module("vllm")
    kinds = importlib.import_module("vllm.sampling_params").RequestOutputKind
    params = vllm.SamplingParams(**asked.sampling)
    params.output_kind = kinds.FINAL_ONLY if asked.on_text is None else kinds.CUMULATIVE
    return params


def _rendered(llm: Any, prompt: str | Sequence[Mapping[str, Any]]) -> Any:
    """The prompt as the engine takes it, made by the library's own code."""
    mixin = importlib.import_module("vllm.entrypoints.common.offline").OfflineInferenceMixin
    # An AsyncLLM has all of an LLM that rendering asks for, but for a template of its own.
    owner = SimpleNamespace(
        renderer=llm.renderer,
        model_config=llm.model_config,
        chat_template=getattr(llm, "chat_template", None),
    )
    if isinstance(prompt, str):
        (made,) = mixin._preprocess_cmpl(owner, [prompt])
    else:
        (made,) = mixin._preprocess_chat(owner, [[dict(message) for message in prompt]])
    return made


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def engine_for(llm: Any, runtime: EngineHome) -> str:
    """The name of a model's engine in a runtime, e.g. ``llm:Llama-3.2-1B``; registered once."""
    for name in _called.get(llm, ()):
        if runtime.knows(name):
            return name
    name = _names.name(llm, f"llm:{model_name(str(llm.model_config.model))}")
    runtime.register(InProcessLLM(name, llm))
    return name


def load(model: str, arguments: Mapping[str, Any]) -> Any:
    """A ``vllm.LLM`` by path or hub name.

    Raises:
        EngineUnavailableError: there is no such model, or vLLM does not know its kind.
    """
    try:
        return importlib.import_module("vllm").LLM(model, **arguments)
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(f"vLLM cannot load {model}: {error}") from error
