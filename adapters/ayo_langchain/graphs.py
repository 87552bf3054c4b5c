"""LangGraph: its engine tells which node runs, what it has written, and with what a run begins.

Whether a node runs in the calling thread, in a pool or in a task, alone in its step or beside
others, what it asks is asked at the same site: below the node, by its name. What a node has written
is a value as soon as the node has returned, also while others of its step still run. Checkpoints
are written by the original alone. Written for langgraph 1.2.24.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.learn.tracing.branches import name_jobs
from ayo_bridge.learn.tracing.places import CallPlace, current_place, parts, within
from ayo_bridge.learn.tracing.sites import end_at
from ayo_bridge.lift.recognise import is_a, loaded
from ayo_bridge.lift.taps import Helper, data
from ayo_bridge.runahead import current_scope
from ayo_bridge.seam import Answer

_TESTED: Final = ("1.2", "2")
_RUNNER: Final = "langgraph.pregel._runner"
_LOOP: Final = "langgraph.pregel._loop"
_MESSAGES: Final = "langchain_core.messages.base"
_WRITES: Final = "writes of a node"
_CONTROL: Final = "branch:to:"
"""The channels that say which node is next."""
_PUSH: Final = "__pregel_push"
"""What the path of a node begins with that something was sent to."""
_SENT: Final = "__pregel_tasks"
"""The channel of what is sent to nodes, however much it is."""

Wrapped = Callable[..., Any]


# Nodes.


def _part_of_job(job: Sequence[Any]) -> str:
    """Of a pool job which node it runs: ``partial(context.run, ..., run_with_retry, node)``."""
    task = loaded("langgraph.types", "PregelExecutableTask")
    if task is None:
        return ""
    given = (*job[0].args, *job[1:]) if isinstance(job[0], partial) else job[1:]
    return next((_name(each) for each in given[:5] if isinstance(each, task)), "")


name_jobs(_part_of_job)


def _runs(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A node runs: ``run_with_retry(node, ...)``."""
    place = current_place()
    if place is None or not args:
        return wrapped(*args, **kwargs)
    with within(_part(place, args[0])):
        result = _run(wrapped, args, kwargs)
        _wrote(args[0])
    return result


def _aruns(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A node is about to run, in this task or in one of its own."""
    if current_place() is None or not args:
        return wrapped(*args, **kwargs)
    coroutine = _apart(wrapped, args, kwargs)
    parts[coroutine] = _name(args[0])
    return coroutine


async def _apart(wrapped: Wrapped, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    place = current_place()
    if place is None:
        return await wrapped(*args, **kwargs)
    with within(_part(place, args[0])):
        result = await _arun(wrapped, args, kwargs)
        _wrote(args[0])
    return result


# Above these the stack says nothing of the node.


def _run(wrapped: Wrapped, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return wrapped(*args, **kwargs)


async def _arun(
    wrapped: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return await wrapped(*args, **kwargs)


def _wrote(node: Any) -> None:
    scope = current_scope()
    if scope is not None and scope.follower is not None:
        scope.follower.helper(_WRITES, lambda: _written(node.writes))


for _function in (_run, _arun, _wrote):
    end_at(_function.__code__)


def _part(place: CallPlace, node: Any) -> CallPlace:
    """Where a node runs. What is sent to nodes may be of one tenant each: it is told apart."""
    path = getattr(node, "path", ())
    return place.part(_name(node), one_of_several=path[:1] == (_PUSH,))


def _name(node: Any) -> str:
    return f"node {getattr(node, 'name', '')}"


# Values.


def _written(writes: Iterable[tuple[str, Any]]) -> Answer:
    """What a node writes, by channel: the only value, or several in a list."""
    by_channel: defaultdict[str, list[object]] = defaultdict(list)
    for channel, value in writes:
        if value is not None and not channel.startswith(_CONTROL):
            by_channel[channel].append(_plain(value))
    return _state(
        {
            name: held if len(held) > 1 or name == _SENT else held[0]
            for name, held in by_channel.items()
        }
    )


def _begun(found: tuple[Mapping[str, Any], object]) -> Answer:
    """The state that a run begins with, as a checkpoint has it."""
    channels = {name: channel for name, channel in found[0].items() if channel.is_available()}
    return _state({name: _plain(channel.get()) for name, channel in channels.items()})


def _state(values: Mapping[str, object]) -> Answer:
    """A state as a value.

    Raises:
        TypeError: there is nothing in it that JSON could hold.
    """
    if not values:
        raise TypeError("an empty state says nothing")
    return data(values)


def _plain(value: Any) -> object:
    """A value of a state as data: messages as requests hold them, of what is sent its argument."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if is_a(value, "langgraph.types", "Send"):
        return _plain(value.arg)
    if is_a(value, _MESSAGES, "BaseMessage"):
        from langchain_core.messages import convert_to_openai_messages

        return convert_to_openai_messages(value)
    return value


_FROM: Final = "channels_from_checkpoint"
GRAPHS: Final = Binding(
    "LangGraph's nodes",
    "langgraph",
    _TESTED,
    (
        Target(_RUNNER, "run_with_retry", _runs),
        Target(_RUNNER, "arun_with_retry", _aruns),
        Helper(_LOOP, _FROM, _begun).target(),
        Helper(_LOOP, f"a{_FROM}", _begun, awaited=True).target(),
    ),
)
"""``channels_from_checkpoint`` is tapped as loops see it: reading a state begins no run."""
