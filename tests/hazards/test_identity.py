"""What the accelerated object is to the rest of a program, and what its original stays."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import TreeSummarize
from llama_index.core.retrievers import VectorIndexRetriever

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.errors import (
    NotAccelerableError,
    NotAcceleratedWarning,
    UnsupportedVersionWarning,
)
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import tree
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_original_is_untouched(env: Env, runtime: Runtime) -> None:
    plain = tree(env)
    before, cls, methods = dict(vars(plain)), type(plain), dict(vars(type(plain)))
    fast = accelerate(plain, runtime=runtime)
    fast.query("one")
    assert type(plain) is cls
    assert vars(plain) == before
    assert dict(vars(cls)) == methods
    assert fast is not plain
    with pytest.raises(NotAccelerableError):
        stats(plain)


def test_type_name_and_text_stay(env: Env, runtime: Runtime) -> None:
    plain = tree(env)
    fast = accelerate(plain, runtime=runtime)
    assert isinstance(fast, RetrieverQueryEngine)
    assert type(fast).__name__ == "RetrieverQueryEngine"
    assert type(fast).__module__ == RetrieverQueryEngine.__module__
    assert type(fast).__doc__ == RetrieverQueryEngine.__doc__
    assert repr(fast).split(" at ")[0] == repr(plain).split(" at ")[0]
    assert fast.retriever is plain.retriever
    assert fast.get_prompts().keys() == plain.get_prompts().keys()


def test_a_pickled_one_is_accelerated_again(env: Env, stub: StubOpenAI, default: Runtime) -> None:
    plain = VectorIndexRetriever(parts.index(), similarity_top_k=3)
    fast = accelerate(plain, runtime=default)
    again = pickle.loads(pickle.dumps(fast))
    assert type(again).__name__ == "VectorIndexRetriever"
    assert again.retrieve("one") == plain.retrieve("one")
    assert stats(again).calls == 1
    assert stats(fast).calls == 0


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_accelerated_too(copied: Any, env: Env, runtime: Runtime) -> None:
    plain = VectorIndexRetriever(parts.index(), similarity_top_k=3)
    fast = accelerate(plain, runtime=runtime)
    again = copied(fast)
    assert again is not fast
    assert again.retrieve("one") == plain.retrieve("one")
    assert (stats(again).calls, stats(fast).calls) == (1, 0)
    again.similarity_top_k = 1
    assert len(fast.retrieve("one")) == 3


def test_prompts_and_settings_changed_later_take_effect(env: Env, runtime: Runtime) -> None:
    prompt = PromptTemplate("Answer {query_str} from {context_str}")
    answers = []
    for fast in (False, True):
        engine = tree(env)
        if fast:
            engine = accelerate(engine, runtime=runtime)
        first = str(engine.query("one"))
        engine.update_prompts({"response_synthesizer:summary_template": prompt})
        second = str(engine.query("one"))
        engine.retriever.similarity_top_k = 2
        third = engine.query("one")
        answers.append([first, second, str(third), len(third.source_nodes)])
    assert answers[0] == answers[1]
    assert len(set(map(str, answers[0]))) == 4
    assert stats(engine).hits
    assert stats(engine).wasted == 0


def test_a_change_that_is_not_noticed_yet_never_runs_ahead(
    env: Env, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ayo_bridge.lift.kept._PAUSE", 1e9)  # Nothing is looked at again by itself.
    engines = tree(env), accelerate(tree(env), runtime=runtime)
    for engine in engines:
        engine.query("one")
    hits = stats(engines[1]).hits
    assert hits
    prompt = PromptTemplate("Answer {query_str} from {context_str}")
    for engine in engines:
        engine.update_prompts({"response_synthesizer:summary_template": prompt})
    assert str(engines[1].query("one")) == str(engines[0].query("one"))
    assert (stats(engines[1]).hits, stats(engines[1]).wasted) == (hits, 0)
    assert "has just been changed" in explain(engines[1]).full()
    assert str(engines[1].query("one")) == str(engines[0].query("one"))
    assert (stats(engines[1]).hits, stats(engines[1]).wasted) == (2 * hits, 0)


def _shouting(self: Any, query_str: str, text_chunks: Any, **kwargs: Any) -> str:
    return f"{query_str}!"


@pytest.mark.parametrize("before", [True, False])
def test_a_class_patched_by_the_user_is_left_alone(
    before: bool, env: Env, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        monkeypatch.setattr(TreeSummarize, "get_response", _shouting)
    fast = accelerate(tree(env), runtime=runtime)
    if not before:
        fast.query("one")
        monkeypatch.setattr(TreeSummarize, "get_response", _shouting)
    monkeypatch.setattr("ayo_bridge.lift.kept._PAUSE", 0)
    env.stub.reset()
    assert str(fast.query("one")) == "one!"
    assert not env.stub.calls
    assert "get_response has been replaced" in explain(fast).full()


def test_an_instance_patched_by_the_user_is_left_alone(env: Env, runtime: Runtime) -> None:
    engine = tree(env)
    fast = accelerate(engine, runtime=runtime)
    synthesizer = engine._response_synthesizer
    synthesizer.get_response = lambda *args, **kwargs: "mine"
    assert str(fast.query("one")) == "mine"
    assert not env.stub.calls
    assert "get_response is replaced on the instance" in explain(fast).full()


# What cannot be accelerated.


@pytest.mark.parametrize("wrong", [42, None, "text", object()])
def test_what_nobody_knows_is_refused(wrong: object, runtime: Runtime) -> None:
    with pytest.raises(NotAccelerableError, match="query engine"):
        accelerate(wrong, runtime=runtime)


def test_a_class_is_refused_with_what_to_pass(runtime: Runtime) -> None:
    with pytest.raises(
        NotAccelerableError, match=r"as in accelerate\(RetrieverQueryEngine\(...\)\)$"
    ):
        accelerate(RetrieverQueryEngine, runtime=runtime)


def test_what_is_accelerated_already_is_returned_as_it_is(env: Env, runtime: Runtime) -> None:
    fast = accelerate(tree(env), runtime=runtime)
    with pytest.warns(NotAcceleratedWarning, match="already"):
        assert accelerate(fast, runtime=runtime) is fast


def test_an_untested_framework_is_passed_through_with_a_warning(
    env: Env, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ayo_llamaindex.taps import TAPS

    TAPS.uninstall()
    monkeypatch.setattr(TAPS, "tested", ("99.0", "100.0"))
    plain = tree(env)
    with pytest.warns((NotAcceleratedWarning, UnsupportedVersionWarning), match="tested range"):
        fast = accelerate(plain, runtime=runtime)
    assert fast is plain
    assert str(fast.query("one"))
    monkeypatch.undo()
    assert stats(accelerate(plain, runtime=runtime)).calls == 0


def test_an_untested_http_library_leaves_its_calls_as_they_are(
    env: Env, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ayo_bridge.bindings.openai_http import HTTPX

    HTTPX.uninstall()
    monkeypatch.setattr(HTTPX, "tested", ("99.0", "100.0"))
    expected = str(tree(env).query("one"))
    with pytest.warns(UnsupportedVersionWarning, match="tested range"):
        fast = accelerate(tree(env), runtime=runtime)
    env.stub.reset()
    assert str(fast.query("one")) == expected
    sent = len(env.stub.calls)
    env.stub.reset()
    tree(env).query("one")
    assert sent == len(env.stub.calls), "calls ahead that nobody can consume"
    monkeypatch.undo()
    HTTPX.install()


def _first_two(self: Any, *args: Any, **kwargs: Any) -> Any:
    return UNPATCHED_REPACK(self, *args, **kwargs)[:2]


def _louder(self: Any, query: Any) -> Any:
    return UNPATCHED_QUERY(self, query.upper())


UNPATCHED_REPACK = PromptHelper.repack
UNPATCHED_QUERY = BaseQueryEngine.query


@pytest.mark.parametrize(
    ("owner", "name", "patch"),
    [(PromptHelper, "repack", _first_two), (BaseQueryEngine, "query", _louder)],
)
@pytest.mark.parametrize("before", [True, False])
def test_patched_helpers_and_entries_send_no_request_of_their_own_making(
    owner: type,
    name: str,
    patch: Any,
    before: bool,
    env: Env,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the original makes of a question, or of chunks, is not what was foreseen."""
    original, fast = tree(env), accelerate(tree(env), runtime=runtime)
    if not before:
        fast.query("warm up")
    monkeypatch.setattr(owner, name, patch)
    env.stub.reset()
    expected = str(original.query("one"))
    made = len(env.stub.calls)
    assert str(fast.query("one")) == expected
    assert len(env.stub.calls) == 2 * made
