"""Hooks on frameworks' classes: what they leave as it is, and that they go without a trace."""

import gc
import inspect
import logging
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langchain_core.tools.base  # noqa: F401  Its classes are to be hooked, as the next one's are.
import llama_index.core  # noqa: F401
import pytest
from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import Runnable, RunnableLambda, RunnableSequence
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from llama_index.core.llms import MockLLM
from llama_index.core.response_synthesizers import (
    BaseSynthesizer,
    ResponseMode,
    get_response_synthesizer,
)
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import SecretStr

import ayo_bridge
from ayo_bridge import accelerate, explain, runtime, stats
from ayo_bridge.adapter import adapters
from ayo_bridge.autorun import attached, reports, start
from ayo_bridge.autorun.attached import known_state
from ayo_bridge.autorun.hooks import HOOKS
from ayo_bridge.autorun.remembered import REMEMBERED
from ayo_bridge.lift.recognise import loaded
from ayo_bridge.lift.subclass import state_of
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

KINDS = (
    inspect.isfunction,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)


@pytest.fixture
def hooked() -> Iterator[None]:
    start.install()
    yield
    start.uninstall()


def classes() -> set[type]:
    bases = [loaded(base.module, base.name) for each in adapters() for base in each.bases]
    found: set[type] = set()
    todo = [base for base in bases if base is not None]
    while todo:
        cls = todo.pop()
        found.add(cls)
        todo += [each for each in type.__subclasses__(cls) if each not in found]
    return found


def attributes() -> dict[tuple[type, str], Any]:
    """All that classes of the frameworks hold, the targets of bindings included."""
    held = {(cls, name): value for cls in classes() for name, value in vars(cls).items()}
    for binding in {binding for each in adapters() for binding in each.followed()}:
        for target in binding.targets:
            place: Any = loaded(target.module, target.attribute.partition(".")[0])
            if isinstance(place, type):
                held |= {(place, name): value for name, value in vars(place).items()}
    unchanging = ("__abstractmethods__", "_abc_impl", "__static_attributes__")
    return {key: value for key, value in held.items() if key[1] not in unchanging}


def add(number: int) -> int:
    return number + 1


def test_uninstalled_hooks_leave_every_attribute_the_very_same() -> None:
    before = attributes()
    ayo_bridge.load_ipython_extension(None)
    start.install()
    try:
        during = attributes()
        changed = {key for key in before if during[key] is not before[key]}
        assert RunnableLambda(add).invoke(1) == 2

        class Late(Runnable[int, int]):
            def invoke(self, input: int, config: Any = None, **kwargs: Any) -> int:
                return input

        late = vars(Late)["invoke"]
    finally:
        ayo_bridge.unload_ipython_extension(None)
    names = {f"{cls.__name__}.{name}" for cls, name in changed}
    assert names >= {
        *("Runnable.stream", "RunnableSequence.ainvoke", "BaseTool.run", "Workflow.run"),
        *("BaseQueryEngine.query", "BaseRetriever.aretrieve", "FunctionTool.__call__"),
    }
    assert all(
        kind(during[key]) == kind(before[key])
        for key in changed
        for kind in KINDS
        if key[1] != "__init_subclass__"
    )
    after = attributes()
    assert {key for key in before if after.get(key) is not before[key]} == set()
    known = {cls for cls, _ in before}
    assert {key for key in {*after} - {*before} if key[0] in known} == set()
    assert vars(Late)["invoke"] is late.__wrapped__


@pytest.mark.usefixtures("hooked")
def test_an_object_stays_itself_and_what_it_calls_goes_along_with_it() -> None:
    inner = RunnableLambda(add)
    outer: RunnableLambda[int, int] = RunnableLambda(
        lambda number: inner.invoke(number) + inner.invoke(number)
    )
    before = dict(vars(outer))
    assert outer.invoke(1) == 4
    assert (known_state(outer) is not None, known_state(inner)) == (True, None)
    assert type(outer) is RunnableLambda
    assert vars(outer) == before
    assert explain(outer)
    assert stats(outer).calls == 1
    sequence = RunnableLambda(add) | RunnableLambda(add)
    assert sequence.invoke(1) == 3
    assert type(pickle.loads(pickle.dumps(sequence))) is RunnableSequence
    assert pickle.loads(pickle.dumps(HOOKS)) is HOOKS


@pytest.mark.usefixtures("hooked")
def test_nothing_is_done_in_a_call_of_an_accelerated_object() -> None:
    inner = RunnableLambda(add)
    outer: RunnableLambda[int, int] = RunnableLambda(lambda number: inner.invoke(number))
    fast = accelerate(outer)
    assert fast.invoke(1) == 2
    assert state_of(fast) is not None
    assert (known_state(fast), known_state(inner)) == (None, None)


@pytest.mark.usefixtures("hooked")
def test_what_an_application_patches_over_a_hook_is_called_and_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = RunnableLambda.invoke

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        return 10 * own(self, *args, **kwargs)

    monkeypatch.setattr(RunnableLambda, "invoke", patched)
    assert RunnableLambda(add).invoke(1) == 20
    start.uninstall()
    assert RunnableLambda.invoke is patched
    assert RunnableLambda(add).invoke(1) == 20
    monkeypatch.undo()
    start.install()
    start.uninstall()


def test_a_hook_that_a_binding_wraps_later_is_called_every_time_and_put_back() -> None:
    followed = {binding for each in adapters() for binding in each.followed()}
    parts = next(binding for binding in followed if binding.name == "LlamaIndex parts")
    parts.uninstall()  # An earlier test may have put it below.
    before = vars(BaseSynthesizer)["synthesize"]
    start.install()
    try:
        synthesizer = get_response_synthesizer(llm=MockLLM(), response_mode=ResponseMode.ACCUMULATE)
        nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("salt", "larch")]
        for question in ("one", "two", "three"):
            synthesizer.synthesize(question, nodes=nodes)
        assert parts.installed
        assert stats(synthesizer).calls == 3
    finally:
        start.uninstall()
    assert vars(BaseSynthesizer)["synthesize"] is before


@pytest.mark.usefixtures("hooked", "little_garbage")
def test_an_object_that_is_dropped_is_freed_though_lifting_it_holds_it(
    stub_openai: StubOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_openai.latency = 0.0
    llm = ChatOpenAI(model="stub", base_url=stub_openai.base_url, api_key=SecretStr("k"))
    store = InMemoryVectorStore.from_texts(["text"], DeterministicFakeEmbedding(size=8))
    retriever = MultiQueryRetriever.from_llm(store.as_retriever(), llm)
    assert retriever.invoke("What is it?")
    dropped = weakref.ref(retriever)
    state = known_state(retriever)
    assert state is not None
    assert state.lifts  # What this is about: else it would pass by accident.
    del retriever, state
    monkeypatch.setattr(attached, "_IDLE", 0.0)
    assert RunnableLambda(add).invoke(1) == 2
    eventually(lambda: gc.collect() >= 0 and dropped() is None, "freeing it")


def test_the_kill_switch_makes_accelerate_give_back_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AYO_BRIDGE", "0")
    before = vars(RunnableLambda)["invoke"]
    start.install()
    assert vars(RunnableLambda)["invoke"] is before
    chain, anything = RunnableLambda(add), object()
    assert accelerate(chain) is chain
    assert accelerate(add) is add
    assert accelerate(anything) is anything
    assert "AYO_BRIDGE=0" in str(explain(chain))
    assert stats(add).calls == 0


@pytest.mark.parametrize(("name", "value"), [("AYO_ENGINES", ""), ("AYO_MAX_AHEAD", "many")])
def test_a_setting_that_is_wrong_is_said_once_and_the_program_runs_as_it_is(
    hooked: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    file = tmp_path / "engines.toml"
    file.touch()
    monkeypatch.setenv(name, value or str(file))
    monkeypatch.setattr(runtime, "_default", None)
    for _ in range(2):
        assert (RunnableLambda(add) | RunnableLambda(add)).invoke(1) == 3
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert said.getMessage().startswith("nothing is accelerated: ")
    assert value or "engines.toml declares no engine" in said.getMessage()
    monkeypatch.setenv("AYO_STATS", "1")
    monkeypatch.setattr(REMEMBERED, "called", list)
    reports._say()
    assert said.getMessage() in capsys.readouterr().err
