"""What a type checker says of the functions that users call. ``make check`` runs mypy over it."""

from pathlib import Path
from typing import Any, assert_type

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableSequence
from langchain_openai import ChatOpenAI
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.core.schema import NodeWithScore

from ayo_bridge import Runtime, accelerate, default_runtime, explain, stats, timeline
from ayo_bridge.observe import Explanation, Stats
from ayo_bridge.passes import PIPELINE, PrefillingSplit
from ayo_bridge.profile import ProfileStore
from ayo_bridge.seam import Engine, EngineKind


def llama_index_objects_keep_their_type(
    engine: RetrieverQueryEngine, base: BaseQueryEngine, retriever: VectorIndexRetriever
) -> None:
    assert_type(accelerate(engine), RetrieverQueryEngine)
    assert_type(accelerate(engine, runtime=Runtime()), RetrieverQueryEngine)
    assert_type(accelerate(base), BaseQueryEngine)
    assert_type(accelerate(retriever), VectorIndexRetriever)
    assert_type(accelerate(retriever).retrieve("a question"), list[NodeWithScore])


async def langchain_objects_keep_their_type(
    chain: Runnable[dict[str, str], str],
    steps: RunnableSequence[str, list[str]],
    retriever: MultiQueryRetriever,
    model: ChatOpenAI,
) -> None:
    assert_type(accelerate(chain), Runnable[dict[str, str], str])
    assert_type(accelerate(chain).invoke({"question": "why?"}), str)
    assert_type(await accelerate(chain).abatch([{"question": "why?"}]), list[str])
    assert_type(accelerate(steps), RunnableSequence[str, list[str]])
    assert_type(accelerate(retriever), MultiQueryRetriever)
    assert_type(accelerate(model), ChatOpenAI)
    base: BaseChatModel = accelerate(model)
    assert isinstance(base, ChatOpenAI)


def what_can_be_asked_of_an_accelerated_object(accelerated: object, path: Path) -> None:
    assert_type(explain(accelerated), Explanation)
    assert_type(str(explain(accelerated)), str)
    assert_type(explain(accelerated).json(), dict[str, object])
    assert_type(stats(accelerated), Stats)
    assert_type(stats(accelerated).hits, int)
    assert_type(stats(accelerated).hit_rate, float)
    assert_type(timeline(accelerated, "calls.html"), Path)
    assert_type(timeline(accelerated, path), Path)


def what_a_runtime_takes(engine: Engine, path: Path) -> None:
    assert_type(default_runtime(), Runtime)
    Runtime(policies="topology", engines=[engine], measure=False)
    Runtime(policies={EngineKind.LLM: "throughput"}, passes=PIPELINE, strict=True, priority=True)
    Runtime(passes=(PrefillingSplit(),), run_ahead=False, prefix_warming=False, history=1)
    Runtime(profiles=ProfileStore(path), templates=False).close()


def wrong_uses(engine: RetrieverQueryEngine, chain: Runnable[Any, str]) -> None:
    """Each is an error: were it none, mypy would say that its comment is unused."""
    accelerate(engine, Runtime())  # type: ignore[call-arg]
    accelerate(engine, runtime="fast")  # type: ignore[arg-type]
    accelerate(engine).invoke("a question")  # type: ignore[attr-defined]
    accelerate(chain).query("a question")  # type: ignore[attr-defined]
    number: int = accelerate(chain).invoke("a question")  # type: ignore[assignment]
    stats(engine).hits = number  # type: ignore[misc]
    timeline(engine)  # type: ignore[call-arg]
    timeline(engine, 1)  # type: ignore[arg-type]
    Runtime(strict="yes")  # type: ignore[arg-type]
    Runtime(passes=(PrefillingSplit,))  # type: ignore[arg-type]
    Runtime(engines=["llm"])  # type: ignore[list-item]
    Runtime(speed=2)  # type: ignore[call-arg]
